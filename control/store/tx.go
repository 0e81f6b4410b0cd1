package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"onramp/resource"
)

// keepEnded is how long an ended operation stays readable: clients read it after the end, for at least 24 h.
const keepEnded = 25 * time.Hour

// Tx is one transaction of Store.Change.
type Tx struct {
	// Operation is a copy of the operation named by the Change; nil when it does not exist.
	Operation *Operation

	read   map[string]resource.Object // by object key; nil: does not exist
	put    map[string]resource.Object
	delete map[string]bool
	putOp  *Operation
}

// Get returns the caller's own copy of a document named by the Change; ErrNotFound.
func (t *Tx) Get(id resource.ID) (resource.Object, error) {
	o, named := t.read[objectKey(id)]
	if !named {
		return nil, fmt.Errorf("read %s: not named by this change", id.Root())
	}
	if o == nil {
		return nil, fmt.Errorf("%s: %w", id.Root(), ErrNotFound)
	}
	return o, nil
}

// Put creates or replaces a document named by the Change. Its etag is set here, its revision when the Change is done.
func (t *Tx) Put(o resource.Object) {
	o.Head().Etag = newEtag()
	k := objectKey(o.Head().ID)
	t.put[k] = o
	delete(t.delete, k)
}

// Delete removes a document named by the Change, and frees the numbers that its id has claimed.
func (t *Tx) Delete(id resource.ID) {
	k := objectKey(id)
	t.delete[k] = true
	delete(t.put, k)
}

// PutOperation creates or replaces the operation named by the Change. A Revision of 0 becomes the revision of the Change.
func (t *Tx) PutOperation(op *Operation) { t.putOp = op }

// Change implements Store.
func (d *documents) Change(ctx context.Context, ids []resource.ID, op string, fn func(*Tx) error) error {
	for try := 0; ; try++ {
		err := d.tryChange(ctx, ids, op, fn)
		if !errors.Is(err, errRetry) {
			return err
		}
		// Every lost race is somebody's success; spread the losers out.
		wait := time.Duration(rand.Int64N(int64(time.Millisecond) << min(try, 6)))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
}

// errRetry says that a transaction lost a race.
var errRetry = errors.New("lost a race")

func (d *documents) tryChange(ctx context.Context, ids []resource.ID, op string, fn func(*Tx) error) error {
	var keys []string
	for _, id := range ids {
		if k := objectKey(id); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	if op != "" {
		keys = append(keys, operationKey(op))
	}
	entries, _, err := d.kv.read(ctx, keys)
	if err != nil {
		return err
	}
	tx, conds, err := newTx(entries, op)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	return d.commit(ctx, tx, conds)
}

func newTx(entries []entry, op string) (*Tx, []cond, error) {
	tx := &Tx{read: map[string]resource.Object{}, put: map[string]resource.Object{}, delete: map[string]bool{}}
	var conds []cond
	for _, e := range entries {
		conds = append(conds, cond{e.key, e.rev})
		if op != "" && e.key == operationKey(op) {
			if e.rev != 0 {
				var err error
				if tx.Operation, err = decodeOperation(e); err != nil {
					return nil, nil, err
				}
			}
			continue
		}
		tx.read[e.key] = nil
		if e.rev == 0 {
			continue
		}
		o, err := decodeObject(e)
		if err != nil {
			return nil, nil, err
		}
		tx.read[e.key] = o
	}
	return tx, conds, nil
}

func (d *documents) commit(ctx context.Context, tx *Tx, conds []cond) error {
	writes, err := tx.writes(conds)
	if err != nil {
		return err
	}
	if len(writes) == 0 {
		return nil
	}
	// In the same transaction: freed before, the numbers could be somebody else's while the document still has them; freed after, they
	// could be those of a new document of the same id.
	for k := range tx.delete {
		owner := k[strings.Index(k[len(objectsKey):], "/")+len(objectsKey):]
		cs, ws, err := d.freeing(ctx, owner)
		if err != nil {
			return err
		}
		conds, writes = append(conds, cs...), append(writes, ws...)
	}
	rev, ok, err := d.kv.commit(ctx, conds, writes)
	if err != nil {
		if rev = d.landed(ctx, writes); rev == 0 {
			return err
		}
	} else if !ok {
		return errRetry
	}
	for _, o := range tx.put {
		o.Head().Revision = rev
	}
	if tx.putOp != nil && tx.putOp.Revision == 0 {
		tx.putOp.Revision = rev
	}
	return nil
}

// writes is what the transaction does, in the order of its conditions' keys; a key without a condition is a mistake of the caller.
func (t *Tx) writes(conds []cond) ([]write, error) {
	var ws []write
	for _, c := range conds {
		if o := t.put[c.key]; o != nil {
			b, err := encodeObject(o)
			if err != nil {
				return nil, err
			}
			ws = append(ws, write{key: c.key, value: b})
		} else if t.delete[c.key] && c.rev != 0 {
			ws = append(ws, write{key: c.key})
		} else if t.putOp != nil && c.key == operationKey(t.putOp.ID) {
			w, err := operationWrites(t.putOp)
			if err != nil {
				return nil, err
			}
			ws = append(ws, w...)
		}
	}
	for k := range t.put {
		if _, named := t.read[k]; !named {
			return nil, fmt.Errorf("write %s: not named by this change", k)
		}
	}
	if t.putOp != nil && !slices.ContainsFunc(ws, func(w write) bool { return w.key == operationKey(t.putOp.ID) }) {
		return nil, fmt.Errorf("write operation %s: not named by this change", t.putOp.ID)
	}
	return ws, nil
}

// operationWrites writes an operation, and its copy among the open ones: there are few of those, but a day's worth of ended ones.
func operationWrites(op *Operation) ([]write, error) {
	b, err := encodeOperation(op)
	if err != nil {
		return nil, err
	}
	doc, open := write{key: operationKey(op.ID), value: b}, write{key: openOperationKey(op.ID), value: b}
	if !op.Ended.IsZero() {
		doc.ttl, open.value = keepEnded, nil
	}
	return []write{doc, open}, nil
}

// landed finds out whether a commit whose answer got lost happened: every written document has an etag that only this commit could have
// written. It returns the revision, or 0 when the commit did not happen or nobody can say.
func (d *documents) landed(ctx context.Context, ws []write) int64 {
	for _, w := range ws {
		if w.value == nil {
			continue
		}
		es, _, err := d.kv.read(context.WithoutCancel(ctx), []string{w.key})
		if err == nil && string(es[0].value) == string(w.value) {
			return es[0].rev
		}
		return 0
	}
	return 0
}
