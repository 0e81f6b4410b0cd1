package node

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"onramp/plan"
)

// The order of apply: ports and punt devices, forwarding of old and new attachments together, sessions that end, domains and routes, sessions
// that begin, removed domains, forwarding of the new attachments alone, removed punt devices. So routes to a new attachment come after it,
// and an attachment goes after the routes to it.

// receive takes a plan from control.
func (a *Agent) receive(n *plan.Node) {
	a.mu.Lock()
	a.desired = n.Clone()
	a.mu.Unlock()
	a.apply(a.desired)
}

// applySoon applies the newest plan again after d.
func (a *Agent) applySoon(d time.Duration) { a.retry.Reset(d) }

// apply makes the plan true as far as it can be, and notes what cannot.
func (a *Agent) apply(desired *plan.Node) {
	if desired == nil {
		return
	}
	began := time.Now()
	a.retry.Stop()
	alive := a.alivePorts()
	issues := a.applyPorts(desired)
	n, issues := prune(desired, issues)
	n, issues = a.applyPunts(n, issues)
	var errs []error
	for _, i := range issues {
		errs = append(errs, i)
	}
	old := a.plan
	if old == nil {
		old = &plan.Node{}
	}
	errs = append(errs, a.applyForwarding(n, old)...)
	errs = append(errs, a.host.RemovePunts(a.puntNames()))
	for name, was := range alive { // links that went while nobody listened
		if p := a.ports[name]; p != nil && p.alive() != was {
			a.portMoved(p)
		}
	}
	a.outcome(desired, n, errs, began)
}

