package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"onramp/resource"
)

// A group goes with everything in it, in steps where it is large; what lies elsewhere and belongs to it goes too.
func TestDeleteGroup(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.allNodes(2 * time.Second)
		c := testCircuit("c1", 10)
		c.Status.ProviderState = resource.NotProvisioned
		n := testNetwork("v1", 5000)
		gate := testGateway("g1", n)
		link := testConnection("cn1", gate, c)
		c.Authorizations = []resource.Authorization{{Name: "a", Usedby: link.Meta.ID}}
		g := testGroup()
		w.create(g, c, testShadow(c), n, gate, link)
		for i := range 150 {
			w.create(&resource.PublicAddress{Meta: head("publicIPAddresses", fmt.Sprint("ip", i))})
		}
		other := testNetwork("v2", 5001)
		other.Meta.ID.Group = "rg10"
		w.create(other)
		settle(5 * time.Second)
		op := w.order("delete", g.Meta.ID, resource.Deleting, g)
		settle(time.Second)
		w.want(op, "InProgress")
		settle(time.Minute)
		w.want(op, "Succeeded")
		snap, err := w.store.Snapshot(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for kind, os := range snap.Objects {
			if kind != resource.KindFabric && (kind != resource.KindNetwork || len(os) != 1) {
				t.Errorf("%d %s are left, the first is %s", len(os), kind, os[0].Head().ID)
			}
		}
	})
}

// A group with something that may not go stays whole.
func TestDeleteGroupRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := testCircuit("c1", 10) // Provisioned
		n := testNetwork("v1", 5000)
		user := testGateway("g1", n)
		user.Meta.ID.Group = "rg2"
		g := testGroup()
		w.create(g, c, n, user)
		op := w.order("delete", g.Meta.ID, resource.Deleting, g)
		settle(time.Second)
		w.want(op, "Failed")
		_, why := w.status(op)
		for _, want := range []string{codeGroupBlocked, "'" + n.Meta.ID.String() + "' is in use by '" + user.Meta.ID.String() + "'", "Provisioned, want NotProvisioned"} {
			if !strings.Contains(why, want) {
				t.Errorf("failure %q does not say %q", why, want)
			}
		}
		for _, o := range []resource.Object{c, n} {
			if h := w.get(o.Head().ID).Head(); h.State != resource.Succeeded || h.Operation != "" {
				t.Errorf("%s is %s", h.ID, h.State)
			}
		}
	})
}

// A large group whose deletion fails ends, with every member free again.
func TestDeleteLargeGroupFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := testNetwork("v1", 5000)
		g := testGroup()
		w.create(g, n, testGateway("g1", n))
		for i := range 3 * maxDocs {
			w.create(&resource.PublicAddress{Meta: head("publicIPAddresses", fmt.Sprint("ip", i))})
		}
		settle(time.Second)
		op := w.order("delete", g.Meta.ID, resource.Deleting, g)
		settle(5 * time.Minute) // gw0 and gw1 are dead
		w.want(op, "Failed")
		w.allNodes(0)
		settle(time.Minute)
		snap, err := w.store.Snapshot(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(snap.Objects[resource.KindPublicAddress]); got != 3*maxDocs {
			t.Errorf("%d addresses are left of %d", got, 3*maxDocs)
		}
		for _, os := range snap.Objects {
			for _, o := range os {
				if h := o.Head(); h.Operation != "" || h.State == resource.Deleting {
					t.Errorf("%s is %s, held by %q", h.ID, h.State, h.Operation)
				}
			}
		}
		op = w.order("delete", g.Meta.ID, resource.Deleting, g)
		settle(time.Minute)
		w.want(op, "Succeeded")
	})
}
