package control

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"onramp/control/arm"
	"onramp/control/compile"
	"onramp/plan"
	"onramp/resource"
)

// Azure's gateways give every route they hold this weight unless the connection has one.
const defaultWeight = 32768

// instances are a gateway's instances in the plans; none when its network is gone.
func (v *view) instances(g *resource.Gateway) []compile.Instance {
	n := v.world.Network(g.Network())
	if n == nil {
		return nil
	}
	return compile.Instances(g, n)
}

// LearnedRoutes implements arm.Live: the tables of all instances.
func (l *live) LearnedRoutes(ctx context.Context, g *resource.Gateway) ([]arm.GatewayRoute, error) {
	v, err := l.view()
	if err != nil {
		return nil, err
	}
	var rows []arm.GatewayRoute
	for _, i := range v.instances(g) {
		rs, err := l.routes(ctx, i.Node, plan.Query{Kind: "routes", Domain: i.Domain})
		if err != nil {
			return nil, err
		}
		sortRoutes(rs)
		sessions := l.planned(i.Node)
		for _, r := range rs {
			if s, learned := sessions[r.Session]; learned && s.LocalAS == s.PeerAS || r.Class == plan.ClassConnected {
				continue // a machine's address, learned from its host, or a neighbour's: not the gateway's business
			}
			rows = append(rows, gatewayRoute(i, r, sessions[r.Session]))
		}
	}
	return rows, nil
}

func gatewayRoute(i compile.Instance, r plan.Route, s plan.Session) arm.GatewayRoute {
	row := arm.GatewayRoute{LocalAddress: i.Address.String(), Network: r.Prefix.String(), NextHop: addrText(r.NextHop),
		SourcePeer: addrText(s.PeerAddr), Origin: "EBgp", ASPath: strings.Join(strings.Fields(r.ASPath), "-"), Weight: int(r.Weight)}
	if r.Session == "" {
		row.Origin, row.SourcePeer, row.NextHop = "Network", i.Address.String(), ""
	}
	if row.Weight == 0 {
		row.Weight = defaultWeight
	}
	return row
}

// AdvertisedRoutes implements arm.Live: what the instances announce to a peer; an address that is no peer's has none.
func (l *live) AdvertisedRoutes(ctx context.Context, g *resource.Gateway, peer string) ([]arm.GatewayRoute, error) {
	v, err := l.view()
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddr(peer)
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	var rows []arm.GatewayRoute
	for _, t := range v.index.GatewayTunnels(g) {
		if t.EdgeAddr != addr {
			continue
		}
		rs, err := l.routes(ctx, t.Gateway, plan.Query{Kind: "advertised", Domain: t.GatewayDomain, Session: t.GatewaySession})
		if err != nil {
			return nil, err
		}
		sortRoutes(rs)
		for _, r := range rs {
			rows = append(rows, arm.GatewayRoute{LocalAddress: t.GatewayAddr.String(), Network: r.Prefix.String(), NextHop: t.GatewayAddr.String(),
				SourcePeer: t.GatewayAddr.String(), Origin: titleOrigin(r.Origin), ASPath: strings.Join(strings.Fields(r.ASPath), "-")})
		}
	}
	return rows, nil
}

func titleOrigin(o string) string {
	switch o {
	case "IGP":
		return "Igp"
	case "EGP":
		return "Egp"
	}
	return "Incomplete"
}

