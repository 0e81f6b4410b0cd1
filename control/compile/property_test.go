package compile

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"onramp/plan"
	"onramp/resource"
)

// manyCircuits is a fabric with n circuits, each with a network, a gateway, a connection and two machines; ports are made to fit.
func manyCircuits(n int) Input {
	in := Input{Fabric: testFabric(), Open: open}
	for i := range n {
		number := i + 1
		name := fmt.Sprint("n", number)
		c := testCircuit(name, number, nil)
		c.Status.Handoff = resource.Handoff{Primary: fmt.Sprint("xchg1/c1-", number), Secondary: fmt.Sprint("xchg1/c2-", number)}
		net := testNetwork(name, 1) // every customer uses the same space
		net.Status.VNI = uint32(1000 + number)
		in.Circuits, in.Networks = append(in.Circuits, c), append(in.Networks, net)
		in.Gateways = append(in.Gateways, testGateway(name, name, 1))
		in.Connections = append(in.Connections, testConnection(name, name, name, number, 0))
		for k := range 2 {
			port := fmt.Sprint("m", number)
			nic := testInterface(fmt.Sprint(name, "-", k), name, netip.AddrFrom4([4]byte{10, 1, 0, byte(4 + k)}), fmt.Sprintf("host%d/%s", k+1, port))
			in.Interfaces = append(in.Interfaces, nic)
		}
		addPorts(in.Fabric, number)
	}
	return in
}

func addPorts(f *resource.Fabric, number int) {
	for i := range f.Nodes {
		n := &f.Nodes[i]
		switch n.Role {
		case resource.RoleCompute:
			n.Ports = append(n.Ports, resource.FabricPort{Name: fmt.Sprint("m", number)})
		case resource.RoleExchange:
			n.Ports = append(n.Ports, resource.FabricPort{Name: fmt.Sprint("c1-", number)}, resource.FabricPort{Name: fmt.Sprint("c2-", number)})
		}
	}
}

// spoil breaks some of a world's objects in ways that the store can hold.
func spoil(t *rapid.T, in *Input) {
	for _, c := range in.Circuits {
		c.Status.ProviderState = rapid.SampledFrom([]resource.ProviderState{resource.NotProvisioned, resource.Provisioning, resource.Provisioned,
			resource.Provisioned, resource.Provisioned, resource.Deprovisioning}).Draw(t, "provider state")
		switch rapid.IntRange(0, 9).Draw(t, "circuit") {
		case 0:
			c.Status.STag = 0
		case 1:
			c.Status.PortPair = "gone"
		case 2:
			c.Peerings = nil
		case 3:
			c.Meta.State = resource.Deleting
		case 4:
			c.Status.Handoff = resource.Handoff{Primary: c.Status.Handoff.Primary + ":tagged"}
		case 5:
			c.Status.Handoff.Secondary = "xchg1/missing/port"
		case 6, 7: // all circuits' virtual circuits may share a port
			c.Status.Handoff = resource.Handoff{Primary: fmt.Sprint("xchg1/c1:vc=", 2*c.Status.STag), Secondary: fmt.Sprint("xchg1/c1:vc=", 2*c.Status.STag+1)}
		}
	}
	for i := range in.Connections {
		switch rapid.IntRange(0, 9).Draw(t, "link") {
		case 0:
			in.Connections[i].Status.VNI = 0
		case 1:
			in.Networks[i].Status.VNI = 0
		case 2:
			in.Networks[i].Meta.State = resource.Deleting
		case 3:
			in.Gateways[i].Status.Nodes = in.Gateways[i].Status.Nodes[:1]
		case 4:
			in.Gateways[i].Status.Nodes = []string{"gw2", "gone"}
		case 5:
			in.Interfaces[2*i].Status.MAC = ""
		case 6:
			in.Interfaces[2*i].AttachTo = "host2/fab"
		}
	}
}

