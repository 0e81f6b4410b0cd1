package bfd

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Session is one session as it shall be. Name is the key of the diff; Device and the addresses say who speaks with whom.
type Session struct {
	Name   string
	Device string // the interface that packets pass; two of them may have the same addresses
	Local  netip.Addr
	Remote netip.Addr // of Local's family
	Config
}

// Event is what is known of a session now.
type Event struct {
	Name string
	// Unknown: nobody watches the path at the moment, because the daemon cannot be reached. It says nothing of the path.
	Unknown bool   `json:",omitempty"`
	Problem string `json:",omitempty"` // why it can send nothing, such as a device that is missing
	Status
}

// Drops counts received packets that changed nothing.
type Drops struct {
	TTL       uint64 // not sent by a neighbour (RFC 5881 §5)
	Malformed uint64 // refused by Parse
	Stranger  uint64 // of no session of the device they came in on
}

// order is a line from the client: the whole desired state, or the end.
type order struct {
	Sessions []Session
	Stop     bool `json:",omitempty"`
}

// news is a line from the daemon. With Whole it answers an order: all sessions, and the counters; without, what changed.
type news struct {
	Whole  bool `json:",omitempty"`
	Events []Event
	Drops  *Drops `json:",omitempty"`
}

// The bounds of what a session may be told.
const (
	minInterval = 10 * time.Millisecond
	maxInterval = time.Minute
)

// Validate says what is wrong with a session.
func (s Session) Validate() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("bfd session %q: %s", s.Name, fmt.Sprintf(format, args...)))
		}
	}
	want(s.Name != "", "the name is empty")
	want(s.Device != "" && len(s.Device) < 16, "device %q is no interface name", s.Device)
	want(s.Local.IsValid() && s.Remote.IsValid() && s.Local.BitLen() == s.Remote.BitLen(), "%v and %v are not of one family", s.Local, s.Remote)
	want(!s.Local.Is4In6() && !s.Remote.Is4In6(), "%v, %v: an IPv4 address is wrapped in an IPv6 one", s.Local, s.Remote)
	want(s.Local != s.Remote, "the remote address is the local one")
	c := s.filled()
	for _, d := range []time.Duration{c.DesiredMinTx, c.RequiredMinRx} {
		want(d >= minInterval && d <= maxInterval, "the interval %v is outside %v..%v", d, minInterval, maxInterval)
	}
	return errors.Join(errs...)
}

// samePath reports whether a running session can become the other.
func samePath(a, b Session) bool {
	return a.Device == b.Device && a.Local == b.Local && a.Remote == b.Remote
}
