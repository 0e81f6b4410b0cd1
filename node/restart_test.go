package node

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"onramp/plan"
)

// transit is a node with two customers in one domain that reach each other through it.
func transit() *plan.Node {
	n := &plan.Node{Generation: 1, RouterID: ip("10.255.0.1"), Domains: []plan.Domain{{Name: "vpn"}}}
	for i, c := range []string{"1", "2"} {
		n.Ports = append(n.Ports, plan.Port{Name: "ge" + c, Enabled: true, MTU: 1500})
		n.Attachments = append(n.Attachments, plan.Attachment{Name: "site " + c, Domain: "vpn", Port: "ge" + c,
			Addresses: []plan.Address{{Prefix: pre("192.168." + c + ".2/30")}}})
		n.Sessions = append(n.Sessions, plan.Session{Name: "s" + c, Attachment: "site " + c, Enabled: true,
			LocalAddr: ip("192.168." + c + ".2"), PeerAddr: ip("192.168." + c + ".1"), LocalAS: 12076, PeerAS: uint32(65001 + i),
			RestartTime: 30 * time.Second, Import: plan.Import{Class: "site"}, Export: plan.Export{Classes: []string{"site"}}})
	}
	return n
}

func transitWorld(t *testing.T) (*world, *agent, []*bird) {
	w := newWorld(t, "edge", "c1", "c2")
	var birds []*bird
	for _, c := range []string{"1", "2"} {
		w.cable("edge", "ge"+c, "c"+c, "eth0")
		w.in("c"+c, "ip", "addr", "add", "192.168."+c+".1/30", "dev", "eth0")
		w.in("c"+c, "ip", "addr", "add", "10."+c+".0.1/32", "dev", "lo")
	}
	a := w.agent("edge")
	a.plan(transit())
	a.start()
	for _, c := range []string{"1", "2"} {
		conf := customer("1.1.1."+c, "192.168."+c+".1", "192.168."+c+".2", "", "10."+c+".0.0/16")
		conf = strings.ReplaceAll(conf, "as 65001", "as 6500"+c)
		conf = strings.ReplaceAll(conf, "export where source = RTS_BGP;", "export filter { if source = RTS_BGP then { krt_prefsrc = 10."+c+".0.1; accept; } reject; };")
		birds = append(birds, w.bird("c"+c, conf))
	}
	for _, c := range []string{"1", "2"} {
		w.wait("session "+c, 20*time.Second, func() bool { return a.established("s" + c) })
	}
	for i, far := range []string{"10.2.0.0/16", "10.1.0.0/16"} {
		w.wait("route "+far, 10*time.Second, func() bool { return strings.Contains(birds[i].ask("show route"), far) })
	}
	w.wait("a ping through", 5*time.Second, func() bool {
		args := w.enter("c1", "ping", "-c", "1", "-W", "1", "-I", "10.1.0.1", "10.2.0.1")
		return exec.Command(args[0], args[1:]...).Run() == nil
	})
	return w, a, birds
}

var lossLine = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// stream sends 100 packets a second from site 1 to site 2 until stop is called, which returns sent and received.
func (w *world) stream() (stop func() (sent, received string)) {
	args := w.enter("c1", "ping", "-i", "0.01", "-I", "10.1.0.1", "10.2.0.1")
	cmd := exec.Command(args[0], args[1:]...)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return func() (string, string) {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		m := lossLine.FindStringSubmatch(out.String())
		if m == nil {
			w.t.Fatalf("ping said:\n%s", out.String())
		}
		return m[1], m[2]
	}
}

func TestKilledAgentLosesNoPacket(t *testing.T) {
	w, a, _ := transitWorld(t)
	before := a.routes("vpn")
	stop := w.stream()
	a.kill()
	<-time.After(3 * time.Second)
	a.start()
	w.wait("a report of the new process", 10*time.Second, func() bool { return a.report().Time.After(a.began) })
	for _, s := range []string{"s1", "s2"} {
		w.wait("session "+s+" again", 20*time.Second, func() bool { return a.established(s) })
	}
	w.wait("the same table", 20*time.Second, func() bool { return sameRoutes(before, a.routes("vpn")) })
	<-time.After(time.Second)
	sent, received := stop()
	t.Logf("%s sent, %s received", sent, received)
	if sent != received {
		t.Errorf("%s packets sent, %s received", sent, received)
	}
}

