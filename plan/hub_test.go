package plan

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines are the twins of Link, each to a hub of its own.
func lines(t *testing.T) map[string]func(*testing.T) (*Hub, Link) {
	t.Helper()
	allow := func(node string, r *http.Request) error {
		if Bearer(r) != "token of "+node {
			return errors.New("wrong token")
		}
		return nil
	}
	return map[string]func(*testing.T) (*Hub, Link){
		"memory": func(*testing.T) (*Hub, Link) {
			h := NewHub()
			return h, h.Link("a")
		},
		"unix": func(t *testing.T) (*Hub, Link) {
			h := NewHub()
			path := filepath.Join(t.TempDir(), "control.sock")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			s := &http.Server{Handler: h.Handler(allow)}
			go s.Serve(l)
			t.Cleanup(func() { s.Close() })
			return h, client(t, ClientConfig{Control: "unix:" + path, Node: "a", Token: "token of a"})
		},
		"https": func(t *testing.T) (*Hub, Link) {
			h := NewHub()
			s := httptest.NewTLSServer(h.Handler(allow))
			t.Cleanup(s.Close)
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
			return h, client(t, ClientConfig{Control: s.URL, Node: "a", Token: "token of a", CA: ca})
		},
	}
}

func client(t *testing.T, cfg ClientConfig) *Client {
	t.Helper()
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestLink is the conformance suite of Link: what a node may rely on, whatever the line.
func TestLink(t *testing.T) {
	suite := map[string]func(*testing.T, *Hub, Link){
		"plan":    linkPlan,
		"again":   linkPlanAgain,
		"report":  linkReport,
		"foreign": linkForeignReport,
		"query":   linkQuery,
		"cancel":  linkCancel,
		"large":   linkLarge,
	}
	for line, open := range lines(t) {
		for name, test := range suite {
			t.Run(line+"/"+name, func(t *testing.T) {
				h, l := open(t)
				test(t, h, l)
			})
		}
	}
}

func next(t *testing.T, l Link, have int64) Work {
	t.Helper()
	w, err := l.Next(t.Context(), have)
	if err != nil {
		t.Fatalf("Next(%d): %v", have, err)
	}
	return w
}

// full is a plan with something in every field that JSON could spoil.
func full(name string) Node {
	return Node{
		Name: name, Role: RoleEdge, VTEP: netip.MustParseAddr("100.64.0.1"), RouterID: netip.MustParseAddr("100.64.0.1"),
		Ports: []Port{{Name: "p", Enabled: true, Underlay: netip.MustParsePrefix("100.64.0.1/24")}},
		Attachments: []Attachment{{Name: "x", Domain: "d", Port: "p", STag: 2, CTag: 3,
			Addresses: []Address{{Prefix: netip.MustParsePrefix("192.168.0.2/30")}}}},
		Domains: []Domain{{Name: "d", MultiPath: 8, Static: []StaticRoute{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Unreachable: true}}}},
		Sessions: []Session{{Name: "s", Attachment: "x", LocalAddr: netip.MustParseAddr("192.168.0.2"), PeerAddr: netip.MustParseAddr("192.168.0.1"),
			LocalAS: 12076, PeerAS: 4200000000, Key: "secret", HoldTime: 180 * time.Second}},
	}
}

func linkPlan(t *testing.T, h *Hub, l Link) {
	got := make(chan Work, 1)
	go func() {
		w, _ := l.Next(context.WithoutCancel(t.Context()), 0)
		got <- w
	}()
	h.SetPlans(map[string]Node{"a": full("a"), "b": full("b")}, 7)
	w := <-got
	want := full("a")
	want.Generation = 7
	if w.Plan == nil {
		t.Fatal("no plan came")
	}
	if d := cmp.Diff(want, *w.Plan, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Fatalf("plan spoiled on the way (-want +got):\n%s", d)
	}
}

