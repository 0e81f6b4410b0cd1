package rib

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"onramp/node/bgp"
	"pgregory.net/rapid"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr    { return netip.MustParseAddr(s) }

func source(name, id, addr string, as uint32) *Source {
	return &Source{Name: name, Attachment: "at-" + name, PeerID: ip(id), PeerAddr: ip(addr), PeerAS: as}
}

func attrs(path ...uint32) *bgp.Attrs {
	return &bgp.Attrs{LocalPref: 100, ASPath: []bgp.Segment{{ASNs: path}}}
}

func learned(s *Source, a *bgp.Attrs) Path {
	return Path{Source: s, Attrs: a, NextHop: NextHop{Attachment: s.Attachment, Addr: s.PeerAddr}, Class: "c"}
}

// TestBetter stands in the order of the decision: in each row the first path wins by the step named, though it loses all later ones.
func TestBetter(t *testing.T) {
	good := source("a", "1.1.1.1", "10.0.0.1", 65001)
	bad := source("z", "9.9.9.9", "10.0.0.9", 65001)
	inner := source("i", "9.9.9.9", "10.0.0.9", 65001)
	inner.Internal = true
	own := &Source{Attachment: "x", PeerAddr: ip("10.0.0.99")}
	with := func(f func(*bgp.Attrs), path ...uint32) *bgp.Attrs { a := attrs(path...); f(a); return a }
	tests := []struct {
		step string
		win  Path
		lose Path
	}{
		{"weight", func() Path {
			p := learned(bad, with(func(a *bgp.Attrs) { a.LocalPref = 1 }, 1, 2, 3))
			p.Weight = 1
			return p
		}(),
			learned(good, attrs(1))},
		{"local preference", learned(bad, with(func(a *bgp.Attrs) { a.LocalPref = 101 }, 1, 2, 3)), learned(good, attrs(1))},
		{"own before learned", Path{Source: own}, learned(good, attrs())},
		{"AS-path length", learned(bad, with(func(a *bgp.Attrs) { a.Origin = bgp.OriginIncomplete }, 65001, 2)), learned(good, attrs(65001, 2, 3))},
		{"a set counts one", learned(bad, &bgp.Attrs{LocalPref: 100, ASPath: []bgp.Segment{{ASNs: []uint32{65001}}, {Set: true, ASNs: []uint32{1, 2, 3}}}}),
			learned(good, attrs(65001, 2, 3))},
		{"origin", learned(bad, with(func(a *bgp.Attrs) { a.Origin = bgp.OriginEGP; a.MED, a.HasMED = 9, true }, 65001)),
			learned(good, with(func(a *bgp.Attrs) { a.Origin = bgp.OriginIncomplete }, 65001))},
		{"MED", learned(inner, with(func(a *bgp.Attrs) { a.MED, a.HasMED = 1, true }, 65001)),
			learned(good, with(func(a *bgp.Attrs) { a.MED, a.HasMED = 2, true }, 65001))},
		{"a missing MED is lowest", learned(bad, attrs(65001)), learned(good, with(func(a *bgp.Attrs) { a.MED, a.HasMED = 2, true }, 65001))},
		{"eBGP over iBGP", learned(bad, attrs(65001)), learned(inner, attrs(65001))},
		{"MED of another AS is no matter", learned(good, with(func(a *bgp.Attrs) { a.MED, a.HasMED = 9, true }, 65002)),
			learned(bad, with(func(a *bgp.Attrs) { a.MED, a.HasMED = 2, true }, 65001))},
		{"router id", learned(source("z", "1.1.1.1", "10.0.0.9", 65001), attrs(65001)), learned(source("a", "1.1.1.2", "10.0.0.1", 65001), attrs(65001))},
		{"peer address", learned(source("z", "1.1.1.1", "10.0.0.1", 65001), attrs(65001)), learned(source("a", "1.1.1.1", "10.0.0.2", 65001), attrs(65001))},
	}
	for _, tt := range tests {
		for _, order := range [][]Path{{tt.win, tt.lose}, {tt.lose, tt.win}} {
			tab := NewTable(1)
			for _, p := range order {
				tab.Learn(p, pfx("10.0.0.0/8"))
			}
			if got := tab.Best(pfx("10.0.0.0/8")); len(got) != 1 || got[0].Source != tt.win.Source {
				t.Errorf("%s: best is from %v", tt.step, got[0].Source)
			}
		}
	}
}

