package bfd

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What this test binary does instead of testing: serve a socket, or be an agent whose sessions stand in a file.
const (
	serveEnv  = "ORBFD_SERVE"
	agentEnv  = "ORBFD_AGENT"
	netnsRoot = "/run/netns/"
)

func TestMain(m *testing.M) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if socket := os.Getenv(serveEnv); socket != "" {
		if err := (&Daemon{Log: log}).Serve(context.Background(), socket); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(agentEnv); dir != "" {
		playAgent(dir, log)
	}
	os.Exit(m.Run())
}

// playAgent starts a daemon as the agent does, and waits to be killed.
func playAgent(dir string, log *slog.Logger) {
	var ss []Session
	body, err := os.ReadFile(filepath.Join(dir, "sessions.json"))
	if err == nil {
		err = json.Unmarshal(body, &ss)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	socket := filepath.Join(dir, "bfd.sock")
	k := NewClient(ClientConfig{Socket: socket, Log: log, Command: []string{"/usr/bin/env", agentEnv + "=", serveEnv + "=" + socket, os.Args[0]},
		Handle: func(Event) {}})
	k.Set(ss)
	k.Run(context.Background())
}

// world is network namespaces of one test, gone at its end.
type world struct {
	t      *testing.T
	dir    string
	prefix string
}

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	w := &world{t: t, dir: t.TempDir(), prefix: fmt.Sprintf("orbfd-%d-", os.Getpid())}
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
	return append([]string{"nsenter", "--net=" + netnsRoot + w.prefix + ns}, args...)
}

func (w *world) in(ns string, args ...string) string {
	w.t.Helper()
	return w.run(w.enter(ns, args...)...)
}

// cable joins device dev of two namespaces by a bridge in a third, so that it can lose packets without a loss of carrier.
func (w *world) cable(dev, a, b, middle string) {
	w.t.Helper()
	br := "br-" + dev
	w.in(middle, "ip", "link", "add", br, "type", "bridge")
	w.in(middle, "ip", "link", "set", br, "up")
	for _, ns := range []string{a, b} {
		far := dev + "-" + ns
		w.run("ip", "link", "add", dev, "netns", w.prefix+ns, "type", "veth", "peer", "name", far, "netns", w.prefix+middle)
		w.in(middle, "ip", "link", "set", far, "master", br, "up")
		w.in(ns, "ip", "link", "set", dev, "up")
	}
}

// cut makes the cable lose everything, silently; mend ends that.
func (w *world) cut(dev, middle, side string) {
	w.t.Helper()
	w.in(middle, "ip", "link", "set", dev+"-"+side, "nomaster")
}

func (w *world) mend(dev, middle, side string) {
	w.t.Helper()
	w.in(middle, "ip", "link", "set", dev+"-"+side, "master", "br-"+dev)
}

// address gives a device an address as a node does: IPv4 without a route.
func (w *world) address(ns, dev, prefix string) {
	w.t.Helper()
	args := []string{"ip", "addr", "add", prefix, "dev", dev}
	if strings.Contains(prefix, ":") {
		args = append(args, "nodad")
	} else {
		args = append(args, "noprefixroute")
	}
	w.in(ns, args...)
}

// daemon is a daemon in a namespace with the test as its agent.
type daemon struct {
	w      *world
	ns     string
	socket string
	*recorder
	*Client
}

func (w *world) daemon(ns string) *daemon {
	w.t.Helper()
	d := &daemon{w: w, ns: ns, socket: filepath.Join(w.dir, ns+".sock")}
	args := w.enter(ns, os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), serveEnv+"="+d.socket)
	log, err := os.Create(d.socket + ".log")
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if w.t.Failed() {
			body, _ := os.ReadFile(log.Name())
			w.t.Logf("daemon of %s:\n%s", ns, body)
		}
	})
	d.recorder, d.Client = connectTo(w.t, d.socket)
	return d
}

// connectTo runs a client that starts nothing, until the test ends.
func connectTo(t *testing.T, socket string) (*recorder, *Client) {
	r := &recorder{last: map[string]Event{}}
	k := NewClient(ClientConfig{Socket: socket, Handle: r.note, Start: func() error { return nil }, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { k.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return r, k
}

// recorder keeps what a client was told.
type recorder struct {
	mu   sync.Mutex
	last map[string]Event
	log  []Event
}

func (r *recorder) note(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[e.Name] = e
	r.log = append(r.log, e)
}

func (r *recorder) get(name string) Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[name]
}

func (r *recorder) all() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.log...)
}

// is reports whether all the sessions are in the state.
func (r *recorder) is(s State, names ...string) func() bool {
	return func() bool {
		for _, n := range names {
			if e := r.get(n); e.Name == "" || e.Unknown || e.State != s {
				return false
			}
		}
		return true
	}
}

func (w *world) wait(what string, limit time.Duration, f func() bool) {
	w.t.Helper()
	end := time.Now().Add(limit)
	for !f() {
		if time.Now().After(end) {
			w.t.Fatalf("not within %v: %s", limit, what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func (w *world) write(name, text string) string {
	w.t.Helper()
	p := filepath.Join(w.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// both makes the two ends of a session.
func both(name, device, a, b string, c Config) (Session, Session) {
	x := Session{Name: name, Device: device, Local: netip.MustParseAddr(a), Remote: netip.MustParseAddr(b), Config: c}
	y := x
	y.Local, y.Remote = x.Remote, x.Local
	return x, y
}

func every(d time.Duration) Config {
	return Config{DesiredMinTx: d, RequiredMinRx: d, DetectMult: 3}
}