// manage puts all circuits on a router of the provider, in place of its switch, with sites of all kinds and some that are none.
func manage(t *rapid.T, in *Input) {
	router := resource.FabricNode{Name: "pe1", Role: resource.RoleRouter, Owner: "Contoso Exchange", Ports: []resource.FabricPort{{Name: "e1"}, {Name: "e2"}}}
	pair := &in.Fabric.Providers[0].PortPairs[0]
	pair.SwitchPrimary, pair.SwitchSecondary = "pe1/e1", "pe1/e2"
	sites := []string{"172.16.0.1/30 bgp 172.16.0.2 65001", "172.16.0.1/30 static 172.16.0.2 10.2.0.0/16 0.0.0.0/0", "nonsense", ""}
	for i, c := range in.Circuits {
		a, b := fmt.Sprint("s", i), fmt.Sprint("t", i)
		router.Ports = append(router.Ports, resource.FabricPort{Name: a}, resource.FabricPort{Name: b})
		c.Status.Handoff = resource.Handoff{Primary: "pe1/" + a + ":l3", PrimarySite: rapid.SampledFrom(sites).Draw(t, "primary site")}
		if rapid.Bool().Draw(t, "second link") {
			c.Status.Handoff.Secondary = "pe1/" + b + ":l3"
			c.Status.Handoff.SecondarySite = strings.ReplaceAll(rapid.SampledFrom(sites).Draw(t, "secondary site"), "172.16.0", "172.16.1")
		}
	}
	in.Fabric.Nodes = append(in.Fabric.Nodes, router)
}

// TestPlansAreValid: whatever is half there, every reference in a plan resolves, names and tags are unique, and tunnels have two ends that
// fit. The order of the input's lists changes nothing.
func TestPlansAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := manyCircuits(rapid.IntRange(0, 6).Draw(t, "circuits"))
		if rapid.Bool().Draw(t, "managed") {
			manage(t, &in)
		}
		spoil(t, &in)
		out := Nodes(in)
		valid(t, out)
		mirrored(t, out)
		shuffled := in
		seed := rapid.Uint64().Draw(t, "seed")
		shuffled.Circuits, shuffled.Networks, shuffled.Interfaces = shuffle(in.Circuits, seed), shuffle(in.Networks, seed), shuffle(in.Interfaces, seed)
		shuffled.Gateways, shuffled.Connections = shuffle(in.Gateways, seed), shuffle(in.Connections, seed)
		if again := Nodes(shuffled); !reflect.DeepEqual(out, again) {
			t.Fatalf("another order of the input gives another output")
		}
	})
}

