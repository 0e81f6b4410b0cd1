package compile

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"onramp/plan"
	"onramp/resource"
)

var update = flag.Bool("update", false, "rewrite the golden plans")

// TestFirstCircuit compares the plans of every node with golden ones: what the first circuit is on the machines.
func TestFirstCircuit(t *testing.T) {
	out := Nodes(firstCircuit())
	if len(out.Problems) > 0 {
		t.Fatalf("problems: %v", out.Problems)
	}
	for name, n := range out.Nodes {
		golden(t, filepath.Join("testdata", "first-circuit", name+".json"), n)
	}
}

// TestVirtualCircuits: one customer port has two outer tags, one for each cable to the edge, every C-tag is carried, and the port outlives
// one cable.
func TestVirtualCircuits(t *testing.T) {
	in := firstCircuit()
	in.Circuits[0].Status.Handoff = resource.Handoff{Primary: "xchg1/c1:vc=101", Secondary: "xchg1/c1:vc=102"}
	n := Nodes(in).Nodes["xchg1"]
	stag := uint16(in.Circuits[0].Status.STag)
	for _, want := range []struct {
		path, trunk string
		vc          uint16
	}{{"primary", "e1", 101}, {"secondary", "e2", 102}} {
		name := "circuit/skey-1/" + want.path
		a, z := find(t, n.Attachments, name+"/customer"), find(t, n.Attachments, name+"/edge")
		if a.Port != "c1" || a.STag != want.vc || !a.AnyCTag || z.Port != want.trunk || z.STag != stag || !z.AnyCTag {
			t.Errorf("%s joins %+v and %+v", want.path, a, z)
		}
		if x := find(t, n.Crossconnects, name); x.LinkLossForwarding {
			t.Errorf("%s takes the port of both down", want.path)
		}
	}
}

func golden(t *testing.T, file string, n plan.Node) {
	t.Helper()
	got, err := json.MarshalIndent(compact(n), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run with -update to make it)", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got, -update to accept):\n%s", file, d)
	}
}

// compact is a plan as generic JSON without its empty fields, so that golden files show what is set.
func compact(n plan.Node) any {
	b, _ := json.Marshal(n)
	var v any
	_ = json.Unmarshal(b, &v)
	return strip(v)
}

func strip(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if e = strip(e); e == nil || e == "" || e == false || e == 0.0 {
				delete(x, k)
			} else {
				x[k] = e
			}
		}
		if len(x) == 0 {
			return nil
		}
	case []any:
		for i := range x {
			x[i] = strip(x[i])
		}
		if len(x) == 0 {
			return nil
		}
	}
	return v
}

func find[T any](t *testing.T, all []T, name string) T {
	t.Helper()
	for _, v := range all {
		if reflect.ValueOf(v).FieldByName("Name").String() == name {
			return v
		}
	}
	t.Fatalf("no %T %q", *new(T), name)
	panic("unreachable")
}

func TestNoFabric(t *testing.T) {
	in := firstCircuit()
	in.Fabric = nil
	if out := Nodes(in); len(out.Nodes) != 0 {
		t.Fatalf("%d nodes without a fabric", len(out.Nodes))
	}
}

