package bgp

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
)

// encoder writes what this side announces for one session. It is used by one goroutine.
type encoder struct {
	fourByte bool
	internal bool

	tooLarge *atomic.Uint64 // counts prefixes whose attributes leave no room for them in a message; they are withdrawn instead (RFC 4271 §9.2)
	scratch  []byte
}

// appendReach appends UPDATEs that announce the prefixes, all of family f, packed as many to a message as fit.
func (e *encoder) appendReach(b []byte, f Family, hop netip.Addr, a *Attrs, prefixes []netip.Prefix) []byte {
	if f != IPv4Unicast {
		return e.appendMPReach(b, f, hop, a, prefixes)
	}
	e.scratch = e.appendAttrs(e.scratch[:0], a, hop)
	if len(e.scratch) > maxMessage-headerLen-4-5 {
		e.tooLarge.Add(uint64(len(prefixes)))
		return e.appendWithdraw(b, f, prefixes)
	}
	for len(prefixes) > 0 {
		start := len(b)
		b = append(appendHeader(b, typeUpdate), 0, 0, byte(len(e.scratch)>>8), byte(len(e.scratch)))
		b = append(b, e.scratch...)
		b, prefixes = fill(b, start, prefixes)
		b = finish(b, start)
	}
	return b
}

func (e *encoder) appendMPReach(b []byte, f Family, hop netip.Addr, a *Attrs, prefixes []netip.Prefix) []byte {
	e.scratch = e.appendAttrs(e.scratch[:0], a, netip.Addr{})
	if len(e.scratch) > maxMessage-headerLen-4-4-21-17 {
		e.tooLarge.Add(uint64(len(prefixes)))
		return e.appendWithdraw(b, f, prefixes)
	}
	for len(prefixes) > 0 {
		start := len(b)
		b = append(appendHeader(b, typeUpdate), 0, 0, 0, 0)
		b = append(b, flagOptional|flagExtended, attrMPReach, 0, 0, byte(f.AFI>>8), byte(f.AFI), f.SAFI)
		value := len(b) - 3
		b = append(append(b, byte(hop.BitLen()/8)), hop.AsSlice()...)
		b = append(b, 0)
		b, prefixes = fill(b, start-len(e.scratch), prefixes) // leaves room for the other attributes
		binary.BigEndian.PutUint16(b[value-2:], uint16(len(b)-value))
		b = append(b, e.scratch...)
		binary.BigEndian.PutUint16(b[start+headerLen+2:], uint16(len(b)-start-headerLen-4))
		b = finish(b, start)
	}
	return b
}

// appendWithdraw appends UPDATEs that withdraw the prefixes, all of family f.
func (e *encoder) appendWithdraw(b []byte, f Family, prefixes []netip.Prefix) []byte {
	for len(prefixes) > 0 {
		start := len(b)
		b = append(appendHeader(b, typeUpdate), 0, 0)
		if f == IPv4Unicast {
			b, prefixes = fill(b, start-2, prefixes)
			binary.BigEndian.PutUint16(b[start+headerLen:], uint16(len(b)-start-headerLen-2))
			b = finish(append(b, 0, 0), start)
			continue
		}
		b = append(b, 0, 0, flagOptional|flagExtended, attrMPUnreach, 0, 0, byte(f.AFI>>8), byte(f.AFI), f.SAFI)
		value := len(b) - 3
		b, prefixes = fill(b, start, prefixes)
		binary.BigEndian.PutUint16(b[value-2:], uint16(len(b)-value))
		binary.BigEndian.PutUint16(b[start+headerLen+2:], uint16(len(b)-start-headerLen-4))
		b = finish(b, start)
	}
	return b
}

// fill appends prefixes while the message that starts at start stays within maxMessage, and returns the rest.
func fill(b []byte, start int, prefixes []netip.Prefix) ([]byte, []netip.Prefix) {
	for len(prefixes) > 0 && len(b)-start+prefixLen(prefixes[0]) <= maxMessage {
		b = appendPrefix(b, prefixes[0])
		prefixes = prefixes[1:]
	}
	return b, prefixes
}

// appendEndOfRIB appends the marker of f (RFC 4724 §2).
func appendEndOfRIB(b []byte, f Family) []byte {
	start := len(b)
	b = appendHeader(b, typeUpdate)
	if f == IPv4Unicast {
		return finish(append(b, 0, 0, 0, 0), start)
	}
	b = append(b, 0, 0, 0, 6, flagOptional, attrMPUnreach, 3, byte(f.AFI>>8), byte(f.AFI), f.SAFI)
	return finish(b, start)
}

