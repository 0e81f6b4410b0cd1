package fib

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// paths owns the groups and adjacencies. Groups with the same hops are one, counted by the routes that use them; adjacencies are counted
// by groups. Ids are reused only after a grace period.
type paths struct {
	groups      array[cGroup]
	adjacencies array[cAdjacency]
	groupIDs    *blocks
	adjIDs      *blocks
	byKey       map[string]*group
	byID        map[uint32]*group
	adj         map[neighbour]*adjacency

	// lastHops had the group last: routes come in rows with the same next hops.
	lastHops []Hop
	last     *group
}

type group struct {
	id, refs uint32
	key      string
	kind     uint32
	hops     []cHop
}

// neighbour names an adjacency.
type neighbour struct {
	attachment uint32
	addr       netip.Addr
}

type adjacency struct {
	id, refs uint32
	told     bool // its MAC is known
}

func newPaths(groups array[cGroup], adjacencies array[cAdjacency]) *paths {
	return &paths{
		groups: groups, adjacencies: adjacencies,
		groupIDs: newBlocks(1, uint32(groups.n)), adjIDs: newBlocks(1, uint32(adjacencies.n)),
		byKey: map[string]*group{}, byID: map[uint32]*group{}, adj: map[neighbour]*adjacency{},
	}
}

// adjacencyOf finds or makes the adjacency of a neighbour.
func (p *paths) adjacencyOf(n neighbour) (*adjacency, error) {
	if a := p.adj[n]; a != nil {
		return a, nil
	}
	id, ok := p.adjIDs.take(1)
	if !ok {
		return nil, fmt.Errorf("neighbour %v: %w: raise Options.Neighbours", n.addr, errFull)
	}
	family := uint32(4)
	if n.addr.Is6() {
		family = 6
	}
	rec := cAdjacency{Attachment: n.attachment, Family: family}
	copy(rec.Addr[:], n.addr.AsSlice())
	store(p.adjacencies.at(id), rec)
	a := &adjacency{id: id}
	p.adj[n] = a
	return a, nil
}

// tell sets or clears a neighbour's MAC: one store.
func (p *paths) tell(n neighbour, mac []byte) (*adjacency, error) {
	a := p.adj[n]
	if a == nil {
		if mac == nil {
			return nil, nil
		}
		var err error
		if a, err = p.adjacencyOf(n); err != nil {
			return nil, err
		}
	}
	a.told = mac != nil
	set64(&p.adjacencies.at(a.id).MacUp, macUp(mac))
	if !a.told {
		p.dropAdjacency(n, a)
	}
	return a, nil
}

func (p *paths) dropAdjacency(n neighbour, a *adjacency) {
	if a.refs > 0 || a.told || p.adj[n] != a {
		return
	}
	delete(p.adj, n)
	store(p.adjacencies.at(a.id), cAdjacency{})
	p.adjIDs.give(a.id, 1)
}

// again answers the group of the hops that were remembered last, if it still is, and counts one use.
func (p *paths) again(hops []Hop) (uint32, bool) {
	if p.last == nil || p.last.refs == 0 || !slices.Equal(p.lastHops, hops) {
		return 0, false
	}
	p.last.refs++
	return p.last.id, true
}

func (p *paths) remember(hops []Hop, id uint32) { p.lastHops, p.last = slices.Clone(hops), p.byID[id] }

// groupOf finds or makes the group of some hops, at most groupHops and in a settled order, and counts one use. Hops with an invalid
// address are connected.
func (p *paths) groupOf(kind uint32, hops []neighbour) (uint32, error) {
	key := groupKey(kind, hops)
	if g := p.byKey[key]; g != nil {
		g.refs++
		return g.id, nil
	}
	return p.makeGroup(key, kind, hops)
}

func groupKey(kind uint32, hops []neighbour) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", kind)
	for _, h := range hops {
		fmt.Fprintf(&b, " %d/%v", h.attachment, h.addr)
	}
	return b.String()
}

func (p *paths) makeGroup(key string, kind uint32, hops []neighbour) (uint32, error) {
	id, ok := p.groupIDs.take(1)
	if !ok {
		return 0, fmt.Errorf("next hops: %w: raise Options.Groups", errFull)
	}
	rec := cGroup{Kind: kind, Count: uint32(len(hops))}
	g := &group{id: id, refs: 1, key: key, kind: kind}
	for i, h := range hops {
		rec.Hops[i].Attachment = h.attachment
		if h.addr.IsValid() {
			a, err := p.adjacencyOf(h)
			if err != nil {
				p.groupIDs.give(id, 1)
				return 0, err
			}
			a.refs++
			rec.Hops[i].Adjacency = a.id
		}
	}
	g.hops = slices.Clone(rec.Hops[:len(hops)])
	store(p.groups.at(id), rec)
	p.byKey[key], p.byID[id] = g, g
	return id, nil
}

// release counts one use less; a group without uses is gone, after the routes to it.
func (p *paths) release(id uint32) {
	g := p.byID[id]
	if g == nil {
		return
	}
	if g.refs--; g.refs > 0 {
		return
	}
	delete(p.byID, id)
	if p.byKey[g.key] == g {
		delete(p.byKey, g.key)
	}
	p.groupIDs.give(id, 1)
	for _, h := range g.hops {
		p.unuse(h.Adjacency)
	}
}

func (p *paths) unuse(id uint32) {
	if id == 0 {
		return
	}
	n := p.neighbourAt(id)
	if a := p.adj[n]; a != nil && a.id == id {
		a.refs--
		p.dropAdjacency(n, a)
	}
}

func (p *paths) neighbourAt(id uint32) neighbour {
	rec := p.adjacencies.at(id)
	n := neighbour{attachment: rec.Attachment}
	switch rec.Family {
	case 4:
		n.addr = netip.AddrFrom4([4]byte(rec.Addr[:4]))
	case 6:
		n.addr = netip.AddrFrom16(rec.Addr)
	}
	return n
}

// forget cuts an attachment out of every group and drops its adjacencies, before its id may name another.
func (p *paths) forget(attachment uint32) {
	p.last = nil
	for id, g := range p.byID {
		cut := false
		for i := range g.hops {
			if g.hops[i].Attachment == attachment {
				set32(&p.groups.at(id).Hops[i].Attachment, 0)
				g.hops[i].Attachment = 0
				cut = true
			}
		}
		if cut && p.byKey[g.key] == g {
			delete(p.byKey, g.key)
		}
	}
	for n, a := range p.adj {
		if n.attachment == attachment {
			set64(&p.adjacencies.at(a.id).MacUp, 0)
			a.told = false
			p.dropAdjacency(n, a)
		}
	}
}

// recover reads what an earlier process left: adjacencies, and the groups that are in use.
func (p *paths) recover(used map[uint32]uint32) {
	var adjBlocks, groupBlocks []block
	for i := uint32(1); i < uint32(p.adjacencies.n); i++ {
		rec := p.adjacencies.at(i)
		if rec.Family == 0 {
			continue
		}
		adjBlocks = append(adjBlocks, block{i, 1})
		p.adj[p.neighbourAt(i)] = &adjacency{id: i, told: rec.MacUp != 0}
	}
	for id, refs := range used {
		rec := p.groups.at(id)
		g := &group{id: id, refs: refs, kind: rec.Kind, hops: slices.Clone(rec.Hops[:min(rec.Count, groupHops)])}
		hops := make([]neighbour, len(g.hops))
		for i, h := range g.hops {
			hops[i].attachment = h.Attachment
			if h.Adjacency != 0 {
				hops[i] = p.neighbourAt(h.Adjacency)
				if a := p.adj[hops[i]]; a != nil {
					a.refs++
				}
			}
		}
		g.key = groupKey(g.kind, hops)
		p.byKey[g.key], p.byID[id] = g, g
		groupBlocks = append(groupBlocks, block{id, 1})
	}
	p.adjIDs.reserve(1, adjBlocks)
	p.groupIDs.reserve(1, groupBlocks)
}