// TestStates lists what each state of the circuit leaves in the plans.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		name            string
		change          func(*Input)
		edgeDomains     int
		sessionsEnabled bool
		crossconnects   int
		tunnels         int // of edge1
		problems        []string
	}{
		{"all there", func(*Input) {}, 1, true, 2, 2, nil},
		{"ordered", func(in *Input) {
			in.Circuits[0].Status.ProviderState, in.Circuits[0].Peerings, in.Connections = resource.NotProvisioned, nil, nil
		}, 0, false, 0, 0, nil},
		{"provisioning", func(in *Input) {
			in.Circuits[0].Status.ProviderState, in.Circuits[0].Peerings, in.Connections = resource.Provisioning, nil, nil
		}, 0, false, 0, 0, nil},
		{"provisioning, tagged", func(in *Input) {
			in.Circuits[0].Status.ProviderState, in.Circuits[0].Peerings, in.Connections = resource.Provisioning, nil, nil
			in.Circuits[0].Status.Handoff = resource.Handoff{Primary: "xchg1/c1:tagged"}
		}, 0, false, 1, 0, nil},
		{"two virtual circuits on one port", func(in *Input) {
			in.Circuits[0].Status.Handoff = resource.Handoff{Primary: "xchg1/c1:vc=101", Secondary: "xchg1/c1:vc=102"}
		}, 1, true, 2, 2, nil},
		{"deprovisioning", func(in *Input) { in.Circuits[0].Status.ProviderState = resource.Deprovisioning }, 0, false, 0, 0,
			[]string{"not both Enabled and Provisioned"}},
		{"peering disabled", func(in *Input) { in.Circuits[0].Peerings[0].Enabled = false }, 1, false, 2, 2, nil},
		{"circuit deleting", func(in *Input) { in.Circuits[0].Meta.State = resource.Deleting }, 0, false, 0, 0, []string{"there is no circuit"}},
		{"connection deleting", func(in *Input) { in.Connections[0].Meta.State = resource.Deleting }, 1, true, 2, 0, nil},
		{"gateway gone", func(in *Input) { in.Gateways = nil }, 1, true, 2, 0, []string{"there is no gateway"}},
		{"network gone", func(in *Input) { in.Networks = nil }, 1, true, 2, 0,
			[]string{"there is no GatewaySubnet", "there is no network", "there is no network"}},
		{"no VNI", func(in *Input) { in.Networks[0].Status.VNI = 0 }, 1, true, 2, 0, []string{"is in no plan", "has no VNI"}},
		{"no instances", func(in *Input) { in.Gateways[0].Status.Nodes = nil }, 1, true, 2, 0, []string{"no instances yet", "no instances yet"}},
		{"no S-tag", func(in *Input) { in.Circuits[0].Status.STag = 0 }, 0, false, 0, 0, []string{"is in no plan", "no S-tag", "hand-off waits"}},
		{"port pair gone", func(in *Input) { in.Circuits[0].Status.PortPair = "x" }, 0, false, 0, 0, []string{"no port pair", "no port pair", "hand-off waits"}},
		{"key lost", func(in *Input) {
			in.Open = func(resource.Sealed) (string, error) { return "", errors.New("wrong key") }
		}, 0, false, 2, 0,
			[]string{"is in no plan", "wrong key"}},
		{"slot too high", func(in *Input) { in.Connections[0].Status.Slot = 12 }, 1, true, 2, 0, []string{"no room for slot 12"}},
		{"gateway node gone", func(in *Input) { in.Gateways[0].Status.Nodes[1] = "gw9" }, 1, true, 2, 0, []string{`no node "gw9"`, `no node "gw9"`}},
		{"two instances on one node", func(in *Input) { in.Gateways[0].Status.Nodes[1] = "gw1" }, 1, true, 2, 0, []string{"two instances", "two instances"}},
		{"hand-off elsewhere", func(in *Input) { in.Circuits[0].Status.Handoff.Primary = "edge1/pe0" }, 1, true, 1, 2, []string{"not on the switch"}},
		{"machine on a missing port", func(in *Input) { in.Interfaces[0].AttachTo = "host1/vm9" }, 1, true, 2, 2, []string{"no machine's port"}},
		{"machine without a MAC", func(in *Input) { in.Interfaces[0].Status.MAC = "" }, 1, true, 2, 2, []string{"no MAC"}},
		{"machine outside its subnet", func(in *Input) { in.Interfaces[0].Configs[0].Address = addr("10.1.7.7") }, 1, true, 2, 2, []string{"in no subnet"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := firstCircuit()
			c.change(&in)
			out := Nodes(in)
			valid(t, out)
			edge := out.Nodes["edge1"]
			if len(edge.Domains) != c.edgeDomains {
				t.Errorf("%d domains on edge1, want %d", len(edge.Domains), c.edgeDomains)
			}
			if c.edgeDomains > 0 {
				if s := find(t, edge.Sessions, "circuit/skey-1/private/ce4"); s.Enabled != c.sessionsEnabled {
					t.Errorf("session enabled %v, want %v", s.Enabled, c.sessionsEnabled)
				}
			}
			if n := len(out.Nodes["xchg1"].Crossconnects); n != c.crossconnects {
				t.Errorf("%d crossconnects, want %d", n, c.crossconnects)
			}
			tunnels := 0
			for _, a := range edge.Attachments {
				if a.VNI != 0 {
					tunnels++
				}
			}
			if tunnels != c.tunnels {
				t.Errorf("%d tunnels on edge1, want %d", tunnels, c.tunnels)
			}
			checkProblems(t, out.Problems, c.problems)
		})
	}
}

func checkProblems(t *testing.T, got []Problem, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("problems %v, want %q", got, want)
		return
	}
	for i := range got {
		if !strings.Contains(got[i].String(), want[i]) {
			t.Errorf("problem %v, want %q", got[i], want[i])
		}
	}
}

func valid(t interface {
	Helper()
	Fatalf(string, ...any)
}, out Output) {
	t.Helper()
	for name, n := range out.Nodes {
		if err := n.Validate(); err != nil {
			t.Fatalf("plan of %s: %v", name, err)
		}
	}
}

