package compile

import (
	"fmt"
	"testing"

	"onramp/plan"
	"onramp/resource"
)

// directWorld is a port on the edge pair, with circuits of 1 Gbps, each with a private peering.
func directWorld(e resource.Encapsulation, circuits int) Input {
	in := firstCircuit()
	in.Connections = nil
	in.Fabric.DirectPairs = []resource.DirectPair{
		{Name: "d1", Location: "Seattle", BandwidthGbps: 10, Primary: resource.DirectLink{Port: "edge1/dp0"}, Secondary: resource.DirectLink{Port: "edge2/dp0"}},
		{Name: "d2", Location: "Seattle", BandwidthGbps: 10, Primary: resource.DirectLink{Port: "edge1/dp1"}, Secondary: resource.DirectLink{Port: "edge2/dp1"}},
	}
	for i := range in.Fabric.Nodes[:2] {
		n := &in.Fabric.Nodes[i]
		n.Ports = append(n.Ports, resource.FabricPort{Name: "dp0"}, resource.FabricPort{Name: "dp1"})
	}
	in.Ports = []*resource.Port{{Meta: head("expressRoutePorts", "p1", "guid-p1"), PeeringLocation: "Seattle", BandwidthGbps: 10, Encapsulation: e,
		Billing: resource.FamilyMetered, Links: [2]resource.PortLink{{Enabled: true}, {Enabled: true}}, Status: resource.PortStatus{Pair: "d1"}}}
	in.Circuits = nil
	for i := range circuits {
		c := testCircuit(fmt.Sprintf("c%d", i), i, nil)
		c.Provider, c.Port, c.BandwidthMbps = "", in.Ports[0].Meta.ID, 1000
		c.Status.STag, c.Status.PortPair, c.Status.Handoff = 0, "d1", resource.Handoff{}
		if e == resource.QinQ {
			c.Status.STag = i + 1
		} else {
			c.Peerings[0].VLAN = 100 + i
		}
		in.Circuits = append(in.Circuits, c)
	}
	return in
}

// TestDirectCircuit: attachments by (port, C-tag) or (port, S-tag, C-tag) on both edge routers, and no policers unless they are asked for.
func TestDirectCircuit(t *testing.T) {
	for _, e := range []resource.Encapsulation{resource.Dot1Q, resource.QinQ} {
		in := directWorld(e, 2)
		in.Circuits[1].RateLimit = true
		out := Nodes(in)
		checkProblems(t, out.Problems, nil)
		valid(t, out)
		for _, edge := range []string{"edge1", "edge2"} {
			n := out.Nodes[edge]
			for i := range 2 {
				name := fmt.Sprintf("circuit/skey-%d", i)
				a := find(t, n.Attachments, name+"/private/ce")
				want := plan.Attachment{Port: "dp0", CTag: uint16(100 + i)}
				if e == resource.QinQ {
					want.STag, want.CTag = uint16(i+1), 100
				}
				if i == 1 {
					want.Ingress, want.Egress = name+"/in", name+"/out"
				}
				if a.Port != want.Port || a.STag != want.STag || a.CTag != want.CTag || a.Ingress != want.Ingress || a.Egress != want.Egress {
					t.Errorf("%s on %s: %+v, want %+v", e, edge, a, want)
				}
			}
			if len(n.Policers) != 2 {
				t.Errorf("%s on %s: policers %+v, want the second circuit's", e, edge, n.Policers)
			}
			for _, p := range n.Policers {
				if p.BitsPerSecond != 1e9 || p.BurstBytes != 25e6 {
					t.Errorf("policer %+v, want 1 Gbps and a bucket of 20 %% of a second", p)
				}
			}
		}
	}
}

// TestDirectPortState: a port is down unless somebody has the pair and its link is Enabled.
func TestDirectPortState(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(*resource.Port)
		one, two  bool
		noCircuit bool
	}{
		{"both enabled", func(*resource.Port) {}, true, true, false},
		{"link1 disabled", func(p *resource.Port) { p.Links[0].Enabled = false }, false, true, false},
		{"link2 disabled", func(p *resource.Port) { p.Links[1].Enabled = false }, true, false, false},
		{"keys without encryption", func(p *resource.Port) { p.Links[0].MACsec = resource.MACsec{CKN: "x", CAK: "y"} }, false, true, false},
		{"being deleted", func(p *resource.Port) { p.Meta.State = resource.Deleting }, false, false, true},
	} {
		in := directWorld(resource.Dot1Q, 1)
		c.change(in.Ports[0])
		if c.noCircuit {
			in.Circuits = nil
		}
		out := Nodes(in)
		for port, want := range map[string]bool{"edge1/dp0": c.one, "edge2/dp0": c.two, "edge1/dp1": false, "edge2/dp1": false, "edge1/pe0": true, "edge1/fab": true} {
			node, name, _ := resource.SplitPort(port)
			for _, p := range out.Nodes[node].Ports {
				if p.Name == name && p.Enabled != want {
					t.Errorf("%s: %s enabled %v, want %v", c.name, port, p.Enabled, want)
				}
			}
		}
	}
}

// TestDirectPairMissing: a circuit whose pair the fabric lacks is named, and on no router.
func TestDirectPairMissing(t *testing.T) {
	in := directWorld(resource.Dot1Q, 1)
	in.Fabric.DirectPairs = nil
	out := Nodes(in)
	if len(out.Problems) != 1 || out.Problems[0].Reason != `the fabric has no direct port pair "d1"` {
		t.Errorf("problems: %v", out.Problems)
	}
}
