package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"

	"onramp/resource"
)

// crossConnectionNoun is the provider's view of the circuits ordered from it.
func crossConnectionNoun() noun {
	return noun{name: "crossconnection", short: "Cross connections: a provider's side of the circuits ordered from it", role: "provider", verbs: []verb{
		crossConnectionProvision(), crossConnectionShow(), crossConnectionList(), crossConnectionDeprovision(), crossConnectionSetPeering(), crossConnectionDeletePeering(),
	}}
}

// crossConnectionList lists the provider's cross connections.
func crossConnectionList() verb {
	return verb{
		use: "list", short: "List the circuits ordered from this provider, by service key", example: "  onramp crossconnection list",
		run: func(ctx context.Context, s *session, _ []string) error {
			xs, err := listCrossConnections(ctx, s)
			if err != nil {
				return err
			}
			return emit(s, xs, columns[*armnetwork.ExpressRouteCrossConnection]{
				{"SERVICE KEY", func(x *armnetwork.ExpressRouteCrossConnection) string { return val(x.Name) }},
				{"PEERING LOCATION", func(x *armnetwork.ExpressRouteCrossConnection) string { return val(x.Properties.PeeringLocation) }},
				{"BANDWIDTH", func(x *armnetwork.ExpressRouteCrossConnection) string { return mbps(val(x.Properties.BandwidthInMbps)) }},
				{"PROVIDER STATE", func(x *armnetwork.ExpressRouteCrossConnection) string {
					return string(val(x.Properties.ServiceProviderProvisioningState))
				}},
				{"PROVISIONING", func(x *armnetwork.ExpressRouteCrossConnection) string {
					return string(val(x.Properties.ProvisioningState))
				}},
			}, xs)
		},
	}
}

// listCrossConnections reads all cross connections of the provider's subscription.
func listCrossConnections(ctx context.Context, s *session) ([]*armnetwork.ExpressRouteCrossConnection, error) {
	return collect(ctx, s.net.NewExpressRouteCrossConnectionsClient().NewListPager(nil),
		func(p armnetwork.ExpressRouteCrossConnectionsClientListResponse) []*armnetwork.ExpressRouteCrossConnection {
			return p.Value
		})
}

// findCrossConnection finds a cross connection by its service key, whatever its group. The list leaves out ports and tags, the read of one
// has them.
func findCrossConnection(ctx context.Context, s *session, key string) (*armnetwork.ExpressRouteCrossConnection, string, error) {
	xs, err := listCrossConnections(ctx, s)
	if err != nil {
		return nil, "", err
	}
	for _, x := range xs {
		if strings.EqualFold(val(x.Name), key) {
			id, err := resource.ParseID(val(x.ID))
			if err != nil {
				return nil, "", err
			}
			r, err := s.net.NewExpressRouteCrossConnectionsClient().Get(ctx, id.Group, id.Name(), nil)
			return &r.ExpressRouteCrossConnection, id.Group, err
		}
	}
	return nil, "", fmt.Errorf("ResourceNotFound: no cross connection with the service key %s is this provider's (key)", key)
}

// completeKeys offers service keys.
func completeKeys(ctx context.Context, s *session, _ []string) ([]string, error) {
	xs, err := listCrossConnections(ctx, s)
	var keys []string
	for _, x := range xs {
		keys = append(keys, val(x.Name))
	}
	return keys, err
}

// crossConnectionShow describes one cross connection.
func crossConnectionShow() verb {
	return verb{
		use: "show KEY", short: "Describe a cross connection", args: [2]int{1, 1},
		example: "  onramp crossconnection show 7f1c0000-0000-0000-0000-000000000000", complete: completeKeys,
		run: func(ctx context.Context, s *session, args []string) error {
			x, _, err := findCrossConnection(ctx, s, args[0])
			if err != nil {
				return err
			}
			return showCrossConnection(s, x)
		},
	}
}

