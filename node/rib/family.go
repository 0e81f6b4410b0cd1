package rib

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// entry is one prefix: up to two paths in place, more in family.more.
type entry[K comparable] struct {
	key   K
	a, b  slot
	used  uint16
	count uint16
	dirty bool // its used set changed since the last Changes
}

// pageSize entries are allocated at once; pages never move, so that growing copies nothing.
const pageSize = 1024

// v4Key packs an IPv4 prefix: address, then length.
type v4Key uint64

// v6Key packs an IPv6 prefix.
type v6Key [17]byte

// family is the part of a table that holds one address family. A prefix costs one entry and one map cell that points to it by number.
type family[K comparable] struct {
	index  map[K]uint32
	pages  [][]entry[K]
	free   []uint32
	more   map[uint32][]slot // the third and further paths of an entry
	dirty  []uint32
	paths  int
	empty  int // entries without paths, kept until their change was handed out
	pack   func(netip.Prefix) K
	unpack func(K) netip.Prefix
}

func newFamily[K comparable](pack func(netip.Prefix) K, unpack func(K) netip.Prefix) *family[K] {
	return &family[K]{index: map[K]uint32{}, more: map[uint32][]slot{}, pack: pack, unpack: unpack}
}

func (f *family[K]) at(i uint32) *entry[K] { return &f.pages[i/pageSize][i%pageSize] }

// find returns the number of a prefix's entry.
func (f *family[K]) find(k K) (uint32, bool) {
	i, ok := f.index[k]
	return i, ok
}

// add makes an entry for a prefix that has none.
func (f *family[K]) add(k K) uint32 {
	var i uint32
	if n := len(f.free); n > 0 {
		i, f.free = f.free[n-1], f.free[:n-1]
	} else {
		last := len(f.pages) - 1
		if last < 0 || len(f.pages[last]) == pageSize {
			f.pages = append(f.pages, make([]entry[K], 0, pageSize))
			last++
		}
		i = uint32(last*pageSize + len(f.pages[last]))
		f.pages[last] = append(f.pages[last], entry[K]{})
	}
	*f.at(i) = entry[K]{key: k}
	f.index[k] = i
	f.empty++
	return i
}

// remove forgets an entry that has no paths.
func (f *family[K]) remove(i uint32) {
	delete(f.index, f.at(i).key)
	f.free = append(f.free, i)
	f.empty--
}

func packV4(p netip.Prefix) v4Key {
	a := p.Addr().As4()
	return v4Key(uint64(binary.BigEndian.Uint32(a[:]))<<8 | uint64(p.Bits()))
}

func unpackV4(k v4Key) netip.Prefix {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(k>>8))
	return netip.PrefixFrom(netip.AddrFrom4(a), int(k&0xff))
}

func packV6(p netip.Prefix) v6Key {
	a := p.Addr().As16()
	var k v6Key
	copy(k[:], a[:])
	k[16] = byte(p.Bits())
	return k
}

func unpackV6(k v6Key) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(k[:16])), int(k[16]))
}

// load appends the slots of an entry to buf, best first.
func (f *family[K]) load(i uint32, buf []slot) []slot {
	e := f.at(i)
	if e.count > 0 {
		buf = append(buf, e.a)
	}
	if e.count > 1 {
		buf = append(buf, e.b)
	}
	if e.count > 2 {
		buf = append(buf, f.more[i]...)
	}
	return buf
}

// store makes slots the paths of an entry, the first used of them in use, and notes whether the used set changed. An entry left without
// paths and news is gone afterwards.
func (f *family[K]) store(i uint32, slots []slot, used int, changed bool) {
	e := f.at(i)
	before := int(e.count)
	e.count, e.used, e.a, e.b = uint16(len(slots)), uint16(used), 0, 0
	if len(slots) > 0 {
		e.a = slots[0]
	}
	if len(slots) > 1 {
		e.b = slots[1]
	}
	if len(slots) > 2 {
		f.more[i] = append(f.more[i][:0], slots[2:]...)
	} else if before > 2 {
		delete(f.more, i)
	}
	if changed && !e.dirty {
		e.dirty = true
		f.dirty = append(f.dirty, i)
	}
	f.paths += len(slots) - before
	switch {
	case before == 0 && e.count > 0:
		f.empty--
	case before > 0 && e.count == 0:
		f.empty++
	}
	if e.count == 0 && !e.dirty {
		f.remove(i)
	}
}

func (f *family[K]) prefixes() int { return len(f.index) - f.empty }

// takeDirty hands out up to max changed prefixes.
func (f *family[K]) takeDirty(in *interner, max int, out []Change) []Change {
	n := min(max, len(f.dirty))
	var buf [8]slot
	for _, i := range f.dirty[:n] {
		e := f.at(i)
		e.dirty = false
		c := Change{Prefix: f.unpack(e.key)}
		if e.count == 0 {
			f.remove(i)
		} else {
			c.Best = f.best(in, i, buf[:0])
		}
		out = append(out, c)
	}
	f.dirty = f.dirty[n:]
	if len(f.dirty) == 0 {
		f.dirty = nil
	}
	return out
}

func (f *family[K]) best(in *interner, i uint32, buf []slot) []*Path {
	slots := f.load(i, buf)[:f.at(i).used]
	if len(slots) == 1 {
		return in.record(slots[0]).alone[:]
	}
	out := make([]*Path, len(slots))
	for i, s := range slots {
		out[i] = &in.record(s).Path
	}
	return out
}

// each calls do with every entry that has paths; do may change it.
func (f *family[K]) each(do func(i uint32)) {
	for _, i := range f.index {
		if f.at(i).count > 0 {
			do(i)
		}
	}
}

// sortedPrefixes are the prefixes that have paths, in order.
func (f *family[K]) sortedPrefixes() []netip.Prefix {
	out := make([]netip.Prefix, 0, len(f.index))
	f.each(func(i uint32) { out = append(out, f.unpack(f.at(i).key)) })
	sortPrefixes(out, false)
	return out
}

func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// sortPrefixes orders by address and length, or, of prefixes that cover one address, longest first.
func sortPrefixes(ps []netip.Prefix, longestFirst bool) {
	slices.SortFunc(ps, func(a, b netip.Prefix) int {
		if longestFirst {
			return b.Bits() - a.Bits()
		}
		return comparePrefix(a, b)
	})
}
