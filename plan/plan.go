// Package plan is the contract between the two halves: what one node shall be (Node) and what it is (Report).
//
// In:  control/compile makes Nodes from resources. Out: package node makes them true and answers with Reports.
//
// A Node is whole desired state: it is handed over complete, with a generation, and the receiver diffs; nothing is ever added or
// removed by verb. Both types are plain immutable values: whoever receives one must not change it; use Clone. "Is it live yet?" is one
// comparison: Report.Applied >= Node.Generation.
//
// Names (of attachments, domains, sessions, policers) are unique on a node and stable across generations: they are the diff's keys.
// They are printable, of any length; kernel names are derived from them by the node.
package plan

import (
	"net/netip"
	"time"
)

// Role is what a node is for. It is informational: behaviour follows from the nouns of the plan alone.
type Role string

// The roles.
const (
	RoleEdge     Role = "edge"
	RoleGateway  Role = "gateway"
	RoleCompute  Role = "compute"
	RoleExchange Role = "exchange"
	RoleRouter   Role = "router"
)

// Node is the whole desired state of one node.
type Node struct {
	Name       string
	Role       Role
	Generation int64      // the store revision that last changed this plan's content; grows only
	VTEP       netip.Addr // this node's tunnel end point on the fabric; invalid where the node has none
	RouterID   netip.Addr // IPv4-shaped BGP identifier of all its sessions

	Ports         []Port
	Attachments   []Attachment
	Domains       []Domain
	Sessions      []Session
	Crossconnects []Crossconnect
	Policers      []Policer
}

// Port is an interface the node forwards on. Its name is the interface's name in the node's network namespace.
type Port struct {
	Name    string
	Enabled bool // false: set administratively down
	MTU     int  // L3 bytes carried after up to two tags, e.g. 1500; the interface itself needs MTU+8. 0: leave as it is
	// OuterEtherType is the TPID of the S-tag: 0x8100 (default where 0) or 0x88a8.
	OuterEtherType uint16
	// Underlay is the node's address on the fabric, where this port leads to it; VXLAN leaves by this port. Invalid elsewhere.
	Underlay netip.Prefix
}

// Attachment is where frames enter or leave a domain or a crossconnect. Exactly one of the forms is used:
// (Port, STag, CTag), (Port, STag, AnyCTag), (Port, CTag), (Port, AnyCTag), (Port) for untagged, or (VNI, Remote).
type Attachment struct {
	Name    string
	Domain  string // the domain it belongs to; "" for an end of a crossconnect
	Port    string
	STag    uint16 // 1..4094, or 0 for none
	CTag    uint16 // 1..4094, or 0 for none
	AnyCTag bool   // every inner tag that has no attachment of its own, carried transparently; crossconnects only
	VNI     uint32 // with Remote: a VXLAN tunnel over the fabric
	Remote  netip.Addr

	Addresses   []Address  // the node's own addresses here; the kernel answers ARP/ND and TCP for them on the punt device
	Neighbors   []Neighbor // peers whose MAC is known from the plan; others are resolved by ARP/ND
	MTU         int        // L3 bytes; 0: 1500
	Ingress     string     // policer for packets entering here; "" for none
	Egress      string     // policer for packets leaving here
	SourceCheck SourceCheck
}

// Address is one own address: a prefix with the host part (192.168.1.2/30), or a point-to-point pair when Peer is valid.
type Address struct {
	Prefix netip.Prefix
	Peer   netip.Addr
}

// Neighbor is a statically known peer.
type Neighbor struct {
	Addr netip.Addr
	MAC  string // "02:00:5e:10:00:01"
}

// SourceCheck is the reverse path rule of an attachment (RFC 3704).
type SourceCheck string

// The rules: none; loose (some route to the source exists); strict (a best path to the source leaves by this attachment).
const (
	SourceAny    SourceCheck = ""
	SourceLoose  SourceCheck = "loose"
	SourceStrict SourceCheck = "strict"
)

// Domain is one routing instance.
type Domain struct {
	Name      string
	MultiPath int // most equal paths used at once; 0: 1
	Static    []StaticRoute
}

// StaticRoute is a route of the plan itself. Exactly one of NextHop (with Attachment) or Unreachable is used.
type StaticRoute struct {
	Prefix      netip.Prefix
	Attachment  string
	NextHop     netip.Addr
	Unreachable bool     // answers ICMP unreachable, unless a longer route exists; what an aggregate points to
	Class       string   // see Session.Import.Class
	Communities []uint32 // attached on export; high 16 bits ASN
}

// Session is one BGP peer on one attachment.
type Session struct {
	Name       string
	Attachment string
	LocalAddr  netip.Addr
	PeerAddr   netip.Addr
	LocalAS    uint32
	PeerAS     uint32        // equal to LocalAS: internal BGP
	Key        Secret        // TCP-MD5 (RFC 2385); "" for none
	Enabled    bool          // false: closed with Cease/Administrative Shutdown
	Passive    bool          // wait for the peer to connect
	Keepalive  time.Duration // offered; 0: 60 s
	HoldTime   time.Duration // offered, negotiated down to the peer's; 0: 180 s
	// RestartTime offered for graceful restart (RFC 4724), whole seconds; 0: only as helper.
	RestartTime time.Duration
	MaxPrefixes int // IPv4 prefixes taken from the peer; one more ends the session with Cease/1; 0: no limit
	// IdleAfterLimit is how long a session that hit MaxPrefixes stays down before it tries again.
	IdleAfterLimit time.Duration
	BFD            *BFD // nil: none
	Import         Import
	Export         Export
}

// BFD is bidirectional forwarding detection with a session's peer (RFC 5880, 5881). It ends paths that fail silently; a peer that speaks
// none keeps its session.
type BFD struct {
	Interval   time.Duration // between packets, both ways; the slower side wins. 0: 300 ms
	Multiplier uint8         // packets lost in a row that end the path. 0: 3
}

// Import decides what is taken from a peer.
type Import struct {
	// Class marks what is accepted ("customer", "gateway", "host" …); Export.Classes selects by it.
	Class            string
	Weight           uint32 // higher wins before everything else; local to the node
	StripCommunities bool
	Deny             []PrefixRule // first match refuses
	Allow            []PrefixRule // when not empty, only matches are accepted
}

// Export decides what is announced to a peer. The next hop is always the session's local address.
type Export struct {
	Classes   []string
	RemoveAS  []uint32 // taken out of the AS path before the own AS is prepended
	Prepend   int      // own AS this many times more
	AllowBack bool     // announce a path to a peer whose AS is in it (for looking glasses); default drop
}

// PrefixRule matches a prefix that lies in Prefix with a length in [Min, Max]; both 0: exactly Prefix.
type PrefixRule struct {
	Prefix   netip.Prefix
	Min, Max int
}

// Crossconnect joins two attachments at layer 2: what enters at one leaves at the other with the tags rewritten.
type Crossconnect struct {
	Name string
	A, B string
	// LinkLossForwarding takes the port of A down while the port of B has no carrier, so that a router behind a port of its own
	// sees the failure at once.
	LinkLossForwarding bool
}

// Policer is a token bucket (single rate, two colours). All attachments that name it share it.
type Policer struct {
	Name          string
	BitsPerSecond uint64 // of L2 frames without the tags and tunnel headers this fabric adds
	BurstBytes    uint64
}

// Secret is a key in the plan. It prints masked; JSON carries it, because the node needs it.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "*****"
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }
