package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"onramp/control/arm"
	"onramp/control/compile"
	"onramp/plan"
	"onramp/resource"
)

// staleAfter is when a node whose reports stopped is taken for gone.
const staleAfter = 60 * time.Second

// live answers arm.Live from the reconciler's newest picture, the nodes' reports and queries to them.
type live struct {
	hub     *plan.Hub
	current atomic.Pointer[view]
	counts  atomic.Pointer[map[string]resource.ConnectionStatus]
}

var _ arm.Live = (*live)(nil)

func newLive(h *plan.Hub) *live { return &live{hub: h} }

func (l *live) show(v *view) { l.current.Store(v) }

func (l *live) count(now map[string]resource.ConnectionStatus) { l.counts.Store(&now) }

// ConnectionBytes implements arm.Live, from the last look at the reports.
func (l *live) ConnectionBytes(id resource.ID) (in, out uint64) {
	if all := l.counts.Load(); all != nil {
		s := (*all)[id.Key()]
		return s.InBytes, s.OutBytes
	}
	return 0, 0
}

func (l *live) view() (*view, error) {
	if v := l.current.Load(); v != nil {
		return v, nil
	}
	return nil, errors.New("control has just started and has not read its store yet; try again")
}

// path finds one link of a circuit; nil when the circuit is on no edge router, and so has empty tables.
func (l *live) path(c *resource.Circuit, p resource.PeeringType, path string) (*compile.CircuitPath, error) {
	v, err := l.view()
	if err != nil {
		return nil, err
	}
	if v.world.Fabric == nil || !strings.EqualFold(string(p), string(resource.PrivatePeering)) || c.Peering(p) == nil {
		return nil, nil
	}
	paths, err := compile.CircuitPaths(v.world.Fabric, c)
	if err != nil {
		return nil, nil // no port pair yet
	}
	for i := range paths {
		if strings.EqualFold(paths[i].Path, path) {
			return &paths[i], nil
		}
	}
	return nil, fmt.Errorf("no path %q; want primary or secondary", path)
}

// fresh says why a node's report cannot be relied on.
func (l *live) fresh(node string) error {
	r, ok := l.hub.Report(node)
	if !ok {
		return fmt.Errorf("node %s does not report to control", node)
	}
	if age := time.Since(r.Time); age > staleAfter {
		return fmt.Errorf("node %s reported last %s ago", node, age.Round(time.Second))
	}
	return nil
}

func (l *live) routes(ctx context.Context, node string, q plan.Query) ([]plan.Route, error) {
	a, err := l.hub.Query(ctx, node, q)
	return a.Routes, err
}