// showCrossConnection prints a cross connection.
func showCrossConnection(s *session, x *armnetwork.ExpressRouteCrossConnection) error {
	p := x.Properties
	if p == nil {
		p = &armnetwork.ExpressRouteCrossConnectionProperties{}
	}
	fields := []field{
		{"service key", val(x.Name)},
		{"peering location", val(p.PeeringLocation)},
		{"bandwidth", mbps(val(p.BandwidthInMbps))},
		{"s-tag", number(p.STag)},
		{"primary port", val(p.PrimaryAzurePort)},
		{"secondary port", val(p.SecondaryAzurePort)},
		{"primary hand-off", val(x.Tags["primaryHandoff"])},
		{"secondary hand-off", val(x.Tags["secondaryHandoff"])},
	}
	for _, site := range [][2]string{{"primary site", "primarySite"}, {"secondary site", "secondarySite"}} {
		if text := val(x.Tags[site[1]]); text != "" {
			fields = append(fields, field{site[0], text})
		}
	}
	fields = append(fields, []field{
		{"provider state", string(val(p.ServiceProviderProvisioningState))},
		{"provider notes", val(p.ServiceProviderNotes)},
		{"provisioning", string(val(p.ProvisioningState))},
	}...)
	for _, q := range p.Peerings {
		if q.Properties != nil {
			fields = append(fields, field{"peering", fmt.Sprintf("%s  vlan %s  peer AS %s", val(q.Name), number(q.Properties.VlanID), number(q.Properties.PeerASN))})
		}
	}
	return describeFields(s, x, fields)
}

// crossConnectionProvision hands a circuit over to its customer.
func crossConnectionProvision() verb {
	var primary, secondary, primarySite, secondarySite, notes string
	return verb{
		use: "provision KEY", short: "Provision a circuit: connect it to the customer's ports and say so", args: [2]int{1, 1},
		example:  "  onramp crossconnection provision 7f1c0000-0000-0000-0000-000000000000 --primary xchg1/ce1 --secondary xchg1/ce2\n  onramp crossconnection provision KEY --primary xchg1/ce1:tagged --secondary xchg1/ce2:tagged --notes 'cage 12'\n  onramp crossconnection provision KEY --primary xchg1/ce1:vc=101 --secondary xchg1/ce1:vc=102\n  onramp crossconnection provision KEY --primary pe1/s1:l3 --primary-site '172.16.0.1/30 bgp 172.16.0.2 65001'",
		complete: completeKeys,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&primary, "primary", "", "customer port of the primary link: NODE/PORT for an untagged one, NODE/PORT:tagged for every peering by its tag, NODE/PORT:vc=TAG for a virtual circuit with that outer tag, NODE/PORT:l3 on a router")
			f.StringVar(&secondary, "secondary", "", "customer port of the secondary link; virtual circuits may share a port")
			f.StringVar(&primarySite, "primary-site", "", "what is behind a primary hand-off at layer 3: 'ADDRESS/LENGTH bgp PEER ASN' or 'ADDRESS/LENGTH static NEXTHOP PREFIX…'")
			f.StringVar(&secondarySite, "secondary-site", "", "what is behind a secondary one")
			f.StringVar(&notes, "notes", "", "remark that the customer sees")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			x, group, err := findCrossConnection(ctx, s, args[0])
			if err != nil {
				return err
			}
			setTag(x, "primaryHandoff", primary)
			setTag(x, "secondaryHandoff", secondary)
			setTag(x, "primarySite", primarySite)
			setTag(x, "secondarySite", secondarySite)
			if notes != "" {
				x.Properties.ServiceProviderNotes = &notes
			}
			return done(setProviderState(ctx, s, x, group, armnetwork.ServiceProviderProvisioningStateProvisioned))
		},
	}
}

