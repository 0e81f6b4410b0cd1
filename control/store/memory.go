package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// NewMemory makes the store that keeps everything in memory, for tests and simulations.
func NewMemory(ring *Keyring) Store {
	return &documents{kv: &memory{data: map[string]memoryEntry{}, rev: 1, watchers: map[chan struct{}]bool{}}, ring: ring}
}

type memory struct {
	mu       sync.Mutex
	data     map[string]memoryEntry
	rev      int64
	watchers map[chan struct{}]bool
	closed   bool
}

type memoryEntry struct {
	entry
	expires time.Time // zero: never
}

func (m *memory) enterLocked(ctx context.Context) error {
	if m.closed {
		return fmt.Errorf("%w: closed", ErrUnavailable)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	return nil
}

func (m *memory) liveLocked(e memoryEntry) bool {
	return e.rev != 0 && (e.expires.IsZero() || time.Now().Before(e.expires))
}

func (m *memory) read(ctx context.Context, keys []string) ([]entry, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enterLocked(ctx); err != nil {
		return nil, 0, err
	}
	out := make([]entry, len(keys))
	for i, k := range keys {
		out[i].key = k
		if e := m.data[k]; m.liveLocked(e) {
			out[i] = e.entry
		}
	}
	return out, m.rev, nil
}

func (m *memory) list(ctx context.Context, prefix string) ([]entry, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enterLocked(ctx); err != nil {
		return nil, 0, err
	}
	var out []entry
	for _, k := range slices.Sorted(maps.Keys(m.data)) {
		if e := m.data[k]; strings.HasPrefix(k, prefix) && m.liveLocked(e) {
			out = append(out, e.entry)
		}
	}
	return out, m.rev, nil
}

func (m *memory) commit(ctx context.Context, conds []cond, writes []write) (int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enterLocked(ctx); err != nil {
		return 0, false, err
	}
	for _, c := range conds {
		e := m.data[c.key]
		if !m.liveLocked(e) {
			e.rev = 0
		}
		if e.rev != c.rev {
			return m.rev, false, nil
		}
	}
	if len(writes) == 0 {
		return m.rev, true, nil
	}
	m.rev++
	for _, w := range writes {
		if w.value == nil {
			delete(m.data, w.key)
			continue
		}
		e := memoryEntry{entry: entry{key: w.key, value: slices.Clone(w.value), rev: m.rev}}
		if w.ttl > 0 {
			e.expires = time.Now().Add(w.ttl)
		}
		m.data[w.key] = e
	}
	for c := range m.watchers {
		signal(c)
	}
	return m.rev, true, nil
}

func (m *memory) changed(ctx context.Context) <-chan struct{} {
	in, out := make(chan struct{}, 1), make(chan struct{}, 1)
	m.mu.Lock()
	m.watchers[in] = true
	m.mu.Unlock()
	go func() {
		defer close(out)
		for {
			select {
			case <-in:
				signal(out)
			case <-ctx.Done():
				m.mu.Lock()
				delete(m.watchers, in)
				m.mu.Unlock()
				return
			}
		}
	}()
	return out
}

func (m *memory) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
