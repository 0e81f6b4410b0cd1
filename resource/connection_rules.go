package resource

import (
	"slices"
	"strings"
)

// ConnectionOrder is an order or a change of a connection, with what is not kept of it in the clear.
type ConnectionOrder struct {
	Old       *Connection // nil: new
	New       *Connection
	Key       string // authorization key as given; "" for none
	SharedKey string // VPN's; must be empty
}

// CheckConnection checks an order or a change of a connection.
func (w *World) CheckConnection(o ConnectionOrder) error {
	c := o.New
	if o.SharedKey != "" {
		return refuse(Invalid, CodeInvalidValue, "properties.sharedKey", "must not be set on a connection of type ExpressRoute")
	}
	if err := CheckName(KindConnection, c.Meta.ID.Name(), "name"); err != nil {
		return err
	}
	if c.RoutingWeight < 0 || c.RoutingWeight > MaxRoutingWeight {
		return invalid("properties.routingWeight", "%d is not in 0..%d", c.RoutingWeight, MaxRoutingWeight)
	}
	if o.Old != nil {
		return checkConnectionChange(o.Old, c)
	}
	return w.checkNewConnection(c, o.Key)
}

func checkConnectionChange(old, c *Connection) error {
	switch {
	case !old.Gateway.Equal(c.Gateway):
		return refuse(Invalid, CodeChangeRefused, "properties.virtualNetworkGateway1.id", "may not change; delete and order again")
	case !old.Circuit.Equal(c.Circuit):
		return refuse(Invalid, CodeChangeRefused, "properties.peer.id", "may not change; delete and order again")
	}
	return nil
}

func (w *World) checkNewConnection(c *Connection, key string) error {
	g, k := w.Gateway(c.Gateway), w.Circuit(c.Circuit)
	switch {
	case g == nil:
		return refuse(Invalid, CodeBadReference, "properties.virtualNetworkGateway1.id", "there is no gateway %s", c.Gateway)
	case k == nil:
		return refuse(Invalid, CodeBadReference, "properties.peer.id", "there is no circuit %s", c.Circuit)
	case NormalLocation(c.Meta.Location) != NormalLocation(g.Meta.Location):
		return invalid("location", "the connection is in %s, its gateway in %s", c.Meta.Location, g.Meta.Location)
	case g.Meta.State == Deleting || k.Meta.State == Deleting:
		return refuse(Conflict, CodeNotReady, "", "the gateway or the circuit is being deleted")
	case len(g.Status.Nodes) == 0:
		return refuse(Conflict, CodeNotReady, "properties.virtualNetworkGateway1.id", "gateway %q is not ready yet", g.Meta.ID.Name())
	}
	n := w.Network(g.Network())
	if n == nil {
		return refuse(Conflict, CodeBadReference, "properties.virtualNetworkGateway1.id", "the gateway's network is gone")
	}
	return first([]func() error{
		func() error { return w.checkAuthorization(c, k, key) },
		func() error { return checkCircuitReady(k) },
		func() error { return w.checkConnectionCounts(c, g, k) },
		func() error { return w.checkReach(k, n, "properties.peer.id") },
		func() error { return checkSpaces(n) },
		func() error { return w.checkLink(k, n, "properties.virtualNetworkGateway1.id") },
		func() error { _, err := w.FreeSlot(g); return err },
	})
}

func checkCircuitReady(k *Circuit) error {
	p := k.Peering(PrivatePeering)
	switch {
	case !k.Status.Enabled:
		return refuse(Conflict, CodeNotProvisioned, "properties.peer.id", "circuit %q is not Enabled", k.Meta.ID.Name())
	case k.Status.ProviderState != Provisioned:
		return refuse(Conflict, CodeNotProvisioned, "properties.peer.id", "circuit %q is %s, want Provisioned", k.Meta.ID.Name(), k.Status.ProviderState)
	case p == nil:
		return refuse(Conflict, CodeNoPeering, "properties.peer.id", "circuit %q has no private peering", k.Meta.ID.Name())
	}
	return nil
}

// checkAuthorization wants a key for the circuit of another subscription: one of the circuit's, not used yet.
func (w *World) checkAuthorization(c *Connection, k *Circuit, key string) error {
	const target = "properties.authorizationKey"
	if key == "" {
		if c.Meta.ID.Subscription == k.Meta.ID.Subscription {
			return nil
		}
		return refuse(Forbidden, CodeAuthorization, target, "the circuit is of another subscription; its owner must give an authorization key")
	}
	a := w.FindAuthorization(k, key)
	switch {
	case a == nil:
		return refuse(Forbidden, CodeAuthorization, target, "the key is not one of circuit %q", k.Meta.ID.Name())
	case !a.Usedby.IsZero() && !a.Usedby.Equal(c.Meta.ID):
		return refuse(Conflict, CodeAuthorization, target, "authorization %q is in use; one key makes one connection", a.Name)
	}
	return nil
}

