package rib

import (
	"encoding/binary"
	"hash/maphash"
	"slices"

	"onramp/node/bgp"
)

// slot names a path of one prefix: the record's index and whether this prefix's copy is stale.
type slot uint32

func (s slot) index() uint32 { return uint32(s >> 1) }
func (s slot) stale() bool   { return s&1 != 0 }

func makeSlot(index uint32) slot { return slot(index << 1) }

// interner keeps each distinct path once, by index, with a count of the prefixes that use it. Thousands of prefixes share one set of
// attributes, so a prefix costs 4 bytes a path.
type interner struct {
	seed    maphash.Seed
	records []*record // index 0 is not used
	free    []uint32
	byHash  map[uint64]uint32
	buf     []byte
}

func newInterner() *interner {
	return &interner{seed: maphash.MakeSeed(), records: make([]*record, 1), byHash: map[uint64]uint32{}}
}

func (in *interner) record(s slot) *record { return in.records[s.index()] }

// pathKey is the comparable part of a Path.
type pathKey struct {
	source *Source
	hop    NextHop
	weight uint32
	class  string
}

func keyOf(p *Path) pathKey { return pathKey{p.Source, p.NextHop, p.Weight, p.Class} }

func (in *interner) hash(p *Path) uint64 {
	h := maphash.Comparable(in.seed, keyOf(p))
	in.buf = appendAttrs(in.buf[:0], p.Attrs)
	return h ^ maphash.Bytes(in.seed, in.buf)
}

// acquire returns the index of p with n more references.
func (in *interner) acquire(p Path, n int) uint32 {
	p.Stale = false
	h := in.hash(&p)
	for i := in.byHash[h]; i != 0; i = in.records[i].next {
		r := in.records[i]
		if keyOf(&r.Path) == keyOf(&p) && EqualAttrs(r.Attrs, p.Attrs) {
			r.refs += n
			return i
		}
	}
	r := &record{Path: p, refs: n, hash: h, next: in.byHash[h], length: pathLength(p.Attrs), firstAS: firstAS(&p)}
	r.alone[0] = &r.Path
	i := uint32(len(in.records))
	if k := len(in.free); k > 0 {
		i, in.free = in.free[k-1], in.free[:k-1]
		in.records[i] = r
	} else {
		in.records = append(in.records, r)
	}
	in.byHash[h] = i
	return i
}

// release gives n references back; without any the record is forgotten. Paths handed out stay valid: only the index is used anew.
func (in *interner) release(i uint32, n int) {
	r := in.records[i]
	if r.refs -= n; r.refs > 0 {
		return
	}
	in.unlink(i, r)
	in.records[i] = nil
	in.free = append(in.free, i)
}

func (in *interner) unlink(i uint32, r *record) {
	j := in.byHash[r.hash]
	if j == i {
		if r.next == 0 {
			delete(in.byHash, r.hash)
		} else {
			in.byHash[r.hash] = r.next
		}
		return
	}
	for in.records[j].next != i {
		j = in.records[j].next
	}
	in.records[j].next = r.next
}

// live is the number of distinct paths.
func (in *interner) live() int { return len(in.records) - 1 - len(in.free) }

// EqualAttrs reports whether two sets of attributes are the same; both may be nil.
func EqualAttrs(a, b *bgp.Attrs) bool {
	if a == b || a == nil || b == nil {
		return a == b
	}
	return a.Origin == b.Origin && a.MED == b.MED && a.HasMED == b.HasMED && a.LocalPref == b.LocalPref &&
		a.AtomicAggregate == b.AtomicAggregate && a.Aggregator == b.Aggregator && a.AggregatorAS == b.AggregatorAS &&
		a.OriginatorID == b.OriginatorID &&
		slices.EqualFunc(a.ASPath, b.ASPath, func(x, y bgp.Segment) bool { return x.Set == y.Set && slices.Equal(x.ASNs, y.ASNs) }) &&
		slices.Equal(a.Communities, b.Communities) && slices.Equal(a.LargeCommunities, b.LargeCommunities) &&
		slices.Equal(a.ExtCommunities, b.ExtCommunities) && slices.Equal(a.ClusterList, b.ClusterList) &&
		slices.EqualFunc(a.Unknown, b.Unknown, func(x, y bgp.RawAttr) bool {
			return x.Flags == y.Flags && x.Type == y.Type && slices.Equal(x.Value, y.Value)
		})
}

// appendAttrs appends bytes that are equal for equal attributes; hashing only, differing attributes may collide.
func appendAttrs(b []byte, a *bgp.Attrs) []byte {
	if a == nil {
		return b
	}
	le := binary.LittleEndian
	b = append(b, byte(a.Origin))
	b = le.AppendUint32(b, a.MED)
	b = le.AppendUint32(b, a.LocalPref)
	for _, s := range a.ASPath {
		b = append(b, byte(len(s.ASNs)))
		for _, n := range s.ASNs {
			b = le.AppendUint32(b, n)
		}
	}
	for _, c := range a.Communities {
		b = le.AppendUint32(b, c)
	}
	for _, c := range a.LargeCommunities {
		b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, c[0]), c[1]), c[2])
	}
	for _, c := range a.ExtCommunities {
		b = append(b, c[:]...)
	}
	for _, u := range a.Unknown {
		b = append(append(b, u.Type), u.Value...)
	}
	return b
}