// appendAttrs writes the attributes in ascending order of type, as RFC 4271 §5 recommends. hop is NEXT_HOP; invalid: none.
func (e *encoder) appendAttrs(b []byte, a *Attrs, hop netip.Addr) []byte {
	b = append(b, flagTransitive, attrOrigin, 1, byte(a.Origin))
	b = e.appendASPath(b, a.ASPath)
	if hop.Is4() {
		v := hop.As4()
		b = append(append(b, flagTransitive, attrNextHop, 4), v[:]...)
	}
	if a.HasMED {
		b = appendU32s(append(b, flagOptional, attrMED, 4), a.MED)
	}
	if e.internal {
		b = appendU32s(append(b, flagTransitive, attrLocalPref, 4), a.LocalPref)
	}
	if a.AtomicAggregate {
		b = append(b, flagTransitive, attrAtomicAggregate, 0)
	}
	b = e.appendAggregator(b, a)
	if len(a.Communities) > 0 {
		b = appendU32s(appendAttr(b, flagOptional|flagTransitive, attrCommunities, 4*len(a.Communities)), a.Communities...)
	}
	if e.internal {
		b = appendReflection(b, a)
	}
	if len(a.ExtCommunities) > 0 {
		b = appendAttr(b, flagOptional|flagTransitive, attrExtCommunities, 8*len(a.ExtCommunities))
		for _, c := range a.ExtCommunities {
			b = append(b, c[:]...)
		}
	}
	b = e.appendAS4(b, a)
	if len(a.LargeCommunities) > 0 {
		b = appendAttr(b, flagOptional|flagTransitive, attrLargeCommunities, 12*len(a.LargeCommunities))
		for _, c := range a.LargeCommunities {
			b = appendU32s(b, c[:]...)
		}
	}
	for _, u := range a.Unknown {
		b = append(appendAttr(b, u.Flags, u.Type, len(u.Value)), u.Value...)
	}
	return b
}

func appendReflection(b []byte, a *Attrs) []byte {
	if a.OriginatorID.Is4() {
		b = append(append(b, flagOptional, attrOriginatorID, 4), a.OriginatorID.AsSlice()...)
	}
	if len(a.ClusterList) > 0 {
		b = appendAttr(b, flagOptional, attrClusterList, 4*len(a.ClusterList))
		for _, c := range a.ClusterList {
			b = append(b, c.AsSlice()...)
		}
	}
	return b
}

func (e *encoder) appendASPath(b []byte, path []Segment) []byte {
	width := 2
	if e.fourByte {
		width = 4
	}
	return appendPath(appendAttr(b, flagTransitive, attrASPath, pathLen(path, width)), path, width)
}

func (e *encoder) appendAggregator(b []byte, a *Attrs) []byte {
	if !a.Aggregator.Is4() {
		return b
	}
	if e.fourByte {
		b = appendU32s(append(b, flagOptional|flagTransitive, attrAggregator, 8), a.AggregatorAS)
		return append(b, a.Aggregator.AsSlice()...)
	}
	asn := a.AggregatorAS
	if asn > 0xffff {
		asn = asTrans
	}
	b = append(b, flagOptional|flagTransitive, attrAggregator, 6, byte(asn>>8), byte(asn))
	return append(b, a.Aggregator.AsSlice()...)
}

// appendAS4 writes what a 2-octet AS path cannot say beside it (RFC 6793 §4.2.2).
func (e *encoder) appendAS4(b []byte, a *Attrs) []byte {
	if e.fourByte {
		return b
	}
	if wide(a.ASPath) {
		b = appendAttr(b, flagOptional|flagTransitive, attrAS4Path, pathLen(a.ASPath, 4))
		b = appendPath(b, a.ASPath, 4)
	}
	if a.Aggregator.Is4() && a.AggregatorAS > 0xffff {
		b = appendU32s(append(b, flagOptional|flagTransitive, attrAS4Aggregator, 8), a.AggregatorAS)
		b = append(b, a.Aggregator.AsSlice()...)
	}
	return b
}

// pathLen is the size of path on the wire.
func pathLen(path []Segment, width int) int {
	n := 0
	for _, s := range path {
		n += width*len(s.ASNs) + 2*((len(s.ASNs)+254)/255)
	}
	return n
}

// appendAttr writes an attribute's header; its length is one octet where that is enough.
func appendAttr(b []byte, flags, kind uint8, length int) []byte {
	if length > 255 {
		return append(b, flags|flagExtended, kind, byte(length>>8), byte(length))
	}
	return append(b, flags&^flagExtended, kind, byte(length))
}

func appendU32s(b []byte, vs ...uint32) []byte {
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// appendAddr writes an address with its length, for Key.
func appendAddr(b []byte, a netip.Addr) []byte {
	return append(append(b, byte(a.BitLen()/8)), a.AsSlice()...)
}
