package bgp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Session runs one FSM: it owns the connections, the timers and the outbound queue. It implements Runner.
//
// One goroutine, Run, drives the machine, decodes and calls the Handler. Each connection adds one that reads and one that writes.
type Session struct {
	dialer  Dialer
	handler Handler

	inbox   chan batch    // from connections
	dials   chan dialing  // from dialing goroutines
	wake    chan struct{} // commands were added; capacity 1
	running sync.WaitGroup

	messagesIn, messagesOut, panics, notSent atomic.Uint64
	received                                 atomic.Int64          // prefixes held from the peer
	queue                                    atomic.Pointer[queue] // nil unless Established

	// Owned by Run's goroutine.
	conns      [2]*conn
	arriving   net.Conn // just dialed or accepted, until the machine has decided
	cancelDial context.CancelFunc
	attempt    uint64
	cfg        Config
	decoder    *decoder
	held       held

	mu       sync.Mutex // over what follows; never held while calling out
	fsm      *FSM
	commands []command
	ended    bool
	counts   Status // what the decoder counted
}

var _ Runner = (*Session)(nil)

// command is something asked of the session from outside.
type command struct {
	in Input
	nc net.Conn // InAccepted
}

type dialing struct {
	attempt uint64
	nc      net.Conn
	err     error
}

// maxPending bounds the connections that wait to be looked at; more are closed at once.
const maxPending = 4

// NewSession makes a session that is to run: it connects as soon as Run is called, unless Stop was called before. d may be nil where c is
// Passive. random gives the jitter of timers; nil takes a seed from the system.
func NewSession(c Config, d Dialer, h Handler, random *rand.Rand) *Session {
	if random == nil {
		random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	s := &Session{
		dialer: d, handler: h, cfg: c.withDefaults(),
		inbox: make(chan batch), dials: make(chan dialing), wake: make(chan struct{}, 1),
		fsm: NewFSM(c, random, time.Now()),
	}
	s.Start()
	return s
}

// Run runs the session until ctx ends. It returns ctx's error after all its goroutines have ended. The Handler is not told of that end: what
// was learned stays in use, as it does in a graceful-restart helper. Call Stop before to end for good.
func (s *Session) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer s.end()
	s.obey()
	for ctx.Err() == nil {
		s.arm(timer)
		select {
		case <-ctx.Done():
		case <-s.wake:
			s.obey()
		case b := <-s.inbox:
			s.receive(b)
		case d := <-s.dials:
			s.dialed(d)
		case <-timer.C:
			select { // what was received but not looked at yet counts before a timer that it would have restarted
			case b := <-s.inbox:
				s.receive(b)
			default:
			}
			s.step(Input{Kind: InTimer})
		}
	}
	s.obey() // a Stop just before the end still counts
	return ctx.Err()
}

// arm sets the timer to the machine's next deadline.
func (s *Session) arm(timer *time.Timer) {
	s.mu.Lock()
	next := s.fsm.Next()
	s.mu.Unlock()
	wait := time.Hour
	if !next.IsZero() {
		wait = max(0, time.Until(next))
	}
	timer.Reset(wait)
}

// end closes what is open, silently, and waits.
func (s *Session) end() {
	s.mu.Lock()
	s.ended = true
	s.fsm.wanted = false
	s.fsm.Step(Input{Kind: InReset, Cause: "this side ends"}, time.Now())
	commands := s.commands
	s.commands = nil
	s.mu.Unlock()
	for _, c := range commands {
		if c.nc != nil {
			_ = c.nc.Close()
		}
	}
	s.stopDialing()
	s.closeQueue()
	for id := range s.conns {
		s.closeConn(LinkID(id), nil)
	}
	s.running.Wait()
}

func (s *Session) command(c command) {
	s.mu.Lock()
	refused := s.ended
	if c.nc != nil && !refused {
		pending := 0
		for _, other := range s.commands {
			if other.nc != nil {
				pending++
			}
		}
		refused = pending >= maxPending
	}
	if !refused {
		s.commands = append(s.commands, c)
	}
	s.mu.Unlock()
	if refused && c.nc != nil {
		_ = c.nc.Close()
		return
	}
	signal(s.wake)
}

// obey does what was asked from outside, in order.
func (s *Session) obey() {
	for {
		s.mu.Lock()
		if len(s.commands) == 0 {
			s.mu.Unlock()
			return
		}
		c := s.commands[0]
		s.commands = s.commands[1:]
		s.mu.Unlock()
		if c.in.Kind == InReconfigure {
			s.cfg = c.in.Config.withDefaults()
		}
		s.arriving = c.nc
		s.step(c.in)
		if c.in.Kind == InReconfigure {
			s.checkLimits()
		}
	}
}

// Accept implements Runner.
func (s *Session) Accept(c net.Conn) { s.command(command{in: Input{Kind: InAccepted}, nc: c}) }

// Reset implements Runner.
func (s *Session) Reset(cause string) { s.command(command{in: Input{Kind: InReset, Cause: cause}}) }

// Start implements Runner. On a session that waits to connect it means: now.
func (s *Session) Start() { s.command(command{in: Input{Kind: InStart}}) }

