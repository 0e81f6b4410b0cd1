package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"onramp/control/store"
	"onramp/resource"
)

const (
	codeGroupBlocked = "ResourceGroupDeletionBlocked"
	codeGroupBusy    = "AnotherOperationInProgress"
	// maxDocs keeps a transaction below etcd's limit of 128 operations, with the numbers that a deletion frees.
	maxDocs = 20
)

func (j *job) emptiesGroup() bool {
	return j.op.Verb == "delete" && j.op.Resource.Kind() == resource.KindGroup
}

// markGroup takes everything in a group that is being deleted under the group's operation, as Deleting, and so out of the plans. It is all
// or nothing: what may not be deleted ends the operation before anything is marked. marked is true when everything is.
//
//	DELETE group ─► refusals? ─► mark members, in steps ─► plans without them are live ─► documents go, by DeletionRank ─► the group goes
func (r *reconciler) markGroup(ctx context.Context, v *view, j *job) (marked bool, err error) {
	members := v.members(j.op.Resource)
	var open []resource.ID
	var busy []string
	for _, o := range members {
		switch h := o.Head(); h.Operation {
		case j.op.ID:
		case "":
			open = append(open, h.ID)
		default:
			busy = append(busy, h.ID.String())
		}
	}
	if len(open)+len(busy) == 0 {
		return true, nil
	}
	if refusals := v.refusals(members); len(refusals) > 0 {
		return false, r.end(ctx, j, &resource.Failure{Code: codeGroupBlocked, Message: fmt.Sprintf(
			"Deletion of resource group '%s' failed, and nothing in it was deleted. %s", j.op.Resource.Name(), strings.Join(refusals, " "))})
	}
	if len(busy) > 0 && r.overdue(j) {
		return false, r.end(ctx, j, &resource.Failure{Code: codeGroupBusy,
			Message: fmt.Sprintf("Other operations did not end in %s on: %s.", r.timeout, strings.Join(busy, ", "))})
	}
	if len(busy) > 0 {
		return false, nil // mark nothing before everything can be
	}
	return false, r.mark(ctx, v, j.op, open[:min(len(open), maxDocs)])
}

// mark puts documents under an operation; those that another operation took meanwhile are left for the next pass. Connections give back
// the authorizations that they redeemed.
func (r *reconciler) mark(ctx context.Context, v *view, op *store.Operation, ids []resource.ID) error {
	all := slices.Clone(ids)
	for _, id := range ids {
		if c := v.world.Connection(id); c != nil {
			all = append(all, c.Circuit)
		}
	}
	return r.store.Change(ctx, all, op.ID, func(tx *store.Tx) error {
		if tx.Operation == nil || !tx.Operation.Ended.IsZero() {
			return nil
		}
		for _, id := range ids {
			o, err := tx.Get(id)
			if errors.Is(err, store.ErrNotFound) || err == nil && o.Head().Operation != "" {
				continue
			}
			if err != nil {
				return err
			}
			o.Head().State, o.Head().Operation, o.Head().Failure = resource.Deleting, op.ID, nil
			tx.Put(o)
			if c, ok := o.(*resource.Connection); ok {
				giveBack(tx, c)
			}
		}
		return nil
	})
}

// giveBack makes the authorization of a connection that goes available again.
func giveBack(tx *store.Tx, c *resource.Connection) {
	o, err := tx.Get(c.Circuit)
	if err != nil {
		return // the circuit is gone, and its authorizations with it
	}
	k := o.(*resource.Circuit)
	for i := range k.Authorizations {
		if k.Authorizations[i].Usedby.Equal(c.Meta.ID) {
			k.Authorizations[i].Usedby = resource.ID{}
			tx.Put(k)
		}
	}
}

// members are the objects in a group, with the cross connections of its circuits, wherever those are, in the order they may be deleted.
func (v *view) members(group resource.ID) []resource.Object {
	var all []resource.Object
	in := map[string]bool{}
	for _, kind := range resource.Kinds() {
		if kind == resource.KindGroup || kind == resource.KindSubscription {
			continue
		}
		for _, o := range v.snapshot.Objects[kind] {
			x, shadow := o.(*resource.CrossConnection)
			if o.Head().ID.GroupID().Equal(group) || shadow && in[x.Circuit.Key()] { // circuits come before cross connections
				all = append(all, o)
				in[o.Head().ID.Key()] = true
			}
		}
	}
	sortForDeletion(all)
	return all
}

// sortForDeletion puts first what must go first, and the group itself last.
func sortForDeletion(all []resource.Object) {
	rank := func(o resource.Object) int {
		if o.Kind() == resource.KindGroup {
			return 100
		}
		return resource.DeletionRank(o.Kind())
	}
	slices.SortStableFunc(all, func(a, b resource.Object) int { return rank(a) - rank(b) })
}

// refusals are sentences about the members that cannot be deleted even together.
func (v *view) refusals(members []resource.Object) []string {
	in := map[string]bool{}
	for _, o := range members {
		in[o.Head().ID.Key()] = true
	}
	var all []string
	for _, o := range members {
		id := o.Head().ID
		for _, user := range v.world.References(id) {
			if !in[user.Key()] {
				all = append(all, fmt.Sprintf("'%s' is in use by '%s'.", id, user))
			}
		}
		switch o := o.(type) {
		case *resource.Circuit:
			if s := o.Status.ProviderState; !o.Direct() && s != "" && s != resource.NotProvisioned {
				all = append(all, fmt.Sprintf("The provider has circuit '%s' %s, want %s.", id, s, resource.NotProvisioned))
			}
		case *resource.CrossConnection:
			if !in[o.Circuit.Key()] && v.world.Circuit(o.Circuit) != nil {
				all = append(all, fmt.Sprintf("Cross connection '%s' goes with its circuit only.", id))
			}
		case *resource.Fabric:
			all = append(all, fmt.Sprintf("'%s' is the operator's inventory.", id))
		}
	}
	return all
}

// endSome settles the next of the documents of a large operation, in the order they may be deleted; the last of them end with the
// operation. A failure is noted in the operation first, so that it stays one, whatever the nodes do until the last document is settled.
func (r *reconciler) endSome(ctx context.Context, j *job, failure *resource.Failure) error {
	docs := slices.Clone(j.docs)
	sortForDeletion(docs)
	var ids []resource.ID
	for _, o := range docs[:maxDocs] {
		ids = append(ids, o.Head().ID)
	}
	return r.store.Change(ctx, ids, j.op.ID, func(tx *store.Tx) error {
		if tx.Operation == nil || !tx.Operation.Ended.IsZero() {
			return nil
		}
		for _, id := range ids {
			o, err := tx.Get(id)
			if err != nil || o.Head().Operation != j.op.ID || o.Head().State != resource.Deleting {
				continue
			}
			if failure == nil {
				tx.Delete(id)
				continue
			}
			o.Head().State, o.Head().Operation, o.Head().Failure = resource.Failed, "", failure
			tx.Put(o)
		}
		tx.Operation.Failure = failure
		tx.PutOperation(tx.Operation)
		return nil
	})
}
