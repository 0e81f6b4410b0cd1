package plan

import (
	"net/netip"
	"time"
)

// Report is what a node is, observed by the node itself and posted to control.
type Report struct {
	Node     string
	Started  time.Time // of this agent process
	Time     time.Time
	Applied  int64  // generation of the newest plan that is wholly applied
	Problem  string // why the newest plan is not applied; "" when it is
	DataPath string // "xdp native", "xdp generic", "memory": what was chosen, for people

	Ports       []PortState
	Sessions    []SessionState
	Attachments []AttachmentState
	Policers    []PolicerState
	Domains     []DomainState
	Drops       []DropCount // whole node, by reason; with md5_wrong, md5_missing and md5_unexpected of the kernel's TCP (RFC 2385)
}

// PortState is the state of one port.
type PortState struct {
	Name    string
	Up      bool   // administratively up and carrier present
	Mode    string // "native", "generic", ""
	MAC     string
	Changes int // up/down transitions since start
	// UnknownTags are the tags that came in and belong to no attachment, those seen last first, at most 16.
	UnknownTags []TagCount
}

// TagCount is a combination of tags (0: none) and how often it was seen.
type TagCount struct {
	STag, CTag uint16
	Packets    uint64
	Last       time.Time // when the number last grew; zero: not since the agent started
}

// SessionState is one BGP session as the FSM has it.
type SessionState struct {
	Name                    string
	State                   string // Idle Connect Active OpenSent OpenConfirm Established (RFC 4271 §8.2.2)
	Since                   time.Time
	LocalAddr               netip.Addr
	PeerAddr                netip.Addr
	PeerAS                  uint32
	PeerID                  netip.Addr
	HoldTime                time.Duration // negotiated
	Received                int           // prefixes accepted, IPv4
	Advertised              int
	MessagesIn, MessagesOut uint64
	BFD                     string // Up Init Down AdminDown (RFC 5880 §4.1), or Unknown while nobody watches; "" where the plan has none
	BFDSince                time.Time
	LastError               string         // last NOTIFICATION or transport error with its meaning
	Events                  []SessionEvent // newest last, bounded
}

// SessionEvent is one transition with its cause.
type SessionEvent struct {
	Time  time.Time
	From  string
	To    string
	Cause string
}

// AttachmentState carries counters since the attachment was made (they survive agent restarts: the maps are pinned).
type AttachmentState struct {
	Name                 string
	InPackets, InBytes   uint64 // bytes: L3
	OutPackets, OutBytes uint64
	Drops                []DropCount
	Neighbors            []NeighborState
	// Strangers sent ARP here and are no peers of the plan; newest first, at most 4. Age is since the last ARP.
	Strangers []NeighborState
}

// NeighborState is one row of the ARP/ND table.
type NeighborState struct {
	Addr  netip.Addr
	MAC   string // "" while unresolved
	Age   time.Duration
	Local bool // the node's own address
}

// PolicerState counts what a policer let through and dropped.
type PolicerState struct {
	Name                          string
	PassedBytes, DroppedBytes     uint64
	PassedPackets, DroppedPackets uint64
}

// DropCount is a number of packets dropped for one reason (the names of node/fib's reason enum).
type DropCount struct {
	Reason  string
	Packets uint64
	Last    time.Time // when the number last grew; zero: not since the agent started, or not kept (attachments)
}

// DomainState is the size of a domain's table. Routes themselves are fetched on demand (RouteQuery).
type DomainState struct {
	Name     string
	Prefixes int
	Paths    int
}

// ClassConnected marks the routes that a node has by itself: its own addresses' subnets and its neighbours.
const ClassConnected = "connected"

// Route is one path of a domain's table, for looking glasses.
type Route struct {
	Domain      string
	Prefix      netip.Prefix
	NextHop     netip.Addr
	Attachment  string
	Session     string // where it was learned; "" for static and connected
	Class       string
	ASPath      string // "12076 65001 {65002 65003}"
	Origin      string // IGP EGP INCOMPLETE
	LocalPref   uint32
	MED         uint32
	Weight      uint32
	Communities []string
	Best        bool // in use (several with multipath)
	Stale       bool
	// Direction is "loc" (in the table), "out" (announced to Session).
	Direction string
}
