package bgp

import "slices"

// Segment types (RFC 4271 §4.3; 3 and 4 are confederations', RFC 5065).
const (
	segmentSet            = 1
	segmentSequence       = 2
	segmentConfedSequence = 3
	segmentConfedSet      = 4
)

// readPath reads AS_PATH, and AS4_PATH where the peer speaks 2-octet ASNs (RFC 6793 §4.2.3).
func (d *decoder) readPath(f *fields, a *Attrs) {
	width := 2
	if d.fourByte {
		width = 4
	}
	v := f.value[attrASPath]
	if v == nil {
		return
	}
	path, ok := readSegments(v, width, false)
	if !ok {
		f.malformed("malformed AS_PATH")
		return
	}
	a.ASPath = path
	wide := f.value[attrAS4Path]
	if wide == nil {
		return
	}
	if d.fourByte {
		d.discarded++
		return
	}
	agg := f.value[attrAggregator]
	if len(agg) == 6 && be16(agg) != asTrans && f.value[attrAS4Aggregator] != nil {
		return // AS4_PATH is stale: someone on the way aggregated without knowing it
	}
	path4, ok := readSegments(wide, 4, true)
	if !ok {
		d.discarded++
		return
	}
	a.ASPath = mergePaths(path, path4)
}

// readSegments reads an AS path whose ASNs are width octets wide. Confederation segments are an error, since this speaker is in no
// confederation, or are dropped where skipConfed says so (RFC 6793 §6). ASN 0 is an error (RFC 7607).
func readSegments(b []byte, width int, skipConfed bool) ([]Segment, bool) {
	segments := make([]Segment, 0, 1)
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || len(b) < 2+int(b[1])*width {
			return nil, false
		}
		kind, count := b[0], int(b[1])
		value := b[2 : 2+count*width]
		b = b[2+count*width:]
		if (kind == segmentConfedSequence || kind == segmentConfedSet) && skipConfed {
			continue
		}
		if kind != segmentSet && kind != segmentSequence {
			return nil, false
		}
		s := Segment{Set: kind == segmentSet, ASNs: make([]uint32, count)}
		for i := range s.ASNs {
			if width == 2 {
				s.ASNs[i] = uint32(be16(value[2*i:]))
			} else {
				s.ASNs[i] = be32(value[4*i:])
			}
			if s.ASNs[i] == 0 {
				return nil, false
			}
		}
		segments = append(segments, s)
	}
	return segments, true
}

// mergePaths replaces the tail of a 2-octet path by the 4-octet path that travelled beside it. A longer path4 is ignored.
func mergePaths(path, path4 []Segment) []Segment {
	keep := countASNs(path) - countASNs(path4)
	if keep < 0 || len(path4) == 0 {
		return path
	}
	var merged []Segment
	for _, s := range path {
		if keep == 0 {
			break
		}
		if s.Set {
			merged, keep = append(merged, s), keep-1
			continue
		}
		n := min(keep, len(s.ASNs))
		merged, keep = append(merged, Segment{ASNs: slices.Clone(s.ASNs[:n])}), keep-n
	}
	for i, s := range path4 {
		if last := len(merged) - 1; i == 0 && last >= 0 && !s.Set && !merged[last].Set {
			merged[last].ASNs = append(merged[last].ASNs, s.ASNs...)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func countASNs(path []Segment) int { return (&Attrs{ASPath: path}).PathLen() }

// appendPath writes segments with ASNs of the given width; those that do not fit 2 octets become AS_TRANS. Long sequences are split.
func appendPath(b []byte, path []Segment, width int) []byte {
	for _, s := range path {
		kind := byte(segmentSequence)
		if s.Set {
			kind = segmentSet
		}
		for asns := s.ASNs; len(asns) > 0; {
			n := min(len(asns), 255)
			b = append(b, kind, byte(n))
			for _, asn := range asns[:n] {
				if width == 4 {
					b = append(b, byte(asn>>24), byte(asn>>16))
				} else if asn > 0xffff {
					asn = asTrans
				}
				b = append(b, byte(asn>>8), byte(asn))
			}
			asns = asns[n:]
		}
	}
	return b
}

// wide reports whether an ASN of path needs 4 octets.
func wide(path []Segment) bool {
	for _, s := range path {
		if slices.ContainsFunc(s.ASNs, func(asn uint32) bool { return asn > 0xffff }) {
			return true
		}
	}
	return false
}