func TestMultiPath(t *testing.T) {
	tab := NewTable(2)
	p := pfx("10.0.0.0/8")
	var src []*Source
	for i := range 3 {
		s := source(fmt.Sprint("s", i), fmt.Sprintf("1.1.1.%d", i+1), fmt.Sprintf("10.0.0.%d", i+1), 65001)
		src = append(src, s)
		tab.Learn(learned(s, attrs(uint32(65001+i), 7)), p)
	}
	check := func(step string, want ...*Source) {
		t.Helper()
		cs := tab.Changes(0)
		if len(cs) != 1 || len(cs[0].Best) != len(want) {
			t.Fatalf("%s: changes %v, want one with %d paths", step, cs, len(want))
		}
		for i, b := range cs[0].Best {
			if b.Source != want[i] {
				t.Errorf("%s: path %d from %s, want %s", step, i, b.Source.Name, want[i].Name)
			}
		}
	}
	check("learn three", src[0], src[1])
	tab.Withdraw(src[2], p)
	if cs := tab.Changes(0); cs != nil {
		t.Errorf("withdrawing an unused path changes %v", cs)
	}
	tab.Withdraw(src[0], p)
	check("withdraw the best", src[1])
	tab.Learn(learned(src[0], attrs(65001, 7, 8)), p)
	if cs := tab.Changes(0); cs != nil {
		t.Errorf("a longer path changes %v", cs)
	}
	tab.Drop(src[1])
	check("drop", src[0])
	tab.Drop(src[0])
	check("nothing left")
	if tab.Prefixes() != 0 || tab.Paths() != 0 || tab.in.live() != 0 || len(tab.v4.index) != 0 {
		t.Errorf("left over: %d prefixes, %d paths, %d records", tab.Prefixes(), tab.Paths(), tab.in.live())
	}
}

func TestStale(t *testing.T) {
	tab := NewTable(1)
	s := source("s", "1.1.1.1", "10.0.0.1", 65001)
	a, b := pfx("10.1.0.0/16"), pfx("10.2.0.0/16")
	tab.Learn(learned(s, attrs(65001)), a, b)
	tab.Changes(0)
	if n := tab.MarkStale(s); n != 2 {
		t.Fatalf("marked %d", n)
	}
	if l := tab.List(Query{}); !l[0].Path.Stale || !l[0].Best || tab.Changes(0) != nil {
		t.Errorf("stale paths must stay in use and be shown as stale: %+v", l)
	}
	tab.Learn(learned(s, attrs(65001)), a)
	if n := tab.Sweep(s); n != 1 {
		t.Errorf("swept %d, want 1", n)
	}
	cs := tab.Changes(0)
	if len(cs) != 1 || cs[0].Prefix != b || len(cs[0].Best) != 0 {
		t.Errorf("changes after sweep: %v", cs)
	}
	if tab.Count(s) != 1 {
		t.Errorf("count %d", tab.Count(s))
	}
}

