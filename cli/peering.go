package cli

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/spf13/pflag"
)

// peeringNoun is the routing domains on a circuit.
func peeringNoun() noun {
	return noun{name: "peering", short: "Peerings: the BGP sessions of a circuit", role: "customer", verbs: []verb{
		peeringCreate(), peeringShow(), peeringList(), peeringDelete(),
	}}
}

// peeringName is the ARM name of "private" or "microsoft", in any casing, long or short.
func peeringName(short string) (string, error) {
	switch strings.ToLower(short) {
	case "private", "azureprivatepeering":
		return string(armnetwork.ExpressRoutePeeringTypeAzurePrivatePeering), nil
	case "microsoft", "microsoftpeering":
		return string(armnetwork.ExpressRoutePeeringTypeMicrosoftPeering), nil
	}
	return "", usagef("peering %q: want private or microsoft", short)
}

// peeringFlags are the flags of a peering's order.
type peeringFlags struct {
	primary, secondary, keyFile string
	vlan                        int32
	asn                         int64
	disabled                    bool
}

// peeringCreate orders a peering, or replaces its settings.
func peeringCreate() verb {
	var o peeringFlags
	return verb{
		use: "create CIRCUIT [private]", short: "Configure a peering of a circuit, or change it", args: [2]int{1, 2},
		example:  "  onramp peering create chicago private --peer-asn 65001 --vlan 200 --primary 192.168.1.0/30 --secondary 192.168.1.4/30\n  onramp peering create chicago --peer-asn 65001 --vlan 200 --primary 192.168.1.0/30 --secondary 192.168.1.4/30 --shared-key-file md5.key",
		required: []string{"peer-asn", "vlan", "primary", "secondary"}, complete: completePeerings,
		flags: o.define,
		run:   func(ctx context.Context, s *session, args []string) error { return o.create(ctx, s, args) },
	}
}

// define adds the flags. The peer is the customer, or the provider where it manages the circuit.
func (o *peeringFlags) define(f *pflag.FlagSet) {
	f.Int64Var(&o.asn, "peer-asn", 0, "the autonomous system number of the customer, or of the provider that manages the circuit")
	f.Int32Var(&o.vlan, "vlan", 0, "customer tag (C-tag) of the peering, 1 to 4094")
	f.StringVar(&o.primary, "primary", "", "/30 of the primary link: the peer takes the first host, the edge the second")
	f.StringVar(&o.secondary, "secondary", "", "/30 of the secondary link")
	f.StringVar(&o.keyFile, "shared-key-file", "", "file with the TCP-MD5 key (or set ONRAMP_SHARED_KEY)")
	f.BoolVar(&o.disabled, "disabled", false, "keep the peering, but its sessions shut down")
}

// peering is the order that the flags, and the type that may be the second argument, make.
func (o *peeringFlags) peering(args []string) (*armnetwork.ExpressRouteCircuitPeeringPropertiesFormat, error) {
	name, err := peeringName(append(args, "private")[1])
	if err != nil {
		return nil, err
	}
	key, err := readSecret(o.keyFile, "ONRAMP_SHARED_KEY")
	if err != nil {
		return nil, err
	}
	state := armnetwork.ExpressRoutePeeringStateEnabled
	if o.disabled {
		state = armnetwork.ExpressRoutePeeringStateDisabled
	}
	return &armnetwork.ExpressRouteCircuitPeeringPropertiesFormat{
		PeeringType: to(armnetwork.ExpressRoutePeeringType(name)),
		State:       &state, PeerASN: &o.asn, VlanID: &o.vlan, SharedKey: ptr(key),
		PrimaryPeerAddressPrefix: &o.primary, SecondaryPeerAddressPrefix: &o.secondary,
	}, nil
}

// create sends the order.
func (o *peeringFlags) create(ctx context.Context, s *session, args []string) error {
	order, err := o.peering(args)
	if err != nil {
		return err
	}
	name := string(*order.PeeringType)
	p, err := s.net.NewExpressRouteCircuitPeeringsClient().BeginCreateOrUpdate(ctx, s.group, args[0], name, armnetwork.ExpressRouteCircuitPeering{Properties: order}, nil)
	r, err := wait(ctx, s, "peering "+name+" of "+args[0], p, err)
	if err != nil {
		return done(err)
	}
	return showPeering(s, &r.ExpressRouteCircuitPeering)
}

