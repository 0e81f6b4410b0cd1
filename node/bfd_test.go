package node

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onramp/node/bfd"
	"onramp/node/bgp"
	"onramp/node/fib"
	"onramp/plan"
)

// fakeDetector is a detector played by the test.
type fakeDetector struct {
	mu   sync.Mutex
	want []bfd.Session
}

func (d *fakeDetector) Set(ss []bfd.Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = ss
}

func (d *fakeDetector) Run(ctx context.Context)        { <-ctx.Done() }
func (d *fakeDetector) Shutdown(context.Context) error { return nil }

func (d *fakeDetector) names() (out []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.want {
		out = append(out, s.Name)
	}
	return out
}

// neighborFIB remembers the neighbours it was told.
type neighborFIB struct {
	*fib.Memory
	mu    sync.Mutex
	known map[nextHop]net.HardwareAddr
}

func (f *neighborFIB) SetNeighbor(attachment string, addr netip.Addr, mac net.HardwareAddr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[nextHop{attachment, addr}] = mac
	return f.Memory.SetNeighbor(attachment, addr, mac)
}

func (f *neighborFIB) has(attachment, addr string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[nextHop{attachment, ip(addr)}] != nil
}

// bfdRig is an agent with two customers whose paths are watched; both sessions are up, the neighbours known, and the peers offer to have
// their routes kept over a restart.
type bfdRig struct {
	*rig
	d *fakeDetector
	f *neighborFIB
}

func watched() *plan.Node {
	n := transit()
	for i := range n.Sessions {
		n.Sessions[i].BFD = &plan.BFD{Interval: 100 * time.Millisecond, Multiplier: 4}
	}
	return n
}

func newBFDRig(t *testing.T) *bfdRig {
	r := &bfdRig{rig: newRig(t, "ge1", "ge2"), d: &fakeDetector{}}
	r.f = &neighborFIB{Memory: r.fib, known: map[nextHop]net.HardwareAddr{}}
	a, err := newAgent(Config{Name: "edge", Link: r.link, StateDir: r.dir, FIB: r.f, NewSession: r.cast.session, Logger: slog.New(slog.DiscardHandler)}, r.h)
	if err != nil {
		t.Fatal(err)
	}
	a.paths.d, r.a = r.d, a
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	r.plan(watched())
	for i, s := range []string{"s1", "s2"} {
		r.cast.up(s, []uint32{uint32(65001 + i)}, []string{"10.1.0.0/16", "10.2.0.0/16"}[i])
		r.h.neighbor("edge", "site "+s[1:], "192.168."+s[1:]+".1", net.HardwareAddr{2, 0, 0, 0, 0, byte(i)})
	}
	r.settle()
	if !r.f.has("site 1", "192.168.1.1") || len(r.hops("vpn", "10.1.0.0/16")) != 1 {
		t.Fatal("the rig is not up")
	}
	return r
}

func (r *bfdRig) event(session string, s bfd.Status) {
	r.a.do(func() { r.a.pathChanged(bfd.Event{Name: session, Status: s}) })
	r.settle()
}

var silence = bfd.Status{State: bfd.Down, Diag: bfd.DiagExpired, RemoteState: bfd.Up, Failed: true}

func (r *bfdRig) state(session string) plan.SessionState {
	for _, s := range r.a.Status().Sessions {
		if s.Name == session {
			return s
		}
	}
	return plan.SessionState{}
}

func TestDeadPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBFDRig(t)
		defer r.stop()
		if got := r.d.names(); !slices.Equal(got, []string{"s1", "s2"}) {
			t.Fatalf("watched: %v", got)
		}
		device, _ := puntNames("edge", "site 1")
		want := bfd.Session{Name: "s1", Device: device, Local: ip("192.168.1.2"), Remote: ip("192.168.1.1"),
			Config: bfd.Config{DesiredMinTx: 100 * time.Millisecond, RequiredMinRx: 100 * time.Millisecond, DetectMult: 4}}
		if got := r.d.want[0]; got != want {
			t.Errorf("watched %+v, want %+v", got, want)
		}
		if got := r.state("s1").BFD; got != "Unknown" {
			t.Errorf("before anything is heard: %q", got)
		}
		r.event("s1", bfd.Status{State: bfd.Up, RemoteState: bfd.Up})
		if got := r.state("s1").BFD; got != "Up" {
			t.Errorf("state %q", got)
		}
		r.event("s1", silence)
		if r.f.has("site 1", "192.168.1.1") || !r.f.has("site 2", "192.168.2.1") {
			t.Error("the dead path must be out of use, and only that")
		}
		if hops := r.hops("vpn", "10.1.0.0/16"); len(hops) != 0 {
			t.Errorf("the dead peer's route leads to %v", hops)
		}
		if got := r.cast.announced("s2"); slices.Contains(got, "10.1.0.0/16") {
			t.Errorf("still announced: %v", got)
		}
		if calls := r.cast.get("s1").Calls(); !slices.Contains(calls, "Reset BFD: control detection time expired") {
			t.Errorf("calls: %v", calls)
		}
		r.h.neighbor("edge", "site 1", "192.168.1.1", net.HardwareAddr{2, 9, 9, 9, 9, 9}) // news of the neighbour do not bring it back
		r.plan(func() *plan.Node { n := watched(); n.Generation = 2; return n }())        // and neither does a plan
		if r.f.has("site 1", "192.168.1.1") {
			t.Error("in use, though it is dead")
		}
		r.event("s1", bfd.Status{State: bfd.Init})
		r.event("s1", bfd.Status{State: bfd.Up})
		if mac := r.f.known[nextHop{"site 1", ip("192.168.1.1")}]; !bytes.Equal(mac, []byte{2, 9, 9, 9, 9, 9}) {
			t.Errorf("not back in use: %v", mac)
		}
	})
}

