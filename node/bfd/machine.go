package bfd

import (
	"time"
)

// Config is what a session shall be.
type Config struct {
	DesiredMinTx  time.Duration // 0: 300 ms
	RequiredMinRx time.Duration // 0: 300 ms
	DetectMult    uint8         // 0: 3
	Passive       bool          // send nothing before the peer does
	AdminDown     bool
}

// The defaults, those of the service; slow is the least interval while a session is not Up (RFC 5880 §6.8.3).
const (
	DefaultInterval = 300 * time.Millisecond
	DefaultMult     = 3
	slow            = time.Second
)

func (c Config) filled() Config {
	if c.DesiredMinTx == 0 {
		c.DesiredMinTx = DefaultInterval
	}
	if c.RequiredMinRx == 0 {
		c.RequiredMinRx = DefaultInterval
	}
	if c.DetectMult == 0 {
		c.DetectMult = DefaultMult
	}
	return c
}

// Machine is one session's state machine. It has no clock, socket or goroutine: the caller passes the time in, sends what comes back, and
// calls Tick not later than Deadline.
//
//	          recv AdminDown, or nothing for the detection time
//	  ┌──────────────────────────────────────────────────────┐
//	Down ──recv Down──► Init ──recv Init/Up──► Up ──recv Down─┤
//	  └───────recv Init────────────────────────▲              │
//	  ▲──────────────────────────────────────────────────────┘
type Machine struct {
	cfg    Config
	jitter func() float64 // in [0, 1)

	state State
	diag  Diagnostic
	discr uint32
	since time.Time
	// failed: it left Up because the path or the peer failed, and nothing has been heard since that says otherwise.
	failed bool

	remoteState  State
	remoteDiscr  uint32
	remoteDiag   Diagnostic
	remoteMinRx  time.Duration // 0: the peer wants no periodic packets
	remoteMinTx  time.Duration
	remoteMult   uint8
	remoteDemand bool

	poll bool // a poll sequence is under way
	// txNow and rxNow are in force; they follow the announced ones after the poll sequence where RFC 5880 §6.8.3 says so.
	txNow, rxNow time.Duration

	lastSent time.Time
	nextSend time.Time // zero: never
	expires  time.Time // zero: nothing to expire

	out [2]Packet // room for Output.Send
}

// Output is what one step asks for.
type Output struct {
	Send    []Packet // in order, now; good until the machine's next step
	Changed bool     // the state changed, or Failed: see Status
}

// Status is a session seen from outside.
type Status struct {
	State       State
	Diag        Diagnostic // why it last went down
	RemoteState State
	RemoteDiag  Diagnostic
	Since       time.Time
	// Failed: the session was Up, and went down because the peer fell silent or said that it did not hear us. It ends with Up, or when
	// either side goes AdminDown, which says nothing of the path (RFC 5882 §4.2).
	Failed                  bool
	TxInterval              time.Duration // in force, before jitter
	Detection               time.Duration // 0 while the peer is unknown
	LocalDiscr, RemoteDiscr uint32
}

// New makes a session in state Down (or AdminDown). discr must be non-zero and unique on the system; jitter gives random numbers in [0, 1).
func New(c Config, discr uint32, jitter func() float64, now time.Time) *Machine {
	m := &Machine{cfg: c.filled(), jitter: jitter, state: Down, discr: discr, since: now, remoteState: Down, remoteMinRx: time.Microsecond}
	if c.AdminDown {
		m.state, m.diag = AdminDown, DiagAdminDown
	}
	m.txNow, m.rxNow = m.desired(), m.cfg.RequiredMinRx
	m.schedule(now)
	return m
}

// Status tells the session's state.
func (m *Machine) Status() Status {
	return Status{State: m.state, Diag: m.diag, RemoteState: m.remoteState, RemoteDiag: m.remoteDiag, Since: m.since, Failed: m.failed, TxInterval: m.interval(),
		Detection: m.detection(), LocalDiscr: m.discr, RemoteDiscr: m.remoteDiscr}
}

// Deadline is when Tick must be called next; zero: not before the next Receive or Configure.
func (m *Machine) Deadline() time.Time {
	switch {
	case m.expires.IsZero():
		return m.nextSend
	case m.nextSend.IsZero() || m.expires.Before(m.nextSend):
		return m.expires
	}
	return m.nextSend
}

// Tick does what is due at now.
func (m *Machine) Tick(now time.Time) Output {
	out := Output{Send: m.out[:0]}
	if m.expiring(now) {
		m.expires, m.remoteDiscr, m.remoteMinRx, m.remoteDemand = time.Time{}, 0, time.Microsecond, false
		if m.state == Init || m.state == Up {
			m.enter(Down, DiagExpired, now, &out)
		} else if m.nextSend.IsZero() {
			m.schedule(now) // it may have been the peer that wanted none
		}
	}
	if !m.nextSend.IsZero() && !now.Before(m.nextSend) {
		out.Send = append(out.Send, m.packet())
		m.lastSent = now
		m.schedule(now)
	}
	return out
}

// expiring reports whether Tick would end the detection time.
func (m *Machine) expiring(now time.Time) bool { return !m.expires.IsZero() && !now.Before(m.expires) }

