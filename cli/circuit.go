package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"
)

// circuitNoun is the customer's circuits.
func circuitNoun() noun {
	return noun{name: "circuit", short: "Circuits: order, resize, read their tables, diagnose", role: "customer", verbs: []verb{
		circuitCreate(), circuitShow(), circuitList(), circuitUpdate(), circuitDelete(),
		circuitARP(), circuitRoutes(), circuitSummary(), circuitStats(), circuitDiagnose(),
	}}
}

// circuitCreate orders a circuit.
func circuitCreate() verb {
	var o circuitOrder
	return verb{
		use: "create NAME", short: "Order a circuit from a connectivity provider, or on a port of one's own", args: [2]int{1, 1},
		example:  "  onramp circuit create chicago --provider OnrampExchange --peering-location Seattle --bandwidth 200Mbps\n  onramp circuit create local1 --provider OnrampExchange --peering-location Seattle --bandwidth 1Gbps --sku Local --family UnlimitedData\n  onramp circuit create direct1 --port tengig --bandwidth 2Gbps",
		required: []string{"bandwidth"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&o.provider, "provider", "", "connectivity provider (see 'onramp provider list')")
			f.StringVar(&o.peeringLocation, "peering-location", "", "where the provider meets the edge")
			f.StringVar(&o.port, "port", "", "instead of a provider: name or id of a port (see 'onramp port list')")
			f.StringVar(&o.keyFile, "port-key-file", "", "file with a key of another subscription's port (default $ONRAMP_PORT_KEY)")
			f.BoolVar(&o.rateLimit, "rate-limit", false, "on a port: hold each link to the circuit's bandwidth")
			f.StringVar(&o.bandwidth, "bandwidth", "", "50Mbps … 10Gbps, one the provider offers; on a port 1Gbps … 400Gbps")
			f.StringVar(&o.tier, "sku", "Standard", "Local, Standard or Premium")
			f.StringVar(&o.family, "family", "MeteredData", "MeteredData or UnlimitedData")
			f.StringVarP(&o.location, "location", "l", "", "region of the order (default the resource group's)")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			props, err := o.properties(s)
			if err != nil {
				return err
			}
			loc, err := s.location(ctx, o.location)
			if err != nil {
				return err
			}
			p, err := s.net.NewExpressRouteCircuitsClient().BeginCreateOrUpdate(ctx, s.group, args[0], armnetwork.ExpressRouteCircuit{
				Location: loc,
				SKU: &armnetwork.ExpressRouteCircuitSKU{
					Name:   to(o.tier + "_" + o.family),
					Tier:   to(armnetwork.ExpressRouteCircuitSKUTier(o.tier)),
					Family: to(armnetwork.ExpressRouteCircuitSKUFamily(o.family)),
				},
				Properties: props,
			}, nil)
			r, err := wait(ctx, s, "circuit "+args[0], p, err)
			if err != nil {
				return done(err)
			}
			return showCircuit(s, &r.ExpressRouteCircuit)
		},
	}
}

// circuitOrder is what the flags of an order say.
type circuitOrder struct {
	provider, peeringLocation, port, keyFile, bandwidth, tier, family, location string
	rateLimit                                                                   bool
}

// properties are the order's, from a provider or on a port.
func (o *circuitOrder) properties(s *session) (*armnetwork.ExpressRouteCircuitPropertiesFormat, error) {
	mbps, err := parseBandwidth(o.bandwidth)
	switch {
	case err != nil:
		return nil, err
	case o.port == "" && (o.provider == "" || o.peeringLocation == ""):
		return nil, usagef("circuit create: give --provider and --peering-location, or --port")
	case o.port != "" && o.provider != "":
		return nil, usagef("circuit create: a circuit is a provider's or on a port: give --provider or --port")
	case o.port == "":
		return &armnetwork.ExpressRouteCircuitPropertiesFormat{ServiceProviderProperties: &armnetwork.ExpressRouteCircuitServiceProviderProperties{
			ServiceProviderName: &o.provider, PeeringLocation: &o.peeringLocation, BandwidthInMbps: &mbps,
		}}, nil
	}
	port := o.port
	if !strings.HasPrefix(port, "/") {
		port = s.id("expressRoutePorts", port)
	}
	p := &armnetwork.ExpressRouteCircuitPropertiesFormat{ExpressRoutePort: &armnetwork.SubResource{ID: &port}, BandwidthInGbps: to(float32(mbps) / 1000)}
	key, err := readSecret(o.keyFile, "ONRAMP_PORT_KEY")
	if key != "" {
		p.AuthorizationKey = &key
	}
	if o.rateLimit {
		p.EnableDirectPortRateLimit = &o.rateLimit
	}
	return p, err
}

