package cli

import (
	"context"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"
)

// pathFlags are the flags of the tables of one peering on one path.
type pathFlags struct{ path, peering string }

// declare declares the flags.
func (p *pathFlags) declare(f *pflag.FlagSet) {
	f.StringVar(&p.path, "path", "primary", "primary or secondary link")
	f.StringVar(&p.peering, "peering", "private", "private or microsoft")
}

// check refuses other paths and returns the peering's ARM name.
func (p *pathFlags) check() (string, error) {
	if !slices.Contains([]string{"primary", "secondary"}, p.path) {
		return "", usagef("--path %q: want primary or secondary", p.path)
	}
	return peeringName(p.peering)
}

// circuitARP prints a peering's address table.
func circuitARP() verb {
	var o pathFlags
	return verb{
		use: "arp NAME", short: "Show the ARP table of a peering on one link", args: [2]int{1, 1},
		example: "  onramp circuit arp chicago --path primary", complete: completeCircuits, flags: o.declare,
		run: func(ctx context.Context, s *session, args []string) error {
			name, err := o.check()
			if err != nil {
				return err
			}
			p, err := s.net.NewExpressRouteCircuitsClient().BeginListArpTable(ctx, s.group, args[0], name, o.path, nil)
			r, err := wait(ctx, s, "arp table", p, err)
			if err != nil {
				return done(err)
			}
			return emit(s, r.Value, columns[*armnetwork.ExpressRouteCircuitArpTable]{
				{"AGE", func(a *armnetwork.ExpressRouteCircuitArpTable) string { return number(a.Age) }},
				{"INTERFACE", func(a *armnetwork.ExpressRouteCircuitArpTable) string { return val(a.Interface) }},
				{"IP ADDRESS", func(a *armnetwork.ExpressRouteCircuitArpTable) string { return val(a.IPAddress) }},
				{"MAC ADDRESS", func(a *armnetwork.ExpressRouteCircuitArpTable) string { return val(a.MacAddress) }},
			}, r.Value)
		},
	}
}

// circuitRoutes prints a peering's route table.
func circuitRoutes() verb {
	var o pathFlags
	return verb{
		use: "routes NAME", short: "Show the route table of a peering on one link", args: [2]int{1, 1},
		example: "  onramp circuit routes chicago --path secondary", complete: completeCircuits, flags: o.declare,
		run: func(ctx context.Context, s *session, args []string) error {
			name, err := o.check()
			if err != nil {
				return err
			}
			p, err := s.net.NewExpressRouteCircuitsClient().BeginListRoutesTable(ctx, s.group, args[0], name, o.path, nil)
			r, err := wait(ctx, s, "route table", p, err)
			if err != nil {
				return done(err)
			}
			return emit(s, r.Value, columns[*armnetwork.ExpressRouteCircuitRoutesTable]{
				{"NETWORK", func(t *armnetwork.ExpressRouteCircuitRoutesTable) string { return val(t.Network) }},
				{"NEXT HOP", func(t *armnetwork.ExpressRouteCircuitRoutesTable) string { return val(t.NextHop) }},
				{"LOCPRF", func(t *armnetwork.ExpressRouteCircuitRoutesTable) string { return val(t.LocPrf) }},
				{"WEIGHT", func(t *armnetwork.ExpressRouteCircuitRoutesTable) string { return number(t.Weight) }},
				{"PATH", func(t *armnetwork.ExpressRouteCircuitRoutesTable) string { return val(t.Path) }},
			}, r.Value)
		},
	}
}

