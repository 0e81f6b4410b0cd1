package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"
)

// portNoun is the customer's own pairs of ports on the edge routers (ExpressRoute Direct).
func portNoun() noun {
	return noun{name: "port", short: "Ports: a pair of edge ports of one's own, its links and its letter of authorization", role: "customer", verbs: []verb{
		portCreate(), portShow(), portList(), portUpdate(), portLOA(), portDelete(), portLocations(),
		portAuthorize(), portAuthorizations(), portRevoke(),
	}}
}

// portCreate orders a port.
func portCreate() verb {
	var peeringLocation, bandwidth, encapsulation, billing, location string
	return verb{
		use: "create NAME", short: "Order a pair of ports; both links begin disabled", args: [2]int{1, 1},
		example:  "  onramp port create tengig --peering-location Seattle --bandwidth 10Gbps\n  onramp port create hundredgig --peering-location Seattle --bandwidth 100Gbps --encapsulation QinQ",
		required: []string{"peering-location", "bandwidth"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&peeringLocation, "peering-location", "", "where the edge routers are (see 'onramp port locations')")
			f.StringVar(&bandwidth, "bandwidth", "", "10Gbps, 100Gbps or 400Gbps")
			f.StringVar(&encapsulation, "encapsulation", "Dot1Q", "Dot1Q (one tag) or QinQ (two); it cannot change")
			f.StringVar(&billing, "billing", "MeteredData", "MeteredData or UnlimitedData")
			f.StringVarP(&location, "location", "l", "", "region of the order (default the resource group's)")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			gbps, err := parseGbps(bandwidth)
			if err != nil {
				return err
			}
			loc, err := s.location(ctx, location)
			if err != nil {
				return err
			}
			p, err := s.net.NewExpressRoutePortsClient().BeginCreateOrUpdate(ctx, s.group, args[0], armnetwork.ExpressRoutePort{
				Location: loc,
				Properties: &armnetwork.ExpressRoutePortPropertiesFormat{
					PeeringLocation: &peeringLocation, BandwidthInGbps: &gbps,
					Encapsulation: to(armnetwork.ExpressRoutePortsEncapsulation(encapsulation)), BillingType: to(armnetwork.ExpressRoutePortsBillingType(billing)),
				},
			}, nil)
			r, err := wait(ctx, s, "port "+args[0], p, err)
			if err != nil {
				return done(err)
			}
			return showPort(s, &r.ExpressRoutePort)
		},
	}
}

// parseGbps reads a bandwidth that is whole Gbps.
func parseGbps(text string) (int32, error) {
	n, err := parseBandwidth(text)
	if err == nil && n%1000 != 0 {
		return 0, usagef("bandwidth %q: want whole Gbps, such as 10Gbps", text)
	}
	return n / 1000, err
}

// portShow describes one port.
func portShow() verb {
	return verb{
		use: "show NAME", short: "Describe a port: its links, where they are, and its circuits", args: [2]int{1, 1},
		example: "  onramp port show tengig\n  onramp port show tengig -o json", complete: completePorts,
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.net.NewExpressRoutePortsClient().Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			return showPort(s, &r.ExpressRoutePort)
		},
	}
}

// showPort prints a port.
func showPort(s *session, p *armnetwork.ExpressRoutePort) error {
	q := p.Properties
	fields := []field{
		{"name", val(p.Name)},
		{"peering location", val(q.PeeringLocation)},
		{"bandwidth", fmt.Sprintf("%d Gbps", val(q.BandwidthInGbps))},
		{"provisioned", fmt.Sprintf("%g of %d Gbps", val(q.ProvisionedBandwidthInGbps), 2*val(q.BandwidthInGbps))},
		{"encapsulation", string(val(q.Encapsulation))},
		{"billing", string(val(q.BillingType))},
		{"provisioning", string(val(q.ProvisioningState))},
	}
	for _, l := range q.Links {
		fields = append(fields, field{val(l.Name), linkLine(l)})
	}
	for _, c := range q.Circuits {
		fields = append(fields, field{"circuit", last(val(c.ID))})
	}
	return describeFields(s, p, fields)
}

