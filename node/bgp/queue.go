package bgp

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// queue holds what is to be announced, one entry per prefix: the latest word wins. Its size is bounded by the number of distinct prefixes.
type queue struct {
	kick    chan struct{}  // capacity 1; filled when something was put
	refused *atomic.Uint64 // counts announcements without attributes or a usable next hop

	mu       sync.Mutex
	open     bool // only while Established
	families []Family
	items    []item
	index    map[netip.Prefix]int // into items
	eors     []Family             // markers to send after items
}

// item is the latest word on one prefix; attrs is nil for a withdrawal.
type item struct {
	prefix netip.Prefix
	attrs  *Attrs
	hop    netip.Addr
}

func newQueue(refused *atomic.Uint64) *queue {
	return &queue{kick: make(chan struct{}, 1), refused: refused}
}

// start opens the queue, empty, for the given families.
func (q *queue) start(families []Family) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clearLocked()
	q.open, q.families = true, families
}

// stop empties and closes the queue; what is put from now on is ignored.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clearLocked()
	q.open = false
}

func (q *queue) clearLocked() { q.items, q.index, q.eors = nil, nil, nil }

// put merges announcements.
func (q *queue) put(us []Update) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		return
	}
	for i := range us {
		q.putLocked(&us[i])
	}
	if len(q.items)+len(q.eors) > 0 {
		signal(q.kick)
	}
}

func (q *queue) putLocked(u *Update) {
	if !slices.Contains(q.families, u.Family) {
		return
	}
	for _, p := range u.Withdrawn {
		q.setLocked(item{prefix: p}, u.Family)
	}
	if len(u.Reach) > 0 && (u.Attrs == nil || u.NextHop.BitLen() != u.Family.bits()) {
		q.refused.Add(uint64(len(u.Reach)))
	} else {
		for _, p := range u.Reach {
			q.setLocked(item{prefix: p, attrs: u.Attrs, hop: u.NextHop}, u.Family)
		}
	}
	if u.EndOfRIB && !slices.Contains(q.eors, u.Family) {
		q.eors = append(q.eors, u.Family)
	}
}

func (q *queue) setLocked(it item, f Family) {
	if !it.prefix.IsValid() || familyOf(it.prefix) != f {
		q.refused.Add(1)
		return
	}
	it.prefix = it.prefix.Masked()
	if i, ok := q.index[it.prefix]; ok {
		q.items[i] = it
		return
	}
	if q.index == nil {
		q.index = make(map[netip.Prefix]int)
	}
	q.index[it.prefix] = len(q.items)
	q.items = append(q.items, it)
}

// take removes and returns everything.
func (q *queue) take() ([]item, []Family) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, eors := q.items, q.eors
	q.clearLocked()
	return items, eors
}

// signal fills a channel of capacity 1 that may be full already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// group is prefixes that go into the same UPDATEs; attrs is nil for withdrawals.
type group struct {
	family   Family
	attrs    *Attrs
	hop      netip.Addr
	prefixes []netip.Prefix
}

// sharing is what puts announcements into one group: the same attributes, first by pointer, then by content.
type sharing struct {
	attrs *Attrs
	hop   netip.Addr
	v4    bool
}

type groupKey struct {
	attrs string
	hop   netip.Addr
	v4    bool
}

// groups sorts items by what they share, in the order of their first appearance, withdrawals first.
func groups(items []item) []group {
	out := []group{{family: IPv4Unicast}, {family: IPv6Unicast}}
	byPointer := map[sharing]int{}
	byKey := map[groupKey]int{}
	var last sharing // neighbours mostly share
	current := 0
	for _, it := range items {
		s := sharing{it.attrs, it.hop, it.prefix.Addr().Is4()}
		switch {
		case it.attrs == nil && s.v4:
			current = 0
		case it.attrs == nil:
			current = 1
		case s != last:
			i, ok := byPointer[s]
			if !ok {
				k := groupKey{it.attrs.Key(), it.hop, s.v4}
				if i, ok = byKey[k]; !ok {
					i = len(out)
					out = append(out, group{family: familyOf(it.prefix), attrs: it.attrs, hop: it.hop})
					byKey[k] = i
				}
				byPointer[s] = i
			}
			current = i
		}
		last = s
		out[current].prefixes = append(out[current].prefixes, it.prefix)
	}
	return out
}