// peeringShow describes one peering.
func peeringShow() verb {
	return verb{
		use: "show CIRCUIT [private]", short: "Describe a peering", args: [2]int{1, 2},
		example: "  onramp peering show chicago private", complete: completePeerings,
		run: func(ctx context.Context, s *session, args []string) error {
			name, err := peeringName(append(args, "private")[1])
			if err != nil {
				return err
			}
			r, err := s.net.NewExpressRouteCircuitPeeringsClient().Get(ctx, s.group, args[0], name, nil)
			if err != nil {
				return err
			}
			return showPeering(s, &r.ExpressRouteCircuitPeering)
		},
	}
}

// showPeering prints a peering.
func showPeering(s *session, p *armnetwork.ExpressRouteCircuitPeering) error {
	q := p.Properties
	if q == nil {
		q = &armnetwork.ExpressRouteCircuitPeeringPropertiesFormat{}
	}
	return describeFields(s, p, []field{
		{"name", val(p.Name)},
		{"state", string(val(q.State))},
		{"vlan", number(q.VlanID)},
		{"peer asn", number(q.PeerASN)},
		{"azure asn", number(q.AzureASN)},
		{"primary", val(q.PrimaryPeerAddressPrefix)},
		{"secondary", val(q.SecondaryPeerAddressPrefix)},
		{"primary port", val(q.PrimaryAzurePort)},
		{"secondary port", val(q.SecondaryAzurePort)},
		{"last modified by", val(q.LastModifiedBy)},
		{"provisioning", string(val(q.ProvisioningState))},
	})
}

// peeringList lists a circuit's peerings.
func peeringList() verb {
	return verb{
		use: "list CIRCUIT", short: "List a circuit's peerings", args: [2]int{1, 1},
		example: "  onramp peering list chicago", complete: completeCircuits,
		run: func(ctx context.Context, s *session, args []string) error {
			ps, err := collect(ctx, s.net.NewExpressRouteCircuitPeeringsClient().NewListPager(s.group, args[0], nil),
				func(p armnetwork.ExpressRouteCircuitPeeringsClientListResponse) []*armnetwork.ExpressRouteCircuitPeering {
					return p.Value
				})
			if err != nil {
				return err
			}
			return emit(s, ps, columns[*armnetwork.ExpressRouteCircuitPeering]{
				{"NAME", func(p *armnetwork.ExpressRouteCircuitPeering) string { return val(p.Name) }},
				{"STATE", func(p *armnetwork.ExpressRouteCircuitPeering) string { return string(val(p.Properties.State)) }},
				{"VLAN", func(p *armnetwork.ExpressRouteCircuitPeering) string { return number(p.Properties.VlanID) }},
				{"PEER ASN", func(p *armnetwork.ExpressRouteCircuitPeering) string { return number(p.Properties.PeerASN) }},
				{"PRIMARY", func(p *armnetwork.ExpressRouteCircuitPeering) string {
					return val(p.Properties.PrimaryPeerAddressPrefix)
				}},
				{"SECONDARY", func(p *armnetwork.ExpressRouteCircuitPeering) string {
					return val(p.Properties.SecondaryPeerAddressPrefix)
				}},
				{"PROVISIONING", func(p *armnetwork.ExpressRouteCircuitPeering) string {
					return string(val(p.Properties.ProvisioningState))
				}},
			}, ps)
		},
	}
}

// peeringDelete removes a peering.
func peeringDelete() verb {
	return verb{
		use: "delete CIRCUIT [private]", short: "Remove a peering from a circuit", args: [2]int{1, 2},
		example: "  onramp peering delete chicago private", complete: completePeerings,
		run: func(ctx context.Context, s *session, args []string) error {
			name, err := peeringName(append(args, "private")[1])
			if err != nil {
				return err
			}
			p, err := s.net.NewExpressRouteCircuitPeeringsClient().BeginDelete(ctx, s.group, args[0], name, nil)
			_, err = wait(ctx, s, "delete peering "+name+" of "+args[0], p, err)
			return done(err)
		},
	}
}

// completePeerings offers circuits, then peering types.
func completePeerings(ctx context.Context, s *session, args []string) ([]string, error) {
	if len(args) == 0 {
		return completeCircuits(ctx, s, args)
	}
	return []string{"private", "microsoft"}, nil
}
