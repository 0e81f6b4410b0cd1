package node

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"onramp/node/fib"
	"onramp/plan"
)

// What a FIB of the kernel tells beside its counters.
type (
	missTeller interface{ Misses(f func(fib.Miss)) error }
	tagTeller  interface{ UnknownTags() ([]fib.TagSeen, error) }
)

// Bounds of what strangers can have the node keep.
const (
	maxMissed    = 1024             // destinations asked for at once
	missedWait   = 10 * time.Second // after which one that does not answer is given up
	maxStrangers = 4                // per attachment
	maxTags      = 16               // per port
)

// followMisses has connected destinations resolved that packets go to. It ends with the FIB's Close.
func (a *Agent) followMisses() {
	t, ok := a.fib.f.(missTeller)
	if !ok {
		return
	}
	go func() {
		err := t.Misses(func(m fib.Miss) {
			select {
			case a.work <- func() { a.missed(m.Attachment, m.Addr, time.Now()) }:
			default: // the main goroutine is behind; the next packet asks again
			}
		})
		if err != nil {
			a.log.Error("follow misses", "err", err)
		}
	}()
}

// missed asks for the MAC of a destination.
func (a *Agent) missed(attachment string, addr netip.Addr, now time.Time) {
	p, ok := a.punts[attachment]
	k := neighborKey{p.KernelIndex, addr}
	n := a.neighbors
	if _, asked := n.missed[k]; !ok || asked || n.wanted[k] || n.static[k] != "" || n.known[k].mac != nil || len(n.missed) >= maxMissed {
		return
	}
	n.missed[k] = now
	a.resolve(k)
}

// forgetMissed ends asking for destinations that do not answer, and forgets what belongs to devices that are gone.
func (a *Agent) forgetMissed(now time.Time) {
	n := a.neighbors
	for k, since := range n.missed {
		switch _, there := a.byIndex[k.index]; {
		case !there, n.wanted[k], n.static[k] != "", n.known[k].mac != nil:
			delete(n.missed, k)
		case now.Sub(since) > missedWait:
			delete(n.missed, k)
			a.forgetNeighbor(k)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for index := range n.heard {
		if _, there := a.byIndex[index]; !there {
			delete(n.heard, index)
		}
	}
}

// stranger is a sender of ARP that is no peer of the plan.
type stranger struct {
	addr netip.Addr
	mac  string
	last time.Time
}

// arpHeard notes who sends ARP on an attachment with a session without being its peer.
func (a *Agent) arpHeard(s arpSender) {
	n := a.neighbors
	k := neighborKey{s.Index, s.Addr}
	name, ok := a.byIndex[s.Index]
	if !ok || n.wanted[k] || n.static[k] != "" || !a.hasSession(name) {
		return
	}
	list := slices.DeleteFunc(slices.Clone(n.heard[s.Index]), func(o stranger) bool { return o.addr == s.Addr && o.mac == s.MAC })
	list = append([]stranger{{s.Addr, s.MAC, time.Now()}}, list...)
	a.mu.Lock()
	n.heard[s.Index] = list[:min(len(list), maxStrangers)]
	a.mu.Unlock()
}

func (a *Agent) hasSession(attachment string) bool {
	return a.plan != nil && slices.ContainsFunc(a.plan.Sessions, func(s plan.Session) bool { return s.Attachment == attachment })
}

func (a *Agent) strangersLocked(attachment string) []plan.NeighborState {
	p, ok := a.punts[attachment]
	if !ok {
		return nil
	}
	var out []plan.NeighborState
	for _, s := range a.neighbors.heard[p.KernelIndex] {
		out = append(out, plan.NeighborState{Addr: s.addr, MAC: s.mac, Age: time.Since(s.last)})
	}
	return out
}

func (a *Agent) unknownTags() ([]fib.TagSeen, error) {
	t, ok := a.fib.f.(tagTeller)
	if !ok {
		return nil, nil
	}
	a.fib.mu.Lock()
	defer a.fib.mu.Unlock()
	return t.UnknownTags()
}

// growth is a counter's value and when it last grew.
type growth struct {
	n    uint64
	last time.Time
}

// growthLocked fills in the tags nobody knows and the failures of keys, and when these and the drops last grew: a fault of last week must
// not be blamed for today's. What an agent finds when it starts has no time.
func (a *Agent) growthLocked(r *plan.Report, tags []fib.TagSeen, keys map[string]uint64) {
	next := map[string]growth{}
	last := func(key string, n uint64) time.Time {
		old, had := a.grown[key]
		if g := (growth{n, old.last}); a.grown != nil && (!had || n > old.n) {
			next[key] = growth{n, r.Time}
		} else {
			next[key] = g
		}
		return next[key].last
	}
	r.Drops = append(r.Drops, dropCounts(keys)...)
	for i := range r.Drops {
		r.Drops[i].Last = last("drop "+r.Drops[i].Reason, r.Drops[i].Packets)
	}
	for _, t := range tags {
		c := plan.TagCount{STag: t.STag, CTag: t.CTag, Packets: t.Packets}
		c.Last = last(fmt.Sprint("tags ", t.Port, t.STag, t.CTag), t.Packets)
		for i := range r.Ports {
			if r.Ports[i].Name == t.Port {
				r.Ports[i].UnknownTags = append(r.Ports[i].UnknownTags, c)
			}
		}
	}
	for i := range r.Ports {
		u := r.Ports[i].UnknownTags
		slices.SortFunc(u, func(x, y plan.TagCount) int { return cmp.Or(y.Last.Compare(x.Last), cmp.Compare(y.Packets, x.Packets)) })
		r.Ports[i].UnknownTags = u[:min(len(u), maxTags)]
	}
	a.grown = next
}
