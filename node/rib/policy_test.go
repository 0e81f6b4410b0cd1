package rib

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"onramp/node/bgp"
	"pgregory.net/rapid"
)

func TestPrefixRule(t *testing.T) {
	tests := []struct {
		rule PrefixRule
		p    string
		want bool
	}{
		{PrefixRule{Prefix: pfx("10.0.0.0/8")}, "10.0.0.0/8", true},
		{PrefixRule{Prefix: pfx("10.0.0.0/8")}, "10.0.0.0/9", false},
		{PrefixRule{pfx("10.0.0.0/8"), 16, 24}, "10.1.0.0/16", true},
		{PrefixRule{pfx("10.0.0.0/8"), 16, 24}, "10.0.0.0/8", false},
		{PrefixRule{pfx("10.0.0.0/8"), 16, 24}, "10.1.1.0/25", false},
		{PrefixRule{pfx("10.0.0.0/8"), 16, 24}, "11.1.0.0/16", false},
		{PrefixRule{pfx("0.0.0.0/0"), 0, 32}, "10.0.0.0/8", true},
		{PrefixRule{pfx("0.0.0.0/0"), 0, 32}, "2001:db8::/32", false},
	}
	for _, tt := range tests {
		if got := tt.rule.Match(pfx(tt.p)); got != tt.want {
			t.Errorf("%v matches %s: %v", tt.rule, tt.p, got)
		}
	}
}

func TestReceive(t *testing.T) {
	s := source("s", "1.1.1.1", "10.0.0.1", 65001)
	n := &Neighbor{Source: s, LocalAS: 12076, PeerAS: 65001, Import: Import{
		Class: "customer", Weight: 7, StripCommunities: true,
		Deny: []PrefixRule{{pfx("10.9.0.0/16"), 16, 32}},
	}}
	a := attrs(65001)
	a.Communities = []uint32{1}
	u := bgp.Update{Reach: []netip.Prefix{pfx("10.1.0.0/16"), pfx("10.9.1.0/24")}, NextHop: ip("10.0.0.1"), Attrs: a}
	p, yes, no := n.Receive(u)
	if len(yes) != 1 || len(no) != 1 || no[0] != pfx("10.9.1.0/24") {
		t.Errorf("accepted %v, refused %v", yes, no)
	}
	if p.Weight != 7 || p.Class != "customer" || p.Attrs.Communities != nil || a.Communities == nil {
		t.Errorf("path %+v, given attributes changed: %v", p, a)
	}
	u.Attrs = attrs(65001, 12076)
	if _, yes, no = n.Receive(u); len(yes) != 0 || len(no) != 2 {
		t.Errorf("a path with the own AS was accepted: %v", yes)
	}
}

func TestAnnounce(t *testing.T) {
	from := source("from", "1.1.1.1", "10.0.0.1", 65515)
	inner := source("inner", "1.1.1.2", "10.0.0.2", 12076)
	inner.Internal = true
	to := source("to", "2.2.2.2", "10.0.1.1", 65001)
	base := Neighbor{Source: to, LocalAS: 12076, PeerAS: 65001, Export: Export{Classes: []string{"c"}}}
	ibgp := base
	ibgp.PeerAS = 12076
	with := func(f func(*Neighbor)) Neighbor { n := base; f(&n); return n }
	comm := func(c uint32) *bgp.Attrs { a := attrs(65515); a.Communities = []uint32{c}; return a }
	med := attrs(65515)
	med.MED, med.HasMED, med.LocalPref = 5, true, 300
	seq := func(asns ...uint32) []bgp.Segment { return []bgp.Segment{{ASNs: asns}} }
	tests := []struct {
		name string
		n    Neighbor
		p    Path
		want []bgp.Segment // nil: not announced
	}{
		{"prepends the own AS", base, learned(from, attrs(65515)), seq(12076, 65515)},
		{"own routes", base, Path{Source: &Source{}, Class: "c"}, seq(12076)},
		{"other class", base, Path{Source: &Source{}, Class: "x"}, nil},
		{"not back to the source", base, learned(to, attrs(65001)), nil},
		{"peer's AS in path", base, learned(from, attrs(65515, 65001)), nil},
		{"peer's AS in path, allowed", with(func(n *Neighbor) { n.Export.AllowBack = true }), learned(from, attrs(65515, 65001)), seq(12076, 65515, 65001)},
		{"remove AS", with(func(n *Neighbor) { n.Export.RemoveAS = []uint32{65515} }), learned(from, attrs(65515)), seq(12076)},
		{"prepend more", with(func(n *Neighbor) { n.Export.Prepend = 2 }), learned(from, attrs(65515)), seq(12076, 12076, 12076, 65515)},
		{"no-export to external", base, learned(from, comm(NoExport)), nil},
		{"no-export to internal", ibgp, learned(from, comm(NoExport)), seq(65515)},
		{"no-advertise", ibgp, learned(from, comm(NoAdvertise)), nil},
		{"internal to internal", ibgp, learned(inner, attrs(65515)), nil},
		{"internal to external", base, learned(inner, attrs(65515)), seq(12076, 65515)},
		{"MED stops here", base, learned(from, med), seq(12076, 65515)},
	}
	for _, tt := range tests {
		a := tt.n.Announce(&tt.p)
		if (a != nil) != (tt.want != nil) {
			t.Errorf("%s: announced %v", tt.name, a)
			continue
		}
		if a == nil {
			continue
		}
		if d := cmp.Diff(tt.want, a.ASPath); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		if !tt.n.Internal() && (a.HasMED || a.LocalPref != DefaultLocalPref) {
			t.Errorf("%s: MED or local preference went to an external peer: %+v", tt.name, a)
		}
	}
}

