package resource

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckNetworkOrder(t *testing.T) {
	const space, subnet0 = "properties.addressSpace.addressPrefixes", "properties.subnets[0]."
	for _, c := range []struct {
		name            string
		change          func(*Network)
		kind            ErrorKind
		target, message string
	}{
		{"plain", func(*Network) {}, "", "", ""},
		{"no subnets", func(n *Network) { n.Subnets = nil }, "", "", ""},
		{"name", func(n *Network) { n.Meta.ID.Names = []string{"x/"} }, Invalid, "name", "x/"},
		{"no space", func(n *Network) { n.AddressSpace = nil }, Invalid, space, "empty"},
		{"host bits", func(n *Network) { n.AddressSpace[0] = prefix("10.1.2.0/16") }, Invalid, space + "[0]", "10.1.0.0/16"},
		{"too small", func(n *Network) { n.AddressSpace[0] = prefix("10.1.0.0/30") }, Invalid, space + "[0]", "2..29"},
		{"too large", func(n *Network) { n.AddressSpace[0] = prefix("0.0.0.0/0") }, Invalid, space + "[0]", "2..29"},
		{"IPv6", func(n *Network) { n.AddressSpace[0] = prefix("fd00::/48") }, Invalid, space + "[0]", "IPv4"},
		{"link local", func(n *Network) { n.AddressSpace[0] = prefix("169.254.7.0/24") }, Invalid, space + "[0]", "169.254/16"},
		{"loopback", func(n *Network) { n.AddressSpace[0] = prefix("127.0.0.0/16") }, Invalid, space + "[0]", "127/8"},
		{"overlap", func(n *Network) { n.AddressSpace = append(n.AddressSpace, prefix("10.1.128.0/17")) }, Invalid, space + "[1]", "overlaps 10.1.0.0/16"},
		{"region", func(n *Network) { n.Meta.Location = "x" }, Invalid, "location", "x"},
		{"subnet outside", func(n *Network) { n.Subnets[0].Prefixes[0] = prefix("10.2.0.0/24") }, Invalid, subnet0 + "properties.addressPrefix", "outside"},
		{"subnet around", func(n *Network) { n.Subnets[0].Prefixes[0] = prefix("10.0.0.0/15") }, Invalid, subnet0 + "properties.addressPrefix", "outside"},
		{"subnet's host bits", func(n *Network) { n.Subnets[0].Prefixes[0] = prefix("10.1.0.1/24") }, Invalid, subnet0 + "properties.addressPrefix", "10.1.0.0/24"},
		{"subnet too small", func(n *Network) { n.Subnets[0].Prefixes[0] = prefix("10.1.0.0/30") }, Invalid, subnet0 + "properties.addressPrefix", "/29"},
		{"subnet without prefix", func(n *Network) { n.Subnets[0].Prefixes = nil }, Invalid, subnet0 + "properties.addressPrefix", "no prefix"},
		{"subnets overlap", func(n *Network) { n.Subnets[0].Prefixes[0] = prefix("10.1.255.0/24") }, Invalid, "properties.subnets[1].properties.addressPrefix", "overlaps"},
		{"subnet twice", func(n *Network) { n.Subnets[1].Name = "DEFAULT" }, Invalid, "properties.subnets[1].name", "taken"},
		{"GatewaySubnet's case", func(n *Network) { n.Subnets[1].Name = "gatewaysubnet" }, Invalid, "properties.subnets[1].name", "must be written"},
		{"GatewaySubnet /28", func(n *Network) { n.Subnets[1].Prefixes[0] = prefix("10.1.255.0/28") }, Invalid, "properties.subnets[1].properties.addressPrefix", "/27"},
		{"GatewaySubnet /26", func(n *Network) { n.Subnets[1].Prefixes[0] = prefix("10.1.255.0/26") }, "", "", ""},
	} {
		s := newScene()
		s.without(s.network, s.nic, s.gateway, s.link)
		order := Clone(s.network)
		c.change(order)
		refused(t, c.name, s.world().CheckNetwork(nil, order), c.kind, c.target, c.message)
	}
}

