package store

import (
	"context"
	"time"
)

// kv is what the twins implement: a map from keys to values with one revision for the whole, as etcd has it. Errors are wrapped
// ErrUnavailable or bugs. Values are never changed after they were handed over.
type kv interface {
	// read gets keys at one revision; missing ones are entries with rev 0.
	read(ctx context.Context, keys []string) (entries []entry, rev int64, err error)
	// list gets all keys with a prefix at one revision, ordered by key.
	list(ctx context.Context, prefix string) (entries []entry, rev int64, err error)
	// commit writes everything if every key of conds still has its revision (0: does not exist); ok is false when not.
	commit(ctx context.Context, conds []cond, writes []write) (rev int64, ok bool, err error)
	// changed signals, coalesced, after any write.
	changed(ctx context.Context) <-chan struct{}
	close() error
}

type entry struct {
	key   string
	value []byte
	rev   int64 // of the last write to the key
}

type cond struct {
	key string
	rev int64
}

type write struct {
	key   string
	value []byte        // nil: delete
	ttl   time.Duration // 0: forever
}

// signal is a coalesced wake-up.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
