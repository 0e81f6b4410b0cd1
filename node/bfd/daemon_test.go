package bfd

import (
	"encoding/json"
	"fmt"
	"log/slog"
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

// pair is two daemons with a cable dev between them that has IPv4 and IPv6 addresses.
func pair(t *testing.T) (w *world, a, b *daemon) {
	w = newWorld(t, "a", "b", "m")
	w.cable("eth0", "a", "b", "m")
	w.address("a", "eth0", "10.9.0.1/30")
	w.address("b", "eth0", "10.9.0.2/30")
	w.address("a", "eth0", "fd09::1/64")
	w.address("b", "eth0", "fd09::2/64")
	return w, w.daemon("a"), w.daemon("b")
}

func TestTwoDaemonsDetectSilence(t *testing.T) {
	w, a, b := pair(t)
	x4, y4 := both("v4", "eth0", "10.9.0.1", "10.9.0.2", every(100*time.Millisecond))
	x6, y6 := both("v6", "eth0", "fd09::1", "fd09::2", every(300*time.Millisecond))
	a.Set([]Session{x4, x6})
	b.Set([]Session{y4, y6})
	w.wait("both up", 10*time.Second, func() bool { return a.is(Up, "v4", "v6")() && b.is(Up, "v4", "v6")() })
	w.settle()
	w.cut("eth0", "m", "b")
	start := time.Now()
	w.wait("silence seen", 5*time.Second, func() bool { return a.is(Down, "v4", "v6")() && b.is(Down, "v4", "v6")() })
	for _, d := range []*daemon{a, b} {
		for name, limit := range map[string]time.Duration{"v4": 330 * time.Millisecond, "v6": 990 * time.Millisecond} {
			e := d.get(name)
			took := e.Since.Sub(start)
			t.Logf("%s %s: %v after the cut, %v", d.ns, name, took.Round(time.Millisecond), e.Diag)
			if took > limit || e.Diag != DiagExpired || !e.Failed {
				t.Errorf("%s: %s went down after %v (at most %v wanted): %+v", d.ns, name, took, limit, e.Status)
			}
		}
	}
	w.mend("eth0", "m", "b")
	w.wait("up again", 10*time.Second, func() bool { return a.is(Up, "v4", "v6")() && b.is(Up, "v4", "v6")() })
	if a.get("v4").Failed {
		t.Error("failed, though it is up")
	}
}

// settle waits until poll sequences are over, so that the agreed intervals hold.
func (w *world) settle() { <-time.After(1500 * time.Millisecond) }

func TestChangedTimersAndAdminDown(t *testing.T) {
	w, a, b := pair(t)
	x, y := both("s", "eth0", "10.9.0.1", "10.9.0.2", every(300*time.Millisecond))
	a.Set([]Session{x})
	b.Set([]Session{y})
	w.wait("up", 10*time.Second, func() bool { return a.is(Up, "s")() && b.is(Up, "s")() })
	w.settle()
	x.Config = every(50 * time.Millisecond)
	y.Config = every(80 * time.Millisecond)
	a.Set([]Session{x})
	b.Set([]Session{y})
	w.wait("the new detection time", 5*time.Second, func() bool {
		a.Set([]Session{x}) // the answer has the times in force
		return a.get("s").Detection == 240*time.Millisecond && a.get("s").TxInterval == 80*time.Millisecond
	})
	x.AdminDown = true
	a.Set([]Session{x})
	w.wait("the peer knows", 2*time.Second, b.is(Down, "s"))
	if e := b.get("s"); e.Failed || e.RemoteState != AdminDown {
		t.Errorf("the peer's AdminDown is no failure of the path: %+v", e)
	}
	x.AdminDown = false
	a.Set([]Session{x})
	w.wait("up again", 10*time.Second, func() bool { return a.is(Up, "s")() && b.is(Up, "s")() })
	a.Set(nil)
	w.wait("removed sessions say goodbye", 2*time.Second, func() bool { e := b.get("s"); return e.State == Down && e.RemoteState == AdminDown && !e.Failed })
	a.Set([]Session{x})
	w.wait("up once more", 10*time.Second, b.is(Up, "s"))
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wait("an ended daemon says goodbye", 2*time.Second, func() bool { e := b.get("s"); return e.State == Down && e.RemoteState == AdminDown && !e.Failed })
	w.wait("its agent knows nothing now", 2*time.Second, func() bool { return a.get("s").Unknown })
}

// Two devices with the same addresses: a failure of one is not seen on the other, and a discriminator means nothing on the wrong device.
func TestEqualAddressesOnTwoDevices(t *testing.T) {
	w := newWorld(t, "a", "b", "m")
	for _, dev := range []string{"eth0", "eth1"} {
		w.cable(dev, "a", "b", "m")
		w.address("a", dev, "10.9.0.1/30")
		w.address("b", dev, "10.9.0.2/30")
		w.address("a", dev, "fd09::1/126")
		w.address("b", dev, "fd09::2/126")
	}
	for _, ns := range []string{"a", "b"} {
		for _, dev := range []string{"eth0", "eth1"} {
			w.in(ns, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/"+dev+"/arp_ignore; echo 0 >/proc/sys/net/ipv4/conf/"+dev+"/rp_filter; "+
				"echo 1 >/proc/sys/net/ipv4/conf/"+dev+"/accept_local; echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter")
		}
	}
	a, b := w.daemon("a"), w.daemon("b")
	x0, y0 := both("s0", "eth0", "10.9.0.1", "10.9.0.2", every(100*time.Millisecond))
	x1, y1 := both("s1", "eth1", "10.9.0.1", "10.9.0.2", every(100*time.Millisecond))
	x6, y6 := both("v6 s0", "eth0", "fd09::1", "fd09::2", every(100*time.Millisecond))
	x7, y7 := both("v6 s1", "eth1", "fd09::1", "fd09::2", every(100*time.Millisecond))
	a.Set([]Session{x0, x1, x6, x7})
	b.Set([]Session{y0, y1, y6, y7})
	all := []string{"s0", "s1", "v6 s0", "v6 s1"}
	w.wait("all up", 10*time.Second, func() bool { return a.is(Up, all...)() && b.is(Up, all...)() })
	w.settle()
	w.cut("eth1", "m", "b")
	w.wait("silence on one", 2*time.Second, a.is(Down, "s1", "v6 s1"))
	if !a.is(Up, "s0", "v6 s0")() || a.get("s0").Since.After(a.get("s1").Since) {
		t.Errorf("the other went down too: %+v", a.get("s0"))
	}
	w.mend("eth1", "m", "b")
	w.wait("up again", 10*time.Second, a.is(Up, "s1"))
	w.in("a", "ip", "link", "del", "eth1") // and it comes back as another interface of the name
	w.wait("the loss is told", 3*time.Second, func() bool { return a.get("s1").Problem != "" })
	w.run("ip", "link", "add", "eth1", "netns", w.prefix+"a", "type", "veth", "peer", "name", "eth1-a", "netns", w.prefix+"m")
	w.in("m", "ip", "link", "set", "eth1-a", "master", "br-eth1", "up")
	w.in("a", "ip", "link", "set", "eth1", "up")
	w.address("a", "eth1", "10.9.0.1/30")
	w.in("b", "ip", "neigh", "flush", "all")
	w.wait("up on the new device", 10*time.Second, a.is(Up, "s1"))
}

// inject sends a payload from the peer's namespace with a TTL.
func (w *world) inject(ns, to string, ttl int, payload []byte) {
	w.t.Helper()
	program := fmt.Sprintf("import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.setsockopt(0,socket.IP_TTL,%d);"+
		"s.bind(('10.9.0.2',0));s.sendto(bytes.fromhex('%x'),('%s',3784))", ttl, payload, to)
	w.in(ns, "python3", "-c", program)
}

func TestForgedPacketsChangeNothing(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	w, a, b := pair(t)
	w.in("b", "ip", "route", "add", "10.9.0.0/30", "dev", "eth0")
	x, y := both("s", "eth0", "10.9.0.1", "10.9.0.2", every(300*time.Millisecond))
	a.Set([]Session{x})
	b.Set([]Session{y})
	w.wait("up", 10*time.Second, func() bool { return a.is(Up, "s")() && b.is(Up, "s")() })
	e := a.get("s")
	down := Packet{State: Down, Diag: DiagAdminDown, DetectMult: 3, MyDiscr: e.RemoteDiscr, YourDiscr: e.LocalDiscr, DesiredMinTx: slow, RequiredMinRx: slow}
	w.inject("b", "10.9.0.1", 254, down.Append(nil))
	w.inject("b", "10.9.0.1", 1, down.Append(nil))
	wrong := down
	wrong.YourDiscr++
	for _, junk := range [][]byte{wrong.Append(nil), {0}, make([]byte, 24), make([]byte, 1400), down.Append(nil)[:23]} {
		w.inject("b", "10.9.0.1", 255, junk)
	}
	w.settle()
	if got := a.get("s"); got.State != Up || !got.Since.Equal(e.Since) {
		t.Fatalf("was %+v, is %+v", e, got)
	}
	w.inject("b", "10.9.0.1", 255, down.Append(nil)) // the same, well sent, does
	w.wait("down", 2*time.Second, func() bool { return !a.get("s").Since.Equal(e.Since) })
}

func TestDaemonOutlivesItsStarter(t *testing.T) {
	w, _, b := pair(t)
	x, y := both("s", "eth0", "10.9.0.1", "10.9.0.2", every(100*time.Millisecond))
	b.Set([]Session{y})
	dir := filepath.Join(w.dir, "agent")
	body, err := json.Marshal([]Session{x})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("agent/sessions.json", string(body))
	args := w.enter("a", os.Args[0])
	agent := exec.Command(args[0], args[1:]...)
	agent.Env = append(os.Environ(), agentEnv+"="+dir)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	w.wait("up", 10*time.Second, b.is(Up, "s"))
	since := b.get("s").Since
	if err := agent.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait()
	w.settle()
	r, k := connectTo(t, filepath.Join(dir, "bfd.sock"))
	k.Set([]Session{x})
	w.wait("the next agent finds it up", 5*time.Second, r.is(Up, "s"))
	w.settle()
	if e := b.get("s"); e.State != Up || !e.Since.Equal(since) {
		t.Errorf("the peer saw it go down: %+v", e)
	}
	if i := slices.IndexFunc(r.all(), func(e Event) bool { return e.State != Up }); i >= 0 {
		t.Errorf("the next agent was told %+v", r.all()[i])
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	w.wait("the daemon ends with its directory, and says so", 5*time.Second, func() bool { return b.get("s").RemoteState == AdminDown })
}

// A path of any length will do, and a daemon that nobody needs ends by itself.
func TestLonelyDaemonEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "bfd.sock")
	ended := make(chan error, 1)
	go func() {
		ended <- (&Daemon{Log: slog.New(slog.DiscardHandler), Patience: 1500 * time.Millisecond}).Serve(t.Context(), socket)
	}()
	c := NewClient(ClientConfig{Socket: socket})
	w := &world{t: t}
	w.wait("a connection", 5*time.Second, func() bool {
		conn, err := c.dialSocket(t.Context())
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on")
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown where none runs: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good, _ := both("s", "eth0", "10.9.0.1", "10.9.0.2", Config{})
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(s *Session){
		"no name":      func(s *Session) { s.Name = "" },
		"no device":    func(s *Session) { s.Device = "" },
		"long device":  func(s *Session) { s.Device = "abcdefghijklmnop" },
		"two families": func(s *Session) { s.Remote = netip.MustParseAddr("fd09::1") },
		"wrapped": func(s *Session) {
			s.Local, s.Remote = netip.MustParseAddr("::ffff:1.1.1.1"), netip.MustParseAddr("fd09::1")
		},
		"itself":         func(s *Session) { s.Remote = s.Local },
		"short interval": func(s *Session) { s.DesiredMinTx = time.Millisecond },
		"long interval":  func(s *Session) { s.RequiredMinRx = time.Hour },
	} {
		s := good
		spoil(&s)
		if s.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOneDaemonPerSocket(t *testing.T) {
	w := newWorld(t, "a")
	d := w.daemon("a")
	d.Set([]Session{{Name: "s", Device: "none", Local: netip.MustParseAddr("10.0.0.1"), Remote: netip.MustParseAddr("10.0.0.2")}})
	w.wait("a missing device is told", 5*time.Second, func() bool { return d.get("s").Problem != "" })
	second := exec.Command(os.Args[0])
	second.Env = append(os.Environ(), serveEnv+"="+d.socket)
	if out, err := second.CombinedOutput(); err == nil || !slices.Contains([]int{1}, second.ProcessState.ExitCode()) {
		t.Errorf("the second daemon: %v, %s", err, out)
	}
	info, err := os.Stat(d.socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the socket: %v, %v", info.Mode(), err)
	}
}