func linkPlanAgain(t *testing.T, h *Hub, l Link) {
	h.SetPlans(map[string]Node{"a": full("a")}, 7)
	if w := next(t, l, 7); w.Plan == nil || w.Plan.Generation != 7 {
		t.Fatalf("a new hub hands out no plan to a node that has its generation: %+v", w)
	}
	h.SetPlans(map[string]Node{"a": full("a")}, 8) // same content
	changed := full("a")
	changed.Ports[0].Enabled = false
	go h.SetPlans(map[string]Node{"a": changed}, 9)
	if w := next(t, l, 7); w.Plan == nil || w.Plan.Generation != 9 {
		t.Fatalf("want generation 9 next, have %+v", w.Plan)
	}
}

func linkReport(t *testing.T, h *Hub, l Link) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	signal := h.Changed(ctx)
	want := Report{Node: "a", Time: time.Unix(1, 0).UTC(), Applied: 7, Sessions: []SessionState{{Name: "s", State: "Established"}}}
	if err := l.Report(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	<-signal
	got, ok := h.Report("a")
	if !ok || got.Applied != 7 || got.Sessions[0].State != "Established" || !got.Time.Equal(want.Time) {
		t.Fatalf("have %+v, want %+v", got, want)
	}
	if all := h.Reports(); len(all) != 1 {
		t.Fatalf("reports of %d nodes, want 1", len(all))
	}
}

func linkForeignReport(t *testing.T, h *Hub, l Link) {
	if err := l.Report(t.Context(), Report{Node: "b", Time: time.Unix(1, 0)}); err == nil {
		t.Fatal("node a reports for node b")
	}
	if len(h.Reports()) != 0 {
		t.Fatal("the foreign report is kept")
	}
}

func linkQuery(t *testing.T, h *Hub, l Link) {
	h.SetPlans(map[string]Node{"a": full("a")}, 1)
	next(t, l, 0)
	done := make(chan error, 1)
	go func() {
		a, err := h.Query(t.Context(), "a", Query{Kind: "routes", Domain: "d"})
		if err == nil && (len(a.Routes) != 1 || a.Routes[0].ASPath != "12076 65001") {
			err = fmt.Errorf("answer %+v", a)
		}
		done <- err
	}()
	w := next(t, l, 1)
	if len(w.Queries) != 1 || w.Queries[0].Domain != "d" {
		t.Fatalf("queries %+v", w.Queries)
	}
	answer := Answer{ID: w.Queries[0].ID, Routes: []Route{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), ASPath: "12076 65001"}}}
	if err := l.Answer(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := l.Answer(t.Context(), answer); err != nil {
		t.Fatalf("an answer that nobody waits for is refused: %v", err)
	}
}

func linkCancel(t *testing.T, _ *Hub, l Link) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Next(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Fatalf("have %v, want context.Canceled", err)
	}
}

// linkLarge sends the plan of an edge router with 1,000 circuits.
func linkLarge(t *testing.T, h *Hub, l Link) {
	n := full("a")
	for i := range 1000 {
		for k := range 5 {
			n.Attachments = append(n.Attachments, Attachment{Name: fmt.Sprintf("circuit/%d/%d", i, k), Domain: fmt.Sprint("circuit/", i)})
			n.Sessions = append(n.Sessions, Session{Name: fmt.Sprintf("circuit/%d/%d", i, k), Export: Export{Classes: []string{"network"}}})
		}
	}
	h.SetPlans(map[string]Node{"a": n}, 1)
	if w := next(t, l, 0); len(w.Plan.Sessions) != len(n.Sessions) {
		t.Fatalf("%d sessions came, want %d", len(w.Plan.Sessions), len(n.Sessions))
	}
}

