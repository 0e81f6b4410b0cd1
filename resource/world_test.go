package resource

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

const (
	customer = "11111111-1111-1111-1111-111111111111"
	other    = "22222222-2222-2222-2222-222222222222"
)

func id(typ, name string) ID {
	return ID{Subscription: customer, Group: "rg1", Namespace: "Microsoft.Network", Types: []string{typ}, Names: []string{name}}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// scene is a world that tests change: one of everything, all in order.
type scene struct {
	fabric    *Fabric
	circuit   *Circuit
	network   *Network
	public    *PublicAddress
	nic       *Interface
	gateway   *Gateway
	link      *Connection
	more      []Object
	withoutIt []Object // left out of the world
}

func newScene() *scene {
	head := func(typ, name string) Head { return Head{ID: id(typ, name), Location: "westus2", State: Succeeded} }
	net := id("virtualNetworks", "net1")
	return &scene{
		fabric: testFabric(),
		circuit: &Circuit{Meta: head("expressRouteCircuits", "c1"), Tier: TierStandard, Plan: FamilyMetered, Provider: "Contoso", PeeringLocation: "Seattle",
			BandwidthMbps: 200, Peerings: []Peering{{Type: PrivatePeering, Enabled: true, PeerASN: 65001, VLAN: 100,
				Primary: prefix("192.168.1.0/30"), Secondary: prefix("192.168.1.4/30")}},
			Status: CircuitStatus{Enabled: true, ServiceKey: "k1", STag: 2, PortPair: "sea-a", ProviderState: Provisioned}},
		network: &Network{Meta: head("virtualNetworks", "net1"), AddressSpace: []netip.Prefix{prefix("10.1.0.0/16")},
			Subnets: []Subnet{{Name: "default", Prefixes: []netip.Prefix{prefix("10.1.0.0/24")}}, {Name: GatewaySubnet, Prefixes: []netip.Prefix{prefix("10.1.255.0/27")}}}},
		public: &PublicAddress{Meta: head("publicIPAddresses", "ip1"), SKU: "Standard", Static: true, Version: 4, IdleMinutes: 4},
		nic: &Interface{Meta: head("networkInterfaces", "nic1"), AttachTo: "host1/vm1",
			Configs: []InterfaceConfig{{Name: "ip", Subnet: net.Child("subnets", "default"), Address: addr("10.1.0.4"), Primary: true}}},
		gateway: &Gateway{Meta: head("virtualNetworkGateways", "gw1"), SKU: "ErGw1AZ",
			Configs: []GatewayConfig{{Name: "ip", Subnet: net.Child("subnets", GatewaySubnet), Public: id("publicIPAddresses", "ip1")}},
			Status:  GatewayStatus{Nodes: []string{"gw1", "gw2"}, Addresses: []netip.Addr{addr("10.1.255.29"), addr("10.1.255.30")}}},
		link: &Connection{Meta: head("connections", "link1"), Gateway: id("virtualNetworkGateways", "gw1"), Circuit: id("expressRouteCircuits", "c1"),
			Status: ConnectionStatus{VNI: 5000}},
	}
}

func testFabric() *Fabric {
	ports := func(names ...string) (all []FabricPort) {
		for _, n := range names {
			all = append(all, FabricPort{Name: n})
		}
		return append(all, FabricPort{Name: "fab", Underlay: true})
	}
	return &Fabric{
		Regions: []Region{{Name: "westus2", Geography: "North America", Gateways: []string{"gw1", "gw2"}, Hosts: []string{"host1"}},
			{Name: "northeurope", Geography: "Europe", Gateways: []string{"gw3"}, Hosts: []string{"host2"}}},
		Locations: []PeeringLocation{{Name: "Seattle", Geography: "North America", Region: "westus2", LocalRegions: []string{"westus2"}, Primary: "edge1", Secondary: "edge2"},
			{Name: "Dublin", Geography: "Europe", Region: "northeurope", Primary: "edge3", Secondary: "edge4"}},
		Providers: []Provider{
			{Name: "Contoso", Subscription: other, BandwidthsMbps: []int{50, 100, 200, 500, 1000}, PortPairs: []PortPair{
				{Name: "sea-a", Location: "Seattle", BandwidthMbps: 1000, Overprovision: 1, Primary: "edge1/pe0", Secondary: "edge2/pe0", SwitchPrimary: "x1/e1", SwitchSecondary: "x1/e2"},
				{Name: "sea-b", Location: "Seattle", BandwidthMbps: 500, Overprovision: 1, Primary: "edge1/pe1", Secondary: "edge2/pe1"},
				{Name: "dub-a", Location: "Dublin", BandwidthMbps: 10000, Primary: "edge3/pe0", Secondary: "edge4/pe0"}}},
			{Name: "Fabrikam", Subscription: other},
		},
		DirectPairs: []DirectPair{
			{Name: "sea-d1", Location: "Seattle", BandwidthGbps: 10, Primary: DirectLink{Port: "edge1/dp0"}, Secondary: DirectLink{Port: "edge2/dp0"}},
			{Name: "sea-d2", Location: "Seattle", BandwidthGbps: 100, Primary: DirectLink{Port: "edge1/dp1"}, Secondary: DirectLink{Port: "edge2/dp1"}}},
		Nodes: []FabricNode{
			{Name: "edge1", Role: "edge", VTEP: prefix("100.64.0.1/24"), Ports: append(ports("pe0", "pe1"), FabricPort{Name: "dp0"}, FabricPort{Name: "dp1"})}, {Name: "edge2", Role: "edge", VTEP: prefix("100.64.0.2/24"), Ports: append(ports("pe0", "pe1"), FabricPort{Name: "dp0"}, FabricPort{Name: "dp1"})},
			{Name: "edge3", Role: "edge", VTEP: prefix("100.64.0.3/24"), Ports: ports("pe0")}, {Name: "edge4", Role: "edge", VTEP: prefix("100.64.0.4/24"), Ports: ports("pe0")},
			{Name: "x1", Role: "exchange", Owner: "Contoso", Ports: []FabricPort{{Name: "e1"}, {Name: "e2"}, {Name: "c1"}, {Name: "c2"}, {Name: "c3"}}},
			{Name: "x2", Role: "exchange", Owner: "Contoso", Ports: []FabricPort{{Name: "c1"}}},
			{Name: "y1", Role: "exchange", Owner: "Fabrikam", Ports: []FabricPort{{Name: "c1"}}},
			{Name: "gw1", Role: "gateway", VTEP: prefix("100.64.0.11/24"), Ports: ports()}, {Name: "gw2", Role: "gateway", VTEP: prefix("100.64.0.12/24"), Ports: ports()},
			{Name: "gw3", Role: "gateway", VTEP: prefix("100.64.0.13/24"), Ports: ports()},
			{Name: "host1", Role: "compute", VTEP: prefix("100.64.0.21/24"), Ports: ports("vm1", "vm2")}, {Name: "host2", Role: "compute", VTEP: prefix("100.64.0.22/24"), Ports: ports("vm1")},
		},
		Principals: []Principal{{Name: "alice", ClientID: "a", Secret: "s", Role: "customer", Subscription: customer},
			{Name: "bob", ClientID: "b", Secret: "s", Role: "provider", Provider: "Contoso"}, {Name: "olga", ClientID: "o", SecretHash: "h", Role: "operator"}},
	}
}

func (s *scene) world() *World {
	objects := map[Kind][]Object{}
	all := append([]Object{s.fabric, s.circuit, s.network, s.public, s.nic, s.gateway, s.link}, s.more...)
	for _, o := range all {
		left := false
		for _, x := range s.withoutIt {
			left = left || x == o
		}
		if !left {
			objects[o.Kind()] = append(objects[o.Kind()], o)
		}
	}
	return NewWorld(objects, func(x Sealed) (string, error) { return strings.TrimPrefix(string(x), "sealed "), nil })
}

// without leaves objects out of the world: those that are to be ordered.
func (s *scene) without(o ...Object) *scene {
	s.withoutIt = append(s.withoutIt, o...)
	return s
}

// refused checks an error against "kind target part-of-message"; "" wants none.
func refused(t *testing.T, name string, err error, kind ErrorKind, target, message string) {
	t.Helper()
	if kind == "" {
		if err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
		return
	}
	var e *Error
	switch {
	case !errors.As(err, &e):
		t.Errorf("%s: have %v, want %s %q", name, err, kind, target)
	case e.Kind != kind || e.Target != target || !strings.Contains(e.Message, message):
		t.Errorf("%s: have %s %q %q, want %s %q %q", name, e.Kind, e.Target, e.Message, kind, target, message)
	case e.Code == "" || e.Message == "":
		t.Errorf("%s: code %q message %q", name, e.Code, e.Message)
	}
}

func many[T any](n int, f func(i int) T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = f(i)
	}
	return all
}

func named(format string, i int) string { return fmt.Sprintf(format, i) }
