package node

import (
	"net/netip"

	"onramp/node/bgp"
	"onramp/node/rib"
	"onramp/plan"
)

// configureOwn makes the plan's own routes and the neighbours' the table's, but for those whose attachment has no link.
func (r *routing) configureOwn(c domainConfig) {
	want := map[ownKey]rib.Path{}
	add := func(p netip.Prefix, path rib.Path) { want[ownKey{p, path.Source}] = path }
	type spot struct {
		prefix     netip.Prefix
		attachment string
	}
	said := map[spot]bool{} // a route of the plan to a neighbour is the neighbour's route, in the plan's class
	for _, s := range c.spec.Static {
		if !c.down[s.Attachment] {
			said[spot{s.Prefix, s.Attachment}] = true
			add(s.Prefix, r.static(s))
		}
	}
	for _, x := range c.connected {
		if !c.down[x.attachment] && !said[spot{x.prefix, x.attachment}] {
			hop := rib.NextHop{Attachment: x.attachment, Addr: x.addr}
			add(x.prefix, rib.Path{Source: r.ownSource(hop), NextHop: hop, Weight: connectedWeight, Class: classConnected})
		}
	}
	for k := range r.has {
		if _, ok := want[k]; !ok {
			r.table.Withdraw(k.source, k.prefix)
		}
	}
	for k, path := range want {
		r.table.Learn(path, k.prefix)
	}
	r.has = want
}

func (r *routing) static(s plan.StaticRoute) rib.Path {
	hop := rib.NextHop{Attachment: s.Attachment, Addr: s.NextHop, Unreachable: s.Unreachable}
	p := rib.Path{Source: r.ownSource(hop), NextHop: hop, Class: s.Class}
	if len(s.Communities) > 0 {
		p.Attrs = &bgp.Attrs{LocalPref: rib.DefaultLocalPref, Communities: s.Communities}
	}
	return p
}

// ownSource is one per next hop, so that several static routes to one prefix are several paths.
func (r *routing) ownSource(hop rib.NextHop) *rib.Source {
	s := r.own[hop]
	if s == nil {
		s = &rib.Source{Attachment: hop.Attachment, PeerAddr: hop.Addr}
		r.own[hop] = s
	}
	return s
}
