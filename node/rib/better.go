package rib

import (
	"cmp"
	"slices"

	"onramp/node/bgp"
)

// record is an interned Path with what its comparison needs, computed once.
type record struct {
	Path
	refs    int
	hash    uint64
	next    uint32   // next record of the same hash; 0: none
	length  uint32   // AS-path length; a set counts 1 (RFC 4271 §9.1.2.2 a)
	firstAS uint32   // neighbour AS, what makes MEDs comparable
	alone   [1]*Path // the used set of a prefix that uses this path only
}

func (r *record) own() bool { return r.Source.Name == "" }

func (r *record) localPref() uint32 {
	if r.Attrs == nil {
		return DefaultLocalPref
	}
	return r.Attrs.LocalPref
}

func (r *record) origin() bgp.Origin {
	if r.Attrs == nil {
		return bgp.OriginIGP
	}
	return r.Attrs.Origin
}

// med is the MED with a missing one taken as the lowest (RFC 4271 §9.1.2.2 c).
func (r *record) med() uint32 {
	if r.Attrs == nil || !r.Attrs.HasMED {
		return 0
	}
	return r.Attrs.MED
}

func (r *record) internal() bool { return r.Source.Internal }

// DefaultLocalPref is the LOCAL_PREF of paths that carry none.
const DefaultLocalPref = 100

// step is one step of the decision: negative when a is preferred.
type step struct {
	name    string
	compare func(a, b *record) int
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// before, then MED, then kind, then tie: the decision in the order it is made. Paths equal in before, MED and kind may be used at once.
func before() []step {
	return []step{
		{"weight", func(a, b *record) int { return cmp.Compare(b.Weight, a.Weight) }},
		{"local preference", func(a, b *record) int { return cmp.Compare(b.localPref(), a.localPref()) }},
		{"own before learned", func(a, b *record) int { return boolFirst(a.own(), b.own()) }},
		{"AS-path length", func(a, b *record) int { return cmp.Compare(a.length, b.length) }},
		{"origin", func(a, b *record) int { return cmp.Compare(a.origin(), b.origin()) }},
	}
}

func kind(a, b *record) int { return boolFirst(!a.internal(), !b.internal()) }

func tie() []step {
	return []step{
		{"router id", func(a, b *record) int { return a.Source.PeerID.Compare(b.Source.PeerID) }},
		{"peer address", func(a, b *record) int { return a.Source.PeerAddr.Compare(b.Source.PeerAddr) }},
		{"name", func(a, b *record) int { return cmp.Compare(a.Source.Name, b.Source.Name) }},
		{"attachment", func(a, b *record) int { return cmp.Compare(a.Source.Attachment, b.Source.Attachment) }},
	}
}

func decide(steps []step, a, b *record) int {
	for i := range steps {
		if c := steps[i].compare(a, b); c != 0 {
			return c
		}
	}
	return 0
}

// decision holds the steps, so that comparing allocates nothing.
type decision struct {
	before, tie []step
	cand        []candidate // scratch of order
}

type candidate struct {
	s   slot
	r   *record
	med bool // another path of the same neighbour AS, equal before MED, has a lower MED
}

func newDecision() decision { return decision{before: before(), tie: tie()} }

// better compares two paths: negative when a is preferred. MED is compared only between paths of one neighbour AS, so over more than
// two paths it is no order by itself: order takes the losers by MED out first, as RFC 4271 §9.1.2.2 c does.
func (d *decision) better(a, b *record) int {
	if c := decide(d.before, a, b); c != 0 {
		return c
	}
	if sameNeighborAS(a, b) {
		if c := cmp.Compare(a.med(), b.med()); c != 0 {
			return c
		}
	}
	return d.after(a, b)
}

func (d *decision) after(a, b *record) int {
	if c := kind(a, b); c != 0 {
		return c
	}
	return decide(d.tie, a, b)
}

func sameNeighborAS(a, b *record) bool { return !a.own() && !b.own() && a.firstAS == b.firstAS }

// order sorts slots, best first, and returns how many of them are used at once, at most max.
func (d *decision) order(in *interner, slots []slot, max int) int {
	switch len(slots) {
	case 0:
		return 0
	case 1:
		return 1
	}
	d.cand = d.cand[:0]
	for _, s := range slots {
		d.cand = append(d.cand, candidate{s: s, r: in.record(s)})
	}
	d.markMED()
	slices.SortFunc(d.cand, func(x, y candidate) int {
		if c := decide(d.before, x.r, y.r); c != 0 {
			return c
		}
		if c := boolFirst(!x.med, !y.med); c != 0 {
			return c
		}
		return d.after(x.r, y.r)
	})
	for i := range d.cand {
		slots[i] = d.cand[i].s
	}
	return d.equal(max)
}

func (d *decision) markMED() {
	for i := range d.cand {
		x := &d.cand[i]
		for j := range d.cand {
			y := &d.cand[j]
			if i != j && sameNeighborAS(x.r, y.r) && y.r.med() < x.r.med() && decide(d.before, x.r, y.r) == 0 {
				x.med = true
				break
			}
		}
	}
}

// equal counts the leading candidates that may be used together. Unreachable shares with nothing.
func (d *decision) equal(max int) int {
	first := d.cand[0]
	n := 1
	for n < len(d.cand) && n < max && !first.r.NextHop.Unreachable {
		x := d.cand[n]
		if x.med || x.r.NextHop.Unreachable || decide(d.before, first.r, x.r) != 0 || kind(first.r, x.r) != 0 {
			break
		}
		n++
	}
	return n
}

func pathLength(a *bgp.Attrs) uint32 {
	if a == nil {
		return 0
	}
	n := 0
	for _, s := range a.ASPath {
		if s.Set {
			n++
		} else {
			n += len(s.ASNs)
		}
	}
	return uint32(n)
}

func firstAS(p *Path) uint32 {
	if p.Attrs != nil {
		for _, s := range p.Attrs.ASPath {
			if !s.Set && len(s.ASNs) > 0 {
				return s.ASNs[0]
			}
		}
	}
	return p.Source.PeerAS
}