// circuitSummary prints a peering's BGP summary.
func circuitSummary() verb {
	var o pathFlags
	return verb{
		use: "summary NAME", short: "Show the BGP neighbours of a peering on one link", args: [2]int{1, 1},
		example: "  onramp circuit summary chicago --path primary", complete: completeCircuits, flags: o.declare,
		run: func(ctx context.Context, s *session, args []string) error {
			name, err := o.check()
			if err != nil {
				return err
			}
			p, err := s.net.NewExpressRouteCircuitsClient().BeginListRoutesTableSummary(ctx, s.group, args[0], name, o.path, nil)
			r, err := wait(ctx, s, "route summary", p, err)
			if err != nil {
				return done(err)
			}
			return emit(s, r.Value, columns[*armnetwork.ExpressRouteCircuitRoutesTableSummary]{
				{"NEIGHBOR", func(t *armnetwork.ExpressRouteCircuitRoutesTableSummary) string { return val(t.Neighbor) }},
				{"V", func(t *armnetwork.ExpressRouteCircuitRoutesTableSummary) string { return number(t.V) }},
				{"AS", func(t *armnetwork.ExpressRouteCircuitRoutesTableSummary) string { return number(t.As) }},
				{"UP/DOWN", func(t *armnetwork.ExpressRouteCircuitRoutesTableSummary) string { return val(t.UpDown) }},
				{"STATE/PREFIXES", func(t *armnetwork.ExpressRouteCircuitRoutesTableSummary) string { return val(t.StatePfxRcd) }},
			}, r.Value)
		},
	}
}

// linkStats is one link's row of the statistics.
type linkStats struct {
	link    string
	in, out *int64
}

// circuitStats prints the bytes carried per link.
func circuitStats() verb {
	var peering string
	return verb{
		use: "stats NAME", short: "Show the bytes carried on each link (in is from the customer)", args: [2]int{1, 1},
		example: "  onramp circuit stats chicago\n  onramp circuit stats chicago --peering private", complete: completeCircuits,
		flags: func(f *pflag.FlagSet) { f.StringVar(&peering, "peering", "", "of one peering: private or microsoft") },
		run: func(ctx context.Context, s *session, args []string) error {
			st, err := readStats(ctx, s, args[0], peering)
			if err != nil {
				return err
			}
			return emit(s, st, columns[linkStats]{
				{"LINK", func(l linkStats) string { return l.link }},
				{"BYTES IN", func(l linkStats) string { return number(l.in) }},
				{"BYTES OUT", func(l linkStats) string { return number(l.out) }},
			}, []linkStats{
				{"primary", st.PrimarybytesIn, st.PrimarybytesOut},
				{"secondary", st.SecondarybytesIn, st.SecondarybytesOut},
			})
		},
	}
}

// readStats reads the statistics of a circuit, or of one peering.
func readStats(ctx context.Context, s *session, circuit, peering string) (armnetwork.ExpressRouteCircuitStats, error) {
	client := s.net.NewExpressRouteCircuitsClient()
	if peering == "" {
		r, err := client.GetStats(ctx, s.group, circuit, nil)
		return r.ExpressRouteCircuitStats, err
	}
	name, err := peeringName(peering)
	if err != nil {
		return armnetwork.ExpressRouteCircuitStats{}, err
	}
	r, err := client.GetPeeringStats(ctx, s.group, circuit, name, nil)
	return r.ExpressRouteCircuitStats, err
}

// circuitDiagnose names the first broken layer of a circuit.
func circuitDiagnose() verb {
	return verb{
		use: "diagnose NAME", short: "Walk a circuit's layers and name what is broken, expected against seen", args: [2]int{1, 1},
		example: "  onramp circuit diagnose chicago", complete: completeCircuits,
		run: func(ctx context.Context, s *session, args []string) error {
			fs, err := s.diagnose(ctx, args[0])
			if err != nil {
				return err
			}
			return emit(s, fs, columns[finding]{
				{"LAYER", func(f finding) string { return f.Layer }},
				{"PATH", func(f finding) string { return f.Path }},
				{"OK", func(f finding) string { return map[bool]string{true: "yes", false: "NO"}[f.OK] }},
				{"EXPECTED", func(f finding) string { return f.Expected }},
				{"SEEN", func(f finding) string { return f.Seen }},
				{"FIX", func(f finding) string { return f.Fix }},
			}, fs)
		},
	}
}

// finding is one line of a diagnosis.
type finding struct {
	Layer    string `json:"layer"`
	Path     string `json:"path,omitempty"`
	OK       bool   `json:"ok"`
	Expected string `json:"expected,omitempty"`
	Seen     string `json:"seen,omitempty"`
	Fix      string `json:"fix,omitempty"`
}
