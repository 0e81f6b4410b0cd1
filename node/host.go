package node

import (
	"context"
	"net"
	"net/netip"

	"onramp/plan"
)

// host is the kernel of the node's network namespace as the agent uses it: interfaces, neighbours, sockets. Twins: kernel (netlink) and
// the fake of the tests. Methods are called from the agent's main goroutine; Dial from sessions.
type host interface {
	// Watch calls f with the state of every interface and neighbour, first with all there are and then with each change, until ctx ends.
	// f is called from one goroutine.
	Watch(ctx context.Context, f func(event)) error
	// SetPort gives an existing interface its admin state, MTU, offloads and underlay address, and returns it.
	SetPort(p portSpec) (linkState, error)
	// MakePunts makes the punt devices so; those that are right already are left alone, others than the ones named too. Entry i of the results
	// belongs to entry i of ps.
	MakePunts(ps []puntSpec) ([]puntDevice, []error)
	// RemovePunts removes all punt devices of this node that are not in keep (by name of the kernel's end).
	RemovePunts(keep map[string]bool) error
	// Resolve makes the kernel keep the neighbour's MAC known, whether or not the kernel itself talks to it.
	Resolve(ifindex int, addr netip.Addr) error
	// Forget ends Resolve, and removes a neighbour set by SetNeighbor.
	Forget(ifindex int, addr netip.Addr) error
	// SetNeighbor sets a neighbour for good.
	SetNeighbor(ifindex int, addr netip.Addr, mac net.HardwareAddr) error
	// KeyFailures counts the TCP segments dropped for their MD5 signature, by md5_wrong, md5_missing and md5_unexpected.
	KeyFailures() (map[string]uint64, error)
	// NextHop says by which interface and neighbour an underlay address is reached.
	NextHop(addr netip.Addr) (ifindex int, via netip.Addr, err error)
	// Listen accepts BGP connections to local on the device only; peers without a key set by SetKey need none.
	Listen(device string, local netip.Addr) (listener, error)
	// Dial connects from local to peer's BGP port through the device only, with the key.
	Dial(ctx context.Context, device string, local, peer netip.Addr, key plan.Secret) (net.Conn, error)
}

// listener is a BGP listener of one device.
type listener interface {
	Accept() (net.Conn, error)
	SetKey(peer netip.Addr, key plan.Secret) error // "" removes it
	Close() error
}

// event is a change that the kernel tells: one of the fields is set.
type event struct {
	link     *linkState
	neighbor *neighborState
	arp      *arpSender
}

// linkState is an interface.
type linkState struct {
	Name    string
	Index   int
	Up      bool // administratively
	Carrier bool
	MTU     int
	MAC     net.HardwareAddr
	Gone    bool
}

// neighborState is a neighbour; MAC nil while it is unresolved.
type neighborState struct {
	Index int
	Addr  netip.Addr
	MAC   net.HardwareAddr
	Gone  bool
}

// arpSender is who sent an ARP packet that came in.
type arpSender struct {
	Index int
	Addr  netip.Addr
	MAC   string
}

// portSpec is what a port's interface shall be.
type portSpec struct {
	Name      string
	Up        bool
	MTU       int // of the interface; 0: leave
	Addresses []netip.Prefix
}

// puntSpec is one punt device as it shall be.
type puntSpec struct {
	Attachment string
	Kernel     string // name of the end with the addresses
	Path       string // name of the data path's end
	KernelMAC  net.HardwareAddr
	PathMAC    net.HardwareAddr
	MTU        int
	Addresses  []plan.Address
}

// puntDevice is one that exists.
type puntDevice struct {
	KernelIndex, PathIndex int
	Made                   bool // just now
}
