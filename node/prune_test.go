package node

import (
	"net/netip"
	"strings"
	"testing"

	"onramp/plan"
	"pgregory.net/rapid"
)

// TestPruneSparesTheOthers: whatever is wrong with the first customer's objects, the rest of the plan is right, and the second's are all there.
func TestPruneSparesTheOthers(t *testing.T) {
	spoil := map[string]func(n *plan.Node){
		"port name":       func(n *plan.Node) { n.Ports[0].Name = strings.Repeat("x", 16) },
		"port MTU":        func(n *plan.Node) { n.Ports[0].MTU = 1 },
		"tag":             func(n *plan.Node) { n.Attachments[0].CTag = 5000 },
		"domain":          func(n *plan.Node) { n.Attachments[0].Domain = "nowhere" },
		"no domain name":  func(n *plan.Node) { n.Domains[0].Name = "" },
		"policer":         func(n *plan.Node) { n.Attachments[0].Ingress = "none" },
		"session AS":      func(n *plan.Node) { n.Sessions[0].PeerAS = 0 },
		"session address": func(n *plan.Node) { n.Sessions[0].LocalAddr = netip.Addr{} },
		"static":          func(n *plan.Node) { n.Domains[0].Static[0].Prefix = netip.Prefix{} },
		"crossconnect":    func(n *plan.Node) { n.Crossconnects = []plan.Crossconnect{{Name: "x", A: "a", B: "b"}} },
		"policer rate":    func(n *plan.Node) { n.Policers = []plan.Policer{{Name: "p"}}; n.Attachments[0].Egress = "p" },
	}
	names := sortedKeys(spoil)
	rapid.Check(t, func(t *rapid.T) {
		n := twoCustomers()
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 4, rapid.ID).Draw(t, "spoil") {
			spoil[name](n)
		}
		before := n.Clone()
		got, issues := prune(n, nil)
		if len(issues) == 0 || len(got.Issues()) != 0 {
			t.Fatalf("%d issues found, %d left", len(issues), len(got.Issues()))
		}
		if !n.Equal(before) {
			t.Fatal("the plan given was changed")
		}
		kept := 0
		for _, p := range got.Ports {
			kept += same(p.Name == "ge2")
		}
		for _, a := range got.Attachments {
			kept += same(a.Name == twoCustomers().Attachments[1].Name)
		}
		for _, d := range got.Domains {
			kept += same(d.Name == "vrf 2" && len(d.Static) == 1)
		}
		for _, s := range got.Sessions {
			kept += same(s.Name == "s2")
		}
		if kept != 4 {
			t.Fatalf("of customer 2 remains: %+v", got)
		}
	})
}

func same(b bool) int {
	if b {
		return 1
	}
	return 0
}