// TestNetworkWithoutGateway: machines of one network on two hosts reach each other, and nothing else is made.
func TestNetworkWithoutGateway(t *testing.T) {
	in := firstCircuit()
	in.Gateways, in.Connections = nil, nil
	out := Nodes(in)
	valid(t, out)
	h := out.Nodes["host1"]
	if len(h.Sessions) != 0 || len(h.Attachments) != 2 {
		t.Fatalf("host1 has %d sessions and %d attachments, want 0 and 2", len(h.Sessions), len(h.Attachments))
	}
	want := []string{"10.1.0.4/32 interface/guid-nic1", "10.1.0.5/32 network/guid-net1/to/host2"}
	var got []string
	for _, r := range h.Domains[0].Static {
		got = append(got, r.Prefix.String()+" "+r.Attachment)
	}
	if !slices.Equal(got, want) {
		t.Errorf("routes %q, want %q", got, want)
	}
	if n := len(out.Nodes["gw1"].Domains); n != 0 {
		t.Errorf("%d domains on gw1, want none", n)
	}
}

// TestPremium: the tier's prefix limit is the session's.
func TestPremium(t *testing.T) {
	in := firstCircuit()
	in.Circuits[0].Tier = resource.TierPremium
	n := Nodes(in).Nodes["edge2"]
	if s := find(t, n.Sessions, "circuit/skey-1/private/ce4"); s.MaxPrefixes != 10000 {
		t.Errorf("MaxPrefixes %d, want 10000", s.MaxPrefixes)
	}
}

// TestRemoteNetworks: networks of one circuit learn each other's space only where both gateways allow it.
func TestRemoteNetworks(t *testing.T) {
	for _, c := range []struct{ first, second bool }{{false, false}, {true, false}, {true, true}} {
		in := firstCircuit()
		in.Networks = append(in.Networks, testNetwork("net2", 2))
		in.Gateways = append(in.Gateways, testGateway("gwB", "net2", 2))
		in.Connections = append(in.Connections, testConnection("link2", "gwB", "c1", 2, 0))
		in.Gateways[0].AllowRemoteVnet, in.Gateways[1].AllowRemoteVnet = c.first, c.second
		out := Nodes(in)
		valid(t, out)
		edge := out.Nodes["edge1"]
		first, second := find(t, edge.Sessions, "connection/guid-link1/to/gw1/v4"), find(t, edge.Sessions, "connection/guid-link2/to/gw1/v4")
		there, back := slices.Contains(second.Export.Classes, first.Import.Class), slices.Contains(first.Export.Classes, second.Import.Class)
		if want := c.first && c.second; there != want || back != want {
			t.Errorf("%v: routes go there %v and back %v, want %v", c, there, back, want)
		}
		customer := find(t, edge.Sessions, "circuit/skey-1/private/ce4")
		for _, s := range []plan.Session{first, second} {
			if !slices.Contains(customer.Export.Classes, s.Import.Class) || !slices.Contains(s.Export.Classes, customer.Import.Class) {
				t.Errorf("%v: session %s does not exchange routes with the customer", c, s.Name)
			}
		}
	}
}

func TestPolicer(t *testing.T) {
	for _, c := range []struct {
		mbps        int
		bits, burst uint64
	}{{50, 50e6, 31250}, {10, 10e6, 15000}, {10000, 10e9, 6250000}} {
		if p := policer("x", c.mbps); p.BitsPerSecond != c.bits || p.BurstBytes != c.burst {
			t.Errorf("%d Mbps: %d bit/s and %d bytes, want %d and %d", c.mbps, p.BitsPerSecond, p.BurstBytes, c.bits, c.burst)
		}
	}
}

// TestTunnelMTU: a small underlay makes the tunnels smaller, never larger than the access ports.
func TestTunnelMTU(t *testing.T) {
	in := firstCircuit()
	for i := range in.Fabric.Nodes {
		if n := &in.Fabric.Nodes[i]; n.Name == "gw2" {
			n.Ports[0].MTU = 1550 - 14
		}
	}
	out := Nodes(in)
	for node, want := range map[string]int{"gw1": 1500, "gw2": 1486} {
		if a := find(t, out.Nodes["edge1"].Attachments, "connection/guid-link1/to/"+node); a.MTU != want {
			t.Errorf("tunnel to %s has MTU %d, want %d", node, a.MTU, want)
		}
	}
}