func TestClientRefused(t *testing.T) {
	h := NewHub()
	s := httptest.NewTLSServer(h.Handler(func(string, *http.Request) error { return errors.New("wrong token") }))
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	c := client(t, ClientConfig{Control: s.URL, Node: "a", CA: ca})
	if _, err := c.Next(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "wrong token") {
		t.Fatalf("have %v, want 403 and the reason", err)
	}
	if err := c.Report(t.Context(), Report{Node: "a"}); err == nil {
		t.Fatal("a report without a token is taken")
	}
	if len(h.Reports()) != 0 {
		t.Fatal("a report without a token is kept")
	}
	stranger := client(t, ClientConfig{Control: s.URL, Node: "a"}) // trusts the system's authorities only
	if _, err := stranger.Next(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("have %v, want a certificate error", err)
	}
}

func TestHandlerRefusesBadRequests(t *testing.T) {
	h := NewHub()
	handler := h.Handler(func(string, *http.Request) error { return nil })
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "a/work?have=x", "", 400},
		{"GET", "a/work", "", 400},
		{"POST", "a/report", "{", 400},
		{"POST", "a/report", `{"Node":"b"}`, 400},
		{"POST", "a/answer", "[]", 400},
		{"POST", "a/report", `"` + strings.Repeat("x", maxBody) + `"`, 413},
		{"DELETE", "a/report", "", 405},
		{"GET", "a/secrets", "", 404},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(c.method, HubPath+c.path, strings.NewReader(c.body)))
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, w.Code, c.want, w.Body)
		}
	}
}

func TestNewClientRefuses(t *testing.T) {
	for _, cfg := range []ClientConfig{
		{Control: "unix:/x"},
		{Control: "unix:", Node: "a"},
		{Control: "http://control:80", Node: "a"},
		{Control: "https://", Node: "a"},
		{Control: "control:8443", Node: "a"},
		{Control: "https://control:8443", Node: "a", CA: []byte("no certificate")},
	} {
		if _, err := NewClient(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		start := time.Now()
		w, err := h.Link("a").Next(t.Context(), 0)
		if err != nil || w.Plan != nil || len(w.Queries) != 0 {
			t.Fatalf("have %+v, %v; want no work", w, err)
		}
		if d := time.Since(start); d != nextWait {
			t.Fatalf("waited %v, want %v", d, nextWait)
		}
	})
}

func TestQueryOfAbsentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		if _, err := h.Query(t.Context(), "a", Query{}); !errors.Is(err, ErrUnknownNode) {
			t.Fatalf("have %v, want ErrUnknownNode", err)
		}
		h.SetPlans(map[string]Node{"a": {Name: "a"}}, 1)
		if _, err := h.Query(t.Context(), "a", Query{}); !errors.Is(err, ErrNodeAway) {
			t.Fatalf("have %v, want ErrNodeAway", err)
		}
		next(t, h.Link("a"), 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Query(ctx, "a", Query{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("have %v, want a deadline", err)
		}
		if w, _ := h.Link("a").Next(t.Context(), 1); len(w.Queries) != 0 {
			t.Fatal("a query that nobody waits for is handed out")
		}
		<-time.After(2 * awayAfter)
		if _, err := h.Query(t.Context(), "a", Query{}); !errors.Is(err, ErrNodeAway) {
			t.Fatalf("have %v, want ErrNodeAway after a long silence", err)
		}
	})
}

