package fib

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
)

// gun makes shots.
type gun struct {
	rng       *rand.Rand
	pair      [2]*edge
	all, good []shotKind
}

// shotKind makes one kind of frame.
type shotKind struct {
	name string
	make func(g *gun, s *shot)
}

func (g *gun) draw(random bool) *shot {
	for {
		k := g.all[g.rng.IntN(len(g.all))]
		if g.rng.IntN(3) == 0 {
			k = g.good[g.rng.IntN(len(g.good))]
		}
		s := &shot{kind: k.name, edge: g.rng.IntN(2), tenant: g.rng.IntN(tenants)}
		s.at, s.ifindex = s.tenant, g.e(s).k.ports[g.e(s).pe()].Ifindex
		k.make(g, s)
		if !random {
			return s
		}
		if s.punt {
			continue
		}
		g.damage(s)
		return s
	}
}

// damage cuts a frame, changes bytes of it, or puts another frame's head before it.
func (g *gun) damage(s *shot) {
	s.random, s.kind = true, s.kind+", damaged"
	for range 1 + g.rng.IntN(3) {
		switch at := g.rng.IntN(len(s.data)); g.rng.IntN(4) {
		case 0:
			s.data = s.data[:max(14, at)]
		case 1:
			s.data[at] = byte(g.rng.Uint32())
		case 2:
			s.data[min(at, 12+g.rng.IntN(60))] ^= 1 << g.rng.IntN(8)
		case 3: // the tags or the VNI of another
			t := tenantOf(g.rng.IntN(tenants))
			if s.ifindex == g.e(s).k.ports[g.e(s).pe()].Ifindex && len(s.data) >= 22 {
				put16(s.data, 14+4*g.rng.IntN(2), []uint16{t.stag, t.ctag}[g.rng.IntN(2)])
			} else if len(s.data) >= 64 {
				binary.BigEndian.PutUint32(s.data[46:], t.vni<<8|g.rng.Uint32()&0xff)
			}
		}
	}
}

func put16(b []byte, at int, v uint16) { binary.BigEndian.PutUint16(b[at:], v) }

func (g *gun) e(s *shot) *edge { return g.pair[s.edge] }

// other is another tenant.
func (g *gun) other(s *shot) int { return (s.tenant + 1 + g.rng.IntN(tenants-1)) % tenants }

func (g *gun) addr(a, b int) string {
	return fmt.Sprintf("%d.%d.%d.%d", a, b, g.rng.IntN(256), 1+g.rng.IntN(250))
}

func (g *gun) in(a int, bs ...int) string { return g.addr(a, bs[g.rng.IntN(len(bs))]) }

// unique is an address only one tenant has.
func (g *gun) unique(net, tenant int) string {
	return fmt.Sprintf("10.%d.%d.%d", net, tenant, 1+g.rng.IntN(250))
}

// any is a packet with nothing wrong in it; ports may be BGP's and BFD's, which are nobody's here.
func (g *gun) any(from, to string) frame {
	port := func() uint16 { return []uint16{179, 3784, 4789, uint16(g.rng.Uint32())}[g.rng.IntN(4)] }
	f := frame{dst: macOwn, from: from, to: to, ttl: byte(2 + g.rng.IntN(254)), proto: []byte{1, 6, 17, 17, 47, 50}[g.rng.IntN(6)],
		sport: port(), dport: port(), size: 8 + g.rng.IntN(200), options: 4 * g.rng.IntN(3), frag: []uint16{0, 0, 0x4000, 0x2000, 0x2010, 0x0010}[g.rng.IntN(6)]}
	if g.rng.IntN(8) == 0 {
		f.pad = g.rng.IntN(40)
	}
	if g.rng.IntN(16) == 0 {
		f.size = 1000 + g.rng.IntN(340)
	}
	return f
}

