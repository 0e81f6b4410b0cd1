package rib

import (
	"net/netip"

	"onramp/node/bgp"
)

// AdjOut is what was announced to one peer (Adj-RIB-Out): per prefix the index of shared attributes, so that only differences are sent
// and the list can be shown. Like Table it belongs to one goroutine.
type AdjOut struct {
	n    *Neighbor
	v4   map[v4Key]uint32
	v6   map[v6Key]uint32
	in   *interner
	want func(bgp.Family) bool
}

// NewAdjOut makes an empty one for a session that carries the families for which want is true.
func NewAdjOut(n *Neighbor, want func(bgp.Family) bool) *AdjOut {
	return &AdjOut{n: n, v4: map[v4Key]uint32{}, v6: map[v6Key]uint32{}, in: newInterner(), want: want}
}

// Len is the number of prefixes announced.
func (o *AdjOut) Len() int { return len(o.v4) + len(o.v6) }

func familyOf(p netip.Prefix) bgp.Family {
	if p.Addr().Is4() {
		return bgp.IPv4Unicast
	}
	return bgp.IPv6Unicast
}

func (o *AdjOut) get(p netip.Prefix) uint32 {
	if p.Addr().Is4() {
		return o.v4[packV4(p)]
	}
	return o.v6[packV6(p)]
}

func (o *AdjOut) set(p netip.Prefix, i uint32) {
	switch is4 := p.Addr().Is4(); {
	case is4 && i == 0:
		delete(o.v4, packV4(p))
	case is4:
		o.v4[packV4(p)] = i
	case i == 0:
		delete(o.v6, packV6(p))
	default:
		o.v6[packV6(p)] = i
	}
}

// exporter remembers what was made of each path for one batch.
type exporter struct {
	o     *AdjOut
	memo  map[*Path]*exported
	last  *Path // changes of one UPDATE follow each other
	value *exported
}

// exported is what policy makes of one path: the attributes, or nil; index holds a reference to them for the batch.
type exported struct {
	attrs *bgp.Attrs
	index uint32
	group map[bgp.Family]int // position in the batch's updates, plus one
}

func (o *AdjOut) exporter() *exporter { return &exporter{o: o, memo: map[*Path]*exported{}} }

// export is never nil; its attrs are where the change announces nothing.
func (x *exporter) export(c *Change) *exported {
	if len(c.Best) == 0 || !x.o.want(familyOf(c.Prefix)) {
		return &exported{}
	}
	p := c.Best[0]
	if p == x.last {
		return x.value
	}
	e := x.memo[p]
	if e == nil {
		e = &exported{attrs: x.o.n.Announce(p)}
		x.memo[p] = e
	}
	x.last, x.value = p, e
	return e
}

// Withdraw notes those of the changes that end an announcement, and returns them to be sent before forwarding is taken away.
func (o *AdjOut) Withdraw(cs []Change) []bgp.Update {
	x := o.exporter()
	var v4, v6 []netip.Prefix
	for n := range cs {
		c := &cs[n]
		i := o.get(c.Prefix)
		if i == 0 || x.export(c).attrs != nil {
			continue
		}
		o.in.release(i, 1)
		o.set(c.Prefix, 0)
		if c.Prefix.Addr().Is4() {
			v4 = append(v4, c.Prefix)
		} else {
			v6 = append(v6, c.Prefix)
		}
	}
	return withdrawals(v4, v6)
}

func withdrawals(v4, v6 []netip.Prefix) []bgp.Update {
	var out []bgp.Update
	if len(v4) > 0 {
		out = append(out, bgp.Update{Family: bgp.IPv4Unicast, Withdrawn: v4})
	}
	if len(v6) > 0 {
		out = append(out, bgp.Update{Family: bgp.IPv6Unicast, Withdrawn: v6})
	}
	return out
}

