package node

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"onramp/node/bgp"
	"onramp/node/fib"
	"onramp/node/rib"
	"onramp/plan"
)

// Classes of routes that no plan names.
const (
	classConnected = plan.ClassConnected
	// connectedWeight is above every routing weight (0..32000): a route to a neighbour is never overruled by what it announces.
	connectedWeight = 65535
)

// Times of a domain.
const (
	defaultHold   = 60 * time.Second // waiting for sessions after a restart, where none offers a restart time
	quietComplete = 3 * time.Second  // a peer without graceful restart is taken to have sent its table
	listenFor     = 3 * time.Second  // longest that a peer is listened to before it is told anything
	retryFIB      = 5 * time.Second
	batchSize     = 1024 // route changes between two looks at anything else
)

// domainConfig is what a domain shall be.
type domainConfig struct {
	spec      plan.Domain
	sessions  []sessionConfig
	connected []connected
	down      map[string]bool // attachments without link
	nets      map[string]onLink
}

// sessionConfig is one session of a domain.
type sessionConfig struct {
	spec    plan.Session
	runner  announcer
	awaited bool // after a restart the domain waits for it: it was up before
	// listenFirst: nothing is announced to the peer before it has told its table, because its attachment drops packets from sources
	// that no route leads to (RFC 3704): a peer that is told first sends at once, and its packets would be lost.
	listenFirst bool
}

// announcer is what routing uses of bgp.Runner.
type announcer interface {
	Announce([]bgp.Update)
	count(peerCounts)
}

// connected is a prefix on an attachment: a subnet, or a neighbour's host route.
type connected struct {
	prefix     netip.Prefix
	attachment string
	addr       netip.Addr // of the neighbour; invalid: the destination itself
}

// onLink is what a next hop may be on an attachment.
type onLink struct {
	nets   []netip.Prefix
	locals []netip.Addr
}

func (o onLink) has(a netip.Addr) bool {
	return !slices.Contains(o.locals, a) && slices.ContainsFunc(o.nets, func(p netip.Prefix) bool { return p.Contains(a) })
}

// programmer is what routing uses of fib.FIB.
type programmer interface {
	Routes(domain string, cs []fib.RouteChange) error
	ReplaceRoutes(domain string, rs []fib.RouteChange) error
}

// routing is one domain's table with its sessions. It belongs to the domain's goroutine; now is given to it.
type routing struct {
	name  string
	fib   programmer
	log   *slog.Logger
	want  func(attachment string, addr netip.Addr) // a next hop that must be resolved
	table *rib.Table
	cfg   domainConfig
	peers map[string]*peer
	own   map[rib.NextHop]*rib.Source
	has   map[ownKey]rib.Path // own routes in the table

	// After a restart the FIB holds the routes of the process before; nothing is changed or announced until every session has told its
	// table, or until the deadline.
	holding  bool
	deadline time.Time

	broken  error // the FIB refused routes; nothing new is announced until all are in
	retryAt time.Time
}

type ownKey struct {
	prefix netip.Prefix
	source *rib.Source
}

// peer is a session seen from its domain.
type peer struct {
	cfg        sessionConfig
	n          *rib.Neighbor
	out        *rib.AdjOut
	up         bool
	negotiated bgp.Peer
	complete   bool      // it has told its whole table since it came up
	completeAt time.Time // when it is taken to have; zero: when it says so
	sweepAt    time.Time // when what is stale goes; zero: nothing is
	speakAt    time.Time // nothing is announced before the peer's table is complete, or then; zero: it is told everything
}

// told reports whether the peer is kept up to date.
func (p *peer) told() bool { return p.up && p.speakAt.IsZero() }

func newRouting(name string, f programmer, log *slog.Logger, want func(string, netip.Addr)) *routing {
	return &routing{name: name, fib: f, log: log, want: want, peers: map[string]*peer{}, own: map[rib.NextHop]*rib.Source{},
		has: map[ownKey]rib.Path{}, table: rib.NewTable(1)}
}

// begin configures for the first time. With hold, the FIB's routes stay until the sessions have told theirs; without, they are replaced.
func (r *routing) begin(c domainConfig, hold bool, now time.Time) {
	wait := time.Duration(0)
	for _, s := range c.sessions {
		wait = max(wait, s.spec.RestartTime)
	}
	r.holding, r.deadline = hold, now.Add(cmp.Or(wait, defaultHold))
	r.configure(c, now)
	if !hold {
		r.retryAt = now.Add(retryFIB)
		r.replaceAll()
	}
}

