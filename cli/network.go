package cli

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"
)

// networkNoun is the virtual networks.
func networkNoun() noun {
	return noun{name: "network", short: "Virtual networks and their subnets", role: "customer", verbs: []verb{
		networkCreate(), networkShow(), networkList(), networkUpdate(), networkDelete(),
	}}
}

// networkCreate orders a virtual network.
func networkCreate() verb {
	var prefixes, subnets []string
	var location string
	return verb{
		use: "create NAME", short: "Create a virtual network with its subnets", args: [2]int{1, 1},
		example:  "  onramp network create vnet1 --address-prefix 10.1.0.0/16 --subnet default=10.1.0.0/24 --subnet GatewaySubnet=10.1.255.0/27",
		required: []string{"address-prefix"},
		flags: func(f *pflag.FlagSet) {
			f.StringSliceVar(&prefixes, "address-prefix", nil, "address space; may be given again")
			f.StringSliceVar(&subnets, "subnet", nil, "NAME=PREFIX; may be given again")
			f.StringVarP(&location, "location", "l", "", "region (default the resource group's)")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			subs, err := parseSubnets(subnets)
			if err != nil {
				return err
			}
			loc, err := s.location(ctx, location)
			if err != nil {
				return err
			}
			return putNetwork(ctx, s, args[0], armnetwork.VirtualNetwork{
				Location: loc,
				Properties: &armnetwork.VirtualNetworkPropertiesFormat{
					AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: pointers(prefixes)},
					Subnets:      subs,
				},
			})
		},
	}
}

// putNetwork writes a network and prints it.
func putNetwork(ctx context.Context, s *session, name string, n armnetwork.VirtualNetwork) error {
	p, err := s.net.NewVirtualNetworksClient().BeginCreateOrUpdate(ctx, s.group, name, n, nil)
	r, err := wait(ctx, s, "network "+name, p, err)
	if err != nil {
		return done(err)
	}
	return showNetwork(s, &r.VirtualNetwork)
}

// parseSubnets reads NAME=PREFIX words.
func parseSubnets(words []string) ([]*armnetwork.Subnet, error) {
	var subs []*armnetwork.Subnet
	for _, w := range words {
		name, prefix, ok := strings.Cut(w, "=")
		if !ok || name == "" || prefix == "" {
			return nil, usagef("--subnet %q: want NAME=PREFIX", w)
		}
		subs = append(subs, &armnetwork.Subnet{
			Name:       &name,
			Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: &prefix},
		})
	}
	return subs, nil
}

// pointers is a list of pointers to the strings.
func pointers(ss []string) []*string {
	var ps []*string
	for _, s := range ss {
		ps = append(ps, &s)
	}
	return ps
}

// networkShow describes one network.
func networkShow() verb {
	return verb{
		use: "show NAME", short: "Describe a virtual network", args: [2]int{1, 1},
		example: "  onramp network show vnet1", complete: completeNetworks,
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.net.NewVirtualNetworksClient().Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			return showNetwork(s, &r.VirtualNetwork)
		},
	}
}

// showNetwork prints a network.
func showNetwork(s *session, n *armnetwork.VirtualNetwork) error {
	fields := []field{
		{"name", val(n.Name)},
		{"location", val(n.Location)},
		{"address space", networkSpace(n)},
		{"provisioning", string(val(n.Properties.ProvisioningState))},
	}
	for _, sub := range n.Properties.Subnets {
		fields = append(fields, field{"subnet", val(sub.Name) + "  " + subnetPrefixes(sub)})
	}
	return describeFields(s, n, fields)
}

// networkSpace is a network's address space on one line.
func networkSpace(n *armnetwork.VirtualNetwork) string {
	if n.Properties == nil || n.Properties.AddressSpace == nil {
		return ""
	}
	return strs(n.Properties.AddressSpace.AddressPrefixes)
}

// subnetPrefixes is a subnet's prefixes on one line.
func subnetPrefixes(s *armnetwork.Subnet) string {
	if s.Properties == nil {
		return ""
	}
	if len(s.Properties.AddressPrefixes) > 0 {
		return strs(s.Properties.AddressPrefixes)
	}
	return val(s.Properties.AddressPrefix)
}

