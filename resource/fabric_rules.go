package resource

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The node roles of a fabric document.
const (
	RoleEdge     = "edge"
	RoleGateway  = "gateway"
	RoleCompute  = "compute"
	RoleExchange = "exchange"
	RoleRouter   = "router" // a provider's own, that ends circuits at layer 3
)

// The principal roles of a fabric document.
const (
	PrincipalCustomer = "customer"
	PrincipalProvider = "provider"
	PrincipalOperator = "operator"
)

// CheckFabric checks a fabric document as a whole. The error joins every problem found (see Errors), each with the path of the field at
// fault: "providers[0].portPairs[1].primary".
func CheckFabric(f *Fabric) error {
	c := &fabricCheck{f: f, ports: map[string]string{}}
	c.regions()
	c.locations()
	c.nodes()
	c.fabricAddresses()
	c.providers()
	c.directPairs()
	c.principals()
	return errors.Join(c.errs...)
}

type fabricCheck struct {
	f     *Fabric
	ports map[string]string // "node/port" → path of the field that uses it
	errs  []error
}

func (c *fabricCheck) bad(path, format string, args ...any) {
	c.errs = append(c.errs, invalid(path, format, args...))
}

// unique reports a name that is empty or taken, in a table of names seen, and remembers it.
func (c *fabricCheck) unique(seen map[string]string, path, name string) {
	key := strings.ToLower(name)
	switch first, taken := seen[key]; {
	case name == "":
		c.bad(path, "the name is empty")
	case taken:
		c.bad(path, "the name %q is taken by %s", name, first)
	default:
		seen[key] = path
	}
}

func (c *fabricCheck) regions() {
	seen := map[string]string{}
	for i, r := range c.f.Regions {
		path := fmt.Sprintf("regions[%d]", i)
		c.unique(seen, path+".name", r.Name)
		if r.Name != NormalLocation(r.Name) {
			c.bad(path+".name", "%q is not in its short form, want %q", r.Name, NormalLocation(r.Name))
		}
		if r.Geography == "" {
			c.bad(path+".geography", "is empty; name the geopolitical region, e.g. \"North America\"")
		}
		c.nodeList(path+".gateways", r.Gateways, RoleGateway)
		c.nodeList(path+".hosts", r.Hosts, RoleCompute)
		if r.PublicPool.IsValid() && r.PublicPool != r.PublicPool.Masked() {
			c.bad(path+".publicPool", "%s has host bits set, want %s", r.PublicPool, r.PublicPool.Masked())
		}
	}
}

func (c *fabricCheck) nodeList(path string, names []string, role string) {
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", path, i)
		c.nodeRef(at, name, role)
		if slices.Index(names, name) != i {
			c.bad(at, "node %q is listed twice", name)
		}
	}
}

func (c *fabricCheck) nodeRef(path, name, role string) {
	n := c.f.Node(name)
	switch {
	case n == nil:
		c.bad(path, "there is no node %q", name)
	case n.Role != role:
		c.bad(path, "node %q has role %q, want %q", name, n.Role, role)
	}
}

func (c *fabricCheck) locations() {
	seen := map[string]string{}
	for i, l := range c.f.Locations {
		path := fmt.Sprintf("locations[%d]", i)
		c.unique(seen, path+".name", l.Name)
		if l.Geography == "" {
			c.bad(path+".geography", "is empty; name the geopolitical region, e.g. \"North America\"")
		}
		c.regionRef(path+".region", l.Region)
		for k, r := range l.LocalRegions {
			c.regionRef(fmt.Sprintf("%s.localRegions[%d]", path, k), r)
		}
		c.nodeRef(path+".primary", l.Primary, RoleEdge)
		c.nodeRef(path+".secondary", l.Secondary, RoleEdge)
		if l.Primary == l.Secondary && l.Primary != "" {
			c.bad(path+".secondary", "is the primary too (%q); a location needs two edge routers", l.Primary)
		}
	}
}

func (c *fabricCheck) regionRef(path, name string) {
	if c.f.Region(name) == nil {
		c.bad(path, "there is no region %q", name)
	}
}

func (c *fabricCheck) nodes() {
	seen := map[string]string{}
	for i, n := range c.f.Nodes {
		path := fmt.Sprintf("nodes[%d]", i)
		c.unique(seen, path+".name", n.Name)
		if strings.ContainsAny(n.Name, "/ :") {
			c.bad(path+".name", "%q may not have '/', ':' or spaces", n.Name)
		}
		switch n.Role {
		case RoleEdge, RoleGateway, RoleCompute, RoleExchange, RoleRouter:
		default:
			c.bad(path+".role", "%q is no role; want edge, gateway, compute, exchange or router", n.Role)
		}
		if n.Owner != "" && c.f.Provider(n.Owner) == nil {
			c.bad(path+".owner", "there is no provider %q", n.Owner)
		}
		c.nodePorts(path, n)
	}
}

