package bgp

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRandomWalk throws inputs of every kind, sensible or not, at a machine and checks what must always hold.
func TestRandomWalk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := testConfig()
		c.Passive = rapid.Bool().Draw(rt, "passive")
		if rapid.Bool().Draw(rt, "restart") {
			c.RestartTime = time.Minute
		}
		w := &walker{t: rt, fsm: NewFSM(c, testRand(), t0)}
		now := t0
		inputs := everyInput()
		opens := []*Open{peerOpen(), restartOpen(true, true, IPv4Unicast), restartOpen(false, true), {Version: 4, AS: 9, ID: addr("10.0.0.2")}}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			in := inputs[rapid.IntRange(0, len(inputs)-1).Draw(rt, "input")].in
			in.Link = LinkID(rapid.IntRange(0, 1).Draw(rt, "link"))
			if in.Kind == InOpen {
				in.Open = opens[rapid.IntRange(0, len(opens)-1).Draw(rt, "open")]
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "seconds")) * time.Second)
			w.step(in, now)
			w.step(Input{Kind: InTimer}, now)
			if next := w.fsm.Next(); !next.IsZero() && !next.After(now) {
				rt.Fatalf("still due at %s, now %s, in %s", next, now, w.fsm.State())
			}
		}
	})
}

// walker follows a machine's actions.
type walker struct {
	t                 *rapid.T
	fsm               *FSM
	up, dialing, kept bool
}

func (w *walker) step(in Input, now time.Time) {
	for _, a := range w.fsm.Step(in, now) {
		switch a.Kind {
		case ActUp:
			if w.up {
				w.t.Fatal("up twice")
			}
			w.up = true
		case ActDown:
			if !w.up && !w.kept {
				w.t.Fatal("down without up, nothing kept")
			}
			w.up, w.kept = false, a.Down.Keep
		case ActDial:
			if w.dialing {
				w.t.Fatal("dials twice at once")
			}
			w.dialing = true
		case ActCancelDial:
			if !w.dialing && in.Kind != InDialed && in.Kind != InDialFailed {
				w.t.Fatal("cancels what was not begun")
			}
			w.dialing = false
		}
	}
	if in.Kind == InDialed || in.Kind == InDialFailed {
		w.dialing = w.fsm.links[Outgoing].state == Connect
	}
	w.check()
}

func (w *walker) check() {
	f := w.fsm
	switch {
	case w.up != (f.State() == Established):
		w.t.Fatalf("up %v in %s", w.up, f.State())
	case f.links[Incoming].state == Connect:
		w.t.Fatal("an incoming connection is dialed")
	case f.links[0].state == Established && f.links[1].state > Idle, f.links[1].state == Established && f.links[0].state > Idle:
		w.t.Fatal("Established beside another connection")
	case f.State() == Idle && f.wanted && f.idleTill.IsZero():
		w.t.Fatal("Idle for ever against the operator's will")
	case !f.wanted && f.State() != Idle:
		w.t.Fatalf("%s though stopped", f.State())
	case f.State() == Active && !f.cfg.Passive && f.retryAt.IsZero():
		w.t.Fatal("Active without a next attempt")
	case !f.idleTill.IsZero() && f.State() != Idle:
		w.t.Fatalf("waits in %s", f.State())
	case len(f.events) > maxEvents:
		w.t.Fatal("too many events")
	}
}

// duo is two machines and the network between them, as a model: connections are pairs of queues.
type duo struct {
	t     *rapid.T
	now   time.Time
	sides [2]*duoSide
	pipes []*pipe
	rand  *rand.Rand
}

type duoSide struct {
	fsm      *FSM
	links    [2]*pipe
	dialing  bool
	arriving *pipe
	ups      int
}

// pipe is a connection; q[i] is on its way to side i. by is the side that dialed.
type pipe struct {
	by     int
	q      [2][]Input
	closed [2]bool // by side i
}

func (d *duo) link(side int, p *pipe) LinkID {
	if p.by == side {
		return Outgoing
	}
	return Incoming
}

func (d *duo) step(side int, in Input) {
	s := d.sides[side]
	acts := append([]Action(nil), s.fsm.Step(in, d.now)...)
	for _, a := range acts {
		switch a.Kind {
		case ActDial:
			s.dialing = true
		case ActCancelDial:
			s.dialing = false
		case ActOpen:
			s.links[a.Link], s.arriving = s.arriving, nil
			d.send(side, s.links[a.Link], Input{Kind: InOpen, Open: a.Open})
		case ActKeepalive:
			d.send(side, s.links[a.Link], Input{Kind: InKeepalive})
		case ActClose:
			d.close(side, s.links[a.Link], a.Note)
			s.links[a.Link] = nil
		case ActRefuse:
			d.close(side, s.arriving, a.Note)
			s.arriving = nil
		case ActUp:
			s.ups++
		}
	}
	if s.arriving != nil {
		d.close(side, s.arriving, nil)
		s.arriving = nil
	}
}

func (d *duo) send(side int, p *pipe, in Input) {
	in.Link = d.link(1-side, p)
	if !p.closed[1-side] {
		p.q[1-side] = append(p.q[1-side], in)
	}
}

