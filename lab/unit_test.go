package lab

import (
	"net/netip"
	"strings"
	"testing"
)

func TestLossOf(t *testing.T) {
	sent := []int64{0, 10, 20, 30, 40, 50}
	for _, tc := range []struct {
		name string
		got  string
		lost int
		gap  int64
	}{
		{"nothing lost", "111111", 0, 0},
		{"one", "110111", 1, 20},
		{"two runs", "101001", 3, 30},
		{"the end", "111100", 2, 20},
		{"the beginning", "001111", 2, 20},
		{"all", "000000", 6, 50},
	} {
		got := make([]bool, len(tc.got))
		for i, c := range tc.got {
			got[i] = c == '1'
		}
		if lost, gap, _ := lossOf(sent, got); lost != tc.lost || gap != tc.gap {
			t.Errorf("%s: lost %d in %d, want %d in %d", tc.name, lost, gap, tc.lost, tc.gap)
		}
	}
	if lost, gap, _ := lossOf(nil, nil); lost != 0 || gap != 0 {
		t.Errorf("an empty flow lost %d in %d", lost, gap)
	}
}

func TestLookup(t *testing.T) {
	doc, err := decodeJSON([]byte(`{"a":{"B":[{"name":"x","n":1},{"name":"y","n":2000000}]},"s":"t"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, want string }{
		{"s", "t"}, {"a.B[1].n", "2000000"}, {"a.b[name=Y].n", "2000000"}, {"a.B.#", "2"}, {"a.B[0]", `{"n":1,"name":"x"}`},
	} {
		v, err := lookup(doc, tc.path)
		if err != nil || text(v) != tc.want {
			t.Errorf("%s is %q (%v), want %q", tc.path, text(v), err, tc.want)
		}
	}
	for _, bad := range []string{"x", "a.B[2]", "a.B[name=z]", "s.t", "a.B[k]"} {
		if v, err := lookup(doc, bad); err == nil {
			t.Errorf("%s is %v, want an error", bad, v)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		got, want any
		ok        bool
	}{
		{"x", "x", true}, {"x", "y", false}, {"abc", "/^a.c$/", true}, {"abd", "/^a.c$/", false},
		{float64(3), uint64(3), true}, {true, true, true}, {nil, nil, true},
		{[]any{"a"}, []any{"a"}, true}, {map[string]any{"k": 1.0}, map[string]any{"k": 1}, true},
	} {
		if matches(tc.got, tc.want) != tc.ok {
			t.Errorf("matches(%v, %v) is not %v", tc.got, tc.want, tc.ok)
		}
	}
}

func TestRouterFiles(t *testing.T) {
	w, err := Load("../labs/first-circuit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		router string
		wants  []string
	}{
		{"ce1", []string{
			"neighbor 192.168.100.130 as 12076;", `password "seattleMd5Key";`, "hold time 9;", "neighbor 10.1.0.3 as 65001;", "route 10.1.0.0/24 blackhole;",
			"route 10.128.1.0/24 blackhole;", "graceful restart aware;", "bfd on;", "min rx interval 300 ms;",
		}},
		{"ce2", []string{
			"neighbor 192.168.100.134 remote-as 12076", "password seattleMd5Key", "timers 3 9", "neighbor 10.1.0.2 next-hop-self", "network 10.1.0.0/24",
			"network 10.128.1.0/24", "neighbor 192.168.100.134 bfd 3 300 300",
		}},
	} {
		r, _ := w.router(tc.router)
		k, err := kindOf(r.Kind)
		if err != nil {
			t.Fatal(err)
		}
		s := routerSite{Router: *r, dir: "/d", extra: Extras{Base: netip.MustParsePrefix("10.128.0.0/9"), Count: 2}}
		for _, p := range w.Routers {
			if p.Name != r.Name {
				s.peers = append(s.peers, p)
			}
		}
		var all strings.Builder
		for _, f := range k.files(s) {
			all.WriteString(f)
		}
		for _, want := range tc.wants {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: no %q in\n%s", tc.router, want, all.String())
			}
		}
	}
}

func TestSessionTexts(t *testing.T) {
	state, last := birdSession("uplink0 BGP --- start\n  BGP state:          Active\n    Last error:       Received: Maximum number of prefixes reached\n")
	if state != "Active" || !strings.Contains(last, "Maximum") {
		t.Errorf("BIRD: %q %q", state, last)
	}
	a := netip.MustParseAddr("10.0.0.1")
	state, last, err := frrSession(`{"10.0.0.1":{"bgpState":"Established","lastNotificationReason":"Cease/Maximum Number of Prefixes Reached"}}`, a)
	if err != nil || state != "Established" || !strings.HasPrefix(last, "Cease/") {
		t.Errorf("FRR: %q %q %v", state, last, err)
	}
	if _, _, err := frrSession("% nonsense", a); err == nil {
		t.Error("nonsense is read")
	}
}

func TestCraft(t *testing.T) {
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	f := craft(make([]byte, 6), make([]byte, 6), []uint16{5, 100}, src, dst, []byte("hello"))
	if len(f) != 14+8+20+8+5 {
		t.Fatalf("%d bytes", len(f))
	}
	if f[12] != 0x81 || f[15] != 5 || f[16] != 0x81 || f[19] != 100 || f[20] != 8 {
		t.Errorf("tags %x", f[12:22])
	}
	if checksum(f[22:42]) != 0 {
		t.Error("the IPv4 header's checksum is wrong")
	}
}
