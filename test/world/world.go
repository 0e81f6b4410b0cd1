// Package world runs control in this process with nodes that only pretend: they apply every plan at once and answer every question from
// it. Stories and SDK tests play in it; no packet and no privilege is needed.
//
// In:  a fabric file. Out: an HTTPS endpoint on loopback, and a profile file per principal.
package world

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"onramp/cli"
	"onramp/control"
	"onramp/plan"
	"onramp/resource"
)

//go:embed fabric.yaml
var fabricText []byte

// World is a running control with pretended nodes.
type World struct {
	Endpoint string
	CA       string // file
	Profiles string // directory of <role>.json and <principal>.json
	Fabric   *resource.Fabric
}

// Start brings a world up that ends with the test.
func Start(t testing.TB) *World {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "fabric.yaml")
	if err := os.WriteFile(file, fabricText, 0o600); err != nil {
		t.Fatal(err)
	}
	f := &resource.Fabric{}
	if err := yaml.UnmarshalWithOptions(fabricText, f, yaml.Strict()); err != nil {
		t.Fatalf("read fabric: %v", err)
	}
	c := startControl(t, dir, file)
	w := &World{Endpoint: c.URL(), CA: filepath.Join(dir, "data", "ca.pem"), Profiles: filepath.Join(dir, "profiles"), Fabric: f}
	w.startNodes(t, filepath.Join(dir, "data"))
	w.writeProfiles(t)
	return w
}

// writeProfiles writes a profile for each principal, under its name and, for the first of a role, under the role.
func (w *World) writeProfiles(t testing.TB) {
	t.Helper()
	if err := os.MkdirAll(w.Profiles, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, p := range w.Fabric.Principals {
		b, err := json.Marshal(cli.Profile{
			Endpoint: w.Endpoint, Tenant: "adfs", ClientID: p.ClientID, ClientSecret: p.Secret, Subscription: p.Subscription, CA: w.CA,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{p.Name, p.Role} {
			file := filepath.Join(w.Profiles, name+".json")
			if _, err := os.Stat(file); err == nil {
				continue
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// quiet is a logger that shows warnings only when a test is verbose.
func quiet() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// startControl runs control until the test ends.
func startControl(t testing.TB, dir, fabric string) *control.Control {
	t.Helper()
	c, err := control.New(control.Config{DataDir: filepath.Join(dir, "data"), FabricFile: fabric, Log: quiet()})
	if err != nil {
		t.Fatalf("start control: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("control: %v", err)
		}
		c.Close()
	})
	select {
	case <-c.Ready():
	case err := <-ended:
		t.Fatalf("control ended: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("control is not ready after 30 s")
	}
	return c
}

// startNodes plays every node of the fabric until the test ends.
func (w *World) startNodes(t testing.TB, data string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, len(w.Fabric.Nodes))
	for _, n := range w.Fabric.Nodes {
		token := await(t, filepath.Join(data, "node-tokens", n.Name))
		client, err := plan.NewClient(plan.ClientConfig{Control: "unix:" + filepath.Join(data, "node.sock"), Node: n.Name, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { ended <- struct{}{} }()
			(&pretender{name: n.Name, link: client}).run(ctx)
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range w.Fabric.Nodes {
			<-ended
		}
	})
}

// await reads a file that is about to be written.
func await(t testing.TB, file string) string {
	t.Helper()
	for range 1000 {
		if b, err := os.ReadFile(file); err == nil {
			return strings.TrimSpace(string(b))
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("%s is not there after 10 s", file)
	return ""
}