// BGPPeers implements arm.Live: one row per instance and edge router.
func (l *live) BGPPeers(_ context.Context, g *resource.Gateway) ([]arm.BGPPeer, error) {
	v, err := l.view()
	if err != nil {
		return nil, err
	}
	var rows []arm.BGPPeer
	for _, t := range v.index.GatewayTunnels(g) {
		row := arm.BGPPeer{LocalAddress: t.GatewayAddr.String(), Neighbor: t.EdgeAddr.String(), ASN: resource.ASN, State: "Unknown"}
		if s, ok := sessionOf(l.hub, t.Gateway, t.GatewaySession); ok && l.fresh(t.Gateway) == nil {
			row.State = peerState(s.State)
			row.MessagesSent, row.MessagesReceived = int64(s.MessagesOut), int64(s.MessagesIn)
			if s.State == established {
				row.ConnectedDuration, row.RoutesReceived = timespan(time.Since(s.Since)), int64(s.Received)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func peerState(s string) string {
	switch s {
	case established:
		return "Connected"
	case "Idle":
		return "Idle"
	}
	return "Connecting"
}

// timespan writes a duration as .NET does: [d.]hh:mm:ss.fffffff.
func timespan(d time.Duration) string {
	d = max(d, 0)
	days := ""
	if d >= 24*time.Hour {
		days = fmt.Sprintf("%d.", d/(24*time.Hour))
	}
	return fmt.Sprintf("%s%02d:%02d:%02d.%07d", days, d%(24*time.Hour)/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second,
		d%time.Second/100)
}

// EffectiveRoutes implements arm.Live: the network's own space, and what its host learned from the gateway, with the gateway instances as
// next hops.
func (l *live) EffectiveRoutes(ctx context.Context, i *resource.Interface) ([]arm.EffectiveRoute, error) {
	v, err := l.view()
	if err != nil {
		return nil, err
	}
	n := v.world.Network(i.Network())
	if n == nil {
		return nil, nil
	}
	var rows []arm.EffectiveRoute
	for _, p := range n.AddressSpace {
		rows = append(rows, arm.EffectiveRoute{Source: "Default", State: "Active", NextHopType: "VnetLocal", Prefixes: []string{p.String()},
			NextHops: []string{}})
	}
	at, ok := compile.PlaceOf(i, n)
	if !ok {
		return rows, nil // no machine runs behind it
	}
	rs, err := l.routes(ctx, at.Node, plan.Query{Kind: "routes", Domain: at.Domain})
	if err != nil {
		return nil, err
	}
	hops := map[netip.Addr]string{} // link address of an instance's node → the instance
	if g := v.world.NetworkGateway(n.Meta.ID); g != nil {
		hops = l.instanceHops(at.Node, v.instances(g))
	}
	return append(rows, learnedByHost(rs, hops)...), nil
}

// instanceHops finds which gateway instance is behind the next hops on a host.
func (l *live) instanceHops(host string, instances []compile.Instance) map[netip.Addr]string {
	hops := map[netip.Addr]string{}
	for _, s := range l.planned(host) {
		for _, i := range instances {
			if strings.HasSuffix(s.Attachment, i.Domain+"/to/"+i.Node) {
				hops[s.PeerAddr] = i.Address.String()
			}
		}
	}
	return hops
}

func learnedByHost(rs []plan.Route, instances map[netip.Addr]string) []arm.EffectiveRoute {
	sortRoutes(rs)
	var rows []arm.EffectiveRoute
	for _, r := range rs {
		if r.Session == "" || !r.Best {
			continue
		}
		hop := cmp.Or(instances[r.NextHop], addrText(r.NextHop))
		if k := len(rows) - 1; k >= 0 && rows[k].Prefixes[0] == r.Prefix.String() {
			rows[k].NextHops = append(rows[k].NextHops, hop)
			continue
		}
		rows = append(rows, arm.EffectiveRoute{Source: "VirtualNetworkGateway", State: "Active", NextHopType: "VirtualNetworkGateway",
			Prefixes: []string{r.Prefix.String()}, NextHops: []string{hop}})
	}
	return rows
}

// planned are the sessions of a node's plan by name.
func (l *live) planned(node string) map[string]plan.Session {
	p, _ := l.hub.Plan(node)
	m := make(map[string]plan.Session, len(p.Sessions))
	for _, s := range p.Sessions {
		m[s.Name] = s
	}
	return m
}

// sortRoutes orders routes by prefix, those in use first.
func sortRoutes(rs []plan.Route) {
	slices.SortStableFunc(rs, func(a, b plan.Route) int {
		best := 0
		if a.Best != b.Best {
			best = 1
			if a.Best {
				best = -1
			}
		}
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()), best, a.NextHop.Compare(b.NextHop))
	})
}
