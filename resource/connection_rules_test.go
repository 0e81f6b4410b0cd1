package resource

import (
	"net/netip"
	"slices"
	"testing"
)

func TestCheckGateway(t *testing.T) {
	const config = "properties.ipConfigurations[0]"
	for _, c := range []struct {
		name            string
		before          func(*scene)
		change          func(*Gateway)
		update          bool
		kind            ErrorKind
		target, message string
	}{
		{"plain", nil, func(*Gateway) {}, false, "", "", ""},
		{"no public address", nil, func(g *Gateway) { g.Configs[0].Public = ID{} }, false, "", "", ""},
		{"size in any case", nil, func(g *Gateway) { g.SKU = "ergw3az" }, false, "", "", ""},
		{"size", nil, func(g *Gateway) { g.SKU = "VpnGw1" }, false, Invalid, "properties.sku.name", "ErGw3AZ"},
		{"no configuration", nil, func(g *Gateway) { g.Configs = nil }, false, Invalid, "properties.ipConfigurations", "empty"},
		{"other subnet", nil, func(g *Gateway) { g.Configs[0].Subnet.Names = []string{"net1", "default"} }, false, Invalid, config + ".properties.subnet.id", "named GatewaySubnet"},
		{"no subnet", func(s *scene) { s.network.Subnets = s.network.Subnets[:1] }, func(*Gateway) {}, false, Invalid, config + ".properties.subnet.id", "no subnet"},
		{"no such address", nil, func(g *Gateway) { g.Configs[0].Public = id("publicIPAddresses", "x") }, false, Invalid, config + ".properties.publicIPAddress.id", "no public address"},
		{"used address", func(s *scene) { s.nic.Configs[0].Public = s.public.Meta.ID }, func(*Gateway) {}, false, Conflict, config + ".properties.publicIPAddress.id", "nic1"},
		{"region", nil, func(g *Gateway) { g.Meta.Location = "northeurope" }, false, Invalid, "location", "its network in"},
		{"second of the network", func(s *scene) {
			g := Clone(s.gateway)
			g.Meta.ID, g.Configs[0].Public = id("virtualNetworkGateways", "first"), ID{}
			s.more = append(s.more, g)
		}, func(*Gateway) {}, false, Conflict, "properties.ipConfigurations", "there may be one"},
		{"no nodes", func(s *scene) { s.fabric.Regions[0].Gateways = nil }, func(*Gateway) {}, false, Limit, "location", "no gateway nodes"},
		{"grow", nil, func(g *Gateway) { g.SKU = "ErGw3AZ" }, true, "", "", ""},
		{"shrink", func(s *scene) { s.gateway.SKU = "ErGw3AZ" }, func(g *Gateway) { g.SKU = "ErGw1AZ" }, true, Invalid, "properties.sku.name", "only grow"},
		{"other family", nil, func(g *Gateway) { g.SKU = "UltraPerformance" }, true, Invalid, "properties.sku.name", "delete and order again"},
	} {
		s := newScene()
		if c.before != nil {
			c.before(s)
		}
		order, old := Clone(s.gateway), s.gateway
		c.change(order)
		if !c.update {
			s.without(s.gateway, s.link)
			old = nil
		}
		refused(t, c.name, s.world().CheckGateway(old, order), c.kind, c.target, c.message)
	}
}

func TestPlaceGateway(t *testing.T) {
	s := newScene()
	s.without(s.gateway)
	s.fabric.Regions[0].Gateways = []string{"gw1", "gw2", "gw3"}
	s.more = append(s.more, &Gateway{Meta: Head{ID: id("virtualNetworkGateways", "x")}, Status: GatewayStatus{Nodes: []string{"gw1", "gw3"}}})
	if got, err := s.world().PlaceGateway(s.gateway); err != nil || !slices.Equal(got, []string{"gw2", "gw1"}) {
		t.Errorf("have %v, %v; want the emptiest first", got, err)
	}
	s.fabric.Regions[0].Gateways = []string{"gw3"}
	if got, err := s.world().PlaceGateway(s.gateway); err != nil || !slices.Equal(got, []string{"gw3"}) {
		t.Errorf("have %v, %v; want the only one", got, err)
	}
}

