package fib

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// frame builds packets for tests: fields that are zero get plain values.
type frame struct {
	dst, src     net.HardwareAddr
	tpid         uint16 // of the outer tag
	stag, ctag   uint16 // with priority bits; a third tag by extra
	extra        uint16
	etherType    uint16
	from, to     string
	ttl          byte
	proto        byte
	sport, dport uint16
	frag         uint16 // flags and offset
	size         int    // bytes of L4 with its header; 0: 24
	options      int    // bytes of IPv4 options, filled with no-operations
	raw          []byte // instead of IP
	pad          int    // bytes behind
}

// A frame's tags are given as tag words; noTag is none. 0 is a tag too.
const noTag = 0

func (f frame) ipv4() []byte {
	if f.size == 0 {
		f.size = 24
	}
	if f.proto == 0 {
		f.proto = 17
	}
	if f.ttl == 0 {
		f.ttl = 64
	}
	be := binary.BigEndian
	head := 20 + f.options
	b := make([]byte, head+f.size)
	b[0], b[8], b[9] = byte(0x40|head/4), f.ttl, f.proto
	be.PutUint16(b[2:], uint16(len(b)))
	be.PutUint16(b[4:], 0x1234)
	be.PutUint16(b[6:], f.frag)
	copy(b[12:], netip.MustParseAddr(f.from).AsSlice())
	copy(b[16:], netip.MustParseAddr(f.to).AsSlice())
	for i := 20; i < head; i++ {
		b[i] = 1
	}
	l4 := b[head:]
	for i := range l4 {
		l4[i] = byte(i)
	}
	if len(l4) >= 4 && f.proto != 1 {
		be.PutUint16(l4, f.sport)
		be.PutUint16(l4[2:], f.dport)
	}
	if f.proto == 1 && len(l4) >= 8 {
		l4[0], l4[1], l4[2], l4[3] = byte(f.sport>>8), byte(f.sport), 0, 0
		be.PutUint16(l4[2:], ^onesSum(l4))
	}
	return resum(b)
}

func (f frame) bytes() []byte {
	payload := f.raw
	if payload == nil {
		payload = f.ipv4()
	}
	t := f.etherType
	if t == 0 {
		t = 0x0800
	}
	tpid := f.tpid
	if tpid == 0 {
		tpid = 0x8100
	}
	be := binary.BigEndian
	b := append(append([]byte{}, f.dst...), f.src...)
	if f.stag != noTag {
		b = be.AppendUint16(be.AppendUint16(b, tpid), f.stag)
	}
	if f.ctag != noTag {
		inner := uint16(0x8100)
		if f.stag == noTag {
			inner = tpid
		}
		b = be.AppendUint16(be.AppendUint16(b, inner), f.ctag)
	}
	if f.extra != noTag {
		b = be.AppendUint16(be.AppendUint16(b, 0x8100), f.extra)
	}
	return append(append(be.AppendUint16(b, t), payload...), make([]byte, f.pad)...)
}

// vxlan wraps an inner frame.
type vxlan struct {
	dst, src net.HardwareAddr
	from, to string
	vni      uint32
	flags    byte // 0: 0x08
	frag     uint16
	dport    uint16
	cut      int // bytes the UDP length says less
}

func (v vxlan) bytes(inner []byte) []byte {
	if v.flags == 0 {
		v.flags = 0x08
	}
	if v.dport == 0 {
		v.dport = 4789
	}
	f := frame{dst: v.dst, src: v.src, from: v.from, to: v.to, sport: 50000, dport: v.dport, frag: v.frag, size: 16 + len(inner)}
	ip := f.ipv4()
	be := binary.BigEndian
	be.PutUint16(ip[24:], uint16(16+len(inner)-v.cut))
	be.PutUint16(ip[26:], 0)
	copy(ip[28:], []byte{v.flags, 0, 0, 0})
	be.PutUint32(ip[32:], v.vni<<8)
	copy(ip[36:], inner)
	f.raw = ip
	return f.bytes()
}
