package node

import (
	"fmt"
	"net/netip"
	"slices"

	"onramp/node/fib"
	"onramp/plan"
)

func (a *Agent) applyFIB(c fib.Config) error {
	if err := a.fib.apply(c); err != nil {
		return fmt.Errorf("apply forwarding: %w", err)
	}
	a.mu.Lock()
	a.fibConfig = c
	a.mu.Unlock()
	return nil
}

// applyLinks tells the FIB of every attachment whether it has a link.
func (a *Agent) applyLinks(n *plan.Node) {
	for i := range n.Attachments {
		at := &n.Attachments[i]
		if err := a.fib.setAttachmentUp(at.Name, a.attachmentAlive(at)); err != nil {
			a.log.Error("set attachment", "attachment", at.Name, "err", err)
		}
	}
	a.lossForwarding()
}

// fibConfigOf is the plan in the FIB's words.
func (a *Agent) fibConfigOf(n *plan.Node) fib.Config {
	c := fib.Config{VTEP: n.VTEP}
	for _, p := range n.Ports {
		l := a.ports[p.Name].link
		mtu := p.MTU
		if mtu == 0 {
			mtu = l.MTU - tagBytes
		}
		c.Ports = append(c.Ports, fib.Port{Name: p.Name, Ifindex: l.Index, MAC: l.MAC, MTU: mtu, OuterEtherType: p.OuterEtherType,
			Underlay: p.Underlay.IsValid()})
	}
	for i := range n.Attachments {
		c.Attachments = append(c.Attachments, a.fibAttachment(&n.Attachments[i]))
	}
	for _, d := range n.Domains {
		c.Domains = append(c.Domains, d.Name)
	}
	for _, x := range n.Crossconnects {
		c.Crossconnects = append(c.Crossconnects, fib.Crossconnect{Name: x.Name, A: x.A, B: x.B})
	}
	for _, p := range n.Policers {
		c.Policers = append(c.Policers, fib.Policer(p))
	}
	return c
}

func (a *Agent) fibAttachment(at *plan.Attachment) fib.Attachment {
	f := fib.Attachment{Name: at.Name, Domain: at.Domain, Port: at.Port, STag: at.STag, CTag: at.CTag, AnyCTag: at.AnyCTag, VNI: at.VNI,
		Remote: at.Remote, MTU: attachmentMTU(at), Ingress: at.Ingress, Egress: at.Egress}
	switch at.SourceCheck {
	case plan.SourceLoose:
		f.SourceCheck = fib.SourceLoose
	case plan.SourceStrict:
		f.SourceCheck = fib.SourceStrict
	}
	for _, x := range at.Addresses {
		f.Locals = append(f.Locals, x.Prefix.Addr())
	}
	f.MAC = puntMAC(a.cfg.Name, at.Name, kernelEnd)
	if p, ok := a.punts[at.Name]; ok {
		f.PuntIfindex, f.KernelIfindex = p.PathIndex, p.KernelIndex
	}
	return f
}

// union is next with what only old has and next leaves room for: so old attachments serve until the routes to them are gone.
func union(old, next fib.Config) fib.Config {
	u := next
	u.Domains = slices.Clone(next.Domains)
	for _, d := range old.Domains {
		if !slices.Contains(u.Domains, d) {
			u.Domains = append(u.Domains, d)
		}
	}
	u.Policers = withOld(next.Policers, old.Policers, func(x, y fib.Policer) bool { return x.Name == y.Name })
	u.Ports = withOld(next.Ports, old.Ports, func(x, y fib.Port) bool { return x.Name == y.Name || x.Ifindex == y.Ifindex })
	ports := map[string]bool{}
	for _, p := range u.Ports {
		ports[p.Name] = true
	}
	u.Attachments = slices.Clone(next.Attachments)
	names, keys := map[string]bool{}, map[frames]bool{}
	for i := range next.Attachments {
		names[next.Attachments[i].Name], keys[framesOf(&next.Attachments[i])] = true, true
	}
	for i := range old.Attachments {
		if x := &old.Attachments[i]; !names[x.Name] && !keys[framesOf(x)] && (x.Port == "" || ports[x.Port]) {
			u.Attachments = append(u.Attachments, *x)
		}
	}
	return u
}

// frames is what the frames of an attachment are told by.
type frames struct {
	port       string
	stag, ctag uint16
	any        bool
	vni        uint32
	remote     netip.Addr
}

func framesOf(x *fib.Attachment) frames {
	return frames{x.Port, x.STag, x.CTag, x.AnyCTag, x.VNI, x.Remote}
}

// withOld appends to next those of old that are like none of next.
func withOld[T any](next, old []T, like func(x, y T) bool) []T {
	out := slices.Clone(next)
	for _, o := range old {
		if !slices.ContainsFunc(next, func(x T) bool { return like(x, o) }) {
			out = append(out, o)
		}
	}
	return out
}
