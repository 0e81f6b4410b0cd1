package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// screen shows progress: on a terminal a live line with a spinner and the time that has passed, elsewhere one plain line per step.
type screen struct {
	out   io.Writer
	tty   bool
	start time.Time

	mu     sync.Mutex
	active []*running
	frame  int
}

type running struct {
	name  string
	began time.Time
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, start: time.Now()}
	if f, ok := out.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		s.tty = err == nil
	}
	return s
}

// title prints the heading.
func (s *screen) title(format string, args ...any) {
	fmt.Fprintf(s.out, "\n  %s\n\n", fmt.Sprintf(format, args...))
}

// note prints a line that is no step.
func (s *screen) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
	fmt.Fprintf(s.out, "           %s\n", fmt.Sprintf(format, args...))
}

func (s *screen) clearLocked() {
	if s.tty {
		fmt.Fprint(s.out, "\r\033[K")
	}
}

// step shows fn while it runs and its line when it ended; fn's string is what there is to tell.
func (s *screen) step(name string, fn func() (string, error)) (time.Duration, error) {
	r := &running{name: name, began: time.Now()}
	s.mu.Lock()
	s.active = append(s.active, r)
	s.mu.Unlock()
	stop := s.spin()
	detail, err := fn()
	took := time.Since(r.began)
	stop()

	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.active {
		if a == r {
			s.active = append(s.active[:i], s.active[i+1:]...)
			break
		}
	}
	s.clearLocked()
	sign := "ok  "
	if err != nil {
		sign, detail = "FAIL", err.Error()
	}
	if s.tty {
		sign = map[string]string{"ok  ": "\033[32m✓\033[0m", "FAIL": "\033[31m✗\033[0m"}[sign]
	}
	fmt.Fprintf(s.out, "  %6.2f s  %s  %-46s %6.2f s  %s\n", time.Since(s.start).Seconds(), sign, name, took.Seconds(), detail)
	return took, err
}

// spin keeps the live line moving until the returned function is called.
func (s *screen) spin() func() {
	if !s.tty {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				s.draw()
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (s *screen) draw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.active) == 0 {
		return
	}
	s.frame++
	r := s.active[len(s.active)-1]
	more := ""
	if n := len(s.active) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	spin := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	fmt.Fprintf(s.out, "\r\033[K  %6.2f s  %c   %s%s … %.1f s", time.Since(s.start).Seconds(), spin[s.frame%len(spin)], r.name, more, time.Since(r.began).Seconds())
}

// step runs one named step of bringing up or of the story, shows it and keeps its time.
func (l *Lab) step(ctx context.Context, name string, fn func(context.Context) (string, error)) error {
	took, err := l.screen.step(name, func() (string, error) { return fn(ctx) })
	l.report.addStep(name, took)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
