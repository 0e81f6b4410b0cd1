package bgp

import (
	"net/netip"
)

// attrFlags are the Optional and Transitive bits that each known attribute must have; known is false for the others.
func attrFlags(kind uint8) (flags uint8, known bool) {
	switch kind {
	case attrOrigin, attrASPath, attrNextHop, attrLocalPref, attrAtomicAggregate:
		return flagTransitive, true
	case attrMED, attrOriginatorID, attrClusterList, attrMPReach, attrMPUnreach:
		return flagOptional, true
	case attrAggregator, attrCommunities, attrExtCommunities, attrAS4Path, attrAS4Aggregator, attrLargeCommunities:
		return flagOptional | flagTransitive, true
	}
	return 0, false
}

// walk finds the attributes. It ends early, with f.bad set, where one does not fit (RFC 7606 §4); what came before counts.
func (d *decoder) walk(f *fields) *Notification {
	for b := f.attrs; len(b) > 0; {
		head := 3
		if b[0]&flagExtended != 0 {
			head = 4
		}
		if len(b) < head {
			f.malformed("attribute header cut off")
			return nil
		}
		flags, kind, length := b[0], b[1], int(b[2])
		if head == 4 {
			length = int(be16(b[2:]))
		}
		if len(b) < head+length {
			f.malformed("attribute %d of %d octets where %d are left", kind, length, len(b)-head)
			return nil
		}
		if n := d.note(f, flags, kind, b[head:head+length]); n != nil {
			return n
		}
		b = b[head+length:]
	}
	return nil
}

// note files one attribute.
func (d *decoder) note(f *fields, flags, kind uint8, value []byte) *Notification {
	if f.met(kind) {
		if kind == attrMPReach || kind == attrMPUnreach { // RFC 7606 §3 g
			return notify(codeUpdate, updateMalformedList, nil, "attribute %d twice", kind)
		}
		d.discarded++
		return nil
	}
	f.have[kind>>6] |= 1 << (kind & 63)
	want, known := attrFlags(kind)
	if !known {
		return f.noteUnknown(flags, kind, value)
	}
	if flags&(flagOptional|flagTransitive) != want {
		if kind == attrAS4Path || kind == attrAS4Aggregator { // RFC 6793 §6
			d.discarded++
			return nil
		}
		f.malformed("attribute %d with flags %#02x", kind, flags)
	}
	switch kind {
	case attrMPReach:
		return f.noteMPReach(value)
	case attrMPUnreach:
		return f.noteMPUnreach(value)
	}
	if value == nil {
		value = []byte{}
	}
	f.value[kind] = value
	return nil
}

// noteUnknown keeps an optional transitive attribute, ignores an optional non-transitive one, and refuses one that claims to be well known.
func (f *fields) noteUnknown(flags, kind uint8, value []byte) *Notification {
	if flags&flagOptional == 0 {
		data := append([]byte{flags&^flagExtended | flagExtended, kind, byte(len(value) >> 8), byte(len(value))}, value...)
		return notify(codeUpdate, updateUnknownWellKnown, data, "attribute %d", kind)
	}
	if flags&flagTransitive != 0 {
		f.unknown = append(f.unknown, RawAttr{
			Flags: flags&(flagOptional|flagTransitive) | flagPartial, Type: kind, Value: append([]byte(nil), value...)})
	}
	return nil
}

// noteMPReach finds the parts of MP_REACH_NLRI. A next hop of a wrong length hides where the prefixes start (RFC 7606 §7.11).
func (f *fields) noteMPReach(v []byte) *Notification {
	if len(v) < 5 || 4+int(v[3])+1 > len(v) {
		return notify(codeUpdate, updateOptionalAttr, nil, "MP_REACH_NLRI of %d octets", len(v))
	}
	m := &mpField{family: Family{be16(v), v[2]}, hop: v[4 : 4+v[3]], nlri: v[4+int(v[3])+1:]}
	length := len(m.hop)
	if m.family == IPv4Unicast && length != 4 || m.family == IPv6Unicast && length != 16 && length != 32 {
		return notify(codeUpdate, updateOptionalAttr, nil, "next hop of %d octets for %s", length, m.family)
	}
	f.mpReach = m
	return nil
}

func (f *fields) noteMPUnreach(v []byte) *Notification {
	if len(v) < 3 {
		return notify(codeUpdate, updateOptionalAttr, nil, "MP_UNREACH_NLRI of %d octets", len(v))
	}
	f.mpUnreach = &mpField{family: Family{be16(v), v[2]}, nlri: v[3:]}
	return nil
}

// attributes reads what walk found. base says that there are prefixes whose next hop is NEXT_HOP; reachable, that there are any.
func (d *decoder) attributes(f *fields, base, reachable bool) (*Attrs, netip.Addr) {
	a := &Attrs{LocalPref: defaultLocalPref, Unknown: f.unknown}
	d.readOrigin(f, a)
	d.readPath(f, a)
	d.readPreferences(f, a)
	d.readAggregator(f, a)
	d.readCommunities(f, a)
	d.readReflection(f, a)
	hop := d.readNextHop(f, base)
	if reachable {
		for _, kind := range [...]uint8{attrOrigin, attrASPath} {
			if !f.met(kind) {
				f.malformed("attribute %d missing", kind)
			}
		}
	}
	if base && !f.met(attrNextHop) {
		f.malformed("attribute %d missing", attrNextHop)
	}
	if f.bad == "" && base && f.mpReach == nil && f.mpUnreach == nil {
		d.lastRaw, d.last, d.lastHop = append(d.lastRaw[:0], f.attrs...), a, hop
	}
	return a, hop
}

