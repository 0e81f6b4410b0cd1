package cli

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"
)

// gatewayNoun is the ExpressRoute gateways of virtual networks.
func gatewayNoun() noun {
	return noun{name: "gateway", short: "ExpressRoute gateways of virtual networks, and their routes", role: "customer", verbs: []verb{
		gatewayCreate(), gatewayShow(), gatewayList(), gatewayDelete(), gatewayLearned(), gatewayAdvertised(), gatewayPeers(),
	}}
}

// gatewayCreate orders a gateway.
func gatewayCreate() verb {
	var network, sku, public, location string
	return verb{
		use: "create NAME", short: "Create an ExpressRoute gateway in a network's GatewaySubnet", args: [2]int{1, 1},
		example:  "  onramp gateway create gw1 --network vnet1\n  onramp gateway create gw1 --network vnet1 --sku ErGw1AZ --public-ip gw1-ip",
		required: []string{"network"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&network, "network", "", "virtual network with a GatewaySubnet")
			f.StringVar(&sku, "sku", "Standard", "Standard, HighPerformance, UltraPerformance, ErGw1AZ, ErGw2AZ or ErGw3AZ")
			f.StringVar(&public, "public-ip", "", "public IP address to create, or to use where it exists")
			f.StringVarP(&location, "location", "l", "", "region (default the resource group's)")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			loc, err := s.location(ctx, location)
			if err != nil {
				return err
			}
			config := &armnetwork.VirtualNetworkGatewayIPConfigurationPropertiesFormat{
				PrivateIPAllocationMethod: to(armnetwork.IPAllocationMethodDynamic),
				Subnet:                    &armnetwork.SubResource{ID: to(s.id("virtualNetworks", network) + "/subnets/GatewaySubnet")},
			}
			if public != "" {
				if config.PublicIPAddress, err = putPublicAddress(ctx, s, public, loc); err != nil {
					return done(err)
				}
			}
			p, err := s.net.NewVirtualNetworkGatewaysClient().BeginCreateOrUpdate(ctx, s.group, args[0], armnetwork.VirtualNetworkGateway{
				Location: loc,
				Properties: &armnetwork.VirtualNetworkGatewayPropertiesFormat{
					GatewayType: to(armnetwork.VirtualNetworkGatewayTypeExpressRoute),
					SKU: &armnetwork.VirtualNetworkGatewaySKU{
						Name: to(armnetwork.VirtualNetworkGatewaySKUName(sku)), Tier: to(armnetwork.VirtualNetworkGatewaySKUTier(sku)),
					},
					IPConfigurations: []*armnetwork.VirtualNetworkGatewayIPConfiguration{{Name: to("default"), Properties: config}},
				},
			}, nil)
			r, err := wait(ctx, s, "gateway "+args[0], p, err)
			if err != nil {
				return done(err)
			}
			return showGateway(s, &r.VirtualNetworkGateway)
		},
	}
}

// putPublicAddress orders a static public address and returns a reference to it. An order for one that exists changes nothing.
func putPublicAddress(ctx context.Context, s *session, name string, location *string) (*armnetwork.SubResource, error) {
	p, err := s.net.NewPublicIPAddressesClient().BeginCreateOrUpdate(ctx, s.group, name, armnetwork.PublicIPAddress{
		Location: location,
		SKU:      &armnetwork.PublicIPAddressSKU{Name: to(armnetwork.PublicIPAddressSKUNameStandard)},
		Properties: &armnetwork.PublicIPAddressPropertiesFormat{
			PublicIPAllocationMethod: to(armnetwork.IPAllocationMethodStatic),
			PublicIPAddressVersion:   to(armnetwork.IPVersionIPv4),
		},
	}, nil)
	r, err := wait(ctx, s, "public address "+name, p, err)
	if err != nil {
		return nil, err
	}
	return &armnetwork.SubResource{ID: r.ID}, nil
}

// gatewayShow describes one gateway.
func gatewayShow() verb {
	return verb{
		use: "show NAME", short: "Describe a gateway", args: [2]int{1, 1}, example: "  onramp gateway show gw1", complete: completeGateways,
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.net.NewVirtualNetworkGatewaysClient().Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			return showGateway(s, &r.VirtualNetworkGateway)
		},
	}
}

// showGateway prints a gateway.
func showGateway(s *session, g *armnetwork.VirtualNetworkGateway) error {
	p := g.Properties
	fields := []field{
		{"name", val(g.Name)},
		{"location", val(g.Location)},
		{"type", string(val(p.GatewayType))},
		{"sku", gatewaySKU(g)},
		{"provisioning", string(val(p.ProvisioningState))},
	}
	if p.BgpSettings != nil {
		fields = append(fields, field{"asn", number(p.BgpSettings.Asn)}, field{"bgp address", val(p.BgpSettings.BgpPeeringAddress)})
	}
	for _, c := range p.IPConfigurations {
		if c.Properties != nil && c.Properties.Subnet != nil {
			fields = append(fields, field{"configuration", val(c.Name) + "  " + val(c.Properties.Subnet.ID)})
		}
	}
	return describeFields(s, g, fields)
}

// gatewaySKU prints a gateway's SKU.
func gatewaySKU(g *armnetwork.VirtualNetworkGateway) string {
	if g.Properties.SKU == nil {
		return ""
	}
	return string(val(g.Properties.SKU.Name))
}