// linkLine is a link on one line: state, then where its port is.
func linkLine(l *armnetwork.ExpressRouteLink) string {
	q := l.Properties
	words := []string{string(val(q.AdminState)), val(q.RouterName), val(q.InterfaceName), val(q.PatchPanelID), val(q.RackID), string(val(q.ConnectorType))}
	var some []string
	for _, w := range words {
		if w != "" {
			some = append(some, w)
		}
	}
	return strings.Join(some, "  ")
}

// portList lists the ports of the group, or of the subscription.
func portList() verb {
	var all bool
	return verb{
		use: "list", short: "List ports", example: "  onramp port list\n  onramp port list --all",
		flags: func(f *pflag.FlagSet) { f.BoolVarP(&all, "all", "A", false, "of the whole subscription") },
		run: func(ctx context.Context, s *session, _ []string) error {
			ps, err := listPorts(ctx, s, all)
			if err != nil {
				return err
			}
			link := func(i int) func(p *armnetwork.ExpressRoutePort) string {
				return func(p *armnetwork.ExpressRoutePort) string {
					return string(val(p.Properties.Links[i].Properties.AdminState))
				}
			}
			return emit(s, ps, columns[*armnetwork.ExpressRoutePort]{
				{"NAME", func(p *armnetwork.ExpressRoutePort) string { return val(p.Name) }},
				{"PEERING LOCATION", func(p *armnetwork.ExpressRoutePort) string { return val(p.Properties.PeeringLocation) }},
				{"BANDWIDTH", func(p *armnetwork.ExpressRoutePort) string {
					return fmt.Sprintf("%d Gbps", val(p.Properties.BandwidthInGbps))
				}},
				{"ENCAPSULATION", func(p *armnetwork.ExpressRoutePort) string { return string(val(p.Properties.Encapsulation)) }},
				{"LINK1", link(0)}, {"LINK2", link(1)},
				{"CIRCUITS", func(p *armnetwork.ExpressRoutePort) string { return fmt.Sprint(len(p.Properties.Circuits)) }},
			}, ps)
		},
	}
}

// listPorts reads the ports of the group, or of the subscription.
func listPorts(ctx context.Context, s *session, all bool) ([]*armnetwork.ExpressRoutePort, error) {
	client := s.net.NewExpressRoutePortsClient()
	if all {
		return collect(ctx, client.NewListPager(nil), func(p armnetwork.ExpressRoutePortsClientListResponse) []*armnetwork.ExpressRoutePort { return p.Value })
	}
	return collect(ctx, client.NewListByResourceGroupPager(s.group, nil),
		func(p armnetwork.ExpressRoutePortsClientListByResourceGroupResponse) []*armnetwork.ExpressRoutePort {
			return p.Value
		})
}

// completePorts offers port names.
func completePorts(ctx context.Context, s *session, _ []string) ([]string, error) {
	ps, err := listPorts(ctx, s, false)
	var names []string
	for _, p := range ps {
		names = append(names, val(p.Name))
	}
	return names, err
}

// portUpdate switches links and changes the billing type.
func portUpdate() verb {
	var enable, disable []string
	var billing string
	return verb{
		use: "update NAME", short: "Enable or disable a port's links, or change its billing type", args: [2]int{1, 1},
		example:  "  onramp port update tengig --enable link1,link2\n  onramp port update tengig --disable link1",
		complete: completePorts,
		flags: func(f *pflag.FlagSet) {
			f.StringSliceVar(&enable, "enable", nil, "link1, link2 or both: set adminState Enabled")
			f.StringSliceVar(&disable, "disable", nil, "link1, link2 or both: take the port down")
			f.StringVar(&billing, "billing", "", "MeteredData or UnlimitedData")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			if len(enable)+len(disable) == 0 && billing == "" {
				return usagef("port update: give --enable, --disable or --billing")
			}
			client := s.net.NewExpressRoutePortsClient()
			r, err := client.Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			port := &r.ExpressRoutePort
			if err := switchLinks(port, enable, armnetwork.ExpressRouteLinkAdminStateEnabled); err != nil {
				return err
			}
			if err := switchLinks(port, disable, armnetwork.ExpressRouteLinkAdminStateDisabled); err != nil {
				return err
			}
			if billing != "" {
				port.Properties.BillingType = to(armnetwork.ExpressRoutePortsBillingType(billing))
			}
			p, err := client.BeginCreateOrUpdate(ctx, s.group, args[0], *port, nil)
			u, err := wait(ctx, s, "port "+args[0], p, err)
			if err != nil {
				return done(err)
			}
			return showPort(s, &u.ExpressRoutePort)
		},
	}
}

