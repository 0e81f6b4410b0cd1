package fib

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
)

// ipv4 handles an IPv4 packet of a routed attachment, in the order of xdp/ip.h.
func (m *Memory) ipv4(pk *packet, at *memoryAttachment) ([]Output, Reason) {
	if why := pk.checkIPv4(); why != ReasonNone {
		return nil, m.drop(at, why)
	}
	h := pk.ip()
	src, dst := netip.AddrFrom4([4]byte(h[12:])), netip.AddrFrom4([4]byte(h[16:]))
	pk.ports()
	if isControl(h[9], pk.sport, pk.dport) && slices.Contains(at.Locals, dst) {
		return m.punt(pk, at)
	}
	if !m.police(at.Ingress, pk.length+14) {
		return nil, m.drop(at, ReasonPolicedIn)
	}
	if why := m.checkSource(at, src); why != ReasonNone {
		return nil, m.drop(at, why)
	}
	if m.isLocal(at.Domain, dst) {
		return m.local(pk, at, dst)
	}
	_, hops, ok := m.lookup(at.Domain, dst)
	if !ok {
		return m.refuse(pk, at, ReasonNoRoute, 0)
	}
	hops = liveHops(hops)
	if h[8] <= 1 {
		return m.refuse(pk, at, ReasonTtlExpired, 0)
	}
	if len(hops) == 0 {
		return m.refuse(pk, at, ReasonUnreachable, 0)
	}
	return m.forward(pk, at, dst, hops)
}

// checkIPv4 checks the header, and cuts off what follows the packet.
func (pk *packet) checkIPv4() Reason {
	h := pk.ip()
	if len(h) < 20 {
		return ReasonIpLength
	}
	head, total := int(h[0]&15)*4, int(be16(h[2:]))
	switch {
	case h[0]>>4 != 4 || head < 20:
		return ReasonIpHeader
	case total < head || total > len(h):
		return ReasonIpLength
	case onesSum(h[:head]) != 0xffff:
		return ReasonIpChecksum
	case isMartian(h[12]):
		return ReasonSourceMartian
	case isMartian(h[16]):
		return ReasonDestinationMartian
	}
	pk.length = total
	pk.data = pk.data[:pk.l3+total]
	return ReasonNone
}

func isMartian(top byte) bool { return top == 0 || top == 127 || top >= 224 }

func (pk *packet) ports() {
	h := pk.ip()
	head := int(h[0]&15) * 4
	if (h[9] == 6 || h[9] == 17) && be16(h[6:])&0x3fff == 0 && len(h) >= head+4 {
		pk.sport, pk.dport = be16(h[head:]), be16(h[head+2:])
	}
}

func isControl(protocol byte, sport, dport uint16) bool {
	return protocol == 6 && (sport == 179 || dport == 179) || protocol == 17 && (dport == 3784 || dport == 3785 || dport == 4784)
}

func (m *Memory) isLocal(domain string, addr netip.Addr) bool {
	for _, at := range m.attached {
		if at.Domain == domain && slices.Contains(at.Locals, addr) {
			return true
		}
	}
	return false
}

// lookup finds the longest prefix by looking at all.
func (m *Memory) lookup(domain string, addr netip.Addr) (best netip.Prefix, hops []Hop, ok bool) {
	for p, h := range m.routes[domain] {
		if p.Contains(addr) && (!ok || p.Bits() > best.Bits()) {
			best, hops, ok = p, h, true
		}
	}
	return best, hops, ok
}

func (m *Memory) checkSource(at *memoryAttachment, src netip.Addr) Reason {
	if at.SourceCheck == SourceAny {
		return ReasonNone
	}
	_, hops, ok := m.lookup(at.Domain, src)
	hops = liveHops(hops)
	if m.isLocal(at.Domain, src) || !ok || len(hops) == 0 {
		return ReasonSourceUnrouted
	}
	if at.SourceCheck == SourceStrict && !slices.ContainsFunc(hops, func(h Hop) bool { return h.Attachment == at.Name }) {
		return ReasonSourceOtherPath
	}
	return ReasonNone
}

// local answers pings of own addresses; the rest has no taker here.
func (m *Memory) local(pk *packet, at *memoryAttachment, dst netip.Addr) ([]Output, Reason) {
	h := pk.ip()
	if be16(h[6:])&0x3fff != 0 {
		return nil, m.drop(at, ReasonLocalFragment)
	}
	if h[0] != 0x45 || h[9] != 1 || len(h) < 28 || h[20] != 8 || h[21] != 0 {
		return m.refuse(pk, at, ReasonLocalClosed, 0)
	}
	r := bytes.Clone(h)
	r[20] = 0
	sum := uint32(be16(r[22:])) + 0x0800
	binary.BigEndian.PutUint16(r[22:], uint16(sum&0xffff+sum>>16))
	if be16(r[22:]) == 0xffff {
		r[22], r[23] = 0, 0
	}
	copy(r[12:], h[16:20])
	copy(r[16:], h[12:16])
	r[8] = 64
	return m.sendBack(pk, at, resum(r))
}

// resum sets a header's checksum.
func resum(h []byte) []byte {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], ^onesSum(h[:int(h[0]&15)*4]))
	return h
}

// sendBack sends an answer to where the packet came from.
func (m *Memory) sendBack(pk *packet, at *memoryAttachment, ip []byte) ([]Output, Reason) {
	back := &packet{data: ip, length: len(ip), etherType: 0x0800, hash: pk.hash}
	return m.emit(back, at, pk.src, [6]byte(at.MAC), at.STag, at.CTag)
}