// Reach notes those of the changes that announce something new, and returns them, grouped by attributes, to be sent once forwarding is
// there.
func (o *AdjOut) Reach(cs []Change) []bgp.Update {
	x := o.exporter()
	var out []bgp.Update
	for n := range cs {
		c := &cs[n]
		e := x.export(c)
		if e.attrs == nil {
			continue
		}
		if e.index == 0 {
			e.index = o.in.acquire(Path{Source: o.n.Source, Attrs: e.attrs}, 1)
		}
		if old := o.get(c.Prefix); old == e.index {
			continue
		} else if old != 0 {
			o.in.release(old, 1)
		}
		o.in.records[e.index].refs++
		o.set(c.Prefix, e.index)
		out = o.append(out, e, c.Prefix)
	}
	for _, e := range x.memo {
		if e.index != 0 {
			o.in.release(e.index, 1)
		}
	}
	return out
}

// append adds a prefix to the update of its attributes and family.
func (o *AdjOut) append(out []bgp.Update, e *exported, p netip.Prefix) []bgp.Update {
	f := familyOf(p)
	n := e.group[f]
	if n == 0 {
		out = append(out, bgp.Update{Family: f, Attrs: o.in.records[e.index].Attrs, NextHop: o.n.LocalAddr})
		n = len(out)
		if e.group == nil {
			e.group = map[bgp.Family]int{}
		}
		e.group[f] = n
	}
	out[n-1].Reach = append(out[n-1].Reach, p)
	return out
}

// Restart begins anew with a peer that knows nothing: it returns everything that policy gives it of the table. What was announced before and
// is no more is withdrawn nevertheless, because changes announced just before this call may have reached the new session already.
func (o *AdjOut) Restart(n *Neighbor, all []Change) (withdraw, reach []bgp.Update) {
	before := o.prefixes()
	o.v4, o.v6, o.in = map[v4Key]uint32{}, map[v6Key]uint32{}, newInterner()
	_, reach = o.Reconcile(n, all)
	var v4, v6 []netip.Prefix
	for _, p := range before {
		switch {
		case o.get(p) != 0:
		case p.Addr().Is4():
			v4 = append(v4, p)
		default:
			v6 = append(v6, p)
		}
	}
	return withdrawals(v4, v6), reach
}

// Reconcile returns what must be sent so that the peer has exactly what policy now gives it of the table, which all must be given as
// of Table.All: withdrawals first.
func (o *AdjOut) Reconcile(n *Neighbor, all []Change) (withdraw, reach []bgp.Update) {
	o.n = n
	have := make(map[netip.Prefix]bool, len(all))
	for _, c := range all {
		have[c.Prefix] = true
	}
	gone := all[:len(all):len(all)]
	for _, p := range o.prefixes() {
		if !have[p] {
			gone = append(gone, Change{Prefix: p})
		}
	}
	return o.Withdraw(gone), o.Reach(all)
}

func (o *AdjOut) prefixes() []netip.Prefix {
	out := make([]netip.Prefix, 0, o.Len())
	for k := range o.v4 {
		out = append(out, unpackV4(k))
	}
	for k := range o.v6 {
		out = append(out, unpackV6(k))
	}
	return out
}

// Announced is one prefix with the attributes it was announced with.
type Announced struct {
	Prefix  netip.Prefix
	NextHop netip.Addr
	Attrs   *bgp.Attrs
}

// List shows what was announced, ordered by prefix; with longest, only what covers it, longest first. limit 0: all.
func (o *AdjOut) List(longest netip.Addr, limit int) []Announced {
	var keep []netip.Prefix
	for _, p := range o.prefixes() {
		if !longest.IsValid() || p.Contains(longest) {
			keep = append(keep, p)
		}
	}
	sortPrefixes(keep, longest.IsValid())
	if limit > 0 && len(keep) > limit {
		keep = keep[:limit]
	}
	out := make([]Announced, 0, len(keep))
	for _, p := range keep {
		out = append(out, Announced{p, o.n.LocalAddr, o.in.records[o.get(p)].Attrs})
	}
	return out
}
