package bgp

import (
	"encoding/binary"
	"net/netip"
)

// String is the family as routers print it: "ipv4 unicast", "afi 25 safi 70".
func (f Family) String() string {
	switch f {
	case IPv4Unicast:
		return "ipv4 unicast"
	case IPv6Unicast:
		return "ipv6 unicast"
	}
	return "afi " + itoa(uint32(f.AFI)) + " safi " + itoa(uint32(f.SAFI))
}

// known reports whether there is an NLRI codec for f.
func (f Family) known() bool { return f == IPv4Unicast || f == IPv6Unicast }

// bits is the width of f's addresses; 0 for a family without codec.
func (f Family) bits() int {
	switch f {
	case IPv4Unicast:
		return 32
	case IPv6Unicast:
		return 128
	}
	return 0
}

// familyOf is the unicast family of p.
func familyOf(p netip.Prefix) Family {
	if p.Addr().Is4() {
		return IPv4Unicast
	}
	return IPv6Unicast
}

// countPrefixes checks the form of an NLRI field of addresses bits wide and counts its prefixes; -1 where it is malformed. A field that
// passes may be given to readPrefixes.
func countPrefixes(b []byte, bits int) int {
	n := 0
	for len(b) > 0 {
		width := int(b[0])
		octets := 1 + (width+7)/8
		if width > bits || octets > len(b) {
			return -1
		}
		b = b[octets:]
		n++
	}
	return n
}

// readPrefixes appends the prefixes of a field that countPrefixes passed. Host bits beyond a prefix's length are cleared (RFC 4271 §4.3:
// their value is irrelevant).
func readPrefixes(to []netip.Prefix, b []byte, bits int) []netip.Prefix {
	if bits == 32 {
		return readPrefixes4(to, b)
	}
	for len(b) > 0 {
		width := int(b[0])
		octets := (width + 7) / 8
		var a [16]byte
		copy(a[:], b[1:1+octets])
		if rest := width % 8; rest != 0 {
			a[octets-1] &= 0xff << (8 - rest)
		}
		to = append(to, netip.PrefixFrom(netip.AddrFrom16(a), width))
		b = b[1+octets:]
	}
	return to
}

func readPrefixes4(to []netip.Prefix, b []byte) []netip.Prefix {
	for len(b) > 0 {
		width := int(b[0])
		octets := (width + 7) / 8
		var v uint32
		if len(b) >= 5 {
			v = binary.BigEndian.Uint32(b[1:5])
		} else {
			for i := range octets {
				v |= uint32(b[1+i]) << (24 - 8*i)
			}
		}
		v &= uint32(0xffffffff << (32 - width))
		a := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		to = append(to, netip.PrefixFrom(a, width))
		b = b[1+octets:]
	}
	return to
}

// appendPrefix writes one prefix as NLRI.
func appendPrefix(b []byte, p netip.Prefix) []byte {
	width := p.Bits()
	b = append(b, byte(width))
	if p.Addr().Is4() {
		a := p.Addr().As4()
		return append(b, a[:(width+7)/8]...)
	}
	a := p.Addr().As16()
	return append(b, a[:(width+7)/8]...)
}

// prefixLen is the size of p as NLRI.
func prefixLen(p netip.Prefix) int { return 1 + (p.Bits()+7)/8 }
