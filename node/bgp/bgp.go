// Package bgp is a BGP-4 speaker's session core: codec, state machine and the runner around them.
//
// In:  bytes from one peer and the paths the node wants announced. Out: decoded Updates and session transitions to a Handler.
//
// The state machine (FSM) is sans-I/O: Step takes an event and the time and returns actions; it has no goroutine, socket or clock.
// Session runs one FSM: it owns the connection, the timers and the outbound queue, in goroutines of its own. A panic while decoding
// ends that one session with a NOTIFICATION and is counted; it never crosses to another.
//
// Tables live in node/rib, sockets (devices, MD5 keys) with the node, which passes a Dialer in.
//
// The codec is the package's own, because it must answer errors as RFC 7606 says and because it is several times faster; tests compare it
// with gobgp's, message by message.
//
// Specs: RFC 4271 (session, NOTIFICATION), 4760 (multiprotocol), 5492 (capabilities), 2918/7313 (route refresh), 6793 (4-byte ASN), 7606
// (revised error handling), 7607 (AS 0), 4486/8203/9003 (Cease), 4724/8538 (graceful restart), 6286 (identifiers), 8654 (extended messages),
// 9072 (extended OPEN), 9687 (send hold timer), 1997/8092 (communities).
package bgp

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Family is an AFI/SAFI pair (RFC 4760).
type Family struct {
	AFI  uint16
	SAFI uint8
}

// The families known by name. The core is general; only these have an NLRI codec so far.
var (
	IPv4Unicast = Family{1, 1}
	IPv6Unicast = Family{2, 1}
)

// Config is one session as it shall be. It is immutable; a changed Config needs Session.Reconfigure.
type Config struct {
	Name         string
	LocalAS      uint32
	PeerAS       uint32
	RouterID     netip.Addr // IPv4-shaped
	LocalAddr    netip.Addr
	PeerAddr     netip.Addr
	Families     []Family      // nil: IPv4Unicast
	Keepalive    time.Duration // offered; 0: 60 s
	HoldTime     time.Duration // offered; 0: 180 s; below 0: none, the session has no hold timer
	Passive      bool
	ConnectRetry time.Duration // 0: 5 s
	RestartTime  time.Duration // RFC 4724; 0: helper only
	// KeepOverNotification sets the N bit (RFC 8538): a NOTIFICATION, and so an expired hold timer, does not end graceful restart. Only
	// for paths whose death something else notices: a peer keeps using a silent one for all of RestartTime.
	KeepOverNotification bool
	Restarting           bool          // this speaker just restarted and kept its forwarding state (R and F bits)
	MaxPrefixes          int           // per family, counted by the session from what the Handler keeps; 0: none
	IdleAfterLimit       time.Duration // after Cease/1 towards the peer; 0: 60 s
}

// Internal reports whether the session is internal BGP.
func (c Config) Internal() bool { return c.LocalAS == c.PeerAS }

// Dialer opens and secures connections to the peer: bound to the right device, with the right key. The node implements it.
type Dialer interface {
	Dial(ctx context.Context) (net.Conn, error)
}

// Handler receives what a session learns, in order, on the session's own goroutine; it must not block for long and must not call back
// into the session other than by Announce.
type Handler interface {
	// Up: the session reached Established. Everything this speaker has must be announced now, then EndOfRIB.
	Up(p Peer)
	// Update is one decoded UPDATE. u and what it points to are the handler's from now on.
	Update(u Update)
	// Refresh: the peer asks for the whole table of f again (RFC 2918).
	Refresh(f Family)
	// Down: the session left Established. When d.Keep, the routes learned from d.Kept stay in use as stale for d.KeepFor (RFC 4724
	// helper), until the peer's EndOfRIB; otherwise they are withdrawn now. The session ends the keeping itself: by a second Down
	// without Keep when the peer does not come back in time, by an Update with EndOfRIB when it came back without its forwarding
	// state or does not send the marker in time.
	Down(d Down)
}

// Peer is what was negotiated with the peer.
type Peer struct {
	ID              netip.Addr
	AS              uint32
	HoldTime        time.Duration // negotiated; 0: none
	Families        []Family      // both sides'
	FourByteAS      bool
	Refresh         bool
	GracefulRestart bool
	RestartTime     time.Duration // the peer's
	Restarting      bool          // the peer's R bit
	Forwarding      []Family      // families whose F bit the peer set
}

