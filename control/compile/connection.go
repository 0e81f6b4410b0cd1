package compile

import (
	"fmt"
	"net/netip"

	"onramp/plan"
	"onramp/resource"
)

// Tunnel joins one edge router with one gateway instance for one connection; a connection has one for each pair.
type Tunnel struct {
	Connection        resource.ID
	Path              string // of the edge router: PathPrimary or PathSecondary
	Edge, Gateway     string // nodes
	EdgeDomain        string
	GatewayDomain     string
	EdgeAttachment    string
	GatewayAttachment string
	EdgeSession       string
	GatewaySession    string
	EdgeAddr          netip.Addr // both in the GatewaySubnet
	GatewayAddr       netip.Addr
}

// Tunnels are a connection's tunnels, primary edge first. The error says why it has none. For many connections, use an Index.
func Tunnels(in Input, c *resource.Connection) ([]Tunnel, error) { return NewIndex(in).Tunnels(c) }

// GatewayTunnels are all tunnels of a gateway's connections, in the order of the connections' ids.
func GatewayTunnels(in Input, g *resource.Gateway) []Tunnel { return NewIndex(in).GatewayTunnels(g) }

// GatewayTunnels are all tunnels of a gateway's connections, in the order of the connections' ids.
func (w *Index) GatewayTunnels(g *resource.Gateway) []Tunnel {
	var all []Tunnel
	for _, c := range w.linkList {
		if !c.Gateway.Equal(g.Meta.ID) {
			continue
		}
		if t, err := w.Tunnels(c); err == nil {
			all = append(all, t...)
		}
	}
	return all
}

// Tunnels are a connection's tunnels, primary edge first. The error says why it has none.
func (w *Index) Tunnels(c *resource.Connection) ([]Tunnel, error) {
	g, k := w.gateway[c.Gateway.Key()], w.circuit[c.Circuit.Key()]
	switch {
	case g == nil:
		return nil, fmt.Errorf("there is no gateway %s", c.Gateway)
	case k == nil:
		return nil, fmt.Errorf("there is no circuit %s", c.Circuit)
	case !k.Ready():
		return nil, fmt.Errorf("circuit %q is not both Enabled and Provisioned", k.Meta.ID.Name())
	case k.Peering(resource.PrivatePeering) == nil:
		return nil, fmt.Errorf("circuit %q has no private peering", k.Meta.ID.Name())
	case c.Status.VNI == 0:
		return nil, fmt.Errorf("the connection has no VNI yet")
	}
	n := w.network[g.Network().Key()]
	if n == nil || n.Subnet(resource.GatewaySubnet) == nil {
		return nil, fmt.Errorf("there is no %s for gateway %q", resource.GatewaySubnet, g.Meta.ID.Name())
	}
	first, second, ok := resource.EdgeAddresses(n.Subnet(resource.GatewaySubnet), c.Status.Slot)
	if !ok {
		return nil, fmt.Errorf("the %s has no room for slot %d", resource.GatewaySubnet, c.Status.Slot)
	}
	paths, err := circuitPaths(k, w.pairOf(k))
	if err != nil {
		return nil, err
	}
	instances, err := w.instances(g, n)
	if err != nil {
		return nil, err
	}
	return w.pairs(c, paths, instances, []netip.Addr{first, second})
}

// pairs makes a tunnel for each edge router and instance.
func (w *Index) pairs(c *resource.Connection, paths []CircuitPath, instances []Instance, edgeAddrs []netip.Addr) ([]Tunnel, error) {
	var all []Tunnel
	for i, p := range paths {
		if err := w.tunnelNode(p.Node); err != nil {
			return nil, err
		}
		for _, inst := range instances {
			t := Tunnel{
				Connection: c.Meta.ID, Path: p.Path, Edge: p.Node, Gateway: inst.Node, EdgeDomain: p.Domain, GatewayDomain: inst.Domain,
				EdgeAttachment: tunnelTo(connectionName(c), inst.Node), GatewayAttachment: tunnelTo(connectionName(c), p.Node),
				EdgeAddr: edgeAddrs[i], GatewayAddr: inst.Address,
			}
			t.EdgeSession, t.GatewaySession = session4(t.EdgeAttachment), session4(t.GatewayAttachment)
			all = append(all, t)
		}
	}
	return all, nil
}

