package node

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"onramp/plan"
)

// fabricPort is a node's way to the others.
func fabricPort(n *plan.Node, vtep string) {
	n.VTEP, n.RouterID = ip(vtep), ip(vtep)
	n.Ports = append(n.Ports, plan.Port{Name: "fab0", Enabled: true, MTU: 1600, Underlay: pre(vtep + "/24")})
}

// tunnel joins a domain to the other node with a session 12076 <-> 65515.
func tunnel(n *plan.Node, domain, remote, local, peer string, as, peerAS uint32, class, export string) {
	n.Attachments = append(n.Attachments, plan.Attachment{Name: "tunnel", Domain: domain, VNI: 4711, Remote: ip(remote), MTU: 1500,
		Addresses: []plan.Address{{Prefix: pre(local + "/30")}}})
	n.Sessions = append(n.Sessions, plan.Session{Name: "tunnel", Attachment: "tunnel", Enabled: true, LocalAddr: ip(local), PeerAddr: ip(peer),
		LocalAS: as, PeerAS: peerAS, RestartTime: 30 * time.Second, Import: plan.Import{Class: class}, Export: plan.Export{Classes: []string{export}}})
}

// TestTwoNodesOverTheFabric: customer - edge = VXLAN = gateway - machine, with a session on every hop and pings end to end.
func TestTwoNodesOverTheFabric(t *testing.T) {
	w := newWorld(t, "edge", "gate", "c1", "vm")
	w.cable("edge", "fab0", "gate", "fab0")
	w.cable("edge", "ge1", "c1", "eth0")
	w.cable("gate", "vm0", "vm", "eth0")
	w.in("c1", "ip", "addr", "add", "192.168.1.1/30", "dev", "eth0")
	w.in("c1", "ip", "addr", "add", "10.1.0.1/32", "dev", "lo")
	w.in("vm", "ip", "addr", "add", "10.100.0.4/24", "dev", "eth0")
	w.in("vm", "ip", "route", "add", "default", "via", "10.100.0.1")

	edge := &plan.Node{Generation: 1, Domains: []plan.Domain{{Name: "private"}},
		Ports: []plan.Port{{Name: "ge1", Enabled: true, MTU: 1500}},
		Attachments: []plan.Attachment{{Name: "customer", Domain: "private", Port: "ge1", Addresses: []plan.Address{
			{Prefix: pre("192.168.1.2/30")}, {Prefix: pre("2001:db8:1::2/126")}}}},
		Sessions: []plan.Session{{Name: "customer", Attachment: "customer", Enabled: true, LocalAddr: ip("192.168.1.2"), PeerAddr: ip("192.168.1.1"),
			LocalAS: 12076, PeerAS: 65001, RestartTime: 30 * time.Second, Import: plan.Import{Class: "customer", StripCommunities: true},
			Export: plan.Export{Classes: []string{"gateway"}, RemoveAS: []uint32{65515}}}}}
	fabricPort(edge, "10.255.0.1")
	tunnel(edge, "private", "10.255.0.2", "169.254.7.1", "169.254.7.2", 12076, 65515, "gateway", "customer")

	gate := &plan.Node{Generation: 1, Domains: []plan.Domain{{Name: "vnet", Static: []plan.StaticRoute{
		{Prefix: pre("10.100.0.0/16"), Unreachable: true, Class: "vnet"}}}},
		Ports: []plan.Port{{Name: "vm0", Enabled: true, MTU: 1500}},
		Attachments: []plan.Attachment{{Name: "subnet", Domain: "vnet", Port: "vm0", Addresses: []plan.Address{{Prefix: pre("10.100.0.1/24")}},
			Neighbors: []plan.Neighbor{{Addr: ip("10.100.0.4"), MAC: w.mac("vm", "eth0")}}}}}
	fabricPort(gate, "10.255.0.2")
	tunnel(gate, "vnet", "10.255.0.1", "169.254.7.2", "169.254.7.1", 65515, 12076, "circuit", "vnet")

	a, g := w.agent("edge"), w.agent("gate")
	a.plan(edge)
	g.plan(gate)
	a.start()
	g.start()
	conf := customer("1.1.1.1", "192.168.1.1", "192.168.1.2", "", "10.1.0.0/16")
	conf = strings.ReplaceAll(conf, "export where source = RTS_BGP;", "export filter { if source = RTS_BGP then { krt_prefsrc = 10.1.0.1; accept; } reject; };")
	b := w.bird("c1", conf)
	w.wait("tunnel session", 20*time.Second, func() bool { return a.established("tunnel") && g.established("tunnel") })
	w.wait("the network at the customer", 20*time.Second, func() bool {
		s := b.ask("show route 10.100.0.0/16 all")
		return strings.Contains(s, "BGP.as_path: 12076\n")
	})
	w.wait("the customer's network at the gateway", 10*time.Second, func() bool {
		for _, r := range g.routes("vnet") {
			if r.Prefix == pre("10.1.0.0/16") && r.ASPath == "12076 65001" {
				return true
			}
		}
		return false
	})
	w.ping("c1", "10.1.0.1", "10.100.0.4")
	w.ping("vm", "10.100.0.4", "10.1.0.1")
}

