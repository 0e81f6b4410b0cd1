package resource

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

const configsField = "properties.ipConfigurations"

func fieldIndex(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// CheckInterface checks an order (old is nil) or a change of a network interface. Dynamic addresses must be allocated before (see
// FreeAddress), so that what is checked is what will be.
func (w *World) CheckInterface(old, i *Interface) error {
	checks := []func() error{
		func() error { return CheckName(KindInterface, i.Meta.ID.Name(), "name") },
		func() error { return w.checkRegion(i.Meta.Location) },
		func() error { return w.checkConfigs(i) },
		func() error { return w.checkAttachTo(i) },
	}
	if old != nil && !old.Network().Equal(i.Network()) {
		return refuse(Invalid, CodeChangeRefused, configsField, "an interface does not move between networks")
	}
	return first(checks)
}

func (w *World) checkConfigs(i *Interface) error {
	if len(i.Configs) == 0 {
		return invalid(configsField, "is empty; an interface needs an address")
	}
	primaries := 0
	for k := range i.Configs {
		c := &i.Configs[k]
		if c.Primary {
			primaries++
		}
		if err := w.checkConfig(i, k); err != nil {
			return err
		}
	}
	if primaries != 1 && len(i.Configs) > 1 {
		return invalid(configsField, "%d configurations are primary, want one", primaries)
	}
	return nil
}

func (w *World) checkConfig(i *Interface, k int) error {
	c, field := &i.Configs[k], fieldIndex(configsField, k)
	if err := CheckName(KindInterface, c.Name, field+".name"); err != nil {
		return err
	}
	n, s := w.Subnet(c.Subnet)
	switch {
	case slices.IndexFunc(i.Configs, func(o InterfaceConfig) bool { return strings.EqualFold(o.Name, c.Name) }) < k:
		return refuse(Invalid, CodeDuplicateName, field+".name", "the name %q is taken", c.Name)
	case s == nil:
		return refuse(Invalid, CodeBadReference, field+".properties.subnet.id", "there is no subnet %s", c.Subnet)
	case !c.Subnet.Root().Equal(i.Network()):
		return invalid(field+".properties.subnet.id", "all addresses of an interface are of one network, this is of %q", n.Meta.ID.Name())
	case s.Name == GatewaySubnet:
		return invalid(field+".properties.subnet.id", "%s is for gateways alone", GatewaySubnet)
	case NormalLocation(n.Meta.Location) != NormalLocation(i.Meta.Location):
		return invalid("location", "the interface is in %s, its network in %s", i.Meta.Location, n.Meta.Location)
	case !c.Public.IsZero() && w.PublicAddress(c.Public) == nil:
		return refuse(Invalid, CodeBadReference, field+".properties.publicIPAddress.id", "there is no public address %s", c.Public)
	}
	return w.checkAddress(i, k, s, field+".properties.privateIPAddress")
}

func (w *World) checkAddress(i *Interface, k int, s *Subnet, target string) error {
	a := i.Configs[k].Address
	p, inside := prefixOf(s, a)
	switch {
	case !a.IsValid():
		return invalid(target, "is missing; a Static address must be given")
	case !inside:
		return refuse(Invalid, CodeAddressElsewhere, target, "%s is not in subnet %q", a, s.Name)
	case Reserved(p, a):
		return refuse(Invalid, CodeAddressReserved, target, "%s is one of the platform's addresses in %s: the first %d and the last", a, p, reservedFirst)
	}
	for m := range i.Configs[:k] {
		if i.Configs[m].Address == a {
			return refuse(Invalid, CodeAddressInUse, target, "%s is given twice", a)
		}
	}
	if user, taken := w.addressUser(i.Configs[k].Subnet, a, i.Meta.ID); taken {
		return refuse(Conflict, CodeAddressInUse, target, "%s is in use by %s", a, user)
	}
	return nil
}

func prefixOf(s *Subnet, a netip.Addr) (netip.Prefix, bool) {
	for _, p := range s.Prefixes {
		if p.Contains(a) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// Reserved reports whether an address of a subnet's prefix is the platform's: the first four and the last.
func Reserved(p netip.Prefix, a netip.Addr) bool {
	if a == lastAddr(p) {
		return true
	}
	r := p.Masked().Addr()
	for range reservedFirst {
		if a == r {
			return true
		}
		r = r.Next()
	}
	return false
}

// SubnetGateway is the platform's address in a subnet's prefix that its machines send to: the first host.
func SubnetGateway(p netip.Prefix) netip.Addr { return p.Masked().Addr().Next() }

// addressUser finds who has an address of a subnet, but for one interface.
func (w *World) addressUser(subnet ID, a netip.Addr, but ID) (ID, bool) {
	for _, o := range w.Interfaces {
		if o.Meta.ID.Equal(but) {
			continue
		}
		for _, c := range o.Configs {
			if c.Address == a && c.Subnet.Root().Equal(subnet.Root()) {
				return o.Meta.ID, true
			}
		}
	}
	for _, g := range w.Gateways {
		if g.Network().Equal(subnet.Root()) && slices.Contains(g.Status.Addresses, a) {
			return g.Meta.ID, true
		}
	}
	return ID{}, false
}

// FreeAddress is the lowest free address of a subnet, for a Dynamic configuration of the interface owner; also lists addresses that are
// taken by the same order.
func (w *World) FreeAddress(subnet, owner ID, also ...netip.Addr) (netip.Addr, error) {
	_, s := w.Subnet(subnet)
	if s == nil {
		return netip.Addr{}, refuse(Invalid, CodeBadReference, "", "there is no subnet %s", subnet)
	}
	taken := w.takenAddresses(subnet, owner)
	for _, p := range s.Prefixes {
		a := p.Masked().Addr()
		for range reservedFirst {
			a = a.Next()
		}
		for ; p.Contains(a) && a != lastAddr(p); a = a.Next() {
			if !taken[a] && !slices.Contains(also, a) {
				return a, nil
			}
		}
	}
	return netip.Addr{}, refuse(Limit, CodeSubnetFull, "", "subnet %q has no free address", s.Name)
}

func (w *World) takenAddresses(subnet, but ID) map[netip.Addr]bool {
	taken := map[netip.Addr]bool{}
	for _, o := range w.Interfaces {
		if o.Meta.ID.Equal(but) || !o.Network().Equal(subnet.Root()) {
			continue
		}
		for _, c := range o.Configs {
			taken[c.Address] = true
		}
	}
	return taken
}

// MAC derives the hardware address of an interface from its GUID: locally administered, the same for the interface's life.
func MAC(guid string) string {
	h := sha256.Sum256([]byte(guid))
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4])
}

// checkAttachTo wants a free port of a compute node of the interface's region.
func (w *World) checkAttachTo(i *Interface) error {
	if i.AttachTo == "" {
		return nil
	}
	const target = "tags.attachTo"
	n, port := w.Fabric.Port(i.AttachTo)
	switch {
	case port == nil:
		return refuse(Invalid, CodeBadReference, target, "there is no port %q; want \"node/port\"", i.AttachTo)
	case n.Role != RoleCompute || port.Underlay:
		return invalid(target, "port %q is not a machine's port of a compute node", i.AttachTo)
	case !slices.Contains(w.Fabric.Region(i.Meta.Location).Hosts, n.Name):
		return invalid(target, "node %q does not serve region %s", n.Name, i.Meta.Location)
	}
	for _, o := range w.Interfaces {
		if o.AttachTo == i.AttachTo && !o.Meta.ID.Equal(i.Meta.ID) {
			return refuse(Conflict, CodePortInUse, target, "port %q is in use by %s", i.AttachTo, o.Meta.ID)
		}
	}
	return nil
}