func TestListOrderAndLongest(t *testing.T) {
	tab := NewTable(1)
	s := source("s", "1.1.1.1", "10.0.0.1", 65001)
	for _, p := range []string{"10.1.2.0/24", "2001:db8::/32", "0.0.0.0/0", "10.0.0.0/8", "9.0.0.0/8", "10.1.0.0/16"} {
		tab.Learn(learned(s, attrs(65001)), pfx(p))
	}
	names := func(q Query) (out []string) {
		for _, l := range tab.List(q) {
			out = append(out, l.Prefix.String())
		}
		return out
	}
	if d := cmp.Diff([]string{"0.0.0.0/0", "9.0.0.0/8", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "2001:db8::/32"}, names(Query{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"10.1.2.0/24", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0"}, names(Query{Longest: ip("10.1.2.3")})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"0.0.0.0/0", "9.0.0.0/8"}, names(Query{Limit: 2})); d != "" {
		t.Error(d)
	}
}

// model is the slow, obvious table: a list of paths per prefix, decided anew on every question.
type model struct {
	multiPath int
	paths     map[netip.Prefix]map[*Source]Path
}

func (m *model) best(p netip.Prefix) []*Source {
	var left []*record
	for _, x := range m.paths[p] {
		left = append(left, &record{Path: x, length: pathLength(x.Attrs), firstAS: firstAS(&x)})
	}
	if len(left) == 0 {
		return nil
	}
	keepLowest := func(f func(*record) int64) {
		low := f(slices.MinFunc(left, func(a, b *record) int { return int(f(a) - f(b)) }))
		left = slices.DeleteFunc(left, func(r *record) bool { return f(r) != low })
	}
	keepLowest(func(r *record) int64 { return -int64(r.Weight) })
	keepLowest(func(r *record) int64 { return -int64(r.localPref()) })
	keepLowest(func(r *record) int64 { return map[bool]int64{true: 0, false: 1}[r.own()] })
	keepLowest(func(r *record) int64 { return int64(r.length) })
	keepLowest(func(r *record) int64 { return int64(r.origin()) })
	before := slices.Clone(left)
	left = slices.DeleteFunc(left, func(r *record) bool {
		return slices.ContainsFunc(before, func(o *record) bool {
			return !o.own() && !r.own() && o.firstAS == r.firstAS && o.med() < r.med()
		})
	})
	keepLowest(func(r *record) int64 { return map[bool]int64{false: 0, true: 1}[r.internal()] })
	slices.SortFunc(left, func(a, b *record) int {
		if c := a.Source.PeerID.Compare(b.Source.PeerID); c != 0 {
			return c
		}
		return a.Source.PeerAddr.Compare(b.Source.PeerAddr)
	})
	var out []*Source
	for _, r := range left[:min(m.multiPath, len(left))] {
		out = append(out, r.Source)
	}
	return out
}

func TestTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := model{rapid.IntRange(1, 4).Draw(t, "multipath"), map[netip.Prefix]map[*Source]Path{}}
		tab := NewTable(m.multiPath)
		var sources []*Source
		for i := range 5 {
			s := source(fmt.Sprint("s", i), fmt.Sprintf("1.1.1.%d", 1+i/2), fmt.Sprintf("10.0.0.%d", i), uint32(65001+i%2))
			s.Internal = i == 4
			sources = append(sources, s)
		}
		prefixes := []netip.Prefix{pfx("10.0.0.0/8"), pfx("10.0.0.0/9"), pfx("0.0.0.0/0"), pfx("2001:db8::/32")}
		told := map[netip.Prefix][]*Source{}
		genPath := func() Path {
			s := rapid.SampledFrom(sources).Draw(t, "source")
			a := attrs(rapid.SliceOfN(rapid.Uint32Range(65001, 65002), 1, 2).Draw(t, "aspath")...)
			a.LocalPref = rapid.Uint32Range(100, 101).Draw(t, "pref")
			a.MED, a.HasMED = rapid.Uint32Range(0, 2).Draw(t, "med"), true
			a.Origin = bgp.Origin(rapid.IntRange(0, 1).Draw(t, "origin"))
			p := learned(s, a)
			p.Weight = rapid.Uint32Range(0, 1).Draw(t, "weight")
			return p
		}
		genPrefix := func() netip.Prefix { return rapid.SampledFrom(prefixes).Draw(t, "prefix") }
		t.Repeat(map[string]func(*rapid.T){
			"learn": func(*rapid.T) {
				p, pre := genPath(), genPrefix()
				tab.Learn(p, pre)
				if m.paths[pre] == nil {
					m.paths[pre] = map[*Source]Path{}
				}
				m.paths[pre][p.Source] = p
			},
			"withdraw": func(*rapid.T) {
				s, pre := rapid.SampledFrom(sources).Draw(t, "source"), genPrefix()
				tab.Withdraw(s, pre)
				delete(m.paths[pre], s)
			},
			"drop": func(*rapid.T) {
				s := rapid.SampledFrom(sources).Draw(t, "source")
				tab.Drop(s)
				for _, ps := range m.paths {
					delete(ps, s)
				}
			},
			"multipath": func(*rapid.T) {
				m.multiPath = rapid.IntRange(1, 4).Draw(t, "multipath")
				tab.SetMultiPath(m.multiPath)
			},
			"": func(t *rapid.T) {
				for _, c := range tab.Changes(rapid.IntRange(0, 2).Draw(t, "max")) {
					told[c.Prefix] = nil
					for _, b := range c.Best {
						told[c.Prefix] = append(told[c.Prefix], b.Source)
					}
				}
				compareWithModel(t, tab, &m, prefixes)
			},
		})
		for _, c := range tab.Changes(0) {
			told[c.Prefix] = nil
			for _, b := range c.Best {
				told[c.Prefix] = append(told[c.Prefix], b.Source)
			}
		}
		for _, p := range prefixes { // who only listened to Changes knows the same
			if !slices.Equal(told[p], m.best(p)) {
				t.Fatalf("%s: changes told %v, model %v", p, told[p], m.best(p))
			}
		}
		for _, s := range sources {
			tab.Drop(s)
		}
		tab.Changes(0)
		if tab.in.live() != 0 || len(tab.v4.index)+len(tab.v6.index)+len(tab.v4.more)+len(tab.bySource) != 0 || tab.v4.empty != 0 {
			t.Fatalf("emptied table keeps %d records, %d entries", tab.in.live(), len(tab.v4.index))
		}
	})
}

func compareWithModel(t *rapid.T, tab *Table, m *model, prefixes []netip.Prefix) {
	n, paths := 0, 0
	for _, p := range prefixes {
		var got []*Source
		for _, b := range tab.Best(p) {
			got = append(got, b.Source)
		}
		if want := m.best(p); !slices.Equal(got, want) {
			t.Fatalf("%s: table %v, model %v", p, got, want)
		}
		if len(m.paths[p]) > 0 {
			n++
		}
		paths += len(m.paths[p])
	}
	if tab.Prefixes() != n || tab.Paths() != paths {
		t.Fatalf("size %d/%d, want %d/%d", tab.Prefixes(), tab.Paths(), n, paths)
	}
}
