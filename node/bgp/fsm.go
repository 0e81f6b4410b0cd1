package bgp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// LinkID names one of the two connections that a session can have while both sides connect at once.
type LinkID uint8

// The connections.
const (
	Outgoing LinkID = iota
	Incoming
)

// InputKind says what happened.
type InputKind uint8

// What can happen to a session (RFC 4271 §8.1 in other words).
const (
	InStart        InputKind = iota // the operator wants the session; also: try now, without waiting
	InStop                          // the operator does not want it; Note is sent
	InReset                         // end it without NOTIFICATION and without keeping routes; Cause
	InTimer                         // Next was reached
	InDialed                        // the outgoing connection is there
	InDialFailed                    // it could not be made; Err
	InAccepted                      // the peer connected
	InClosed                        // Link ended; Err
	InOpen                          // OPEN received on Link; Open
	InKeepalive                     // KEEPALIVE received on Link
	InUpdate                        // UPDATE received on Link
	InRefresh                       // ROUTE-REFRESH received on Link
	InNotification                  // NOTIFICATION received on Link; Note
	InBadMessage                    // what was received on Link cannot be decoded; Note is sent
	InLimit                         // the peer announced more prefixes than allowed; Note is sent
	InReconfigure                   // Config
	InEndOfRIB                      // the peer's marker for Family
	InWantRefresh                   // this side wants the peer's table of Family again
)

// Input is one event for the state machine. Only the fields that its kind names are read.
type Input struct {
	Kind   InputKind
	Link   LinkID
	Open   *Open
	Note   *Notification
	Err    error
	Cause  string
	Config *Config
	Family Family
}

// ActionKind says what the caller must do.
type ActionKind uint8

// The actions.
const (
	ActDial       ActionKind = iota // connect; answer InDialed or InDialFailed
	ActCancelDial                   // give up connecting; no answer
	ActOpen                         // send Open on Link
	ActKeepalive                    // send KEEPALIVE on Link
	ActClose                        // send Note on Link, if there is one, and close it; no answer
	ActRefuse                       // the same for the connection just dialed or accepted, which is not to become Link's
	ActUp                           // Link carries the Established session with Peer
	ActDeliver                      // the UPDATE or ROUTE-REFRESH just received counts
	ActDown                         // the session ended, or what was kept for it is to go; Down
	ActRefresh                      // send ROUTE-REFRESH for Family on Link
	ActEndOfRIB                     // stale routes of Family are to go though the peer did not send its marker
)

// Action is one thing that the caller must do, in order.
type Action struct {
	Kind   ActionKind
	Link   LinkID
	Open   *Open
	Note   *Notification
	Peer   Peer
	Down   Down
	Family Family
}

// FSM is the state machine of one session (RFC 4271 §8): two connections at most, timers as deadlines, and the events that led here. It
// has no goroutine, socket or clock.
type FSM struct {
	cfg    Config
	random *rand.Rand

	wanted   bool // Start and not Stop
	state    State
	since    time.Time
	links    [2]link
	retryAt  time.Time // connect retry while Connect or Active
	idleTill time.Time // while Idle and wanted
	failures int       // since a session was last stable
	tries    int       // since a session was last up
	wasUp    bool      // a session was Established in this FSM's life

	kept     []Family  // families whose routes a Down said to keep, or that still hold such routes
	keptTill time.Time // until when

	events  []Event
	lastErr string
	acts    []Action
}

// link is one connection. Its state is Idle where there is none; only an outgoing one can be in Connect.
type link struct {
	state     State
	peer      Peer
	open      *Open
	holdAt    time.Time // zero: no limit
	keepAt    time.Time // zero: no keepalives
	keepEvery time.Duration
	waitTill  time.Time // confirmed by the peer, but the other connection is to be preferred if its OPEN comes until then
}

const (
	openHold      = 4 * time.Minute  // patience for the peer's OPEN (RFC 4271 §8.2.2)
	stableAfter   = 30 * time.Second // a session that lived so long clears the failures before it
	maxBackoff    = time.Minute
	collisionTime = 2 * time.Second // patience for the OPEN on the connection that wins a collision
	staleTime     = 6 * time.Minute // patience for the End-of-RIB of a peer that came back
	maxEvents     = 32
	defaultIdle   = time.Minute
	defaultRetry  = 5 * time.Second
	quickRetry    = time.Second
	minHold       = 3 * time.Second
	maxHoldTime   = 65535 * time.Second
	defaultHold   = 180 * time.Second
	defaultKeep   = 60 * time.Second
	backoffDouble = 4
)

// NewFSM makes the machine of one session, not yet started. random gives the jitter of its timers.
func NewFSM(c Config, random *rand.Rand, now time.Time) *FSM {
	return &FSM{cfg: c.withDefaults(), random: random, since: now}
}

