package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"onramp/control/arm"
	"onramp/plan"
	"onramp/resource"
)

// scene is a linked circuit with one network, whose nodes say what a test wants.
type scene struct {
	*world
	c *resource.Circuit
	n *resource.Network
	g *resource.Gateway
	i *resource.Interface
}

func inScene(t *testing.T, f func(*testing.T, *scene)) {
	inWorld(t, func(t *testing.T, w *world) {
		s := &scene{world: w, c: testCircuit("c1", 30), n: testNetwork("v1", 5000)}
		s.g = testGateway("g1", s.n)
		s.i = &resource.Interface{Meta: head("networkInterfaces", "nic1"), AttachTo: "host1/vm1", Status: resource.InterfaceStatus{MAC: "02:00:00:00:00:01"},
			Configs: []resource.InterfaceConfig{{Name: "ip", Subnet: s.n.Meta.ID.Child("subnets", "default"), Address: netip.MustParseAddr("10.1.0.4")}}}
		w.create(s.c, s.n, s.g, s.i, testConnection("cn1", s.g, s.c))
		synctest.Wait()
		f(t, s)
	})
}

// answer makes a node answer every query from a table by domain, session or, failing both, "".
func (s *scene) answer(node string, tables map[string][]plan.Route) {
	link := s.hub.Link(node)
	s.nodes.Go(func() {
		var have int64
		for {
			w, err := link.Next(s.ctx, have)
			if err != nil {
				return
			}
			if w.Plan != nil {
				have = w.Plan.Generation
			}
			for _, q := range w.Queries {
				key := q.Session
				if key == "" {
					key = q.Domain
				}
				if err := link.Answer(s.ctx, plan.Answer{ID: q.ID, Routes: tables[key]}); err != nil {
					s.t.Error(err)
				}
			}
		}
	})
}

// report posts a healthy report of a node as its plan has it, changed by edit (nil: not at all).
func (s *scene) report(node string, edit func(*plan.Report)) {
	p, ok := s.hub.Plan(node)
	if !ok {
		s.t.Fatalf("no plan for %s", node)
	}
	r := plan.Report{Node: node, Time: time.Now(), Applied: p.Generation}
	for _, x := range p.Ports {
		r.Ports = append(r.Ports, plan.PortState{Name: x.Name, Up: true})
	}
	for _, x := range p.Sessions {
		r.Sessions = append(r.Sessions, plan.SessionState{Name: x.Name, State: established, Since: time.Now().Add(-26 * time.Hour), PeerAddr: x.PeerAddr,
			PeerAS: x.PeerAS, Received: 3, MessagesIn: 7, MessagesOut: 8})
	}
	for _, a := range p.Attachments {
		st := plan.AttachmentState{Name: a.Name, InPackets: 10, InBytes: 1000, OutBytes: 2000}
		for _, own := range a.Addresses {
			st.Neighbors = append(st.Neighbors, plan.NeighborState{Addr: own.Prefix.Addr(), MAC: "02:aa:bb:00:00:02", Local: true})
			st.Neighbors = append(st.Neighbors, plan.NeighborState{Addr: resource.Customer(own.Prefix), MAC: "02:aa:bb:00:00:01", Age: 5 * time.Minute})
		}
		r.Attachments = append(r.Attachments, st)
	}
	for _, x := range p.Policers {
		r.Policers = append(r.Policers, plan.PolicerState{Name: x.Name, DroppedBytes: 50})
	}
	if edit != nil {
		edit(&r)
	}
	if err := s.hub.Link(node).Report(s.ctx, r); err != nil {
		s.t.Fatal(err)
	}
}

// healthy makes all nodes report, edge1 with a change.
func (s *scene) healthy(edge1 func(*plan.Report)) {
	for _, n := range allNodes() {
		if n == "edge1" {
			s.report(n, edge1)
		} else {
			s.report(n, nil)
		}
	}
	synctest.Wait()
}