// tagged is from the customer of a shot, with any priority bits.
func (g *gun) tagged(s *shot, f frame) frame {
	t, bits := tenantOf(s.tenant), uint16(g.rng.IntN(16))<<12
	f.src, f.stag, f.ctag = customerMAC(s.edge, s.tenant), t.stag|bits, t.ctag|uint16(g.rng.IntN(16))<<12
	return f
}

// customer is a plain packet from the customer's site.
func (g *gun) customer(s *shot, to string) frame { return g.tagged(s, g.any(g.in(10, 1), to)) }

// cloud is a plain packet from the tenant's gateway, and its tunnel.
func (g *gun) cloud(s *shot, to string) (frame, vxlan) {
	e, t := g.e(s), tenantOf(s.tenant)
	s.at, s.ifindex = tenants+s.tenant, e.k.ports[e.ul()].Ifindex
	f := g.any(g.in(10, 20), to)
	f.src = gatewayMAC(t.gateway)
	return f, vxlan{dst: macFab, src: gatewayMAC(t.gateway), from: t.gateway.String(), to: e.vtep.String(), vni: t.vni}
}

// sent notes a frame that must be delivered.
func (s *shot) sent(data []byte, ip []byte, to int) {
	s.data, s.ip, s.end, s.to = data, ip, delivered, to
}

func (s *shot) drop(data []byte, at int, why Reason) { s.data, s.at, s.why = data, at, why }

// simple is a frame of the customer that is dropped for a reason, or ends otherwise, after a change.
func simple(end ending, why Reason, to string, change func(g *gun, s *shot, f *frame)) func(*gun, *shot) {
	return func(g *gun, s *shot) {
		f := g.customer(s, to)
		f.frag, f.options = 0, 0
		if to == "" {
			f.to = g.in(10, 20)
		}
		if to == "own" {
			f.to = g.e(s).own
			f.proto, f.sport, f.dport = 17, 1000+uint16(g.rng.IntN(1000)), 5000
		}
		if change != nil {
			change(g, s, &f)
		}
		s.data, s.why, s.end = f.bytes(), why, end
	}
}

// spoiled is a good frame of the customer whose bytes are changed afterwards; at is where the IP header begins.
func spoiled(why Reason, node bool, change func(g *gun, s *shot, b []byte) []byte) func(*gun, *shot) {
	return func(g *gun, s *shot) {
		f := g.customer(s, g.in(10, 20))
		f.pad = 0
		s.data, s.why = change(g, s, f.bytes()), why
		if node {
			s.at = nodeBook
		}
	}
}

func shotKinds() []shotKind {
	var all []shotKind
	for _, ks := range [][]shotKind{goodShots(), tagShots(), headerShots(), routeShots(), ownShots(), tunnelShots(), innerShots(), kernelShots()} {
		all = append(all, ks...)
	}
	return all
}

func goodShots() []shotKind {
	return []shotKind{
		{"to the cloud", func(g *gun, s *shot) {
			f := g.customer(s, g.in(10, 20))
			s.sent(f.bytes(), f.ipv4(), tenants+s.tenant)
		}},
		{"to the cloud's prefix that no other has", func(g *gun, s *shot) {
			f := g.customer(s, g.unique(99, s.tenant))
			s.sent(f.bytes(), f.ipv4(), tenants+s.tenant)
		}},
		{"to the customer", func(g *gun, s *shot) {
			f, v := g.cloud(s, g.in(10, 1))
			s.sent(v.bytes(f.bytes()), f.ipv4(), s.tenant)
		}},
		{"to the customer's prefix that no other has", func(g *gun, s *shot) {
			f, v := g.cloud(s, g.unique(98, s.tenant))
			s.sent(v.bytes(f.bytes()), f.ipv4(), s.tenant)
		}},
		{"back to where it came from", func(g *gun, s *shot) {
			f := g.customer(s, g.in(10, 1))
			s.sent(f.bytes(), f.ipv4(), s.tenant)
		}},
		{"VXLAN inside a customer's packet", func(g *gun, s *shot) {
			f, v := g.cloud(s, g.in(10, 1))
			s.at, s.ifindex = s.tenant, g.e(s).k.ports[g.e(s).pe()].Ifindex
			v.vni = tenantOf(g.other(s)).vni
			b := g.tagged(s, frame{dst: macOwn, raw: v.bytes(f.bytes())[14:]}).bytes()
			s.drop(b, s.tenant, ReasonNoRoute)
			if tenantOf(s.tenant).check != SourceAny {
				s.why = ReasonSourceUnrouted
			}
		}},
	}
}