func TestCheckConnection(t *testing.T) {
	const gateway, circuit = "properties.virtualNetworkGateway1.id", "properties.peer.id"
	links := func(n int, of func(i int, c *Connection)) []Object {
		return many(n, func(i int) Object {
			c := &Connection{Meta: Head{ID: id("connections", named("x%d", i))}, Status: ConnectionStatus{VNI: uint32(1 + i), Slot: i}}
			of(i, c)
			return c
		})
	}
	toOther := func(s *scene, n int, location string) { // the gateway has n circuits at a location
		s.more = append(s.more, links(n, func(i int, c *Connection) {
			c.Gateway, c.Circuit = s.gateway.Meta.ID, id("expressRouteCircuits", named(location+"%d", i))
		})...)
		for i := range n {
			s.more = append(s.more, &Circuit{Meta: Head{ID: id("expressRouteCircuits", named(location+"%d", i))}, PeeringLocation: location})
		}
	}
	for _, c := range []struct {
		name            string
		before          func(*scene)
		change          func(*ConnectionOrder)
		kind            ErrorKind
		target, message string
	}{
		{"plain", nil, nil, "", "", ""},
		{"name", nil, func(o *ConnectionOrder) { o.New.Meta.ID.Names = []string{""} }, Invalid, "name", "empty"},
		{"highest weight", nil, func(o *ConnectionOrder) { o.New.RoutingWeight = 32000 }, "", "", ""},
		{"weight", nil, func(o *ConnectionOrder) { o.New.RoutingWeight = 32001 }, Invalid, "properties.routingWeight", "0..32000"},
		{"negative weight", nil, func(o *ConnectionOrder) { o.New.RoutingWeight = -1 }, Invalid, "properties.routingWeight", "0..32000"},
		{"shared key", nil, func(o *ConnectionOrder) { o.SharedKey = "x" }, Invalid, "properties.sharedKey", "must not be set"},
		{"no gateway", nil, func(o *ConnectionOrder) { o.New.Gateway = id("virtualNetworkGateways", "x") }, Invalid, gateway, "no gateway"},
		{"no circuit", nil, func(o *ConnectionOrder) { o.New.Circuit = id("expressRouteCircuits", "x") }, Invalid, circuit, "no circuit"},
		{"region", nil, func(o *ConnectionOrder) { o.New.Meta.Location = "northeurope" }, Invalid, "location", "its gateway in"},
		{"gateway not ready", func(s *scene) { s.gateway.Status.Nodes = nil }, nil, Conflict, gateway, "not ready"},
		{"circuit going", func(s *scene) { s.circuit.Meta.State = Deleting }, nil, Conflict, "", "being deleted"},
		{"circuit not enabled", func(s *scene) { s.circuit.Status.Enabled = false }, nil, Conflict, circuit, "not Enabled"},
		{"circuit not provisioned", func(s *scene) { s.circuit.Status.ProviderState = Provisioning }, nil, Conflict, circuit, "is Provisioning"},
		{"no peering", func(s *scene) { s.circuit.Peerings = nil }, nil, Conflict, circuit, "no private peering"},
		{"joined already", func(s *scene) {
			s.more = links(1, func(_ int, c *Connection) { c.Gateway, c.Circuit = s.gateway.Meta.ID, s.circuit.Meta.ID })
		}, nil, Conflict, circuit, "joins this gateway"},
		{"gateway's limit", func(s *scene) { toOther(s, 4, "Dublin") }, nil, Limit, gateway, "at most 4 connections"},
		{"location's limit", func(s *scene) { s.gateway.SKU = "ErGw2AZ"; toOther(s, 4, "SEATTLE") }, nil, Limit, circuit, "4 circuits from one location"},
		{"circuit's limit", func(s *scene) {
			s.more = links(10, func(i int, c *Connection) { c.Circuit = s.circuit.Meta.ID })
		}, nil, Limit, circuit, "at most 10"},
		{"premium's limit", func(s *scene) {
			s.circuit.Tier = TierPremium
			s.more = links(24, func(i int, c *Connection) { c.Circuit = s.circuit.Meta.ID })
		}, nil, "", "", ""},
		{"subnet's room", func(s *scene) { s.gateway.SKU = "ErGw3AZ"; toOther(s, 12, "Dublin"); spread(s) }, nil, Limit, gateway, "room for 12"},
		{"far away", func(s *scene) { s.fabric.Regions[0].Geography = "Asia" }, nil, Invalid, circuit, "Premium reaches all"},
		{"far away with Premium", func(s *scene) { s.fabric.Regions[0].Geography, s.circuit.Tier = "Asia", TierPremium }, nil, "", "", ""},
		{"local, not near", func(s *scene) {
			s.circuit.Tier, s.fabric.Locations[0].LocalRegions = TierLocal, []string{"northeurope"}
		}, nil, Invalid, circuit, "Local circuit"},
		{"200 spaces", func(s *scene) { s.network.AddressSpace = spaces(200) }, nil, "", "", ""},
		{"201 spaces", func(s *scene) { s.network.AddressSpace = spaces(201) }, nil, Limit, gateway, "201 address spaces"},
		{"over the circuit's link", func(s *scene) { s.circuit.Peerings[0].Primary = prefix("10.1.3.0/30") }, nil, Invalid, gateway, "10.1.3.0/30"},
		{"foreign circuit", nil, func(o *ConnectionOrder) { o.New.Meta.ID.Subscription = other }, Forbidden, "properties.authorizationKey", "authorization key"},
		{"foreign circuit, key", func(s *scene) { s.circuit.Authorizations = []Authorization{{Name: "a", Key: Sealed("sealed k1")}} },
			func(o *ConnectionOrder) { o.New.Meta.ID.Subscription, o.Key = other, "K1" }, "", "", ""},
		{"foreign circuit, wrong key", func(s *scene) { s.circuit.Authorizations = []Authorization{{Name: "a", Key: Sealed("sealed k1")}} },
			func(o *ConnectionOrder) { o.New.Meta.ID.Subscription, o.Key = other, "k2" }, Forbidden, "properties.authorizationKey", "not one of circuit"},
		{"foreign circuit, used key", func(s *scene) {
			s.circuit.Authorizations = []Authorization{{Name: "a", Key: Sealed("sealed k1"), Usedby: id("connections", "x")}}
		}, func(o *ConnectionOrder) { o.New.Meta.ID.Subscription, o.Key = other, "k1" }, Conflict, "properties.authorizationKey", "one connection"},
	} {
		s := newScene()
		s.without(s.link)
		if c.before != nil {
			c.before(s)
		}
		o := ConnectionOrder{New: Clone(s.link)}
		o.New.Status = ConnectionStatus{}
		if c.change != nil {
			c.change(&o)
		}
		refused(t, c.name, s.world().CheckConnection(o), c.kind, c.target, c.message)
	}
}