// parseBandwidth reads "200Mbps", "1Gbps" or a number of Mbps.
func parseBandwidth(text string) (int32, error) {
	t, factor := strings.ToLower(strings.TrimSpace(text)), 1
	switch {
	case strings.HasSuffix(t, "gbps"):
		t, factor = strings.TrimSuffix(t, "gbps"), 1000
	case strings.HasSuffix(t, "mbps"):
		t = strings.TrimSuffix(t, "mbps")
	}
	n, err := strconv.Atoi(t)
	if err != nil || n <= 0 || n > 1_000_000 {
		return 0, usagef("bandwidth %q: want a number of Mbps, or 200Mbps, or 1Gbps", text)
	}
	return int32(n * factor), nil
}

// circuitShow describes one circuit.
func circuitShow() verb {
	return verb{
		use: "show NAME", short: "Describe a circuit: its key, states and peerings", args: [2]int{1, 1},
		example: "  onramp circuit show chicago\n  onramp circuit show chicago -o json", complete: completeCircuits,
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.net.NewExpressRouteCircuitsClient().Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			return showCircuit(s, &r.ExpressRouteCircuit)
		},
	}
}

// showCircuit prints a circuit.
func showCircuit(s *session, c *armnetwork.ExpressRouteCircuit) error {
	p := c.Properties
	if p == nil {
		p = &armnetwork.ExpressRouteCircuitPropertiesFormat{}
	}
	fields := []field{
		{"name", val(c.Name)},
		{"sku", circuitSKU(c)},
		{"location", val(c.Location)},
		{"provider", circuitProvider(c).name},
		{"port", circuitPort(c)},
		{"peering location", circuitProvider(c).location},
		{"bandwidth", circuitProvider(c).bandwidth},
		{"service key", val(p.ServiceKey)},
		{"s-tag", number(p.Stag)},
		{"circuit state", val(p.CircuitProvisioningState)},
		{"provider state", string(val(p.ServiceProviderProvisioningState))},
		{"provider notes", val(p.ServiceProviderNotes)},
		{"provisioning", string(val(p.ProvisioningState))},
	}
	for _, peer := range p.Peerings {
		fields = append(fields, field{"peering", peeringLine(peer)})
	}
	return describeFields(s, c, fields)
}

// peeringLine is a peering on one line.
func peeringLine(p *armnetwork.ExpressRouteCircuitPeering) string {
	if p.Properties == nil {
		return val(p.Name)
	}
	q := p.Properties
	return fmt.Sprintf("%s  vlan %s  peer AS %s  %s  %s", val(p.Name), number(q.VlanID), number(q.PeerASN),
		val(q.PrimaryPeerAddressPrefix), val(q.SecondaryPeerAddressPrefix))
}

// order is a circuit's service provider block, printable.
type order struct{ name, location, bandwidth string }

// circuitProvider is what was ordered from whom; empty on a circuit without a provider.
func circuitProvider(c *armnetwork.ExpressRouteCircuit) order {
	if c.Properties == nil {
		return order{}
	}
	if g := c.Properties.BandwidthInGbps; g != nil {
		return order{bandwidth: mbps(int32(val(g) * 1000))}
	}
	if c.Properties.ServiceProviderProperties == nil {
		return order{}
	}
	sp := c.Properties.ServiceProviderProperties
	return order{val(sp.ServiceProviderName), val(sp.PeeringLocation), mbps(val(sp.BandwidthInMbps))}
}

// circuitPort is the name of the port a circuit is on; "" of a provider's.
func circuitPort(c *armnetwork.ExpressRouteCircuit) string {
	if c.Properties == nil || c.Properties.ExpressRoutePort == nil {
		return ""
	}
	return last(val(c.Properties.ExpressRoutePort.ID))
}

// mbps prints a bandwidth.
func mbps(n int32) string {
	if n >= 1000 && n%1000 == 0 {
		return fmt.Sprintf("%d Gbps", n/1000)
	}
	return fmt.Sprintf("%d Mbps", n)
}

// circuitSKU prints a circuit's SKU.
func circuitSKU(c *armnetwork.ExpressRouteCircuit) string {
	if c.SKU == nil {
		return ""
	}
	return strings.TrimSuffix(string(val(c.SKU.Tier))+" "+string(val(c.SKU.Family)), " ")
}

