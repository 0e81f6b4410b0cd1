package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// startControl starts control with its embedded etcd in the machine's own namespace, on a port of 127.0.0.1 that the kernel picks.
func (l *Lab) startControl(ctx context.Context) (string, error) {
	dir := l.path("control")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := os.MkdirAll(l.path("logs"), 0o755); err != nil {
		return "", err
	}
	p, err := l.startProcess(l.controlProcess("127.0.0.1:0"))
	if err != nil {
		return "", err
	}
	endpoint, err := l.awaitEndpoint(ctx, p)
	if err != nil {
		return "", err
	}
	// The port stays the same when control is started again.
	p.Argv = l.controlProcess(strings.TrimPrefix(endpoint, "https://")).Argv
	err = l.state.update(func(s *State) {
		s.Endpoint = endpoint
		s.put(*p)
	})
	if err != nil {
		return "", err
	}
	return endpoint, l.writeProfiles(endpoint)
}

func (l *Lab) controlProcess(listen string) Process {
	dir := l.path("control")
	return Process{Name: "control", Log: l.path("logs", "control.log"), Argv: []string{
		l.opts.Binary, "server", "--data", dir, "--listen", listen, "--node-socket", dir + "/node.sock", "--fabric", l.path("world.yaml"),
	}}
}

// awaitEndpoint waits for control to say where it listens.
func (l *Lab) awaitEndpoint(ctx context.Context, p *Process) (string, error) {
	file := l.path("control", "endpoint")
	var endpoint string
	err := poll(ctx, 30*time.Second, 10*time.Millisecond, func() error {
		b, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(b)) != "" {
			endpoint = strings.TrimRight(strings.TrimSpace(string(b)), "/")
			return nil
		}
		if !p.alive() {
			return fmt.Errorf("control ended: %w", errStop)
		}
		return fmt.Errorf("control has not written %s", file)
	})
	if err != nil {
		return "", fmt.Errorf("%w; the end of %s: %s", err, p.Log, lastLines(p.Log))
	}
	return endpoint, nil
}

// errStop is a reason not to go on waiting.
var errStop = errors.New("it does not run")

// lastLines is the end of a log, for error messages.
func lastLines(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if len(b) > 600 {
		b = b[len(b)-600:]
	}
	return strings.TrimSpace(string(b))
}

// startNodes starts the agents of all nodes at once.
func (l *Lab) startNodes(ctx context.Context) (string, error) {
	if err := l.mountBPF(); err != nil {
		return "", err
	}
	var names []string
	var ps []*Process
	for _, n := range l.World.Fabric.Nodes {
		token := l.path("control", "node-tokens", n.Name)
		if err := poll(ctx, 10*time.Second, 10*time.Millisecond, func() error { _, err := os.Stat(token); return err }); err != nil {
			return "", fmt.Errorf("token of node %s: %w", n.Name, err)
		}
		pin := filepath.Join(bpffs, "onramp", l.World.Name, n.Name)
		if err := l.state.update(func(s *State) { s.Pins = append(s.Pins, pin) }); err != nil {
			return "", err
		}
		dir := l.path("nodes", n.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(pin), 0o700); err != nil {
			return "", err
		}
		p, err := l.startProcess(Process{
			Name: "node:" + n.Name, Namespace: l.ns(n.Name), Log: l.path("logs", n.Name+".log"),
			Argv: []string{
				l.opts.Binary, "node", "--name", n.Name, "--control", "unix:" + l.path("control", "node.sock"),
				"--token-file", token, "--state", dir, "--pin", pin, "--xdp", "auto",
			},
		})
		if err != nil {
			return "", err
		}
		names, ps = append(names, n.Name), append(ps, p)
	}
	if err := pause(ctx, 50*time.Millisecond); err != nil {
		return "", err
	}
	for _, p := range ps {
		if !p.alive() {
			return "", fmt.Errorf("%s ended at once: %s", p.Name, lastLines(p.Log))
		}
	}
	return strings.Join(names, " "), nil
}

// restart starts a process again that was killed.
func (l *Lab) restart(ctx context.Context, p Process) error {
	if p.Name == "control" {
		_ = os.Remove(l.path("control", "endpoint")) // written again when ready
	}
	np, err := l.startProcess(p)
	if err != nil || p.Name != "control" {
		return err
	}
	_, err = l.awaitEndpoint(ctx, np)
	return err
}

// routerNames tells the routers for people.
func (l *Lab) routerNames() string {
	var names []string
	for _, r := range l.World.Routers {
		names = append(names, fmt.Sprintf("%s (%s, AS %d)", r.Name, strings.ToUpper(r.Kind), r.ASN))
	}
	return strings.Join(names, ", ")
}

// keepLogs copies the logs of a failed test to a directory of its own, for a look afterwards.
func (l *Lab) keepLogs() {
	dst, err := os.MkdirTemp("", "onramp-"+l.World.Name+"-logs-")
	if err != nil {
		l.screen.note("keep the logs: %v", err)
		return
	}
	for _, sub := range []string{"logs", "routers"} {
		if _, err := os.Stat(l.path(sub)); err != nil {
			continue
		}
		// Sockets among the files are skipped with ErrInvalid.
		if err := os.CopyFS(filepath.Join(dst, sub), os.DirFS(l.path(sub))); err != nil && !errors.Is(err, os.ErrInvalid) {
			l.screen.note("keep the logs: %v", err)
		}
	}
	l.screen.note("logs are kept in %s", dst)
}
