package node

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"onramp/node/bgp"
	"onramp/node/fib"
	"onramp/plan"
)

// rig is an agent among fakes, in a bubble of virtual time.
type rig struct {
	t    *testing.T
	h    *fakeHost
	link *fakeLink
	fib  *fib.Memory
	cast *cast
	dir  string
	a    *Agent
	stop func()
}

func newRig(t *testing.T, ports ...string) *rig {
	return &rig{t: t, h: newFakeHost(ports...), link: newFakeLink(), fib: fib.NewMemory(), cast: &cast{}, dir: t.TempDir()}
}

func (r *rig) start(continued bool) {
	r.t.Helper()
	a, err := newAgent(Config{Name: "edge", Link: r.link, StateDir: r.dir, FIB: r.fib, Continued: continued, NewSession: r.cast.session,
		Logger: slog.New(slog.DiscardHandler)}, r.h)
	if err != nil {
		r.t.Fatal(err)
	}
	r.a = a
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("run: %v", err)
		}
		if err := a.Close(); err != nil {
			r.t.Errorf("close: %v", err)
		}
	}
	synctest.Wait()
}

func (r *rig) plan(n *plan.Node) {
	n.Name = "edge"
	r.link.work <- plan.Work{Plan: n.Clone()}
	r.settle()
}

// settle lets everything happen that is due within a moment.
func (r *rig) settle() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

func (r *rig) hops(domain, prefix string) []string {
	var out []string
	for _, h := range r.fib.Table(domain)[pre(prefix)] {
		out = append(out, h.Attachment)
	}
	slices.Sort(out)
	return out
}

func TestAgentBringsPlanUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.start(false)
		r.plan(transit())
		if rep := r.link.last(); rep.Applied != 1 || rep.Problem != "" || rep.DataPath != "memory" {
			t.Fatalf("report: %+v", rep)
		}
		mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
		r.h.neighbor("edge", "site 1", "192.168.1.1", mac)
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16")
		r.cast.up("s2", []uint32{65002}, "10.2.0.0/16")
		r.settle()
		if got := r.hops("vpn", "10.1.0.0/16"); !slices.Equal(got, []string{"site 1"}) {
			t.Errorf("10.1.0.0/16 by %v", got)
		}
		if got := r.cast.announced("s2"); !slices.Equal(got, []string{"10.1.0.0/16"}) {
			t.Errorf("announced to s2: %v", got)
		}
		time.Sleep(2 * time.Second)
		rep := r.link.last()
		nb := rep.Attachments[0].Neighbors
		if len(nb) != 2 || !nb[0].Local || nb[1].MAC != mac.String() || nb[1].Age < 2*time.Second {
			t.Errorf("neighbours: %+v", nb)
		}
		if s := rep.Sessions[0]; s.State != "Established" || s.Received != 1 || s.Advertised != 1 || len(s.Events) == 0 {
			t.Errorf("session: %+v", s)
		}
		r.link.work <- plan.Work{Queries: []plan.Query{
			{ID: "1", Kind: "routes", Domain: "vpn", Longest: ip("10.2.3.4")}, {ID: "2", Kind: "advertised", Session: "s2"},
			{ID: "3", Kind: "received", Session: "s2"}, {ID: "4", Kind: "routes", Domain: "none"}}}
		r.settle()
		r.checkAnswers()
		r.stop()
	})
}

func (r *rig) checkAnswers() {
	r.t.Helper()
	want := map[string]string{"1": "10.2.0.0/16 65002 loc", "2": "10.1.0.0/16 12076 65001 out", "3": "10.2.0.0/16 65002 loc", "4": `no domain "none"`}
	for _, a := range r.link.answers {
		got := a.Error
		for _, x := range a.Routes {
			got += x.Prefix.String() + " " + x.ASPath + " " + x.Direction
		}
		if got != want[a.ID] {
			r.t.Errorf("query %s: %q, want %q", a.ID, got, want[a.ID])
		}
		delete(want, a.ID)
	}
	if len(want) > 0 {
		r.t.Errorf("not answered: %v", want)
	}
}

func TestReportEverySecondAndCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.start(false)
		r.plan(transit())
		r.settle()
		before := r.link.count()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := r.link.count() - before; n < 10 || n > 11 {
			t.Errorf("%d reports in 10 s", n)
		}
		before = r.link.count()
		for range 100 {
			r.a.reportSoon()
			time.Sleep(time.Millisecond)
		}
		if n := r.link.count() - before; n < 2 || n > 4 {
			t.Errorf("%d reports for 100 changes in 100 ms", n)
		}
		r.stop()
	})
}

func TestBadPartsAreNamedAndTheRestApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.h.broken["site 2"] = true
		r.start(false)
		n := transit()
		n.Ports = append(n.Ports, plan.Port{Name: "ge9", Enabled: true})
		n.Attachments = append(n.Attachments, plan.Attachment{Name: "lost", Domain: "vpn", Port: "ge9"})
		n.Domains[0].Static = []plan.StaticRoute{{Prefix: pre("10.8.0.0/16"), Attachment: "lost", NextHop: ip("1.2.3.4")}, {Prefix: pre("10.9.0.0/16"), Unreachable: true}}
		r.plan(n)
		rep := r.link.last()
		for _, want := range []string{`port "ge9"`, `attachment "lost"`, `attachment "site 2"`, `session "s2"`, "10.8.0.0/16"} {
			if !strings.Contains(rep.Problem, want) {
				t.Errorf("problem does not name %s: %s", want, rep.Problem)
			}
		}
		if rep.Applied != 0 || len(r.hops("vpn", "10.9.0.0/16")) != 1 || r.cast.get("s1") == nil || r.cast.get("s2") != nil {
			t.Errorf("applied %d; the right parts must work, and only they", rep.Applied)
		}
		r.h.addPort("ge9")
		r.h.mu.Lock()
		r.h.broken = map[string]bool{}
		r.h.mu.Unlock()
		time.Sleep(retryApply + time.Second)
		n.Generation, n.Domains[0].Static = 2, nil
		r.plan(n)
		if rep := r.link.last(); rep.Applied != 2 || rep.Problem != "" || r.cast.get("s2") == nil {
			t.Errorf("once all is there: applied %d, %s", rep.Applied, rep.Problem)
		}
		r.stop()
	})
}

func TestPlanIsKeptPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.start(false)
		n := transit()
		n.Sessions[0].Key = "secret"
		r.plan(n)
		r.stop()
		st, err := os.Stat(filepath.Join(r.dir, planFile))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Fatalf("saved plan: %v %v", st, err)
		}
		r.link.away = true
		r.fib, r.cast = r.fib.Reopen(), &cast{}
		r.start(true)
		r.settle()
		if rep := r.a.Status(); rep.Applied != 1 || r.cast.get("s1") == nil || !r.cast.get("s1").Config().Restarting {
			t.Errorf("from the saved plan, without control: applied %d %s", rep.Applied, rep.Problem)
		}
		k, _ := puntNames("edge", "site 1")
		if got := r.h.keys[k+" 192.168.1.1"]; got != "secret" {
			t.Errorf("key of the listener: %q", string(got))
		}
		r.stop()
		if err := os.WriteFile(filepath.Join(r.dir, planFile), []byte("{broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		r.fib, r.cast = r.fib.Reopen(), &cast{}
		r.start(true)
		if rep := r.a.Status(); rep.Applied != 0 {
			t.Errorf("from a broken plan: applied %d", rep.Applied)
		}
		r.stop()
	})
}

// TestRestartKeepsRoutes: the FIB keeps every route from the end of one agent until the sessions of the next have told theirs.
func TestRestartKeepsRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.start(false)
		r.plan(transit())
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16", "10.11.0.0/16")
		r.cast.up("s2", []uint32{65002}, "10.2.0.0/16")
		r.settle()
		before := r.fib.Table("vpn")
		r.stop()
		r.fib, r.cast = r.fib.Reopen(), &cast{}
		r.start(true)
		r.settle()
		if got := r.fib.Table("vpn"); len(got) != len(before) {
			t.Fatalf("after the start: %v", got)
		}
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16")
		r.settle()
		if len(r.hops("vpn", "10.2.0.0/16")) != 1 || len(r.hops("vpn", "10.11.0.0/16")) != 1 || len(r.cast.announced("s1")) != 0 {
			t.Errorf("one session told its table: %v", r.fib.Table("vpn"))
		}
		r.cast.up("s2", []uint32{65002}, "10.2.0.0/16")
		r.settle()
		if len(r.hops("vpn", "10.2.0.0/16")) != 1 || len(r.hops("vpn", "10.11.0.0/16")) != 0 {
			t.Errorf("all told theirs: %v", r.fib.Table("vpn"))
		}
		if got := r.cast.announced("s1"); !slices.Equal(got, []string{"10.2.0.0/16"}) {
			t.Errorf("announced to s1: %v", got)
		}
		r.stop()
	})
}

func TestLinkLossResetsSessionsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.start(false)
		r.plan(transit())
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16")
		r.cast.up("s2", []uint32{65002}, "10.2.0.0/16")
		r.settle()
		r.h.carrier("ge1", false)
		synctest.Wait() // no time passes
		if got := r.hops("vpn", "10.1.0.0/16"); got != nil {
			t.Errorf("still by %v", got)
		}
		if got := r.cast.announced("s2"); len(got) != 0 {
			t.Errorf("still announced: %v", got)
		}
		if calls := r.cast.get("s1").Calls(); len(calls) == 0 || calls[len(calls)-1] != "Reset port ge1 lost its link" {
			t.Errorf("session 1 was told %q", calls)
		}
		if r.hops("vpn", "192.168.1.0/30") != nil || r.hops("vpn", "192.168.2.0/30") == nil {
			t.Errorf("connected routes: %v", r.fib.Table("vpn"))
		}
		r.h.carrier("ge1", true)
		synctest.Wait()
		if calls := r.cast.get("s1").Calls(); calls[len(calls)-1] != "Start" || r.hops("vpn", "192.168.1.0/30") == nil {
			t.Errorf("link back: session was told %q", calls)
		}
		r.stop()
	})
}

// TestLossForwarding: port A follows the carrier of port B, also where two crossconnects follow each other.
func TestLossForwarding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "a", "b")
		r.start(false)
		n := &plan.Node{Generation: 1, Ports: []plan.Port{{Name: "a", Enabled: true}, {Name: "b", Enabled: true}}}
		for i, p := range []string{"a", "b", "a", "b"} {
			n.Attachments = append(n.Attachments, plan.Attachment{Name: p + string(rune('1'+i/2)), Port: p, CTag: uint16(10 + i/2)})
		}
		n.Crossconnects = []plan.Crossconnect{{Name: "x1", A: "a1", B: "b1", LinkLossForwarding: true}, {Name: "x2", A: "b2", B: "a2", LinkLossForwarding: true}}
		r.plan(n)
		up := func(p string) bool {
			r.h.mu.Lock()
			defer r.h.mu.Unlock()
			return r.h.links[p].Up
		}
		if rep := r.link.last(); rep.Applied != 1 || !up("a") || !up("b") {
			t.Fatalf("start: %+v", rep)
		}
		for _, p := range [][2]string{{"a", "b"}, {"b", "a"}} {
			r.h.carrier(p[1], false)
			r.settle()
			if up(p[0]) || !up(p[1]) {
				t.Errorf("%s lost: %s up %v, itself up %v", p[1], p[0], up(p[0]), up(p[1]))
			}
			r.h.carrier(p[1], true)
			r.settle()
			if !up(p[0]) || !up(p[1]) {
				t.Errorf("%s back: %s up %v, itself up %v", p[1], p[0], up(p[0]), up(p[1]))
			}
		}
		r.stop()
	})
}

func TestChangesTouchOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.start(false)
		n := transit()
		r.plan(n)
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16")
		r.cast.up("s2", []uint32{65002}, "10.2.0.0/16")
		last := func(s string) string {
			c := r.cast.get(s).Calls()
			if len(c) == 0 {
				return ""
			}
			return c[len(c)-1]
		}
		n.Generation, n.Sessions[0].Key = 2, "new"
		r.plan(n)
		k, _ := puntNames("edge", "site 1")
		if r.h.keys[k+" 192.168.1.1"] != "new" || !strings.HasPrefix(last("s1"), "Reset") || last("s2") != "" {
			t.Errorf("key changed: s1 %q, s2 %q", last("s1"), last("s2"))
		}
		n.Generation, n.Sessions[1].Enabled = 3, false
		r.plan(n)
		if !strings.Contains(last("s2"), "Stop") {
			t.Errorf("disabled: %q", last("s2"))
		}
		n.Generation, n.Sessions[1].Enabled = 4, true
		r.plan(n)
		if last("s2") != "Start" || r.cast.timesMade("s2") != 1 {
			t.Errorf("enabled: %q", last("s2"))
		}
		n.Generation, n.Sessions[1].PeerAS = 5, 65009
		r.plan(n)
		if r.cast.timesMade("s2") != 2 || r.cast.timesMade("s1") != 1 {
			t.Errorf("another AS is another session: %v", r.cast.made)
		}
		old := r.cast.get("s1")
		n.Generation, n.Sessions, n.Attachments, n.Domains = 6, nil, nil, nil
		r.plan(n)
		if rep := r.link.last(); rep.Applied != 6 || len(r.h.punts) != 0 || len(r.h.listening) != 0 || len(r.h.resolved) != 0 || len(r.fib.Table("vpn")) != 0 {
			t.Errorf("emptied: %+v, punts %v, listeners %v, neighbours %v", rep, r.h.punts, r.h.listening, r.h.resolved)
		}
		if c := old.Calls(); !strings.Contains(c[len(c)-1], "Stop") {
			t.Errorf("a session taken out of the plan was told %q", c)
		}
		r.stop()
	})
}

