package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"onramp/plan"
)

// TestEqualIPv6Addresses: two customers with the same IPv6 addresses on both ends, who only wait to be called; each gets its own route. The
// addresses come as a /126 and as a point-to-point pair.
func TestEqualIPv6Addresses(t *testing.T) {
	for _, form := range []struct {
		name string
		addr plan.Address
	}{{"prefix", plan.Address{Prefix: pre("2001:db8:1::2/126")}}, {"pair", plan.Address{Prefix: pre("2001:db8:1::2/128"), Peer: ip("2001:db8:1::1")}}} {
		t.Run(form.name, func(t *testing.T) { equalIPv6(t, form.addr) })
	}
}

func equalIPv6(t *testing.T, own plan.Address) {
	w := newWorld(t, "edge", "c1", "c2")
	n := &plan.Node{Generation: 1, RouterID: ip("10.255.0.1")}
	birds := make([]*bird, 2)
	for i := range birds {
		ns, port := fmt.Sprint("c", i+1), fmt.Sprint("ge", i+1)
		w.cable("edge", port, ns, "eth0")
		w.in(ns, "ip", "addr", "add", "2001:db8:1::1/126", "dev", "eth0", "nodad")
		n.Domains = append(n.Domains, plan.Domain{Name: ns, Static: []plan.StaticRoute{
			{Prefix: pre(fmt.Sprintf("2001:db8:10%d::/48", i+1)), Unreachable: true, Class: "vnet"}}})
		n.Ports = append(n.Ports, plan.Port{Name: port, Enabled: true, MTU: 1500})
		n.Attachments = append(n.Attachments, plan.Attachment{Name: ns, Domain: ns, Port: port, Addresses: []plan.Address{own}})
		n.Sessions = append(n.Sessions, plan.Session{Name: ns, Attachment: ns, Enabled: true, LocalAddr: ip("2001:db8:1::2"), PeerAddr: ip("2001:db8:1::1"),
			LocalAS: 12076, PeerAS: uint32(65001 + i), Import: plan.Import{Class: "customer"}, Export: plan.Export{Classes: []string{"vnet"}}})
	}
	a := w.agent("edge")
	a.plan(n)
	a.start()
	for i := range birds {
		birds[i] = w.bird(fmt.Sprint("c", i+1), fmt.Sprintf(`router id 1.1.1.%d;
protocol device { scan time 1; }
protocol bgp edge { local 2001:db8:1::1 as %d; neighbor 2001:db8:1::2 as 12076; passive; ipv6 { import all; export none; }; }
`, i+1, 65001+i))
	}
	for i, b := range birds {
		w.wait(fmt.Sprint("session ", i+1), 20*time.Second, func() bool { return a.established(fmt.Sprint("c", i+1)) })
		w.wait(fmt.Sprint("the network at customer ", i+1), 10*time.Second, func() bool {
			return strings.Contains(b.ask("show route"), fmt.Sprintf("2001:db8:10%d::/48", i+1))
		})
		if all := b.ask("show route"); strings.Contains(all, fmt.Sprintf("2001:db8:10%d::/48", 2-i)) {
			t.Errorf("customer %d has the other's network:\n%s", i+1, all)
		}
	}
}
