// Package rib keeps the routes of one domain and decides which of them to use.
//
// In:  paths learned by package bgp and the plan's own routes (Learn, Withdraw, Drop). Out: Changes, for package node to program into
// node/fib first and to announce after (the order is a law).
//
// A Table belongs to one goroutine; it has no locks, no clock and no I/O. Preference is decided by better; its tests stand in the order
// of RFC 4271 §9.1.2.2, with weight before everything else.
package rib

import (
	"net/netip"

	"onramp/node/bgp"
)

// Source is who a path came from. It is shared by all its paths.
type Source struct {
	Name       string // session name; "" for the plan's own routes
	Attachment string
	Internal   bool
	PeerID     netip.Addr
	PeerAddr   netip.Addr
	PeerAS     uint32
}

// Path is one way to one prefix. Immutable once learned.
type Path struct {
	Source  *Source
	Attrs   *bgp.Attrs // nil for the plan's own routes
	NextHop NextHop
	Weight  uint32
	Class   string
	Stale   bool // kept for a restarting peer (RFC 4724)
}

// NextHop is where packets go: an attachment and the neighbour on it, or Unreachable.
type NextHop struct {
	Attachment  string
	Addr        netip.Addr
	Unreachable bool
}

// Change is a changed set of used paths of one prefix. Best[0] is the best path (what is announced); all of Best carry traffic. An empty
// Best means the prefix is gone.
type Change struct {
	Prefix netip.Prefix
	Best   []*Path
}