// tagReason is what a frame with two good tags ends as when it is nobody's; book is whose it is else.
func tagReason(stag, ctag uint16) (book int, why Reason) {
	why = ReasonStagUnknown
	for i := range tenants {
		switch t := tenantOf(i); {
		case t.stag == stag && t.ctag == ctag:
			return i, ReasonNone
		case t.stag == stag:
			why = ReasonCtagUnknown
		}
	}
	return nodeBook, why
}

func tagShots() []shotKind {
	tci := func(at int, vid uint16) func(g *gun, s *shot, b []byte) []byte {
		return func(g *gun, s *shot, b []byte) []byte { put16(b, at, vid|uint16(g.rng.IntN(16))<<12); return b }
	}
	tpid := func(at int) func(g *gun, s *shot, b []byte) []byte {
		return func(g *gun, s *shot, b []byte) []byte {
			put16(b, at, []uint16{0x88a8, 0x9100}[g.rng.IntN(2)])
			return b
		}
	}
	return []shotKind{
		{"wrong outer TPID", spoiled(ReasonTpidWrong, true, tpid(12))},
		{"wrong inner TPID", spoiled(ReasonTpidWrong, true, tpid(16))},
		{"outer priority tag", spoiled(ReasonTagPriority, true, tci(14, 0))},
		{"inner priority tag", spoiled(ReasonTagPriority, true, tci(18, 0))},
		{"outer reserved tag", spoiled(ReasonTagReserved, true, tci(14, 0xfff))},
		{"inner reserved tag", spoiled(ReasonTagReserved, true, tci(18, 0xfff))},
		{"three tags", spoiled(ReasonTagThird, true, func(g *gun, s *shot, b []byte) []byte {
			t := tenantOf(g.other(s))
			tag := []byte{0x81, 0, byte(t.stag >> 8), byte(t.stag)}
			if g.rng.IntN(2) == 0 {
				tag[0], tag[1] = 0x88, 0xa8
				return append(append(append([]byte{}, b[:20]...), tag...), b[20:]...)
			}
			return append(append(append([]byte{}, b[:12]...), tag...), b[12:]...)
		})},
		{"cut in the tags", spoiled(ReasonFrameTruncated, true, func(g *gun, s *shot, b []byte) []byte {
			return b[:[]int{14, 15, 16, 17, 18, 19, 20, 21}[g.rng.IntN(8)]]
		})},
		{"the tags of two tenants", func(g *gun, s *shot) {
			f := g.customer(s, g.in(10, 77))
			a, b := tenantOf(s.tenant), tenantOf(g.other(s))
			pick := []uint16{a.stag, a.ctag, b.stag, b.ctag}
			f.stag, f.ctag, f.from = pick[g.rng.IntN(4)], pick[g.rng.IntN(4)], g.in(10, 1)
			s.at, s.why = tagReason(f.stag, f.ctag)
			if s.at != nodeBook {
				s.tenant, s.why = s.at, ReasonPathDown
			}
			s.data = f.bytes()
		}},
		{"one tag", func(g *gun, s *shot) {
			f := g.customer(s, g.in(10, 20))
			t := tenantOf(s.tenant)
			f.stag, f.ctag = noTag, []uint16{t.stag, t.ctag, 4000}[g.rng.IntN(3)]
			why := ReasonCtagUnknown
			if _, r := tagReason(f.ctag, 4001); r == ReasonCtagUnknown {
				why = ReasonCtagMissing
			}
			s.drop(f.bytes(), nodeBook, why)
		}},
		{"no tag", func(g *gun, s *shot) {
			f := g.customer(s, g.in(10, 20))
			f.stag, f.ctag = noTag, noTag
			s.drop(f.bytes(), nodeBook, ReasonTagMissing)
		}},
	}
}

