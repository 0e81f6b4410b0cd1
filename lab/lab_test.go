package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// twoSites is a world without a cloud: two sites whose routers, a BIRD and a FRR, peer with each other across two cables.
const twoSites = `
name: %s
title: two sites and two cables
cables:
  - {a: r1/up0, b: r2/up0}
  - {a: r1/up1, b: r2/up1}
routers:
  - name: r1
    kind: bird
    asn: 65001
    routerId: 10.1.0.1
    lan: left
    address: 10.1.0.1/24
    uplinks:
      - {port: up0, address: 192.168.0.1/30, peer: 192.168.0.2, peerAsn: 65002, key: one, holdTime: 9s, keepalive: 3s}
      - {port: up1, address: 192.168.0.5/30, peer: 192.168.0.6, peerAsn: 65002, key: two, holdTime: 9s, keepalive: 3s}
  - name: r2
    kind: frr
    asn: 65002
    routerId: 10.2.0.1
    lan: right
    address: 10.2.0.1/24
    uplinks:
      - {port: up0, address: 192.168.0.2/30, peer: 192.168.0.1, peerAsn: 65001, key: one, holdTime: 9s, keepalive: 3s}
      - {port: up1, address: 192.168.0.6/30, peer: 192.168.0.5, peerAsn: 65001, key: two, holdTime: 9s, keepalive: 3s}
hosts:
  - {name: h1, lan: left, address: 10.1.0.10/24, gateways: [10.1.0.1]}
  - {name: h2, lan: right, address: 10.2.0.10/24, gateways: [10.2.0.1]}
drills:
  - name: link
    link: r1/up0
    down: 500ms
    stream: {from: h1, to: h2, rate: 500}
    back: [{router: r1, peer: 192.168.0.2}]
    maxLost: 1000
story:
  - wait: {session: {router: r1, peer: 192.168.0.2}}
  - wait: {session: {router: r2, peer: 192.168.0.5}}
  - wait: {route: {in: r1, prefix: 10.2.0.0/24}}
  - wait: {route: {in: r2, prefix: 10.1.0.0/24}}
  - ping: {from: h1, to: h2, count: 3, within: 5s}
  - ping: {from: h1, to: h2, count: 2, size: 1472, df: true}
  - traceroute: {from: h1, to: h2, hops: [10.1.0.1]}
  - exec: {in: r2, argv: [ip, route, show, 10.1.0.0/24], expect: "192.168.0.1"}
  - isolated: {from: h1, to: 10.99.0.1}
  - drill: link
`

// needRoot skips where namespaces cannot be made.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	for _, p := range []string{"bird", "vtysh", "ping", "traceroute"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
}

// testWorld is twoSites under a name of its own, with a root directory that a FRR daemon can enter.
func testWorld(t *testing.T, name, text string) (*World, Options) {
	t.Helper()
	w, err := Parse("two-sites.yaml", fmt.Appendf(nil, text, name))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.MkdirTemp("/run", "orlab-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	o := Options{Root: root, Out: testOut{t}, Detach: true}
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			if err := Down(context.Background(), name, o); err != nil {
				t.Errorf("cleanup: %v", err)
			}
		}
		os.RemoveAll(root)
	})
	return w, o
}

type testOut struct{ t *testing.T }

func (o testOut) Write(b []byte) (int, error) {
	o.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// checkGone wants nothing of the lab to be left.
func checkGone(t *testing.T, o Options, name, mark string) {
	t.Helper()
	if m, _ := filepath.Glob(netnsDir + "/onr-" + name + "-*"); len(m) > 0 {
		t.Errorf("namespaces are left: %v", m)
	}
	if p := markedProcesses(mark, nil); len(p) > 0 {
		t.Errorf("processes are left: %v", p)
	}
	if _, err := os.Stat(filepath.Join(o.Root, name)); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
}

// TestTwoSites tells the whole story of a world with real routers, and takes it down.
func TestTwoSites(t *testing.T) {
	needRoot(t)
	w, o := testWorld(t, "orlab-two", twoSites)
	if err := Up(t.Context(), w, o); err != nil {
		t.Fatal(err)
	}
	st, err := StatusOf(w.Name, o)
	if err != nil {
		t.Fatal(err)
	}
	if !st.Ready || len(st.Processes) != 3 {
		t.Errorf("status %+v", st)
	}
	for _, p := range st.Processes {
		if !p.Alive {
			t.Errorf("%s does not run", p.Name)
		}
	}
	if err := Drill(t.Context(), w.Name, "link", o); err != nil {
		t.Errorf("drill from another process: %v", err)
	}
	if err := Drill(t.Context(), w.Name, "nolink", o); err == nil {
		t.Error("an unknown drill is accepted")
	}
	if err := Exec(w.Name, "h1", []string{"--", "true"}, o); err != nil {
		t.Error(err)
	}
	checkLooking(t, w.Name, o)
	if err := Up(t.Context(), w, o); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second lab of the name: %v", err)
	}
	s, err := openState(o.Root, w.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), w.Name, o); err != nil {
		t.Fatal(err)
	}
	checkGone(t, o, w.Name, s.st.Mark)
}