func TestCheckNetworkChange(t *testing.T) {
	const space = "properties.addressSpace.addressPrefixes"
	second := func(s *scene) { // another network on the same circuit
		n := Clone(s.network)
		n.Meta.ID, n.AddressSpace = id("virtualNetworks", "net2"), []netip.Prefix{prefix("10.2.0.0/16")}
		g := Clone(s.gateway)
		g.Meta.ID, g.Configs[0].Subnet = id("virtualNetworkGateways", "gw2"), n.Meta.ID.Child("subnets", GatewaySubnet)
		l := Clone(s.link)
		l.Meta.ID, l.Gateway = id("connections", "link2"), g.Meta.ID
		s.more = append(s.more, n, g, l)
	}
	for _, c := range []struct {
		name            string
		before          func(*scene)
		change          func(*Network)
		kind            ErrorKind
		target, message string
	}{
		{"nothing", nil, func(*Network) {}, "", "", ""},
		{"grow", nil, func(n *Network) { n.AddressSpace = append(n.AddressSpace, prefix("10.9.0.0/16")) }, "", "", ""},
		{"grow over the circuit's link", nil, func(n *Network) { n.AddressSpace = append(n.AddressSpace, prefix("192.168.0.0/16")) }, Invalid, space, "192.168.1.0/30"},
		{"grow over another linked network", second, func(n *Network) { n.AddressSpace = append(n.AddressSpace, prefix("10.2.0.0/24")) }, Invalid, space, `network "net2"`},
		{"used subnet gone", nil, func(n *Network) { n.Subnets = n.Subnets[1:] }, InUse, "", "nic1"},
		{"used subnet resized", nil, func(n *Network) { n.Subnets[0].Prefixes[0] = prefix("10.1.0.0/25") }, InUse, "", "nic1"},
		{"GatewaySubnet gone", nil, func(n *Network) { n.Subnets = n.Subnets[:1] }, InUse, "", "gw1"},
		{"unused subnet gone", func(s *scene) {
			s.network.Subnets = append(s.network.Subnets, Subnet{Name: "x", Prefixes: []netip.Prefix{prefix("10.1.9.0/24")}})
		}, func(n *Network) { n.Subnets = n.Subnets[:2] }, "", "", ""},
		{"region", nil, func(n *Network) { n.Meta.Location = "northeurope" }, Invalid, "location", "may not change"},
	} {
		s := newScene()
		if c.before != nil {
			c.before(s)
		}
		changed := Clone(s.network)
		c.change(changed)
		refused(t, c.name, s.world().CheckNetwork(s.network, changed), c.kind, c.target, c.message)
	}
}

func TestCheckPublicAddress(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*PublicAddress)
		target string
	}{
		{"plain", func(*PublicAddress) {}, ""},
		{"Basic", func(p *PublicAddress) { p.SKU = "Basic" }, "sku.name"},
		{"dynamic", func(p *PublicAddress) { p.Static = false }, "properties.publicIPAllocationMethod"},
		{"IPv6", func(p *PublicAddress) { p.Version = 6 }, "properties.publicIPAddressVersion"},
		{"idle", func(p *PublicAddress) { p.IdleMinutes = 31 }, "properties.idleTimeoutInMinutes"},
		{"region", func(p *PublicAddress) { p.Meta.Location = "x" }, "location"},
	} {
		s := newScene()
		order := Clone(s.public)
		c.change(order)
		kind := Invalid
		if c.target == "" {
			kind = ""
		}
		refused(t, c.name, s.world().CheckPublicAddress(nil, order), kind, c.target, "")
	}
}

