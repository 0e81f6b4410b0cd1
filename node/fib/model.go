package fib

import (
	"encoding/binary"
	"net/netip"
)

// Output is one frame that leaves.
type Output struct {
	Port   string // leaves by it, or, with Kernel, is passed to the kernel on it
	Punt   string // goes to the kernel on this attachment's punt device
	Kernel bool
	Frame  []byte
}

// Forward does with a frame that arrives on a port what the data path does. A frame that is dropped has a reason, and may still have an
// output: the ICMP error.
func (m *Memory) Forward(port string, frame []byte) ([]Output, Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.ports[port]
	if !ok {
		return nil, m.drop(nil, ReasonPortUnknown)
	}
	pk := &packet{data: frame}
	if p.Underlay {
		pass, at, why := m.decapsulate(pk)
		if pass {
			return []Output{{Port: port, Kernel: true, Frame: frame}}, ReasonNone
		}
		return m.receive(pk, at, why)
	}
	if why := pk.parseTags(p.OuterEtherType); why != ReasonNone {
		return nil, m.drop(nil, why)
	}
	at, why := m.classify(port, pk)
	return m.receive(pk, at, why)
}

// FromKernel does with a frame that the kernel sends on an attachment's punt device what the data path does.
func (m *Memory) FromKernel(attachment string, frame []byte) ([]Output, Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.attached[attachment]
	if at == nil || len(frame) < 14 {
		return nil, m.drop(nil, ReasonPuntUnknown)
	}
	pk := &packet{data: frame, dst: [6]byte(frame), src: [6]byte(frame[6:]), etherType: be16(frame[12:]), l3: 14, length: len(frame) - 14}
	out, why := m.emit(pk, at, pk.dst, pk.src, at.STag, at.CTag)
	return out, why
}