func headerShots() []shotKind {
	resum := func(b []byte) {
		head := b[22 : 22+int(b[22]&15)*4]
		head[10], head[11] = 0, 0
		put16(head, 10, ^internetSum(head))
	}
	return []shotKind{
		{"another's MAC", simple(dropped, ReasonMacOther, "", func(g *gun, s *shot, f *frame) { f.dst = customerMAC(s.edge, g.other(s)) })},
		{"a group's MAC", simple(dropped, ReasonMacOther, "", func(g *gun, s *shot, f *frame) { f.dst = hw("01:00:5e:00:00:05") })},
		{"no IP", simple(dropped, ReasonEthertypeUnknown, "", func(g *gun, s *shot, f *frame) {
			f.etherType = []uint16{0x88cc, 0x8847, 0x888e, 0x0806 + 1}[g.rng.IntN(4)]
		})},
		{"IPv6 to be forwarded", simple(dropped, ReasonIpv6Unsupported, "", func(g *gun, s *shot, f *frame) {
			f.etherType, f.raw = 0x86dd, ipv6(17, 64, "fd00::1", "fd01::1", make([]byte, 8+g.rng.IntN(40)))
		})},
		{"wrong version", spoiled(ReasonIpHeader, false, func(g *gun, s *shot, b []byte) []byte { b[22] = 0x55; return b })},
		{"short header", spoiled(ReasonIpHeader, false, func(g *gun, s *shot, b []byte) []byte {
			b[22] = 0x40 | byte(g.rng.IntN(5))
			return b
		})},
		{"length beyond the frame", spoiled(ReasonIpLength, false, func(g *gun, s *shot, b []byte) []byte {
			put16(b, 24, uint16(len(b)-22+1+g.rng.IntN(1000)))
			resum(b)
			return b
		})},
		{"length within the header", spoiled(ReasonIpLength, false, func(g *gun, s *shot, b []byte) []byte {
			put16(b, 24, uint16(g.rng.IntN(20)))
			resum(b)
			return b
		})},
		{"cut in the packet", spoiled(ReasonIpLength, false, func(g *gun, s *shot, b []byte) []byte {
			return b[:22+g.rng.IntN(len(b)-22)]
		})},
		{"wrong checksum", spoiled(ReasonIpChecksum, false, func(g *gun, s *shot, b []byte) []byte {
			b[[]int{26, 27, 30, 31, 34, 37, 38, 41}[g.rng.IntN(8)]] ^= 1 << g.rng.IntN(8)
			return b
		})},
		{"source that is none", simple(dropped, ReasonSourceMartian, "", func(g *gun, s *shot, f *frame) {
			f.from = g.addr([]int{0, 127, 224, 240, 255}[g.rng.IntN(5)], 1)
		})},
		{"destination that is none", simple(dropped, ReasonDestinationMartian, "", func(g *gun, s *shot, f *frame) {
			f.to = g.addr([]int{0, 127, 224, 240, 255}[g.rng.IntN(5)], 1)
		})},
	}
}

// spoof is a packet with a source that is not the site's: whether it passes depends on the tenant's rule alone.
func spoof(from func(g *gun, s *shot) string, loose, strict Reason) func(g *gun, s *shot) {
	return func(g *gun, s *shot) {
		f := g.tagged(s, g.any(from(g, s), g.in(10, 20)))
		why := []Reason{ReasonNone, loose, strict}[tenantOf(s.tenant).check]
		if why == ReasonNone {
			s.sent(f.bytes(), f.ipv4(), tenants+s.tenant)
			return
		}
		s.drop(f.bytes(), s.at, why)
	}
}