// TestPanicCostsOneDomain: a defect met by one domain's routes leaves the others alone, and the domain itself recovers.
func TestPanicCostsOneDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.start(false)
		r.plan(twoCustomers())
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16")
		r.cast.up("s2", []uint32{65001}, "10.1.0.0/16")
		r.settle()
		r.a.mu.Lock()
		d := r.a.domains["vrf 1"]
		r.a.mu.Unlock()
		d.tell(func(*routing) { panic("a defect") })
		r.settle()
		if rep := r.a.Status(); !strings.Contains(rep.Problem, "a defect") {
			t.Errorf("problem: %q", rep.Problem)
		}
		if len(r.hops("vrf 1", "10.1.0.0/16")) != 1 || len(r.hops("vrf 2", "10.1.0.0/16")) != 1 {
			t.Error("forwarding stopped")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if c := r.cast.get("s1").Calls(); len(c) == 0 || !strings.HasPrefix(c[len(c)-1], "Reset the routing domain") {
			t.Errorf("session of the domain was told %q", c)
		}
		if c := r.cast.get("s2").Calls(); len(c) != 0 || r.cast.get("s2").Status().State != bgp.Established {
			t.Errorf("session of the other domain was told %q", c)
		}
		r.cast.up("s1", []uint32{65001}, "10.3.0.0/16")
		r.settle()
		if len(r.hops("vrf 1", "10.3.0.0/16")) != 1 || r.hops("vrf 1", "10.1.0.0/16") != nil {
			t.Errorf("recovered table: %v", r.fib.Table("vrf 1"))
		}
		if rep := r.a.Status(); rep.Problem != "" {
			t.Errorf("problem stays: %q", rep.Problem)
		}
		r.stop()
	})
}

func TestTunnelsAndTheirNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "fab0")
		r.start(false)
		n := &plan.Node{Generation: 1, RouterID: ip("10.255.0.1"), VTEP: ip("10.255.0.1"), Domains: []plan.Domain{{Name: "d"}},
			Ports: []plan.Port{{Name: "fab0", Enabled: true, MTU: 1600, Underlay: pre("10.255.0.1/24")}},
			Attachments: []plan.Attachment{{Name: "t1", Domain: "d", VNI: 7, Remote: ip("10.255.0.2"),
				Addresses: []plan.Address{{Prefix: pre("169.254.0.1/32"), Peer: ip("169.254.0.2")}},
				Neighbors: []plan.Neighbor{{Addr: ip("169.254.0.2"), MAC: "02:00:00:00:00:07"}}}}}
		r.plan(n)
		index := r.h.links["fab0"].Index
		if rep := r.link.last(); rep.Applied != 1 {
			t.Fatalf("report: %+v", rep)
		}
		if !r.h.resolved[neighborKey{index, ip("10.255.0.2")}] {
			t.Errorf("the remote end is not asked for: %v", r.h.resolved)
		}
		if len(r.h.statics) != 1 || r.hops("d", "169.254.0.2/32") == nil {
			t.Errorf("static neighbour: %v, routes %v", r.h.statics, r.fib.Table("d"))
		}
		r.h.carrier("fab0", false)
		synctest.Wait()
		if r.hops("d", "169.254.0.2/32") != nil {
			t.Error("a tunnel must go down with the last port to the fabric")
		}
		r.stop()
	})
}

func TestPuntNames(t *testing.T) {
	k, p := puntNames("edge", "a very long name of an attachment / with anything")
	if len(k) > 15 || k[1:] != p[1:] || k[0] == p[0] {
		t.Errorf("names %q %q", k, p)
	}
	if m := puntMAC("edge", "x", kernelEnd); m[0] != 2 || m.String() == puntMAC("edge", "x", pathEnd).String() {
		t.Errorf("MAC %v", m)
	}
}

// TestRestartWaitsForWhoWasUp: a peer that was silent before the restart does not keep the domain waiting, also after a second restart.
func TestRestartWaitsForWhoWasUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "ge2")
		r.start(false)
		r.plan(transit())
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16", "10.11.0.0/16")
		r.settle()
		r.stop()
		for range 2 {
			r.fib, r.cast = r.fib.Reopen(), &cast{}
			r.start(true)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if len(r.hops("vpn", "10.11.0.0/16")) != 1 {
				t.Fatal("did not wait for the session that was up")
			}
			r.stop()
		}
		r.fib, r.cast = r.fib.Reopen(), &cast{}
		r.start(true)
		r.cast.up("s1", []uint32{65001}, "10.1.0.0/16")
		r.settle()
		if len(r.hops("vpn", "10.11.0.0/16")) != 0 || len(r.hops("vpn", "10.1.0.0/16")) != 1 {
			t.Errorf("waits for a session that was down: %v", r.fib.Table("vpn"))
		}
		r.stop()
	})
}
