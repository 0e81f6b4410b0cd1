package compile

import (
	"fmt"
	"net/netip"

	"onramp/resource"
)

const subscription = "11111111-1111-1111-1111-111111111111"

func id(typ, name string) resource.ID {
	return resource.ID{Subscription: subscription, Group: "rg1", Namespace: "Microsoft.Network", Types: []string{typ}, Names: []string{name}}
}

func head(typ, name, guid string) resource.Head {
	return resource.Head{ID: id(typ, name), Location: "westus2", GUID: guid, State: resource.Succeeded}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// open undoes seal, the tests' keyring.
func open(s resource.Sealed) (string, error) { return string(s)[len("sealed "):], nil }

func seal(s string) resource.Sealed { return resource.Sealed("sealed " + s) }

// testFabric has one location with its edge pair, one exchange, and one region with two gateway nodes and two hosts.
func testFabric() *resource.Fabric {
	ports := func(names ...string) (all []resource.FabricPort) {
		for _, n := range names {
			all = append(all, resource.FabricPort{Name: n})
		}
		return append(all, resource.FabricPort{Name: "fab", Underlay: true})
	}
	node := func(name, role, vtep string, names ...string) resource.FabricNode {
		return resource.FabricNode{Name: name, Role: role, VTEP: prefix(vtep), Ports: ports(names...)}
	}
	return &resource.Fabric{
		Regions: []resource.Region{{Name: "westus2", Geography: "North America", Gateways: []string{"gw1", "gw2"}, Hosts: []string{"host1", "host2"}}},
		Locations: []resource.PeeringLocation{{Name: "Seattle", Geography: "North America", Region: "westus2", LocalRegions: []string{"westus2"},
			Primary: "edge1", Secondary: "edge2"}},
		Providers: []resource.Provider{{Name: "Contoso Exchange", Subscription: subscription, PortPairs: []resource.PortPair{{
			Name: "sea-a", Location: "Seattle", BandwidthMbps: 10000, Primary: "edge1/pe0", Secondary: "edge2/pe0",
			SwitchPrimary: "xchg1/e1", SwitchSecondary: "xchg1/e2"}}}},
		Nodes: []resource.FabricNode{
			node("edge1", "edge", "100.64.0.11/24", "pe0"), node("edge2", "edge", "100.64.0.12/24", "pe0"),
			{Name: "xchg1", Role: "exchange", Owner: "Contoso Exchange", Ports: []resource.FabricPort{{Name: "e1"}, {Name: "e2"}, {Name: "c1"}, {Name: "c2"}}},
			node("gw1", "gateway", "100.64.0.21/24"), node("gw2", "gateway", "100.64.0.22/24"),
			node("host1", "compute", "100.64.0.31/24", "vm1", "vm2"), node("host2", "compute", "100.64.0.32/24", "vm1", "vm2"),
		},
	}
}

// firstCircuit is the world of the first circuit: 200 Mbps in Seattle, handed over on untagged ports, one network with two machines.
func firstCircuit() Input {
	return Input{
		Fabric: testFabric(), Open: open,
		Circuits:    []*resource.Circuit{testCircuit("c1", 1, seal("md5Key"))},
		Networks:    []*resource.Network{testNetwork("net1", 1)},
		Gateways:    []*resource.Gateway{testGateway("gw", "net1", 1)},
		Connections: []*resource.Connection{testConnection("link1", "gw", "c1", 1, 0)},
		Interfaces: []*resource.Interface{
			testInterface("nic1", "net1", addr("10.1.0.4"), "host1/vm1"), testInterface("nic2", "net1", addr("10.1.0.5"), "host2/vm1"),
		},
	}
}

func testCircuit(name string, number int, key resource.Sealed) *resource.Circuit {
	return &resource.Circuit{
		Meta: head("expressRouteCircuits", name, "guid-"+name), Tier: resource.TierStandard, Plan: resource.FamilyMetered,
		Provider: "Contoso Exchange", PeeringLocation: "Seattle", BandwidthMbps: 200,
		Peerings: []resource.Peering{{Type: resource.PrivatePeering, Enabled: true, PeerASN: 65001, VLAN: 100, Key: key,
			Primary: prefix("192.168.100.128/30"), Secondary: prefix("192.168.100.132/30")}},
		Status: resource.CircuitStatus{Enabled: true, ServiceKey: fmt.Sprintf("skey-%d", number), STag: 1 + number, PortPair: "sea-a",
			ProviderState: resource.Provisioned, Handoff: resource.Handoff{Primary: "xchg1/c1", Secondary: "xchg1/c2"}},
	}
}

// testNetwork is 10.number.0.0/16.
func testNetwork(name string, number int) *resource.Network {
	at := func(format string) netip.Prefix { return prefix(fmt.Sprintf(format, number)) }
	return &resource.Network{
		Meta: head("virtualNetworks", name, "guid-"+name), AddressSpace: []netip.Prefix{at("10.%d.0.0/16")},
		Subnets: []resource.Subnet{{Name: "default", Prefixes: []netip.Prefix{at("10.%d.0.0/24")}},
			{Name: resource.GatewaySubnet, Prefixes: []netip.Prefix{at("10.%d.255.0/27")}}},
		Status: resource.NetworkStatus{VNI: uint32(1000 + number)},
	}
}

func testGateway(name, network string, number int) *resource.Gateway {
	subnet := &resource.Subnet{Prefixes: []netip.Prefix{prefix(fmt.Sprintf("10.%d.255.0/27", number))}}
	return &resource.Gateway{
		Meta: head("virtualNetworkGateways", name, "guid-"+name), SKU: "ErGw1AZ",
		Configs: []resource.GatewayConfig{{Name: "default", Subnet: id("virtualNetworks", network).Child("subnets", resource.GatewaySubnet)}},
		Status:  resource.GatewayStatus{Nodes: []string{"gw1", "gw2"}, Addresses: resource.GatewayAddresses(subnet, 2)},
	}
}

func testConnection(name, gateway, circuit string, number, slot int) *resource.Connection {
	return &resource.Connection{
		Meta: head("connections", name, "guid-"+name), Gateway: id("virtualNetworkGateways", gateway), Circuit: id("expressRouteCircuits", circuit),
		RoutingWeight: 10, Status: resource.ConnectionStatus{VNI: uint32(5000 + number), Slot: slot},
	}
}

func testInterface(name, network string, a netip.Addr, attachTo string) *resource.Interface {
	return &resource.Interface{
		Meta: head("networkInterfaces", name, "guid-"+name), AttachTo: attachTo,
		Configs: []resource.InterfaceConfig{{Name: "ip", Subnet: id("virtualNetworks", network).Child("subnets", "default"), Address: a, Primary: true}},
		Status:  resource.InterfaceStatus{MAC: resource.MAC("guid-" + name)},
	}
}