func routeShots() []shotKind {
	const unrouted = ReasonSourceUnrouted
	return []shotKind{
		{"spoofed: a stranger's source", spoof(func(g *gun, s *shot) string { return g.addr(172, 31) }, unrouted, unrouted)},
		{"spoofed: another tenant's source", spoof(func(g *gun, s *shot) string { return g.unique(98, g.other(s)) }, unrouted, unrouted)},
		{"spoofed: the cloud's source", spoof(func(g *gun, s *shot) string { return g.in(10, 20) }, ReasonNone, ReasonSourceOtherPath)},
		{"spoofed: the edge's source", spoof(func(g *gun, s *shot) string { return g.e(s).own }, unrouted, unrouted)},
		{"to another tenant's prefix", simple(dropped, ReasonNoRoute, "", func(g *gun, s *shot, f *frame) { f.to = g.unique(98+g.rng.IntN(2), g.other(s)) })},
		{"to nowhere", simple(dropped, ReasonNoRoute, "", func(g *gun, s *shot, f *frame) { f.to = g.addr(100+g.rng.IntN(20), 64) })},
		{"to an unreachable prefix", simple(dropped, ReasonUnreachable, "", func(g *gun, s *shot, f *frame) { f.to = g.in(10, 66) })},
		{"to a path that is down", simple(dropped, ReasonPathDown, "", func(g *gun, s *shot, f *frame) { f.to = g.in(10, 77) })},
		{"to nobody on the link", simple(dropped, ReasonNeighborUnresolved, "", func(g *gun, s *shot, f *frame) {
			f.to = netip.MustParseAddr(g.e(s).own).Next().String()
		})},
		{"TTL ends", simple(dropped, ReasonTtlExpired, "", func(g *gun, s *shot, f *frame) { f.ttl = 1 })},
		{"TTL zero", func(g *gun, s *shot) {
			f := g.customer(s, g.in(10, 20))
			f.options, f.frag = 0, 0
			b := f.bytes()
			b[30], b[32], b[33] = 0, 0, 0
			put16(b, 32, ^internetSum(b[22:42]))
			s.drop(b, s.at, ReasonTtlExpired)
		}},
		{"too big, may not be cut", simple(dropped, ReasonTooBig, "", func(g *gun, s *shot, f *frame) { f.size, f.frag = 1381+g.rng.IntN(99), 0x4000 })},
		{"too big, may be cut", simple(dropped, ReasonTooBigFragmentable, "", func(g *gun, s *shot, f *frame) { f.size = 1381 + g.rng.IntN(99) })},
	}
}

