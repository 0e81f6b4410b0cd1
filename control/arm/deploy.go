package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"

	"onramp/control/store"
	"onramp/resource"
)

const (
	// stepLease is how long whoever took a step may need to order it; then somebody else orders it again, which changes nothing.
	stepLease = WriteTimeout
	// stepPatience is how long a step waits for other operations on the same resources.
	stepPatience = 2 * time.Minute
	stepRetry    = time.Second
)

// errLost says that a deployment is gone, or that somebody else goes on with it.
var errLost = errors.New("deployment is somebody else's")

// startDeployment runs a deployment in the background, once per front.
func (f *Front) startDeployment(id resource.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deploying[id.Key()] || f.life.Err() != nil {
		return
	}
	f.deploying[id.Key()] = true
	f.running.Go(func() {
		f.deploy(id)
		f.mu.Lock()
		delete(f.deploying, id.Key())
		f.mu.Unlock()
	})
}

// Resume goes on with the deployments that nobody runs: those of a front that died. Call it at the start and now and then.
func (f *Front) Resume(ctx context.Context) error {
	os, err := f.cfg.Store.List(ctx, resource.KindDeployment, resource.ID{})
	if err != nil {
		return fmt.Errorf("resume deployments: %w", err)
	}
	for _, o := range os {
		if d := o.(*resource.Deployment); d.Ended.IsZero() && d.Meta.State != resource.Deleting {
			f.startDeployment(d.Meta.ID)
		}
	}
	return nil
}