func sameRoutes(x, y []plan.Route) bool {
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i].Prefix != y[i].Prefix || x[i].NextHop != y[i].NextHop || x[i].ASPath != y[i].ASPath || x[i].Best != y[i].Best || y[i].Stale {
			return false
		}
	}
	return true
}

// TestLostCarrier: the far end of a cable goes down; the node's routes through it go at once, not at the hold time.
func TestLostCarrier(t *testing.T) {
	w, a, birds := transitWorld(t)
	w.in("c1", "ip", "link", "set", "eth0", "down")
	began := time.Now()
	w.wait("withdrawal at the other customer", 5*time.Second, func() bool { return !strings.Contains(birds[1].ask("show route"), "10.1.0.0/16") })
	if d := time.Since(began); d > 400*time.Millisecond {
		t.Errorf("withdrawn after %v only", d)
	}
	w.wait("port down in the report", 5*time.Second, func() bool { r := a.report(); return !r.Ports[0].Up && r.Ports[0].Changes == 1 })
	w.in("c1", "ip", "link", "set", "eth0", "up")
	w.wait("session again", 20*time.Second, func() bool { return a.established("s1") })
	w.wait("route again", 5*time.Second, func() bool { return strings.Contains(birds[1].ask("show route"), "10.1.0.0/16") })
}

// TestChangedPlan: a key, a policy, a session less, and then nothing at all; each with the least disturbance.
func TestChangedPlan(t *testing.T) {
	w, a, birds := transitWorld(t)
	n := transit()
	n.Generation = 2
	n.Domains[0].Static = []plan.StaticRoute{{Prefix: pre("10.3.0.0/16"), Unreachable: true, Class: "site", Communities: []uint32{12076<<16 | 50004}}}
	n.Sessions[0].Export.Prepend = 2
	since := a.report().Sessions[0].Since
	a.plan(n)
	w.wait("generation 2", 5*time.Second, func() bool { return a.report().Applied == 2 })
	w.wait("the static route, prepended", 5*time.Second, func() bool {
		s := birds[0].ask("show route 10.3.0.0/16 all")
		return strings.Contains(s, "12076 12076 12076") && strings.Contains(s, "(12076,50004)")
	})
	if got := a.report().Sessions[0].Since; !got.Equal(since) {
		t.Errorf("a policy change restarted the session: since %v, was %v", got, since)
	}
	n.Generation, n.Sessions[0].Import.Deny = 3, []plan.PrefixRule{{Prefix: pre("10.1.0.0/16")}}
	a.plan(n)
	w.wait("the refused route is gone at the other", 5*time.Second, func() bool { return !strings.Contains(birds[1].ask("show route"), "10.1.0.0/16") })
	n.Generation, n.Sessions[0].Enabled = 4, false
	a.plan(n)
	w.wait("session 1 shut down", 5*time.Second, func() bool {
		return strings.Contains(birds[0].ask("show protocols all edge"), "dministrative shutdown")
	})
	n.Generation, n.Sessions, n.Attachments, n.Ports = 5, n.Sessions[1:], n.Attachments[1:], n.Ports[1:]
	a.plan(n)
	w.wait("generation 5", 5*time.Second, func() bool { return a.report().Applied == 5 })
	if links := w.in("edge", "ip", "-br", "link"); strings.Count(links, "q") < 1 || len(a.report().Attachments) != 1 {
		t.Errorf("after the removal of one attachment:\n%s", links)
	}
	a.kill()
	a.start("ORNODE_REMOVE=1")
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("remove: %v", err)
	}
	a.cmd = nil
	if links := w.in("edge", "ip", "-br", "link", "show", "type", "veth"); strings.Contains(links, "\nq") || strings.Contains(links, "\np") {
		t.Errorf("left after remove:\n%s", links)
	}
}