func TestDeletesInUse(t *testing.T) {
	s := newScene()
	w := s.world()
	refused(t, "network", w.CheckNetworkDelete(s.network), InUse, "", "gw1")
	refused(t, "subnet", w.CheckSubnetDelete(s.network, "DEFAULT"), InUse, "", "nic1")
	refused(t, "gateway", w.CheckGatewayDelete(s.gateway), InUse, "", "link1")
	refused(t, "public address", w.CheckPublicAddressDelete(s.public), InUse, "", "gw1")
	refused(t, "peering", w.CheckPeeringDelete(s.circuit, "azureprivatepeering"), InUse, "", "link1")
	alone := &scene{fabric: s.fabric, circuit: s.circuit, network: s.network, public: s.public, nic: s.nic, gateway: s.gateway, link: s.link}
	w = alone.without(s.nic, s.gateway, s.link).world()
	refused(t, "network alone", w.CheckNetworkDelete(s.network), "", "", "")
	refused(t, "subnet alone", w.CheckSubnetDelete(s.network, "default"), "", "", "")
	refused(t, "gateway alone", w.CheckGatewayDelete(s.gateway), "", "", "")
	refused(t, "public address alone", w.CheckPublicAddressDelete(s.public), "", "", "")
	refused(t, "peering alone", w.CheckPeeringDelete(s.circuit, PrivatePeering), "", "", "")
}

func TestCheckInterface(t *testing.T) {
	const config = "properties.ipConfigurations[0]"
	net := id("virtualNetworks", "net1")
	for _, c := range []struct {
		name            string
		before          func(*scene)
		change          func(*Interface)
		kind            ErrorKind
		target, message string
	}{
		{"plain", nil, func(*Interface) {}, "", "", ""},
		{"detached", nil, func(i *Interface) { i.AttachTo = "" }, "", "", ""},
		{"no address", nil, func(i *Interface) { i.Configs = nil }, Invalid, "properties.ipConfigurations", "empty"},
		{"no subnet", nil, func(i *Interface) { i.Configs[0].Subnet = net.Child("subnets", "x") }, Invalid, config + ".properties.subnet.id", "no subnet"},
		{"not a subnet", nil, func(i *Interface) { i.Configs[0].Subnet = net }, Invalid, config + ".properties.subnet.id", "no subnet"},
		{"GatewaySubnet", nil, func(i *Interface) { i.Configs[0].Subnet = net.Child("subnets", GatewaySubnet) }, Invalid, config + ".properties.subnet.id", "gateways alone"},
		{"missing", nil, func(i *Interface) { i.Configs[0].Address = netip.Addr{} }, Invalid, config + ".properties.privateIPAddress", "missing"},
		{"outside", nil, func(i *Interface) { i.Configs[0].Address = addr("10.1.1.4") }, Invalid, config + ".properties.privateIPAddress", "not in subnet"},
		{"network address", nil, func(i *Interface) { i.Configs[0].Address = addr("10.1.0.0") }, Invalid, config + ".properties.privateIPAddress", "platform's"},
		{"last reserved", nil, func(i *Interface) { i.Configs[0].Address = addr("10.1.0.3") }, Invalid, config + ".properties.privateIPAddress", "platform's"},
		{"broadcast", nil, func(i *Interface) { i.Configs[0].Address = addr("10.1.0.255") }, Invalid, config + ".properties.privateIPAddress", "platform's"},
		{"last", nil, func(i *Interface) { i.Configs[0].Address = addr("10.1.0.254") }, "", "", ""},
		{"taken", func(s *scene) {
			n := Clone(s.nic)
			n.Meta.ID, n.AttachTo = id("networkInterfaces", "nic2"), ""
			s.more = append(s.more, n)
		}, func(*Interface) {}, Conflict, config + ".properties.privateIPAddress", "nic2"},
		{"twice", nil, func(i *Interface) {
			i.Configs = append(i.Configs, i.Configs[0])
			i.Configs[1].Name, i.Configs[1].Primary = "ip2", false
		}, Invalid, "properties.ipConfigurations[1].properties.privateIPAddress", "given twice"},
		{"two primaries", nil, func(i *Interface) {
			i.Configs = append(i.Configs, i.Configs[0])
			i.Configs[1].Name, i.Configs[1].Address = "ip2", addr("10.1.0.9")
		}, Invalid, "properties.ipConfigurations", "2 configurations are primary"},
		{"region", nil, func(i *Interface) { i.Meta.Location, i.AttachTo = "northeurope", "" }, Invalid, "location", "its network in"},
		{"public address", nil, func(i *Interface) { i.Configs[0].Public = id("publicIPAddresses", "x") }, Invalid, config + ".properties.publicIPAddress.id", "no public address"},
		{"no port", nil, func(i *Interface) { i.AttachTo = "host1/vm9" }, Invalid, "tags.attachTo", "no port"},
		{"underlay", nil, func(i *Interface) { i.AttachTo = "host1/fab" }, Invalid, "tags.attachTo", "not a machine's port"},
		{"not a host", nil, func(i *Interface) { i.AttachTo = "x1/c1" }, Invalid, "tags.attachTo", "not a machine's port"},
		{"other region", nil, func(i *Interface) { i.AttachTo = "host2/vm1" }, Invalid, "tags.attachTo", "does not serve"},
		{"port taken", func(s *scene) {
			n := Clone(s.nic)
			n.Meta.ID, n.Configs[0].Address = id("networkInterfaces", "nic2"), addr("10.1.0.9")
			s.more = append(s.more, n)
		}, func(*Interface) {}, Conflict, "tags.attachTo", "nic2"},
	} {
		s := newScene()
		if c.before != nil {
			c.before(s)
		}
		changed := Clone(s.nic)
		c.change(changed)
		refused(t, c.name, s.world().CheckInterface(nil, changed), c.kind, c.target, c.message)
	}
}

