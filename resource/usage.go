package resource

import "net/netip"

// UsedAddresses are the addresses of a subnet that interfaces and gateways have, and who has them.
func (w *World) UsedAddresses(subnet ID) map[netip.Addr]ID {
	_, s := w.Subnet(subnet)
	used := map[netip.Addr]ID{}
	if s == nil {
		return used
	}
	add := func(a netip.Addr, owner ID) {
		for _, p := range s.Prefixes {
			if p.Contains(a) {
				used[a] = owner
			}
		}
	}
	for _, i := range w.Interfaces {
		for _, c := range i.Configs {
			if c.Subnet.Root().Equal(subnet.Root()) {
				add(c.Address, i.Meta.ID)
			}
		}
	}
	for _, g := range w.Gateways {
		if g.Network().Equal(subnet.Root()) {
			for _, a := range g.Status.Addresses {
				add(a, g.Meta.ID)
			}
		}
	}
	return used
}
