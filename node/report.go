package node

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"onramp/node/bgp"
	"onramp/node/fib"
	"onramp/plan"
)

// Status is what the node is now. It may be called from any goroutine.
func (a *Agent) Status() plan.Report {
	counters, err := a.fib.f.Counters()
	mode := a.mode()
	tags, tagErr := a.unknownTags()
	keys, keyErr := a.host.KeyFailures()
	a.mu.Lock()
	defer a.mu.Unlock()
	r := plan.Report{Node: a.cfg.Name, Started: a.started, Time: time.Now(), Applied: a.applied, DataPath: dataPath(mode)}
	problems := slices.Clone(a.problems)
	if a.desired != nil && a.applied < a.desired.Generation && len(problems) == 0 {
		problems = append(problems, fmt.Sprintf("generation %d is being applied", a.desired.Generation))
	}
	for _, name := range sortedKeys(a.domains) {
		d := a.domains[name]
		r.Domains = append(r.Domains, plan.DomainState{Name: name, Prefixes: int(d.prefixes.Load()), Paths: int(d.paths.Load())})
		if p := d.Problem(); p != "" {
			problems = append(problems, p)
		}
	}
	if err := errors.Join(err, tagErr, keyErr); err != nil {
		problems = append(problems, "read counters: "+err.Error())
	}
	r.Problem = strings.Join(problems, "; ")
	for _, name := range sortedKeys(a.ports) {
		r.Ports = append(r.Ports, a.ports[name].state(mode[name]))
	}
	for _, name := range sortedKeys(a.sessions) {
		s := a.sessions[name].state()
		if a.sessions[name].spec.BFD != nil {
			e := a.paths.last[name]
			s.BFD, s.BFDSince = bfdState(e), e.Since
		}
		r.Sessions = append(r.Sessions, s)
	}
	a.countersLocked(&r, counters)
	a.growthLocked(&r, tags, keys)
	return r
}

func (a *Agent) mode() map[string]string {
	a.fib.mu.Lock()
	defer a.fib.mu.Unlock()
	return a.fib.f.Mode()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// dataPath says in a few words what runs.
func dataPath(mode map[string]string) string {
	kinds := map[string][]string{}
	for port, m := range mode {
		kinds[m] = append(kinds[m], port)
	}
	var parts []string
	for _, m := range sortedKeys(kinds) {
		name := m
		if m == "native" || m == "generic" {
			name = "xdp " + m
		}
		if len(kinds) > 1 {
			slices.Sort(kinds[m])
			name += " on " + strings.Join(kinds[m], ",")
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, "; ")
}

func (p *port) state(mode string) plan.PortState {
	return plan.PortState{Name: p.spec.Name, Up: p.alive(), Mode: mode, MAC: p.link.MAC.String(), Changes: p.changes}
}

// state names, as RFC 4271 writes them.
func stateName(s bgp.State) string {
	names := [...]string{"Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State%d", s)
}

func (s *session) state() plan.SessionState {
	st := s.runner.Status()
	out := plan.SessionState{
		Name: s.spec.Name, State: stateName(st.State), Since: st.Since, LocalAddr: s.spec.LocalAddr, PeerAddr: s.spec.PeerAddr,
		PeerAS: s.spec.PeerAS, PeerID: st.Peer.ID, HoldTime: st.Peer.HoldTime, MessagesIn: st.MessagesIn, MessagesOut: st.MessagesOut,
		LastError: st.LastError,
	}
	for _, e := range st.Events {
		out.Events = append(out.Events, plan.SessionEvent{Time: e.Time, From: stateName(e.From), To: stateName(e.To), Cause: e.Cause})
	}
	if n := s.late.counts.Load(); n != nil {
		out.Received, out.Advertised = n.received, n.advertised
	}
	return out
}

// countersLocked fills in what the FIB counted, and the neighbours.
func (a *Agent) countersLocked(r *plan.Report, c fib.Counters) {
	r.Drops = dropCounts(c.Drops)
	if a.plan == nil {
		return
	}
	neighbors := a.neighborStatesLocked()
	for i := range a.plan.Attachments {
		at := &a.plan.Attachments[i]
		n := c.Attachments[at.Name]
		r.Attachments = append(r.Attachments, plan.AttachmentState{Name: at.Name, InPackets: n.InPackets, InBytes: n.InBytes,
			OutPackets: n.OutPackets, OutBytes: n.OutBytes, Drops: dropCounts(n.Drops), Neighbors: append(ownAddresses(a, at), neighbors[at.Name]...),
			Strangers: a.strangersLocked(at.Name)})
	}
	for _, p := range a.plan.Policers {
		n := c.Policers[p.Name]
		r.Policers = append(r.Policers, plan.PolicerState{Name: p.Name, PassedBytes: n.PassedBytes, DroppedBytes: n.DroppedBytes,
			PassedPackets: n.PassedPackets, DroppedPackets: n.DroppedPackets})
	}
}

func dropCounts(m map[string]uint64) []plan.DropCount {
	var out []plan.DropCount
	for _, reason := range sortedKeys(m) {
		if m[reason] > 0 {
			out = append(out, plan.DropCount{Reason: reason, Packets: m[reason]})
		}
	}
	return out
}

func ownAddresses(a *Agent, at *plan.Attachment) []plan.NeighborState {
	p, ok := a.punts[at.Name]
	if !ok {
		return nil
	}
	var out []plan.NeighborState
	for _, x := range at.Addresses {
		out = append(out, plan.NeighborState{Addr: x.Prefix.Addr(), MAC: p.spec.KernelMAC.String(), Local: true})
	}
	return out
}

func (a *Agent) neighborStatesLocked() map[string][]plan.NeighborState {
	out := map[string][]plan.NeighborState{}
	for k, n := range a.neighbors.known {
		if name, ok := a.byIndex[k.index]; ok {
			s := plan.NeighborState{Addr: k.addr, Age: time.Since(n.since)}
			if n.mac != nil {
				s.MAC = n.mac.String()
			}
			out[name] = append(out[name], s)
		}
	}
	for _, ns := range out {
		slices.SortFunc(ns, func(x, y plan.NeighborState) int { return x.Addr.Compare(y.Addr) })
	}
	return out
}
