package bgp

import (
	"encoding/binary"
	"net/netip"
)

// held is the set of prefixes that a peer announces now, for MaxPrefixes. IPv4 takes 8 bytes a prefix and IPv6 17, plus the map's own.
type held struct {
	v4 map[uint64]struct{}
	v6 map[[17]byte]struct{}
}

// apply follows u and returns the number of prefixes of its family.
func (h *held) apply(u *Update) int {
	for _, p := range u.Withdrawn {
		if p.Addr().Is4() {
			delete(h.v4, key4(p))
		} else {
			delete(h.v6, key6(p))
		}
	}
	for _, p := range u.Reach {
		if p.Addr().Is4() {
			if h.v4 == nil {
				h.v4 = make(map[uint64]struct{})
			}
			h.v4[key4(p)] = struct{}{}
			continue
		}
		if h.v6 == nil {
			h.v6 = make(map[[17]byte]struct{})
		}
		h.v6[key6(p)] = struct{}{}
	}
	return h.count(u.Family)
}

func (h *held) count(f Family) int {
	if f == IPv6Unicast {
		return len(h.v6)
	}
	return len(h.v4)
}

func (h *held) total() int { return len(h.v4) + len(h.v6) }

func key4(p netip.Prefix) uint64 {
	a := p.Addr().As4()
	return uint64(binary.BigEndian.Uint32(a[:]))<<8 | uint64(p.Bits())
}

func key6(p netip.Prefix) (k [17]byte) {
	a := p.Addr().As16()
	copy(k[:], a[:])
	k[16] = byte(p.Bits())
	return k
}

// tooMany is the NOTIFICATION for a peer that announced more than max prefixes of f (RFC 4486 §4).
func tooMany(f Family, max int) *Notification {
	data := binary.BigEndian.AppendUint16(nil, f.AFI)
	data = binary.BigEndian.AppendUint32(append(data, f.SAFI), uint32(max))
	return notify(CodeCease, CeaseMaxPrefixes, data, "more than %d %s prefixes", max, f)
}
