package bfd

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func half() float64 { return 0.5 }

// at makes a machine and brings it to the state by the packets that lead there.
func at(s State) *Machine {
	m := New(Config{AdminDown: s == AdminDown}, 7, half, epoch)
	if s == Init || s == Up {
		m.Receive(Packet{State: Down, DetectMult: 3, MyDiscr: 9, DesiredMinTx: slow, RequiredMinRx: slow}, epoch)
	}
	if s == Up {
		m.Receive(Packet{State: Init, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: slow, RequiredMinRx: slow}, epoch)
	}
	return m
}

// The table of RFC 5880 §6.8.6, every cell.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		is, recv, want State
		diag           Diagnostic
	}{
		{AdminDown, AdminDown, AdminDown, DiagAdminDown}, {AdminDown, Down, AdminDown, DiagAdminDown},
		{AdminDown, Init, AdminDown, DiagAdminDown}, {AdminDown, Up, AdminDown, DiagAdminDown},
		{Down, AdminDown, Down, 0}, {Down, Down, Init, 0}, {Down, Init, Up, 0}, {Down, Up, Down, 0},
		{Init, AdminDown, Down, DiagNeighborDown}, {Init, Down, Init, 0}, {Init, Init, Up, 0}, {Init, Up, Up, 0},
		{Up, AdminDown, Down, DiagNeighborDown}, {Up, Down, Down, DiagNeighborDown}, {Up, Init, Up, 0}, {Up, Up, Up, 0},
	} {
		m := at(c.is)
		out := m.Receive(Packet{State: c.recv, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: slow, RequiredMinRx: slow}, epoch)
		if m.state != c.want || m.diag != c.diag || out.Changed != (c.is != c.want) {
			t.Errorf("%v, received %v: %v (%v), changed %v; want %v (%v)", c.is, c.recv, m.state, m.diag, out.Changed, c.want, c.diag)
		}
	}
}

// Failed is about the path: silence and a peer that does not hear us are failures, an administrator's word is none.
func TestFailed(t *testing.T) {
	from := func(s State) Packet {
		return Packet{State: s, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: slow, RequiredMinRx: slow}
	}
	late := epoch.Add(time.Minute)
	for _, c := range []struct {
		name  string
		is    State
		steps func(m *Machine) Output
		want  bool
	}{
		{"silence", Up, func(m *Machine) Output { return m.Tick(late) }, true},
		{"the peer is down", Up, func(m *Machine) Output { return m.Receive(from(Down), epoch) }, true},
		{"the peer is switched off", Up, func(m *Machine) Output { return m.Receive(from(AdminDown), epoch) }, false},
		{"we are switched off", Up, func(m *Machine) Output { return m.Configure(Config{AdminDown: true}, epoch) }, false},
		{"silence before Up", Init, func(m *Machine) Output { return m.Tick(late) }, false},
		{"the peer is switched off after silence", Up, func(m *Machine) Output { m.Tick(late); return m.Receive(from(AdminDown), late) }, false},
		{"still, while it begins anew", Up, func(m *Machine) Output { m.Tick(late); return m.Receive(from(Down), late) }, true},
		{"up again", Up, func(m *Machine) Output { m.Tick(late); return m.Receive(from(Init), late) }, false},
		{"we are switched off after silence", Up, func(m *Machine) Output { m.Tick(late); return m.Configure(Config{AdminDown: true}, late) }, false},
	} {
		m := at(c.is)
		if out := c.steps(m); m.Status().Failed != c.want || !out.Changed {
			t.Errorf("%s: failed %v, changed %v; want %v, and a change", c.name, m.Status().Failed, out.Changed, c.want)
		}
	}
}

// A peer that wanted no packets and is gone is looked for again.
func TestSilencedPeerGone(t *testing.T) {
	m := at(Up)
	m.Receive(Packet{State: Up, Final: true, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: slow}, epoch)
	if d := m.Deadline(); !d.Equal(epoch.Add(3 * time.Second)) {
		t.Fatalf("a peer that wants none is sent some at %v", d.Sub(epoch))
	}
	if out := m.Tick(epoch.Add(3 * time.Second)); m.state != Down || len(out.Send) != 1 {
		t.Fatalf("%+v, sent %+v", m.Status(), out.Send)
	}
	if d := m.Deadline(); d.IsZero() || d.After(epoch.Add(4*time.Second)) {
		t.Errorf("the next packet goes at %v", d)
	}
}

