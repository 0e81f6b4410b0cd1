// Package fib is a node's forwarding state: what it shall be, the difference to what it is, and the two twins that hold it, memory and
// kernel (XDP programs and maps).
//
// In:  package node gives the whole Config on every plan, and Changes of routes as the RIB decides them. Out: packets, counters, and the
// states of ports.
//
// Maps and programs are pinned below Options.Pin: closing the FIB, or killing the process, stops no packet, and a new process finds the
// state and continues it. Every drop has a reason of the enum in xdp/drop.h, every reason a counter, every counter a packet test.
//
// Order: routes to a new attachment are programmed after it, an attachment is removed after the routes to it. A next hop that fails is
// one store, whatever the number of prefixes behind it.
package fib

import (
	"errors"
	"net"
	"net/netip"
)

// errClosed is every method's answer after Close.
var errClosed = errors.New("the FIB is closed")

// FIB is forwarding state. Twins: Memory (a slow, obviously right model that also forwards packets, for tests and sim) and Kernel.
// Methods are called from one goroutine, except Counters.
type FIB interface {
	// Apply makes the configuration so. It is idempotent and make-before-break; counters of what stays are kept.
	Apply(c Config) error
	// Routes applies changes to the routes of one domain, in order. An empty Hops removes the prefix. IPv6 prefixes are passed over:
	// IPv6 is punted for sessions, and not forwarded. At most 16 hops of a route are used. When a change is refused, the others hold.
	Routes(domain string, cs []RouteChange) error
	// ReplaceRoutes makes rs the whole table of the domain, without a gap for the prefixes in both (after an agent's restart).
	ReplaceRoutes(domain string, rs []RouteChange) error
	// SetNeighbor tells a neighbour's MAC on an attachment, or that it is unresolved (nil): one store.
	SetNeighbor(attachment string, addr netip.Addr, mac net.HardwareAddr) error
	// SetUnderlayNeighbor tells to which MAC frames for a remote tunnel end point go, its own or that of the router to it; nil: not
	// known. One store. It may come before the attachments that use it.
	SetUnderlayNeighbor(remote netip.Addr, mac net.HardwareAddr) error
	// SetAttachmentUp takes the paths through an attachment out of every group at once (link lost), or back: one store each.
	SetAttachmentUp(attachment string, up bool) error
	// Counters reads all counters.
	Counters() (Counters, error)
	// Mode says what runs, per port: "native", "generic", "memory".
	Mode() map[string]string
	// Close releases this process's handles; what is pinned keeps forwarding.
	Close() error
	// Remove detaches and unpins everything: nothing of the node is left.
	Remove() error
}

// Config is a node's forwarding configuration without routes. All slices are keyed by Name.
type Config struct {
	VTEP          netip.Addr
	Ports         []Port
	Attachments   []Attachment
	Domains       []string
	Crossconnects []Crossconnect
	Policers      []Policer
}

// Port is an interface that exists already in this network namespace.
type Port struct {
	Name           string
	Ifindex        int
	MAC            net.HardwareAddr
	MTU            int    // L3 bytes carried after the tags
	OuterEtherType uint16 // 0: 0x8100
	Underlay       bool   // VXLAN leaves and enters here; other IP traffic to the node itself passes to the kernel
}

// Attachment is as plan.Attachment, with the punt device the node made for it.
type Attachment struct {
	Name        string
	Domain      string
	Port        string
	STag, CTag  uint16
	AnyCTag     bool
	VNI         uint32
	Remote      netip.Addr
	Locals      []netip.Addr // own addresses: ARP, ND and BGP for them are punted, ICMP echo is answered in the data path
	MTU         int
	Ingress     string
	Egress      string
	SourceCheck SourceCheck
	// PuntIfindex is the data path's end of the punt veth pair, KernelIfindex the end with the addresses; 0 on crossconnect ends.
	PuntIfindex   int
	KernelIfindex int
	MAC           net.HardwareAddr // of the kernel's end; frames to the attachment carry it, frames from it show it
}

// SourceCheck is the reverse path rule (RFC 3704).
type SourceCheck uint8

// The rules.
const (
	SourceAny SourceCheck = iota
	SourceLoose
	SourceStrict
)

// Crossconnect joins two attachments at layer 2.
type Crossconnect struct {
	Name, A, B string
}

// Policer is a token bucket shared by all attachments that name it.
type Policer struct {
	Name          string
	BitsPerSecond uint64
	BurstBytes    uint64
}

// RouteChange is one prefix of a domain with its next hops (equal cost).
type RouteChange struct {
	Prefix netip.Prefix
	Hops   []Hop // empty: remove
}

// Hop is one next hop.
type Hop struct {
	Attachment  string
	Addr        netip.Addr // neighbour; invalid: the destination itself is the neighbour
	Unreachable bool       // drop with ICMP unreachable (RFC 792 type 3)
}

// Counters are cumulative since a thing was made.
type Counters struct {
	Attachments map[string]AttachmentCounters
	Policers    map[string]PolicerCounters
	Drops       map[string]uint64 // whole node by reason, packets
}

// AttachmentCounters counts L3 bytes.
type AttachmentCounters struct {
	InPackets, InBytes   uint64
	OutPackets, OutBytes uint64
	Drops                map[string]uint64
}

// PolicerCounters counts what passed and what was dropped.
type PolicerCounters struct {
	PassedPackets, PassedBytes   uint64
	DroppedPackets, DroppedBytes uint64
}
