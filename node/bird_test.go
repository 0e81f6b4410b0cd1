package node

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"onramp/plan"
)

// twoCustomers is a node with two customers that have the same /30, AS and prefixes, and different keys.
func twoCustomers() *plan.Node {
	n := &plan.Node{Generation: 1, RouterID: ip("10.255.0.1")}
	for _, c := range []string{"1", "2"} {
		n.Ports = append(n.Ports, plan.Port{Name: "ge" + c, Enabled: true, MTU: 1500})
		n.Attachments = append(n.Attachments, plan.Attachment{Name: "customer " + c + " private primary", Domain: "vrf " + c, Port: "ge" + c,
			Addresses: []plan.Address{{Prefix: pre("192.168.1.2/30")}}})
		n.Domains = append(n.Domains, plan.Domain{Name: "vrf " + c, Static: []plan.StaticRoute{
			{Prefix: pre("10.100." + c + ".0/24"), Unreachable: true, Class: "vnet"}}})
		n.Sessions = append(n.Sessions, plan.Session{Name: "s" + c, Attachment: "customer " + c + " private primary", Enabled: true,
			LocalAddr: ip("192.168.1.2"), PeerAddr: ip("192.168.1.1"), LocalAS: 12076, PeerAS: 65001, Key: plan.Secret("secret-" + c),
			RestartTime: 30 * time.Second, Import: plan.Import{Class: "customer"}, Export: plan.Export{Classes: []string{"vnet"}}})
	}
	return n
}

func TestTwoCustomersWithEqualAddresses(t *testing.T) {
	w := newWorld(t, "edge", "c1", "c2")
	var birds []*bird
	for _, c := range []string{"1", "2"} {
		w.cable("edge", "ge"+c, "c"+c, "eth0")
		w.in("c"+c, "ip", "addr", "add", "192.168.1.1/30", "dev", "eth0")
	}
	a := w.agent("edge")
	a.plan(twoCustomers())
	a.start()
	for _, c := range []string{"1", "2"} {
		birds = append(birds, w.bird("c"+c, customer("1.1.1."+c, "192.168.1.1", "192.168.1.2", "secret-"+c, "10.1.0.0/16", "10.20."+c+".0/24")))
	}
	w.wait("plan applied", 10*time.Second, func() bool { return a.report().Applied == 1 })
	for i, c := range []string{"1", "2"} {
		w.wait("session "+c, 20*time.Second, func() bool { return a.established("s" + c) })
		w.wait("route at customer "+c, 10*time.Second, func() bool { return strings.Contains(birds[i].ask("show route"), "10.100."+c+".0/24") })
		if other := birds[1-i].ask("show route"); strings.Contains(other, "10.100."+c+".0/24") {
			t.Errorf("customer %s's network is known to the other:\n%s", c, other)
		}
		w.wait("customer "+c+"'s own route", 5*time.Second, func() bool {
			for _, r := range a.routes("vrf " + c) {
				if r.Prefix == pre("10.20."+c+".0/24") && r.Best && r.ASPath == "65001" && r.Session == "s"+c {
					return true
				}
			}
			return false
		})
		w.in("c"+c, "ping", "-c", "1", "-W", "2", "192.168.1.2")
	}
	// The report follows the tables by up to a second.
	w.wait("2 routes received and 1 advertised in each session of the report", 5*time.Second, func() bool {
		ss := a.report().Sessions
		return len(ss) == 2 && !slices.ContainsFunc(ss, func(s plan.SessionState) bool { return s.Received != 2 || s.Advertised != 1 })
	})
}

// TestWrongKey: a wrong key gets nothing, the right one comes up as soon as the plan has it, and the other customer is not touched.
func TestWrongKey(t *testing.T) {
	w := newWorld(t, "edge", "c1", "c2")
	for _, c := range []string{"1", "2"} {
		w.cable("edge", "ge"+c, "c"+c, "eth0")
		w.in("c"+c, "ip", "addr", "add", "192.168.1.1/30", "dev", "eth0")
	}
	a := w.agent("edge")
	n := twoCustomers()
	n.Sessions[0].Key = "not what the customer has"
	a.plan(n)
	a.start()
	for _, c := range []string{"1", "2"} {
		w.bird("c"+c, customer("1.1.1."+c, "192.168.1.1", "192.168.1.2", "secret-"+c, "10.1.0.0/16"))
	}
	w.wait("session 2", 20*time.Second, func() bool { return a.established("s2") })
	<-time.After(3 * time.Second)
	if a.established("s1") {
		t.Fatal("a session came up with a wrong key")
	}
	since := a.report().Sessions[1].Since
	n.Generation, n.Sessions[0].Key = 2, "secret-1"
	a.plan(n)
	w.wait("session 1 with the right key", 20*time.Second, func() bool { return a.established("s1") })
	if got := a.report().Sessions[1].Since; !got.Equal(since) {
		t.Errorf("session 2 was touched: since %v, was %v", got, since)
	}
	n.Generation, n.Sessions[0].Key = 3, "wrong again"
	a.plan(n)
	w.wait("session 1 down", 5*time.Second, func() bool { return !a.established("s1") })
	body, err := os.ReadFile(filepath.Join(a.dir, "log"))
	if err != nil || strings.Contains(string(body), "secret-") || strings.Contains(string(body), "wrong again") {
		t.Errorf("a key is in the log: %v", err)
	}
}