func same[T any](t *testing.T, what string, got T, err error, want T) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	} else if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestCircuitTables(t *testing.T) {
	inScene(t, func(t *testing.T, s *scene) {
		ctx, p := s.ctx, resource.PrivatePeering
		s.healthy(nil)
		domain := "circuit/key-c1/private"
		s.answer("edge1", map[string][]plan.Route{domain: {
			{Prefix: netip.MustParsePrefix("192.168.1.0/30")}, // connected
			{Prefix: netip.MustParsePrefix("10.6.0.0/16"), NextHop: addr("192.168.1.1"), Session: domain + "/ce4", ASPath: "65001", Best: true},
			{Prefix: netip.MustParsePrefix("10.1.0.0/16"), NextHop: addr("10.1.255.5"), Session: "b", ASPath: "65515 65002", LocalPref: 100},
			{Prefix: netip.MustParsePrefix("10.1.0.0/16"), NextHop: addr("10.1.255.4"), Session: "a", ASPath: "65515", LocalPref: 100, Weight: 9, Best: true},
		}})
		arp, err := s.live.ARP(ctx, s.c, p, "primary")
		same(t, "arp", arp, err, []arm.ARPRow{{Age: 0, Interface: "Microsoft", IP: "192.168.1.2", MAC: "02aa.bb00.0002"},
			{Age: 5, Interface: "On-Prem", IP: "192.168.1.1", MAC: "02aa.bb00.0001"}})
		routes, err := s.live.Routes(ctx, s.c, p, "primary")
		same(t, "routes", routes, err, []arm.RouteRow{
			{Network: "10.1.0.0/16", NextHop: "10.1.255.4", LocPrf: "100", Weight: 9, Path: "65515"},
			{Network: "10.1.0.0/16", NextHop: "10.1.255.5", LocPrf: "100", Path: "65515 65002"},
			{Network: "10.6.0.0/16", NextHop: "192.168.1.1", Path: "65001"}})
		sum, err := s.live.RoutesSummary(ctx, s.c, p, "Secondary")
		if err == nil && len(sum) == 3 {
			sum = sum[:1]
		}
		same(t, "summary", sum, err, []arm.SummaryRow{{Neighbor: "192.168.1.5", Version: 4, AS: 65001, UpDown: "1d02h", StateOrPrefixes: "3"}})
		stats, err := s.live.Stats(ctx, s.c, "")
		same(t, "stats", stats, err, arm.Stats{PrimaryIn: 1000, PrimaryOut: 2000, SecondaryIn: 1000, SecondaryOut: 2000,
			PrimaryDroppedIn: 50, PrimaryDroppedOut: 50, SecondaryDroppedIn: 50, SecondaryDroppedOut: 50})
		if _, err := s.live.ARP(ctx, s.c, p, "tertiary"); err == nil {
			t.Error("a third path has a table")
		}
		bare := testCircuit("c1", 30)
		bare.Peerings = nil
		arp, err = s.live.ARP(ctx, bare, p, "primary")
		same(t, "arp without a peering", arp, err, nil)
	})
}

func TestDeadTables(t *testing.T) {
	inScene(t, func(t *testing.T, s *scene) {
		if _, err := s.live.ARP(s.ctx, s.c, resource.PrivatePeering, "primary"); err == nil || !strings.Contains(err.Error(), "edge1") {
			t.Errorf("a node that never reported: %v", err)
		}
		s.healthy(func(r *plan.Report) {
			r.Attachments[0].Neighbors = nil
			for i := range r.Attachments {
				r.Attachments[i].Neighbors = nil
			}
			for i := range r.Sessions {
				r.Sessions[i].State, r.Sessions[i].Since = "Active", time.Time{}
			}
		})
		arp, err := s.live.ARP(s.ctx, s.c, resource.PrivatePeering, "primary")
		same(t, "arp", arp, err, []arm.ARPRow{{Interface: "On-Prem", IP: "192.168.1.1", MAC: "Incomplete"}})
		sum, err := s.live.RoutesSummary(s.ctx, s.c, resource.PrivatePeering, "primary")
		if err != nil || len(sum) != 3 || sum[0].StateOrPrefixes != "Active" || sum[0].UpDown != "never" {
			t.Errorf("summary %v %v", sum, err)
		}
		settle(2 * time.Minute)
		if _, err := s.live.RoutesSummary(s.ctx, s.c, resource.PrivatePeering, "primary"); err == nil || !strings.Contains(err.Error(), "2m0s ago") {
			t.Errorf("a node that fell silent: %v", err)
		}
	})
}

