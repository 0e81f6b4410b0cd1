package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Report is what a told story measured. Its JSON is what `lab test --json` writes.
type Report struct {
	Lab     string    `json:"lab"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	OK      bool      `json:"ok"`
	Error   string    `json:"error,omitempty"`

	Steps  []StepReport  `json:"steps"`
	Pings  []PingReport  `json:"pings"`
	Drills []DrillReport `json:"drills"`
	Rates  []RateReport  `json:"rates"`
	Kills  []KillReport  `json:"kills,omitempty"`

	mu sync.Mutex
}

// StepReport is one step's time.
type StepReport struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// PingReport is one direction of a ping.
type PingReport struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Sent     int    `json:"sent"`
	Received int    `json:"received"`
}

// DrillReport is one drill: both directions together, and each.
type DrillReport struct {
	Name       string       `json:"name"`
	Sent       int          `json:"sent"`
	Lost       int          `json:"lost"`
	BlackoutMS float64      `json:"blackout_ms"` // longest time in which nothing of one flow arrived
	Directions []FlowReport `json:"directions"`
	// When the ends of the session gave it up, of a silent drill; 0: not seen.
	RouterMS float64 `json:"router_ms,omitempty"`
	EdgeMS   float64 `json:"edge_ms,omitempty"`
}

// FlowReport is one direction of a stream.
type FlowReport struct {
	From       string  `json:"from"`
	To         string  `json:"to"`
	Sent       int     `json:"sent"`
	Lost       int     `json:"lost"`
	Reordered  int     `json:"reordered"`
	BlackoutMS float64 `json:"blackout_ms"`
	// BlackoutAtMS is when it began, from the beginning of the stream.
	BlackoutAtMS float64 `json:"blackout_at_ms"`
}

// RateReport is one measurement of a rate, in bits of layer 2 frames without tags.
type RateReport struct {
	Path        string  `json:"path"`
	LimitBPS    float64 `json:"limit_bps"`
	OfferedBPS  float64 `json:"offered_bps"`
	MeasuredBPS float64 `json:"measured_bps"`
	DroppedBPS  float64 `json:"dropped_bps"` // offered and not arrived
	Rounds      int     `json:"rounds"`      // half seconds the medians are of
	Iperf3BPS   float64 `json:"iperf3_bps,omitempty"`
}

// KillReport is one process killed under a stream.
type KillReport struct {
	Process      string  `json:"process"`
	DownSeconds  float64 `json:"down_seconds"`
	Sent         int     `json:"sent"`
	Lost         int     `json:"lost"`
	BlackoutMS   float64 `json:"blackout_ms"`
	EqualSeconds float64 `json:"equal_seconds"` // from the restart until the API's view was as before
}

func (r *Report) addStep(name string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Steps = append(r.Steps, StepReport{name, took.Seconds()})
}

func (r *Report) add(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
}

// write writes the report as JSON; lists are never null.
func (r *Report) write(file string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Steps == nil {
		r.Steps = []StepReport{}
	}
	if r.Pings == nil {
		r.Pings = []PingReport{}
	}
	if r.Drills == nil {
		r.Drills = []DrillReport{}
	}
	if r.Rates == nil {
		r.Rates = []RateReport{}
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// Test runs a lab file to its end, takes the world down, and writes the report to jsonOut ("": nowhere). It returns nil only if every check
// held and nothing was left.
func Test(ctx context.Context, file, jsonOut string, o Options) error {
	w, err := Load(file)
	if err != nil {
		return err
	}
	began := time.Now()
	l, err := start(ctx, w, o)
	if l == nil {
		return err
	}
	if err == nil {
		err = l.tell(ctx, w.Story)
	}
	if err != nil {
		l.keepLogs()
	}
	if derr := l.step(context.WithoutCancel(ctx), "take the world down", func(ctx context.Context) (string, error) {
		return "", l.down(ctx)
	}); derr != nil {
		err = errors.Join(err, derr)
	}
	l.report.Seconds = time.Since(began).Seconds()
	l.report.OK = err == nil
	if err != nil {
		l.report.Error = err.Error()
	}
	if jsonOut != "" {
		if werr := l.report.write(jsonOut); werr != nil {
			err = errors.Join(err, fmt.Errorf("write %s: %w", jsonOut, werr))
		}
	}
	return err
}
