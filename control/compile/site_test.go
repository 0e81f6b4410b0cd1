package compile

import (
	"path/filepath"
	"strings"
	"testing"

	"onramp/resource"
)

// managedCircuits is the first circuit's world with the pair on a router of the provider, and a second circuit with the same addresses: one
// site by BGP on both links, one by static routes.
func managedCircuits() Input {
	in := firstCircuit()
	in.Fabric.Nodes[2] = resource.FabricNode{Name: "pe1", Role: resource.RoleRouter, Owner: "Contoso Exchange",
		Ports: []resource.FabricPort{{Name: "e1"}, {Name: "e2"}, {Name: "s1"}, {Name: "s2"}, {Name: "s3"}}}
	pair := &in.Fabric.Providers[0].PortPairs[0]
	pair.SwitchPrimary, pair.SwitchSecondary = "pe1/e1", "pe1/e2"
	second := testCircuit("c2", 2, nil)
	for _, c := range []*resource.Circuit{in.Circuits[0], second} {
		c.Peerings[0].PeerASN, c.Peerings[0].ModifiedBy = 64900, resource.ByProvider
	}
	in.Circuits[0].Status.Handoff = resource.Handoff{Primary: "pe1/s1:l3", PrimarySite: "172.16.0.1/30 bgp 172.16.0.2 65001",
		Secondary: "pe1/s2:l3", SecondarySite: "172.16.0.5/30 bgp 172.16.0.6 65001"}
	second.Status.Handoff = resource.Handoff{Primary: "pe1/s3:l3", PrimarySite: "172.16.0.1/30 static 172.16.0.2 10.2.0.0/16 10.3.0.0/16"}
	in.Circuits = append(in.Circuits, second)
	return in
}

// TestManagedCircuits compares the router's plan with a golden one; the edges' are as for any circuit.
func TestManagedCircuits(t *testing.T) {
	out := Nodes(managedCircuits())
	valid(t, out)
	if len(out.Problems) > 0 {
		t.Fatalf("problems: %v", out.Problems)
	}
	golden(t, filepath.Join("testdata", "managed-circuits", "pe1.json"), out.Nodes["pe1"])
	if s := find(t, out.Nodes["edge2"].Sessions, "circuit/skey-1/private/ce4"); s.PeerAS != 64900 {
		t.Errorf("the edge expects AS %d", s.PeerAS)
	}
}

func TestManagedStates(t *testing.T) {
	for _, c := range []struct {
		name                           string
		change                         func(*Input)
		domains, attachments, sessions int
		problem                        string
	}{
		{"all", func(*Input) {}, 2, 7, 6, ""},
		{"not handed over yet", func(in *Input) { in.Circuits[0].Status.Handoff = resource.Handoff{} }, 2, 5, 4, ""},
		{"no peering", func(in *Input) { in.Circuits[0].Peerings, in.Connections = nil, nil }, 1, 3, 2, ""},
		{"provisioning", func(in *Input) { in.Circuits[0].Status.ProviderState, in.Connections = resource.Provisioning, nil }, 1, 3, 2, ""},
		{"site unreadable", func(in *Input) { in.Circuits[0].Status.Handoff.PrimarySite = "x" }, 2, 6, 5, "primary hand-off"},
		{"hand-off at layer 2", func(in *Input) { in.Circuits[0].Status.Handoff.Secondary = "pe1/s2" }, 2, 6, 5, "no hand-off at layer 3"},
		{"two routers", func(in *Input) {
			in.Fabric.Nodes = append(in.Fabric.Nodes, resource.FabricNode{Name: "pe2", Role: resource.RoleRouter, Owner: "Contoso Exchange",
				Ports: []resource.FabricPort{{Name: "e2"}, {Name: "s2"}}})
			in.Fabric.Providers[0].PortPairs[0].SwitchSecondary = "pe2/e2"
			in.Circuits[0].Status.Handoff.Secondary = "pe2/s2:l3"
		}, 2, 4, 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := managedCircuits()
			c.change(&in)
			out := Nodes(in)
			valid(t, out)
			n := out.Nodes["pe1"]
			if len(n.Domains) != c.domains || len(n.Attachments) != c.attachments || len(n.Sessions) != c.sessions {
				t.Errorf("%d domains, %d attachments, %d sessions, want %d, %d, %d", len(n.Domains), len(n.Attachments), len(n.Sessions),
					c.domains, c.attachments, c.sessions)
			}
			if len(n.Crossconnects) > 0 {
				t.Errorf("a router has crossconnects %v", n.Crossconnects)
			}
			if got := len(out.Problems); (got > 0) != (c.problem != "") || got > 0 && !strings.Contains(out.Problems[0].Reason, c.problem) {
				t.Errorf("problems %v, want %q", out.Problems, c.problem)
			}
		})
	}
}