func TestGatewayTables(t *testing.T) {
	inScene(t, func(t *testing.T, s *scene) {
		s.healthy(nil)
		domain := "network/guid-v1"
		tunnels := s.live.current.Load().index.GatewayTunnels(s.g)
		if len(tunnels) != 4 {
			t.Fatalf("%d tunnels", len(tunnels))
		}
		learned := plan.Route{Prefix: netip.MustParsePrefix("10.6.0.0/16"), NextHop: tunnels[0].EdgeAddr, Session: tunnels[0].GatewaySession,
			ASPath: "12076 65001", Best: true}
		space := plan.Route{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Best: true}
		inner := plan.Route{Prefix: netip.MustParsePrefix("10.1.0.4/32"), Session: domain + "/to/host1/v4", Best: true}
		s.answer("gw0", map[string][]plan.Route{domain: {learned, space, inner}, tunnels[0].GatewaySession: {{Prefix: space.Prefix, ASPath: "65515", Origin: "IGP"}}})
		s.answer("gw1", map[string][]plan.Route{domain: {space}})
		got, err := s.live.LearnedRoutes(s.ctx, s.g)
		same(t, "learned", got, err, []arm.GatewayRoute{
			{LocalAddress: "10.1.255.4", Network: "10.1.0.0/16", SourcePeer: "10.1.255.4", Origin: "Network", Weight: 32768},
			{LocalAddress: "10.1.255.4", Network: "10.6.0.0/16", NextHop: tunnels[0].EdgeAddr.String(), SourcePeer: tunnels[0].EdgeAddr.String(),
				Origin: "EBgp", ASPath: "12076-65001", Weight: 32768},
			{LocalAddress: "10.1.255.5", Network: "10.1.0.0/16", SourcePeer: "10.1.255.5", Origin: "Network", Weight: 32768}})
		got, err = s.live.AdvertisedRoutes(s.ctx, s.g, tunnels[0].EdgeAddr.String())
		if err != nil || len(got) != 1 || got[0].ASPath != "65515" || got[0].Origin != "Igp" || got[0].NextHop != "10.1.255.4" {
			t.Errorf("advertised %v %v", got, err)
		}
		got, err = s.live.AdvertisedRoutes(s.ctx, s.g, "192.0.2.1")
		same(t, "advertised to nobody", got, err, nil)
		peers, err := s.live.BGPPeers(s.ctx, s.g)
		if err != nil || len(peers) != 4 {
			t.Fatalf("peers %v %v", peers, err)
		}
		same(t, "peer", peers[0], nil, arm.BGPPeer{LocalAddress: "10.1.255.4", Neighbor: tunnels[0].EdgeAddr.String(), State: "Connected",
			ConnectedDuration: "1.02:00:00.0000000", ASN: 12076, RoutesReceived: 3, MessagesSent: 8, MessagesReceived: 7})

		settle(slowTimer)
		if in, out := s.live.ConnectionBytes(netID("connections", "cn1")); in != 4000 || out != 8000 {
			t.Errorf("the connection carried %d in and %d out", in, out)
		}

		link := addr("169.254.0.11") // of gw0, behind which the instance is
		s.answer("host1", map[string][]plan.Route{domain: {
			{Prefix: netip.MustParsePrefix("10.1.0.4/32"), Best: true},
			{Prefix: netip.MustParsePrefix("10.6.0.0/16"), NextHop: link, Session: domain + "/to/gw0/v4", Best: true},
			{Prefix: netip.MustParsePrefix("10.6.0.0/16"), NextHop: addr("169.254.0.12"), Session: domain + "/to/gw1/v4", Best: true}}})
		eff, err := s.live.EffectiveRoutes(s.ctx, s.i)
		same(t, "effective", eff, err, []arm.EffectiveRoute{
			{Source: "Default", State: "Active", NextHopType: "VnetLocal", Prefixes: []string{"10.1.0.0/16"}, NextHops: []string{}},
			{Source: "VirtualNetworkGateway", State: "Active", NextHopType: "VirtualNetworkGateway", Prefixes: []string{"10.6.0.0/16"},
				NextHops: []string{"10.1.255.4", "10.1.255.5"}}})
	})
}

func TestNodeViews(t *testing.T) {
	inScene(t, func(t *testing.T, s *scene) {
		s.report("edge1", nil)
		all, err := s.live.Nodes(s.ctx)
		views, _ := all.([]NodeView)
		if err != nil || len(views) != 6 || !views[0].Connected || views[1].Connected || views[0].Plan != nil {
			t.Errorf("nodes %+v %v", views, err)
		}
		one, err := s.live.Node(s.ctx, "edge1")
		if v, _ := one.(NodeView); err != nil || v.Plan == nil || v.Report == nil || v.Role != plan.RoleEdge {
			t.Errorf("node %+v %v", one, err)
		}
		if _, err := s.live.Node(s.ctx, "nobody"); !errors.Is(err, arm.ErrNoNode) {
			t.Errorf("a node that is not there: %v", err)
		}
	})
}

