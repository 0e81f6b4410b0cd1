package node

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"onramp/plan"
)

// circuits is an edge router with n circuits, each with a domain, a customer's session and one to a gateway.
func circuits(n int) *plan.Node {
	p := &plan.Node{Generation: 1, RouterID: ip("10.255.0.1"), VTEP: ip("10.255.0.1"), Ports: []plan.Port{{Name: "ge1", Enabled: true, MTU: 1500},
		{Name: "fab0", Enabled: true, MTU: 1600, Underlay: pre("10.255.0.1/24")}}}
	for i := range n {
		d := fmt.Sprintf("circuit %d private", i)
		p.Domains = append(p.Domains, plan.Domain{Name: d})
		p.Attachments = append(p.Attachments,
			plan.Attachment{Name: d + " customer", Domain: d, Port: "ge1", STag: uint16(1 + i/4000), CTag: uint16(1 + i%4000),
				Addresses: []plan.Address{{Prefix: pre("192.168.1.2/30")}}},
			plan.Attachment{Name: d + " gateway", Domain: d, VNI: uint32(1 + i), Remote: ip("10.255.0.2"), Addresses: []plan.Address{{Prefix: pre("169.254.0.1/30")}}})
		for _, s := range []struct{ at, local, peer string }{{" customer", "192.168.1.2", "192.168.1.1"}, {" gateway", "169.254.0.1", "169.254.0.2"}} {
			p.Sessions = append(p.Sessions, plan.Session{Name: d + s.at, Attachment: d + s.at, Enabled: true, LocalAddr: ip(s.local), PeerAddr: ip(s.peer),
				LocalAS: 12076, PeerAS: 65001, Import: plan.Import{Class: "x"}})
		}
	}
	return p
}

// TestThousandCircuits: a change of one circuit among a thousand is applied in little processor time.
func TestThousandCircuits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "ge1", "fab0")
		r.start(false)
		n := circuits(1000)
		began := processor()
		r.plan(n)
		if rep := r.link.last(); rep.Applied != 1 {
			t.Fatalf("applied %d: %s", rep.Applied, rep.Problem)
		}
		t.Logf("applied in %v of processor time", processor()-began)
		n.Generation, n.Sessions[7].Import.Weight = 2, 10
		began = processor()
		r.plan(n)
		took := processor() - began
		t.Logf("changed in %v of processor time", took)
		if rep := r.link.last(); rep.Applied != 2 || took > 3*time.Second {
			t.Errorf("applied %d after %v: %s", rep.Applied, took, rep.Problem)
		}
		r.stop()
	})
}