// checkLooking wants the probes that must find nothing to find something where there is something: a probe that cannot fail proves nothing.
func checkLooking(t *testing.T, name string, o Options) {
	t.Helper()
	l, err := open(name, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.isolated(t.Context(), Isolated{From: "h1", To: "h2"}); err == nil || !strings.Contains(err.Error(), "arrived at h2") &&
		!strings.Contains(err.Error(), "answered") {
		t.Errorf("two places that reach each other are isolated: %v", err)
	}
	send := Send{From: "h1", Port: "eth0", To: "h2", Via: netip.MustParseAddr("10.1.0.1"), Count: 3}
	if _, err := l.sendStep(t.Context(), "", send); err == nil || !strings.Contains(err.Error(), "must be dropped arrived") {
		t.Errorf("frames that arrive are dropped: %v", err)
	}
	text, err := l.garbage(t.Context(), GarbageStep{From: "h1", To: netip.MustParseAddrPort("10.1.0.1:9"), Count: 2})
	if err != nil || text != "2 refused" {
		t.Errorf("garbage to a closed port: %q %v", text, err)
	}
	_, err = l.rate(t.Context(), Rate{From: "h1", To: "h2", Offered: 4, Limit: 2, Flows: 4, For: time.Second})
	if err == nil || !strings.Contains(err.Error(), "% off") {
		t.Errorf("a rate without a limit is held: %v", err)
	}
	if _, err := l.traceroute(t.Context(), Traceroute{From: "h1", To: "h2", Hops: []string{"10.9.9.9"}}); err == nil {
		t.Error("a hop that is not there is seen")
	}
}

// TestReport runs `lab test` twice: once all holds, once a check does not, and the report says so.
func TestReport(t *testing.T) {
	needRoot(t)
	w, o := testWorld(t, "orlab-rep", strings.Replace(twoSites, "  - drill: link\n", "  - ping: {from: h1, to: 10.9.9.9, count: 2}\n", 1))
	file := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(file, w.source, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.json")
	t.Setenv("TMPDIR", t.TempDir())
	err := Test(t.Context(), file, out, o)
	if err == nil || !strings.Contains(err.Error(), "lab.yaml:") || !strings.Contains(err.Error(), "0 of 2 answered") {
		t.Fatalf("error %v, want the failing step with its line", err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if r.OK || r.Error == "" || len(r.Steps) < 8 || len(r.Pings) != 5 || r.Pings[0].Received != 3 || r.Pings[4].Received != 0 {
		t.Errorf("report %s", b)
	}
	if _, err := os.Stat(filepath.Join(o.Root, w.Name)); !os.IsNotExist(err) {
		t.Errorf("the world is still there: %v", err)
	}
}

// TestDownEmpty removes a directory that was made, and nothing else.
func TestDownEmpty(t *testing.T) {
	o := Options{Root: t.TempDir()}
	if err := os.Mkdir(filepath.Join(o.Root, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), "x", o); err == nil {
		t.Error("it is not told that there was no lab")
	}
	if _, err := os.Stat(filepath.Join(o.Root, "x")); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	if err := Down(t.Context(), "../x", o); err == nil {
		t.Error("a path is a name")
	}
}

// TestHelperUp is not a test: it is the process that TestKill9 kills. It brings a world up and stays.
func TestHelperUp(t *testing.T) {
	root := os.Getenv("ORLAB_HELPER_ROOT")
	if root == "" {
		t.Skip("only as a process of TestKill9")
	}
	w, err := Parse("two-sites.yaml", fmt.Appendf(nil, twoSites, os.Getenv("ORLAB_HELPER_NAME")))
	if err != nil {
		t.Fatal(err)
	}
	if err := Up(t.Context(), w, Options{Root: root, Out: os.Stdout}); err != nil {
		t.Fatal(err)
	}
}

// TestKill9 kills a `lab up` at several moments; down must remove everything each time.
func TestKill9(t *testing.T) {
	needRoot(t)
	for i, until := range []string{"", "build the world", "start the customers' routers", "ping"} {
		t.Run("after "+until, func(t *testing.T) {
			w, o := testWorld(t, fmt.Sprintf("orlab-kill%d", i), twoSites)
			killAfter(t, w.Name, o.Root, until)
			s, err := openState(o.Root, w.Name)
			if err != nil {
				t.Fatal(err)
			}
			if err := Down(t.Context(), w.Name, o); err != nil {
				t.Fatal(err)
			}
			checkGone(t, o, w.Name, s.st.Mark)
		})
	}
}

// TestDownUnder ends a `lab up` of another process.
func TestDownUnder(t *testing.T) {
	needRoot(t)
	w, o := testWorld(t, "orlab-under", twoSites)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperUp$", "-test.v")
	cmd.Env = append(os.Environ(), "ORLAB_HELPER_ROOT="+o.Root, "ORLAB_HELPER_NAME="+w.Name)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var mark string
	err := poll(t.Context(), 10*time.Second, 5*time.Millisecond, func() error {
		s, err := openState(o.Root, w.Name)
		if err != nil {
			return err
		}
		if mark = s.st.Mark; len(s.st.Processes) == 0 {
			return errors.New("no process yet")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), w.Name, o); err != nil {
		t.Fatal(err)
	}
	select {
	case <-exited:
	case <-time.After(10 * time.Second):
		t.Error("the other process still runs")
	}
	checkGone(t, o, w.Name, mark)
}

// killAfter starts a lab in another process and kills that when its output shows the step; with "" as soon as the state is there.
func killAfter(t *testing.T, name, root, until string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperUp$", "-test.v")
	cmd.Env = append(os.Environ(), "ORLAB_HELPER_ROOT="+root, "ORLAB_HELPER_NAME="+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if until == "" {
		err := poll(t.Context(), 10*time.Second, time.Millisecond, func() error {
			_, err := os.Stat(filepath.Join(root, name, "state.json"))
			return err
		})
		if err != nil {
			t.Error(err)
		}
	} else {
		sc := bufio.NewScanner(out)
		for sc.Scan() && !strings.Contains(sc.Text(), until) {
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait() // "signal: killed" is what is wanted
}