// sessionIs gives the customer's sessions a state and a last error.
func sessionIs(state, last string) func(*plan.Report) {
	return func(r *plan.Report) {
		for i := range r.Sessions {
			if strings.HasSuffix(r.Sessions[i].Name, "/ce4") {
				r.Sessions[i].State, r.Sessions[i].LastError = state, last
			}
		}
	}
}

// silent has the customer's session down and its router unresolved.
func silent(r *plan.Report, packets uint64) {
	sessionIs("Active", "")(r)
	for i := range r.Attachments {
		r.Attachments[i].InPackets, r.Attachments[i].Neighbors = packets, nil
	}
}

func list[T any](all ...T) []T { return all }

func tag(stag, ctag uint16, age time.Duration) plan.TagCount {
	return plan.TagCount{STag: stag, CTag: ctag, Packets: 12, Last: time.Now().Add(-age)}
}

// strange has ARP come from an address.
func strange(r *plan.Report, a string) {
	for i := range r.Attachments {
		r.Attachments[i].Strangers = []plan.NeighborState{{Addr: addr(a), MAC: "02:00:00:00:00:07", Age: 2 * time.Second}}
	}
}

// Each fault is named in its own layer, and nothing above it.
func TestDiagnose(t *testing.T) {
	for _, c := range []struct {
		name   string
		order  func(*resource.Circuit)
		report func(*plan.Report)
		layer  string // of the first broken line on the primary, or of the circuit
		says   string // in expected, seen or fix
	}{
		{"healthy", nil, nil, "", ""},
		{"not enabled", func(c *resource.Circuit) { c.Status.Enabled = false }, nil, "circuit", "Disabled"},
		{"failed", func(c *resource.Circuit) {
			c.Status.Enabled, c.Meta.Failure = false, &resource.Failure{Message: "edge1 does not report"}
		}, nil, "circuit", "edge1 does not report"},
		{"provider", func(c *resource.Circuit) { c.Status.ProviderState = resource.NotProvisioned }, nil, "provider", "NotProvisioned"},
		{"no peering", func(c *resource.Circuit) { c.Peerings = nil }, nil, "peering", "none"},
		{"peering off", func(c *resource.Circuit) { c.Peerings[0].Enabled = false }, nil, "peering", "Disabled"},
		{"plan not applied", nil, func(r *plan.Report) { r.Applied, r.Problem = 0, "no port pe0" }, "node", "no port pe0"},
		{"port down", nil, func(r *plan.Report) { r.Ports[0].Up = false }, "port", "edge1/pe0"},
		{"no frames", nil, func(r *plan.Report) { silent(r, 0) }, "tag", "no frames at all"},
		{"wrong S-tag", nil, func(r *plan.Report) {
			silent(r, 0)
			r.Ports[0].UnknownTags = list(tag(77, 55, time.Second), tag(31, 100, 2*time.Second))
		}, "tag", "S-tag 30 expected, 31 seen on edge1/pe0 (12 frames, the last 2s ago)"},
		{"wrong C-tag", nil, func(r *plan.Report) {
			silent(r, 9) // it was right before
			r.Ports[0].UnknownTags = list(tag(31, 100, 2*time.Second), tag(30, 200, time.Second), tag(77, 55, 0))
		}, "tag", "C-tag 100 expected in S-tag 30, 200 seen on edge1/pe0"},
		{"one tag", nil, func(r *plan.Report) {
			silent(r, 0)
			r.Ports[0].UnknownTags = list(tag(0, 100, time.Second))
		}, "tag", "S-tag 30 and C-tag 100 expected, only C-tag 100 seen on edge1/pe0"},
		{"untagged", nil, func(r *plan.Report) {
			silent(r, 0)
			r.Ports[0].UnknownTags = list(tag(0, 0, time.Second))
		}, "tag", "expected, no tag seen on edge1/pe0"},
		{"tags of long ago", nil, func(r *plan.Report) {
			silent(r, 0)
			r.Ports[0].UnknownTags = list(tag(31, 100, time.Hour))
		}, "tag", "no frames at all"},
		{"wrong TPID", nil, func(r *plan.Report) {
			silent(r, 0)
			r.Drops = []plan.DropCount{{Reason: "ttl_expired", Packets: 3, Last: time.Now()}, {Reason: "tpid_wrong", Packets: 12, Last: time.Now()}}
		}, "tag", "EtherType 0x8100 expected for the S-tag, another (0x88a8 or 0x9100) seen on edge1"},
		{"somebody else's tags", nil, func(r *plan.Report) {
			silent(r, 9)
			r.Ports[0].UnknownTags = list(tag(77, 55, time.Second))
		}, "arp", "no answer"},
		{"no arp", nil, func(r *plan.Report) { silent(r, 9) }, "arp", "though 9 packets came"},
		{"the edge's own address", nil, func(r *plan.Report) { silent(r, 9); strange(r, "192.168.1.2") }, "arp",
			"192.168.1.1 expected at the customer, 192.168.1.2 seen, which is the edge's own, on edge1/pe0"},
		{"the other link's address", nil, func(r *plan.Report) { silent(r, 9); strange(r, "192.168.1.5") }, "arp", "which is of the other link's 192.168.1.4/30"},
		{"another network's address", nil, func(r *plan.Report) { silent(r, 9); strange(r, "10.9.9.9") }, "arp", "which is outside 192.168.1.0/30"},
		{"wrong key", nil, func(r *plan.Report) {
			sessionIs("Connect", "connect: timed out")(r)
			r.Drops = []plan.DropCount{{Reason: "md5_unexpected", Packets: 5, Last: time.Now()}}
		}, "bgp", "no MD5 key expected, one seen on router edge1 (5 segments"},
		{"wrong as", nil, sessionIs("Idle", "sent NOTIFICATION OPEN/Bad Peer AS: expected 65001, got 65009"), "bgp", "AS 65001 expected, 65009 seen"},
		{"silence without a key", nil, sessionIs("Connect", "connect: timed out"), "bgp", "no MD5 key"},
		{"refused", nil, sessionIs("Active", "connection refused"), "bgp", "no BGP listens on 192.168.1.1"},
		{"limit", nil, sessionIs("Idle", "NOTIFICATION sent: Cease/Maximum Number of Prefixes Reached"), "limit", "at most 4000 prefixes expected, more seen"},
		{"no routes", nil, func(r *plan.Report) {
			for i := range r.Sessions {
				r.Sessions[i].Received = 0
			}
		}, "route", "no prefixes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(t *testing.T, s *scene) {
				s.healthy(c.report)
				k := resource.Clone(s.c)
				if c.order != nil {
					c.order(k)
				}
				found, err := s.live.Diagnose(s.ctx, k)
				if err != nil {
					t.Fatal(err)
				}
				checkDiagnosis(t, found, c.layer, c.says)
			})
		})
	}
}