// circuitList lists the circuits of the group, or of the subscription.
func circuitList() verb {
	var all bool
	return verb{
		use: "list", short: "List circuits", example: "  onramp circuit list\n  onramp circuit list --all",
		flags: func(f *pflag.FlagSet) { f.BoolVarP(&all, "all", "A", false, "of the whole subscription") },
		run: func(ctx context.Context, s *session, _ []string) error {
			cs, err := listCircuits(ctx, s, all)
			if err != nil {
				return err
			}
			return emit(s, cs, columns[*armnetwork.ExpressRouteCircuit]{
				{"NAME", func(c *armnetwork.ExpressRouteCircuit) string { return val(c.Name) }},
				{"PEERING LOCATION", func(c *armnetwork.ExpressRouteCircuit) string { return circuitProvider(c).location }},
				{"PROVIDER", func(c *armnetwork.ExpressRouteCircuit) string { return circuitProvider(c).name }},
				{"BANDWIDTH", func(c *armnetwork.ExpressRouteCircuit) string { return circuitProvider(c).bandwidth }},
				{"SKU", circuitSKU},
				{"CIRCUIT", func(c *armnetwork.ExpressRouteCircuit) string { return val(c.Properties.CircuitProvisioningState) }},
				{"PROVIDER STATE", func(c *armnetwork.ExpressRouteCircuit) string {
					return string(val(c.Properties.ServiceProviderProvisioningState))
				}},
				{"PROVISIONING", func(c *armnetwork.ExpressRouteCircuit) string { return string(val(c.Properties.ProvisioningState)) }},
			}, cs)
		},
	}
}

// listCircuits reads the circuits of the group, or of the subscription.
func listCircuits(ctx context.Context, s *session, all bool) ([]*armnetwork.ExpressRouteCircuit, error) {
	client := s.net.NewExpressRouteCircuitsClient()
	if all {
		return collect(ctx, client.NewListAllPager(nil), func(p armnetwork.ExpressRouteCircuitsClientListAllResponse) []*armnetwork.ExpressRouteCircuit {
			return p.Value
		})
	}
	return collect(ctx, client.NewListPager(s.group, nil), func(p armnetwork.ExpressRouteCircuitsClientListResponse) []*armnetwork.ExpressRouteCircuit {
		return p.Value
	})
}

// completeCircuits offers circuit names.
func completeCircuits(ctx context.Context, s *session, _ []string) ([]string, error) {
	cs, err := listCircuits(ctx, s, false)
	var names []string
	for _, c := range cs {
		names = append(names, val(c.Name))
	}
	return names, err
}

// circuitUpdate changes a circuit's bandwidth or SKU.
func circuitUpdate() verb {
	var bandwidth, tier, family string
	return verb{
		use: "update NAME", short: "Raise a circuit's bandwidth, or change its SKU", args: [2]int{1, 1},
		example: "  onramp circuit update chicago --bandwidth 500Mbps\n  onramp circuit update chicago --sku Premium", complete: completeCircuits,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&bandwidth, "bandwidth", "", "new bandwidth; it can only grow")
			f.StringVar(&tier, "sku", "", "Local, Standard or Premium")
			f.StringVar(&family, "family", "", "MeteredData or UnlimitedData")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			client := s.net.NewExpressRouteCircuitsClient()
			c, err := client.Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			if err := changeCircuit(&c.ExpressRouteCircuit, bandwidth, tier, family); err != nil {
				return err
			}
			p, err := client.BeginCreateOrUpdate(ctx, s.group, args[0], c.ExpressRouteCircuit, nil)
			r, err := wait(ctx, s, "circuit "+args[0], p, err)
			if err != nil {
				return done(err)
			}
			return showCircuit(s, &r.ExpressRouteCircuit)
		},
	}
}

// changeCircuit edits a circuit read from the service.
func changeCircuit(c *armnetwork.ExpressRouteCircuit, bandwidth, tier, family string) error {
	if bandwidth == "" && tier == "" && family == "" {
		return usagef("circuit update: give --bandwidth, --sku or --family")
	}
	if bandwidth != "" {
		n, err := parseBandwidth(bandwidth)
		if err != nil {
			return err
		}
		if sp := c.Properties.ServiceProviderProperties; sp != nil {
			sp.BandwidthInMbps = &n
		} else {
			c.Properties.BandwidthInGbps = to(float32(n) / 1000)
		}
	}
	if tier != "" {
		c.SKU.Tier = to(armnetwork.ExpressRouteCircuitSKUTier(tier))
	}
	if family != "" {
		c.SKU.Family = to(armnetwork.ExpressRouteCircuitSKUFamily(family))
	}
	c.SKU.Name = to(string(val(c.SKU.Tier)) + "_" + string(val(c.SKU.Family)))
	return nil
}

// circuitDelete deletes a circuit.
func circuitDelete() verb {
	return verb{
		use: "delete NAME", short: "Delete a circuit that the provider has deprovisioned", args: [2]int{1, 1},
		example: "  onramp circuit delete chicago", complete: completeCircuits,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewExpressRouteCircuitsClient().BeginDelete(ctx, s.group, args[0], nil)
			_, err = wait(ctx, s, "delete circuit "+args[0], p, err)
			return done(err)
		},
	}
}