// deploy takes a deployment from step to step until it ends. All it knows is in the document, so that whoever runs it next goes on where it
// was left.
func (f *Front) deploy(id resource.ID) {
	ctx := f.life
	for ctx.Err() == nil {
		o, err := f.cfg.Store.Get(ctx, id)
		if err == nil {
			d := o.(*resource.Deployment)
			if !d.Ended.IsZero() || d.Meta.State == resource.Deleting {
				return
			}
			err = f.advance(ctx, d)
		}
		switch {
		case errors.Is(err, store.ErrNotFound):
			return
		case err != nil && !errors.Is(err, errLost) && ctx.Err() == nil:
			f.log.Warn("deploy", "deployment", id, "error", err)
			fallthrough
		case err != nil:
			pause(ctx, stepRetry)
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// advance does the next thing of a deployment: order a step, wait for one, or end it all.
func (f *Front) advance(ctx context.Context, d *resource.Deployment) error {
	i, waiting := nextStep(d)
	switch {
	case i >= 0 && d.Steps[i].State == resource.StepRunning:
		return f.awaitStep(ctx, d, i)
	case i >= 0:
		return f.orderStep(ctx, d, i)
	case waiting:
		return errLost // another front is ordering a step
	}
	return f.endDeployment(ctx, d)
}

// nextStep is the step to go on with, one that runs before one that could begin; -1 when there is none. waiting: because another front has it.
// After a failure nothing more begins.
func nextStep(d *resource.Deployment) (i int, waiting bool) {
	next, failed := -1, false
	for i, s := range d.Steps {
		switch s.State {
		case resource.StepRunning:
			return i, false
		case resource.StepOrdering:
			if time.Since(s.Begun) < stepLease {
				waiting = true
			} else if next < 0 {
				next = i
			}
		case resource.StepFailed:
			failed = true
		case resource.StepWaiting:
			if next < 0 && ready(d, s) {
				next = i
			}
		}
	}
	if waiting || failed {
		next = -1
	}
	return next, waiting
}

func ready(d *resource.Deployment, s resource.DeploymentStep) bool {
	for _, n := range s.After {
		if d.Steps[n].State != resource.StepDone {
			return false
		}
	}
	return true
}

// note writes what became of a step, unless somebody else wrote first.
func (f *Front) note(ctx context.Context, d *resource.Deployment, i int, edit func(*resource.DeploymentStep)) (*resource.Deployment, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.OperationTimeout)
	defer cancel()
	o, err := f.cfg.Store.Update(ctx, d.Meta.ID, func(o resource.Object) error {
		now := o.(*resource.Deployment)
		if now.Meta.Revision != d.Meta.Revision {
			return errLost
		}
		edit(&now.Steps[i])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o.(*resource.Deployment), nil
}

// orderStep takes a step and orders its resource by the same handler as a PUT over HTTP.
func (f *Front) orderStep(ctx context.Context, d *resource.Deployment, i int) error {
	d, err := f.note(ctx, d, i, func(s *resource.DeploymentStep) { s.State, s.Begun = resource.StepOrdering, time.Now().UTC() })
	if err != nil {
		return err
	}
	a, err := f.putStep(ctx, d, i)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, noted := f.note(ctx, d, i, func(s *resource.DeploymentStep) {
		s.State = resource.StepDone
		if op := a.header["Azure-AsyncOperation"]; op != "" {
			s.State, s.Operation = resource.StepRunning, operationOf(op)
		}
		if err != nil {
			e := toFault(err)
			s.State, s.Failure = resource.StepFailed, &resource.Failure{Code: e.Code, Message: e.Message, Target: e.Target}
		}
	})
	return noted
}

// operationOf is the id at the end of an operation's URL.
func operationOf(url string) string {
	for i := range url {
		if url[i] == '?' {
			return path.Base(url[:i])
		}
	}
	return path.Base(url)
}

// putStep orders the resource of a step, again while other operations are in its way.
func (f *Front) putStep(ctx context.Context, d *resource.Deployment, i int) (answer, error) {
	c, err := f.deployer(ctx, d)
	if err != nil {
		return answer{}, err
	}
	t, err := f.reopen(ctx, c, d)
	if err != nil {
		return answer{}, err
	}
	resolved, err := t.scope.resolve(content(t.steps[i].body))
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(resolved)
	if err != nil {
		return answer{}, err
	}
	for began := time.Now(); ; pause(ctx, stepRetry) {
		a, err := f.inner(ctx, c, http.MethodPut, pathOf(t.steps[i].id), t.steps[i].version, "", body)
		var e *fault
		busy := errors.As(err, &e) && (e.Code == "AnotherOperationInProgress" || e.Code == "RetryableError")
		if !busy || time.Since(began) > min(stepPatience, stepLease/2) || ctx.Err() != nil {
			return a, err
		}
	}
}

// deployer is the call on whose behalf a deployment orders: its principal must still exist.
func (f *Front) deployer(ctx context.Context, d *resource.Deployment) (*call, error) {
	p, err := f.principalByClient(ctx, d.Principal)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, refuse(http.StatusForbidden, "AuthorizationFailed", "The client '%s' that ordered the deployment does not exist any more.", d.Principal)
	}
	return &call{ctx: ctx, who: &principal{*p}, base: f.cfg.PublicURL, ids: requestIDs{correlation: d.Correlation, request: d.Run}}, nil
}

// reopen reads the template of a running deployment; references are read from the resources.
func (f *Front) reopen(ctx context.Context, c *call, d *resource.Deployment) (*template, error) {
	raw, err := f.cfg.Store.Keyring().OpenFor(d.Plan, d.Meta.ID.Key())
	if err != nil {
		return nil, err
	}
	t, err := readTemplate([]byte(raw), d.Meta.ID.GroupID(), d.Meta.Location)
	if err != nil {
		return nil, err
	}
	t.scope.reference = func(of string, full bool) (any, error) {
		path, version := of, "2025-03-01"
		if i := t.find(of); i >= 0 {
			path, version = pathOf(t.steps[i].id), t.steps[i].version
		}
		a, err := f.inner(ctx, c, http.MethodGet, path, version, "", nil)
		if err != nil {
			return nil, badTemplate("the reference to '%s' cannot be read: %v", of, err)
		}
		b, err := json.Marshal(a.body)
		if err != nil {
			return nil, err
		}
		var state map[string]any
		if err := unmarshal(b, &state); err != nil || full {
			return state, err
		}
		return state["properties"], nil
	}
	return t, nil
}

// awaitStep waits for the operation of a step.
func (f *Front) awaitStep(ctx context.Context, d *resource.Deployment, i int) error {
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := f.cfg.Store.Changed(wait)
	for {
		op, err := f.cfg.Store.GetOperation(ctx, d.Steps[i].Operation)
		if err != nil && !errors.Is(err, store.ErrNotFound) { // one that is not kept any more has ended long ago
			return err
		}
		if err != nil || !op.Ended.IsZero() {
			_, err := f.note(ctx, d, i, func(s *resource.DeploymentStep) {
				s.State = resource.StepDone
				if op != nil && op.Failure != nil {
					s.State, s.Failure = resource.StepFailed, op.Failure
				}
			})
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// endDeployment writes the end: outputs, or why it failed.
func (f *Front) endDeployment(ctx context.Context, d *resource.Deployment) error {
	outputs, failure := f.result(ctx, d)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := f.cfg.Store.Update(ctx, d.Meta.ID, func(o resource.Object) error {
		now := o.(*resource.Deployment)
		if now.Meta.Revision != d.Meta.Revision {
			return errLost
		}
		now.Ended, now.Outputs, now.Meta.Failure, now.Meta.State = time.Now().UTC(), outputs, failure, resource.Succeeded
		if failure != nil {
			now.Meta.State = resource.Failed
		}
		now.Plan = nil // with its secrets
		return nil
	})
	return err
}

func (f *Front) result(ctx context.Context, d *resource.Deployment) ([]byte, *resource.Failure) {
	for _, s := range d.Steps {
		if s.State == resource.StepFailed {
			return nil, &resource.Failure{Code: "DeploymentFailed", Message: "At least one resource deployment operation failed. Please list deployment operations for details."}
		}
	}
	c, err := f.deployer(ctx, d)
	var t *template
	if err == nil {
		t, err = f.reopen(ctx, c, d)
	}
	var outputs []byte
	if err == nil {
		outputs, err = t.outputs()
	}
	if err != nil {
		e := toFault(err)
		return nil, &resource.Failure{Code: "DeploymentOutputEvaluationFailed", Message: e.Message, Target: e.Target}
	}
	return outputs, nil
}
