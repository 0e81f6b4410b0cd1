package resource

import (
	"net/netip"
	"slices"
	"strings"
)

const (
	spaceField   = "properties.addressSpace.addressPrefixes"
	subnetsField = "properties.subnets"
)

// CheckNetwork checks an order (old is nil) or a change of a network, with the subnets inside it.
func (w *World) CheckNetwork(old, n *Network) error {
	checks := []func() error{
		func() error { return CheckName(KindNetwork, n.Meta.ID.Name(), "name") },
		func() error { return checkSpace(n.AddressSpace) },
		func() error { return checkSubnets(n) },
	}
	if old == nil {
		checks = append(checks, func() error { return w.checkRegion(n.Meta.Location) })
	} else {
		checks = append(checks, func() error { return w.checkNetworkChange(old, n) })
	}
	return first(checks)
}

func checkSpace(space []netip.Prefix) error {
	if len(space) == 0 {
		return invalid(spaceField, "is empty; a network needs an address space")
	}
	for i, p := range space {
		target := fieldIndex(spaceField, i)
		switch {
		case !p.IsValid() || !p.Addr().Is4():
			return invalid(target, "%s is not an IPv4 prefix", p)
		case p.Bits() < MinSpaceBits || p.Bits() > MaxSubnetBits:
			return invalid(target, "%s has a length of %d, want %d..%d", p, p.Bits(), MinSpaceBits, MaxSubnetBits)
		case p != p.Masked():
			return invalid(target, "%s has host bits set; the prefix is %s", p, p.Masked())
		case !unicast(p) || p.Overlaps(linkLocal()):
			return invalid(target, "%s overlaps addresses that no network may have (0/8, 127/8, 169.254/16, 224/3)", p)
		}
		if _, q, found := overlap([]netip.Prefix{p}, space[:i]); found {
			return refuse(Invalid, CodeSpacesOverlap, target, "%s overlaps %s of the same network", p, q)
		}
	}
	return nil
}

// linkLocal is where the platform's own links inside networks are numbered from.
func linkLocal() netip.Prefix { return netip.MustParsePrefix("169.254.0.0/16") }

func checkSubnets(n *Network) error {
	var taken []netip.Prefix
	for i, s := range n.Subnets {
		if err := checkSubnetName(n, i); err != nil {
			return err
		}
		if len(s.Prefixes) == 0 {
			return refuse(Invalid, CodeInvalidSubnet, fieldAt(subnetsField, i, "properties.addressPrefix"), "subnet %q has no prefix", s.Name)
		}
		for _, p := range s.Prefixes {
			if err := checkSubnetPrefix(n, &s, p, taken, fieldAt(subnetsField, i, "properties.addressPrefix")); err != nil {
				return err
			}
			taken = append(taken, p)
		}
	}
	return nil
}

func checkSubnetName(n *Network, i int) error {
	name, target := n.Subnets[i].Name, fieldAt(subnetsField, i, "name")
	if err := CheckName(KindNetwork, name, target); err != nil {
		return err
	}
	if k := slices.IndexFunc(n.Subnets, func(o Subnet) bool { return strings.EqualFold(o.Name, name) }); k < i {
		return refuse(Invalid, CodeDuplicateName, target, "the name %q is taken", name)
	}
	if strings.EqualFold(name, GatewaySubnet) && name != GatewaySubnet {
		return refuse(Invalid, CodeInvalidSubnet, target, "%q must be written %q", name, GatewaySubnet)
	}
	return nil
}

func checkSubnetPrefix(n *Network, s *Subnet, p netip.Prefix, taken []netip.Prefix, target string) error {
	bad := func(format string, args ...any) error {
		return refuse(Invalid, CodeInvalidSubnet, target, format, args...)
	}
	switch {
	case !p.IsValid() || !p.Addr().Is4():
		return bad("%s of subnet %q is not an IPv4 prefix", p, s.Name)
	case p != p.Masked():
		return bad("%s of subnet %q has host bits set; the prefix is %s", p, s.Name, p.Masked())
	case p.Bits() > MaxSubnetBits:
		return bad("%s of subnet %q is too small, want /%d or larger", p, s.Name, MaxSubnetBits)
	case s.Name == GatewaySubnet && p.Bits() > GatewaySubnetBits:
		return bad("%s of %s is too small, want /%d or larger", p, GatewaySubnet, GatewaySubnetBits)
	case !within(p, n.AddressSpace):
		return refuse(Invalid, CodeOutsideNetwork, target, "%s of subnet %q is outside the network's address space", p, s.Name)
	}
	if _, q, found := overlap([]netip.Prefix{p}, taken); found {
		return refuse(Invalid, CodeSubnetsOverlap, target, "%s of subnet %q overlaps %s of the same network", p, s.Name, q)
	}
	return nil
}