func (d *duo) close(side int, p *pipe, n *Notification) {
	if n != nil {
		got := *n
		got.Received = true
		d.send(side, p, Input{Kind: InNotification, Note: &got})
	}
	d.send(side, p, Input{Kind: InClosed, Err: errors.New("EOF")})
	p.closed[side] = true
	p.q[side] = nil
}

// deliver does one thing that the network can do now, chosen at random; false when there is none.
func (d *duo) deliver() bool {
	var can []func()
	for side := range d.sides {
		if d.sides[side].dialing {
			can = append(can, func() { d.connect(side) })
		}
		for _, p := range d.pipes {
			if len(p.q[side]) > 0 {
				can = append(can, func() { d.receive(side, p) })
			}
		}
	}
	if len(can) == 0 {
		return false
	}
	can[d.rand.IntN(len(can))]()
	return true
}

func (d *duo) connect(side int) {
	p := &pipe{by: side}
	p.q[1-side] = []Input{{Kind: InAccepted}}
	d.pipes = append(d.pipes, p)
	d.sides[side].dialing = false
	d.sides[side].arriving = p
	d.step(side, Input{Kind: InDialed})
}

func (d *duo) receive(side int, p *pipe) {
	in := p.q[side][0]
	p.q[side] = p.q[side][1:]
	if p.closed[side] {
		return
	}
	if in.Kind == InAccepted {
		d.sides[side].arriving = p
	} else if d.sides[side].links[in.Link] != p {
		return
	}
	d.step(side, in)
}

// advance moves to the next deadline of either machine.
func (d *duo) advance() {
	var next time.Time
	for _, s := range d.sides {
		if n := s.fsm.Next(); !n.IsZero() && (next.IsZero() || n.Before(next)) {
			next = n
		}
	}
	d.now = next
	for side := range d.sides {
		d.step(side, Input{Kind: InTimer})
	}
}

// TestTwoMachinesAgreeAtOnce: without faults the first attempt succeeds, whoever connects and in whatever order things arrive.
func TestTwoMachinesAgreeAtOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDuo(rt)
		for d.deliver() {
		}
		d.settled()
		if d.sides[0].ups != 1 || d.sides[1].ups != 1 {
			rt.Fatalf("a %+v\nb %+v", d.sides[0].fsm.events, d.sides[1].fsm.events)
		}
	})
}

func newDuo(rt *rapid.T) *duo {
	ca, cb := testConfig(), testConfig()
	cb.LocalAS, cb.PeerAS, cb.RouterID = ca.PeerAS, ca.LocalAS, addr(rapid.SampledFrom([]string{"10.0.0.2", "9.9.9.9", "10.0.0.1"}).Draw(rt, "id"))
	ca.Passive = rapid.Bool().Draw(rt, "passive")
	if rapid.Bool().Draw(rt, "graceful") {
		ca.RestartTime, cb.RestartTime = time.Minute, time.Minute
	}
	d := &duo{t: rt, now: t0, rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))}
	for i, c := range []Config{ca, cb} {
		d.sides[i] = &duoSide{fsm: NewFSM(c, d.rand, t0)}
		d.step(i, Input{Kind: InStart})
	}
	return d
}

// TestTwoMachinesAgree runs two machines against each other in random order, with connections that break at random for a while. Then they
// must come up on one and the same connection, and stay.
func TestTwoMachinesAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDuo(rt)
		for range rapid.IntRange(0, 200).Draw(rt, "faulty steps") {
			switch n := d.rand.IntN(10); {
			case n == 0 && len(d.pipes) > 0:
				d.breakPipe(d.pipes[d.rand.IntN(len(d.pipes))])
			case n == 1 || !d.deliver():
				d.advance()
			}
		}
		for end := d.now.Add(10 * time.Minute); d.now.Before(end); {
			if !d.deliver() {
				d.advance()
			}
		}
		ups := d.sides[0].ups
		d.settled()
		for end := d.now.Add(time.Hour); d.now.Before(end); {
			if !d.deliver() {
				d.advance()
			}
		}
		d.settled()
		if d.sides[0].ups != ups {
			rt.Fatalf("went down in an hour of peace: %+v", d.sides[0].fsm.events)
		}
	})
}

func (d *duo) breakPipe(p *pipe) {
	for side := range d.sides {
		if !p.closed[side] && d.sides[side].links[d.link(side, p)] == p {
			p.q[side] = []Input{{Kind: InClosed, Link: d.link(side, p), Err: errors.New("reset")}}
		}
	}
}

func (d *duo) settled() {
	var carries [2]*pipe
	for side, s := range d.sides {
		for id, l := range s.fsm.links {
			if l.state == Established {
				carries[side] = s.links[id]
			}
		}
	}
	if carries[0] == nil || carries[0] != carries[1] {
		d.t.Fatalf("a %s, b %s, the same connection %v\na %+v\nb %+v", d.sides[0].fsm.State(), d.sides[1].fsm.State(), carries[0] == carries[1],
			d.sides[0].fsm.events, d.sides[1].fsm.events)
	}
}
