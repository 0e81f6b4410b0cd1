package compile

import (
	"fmt"
	"net/netip"

	"onramp/plan"
	"onramp/resource"
)

// routers puts a circuit's private peering on the provider's routers, where its port pair ends on such: a domain on each, with a session to
// each edge router whose cable is there, and the customer's sites behind the hand-offs. On a pair of switches it does nothing.
func (b *builder) routers(c *resource.Circuit, p *resource.Peering, paths []CircuitPath, key plan.Secret) {
	pair := b.pairOf(c)
	if !b.fabric.Routed(pair) {
		return
	}
	h := c.Status.Handoff
	for i, side := range []struct{ trunk, handoff, site string }{
		{pair.SwitchPrimary, h.Primary, h.PrimarySite}, {pair.SwitchSecondary, h.Secondary, h.SecondarySite},
	} {
		node, port, _ := resource.SplitPort(side.trunk)
		n := b.nodes[node]
		if n == nil {
			b.problem(&c.Meta, "the fabric has no node %q", node)
			continue
		}
		b.uplink(n, c, p, paths[i], port, []netip.Prefix{p.Primary, p.Secondary}[i], key)
		if side.handoff == "" {
			continue
		}
		if err := b.site(n, c, p, paths[i].Path, side.handoff, side.site); err != nil {
			b.problem(&c.Meta, "%s hand-off: %v", paths[i].Path, err)
		}
	}
}

// uplink is the provider's end of one link: what the customer's router is on a hand-off at layer 2. Only what a site announced, or a static
// route to one, goes to the cloud.
func (b *builder) uplink(n *plan.Node, c *resource.Circuit, p *resource.Peering, at CircuitPath, port string, link netip.Prefix, key plan.Secret) {
	if len(n.Domains) == 0 || n.Domains[len(n.Domains)-1].Name != at.Domain { // both links may be on one router
		n.Domains = append(n.Domains, plan.Domain{Name: at.Domain, MultiPath: multiPath})
	}
	name := at.Domain + "/" + at.Path
	n.Attachments = append(n.Attachments, plan.Attachment{
		Name: name, Domain: at.Domain, Port: port, STag: uint16(c.Status.STag), CTag: uint16(p.VLAN), MTU: accessMTU,
		Addresses: []plan.Address{{Prefix: netip.PrefixFrom(at.Customer, link.Bits())}},
	})
	n.Sessions = append(n.Sessions, plan.Session{
		Name: session4(name), Attachment: name, LocalAddr: at.Customer, PeerAddr: at.Edge, LocalAS: p.PeerASN, PeerAS: resource.ASN,
		Key: key, Enabled: p.Enabled, Keepalive: customerKeepalive, HoldTime: customerHoldTime, RestartTime: customerRestart, BFD: watched(),
		Import: plan.Import{Class: classCloud}, Export: plan.Export{Classes: []string{classSite}},
	})
}

// site is what is behind one hand-off at layer 3. A site may have no more prefixes than the circuit: with more, it loses its own session
// and not the circuit's. The source check is loose, as at the edge.
func (b *builder) site(n *plan.Node, c *resource.Circuit, p *resource.Peering, path, handoff, text string) error {
	h, _ := resource.ParseHandoff(handoff)
	node, port, _ := resource.SplitPort(h.Port)
	if node != n.Name || !h.L3 {
		return fmt.Errorf("%q is no hand-off at layer 3 on the router %q where the cable to the edge ends", handoff, n.Name)
	}
	s, err := resource.ParseSite(text, path+"Site")
	if err != nil {
		return err
	}
	domain := privateDomain(c)
	name := domain + "/site-" + path
	n.Attachments = append(n.Attachments, plan.Attachment{
		Name: name, Domain: domain, Port: port, MTU: accessMTU, Addresses: []plan.Address{{Prefix: s.Address}}, SourceCheck: plan.SourceLoose,
	})
	if s.ASN == 0 {
		d := &n.Domains[len(n.Domains)-1]
		for _, x := range s.Prefixes {
			d.Static = append(d.Static, plan.StaticRoute{Prefix: x, Attachment: name, NextHop: s.Peer, Class: classSite})
		}
		return nil
	}
	n.Sessions = append(n.Sessions, plan.Session{
		Name: session4(name), Attachment: name, LocalAddr: s.Address.Addr(), PeerAddr: s.Peer, LocalAS: p.PeerASN, PeerAS: s.ASN,
		Enabled: p.Enabled, Keepalive: customerKeepalive, HoldTime: customerHoldTime, RestartTime: customerRestart, BFD: watched(),
		MaxPrefixes: resource.MaxPrefixes(c.Tier), IdleAfterLimit: limitPause,
		Import: plan.Import{Class: classSite}, Export: plan.Export{Classes: []string{classCloud}},
	})
	return nil
}
