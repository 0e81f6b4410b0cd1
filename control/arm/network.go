package arm

import (
	"net/http"
	"net/netip"
	"strconv"

	"onramp/resource"
)

const (
	networkType = "virtualNetworks"
	// Every tunnel network identifier is a multiple of vniStride: a connection needs one per pair of edge router and gateway instance.
	vniStride = 4
	firstVNI  = 1000
	lastVNI   = 16777215
)

type networkWire struct {
	headWire
	Properties *networkProps `json:"properties,omitempty"`
}

type networkProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	ResourceGUID      string                     `json:"resourceGuid,omitempty"`
	AddressSpace      *spaceWire                 `json:"addressSpace,omitempty"`
	DHCP              *dhcpWire                  `json:"dhcpOptions,omitempty"`
	Subnets           *[]subnetWire              `json:"subnets,omitempty"`
	Peerings          *[]childWire               `json:"virtualNetworkPeerings,omitempty"`
	DDoS              *bool                      `json:"enableDdosProtection,omitempty"`
	EndpointPolicies  string                     `json:"privateEndpointVNetPolicies,omitempty"`
}

type spaceWire struct {
	Prefixes []string `json:"addressPrefixes"`
}

type dhcpWire struct {
	DNSServers []string `json:"dnsServers"`
}

type subnetWire struct {
	childWire
	Properties *subnetProps `json:"properties,omitempty"`
}

type subnetProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	Prefix            *string                    `json:"addressPrefix,omitempty"`
	Prefixes          []string                   `json:"addressPrefixes,omitempty"`
	SecurityGroup     *refWire                   `json:"networkSecurityGroup,omitempty"`
	RouteTable        *refWire                   `json:"routeTable,omitempty"`
	NAT               *refWire                   `json:"natGateway,omitempty"`
	Endpoints         *[]any                     `json:"serviceEndpoints,omitempty"`
	Delegations       *[]any                     `json:"delegations,omitempty"`
	DefaultOutbound   *bool                      `json:"defaultOutboundAccess,omitempty"`
	EndpointPolicies  string                     `json:"privateEndpointNetworkPolicies,omitempty"`
	LinkPolicies      string                     `json:"privateLinkServiceNetworkPolicies,omitempty"`
}

func networks() noun[*resource.Network] {
	return noun[*resource.Network]{
		typ: networkType, kind: resource.KindNetwork,
		blank: func(h resource.Head) *resource.Network { return &resource.Network{Meta: h} },
		wire:  func(_ *view, n *resource.Network) any { return networkOut(n) },
		apply: applyNetwork,
		drop:  func(w *write[*resource.Network]) error { return w.world.CheckNetworkDelete(w.old) },
	}
}

func applyNetwork(w *write[*resource.Network]) error {
	var in networkWire
	if err := decode(w.body, &in); err != nil {
		return err
	}
	n := w.new
	if err := in.apply(&n.Meta, w.exists); err != nil {
		return err
	}
	if p := in.Properties; p != nil {
		if err := p.apply(n); err != nil {
			return err
		}
	}
	if err := w.world.CheckNetwork(w.old, n); err != nil {
		return err
	}
	if w.exists {
		return nil
	}
	var err error
	n.Status.VNI, err = w.claimVNI(n.Meta.ID)
	return err
}

// claimVNI takes a multiple of vniStride for an owner.
func (d *draft) claimVNI(owner resource.ID) (uint32, error) {
	n, err := d.claim("vni", firstVNI/vniStride, lastVNI/vniStride, owner)
	return uint32(n) * vniStride, err
}

func (p *networkProps) apply(n *resource.Network) error {
	if p.Peerings != nil && len(*p.Peerings) > 0 {
		return missing("Peerings of virtual networks (properties.virtualNetworkPeerings)")
	}
	if p.AddressSpace != nil {
		space, err := prefixesIn(p.AddressSpace.Prefixes, "properties.addressSpace.addressPrefixes")
		if err != nil {
			return err
		}
		n.AddressSpace = space
	}
	if p.DHCP != nil {
		n.DNSServers = p.DHCP.DNSServers
	}
	if p.Subnets == nil {
		return nil
	}
	var all []resource.Subnet
	for i, in := range *p.Subnets {
		s := resource.Subnet{Name: in.Name}
		if old := n.Subnet(in.Name); old != nil {
			s = *old
		}
		if err := in.Properties.apply(&s, "properties.subnets["+strconv.Itoa(i)+"].properties"); err != nil {
			return err
		}
		all = append(all, s)
	}
	n.Subnets = all
	return nil
}

func prefixesIn(in []string, target string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for i, s := range in {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, badField(target+"["+strconv.Itoa(i)+"]", "InvalidAddressPrefixFormat", "'%s' is not an address prefix such as 10.0.0.0/16.", s)
		}
		all = append(all, p)
	}
	return all, nil
}