func (w *world) mac(ns, dev string) string {
	return strings.TrimSpace(w.in(ns, "sh", "-c", fmt.Sprintf("ip -o link show %s | sed 's/.*ether \\([^ ]*\\).*/\\1/'", dev)))
}

// ping waits until one gets through; what is resolved on the way may cost the first.
func (w *world) ping(ns, from, to string) {
	w.t.Helper()
	w.wait("a ping from "+from+" to "+to, 5*time.Second, func() bool {
		args := w.enter(ns, "ping", "-c", "1", "-W", "1", "-I", from, to)
		return exec.Command(args[0], args[1:]...).Run() == nil
	})
}

// TestIPv6Session: an IPv6 peer on the same attachment as an IPv4 one.
func TestIPv6Session(t *testing.T) {
	w := newWorld(t, "edge", "c1")
	w.cable("edge", "ge1", "c1", "eth0")
	w.in("c1", "ip", "addr", "add", "2001:db8:1::1/126", "dev", "eth0", "nodad")
	n := &plan.Node{Generation: 1, RouterID: ip("10.255.0.1"), Domains: []plan.Domain{{Name: "private", Static: []plan.StaticRoute{
		{Prefix: pre("2001:db8:100::/48"), Unreachable: true, Class: "vnet"}}}},
		Ports:       []plan.Port{{Name: "ge1", Enabled: true, MTU: 1500}},
		Attachments: []plan.Attachment{{Name: "customer", Domain: "private", Port: "ge1", Addresses: []plan.Address{{Prefix: pre("2001:db8:1::2/126")}}}},
		Sessions: []plan.Session{{Name: "v6", Attachment: "customer", Enabled: true, LocalAddr: ip("2001:db8:1::2"), PeerAddr: ip("2001:db8:1::1"),
			LocalAS: 12076, PeerAS: 65001, Key: "six", Import: plan.Import{Class: "customer"}, Export: plan.Export{Classes: []string{"vnet"}}}}}
	a := w.agent("edge")
	a.plan(n)
	a.start()
	b := w.bird("c1", `router id 1.1.1.1;
protocol device { scan time 1; }
protocol static own { ipv6; route 2001:db8:a::/48 blackhole; }
protocol bgp edge { local 2001:db8:1::1 as 65001; neighbor 2001:db8:1::2 as 12076; password "six";
  connect retry time 1; connect delay time 1; error wait time 1, 2;
  ipv6 { import all; export where proto = "own"; }; }
`)
	w.wait("the session", 20*time.Second, func() bool { return a.established("v6") })
	w.wait("the network at the customer", 10*time.Second, func() bool { return strings.Contains(b.ask("show route"), "2001:db8:100::/48") })
	w.wait("the customer's network here", 10*time.Second, func() bool {
		for _, r := range a.routes("private") {
			if r.Prefix == pre("2001:db8:a::/48") && r.Session == "v6" {
				return true
			}
		}
		return false
	})
}

// TestLossForwardingOnVeth: the router behind port A sees the far router's link go, and come back.
func TestLossForwardingOnVeth(t *testing.T) {
	w := newWorld(t, "ix", "c1", "c2")
	w.cable("ix", "ga", "c1", "eth0")
	w.cable("ix", "gb", "c2", "eth0")
	n := &plan.Node{Generation: 1, Ports: []plan.Port{{Name: "ga", Enabled: true, MTU: 1500}, {Name: "gb", Enabled: true, MTU: 1500}},
		Attachments:   []plan.Attachment{{Name: "xa", Port: "ga"}, {Name: "xb", Port: "gb"}},
		Crossconnects: []plan.Crossconnect{{Name: "x", A: "xa", B: "xb", LinkLossForwarding: true}}}
	w.in("c1", "ip", "addr", "add", "10.0.0.1/24", "dev", "eth0")
	w.in("c2", "ip", "addr", "add", "10.0.0.2/24", "dev", "eth0")
	a := w.agent("ix")
	a.plan(n)
	a.start()
	w.ping("c1", "10.0.0.1", "10.0.0.2")
	carrier := func() bool { return strings.Contains(w.in("c1", "ip", "link", "show", "eth0"), "LOWER_UP") }
	for range 2 {
		w.in("c2", "ip", "link", "set", "eth0", "down")
		w.wait("carrier lost at the other side", 3*time.Second, func() bool { return !carrier() })
		w.in("c2", "ip", "link", "set", "eth0", "up")
		w.wait("carrier back at the other side", 3*time.Second, carrier)
	}
	w.ping("c1", "10.0.0.1", "10.0.0.2")
}
