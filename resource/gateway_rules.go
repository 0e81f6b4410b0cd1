package resource

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// CheckGateway checks an order (old is nil) or a change of a gateway.
func (w *World) CheckGateway(old, g *Gateway) error {
	checks := []func() error{
		func() error { return CheckName(KindGateway, g.Meta.ID.Name(), "name") },
		func() error { return checkGatewaySKU(old, g) },
		func() error { return w.checkGatewayConfigs(g) },
		func() error { return w.checkGatewayPlace(old, g) },
	}
	return first(checks)
}

func checkGatewaySKU(old, g *Gateway) error {
	sku, known := FindGatewaySKU(g.SKU)
	if !known {
		var names []string
		for _, s := range GatewaySKUs() {
			names = append(names, s.Name)
		}
		return invalid("properties.sku.name", "%q is no size of an ExpressRoute gateway; want one of %s", g.SKU, strings.Join(names, ", "))
	}
	if old == nil || strings.EqualFold(old.SKU, g.SKU) {
		return nil
	}
	before, _ := FindGatewaySKU(old.SKU)
	if family(before.Name) != family(sku.Name) {
		return refuse(Invalid, CodeChangeRefused, "properties.sku.name", "may not change from %s to %s: delete and order again", old.SKU, g.SKU)
	}
	if sku.Mbps < before.Mbps {
		return refuse(Invalid, CodeChangeRefused, "properties.sku.name", "may only grow, not from %s to %s", old.SKU, g.SKU)
	}
	return nil
}

// family groups the sizes that a gateway may be resized among.
func family(sku string) string {
	switch {
	case sku == "ErGwScale":
		return sku
	case strings.HasPrefix(sku, "ErGw"):
		return "zone-redundant"
	}
	return "regional"
}

func (w *World) checkGatewayConfigs(g *Gateway) error {
	if len(g.Configs) == 0 {
		return invalid(configsField, "is empty; a gateway needs a %s", GatewaySubnet)
	}
	for i, c := range g.Configs {
		field := fieldIndex(configsField, i)
		if err := CheckName(KindGateway, c.Name, field+".name"); err != nil {
			return err
		}
		_, s := w.Subnet(c.Subnet)
		switch {
		case c.Subnet.Name() != GatewaySubnet:
			return invalid(field+".properties.subnet.id", "a gateway goes in a subnet named %s, not %q", GatewaySubnet, c.Subnet.Name())
		case s == nil:
			return refuse(Invalid, CodeBadReference, field+".properties.subnet.id", "there is no subnet %s", c.Subnet)
		case !c.Subnet.Equal(g.Configs[0].Subnet):
			return invalid(field+".properties.subnet.id", "all configurations of a gateway are in one subnet")
		}
		if err := w.checkGatewayPublic(g, c.Public, field+".properties.publicIPAddress.id"); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) checkGatewayPublic(g *Gateway, public ID, target string) error {
	if public.IsZero() {
		return nil
	}
	if w.PublicAddress(public) == nil {
		return refuse(Invalid, CodeBadReference, target, "there is no public address %s", public)
	}
	for _, user := range w.References(public) {
		if !user.Equal(g.Meta.ID) {
			return refuse(Conflict, "PublicIPAddressInUse", target, "public address %q is in use by %s", public.Name(), user)
		}
	}
	return nil
}

func (w *World) checkGatewayPlace(old, g *Gateway) error {
	n := w.Network(g.Network())
	if NormalLocation(n.Meta.Location) != NormalLocation(g.Meta.Location) {
		return invalid("location", "the gateway is in %s, its network in %s", g.Meta.Location, n.Meta.Location)
	}
	if old != nil && !old.Network().Equal(g.Network()) {
		return refuse(Invalid, CodeChangeRefused, configsField, "a gateway does not move between networks")
	}
	for _, o := range w.Gateways {
		if o.Network().Equal(g.Network()) && !o.Meta.ID.Equal(g.Meta.ID) {
			return refuse(Conflict, CodeGatewayExists, configsField, "network %q has the ExpressRoute gateway %q; there may be one",
				n.Meta.ID.Name(), o.Meta.ID.Name())
		}
	}
	if old == nil {
		_, err := w.PlaceGateway(g)
		return err
	}
	return nil
}

// PlaceGateway names the nodes for a new gateway's instances: the region's two least used ones, or its only one.
func (w *World) PlaceGateway(g *Gateway) ([]string, error) {
	r := w.Fabric.Region(g.Meta.Location)
	if r == nil {
		return nil, w.checkRegion(g.Meta.Location)
	}
	if len(r.Gateways) == 0 {
		return nil, refuse(Limit, CodeCapacity, "location", "region %s has no gateway nodes", r.Name)
	}
	load := map[string]int{}
	for _, o := range w.Gateways {
		if o.Meta.ID.Equal(g.Meta.ID) {
			continue
		}
		for _, n := range o.Status.Nodes {
			load[n]++
		}
	}
	nodes := slices.Clone(r.Gateways)
	slices.SortStableFunc(nodes, func(a, b string) int { return cmp.Compare(load[a], load[b]) })
	return nodes[:min(2, len(nodes))], nil
}

// GatewayAddresses are the addresses of a gateway's instances: the last usable ones of the GatewaySubnet's first prefix, ascending.
func GatewayAddresses(s *Subnet, instances int) []netip.Addr {
	all := make([]netip.Addr, instances)
	a := lastAddr(s.Prefixes[0])
	for i := range instances {
		a = a.Prev()
		all[instances-1-i] = a
	}
	return all
}

// EdgeAddresses are what a location's edge pair has in the GatewaySubnet for the gateway's connection of a slot: offsets 4+2×slot and one
// more. ok is false where the subnet has no room for the slot beside two gateway instances.
func EdgeAddresses(s *Subnet, slot int) (primary, secondary netip.Addr, ok bool) {
	p := s.Prefixes[0].Masked()
	if slot < 0 || slot >= Slots(s) {
		return netip.Addr{}, netip.Addr{}, false
	}
	b := p.Addr().As4()
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	n += uint32(reservedFirst + 2*slot)
	primary = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	return primary, primary.Next(), true
}

// Slots is how many connections' edge addresses fit in a GatewaySubnet: 12 in a /27.
func Slots(s *Subnet) int {
	size := 1 << (32 - s.Prefixes[0].Bits())
	return (size - reservedFirst - 3) / 2 // less two instances and the last address
}

// CheckGatewayDelete refuses while the gateway has connections.
func (w *World) CheckGatewayDelete(g *Gateway) error {
	if links := w.GatewayConnections(g.Meta.ID); len(links) > 0 {
		return refuse(InUse, CodeGatewayInUse, "", "gateway %q still has %d connections, the first is %s; delete them before",
			g.Meta.ID.Name(), len(links), links[0].Meta.ID)
	}
	return nil
}
