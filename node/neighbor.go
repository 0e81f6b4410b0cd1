package node

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"onramp/plan"
)

// neighborKey is a neighbour on an interface.
type neighborKey struct {
	index int
	addr  netip.Addr
}

// knownNeighbor is what the kernel says of one.
type knownNeighbor struct {
	mac   net.HardwareAddr // nil: unresolved
	since time.Time        // of this MAC
}

// neighbors is the table of the node's neighbours, all interfaces.
type neighbors struct {
	known  map[neighborKey]knownNeighbor
	wanted map[neighborKey]bool
	static map[neighborKey]string       // MAC
	behind map[neighborKey][]netip.Addr // tunnel ends reached through a neighbour of the underlay
	missed map[neighborKey]time.Time    // asked for because packets go to them, and not of the plan; since when
	heard  map[int][]stranger           // by interface
}

func newNeighbors() *neighbors {
	return &neighbors{known: map[neighborKey]knownNeighbor{}, wanted: map[neighborKey]bool{}, static: map[neighborKey]string{},
		behind: map[neighborKey][]netip.Addr{}, missed: map[neighborKey]time.Time{}, heard: map[int][]stranger{}}
}

// event hands what the kernel tells to the main goroutine.
func (a *Agent) event(e event) {
	a.do(func() {
		switch {
		case e.link != nil:
			a.linkChanged(*e.link)
		case e.neighbor != nil:
			a.neighborChanged(*e.neighbor)
		case e.arp != nil:
			a.arpHeard(*e.arp)
		}
	})
}

func (a *Agent) neighborChanged(n neighborState) {
	k := neighborKey{n.Index, n.Addr}
	old, had := a.neighbors.known[k]
	a.mu.Lock()
	if n.Gone {
		delete(a.neighbors.known, k)
	} else {
		now := knownNeighbor{n.MAC, time.Now()}
		if had && bytes.Equal(old.mac, n.MAC) {
			now.since = old.since
		}
		a.neighbors.known[k] = now
	}
	a.mu.Unlock()
	if bytes.Equal(old.mac, n.MAC) {
		return
	}
	a.programNeighbor(k, n.MAC)
	if n.MAC == nil && !n.Gone && a.neighbors.wanted[k] {
		a.resolve(k) // what was silent for some seconds may be back: ask now, and not with the next look
	}
}

// programNeighbor tells the FIB of a neighbour: on an attachment, or of the underlay.
func (a *Agent) programNeighbor(k neighborKey, mac net.HardwareAddr) {
	if name, ok := a.byIndex[k.index]; ok {
		if a.dead(name, k.addr) {
			mac = nil
		}
		if err := a.fib.setNeighbor(name, k.addr, mac); err != nil {
			a.log.Error("set neighbour", "attachment", name, "addr", k.addr, "err", err)
		}
	}
	for _, remote := range a.neighbors.behind[k] {
		if err := a.fib.setUnderlayNeighbor(remote, mac); err != nil {
			a.log.Error("set underlay neighbour", "remote", remote, "err", err)
		}
	}
}

// applyNeighbors makes the kernel keep the neighbours that the plan needs, and tells the FIB of all known ones anew.
func (a *Agent) applyNeighbors(n *plan.Node) {
	wanted, static := map[neighborKey]bool{}, map[neighborKey]string{}
	want := func(attachment string, addr netip.Addr) {
		if p, ok := a.punts[attachment]; ok && addr.IsValid() {
			wanted[neighborKey{p.KernelIndex, addr}] = true
		}
	}
	for _, s := range n.Sessions {
		want(s.Attachment, s.PeerAddr)
	}
	for _, d := range n.Domains {
		for _, s := range d.Static {
			want(s.Attachment, s.NextHop)
		}
	}
	for i := range n.Attachments {
		at := &n.Attachments[i]
		if p, ok := a.punts[at.Name]; ok {
			for _, nb := range at.Neighbors {
				static[neighborKey{p.KernelIndex, nb.Addr}] = nb.MAC
				delete(wanted, neighborKey{p.KernelIndex, nb.Addr})
			}
		}
	}
	behind := a.underlay(n)
	for k := range behind {
		wanted[k] = true
	}
	a.replaceNeighbors(wanted, static, behind)
	for k, nb := range a.neighbors.known {
		if nb.mac != nil {
			a.programNeighbor(k, nb.mac)
		}
	}
}

func (a *Agent) replaceNeighbors(wanted map[neighborKey]bool, static map[neighborKey]string, behind map[neighborKey][]netip.Addr) {
	old := a.neighbors
	for k, mac := range static {
		hw, err := net.ParseMAC(mac)
		if err == nil && old.static[k] != mac {
			err = a.host.SetNeighbor(k.index, k.addr, hw)
		}
		if err != nil {
			a.log.Error("static neighbour", "addr", k.addr, "err", err)
		}
	}
	for k := range wanted {
		if !old.wanted[k] {
			a.resolve(k)
		}
	}
	for k := range old.static {
		if static[k] == "" && !wanted[k] {
			a.forgetNeighbor(k)
		}
	}
	for k := range old.wanted {
		if static[k] == "" && !wanted[k] {
			a.forgetNeighbor(k)
		}
	}
	a.mu.Lock()
	old.wanted, old.static, old.behind = wanted, static, behind
	a.mu.Unlock()
}

func (a *Agent) forgetNeighbor(k neighborKey) {
	if err := a.host.Forget(k.index, k.addr); err != nil {
		a.log.Warn("forget neighbour", "addr", k.addr, "err", err)
	}
}

func (a *Agent) resolve(k neighborKey) {
	if err := a.host.Resolve(k.index, k.addr); err != nil {
		a.log.Warn("resolve neighbour", "addr", k.addr, "err", err)
	}
}

// underlay finds behind which neighbours of the fabric the remote tunnel ends lie.
func (a *Agent) underlay(n *plan.Node) map[neighborKey][]netip.Addr {
	behind, seen := map[neighborKey][]netip.Addr{}, map[netip.Addr]bool{}
	for i := range n.Attachments {
		remote := n.Attachments[i].Remote
		if !remote.IsValid() || seen[remote] {
			continue
		}
		seen[remote] = true
		index, via, err := a.host.NextHop(remote)
		if err != nil {
			a.log.Warn("no way to tunnel end", "remote", remote, "err", err)
			continue
		}
		k := neighborKey{index, via}
		behind[k] = append(behind[k], remote)
	}
	return behind
}

// resolveMissing asks again for the next hops that have no MAC.
func (a *Agent) resolveMissing() {
	for k := range a.neighbors.wanted {
		if a.neighbors.known[k].mac == nil {
			a.resolve(k)
		}
	}
}

// resolveAll asks for all next hops: a link is back.
func (a *Agent) resolveAll() {
	for k := range a.neighbors.wanted {
		a.resolve(k)
	}
}

// wantNeighbor makes the kernel resolve a next hop that a peer named. It is called from domains.
func (a *Agent) wantNeighbor(attachment string, addr netip.Addr) {
	select {
	case a.work <- func() {
		p, ok := a.punts[attachment]
		k := neighborKey{p.KernelIndex, addr}
		if ok && !a.neighbors.wanted[k] && a.neighbors.static[k] == "" {
			a.neighbors.wanted[k] = true
			a.resolve(k)
		}
	}:
	default: // the main goroutine is behind; the next announcement asks again
	}
}