// networkList lists the group's networks.
func networkList() verb {
	return verb{
		use: "list", short: "List virtual networks", example: "  onramp network list",
		run: func(ctx context.Context, s *session, _ []string) error {
			ns, err := listNetworks(ctx, s)
			if err != nil {
				return err
			}
			return emit(s, ns, columns[*armnetwork.VirtualNetwork]{
				{"NAME", func(n *armnetwork.VirtualNetwork) string { return val(n.Name) }},
				{"LOCATION", func(n *armnetwork.VirtualNetwork) string { return val(n.Location) }},
				{"ADDRESS SPACE", networkSpace},
				{"SUBNETS", func(n *armnetwork.VirtualNetwork) string {
					var names []string
					for _, sub := range n.Properties.Subnets {
						names = append(names, val(sub.Name))
					}
					return strings.Join(names, " ")
				}},
				{"PROVISIONING", func(n *armnetwork.VirtualNetwork) string { return string(val(n.Properties.ProvisioningState)) }},
			}, ns)
		},
	}
}

// listNetworks reads the group's networks.
func listNetworks(ctx context.Context, s *session) ([]*armnetwork.VirtualNetwork, error) {
	return collect(ctx, s.net.NewVirtualNetworksClient().NewListPager(s.group, nil),
		func(p armnetwork.VirtualNetworksClientListResponse) []*armnetwork.VirtualNetwork { return p.Value })
}

// completeNetworks offers network names.
func completeNetworks(ctx context.Context, s *session, _ []string) ([]string, error) {
	ns, err := listNetworks(ctx, s)
	var names []string
	for _, n := range ns {
		names = append(names, val(n.Name))
	}
	return names, err
}

// networkUpdate changes a network's address space and subnets.
func networkUpdate() verb {
	var prefixes, subnets, remove []string
	return verb{
		use: "update NAME", short: "Add or remove address space and subnets", args: [2]int{1, 1},
		example: "  onramp network update vnet1 --subnet apps=10.1.4.0/24\n  onramp network update vnet1 --remove-subnet apps", complete: completeNetworks,
		flags: func(f *pflag.FlagSet) {
			f.StringSliceVar(&prefixes, "address-prefix", nil, "address space to add")
			f.StringSliceVar(&subnets, "subnet", nil, "NAME=PREFIX to add or change")
			f.StringSliceVar(&remove, "remove-subnet", nil, "NAME to remove")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			n, err := s.net.NewVirtualNetworksClient().Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			subs, err := parseSubnets(subnets)
			if err != nil {
				return err
			}
			p := n.Properties
			p.AddressSpace.AddressPrefixes = append(p.AddressSpace.AddressPrefixes, pointers(prefixes)...)
			p.Subnets = mergeSubnets(p.Subnets, subs, remove)
			return putNetwork(ctx, s, args[0], n.VirtualNetwork)
		},
	}
}

// mergeSubnets is have without the names in remove, with those in put added or replaced.
func mergeSubnets(have, put []*armnetwork.Subnet, remove []string) []*armnetwork.Subnet {
	for _, p := range put {
		remove = append(remove, val(p.Name))
	}
	out := []*armnetwork.Subnet{}
	for _, h := range have {
		gone := false
		for _, r := range remove {
			gone = gone || strings.EqualFold(r, val(h.Name))
		}
		if !gone {
			out = append(out, h)
		}
	}
	return append(out, put...)
}

// networkDelete deletes a network.
func networkDelete() verb {
	return verb{
		use: "delete NAME", short: "Delete a virtual network that nothing uses", args: [2]int{1, 1},
		example: "  onramp network delete vnet1", complete: completeNetworks,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewVirtualNetworksClient().BeginDelete(ctx, s.group, args[0], nil)
			_, err = wait(ctx, s, "delete network "+args[0], p, err)
			return done(err)
		},
	}
}
