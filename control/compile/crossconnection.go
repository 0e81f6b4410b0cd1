package compile

import (
	"fmt"

	"onramp/plan"
	"onramp/resource"
)

// crossConnection puts the provider's part of a circuit on its switches: each hand-off port joined with the cable to the edge router. It
// is there from the moment the provider begins (Provisioning) until it begins to take down.
func (b *builder) crossConnection(c *resource.Circuit) {
	if s := c.Status.ProviderState; s != resource.Provisioning && s != resource.Provisioned {
		return
	}
	h := c.Status.Handoff
	if h.Primary == "" && h.Secondary == "" {
		return
	}
	pair := b.pairOf(c)
	if b.fabric.Routed(pair) {
		return // the provider's routers take part in the peering itself
	}
	if pair == nil || c.Status.STag == 0 || c.Status.ServiceKey == "" {
		b.problem(&c.Meta, "the hand-off waits for the circuit's port pair, S-tag and service key")
		return
	}
	for _, side := range []struct{ path, handoff, trunk string }{
		{PathPrimary, h.Primary, pair.SwitchPrimary}, {PathSecondary, h.Secondary, pair.SwitchSecondary},
	} {
		if side.handoff == "" {
			continue
		}
		if err := b.handoff(c, circuitName(c)+"/"+side.path, side.handoff, side.trunk); err != nil {
			b.problem(&c.Meta, "%s hand-off: %v", side.path, err)
		}
	}
}

// handoff joins one customer port with one cable. An untagged port carries the private peering, a tagged one and a virtual circuit every
// peering. A port of virtual circuits stays up when one of them loses its cable: the others have theirs.
func (b *builder) handoff(c *resource.Circuit, name, handoff, trunk string) error {
	h, ok := resource.ParseHandoff(handoff)
	node, port, _ := resource.SplitPort(h.Port)
	trunkNode, trunkPort, _ := resource.SplitPort(trunk)
	n := b.nodes[node]
	switch {
	case !ok:
		return fmt.Errorf("%q is not %s", handoff, resource.HandoffForms)
	case n == nil:
		return fmt.Errorf("the fabric has no node %q", node)
	case node != trunkNode:
		return fmt.Errorf("port %q is not on the switch %q where the cable to the edge ends", h.Port, trunkNode)
	}
	a := plan.Attachment{Name: name + "/customer", Port: port, STag: uint16(h.VC), AnyCTag: true, MTU: accessMTU}
	z := plan.Attachment{Name: name + "/edge", Port: trunkPort, STag: uint16(c.Status.STag), AnyCTag: true, MTU: accessMTU}
	if !h.Tagged && h.VC == 0 {
		p := c.Peering(resource.PrivatePeering)
		if p == nil {
			return nil // nothing to carry yet: the C-tag comes with the peering
		}
		a.AnyCTag, z.AnyCTag, z.CTag = false, false, uint16(p.VLAN)
	}
	n.Attachments = append(n.Attachments, a, z)
	n.Crossconnects = append(n.Crossconnects, plan.Crossconnect{Name: name, A: a.Name, B: z.Name, LinkLossForwarding: h.VC == 0})
	return nil
}
