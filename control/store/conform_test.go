package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"onramp/resource"
)

func openEmbedded(t testing.TB, dir string, ring *Keyring) Store {
	t.Helper()
	s, err := OpenEmbedded(EmbeddedConfig{Dir: dir}, ring)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMemory(t *testing.T) {
	conform(t, func(t *testing.T) Store {
		s := NewMemory(NewKeyring())
		t.Cleanup(func() { s.Close() })
		return s
	})
}

func TestEmbedded(t *testing.T) {
	s := openEmbedded(t, t.TempDir(), NewKeyring())
	defer s.Close()
	conform(t, func(t *testing.T) Store { return wiped(t, s) })
}

// wiped empties a store between the cases of the suite: starting a server for each would take most of the time.
func wiped(t *testing.T, s Store) Store {
	t.Helper()
	d := s.(*documents)
	es, _, err := d.kv.list(t.Context(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		if _, _, err := d.kv.commit(t.Context(), nil, []write{{key: e.key}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// conform is what every twin must do.
func conform(t *testing.T, open func(*testing.T) Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Store)
	}{
		{"every kind comes back as it was", testKinds},
		{"create get update delete", testLife},
		{"list by scope", testList},
		{"readers own their copies", testCopies},
		{"update retries", testRetries},
		{"update many is all or none", testMany},
		{"change joins documents and operations", testChange},
		{"snapshot is one revision", testSnapshot},
		{"changed is coalesced", testChanged},
		{"claims", testClaims},
		{"claims race", testClaimsRace},
		{"operations", testOperations},
		{"open operations", testOpenOperations},
		{"a cancelled call is unavailable", testCancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

const sub = "11111111-1111-1111-1111-111111111111"

func circuitID(group, name string) resource.ID {
	return resource.ID{Subscription: sub, Group: group, Namespace: "Microsoft.Network", Types: []string{"expressRouteCircuits"}, Names: []string{name}}
}

func circuit(name string) *resource.Circuit {
	return &resource.Circuit{Meta: resource.Head{ID: circuitID("rg1", name), Location: "westus2", State: resource.Updating}, BandwidthMbps: 200}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func testKinds(t *testing.T, s Store) {
	id := func(typ string) resource.Head {
		return resource.Head{ID: resource.ID{Subscription: sub, Group: "rg1", Namespace: "Microsoft.Network", Types: []string{typ}, Names: []string{"Name1"}},
			Tags: map[string]string{"a": "b"}, Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), State: resource.Failed,
			Failure: &resource.Failure{Code: "C", Message: "M", Target: "t"}}
	}
	c := &resource.Circuit{Meta: id("expressRouteCircuits"), Tier: resource.TierPremium, Plan: resource.FamilyMetered, Provider: "p",
		Authorizations: []resource.Authorization{{Name: "a", Key: resource.Sealed{1, 2, 3}, Usedby: circuitID("rg", "x")}},
		Peerings: []resource.Peering{{Type: resource.PrivatePeering, Enabled: true, PeerASN: 4200000000, VLAN: 7, Key: resource.Sealed{9},
			Primary: netip.MustParsePrefix("10.0.0.0/30"), Secondary: netip.MustParsePrefix("10.0.0.4/30"), State: resource.Updating}},
		Status: resource.CircuitStatus{STag: 30, Handoff: resource.Handoff{Primary: "n/p"}, ProviderState: resource.Provisioned}}
	objects := []resource.Object{
		&resource.Subscription{Meta: resource.Head{ID: resource.ID{Subscription: sub}}, DisplayName: "Lab", TenantID: "t"},
		&resource.Group{Meta: resource.Head{ID: resource.ID{Subscription: sub, Group: "RG1"}}},
		c,
		&resource.CrossConnection{Meta: id("expressRouteCrossConnections"), Circuit: c.Meta.ID},
		&resource.Network{Meta: id("virtualNetworks"), AddressSpace: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
			Subnets: []resource.Subnet{{Name: "s", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.1.0/24")}}}, Status: resource.NetworkStatus{VNI: 5}},
		&resource.PublicAddress{Meta: id("publicIPAddresses"), SKU: "Standard", Version: 4},
		&resource.Interface{Meta: id("networkInterfaces"), Configs: []resource.InterfaceConfig{{Name: "i", Address: netip.MustParseAddr("10.1.1.4")}}},
		&resource.Gateway{Meta: id("virtualNetworkGateways"), SKU: "ErGw1AZ", Status: resource.GatewayStatus{Nodes: []string{"g1", "g2"},
			Addresses: []netip.Addr{netip.MustParseAddr("10.1.255.4")}}},
		&resource.Connection{Meta: id("connections"), Circuit: c.Meta.ID, Authorization: resource.Sealed{4}, RoutingWeight: 10},
		&resource.Fabric{Meta: id("fabrics"), Regions: []resource.Region{{Name: "westus2", Gateways: []string{"g1"}}},
			Nodes: []resource.FabricNode{{Name: "n", VTEP: netip.MustParsePrefix("100.64.0.1/24")}}},
	}
	for _, o := range objects {
		check(t, s.Create(t.Context(), o))
		got := must[resource.Object](t)(s.Get(t.Context(), o.Head().ID))
		if d := cmp.Diff(o, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("%s comes back different (-want +got):\n%s", o.Kind(), d)
		}
		if got.Head().Revision == 0 || !strings.HasPrefix(got.Head().Etag, `W/"`) {
			t.Errorf("%s: revision %d, etag %q", o.Kind(), got.Head().Revision, got.Head().Etag)
		}
	}
	snap := must[*Snapshot](t)(s.Snapshot(t.Context()))
	if len(snap.Objects) != len(objects) {
		t.Errorf("snapshot has %d kinds, want %d", len(snap.Objects), len(objects))
	}
}

func testLife(t *testing.T, s Store) {
	ctx := t.Context()
	c := circuit("c1")
	check(t, s.Create(ctx, c))
	wantErr(t, s.Create(ctx, circuit("C1")), ErrExists) // ids know no case
	rev, etag := c.Meta.Revision, c.Meta.Etag
	up, err := s.Update(ctx, circuitID("RG1", "C1"), func(o resource.Object) error {
		o.(*resource.Circuit).BandwidthMbps = 500
		return nil
	})
	check(t, err)
	if up.Head().Revision <= rev || up.Head().Etag == etag {
		t.Errorf("update kept revision %d → %d or etag %s", rev, up.Head().Revision, etag)
	}
	child := circuitID("rg1", "c1").Child("peerings", "AzurePrivatePeering")
	if got := must[resource.Object](t)(s.Get(ctx, child)).(*resource.Circuit); got.BandwidthMbps != 500 || got.Meta.ID.Name() != "c1" {
		t.Errorf("got %+v", got)
	}
	wantErr(t, s.Delete(ctx, c.Meta.ID, rev), ErrConflict)
	check(t, s.Delete(ctx, c.Meta.ID, up.Head().Revision))
	wantErr(t, s.Delete(ctx, c.Meta.ID, 0), ErrNotFound)
	_, err = s.Get(ctx, c.Meta.ID)
	wantErr(t, err, ErrNotFound)
	_, err = s.Update(ctx, c.Meta.ID, func(resource.Object) error { t.Error("called without an object"); return nil })
	wantErr(t, err, ErrNotFound)
	refused := errors.New("refused")
	check(t, s.Create(ctx, circuit("c2")))
	_, err = s.Update(ctx, circuitID("rg1", "c2"), func(resource.Object) error { return refused })
	wantErr(t, err, refused)
}

func testList(t *testing.T, s Store) {
	ctx := t.Context()
	for _, c := range []struct{ group, name string }{{"rg1", "b"}, {"rg1", "a"}, {"rg10", "c"}, {"rg2", "d"}} {
		o := circuit(c.name)
		o.Meta.ID = circuitID(c.group, c.name)
		check(t, s.Create(ctx, o))
	}
	other := circuit("e")
	other.Meta.ID.Subscription = sub + "0"
	check(t, s.Create(ctx, other))
	for _, c := range []struct {
		scope resource.ID
		want  string
	}{
		{resource.ID{}, "a b c d e"},
		{resource.ID{Subscription: sub}, "a b c d"},
		{resource.ID{Subscription: sub, Group: "RG1"}, "a b"},
		{resource.ID{Subscription: sub, Group: "rg3"}, ""},
		{circuitID("rg1", "a"), "a"},
	} {
		var names []string
		for _, o := range must[[]resource.Object](t)(s.List(ctx, resource.KindCircuit, c.scope)) {
			names = append(names, o.Head().ID.Name())
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("list %q gives %q, want %q", c.scope, got, c.want)
		}
	}
	if os := must[[]resource.Object](t)(s.List(ctx, resource.KindNetwork, resource.ID{})); len(os) != 0 {
		t.Errorf("networks: %v", os)
	}
}

func testCopies(t *testing.T, s Store) {
	c := circuit("c1")
	c.Meta.Tags = map[string]string{"k": "v"}
	check(t, s.Create(t.Context(), c))
	c.Meta.Tags["k"] = "spoilt"
	a := must[resource.Object](t)(s.Get(t.Context(), c.Meta.ID))
	a.Head().Tags["k"] = "spoilt"
	if b := must[resource.Object](t)(s.Get(t.Context(), c.Meta.ID)); b.Head().Tags["k"] != "v" {
		t.Error("a reader's change reached another reader")
	}
}

func testRetries(t *testing.T, s Store) {
	check(t, s.Create(t.Context(), circuit("c1")))
	const writers, each = 4, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if _, err := s.Update(t.Context(), circuitID("rg1", "c1"), func(o resource.Object) error {
					o.(*resource.Circuit).BandwidthMbps++
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := must[resource.Object](t)(s.Get(t.Context(), circuitID("rg1", "c1"))).(*resource.Circuit).BandwidthMbps; got != 200+writers*each {
		t.Errorf("counted %d, want %d: an update was lost", got, 200+writers*each)
	}
}

func testMany(t *testing.T, s Store) {
	ctx := t.Context()
	a, b := circuit("a"), circuit("b")
	check(t, s.Create(ctx, a))
	check(t, s.Create(ctx, b))
	ids := []resource.ID{a.Meta.ID, b.Meta.ID}
	os, err := s.UpdateMany(ctx, ids, func(os []resource.Object) error {
		os[0].(*resource.Circuit).BandwidthMbps, os[1].(*resource.Circuit).BandwidthMbps = 1, 2
		return nil
	})
	check(t, err)
	if os[0].Head().Revision != os[1].Head().Revision {
		t.Errorf("revisions %d and %d of one transaction", os[0].Head().Revision, os[1].Head().Revision)
	}
	_, err = s.UpdateMany(ctx, append(ids, circuitID("rg1", "none")), func([]resource.Object) error { return nil })
	wantErr(t, err, ErrNotFound)
	if got := must[resource.Object](t)(s.Get(ctx, b.Meta.ID)).(*resource.Circuit); got.BandwidthMbps != 2 {
		t.Errorf("b is %d", got.BandwidthMbps)
	}
}

func testChange(t *testing.T, s Store) {
	ctx := t.Context()
	c := circuit("c1")
	op := &Operation{ID: "op1", Resource: c.Meta.ID, Verb: "put", Started: time.Now().UTC()}
	check(t, s.Change(ctx, []resource.ID{c.Meta.ID}, op.ID, func(tx *Tx) error {
		if tx.Operation != nil {
			return ErrExists
		}
		c.Meta.Operation = op.ID
		tx.Put(c)
		tx.PutOperation(op)
		return nil
	}))
	got := must[*Operation](t)(s.GetOperation(ctx, "op1"))
	if got.Revision != c.Meta.Revision || got.Revision == 0 || op.Revision != c.Meta.Revision {
		t.Errorf("operation's revision %d (%d), document's %d", got.Revision, op.Revision, c.Meta.Revision)
	}
	check(t, s.Change(ctx, []resource.ID{c.Meta.ID}, op.ID, func(tx *Tx) error {
		tx.Operation.Ended = time.Now()
		tx.PutOperation(tx.Operation)
		tx.Delete(c.Meta.ID)
		return nil
	}))
	_, err := s.Get(ctx, c.Meta.ID)
	wantErr(t, err, ErrNotFound)
	if got := must[*Operation](t)(s.GetOperation(ctx, "op1")); got.Status() != "Succeeded" || got.Revision != op.Revision {
		t.Errorf("operation is %+v", got)
	}
	if err := s.Change(ctx, nil, "", func(tx *Tx) error { tx.Put(c); return nil }); err == nil {
		t.Error("a document that the change does not name was written")
	}
	if err := s.Change(ctx, nil, "", func(tx *Tx) error { tx.PutOperation(op); return nil }); err == nil {
		t.Error("an operation that the change does not name was written")
	}
}

// Two documents are always written together with equal values; no snapshot may see them differ.
func testSnapshot(t *testing.T, s Store) {
	ctx := t.Context()
	a, b := circuit("a"), circuit("b")
	check(t, s.Create(ctx, a))
	check(t, s.Create(ctx, b))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 30 {
			if _, err := s.UpdateMany(ctx, []resource.ID{a.Meta.ID, b.Meta.ID}, func(os []resource.Object) error {
				for _, o := range os {
					o.(*resource.Circuit).BandwidthMbps = 1000 + i
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
	}()
	var last int64
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		snap := must[*Snapshot](t)(s.Snapshot(ctx))
		cs := snap.Objects[resource.KindCircuit]
		if x, y := cs[0].(*resource.Circuit), cs[1].(*resource.Circuit); x.BandwidthMbps != y.BandwidthMbps {
			t.Fatalf("snapshot at %d has %d and %d", snap.Revision, x.BandwidthMbps, y.BandwidthMbps)
		}
		if snap.Revision < last || snap.Revision < cs[0].Head().Revision {
			t.Fatalf("snapshot revision %d after %d, object %d", snap.Revision, last, cs[0].Head().Revision)
		}
		last = snap.Revision
	}
}

func testChanged(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ch := s.Changed(ctx)
	await := func(what string) {
		t.Helper()
		select {
		case <-ch:
		case <-time.After(10 * time.Second):
			t.Fatalf("no signal after %s", what)
		}
	}
	for i := range 50 {
		check(t, s.Create(ctx, circuit(fmt.Sprint("c", i))))
	}
	await("fifty creates")
	drain(ch)
	_, err := s.Update(ctx, circuitID("rg1", "c0"), func(resource.Object) error { return nil })
	check(t, err)
	await("an update")
	drain(ch)
	check(t, s.PutOperation(ctx, &Operation{ID: "x"}))
	await("an operation")
	cancel()
	for range ch { // closes
	}
}

// drain waits until a coalesced channel is quiet.
func drain(ch <-chan struct{}) {
	for {
		select {
		case <-ch:
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

func testClaims(t *testing.T, s Store) {
	ctx := t.Context()
	claim := func(space, owner string) int { t.Helper(); return must[int](t)(s.Claim(ctx, space, 3, 5, owner)) }
	for _, c := range []struct {
		space, owner string
		want         int
	}{
		{"stag/pair1", "/a", 3}, {"stag/pair1", "/b", 4}, {"stag/pair1", "/A", 3}, {"stag/pair", "/b", 3}, {"stag/pair1", "/c", 5}, {"vni", "/a", 3},
	} {
		if got := claim(c.space, c.owner); got != c.want {
			t.Errorf("%s for %s is %d, want %d", c.space, c.owner, got, c.want)
		}
	}
	_, err := s.Claim(ctx, "stag/pair1", 3, 5, "/d")
	wantErr(t, err, ErrUnavailable)
	check(t, s.Release(ctx, "/b"))
	check(t, s.Release(ctx, "/b"))
	if got := claim("stag/pair1", "/d"); got != 4 {
		t.Errorf("the freed number is %d, want 4", got)
	}
	if got := claim("stag/pair1", "/a"); got != 3 {
		t.Errorf("/a's number is %d now", got)
	}
	check(t, s.Release(ctx, "/nobody"))
	// What is deleted frees its numbers, and only its own.
	c := circuit("c1")
	check(t, s.Create(ctx, c))
	check(t, s.Create(ctx, circuit("c10")))
	mine, other := claim("own", c.Meta.ID.Key()), claim("own", circuitID("rg1", "c10").Key())
	claim("vni", c.Meta.ID.Key())
	check(t, s.Delete(ctx, c.Meta.ID, 0))
	if a, b, v := claim("own", "/x"), claim("own", circuitID("rg1", "c10").Key()), claim("vni", "/x"); a != mine || b != other || v != 4 {
		t.Errorf("after the deletion the numbers are %d %d %d, want %d %d 4", a, b, v, mine, other)
	}
}

func testClaimsRace(t *testing.T, s Store) {
	const n = 12
	got := make([]int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			v, err := s.Claim(t.Context(), "vni", 1, n, fmt.Sprint("/owner", i))
			if err != nil {
				t.Error(err)
			}
			got[i] = v
		})
	}
	wg.Wait()
	seen := map[int]bool{}
	for _, v := range got {
		if seen[v] || v < 1 || v > n {
			t.Fatalf("claimed %v", got)
		}
		seen[v] = true
	}
}

func testCancelled(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Get(ctx, circuitID("rg1", "c"))
	wantErr(t, err, ErrUnavailable)
	wantErr(t, err, context.Canceled)
	wantErr(t, s.Create(ctx, circuit("c")), ErrUnavailable)
	if os := must[[]resource.Object](t)(s.List(t.Context(), resource.KindCircuit, resource.ID{})); len(os) != 0 {
		t.Error("a cancelled create wrote")
	}
}

// What was written before Close is there after it, and the keyring opens it.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(t.TempDir(), "key")
	ring := must[*Keyring](t)(OpenKeyring(key))
	s := openEmbedded(t, dir, ring)
	c := circuit("c1")
	c.Authorizations = []resource.Authorization{{Name: "a", Key: must[resource.Sealed](t)(ring.Seal("canary"))}}
	check(t, s.Create(t.Context(), c))
	_, err := OpenEmbedded(EmbeddedConfig{Dir: dir}, ring)
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second open of the directory: %v", err)
	}
	check(t, s.Close())
	ring = must[*Keyring](t)(OpenKeyring(key))
	s = openEmbedded(t, dir, ring)
	defer s.Close()
	got := must[resource.Object](t)(s.Get(t.Context(), c.Meta.ID)).(*resource.Circuit)
	if k := must[string](t)(ring.Open(got.Authorizations[0].Key)); k != "canary" || got.Meta.Revision != c.Meta.Revision {
		t.Errorf("key %q, revision %d, want %d", k, got.Meta.Revision, c.Meta.Revision)
	}
}
