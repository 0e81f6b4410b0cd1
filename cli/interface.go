package cli

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"
)

// interfaceNoun is the network interfaces of machines.
func interfaceNoun() noun {
	return noun{name: "interface", short: "Network interfaces of machines", role: "customer", verbs: []verb{
		interfaceCreate(), interfaceShow(), interfaceList(), interfaceDelete(), interfaceRoutes(),
	}}
}

// interfaceCreate orders an interface.
func interfaceCreate() verb {
	var network, subnet, address, attach, location string
	return verb{
		use: "create NAME", short: "Create an interface in a subnet, and attach it to a port of a compute host", args: [2]int{1, 1},
		example:  "  onramp interface create vm1-nic --network vnet1 --subnet default --address 10.1.0.4 --attach host1/vm1",
		required: []string{"network", "subnet"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&network, "network", "", "virtual network")
			f.StringVar(&subnet, "subnet", "", "subnet of the network")
			f.StringVar(&address, "address", "", "private address (default the next free one)")
			f.StringVar(&attach, "attach", "", "port of a compute node that the machine hangs on, NODE/PORT")
			f.StringVarP(&location, "location", "l", "", "region (default the resource group's)")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			loc, err := s.location(ctx, location)
			if err != nil {
				return err
			}
			n := armnetwork.Interface{Location: loc, Properties: &armnetwork.InterfacePropertiesFormat{
				IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{Name: to("ipconfig1"), Properties: interfaceConfig(s, network, subnet, address)}},
			}}
			if attach != "" {
				n.Tags = map[string]*string{"attachTo": &attach}
			}
			p, err := s.net.NewInterfacesClient().BeginCreateOrUpdate(ctx, s.group, args[0], n, nil)
			r, err := wait(ctx, s, "interface "+args[0], p, err)
			if err != nil {
				return done(err)
			}
			return showInterface(s, &r.Interface)
		},
	}
}

// interfaceConfig is the one configuration of an ordered interface.
func interfaceConfig(s *session, network, subnet, address string) *armnetwork.InterfaceIPConfigurationPropertiesFormat {
	method := armnetwork.IPAllocationMethodDynamic
	if address != "" {
		method = armnetwork.IPAllocationMethodStatic
	}
	return &armnetwork.InterfaceIPConfigurationPropertiesFormat{
		Primary:                   to(true),
		PrivateIPAddress:          ptr(address),
		PrivateIPAllocationMethod: &method,
		Subnet:                    &armnetwork.Subnet{ID: to(s.id("virtualNetworks", network) + "/subnets/" + subnet)},
	}
}

// interfaceShow describes one interface.
func interfaceShow() verb {
	return verb{
		use: "show NAME", short: "Describe an interface", args: [2]int{1, 1}, example: "  onramp interface show vm1-nic", complete: completeInterfaces,
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.net.NewInterfacesClient().Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			return showInterface(s, &r.Interface)
		},
	}
}

// showInterface prints an interface.
func showInterface(s *session, n *armnetwork.Interface) error {
	return describeFields(s, n, []field{
		{"name", val(n.Name)},
		{"location", val(n.Location)},
		{"address", interfaceAddress(n)},
		{"subnet", interfaceSubnet(n)},
		{"mac", val(n.Properties.MacAddress)},
		{"attached to", val(n.Tags["attachTo"])},
		{"provisioning", string(val(n.Properties.ProvisioningState))},
	})
}

// interfaceAddress is an interface's first private address.
func interfaceAddress(n *armnetwork.Interface) string {
	for _, c := range n.Properties.IPConfigurations {
		if c.Properties != nil {
			return val(c.Properties.PrivateIPAddress)
		}
	}
	return ""
}

// interfaceSubnet is the name of an interface's subnet.
func interfaceSubnet(n *armnetwork.Interface) string {
	for _, c := range n.Properties.IPConfigurations {
		if c.Properties != nil && c.Properties.Subnet != nil {
			return last(val(c.Properties.Subnet.ID))
		}
	}
	return ""
}

// interfaceList lists the group's interfaces.
func interfaceList() verb {
	return verb{
		use: "list", short: "List interfaces", example: "  onramp interface list",
		run: func(ctx context.Context, s *session, _ []string) error {
			ns, err := listInterfaces(ctx, s)
			if err != nil {
				return err
			}
			return emit(s, ns, columns[*armnetwork.Interface]{
				{"NAME", func(n *armnetwork.Interface) string { return val(n.Name) }},
				{"SUBNET", interfaceSubnet},
				{"ADDRESS", interfaceAddress},
				{"MAC", func(n *armnetwork.Interface) string { return val(n.Properties.MacAddress) }},
				{"ATTACHED TO", func(n *armnetwork.Interface) string { return val(n.Tags["attachTo"]) }},
				{"PROVISIONING", func(n *armnetwork.Interface) string { return string(val(n.Properties.ProvisioningState)) }},
			}, ns)
		},
	}
}

// listInterfaces reads the group's interfaces.
func listInterfaces(ctx context.Context, s *session) ([]*armnetwork.Interface, error) {
	return collect(ctx, s.net.NewInterfacesClient().NewListPager(s.group, nil),
		func(p armnetwork.InterfacesClientListResponse) []*armnetwork.Interface { return p.Value })
}

// completeInterfaces offers interface names.
func completeInterfaces(ctx context.Context, s *session, _ []string) ([]string, error) {
	ns, err := listInterfaces(ctx, s)
	var names []string
	for _, n := range ns {
		names = append(names, val(n.Name))
	}
	return names, err
}

// interfaceDelete deletes an interface.
func interfaceDelete() verb {
	return verb{
		use: "delete NAME", short: "Delete an interface", args: [2]int{1, 1}, example: "  onramp interface delete vm1-nic", complete: completeInterfaces,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewInterfacesClient().BeginDelete(ctx, s.group, args[0], nil)
			_, err = wait(ctx, s, "delete interface "+args[0], p, err)
			return done(err)
		},
	}
}

// interfaceRoutes prints an interface's effective routes.
func interfaceRoutes() verb {
	return verb{
		use: "routes NAME", short: "Show the routes that hold for an interface", args: [2]int{1, 1},
		example: "  onramp interface routes vm1-nic", complete: completeInterfaces,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewInterfacesClient().BeginGetEffectiveRouteTable(ctx, s.group, args[0], nil)
			r, err := wait(ctx, s, "effective routes", p, err)
			if err != nil {
				return done(err)
			}
			return emit(s, r.Value, columns[*armnetwork.EffectiveRoute]{
				{"SOURCE", func(e *armnetwork.EffectiveRoute) string { return string(val(e.Source)) }},
				{"STATE", func(e *armnetwork.EffectiveRoute) string { return string(val(e.State)) }},
				{"PREFIX", func(e *armnetwork.EffectiveRoute) string { return strs(e.AddressPrefix) }},
				{"NEXT HOP TYPE", func(e *armnetwork.EffectiveRoute) string { return string(val(e.NextHopType)) }},
				{"NEXT HOP", func(e *armnetwork.EffectiveRoute) string { return strs(e.NextHopIPAddress) }},
			}, r.Value)
		},
	}
}
