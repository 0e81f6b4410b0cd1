package bfd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// ClientConfig is what a client needs.
type ClientConfig struct {
	Socket string
	// Command starts a daemon that serves Socket, in a session of its own, so that it outlives this process.
	Command []string
	// Handle gets the state of each session when it is first known and whenever it changes, on the goroutine of Run.
	Handle func(Event)
	Log    *slog.Logger

	// Dial and Start replace connecting to Socket and running Command; nil: those.
	Dial  func(context.Context) (net.Conn, error)
	Start func() error
}

// Client is the agent's end: it hands the wanted sessions to the daemon, starts it where there is none, and tells what happens.
type Client struct {
	cfg  ClientConfig
	wake chan struct{} // the wanted sessions changed; capacity 1

	mu   sync.Mutex
	want []Session
	set  bool

	last map[string]Event // owned by Run
}

// Times of the client.
const (
	dialEvery  = 20 * time.Millisecond
	dialFor    = 5 * time.Second // after a start
	restartMin = 100 * time.Millisecond
	restartMax = 10 * time.Second
)

// NewClient makes a client that does nothing before Run.
func NewClient(c ClientConfig) *Client {
	k := &Client{cfg: c, wake: make(chan struct{}, 1), last: map[string]Event{}}
	if k.cfg.Dial == nil {
		k.cfg.Dial = k.dialSocket
	}
	if k.cfg.Start == nil {
		k.cfg.Start = k.startCommand
	}
	if k.cfg.Log == nil {
		k.cfg.Log = slog.Default()
	}
	return k
}

// Set makes ss the wanted sessions. It does not wait.
func (k *Client) Set(ss []Session) {
	k.mu.Lock()
	k.want, k.set = slices.Clone(ss), true
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *Client) wanted() (ss []Session, set bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.want, k.set
}

// Run keeps the daemon told until ctx ends. The daemon goes on after that: the next client of the socket finds the sessions as they are.
func (k *Client) Run(ctx context.Context) {
	pause := restartMin
	for ctx.Err() == nil {
		ss, set := k.wanted()
		if !set { // not known yet: the sessions of the client before go on
			select {
			case <-ctx.Done():
			case <-k.wake:
			}
			continue
		}
		c, err := k.connect(ctx, len(ss) > 0)
		if err == nil && c != nil {
			began := time.Now()
			err = k.converse(ctx, c)
			k.lost()
			if time.Since(began) > restartMax {
				pause = restartMin
			}
		}
		if ctx.Err() == nil && err != nil {
			k.cfg.Log.Warn("bfd daemon lost; sessions are unknown until it is back", "err", err)
		}
		var retry <-chan time.Time
		if err != nil {
			retry = time.After(pause)
			pause = min(2*pause, restartMax)
		}
		select {
		case <-ctx.Done():
		case <-retry:
		case <-k.wake:
		}
	}
}

// connect connects to the daemon, and starts it first where it is needed and does not run; nil: it is not needed.
func (k *Client) connect(ctx context.Context, needed bool) (net.Conn, error) {
	c, err := k.cfg.Dial(ctx)
	if err == nil || !needed {
		return c, nil
	}
	if err := k.cfg.Start(); err != nil {
		return nil, fmt.Errorf("start bfd daemon: %w", err)
	}
	for end := time.Now().Add(dialFor); ; {
		if c, err = k.cfg.Dial(ctx); err == nil || time.Now().After(end) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(dialEvery):
		}
	}
}

// converse orders what is wanted and takes the news, until the connection or ctx ends.
func (k *Client) converse(ctx context.Context, c net.Conn) error {
	lines, failed := make(chan news), make(chan error, 1)
	ended := make(chan struct{})
	var reader sync.WaitGroup
	defer reader.Wait()
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })() // a daemon that does not read must not hold the end up
	defer close(ended)
	reader.Go(func() {
		in := json.NewDecoder(c)
		for {
			var n news
			if err := in.Decode(&n); err != nil {
				failed <- err
				return
			}
			select {
			case lines <- n:
			case <-ended:
				return
			}
		}
	})
	out := json.NewEncoder(c)
	for {
		ss, _ := k.wanted()
		if err := out.Encode(order{Sessions: ss}); err != nil {
			return fmt.Errorf("order bfd sessions: %w", err)
		}
		if err := k.hear(ctx, lines, failed); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// hear takes news until something else is wanted.
func (k *Client) hear(ctx context.Context, lines <-chan news, failed <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
			return nil
		case err := <-failed:
			return fmt.Errorf("listen to bfd daemon: %w", err)
		case n := <-lines:
			k.take(n)
		}
	}
}

// take hands on what is new.
func (k *Client) take(n news) {
	if n.Whole {
		there := map[string]bool{}
		for _, e := range n.Events {
			there[e.Name] = true
		}
		for name := range k.last {
			if !there[name] {
				delete(k.last, name)
			}
		}
	}
	for _, e := range n.Events {
		if old, ok := k.last[e.Name]; !ok || old != e {
			k.last[e.Name] = e
			k.cfg.Handle(e)
		}
	}
}

// lost tells that nothing is known any more.
func (k *Client) lost() {
	for name, e := range k.last {
		if !e.Unknown {
			u := Event{Name: name, Unknown: true, Status: Status{Since: time.Now()}}
			k.last[name] = u
			k.cfg.Handle(u)
		}
	}
}

// Shutdown ends the daemon, where there is one, and waits until it has said so to the peers. Run must not run.
func (k *Client) Shutdown(ctx context.Context) error {
	c, err := k.cfg.Dial(ctx)
	if err != nil {
		return nil // there is none
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if err := json.NewEncoder(c).Encode(order{Stop: true}); err != nil {
		return fmt.Errorf("end bfd daemon: %w", err)
	}
	for in := json.NewDecoder(c); ; {
		var n news
		if in.Decode(&n) != nil { // it closed the connection
			return ctx.Err()
		}
	}
}

func (k *Client) dialSocket(ctx context.Context) (c net.Conn, err error) {
	err = withShortPath(k.cfg.Socket, func(name string) (err error) {
		var d net.Dialer
		c, err = d.DialContext(ctx, "unix", name)
		return err
	})
	return c, err
}

// The daemon's log stands beside its socket, and begins anew when it is larger than maxLog.
const (
	logSuffix = ".log"
	maxLog    = 1 << 20
)

// startCommand starts the daemon in a session of its own. It writes to a file, because what this process writes to may end with it.
func (k *Client) startCommand() error {
	if len(k.cfg.Command) == 0 {
		return errors.New("there is no command for it")
	}
	log, err := os.OpenFile(k.cfg.Socket+logSuffix, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open its log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(k.cfg.Command[0], k.cfg.Command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	k.cfg.Log.Info("bfd daemon started", "pid", cmd.Process.Pid)
	go func() { _ = cmd.Wait() }() // it is no zombie when it ends before this process
	return nil
}
