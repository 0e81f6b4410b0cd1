package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Under is what happens under a packet stream, and what it may cost.
type Under struct {
	Stream      Stream        `yaml:"stream"`
	Do          []Step        `yaml:"do"`
	MaxLost     *int          `yaml:"maxLost"`     // packets of both directions; absent: any
	MaxBlackout time.Duration `yaml:"maxBlackout"` // 0: any
}

// under tells steps while a stream runs, and counts what the stream loses.
func (l *Lab) under(ctx context.Context, name string, u Under) (string, error) {
	st, err := l.startStream(u.Stream, streamPort)
	if err != nil {
		return "", err
	}
	err = pause(ctx, settleTime)
	for i := range u.Do {
		if err == nil {
			err = l.tellStep(ctx, &u.Do[i])
		}
	}
	if err == nil {
		err = pause(ctx, settleTime)
	}
	flows := st.stop()
	if err != nil {
		return "", err
	}
	r := DrillReport{Name: name, Directions: flows}
	for _, f := range flows {
		r.Sent, r.Lost, r.BlackoutMS = r.Sent+f.Sent, r.Lost+f.Lost, max(r.BlackoutMS, f.BlackoutMS)
	}
	l.report.add(func() { l.report.Drills = append(l.report.Drills, r) })
	text := fmt.Sprintf("%d sent, lost %d → and %d ←, longest black-out %.0f ms", r.Sent, flows[0].Lost, flows[1].Lost, r.BlackoutMS)
	switch {
	case u.MaxLost != nil && r.Lost > *u.MaxLost:
		err = fmt.Errorf("lost more than %d packets: %s", *u.MaxLost, text)
	case u.MaxBlackout > 0 && r.BlackoutMS > float64(u.MaxBlackout.Milliseconds()):
		err = fmt.Errorf("black-out longer than %s: %s", u.MaxBlackout, text)
	case r.Sent == 0:
		err = errors.New("nothing was sent")
	}
	return text, err
}

// checkUnder checks the stream and the steps under it.
func (c *checker) checkUnder(at string, u *Under) {
	if u == nil {
		return
	}
	c.place(at+".stream.from", u.Stream.From)
	c.place(at+".stream.to", u.Stream.To)
	if len(u.Do) == 0 {
		c.fail(at+".do", "nothing happens under the stream")
	}
	c.checkStory(at+".do", u.Do)
}