// FindAuthorization finds the authorization with a key; nil when there is none.
func (w *World) FindAuthorization(k *Circuit, key string) *Authorization {
	if w.Open == nil || key == "" {
		return nil
	}
	for i := range k.Authorizations {
		if have, err := w.Open(k.Authorizations[i].Key); err == nil && strings.EqualFold(have, key) {
			return &k.Authorizations[i]
		}
	}
	return nil
}

func (w *World) checkConnectionCounts(c *Connection, g *Gateway, k *Circuit) error {
	ofGateway, ofCircuit := w.GatewayConnections(g.Meta.ID), w.CircuitConnections(k.Meta.ID)
	sku, _ := FindGatewaySKU(g.SKU)
	most := MaxConnections(k.Tier, k.BandwidthMbps)
	here := 0
	for _, o := range ofGateway {
		if o.Circuit.Equal(k.Meta.ID) {
			return refuse(Conflict, CodeConflict, "properties.peer.id", "connection %q joins this gateway and circuit already", o.Meta.ID.Name())
		}
		if other := w.Circuit(o.Circuit); other != nil && strings.EqualFold(other.PeeringLocation, k.PeeringLocation) {
			here++
		}
	}
	switch {
	case len(ofGateway) >= sku.Circuits:
		return refuse(Limit, CodeLimit, "properties.virtualNetworkGateway1.id", "a gateway of size %s has at most %d connections", sku.Name, sku.Circuits)
	case here >= MaxConnectionsPerLocation:
		return refuse(Limit, CodeLimit, "properties.peer.id", "a gateway has at most %d circuits from one location, has %d from %q",
			MaxConnectionsPerLocation, here, k.PeeringLocation)
	case len(ofCircuit) >= most:
		return refuse(Limit, CodeLimit, "properties.peer.id", "a %s circuit of %d Mbps has at most %d connections", k.Tier, k.BandwidthMbps, most)
	}
	return nil
}

// checkReach checks a network's region against what the circuit's tier reaches from its location.
func (w *World) checkReach(k *Circuit, n *Network, target string) error {
	l, r := w.Fabric.PeeringLocation(k.PeeringLocation), w.Fabric.Region(n.Meta.Location)
	if l == nil || r == nil {
		return refuse(Conflict, CodeBadReference, target, "the fabric has no location %q or no region %s", k.PeeringLocation, n.Meta.Location)
	}
	switch k.Tier {
	case TierLocal:
		if !slices.ContainsFunc(l.LocalRegions, func(s string) bool { return NormalLocation(s) == NormalLocation(r.Name) }) {
			return invalid(target, "a Local circuit at %q reaches %v only, the network is in %s", l.Name, l.LocalRegions, r.Name)
		}
	case TierStandard:
		if l.Geography != r.Geography {
			return invalid(target, "a Standard circuit at %q reaches %s only, the network is in %s (%s); Premium reaches all", l.Name, l.Geography, r.Name, r.Geography)
		}
	}
	return nil
}

func checkSpaces(n *Network) error {
	if len(n.AddressSpace) > MaxAddressSpaces {
		return refuse(Limit, CodeLimit, "properties.virtualNetworkGateway1.id", "network %q has %d address spaces, at most %d may be connected",
			n.Meta.ID.Name(), len(n.AddressSpace), MaxAddressSpaces)
	}
	return nil
}

// FreeSlot is the lowest slot of a gateway that no connection has: the number behind the edge pair's addresses in the GatewaySubnet.
func (w *World) FreeSlot(g *Gateway) (int, error) {
	n := w.Network(g.Network())
	if n == nil || n.Subnet(GatewaySubnet) == nil {
		return 0, refuse(Conflict, CodeBadReference, "properties.virtualNetworkGateway1.id", "the gateway's subnet is gone")
	}
	used := map[int]bool{}
	for _, c := range w.GatewayConnections(g.Meta.ID) {
		if c.Status.VNI != 0 { // its slot is allocated
			used[c.Status.Slot] = true
		}
	}
	slots := Slots(n.Subnet(GatewaySubnet))
	for i := range slots {
		if !used[i] {
			return i, nil
		}
	}
	return 0, refuse(Limit, CodeLimit, "properties.virtualNetworkGateway1.id",
		"the %s of network %q has room for %d connections; a larger one is needed", GatewaySubnet, n.Meta.ID.Name(), slots)
}