// ARP implements arm.Live. The node's own row comes first; a peer that was never resolved has a row, too.
func (l *live) ARP(_ context.Context, c *resource.Circuit, p resource.PeeringType, path string) ([]arm.ARPRow, error) {
	at, err := l.path(c, p, path)
	if at == nil || err != nil {
		return nil, err
	}
	if err := l.fresh(at.Node); err != nil {
		return nil, err
	}
	a, ok := attachmentOf(l.hub, at.Node, at.Attachment)
	if !ok {
		return nil, nil
	}
	var rows []arm.ARPRow
	for _, ours := range []bool{true, false} {
		addr := at.Customer
		row := arm.ARPRow{Interface: "On-Prem", IP: addr.String(), MAC: "Incomplete"}
		if ours {
			addr = at.Edge
			row = arm.ARPRow{Interface: "Microsoft", IP: addr.String(), MAC: "Incomplete"}
		}
		if n, ok := find(a.Neighbors, func(n plan.NeighborState) bool { return n.Addr == addr }); ok && n.MAC != "" {
			row.MAC, row.Age = ciscoMAC(n.MAC), int(n.Age/time.Minute)
		} else if ours {
			continue
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// ciscoMAC writes 02:aa:bb:00:00:01 as 02aa.bb00.0001.
func ciscoMAC(mac string) string {
	hex := strings.ReplaceAll(mac, ":", "")
	if len(hex) != 12 {
		return mac
	}
	return hex[:4] + "." + hex[4:8] + "." + hex[8:]
}

// Routes implements arm.Live: what BGP learned on the path, the paths in use first for each network.
func (l *live) Routes(ctx context.Context, c *resource.Circuit, p resource.PeeringType, path string) ([]arm.RouteRow, error) {
	at, err := l.path(c, p, path)
	if at == nil || err != nil || !c.Ready() {
		return nil, err
	}
	rs, err := l.routes(ctx, at.Node, plan.Query{Kind: "routes", Domain: at.Domain})
	if err != nil {
		return nil, err
	}
	sortRoutes(rs)
	var rows []arm.RouteRow
	for _, r := range rs {
		if r.Session == "" {
			continue
		}
		row := arm.RouteRow{Network: r.Prefix.String(), NextHop: addrText(r.NextHop), Weight: int(r.Weight), Path: r.ASPath}
		if r.LocalPref != 0 {
			row.LocPrf = fmt.Sprint(r.LocalPref)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// RoutesSummary implements arm.Live: the customer and every gateway instance that the circuit is connected to.
func (l *live) RoutesSummary(_ context.Context, c *resource.Circuit, p resource.PeeringType, path string) ([]arm.SummaryRow, error) {
	at, err := l.path(c, p, path)
	if at == nil || err != nil {
		return nil, err
	}
	if err := l.fresh(at.Node); err != nil {
		return nil, err
	}
	v, err := l.view()
	if err != nil {
		return nil, err
	}
	names := []string{at.Session}
	for _, k := range v.world.CircuitConnections(c.Meta.ID) {
		tunnels, _ := v.index.Tunnels(k) // without tunnels there are no sessions to show
		for _, t := range tunnels {
			if t.Edge == at.Node {
				names = append(names, t.EdgeSession)
			}
		}
	}
	var rows []arm.SummaryRow
	for _, name := range names {
		s, ok := sessionOf(l.hub, at.Node, name)
		if !ok {
			continue
		}
		row := arm.SummaryRow{Neighbor: addrText(s.PeerAddr), Version: 4, AS: s.PeerAS, UpDown: upDown(s.Since), StateOrPrefixes: s.State}
		if s.State == established {
			row.StateOrPrefixes = fmt.Sprint(s.Received)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// upDown is the time since a change as routers print it: 11:09:15, 1d14h, 8w4d.
func upDown(since time.Time) string {
	if since.IsZero() {
		return "never"
	}
	d := max(time.Since(since), 0)
	const day, week = 24 * time.Hour, 7 * 24 * time.Hour
	switch {
	case d < day:
		return fmt.Sprintf("%02d:%02d:%02d", d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
	case d < week:
		return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
	}
	return fmt.Sprintf("%dw%dd", d/week, d%week/day)
}

// Stats implements arm.Live. The counters of a node that is away are its last.
func (l *live) Stats(_ context.Context, c *resource.Circuit, p resource.PeeringType) (arm.Stats, error) {
	var s arm.Stats
	if p == "" {
		p = resource.PrivatePeering // the only peering with packets
	}
	for _, side := range []struct {
		path                     string
		in, out, dropIn, dropOut *uint64
	}{
		{compile.PathPrimary, &s.PrimaryIn, &s.PrimaryOut, &s.PrimaryDroppedIn, &s.PrimaryDroppedOut},
		{compile.PathSecondary, &s.SecondaryIn, &s.SecondaryOut, &s.SecondaryDroppedIn, &s.SecondaryDroppedOut},
	} {
		at, err := l.path(c, p, side.path)
		if err != nil {
			return s, err
		}
		if at == nil {
			continue
		}
		a, _ := attachmentOf(l.hub, at.Node, at.Attachment)
		in, _ := policerOf(l.hub, at.Node, at.PolicerIn)
		out, _ := policerOf(l.hub, at.Node, at.PolicerOut)
		*side.in, *side.out, *side.dropIn, *side.dropOut = a.InBytes, a.OutBytes, in.DroppedBytes, out.DroppedBytes
	}
	return s, nil
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
