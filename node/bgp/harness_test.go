package bgp

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// recorder is a Handler that keeps a table, as package rib would, and what else it was told.
type recorder struct {
	mu        sync.Mutex
	routes    map[netip.Prefix]Update // the latest Reach of each prefix
	ups       []Peer
	downs     []Down
	refreshes []Family
	eors      []Family
	treated   int
	onUp      func(Peer)
	changed   chan struct{} // capacity 1
}

func newRecorder() *recorder {
	return &recorder{routes: map[netip.Prefix]Update{}, changed: make(chan struct{}, 1)}
}

func (r *recorder) Up(p Peer) {
	r.mu.Lock()
	r.ups = append(r.ups, p)
	f := r.onUp
	r.mu.Unlock()
	if f != nil {
		f(p)
	}
	signal(r.changed)
}

func (r *recorder) Update(u Update) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range u.Withdrawn {
		delete(r.routes, p)
	}
	for _, p := range u.Reach {
		r.routes[p] = u
	}
	if u.EndOfRIB {
		r.eors = append(r.eors, u.Family)
	}
	if u.TreatAsWithdraw {
		r.treated++
	}
	signal(r.changed)
}

func (r *recorder) Refresh(f Family) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refreshes = append(r.refreshes, f)
	signal(r.changed)
}

func (r *recorder) Down(d Down) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.downs = append(r.downs, d)
	if !d.Keep {
		clear(r.routes)
	}
	signal(r.changed)
}

// wait blocks until cond holds; it is called with the lock held.
func (r *recorder) wait(t *testing.T, what string, d time.Duration, cond func() bool) {
	t.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		r.mu.Lock()
		ok := cond()
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-end.C:
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("%s: not within %s; %d routes, ups %+v, downs %+v", what, d, len(r.routes), r.ups, r.downs)
		}
	}
}

// route is what was learned about p.
func (r *recorder) route(p netip.Prefix) Update {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes[p]
}

// down is the i-th Down; how many there were and how often the session came up.
func (r *recorder) down(i int) (d Down, downs, ups int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i < len(r.downs) {
		d = r.downs[i]
	}
	return d, len(r.downs), len(r.ups)
}

type dialFunc func(ctx context.Context) (net.Conn, error)

func (f dialFunc) Dial(ctx context.Context) (net.Conn, error) { return f(ctx) }

// run starts s and returns a function that ends it and waits.
func run(s *Session) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func testRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func testConfig() Config {
	return Config{Name: "test", LocalAS: 12076, PeerAS: 65001, RouterID: addr("10.0.0.1"),
		LocalAddr: addr("169.254.77.1"), PeerAddr: addr("169.254.77.2")}
}