// withDefaults fills in what 0 stands for. HoldTime below zero offers none.
func (c Config) withDefaults() Config {
	switch {
	case c.HoldTime == 0:
		c.HoldTime = defaultHold
	case c.HoldTime < 0:
		c.HoldTime = 0
	default:
		c.HoldTime = min(max(c.HoldTime, minHold), maxHoldTime).Truncate(time.Second)
	}
	if c.Keepalive <= 0 {
		c.Keepalive = defaultKeep
	}
	if c.ConnectRetry <= 0 {
		c.ConnectRetry = defaultRetry
	}
	if c.IdleAfterLimit <= 0 {
		c.IdleAfterLimit = defaultIdle
	}
	if len(c.Families) == 0 {
		c.Families = []Family{IPv4Unicast}
	}
	return c
}

// Step advances the machine by one event and returns what the caller must do. It never blocks and never reads the clock. The slice is
// reused by the next Step.
func (f *FSM) Step(in Input, now time.Time) []Action {
	f.acts = f.acts[:0]
	switch in.Kind {
	case InStart:
		f.start(now)
	case InStop:
		f.stop(in.Note, now)
	case InReset:
		f.reset(in.Cause, now)
	case InTimer:
		f.timers(now)
	case InReconfigure:
		f.reconfigure(*in.Config, now)
	case InDialed:
		f.dialed(now)
	case InDialFailed:
		f.dialFailed(in.Err, now)
	case InAccepted:
		f.accepted(now)
	case InLimit:
		f.limit(in.Note, now)
	case InEndOfRIB:
		f.endOfRIB(in.Family)
	case InWantRefresh:
		f.wantRefresh(in.Family)
	default:
		f.received(in, now)
	}
	return f.acts
}

// received handles what comes on one connection.
func (f *FSM) received(in Input, now time.Time) {
	l := &f.links[in.Link]
	if l.state < OpenSent {
		return // late news of a connection that is gone
	}
	switch in.Kind {
	case InClosed:
		f.closed(in.Link, in.Err, now)
	case InNotification:
		f.notified(in.Link, in.Note, now)
	case InBadMessage:
		f.fail(in.Link, in.Note, now)
	case InOpen:
		if l.state != OpenSent {
			f.unexpected(in.Link, "OPEN", now)
			return
		}
		f.opened(in.Link, in.Open, now)
	case InKeepalive:
		f.keptAlive(in.Link, now)
	case InUpdate, InRefresh:
		if l.state == OpenConfirm && !l.waitTill.IsZero() {
			f.establish(in.Link, now) // the peer has decided
		}
		if l.state != Established {
			f.unexpected(in.Link, map[InputKind]string{InUpdate: "UPDATE", InRefresh: "ROUTE-REFRESH"}[in.Kind], now)
			return
		}
		if in.Kind == InUpdate {
			l.heard(now)
		}
		f.act(Action{Kind: ActDeliver, Link: in.Link})
	}
}