// ownShots are to addresses of the edge itself, the tenant's and others'.
func ownShots() []shotKind {
	control := func(g *gun, f *frame) {
		f.proto, f.sport, f.dport = 6, 179, 179
		if g.rng.IntN(2) == 0 {
			f.proto, f.sport, f.dport = 17, 49152, []uint16{3784, 3785, 4784}[g.rng.IntN(3)]
		}
		f.size = max(f.size, 24)
	}
	return []shotKind{
		{"control to the edge", simple(punted, 0, "own", func(g *gun, s *shot, f *frame) { control(g, f) })},
		{"control to the address no other has", simple(punted, 0, "own", func(g *gun, s *shot, f *frame) {
			control(g, f)
			f.to = fmt.Sprintf("10.200.%d.1", s.tenant)
		})},
		{"control to another tenant's address", simple(dropped, ReasonNoRoute, "own", func(g *gun, s *shot, f *frame) {
			control(g, f)
			f.to = fmt.Sprintf("10.200.%d.1", g.other(s))
		})},
		{"control to the other edge's address", simple(dropped, ReasonNoRoute, "own", func(g *gun, s *shot, f *frame) {
			control(g, f)
			f.to = g.pair[1-s.edge].own
		})},
		{"control to the tunnel's address", simple(dropped, ReasonLocalClosed, "own", func(g *gun, s *shot, f *frame) {
			control(g, f)
			f.to = "172.16.0.1"
		})},
		{"control in a fragment", simple(dropped, ReasonLocalFragment, "own", func(g *gun, s *shot, f *frame) { control(g, f); f.frag = 0x2000 })},
		{"another port of the edge", simple(dropped, ReasonLocalClosed, "own", nil)},
		{"ping of the edge", simple(answered, 0, "own", func(g *gun, s *shot, f *frame) { f.proto, f.sport = 1, 0x0800 })},
		{"ping of another tenant's address", simple(dropped, ReasonNoRoute, "own", func(g *gun, s *shot, f *frame) {
			f.proto, f.sport, f.to = 1, 0x0800, fmt.Sprintf("10.200.%d.1", g.other(s))
		})},
		{"ARP", simple(punted, 0, "", func(g *gun, s *shot, f *frame) {
			f.etherType, f.raw = 0x0806, make([]byte, g.rng.IntN(50))
			if g.rng.IntN(2) == 0 {
				f.dst = hw("ff:ff:ff:ff:ff:ff")
			}
		})},
		{"neighbour discovery", simple(punted, 0, "", func(g *gun, s *shot, f *frame) {
			f.etherType, f.raw, f.dst = 0x86dd, ipv6(58, 255, "fe80::1", "ff02::1:ff00:2", []byte{135, 0, 0, 0, 0, 0, 0, 0}), hw("33:33:ff:00:00:02")
		})},
	}
}

// forged is a tunnel frame whose outer headers are not a tenant's.
func forged(end ending, why Reason, change func(g *gun, s *shot, v *vxlan)) func(g *gun, s *shot) {
	return func(g *gun, s *shot) {
		f, v := g.cloud(s, g.in(10, 1))
		change(g, s, &v)
		s.data, s.at, s.why, s.end = v.bytes(f.bytes()), nodeBook, why, end
	}
}

func tunnelShots() []shotKind {
	gateway := func(i int) string { return tenantOf(i).gateway.String() }
	return []shotKind{
		{"a VNI of nobody", forged(dropped, ReasonVniUnknown, func(g *gun, s *shot, v *vxlan) {
			v.vni = []uint32{0, 4999, 5000 + tenants, 1<<24 - 1, g.rng.Uint32N(4999)}[g.rng.IntN(5)]
		})},
		{"a VNI from another's gateway", forged(dropped, ReasonVtepUnknown, func(g *gun, s *shot, v *vxlan) { v.from = gateway(s.tenant + 1) })},
		{"a VNI from the other edge", forged(dropped, ReasonVtepUnknown, func(g *gun, s *shot, v *vxlan) { v.from = g.pair[1-s.edge].vtep.String() })},
		{"a VNI from a stranger", forged(dropped, ReasonVtepUnknown, func(g *gun, s *shot, v *vxlan) { v.from = g.addr(1+g.rng.IntN(99), 7) })},
		{"no VNI flag", forged(dropped, ReasonVxlanFlags, func(g *gun, s *shot, v *vxlan) { v.flags = []byte{1, 0xf7, 0x80, 0x40}[g.rng.IntN(4)] })},
		{"outer fragment", forged(dropped, ReasonOuterFragment, func(g *gun, s *shot, v *vxlan) { v.frag = 0x2000 })},
		{"outer UDP length", forged(dropped, ReasonOuterLength, func(g *gun, s *shot, v *vxlan) { v.cut = 1 + g.rng.IntN(8) })},
		{"outer checksum", func(g *gun, s *shot) {
			f, v := g.cloud(s, g.in(10, 1))
			s.drop(v.bytes(f.bytes()), nodeBook, ReasonOuterChecksum)
			s.data[[]int{15, 18, 22, 25, 26, 29}[g.rng.IntN(6)]] ^= 1 << g.rng.IntN(8)
		}},
		{"cut in the tunnel", func(g *gun, s *shot) {
			f, v := g.cloud(s, g.in(10, 1))
			b := v.bytes(f.bytes())
			s.drop(b[:42+g.rng.IntN(len(b)-42)], nodeBook, ReasonOuterLength)
		}},
		{"a later outer fragment", forged(passed, 0, func(g *gun, s *shot, v *vxlan) { v.frag = 1 + uint16(g.rng.IntN(0x1fff)) })},
		{"another UDP port", forged(passed, 0, func(g *gun, s *shot, v *vxlan) { v.dport = 4790 })},
		{"to the other edge's VTEP", forged(passed, 0, func(g *gun, s *shot, v *vxlan) { v.to = g.pair[1-s.edge].vtep.String() })},
	}
}