func TestWaiting(t *testing.T) {
	h := NewHub()
	plans := func(a, b int) map[string]Node {
		return map[string]Node{"a": {Name: "a", Ports: []Port{{MTU: a}}}, "b": {Name: "b", Ports: []Port{{MTU: b}}}}
	}
	applied := func(node string, g int64) {
		t.Helper()
		if err := h.Link(node).Report(t.Context(), Report{Node: node, Time: time.Unix(1, 0), Applied: g}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(rev int64, live bool, waiting ...string) {
		t.Helper()
		if got := h.Waiting(rev); !slices.Equal(got, waiting) || h.Live(rev) != live {
			t.Errorf("revision %d: waiting %v live %v, want %v %v", rev, got, h.Live(rev), waiting, live)
		}
	}
	check(5, false) // nothing compiled yet
	h.SetPlans(plans(1, 1), 10)
	check(5, false, "a", "b")
	applied("a", 10)
	check(5, false, "b")
	check(11, false)
	h.SetPlans(plans(2, 1), 12) // a changes
	check(11, false, "a")       // b is dead, but not concerned
	h.SetPlans(plans(3, 1), 14)
	check(13, false, "a")
	applied("a", 12)
	check(11, true)
	check(13, false, "a")
	applied("a", 14)
	check(13, true)
	check(14, true)
	check(5, false, "b")
	h.SetPlans(plans(3, 1), 20) // nothing changes
	check(20, true)
	h.SetPlans(map[string]Node{"a": plans(3, 1)["a"]}, 21) // b is no more
	check(5, true)
	h.SetPlans(plans(9, 9), 20) // an older revision
	check(22, false)
	if p, _ := h.Plan("a"); p.Generation != 14 || p.Ports[0].MTU != 3 {
		t.Errorf("plan of a: %+v, want generation 14 and MTU 3", p)
	}
}

// TestWaitingForgetful checks that beyond its history the hub still never says live too early.
func TestWaitingForgetful(t *testing.T) {
	h := NewHub()
	for i := range historySize + 10 {
		h.SetPlans(map[string]Node{"a": {Name: "a", Ports: []Port{{MTU: i}}}}, int64(i+1))
	}
	if h.Live(1) {
		t.Fatal("live although node a has applied nothing")
	}
	if err := h.Link("a").Report(t.Context(), Report{Node: "a", Time: time.Unix(1, 0), Applied: 5}); err != nil {
		t.Fatal(err)
	}
	if !h.Live(2) {
		t.Fatal("revision 2 is not live although node a has applied 5")
	}
}

// TestSameRevisionNewContent: a newer compiler makes something else of the same revision; the generation still grows.
func TestSameRevisionNewContent(t *testing.T) {
	h := NewHub()
	h.SetPlans(map[string]Node{"a": {Name: "a"}}, 5)
	h.SetPlans(map[string]Node{"a": {Name: "a", Role: RoleEdge}}, 5)
	if p, _ := h.Plan("a"); p.Generation != 6 {
		t.Fatalf("generation %d, want 6", p.Generation)
	}
	if w := h.Waiting(5); !slices.Equal(w, []string{"a"}) {
		t.Fatalf("waiting %v, want a", w)
	}
}

// TestNodeFromAnotherStore: a node whose plan came from a store that is no more gets this one's, a minute later, and nothing is said to
// be live before.
func TestNodeFromAnotherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		l := h.Link("a")
		have := int64(500)
		report := func() {
			if err := l.Report(t.Context(), Report{Node: "a", Time: time.Now(), Applied: have}); err != nil {
				t.Fatal(err)
			}
		}
		h.SetPlans(map[string]Node{"a": {Name: "a", Role: RoleEdge}}, 3)
		report()
		if h.Live(3) {
			t.Fatal("live, although the node's plan is another store's")
		}
		start := time.Now()
		for w := next(t, l, have); w.Plan == nil; w = next(t, l, have) {
			if time.Since(start) > 2*aheadLimit {
				t.Fatal("the plan never came")
			}
		}
		if d := time.Since(start); d < aheadLimit {
			t.Fatalf("the plan came after %v already", d)
		}
		if have = 501; h.Live(3) {
			t.Fatal("live before it is applied")
		}
		report()
		if !h.Live(3) {
			t.Fatalf("not live: waiting for %v", h.Waiting(3))
		}
		h.SetPlans(map[string]Node{"a": {Name: "a", Role: RoleGateway}}, 4)
		if w := next(t, l, have); w.Plan == nil || w.Plan.Generation != 502 || w.Plan.Role != RoleGateway {
			t.Fatalf("next plan %+v, want generation 502", w.Plan)
		}
	})
}
