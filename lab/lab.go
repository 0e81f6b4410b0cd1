// Package lab brings up worlds in network namespaces from one YAML file each: the cloud's nodes and control as processes of their own,
// customers' routers (BIRD and FRR), hosts and virtual machines, and the cables between them; then it tells the file's story through the
// public API: orders, checks, pings, drills.
//
// In:  a lab file (Load). Out: a world that runs, a report of what was measured, and nothing left after Down.
//
// All traffic stays inside namespaces named onr-<lab>-<place>; the machine's own namespace sees control's HTTPS port on 127.0.0.1 only.
// Everything is written into /run/onramp/labs/<lab>/state.json before it is made, so that Down ends a world whose maker was killed. Labs
// run side by side: no name, port or file is shared.
//
// Not here: what nodes and control do (their processes are the same binary, re-executed), and the command line (cmd).
package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Options are how a lab is run.
type Options struct {
	Out    io.Writer // where progress goes; nil: nowhere
	Binary string    // onramp's own executable; "": this process's
	Root   string    // where labs keep their files; "": DefaultRoot
	Detach bool      // Up returns when the story is told and leaves the world running
	Keep   bool      // a failed story leaves the world running, for a look
	Repeat int       // how often each drill of the story is run; 0: once
	// WorldOnly builds namespaces, cables, routers and hosts, without control, nodes and story.
	WorldOnly bool
}

func (o Options) withDefaults() (Options, error) {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Root == "" {
		o.Root = DefaultRoot
	}
	if o.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return o, err
		}
		o.Binary = self
	}
	return o, nil
}

// Lab is a world that is up, or coming up.
type Lab struct {
	World *World

	opts   Options
	dir    string
	state  *stateFile
	screen *screen
	api    *clients
	report Report
	veths  int // made so far
}

// Up brings a world up and tells its story. Without Detach it then stays until ctx ends, and takes everything down. The error is the first
// thing that failed; the world is taken down then, unless Keep.
func Up(ctx context.Context, w *World, o Options) error {
	l, err := start(ctx, w, o)
	if l == nil {
		return err
	}
	if err == nil {
		err = l.tell(ctx, w.Story)
	}
	switch {
	case err != nil && !l.opts.Keep:
		l.screen.note("taking the world down")
		return errors.Join(err, l.down(context.WithoutCancel(ctx)))
	case err != nil:
		l.screen.note("%v", err)
		l.screen.note("the world stays up for a look; `onramp lab down %s` ends it", w.Name)
	default:
		l.farewell()
	}
	if err != nil || l.opts.Detach {
		return err
	}
	<-ctx.Done()
	l.screen.note("taking the world down")
	return l.down(context.WithoutCancel(ctx))
}

// start brings the world up, without its story. The Lab is nil where there is nothing to take down.
func start(ctx context.Context, w *World, o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("a lab needs root: it makes network namespaces and loads XDP programs")
	}
	if err := checkPrograms(w); err != nil {
		return nil, err
	}
	st, err := createState(o.Root, w, newMark(w.Name))
	if err != nil {
		return nil, err
	}
	l := &Lab{World: w, opts: o, dir: filepath.Join(o.Root, w.Name), state: st, screen: newScreen(o.Out)}
	l.api = newClients(l)
	l.report.Lab, l.report.Started = w.Name, time.Now()
	l.screen.title("%s: %s", w.Name, w.Title)
	return l, l.bringUp(ctx)
}

func newMark(name string) string {
	b := make([]byte, 8)
	rand.Read(b) // never fails
	return name + "/" + hex.EncodeToString(b)
}

// bringUp makes the world and starts its processes, in the order that lets most start at once.
func (l *Lab) bringUp(ctx context.Context) error {
	w := l.World
	if err := os.WriteFile(l.path("world.yaml"), w.source, 0o600); err != nil {
		return err
	}
	detail := fmt.Sprintf("%d namespaces, %d cables, %d LANs", len(w.places()), len(w.Cables), len(w.lans()))
	if err := l.step(ctx, "build the world", func(ctx context.Context) (string, error) { return detail, l.build(ctx) }); err != nil {
		return err
	}
	if len(w.Routers) > 0 {
		err := l.step(ctx, "start the customers' routers", func(ctx context.Context) (string, error) {
			return l.routerNames(), l.startRouters(ctx)
		})
		if err != nil {
			return err
		}
	}
	if l.opts.WorldOnly || len(w.Fabric.Nodes) == 0 {
		return nil
	}
	if err := l.step(ctx, "start control", l.startControl); err != nil {
		return err
	}
	return l.step(ctx, "start the nodes", l.startNodes)
}

// Down ends a lab and removes everything of it: processes, namespaces, pins, mounts, files. It works on a lab whose maker was killed at any
// moment, and says what it could not remove.
func Down(ctx context.Context, name string, o Options) error {
	l, err := open(name, o)
	if err != nil {
		return errors.Join(err, removeEmpty(name, o))
	}
	if err := l.endOwner(ctx); err != nil {
		return err
	}
	return l.down(ctx)
}

// endOwner ends a `lab up` that still runs, which takes its world down by itself; what it leaves is removed by the caller.
func (l *Lab) endOwner(ctx context.Context) error {
	o := l.state.get().Owner
	if o.PID == os.Getpid() || !o.alive() {
		return nil
	}
	if err := syscall.Kill(o.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end %s (pid %d): %w", o.Name, o.PID, err)
	}
	err := poll(ctx, 30*time.Second, 20*time.Millisecond, func() error {
		if o.alive() {
			return fmt.Errorf("%s (pid %d) does not end", o.Name, o.PID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return os.MkdirAll(l.dir, 0o755) // it is gone already where the owner did it all
}

// removeEmpty removes the directory of a lab whose maker was killed before it wrote the state, and so before it made anything.
func removeEmpty(name string, o Options) error {
	o, err := o.withDefaults()
	if err != nil || !labName.MatchString(name) {
		return err
	}
	dir := filepath.Join(o.Root, name)
	if _, err := os.Stat(filepath.Join(dir, "state.json")); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

// open attaches to a lab that exists.
func open(name string, o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	st, err := openState(o.Root, name)
	if err != nil {
		return nil, err
	}
	l := &Lab{opts: o, dir: filepath.Join(o.Root, name), state: st, screen: newScreen(o.Out)}
	l.World, err = Load(l.path("world.yaml"))
	if err != nil {
		l.World = &World{Name: name} // killed before the file was copied: there is nothing but the state
	}
	l.api = newClients(l)
	return l, nil
}

// Drill runs one of a running lab's drills.
func Drill(ctx context.Context, name, drill string, o Options) error {
	l, err := open(name, o)
	if err != nil {
		return err
	}
	d, ok := l.World.drill(drill)
	if !ok {
		var have []string
		for _, d := range l.World.Drills {
			have = append(have, d.Name)
		}
		return fmt.Errorf("lab %s has no drill %q (drills: %v)", name, drill, have)
	}
	return l.step(ctx, "drill "+drill, func(ctx context.Context) (string, error) { return l.drill(ctx, *d) })
}