// Stop implements Runner.
func (s *Session) Stop(code, subcode uint8, text string) {
	s.command(command{in: Input{Kind: InStop, Note: shutdownNotification(code, subcode, text)}})
}

// Reconfigure implements Runner.
func (s *Session) Reconfigure(c Config) {
	s.command(command{in: Input{Kind: InReconfigure, Config: &c}})
}

// Announce implements Runner.
func (s *Session) Announce(us []Update) {
	if q := s.queue.Load(); q != nil {
		q.put(us)
	}
}

// RequestRefresh asks the peer for its whole table of f again (RFC 2918). Nothing happens where the session is not Established or the
// peer did not offer it.
func (s *Session) RequestRefresh(f Family) {
	s.command(command{in: Input{Kind: InWantRefresh, Family: f}})
}

// Status implements Runner.
func (s *Session) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.counts
	s.fsm.fill(&st)
	st.MessagesIn, st.MessagesOut, st.Panics = s.messagesIn.Load(), s.messagesOut.Load(), s.panics.Load()
	st.Received = int(s.received.Load())
	st.NotSent = s.notSent.Load()
	return st
}

// step feeds the machine and does what it says.
func (s *Session) step(in Input) {
	s.mu.Lock()
	acts := append([]Action(nil), s.fsm.Step(in, time.Now())...)
	s.mu.Unlock()
	for i := range acts {
		s.do(&acts[i])
	}
	if s.arriving != nil {
		_ = s.arriving.Close()
		s.arriving = nil
	}
}

func (s *Session) do(a *Action) {
	switch a.Kind {
	case ActDial:
		s.dial()
	case ActCancelDial:
		s.stopDialing()
	case ActOpen:
		if s.arriving == nil {
			return
		}
		s.conns[a.Link] = startConn(s.arriving, a.Link, s)
		s.arriving = nil
		s.conns[a.Link].send(encodeOpen(a.Open))
	case ActKeepalive:
		if c := s.conns[a.Link]; c != nil {
			c.send(encodeKeepalive())
		}
	case ActRefresh:
		if c := s.conns[a.Link]; c != nil {
			c.send(encodeRefresh(a.Family))
		}
	case ActClose:
		s.closeConn(a.Link, a.Note)
	case ActRefuse:
		s.refuse(a.Note)
	case ActUp:
		s.up(a)
	case ActDown:
		s.down(a.Down)
	case ActEndOfRIB:
		s.handler.Update(Update{Family: a.Family, EndOfRIB: true})
	}
}

func (s *Session) closeConn(id LinkID, n *Notification) {
	c := s.conns[id]
	if c == nil {
		return
	}
	s.conns[id] = nil
	if n == nil {
		c.close(nil)
		return
	}
	c.close(encodeNotification(n))
}

// refuse tells the peer why its connection is not wanted, without waiting for it to listen.
func (s *Session) refuse(n *Notification) {
	if s.arriving == nil || n == nil {
		return
	}
	c := startConn(s.arriving, Incoming, s)
	s.arriving = nil
	c.close(encodeNotification(n))
}

func (s *Session) up(a *Action) {
	p := a.Peer
	c := s.conns[a.Link]
	internal := s.cfg.Internal()
	s.decoder = &decoder{fourByte: p.FourByteAS, internal: internal, local: s.cfg.LocalAddr, families: p.Families}
	s.forgetHeld()
	q := newQueue(&s.notSent)
	q.start(p.Families)
	c.establish(q, &encoder{fourByte: p.FourByteAS, internal: internal, tooLarge: &s.notSent}, p.HoldTime)
	s.queue.Store(q)
	s.handler.Up(p)
}

func (s *Session) down(d Down) {
	s.closeQueue()
	s.forgetHeld()
	s.handler.Down(d)
}

func (s *Session) forgetHeld() {
	s.held = held{}
	s.received.Store(0)
}

func (s *Session) closeQueue() {
	if q := s.queue.Swap(nil); q != nil {
		q.stop()
	}
}

func (s *Session) dial() {
	s.attempt++
	ctx, cancel := context.WithCancel(context.Background())
	s.cancelDial = cancel
	attempt, d := s.attempt, s.dialer
	s.running.Go(func() {
		defer cancel()
		nc, err := (net.Conn)(nil), errors.New("this side only listens")
		if d != nil {
			nc, err = d.Dial(ctx)
		}
		select {
		case s.dials <- dialing{attempt, nc, err}:
		case <-ctx.Done():
			if err == nil {
				_ = nc.Close()
			}
		}
	})
}

func (s *Session) stopDialing() {
	if s.cancelDial != nil {
		s.cancelDial()
		s.cancelDial = nil
	}
	s.attempt++
}

func (s *Session) dialed(d dialing) {
	switch {
	case d.attempt != s.attempt:
		if d.err == nil {
			_ = d.nc.Close()
		}
	case d.err != nil:
		s.step(Input{Kind: InDialFailed, Err: d.err})
	default:
		s.arriving = d.nc
		s.step(Input{Kind: InDialed})
	}
}