// TestReferenceHelpers: the names that readers of reports use are those of the plans.
func TestReferenceHelpers(t *testing.T) {
	in := firstCircuit()
	out := Nodes(in)
	paths, err := CircuitPaths(in.Fabric, in.Circuits[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		n := out.Nodes[p.Node]
		find(t, n.Domains, p.Domain)
		find(t, n.Policers, p.PolicerIn)
		find(t, n.Policers, p.PolicerOut)
		a, s := find(t, n.Attachments, p.Attachment), find(t, n.Sessions, p.Session)
		if a.Port != p.Port || a.Addresses[0].Prefix.Addr() != p.Edge || s.PeerAddr != p.Customer {
			t.Errorf("path %+v is not attachment %+v, session %+v", p, a, s)
		}
	}
	tunnels, err := Tunnels(in, in.Connections[0])
	if err != nil || len(tunnels) != 4 {
		t.Fatalf("%d tunnels, %v; want 4", len(tunnels), err)
	}
	if all := GatewayTunnels(in, in.Gateways[0]); !reflect.DeepEqual(all, tunnels) {
		t.Errorf("gateway's tunnels %+v, want %+v", all, tunnels)
	}
	for _, x := range tunnels {
		e, g := out.Nodes[x.Edge], out.Nodes[x.Gateway]
		find(t, e.Attachments, x.EdgeAttachment)
		find(t, g.Attachments, x.GatewayAttachment)
		find(t, e.Domains, x.EdgeDomain)
		find(t, g.Domains, x.GatewayDomain)
		if s := find(t, e.Sessions, x.EdgeSession); s.LocalAddr != x.EdgeAddr || s.PeerAddr != x.GatewayAddr {
			t.Errorf("tunnel %+v is not session %+v", x, s)
		}
		find(t, g.Sessions, x.GatewaySession)
	}
	for _, i := range in.Interfaces {
		at, ok := PlaceOf(i, in.Networks[0])
		if !ok {
			t.Fatalf("%s has no place", i.Meta.ID)
		}
		find(t, out.Nodes[at.Node].Domains, at.Domain)
		if a := find(t, out.Nodes[at.Node].Attachments, at.Attachment); a.Port != at.Port {
			t.Errorf("port %q, want %q", a.Port, at.Port)
		}
	}
}

func TestConnectionStatus(t *testing.T) {
	in := firstCircuit()
	status := func(reports map[string]plan.Report) resource.ConnectionStatus {
		return NewIndex(in).ConnectionStatuses(reports)[in.Connections[0].Meta.ID.Key()]
	}
	report := func(states ...string) plan.Report {
		r := plan.Report{}
		for i, s := range states {
			name := "connection/guid-link1/to/" + []string{"edge1", "edge2"}[i]
			r.Sessions = append(r.Sessions, plan.SessionState{Name: name + "/v4", State: s})
			r.Attachments = append(r.Attachments, plan.AttachmentState{Name: name, InBytes: 100, OutBytes: 10})
		}
		return r
	}
	for _, c := range []struct {
		name     string
		gw1, gw2 *plan.Report
		edge     string // state of edge1's ends; "": it does not report
		want     resource.ConnectionState
		in       uint64
	}{
		{"silent", nil, nil, "", resource.ConnectionUnknown, 0},
		{"new", new(report("Connect", "Idle")), nil, "", resource.ConnectionConnecting, 200},
		{"down", new(report("Idle", "Idle")), new(report("Idle", "Idle")), "", resource.ConnectionNotConnected, 400},
		{"one instance", new(report("Established", "Established")), new(report("Idle", "Idle")), "", resource.ConnectionConnecting, 400},
		{"one edge", new(report("Established", "Idle")), new(report("Established", "Idle")), "", resource.ConnectionConnected, 400},
		{"one instance is away", new(report("Established", "Idle")), nil, "Established", resource.ConnectionConnected, 200},
		{"the edge denies it", new(report("Established", "Idle")), nil, "Active", resource.ConnectionConnecting, 200},
		{"all", new(report("Established", "Established")), new(report("Established", "Established")), "", resource.ConnectionConnected, 400},
	} {
		reports := map[string]plan.Report{}
		for node, r := range map[string]*plan.Report{"gw1": c.gw1, "gw2": c.gw2} {
			if r != nil {
				reports[node] = *r
			}
		}
		if c.edge != "" {
			r := plan.Report{}
			for _, gw := range []string{"gw1", "gw2"} {
				r.Sessions = append(r.Sessions, plan.SessionState{Name: "connection/guid-link1/to/" + gw + "/v4", State: c.edge})
			}
			reports["edge1"] = r
		}
		s := status(reports)
		if s.State != c.want || s.InBytes != c.in || s.VNI != 5001 {
			t.Errorf("%s: %+v, want %s and %d bytes in", c.name, s, c.want, c.in)
		}
	}
	in.Circuits[0].Status.ProviderState = resource.NotProvisioned
	if s := status(nil); s.State != resource.ConnectionNotConnected {
		t.Errorf("without its circuit: %s, want NotConnected", s.State)
	}
}