func checkDiagnosis(t *testing.T, found []arm.Finding, layer, says string) {
	t.Helper()
	var first *arm.Finding
	for i := range found {
		f := &found[i]
		if f.Path == "secondary" && !f.OK {
			t.Errorf("the other path is blamed: %+v", f)
		}
		if f.OK != (f.Fix == "") {
			t.Errorf("fix and verdict differ: %+v", f)
		}
		if first == nil && !f.OK {
			first = f
		} else if first != nil && f.Path == "primary" {
			t.Errorf("%s is looked at above the fault in %s", f.Layer, first.Layer)
		}
	}
	switch {
	case layer == "" && first != nil:
		t.Errorf("a healthy circuit has a fault: %+v", first)
	case layer != "" && first == nil:
		t.Errorf("no fault found in %+v", found)
	case layer != "" && (first.Layer != layer || !strings.Contains(fmt.Sprint(*first), says)):
		t.Errorf("the fault is %+v, want layer %s saying %q", first, layer, says)
	}
}

func TestDiagnoseGateway(t *testing.T) {
	inScene(t, func(t *testing.T, s *scene) {
		s.healthy(func(r *plan.Report) {
			for i := range r.Sessions {
				if strings.Contains(r.Sessions[i].Name, "/to/gw0") {
					r.Sessions[i].State, r.Sessions[i].LastError = "Active", "Hold Timer Expired"
				}
			}
		})
		found, err := s.live.Diagnose(s.ctx, s.c)
		if err != nil {
			t.Fatal(err)
		}
		last := found[len(found)-2]
		if last.Layer != "gateway" || last.OK || !strings.Contains(last.Seen, "3 of 4") || !strings.Contains(last.Seen, "edge1 to gw0: Active Hold Timer") {
			t.Errorf("gateway finding %+v", last)
		}
	})
}

func TestUpDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for d, want := range map[time.Duration]string{0: "00:00:00", 11*time.Hour + 9*time.Minute + 15*time.Second: "11:09:15",
			38 * time.Hour: "1d14h", 60 * 24 * time.Hour: "8w4d"} {
			if got := upDown(time.Now().Add(-d)); got != want {
				t.Errorf("%s is %q, want %q", d, got, want)
			}
		}
	})
}
