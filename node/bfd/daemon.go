package bfd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Daemon is the process that runs the sessions of one node, and outlives the agent.
type Daemon struct {
	Log *slog.Logger
	// Patience is how long it goes on without an agent; 0: 10 minutes.
	Patience time.Duration
}

const (
	defaultPatience = 10 * time.Minute
	lookEvery       = time.Second // at the socket's file, and at the clock
	lockAttempts    = 20
	lockGap         = 50 * time.Millisecond
	backlog         = 1 << 14 // news that a client may leave unread before it is cut off
)

// ErrRunning says that another daemon serves the socket.
var ErrRunning = errors.New("another bfd daemon serves the socket")

// Serve serves clients at the Unix socket, the newest one at a time, until ctx ends, a client orders the end, no client was there for
// Patience, or the socket's file is gone. Sessions are taken AdminDown then.
func (d *Daemon) Serve(ctx context.Context, socket string) error {
	lock, err := lockFile(ctx, socket+".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	l, err := listenAt(socket)
	if err != nil {
		return err
	}
	defer os.Remove(socket)
	s := &server{log: d.Log, l: l, lastSeen: time.Now(), patience: d.Patience}
	if s.patience == 0 {
		s.patience = defaultPatience
	}
	if s.p, err = newPacer(d.Log, s.publish); err != nil {
		return errors.Join(err, l.Close())
	}
	debug.SetGCPercent(400) // the heap is a few hundred kilobytes, and packets allocate nothing
	return s.run(ctx, socket)
}

// lockFile takes the lock that only one daemon of a socket can hold; it goes with the process. One that is about to end is waited for.
func lockFile(ctx context.Context, name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for range lockAttempts {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockGap):
		}
	}
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		err = ErrRunning
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
}

// maxSocketPath is what fits a struct sockaddr_un.
const maxSocketPath = 107

// withShortPath calls f with a name for the path that fits a socket address.
func withShortPath(path string, f func(string) error) error {
	if len(path) <= maxSocketPath {
		return f(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// listenAt listens at the path; nobody can connect before its mode is 0600.
func listenAt(path string) (*net.UnixListener, error) {
	aside := path + ".new"
	_ = os.Remove(aside)
	var l *net.UnixListener
	err := withShortPath(aside, func(name string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(aside, 0o600), os.Rename(aside, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen at %s: %w", path, err), l.Close())
	}
	return l, nil
}

// server is a daemon that runs.
type server struct {
	log      *slog.Logger
	l        *net.UnixListener
	p        *pacer
	patience time.Duration

	mu       sync.Mutex
	ended    bool    // no client is taken any more
	client   *client // the newest; nil: none
	lastSeen time.Time
}

// client is the connection of an agent, with the news it has not got yet.
type client struct {
	c     net.Conn
	queue []news
	wake  chan struct{}
	done  chan struct{}
}

func (s *server) run(ctx context.Context, socket string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var helpers sync.WaitGroup
	helpers.Go(func() { s.accept(cancel) })
	helpers.Go(func() {
		s.look(ctx, socket)
		s.p.end()
	})
	err := s.p.run()
	cancel()
	err = errors.Join(err, s.l.Close())
	s.mu.Lock()
	s.ended = true
	if s.client != nil {
		_ = s.client.c.Close()
	}
	s.mu.Unlock()
	helpers.Wait()
	return errors.Join(err, s.p.close())
}

// look returns when the daemon has no more reason to be there.
func (s *server) look(ctx context.Context, socket string) {
	mine, err := os.Stat(socket)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if log, err := os.Stat(socket + logSuffix); err == nil && log.Size() > maxLog {
			_ = os.Truncate(socket+logSuffix, 0)
		}
		if now, err := os.Stat(socket); err != nil || !os.SameFile(mine, now) {
			s.log.Info("bfd ends: its socket is gone", "err", err)
			return
		}
		s.mu.Lock()
		lonely := s.client == nil && time.Since(s.lastSeen) > s.patience
		s.mu.Unlock()
		if lonely {
			s.log.Info("bfd ends: no agent came", "for", s.patience)
			return
		}
	}
}

// accept serves each client until the listener is closed; a new one takes the place of the one before.
func (s *server) accept(stop func()) {
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		c := &client{c: conn, wake: make(chan struct{}, 1), done: make(chan struct{})}
		s.mu.Lock()
		if s.client != nil {
			_ = s.client.c.Close()
		}
		s.client = c
		if s.ended {
			_ = conn.Close()
		}
		s.mu.Unlock()
		clients.Go(func() { s.tell(c) })
		clients.Go(func() { s.listen(c, stop) })
	}
}

// listen takes a client's orders.
func (s *server) listen(c *client, stop func()) {
	defer func() {
		close(c.done)
		_ = c.c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.client == c {
			s.client, s.lastSeen = nil, time.Now()
		}
	}()
	in := json.NewDecoder(c.c)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return
		}
		s.mu.Lock()
		newest := s.client == c
		s.mu.Unlock()
		switch {
		case !newest: // what it wanted is not wanted any more
		case o.Stop:
			s.log.Info("bfd ends: the agent said so")
			stop() // the connection is closed when the peers have been told
		default:
			s.p.set(o.Sessions)
		}
	}
}

// tell writes the news to a client.
func (s *server) tell(c *client) {
	out := json.NewEncoder(c.c)
	for {
		select {
		case <-c.done:
			return
		case <-c.wake:
		}
		s.mu.Lock()
		queue := c.queue
		c.queue = nil
		s.mu.Unlock()
		for _, n := range queue {
			if err := out.Encode(n); err != nil {
				_ = c.c.Close()
				return
			}
		}
	}
}

// publish queues news for the client. One that does not read is cut off, and gets the whole state when it comes again.
func (s *server) publish(n news) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.client
	if c == nil {
		return
	}
	if len(c.queue) > backlog {
		_ = c.c.Close()
		return
	}
	c.queue = append(c.queue, n)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
