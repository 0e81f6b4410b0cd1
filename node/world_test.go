package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"onramp/node/bfd"
	"onramp/node/fib"
	"onramp/plan"
)

func pre(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr    { return netip.MustParseAddr(s) }

// helperDir makes this test binary run as a node agent in its namespace, with files in the directory as its control.
const helperDir = "ORNODE_HELPER_DIR"

// bfdHelper makes it serve BFD at the socket that its last argument names.
const bfdHelper = "ORNODE_BFD"

func TestMain(m *testing.M) {
	if os.Getenv(bfdHelper) != "" {
		d := bfd.Daemon{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
		if err := d.Serve(context.Background(), os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(helperDir); dir != "" {
		if err := runHelper(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runHelper(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, continued, err := OpenKernel(fib.Options{Pin: os.Getenv("ORNODE_PIN")})
	if err != nil {
		return err
	}
	link := &fileLink{dir: dir}
	a, err := New(Config{Name: filepath.Base(dir), Link: link, StateDir: filepath.Join(dir, "state"), FIB: f, Continued: continued,
		BFD:    []string{"/usr/bin/env", bfdHelper + "=1", os.Args[0]},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		return err
	}
	link.agent = a
	if os.Getenv("ORNODE_REMOVE") != "" {
		return a.Remove()
	}
	return errors.Join(a.Run(ctx), a.Close())
}

// fileLink is a plan.Link over files: plan.json in, report.json and routes.json out.
type fileLink struct {
	dir   string
	agent *Agent
}

func (l *fileLink) Next(ctx context.Context, have int64) (plan.Work, error) {
	for {
		var n plan.Node
		body, err := os.ReadFile(filepath.Join(l.dir, "plan.json"))
		if err == nil && json.Unmarshal(body, &n) == nil && n.Generation > have {
			return plan.Work{Plan: &n}, nil
		}
		select {
		case <-ctx.Done():
			return plan.Work{}, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (l *fileLink) Report(_ context.Context, r plan.Report) error {
	routes := map[string][]plan.Route{}
	for _, d := range r.Domains {
		routes[d.Name] = l.agent.Query(plan.Query{Kind: "routes", Domain: d.Name}).Routes
	}
	return errors.Join(l.put("routes.json", routes), l.put("report.json", r))
}

func (l *fileLink) put(name string, v any) error {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	p := filepath.Join(l.dir, name)
	return errors.Join(os.WriteFile(p+".new", body, 0o600), os.Rename(p+".new", p))
}

func (l *fileLink) Answer(context.Context, plan.Answer) error { return nil }

// world is network namespaces of one test, gone at its end.
type world struct {
	t      *testing.T
	dir    string
	prefix string
}

func newWorld(t *testing.T, names ...string) *world {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces and loads BPF programs")
	}
	w := &world{t: t, dir: t.TempDir(), prefix: fmt.Sprintf("ornode-%d-", os.Getpid())}
	for _, n := range names {
		w.run("ip", "netns", "add", w.prefix+n)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", w.prefix+n).Run() })
		w.in(n, "ip", "link", "set", "lo", "up")
	}
	return w
}

func (w *world) run(args ...string) string {
	w.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) enter(ns string, args ...string) []string {
	return append([]string{"nsenter", "--net=/run/netns/" + w.prefix + ns}, args...)
}

func (w *world) in(ns string, args ...string) string {
	w.t.Helper()
	return w.run(w.enter(ns, args...)...)
}

// cable joins two namespaces.
func (w *world) cable(nsA, a, nsB, b string) {
	w.t.Helper()
	w.run("ip", "link", "add", a, "mtu", "1600", "netns", w.prefix+nsA, "type", "veth", "peer", "name", b, "mtu", "1600", "netns", w.prefix+nsB)
	for _, e := range [][2]string{{nsA, a}, {nsB, b}} {
		w.in(e[0], "ethtool", "-K", e[1], "tx", "off", "tso", "off", "gso", "off", "gro", "on") // with GRO a veth takes redirected frames
	}
	w.in(nsA, "ip", "link", "set", a, "up")
	w.in(nsB, "ip", "link", "set", b, "up")
}

// agent is a node agent in a process of its own.
type agent struct {
	w   *world
	ns  string
	dir string
	pin string
	cmd *exec.Cmd

	began time.Time // of the process
}

func (w *world) agent(ns string) *agent {
	w.t.Helper()
	a := &agent{w: w, ns: ns, dir: filepath.Join(w.dir, ns), pin: fmt.Sprintf("/sys/fs/bpf/%s%s", w.prefix, ns)}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		a.kill()
		if err := fib.RemovePinned(a.pin); err != nil {
			w.t.Error(err)
		}
		if w.t.Failed() {
			body, _ := os.ReadFile(filepath.Join(a.dir, "log"))
			w.t.Logf("log of %s:\n%s", ns, body)
			body, _ = os.ReadFile(filepath.Join(a.dir, "report.json"))
			w.t.Logf("last report of %s:\n%s", ns, body)
			out, _ := exec.Command("sh", "-c", strings.Join(w.enter(ns, "sh -c 'ip -d addr; ip neigh; ss -ltnp'"), " ")).CombinedOutput()
			w.t.Logf("kernel of %s:\n%s", ns, out)
		}
	})
	return a
}

func (a *agent) start(env ...string) {
	a.w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		a.w.t.Fatal(err)
	}
	args := a.w.enter(a.ns, self)
	a.cmd = exec.Command(args[0], args[1:]...)
	a.cmd.Env = append(os.Environ(), append(env, helperDir+"="+a.dir, "ORNODE_PIN="+a.pin)...)
	f, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.w.t.Fatal(err)
	}
	defer f.Close()
	a.cmd.Stdout, a.cmd.Stderr = f, f
	a.began = time.Now()
	if err := a.cmd.Start(); err != nil {
		a.w.t.Fatal(err)
	}
}

func (a *agent) kill() {
	if a.cmd != nil {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
		a.cmd = nil
	}
}

func (a *agent) plan(n *plan.Node) {
	a.w.t.Helper()
	n.Name = a.ns
	if err := (&fileLink{dir: a.dir}).put("plan.json", n); err != nil {
		a.w.t.Fatal(err)
	}
}

func (a *agent) report() (r plan.Report) {
	body, err := os.ReadFile(filepath.Join(a.dir, "report.json"))
	if err == nil {
		_ = json.Unmarshal(body, &r)
	}
	return r
}

func (a *agent) routes(domain string) []plan.Route {
	var all map[string][]plan.Route
	body, err := os.ReadFile(filepath.Join(a.dir, "routes.json"))
	if err == nil {
		_ = json.Unmarshal(body, &all)
	}
	return all[domain]
}

// wait polls until what holds.
func (w *world) wait(what string, limit time.Duration, f func() bool) {
	w.t.Helper()
	end := time.Now().Add(limit)
	for !f() {
		if time.Now().After(end) {
			w.t.Fatalf("not within %v: %s", limit, what)
		}
		<-time.After(30 * time.Millisecond)
	}
}

func (a *agent) established(session string) bool {
	for _, s := range a.report().Sessions {
		if s.Name == session {
			return s.State == "Established"
		}
	}
	return false
}

// bird runs BIRD in a namespace.
type bird struct {
	w    *world
	ns   string
	sock string
}

func (w *world) bird(ns, config string) *bird {
	w.t.Helper()
	b := &bird{w, ns, filepath.Join(w.dir, ns+".ctl")}
	conf := filepath.Join(w.dir, ns+".conf")
	if err := os.WriteFile(conf, []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	args := w.enter(ns, "bird", "-f", "-c", conf, "-s", b.sock, "-P", filepath.Join(w.dir, ns+".pid"))
	cmd := exec.Command(args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return b
}

func (b *bird) ask(cmd string) string {
	out, _ := exec.Command("birdc", "-s", b.sock, cmd).CombinedOutput()
	return string(out)
}

// customer is a BIRD configuration: AS 65001 on eth0, announcing own.
func customer(id, local, peer, key string, own ...string) string {
	password := ""
	if key != "" {
		password = fmt.Sprintf("password %q;", key)
	}
	statics := ""
	for _, p := range own {
		statics += "route " + p + " blackhole;"
	}
	return fmt.Sprintf(`router id %s;
protocol device { scan time 1; }
protocol direct { ipv4; interface "none"; }
protocol static own { ipv4; %s }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol bgp edge {
  local %s as 65001; neighbor %s as 12076; %s
  connect retry time 1; connect delay time 1; error wait time 1, 2;
  graceful restart on;
  ipv4 { import all; export where proto = "own"; };
}
`, id, statics, local, peer, password)
}

// processor is the time the processor spent on this process; on a busy machine it means more than a clock.
func processor() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
