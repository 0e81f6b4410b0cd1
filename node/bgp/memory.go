package bgp

import (
	"context"
	"net"
	"sync"
	"time"
)

// Memory is a Runner without a peer: it notes what it is told, and a test plays the peer with Up, Learn and Drop. Its methods may be called
// from any goroutine; the Handler is called on the caller's.
type Memory struct {
	Handler Handler

	mu        sync.Mutex
	config    Config
	status    Status
	announced []Update
	accepted  []net.Conn
	calls     []string
}

var _ Runner = (*Memory)(nil)

// NewMemory makes a Memory for a Handler.
func NewMemory(c Config, h Handler) *Memory {
	return &Memory{Handler: h, config: c, status: Status{State: Active, Since: time.Now()}}
}

// Up brings the session up as the peer p would.
func (m *Memory) Up(p Peer) {
	m.move(Established, "KEEPALIVE received", p)
	m.Handler.Up(p)
}

// Learn delivers updates from the peer.
func (m *Memory) Learn(us ...Update) {
	for _, u := range us {
		m.Handler.Update(u)
	}
}

// Drop ends the session as d says.
func (m *Memory) Drop(d Down) {
	if m.Status().State == Established {
		m.move(Active, d.Cause, Peer{})
		m.Handler.Down(d)
	}
}

func (m *Memory) move(to State, cause string, p Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.status.Events = append(m.status.Events, Event{Time: now, From: m.status.State, To: to, Cause: cause})
	m.status.State, m.status.Since, m.status.Peer = to, now, p
	if to != Established {
		m.status.LastError = cause
	}
}

// Announced is everything announced so far, in order.
func (m *Memory) Announced() []Update {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Update(nil), m.announced...)
}

// Calls are the names of the Runner methods called so far, with their causes: "Reset link down".
func (m *Memory) Calls() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.calls...)
}

// Config is what the session is configured with now.
func (m *Memory) Config() Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.config
}

func (m *Memory) called(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, what)
}

// Run implements Runner: it waits for ctx and closes what was accepted.
func (m *Memory) Run(ctx context.Context) error {
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.accepted {
		_ = c.Close()
	}
	return ctx.Err()
}

// Accept implements Runner.
func (m *Memory) Accept(c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accepted = append(m.accepted, c)
}

// Announce implements Runner.
func (m *Memory) Announce(us []Update) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.status.State == Established {
		m.announced = append(m.announced, us...)
	}
}

// Reset implements Runner.
func (m *Memory) Reset(cause string) {
	m.called("Reset " + cause)
	m.Drop(Down{Cause: cause})
}

// Stop implements Runner.
func (m *Memory) Stop(code, subcode uint8, text string) {
	n := shutdownNotification(code, subcode, text)
	m.called("Stop " + n.Error())
	m.Drop(Down{Cause: n.Error(), Err: n})
	m.move(Idle, n.Error(), Peer{})
}

// Start implements Runner.
func (m *Memory) Start() {
	m.called("Start")
	if m.Status().State == Idle {
		m.move(Active, "started", Peer{})
	}
}

// Reconfigure implements Runner.
func (m *Memory) Reconfigure(c Config) {
	m.called("Reconfigure")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.config = c
}

// Status implements Runner.
func (m *Memory) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.status
	st.Events = append([]Event(nil), st.Events...)
	return st
}
