package store

import (
	"context"
	"fmt"
	"strings"

	"onramp/resource"
)

// documents is the Store on a kv.
type documents struct {
	kv   kv
	ring *Keyring
}

var _ Store = (*documents)(nil)

func (d *documents) Get(ctx context.Context, id resource.ID) (resource.Object, error) {
	es, _, err := d.kv.read(ctx, []string{objectKey(id)})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", id.Root(), err)
	}
	if es[0].rev == 0 {
		return nil, fmt.Errorf("get %s: %w", id.Root(), ErrNotFound)
	}
	return decodeObject(es[0])
}

func (d *documents) List(ctx context.Context, kind resource.Kind, scope resource.ID) ([]resource.Object, error) {
	es, _, err := d.kv.list(ctx, kindKey(kind)+scope.Key())
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	var out []resource.Object
	for _, e := range es {
		// The prefix …/rg1 finds …/rg10 as well.
		if rest := strings.TrimPrefix(e.key, kindKey(kind)+scope.Key()); rest != "" && rest[0] != '/' {
			continue
		}
		o, err := decodeObject(e)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

func (d *documents) Snapshot(ctx context.Context) (*Snapshot, error) {
	es, rev, err := d.kv.list(ctx, objectsKey)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	s := &Snapshot{Revision: rev, Objects: map[resource.Kind][]resource.Object{}}
	for _, e := range es {
		o, err := decodeObject(e)
		if err != nil {
			return nil, err
		}
		s.Objects[o.Kind()] = append(s.Objects[o.Kind()], o)
	}
	return s, nil
}

func (d *documents) Create(ctx context.Context, o resource.Object) error {
	id := o.Head().ID
	if id.Kind() != o.Kind() || len(id.Names) > 1 {
		return fmt.Errorf("create %s: not the id of a document of kind %s", id, o.Kind())
	}
	err := d.Change(ctx, []resource.ID{id}, "", func(tx *Tx) error {
		if _, err := tx.Get(id); err == nil {
			return ErrExists
		}
		tx.Put(o)
		return nil
	})
	if err != nil {
		return fmt.Errorf("create %s: %w", id, err)
	}
	return nil
}

func (d *documents) Update(ctx context.Context, id resource.ID, fn func(resource.Object) error) (resource.Object, error) {
	os, err := d.UpdateMany(ctx, []resource.ID{id}, func(os []resource.Object) error { return fn(os[0]) })
	if err != nil {
		return nil, err
	}
	return os[0], nil
}

func (d *documents) UpdateMany(ctx context.Context, ids []resource.ID, fn func([]resource.Object) error) ([]resource.Object, error) {
	var os []resource.Object
	err := d.Change(ctx, ids, "", func(tx *Tx) error {
		os = nil
		for _, id := range ids {
			o, err := tx.Get(id)
			if err != nil {
				return fmt.Errorf("update: %w", err)
			}
			os = append(os, o)
		}
		if err := fn(os); err != nil {
			return err
		}
		for _, o := range os {
			tx.Put(o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return os, nil
}

func (d *documents) Delete(ctx context.Context, id resource.ID, rev int64) error {
	err := d.Change(ctx, []resource.ID{id}, "", func(tx *Tx) error {
		o, err := tx.Get(id)
		if err != nil {
			return err
		}
		if rev != 0 && o.Head().Revision != rev {
			return ErrConflict
		}
		tx.Delete(id)
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete %s: %w", id.Root(), err)
	}
	return nil
}

func (d *documents) Changed(ctx context.Context) <-chan struct{} { return d.kv.changed(ctx) }

func (d *documents) PutOperation(ctx context.Context, op *Operation) error {
	err := d.Change(ctx, nil, op.ID, func(tx *Tx) error {
		tx.PutOperation(op)
		return nil
	})
	if err != nil {
		return fmt.Errorf("put operation %s: %w", op.ID, err)
	}
	return nil
}

func (d *documents) GetOperation(ctx context.Context, id string) (*Operation, error) {
	es, _, err := d.kv.read(ctx, []string{operationKey(id)})
	if err != nil {
		return nil, fmt.Errorf("get operation %s: %w", id, err)
	}
	if es[0].rev == 0 {
		return nil, fmt.Errorf("get operation %s: %w", id, ErrNotFound)
	}
	return decodeOperation(es[0])
}

func (d *documents) ListOperations(ctx context.Context, all bool) ([]*Operation, error) {
	prefix := openKey
	if all {
		prefix = operationsKey
	}
	es, _, err := d.kv.list(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	var out []*Operation
	for _, e := range es {
		op, err := decodeOperation(e)
		if err != nil {
			return nil, err
		}
		out = append(out, op)
	}
	return out, nil
}

func (d *documents) Keyring() *Keyring { return d.ring }

func (d *documents) Close() error { return d.kv.close() }