func (c *fabricCheck) nodePorts(path string, n FabricNode) {
	seen := map[string]string{}
	underlays := 0
	for k, p := range n.Ports {
		at := fmt.Sprintf("%s.ports[%d]", path, k)
		c.unique(seen, at+".name", p.Name)
		if len(p.Name) > 15 || strings.ContainsAny(p.Name, "/ :") {
			c.bad(at+".name", "%q is no interface name: at most 15 characters, no '/', ':' or spaces", p.Name)
		}
		if p.EtherType != 0 && p.EtherType != 0x8100 && p.EtherType != 0x88a8 {
			c.bad(at+".etherType", "%#x is neither 0x8100 nor 0x88a8", p.EtherType)
		}
		if p.MTU != 0 && (p.MTU < 576 || p.MTU > 9190) {
			c.bad(at+".mtu", "%d is not in 576..9190", p.MTU)
		}
		if p.Underlay {
			underlays++
			if p.MTU != 0 && p.MTU < minUnderlayMTU {
				c.bad(at+".mtu", "%d is too small for the fabric, want at least %d", p.MTU, minUnderlayMTU)
			}
		}
	}
	switch {
	case n.VTEP.IsValid() && underlays != 1:
		c.bad(path+".ports", "%d underlay ports, want exactly one on a node with a vtep", underlays)
	case !n.VTEP.IsValid() && underlays > 0:
		c.bad(path+".vtep", "is missing; a node with an underlay port needs a fabric address")
	case !n.VTEP.IsValid() && n.Role != RoleExchange && n.Role != RoleRouter:
		c.bad(path+".vtep", "is missing; a node of role %q needs a fabric address", n.Role)
	}
}

const minUnderlayMTU = 1550 // a 1,500-byte packet in VXLAN over IPv4

// fabricAddresses wants all VTEPs distinct IPv4 hosts of one prefix of at least 16 bits: link addresses inside networks derive from their
// last two bytes.
func (c *fabricCheck) fabricAddresses() {
	var first netip.Prefix
	seen := map[netip.Addr]string{}
	for i, n := range c.f.Nodes {
		v, path := n.VTEP, fmt.Sprintf("nodes[%d].vtep", i)
		if !v.IsValid() {
			continue
		}
		if !v.Addr().Is4() || v.Bits() < 16 || v.Bits() > 30 {
			c.bad(path, "%s is not an IPv4 address with a length of 16 to 30 bits", v)
			continue
		}
		if !first.IsValid() {
			first = v.Masked()
		}
		switch {
		case v.Masked() != first:
			c.bad(path, "%s is outside the fabric's prefix %s", v, first)
		case v.Addr() == first.Addr() || v.Addr() == lastAddr(first):
			c.bad(path, "%s is the fabric's network or broadcast address", v.Addr())
		case seen[v.Addr()] != "":
			c.bad(path, "%s is taken by %s", v.Addr(), seen[v.Addr()])
		}
		seen[v.Addr()] = path
	}
}

func (c *fabricCheck) providers() {
	seen, pairs := map[string]string{}, map[string]string{}
	for i := range c.f.Providers {
		p, path := &c.f.Providers[i], fmt.Sprintf("providers[%d]", i)
		c.unique(seen, path+".name", p.Name)
		if p.Subscription == "" {
			c.bad(path+".subscription", "is empty; its cross connections need a place")
		}
		for k, b := range p.BandwidthsMbps {
			if !slices.Contains(Bandwidths(), b) {
				c.bad(fmt.Sprintf("%s.bandwidths[%d]", path, k), "%d Mbps is not one of %v", b, Bandwidths())
			}
		}
		for k := range p.PortPairs {
			at := fmt.Sprintf("%s.portPairs[%d]", path, k)
			c.unique(pairs, at+".name", p.PortPairs[k].Name)
			c.portPair(at, p, &p.PortPairs[k])
		}
	}
}

func (c *fabricCheck) portPair(path string, p *Provider, x *PortPair) {
	if x.BandwidthMbps <= 0 {
		c.bad(path+".bandwidth", "%d Mbps is no speed", x.BandwidthMbps)
	}
	if x.Overprovision < 0 {
		c.bad(path+".overprovision", "%d is below 0", x.Overprovision)
	}
	l := c.f.PeeringLocation(x.Location)
	if l == nil {
		c.bad(path+".location", "there is no location %q", x.Location)
	} else {
		c.pairPort(path+".primary", x.Primary, l.Primary)
		c.pairPort(path+".secondary", x.Secondary, l.Secondary)
	}
	if (x.SwitchPrimary == "") != (x.SwitchSecondary == "") {
		c.bad(path+".switchSecondary", "switchPrimary and switchSecondary go together")
	}
	c.switchPort(path+".switchPrimary", x.SwitchPrimary, p)
	c.switchPort(path+".switchSecondary", x.SwitchSecondary, p)
	a, _ := c.f.Port(x.SwitchPrimary)
	b, _ := c.f.Port(x.SwitchSecondary)
	if a != nil && b != nil && (a.Role == RoleRouter) != (b.Role == RoleRouter) {
		c.bad(path+".switchSecondary", "node %q has role %q and %q has %q; both ends of a pair are switches, or both are routers", b.Name, b.Role, a.Name, a.Role)
	}
}

