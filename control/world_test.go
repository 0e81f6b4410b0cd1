package control

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onramp/control/arm"
	"onramp/control/store"
	"onramp/plan"
	"onramp/resource"
)

// world is a control half without HTTP, for synctest: a memory store, a reconciler that can be killed, and nodes that obey or do not.
type world struct {
	t       *testing.T
	store   store.Store
	hub     *plan.Hub
	live    *live
	kill    context.CancelFunc // the reconciler's
	done    chan struct{}
	tokens  string
	shared  bool
	timeout time.Duration

	nodes sync.WaitGroup
	stop  context.CancelFunc // all nodes'
	ctx   context.Context
	ops   int
}

// inWorld runs f in a synctest bubble with a fabric, a reconciler and no nodes.
func inWorld(t *testing.T, f func(*testing.T, *world)) {
	dir := t.TempDir()
	fabric, err := readFabric("testdata/fabric.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range fabric.Principals {
		fabric.Principals[i].Secret = "" // hashing takes long, and nobody logs in here
		fabric.Principals[i].SecretHash = "none"
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: store.NewMemory(store.NewKeyring()), tokens: dir, timeout: 2 * time.Minute}
		w.ctx, w.stop = context.WithCancel(context.Background())
		fabric.Meta = resource.Head{ID: arm.FabricID(), State: resource.Succeeded}
		if err := w.store.Create(w.ctx, fabric); err != nil {
			t.Fatal(err)
		}
		w.restart()
		defer func() {
			w.kill()
			<-w.done
			w.stop()
			w.nodes.Wait()
			w.store.Close()
		}()
		f(t, w)
	})
}

// restart starts a reconciler with a hub of its own, as a new process does, after killing the present one. Nodes have to be started again.
func (w *world) restart() {
	if w.kill != nil {
		w.kill()
		<-w.done
		w.stop()
		w.nodes.Wait()
		w.ctx, w.stop = context.WithCancel(context.Background())
	}
	w.hub = plan.NewHub()
	w.live = newLive(w.hub)
	w.kill, w.done = w.reconcile(w.store, w.hub)
}

// reconcile runs one reconciler.
func (w *world) reconcile(st store.Store, h *plan.Hub) (kill context.CancelFunc, done chan struct{}) {
	ctx, kill := context.WithCancel(context.Background())
	r := &reconciler{store: st, hub: h, tokens: newTokens(w.tokens, []byte("secret")), log: slog.New(slog.DiscardHandler), timeout: w.timeout,
		publish: w.live.show, counted: w.live.count, shared: w.shared}
	done = make(chan struct{})
	go func() { defer close(done); r.run(ctx) }()
	return kill, done
}

// node starts a node that applies every plan after a delay; report may add to its reports.
func (w *world) node(name string, delay time.Duration, report func(*plan.Report)) {
	link := w.hub.Link(name)
	w.nodes.Go(func() {
		var have int64
		for {
			work, err := link.Next(w.ctx, have)
			if err != nil {
				return
			}
			if work.Plan == nil {
				continue
			}
			select {
			case <-time.After(delay):
			case <-w.ctx.Done():
				return
			}
			have = work.Plan.Generation
			r := plan.Report{Node: name, Time: time.Now(), Applied: have}
			if report != nil {
				report(&r)
			}
			if err := link.Report(w.ctx, r); err != nil {
				w.t.Error(err)
			}
		}
	})
}

func (w *world) allNodes(delay time.Duration) {
	for _, n := range allNodes() {
		w.node(n, delay, nil)
	}
}

