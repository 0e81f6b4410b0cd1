package compile

import (
	"fmt"
	"net/netip"

	"onramp/plan"
	"onramp/resource"
)

// InterfacePlace is where a machine's interface is in the plans.
type InterfacePlace struct {
	Node       string
	Port       string
	Domain     string
	Attachment string
}

// PlaceOf is where an interface of network n is; false where it hangs on no port.
func PlaceOf(i *resource.Interface, n *resource.Network) (InterfacePlace, bool) {
	node, port, ok := resource.SplitPort(i.AttachTo)
	return InterfacePlace{Node: node, Port: port, Domain: networkName(n), Attachment: interfaceName(i)}, ok
}

// hostOf is the compute node an interface is compiled on; false, with a problem noted where something is wrong, when it is on none.
func (b *builder) hostOf(i *resource.Interface, n *resource.Network) (string, bool) {
	if i.AttachTo == "" {
		return "", false
	}
	if err := b.checkPlace(i, n); err != nil {
		b.problem(&i.Meta, "%v", err)
		return "", false
	}
	node, _, _ := resource.SplitPort(i.AttachTo)
	return node, true
}

func (b *builder) checkPlace(i *resource.Interface, n *resource.Network) error {
	name, _, _ := resource.SplitPort(i.AttachTo)
	node, port := b.node[name], b.port[i.AttachTo]
	switch {
	case port == nil || port.Underlay || node.Role != resource.RoleCompute:
		return fmt.Errorf("%q is no machine's port of a compute node", i.AttachTo)
	case i.Status.MAC == "":
		return fmt.Errorf("the interface has no MAC yet")
	}
	if err := b.tunnelNode(node.Name); err != nil {
		return err
	}
	for _, c := range i.Configs {
		if _, ok := subnetPrefix(n, c); !ok {
			return fmt.Errorf("address %s is in no subnet %q of the network", c.Address, c.Subnet.Name())
		}
	}
	return nil
}

// subnetPrefix is the prefix of its subnet that an address is in.
func subnetPrefix(n *resource.Network, c resource.InterfaceConfig) (netip.Prefix, bool) {
	s := n.Subnet(c.Subnet.Name())
	if s == nil {
		return netip.Prefix{}, false
	}
	for _, p := range s.Prefixes {
		if p.Contains(c.Address) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// machines puts the interfaces of one host on their ports and returns the routes to them. The host answers for the subnet's gateway
// address; the source check is strict, so that no machine uses an address that is not its own.
func (b *builder) machines(n *resource.Network, host string, all []*resource.Interface) []plan.StaticRoute {
	var routes []plan.StaticRoute
	for _, i := range all {
		at, _ := PlaceOf(i, n)
		a := plan.Attachment{Name: at.Attachment, Domain: at.Domain, Port: at.Port, MTU: accessMTU, SourceCheck: plan.SourceStrict}
		for _, c := range i.Configs {
			p, _ := subnetPrefix(n, c)
			a.Addresses = append(a.Addresses, pointToPoint(resource.SubnetGateway(p), c.Address)...)
			a.Neighbors = append(a.Neighbors, plan.Neighbor{Addr: c.Address, MAC: i.Status.MAC})
			routes = append(routes, plan.StaticRoute{Prefix: single(c.Address), Attachment: a.Name, NextHop: c.Address, Class: classHost})
		}
		b.nodes[host].Attachments = append(b.nodes[host].Attachments, a)
	}
	return routes
}

// strayInterfaces names the interfaces whose network is gone.
func (b *builder) strayInterfaces() {
	for key, all := range b.interfaces {
		if b.network[key] != nil {
			continue
		}
		for _, i := range all {
			b.problem(&i.Meta, "there is no network %s", i.Network())
		}
	}
}
