package store

import (
	"testing"
	"testing/synctest"
	"time"
)

// An ended operation stays readable for more than a day, and then goes; an open one stays.
func TestEndedOperationsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory(NewKeyring())
		for _, op := range []*Operation{{ID: "open"}, {ID: "ended", Ended: time.Now()}} {
			check(t, s.PutOperation(t.Context(), op))
		}
		time.Sleep(24*time.Hour + time.Minute) // of the bubble's clock
		if all := must[[]*Operation](t)(s.ListOperations(t.Context(), true)); len(all) != 2 {
			t.Errorf("after a day %d operations are left", len(all))
		}
		time.Sleep(2 * time.Hour)
		if _, err := s.GetOperation(t.Context(), "open"); err != nil {
			t.Error(err)
		}
		_, err := s.GetOperation(t.Context(), "ended")
		wantErr(t, err, ErrNotFound)
	})
}

// On etcd the same is a lease.
func TestEndedOperationsHaveLeases(t *testing.T) {
	s := openEmbedded(t, t.TempDir(), NewKeyring())
	defer s.Close()
	check(t, s.PutOperation(t.Context(), &Operation{ID: "x"}))
	client := s.(*documents).kv.(*etcd).client
	if leases, err := client.Leases(t.Context()); err != nil || len(leases.Leases) != 0 {
		t.Errorf("an open operation has leases %v, %v", leases, err)
	}
	check(t, s.PutOperation(t.Context(), &Operation{ID: "x", Ended: time.Now()}))
	leases, err := client.Leases(t.Context())
	if err != nil || len(leases.Leases) != 1 {
		t.Fatalf("an ended operation has leases %v, %v", leases, err)
	}
	ttl, err := client.TimeToLive(t.Context(), leases.Leases[0].ID)
	if err != nil || ttl.TTL < int64(24*time.Hour/time.Second) {
		t.Errorf("the lease lives %d s, %v", ttl.TTL, err)
	}
}