// order writes documents as the front does: with an operation, in one transaction.
func (w *world) order(verb string, target resource.ID, state resource.ProvisioningState, os ...resource.Object) string {
	w.t.Helper()
	w.ops++
	op := &store.Operation{ID: fmt.Sprint("op", w.ops), Resource: target, Verb: verb, Subscription: target.Subscription, Started: time.Now()}
	var ids []resource.ID
	for _, o := range os {
		ids = append(ids, o.Head().ID)
	}
	err := w.store.Change(w.ctx, ids, op.ID, func(tx *store.Tx) error {
		for _, o := range os {
			o.Head().State, o.Head().Operation, o.Head().Failure = state, op.ID, nil
			tx.Put(o)
		}
		tx.PutOperation(op)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return op.ID
}

func (w *world) put(o resource.Object) string {
	w.t.Helper()
	return w.order("put", o.Head().ID, resource.Updating, o)
}

// status is an operation's, and its failure's message.
func (w *world) status(op string) (status, message string) {
	w.t.Helper()
	o, err := w.store.GetOperation(w.ctx, op)
	if err != nil {
		w.t.Fatal(err)
	}
	if o.Failure != nil {
		message = o.Failure.Code + ": " + o.Failure.Message
	}
	return o.Status(), message
}

func (w *world) want(op, want string) {
	w.t.Helper()
	if got, why := w.status(op); got != want {
		w.t.Fatalf("operation %s is %s (%s), want %s", op, got, why, want)
	}
}

// get is a document; nil when there is none.
func (w *world) get(id resource.ID) resource.Object {
	w.t.Helper()
	o, err := w.store.Get(w.ctx, id)
	if err != nil {
		return nil
	}
	return o
}

// settle lets everything happen that happens without time passing, and the delays of nodes.
func settle(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func netID(typ, name string) resource.ID {
	return resource.ID{Subscription: customerSub, Group: "rg1", Namespace: "Microsoft.Network", Types: []string{typ}, Names: []string{name}}
}

func head(typ, name string) resource.Head {
	return resource.Head{ID: netID(typ, name), Location: "westus2", GUID: "guid-" + name, State: resource.Succeeded}
}

// testCircuit is provisioned, with a private peering.
func testCircuit(name string, tag int) *resource.Circuit {
	return &resource.Circuit{Meta: head("expressRouteCircuits", name), Tier: resource.TierStandard, Plan: resource.FamilyMetered,
		Provider: "Northwest Exchange", PeeringLocation: "Seattle", BandwidthMbps: 200,
		Peerings: []resource.Peering{{Type: resource.PrivatePeering, Enabled: true, PeerASN: 65001, VLAN: 100, State: resource.Updating,
			Primary: netip.MustParsePrefix("192.168.1.0/30"), Secondary: netip.MustParsePrefix("192.168.1.4/30")}},
		Status: resource.CircuitStatus{Enabled: true, ServiceKey: "key-" + name, STag: tag, PortPair: "SEA-1", ProviderState: resource.Provisioned}}
}

func testShadow(c *resource.Circuit) *resource.CrossConnection {
	return &resource.CrossConnection{Circuit: c.Meta.ID, Meta: resource.Head{State: resource.Succeeded, ID: resource.ID{Subscription: providerSub,
		Group: "CrossConnection-Seattle", Namespace: "Microsoft.Network", Types: []string{"expressRouteCrossConnections"}, Names: []string{c.Status.ServiceKey}}}}
}

func testNetwork(name string, vni uint32) *resource.Network {
	return &resource.Network{Meta: head("virtualNetworks", name), AddressSpace: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		Subnets: []resource.Subnet{{Name: resource.GatewaySubnet, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.255.0/27")}, State: resource.Updating},
			{Name: "default", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}, State: resource.Updating}},
		Status: resource.NetworkStatus{VNI: vni}}
}

func testGateway(name string, n *resource.Network) *resource.Gateway {
	return &resource.Gateway{Meta: head("virtualNetworkGateways", name), SKU: "ErGw1AZ",
		Configs: []resource.GatewayConfig{{Name: "gw", Subnet: n.Meta.ID.Child("subnets", resource.GatewaySubnet)}},
		Status: resource.GatewayStatus{Nodes: []string{"gw0", "gw1"},
			Addresses: []netip.Addr{netip.MustParseAddr("10.1.255.4"), netip.MustParseAddr("10.1.255.5")}}}
}

func testConnection(name string, g *resource.Gateway, c *resource.Circuit) *resource.Connection {
	return &resource.Connection{Meta: head("connections", name), Gateway: g.Meta.ID, Circuit: c.Meta.ID, Status: resource.ConnectionStatus{VNI: 9000}}
}

func testGroup() *resource.Group {
	return &resource.Group{Meta: resource.Head{ID: resource.ID{Subscription: customerSub, Group: "rg1"}, Location: "westus2", State: resource.Succeeded}}
}

// store puts documents in as they are.
func (w *world) create(os ...resource.Object) {
	w.t.Helper()
	for _, o := range os {
		if err := w.store.Create(w.ctx, o); err != nil {
			w.t.Fatal(err)
		}
	}
}
