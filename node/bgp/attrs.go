package bgp

import (
	"slices"
	"strconv"
	"strings"
)

func itoa(v uint32) string { return strconv.FormatUint(uint64(v), 10) }

// Equal reports whether a and b say the same. Nil and empty lists are equal.
func (a *Attrs) Equal(b *Attrs) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	return a.Origin == b.Origin && a.MED == b.MED && a.HasMED == b.HasMED && a.LocalPref == b.LocalPref &&
		a.AtomicAggregate == b.AtomicAggregate && a.Aggregator == b.Aggregator && a.AggregatorAS == b.AggregatorAS &&
		a.OriginatorID == b.OriginatorID &&
		slices.EqualFunc(a.ASPath, b.ASPath, equalSegments) &&
		slices.Equal(a.Communities, b.Communities) &&
		slices.Equal(a.LargeCommunities, b.LargeCommunities) &&
		slices.Equal(a.ExtCommunities, b.ExtCommunities) &&
		slices.Equal(a.ClusterList, b.ClusterList) &&
		slices.EqualFunc(a.Unknown, b.Unknown, equalRaw)
}

func equalSegments(a, b Segment) bool { return a.Set == b.Set && slices.Equal(a.ASNs, b.ASNs) }

func equalRaw(a, b RawAttr) bool {
	return a.Flags == b.Flags && a.Type == b.Type && slices.Equal(a.Value, b.Value)
}