// A path that dies while the peer's routes are only kept for a graceful restart takes them with it.
func TestDeadPathEndsRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBFDRig(t)
		defer r.stop()
		r.event("s1", bfd.Status{State: bfd.Up})
		r.cast.get("s1").Drop(bgp.Down{Cause: "connection lost", Keep: true, KeepFor: time.Hour})
		r.settle()
		if len(r.hops("vpn", "10.1.0.0/16")) != 1 {
			t.Fatal("the route is not kept")
		}
		r.event("s1", silence)
		if hops := r.hops("vpn", "10.1.0.0/16"); len(hops) != 0 {
			t.Errorf("kept by %v", hops)
		}
	})
}

func TestNoReasonToGoDown(t *testing.T) {
	for name, events := range map[string][]bfd.Event{
		"a peer without BFD":         {{Name: "s1", Status: bfd.Status{State: bfd.Down}}},
		"the daemon is gone":         {{Name: "s1", Status: bfd.Status{State: bfd.Up}}, {Name: "s1", Unknown: true}},
		"the peer goes AdminDown":    {{Name: "s1", Status: bfd.Status{State: bfd.Up}}, {Name: "s1", Status: bfd.Status{State: bfd.Down, Diag: bfd.DiagNeighborDown, RemoteState: bfd.AdminDown}}},
		"a session nobody heard of":  {{Name: "s9", Status: silence}},
		"its sockets cannot be made": {{Name: "s1", Problem: "no such device"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newBFDRig(t)
				defer r.stop()
				for _, e := range events {
					r.a.do(func() { r.a.pathChanged(e) })
				}
				r.settle()
				if !r.f.has("site 1", "192.168.1.1") || len(r.hops("vpn", "10.1.0.0/16")) != 1 || r.state("s1").State != "Established" {
					t.Errorf("path out of use: %+v", r.state("s1"))
				}
			})
		})
	}
}

// A peer that switched BFD off without a word is back with its session, and the same old failure told again is none.
func TestSessionRevivesPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBFDRig(t)
		defer r.stop()
		r.event("s1", bfd.Status{State: bfd.Up})
		r.event("s1", silence)
		r.settle()
		if r.f.has("site 1", "192.168.1.1") {
			t.Fatal("in use")
		}
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16")
		r.settle()
		if !r.f.has("site 1", "192.168.1.1") || len(r.hops("vpn", "10.1.0.0/16")) != 1 {
			t.Error("its session is established, but the path is not in use")
		}
		r.a.do(func() { r.a.pathChanged(bfd.Event{Name: "s1", Unknown: true}) })
		r.event("s1", silence)
		if !r.f.has("site 1", "192.168.1.1") {
			t.Error("an old failure took the path out of use")
		}
		n := watched()
		n.Generation, n.Sessions[0].BFD = 2, nil
		r.plan(n)
		if got := r.d.names(); !slices.Equal(got, []string{"s2"}) || r.state("s1").BFD != "" {
			t.Errorf("watched: %v, %q", got, r.state("s1").BFD)
		}
	})
}

// A neighbour that fell silent is asked for at once: where the link is back already, a second of loss counts.
func TestLostNeighborIsAskedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBFDRig(t)
		defer r.stop()
		k := neighborKey{r.a.punts["site 1"].KernelIndex, ip("192.168.1.1")}
		r.h.mu.Lock()
		delete(r.h.resolved, k)
		r.h.mu.Unlock()
		r.h.neighbor("edge", "site 1", "192.168.1.1", nil)
		r.settle()
		r.h.mu.Lock()
		defer r.h.mu.Unlock()
		if !r.h.resolved[k] {
			t.Error("not asked for")
		}
	})
}
