package control

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"onramp/control/store"
	"onramp/plan"
	"onramp/resource"
)

// A put succeeds when the edge pair has applied it, not before, and the document and the operation change in the same instant.
func TestPutWaitsForNodes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.node("edge1", 3*time.Second, nil)
		w.node("edge2", 7*time.Second, nil)
		settle(10 * time.Second)
		c := testCircuit("c1", 10)
		op := w.put(c)
		settle(5 * time.Second)
		w.want(op, "InProgress")
		if s := w.get(c.Meta.ID).Head().State; s != resource.Updating {
			t.Errorf("the circuit is %s while its operation runs", s)
		}
		settle(3 * time.Second)
		w.want(op, "Succeeded")
		got := w.get(c.Meta.ID).(*resource.Circuit)
		if got.Meta.State != resource.Succeeded || got.Meta.Operation != "" || !got.Status.Enabled || got.Peerings[0].State != resource.Succeeded {
			t.Errorf("the circuit is %+v", got)
		}
		o, err := w.store.GetOperation(w.ctx, op)
		if err != nil {
			t.Fatal(err)
		}
		snap, err := w.store.Snapshot(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if o.Revision != c.Meta.Revision || snap.Revision != got.Meta.Revision {
			t.Errorf("operation at %d, order at %d; ended at %d, and the last write was %d: not one transaction", o.Revision, c.Meta.Revision,
				got.Meta.Revision, snap.Revision)
		}
	})
}

// What belongs to no node ends at once, whatever state the nodes are in.
func TestObjectsWithoutNodes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		settle(time.Second)
		op := w.put(&resource.PublicAddress{Meta: head("publicIPAddresses", "ip1")})
		c := testCircuit("c1", 10)
		c.Status.Enabled, c.Status.ProviderState, c.Peerings = false, resource.NotProvisioned, nil
		op2 := w.put(c)
		synctest.Wait()
		w.want(op, "Succeeded")
		w.want(op2, "Succeeded")
		if !w.get(c.Meta.ID).(*resource.Circuit).Status.Enabled {
			t.Error("the circuit is not Enabled after its first success")
		}
	})
}

// A dead node fails what is its own after the timeout, by name, and nothing else.
func TestTimeout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.node("edge1", 0, nil)
		w.hub.Link("edge2").Report(w.ctx, plan.Report{Node: "edge2", Time: time.Now(), Problem: "no such port pe0"})
		w.node("gw0", 0, nil)
		w.node("gw1", 0, nil)
		settle(time.Second)
		c := testCircuit("c1", 10)
		op := w.put(c)
		settle(0) // orders of one instant are compiled together, and wait together
		n := testNetwork("v1", 5000)
		w.create(n)
		gw := w.put(testGateway("g1", n))
		settle(119 * time.Second)
		w.want(gw, "Succeeded")
		w.want(op, "InProgress")
		settle(15 * time.Second) // the slow timer
		w.want(op, "Failed")
		_, why := w.status(op)
		if !strings.Contains(why, "edge2 (no such port pe0)") || strings.Contains(why, "edge1") || strings.Contains(why, "xchg1") {
			t.Errorf("failure says %q", why)
		}
		got := w.get(c.Meta.ID).(*resource.Circuit)
		if got.Meta.State != resource.Failed || got.Meta.Failure == nil || got.Meta.Operation != "" || got.Peerings[0].State != resource.Failed {
			t.Errorf("the circuit is %+v", got.Meta)
		}
		// A later order repairs it.
		w.node("edge2", 0, nil)
		op = w.put(got)
		settle(time.Second)
		w.want(op, "Succeeded")
	})
}