// configure makes the domain so. Sessions are told by name; one whose runner changed is another.
func (r *routing) configure(c domainConfig, now time.Time) {
	r.cfg = c
	r.table.SetMultiPath(c.spec.MultiPath)
	r.configureSessions(c.sessions)
	r.configureOwn(c)
	r.releaseIfComplete(now)
}

func (r *routing) configureSessions(ss []sessionConfig) {
	keep := map[string]bool{}
	for _, s := range ss {
		keep[s.spec.Name] = true
		p := r.peers[s.spec.Name]
		if p != nil && p.cfg.runner != s.runner {
			r.table.Drop(p.n.Source)
			p = nil
		}
		if p == nil {
			r.addPeer(s)
		} else {
			r.changePeer(p, s)
		}
	}
	for name, p := range r.peers {
		if !keep[name] {
			r.table.Drop(p.n.Source)
			delete(r.peers, name)
		}
	}
}

func (r *routing) addPeer(s sessionConfig) {
	src := &rib.Source{Name: s.spec.Name, Attachment: s.spec.Attachment, Internal: s.spec.PeerAS == s.spec.LocalAS,
		PeerAddr: s.spec.PeerAddr, PeerAS: s.spec.PeerAS}
	p := &peer{cfg: s, n: neighborOf(s.spec, src)}
	p.out = rib.NewAdjOut(p.n, p.carries)
	r.peers[s.spec.Name] = p
}

func (r *routing) changePeer(p *peer, s sessionConfig) {
	n := neighborOf(s.spec, p.n.Source)
	p.cfg, p.n = s, n
	if p.told() && !r.holding {
		r.flush()
		withdraw, reach := p.out.Reconcile(n, r.table.All())
		r.announce(p, withdraw)
		r.announce(p, reach)
	}
}

func neighborOf(s plan.Session, src *rib.Source) *rib.Neighbor {
	return &rib.Neighbor{
		Source: src, LocalAS: s.LocalAS, PeerAS: s.PeerAS, LocalAddr: s.LocalAddr,
		Import: rib.Import{Class: s.Import.Class, Weight: s.Import.Weight, StripCommunities: s.Import.StripCommunities,
			Deny: rulesOf(s.Import.Deny), Allow: rulesOf(s.Import.Allow)},
		Export: rib.Export{Classes: s.Export.Classes, RemoveAS: s.Export.RemoveAS, Prepend: s.Export.Prepend, AllowBack: s.Export.AllowBack},
	}
}

func rulesOf(rs []plan.PrefixRule) []rib.PrefixRule {
	var out []rib.PrefixRule
	for _, r := range rs {
		out = append(out, rib.PrefixRule(r))
	}
	return out
}

// carries reports whether the session was negotiated to carry the family.
func (p *peer) carries(f bgp.Family) bool { return slices.Contains(p.negotiated.Families, f) }

// up: the session reached Established.
func (r *routing) up(name string, runner announcer, neg bgp.Peer, now time.Time) {
	p := r.peers[name]
	if p == nil || p.cfg.runner != runner {
		return
	}
	p.up, p.negotiated, p.complete, p.completeAt = false, neg, false, time.Time{}
	p.n.Source.PeerID = neg.ID
	if !neg.GracefulRestart {
		p.completeAt = now.Add(quietComplete)
	}
	if !neg.GracefulRestart || len(neg.Forwarding) < len(neg.Families) { // RFC 4724 §4.2: its forwarding state did not survive
		r.sweep(p)
	}
	r.flush()
	p.up, p.speakAt = true, time.Time{}
	if p.cfg.listenFirst {
		p.speakAt = now.Add(listenFor)
	}
	if !r.holding && p.told() {
		r.announceAll(p)
	}
}

// speak tells the peer everything, when it has been listened to: what it sends packets from is programmed by now.
func (r *routing) speak(p *peer) {
	if p.speakAt.IsZero() {
		return
	}
	p.speakAt = time.Time{}
	if p.up && !r.holding {
		r.flush()
		r.announceAll(p)
	}
}

func (r *routing) announceAll(p *peer) {
	withdraw, reach := p.out.Restart(p.n, r.table.All())
	r.announce(p, withdraw)
	if r.broken == nil {
		r.announce(p, reach)
	}
	for _, f := range p.negotiated.Families {
		p.cfg.runner.Announce([]bgp.Update{{Family: f, EndOfRIB: true}})
	}
}

func (r *routing) announce(p *peer, us []bgp.Update) {
	if len(us) > 0 {
		p.cfg.runner.Announce(us)
	}
}

