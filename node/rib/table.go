package rib

import (
	"net/netip"
)

// Table holds the paths of one domain. Prefixes given to it are masked ones (netip.Prefix.Masked).
type Table struct {
	v4        *family[v4Key]
	v6        *family[v6Key]
	in        *interner
	decision  decision
	multiPath int
	bySource  map[*Source]int // paths per source
	buf       []slot
	old       []slot
}

// NewTable makes an empty table that uses up to multiPath equal paths of a prefix at once (less than 1: 1).
func NewTable(multiPath int) *Table {
	return &Table{
		v4: newFamily(packV4, unpackV4), v6: newFamily(packV6, unpackV6),
		in: newInterner(), decision: newDecision(), multiPath: max(1, multiPath), bySource: map[*Source]int{},
	}
}

// SetMultiPath changes how many equal paths are used at once.
func (t *Table) SetMultiPath(n int) {
	if n = max(1, n); n == t.multiPath {
		return
	}
	t.multiPath = n
	reorder(t, t.v4)
	reorder(t, t.v6)
}

// Learn makes p the path of its source to each of the prefixes, in place of the one the source had before.
func (t *Table) Learn(p Path, prefixes ...netip.Prefix) {
	if len(prefixes) == 0 {
		return
	}
	i := t.in.acquire(p, len(prefixes))
	for _, pre := range prefixes {
		if pre.Addr().Is4() {
			learn(t, t.v4, packV4(pre), i)
		} else {
			learn(t, t.v6, packV6(pre), i)
		}
	}
}

// Withdraw takes the source's paths to the prefixes away.
func (t *Table) Withdraw(src *Source, prefixes ...netip.Prefix) {
	for _, pre := range prefixes {
		if pre.Addr().Is4() {
			withdraw(t, t.v4, packV4(pre), src)
		} else {
			withdraw(t, t.v6, packV6(pre), src)
		}
	}
}

// Drop takes all paths of the source away.
func (t *Table) Drop(src *Source) {
	t.removeIf(src, func(slot) bool { return true })
}

// MarkStale marks all paths of the source as stale: they stay in use until Sweep or a new Learn (RFC 4724 §4.2). It returns their number.
func (t *Table) MarkStale(src *Source) int {
	return markStale(t, t.v4, src) + markStale(t, t.v6, src)
}

// Sweep takes the paths of the source that are still stale away and returns their number.
func (t *Table) Sweep(src *Source) int {
	return t.removeIf(src, slot.stale)
}

// Count is the number of paths of the source.
func (t *Table) Count(src *Source) int { return t.bySource[src] }

// Prefixes and Paths are the size of the table.
func (t *Table) Prefixes() int { return t.v4.prefixes() + t.v6.prefixes() }

// Paths is the number of paths of all prefixes.
func (t *Table) Paths() int { return t.v4.paths + t.v6.paths }

// Changes hands out up to max prefixes (0: all) whose used paths changed since they were handed out last, each once.
func (t *Table) Changes(max int) []Change {
	n := len(t.v4.dirty) + len(t.v6.dirty)
	if n == 0 {
		return nil
	}
	if max <= 0 || max > n {
		max = n
	}
	out := t.v4.takeDirty(t.in, max, make([]Change, 0, max))
	return t.v6.takeDirty(t.in, max-len(out), out)
}

// All is every prefix with its used paths, in no order.
func (t *Table) All() []Change {
	out := make([]Change, 0, t.Prefixes())
	return all(t, t.v6, all(t, t.v4, out))
}

func all[K comparable](t *Table, f *family[K], out []Change) []Change {
	f.each(func(i uint32) {
		out = append(out, Change{Prefix: f.unpack(f.at(i).key), Best: f.best(t.in, i, t.buf[:0])})
	})
	return out
}

func learn[K comparable](t *Table, f *family[K], k K, index uint32) {
	i, had := f.find(k)
	if !had {
		i = f.add(k)
	}
	src := t.in.records[index].Source
	slots := f.load(i, t.buf[:0])
	used := int(f.at(i).used)
	t.old = append(t.old[:0], slots[:used]...)
	at := t.find(slots, src)
	if at < 0 {
		slots = append(slots, makeSlot(index))
		t.bySource[src]++
	} else {
		was := slots[at]
		slots[at] = makeSlot(index)
		if was.index() == index {
			t.in.release(index, 1)
			if was.stale() {
				f.store(i, slots, used, false)
			}
			return
		}
		defer t.in.release(was.index(), 1)
	}
	used = t.decision.order(t.in, slots, t.multiPath)
	f.store(i, slots, used, t.changed(slots[:used]))
	t.buf = slots[:0]
}

func withdraw[K comparable](t *Table, f *family[K], k K, src *Source) {
	i, had := f.find(k)
	if !had {
		return
	}
	slots := f.load(i, t.buf[:0])
	at := t.find(slots, src)
	if at < 0 {
		return
	}
	t.old = append(t.old[:0], slots[:f.at(i).used]...)
	gone := slots[at].index()
	slots = append(slots[:at], slots[at+1:]...)
	used := t.decision.order(t.in, slots, t.multiPath)
	f.store(i, slots, used, t.changed(slots[:used]))
	t.in.release(gone, 1)
	t.forget(src)
	t.buf = slots[:0]
}

func (t *Table) forget(src *Source) {
	if t.bySource[src]--; t.bySource[src] <= 0 {
		delete(t.bySource, src)
	}
}

func (t *Table) find(slots []slot, src *Source) int {
	for i, s := range slots {
		if t.in.record(s).Source == src {
			return i
		}
	}
	return -1
}

// changed compares the used set with the one before; staleness is no difference, and order only where the best is another.
func (t *Table) changed(now []slot) bool {
	if len(now) != len(t.old) {
		return true
	}
	for i := range now {
		if now[i].index() != t.old[i].index() {
			return true
		}
	}
	return false
}

func (t *Table) removeIf(src *Source, gone func(slot) bool) int {
	if t.bySource[src] == 0 {
		return 0
	}
	return removeIf(t, t.v4, src, gone) + removeIf(t, t.v6, src, gone)
}

func removeIf[K comparable](t *Table, f *family[K], src *Source, gone func(slot) bool) int {
	var keys []K
	f.each(func(i uint32) {
		slots := f.load(i, t.buf[:0])
		if n := t.find(slots, src); n >= 0 && gone(slots[n]) {
			keys = append(keys, f.at(i).key)
		}
	})
	for _, k := range keys {
		withdraw(t, f, k, src)
	}
	return len(keys)
}

func markStale[K comparable](t *Table, f *family[K], src *Source) int {
	if t.bySource[src] == 0 {
		return 0
	}
	n := 0
	f.each(func(i uint32) {
		slots := f.load(i, t.buf[:0])
		if at := t.find(slots, src); at >= 0 {
			slots[at] |= 1
			f.store(i, slots, int(f.at(i).used), false)
			n++
		}
	})
	return n
}

func reorder[K comparable](t *Table, f *family[K]) {
	f.each(func(i uint32) {
		slots := f.load(i, t.buf[:0])
		if len(slots) < 2 {
			return
		}
		t.old = append(t.old[:0], slots[:f.at(i).used]...)
		used := t.decision.order(t.in, slots, t.multiPath)
		f.store(i, slots, used, t.changed(slots[:used]))
	})
}
