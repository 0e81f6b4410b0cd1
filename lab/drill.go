package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// settleTime is how long a stream runs before the first deed under it.
const settleTime = 500 * time.Millisecond

// drill takes a cable out and puts it back under a stream.
func (l *Lab) drill(ctx context.Context, d CableDrill) (string, error) {
	if d.Down == 0 {
		d.Down = 3 * time.Second
	}
	if d.After == 0 {
		d.After = time.Second
	}
	st, err := l.startStream(d.Stream, streamPort)
	if err != nil {
		return "", err
	}
	seen, err := l.pull(ctx, d)
	flows := st.stop()
	if err != nil {
		return "", err
	}
	r := DrillReport{Name: d.Name, Directions: flows, RouterMS: float64(seen.Router.Microseconds()) / 1e3, EdgeMS: float64(seen.Edge.Microseconds()) / 1e3}
	for _, f := range flows {
		r.Sent, r.Lost, r.BlackoutMS = r.Sent+f.Sent, r.Lost+f.Lost, max(r.BlackoutMS, f.BlackoutMS)
	}
	l.report.add(func() { l.report.Drills = append(l.report.Drills, r) })
	text := fmt.Sprintf("%d sent, lost %d → and %d ←, longest black-out %.0f ms", r.Sent, flows[0].Lost, flows[1].Lost, r.BlackoutMS)
	for _, f := range flows {
		if f.BlackoutMS == r.BlackoutMS && r.Lost > 0 {
			text += fmt.Sprintf(" (%s → %s, %.1f s in)", f.From, f.To, f.BlackoutAtMS/1000)
			break
		}
	}
	if d.Silent {
		text += fmt.Sprintf("; black-out %.0f ms → and %.0f ms ←, noticed after %.0f ms by %s and %.0f ms by %s", flows[0].BlackoutMS, flows[1].BlackoutMS,
			r.RouterMS, d.Back[0].Router, r.EdgeMS, device(d.Link))
	}
	switch {
	case d.MaxLost > 0 && r.Lost > d.MaxLost:
		return "", fmt.Errorf("lost more than %d packets: %s", d.MaxLost, text)
	case d.MaxBlackout > 0 && r.BlackoutMS > float64(d.MaxBlackout.Milliseconds()):
		return "", fmt.Errorf("black-out longer than %s: %s", d.MaxBlackout, text)
	}
	return text, nil
}

// pull is what happens under the stream. The cable is put back whatever happens.
func (l *Lab) pull(ctx context.Context, d CableDrill) (seen detection, err error) {
	if err := pause(ctx, settleTime); err != nil {
		return seen, err
	}
	cut := l.cut
	if d.Silent {
		cut = l.silence
	}
	if err := cut(d.Link, true); err != nil {
		return seen, err
	}
	out, end := context.WithTimeout(ctx, d.Down)
	defer end()
	if d.Silent {
		seen = l.detect(out, d.Back[0], d.Link, time.Now())
	}
	<-out.Done()
	if err := errors.Join(ctx.Err(), cut(d.Link, false)); err != nil {
		return seen, err
	}
	for _, s := range d.Back {
		if err := l.waitSession(ctx, s, false, 30*time.Second); err != nil {
			return seen, fmt.Errorf("after the cable is back: %w", err)
		}
	}
	return seen, pause(ctx, d.After)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// kill ends a process under a stream, starts it again after a while, and waits until the API tells the same as before.
func (l *Lab) kill(ctx context.Context, as string, group string, k Kill) (string, error) {
	p, err := l.process(k.Process)
	if err != nil {
		return "", err
	}
	before, err := l.settledView(ctx, as, group, k)
	if err != nil {
		return "", fmt.Errorf("look before: %w", err)
	}
	st, err := l.startStream(k.Stream, streamPort)
	if err != nil {
		return "", err
	}
	if err := pause(ctx, settleTime); err != nil {
		st.stop()
		return "", err
	}
	equal, err := l.killAndRestart(ctx, p, as, group, k, before)
	flows := st.stop()
	if err != nil {
		return "", err
	}
	r := KillReport{Process: k.Process, DownSeconds: k.For.Seconds(), EqualSeconds: equal.Seconds()}
	for _, f := range flows {
		r.Sent, r.Lost, r.BlackoutMS = r.Sent+f.Sent, r.Lost+f.Lost, max(r.BlackoutMS, f.BlackoutMS)
	}
	l.report.add(func() { l.report.Kills = append(l.report.Kills, r) })
	text := fmt.Sprintf("%d sent, %d lost, longest black-out %.0f ms; all as before %.1f s after the restart", r.Sent, r.Lost, r.BlackoutMS, r.EqualSeconds)
	if r.Lost > k.MaxLost {
		return "", fmt.Errorf("lost more than %d packets: %s", k.MaxLost, text)
	}
	return text, nil
}

// viewQuiet is how long the API must tell the same to be taken as settled: longer than routers hold new routes back.
const viewQuiet = 3 * time.Second

// settledView is what the API tells, once routes have stopped moving.
func (l *Lab) settledView(ctx context.Context, as, group string, k Kill) (string, error) {
	last, err := l.view(ctx, as, group, k)
	if err != nil {
		return "", err
	}
	err = poll(ctx, 30*time.Second, 0, func() error {
		if err := pause(ctx, viewQuiet); err != nil {
			return err
		}
		was := last
		if last, err = l.view(ctx, as, group, k); err != nil {
			return err
		}
		if last != was {
			return fmt.Errorf("the API's tables do not settle: %s", firstDifference(was, last))
		}
		return nil
	})
	return last, err
}

// killAndRestart returns how long after the restart the view was as before.
func (l *Lab) killAndRestart(ctx context.Context, p Process, as, group string, k Kill, before string) (time.Duration, error) {
	if err := p.kill(ctx); err != nil {
		return 0, err
	}
	perr := pause(ctx, k.For)
	began := time.Now()
	if err := l.restart(ctx, p); err != nil || perr != nil {
		return 0, errors.Join(perr, err)
	}
	settle := k.Settle
	if settle == 0 {
		settle = 30 * time.Second
	}
	err := poll(ctx, settle, 200*time.Millisecond, func() error {
		after, err := l.view(ctx, as, group, k)
		if err != nil {
			return err
		}
		if after != before {
			return fmt.Errorf("the API tells something else than before: %s", firstDifference(before, after))
		}
		return nil
	})
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	return took, pause(ctx, settleTime)
}

// firstDifference shows where two texts part.
func firstDifference(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, i-60):min(len(s), i+100)] }
	return fmt.Sprintf("before …%s…, after …%s…", cut(a), cut(b))
}