func TestMachineDoesNotAllocate(t *testing.T) {
	m, now := at(Up), epoch
	p := Packet{State: Up, Poll: true, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: 100 * time.Millisecond, RequiredMinRx: 100 * time.Millisecond}
	buf := make([]byte, 0, PacketLen)
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(300 * time.Millisecond)
		for _, q := range m.Tick(now).Send {
			buf = q.Append(buf[:0])
		}
		q, err := Parse(p.Append(buf[:0]))
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range m.Receive(q, now).Send {
			buf = q.Append(buf[:0])
		}
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

func TestDetection(t *testing.T) {
	m := at(Up)
	m.Receive(Packet{State: Up, Final: true, DetectMult: 5, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: 400 * time.Millisecond,
		RequiredMinRx: 100 * time.Millisecond}, epoch)
	if got := m.Status().Detection; got != 2*time.Second {
		t.Fatalf("detection time %v, want the peer's 5 × the slower of its 400 ms and our 300 ms", got)
	}
	m.Tick(epoch.Add(2*time.Second - 1))
	if m.state != Up {
		t.Fatal("went down before the detection time was over")
	}
	if out := m.Tick(epoch.Add(2 * time.Second)); !out.Changed || m.state != Down || m.diag != DiagExpired || m.remoteDiscr != 0 {
		t.Fatalf("after silence: %+v", m.Status())
	}
}

// A peer that answers slowly at first must get packets sooner as soon as it asks for them, and a peer that asks for fewer gets fewer.
func TestRearm(t *testing.T) {
	m := at(Up) // the peer asks for one packet a second
	m.Tick(m.Deadline())
	long := m.Deadline()
	m.Receive(Packet{State: Up, Final: true, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: slow, RequiredMinRx: 50 * time.Millisecond}, epoch)
	if got := m.Deadline(); !got.Before(long) {
		t.Errorf("next packet at %v after the peer asked for more, was %v", got.Sub(epoch), long.Sub(epoch))
	}
	if got := m.interval(); got != DefaultInterval {
		t.Errorf("interval %v, want our own 300 ms", got)
	}
}

func TestPollFinal(t *testing.T) {
	m := at(Up)
	if !m.packet().Poll {
		t.Fatal("no poll sequence after Up, though the interval changed")
	}
	out := m.Receive(Packet{State: Up, Poll: true, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: slow, RequiredMinRx: slow}, epoch)
	if len(out.Send) != 1 || !out.Send[0].Final || out.Send[0].Poll {
		t.Fatalf("answer to a poll: %+v", out.Send)
	}
	m.Receive(Packet{State: Up, Final: true, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: slow, RequiredMinRx: slow}, epoch)
	m.Configure(Config{DesiredMinTx: 900 * time.Millisecond, RequiredMinRx: 100 * time.Millisecond}, epoch)
	if m.txNow != DefaultInterval || m.rxNow != DefaultInterval || !m.poll {
		t.Fatalf("before the Final: send %v, expect %v, poll %v", m.txNow, m.rxNow, m.poll)
	}
	m.Receive(Packet{State: Up, Final: true, DetectMult: 3, MyDiscr: 9, YourDiscr: 7, DesiredMinTx: slow, RequiredMinRx: 50 * time.Millisecond}, epoch)
	if m.txNow != 900*time.Millisecond || m.rxNow != 100*time.Millisecond || m.poll {
		t.Fatalf("after the Final: send %v, expect %v, poll %v", m.txNow, m.rxNow, m.poll)
	}
}

// link joins two machines on virtual time; a packet takes the delay, or is lost.
type link struct {
	m     [2]*Machine
	delay time.Duration
	lose  func(from int) bool
	queue []flight
	downs int
}

type flight struct {
	to   int
	when time.Time
	p    Packet
}

func (l *link) take(from int, out Output, now time.Time) {
	if out.Changed && l.m[from].state == Down {
		l.downs++
	}
	for _, p := range out.Send {
		if !l.lose(from) {
			q, err := Parse(p.Append(nil))
			if err != nil {
				panic(err)
			}
			l.queue = append(l.queue, flight{1 - from, now.Add(l.delay), q})
		}
	}
}

// run goes on until the time, event by event.
func (l *link) run(now, until time.Time) {
	for now.Before(until) {
		next, who := until, -1
		for i, m := range l.m {
			if d := m.Deadline(); !d.IsZero() && d.Before(next) {
				next, who = d, i
			}
		}
		at := -1
		for i, f := range l.queue {
			if !f.when.After(next) {
				next, at = f.when, i
			}
		}
		now = next
		switch {
		case at >= 0:
			f := l.queue[at]
			l.queue = append(l.queue[:at], l.queue[at+1:]...)
			l.take(f.to, l.m[f.to].Receive(f.p, now), now)
		case who >= 0:
			l.take(who, l.m[who].Tick(now), now)
		}
	}
}

// Whatever the two sides' timers: they come up, stay up on a good line, see silence in the detection time, and come back.
func TestTwoMachines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.Map(rapid.IntRange(10, 2000), func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond })
		l := &link{delay: time.Millisecond, lose: func(int) bool { return false }}
		for i := range l.m {
			c := Config{DesiredMinTx: interval.Draw(t, "tx"), RequiredMinRx: interval.Draw(t, "rx"), DetectMult: uint8(rapid.IntRange(2, 5).Draw(t, "mult"))}
			l.m[i] = New(c, uint32(i+1), func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "jitter") }, epoch)
		}
		l.run(epoch, epoch.Add(20*time.Second))
		for i, m := range l.m {
			if m.state != Up || l.downs != 0 {
				t.Fatalf("side %d after 20 s: %+v, went down %d times", i, m.Status(), l.downs)
			}
			if far := l.m[1-i]; m.interval() != max(m.cfg.DesiredMinTx, far.cfg.RequiredMinRx) {
				t.Fatalf("side %d sends every %v", i, m.interval())
			}
		}
		dead := rapid.IntRange(0, 1).Draw(t, "dead side")
		other := l.m[1-dead]
		l.lose = func(from int) bool { return from == dead }
		l.queue = nil
		start := epoch.Add(20 * time.Second)
		l.run(start, start.Add(other.detection()+time.Millisecond))
		if other.state == Up {
			t.Fatalf("silence for %v went unseen: %+v", other.detection(), other.Status())
		}
		l.lose = func(int) bool { return false }
		start = start.Add(30 * time.Second)
		l.run(start.Add(-29*time.Second), start)
		if l.m[0].state != Up || l.m[1].state != Up {
			t.Fatalf("did not come back: %+v %+v", l.m[0].Status(), l.m[1].Status())
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(Packet{State: Up, Poll: true, DetectMult: 3, MyDiscr: 1, YourDiscr: 2, DesiredMinTx: slow, RequiredMinRx: slow}.Append(nil))
	f.Add([]byte{0x20, 0x40, 3, 24})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(p.Append(nil))
		if err != nil || again != p {
			t.Fatalf("%+v came back as %+v (%v)", p, again, err)
		}
	})
}
