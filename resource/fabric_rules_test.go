package resource

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCheckFabric(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Fabric)
		want   []string // "path part-of-message", in order
	}{
		{"right", func(*Fabric) {}, nil},
		{"empty", func(f *Fabric) { *f = Fabric{} }, nil},
		{"region's name", func(f *Fabric) { f.Regions[0].Name = "West US 2" }, []string{"regions[0].name westus2"}},
		{"region twice", func(f *Fabric) { f.Regions[1].Name = "westus2" },
			[]string{"regions[1].name taken by regions[0].name", "locations[1].region no region"}},
		{"gateway's role", func(f *Fabric) { f.Regions[0].Gateways[1] = "host1" }, []string{"regions[0].gateways[1] has role"}},
		{"gateway twice", func(f *Fabric) { f.Regions[0].Gateways[1] = "gw1" }, []string{"regions[0].gateways[1] listed twice"}},
		{"no host", func(f *Fabric) { f.Regions[1].Hosts[0] = "x" }, []string{"regions[1].hosts[0] no node"}},
		{"one edge", func(f *Fabric) { f.Locations[1].Secondary = "edge3" },
			[]string{"locations[1].secondary two edge routers", "providers[0].portPairs[2].secondary not on the location's"}},
		{"local region", func(f *Fabric) { f.Locations[0].LocalRegions[0] = "x" }, []string{"locations[0].localRegions[0] no region"}},
		{"no geography", func(f *Fabric) { f.Locations[0].Geography = "" }, []string{"locations[0].geography empty"}},
		{"node's name", func(f *Fabric) { f.Nodes[5].Name = "x/2" }, []string{"nodes[5].name may not have"}},
		{"node twice", func(f *Fabric) { f.Nodes[5].Name = "x1" }, []string{"nodes[5].name taken"}},
		{"role", func(f *Fabric) { f.Nodes[5].Role = "hub" }, []string{"nodes[5].role hub", "nodes[5].vtep missing"}},
		{"owner", func(f *Fabric) { f.Nodes[5].Owner = "Nobody" }, []string{"nodes[5].owner no provider"}},
		{"port twice", func(f *Fabric) { f.Nodes[10].Ports[1].Name = "vm1" }, []string{"nodes[10].ports[1].name taken"}},
		{"port's name", func(f *Fabric) { f.Nodes[10].Ports[1].Name = "a-very-long-name" }, []string{"nodes[10].ports[1].name 15 characters"}},
		{"EtherType", func(f *Fabric) { f.Nodes[0].Ports[0].EtherType = 0x9100 }, []string{"nodes[0].ports[0].etherType 0x9100"}},
		{"MTU", func(f *Fabric) { f.Nodes[0].Ports[0].MTU = 100 }, []string{"nodes[0].ports[0].mtu 576"}},
		{"underlay's MTU", func(f *Fabric) { f.Nodes[0].Ports[2].MTU = 1500 }, []string{"nodes[0].ports[2].mtu too small"}},
		{"no underlay", func(f *Fabric) { f.Nodes[0].Ports[2].Underlay = false }, []string{"nodes[0].ports 0 underlay ports"}},
		{"underlay without address", func(f *Fabric) { f.Nodes[4].Ports[0].Underlay = true },
			[]string{"nodes[4].vtep missing", "providers[0].portPairs[0].switchPrimary leads to the fabric"}},
		{"no VTEP", func(f *Fabric) { f.Nodes[9].VTEP = netip.Prefix{} }, []string{"nodes[9].vtep missing"}},
		{"VTEP elsewhere", func(f *Fabric) { f.Nodes[9].VTEP = prefix("100.65.0.9/24") }, []string{"nodes[9].vtep outside"}},
		{"VTEP of another length", func(f *Fabric) { f.Nodes[9].VTEP = prefix("100.64.0.13/25") }, []string{"nodes[9].vtep outside"}},
		{"VTEP twice", func(f *Fabric) { f.Nodes[9].VTEP = prefix("100.64.0.1/24") }, []string{"nodes[9].vtep taken by nodes[0].vtep"}},
		{"VTEP is the network", func(f *Fabric) { f.Nodes[9].VTEP = prefix("100.64.0.0/24") }, []string{"nodes[9].vtep network or broadcast"}},
		{"VTEP is the broadcast", func(f *Fabric) { f.Nodes[9].VTEP = prefix("100.64.0.255/24") }, []string{"nodes[9].vtep network or broadcast"}},
		{"VTEP of IPv6", func(f *Fabric) { f.Nodes[9].VTEP = prefix("fd00::1/64") }, []string{"nodes[9].vtep IPv4"}},
		{"VTEP too short", func(f *Fabric) { f.Nodes[9].VTEP = prefix("100.64.0.13/8") }, []string{"nodes[9].vtep 16 to 30"}},
		{"provider's bandwidth", func(f *Fabric) { f.Providers[0].BandwidthsMbps[1] = 7 }, []string{"providers[0].bandwidths[1] 7 Mbps"}},
		{"no subscription", func(f *Fabric) { f.Providers[1].Subscription = "" }, []string{"providers[1].subscription empty"}},
		{"pair twice", func(f *Fabric) { f.Providers[0].PortPairs[1].Name = "sea-a" }, []string{"providers[0].portPairs[1].name taken"}},
		{"pair's location", func(f *Fabric) { f.Providers[0].PortPairs[1].Location = "x" }, []string{"providers[0].portPairs[1].location no location"}},
		{"pair's port", func(f *Fabric) { f.Providers[0].PortPairs[1].Primary = "edge1/x" }, []string{"providers[0].portPairs[1].primary no port"}},
		{"pair's port, form", func(f *Fabric) { f.Providers[0].PortPairs[1].Primary = "edge1" }, []string{"providers[0].portPairs[1].primary node/port"}},
		{"pair's edge", func(f *Fabric) { f.Providers[0].PortPairs[1].Primary = "edge2/pe1" },
			[]string{`providers[0].portPairs[1].primary edge router "edge1"`}},
		{"port of two pairs", func(f *Fabric) { f.Providers[0].PortPairs[1].Primary = "edge1/pe0" },
			[]string{"providers[0].portPairs[1].primary used by providers[0].portPairs[0].primary"}},
		{"pair on the fabric", func(f *Fabric) { f.Providers[0].PortPairs[1].Primary = "edge1/fab" }, []string{"providers[0].portPairs[1].primary leads to the fabric"}},
		{"pair's speed", func(f *Fabric) { f.Providers[0].PortPairs[1].BandwidthMbps = 0 }, []string{"providers[0].portPairs[1].bandwidth 0"}},
		{"one switch port", func(f *Fabric) { f.Providers[0].PortPairs[0].SwitchSecondary = "" }, []string{"providers[0].portPairs[0].switchSecondary go together"}},
		{"foreign switch", func(f *Fabric) { f.Providers[0].PortPairs[0].SwitchPrimary = "y1/c1" }, []string{"providers[0].portPairs[0].switchPrimary belongs to"}},
		{"no switch", func(f *Fabric) { f.Providers[0].PortPairs[0].SwitchPrimary = "host1/vm1" }, []string{"providers[0].portPairs[0].switchPrimary role"}},
		{"switch and router", func(f *Fabric) {
			f.Nodes[6].Role, f.Providers[0].PortPairs[0].SwitchSecondary = RoleRouter, "y1/c1"
			f.Nodes[6].Owner = "Contoso"
		},
			[]string{"providers[0].portPairs[0].switchSecondary both ends of a pair"}},
		{"direct pair's name", func(f *Fabric) { f.DirectPairs[0].Name = "sea-a" }, []string{"directPorts[0].name taken by providers[0].portPairs[0].name"}},
		{"direct pair's speed", func(f *Fabric) { f.DirectPairs[0].BandwidthGbps = 40 }, []string{"directPorts[0].bandwidth 40 Gbps"}},
		{"direct pair's location", func(f *Fabric) { f.DirectPairs[0].Location = "x" }, []string{"directPorts[0].location no location"}},
		{"direct pair's edge", func(f *Fabric) { f.DirectPairs[0].Secondary.Port = "edge1/dp0" },
			[]string{`directPorts[0].secondary.port edge router "edge2"`}},
		{"direct port of a provider", func(f *Fabric) { f.DirectPairs[0].Primary.Port = "edge1/pe0" },
			[]string{"directPorts[0].primary.port used by providers[0].portPairs[0].primary"}},
		{"direct connector", func(f *Fabric) { f.DirectPairs[0].Primary.Connector = "RJ45" }, []string{"directPorts[0].primary.connector RJ45"}},
		{"principal twice", func(f *Fabric) { f.Principals[1].ClientID = "A" }, []string{"principals[1].clientId taken"}},
		{"principal's role", func(f *Fabric) { f.Principals[1].Role = "root" }, []string{"principals[1].role root"}},
		{"principal's provider", func(f *Fabric) { f.Principals[1].Provider = "x" }, []string{"principals[1].provider no provider"}},
		{"principal's secret", func(f *Fabric) { f.Principals[0].Secret = "" }, []string{"principals[0].secret empty"}},
		{"principal's subscription", func(f *Fabric) { f.Principals[0].Subscription = "" }, []string{"principals[0].subscription empty"}},
	} {
		f := testFabric()
		c.change(f)
		got := Errors(CheckFabric(f))
		if len(got) != len(c.want) {
			t.Errorf("%s: %d problems %v, want %q", c.name, len(got), got, c.want)
			continue
		}
		for i, w := range c.want {
			path, message, _ := strings.Cut(w, " ")
			if got[i].Target != path || !strings.Contains(got[i].Message, message) {
				t.Errorf("%s: have %q %q, want %q", c.name, got[i].Target, got[i].Message, w)
			}
		}
	}
}

