package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"onramp/node/bgp"
	"onramp/node/rib"
	"onramp/plan"
)

// Kinds of queries.
const (
	queryRoutes     = "routes"
	queryAdvertised = "advertised"
	queryReceived   = "received"
)

const queryTimeout = 10 * time.Second

// answer answers one query of control.
func (a *Agent) answer(ctx context.Context, q plan.Query) {
	ans := a.Query(q)
	if err := a.cfg.Link.Answer(ctx, ans); err != nil && ctx.Err() == nil {
		a.log.Warn("answer query", "query", q.Kind, "err", err)
	}
}

// Query answers a query: a domain's table, or what was announced to or received from a session.
func (a *Agent) Query(q plan.Query) plan.Answer {
	ans := plan.Answer{ID: q.ID}
	d, err := a.queried(&q)
	if err == nil {
		err = d.ask(queryTimeout, func(r *routing) { ans.Routes, err = r.query(q) })
	}
	if err != nil {
		ans.Error = err.Error()
	}
	return ans
}

// queried finds the domain that can answer.
func (a *Agent) queried(q *plan.Query) (*domain, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plan == nil {
		return nil, errNoPlan
	}
	switch q.Kind {
	case queryAdvertised, queryReceived:
		if s := a.sessions[q.Session]; s != nil {
			return s.domain, nil
		}
		return nil, fmt.Errorf("no session %q", q.Session)
	case queryRoutes:
		if d := a.domains[q.Domain]; d != nil {
			return d, nil
		}
		return nil, fmt.Errorf("no domain %q", q.Domain)
	}
	return nil, fmt.Errorf("unknown query %q", q.Kind)
}

func (r *routing) query(q plan.Query) ([]plan.Route, error) {
	list := rib.Query{Longest: q.Longest, Limit: q.Limit}
	if q.Kind != queryRoutes {
		p := r.peers[q.Session]
		if p == nil {
			return nil, fmt.Errorf("no session %q", q.Session)
		}
		if q.Kind == queryAdvertised {
			return r.advertised(p, q), nil
		}
		list.Source = p.n.Source
	}
	var out []plan.Route
	for _, l := range r.table.List(list) {
		route := r.route(l.Prefix, l.Path.Attrs)
		route.NextHop, route.Attachment, route.Session = l.Path.NextHop.Addr, l.Path.NextHop.Attachment, l.Path.Source.Name
		route.Class, route.Weight, route.Best, route.Stale, route.Direction = l.Path.Class, l.Path.Weight, l.Best, l.Path.Stale, "loc"
		out = append(out, route)
	}
	return out, nil
}

func (r *routing) advertised(p *peer, q plan.Query) []plan.Route {
	if !p.up {
		return nil
	}
	var out []plan.Route
	for _, x := range p.out.List(q.Longest, q.Limit) {
		route := r.route(x.Prefix, x.Attrs)
		route.NextHop, route.Attachment, route.Session, route.Best, route.Direction = x.NextHop, p.cfg.spec.Attachment, q.Session, true, "out"
		out = append(out, route)
	}
	return out
}

func (r *routing) route(p netip.Prefix, a *bgp.Attrs) plan.Route {
	out := plan.Route{Domain: r.name, Prefix: p, Origin: "IGP", LocalPref: rib.DefaultLocalPref}
	if a == nil {
		return out
	}
	out.Origin = [...]string{"IGP", "EGP", "INCOMPLETE"}[min(a.Origin, bgp.OriginIncomplete)]
	out.ASPath, out.LocalPref, out.MED = pathString(a.ASPath), a.LocalPref, a.MED
	for _, c := range a.Communities {
		out.Communities = append(out.Communities, fmt.Sprintf("%d:%d", c>>16, c&0xffff))
	}
	for _, c := range a.LargeCommunities {
		out.Communities = append(out.Communities, fmt.Sprintf("%d:%d:%d", c[0], c[1], c[2]))
	}
	return out
}

// pathString writes an AS path: "12076 65001 {65002 65003}".
func pathString(path []bgp.Segment) string {
	var parts []string
	for _, s := range path {
		var asns []string
		for _, as := range slices.All(s.ASNs) {
			asns = append(asns, strconv.FormatUint(uint64(as), 10))
		}
		t := strings.Join(asns, " ")
		if s.Set {
			t = "{" + t + "}"
		}
		parts = append(parts, t)
	}
	return strings.Join(parts, " ")
}