func (d *decoder) readOrigin(f *fields, a *Attrs) {
	v := f.value[attrOrigin]
	if v == nil {
		return
	}
	if len(v) != 1 || v[0] > 2 {
		f.malformed("ORIGIN % x", v)
		return
	}
	a.Origin = Origin(v[0])
}

func (d *decoder) readNextHop(f *fields, base bool) netip.Addr {
	v := f.value[attrNextHop]
	if v == nil {
		return netip.Addr{}
	}
	if len(v) != 4 {
		f.malformed("NEXT_HOP of %d octets", len(v))
		return netip.Addr{}
	}
	hop := netip.AddrFrom4([4]byte(v))
	if base && !d.usableHop(hop) {
		f.malformed("next hop %s", hop)
	}
	return hop
}

func (d *decoder) readPreferences(f *fields, a *Attrs) {
	if v := f.value[attrMED]; v != nil {
		if len(v) == 4 {
			a.MED, a.HasMED = be32(v), true
		} else {
			f.malformed("MULTI_EXIT_DISC of %d octets", len(v))
		}
	}
	v := f.value[attrLocalPref]
	switch {
	case v == nil:
	case !d.internal:
		d.discarded++
	case len(v) != 4:
		f.malformed("LOCAL_PREF of %d octets", len(v))
	default:
		a.LocalPref = be32(v)
	}
	if v := f.value[attrAtomicAggregate]; v != nil {
		if len(v) == 0 {
			a.AtomicAggregate = true
		} else {
			d.discarded++
		}
	}
}

// readAggregator reads AGGREGATOR, and AS4_AGGREGATOR where the peer speaks 2-octet ASNs.
func (d *decoder) readAggregator(f *fields, a *Attrs) {
	v, size := f.value[attrAggregator], 6
	if d.fourByte {
		size = 8
	}
	if v == nil {
		return
	}
	if len(v) != size {
		d.discarded++
		return
	}
	asn := uint32(be16(v))
	if d.fourByte {
		asn = be32(v)
	}
	addr := netip.AddrFrom4([4]byte(v[size-4:]))
	if wide := f.value[attrAS4Aggregator]; !d.fourByte && asn == asTrans && len(wide) == 8 {
		asn, addr = be32(wide), netip.AddrFrom4([4]byte(wide[4:]))
	}
	if asn == 0 { // RFC 7607
		d.discarded++
		return
	}
	a.AggregatorAS, a.Aggregator = asn, addr
}

func (d *decoder) readCommunities(f *fields, a *Attrs) {
	if v := f.value[attrCommunities]; v != nil {
		if a.Communities = readU32s(v); a.Communities == nil {
			f.malformed("COMMUNITIES of %d octets", len(v))
		}
	}
	if v := f.value[attrLargeCommunities]; v != nil {
		if len(v) == 0 || len(v)%12 != 0 {
			f.malformed("LARGE_COMMUNITY of %d octets", len(v))
		} else {
			a.LargeCommunities = readLarge(v)
		}
	}
	if v := f.value[attrExtCommunities]; v != nil {
		if len(v) == 0 || len(v)%8 != 0 {
			f.malformed("EXTENDED_COMMUNITIES of %d octets", len(v))
		} else {
			a.ExtCommunities = make([][8]byte, len(v)/8)
			for i := range a.ExtCommunities {
				a.ExtCommunities[i] = [8]byte(v[8*i:])
			}
		}
	}
}

// readReflection reads the route reflection attributes, which an external peer has no business to send (RFC 7606 §7.9, 7.10).
func (d *decoder) readReflection(f *fields, a *Attrs) {
	id, list := f.value[attrOriginatorID], f.value[attrClusterList]
	if !d.internal {
		if id != nil || list != nil {
			d.discarded++
		}
		return
	}
	if id != nil {
		if len(id) == 4 {
			a.OriginatorID = netip.AddrFrom4([4]byte(id))
		} else {
			f.malformed("ORIGINATOR_ID of %d octets", len(id))
		}
	}
	if list == nil {
		return
	}
	if len(list) == 0 || len(list)%4 != 0 {
		f.malformed("CLUSTER_LIST of %d octets", len(list))
		return
	}
	for ; len(list) > 0; list = list[4:] {
		a.ClusterList = append(a.ClusterList, netip.AddrFrom4([4]byte(list)))
	}
}

// readLarge reads LARGE_COMMUNITY, of a length that is right. Repeated values are dropped (RFC 8092 §3).
func readLarge(v []byte) [][3]uint32 {
	out := make([][3]uint32, 0, len(v)/12)
	seen := make(map[[3]uint32]struct{}, len(v)/12)
	for ; len(v) > 0; v = v[12:] {
		c := [3]uint32{be32(v), be32(v[4:]), be32(v[8:])}
		if _, again := seen[c]; !again {
			seen[c] = struct{}{}
			out = append(out, c)
		}
	}
	return out
}

// readU32s reads a list of 4-octet values; nil where v is empty or of a wrong length.
func readU32s(v []byte) []uint32 {
	if len(v) == 0 || len(v)%4 != 0 {
		return nil
	}
	out := make([]uint32, len(v)/4)
	for i := range out {
		out[i] = be32(v[4*i:])
	}
	return out
}