// gatewayList lists the group's gateways.
func gatewayList() verb {
	return verb{
		use: "list", short: "List gateways", example: "  onramp gateway list",
		run: func(ctx context.Context, s *session, _ []string) error {
			gs, err := listGateways(ctx, s)
			if err != nil {
				return err
			}
			return emit(s, gs, columns[*armnetwork.VirtualNetworkGateway]{
				{"NAME", func(g *armnetwork.VirtualNetworkGateway) string { return val(g.Name) }},
				{"LOCATION", func(g *armnetwork.VirtualNetworkGateway) string { return val(g.Location) }},
				{"TYPE", func(g *armnetwork.VirtualNetworkGateway) string { return string(val(g.Properties.GatewayType)) }},
				{"SKU", gatewaySKU},
				{"PROVISIONING", func(g *armnetwork.VirtualNetworkGateway) string {
					return string(val(g.Properties.ProvisioningState))
				}},
			}, gs)
		},
	}
}

// listGateways reads the group's gateways.
func listGateways(ctx context.Context, s *session) ([]*armnetwork.VirtualNetworkGateway, error) {
	return collect(ctx, s.net.NewVirtualNetworkGatewaysClient().NewListPager(s.group, nil),
		func(p armnetwork.VirtualNetworkGatewaysClientListResponse) []*armnetwork.VirtualNetworkGateway {
			return p.Value
		})
}

// completeGateways offers gateway names.
func completeGateways(ctx context.Context, s *session, _ []string) ([]string, error) {
	gs, err := listGateways(ctx, s)
	var names []string
	for _, g := range gs {
		names = append(names, val(g.Name))
	}
	return names, err
}

// gatewayDelete deletes a gateway.
func gatewayDelete() verb {
	return verb{
		use: "delete NAME", short: "Delete a gateway that has no connections", args: [2]int{1, 1},
		example: "  onramp gateway delete gw1", complete: completeGateways,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewVirtualNetworkGatewaysClient().BeginDelete(ctx, s.group, args[0], nil)
			_, err = wait(ctx, s, "delete gateway "+args[0], p, err)
			return done(err)
		},
	}
}

// gatewayLearned prints the routes a gateway learned.
func gatewayLearned() verb {
	return verb{
		use: "learned NAME", short: "Show the routes that a gateway learned", args: [2]int{1, 1},
		example: "  onramp gateway learned gw1", complete: completeGateways,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewVirtualNetworkGatewaysClient().BeginGetLearnedRoutes(ctx, s.group, args[0], nil)
			r, err := wait(ctx, s, "learned routes", p, err)
			if err != nil {
				return done(err)
			}
			return emitGatewayRoutes(s, r.Value)
		},
	}
}

// gatewayAdvertised prints the routes a gateway announces to a peer.
func gatewayAdvertised() verb {
	var peer string
	return verb{
		use: "advertised NAME", short: "Show the routes that a gateway announces to a peer", args: [2]int{1, 1},
		example: "  onramp gateway advertised gw1 --peer 10.1.255.4", required: []string{"peer"}, complete: completeGateways,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&peer, "peer", "", "address of the peer (see 'onramp gateway peers')")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewVirtualNetworkGatewaysClient().BeginGetAdvertisedRoutes(ctx, s.group, args[0], peer, nil)
			r, err := wait(ctx, s, "advertised routes", p, err)
			if err != nil {
				return done(err)
			}
			return emitGatewayRoutes(s, r.Value)
		},
	}
}

// emitGatewayRoutes prints a gateway's routes.
func emitGatewayRoutes(s *session, rs []*armnetwork.GatewayRoute) error {
	return emit(s, rs, columns[*armnetwork.GatewayRoute]{
		{"NETWORK", func(r *armnetwork.GatewayRoute) string { return val(r.Network) }},
		{"NEXT HOP", func(r *armnetwork.GatewayRoute) string { return val(r.NextHop) }},
		{"LOCAL ADDRESS", func(r *armnetwork.GatewayRoute) string { return val(r.LocalAddress) }},
		{"PEER", func(r *armnetwork.GatewayRoute) string { return val(r.SourcePeer) }},
		{"ORIGIN", func(r *armnetwork.GatewayRoute) string { return val(r.Origin) }},
		{"WEIGHT", func(r *armnetwork.GatewayRoute) string { return number(r.Weight) }},
		{"AS PATH", func(r *armnetwork.GatewayRoute) string { return val(r.AsPath) }},
	}, rs)
}

// gatewayPeers prints a gateway's BGP peers.
func gatewayPeers() verb {
	return verb{
		use: "peers NAME", short: "Show a gateway's BGP peers and their states", args: [2]int{1, 1},
		example: "  onramp gateway peers gw1", complete: completeGateways,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewVirtualNetworkGatewaysClient().BeginGetBgpPeerStatus(ctx, s.group, args[0], nil)
			r, err := wait(ctx, s, "bgp peers", p, err)
			if err != nil {
				return done(err)
			}
			return emit(s, r.Value, columns[*armnetwork.BgpPeerStatus]{
				{"NEIGHBOR", func(b *armnetwork.BgpPeerStatus) string { return val(b.Neighbor) }},
				{"AS", func(b *armnetwork.BgpPeerStatus) string { return number(b.Asn) }},
				{"LOCAL ADDRESS", func(b *armnetwork.BgpPeerStatus) string { return val(b.LocalAddress) }},
				{"STATE", func(b *armnetwork.BgpPeerStatus) string { return string(val(b.State)) }},
				{"SINCE", func(b *armnetwork.BgpPeerStatus) string { return val(b.ConnectedDuration) }},
				{"ROUTES", func(b *armnetwork.BgpPeerStatus) string { return number(b.RoutesReceived) }},
			}, r.Value)
		},
	}
}
