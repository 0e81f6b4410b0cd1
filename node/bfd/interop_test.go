package bfd

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// router starts a daemon of the peer's namespace.
func (w *world) router(args ...string) {
	w.t.Helper()
	args = w.enter("b", args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// peer is a router that runs BFD: how to begin, and how to change its interval and shut it down.
type peer struct {
	binary   string
	start    func(w *world, interval time.Duration)
	interval func(w *world, interval time.Duration)
	shutdown func(w *world) // nil: it cannot
}

func birdConfig(interval time.Duration) string {
	return fmt.Sprintf(`router id 10.0.0.2;
protocol device {}
protocol bfd { interface "eth0" { min rx interval %d ms; min tx interval %[1]d ms; idle tx interval 1 s; multiplier 3; };
  neighbor 10.9.0.1 dev "eth0" local 10.9.0.2; neighbor fd09::1 dev "eth0" local fd09::2; }
`, interval.Milliseconds())
}

func (w *world) birdc(command string) string {
	return w.in("b", "birdc", "-s", filepath.Join(w.dir, "bird.ctl"), command)
}

func (w *world) vtysh(commands ...string) string {
	args := []string{"vtysh", "--vty_socket", filepath.Join(w.dir, "frr"), "-d", "bfdd", "-c", "configure terminal"}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	return w.in("b", args...)
}

var frrPeers = []string{"peer 10.9.0.1 local-address 10.9.0.2 interface eth0", "peer fd09::1 local-address fd09::2 interface eth0"}

func (w *world) frr(lines ...string) {
	for _, p := range frrPeers {
		w.vtysh(append([]string{"bfd", p}, lines...)...)
	}
}

func frrInterval(d time.Duration) []string {
	ms := d.Milliseconds()
	return []string{fmt.Sprintf("receive-interval %d", ms), fmt.Sprintf("transmit-interval %d", ms)}
}

func peers() map[string]peer {
	return map[string]peer{
		"BIRD": {"bird",
			func(w *world, d time.Duration) {
				conf := w.write("bird.conf", birdConfig(d))
				w.router("bird", "-f", "-c", conf, "-s", filepath.Join(w.dir, "bird.ctl"), "-P", filepath.Join(w.dir, "bird.pid"))
			},
			func(w *world, d time.Duration) { w.write("bird.conf", birdConfig(d)); w.birdc("configure") },
			nil},
		"FRR": {"/usr/lib/frr/bfdd",
			func(w *world, d time.Duration) {
				dir := filepath.Join(w.dir, "frr")
				w.run("install", "-d", "-m", "777", dir)
				w.run("chmod", "-R", "a+rx", w.dir, filepath.Dir(w.dir))
				for _, name := range []string{"zebra", "bfdd"} {
					args := []string{"/usr/lib/frr/" + name, "-f", "/dev/null", "-i", filepath.Join(dir, name+".pid"), "-z", filepath.Join(dir, "zserv"),
						"--vty_socket", dir, "-u", "frr", "-g", "frr"}
					if name == "bfdd" {
						args = append(args, "--bfdctl", filepath.Join(dir, "bfdctl"))
					}
					w.router(args...)
					w.wait(name+" answers", 10*time.Second, func() bool {
						a := w.enter("b", "vtysh", "--vty_socket", dir, "-d", name, "-c", "show version")
						return exec.Command(a[0], a[1:]...).Run() == nil
					})
				}
				w.frr(append(frrInterval(d), "no shutdown")...)
			},
			func(w *world, d time.Duration) { w.frr(frrInterval(d)...) },
			func(w *world) { w.frr("shutdown") }},
	}
}

func TestInterop(t *testing.T) {
	for name, p := range peers() {
		for _, interval := range []time.Duration{300 * time.Millisecond, 100 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s %v", name, interval), func(t *testing.T) { interop(t, p, interval) })
		}
	}
}

func interop(t *testing.T, p peer, interval time.Duration) {
	if _, err := exec.LookPath(p.binary); err != nil {
		t.Skip(p.binary + " is not installed")
	}
	w := newWorld(t, "a", "b", "m")
	w.cable("eth0", "a", "b", "m")
	for ns, host := range map[string]string{"a": "1", "b": "2"} {
		w.in(ns, "ip", "addr", "add", "10.9.0."+host+"/30", "dev", "eth0")
		w.address(ns, "eth0", "fd09::"+host+"/64")
	}
	a := w.daemon("a")
	x4, _ := both("v4", "eth0", "10.9.0.1", "10.9.0.2", every(interval))
	x6, _ := both("v6", "eth0", "fd09::1", "fd09::2", every(interval))
	a.Set([]Session{x4, x6})
	p.start(w, interval)
	up := a.is(Up, "v4", "v6")
	w.wait("up", 20*time.Second, up)
	since := a.get("v4").Since
	agreed := func(d time.Duration) func() bool {
		return func() bool {
			a.Set([]Session{x4, x6})
			return up() && a.get("v4").Detection == 3*d && a.get("v6").Detection == 3*d
		}
	}
	w.wait("the agreed detection time", 10*time.Second, agreed(interval))
	w.settle()

	w.cut("eth0", "m", "b")
	start := time.Now()
	w.wait("silence seen", 5*time.Second, a.is(Down, "v4", "v6"))
	for _, s := range []string{"v4", "v6"} {
		e := a.get(s)
		took := e.Since.Sub(start)
		t.Logf("%s: silence seen after %v", s, took.Round(time.Millisecond))
		if took > 3*interval*11/10 || !e.Failed || e.Diag != DiagExpired {
			t.Errorf("%s went down after %v: %+v", s, took, e.Status)
		}
	}
	w.mend("eth0", "m", "b")
	w.wait("up again", 20*time.Second, up)
	downs := a.downs()

	p.interval(w, 2*interval) // the peer polls
	w.wait("the peer's new times", 10*time.Second, agreed(2*interval))
	x4.Config, x6.Config = every(3*interval), every(3*interval) // and so do we
	w.wait("our new times", 10*time.Second, agreed(3*interval))
	w.settle()
	if a.downs() != downs || since.IsZero() {
		t.Errorf("went down while timers changed: %+v", a.all())
	}
	if p.shutdown != nil {
		p.shutdown(w)
		w.wait("the peer's AdminDown", 5*time.Second, func() bool {
			e := a.get("v4")
			return e.State == Down && e.RemoteState == AdminDown && !e.Failed
		})
	}
}

// downs is how often a session went down so far.
func (r *recorder) downs() (n int) {
	was := map[string]State{}
	for _, e := range r.all() {
		if was[e.Name] == Up && e.State != Up {
			n++
		}
		was[e.Name] = e.State
	}
	return n
}