// switchLinks sets the state of the links named.
func switchLinks(p *armnetwork.ExpressRoutePort, names []string, state armnetwork.ExpressRouteLinkAdminState) error {
	for _, name := range names {
		found := false
		for _, l := range p.Properties.Links {
			if strings.EqualFold(val(l.Name), name) {
				l.Properties.AdminState, found = &state, true
			}
		}
		if !found {
			return usagef("port update: %q is no link; want link1 or link2", name)
		}
	}
	return nil
}

// portLOA saves the letter of authorization.
func portLOA() verb {
	var customer, file string
	return verb{
		use: "loa NAME", short: "Save a port's letter of authorization (PDF) for the building's operator", args: [2]int{1, 1},
		example:  "  onramp port loa tengig --customer Contoso --out letter.pdf",
		complete: completePorts, required: []string{"customer"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&customer, "customer", "", "who is authorized to order the cross-connects")
			f.StringVar(&file, "out", "", "file to write (default NAME-loa.pdf)")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.net.NewExpressRoutePortsClient().GenerateLOA(ctx, s.group, args[0],
				armnetwork.GenerateExpressRoutePortsLOARequest{CustomerName: &customer}, nil)
			if err != nil {
				return err
			}
			pdf, err := base64.StdEncoding.DecodeString(val(r.EncodedContent))
			if err != nil {
				return fmt.Errorf("read letter of %s: %w", args[0], err)
			}
			if file == "" {
				file = args[0] + "-loa.pdf"
			}
			if err := os.WriteFile(file, pdf, 0o644); err != nil {
				return fmt.Errorf("save letter: %w", err)
			}
			return describeFields(s, map[string]string{"letter": file}, []field{{"letter", file}})
		},
	}
}

// portDelete gives a port back.
func portDelete() verb {
	return verb{
		use: "delete NAME", short: "Give a port back that has no circuits", args: [2]int{1, 1},
		example: "  onramp port delete tengig", complete: completePorts,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewExpressRoutePortsClient().BeginDelete(ctx, s.group, args[0], nil)
			_, err = wait(ctx, s, "delete port "+args[0], p, err)
			return done(err)
		},
	}
}

// portLocations lists where ports are, and what is free there.
func portLocations() verb {
	return verb{
		use: "locations", short: "List the locations that have ports, and the bandwidths that are free", example: "  onramp port locations",
		run: func(ctx context.Context, s *session, _ []string) error {
			client := s.net.NewExpressRoutePortsLocationsClient()
			ls, err := collect(ctx, client.NewListPager(nil),
				func(p armnetwork.ExpressRoutePortsLocationsClientListResponse) []*armnetwork.ExpressRoutePortsLocation {
					return p.Value
				})
			if err != nil {
				return err
			}
			for i, l := range ls { // the list leaves out what is free
				r, err := client.Get(ctx, val(l.Name), nil)
				if err != nil {
					return err
				}
				ls[i] = &r.ExpressRoutePortsLocation
			}
			return emit(s, ls, columns[*armnetwork.ExpressRoutePortsLocation]{
				{"NAME", func(l *armnetwork.ExpressRoutePortsLocation) string { return val(l.Name) }},
				{"ADDRESS", func(l *armnetwork.ExpressRoutePortsLocation) string { return val(l.Properties.Address) }},
				{"CONTACT", func(l *armnetwork.ExpressRoutePortsLocation) string { return val(l.Properties.Contact) }},
				{"FREE", func(l *armnetwork.ExpressRoutePortsLocation) string {
					var free []string
					for _, b := range l.Properties.AvailableBandwidths {
						free = append(free, val(b.OfferName))
					}
					return strings.Join(free, ", ")
				}},
			}, ls)
		},
	}
}