// inside is a tunnel frame of the tenant whose inner frame is wrong, or ends otherwise.
func inside(end ending, why Reason, change func(g *gun, s *shot, f *frame)) func(g *gun, s *shot) {
	return func(g *gun, s *shot) {
		f, v := g.cloud(s, g.in(10, 1))
		f.frag, f.options = 0, 0
		change(g, s, &f)
		s.data, s.why, s.end = v.bytes(f.bytes()), why, end
	}
}

func innerShots() []shotKind {
	return []shotKind{
		{"inner frame with tags", inside(dropped, ReasonInnerTagged, func(g *gun, s *shot, f *frame) {
			t := tenantOf(g.other(s))
			f.stag, f.ctag = t.stag, t.ctag
		})},
		{"inner MAC of another", inside(dropped, ReasonMacOther, func(g *gun, s *shot, f *frame) { f.dst = customerMAC(s.edge, g.other(s)) })},
		{"inner TTL ends", inside(dropped, ReasonTtlExpired, func(g *gun, s *shot, f *frame) { f.ttl = 1 })},
		{"inner to another tenant's prefix", inside(dropped, ReasonNoRoute, func(g *gun, s *shot, f *frame) { f.to = g.unique(98+g.rng.IntN(2), g.other(s)) })},
		{"inner control to the tunnel's address", inside(punted, 0, func(g *gun, s *shot, f *frame) { f.to, f.proto, f.dport = "172.16.0.1", 6, 179 })},
		{"inner control to the customer's side", inside(dropped, ReasonLocalClosed, func(g *gun, s *shot, f *frame) {
			f.to, f.proto, f.dport = g.e(s).own, 6, 179
		})},
		{"inner ARP", inside(punted, 0, func(g *gun, s *shot, f *frame) { f.etherType, f.raw = 0x0806, make([]byte, 28) })},
	}
}

func kernelShots() []shotKind {
	return []shotKind{
		{"the kernel's to the customer", func(g *gun, s *shot) {
			f := g.any(g.e(s).own, g.e(s).peer)
			f.src, f.dst, s.punt = macOwn, customerMAC(s.edge, s.tenant), true
			f.pad = 0
			s.ifindex = g.e(s).k.byName[fmt.Sprintf("c%d", s.tenant)].cfg.PuntIfindex
			s.sent(f.bytes(), f.ipv4(), s.tenant)
		}},
		{"the kernel's to the gateway", func(g *gun, s *shot) {
			f := g.any("172.16.0.1", "172.16.0.2")
			f.src, f.dst, f.pad, s.punt, s.at = macOwn, macPeer, 0, true, tenants+s.tenant
			s.ifindex = g.e(s).k.byName[fmt.Sprintf("v%d", s.tenant)].cfg.PuntIfindex
			s.sent(f.bytes(), f.ipv4(), tenants+s.tenant)
		}},
		{"the kernel's on a device of nobody", func(g *gun, s *shot) {
			f := g.any(g.e(s).own, g.e(s).peer)
			f.src, f.dst, s.punt, s.ifindex = macOwn, macPeer, true, 1
			s.drop(f.bytes(), nodeBook, ReasonPuntUnknown)
		}},
	}
}