// Operations survive the death of control at any step, and time without control does not count.
func TestRestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		settle(time.Second)
		c := testCircuit("c1", 10)
		put := w.put(c)
		del := w.order("delete", netID("virtualNetworks", "old"), resource.Deleting, testNetwork("old", 5000))
		w.kill()
		<-w.done
		settle(time.Hour)
		w.restart()
		settle(time.Minute)
		w.want(put, "InProgress")
		w.allNodes(time.Second)
		settle(5 * time.Second)
		w.want(put, "Succeeded")
		w.want(del, "Succeeded")
		if w.get(netID("virtualNetworks", "old")) != nil {
			t.Error("the deleted network is still there")
		}
	})
}

// Deleting: out of the plans first, then the document with its shadow, and its numbers are free.
func TestDelete(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.allNodes(5 * time.Second)
		c := testCircuit("c1", 10)
		x := testShadow(c)
		owner := c.Meta.ID.Key()
		if _, err := w.store.Claim(w.ctx, "stag/SEA-1", 10, 20, owner); err != nil {
			t.Fatal(err)
		}
		w.create(c, x)
		settle(10 * time.Second)
		if p, _ := w.hub.Plan("edge1"); len(p.Sessions) != 1 {
			t.Fatalf("sessions %v", p.Sessions)
		}
		op := w.order("delete", c.Meta.ID, resource.Deleting, c, x)
		settle(time.Second)
		w.want(op, "InProgress")
		if p, _ := w.hub.Plan("edge1"); len(p.Sessions) != 0 {
			t.Errorf("a circuit that is being deleted still has sessions %v", p.Sessions)
		}
		if o := w.get(c.Meta.ID); o == nil || o.Head().State != resource.Deleting {
			t.Error("the circuit is not readable while it is being deleted")
		}
		settle(5 * time.Second)
		w.want(op, "Succeeded")
		if w.get(c.Meta.ID) != nil || w.get(x.Meta.ID) != nil {
			t.Error("documents are left")
		}
		if n, err := w.store.Claim(w.ctx, "stag/SEA-1", 10, 20, "other"); n != 10 || err != nil {
			t.Errorf("the number was not freed: %d %v", n, err)
		}
	})
}

// A failed delete leaves the object, in the plans.
func TestFailedDelete(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.node("edge1", 0, nil)
		c := testCircuit("c1", 10)
		w.create(c)
		settle(time.Second)
		op := w.order("delete", c.Meta.ID, resource.Deleting, c)
		settle(3 * time.Minute)
		w.want(op, "Failed")
		if o := w.get(c.Meta.ID); o == nil || o.Head().State != resource.Failed {
			t.Errorf("the circuit is %v", o)
		}
		if p, _ := w.hub.Plan("edge1"); len(p.Sessions) != 1 {
			t.Error("the circuit left the plans though it was not deleted")
		}
	})
}

// The child that goes leaves the plans at once and the document at the end.
func TestDeletePeering(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.allNodes(time.Second)
		c := testCircuit("c1", 10)
		w.create(c)
		settle(5 * time.Second)
		c.Peerings[0].State = resource.Deleting
		op := w.order("delete", c.Meta.ID.Child("peerings", "AzurePrivatePeering"), resource.Updating, c)
		synctest.Wait()
		if p, _ := w.hub.Plan("edge1"); len(p.Sessions) != 0 {
			t.Errorf("sessions %v", p.Sessions)
		}
		w.want(op, "InProgress")
		settle(2 * time.Second)
		w.want(op, "Succeeded")
		if got := w.get(c.Meta.ID).(*resource.Circuit); len(got.Peerings) != 0 || got.Meta.State != resource.Succeeded {
			t.Errorf("the circuit is %+v", got)
		}
	})
}

// What compile cannot do ends as a failure with the reason.
func TestProblem(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.allNodes(0)
		c := testCircuit("c1", 10)
		c.Status.PortPair = "nowhere"
		op := w.put(c)
		settle(time.Second)
		w.want(op, "Failed")
		if _, why := w.status(op); !strings.Contains(why, codeProblem) || !strings.Contains(why, "nowhere") {
			t.Errorf("failure says %q", why)
		}
	})
}

