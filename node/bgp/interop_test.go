package bgp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests against real routers run in a child process that has a network namespace of its own; the router gets another one, named, and a
// veth joins them. This side is 169.254.77.1 (fd77::1), the router 169.254.77.2 (fd77::2).
const childEnv = "ONRAMP_BGP_TEST_NETNS"

// inNetns reports whether this process is the child; the parent starts one that runs the same test.
func inNetns(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for network namespaces")
	}
	if os.Getenv(childEnv) != "" {
		return true
	}
	ns := fmt.Sprintf("orbgp-%d-%s", os.Getpid(), strings.ToLower(t.Name()[len("TestInterop"):]))
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "5m")
	cmd.Env = append(os.Environ(), childEnv+"="+ns)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("child: %v", err)
	}
	if strings.Contains(string(out), "--- SKIP: "+t.Name()) {
		t.Skip("skipped in the child, see above")
	}
	return false
}

// world is the two namespaces.
type world struct {
	ns, dir string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{ns: os.Getenv(childEnv), dir: t.TempDir()}
	if err := os.Chmod(w.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	sh(t, "ip", "netns", "add", w.ns)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", w.ns).Run() })
	sh(t, "ip", "link", "set", "lo", "up")
	sh(t, "ip", "link", "add", "orbgp0", "type", "veth", "peer", "name", "orbgp1", "netns", w.ns)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "orbgp0").Run() })
	sh(t, "ip", "addr", "add", "169.254.77.1/30", "dev", "orbgp0")
	sh(t, "ip", "addr", "add", "fd77::1/126", "dev", "orbgp0", "nodad")
	sh(t, "ip", "link", "set", "orbgp0", "up")
	w.sh(t, "ip", "addr", "add", "169.254.77.2/30", "dev", "orbgp1")
	w.sh(t, "ip", "addr", "add", "fd77::2/126", "dev", "orbgp1", "nodad")
	w.sh(t, "ip", "link", "set", "lo", "up")
	w.sh(t, "ip", "link", "set", "orbgp1", "up")
	return w
}

func sh(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// sh runs a command in the router's namespace.
func (w *world) sh(t *testing.T, args ...string) string {
	t.Helper()
	return sh(t, append([]string{"ip", "netns", "exec", w.ns}, args...)...)
}

// daemon starts a router daemon in its namespace and returns a function that kills it and waits.
func (w *world) daemon(t *testing.T, args ...string) (kill func()) {
	t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", w.ns}, args...)...)
	log, err := os.Create(filepath.Join(w.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := false
	kill = func() {
		if !done {
			done = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			_ = log.Close()
		}
	}
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(l string) bool { return strings.Contains(l, "zclient_send_message") })
			t.Logf("daemon's log:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
	return kill
}

func (w *world) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// bird starts BIRD with one BGP protocol named "onramp" whose body is proto; static routes stand in statics.
func (w *world) bird(t *testing.T, proto, statics string) (kill func()) {
	t.Helper()
	if _, err := exec.LookPath("bird"); err != nil {
		t.Skip("bird is not installed")
	}
	conf := w.write(t, "bird.conf", fmt.Sprintf(`
log stderr all;
debug protocols { states, events };
router id 10.0.0.2;
protocol device {}
protocol static s4 { ipv4; %s }
protocol bgp onramp {
%s
}
`, statics, proto))
	kill = w.daemon(t, "bird", "-f", "-c", conf, "-s", filepath.Join(w.dir, "ctl"), "-P", filepath.Join(w.dir, "pid"))
	eventually(t, "bird answers", 5*time.Second, func() bool {
		return exec.Command("birdc", "-s", filepath.Join(w.dir, "ctl"), "show", "status").Run() == nil
	})
	return kill
}

func (w *world) birdc(t *testing.T, args ...string) string {
	t.Helper()
	return sh(t, append([]string{"birdc", "-s", filepath.Join(w.dir, "ctl")}, args...)...)
}

// eventually polls what another program says.
func eventually(t *testing.T, what string, d time.Duration, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, d)
		}
	}
}

// side is this speaker against the router.
type side struct {
	*Session
	rec  *recorder
	stop func()
}