// Down says why a session ended.
type Down struct {
	Cause   string // for people, e.g. "hold timer expired", "received Cease/Administrative Shutdown"
	Err     error  // *Notification where one was sent or received
	Keep    bool
	KeepFor time.Duration
	Kept    []Family // those that Keep is about
}

// Update is one UPDATE's content for one family. Attrs is nil where only withdrawals came. Withdrawn comes before Reach: a prefix in both is
// reachable (RFC 4271 §4.3).
type Update struct {
	Family    Family
	Withdrawn []netip.Prefix
	Reach     []netip.Prefix
	NextHop   netip.Addr
	Attrs     *Attrs
	EndOfRIB  bool
	// TreatAsWithdraw: the attributes were broken in a way RFC 7606 answers by withdrawing; Reach was moved to Withdrawn.
	TreatAsWithdraw bool
}

// Origin is the ORIGIN attribute.
type Origin uint8

// Origin values in order of preference.
const (
	OriginIGP Origin = iota
	OriginEGP
	OriginIncomplete
)

// Segment is one AS_PATH segment.
type Segment struct {
	Set  bool // AS_SET (counts 1 in length); false: AS_SEQUENCE
	ASNs []uint32
}

// Attrs is a path's attributes. It is immutable once made; the same pointer may be shared by many routes.
type Attrs struct {
	Origin           Origin
	ASPath           []Segment
	MED              uint32
	HasMED           bool
	LocalPref        uint32 // 100 unless received from an internal peer
	AtomicAggregate  bool
	Aggregator       netip.Addr
	AggregatorAS     uint32
	Communities      []uint32
	LargeCommunities [][3]uint32
	ExtCommunities   [][8]byte
	OriginatorID     netip.Addr
	ClusterList      []netip.Addr
	Unknown          []RawAttr // optional transitive attributes passed on with the partial bit
}

// RawAttr is an attribute carried but not understood.
type RawAttr struct {
	Flags, Type uint8
	Value       []byte
}

// State is a session's FSM state (RFC 4271 §8.2.2).
type State uint8

// The states.
const (
	Idle State = iota
	Connect
	Active
	OpenSent
	OpenConfirm
	Established
)

// Status is a session seen from outside.
type Status struct {
	State                   State
	Since                   time.Time
	Peer                    Peer // zero unless Established
	MessagesIn, MessagesOut uint64
	LastError               string
	Received                int       // distinct prefixes held from the peer now, all families
	TreatedAsWithdraw       uint64    // UPDATEs whose prefixes were withdrawn because an attribute was malformed (RFC 7606)
	AttributesDiscarded     uint64    // attributes dropped because they were malformed or out of place (RFC 7606)
	LastMalformed           string    // what was wrong with the latest of TreatedAsWithdraw
	Panics                  uint64    // messages whose decoding failed inside; each cost the session
	NotSent                 uint64    // announcements that cannot be encoded: no attributes, a next hop of the wrong kind, attributes too large
	Events                  []Event   // newest last, at most 32
	NextAttempt             time.Time // zero unless waiting
}

// Event is one transition with its cause.
type Event struct {
	Time     time.Time
	From, To State
	Cause    string
}

// Runner is what the node uses of a Session (see NewSession); it is an interface so that package node can be tested without sockets.
type Runner interface {
	// Run runs the session until ctx ends, then closes it: with Cease/Administrative Shutdown when Stop was called, silently when the
	// process merely ends (so that a graceful-restart helper keeps the routes).
	Run(ctx context.Context) error
	// Accept hands an incoming connection of this peer over; the session owns it from now on (collision detection RFC 4271 §6.8).
	Accept(c net.Conn)
	// Announce replaces what is announced for the prefixes of us; updates are queued, merged per prefix and never block. Reach needs
	// Attrs and NextHop. Ignored unless Established.
	Announce(us []Update)
	Reset(cause string)                    // drop now without NOTIFICATION, e.g. the link went down; routes are not kept
	Stop(code, subcode uint8, text string) // send a NOTIFICATION, stay down until Start
	Start()
	Reconfigure(c Config) // applies at once; ends the session only where the change needs it
	Status() Status
}

// Cease subcodes (RFC 4486).
const (
	CodeCease               = 6
	CeaseMaxPrefixes        = 1
	CeaseAdminShutdown      = 2
	CeasePeerDeconfigured   = 3
	CeaseAdminReset         = 4
	CeaseConnectionRejected = 5
	CeaseOtherConfig        = 6
	CeaseCollision          = 7
	CeaseOutOfResources     = 8
)
