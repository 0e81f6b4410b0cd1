package cli

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"
)

// connectionNoun is the links between circuits and gateways.
func connectionNoun() noun {
	return noun{name: "connection", short: "Connections: a circuit linked to a virtual network's gateway", role: "customer", verbs: []verb{
		connectionCreate(), connectionShow(), connectionList(), connectionDelete(),
	}}
}

// connectionCreate links a circuit to a gateway.
func connectionCreate() verb {
	var gateway, circuit, keyFile, location string
	var weight int32
	return verb{
		use: "create NAME", short: "Connect a gateway to a circuit", args: [2]int{1, 1},
		example:  "  onramp connection create link1 --gateway gw1 --circuit chicago\n  onramp connection create link1 --gateway gw1 --circuit /subscriptions/…/expressRouteCircuits/theirs --authorization-key-file key",
		required: []string{"gateway", "circuit"},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&gateway, "gateway", "", "gateway of the virtual network")
			f.StringVar(&circuit, "circuit", "", "circuit, by name in this group or by id")
			f.Int32Var(&weight, "routing-weight", 0, "higher is preferred among connections of one gateway")
			f.StringVar(&keyFile, "authorization-key-file", "", "file with the key of another subscription's circuit (or set ONRAMP_AUTHORIZATION_KEY)")
			f.StringVarP(&location, "location", "l", "", "region (default the resource group's)")
		},
		run: func(ctx context.Context, s *session, args []string) error {
			key, err := readSecret(keyFile, "ONRAMP_AUTHORIZATION_KEY")
			if err != nil {
				return err
			}
			loc, err := s.location(ctx, location)
			if err != nil {
				return err
			}
			if circuit[:1] != "/" {
				circuit = s.id("expressRouteCircuits", circuit)
			}
			p, err := s.net.NewVirtualNetworkGatewayConnectionsClient().BeginCreateOrUpdate(ctx, s.group, args[0], armnetwork.VirtualNetworkGatewayConnection{
				Location: loc,
				Properties: &armnetwork.VirtualNetworkGatewayConnectionPropertiesFormat{
					ConnectionType:         to(armnetwork.VirtualNetworkGatewayConnectionTypeExpressRoute),
					VirtualNetworkGateway1: &armnetwork.VirtualNetworkGateway{ID: to(s.id("virtualNetworkGateways", gateway)), Properties: &armnetwork.VirtualNetworkGatewayPropertiesFormat{}},
					Peer:                   &armnetwork.SubResource{ID: &circuit},
					RoutingWeight:          &weight,
					AuthorizationKey:       ptr(key),
				},
			}, nil)
			r, err := wait(ctx, s, "connection "+args[0], p, err)
			if err != nil {
				return done(err)
			}
			return showConnection(s, &r.VirtualNetworkGatewayConnection)
		},
	}
}

// connectionShow describes one connection.
func connectionShow() verb {
	return verb{
		use: "show NAME", short: "Describe a connection", args: [2]int{1, 1}, example: "  onramp connection show link1", complete: completeConnections,
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.net.NewVirtualNetworkGatewayConnectionsClient().Get(ctx, s.group, args[0], nil)
			if err != nil {
				return err
			}
			return showConnection(s, &r.VirtualNetworkGatewayConnection)
		},
	}
}

// showConnection prints a connection.
func showConnection(s *session, c *armnetwork.VirtualNetworkGatewayConnection) error {
	p := c.Properties
	return describeFields(s, c, []field{
		{"name", val(c.Name)},
		{"gateway", connectionGateway(c)},
		{"circuit", connectionCircuit(c)},
		{"routing weight", number(p.RoutingWeight)},
		{"status", string(val(p.ConnectionStatus))},
		{"bytes in", number(p.IngressBytesTransferred)},
		{"bytes out", number(p.EgressBytesTransferred)},
		{"provisioning", string(val(p.ProvisioningState))},
	})
}

// connectionGateway is the name of a connection's gateway.
func connectionGateway(c *armnetwork.VirtualNetworkGatewayConnection) string {
	if c.Properties.VirtualNetworkGateway1 == nil {
		return ""
	}
	return last(val(c.Properties.VirtualNetworkGateway1.ID))
}

// connectionCircuit is the name of a connection's circuit.
func connectionCircuit(c *armnetwork.VirtualNetworkGatewayConnection) string {
	if c.Properties.Peer == nil {
		return ""
	}
	return last(val(c.Properties.Peer.ID))
}

// connectionList lists the group's connections.
func connectionList() verb {
	return verb{
		use: "list", short: "List connections", example: "  onramp connection list",
		run: func(ctx context.Context, s *session, _ []string) error {
			cs, err := listConnections(ctx, s)
			if err != nil {
				return err
			}
			return emit(s, cs, columns[*armnetwork.VirtualNetworkGatewayConnection]{
				{"NAME", func(c *armnetwork.VirtualNetworkGatewayConnection) string { return val(c.Name) }},
				{"GATEWAY", connectionGateway},
				{"CIRCUIT", connectionCircuit},
				{"WEIGHT", func(c *armnetwork.VirtualNetworkGatewayConnection) string { return number(c.Properties.RoutingWeight) }},
				{"STATUS", func(c *armnetwork.VirtualNetworkGatewayConnection) string {
					return string(val(c.Properties.ConnectionStatus))
				}},
				{"PROVISIONING", func(c *armnetwork.VirtualNetworkGatewayConnection) string {
					return string(val(c.Properties.ProvisioningState))
				}},
			}, cs)
		},
	}
}

// listConnections reads the group's connections.
func listConnections(ctx context.Context, s *session) ([]*armnetwork.VirtualNetworkGatewayConnection, error) {
	return collect(ctx, s.net.NewVirtualNetworkGatewayConnectionsClient().NewListPager(s.group, nil),
		func(p armnetwork.VirtualNetworkGatewayConnectionsClientListResponse) []*armnetwork.VirtualNetworkGatewayConnection {
			return p.Value
		})
}

// completeConnections offers connection names.
func completeConnections(ctx context.Context, s *session, _ []string) ([]string, error) {
	cs, err := listConnections(ctx, s)
	var names []string
	for _, c := range cs {
		names = append(names, val(c.Name))
	}
	return names, err
}

// connectionDelete deletes a connection.
func connectionDelete() verb {
	return verb{
		use: "delete NAME", short: "Take a circuit off a gateway", args: [2]int{1, 1},
		example: "  onramp connection delete link1", complete: completeConnections,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewVirtualNetworkGatewayConnectionsClient().BeginDelete(ctx, s.group, args[0], nil)
			_, err = wait(ctx, s, "delete connection "+args[0], p, err)
			return done(err)
		},
	}
}