// A document whose operation is lost is settled, not locked for ever; a query whose front died fails.
func TestLostOperations(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.allNodes(0)
		n := testNetwork("v1", 5000)
		n.Meta.State, n.Meta.Operation = resource.Updating, "lost"
		w.create(n)
		if err := w.store.PutOperation(w.ctx, &store.Operation{ID: "query", Verb: "post", Started: time.Now()}); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		if h := w.get(n.Meta.ID).Head(); h.Operation != "" || h.State != resource.Succeeded {
			t.Errorf("the network is %+v", h)
		}
		w.want("query", "InProgress")
		settle(3 * time.Minute)
		w.want("query", "Failed")
	})
}

// Two reconcilers on one store and hub do no harm.
func TestTwoReconcilers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		kill, done := w.reconcile(w.store, w.hub)
		w.allNodes(time.Second)
		var ops []string
		for i := range 10 {
			ops = append(ops, w.put(testCircuit(fmt.Sprint("c", i), 10+i)))
			x := testNetwork(fmt.Sprint("v", i), uint32(5000+i))
			ops = append(ops, w.order("delete", x.Meta.ID, resource.Deleting, x))
		}
		settle(30 * time.Second)
		for _, op := range ops {
			w.want(op, "Succeeded")
		}
		kill()
		<-done
	})
}

// Connection state follows the sessions, and is written only when it changes.
func TestConnectionStatus(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c, n := testCircuit("c1", 10), testNetwork("v1", 5000)
		c.Status.Enabled = true
		g := testGateway("g1", n)
		k := testConnection("cn1", g, c)
		w.create(c, n, g, k)
		state := func() resource.ConnectionState { return w.get(k.Meta.ID).(*resource.Connection).Status.State }
		settle(time.Second)
		if s := state(); s != resource.ConnectionUnknown {
			t.Errorf("without reports the connection is %s", s)
		}
		var up atomic.Bool
		report := func(name string) {
			p, _ := w.hub.Plan(name)
			r := plan.Report{Node: name, Time: time.Now(), Applied: p.Generation}
			for _, s := range p.Sessions {
				st := "Active"
				if up.Load() {
					st = established
				}
				r.Sessions = append(r.Sessions, plan.SessionState{Name: s.Name, State: st, PeerAddr: s.PeerAddr})
			}
			if err := w.hub.Link(name).Report(w.ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		all := func() {
			for _, name := range []string{"edge1", "edge2", "gw0", "gw1"} {
				report(name)
			}
			settle(slowTimer)
		}
		all()
		if s := state(); s != resource.ConnectionConnecting {
			t.Errorf("with sessions down the connection is %s", s)
		}
		up.Store(true)
		all()
		if s := state(); s != resource.ConnectionConnected {
			t.Errorf("with sessions up the connection is %s", s)
		}
		rev := w.get(k.Meta.ID).Head().Revision
		for range 5 {
			all()
			settle(staleAfter / 2)
		}
		if got := w.get(k.Meta.ID).Head().Revision; got != rev {
			t.Errorf("status was written without a change: revision %d, then %d", rev, got)
		}
	})
}

// Two processes on one store, and the nodes report to one of them: the other neither fails what it cannot see nor overrules status.
func TestReplicaWithoutNodes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.kill()
		<-w.done
		w.shared = true
		w.kill, w.done = w.reconcile(w.store, w.hub)
		kill, done := w.reconcile(w.store, plan.NewHub())
		defer func() { kill(); <-done }()
		c, n := testCircuit("c1", 10), testNetwork("v1", 5000)
		g := testGateway("g1", n)
		k := testConnection("cn1", g, c)
		w.create(n, g, k)
		slow := 100 * time.Second
		w.allNodes(0)
		settle(time.Second)
		w.stop()
		w.nodes.Wait()
		w.ctx, w.stop = context.WithCancel(context.Background())
		op := w.put(c)
		settle(slow)
		w.want(op, "InProgress")
		w.node("edge1", 0, nil)
		w.node("edge2", time.Minute, nil) // in all, later than the timeout
		settle(25 * time.Second)
		w.want(op, "Failed") // by the process that hears the nodes
		rev := w.get(k.Meta.ID).Head().Revision
		settle(5 * time.Minute)
		if got := w.get(k.Meta.ID).Head().Revision; got > rev+2 {
			t.Errorf("the processes overrule each other: revision %d, then %d", rev, got)
		}
	})
}