// TestCheckFabricChange: what is in use stays in the fabric.
func TestCheckFabricChange(t *testing.T) {
	for _, c := range []struct {
		name            string
		change          func(*Fabric)
		target, message string
	}{
		{"nothing", func(*Fabric) {}, "", ""},
		{"unused things gone", func(f *Fabric) {
			f.Providers, f.Nodes = f.Providers[:1], append(f.Nodes[:5:5], f.Nodes[7:]...)
			f.Providers[0].PortPairs = f.Providers[0].PortPairs[:2]
		}, "", ""},
		{"invalid", func(f *Fabric) { f.Nodes[0].Role = "x" }, "locations[0].primary", "role"},
		{"used pair gone", func(f *Fabric) { f.Providers[0].PortPairs = f.Providers[0].PortPairs[1:] }, "providers", `circuit "c1"`},
		{"used pair renamed", func(f *Fabric) { f.Providers[0].PortPairs[0].Name = "new" }, "providers", `circuit "c1"`},
		{"used gateway node gone", func(f *Fabric) {
			f.Regions[0].Gateways = []string{"gw2"}
			f.Nodes = append(f.Nodes[:7:7], f.Nodes[8:]...)
		}, "nodes", `gateway "gw1"`},
		{"hand-off's port gone", func(f *Fabric) { f.Nodes[4].Ports = f.Nodes[4].Ports[:2] }, "nodes", "handed over on it"},
		{"used machine's port gone", func(f *Fabric) { f.Nodes[10].Ports = f.Nodes[10].Ports[1:] }, "nodes", `interface "nic1"`},
		{"used region gone", func(f *Fabric) {
			f.Regions, f.Locations[0].Region = f.Regions[1:], "northeurope"
			f.Locations[0].LocalRegions = nil
		}, "regions", "westus2"},
	} {
		s := newScene()
		s.circuit.Status.Handoff = Handoff{Primary: "x1/c1"}
		next := Clone(s.fabric)
		c.change(next)
		kind := InUse
		switch {
		case c.target == "":
			kind = ""
		case strings.Contains(c.target, "["):
			kind = Invalid
		}
		err := s.world().CheckFabricChange(next)
		if all := Errors(err); len(all) > 1 {
			err = all[0]
		}
		refused(t, c.name, err, kind, c.target, c.message)
	}
}

