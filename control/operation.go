package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"onramp/control/arm"
	"onramp/control/store"
	"onramp/resource"
)

// The codes of operations that end in failure.
const (
	codeTimeout = "NodesNotReady"
	codeProblem = "ResourceDeploymentFailure"
)

// job is an open operation with the documents it holds.
type job struct {
	op   *store.Operation
	docs []resource.Object
}

// needs are the revisions whose plans must be live: the order's. Members of a group are marked after the order, in several writes; where the
// order is lost, its documents tell.
func (j *job) needs() []int64 {
	revs := map[int64]bool{j.op.Revision: true}
	if j.op.Revision == 0 || j.emptiesGroup() {
		for _, o := range j.docs {
			revs[o.Head().Revision] = true
		}
	}
	return slices.Sorted(maps.Keys(revs))
}

// operations ends the operations that are done: applied by every node that their order concerned, overdue, or impossible. An order
// concerns the nodes whose plans changed with it, so what belongs to no node ends at once, and a node that is down holds up only what
// is its own.
func (r *reconciler) operations(ctx context.Context, v *view) error {
	jobs, err := r.jobs(ctx, v)
	if err != nil {
		return err
	}
	r.idle = len(jobs) == 0
	var errs []error
	for _, j := range jobs {
		if j.op.Verb == "post" { // the front that was asked ends it, unless it died
			if r.overdue(j) {
				errs = append(errs, arm.Recover(ctx, r.store, r.timeout))
			}
			continue
		}
		if err := r.advance(ctx, v, j); err != nil {
			errs = append(errs, fmt.Errorf("operation %s on %s: %w", j.op.ID, j.op.Resource, err))
		}
	}
	return errors.Join(errs...)
}

// jobs lists the open operations that the view shows, and documents held by an operation that is lost, under an operation made up.
func (r *reconciler) jobs(ctx context.Context, v *view) ([]*job, error) {
	// Read after the snapshot: an operation that is newer than it is left for the next pass.
	ops, err := r.store.ListOperations(ctx, false)
	if err != nil {
		return nil, err
	}
	byID := map[string]*job{}
	var jobs []*job
	for _, op := range ops {
		byID[op.ID] = &job{op: op}
		if op.Revision <= v.snapshot.Revision {
			jobs = append(jobs, byID[op.ID])
		}
	}
	for _, kind := range resource.Kinds() {
		for _, o := range v.snapshot.Objects[kind] {
			id := o.Head().Operation
			if id == "" {
				continue
			}
			if byID[id] == nil {
				byID[id] = &job{op: &store.Operation{ID: id, Resource: o.Head().ID, Verb: "put", Subscription: o.Head().ID.Subscription,
					Location: o.Head().Location, Started: r.begun}}
				jobs = append(jobs, byID[id])
			}
			byID[id].docs = append(byID[id].docs, o)
		}
	}
	return jobs, nil
}

// advance does the next step of a job.
func (r *reconciler) advance(ctx context.Context, v *view, j *job) error {
	if j.op.Failure != nil {
		return r.end(ctx, j, j.op.Failure) // it has begun to fail
	}
	if j.emptiesGroup() {
		marked, err := r.markGroup(ctx, v, j)
		if !marked || err != nil {
			return err
		}
	}
	live, waiting := r.waiting(j)
	switch {
	case live:
		return r.end(ctx, j, problem(v, j))
	case !r.overdue(j), r.shared && !r.overdueBy(j, 2*r.timeout) && !r.heardOf(waiting):
		return nil
	}
	return r.end(ctx, j, r.timedOut(waiting))
}

// heardOf reports whether any of the nodes ever reported to this process. Where several share a store, one that the nodes do not report to
// leaves the verdict to the others for a while.
func (r *reconciler) heardOf(nodes []string) bool {
	return slices.ContainsFunc(nodes, func(n string) bool {
		_, ok := r.hub.Report(n)
		return ok
	})
}

// waiting is whether everything that the job needs is live, and which nodes have not applied it.
func (r *reconciler) waiting(j *job) (live bool, nodes []string) {
	live = true
	for _, rev := range j.needs() {
		live = live && r.hub.Live(rev)
		nodes = append(nodes, r.hub.Waiting(rev)...)
	}
	slices.Sort(nodes)
	return live, slices.Compact(nodes)
}

func (r *reconciler) overdue(j *job) bool { return r.overdueBy(j, r.timeout) }

func (r *reconciler) overdueBy(j *job, limit time.Duration) bool {
	since := j.op.Started
	if since.Before(r.begun) {
		since = r.begun // while control was away, nobody could report
	}
	return time.Since(since) >= limit
}

func (r *reconciler) timedOut(waiting []string) *resource.Failure {
	for i, name := range waiting {
		rep, ok := r.hub.Report(name)
		switch {
		case !ok:
			waiting[i] += " (does not report)"
		case rep.Problem != "":
			waiting[i] += " (" + rep.Problem + ")"
		default:
			waiting[i] += " (has not applied its plan)"
		}
	}
	return &resource.Failure{Code: codeTimeout, Message: fmt.Sprintf("The change was not live on every node after %s; waited for: %s.",
		r.timeout, strings.Join(waiting, ", "))}
}

// problem is why compile left out what a job ordered; nil when it did not.
func problem(v *view, j *job) *resource.Failure {
	for _, o := range j.docs {
		if o.Head().State == resource.Deleting {
			continue
		}
		for _, p := range v.problems {
			if p.Object.Root().Equal(o.Head().ID) {
				return &resource.Failure{Code: codeProblem, Message: fmt.Sprintf("%s: %s", p.Object, p.Reason)}
			}
		}
	}
	return nil
}

// end ends a job: documents, their numbers and the operation in one transaction, in several where there are too many.
func (r *reconciler) end(ctx context.Context, j *job, failure *resource.Failure) error {
	if failure != nil && j.op.Failure == nil {
		r.log.Warn("operation failed", "op", j.op.ID, "object", j.op.Resource, "code", failure.Code, "reason", failure.Message)
	}
	if len(j.docs) > maxDocs {
		return r.endSome(ctx, j, failure)
	}
	return arm.Complete(ctx, r.store, j.op, failure)
}
