package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onramp/resource"
)

func testOperations(t *testing.T, s Store) {
	ctx := t.Context()
	for _, id := range []string{"one", "two"} {
		check(t, s.PutOperation(ctx, &Operation{ID: id, Resource: circuitID("rg1", "c"), Verb: "delete", Result: []byte("null")}))
	}
	op := must[*Operation](t)(s.GetOperation(ctx, "one"))
	if op.Status() != "InProgress" || string(op.Result) != "null" {
		t.Errorf("operation is %+v", op)
	}
	op.Ended, op.Failure = time.Now(), &resource.Failure{Code: "X"}
	check(t, s.PutOperation(ctx, op))
	if got := must[*Operation](t)(s.GetOperation(ctx, "one")); got.Status() != "Failed" {
		t.Errorf("operation is %+v", got)
	}
	if open, all := must[[]*Operation](t)(s.ListOperations(ctx, false)), must[[]*Operation](t)(s.ListOperations(ctx, true)); len(open) != 1 || len(all) != 2 {
		t.Errorf("%d open and %d in all, want 1 and 2", len(open), len(all))
	}
	_, err := s.GetOperation(ctx, "three")
	wantErr(t, err, ErrNotFound)
}

// What is listed as open is what GetOperation says of it, whatever happened: an end, a change of an open one, a transaction that came to
// nothing, an ended one that is opened again.
func testOpenOperations(t *testing.T, s Store) {
	ctx := t.Context()
	open := func(want ...string) {
		t.Helper()
		var got []string
		for _, op := range must[[]*Operation](t)(s.ListOperations(ctx, false)) {
			got = append(got, op.ID)
			if d := cmp.Diff(must[*Operation](t)(s.GetOperation(ctx, op.ID)), op); d != "" {
				t.Errorf("operation %s and its place in the list differ:\n%s", op.ID, d)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("open: %q, want %q", got, want)
		}
	}
	for _, id := range []string{"a/b", "c", "d"} {
		check(t, s.PutOperation(ctx, &Operation{ID: id, Verb: "put"}))
	}
	open("a/b", "c", "d")
	check(t, s.PutOperation(ctx, &Operation{ID: "c", Ended: time.Now()}))
	check(t, s.Change(ctx, nil, "d", func(tx *Tx) error {
		op := *tx.Operation
		op.Location = "changed"
		tx.PutOperation(&op)
		return nil
	}))
	open("a/b", "d")
	nothing := errors.New("came to nothing")
	wantErr(t, s.Change(ctx, nil, "d", func(tx *Tx) error {
		op := *tx.Operation
		op.Ended = time.Now()
		tx.PutOperation(&op)
		return nothing
	}), nothing)
	open("a/b", "d")
	check(t, s.PutOperation(ctx, &Operation{ID: "c"}))
	check(t, s.PutOperation(ctx, &Operation{ID: "d", Ended: time.Now()}))
	open("a/b", "c")
}

// What a reconcile pays for the operations of a busy day, of which ten are open.
func BenchmarkOpenOperations(b *testing.B) {
	s := openEmbedded(b, b.TempDir(), NewKeyring())
	defer s.Close()
	for i := range 2000 {
		op := &Operation{ID: fmt.Sprint("op", i), Resource: circuitID("rg1", "c"), Verb: "put", Started: time.Now()}
		if i >= 10 {
			op.Ended = time.Now()
		}
		if err := s.PutOperation(b.Context(), op); err != nil {
			b.Fatal(err)
		}
	}
	for _, all := range []bool{false, true} {
		b.Run(map[bool]string{false: "open", true: "all"}[all], func(b *testing.B) {
			for b.Loop() {
				if _, err := s.ListOperations(b.Context(), all); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
