package rib

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// entry is one prefix: up to two paths in place, more in family.more. 16 bytes.
type entry struct {
	a, b  slot
	used  uint16
	count uint16
	dirty bool // its used set changed since the last Changes
}

// v4Key packs an IPv4 prefix: address, then length.
type v4Key uint64

// v6Key packs an IPv6 prefix.
type v6Key [17]byte

// family is the part of a table that holds one address family.
type family[K comparable] struct {
	entries map[K]entry
	more    map[K][]slot // the third and further paths of a prefix
	dirty   []K
	paths   int
	empty   int // entries without paths, kept until their change was handed out
	pack    func(netip.Prefix) K
	unpack  func(K) netip.Prefix
}

func newFamily[K comparable](pack func(netip.Prefix) K, unpack func(K) netip.Prefix) *family[K] {
	return &family[K]{entries: map[K]entry{}, more: map[K][]slot{}, pack: pack, unpack: unpack}
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

// load appends the slots of k to buf, best first.
func (f *family[K]) load(k K, e entry, buf []slot) []slot {
	if e.count > 0 {
		buf = append(buf, e.a)
	}
	if e.count > 1 {
		buf = append(buf, e.b)
	}
	if e.count > 2 {
		buf = append(buf, f.more[k]...)
	}
	return buf
}

// store makes slots the paths of k, the first used of them in use, and notes whether the used set changed.
func (f *family[K]) store(k K, e entry, had bool, slots []slot, used int, changed bool) {
	old := e
	e.count, e.used = uint16(len(slots)), uint16(used)
	e.a, e.b = 0, 0
	if len(slots) > 0 {
		e.a = slots[0]
	}
	if len(slots) > 1 {
		e.b = slots[1]
	}
	if len(slots) > 2 {
		f.more[k] = append(f.more[k][:0], slots[2:]...)
	} else if old.count > 2 {
		delete(f.more, k)
	}
	if changed && !e.dirty {
		e.dirty = true
		f.dirty = append(f.dirty, k)
	}
	f.paths += len(slots) - int(old.count)
	wasEmpty := had && old.count == 0
	if e.count == 0 && !e.dirty {
		delete(f.entries, k)
		if wasEmpty {
			f.empty--
		}
		return
	}
	f.entries[k] = e
	switch isEmpty := e.count == 0; {
	case isEmpty && !wasEmpty:
		f.empty++
	case !isEmpty && wasEmpty:
		f.empty--
	}
}

func (f *family[K]) prefixes() int { return len(f.entries) - f.empty }

// takeDirty hands out up to max changed prefixes.
func (f *family[K]) takeDirty(in *interner, max int, out []Change) []Change {
	n := min(max, len(f.dirty))
	var buf [8]slot
	for _, k := range f.dirty[:n] {
		e := f.entries[k]
		e.dirty = false
		c := Change{Prefix: f.unpack(k)}
		if e.count == 0 {
			delete(f.entries, k)
			f.empty--
		} else {
			f.entries[k] = e
			c.Best = f.best(in, k, e, buf[:0])
		}
		out = append(out, c)
	}
	f.dirty = f.dirty[n:]
	if len(f.dirty) == 0 {
		f.dirty = nil
	}
	return out
}

func (f *family[K]) best(in *interner, k K, e entry, buf []slot) []*Path {
	slots := f.load(k, e, buf)[:e.used]
	out := make([]*Path, len(slots))
	for i, s := range slots {
		out[i] = &in.record(s).Path
	}
	return out
}

// sortedKeys are the keys in the order of their prefixes.
func (f *family[K]) sortedPrefixes(keep func(netip.Prefix) bool) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(f.entries))
	for k, e := range f.entries {
		if p := f.unpack(k); e.count > 0 && (keep == nil || keep(p)) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePrefix)
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
