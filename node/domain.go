package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"onramp/node/bgp"
)

// domain runs one routing in a goroutine of its own, which works off messages. A panic there costs this domain its table, which the sessions
// tell it anew while the FIB keeps forwarding; no other domain notices.
type domain struct {
	name    string
	fib     programmer
	log     *slog.Logger
	want    func(attachment string, addr netip.Addr)
	restart func() // asks for a reset of the domain's sessions
	in      chan message
	ended   chan struct{}
	cancel  context.CancelFunc

	prefixes, paths, panics atomic.Int64

	mu      sync.Mutex
	cfg     domainConfig // the newest, for a restart
	problem string
}

// message is something to be done with the routing. done, where there is one, gets the outcome; it has room for it.
type message struct {
	do   func(*routing)
	done chan error
}

func (m message) answer(err error) {
	if m.done != nil {
		m.done <- err
	}
}

// inbox bounds the messages that wait; a session that tells faster than the domain decides is slowed down by TCP.
const inbox = 256

// newDomain makes a domain, for sessions to be made with; begin starts it.
func newDomain(name string, f programmer, log *slog.Logger, want func(string, netip.Addr), restart func()) *domain {
	return &domain{name: name, fib: f, log: log.With("domain", name), want: want, restart: restart, in: make(chan message, inbox),
		ended: make(chan struct{})}
}

// begin starts the domain's goroutine; with hold, the FIB has the domain's routes of the process before, and keeps them until the sessions
// have told theirs anew.
func (d *domain) begin(cfg domainConfig, hold bool) {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel, d.cfg = cancel, cfg
	go d.run(ctx, hold)
}

func (d *domain) run(ctx context.Context, hold bool) {
	defer close(d.ended)
	pause := time.Second
	for {
		began := time.Now()
		if d.life(ctx, hold) {
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		if !d.rest(ctx, pause) {
			return
		}
		pause = min(2*pause, time.Minute)
		hold = true
		d.restart()
	}
}

// rest waits after a panic. What is told meanwhile is lost: the sessions are reset when it is over, and tell all anew.
func (d *domain) rest(ctx context.Context, pause time.Duration) bool {
	over := time.After(pause)
	for {
		select {
		case <-ctx.Done():
			return false
		case m := <-d.in:
			m.answer(errResting)
		case <-over:
			return true
		}
	}
}

// life is the domain from start to stop, which it reports, or to a panic.
func (d *domain) life(ctx context.Context, hold bool) (stopped bool) {
	defer func() {
		if p := recover(); p != nil {
			d.panics.Add(1)
			d.setProblem(fmt.Sprintf("domain %q restarted after a panic: %v", d.name, p))
			d.log.Error("domain panicked; it starts anew", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	d.mu.Lock()
	cfg := d.cfg
	d.mu.Unlock()
	r := newRouting(d.name, d.fib, d.log, d.want)
	r.begin(cfg, hold, time.Now())
	d.serve(ctx, r)
	return true
}

func (d *domain) serve(ctx context.Context, r *routing) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := time.Hour
		if next := r.next(); !next.IsZero() {
			wait = max(0, time.Until(next))
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case m := <-d.in:
			d.obey(r, m)
			d.drain(r)
		case <-timer.C:
			r.tick(time.Now())
		}
		r.flush()
		d.prefixes.Store(int64(r.table.Prefixes()))
		d.paths.Store(int64(r.table.Paths()))
		r.count()
		if r.broken != nil {
			d.setProblem(r.broken.Error())
		} else {
			d.setProblem("")
		}
	}
}

// drain takes what waits, so that many small messages become one batch.
func (d *domain) drain(r *routing) {
	for range inbox {
		select {
		case m := <-d.in:
			d.obey(r, m)
		default:
			return
		}
	}
}

// obey does one message; who waits for it learns of a panic.
func (d *domain) obey(r *routing, m message) {
	err := errResting
	defer func() { m.answer(err) }()
	m.do(r)
	if m.done != nil {
		r.flush()
	}
	err = nil
}

func (d *domain) setProblem(p string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problem = p
}

// Problem says what is wrong with the domain; "" when nothing is.
func (d *domain) Problem() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.problem
}

// tell sends a message; it waits while the domain has many.
func (d *domain) tell(f func(*routing)) {
	select {
	case d.in <- message{do: f}:
	case <-d.ended:
	}
}

var (
	errNoAnswer = errors.New("the domain did not answer in time")
	errResting  = errors.New("the domain starts anew after a panic")
)

// ask sends a message and waits until it and its consequences were carried out.
func (d *domain) ask(timeout time.Duration, f func(*routing)) error {
	m := message{f, make(chan error, 1)}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case d.in <- m:
	case <-d.ended:
		return nil
	case <-timer.C:
		return errNoAnswer
	}
	select {
	case err := <-m.done:
		return err
	case <-d.ended:
		return nil
	case <-timer.C:
		return errNoAnswer
	}
}

// configure makes the domain so, and returns when the routes are programmed.
func (d *domain) configure(cfg domainConfig, timeout time.Duration) error {
	d.mu.Lock()
	d.cfg = cfg
	d.mu.Unlock()
	return d.ask(timeout, func(r *routing) { r.configure(cfg, time.Now()) })
}

// stop ends the domain. With remove its routes go too, after their withdrawals; without, the FIB keeps them.
func (d *domain) stop(remove bool, timeout time.Duration) error {
	var err error
	if remove {
		if e := d.ask(timeout, func(r *routing) { err = r.close() }); e != nil {
			err = e
		}
	}
	d.cancel()
	<-d.ended
	return err
}

// handler hands what one session learns to its domain. It implements bgp.Handler.
type handler struct {
	d       *domain
	session string
	runner  *lateRunner
	changed func() // the session's state changed
}

// lateRunner is the session's announcer, known only after the handler was made.
type lateRunner struct {
	r      bgp.Runner
	counts atomic.Pointer[peerCounts] // written by the domain
}

// peerCounts are the sizes of what was received from a peer and announced to it.
type peerCounts struct{ received, advertised int }

func (l *lateRunner) count(c peerCounts) {
	if old := l.counts.Load(); old == nil || *old != c {
		l.counts.Store(&c)
	}
}

// Announce implements announcer.
func (l *lateRunner) Announce(us []bgp.Update) { l.r.Announce(us) }

// Up implements bgp.Handler.
func (h *handler) Up(p bgp.Peer) {
	h.changed()
	h.d.tell(func(r *routing) { r.up(h.session, h.runner, p, time.Now()) })
}

// Update implements bgp.Handler.
func (h *handler) Update(u bgp.Update) {
	h.d.tell(func(r *routing) { r.update(h.session, h.runner, u, time.Now()) })
}

// Refresh implements bgp.Handler.
func (h *handler) Refresh(bgp.Family) {
	h.d.tell(func(r *routing) { r.refresh(h.session, h.runner) })
}

// Down implements bgp.Handler.
func (h *handler) Down(dn bgp.Down) {
	h.changed()
	h.d.tell(func(r *routing) { r.down(h.session, h.runner, dn, time.Now()) })
}