func (b *builder) connections() {
	for _, c := range b.linkList {
		if err := b.connection(c); err != nil {
			b.problem(&c.Meta, "%v", err)
		}
	}
}

func (b *builder) connection(c *resource.Connection) error {
	tunnels, err := b.Tunnels(c)
	if err != nil {
		return err
	}
	if !b.compiled[c.Circuit.Key()] {
		return fmt.Errorf("circuit %q is in no plan", c.Circuit.Name())
	}
	if n := b.gateway[c.Gateway.Key()].Network(); !b.compiled[n.Key()] {
		return fmt.Errorf("network %q is in no plan", n.Name())
	}
	for _, t := range tunnels {
		b.edgeEnd(c, t)
		b.gatewayEnd(c, t)
	}
	return nil
}

// edgeEnd takes the network's address space from the gateway, at most as much as one connection may carry, and gives it what the customer
// announces. Networks reach each other through the circuit only where the gateways of both allow it; 65515 comes out of those paths, as
// all gateways have it.
func (b *builder) edgeEnd(c *resource.Connection, t Tunnel) {
	s := b.tunnelEnd(c, t.Edge, t.Gateway, t.EdgeDomain, t.EdgeAttachment, t.EdgeAddr, t.GatewayAddr)
	s.LocalAS, s.PeerAS = resource.ASN, resource.GatewayASN
	s.MaxPrefixes, s.IdleAfterLimit = resource.MaxPrefixesFromNetwork, limitPause
	s.Import = plan.Import{Class: classNetwork}
	s.Export = plan.Export{Classes: []string{classCustomer}}
	if b.gateway[c.Gateway.Key()].AllowRemoteVnet {
		s.Import.Class = classTransit
		s.Export = plan.Export{Classes: []string{classCustomer, classTransit}, RemoveAS: []uint32{resource.GatewayASN}}
	}
}

// gatewayEnd gives the address space only, never single machines, and never takes it from outside; the connection's routing weight wins
// before everything else.
func (b *builder) gatewayEnd(c *resource.Connection, t Tunnel) {
	s := b.tunnelEnd(c, t.Gateway, t.Edge, t.GatewayDomain, t.GatewayAttachment, t.GatewayAddr, t.EdgeAddr)
	s.LocalAS, s.PeerAS = resource.GatewayASN, resource.ASN
	s.Import = plan.Import{Class: classCustomer, Weight: uint32(c.RoutingWeight)}
	for _, p := range b.network[b.gateway[c.Gateway.Key()].Network().Key()].AddressSpace {
		s.Import.Deny = append(s.Import.Deny, plan.PrefixRule{Prefix: p})
	}
	s.Export = plan.Export{Classes: []string{classNetwork}}
}

// tunnelEnd adds one end of a tunnel and its session to a node; the caller fills in the policy.
func (b *builder) tunnelEnd(c *resource.Connection, node, other, domain, attachment string, own, peer netip.Addr) *plan.Session {
	n, there := b.nodes[node], b.node[other]
	n.Attachments = append(n.Attachments, plan.Attachment{
		Name: attachment, Domain: domain, VNI: c.Status.VNI, Remote: there.VTEP.Addr(), MTU: tunnelMTU(b.node[node], there),
		Addresses: pointToPoint(own, peer),
	})
	n.Sessions = append(n.Sessions, plan.Session{
		Name: session4(attachment), Attachment: attachment, LocalAddr: own, PeerAddr: peer, Enabled: true,
		Keepalive: fabricKeepalive, HoldTime: fabricHoldTime, RestartTime: fabricRestart, BFD: watched(),
	})
	return &n.Sessions[len(n.Sessions)-1]
}