// Key is a canonical encoding of a: equal attributes have equal keys, others differ. It is for interning and is not a wire format.
func (a *Attrs) Key() string {
	if a == nil {
		return ""
	}
	b := make([]byte, 0, 128)
	b = append(b, byte(a.Origin), flag(a.HasMED)|flag(a.AtomicAggregate)<<1)
	b = appendU32s(b, a.MED, a.LocalPref, a.AggregatorAS)
	b = appendAddr(b, a.Aggregator)
	b = appendAddr(b, a.OriginatorID)
	b = appendU32s(b, uint32(len(a.ASPath)))
	for _, s := range a.ASPath {
		b = append(b, flag(s.Set))
		b = appendU32s(b, uint32(len(s.ASNs)))
		b = appendU32s(b, s.ASNs...)
	}
	b = appendU32s(b, uint32(len(a.Communities)))
	b = appendU32s(b, a.Communities...)
	b = appendU32s(b, uint32(len(a.LargeCommunities)))
	for _, c := range a.LargeCommunities {
		b = appendU32s(b, c[:]...)
	}
	b = appendU32s(b, uint32(len(a.ExtCommunities)))
	for _, c := range a.ExtCommunities {
		b = append(b, c[:]...)
	}
	b = appendU32s(b, uint32(len(a.ClusterList)))
	for _, c := range a.ClusterList {
		b = appendAddr(b, c)
	}
	for _, u := range a.Unknown {
		b = append(b, u.Flags, u.Type)
		b = appendU32s(b, uint32(len(u.Value)))
		b = append(b, u.Value...)
	}
	return string(b)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// PathLen is the AS path's length in best-path selection: an AS_SET counts 1 (RFC 4271 §9.1.2.2 a).
func (a *Attrs) PathLen() int {
	n := 0
	for _, s := range a.ASPath {
		if s.Set {
			n++
		} else {
			n += len(s.ASNs)
		}
	}
	return n
}

// PathString is the AS path as routers print it: "12076 65001 {1 2}".
func (a *Attrs) PathString() string {
	var b strings.Builder
	for i, s := range a.ASPath {
		if i > 0 {
			b.WriteByte(' ')
		}
		if s.Set {
			b.WriteByte('{')
		}
		for j, asn := range s.ASNs {
			if j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(itoa(asn))
		}
		if s.Set {
			b.WriteByte('}')
		}
	}
	return b.String()
}

// ContainsAS reports whether asn is anywhere in the AS path.
func (a *Attrs) ContainsAS(asn uint32) bool {
	for _, s := range a.ASPath {
		if slices.Contains(s.ASNs, asn) {
			return true
		}
	}
	return false
}

// FirstAS is the neighbour that the path came from: the first ASN of a leading sequence; 0 for an empty path or a leading set.
func (a *Attrs) FirstAS() uint32 {
	if len(a.ASPath) == 0 || a.ASPath[0].Set || len(a.ASPath[0].ASNs) == 0 {
		return 0
	}
	return a.ASPath[0].ASNs[0]
}

// OriginAS is the last ASN of a trailing sequence; 0 for an empty path or a trailing set.
func (a *Attrs) OriginAS() uint32 {
	if len(a.ASPath) == 0 {
		return 0
	}
	s := a.ASPath[len(a.ASPath)-1]
	if s.Set || len(s.ASNs) == 0 {
		return 0
	}
	return s.ASNs[len(s.ASNs)-1]
}

// Prepend returns a copy of a whose path starts with asn, n times.
func (a *Attrs) Prepend(asn uint32, n int) *Attrs {
	c := *a
	if n <= 0 {
		return &c
	}
	lead := make([]uint32, n, n+8)
	for i := range lead {
		lead[i] = asn
	}
	rest := a.ASPath
	if len(rest) > 0 && !rest[0].Set {
		lead = append(lead, rest[0].ASNs...)
		rest = rest[1:]
	}
	c.ASPath = append([]Segment{{ASNs: lead}}, rest...)
	return &c
}

// RemoveAS returns a copy of a without the ASNs for which drop is true; segments left empty go too.
func (a *Attrs) RemoveAS(drop func(asn uint32) bool) *Attrs {
	c := *a
	c.ASPath = nil
	for _, s := range a.ASPath {
		kept := Segment{Set: s.Set}
		for _, asn := range s.ASNs {
			if !drop(asn) {
				kept.ASNs = append(kept.ASNs, asn)
			}
		}
		if len(kept.ASNs) > 0 {
			c.ASPath = append(c.ASPath, kept)
		}
	}
	return &c
}

// PrivateAS reports whether asn is for private use (RFC 6996).
func PrivateAS(asn uint32) bool {
	return asn >= 64512 && asn <= 65534 || asn >= 4200000000 && asn <= 4294967294
}

// Well-known communities (RFC 1997, 7999, 8326).
const (
	CommunityGracefulShutdown  = 0xffff0000
	CommunityBlackhole         = 0xffff029a
	CommunityNoExport          = 0xffffff01
	CommunityNoAdvertise       = 0xffffff02
	CommunityNoExportSubconfed = 0xffffff03
)

// HasCommunity reports whether a carries the community c.
func (a *Attrs) HasCommunity(c uint32) bool { return slices.Contains(a.Communities, c) }

// CommunityStrings are the communities as people write them: "12076:51004", "no-export", large ones "65001:1:2", extended ones "rt:65001:7"
// or as hex.
func (a *Attrs) CommunityStrings() []string {
	var out []string
	for _, c := range a.Communities {
		out = append(out, CommunityString(c))
	}
	for _, c := range a.LargeCommunities {
		out = append(out, itoa(c[0])+":"+itoa(c[1])+":"+itoa(c[2]))
	}
	for _, c := range a.ExtCommunities {
		out = append(out, extCommunityString(c))
	}
	return out
}

// CommunityString is one RFC 1997 community as people write it.
func CommunityString(c uint32) string {
	switch c {
	case CommunityGracefulShutdown:
		return "graceful-shutdown"
	case CommunityBlackhole:
		return "blackhole"
	case CommunityNoExport:
		return "no-export"
	case CommunityNoAdvertise:
		return "no-advertise"
	case CommunityNoExportSubconfed:
		return "no-export-subconfed"
	}
	return itoa(c>>16) + ":" + itoa(c&0xffff)
}

func extCommunityString(c [8]byte) string {
	kind := ""
	switch c[1] {
	case 2:
		kind = "rt:"
	case 3:
		kind = "soo:"
	}
	switch {
	case kind != "" && c[0] == 0: // 2-octet AS (RFC 4360 §3.1)
		return kind + itoa(uint32(be16(c[2:]))) + ":" + itoa(be32(c[4:]))
	case kind != "" && c[0] == 2: // 4-octet AS (RFC 5668)
		return kind + itoa(be32(c[2:])) + ":" + itoa(uint32(be16(c[6:])))
	}
	return "0x" + strconv.FormatUint(uint64(be32(c[:]))<<32|uint64(be32(c[4:])), 16)
}