// TestAdjOutFollows: whoever applies what AdjOut sends knows exactly what policy gives of the table, and nothing is sent twice.
func TestAdjOutFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		to := source("to", "2.2.2.2", "10.0.1.1", 65001)
		n := &Neighbor{Source: to, LocalAS: 12076, PeerAS: 65001, LocalAddr: ip("10.0.1.2"), Export: Export{Classes: []string{"c"}}}
		tab := NewTable(2)
		out := NewAdjOut(n, func(f bgp.Family) bool { return f == bgp.IPv4Unicast })
		peer := map[netip.Prefix]*bgp.Attrs{}
		apply := func(us []bgp.Update) {
			for _, u := range us {
				for _, p := range u.Withdrawn {
					if peer[p] == nil {
						t.Fatalf("%s withdrawn but never announced", p)
					}
					delete(peer, p)
				}
				for _, p := range u.Reach {
					if peer[p] != nil && EqualAttrs(peer[p], u.Attrs) {
						t.Fatalf("%s sent twice", p)
					}
					peer[p] = u.Attrs
				}
			}
		}
		flush := func() {
			cs := tab.Changes(rapid.IntRange(0, 3).Draw(t, "batch"))
			apply(out.Withdraw(cs))
			apply(out.Reach(cs))
		}
		sources := []*Source{to, source("a", "1.1.1.1", "10.0.0.1", 65515), source("b", "1.1.1.2", "10.0.0.2", 65001)}
		prefixes := []netip.Prefix{pfx("10.0.0.0/8"), pfx("10.0.0.0/9"), pfx("2001:db8::/32"), pfx("11.0.0.0/8"), pfx("12.0.0.0/8")}
		t.Repeat(map[string]func(*rapid.T){
			"learn": func(*rapid.T) {
				p := learned(rapid.SampledFrom(sources).Draw(t, "s"), attrs(rapid.SampledFrom([]uint32{65515, 65001, 7}).Draw(t, "as"), 1))
				p.Class = rapid.SampledFrom([]string{"c", "c", "x"}).Draw(t, "class")
				tab.Learn(p, rapid.SliceOfNDistinct(rapid.SampledFrom(prefixes), 1, 3, func(p netip.Prefix) netip.Prefix { return p }).Draw(t, "p")...)
			},
			"withdraw": func(*rapid.T) {
				tab.Withdraw(rapid.SampledFrom(sources).Draw(t, "s"), rapid.SampledFrom(prefixes).Draw(t, "p"))
			},
			"flush": func(*rapid.T) { flush() },
			"policy": func(*rapid.T) {
				c := *n
				c.Export.Prepend = rapid.IntRange(0, 2).Draw(t, "prepend")
				c.Export.AllowBack = rapid.Bool().Draw(t, "back")
				n = &c
				w, r := out.Reconcile(n, tab.All())
				apply(w)
				apply(r)
			},
		})
		for range 20 {
			flush()
		}
		want := map[netip.Prefix]*bgp.Attrs{}
		for _, c := range tab.All() {
			if a := n.Announce(c.Best[0]); a != nil && c.Prefix.Addr().Is4() {
				want[c.Prefix] = a
			}
		}
		if d := cmp.Diff(want, peer, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			t.Fatalf("the peer knows other routes than policy gives (-want +peer): %s", d)
		}
		if out.Len() != len(want) || len(out.List(netip.Addr{}, 0)) != len(want) {
			t.Fatalf("list has %d, want %d", out.Len(), len(want))
		}
	})
}