func (m *Memory) forward(pk *packet, at *memoryAttachment, dst netip.Addr, hops []Hop) ([]Output, Reason) {
	h := pk.ip()
	pk.hash = flowHash(flowSeed(m.c.VTEP), h, pk.sport, pk.dport)
	out, mac, why := m.choose(hops, pk.hash, dst)
	switch {
	case why == ReasonNeighborUnresolved:
		return nil, m.drop(at, why)
	case why != ReasonNone:
		return m.refuse(pk, at, why, 0)
	case pk.length > out.mtu && h[6]&0x40 == 0:
		return nil, m.drop(at, ReasonTooBigFragmentable)
	case pk.length > out.mtu:
		return m.refuse(pk, at, ReasonTooBig, out.mtu)
	case !m.police(out.Egress, pk.length+14):
		return nil, m.drop(out, ReasonPolicedOut)
	}
	pk.data = bytes.Clone(pk.data)
	pk.ip()[8]--
	resum(pk.ip())
	return m.emit(pk, out, mac, [6]byte(out.MAC), out.STag, out.CTag)
}

// choose picks a live hop: the hash's, or a second choice by it, or the next in order.
func (m *Memory) choose(hops []Hop, hash uint32, dst netip.Addr) (at *memoryAttachment, mac [6]byte, why Reason) {
	n := uint32(len(hops))
	first := uint32(uint64(hash) * uint64(n) >> 32)
	tries := []uint32{first}
	if n > 1 {
		second := first + 1 + (hash&0xffff)%(n-1)
		for i := range n {
			tries = append(tries, (second+i)%n)
		}
	}
	for _, i := range tries {
		h := hops[i]
		at, why = m.attached[h.Attachment], ReasonPathDown
		if at == nil || !at.up {
			continue
		}
		addr := h.Addr
		if !addr.IsValid() {
			addr, why = dst, ReasonNeighborUnresolved
		}
		if hw := m.neighbours[h.Attachment][addr.Unmap()]; hw != nil {
			return at, [6]byte(hw), ReasonNone
		}
	}
	return nil, mac, why
}

// flowHash mixes as lookup.h does, on a little-endian machine.
func flowHash(seed uint32, h []byte, sport, dport uint16) uint32 {
	le := binary.LittleEndian
	swap := func(p uint16) uint32 { return uint32(p>>8 | p<<8) }
	x := uint64(le.Uint32(h[12:]))<<32 | uint64(le.Uint32(h[16:]))
	x ^= uint64(seed)
	x *= 0x9e3779b97f4a7c15
	x ^= x >> 32
	x += uint64(swap(sport)<<16|swap(dport))<<8 | uint64(h[9])
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return uint32(x >> 32)
}

// refuse drops, and tells the sender by ICMP where RFC 1812 section 4.3.2.7 lets it.
func (m *Memory) refuse(pk *packet, at *memoryAttachment, why Reason, mtu int) ([]Output, Reason) {
	m.drop(at, why)
	kinds := map[Reason][2]byte{ReasonNoRoute: {3, 0}, ReasonUnreachable: {3, 1}, ReasonPathDown: {3, 1}, ReasonLocalClosed: {3, 3},
		ReasonTooBig: {3, 4}, ReasonTtlExpired: {11, 0}}
	kind := kinds[why]
	h := pk.ip()
	from := icmpSource(at.Attachment)
	if why == ReasonLocalClosed {
		from = netip.AddrFrom4([4]byte(h[16:]))
	}
	if icmpForbidden(h) || !from.IsValid() || !at.icmp.conforms(ticks(), icmpCost, icmpBurst) {
		return nil, why
	}
	quote := h[:min(len(h)&^1, 548)]
	r := make([]byte, 28, 28+len(quote))
	r[0], r[1], r[6], r[8], r[9] = 0x45, 0xc0, 0x40, 64, 1
	binary.BigEndian.PutUint16(r[2:], uint16(28+len(quote)))
	copy(r[12:], from.AsSlice())
	copy(r[16:], h[12:16])
	r[20], r[21] = kind[0], kind[1]
	binary.BigEndian.PutUint16(r[26:], uint16(mtu))
	r = append(r, quote...)
	binary.BigEndian.PutUint16(r[22:], ^onesSum(r[20:]))
	out, _ := m.sendBack(pk, at, resum(r))
	return out, why
}

// icmpForbidden: no error about later fragments, or about ICMP that is not a query.
func icmpForbidden(h []byte) bool {
	if be16(h[6:])&0x1fff != 0 {
		return true
	}
	head := int(h[0]&15) * 4
	return h[9] == 1 && (len(h) <= head || !slices.Contains([]byte{0, 8, 13, 14}, h[head]))
}

// ipv6 punts what sessions need.
func (m *Memory) ipv6(pk *packet, at *memoryAttachment, group bool) ([]Output, Reason) {
	h := pk.ip()
	switch {
	case len(h) < 40:
		return nil, m.drop(at, ReasonIpLength)
	case h[0]>>4 != 6:
		return nil, m.drop(at, ReasonIpHeader)
	case int(be16(h[4:]))+40 > len(h):
		return nil, m.drop(at, ReasonIpLength)
	case len(h) < 44:
		return nil, m.drop(at, ReasonIpv6Unsupported)
	}
	kind := h[40]
	if h[6] == 58 && h[7] == 255 && kind >= 133 && kind <= 137 {
		return m.punt(pk, at)
	}
	if group {
		return nil, m.drop(at, ReasonMacOther)
	}
	dst := netip.AddrFrom16([16]byte(h[24:40]))
	own := dst.IsLinkLocalUnicast() || slices.Contains(at.Locals, dst)
	if own && (isControl(h[6], be16(h[40:]), be16(h[42:])) || h[6] == 58 && kind >= 128) {
		return m.punt(pk, at)
	}
	return nil, m.drop(at, ReasonIpv6Unsupported)
}
