// Package node is the node half assembled: it takes plans, makes them true on one machine, and reports what is.
//
// In:  plan.Nodes from a plan.Link. Out: interfaces, BGP sessions, routes and forwarding state, and plan.Reports.
//
// Four kinds of goroutines: the main one owns interfaces, neighbours and the plan (apply.go, port.go, neighbor.go); one per domain owns the
// domain's table (domain.go, routing.go); each BGP session has its own; one carries the conversation with control (link.go). They talk by
// messages. The FIB is shared behind a lock that is held for a batch of routes at most.
//
// The agent keeps its last plan on disk and starts from it, so that control may be away. Ending or killing it stops no packet: punt devices
// and the FIB's maps outlive it, and the next agent takes them over without changing a route before its sessions have told theirs anew.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"onramp/node/fib"
	"onramp/plan"
)

// Config is what an agent needs.
type Config struct {
	Name     string    // the node's name in the fabric
	Link     plan.Link // the line to control
	StateDir string    // keeps the last plan, with its secrets, mode 0600; "": none is kept
	FIB      fib.FIB   // closed by Close
	// Continued says that the FIB holds the routes of an agent before this one: they stay until the sessions are back.
	Continued  bool
	NewSession SessionFunc // nil: bgp.NewSession
	// BFD is the command that serves BFD at the socket that "--socket PATH" names; it outlives this process. nil: there is no BFD.
	BFD    []string
	Logger *slog.Logger
}

// Agent is a running node.
type Agent struct {
	cfg     Config
	log     *slog.Logger
	host    host
	fib     *serialFIB
	started time.Time
	work    chan func()   // for the main goroutine
	kick    chan struct{} // report now; capacity 1
	retry   *time.Timer   // applies the plan again while something of it is not true
	closing sync.Once

	// Owned by the main goroutine, which alone writes them, under mu; others read under mu.
	mu        sync.Mutex
	desired   *plan.Node        // newest received
	saved     *plan.Node        // on disk
	wasUp     map[string]bool   // sessions that were up when the process before ended; nil: not known
	plan      *plan.Node        // the part of it that is applied
	domainOf  map[string]string // by attachment of plan
	applied   int64
	problems  []string // of the newest plan
	ports     map[string]*port
	byIndex   map[int]string // attachment by the index of its punt device's kernel end
	punts     map[string]punt
	domains   map[string]*domain
	sessions  map[string]*session
	listeners map[listenKey]*incoming
	neighbors *neighbors
	paths     paths
	restoring bool   // the plan being applied is the saved one of the process before
	linkError string // of the conversation with control
	fibConfig fib.Config
	grown     map[string]growth // of counters, since the last report
}

// punt is a punt device with what it was made from.
type punt struct {
	puntDevice
	spec puntSpec
}

// New makes an agent in this process's network namespace. Run starts it.
func New(c Config) (*Agent, error) {
	h, err := newKernel(c.Name)
	if err != nil {
		return nil, err
	}
	return newAgent(c, h)
}

func newAgent(c Config, h host) (*Agent, error) {
	if c.Name == "" || c.Link == nil || c.FIB == nil {
		return nil, errors.New("make a node agent: Name, Link and FIB are needed")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.NewSession == nil {
		c.NewSession = newBGPSession
	}
	a := &Agent{
		cfg: c, log: c.Logger.With("node", c.Name), host: h, fib: &serialFIB{f: c.FIB}, started: time.Now(),
		work: make(chan func(), 1024), kick: make(chan struct{}, 1),
		ports: map[string]*port{}, byIndex: map[int]string{}, punts: map[string]punt{}, domains: map[string]*domain{},
		sessions: map[string]*session{}, listeners: map[listenKey]*incoming{}, neighbors: newNeighbors(),
	}
	a.paths = a.newPaths()
	return a, nil
}

// Times of the main goroutine.
const (
	retryApply    = 5 * time.Second // a plan part that failed is tried again
	retryNeighbor = 2 * time.Second // next hops without a MAC are asked for again
	domainTimeout = 30 * time.Second
)

// Run runs the agent until ctx ends. Sessions end without a word then, so that peers keep the routes (RFC 4724), and forwarding goes on.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var helpers sync.WaitGroup
	failed := make(chan error, 1)
	helpers.Go(func() {
		if err := a.host.Watch(ctx, a.event); err != nil && ctx.Err() == nil {
			failed <- fmt.Errorf("watch the kernel: %w", err)
		}
	})
	a.retry = time.NewTimer(time.Hour)
	a.retry.Stop()
	a.restore()
	if d := a.paths.d; d != nil {
		helpers.Go(func() { d.Run(ctx) })
	}
	helpers.Go(func() { a.converse(ctx) })
	helpers.Go(func() { a.reportLoop(ctx) })
	a.followMisses()
	err := a.loop(ctx, failed)
	cancel()
	a.stop()
	go a.discard(&helpers)
	helpers.Wait()
	return err
}

func (a *Agent) loop(ctx context.Context, failed <-chan error) error {
	tick := time.NewTicker(retryNeighbor)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case f := <-a.work:
			f()
		case <-a.retry.C:
			a.apply(a.desired)
		case <-tick.C:
			a.resolveMissing()
			a.forgetMissed(time.Now())
			a.reviveEstablished()
		}
	}
}

// do runs f on the main goroutine, later.
func (a *Agent) do(f func()) { a.work <- f }

// discard empties the queue of work, so that nobody waits for a main goroutine that has ended.
func (a *Agent) discard(helpers *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() { helpers.Wait(); close(ended) }()
	for {
		select {
		case <-a.work:
		case <-ended:
			return
		}
	}
}

// stop ends sessions and domains; the FIB and the punt devices keep what they have.
func (a *Agent) stop() {
	for _, l := range a.listeners {
		l.close()
	}
	for _, s := range a.sessions {
		s.end(false)
	}
	for _, d := range a.domains {
		_ = d.stop(false, 0)
	}
}

// Close releases what the agent holds. What forwards keeps forwarding.
func (a *Agent) Close() error {
	var err error
	a.closing.Do(func() { err = a.fib.f.Close() })
	return err
}

// Remove takes everything of the node off the machine: punt devices, programs, maps, and the saved plan. The agent must not run.
func (a *Agent) Remove() error {
	return errors.Join(a.stopBFD(), a.fib.f.Remove(), a.host.RemovePunts(nil), a.forget())
}

// serialFIB is a fib.FIB for several goroutines.
type serialFIB struct {
	mu sync.Mutex
	f  fib.FIB
}

// Routes implements programmer.
func (s *serialFIB) Routes(domain string, cs []fib.RouteChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.Routes(domain, cs)
}

// ReplaceRoutes implements programmer.
func (s *serialFIB) ReplaceRoutes(domain string, rs []fib.RouteChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.ReplaceRoutes(domain, rs)
}

func (s *serialFIB) apply(c fib.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.Apply(c)
}

func (s *serialFIB) setAttachmentUp(name string, up bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.SetAttachmentUp(name, up)
}

func (s *serialFIB) setNeighbor(attachment string, addr netip.Addr, mac net.HardwareAddr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.SetNeighbor(attachment, addr, mac)
}

func (s *serialFIB) setUnderlayNeighbor(remote netip.Addr, mac net.HardwareAddr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.SetUnderlayNeighbor(remote, mac)
}