func spaces(n int) []netip.Prefix {
	return many(n, func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(1 + i%250), byte(i / 250 * 128), 0}), 17)
	})
}

// spread puts the circuits of a scene on locations of their own, four each.
func spread(s *scene) {
	n := 0
	for _, o := range s.more {
		if c, ok := o.(*Circuit); ok {
			c.PeeringLocation = named("L%d", n/4)
			n++
		}
	}
}

func TestCheckConnectionChange(t *testing.T) {
	s := newScene()
	for _, c := range []struct {
		name   string
		change func(*Connection)
		target string
	}{
		{"weight", func(c *Connection) { c.RoutingWeight = 5 }, ""},
		{"gateway", func(c *Connection) { c.Gateway = id("virtualNetworkGateways", "x") }, "properties.virtualNetworkGateway1.id"},
		{"circuit", func(c *Connection) { c.Circuit = id("expressRouteCircuits", "x") }, "properties.peer.id"},
	} {
		changed := Clone(s.link)
		c.change(changed)
		kind := Invalid
		if c.target == "" {
			kind = ""
		}
		refused(t, c.name, s.world().CheckConnection(ConnectionOrder{Old: s.link, New: changed}), kind, c.target, "")
	}
}

func TestFreeSlot(t *testing.T) {
	s := newScene()
	s.more = many(3, func(i int) Object {
		return &Connection{Meta: Head{ID: id("connections", named("x%d", i))}, Gateway: s.gateway.Meta.ID, Status: ConnectionStatus{VNI: 7, Slot: []int{1, 2, 4}[i]}}
	})
	if n, err := s.world().FreeSlot(s.gateway); err != nil || n != 3 { // link1 has 0
		t.Errorf("have %d, %v; want 3", n, err)
	}
}

func TestMaxConnections(t *testing.T) {
	for _, c := range []struct {
		tier SKUTier
		mbps int
		want int
	}{{TierLocal, 10000, 10}, {TierStandard, 50, 10}, {TierPremium, 50, 20}, {TierPremium, 100, 25}, {TierPremium, 200, 25}, {TierPremium, 500, 40},
		{TierPremium, 1000, 50}, {TierPremium, 2000, 60}, {TierPremium, 5000, 75}, {TierPremium, 10000, 100}} {
		if n := MaxConnections(c.tier, c.mbps); n != c.want {
			t.Errorf("%s %d Mbps: %d, want %d", c.tier, c.mbps, n, c.want)
		}
	}
}

func TestReferences(t *testing.T) {
	s := newScene()
	w := s.world()
	for _, c := range []struct {
		of   ID
		want []string
	}{
		{s.circuit.Meta.ID, []string{"link1"}},
		{s.gateway.Meta.ID, []string{"link1"}},
		{s.network.Meta.ID, []string{"gw1", "nic1"}},
		{s.network.Meta.ID.Child("subnets", "default"), []string{"nic1"}},
		{s.public.Meta.ID, []string{"gw1"}},
		{id("virtualNetworks", "net"), nil}, // a prefix of a name is not the name
		{s.link.Meta.ID, nil},
	} {
		var got []string
		for _, r := range w.References(c.of) {
			got = append(got, r.Name())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("references to %s: %v, want %v", c.of, got, c.want)
		}
	}
}

// TestDeletionRank: nothing is deleted while something of a higher rank refers to it.
func TestDeletionRank(t *testing.T) {
	w := newScene().world()
	for _, k := range Kinds() {
		for _, o := range []Object{w.Circuits[0], w.Networks[0], w.Gateways[0], w.Interfaces[0], w.PublicAddresses[0], w.Connections[0]} {
			if o.Kind() != k {
				continue
			}
			for _, r := range w.References(o.Head().ID) {
				if DeletionRank(r.Kind()) >= DeletionRank(k) {
					t.Errorf("%s refers to %s but does not go before it", r.Kind(), k)
				}
			}
		}
	}
}