// crossConnectionSetPeering configures a peering as the provider, of a circuit it manages at layer 3.
func crossConnectionSetPeering() verb {
	var o peeringFlags
	return verb{
		use: "set-peering KEY [private]", short: "Configure a peering of a circuit that this provider manages at layer 3", args: [2]int{1, 2},
		example:  "  onramp crossconnection set-peering KEY --peer-asn 64900 --vlan 100 --primary 192.168.1.0/30 --secondary 192.168.1.4/30",
		required: []string{"peer-asn", "vlan", "primary", "secondary"}, complete: completeKeys,
		flags: o.define,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := o.peering(args)
			if err != nil {
				return err
			}
			x, group, err := findCrossConnection(ctx, s, args[0])
			if err != nil {
				return err
			}
			poller, err := s.net.NewExpressRouteCrossConnectionPeeringsClient().BeginCreateOrUpdate(ctx, group, val(x.Name), string(*p.PeeringType),
				armnetwork.ExpressRouteCrossConnectionPeering{Properties: &armnetwork.ExpressRouteCrossConnectionPeeringProperties{
					PeeringType: p.PeeringType, State: p.State, PeerASN: p.PeerASN, VlanID: p.VlanID, SharedKey: p.SharedKey,
					PrimaryPeerAddressPrefix: p.PrimaryPeerAddressPrefix, SecondaryPeerAddressPrefix: p.SecondaryPeerAddressPrefix,
				}}, nil)
			if _, err = wait(ctx, s, "peering "+string(*p.PeeringType)+" of "+val(x.Name), poller, err); err != nil {
				return done(err)
			}
			x, _, err = findCrossConnection(ctx, s, args[0])
			if err != nil {
				return err
			}
			return showCrossConnection(s, x)
		},
	}
}

// crossConnectionDeletePeering removes a peering that the provider configured.
func crossConnectionDeletePeering() verb {
	return verb{
		use: "delete-peering KEY [private]", short: "Remove a peering that this provider configured", args: [2]int{1, 2},
		example: "  onramp crossconnection delete-peering KEY", complete: completeKeys,
		run: func(ctx context.Context, s *session, args []string) error {
			name, err := peeringName(append(args, "private")[1])
			if err != nil {
				return err
			}
			x, group, err := findCrossConnection(ctx, s, args[0])
			if err != nil {
				return err
			}
			p, err := s.net.NewExpressRouteCrossConnectionPeeringsClient().BeginDelete(ctx, group, val(x.Name), name, nil)
			_, err = wait(ctx, s, "delete peering "+name+" of "+val(x.Name), p, err)
			return done(err)
		},
	}
}

// setTag sets a tag that has a value.
func setTag(x *armnetwork.ExpressRouteCrossConnection, name, value string) {
	if value == "" {
		return
	}
	if x.Tags == nil {
		x.Tags = map[string]*string{}
	}
	x.Tags[name] = &value
}

// crossConnectionDeprovision takes a circuit back.
func crossConnectionDeprovision() verb {
	return verb{
		use: "deprovision KEY", short: "Take a circuit off the customer's ports, so that it can be deleted", args: [2]int{1, 1},
		example: "  onramp crossconnection deprovision 7f1c0000-0000-0000-0000-000000000000", complete: completeKeys,
		run: func(ctx context.Context, s *session, args []string) error {
			x, group, err := findCrossConnection(ctx, s, args[0])
			if err != nil {
				return err
			}
			return done(setProviderState(ctx, s, x, group, armnetwork.ServiceProviderProvisioningStateNotProvisioned))
		},
	}
}

// setProviderState writes the provider's state and prints what became of it.
func setProviderState(ctx context.Context, s *session, x *armnetwork.ExpressRouteCrossConnection, group string, state armnetwork.ServiceProviderProvisioningState) error {
	x.Properties.ServiceProviderProvisioningState = &state
	p, err := s.net.NewExpressRouteCrossConnectionsClient().BeginCreateOrUpdate(ctx, group, val(x.Name), *x, nil)
	r, err := wait(ctx, s, "cross connection "+val(x.Name), p, err)
	if err != nil {
		return err
	}
	return showCrossConnection(s, &r.ExpressRouteCrossConnection)
}
