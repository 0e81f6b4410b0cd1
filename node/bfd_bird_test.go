package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"onramp/plan"
)

// bridged joins two namespaces by a bridge in the namespace m, so that packets can be lost without a loss of carrier: cut takes the far side
// out of the bridge.
func (w *world) bridged(nsA, a, nsB, b string) (cut, mend func()) {
	w.t.Helper()
	br := "br-" + nsB
	w.cable(nsA, a, "m", "n-"+nsB)
	w.cable("m", "f-"+nsB, nsB, b)
	w.in("m", "ip", "link", "add", br, "mtu", "1600", "type", "bridge")
	w.in("m", "ip", "link", "set", br, "up")
	join := func(args ...string) { w.in("m", append([]string{"ip", "link", "set"}, args...)...) }
	join("n-"+nsB, "master", br)
	join("f-"+nsB, "master", br)
	return func() { join("f-"+nsB, "nomaster") }, func() { join("f-"+nsB, "master", br) }
}

func withBFD(conf string) string {
	return strings.Replace(conf, "protocol bgp edge {", `protocol bfd { interface "eth0" { min rx interval 300 ms; min tx interval 300 ms; multiplier 3; }; }
protocol bgp edge {
  bfd on;`, 1)
}

func (a *agent) session(name string) plan.SessionState {
	for _, s := range a.report().Sessions {
		if s.Name == name {
			return s
		}
	}
	return plan.SessionState{}
}

// bfdWorld is one node with two customers of one domain behind bridges, watched by BFD; the second speaks none.
func bfdWorld(t *testing.T) (w *world, a *agent, birds []*bird, cut, mend func()) {
	w = newWorld(t, "edge", "c1", "c2", "m")
	for _, c := range []string{"2", "1"} {
		cut, mend = w.bridged("edge", "ge"+c, "c"+c, "eth0")
		w.in("c"+c, "ip", "addr", "add", "192.168."+c+".1/30", "dev", "eth0")
	}
	n := transit()
	for i := range n.Sessions {
		n.Sessions[i].BFD = &plan.BFD{Interval: 300 * time.Millisecond, Multiplier: 3}
	}
	a = w.agent("edge")
	a.plan(n)
	a.start()
	for _, c := range []string{"1", "2"} {
		conf := customer("1.1.1."+c, "192.168."+c+".1", "192.168."+c+".2", "", "10."+c+".0.0/16")
		conf = strings.ReplaceAll(conf, "as 65001", "as 6500"+c)
		if c == "1" {
			conf = withBFD(conf)
		}
		birds = append(birds, w.bird("c"+c, conf))
	}
	for _, s := range []string{"s1", "s2"} {
		w.wait("session "+s, 20*time.Second, func() bool { return a.established(s) })
	}
	w.wait("BFD", 20*time.Second, func() bool {
		return a.session("s1").BFD == "Up" && strings.Contains(birds[0].ask("show bfd sessions"), "Up")
	})
	w.wait("the agreed interval", 10*time.Second, func() bool { return strings.Contains(birds[0].ask("show bfd sessions"), "0.300") })
	return w, a, birds, cut, mend
}

func (a *agent) knows(domain string, p netip.Prefix) bool {
	for _, r := range a.routes(domain) {
		if r.Prefix == p && r.Best {
			return true
		}
	}
	return false
}

func TestSilentLinkEndsSession(t *testing.T) {
	w, a, birds, cut, mend := bfdWorld(t)
	w.wait("the route at the other customer", 10*time.Second, func() bool { return strings.Contains(birds[1].ask("show route"), "10.1.0.0/16") })
	if got := a.session("s2"); got.BFD != "Down" || got.State != "Established" {
		t.Errorf("a peer without BFD: %+v", got)
	}
	<-time.After(2 * time.Second) // the poll sequences are over
	start := time.Now()
	cut()
	w.wait("the route is withdrawn at the other customer", 5*time.Second, func() bool { return !strings.Contains(birds[1].ask("show route"), "10.1.0.0/16") })
	took := time.Since(start)
	t.Logf("withdrawn at the other customer %v after the link fell silent", took.Round(time.Millisecond))
	if took > 1500*time.Millisecond {
		t.Errorf("took %v, three intervals are 900 ms", took)
	}
	w.wait("the report", 2*time.Second, func() bool { return a.session("s1").BFD == "Down" && a.session("s1").State != "Established" })
	if !slices.ContainsFunc(a.session("s1").Events, func(e plan.SessionEvent) bool { return e.Cause == "BFD: control detection time expired" }) {
		t.Errorf("the cause is in none of %+v", a.session("s1").Events)
	}
	if !a.established("s2") {
		t.Error("the other session went down")
	}
	mend()
	w.wait("all is back", 30*time.Second, func() bool {
		return a.established("s1") && a.session("s1").BFD == "Up" && strings.Contains(birds[1].ask("show route"), "10.1.0.0/16") && a.knows("vpn", pre("10.1.0.0/16"))
	})
	w.in("c1", "ping", "-c", "1", "-W", "2", "192.168.1.2")
}

func TestAgentRestartKeepsBFD(t *testing.T) {
	w, a, birds, _, _ := bfdWorld(t)
	since := a.session("s1").BFDSince
	a.kill()
	<-time.After(2 * time.Second)
	if got := birds[0].ask("show bfd sessions"); !strings.Contains(got, "Up") {
		t.Fatalf("without the agent:\n%s", got)
	}
	a.start()
	w.wait("the next agent", 20*time.Second, func() bool {
		return a.report().Started.After(a.began) && a.established("s1") && a.session("s1").BFD == "Up"
	})
	if got := a.session("s1").BFDSince; !got.Equal(since) {
		t.Errorf("BFD is up since %v, was since %v", got, since)
	}
	a.kill()
	a.start("ORNODE_REMOVE=1")
	if err := a.cmd.Wait(); err != nil {
		t.Fatalf("remove: %v", err)
	}
	a.cmd = nil
	w.wait("a removed node says goodbye", 3*time.Second, func() bool { return !strings.Contains(birds[0].ask("show bfd sessions"), "Up") })
}

var daemonPID = regexp.MustCompile(`bfd daemon started.* pid=(\d+)`)

func (a *agent) daemonPIDs() (pids []int) {
	body, _ := os.ReadFile(filepath.Join(a.dir, "log"))
	for _, m := range daemonPID.FindAllStringSubmatch(string(body), -1) {
		pid, _ := strconv.Atoi(m[1])
		pids = append(pids, pid)
	}
	return pids
}

// The process that runs BFD is killed: who speaks no BFD notices nothing, it is started anew, and the paths are watched again.
func TestKilledBFDProcess(t *testing.T) {
	w, a, _, _, _ := bfdWorld(t)
	other := a.session("s2").Since
	pids := a.daemonPIDs()
	if len(pids) != 1 {
		t.Fatalf("daemons started: %v", pids)
	}
	began := time.Now()
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.wait("a new one", 5*time.Second, func() bool { return len(a.daemonPIDs()) == 2 })
	w.wait("BFD is up again", 20*time.Second, func() bool {
		s := a.session("s1")
		return s.BFD == "Up" && s.BFDSince.After(began) && s.State == "Established"
	})
	t.Logf("watched again, with its session, %v after the kill", time.Since(began).Round(time.Millisecond))
	if got := a.session("s2"); got.State != "Established" || !got.Since.Equal(other) {
		t.Errorf("the session without BFD: %+v", got)
	}
	for _, e := range a.session("s1").Events {
		if strings.HasPrefix(e.Cause, "BFD") {
			t.Errorf("we ended the session ourselves: %+v", e)
		}
	}
}