// pairPort checks an edge's port of a pair: on the location's edge router, not of the fabric, used once.
func (c *fabricCheck) pairPort(path, name, edge string) {
	n, port := c.f.Port(name)
	switch {
	case port == nil:
		c.bad(path, "there is no port %q; want \"node/port\"", name)
	case n.Name != edge:
		c.bad(path, "port %q is not on the location's edge router %q", name, edge)
	default:
		c.takePort(path, name, port)
	}
}

func (c *fabricCheck) switchPort(path, name string, p *Provider) {
	if name == "" {
		return
	}
	n, port := c.f.Port(name)
	switch {
	case port == nil:
		c.bad(path, "there is no port %q; want \"node/port\"", name)
	case n.Role != RoleExchange && n.Role != RoleRouter:
		c.bad(path, "node %q has role %q, want %q or %q", n.Name, n.Role, RoleExchange, RoleRouter)
	case !strings.EqualFold(n.Owner, p.Name):
		c.bad(path, "node %q belongs to %q, not to %q", n.Name, n.Owner, p.Name)
	default:
		c.takePort(path, name, port)
	}
}

func (c *fabricCheck) takePort(path, name string, port *FabricPort) {
	if port.Underlay {
		c.bad(path, "port %q leads to the fabric", name)
	}
	if first, taken := c.ports[name]; taken {
		c.bad(path, "port %q is used by %s", name, first)
		return
	}
	c.ports[name] = path
}

func (c *fabricCheck) principals() {
	names, clients := map[string]string{}, map[string]string{}
	for i, p := range c.f.Principals {
		path := fmt.Sprintf("principals[%d]", i)
		c.unique(names, path+".name", p.Name)
		c.unique(clients, path+".clientId", p.ClientID)
		if p.Secret == "" && p.SecretHash == "" {
			c.bad(path+".secret", "is empty")
		}
		switch p.Role {
		case PrincipalOperator:
		case PrincipalCustomer:
			if p.Subscription == "" {
				c.bad(path+".subscription", "is empty; a customer needs one")
			}
		case PrincipalProvider:
			if c.f.Provider(p.Provider) == nil {
				c.bad(path+".provider", "there is no provider %q", p.Provider)
			}
		default:
			c.bad(path+".role", "%q is no role; want customer, provider or operator", p.Role)
		}
	}
}

// lastAddr is the highest address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// CheckFabricChange checks a fabric document that is to replace the world's (or be its first): by itself, and that it keeps what circuits,
// gateways and machines are on. Only removal is refused; what moves is taken along.
func (w *World) CheckFabricChange(next *Fabric) error {
	if err := CheckFabric(next); err != nil {
		return err
	}
	var errs []error
	lost := func(path, format string, args ...any) {
		errs = append(errs, refuse(InUse, CodeConflict, path, format, args...))
	}
	for _, c := range w.Circuits {
		if c.Status.PortPair != "" && !c.Direct() && next.PairOf(c) == nil {
			lost("providers", "port pair %q of provider %q is missing; circuit %q is on it", c.Status.PortPair, c.Provider, c.Meta.ID.Name())
		}
	}
	for _, c := range w.Circuits {
		for _, side := range []string{c.Status.Handoff.Primary, c.Status.Handoff.Secondary} {
			h, ok := ParseHandoff(side)
			if _, port := next.Port(h.Port); ok && port == nil {
				lost("nodes", "port %q is missing; circuit %q is handed over on it", h.Port, c.Meta.ID.Name())
			}
		}
	}
	w.directLost(next, lost)
	for _, n := range w.Networks {
		if next.Region(n.Meta.Location) == nil {
			lost("regions", "region %s is missing; network %q is in it", n.Meta.Location, n.Meta.ID.Name())
		}
	}
	for _, g := range w.Gateways {
		for _, node := range g.Status.Nodes {
			if next.Node(node) == nil {
				lost("nodes", "node %q is missing; gateway %q is on it", node, g.Meta.ID.Name())
			}
		}
	}
	for _, i := range w.Interfaces {
		if _, port := next.Port(i.AttachTo); i.AttachTo != "" && port == nil {
			lost("nodes", "port %q is missing; interface %q is on it", i.AttachTo, i.Meta.ID.Name())
		}
	}
	return errors.Join(errs...)
}