// TestFreeAddress: allocated addresses are usable and distinct until the subnet is full.
func TestFreeAddress(t *testing.T) {
	s := newScene()
	s.network.Subnets[0].Prefixes = []netip.Prefix{prefix("10.1.0.0/29"), prefix("10.1.1.0/29")}
	subnet := s.nic.Configs[0].Subnet
	var got []netip.Addr
	for {
		a, err := s.world().FreeAddress(subnet, id("networkInterfaces", "new"), got...)
		if err != nil {
			refused(t, "full", err, Limit, "", "no free address")
			break
		}
		got = append(got, a)
	}
	want := []netip.Addr{addr("10.1.0.5"), addr("10.1.0.6"), addr("10.1.1.4"), addr("10.1.1.5"), addr("10.1.1.6")}
	if len(got) != len(want) {
		t.Fatalf("allocated %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("allocated %v, want %v", got, want)
		}
	}
	if a, err := s.world().FreeAddress(subnet, s.nic.Meta.ID); err != nil || a != addr("10.1.0.4") {
		t.Errorf("the owner's own address is not free for it: %v %v", a, err)
	}
}

func TestMAC(t *testing.T) {
	a, b := MAC("a"), MAC("b")
	if a == b || a != MAC("a") || len(a) != 17 || a[:3] != "02:" {
		t.Errorf("MACs %q and %q", a, b)
	}
}

// TestGatewayAddresses: in any GatewaySubnet, instances and edges have addresses of their own, none of them reserved.
func TestGatewayAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(16, 27).Draw(t, "bits")
		p, _ := netip.AddrFrom4([4]byte{10, 7, 99, 200}).Prefix(bits)
		s := &Subnet{Name: GatewaySubnet, Prefixes: []netip.Prefix{p}}
		seen := map[netip.Addr]bool{}
		check := func(a netip.Addr) {
			if seen[a] || !p.Contains(a) || Reserved(p, a) {
				t.Fatalf("%s in %s is reserved, outside or used twice", a, p)
			}
			seen[a] = true
		}
		for _, a := range GatewayAddresses(s, 2) {
			check(a)
		}
		for slot := range min(Slots(s), 100) {
			first, second, ok := EdgeAddresses(s, slot)
			if !ok {
				t.Fatalf("slot %d of %d has no addresses", slot, Slots(s))
			}
			check(first)
			check(second)
		}
		if first, second, ok := EdgeAddresses(s, Slots(s)-1); !ok || Reserved(p, second) || seen[first] && Slots(s) > 100 {
			t.Fatalf("last slot: %s %s %v", first, second, ok)
		}
		if _, _, ok := EdgeAddresses(s, Slots(s)); ok {
			t.Fatalf("slot %d fits, although there are %d", Slots(s), Slots(s))
		}
	})
}