// apply takes over a subnet's prefixes, in either spelling; absent ones stay.
func (p *subnetProps) apply(s *resource.Subnet, field string) error {
	if p == nil {
		p = &subnetProps{}
	}
	for name, r := range map[string]*refWire{"networkSecurityGroup": p.SecurityGroup, "routeTable": p.RouteTable, "natGateway": p.NAT} {
		if r != nil && r.ID != "" {
			return missing("A subnet's " + name + " (" + field + "." + name + ")")
		}
	}
	list, target := p.Prefixes, field+".addressPrefixes"
	if len(list) == 0 && p.Prefix != nil {
		list, target = []string{*p.Prefix}, field+".addressPrefix"
	}
	if len(list) > 0 {
		prefixes, err := prefixesIn(list, target)
		if err != nil {
			return err
		}
		s.Prefixes = prefixes
	}
	s.State = resource.Updating
	return nil
}

func networkOut(n *resource.Network) networkWire {
	subnets := []subnetWire{}
	for i := range n.Subnets {
		subnets = append(subnets, subnetOut(n, &n.Subnets[i]))
	}
	return networkWire{headWire: headOut(&n.Meta, networkType), Properties: &networkProps{
		ProvisioningState: n.Meta.State, ResourceGUID: n.Meta.GUID, AddressSpace: &spaceWire{prefixesOut(n.AddressSpace)},
		DHCP: &dhcpWire{append([]string{}, n.DNSServers...)}, Subnets: &subnets, Peerings: &[]childWire{}, DDoS: ptr(false), EndpointPolicies: "Disabled",
	}}
}

func prefixesOut(in []netip.Prefix) []string {
	out := []string{}
	for _, p := range in {
		out = append(out, p.String())
	}
	return out
}

func subnetOut(n *resource.Network, s *resource.Subnet) subnetWire {
	p := &subnetProps{
		ProvisioningState: s.State, Prefixes: prefixesOut(s.Prefixes), Endpoints: &[]any{}, Delegations: &[]any{}, DefaultOutbound: ptr(true),
		EndpointPolicies: "Disabled", LinkPolicies: "Enabled",
	}
	if len(s.Prefixes) == 1 {
		p.Prefix = ptr(s.Prefixes[0].String())
	}
	return subnetWire{childWire: childOut(&n.Meta, n.Meta.ID.Child("subnets", s.Name)), Properties: p}
}

// subnet is where an order of the call's subnet goes.
func (c *call) subnet(verb string) place[*resource.Network] {
	root, name := c.id(networkType, c.params["name"]), c.params["subnet"]
	return place[*resource.Network]{verb: verb, root: root, target: root.Child("subnets", name),
		exists: func(_ *draft, n *resource.Network) bool { return n.Subnet(name) != nil }}
}

func putSubnet(f *Front, c *call) (answer, error) {
	var in subnetWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	name := c.params["subnet"]
	status := http.StatusOK
	done, op, err := change(f, c, c.subnet("put"), func(d *draft, old, n *resource.Network) error {
		status = http.StatusOK
		if n.Subnet(name) == nil {
			status = http.StatusCreated
			n.Subnets = append(n.Subnets, resource.Subnet{Name: name})
		}
		if err := in.Properties.apply(n.Subnet(name), "properties"); err != nil {
			return err
		}
		return d.world.CheckNetwork(old, n)
	})
	if err != nil {
		return answer{}, err
	}
	return op.child(f, c, status, func(*view) any { return subnetOut(done, done.Subnet(name)) })
}

func getSubnet(f *Front, c *call) (answer, error) {
	n, err := load[*resource.Network](f, c, c.id(networkType, c.params["name"]))
	if err != nil {
		return answer{}, err
	}
	s := n.Subnet(c.params["subnet"])
	if s == nil {
		return answer{}, notFound(n.Meta.ID.Child("subnets", c.params["subnet"]))
	}
	return child(&n.Meta, subnetOut(n, s)), nil
}

func listSubnets(f *Front, c *call) (answer, error) {
	n, err := load[*resource.Network](f, c, c.id(networkType, c.params["name"]))
	if err != nil {
		return answer{}, err
	}
	rows := []subnetWire{}
	for i := range n.Subnets {
		rows = append(rows, subnetOut(n, &n.Subnets[i]))
	}
	return ok(listOf(rows)), nil
}

func deleteSubnet(f *Front, c *call) (answer, error) {
	name := c.params["subnet"]
	_, op, err := change(f, c, c.subnet("delete"), func(d *draft, old, n *resource.Network) error {
		s := n.Subnet(name)
		if s == nil {
			return errGone
		}
		s.State = resource.Deleting
		return d.world.CheckSubnetDelete(old, name)
	})
	return c.deleting(op.op, err)
}
