package arm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onramp/control/store"
	"onramp/resource"
)

// Complete ends an operation of a write in one transaction: every document that carries its id gets its final state (or goes, when it was
// Deleting), and the operation ends with failure, nil for success. It is idempotent. The caller decides when: as soon as the nodes that
// the documents concern report the plans of op.Revision applied, or cannot apply them.
func Complete(ctx context.Context, st store.Store, op *store.Operation, failure *resource.Failure) error {
	snap, err := st.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("complete operation %s: %w", op.ID, err)
	}
	var ids []resource.ID
	for _, os := range snap.Objects {
		for _, o := range os {
			if o.Head().Operation == op.ID {
				ids = append(ids, o.Head().ID)
			}
		}
	}
	err = st.Change(ctx, ids, op.ID, func(tx *store.Tx) error {
		for _, id := range ids {
			o, err := tx.Get(id)
			if errors.Is(err, store.ErrNotFound) || err == nil && o.Head().Operation != op.ID {
				continue
			}
			if err != nil {
				return err
			}
			if o.Head().State == resource.Deleting && failure == nil {
				tx.Delete(id)
				continue
			}
			settle(o, failure)
			tx.Put(o)
		}
		end(tx, op, failure)
		return nil
	})
	if err != nil {
		return fmt.Errorf("complete operation %s: %w", op.ID, err)
	}
	return nil
}

func end(tx *store.Tx, op *store.Operation, failure *resource.Failure) {
	now := tx.Operation
	if now == nil {
		now = op
	}
	if !now.Ended.IsZero() {
		return
	}
	ended := *now
	ended.Ended, ended.Failure = time.Now().UTC(), failure
	tx.PutOperation(&ended)
}

// settle gives a document that stays its final state.
func settle(o resource.Object, failure *resource.Failure) {
	h := o.Head()
	h.Operation, h.Failure, h.State = "", failure, resource.Succeeded
	if failure != nil {
		h.State = resource.Failed
	}
	switch v := o.(type) {
	case *resource.Circuit:
		settleCircuit(v, failure)
	case *resource.Network:
		var stay []resource.Subnet
		for _, s := range v.Subnets {
			if s.State == resource.Deleting && failure == nil {
				continue
			}
			if s.State != resource.Succeeded {
				s.State = h.State
			}
			stay = append(stay, s)
		}
		v.Subnets = stay
	case *resource.RouteFilter:
		var stay []resource.RouteFilterRule
		for _, r := range v.Rules {
			if r.State == resource.Deleting && failure == nil {
				continue
			}
			r.State = h.State
			stay = append(stay, r)
		}
		v.Rules = stay
	}
}

func settleCircuit(c *resource.Circuit, failure *resource.Failure) {
	if failure == nil {
		c.Status.Enabled = true
		if c.Status.ProviderState == resource.Provisioned {
			c.Status.ManagerEtag++
		}
	}
	var stay []resource.Peering
	for _, p := range c.Peerings {
		if p.State == resource.Deleting && failure == nil {
			continue
		}
		if p.State != resource.Succeeded {
			p.State = c.Meta.State
			p.ManagerEtag++
		}
		stay = append(stay, p)
	}
	c.Peerings = stay
}

// Recover fails table queries whose front died while they ran: those older than age, which must be more than any front's OperationTimeout.
// Call it at the start and now and then. Operations of writes need no recovery: they are written with their documents, and Complete ends
// them.
func Recover(ctx context.Context, st store.Store, age time.Duration) error {
	ops, err := st.ListOperations(ctx, false)
	if err != nil {
		return fmt.Errorf("recover operations: %w", err)
	}
	for _, op := range ops {
		if op.Verb != "post" || time.Since(op.Started) < age {
			continue
		}
		op.Ended = time.Now().UTC()
		op.Failure = &resource.Failure{Code: "OperationInterrupted", Message: "The service was restarted while the query ran; ask again."}
		if err := st.PutOperation(ctx, op); err != nil {
			return fmt.Errorf("recover operation %s: %w", op.ID, err)
		}
	}
	return nil
}