// speak starts a session towards the router, dialing and listening unless c is passive.
func speak(t *testing.T, c Config, key string, onUp func(s *Session, p Peer)) *side {
	t.Helper()
	o := tcpOptions{Device: "orbgp0", Local: netip.AddrPortFrom(c.LocalAddr, 0), Remote: netip.AddrPortFrom(c.PeerAddr, 0), Key: key}
	rec := newRecorder()
	s := NewSession(c, dialFunc(func(ctx context.Context) (net.Conn, error) { return dialTCP(ctx, o) }), rec, testRand())
	if onUp != nil {
		rec.onUp = func(p Peer) { onUp(s, p) }
	}
	l, err := listenTCP(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.Accept(nc)
		}
	}()
	end := run(s)
	stopped := false
	sd := &side{Session: s, rec: rec, stop: func() {
		if !stopped {
			stopped = true
			_ = l.Close()
			end()
		}
	}}
	t.Cleanup(func() {
		sd.stop()
		if t.Failed() {
			t.Logf("events: %+v", s.Status().Events)
		}
	})
	return sd
}

func (s *side) established(t *testing.T) Peer {
	t.Helper()
	s.rec.wait(t, "established", 20*time.Second, func() bool { return len(s.rec.ups) > len(s.rec.downs) })
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	return s.rec.ups[len(s.rec.ups)-1]
}

const birdPlain = `
	local 169.254.77.2 as 65001;
	neighbor 169.254.77.1 as 12076;
	ipv4 { import all; export all; };
`

// announcing announces count prefixes 10.x.y.0/24 and the end of the table.
func announcing(count int) func(s *Session, p Peer) {
	return func(s *Session, _ Peer) {
		u := Update{Family: IPv4Unicast, Attrs: &Attrs{ASPath: []Segment{{ASNs: []uint32{12076, 4200000001}}}, Communities: []uint32{12076<<16 | 51004}},
			NextHop: addr("169.254.77.1")}
		for i := range count {
			u.Reach = append(u.Reach, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
		}
		s.Announce([]Update{u, {Family: IPv4Unicast, EndOfRIB: true}})
	}
}

func TestInteropBIRD(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, birdPlain, `route 192.0.2.0/24 blackhole; route 198.51.100.0/25 blackhole;`)
	s := speak(t, testConfig(), "", announcing(2000))
	p := s.established(t)
	if !p.FourByteAS || !p.Refresh || p.AS != 65001 || p.ID != addr("10.0.0.2") {
		t.Errorf("peer %+v", p)
	}
	s.rec.wait(t, "routes and their end", 5*time.Second, func() bool { return len(s.rec.routes) == 2 && len(s.rec.eors) == 1 })
	r := s.rec.route(pfx("192.0.2.0/24"))
	if r.NextHop != addr("169.254.77.2") || r.Attrs.PathString() != "65001" {
		t.Errorf("route %+v %+v", r, r.Attrs)
	}
	eventually(t, "bird has 2000 routes", 5*time.Second, func() bool {
		return strings.Contains(w.birdc(t, "show", "route", "protocol", "onramp", "count"), "2000 of 2002")
	})
	detail := w.birdc(t, "show", "route", "10.0.7.0/24", "all")
	for _, want := range []string{"BGP.as_path: 12076 4200000001", "BGP.next_hop: 169.254.77.1", "BGP.community: (12076,51004)"} {
		if !strings.Contains(detail, want) {
			t.Errorf("no %q in %s", want, detail)
		}
	}
	s.Announce([]Update{{Family: IPv4Unicast, Withdrawn: []netip.Prefix{pfx("10.0.7.0/24")}}})
	eventually(t, "bird has 1999 routes", 5*time.Second, func() bool {
		return strings.Contains(w.birdc(t, "show", "route", "protocol", "onramp", "count"), "1999 of 2001")
	})
	w.birdc(t, "reload", "in", "onramp")
	s.rec.wait(t, "route refresh", 5*time.Second, func() bool { return len(s.rec.refreshes) == 1 })
	w.birdc(t, "disable", "s4")
	s.rec.wait(t, "withdrawals", 5*time.Second, func() bool { return len(s.rec.routes) == 0 })
}
