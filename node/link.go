package node

import (
	"context"
	"time"

	"onramp/plan"
)

// Times of the conversation with control.
const (
	reportEvery  = time.Second
	reportGap    = 50 * time.Millisecond // changes within it make one report
	reconnectMin = 200 * time.Millisecond
	reconnectMax = 5 * time.Second
)

// converse asks control for work until ctx ends.
func (a *Agent) converse(ctx context.Context) {
	pause := reconnectMin
	for ctx.Err() == nil {
		w, err := a.cfg.Link.Next(ctx, a.generation())
		a.noteLink(err)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, reconnectMax)
			continue
		}
		pause = reconnectMin
		a.take(ctx, w)
	}
}

// take hands a plan to the main goroutine and waits until it was taken up; queries are answered aside.
func (a *Agent) take(ctx context.Context, w plan.Work) {
	for _, q := range w.Queries {
		go a.answer(ctx, q)
	}
	if w.Plan == nil {
		return
	}
	done := make(chan struct{})
	a.do(func() { defer close(done); a.receive(w.Plan) })
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// generation is that of the newest plan received.
func (a *Agent) generation() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.desired == nil {
		return 0
	}
	return a.desired.Generation
}

func (a *Agent) noteLink(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.linkError
	a.linkError = ""
	if err != nil {
		a.linkError = err.Error()
	}
	if was != a.linkError && (was == "" || err == nil) {
		a.log.Info("line to control", "up", err == nil, "err", a.linkError)
	}
}

// reportSoon has a report posted at once, or with others a moment later. It never waits.
func (a *Agent) reportSoon() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// reportLoop posts the report on every change, and at least every second.
func (a *Agent) reportLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	up := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-a.kick:
		}
		r := a.Status()
		if ctx.Err() == nil { // at the end all go down; that is not what the next process shall know
			up = a.saveUp(&r, up)
		}
		if err := a.cfg.Link.Report(ctx, r); err != nil && ctx.Err() == nil {
			a.noteLink(err)
		}
		select { // gather
		case <-ctx.Done():
			return
		case <-time.After(reportGap):
		}
		timer.Reset(reportEvery - reportGap)
	}
}