func shuffle[T any](all []T, seed uint64) []T {
	all = slices.Clone(all)
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// mirrored checks that each tunnel's other end is there, with the addresses, the VNI and the AS numbers the other way round.
func mirrored(t *rapid.T, out Output) {
	nodeOf := map[netip.Addr]string{}
	for name, n := range out.Nodes {
		nodeOf[n.VTEP] = name
	}
	for name, n := range out.Nodes {
		for _, a := range n.Attachments {
			if a.VNI == 0 {
				continue
			}
			other := out.Nodes[nodeOf[a.Remote]]
			i := slices.IndexFunc(other.Attachments, func(o plan.Attachment) bool { return o.VNI == a.VNI && o.Remote == n.VTEP })
			if i < 0 {
				t.Fatalf("tunnel %s of %s has no end on %s", a.Name, name, other.Name)
			}
			o := other.Attachments[i]
			if o.Addresses[0].Peer != a.Addresses[0].Prefix.Addr() || a.Addresses[0].Peer != o.Addresses[0].Prefix.Addr() || o.MTU != a.MTU {
				t.Fatalf("the ends of %s do not fit: %+v and %+v", a.Name, a, o)
			}
			mirroredSessions(t, n, other, a.Name, o.Name)
		}
	}
}

func mirroredSessions(t *rapid.T, n, other plan.Node, mine, theirs string) {
	for _, s := range n.Sessions {
		if s.Attachment != mine {
			continue
		}
		i := slices.IndexFunc(other.Sessions, func(o plan.Session) bool { return o.Attachment == theirs })
		if i < 0 {
			t.Fatalf("session %s of %s has no peer on %s", s.Name, n.Name, other.Name)
		}
		if o := other.Sessions[i]; o.LocalAS != s.PeerAS || o.PeerAS != s.LocalAS || o.LocalAddr != s.PeerAddr || o.PeerAddr != s.LocalAddr {
			t.Fatalf("the sessions of %s do not fit: %+v and %+v", mine, s, o)
		}
	}
}

// TestIsolation: no attachment, session or route of one customer is in a domain of another, though all use the same addresses.
func TestIsolation(t *testing.T) {
	out := Nodes(manyCircuits(5))
	if len(out.Problems) > 0 {
		t.Fatal(out.Problems)
	}
	owner := func(domain string, name string) {
		var d, n int
		for i := range 5 {
			for _, form := range []string{"circuit/skey-%d/", "connection/guid-n%d/", "network/guid-n%d/", "interface/guid-n%d-"} {
				if p := fmt.Sprintf(form, i+1); len(name) >= len(p) && name[:len(p)] == p {
					n = i + 1
				}
			}
			if domain == fmt.Sprintf("circuit/skey-%d/private", i+1) || domain == fmt.Sprintf("network/guid-n%d", i+1) {
				d = i + 1
			}
		}
		if d == 0 || d != n {
			t.Errorf("%q is in domain %q", name, domain)
		}
	}
	for _, n := range out.Nodes {
		for _, a := range n.Attachments {
			if a.Domain != "" {
				owner(a.Domain, a.Name)
			}
		}
		for _, d := range n.Domains {
			for _, r := range d.Static {
				if r.Attachment != "" {
					owner(d.Name, r.Attachment)
				}
			}
		}
	}
}

// TestLocality: a change of one circuit changes the plans of its own nodes only.
func TestLocality(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Input)
		want   []string
	}{
		{"bandwidth", func(in *Input) { in.Circuits[1].BandwidthMbps = 1000 }, []string{"edge1", "edge2"}},
		{"key", func(in *Input) { in.Circuits[1].Peerings[0].Key = seal("other") }, []string{"edge1", "edge2"}},
		{"VLAN", func(in *Input) { in.Circuits[1].Peerings[0].VLAN = 7 }, []string{"edge1", "edge2", "xchg1"}},
		{"weight", func(in *Input) { in.Connections[1].RoutingWeight = 99 }, []string{"gw1", "gw2"}},
		{"connection", func(in *Input) { in.Connections[1].Meta.State = resource.Deleting }, []string{"edge1", "edge2", "gw1", "gw2"}},
		{"address space", func(in *Input) {
			in.Networks[1].AddressSpace = append(in.Networks[1].AddressSpace, prefix("10.9.0.0/16"))
		}, []string{"gw1", "gw2"}},
		{"MAC", func(in *Input) { in.Interfaces[2].Status.MAC = "02:00:00:00:00:01" }, []string{"host1"}},
		{"machine", func(in *Input) { in.Interfaces[2].Meta.State = resource.Deleting }, []string{"gw1", "gw2", "host1", "host2"}},
		{"tag", func(in *Input) { in.Circuits[1].Meta.Tags = map[string]string{"a": "b"} }, nil},
	} {
		before := Nodes(manyCircuits(3))
		in := manyCircuits(3)
		c.change(&in)
		after := Nodes(in)
		var changed []string
		for name := range after.Nodes {
			if !reflect.DeepEqual(before.Nodes[name], after.Nodes[name]) {
				changed = append(changed, name)
			}
		}
		slices.Sort(changed)
		if !slices.Equal(changed, c.want) {
			t.Errorf("%s changes %v, want %v", c.name, changed, c.want)
		}
	}
}

// TestFabricOrder: reordering the fabric document, or adding a node to it, leaves the addresses of the others as they are.
func TestFabricOrder(t *testing.T) {
	before := Nodes(firstCircuit())
	in := firstCircuit()
	slices.Reverse(in.Fabric.Nodes)
	in.Fabric.Nodes = append(in.Fabric.Nodes, resource.FabricNode{Name: "gw3", Role: "gateway", VTEP: prefix("100.64.0.23/24"),
		Ports: []resource.FabricPort{{Name: "fab", Underlay: true}}})
	after := Nodes(in)
	for name, n := range before.Nodes {
		m := after.Nodes[name]
		if n.Role == plan.RoleExchange {
			m.RouterID = n.RouterID // has no sessions
		}
		if !reflect.DeepEqual(n, m) {
			t.Errorf("plan of %s changed", name)
		}
	}
}

func BenchmarkNodes1000(b *testing.B) {
	in := manyCircuits(1000)
	for b.Loop() {
		if out := Nodes(in); len(out.Problems) > 0 {
			b.Fatal(out.Problems[0])
		}
	}
}

func BenchmarkConnectionStatuses1000(b *testing.B) {
	in := manyCircuits(1000)
	reports := map[string]plan.Report{}
	for name, n := range Nodes(in).Nodes {
		r := plan.Report{Node: name}
		for _, s := range n.Sessions {
			r.Sessions = append(r.Sessions, plan.SessionState{Name: s.Name, State: established})
		}
		reports[name] = r
	}
	w := NewIndex(in)
	for b.Loop() {
		w.ConnectionStatuses(reports)
	}
}