// Receive takes a packet that Parse accepted and that belongs to this session (RFC 5880 §6.8.6).
func (m *Machine) Receive(p Packet, now time.Time) Output {
	out := Output{Send: m.out[:0]}
	if p.YourDiscr != 0 && p.YourDiscr != m.discr {
		return out
	}
	interval := m.interval()
	m.remoteDiscr, m.remoteState, m.remoteDiag = p.MyDiscr, p.State, p.Diag
	m.remoteDemand, m.remoteMinRx, m.remoteMinTx, m.remoteMult = p.Demand, p.RequiredMinRx, p.DesiredMinTx, p.DetectMult
	if p.Final && m.poll {
		m.poll = false
		m.txNow, m.rxNow = m.desired(), m.cfg.RequiredMinRx
	}
	if m.state == AdminDown {
		return out
	}
	if p.State == AdminDown && m.failed {
		m.failed, out.Changed = false, true
	}
	m.advance(p.State, now, &out)
	m.expires = now.Add(m.detection())
	if m.interval() != interval {
		m.reschedule(now) // a peer that now wants packets sooner, or more seldom, must not wait for the old timer
	}
	if p.Poll {
		f := m.packet()
		f.Poll, f.Final = false, true
		out.Send = append(out.Send, f)
	}
	return out
}

// advance is the table of RFC 5880 §6.8.6.
func (m *Machine) advance(remote State, now time.Time, out *Output) {
	switch {
	case remote == AdminDown && m.state != Down, m.state == Up && remote == Down:
		m.enter(Down, DiagNeighborDown, now, out)
	case m.state == Down && remote == Down:
		m.enter(Init, m.diag, now, out)
	case m.state == Down && remote == Init, m.state == Init && (remote == Init || remote == Up):
		m.enter(Up, DiagNone, now, out)
	}
}

// Configure changes the session; timers that loosen take force after a poll sequence.
func (m *Machine) Configure(c Config, now time.Time) Output {
	out := Output{Send: m.out[:0]}
	was := m.cfg
	m.cfg = c.filled()
	switch {
	case c.AdminDown && m.state != AdminDown:
		m.enter(AdminDown, DiagAdminDown, now, &out)
		m.expires = time.Time{}
		out.Send = append(out.Send, m.packet())
	case !c.AdminDown && m.state == AdminDown:
		m.enter(Down, DiagNone, now, &out)
	}
	if was.DesiredMinTx != m.cfg.DesiredMinTx || was.RequiredMinRx != m.cfg.RequiredMinRx {
		m.announce(now)
	}
	return out
}

// enter changes the state and what follows from it: slow packets outside Up, the agreed ones in it.
func (m *Machine) enter(s State, d Diagnostic, now time.Time, out *Output) {
	was := m.state
	m.state, m.diag, m.since, out.Changed = s, d, now, true
	switch {
	case s == Up || s == AdminDown:
		m.failed = false
	case was == Up:
		m.failed = m.remoteState != AdminDown
	}
	if s == Up || was == Up {
		m.announce(now)
	}
	m.lastSent = time.Time{} // say it at once
	m.reschedule(now)
}

// announce starts a poll sequence for new intervals while Up; elsewhere they hold at once.
func (m *Machine) announce(now time.Time) {
	tx, rx := m.desired(), m.cfg.RequiredMinRx
	if m.state != Up {
		m.poll = false
		m.txNow, m.rxNow = tx, rx
		m.reschedule(now)
		return
	}
	m.poll = true
	m.txNow = min(m.txNow, tx) // shorter holds at once, longer after the Final
	m.rxNow = max(m.rxNow, rx) // longer holds at once, shorter after the Final
	m.reschedule(now)
}

// desired is DesiredMinTxInterval as sent: at least a second while not Up.
func (m *Machine) desired() time.Duration {
	if m.state == Up {
		return m.cfg.DesiredMinTx
	}
	return max(m.cfg.DesiredMinTx, slow)
}

// interval is the time between periodic packets before jitter.
func (m *Machine) interval() time.Duration { return max(m.txNow, m.remoteMinRx) }

// detection is how long the peer may be silent; 0 while nothing is known of it.
func (m *Machine) detection() time.Duration {
	if m.remoteDiscr == 0 {
		return 0
	}
	return time.Duration(m.remoteMult) * max(m.rxNow, m.remoteMinTx)
}

// silent reports whether no periodic packets are to be sent (RFC 5880 §6.8.7).
func (m *Machine) silent() bool {
	return m.state == AdminDown && m.remoteDiscr == 0 || m.cfg.Passive && m.remoteDiscr == 0 || m.remoteMinRx == 0 ||
		m.remoteDemand && m.state == Up && m.remoteState == Up && !m.poll
}

// schedule sets the next periodic packet from now.
func (m *Machine) schedule(now time.Time) {
	if m.silent() {
		m.nextSend = time.Time{}
		return
	}
	m.nextSend = now.Add(m.jittered())
}

// reschedule sets it from the last packet, for an interval that changed; never before now.
func (m *Machine) reschedule(now time.Time) {
	switch {
	case m.silent():
		m.nextSend = time.Time{}
	case m.lastSent.IsZero():
		m.nextSend = now
	default:
		m.nextSend = m.lastSent.Add(m.jittered())
		if m.nextSend.Before(now) {
			m.nextSend = now
		}
	}
}

// jittered takes 0 to 25 % off the interval, 10 to 25 % where one lost packet ends the session (RFC 5880 §6.8.7).
func (m *Machine) jittered() time.Duration {
	off := 0.25 * m.jitter()
	if m.cfg.DetectMult == 1 {
		off = 0.10 + 0.15*m.jitter()
	}
	return time.Duration(float64(m.interval()) * (1 - off))
}

// packet is the next packet. The C bit is set: neither this process nor the data path ends with the BGP speaker.
func (m *Machine) packet() Packet {
	return Packet{Diag: m.diag, State: m.state, Poll: m.poll, ControlPlaneIndependent: true, DetectMult: m.cfg.DetectMult, MyDiscr: m.discr, YourDiscr: m.remoteDiscr,
		DesiredMinTx: m.desired(), RequiredMinRx: m.cfg.RequiredMinRx}
}