func TestFabricLookups(t *testing.T) {
	f := testFabric()
	for name, ok := range map[string]bool{
		"region":   f.Region("West US 2") == &f.Regions[0],
		"location": f.PeeringLocation("seattle") == &f.Locations[0],
		"provider": f.Provider("CONTOSO") == &f.Providers[0],
		"node":     f.Node("edge2") == &f.Nodes[1] && f.Node("Edge2") == nil,
		"pair":     f.Provider("Contoso").PortPair("sea-b") == &f.Providers[0].PortPairs[1] && f.Provider("x").PortPair("sea-b") == nil,
		"none":     (*Fabric)(nil).Region("x") == nil && (*Fabric)(nil).Provider("x") == nil && (*Fabric)(nil).Node("x") == nil && (*Fabric)(nil).PeeringLocation("x") == nil,
		"capacity": (&PortPair{BandwidthMbps: 10}).CapacityMbps() == 40 && (&PortPair{BandwidthMbps: 10, Overprovision: 2}).CapacityMbps() == 20,
	} {
		if !ok {
			t.Error(name)
		}
	}
	n, p := f.Port("edge1/pe1")
	if n != &f.Nodes[0] || p != &f.Nodes[0].Ports[1] {
		t.Errorf("port edge1/pe1: %v %v", n, p)
	}
	for _, bad := range []string{"", "edge1", "edge1/", "/pe1", "edge1/pe1/x", "edge1/pe9", "x/pe1"} {
		if _, p := f.Port(bad); p != nil {
			t.Errorf("port %q is %v", bad, p)
		}
	}
}