// packet is a frame under way. tags hold priority bits; 0 is none.
type packet struct {
	data         []byte
	dst, src     [6]byte
	stag, ctag   uint16
	etherType    uint16
	l3           int // offset
	length       int // L3 bytes
	sport, dport uint16
	hash         uint32
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func (pk *packet) ip() []byte { return pk.data[pk.l3:] }

func isTag(t uint16) bool { return t == 0x8100 || t == 0x88a8 || t == 0x9100 }

// parseTags reads the Ethernet header and up to two tags.
func (pk *packet) parseTags(outer uint16) Reason {
	if outer == 0 {
		outer = 0x8100
	}
	if len(pk.data) < 14 {
		return ReasonFrameTruncated
	}
	pk.dst, pk.src, pk.l3 = [6]byte(pk.data), [6]byte(pk.data[6:]), 14
	var types, tcis []uint16
	for t := be16(pk.data[12:]); isTag(t); t = be16(pk.data[pk.l3-2:]) {
		if len(types) == 2 {
			return ReasonTagThird
		}
		if len(types) == 1 && (types[0] != outer || t != 0x8100) {
			return ReasonTpidWrong
		}
		if len(pk.data) < pk.l3+4 {
			return ReasonFrameTruncated
		}
		if len(types) == 0 && t != outer && t != 0x8100 {
			return ReasonTpidWrong
		}
		tci := be16(pk.data[pk.l3:])
		types, tcis = append(types, t), append(tcis, tci)
		pk.l3 += 4
		switch tci & 0xfff {
		case 0:
			return ReasonTagPriority
		case 0xfff:
			return ReasonTagReserved
		}
	}
	pk.etherType = be16(pk.data[pk.l3-2:])
	pk.length = len(pk.data) - pk.l3
	switch len(tcis) {
	case 1:
		if types[0] != 0x8100 {
			return ReasonCtagMissing
		}
		pk.ctag = tcis[0]
	case 2:
		pk.stag, pk.ctag = tcis[0], tcis[1]
	}
	return ReasonNone
}

// classify finds the attachment with the frame's tags.
func (m *Memory) classify(port string, pk *packet) (*memoryAttachment, Reason) {
	s, c := pk.stag&0xfff, pk.ctag&0xfff
	var any *memoryAttachment
	outer, single := false, false
	for _, at := range m.attached {
		if at.VNI != 0 || at.Port != port {
			continue
		}
		if at.STag == s && at.CTag == c && !at.AnyCTag {
			return at, ReasonNone
		}
		if at.STag == s && at.AnyCTag && c != 0 {
			any = at
		}
		outer = outer || s != 0 && at.STag == s
		single = single || s == 0 && c != 0 && at.STag == c
	}
	switch {
	case any != nil:
		return any, ReasonNone
	case s == 0 && c == 0:
		return nil, ReasonTagMissing
	case single:
		return nil, ReasonCtagMissing
	case s == 0 || outer:
		return nil, ReasonCtagUnknown
	}
	return nil, ReasonStagUnknown
}

// decapsulate finds the attachment of a VXLAN frame; pass is everything that is none for this node.
func (m *Memory) decapsulate(pk *packet) (pass bool, at *memoryAttachment, why Reason) {
	d := pk.data
	if len(d) < 42 || be16(d[12:]) != 0x0800 || d[14] != 0x45 || d[23] != 17 || !m.c.VTEP.IsValid() ||
		be32(d[30:]) != be32(m.c.VTEP.AsSlice()) || be16(d[36:]) != 4789 || be16(d[20:])&0x1fff != 0 {
		return true, nil, ReasonNone
	}
	total := int(be16(d[16:]))
	switch {
	case be16(d[20:])&0x2000 != 0:
		return false, nil, ReasonOuterFragment
	case len(d) < 64 || total < 50 || total > len(d)-14 || int(be16(d[38:])) != total-20:
		return false, nil, ReasonOuterLength
	case onesSum(d[14:34]) != 0xffff:
		return false, nil, ReasonOuterChecksum
	case d[42]&0x08 == 0:
		return false, nil, ReasonVxlanFlags
	}
	vni, remote := be32(d[46:])>>8, netip.AddrFrom4([4]byte(d[26:30]))
	why = ReasonVniUnknown
	for _, a := range m.attached {
		if a.VNI == vni && a.VNI != 0 {
			if a.Remote == remote {
				at = a
				break
			}
			why = ReasonVtepUnknown
		}
	}
	if at == nil {
		return false, nil, why
	}
	pk.dst, pk.src, pk.etherType = [6]byte(d[50:]), [6]byte(d[56:]), be16(d[62:])
	pk.l3, pk.length = 64, total-50
	if isTag(pk.etherType) {
		return false, at, ReasonInnerTagged
	}
	return false, at, ReasonNone
}

// receive goes on when the attachment is known.
func (m *Memory) receive(pk *packet, at *memoryAttachment, why Reason) ([]Output, Reason) {
	if why != ReasonNone {
		return nil, m.drop(at, why)
	}
	at.inPackets++
	at.inBytes += uint64(pk.length)
	out, why := m.route(pk, at)
	return out, why
}

func (m *Memory) route(pk *packet, at *memoryAttachment) ([]Output, Reason) {
	if peer := m.peers[at.Name]; peer != "" {
		return m.crossconnect(pk, at, m.attached[peer])
	}
	group := pk.dst[0]&1 != 0
	if pk.dst != [6]byte(at.MAC) && (!group || pk.etherType == 0x0800) {
		return nil, m.drop(at, ReasonMacOther)
	}
	switch pk.etherType {
	case 0x0800:
		return m.ipv4(pk, at)
	case 0x86dd:
		return m.ipv6(pk, at, group)
	case 0x0806:
		return m.punt(pk, at)
	}
	return nil, m.drop(at, ReasonEthertypeUnknown)
}

func (m *Memory) crossconnect(pk *packet, at, out *memoryAttachment) ([]Output, Reason) {
	priority := pk.ctag & 0xf000
	if pk.stag != 0 {
		priority = pk.stag & 0xf000
	}
	switch {
	case !out.up:
		return nil, m.drop(at, ReasonAttachmentDown)
	case !m.police(at.Ingress, pk.length+14):
		return nil, m.drop(at, ReasonPolicedIn)
	case pk.length > out.mtu:
		return nil, m.drop(at, ReasonTooBigFrame)
	case !m.police(out.Egress, pk.length+14):
		return nil, m.drop(out, ReasonPolicedOut)
	}
	var s, c uint16
	if out.STag != 0 {
		s = out.STag | priority
	}
	if out.CTag != 0 {
		c = out.CTag | priority
	}
	if out.AnyCTag {
		c = pk.ctag
	}
	return m.emit(pk, out, pk.dst, pk.src, s, c)
}

func (m *Memory) punt(pk *packet, at *memoryAttachment) ([]Output, Reason) {
	if at.PuntIfindex == 0 {
		return nil, m.drop(at, ReasonPuntMissing)
	}
	if !at.punt.conforms(ticks(), puntCost, puntBurst) {
		return nil, m.drop(at, ReasonPuntLimited)
	}
	return []Output{{Punt: at.Name, Frame: ethernet(pk.dst, pk.src, 0, 0, 0, pk.etherType, pk.ip())}}, ReasonNone
}

// The limits of punt.h and icmp.h.
const (
	puntCost  = 50_000 * tick
	puntBurst = 2000 * puntCost
	icmpCost  = 1_000_000 * tick
	icmpBurst = 100 * icmpCost
)

func (m *Memory) police(name string, bytes int) bool {
	p := m.policers[name]
	if p == nil {
		return true
	}
	cost, burst := bucket(p.Policer)
	if p.conforms(ticks(), uint64(bytes)*cost>>costBits, burst) {
		p.PassedPackets++
		p.PassedBytes += uint64(bytes)
		return true
	}
	p.DroppedPackets++
	p.DroppedBytes += uint64(bytes)
	return false
}

// drop counts; a nil attachment is the node.
func (m *Memory) drop(at *memoryAttachment, why Reason) Reason {
	if at == nil {
		m.node[why]++
	} else {
		at.drops[why]++
	}
	return why
}

// emit sends the frame by an attachment.
func (m *Memory) emit(pk *packet, at *memoryAttachment, dst, src [6]byte, stag, ctag uint16) ([]Output, Reason) {
	port, frame := at.Port, []byte(nil)
	if at.VNI != 0 {
		remote := m.underlay[at.Remote]
		own, ok := m.underlayPort()
		if remote == nil || !ok {
			return nil, m.drop(at, ReasonUnderlayUnresolved)
		}
		inner := ethernet(dst, src, 0, 0, 0, pk.etherType, pk.ip())
		port, frame = own.Name, m.encapsulate(inner, at, own, [6]byte(remote), pk)
	} else {
		tpid := m.ports[at.Port].OuterEtherType
		if tpid == 0 {
			tpid = 0x8100
		}
		frame = ethernet(dst, src, tpid, stag, ctag, pk.etherType, pk.ip())
	}
	at.outPackets++
	at.outBytes += uint64(pk.length)
	return []Output{{Port: port, Frame: frame}}, ReasonNone
}

func (m *Memory) underlayPort() (Port, bool) {
	for _, p := range m.c.Ports {
		if p.Underlay {
			return p, true
		}
	}
	return Port{}, false
}

// ethernet puts a header and tags (0: none) before a payload.
func ethernet(dst, src [6]byte, tpid, stag, ctag, etherType uint16, payload []byte) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	if stag != 0 {
		f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, tpid), stag)
	}
	if ctag != 0 {
		f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, 0x8100), ctag)
	}
	return append(binary.BigEndian.AppendUint16(f, etherType), payload...)
}

// encapsulate puts VXLAN, UDP, IP and Ethernet before an inner frame. Lengths are those of the packet, without padding behind it.
func (m *Memory) encapsulate(inner []byte, at *memoryAttachment, own Port, remote [6]byte, pk *packet) []byte {
	be := binary.BigEndian
	h := make([]byte, 36)
	h[0], h[6], h[8], h[9] = 0x45, 0x40, 64, 17
	be.PutUint16(h[2:], uint16(pk.length+50))
	copy(h[12:], m.c.VTEP.AsSlice())
	copy(h[16:], at.Remote.AsSlice())
	be.PutUint16(h[10:], ^onesSum(h[:20]))
	be.PutUint16(h[20:], uint16(0xc000|pk.hash&0x3fff))
	be.PutUint16(h[22:], 4789)
	be.PutUint16(h[24:], uint16(pk.length+30))
	h[28] = 0x08
	be.PutUint32(h[32:], at.VNI<<8)
	return ethernet(remote, [6]byte(own.MAC), 0, 0, 0, 0x0800, append(h, inner...))
}

// onesSum is the Internet checksum's sum (RFC 1071).
func onesSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		if i+1 < len(b) {
			sum += uint32(be16(b[i:]))
		} else {
			sum += uint32(b[i]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
