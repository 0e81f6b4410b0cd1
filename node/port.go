package node

import (
	"fmt"
	"time"

	"onramp/plan"
)

// tagBytes is what an interface's MTU must have above a port's: two tags (a redirect refuses frames longer than the target's MTU + 18).
const tagBytes = 8

// port is a port of the plan with its interface.
type port struct {
	spec    plan.Port
	link    linkState
	cut     bool // taken down because the far side of a crossconnect lost its link
	changes int
}

// alive reports whether frames can pass.
func (p *port) alive() bool { return !p.link.Gone && p.link.Up && p.link.Carrier }

func (p *port) want() portSpec {
	s := portSpec{Name: p.spec.Name, Up: p.spec.Enabled && !p.cut}
	if p.spec.MTU != 0 {
		s.MTU = p.spec.MTU + tagBytes
	}
	if p.spec.Underlay.IsValid() {
		s.Addresses = append(s.Addresses, p.spec.Underlay)
	}
	return s
}

// applyPorts makes the ports' interfaces so and returns what is wrong with them.
func (a *Agent) applyPorts(n *plan.Node) []plan.Issue {
	var issues []plan.Issue
	ports := map[string]*port{}
	for i, s := range n.Ports {
		p := &port{spec: s}
		if old := a.ports[s.Name]; old != nil {
			p.link, p.cut, p.changes = old.link, old.cut, old.changes
		}
		l, err := a.host.SetPort(a.portSpec(n, p))
		if err != nil {
			issues = append(issues, plan.Issue{Kind: "port", Name: s.Name, Index: i, Field: "Name", Rule: err.Error()})
			continue
		}
		p.link = l
		ports[s.Name] = p
	}
	a.mu.Lock()
	a.ports = ports
	a.mu.Unlock()
	return issues
}

func (a *Agent) alivePorts() map[string]bool {
	out := map[string]bool{}
	for name, p := range a.ports {
		out[name] = p.alive()
	}
	return out
}

// portSpec adds to a port that leads to the fabric the tunnel end point, where it is not the port's own address.
func (a *Agent) portSpec(n *plan.Node, p *port) portSpec {
	s := p.want()
	if u := p.spec.Underlay; u.IsValid() && n.VTEP.IsValid() && n.VTEP != u.Addr() {
		if host, err := n.VTEP.Prefix(n.VTEP.BitLen()); err == nil {
			s.Addresses = append(s.Addresses, host)
		}
	}
	return s
}

// attachmentAlive reports whether frames can pass at an attachment: its port is alive, or for a tunnel one of the ports to the fabric.
func (a *Agent) attachmentAlive(at *plan.Attachment) bool {
	if at.Port != "" {
		p := a.ports[at.Port]
		return p != nil && p.alive()
	}
	for _, p := range a.ports {
		if p.spec.Underlay.IsValid() && p.alive() {
			return true
		}
	}
	return false
}

// linkChanged follows an interface of a port.
func (a *Agent) linkChanged(l linkState) {
	p := a.ports[l.Name]
	if p == nil {
		a.linkAppeared(l)
		return
	}
	if p.link.Index != l.Index && l.Gone {
		return // an older interface of the name
	}
	was, moved := p.alive(), p.link.Index != l.Index || l.Gone != p.link.Gone
	a.mu.Lock()
	p.link = l
	a.mu.Unlock()
	if was != p.alive() {
		a.portMoved(p)
	}
	if moved && !l.Gone {
		a.applySoon(0)
	}
}

// linkAppeared applies the plan again when a port that was missing is there now.
func (a *Agent) linkAppeared(l linkState) {
	if _, punt := a.byIndex[l.Index]; punt && l.Gone {
		a.applySoon(0) // somebody deleted a punt device
		return
	}
	if a.desired == nil || l.Gone {
		return
	}
	for _, p := range a.desired.Ports {
		if p.Name == l.Name {
			a.applySoon(0)
			return
		}
	}
}

// portMoved: a port's link was lost or is back. First the forwarding, then the sessions, then what follows from both.
func (a *Agent) portMoved(p *port) {
	up := p.alive()
	a.mu.Lock()
	p.changes++
	a.mu.Unlock()
	a.log.Info("link changed", "port", p.spec.Name, "up", up)
	domains := a.followPort(p.spec.Name, p.spec.Underlay.IsValid(), up)
	var configs map[string]*domainConfig
	if len(domains) > 0 {
		configs = a.domainConfigs()
	}
	for name := range domains {
		if d, cfg := a.domains[name], configs[name]; d != nil && cfg != nil {
			d.mu.Lock()
			d.cfg = *cfg
			d.mu.Unlock()
			d.tell(func(r *routing) { r.cfg.down = cfg.down; r.configureOwn(r.cfg); r.releaseIfComplete(time.Now()) })
		}
	}
	a.lossForwarding()
	a.reportSoon()
}

// followPort tells the FIB and the sessions of every attachment on the port, and returns the domains concerned.
func (a *Agent) followPort(name string, underlay, up bool) map[string]bool {
	domains, moved := map[string]bool{}, map[string]bool{}
	if a.plan == nil {
		return domains
	}
	for i := range a.plan.Attachments {
		at := &a.plan.Attachments[i]
		if at.Port != name && !(underlay && at.Port == "") || a.attachmentAlive(at) != up {
			continue
		}
		moved[at.Name] = true
		domains[at.Domain] = true
		if err := a.fib.setAttachmentUp(at.Name, up); err != nil {
			a.log.Error("set attachment", "attachment", at.Name, "up", up, "err", err)
		}
	}
	for _, s := range a.sessions {
		switch {
		case !moved[s.spec.Attachment] || !s.spec.Enabled:
		case up:
			s.runner.Start()
		default:
			s.runner.Reset(fmt.Sprintf("port %s lost its link", name))
		}
	}
	if up {
		a.resolveAll()
	}
	return domains
}

// lossForwarding takes the ports of crossconnects down whose far side has no link, and up again when it is back. A far side that is itself
// taken down for this reason counts as having a link: two crossconnects that follow each other must not hold each other down.
func (a *Agent) lossForwarding() {
	if a.plan == nil {
		return
	}
	cut := map[string]bool{}
	for _, x := range a.plan.Crossconnects {
		if !x.LinkLossForwarding {
			continue
		}
		pa, pb := a.portOf(x.A), a.portOf(x.B)
		if pa != nil && pb != nil && pa != pb && !pb.cut && !pb.alive() {
			cut[pa.spec.Name] = true
		}
	}
	for name, p := range a.ports {
		if p.cut == cut[name] {
			continue
		}
		p.cut = cut[name]
		a.log.Info("link loss forwarding", "port", name, "down", p.cut)
		if _, err := a.host.SetPort(a.portSpec(a.plan, p)); err != nil {
			a.log.Error("forward the loss of a link", "port", name, "err", err)
		}
	}
}

func (a *Agent) portOf(attachment string) *port {
	for i := range a.plan.Attachments {
		if a.plan.Attachments[i].Name == attachment {
			return a.ports[a.plan.Attachments[i].Port]
		}
	}
	return nil
}