// within reports whether one of the prefixes holds all of p.
func within(p netip.Prefix, space []netip.Prefix) bool {
	return slices.ContainsFunc(space, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) })
}

// checkNetworkChange keeps used subnets as they are and new address space off everything the network is linked with.
func (w *World) checkNetworkChange(old, n *Network) error {
	if NormalLocation(old.Meta.Location) != NormalLocation(n.Meta.Location) {
		return refuse(Invalid, CodeChangeRefused, "location", "may not change from %s to %s", old.Meta.Location, n.Meta.Location)
	}
	for i := range old.Subnets {
		s := &old.Subnets[i]
		now := n.Subnet(s.Name)
		if now != nil && slices.Equal(now.Prefixes, s.Prefixes) {
			continue
		}
		if err := w.CheckSubnetDelete(old, s.Name); err != nil {
			return err
		}
	}
	for _, c := range w.linkedCircuits(n.Meta.ID) {
		if err := w.checkLink(c, n, spaceField); err != nil {
			return err
		}
	}
	return nil
}

// checkLink checks that a network's address space is apart from a circuit's links and from the other networks on it.
func (w *World) checkLink(c *Circuit, n *Network, target string) error {
	for _, p := range c.Peerings {
		if link, space, found := overlap([]netip.Prefix{p.Primary, p.Secondary}, n.AddressSpace); found {
			return refuse(Invalid, CodeSpacesOverlap, target, "%s of network %q overlaps %s of peering %s of circuit %q",
				space, n.Meta.ID.Name(), link, p.Type, c.Meta.ID.Name())
		}
	}
	for _, o := range w.linkedNetworks(c.Meta.ID) {
		if o.Meta.ID.Equal(n.Meta.ID) {
			continue
		}
		if mine, theirs, found := overlap(n.AddressSpace, o.AddressSpace); found {
			return refuse(Invalid, CodeSpacesOverlap, target, "%s of network %q overlaps %s of network %q, which circuit %q reaches too",
				mine, n.Meta.ID.Name(), theirs, o.Meta.ID.Name(), c.Meta.ID.Name())
		}
	}
	return nil
}

// CheckSubnetDelete refuses while something has an address of the subnet.
func (w *World) CheckSubnetDelete(n *Network, name string) error {
	id := n.Meta.ID.Child("subnets", name)
	if users := w.References(id); len(users) > 0 {
		return refuse(InUse, CodeSubnetInUse, "", "subnet %q is in use by %s", name, users[0])
	}
	return nil
}

// CheckNetworkDelete refuses while something has an address of the network.
func (w *World) CheckNetworkDelete(n *Network) error {
	if users := w.References(n.Meta.ID); len(users) > 0 {
		return refuse(InUse, CodeNetworkInUse, "", "network %q is in use by %s", n.Meta.ID.Name(), users[0])
	}
	return nil
}

// CheckPublicAddress checks an order (old is nil) or a change of a public address.
func (w *World) CheckPublicAddress(old, p *PublicAddress) error {
	if err := CheckName(KindPublicAddress, p.Meta.ID.Name(), "name"); err != nil {
		return err
	}
	switch {
	case !strings.EqualFold(p.SKU, "Standard"):
		return invalid("sku.name", "%q is not offered; want Standard", p.SKU)
	case !p.Static:
		return invalid("properties.publicIPAllocationMethod", "a Standard address is Static only")
	case p.Version != 4:
		return invalid("properties.publicIPAddressVersion", "IPv%d is not offered; want IPv4", p.Version)
	case p.IdleMinutes != 0 && (p.IdleMinutes < 4 || p.IdleMinutes > 30):
		return invalid("properties.idleTimeoutInMinutes", "%d is not in 4..30", p.IdleMinutes)
	case old != nil && NormalLocation(old.Meta.Location) != NormalLocation(p.Meta.Location):
		return refuse(Invalid, CodeChangeRefused, "location", "may not change from %s to %s", old.Meta.Location, p.Meta.Location)
	}
	return w.checkRegion(p.Meta.Location)
}

// CheckPublicAddressDelete refuses while something uses the address.
func (w *World) CheckPublicAddressDelete(p *PublicAddress) error {
	if users := w.References(p.Meta.ID); len(users) > 0 {
		return refuse(InUse, CodePublicInUse, "", "public address %q is in use by %s", p.Meta.ID.Name(), users[0])
	}
	return nil
}