// outcome notes the outcome; the plan is tried again while something is missing.
func (a *Agent) outcome(desired, n *plan.Node, errs []error, began time.Time) {
	var problems []string
	for _, err := range errs {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	a.mu.Lock()
	a.problems = problems
	if len(problems) == 0 {
		a.applied = desired.Generation
	}
	a.mu.Unlock()
	if len(problems) > 0 {
		a.log.Warn("plan not wholly applied", "generation", desired.Generation, "problems", problems)
		a.applySoon(retryApply)
	} else {
		a.log.Info("plan applied", "generation", n.Generation, "took", time.Since(began))
	}
	if err := a.save(desired); err != nil {
		a.log.Error("keep the plan", "err", err)
	}
	a.reportSoon()
}

// applyPunts makes the punt devices of the plan, and takes out of it the attachments that got none.
func (a *Agent) applyPunts(n *plan.Node, issues []plan.Issue) (*plan.Node, []plan.Issue) {
	var specs []puntSpec
	var index []int
	for i := range n.Attachments {
		if at := &n.Attachments[i]; at.Domain != "" && len(at.Addresses) > 0 {
			specs = append(specs, puntSpecOf(a.cfg.Name, at))
			index = append(index, i)
		}
	}
	devs, errs := a.host.MakePunts(specs)
	punts, byIndex := map[string]punt{}, map[int]string{}
	var failed []plan.Issue
	for i, s := range specs {
		if errs[i] != nil {
			failed = append(failed, plan.Issue{Kind: "attachment", Name: s.Attachment, Index: index[i], Field: "Addresses", Rule: errs[i].Error()})
			continue
		}
		punts[s.Attachment] = punt{devs[i], s}
		byIndex[devs[i].KernelIndex] = s.Attachment
	}
	a.mu.Lock()
	a.punts, a.byIndex = punts, byIndex
	a.mu.Unlock()
	if len(failed) == 0 {
		return n, issues
	}
	n, failed = prune(n, failed)
	return n, append(issues, failed...)
}

func (a *Agent) puntNames() map[string]bool {
	keep := map[string]bool{}
	for _, p := range a.punts {
		keep[p.spec.Kernel] = true
	}
	return keep
}

// applyForwarding carries the plan into FIB, domains and sessions.
func (a *Agent) applyForwarding(n, old *plan.Node) []error {
	next := a.fibConfigOf(n)
	both := union(a.fibConfig, next)
	var errs []error
	if err := a.applyFIB(both); err != nil { // old and new may exclude each other; then the new alone must do
		a.log.Warn("old and new forwarding do not fit together", "err", err)
		errs = append(errs, a.applyFIB(next))
		both = next
	}
	domainOf := make(map[string]string, len(n.Attachments))
	for _, at := range n.Attachments {
		domainOf[at.Name] = at.Domain
	}
	a.mu.Lock()
	a.plan, a.domainOf = n, domainOf
	a.mu.Unlock()
	a.applyNeighbors(n)
	a.applyLinks(n)
	for _, s := range n.Sessions {
		if cur := a.sessions[s.Name]; cur != nil && a.mustReplace(cur, s) {
			a.endSession(s.Name)
		}
	}
	wanted := map[string]bool{}
	for _, s := range n.Sessions {
		wanted[s.Name] = true
	}
	for name := range a.sessions {
		if !wanted[name] {
			a.endSession(name)
		}
	}
	fresh, e := a.applyDomains(n)
	errs = append(errs, e...)
	errs = append(errs, a.applyListeners(n)...)
	a.applySessions(n, old, fresh)
	a.watchPaths(n)
	errs = append(errs, a.removeDomains(n)...)
	if !reflect.DeepEqual(both, next) {
		errs = append(errs, a.applyFIB(next))
	}
	return errs
}

// mustReplace: the session is with another peer, elsewhere, or in another domain.
func (a *Agent) mustReplace(cur *session, s plan.Session) bool {
	p := a.punts[s.Attachment]
	return !sameSession(cur.spec, s) || cur.dialer.device != p.spec.Kernel || p.Made || cur.domain.name != a.domainOf[s.Attachment]
}

func (a *Agent) endSession(name string) {
	s := a.sessions[name]
	a.mu.Lock()
	delete(a.sessions, name)
	a.mu.Unlock()
	s.end(true)
}

// applyDomains starts and configures domains, with the sessions made for them but not yet running. It returns those sessions.
func (a *Agent) applyDomains(n *plan.Node) (fresh []*session, errs []error) {
	begin := map[string]bool{}
	for _, d := range n.Domains {
		if a.domains[d.Name] == nil {
			begin[d.Name] = true
			a.newDomain(d.Name)
		}
	}
	for _, s := range n.Sessions {
		if a.sessions[s.Name] == nil {
			fresh = append(fresh, a.newSession(n, s))
		}
	}
	configs := a.domainConfigs()
	for name := range begin { // all begin before one is waited for
		a.domains[name].begin(*configs[name], a.restarting())
	}
	for _, d := range n.Domains {
		if err := a.domains[d.Name].configure(*configs[d.Name], domainTimeout); err != nil {
			errs = append(errs, fmt.Errorf("domain %q: %w", d.Name, err))
		}
	}
	return fresh, errs
}

func (a *Agent) newDomain(name string) {
	restart := func() { a.do(func() { a.resetSessions(name) }) }
	d := newDomain(name, a.fib, a.log, a.wantNeighbor, restart)
	a.mu.Lock()
	a.domains[name] = d
	a.mu.Unlock()
}

// restarting: the plan being applied is the one of the process before, and the FIB has its routes.
func (a *Agent) restarting() bool { return a.cfg.Continued && a.restoring }

func (a *Agent) resetSessions(domain string) {
	for _, s := range a.sessions {
		if s.domain.name == domain && s.spec.Enabled {
			s.runner.Reset("the routing domain starts anew")
		}
	}
}

func (a *Agent) newSession(n *plan.Node, spec plan.Session) *session {
	d := a.domains[a.domainOf[spec.Attachment]]
	late := &lateRunner{}
	s := &session{spec: spec, late: late, domain: d, dialer: &dialer{host: a.host, device: a.punts[spec.Attachment].spec.Kernel, spec: spec}}
	h := &handler{d: d, session: spec.Name, runner: late, changed: a.sessionMoved}
	s.runner = a.cfg.NewSession(bgpConfig(spec, n.RouterID, a.restarting()), s.dialer, h)
	late.r = s.runner
	a.mu.Lock()
	a.sessions[spec.Name] = s
	a.mu.Unlock()
	return s
}

// domainConfigs are the plans of all domains with their sessions and neighbours.
func (a *Agent) domainConfigs() map[string]*domainConfig {
	all := make(map[string]*domainConfig, len(a.plan.Domains))
	for _, d := range a.plan.Domains {
		all[d.Name] = &domainConfig{spec: d, down: map[string]bool{}, nets: map[string]onLink{}}
	}
	checked := map[string]bool{}
	for i := range a.plan.Attachments {
		at := &a.plan.Attachments[i]
		if c := all[at.Domain]; c != nil {
			c.connect(at)
			checked[at.Name] = at.SourceCheck != plan.SourceAny
			if !a.attachmentAlive(at) {
				c.down[at.Name] = true
			}
		}
	}
	for _, s := range a.plan.Sessions {
		cur := a.sessions[s.Name]
		if cur == nil || all[cur.domain.name] == nil {
			continue
		}
		c := all[cur.domain.name]
		c.sessions = append(c.sessions, sessionConfig{spec: s, runner: cur.late, awaited: a.wasUp == nil || a.wasUp[s.Name],
			listenFirst: checked[s.Attachment]})
		c.neighbor(s.Attachment, s.PeerAddr)
	}
	return all
}

// connect adds an attachment's subnets and neighbours.
func (c *domainConfig) connect(at *plan.Attachment) {
	o := onLink{}
	for _, x := range at.Addresses {
		o.locals = append(o.locals, x.Prefix.Addr())
		if x.Peer.IsValid() {
			o.nets = append(o.nets, netip.PrefixFrom(x.Peer, x.Peer.BitLen()))
			c.neighbor(at.Name, x.Peer)
			continue
		}
		net := x.Prefix.Masked()
		o.nets = append(o.nets, net)
		if !net.IsSingleIP() {
			c.add(connected{prefix: net, attachment: at.Name})
		}
	}
	for _, nb := range at.Neighbors {
		c.neighbor(at.Name, nb.Addr)
	}
	c.nets[at.Name] = o
}

func (c *domainConfig) neighbor(attachment string, addr netip.Addr) {
	c.add(connected{prefix: netip.PrefixFrom(addr, addr.BitLen()), attachment: attachment, addr: addr})
}

func (c *domainConfig) add(x connected) {
	if !slices.Contains(c.connected, x) {
		c.connected = append(c.connected, x)
	}
}

// applyListeners makes one listener per punt device and local address that has sessions.
func (a *Agent) applyListeners(n *plan.Node) []error {
	want := map[listenKey]map[netip.Addr]served{}
	for _, s := range n.Sessions {
		cur := a.sessions[s.Name]
		k := listenKey{cur.dialer.device, s.LocalAddr}
		if want[k] == nil {
			want[k] = map[netip.Addr]served{}
		}
		want[k][s.PeerAddr] = served{cur, s.Key}
	}
	for k, l := range a.listeners {
		if want[k] == nil || !a.deviceKept(k.device) {
			l.close()
			delete(a.listeners, k)
		}
	}
	var errs []error
	for k, peers := range want {
		l := a.listeners[k]
		if l == nil {
			var err error
			if l, err = listen(a.host, k); err != nil {
				errs = append(errs, err)
				continue
			}
			a.listeners[k] = l
		}
		if err := l.set(peers); err != nil {
			errs = append(errs, fmt.Errorf("keys of the listener on %v: %w", k.local, err))
		}
	}
	return errs
}

// deviceKept: the device was not made anew, so sockets bound to it still are.
func (a *Agent) deviceKept(device string) bool {
	for _, p := range a.punts {
		if p.spec.Kernel == device {
			return !p.Made
		}
	}
	return false
}

// applySessions changes the sessions that stay and starts the fresh ones.
func (a *Agent) applySessions(n, old *plan.Node, fresh []*session) {
	for _, s := range n.Sessions {
		if cur := a.sessions[s.Name]; !slices.Contains(fresh, cur) {
			a.mu.Lock()
			from := cur.spec
			cur.spec = s
			a.mu.Unlock()
			cur.change(from, s, n.RouterID, old.RouterID)
		}
	}
	for _, s := range fresh {
		s.start()
	}
}

// removeDomains ends the domains that the plan has no more.
func (a *Agent) removeDomains(n *plan.Node) []error {
	var errs []error
	for name, d := range a.domains {
		if slices.ContainsFunc(n.Domains, func(x plan.Domain) bool { return x.Name == name }) {
			continue
		}
		errs = append(errs, d.stop(true, domainTimeout))
		a.mu.Lock()
		delete(a.domains, name)
		a.mu.Unlock()
	}
	return errs
}

var errNoPlan = errors.New("the node has no plan yet")
