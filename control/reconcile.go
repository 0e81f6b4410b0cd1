package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"onramp/control/compile"
	"onramp/control/store"
	"onramp/plan"
	"onramp/resource"
)

const (
	slowTimer  = 10 * time.Second
	retryAfter = time.Second            // after a pass that met an error
	statusGap  = 200 * time.Millisecond // between looks at all sessions for reports alone: nodes report every second, each
)

// reconciler makes the nodes what the store says, and the store's status what the nodes say.
//
//	store.Changed ─┬─► observe: snapshot ─► compile ─► hub.SetPlans
//	slow timer    ─┤
//	hub.Changed   ─┴─► settle: operations whose nodes are done end ─► status that changed is written
//
// It takes no input: it reads everything. All that it remembers is the last picture. Every write is compare-and-swap and idempotent, so
// that two may run at once. The Hub knows which nodes a revision concerns; after a restart every revision concerns all of them.
type reconciler struct {
	store   store.Store
	hub     *plan.Hub
	tokens  *tokens
	log     *slog.Logger
	timeout time.Duration                              // of an operation
	publish func(*view)                                // shows each new picture to Live
	counted func(map[string]resource.ConnectionStatus) // shows the connections' counters to Live, by their keys
	shared  bool                                       // other processes may have the same store

	begun time.Time
	last  *view
	said  time.Time // when status was looked at last
	idle  bool      // the store had no open operation when it was last looked at
}

// view is one picture of the world: objects at one revision, and the plans made from them. It never changes.
type view struct {
	snapshot *store.Snapshot
	world    *resource.World
	input    compile.Input
	index    *compile.Index
	problems []compile.Problem
}

// run reconciles until ctx ends.
func (r *reconciler) run(ctx context.Context) {
	r.begun = time.Now()
	stored, reported := r.store.Changed(ctx), r.hub.Changed(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		fresh := true
		select {
		case <-ctx.Done():
			return
		case <-stored:
		case <-timer.C:
		case <-reported:
			fresh = false
		}
		err := r.pass(ctx, fresh)
		switch {
		case err != nil && ctx.Err() == nil:
			r.log.Warn("reconcile", "err", err)
			timer.Reset(retryAfter)
		case fresh: // reports alone must not put it off
			timer.Reset(slowTimer)
		}
	}
}

// pass converges once. Without fresh the store is known to be as it was, and only what nodes report is looked at.
func (r *reconciler) pass(ctx context.Context, fresh bool) error {
	if fresh || r.last == nil {
		if err := r.observe(ctx); err != nil {
			return err
		}
	}
	var err error
	if fresh || !r.idle {
		err = r.operations(ctx, r.last)
	}
	if fresh || time.Since(r.said) >= statusGap {
		r.said = time.Now()
		err = errors.Join(err, r.status(ctx, r.last))
	}
	return err
}

// observe reads everything and hands the plans out.
func (r *reconciler) observe(ctx context.Context) error {
	snap, err := r.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	w := resource.NewWorld(snap.Objects, r.store.Keyring().Open)
	if err := r.tokens.setNodes(w.Fabric); err != nil {
		return err
	}
	v := &view{snapshot: snap, world: w, input: inputOf(w)}
	out, err := r.compiled(v.input)
	if err != nil {
		return err // the nodes keep their last plans
	}
	v.problems, v.index = out.Problems, compile.NewIndex(v.input)
	r.logProblems(v)
	r.hub.SetPlans(out.Nodes, snap.Revision)
	r.last = v
	if r.publish != nil {
		r.publish(v)
	}
	return nil
}

// compiled runs compile; an object that makes it panic must not take the others' control away.
func (r *reconciler) compiled(in compile.Input) (out compile.Output, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("compile: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return compile.Nodes(in), nil
}

// inputOf is what plans are made from: the world without the peerings that are going.
func inputOf(w *resource.World) compile.Input {
	in := compile.InputOf(w)
	in.Circuits = slices.Clone(in.Circuits)
	going := func(p resource.Peering) bool { return p.State == resource.Deleting }
	for i, c := range in.Circuits {
		if slices.ContainsFunc(c.Peerings, going) {
			in.Circuits[i] = resource.Clone(c)
			in.Circuits[i].Peerings = slices.DeleteFunc(in.Circuits[i].Peerings, going)
		}
	}
	return in
}

// logProblems says each problem once, when it is new.
func (r *reconciler) logProblems(v *view) {
	key := func(p compile.Problem) string { return p.Object.Key() + " " + p.Reason }
	seen := map[string]bool{}
	if r.last != nil {
		for _, p := range r.last.problems {
			seen[key(p)] = true
		}
	}
	for _, p := range v.problems {
		if !seen[key(p)] {
			r.log.Info("not in any plan", "object", p.Object, "reason", p.Reason)
		}
	}
}