// update is one UPDATE of the peer.
func (r *routing) update(name string, runner announcer, u bgp.Update, now time.Time) {
	p := r.peers[name]
	if p == nil || p.cfg.runner != runner {
		return
	}
	if u.EndOfRIB {
		p.complete = true
		r.sweep(p)
		r.releaseIfComplete(now)
		r.speak(p)
		return
	}
	r.table.Withdraw(p.n.Source, u.Withdrawn...)
	if len(u.Reach) == 0 {
		return
	}
	path, accepted, refused := p.n.Receive(u)
	r.table.Withdraw(p.n.Source, refused...)
	if !r.usable(p, u.NextHop) {
		r.table.Withdraw(p.n.Source, accepted...)
		return
	}
	r.table.Learn(path, accepted...)
}

// usable: a next hop must be on the session's link (RFC 4271 §5.1.3), and not this node itself.
func (r *routing) usable(p *peer, hop netip.Addr) bool {
	if hop == p.cfg.spec.PeerAddr {
		return true
	}
	if !r.cfg.nets[p.cfg.spec.Attachment].has(hop) {
		r.log.Warn("next hop is not on the link; routes not used", "session", p.cfg.spec.Name, "next_hop", hop)
		return false
	}
	r.want(p.cfg.spec.Attachment, hop)
	return true
}

// refresh announces everything again.
func (r *routing) refresh(name string, runner announcer) {
	if p := r.peers[name]; p != nil && p.cfg.runner == runner && p.told() && !r.holding {
		r.flush()
		r.announceAll(p)
	}
}

// down: the session left Established.
func (r *routing) down(name string, runner announcer, d bgp.Down, now time.Time) {
	p := r.peers[name]
	if p == nil || p.cfg.runner != runner {
		return
	}
	p.up, p.complete, p.completeAt, p.speakAt = false, false, time.Time{}, time.Time{}
	if d.Keep && d.KeepFor > 0 {
		r.table.MarkStale(p.n.Source)
		p.sweepAt = now.Add(d.KeepFor)
		return
	}
	p.sweepAt = time.Time{}
	r.table.Drop(p.n.Source)
	r.releaseIfComplete(now)
}

func (r *routing) sweep(p *peer) {
	if !p.sweepAt.IsZero() {
		p.sweepAt = time.Time{}
		r.table.Sweep(p.n.Source)
	}
}

// flush carries all changes out, in the order that loses no packet: announce withdrawals, change forwarding, announce the new.
func (r *routing) flush() {
	if r.holding {
		return
	}
	for {
		cs := r.table.Changes(batchSize)
		if len(cs) == 0 {
			return
		}
		r.carryOut(cs)
	}
}

func (r *routing) carryOut(cs []rib.Change) {
	for _, p := range r.peers {
		if p.told() {
			r.announce(p, p.out.Withdraw(cs))
		}
	}
	if r.broken == nil {
		if err := r.fib.Routes(r.name, routeChanges(cs)); err != nil {
			r.broken, r.retryAt = fmt.Errorf("program routes of domain %q: %w", r.name, err), time.Now().Add(retryFIB)
			r.log.Error("program routes", "err", err)
		}
	}
	if r.broken != nil {
		return
	}
	for _, p := range r.peers {
		if p.told() {
			r.announce(p, p.out.Reach(cs))
		}
	}
}

// count tells the sizes of what was received from each peer and announced to it.
func (r *routing) count() {
	for _, p := range r.peers {
		c := peerCounts{received: r.table.Count(p.n.Source)}
		if p.told() {
			c.advertised = p.out.Len()
		}
		p.cfg.runner.count(c)
	}
}

func routeChanges(cs []rib.Change) []fib.RouteChange {
	out := make([]fib.RouteChange, len(cs))
	for i, c := range cs {
		out[i] = fib.RouteChange{Prefix: c.Prefix, Hops: hopsOf(c.Best)}
	}
	return out
}

// hopsOf are the distinct next hops: two sessions may lead to one neighbour.
func hopsOf(paths []*rib.Path) []fib.Hop {
	var out []fib.Hop
	for _, p := range paths {
		h := fib.Hop(p.NextHop)
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// close takes everything of the domain away: withdrawals first.
func (r *routing) close() error {
	for _, p := range r.peers {
		if p.told() {
			withdraw, _ := p.out.Reconcile(p.n, nil)
			r.announce(p, withdraw)
		}
	}
	if err := r.fib.ReplaceRoutes(r.name, nil); err != nil {
		return errors.Join(fmt.Errorf("remove routes of domain %q", r.name), err)
	}
	return nil
}
