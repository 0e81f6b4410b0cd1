// Package store keeps resources and operations, on etcd (embedded or a cluster) and in memory.
//
// In:  control/arm orders, control writes status. Out: snapshots and watches for control's reconcilers.
//
// The store speaks resources, not keys. Reads return fresh copies that are the caller's. Writes are compare-and-swap on the revision of the
// document: Update retries its function on conflict. Secrets inside documents are Sealed before they come here; the Keyring is the only
// thing that opens them. Errors to handle: ErrNotFound, ErrExists, ErrConflict, ErrUnavailable (no quorum, disk full: the reason in words;
// the write is not known to be done, whole or not at all, so try again); everything else is a bug.
//
// Memory and etcd are twins below one interface (kv): keys, documents, operations and claims are the same code on both.
//
// Routes, counters and sessions are never stored.
package store

import (
	"context"
	"errors"
	"time"

	"onramp/resource"
)

// Errors to handle.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("exists already")
	ErrConflict    = errors.New("changed meanwhile")
	ErrUnavailable = errors.New("store unavailable")
)

// Store is the interface of the twins. All are safe for concurrent use.
type Store interface {
	// Get reads one object by the id of its top-level document (children are inside it).
	Get(ctx context.Context, id resource.ID) (resource.Object, error)
	// List reads all objects of a kind, ordered by key; scope limits to a subscription or group, the zero ID to nothing.
	List(ctx context.Context, kind resource.Kind, scope resource.ID) ([]resource.Object, error)
	// Snapshot reads every object at one revision.
	Snapshot(ctx context.Context) (*Snapshot, error)
	// Create writes a new object; ErrExists. The object's Revision and Etag are set.
	Create(ctx context.Context, o resource.Object) error
	// Update applies fn to the current version and writes it, again on conflict. fn gets a copy of its own and may be called several
	// times; its error ends the update and is returned as it is. The new version is returned, with a new Etag.
	Update(ctx context.Context, id resource.ID, fn func(resource.Object) error) (resource.Object, error)
	// UpdateMany is Update over several documents in one transaction; all or none.
	UpdateMany(ctx context.Context, ids []resource.ID, fn func([]resource.Object) error) ([]resource.Object, error)
	// Delete removes the object if it still has revision rev (0: whatever it has), and frees the numbers that its id (ID.Key) claimed.
	Delete(ctx context.Context, id resource.ID, rev int64) error
	// Change is the transaction that the writes above are made of: fn sees the documents named by ids and the operation named by op ("":
	// none) at one revision and says with the Tx what shall be written; all of it happens, or none. fn may be called several times and
	// its error ends the change and is returned as it is. A PUT writes its document and its operation in one Change, and the end of an
	// operation is one Change with the end of its document's state, so that no reader sees one without the other.
	Change(ctx context.Context, ids []resource.ID, op string, fn func(*Tx) error) error
	// Changed signals, coalesced, after anything changed; it carries nothing: readers read everything. The channel closes with ctx.
	Changed(ctx context.Context) <-chan struct{}

	// Claim takes the lowest free number of [min, max] in a space ("stag/<port pair>", "vni") for an owner and returns it; the same
	// owner gets the same number again. ErrUnavailable wraps a full space.
	Claim(ctx context.Context, space string, min, max int, owner string) (int, error)
	// Release frees all numbers of an owner in all spaces.
	Release(ctx context.Context, owner string) error

	PutOperation(ctx context.Context, op *Operation) error
	GetOperation(ctx context.Context, id string) (*Operation, error)
	// ListOperations lists those not ended (all: everything kept, at least 24 h).
	ListOperations(ctx context.Context, all bool) ([]*Operation, error)

	// Keyring seals and opens secrets.
	Keyring() *Keyring
	Close() error
}

// Snapshot is everything at one revision.
type Snapshot struct {
	Revision int64
	Objects  map[resource.Kind][]resource.Object // ordered by key
}

// Operation is a long-running operation of ARM. It survives restarts: whoever runs control finishes it.
type Operation struct {
	ID           string
	Resource     resource.ID // what the request addressed, child included
	Verb         string      // "put", "delete", "post"
	Subscription string
	Location     string
	Principal    string
	Revision     int64 // the store revision whose plans must be applied before it succeeds
	Started      time.Time
	Ended        time.Time // zero: in progress
	Failure      *resource.Failure
	Result       []byte // JSON body of a post's result
}

// Status is the ARM status word.
func (o *Operation) Status() string {
	switch {
	case o.Ended.IsZero():
		return "InProgress"
	case o.Failure != nil:
		return "Failed"
	}
	return "Succeeded"
}