// deaf is a store whose watch is broken.
type deaf struct{ store.Store }

func (deaf) Changed(ctx context.Context) <-chan struct{} { return make(chan struct{}) }

// A missed signal costs time only, also while nodes report every second.
func TestMissedSignals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.kill()
		<-w.done
		w.kill, w.done = w.reconcile(deaf{w.store}, w.hub)
		w.allNodes(0)
		settle(time.Second)
		op := w.put(testCircuit("c1", 10))
		for range 22 {
			if err := w.hub.Link("host1").Report(w.ctx, plan.Report{Node: "host1", Time: time.Now()}); err != nil {
				t.Fatal(err)
			}
			settle(time.Second)
		}
		w.want(op, "Succeeded")
	})
}

// flaky fails every write and every second read while it is on.
type flaky struct {
	store.Store
	on    atomic.Bool
	calls atomic.Int64
}

func (f *flaky) Snapshot(ctx context.Context) (*store.Snapshot, error) {
	if f.on.Load() && f.calls.Add(1)%2 == 0 {
		return nil, fmt.Errorf("snapshot: %w", store.ErrUnavailable)
	}
	return f.Store.Snapshot(ctx)
}

func (f *flaky) Change(ctx context.Context, ids []resource.ID, op string, fn func(*store.Tx) error) error {
	if f.on.Load() {
		return fmt.Errorf("change: %w", store.ErrUnavailable)
	}
	return f.Store.Change(ctx, ids, op, fn)
}

// While the store is away nothing ends; when it is back, everything does.
func TestStoreAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.kill()
		<-w.done
		f := &flaky{Store: w.store}
		w.kill, w.done = w.reconcile(f, w.hub)
		w.allNodes(0)
		settle(time.Second)
		f.on.Store(true)
		op := w.put(testCircuit("c1", 10))
		settle(time.Minute)
		w.want(op, "InProgress")
		f.on.Store(false)
		settle(2 * time.Second)
		w.want(op, "Succeeded")
	})
}

// Whatever happens in whatever order (orders, dead nodes, killed control), every operation ends, and no document stays held.
func TestOperationsNeverStick(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 25).Draw(rt, "steps")
		inWorld(t, func(t *testing.T, w *world) { neverStick(t, w, steps) })
	})
}

func neverStick(t *testing.T, w *world, steps []int) {
	w.node("edge1", time.Second, nil)
	circuits := 0
	free := func(o resource.Object) bool { return o != nil && o.Head().Operation == "" }
	for i, step := range steps {
		id := netID("expressRouteCircuits", fmt.Sprint("c", i%3))
		switch o := w.get(id); step {
		case 0, 1:
			if o == nil || free(o) {
				circuits++
				w.put(testCircuit(id.Name(), 10+circuits))
			}
		case 2:
			if free(o) {
				w.order("delete", id, resource.Deleting, o)
			}
		case 3:
			w.restart()
		case 4:
			w.node("edge2", 3*time.Second, nil)
		case 5:
			settle(time.Duration(i) * 10 * time.Second)
		}
	}
	settle(6 * time.Minute)
	ops, err := w.store.ListOperations(w.ctx, false)
	if err != nil || len(ops) != 0 {
		t.Errorf("steps %v: open operations %v (%v)", steps, ops, err)
	}
	snap, err := w.store.Snapshot(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, os := range snap.Objects {
		for _, o := range os {
			if o.Head().Operation != "" {
				t.Errorf("steps %v: %s is held by %s", steps, o.Head().ID, o.Head().Operation)
			}
		}
	}
}