// Next is when Step wants to be called with InTimer; zero: not before something else happens.
func (f *FSM) Next() time.Time {
	var next time.Time
	for _, t := range [...]time.Time{f.retryAt, f.idleTill, f.keptTill,
		f.links[0].holdAt, f.links[0].keepAt, f.links[0].waitTill, f.links[1].holdAt, f.links[1].keepAt, f.links[1].waitTill} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// State is the session's state: that of the connection that is furthest.
func (f *FSM) State() State { return f.state }

// fill completes s with what the machine knows.
func (f *FSM) fill(s *Status) {
	s.State, s.Since, s.LastError = f.state, f.since, f.lastErr
	s.Peer = Peer{}
	if l := f.established(); l != nil {
		s.Peer = l.peer
	}
	s.Events = slices.Clone(f.events)
	s.NextAttempt = time.Time{}
	switch f.state {
	case Idle:
		s.NextAttempt = f.idleTill
	case Active:
		s.NextAttempt = f.retryAt
	}
}

func (f *FSM) established() *link {
	for i := range f.links {
		if f.links[i].state == Established {
			return &f.links[i]
		}
	}
	return nil
}

func (f *FSM) act(a Action) { f.acts = append(f.acts, a) }

// settle recomputes the session's state after something changed and records the transition.
func (f *FSM) settle(cause string, now time.Time) {
	for id := range f.links {
		if !f.links[id].waitTill.IsZero() && f.links[1-id].state < OpenSent {
			f.establish(LinkID(id), now) // what it waited for is gone
		}
	}
	state := Idle
	switch best := max(f.links[Outgoing].state, f.links[Incoming].state); {
	case best >= Connect:
		state = best
	case f.wanted && f.idleTill.IsZero():
		state = Active
	}
	if state == f.state {
		return
	}
	from := f.state
	f.state, f.since = state, now
	f.record(Event{Time: now, From: from, To: state, Cause: cause})
}

// record keeps the latest events. Attempts that fail in the same way again and again take the room of one, the latest; what happened to an
// Established session is never merged.
func (f *FSM) record(e Event) {
	f.events = append(f.events, e)
	for k := 1; k <= 6; k++ {
		if first := len(f.events) - 2*k; first >= 0 && repeated(f.events[first:], k) {
			f.events = append(f.events[:first], f.events[first+k:]...)
			break
		}
	}
	if len(f.events) > maxEvents {
		f.events = append(f.events[:0], f.events[1:]...)
	}
}

// repeated reports whether the first k of 2k events say the same as the others, none about an Established session.
func repeated(events []Event, k int) bool {
	for i, a := range events[:k] {
		b := events[k+i]
		if a.From != b.From || a.To != b.To || a.Cause != b.Cause || a.From == Established || a.To == Established {
			return false
		}
	}
	return true
}

// jitter is d shortened by up to a quarter (RFC 4271 §10).
func (f *FSM) jitter(d time.Duration) time.Duration {
	return d - time.Duration(f.random.Int64N(int64(d)/4+1))
}

func (f *FSM) start(now time.Time) {
	f.wanted = true
	if f.links[Incoming].state > Idle || f.links[Outgoing].state > Idle {
		return
	}
	f.idleTill, f.failures, f.tries = time.Time{}, 0, 0
	f.connect("started", now)
}

// connect begins an attempt, or waits for the peer's where this side is passive.
func (f *FSM) connect(cause string, now time.Time) {
	f.idleTill = time.Time{}
	if f.cfg.Passive {
		f.retryAt = time.Time{}
		f.settle(cause, now)
		return
	}
	if f.links[Outgoing].state == Connect {
		f.act(Action{Kind: ActCancelDial})
		f.unanswered(now)
	}
	f.links[Outgoing] = link{state: Connect}
	f.retryAt = now.Add(f.jitter(f.cfg.ConnectRetry))
	f.act(Action{Kind: ActDial})
	f.settle(cause, now)
}

// unanswered notes that nothing came back for a whole attempt to connect: not even a refusal, which is what a wrong key looks like.
func (f *FSM) unanswered(now time.Time) {
	f.lastErr = fmt.Sprintf("connect to %s: no answer: the peer or the link is down, the way is filtered, or the MD5 keys differ", f.cfg.PeerAddr)
	f.record(Event{Time: now, From: Connect, To: Connect, Cause: f.lastErr})
}

func (f *FSM) stop(n *Notification, now time.Time) {
	f.wanted = false
	f.idleTill, f.retryAt = time.Time{}, time.Time{}
	f.lastErr = n.Error()
	f.dropAll(n, Down{Cause: n.Error(), Err: n}, now)
	f.forget(n.Error())
	f.settle(n.Error(), now)
}

func (f *FSM) reset(cause string, now time.Time) {
	f.dropAll(nil, Down{Cause: cause}, now)
	f.forget(cause)
	if f.wanted && f.idleTill.IsZero() {
		f.wait(now)
	}
	f.settle(cause, now)
}

// dropAll ends every connection with n, or silently where n is nil.
func (f *FSM) dropAll(n *Notification, d Down, now time.Time) {
	for id := range f.links {
		f.drop(LinkID(id), n, d, now)
	}
}

// drop ends one connection and forgets it. d is reported where it carried the session.
func (f *FSM) drop(id LinkID, n *Notification, d Down, now time.Time) {
	l := &f.links[id]
	was := *l
	*l = link{}
	switch {
	case was.state == Idle:
		return
	case was.state == Connect:
		f.act(Action{Kind: ActCancelDial})
		return
	}
	if n != nil && was.state == Established && f.cfg.RestartTime > 0 && f.notifiesGracefully(&was) && endsHard(n) {
		n = n.wrapped() // the peer would keep this side's routes
	}
	f.act(Action{Kind: ActClose, Link: id, Note: n})
	if was.state == Established {
		if now.Sub(f.since) >= stableAfter {
			f.failures = 0
		}
		if !d.Keep {
			f.kept, f.keptTill = nil, time.Time{}
		}
		f.act(Action{Kind: ActDown, Link: id, Down: d})
	}
}

// endsHard reports whether the peer must not keep routes after n though it could (RFC 8538 §5).
func endsHard(n *Notification) bool {
	return n.Code == CodeCease && (n.Subcode == CeaseMaxPrefixes || n.Subcode == CeaseAdminShutdown || n.Subcode == CeasePeerDeconfigured)
}

// wait sets the next attempt in state Active, where the peer may connect meanwhile: after a second, then later each time, to ConnectRetry.
func (f *FSM) wait(now time.Time) {
	f.retryAt = time.Time{}
	if !f.cfg.Passive {
		f.retryAt = now.Add(f.jitter(min(quickRetry<<min(f.tries, backoffDouble), f.cfg.ConnectRetry)))
		f.tries++
	}
}

// punish sets the next attempt after an error, in state Idle: longer with each failure since a session was stable.
func (f *FSM) punish(now time.Time) {
	f.retryAt = time.Time{}
	d := min(f.cfg.ConnectRetry<<min(f.failures, backoffDouble), maxBackoff)
	f.failures++
	f.idleTill = now.Add(f.jitter(d))
}

// alive reports whether a connection is left that can still become the session.
func (f *FSM) alive() bool {
	return f.links[Outgoing].state >= Connect || f.links[Incoming].state >= OpenSent
}

func (f *FSM) forget(cause string) {
	if len(f.kept) > 0 && f.established() == nil {
		f.act(Action{Kind: ActDown, Down: Down{Cause: cause}})
	}
	f.kept, f.keptTill = nil, time.Time{}
}
