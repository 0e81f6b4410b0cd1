package fib

import (
	"bytes"
	"net/netip"
	"testing"
)

// reasonCase is a packet that must be dropped for a reason. Cases run on both twins, except those that only a kernel can have.
type reasonCase struct {
	name       string
	why        Reason
	port       string
	punt       string // sent by the kernel on this attachment instead
	frame      []byte
	attachment string // counts the drop; "" for the node
	icmp       [2]byte
	prepare    func(f twin)
	kernelOnly bool
}

// in is a good frame into attachment a, before a case spoils it.
func in() frame {
	return frame{dst: macOwn, src: macPeer, stag: 30, ctag: 101, from: "10.7.0.1", to: "10.1.2.3", sport: 1000, dport: 2000}
}

func spoil(f frame, edit func(*frame)) []byte {
	edit(&f)
	return f.bytes()
}

// patch changes bytes of the frame; offsets count from the IP header of a doubly tagged frame.
func patch(f frame, resumHeader bool, off int, b ...byte) []byte {
	d := f.bytes()
	copy(d[22+off:], b)
	if resumHeader {
		resum(d[22:])
	}
	return d
}

func tunnelled(edit func(*vxlan), inner []byte) []byte {
	v := vxlan{dst: macFab, src: macRemote, from: "100.64.0.2", to: "100.64.0.1", vni: 7}
	edit(&v)
	return v.bytes(inner)
}

func inner() frame {
	return frame{dst: macOwn, src: macPeer, from: "10.1.2.3", to: "10.7.0.1", sport: 1, dport: 2}
}

func tagCases() []reasonCase {
	short := in().bytes()
	return []reasonCase{
		{name: "unknown port", why: ReasonPortUnknown, port: "nowhere", frame: in().bytes()},
		{name: "tag cut off", why: ReasonFrameTruncated, port: "p0", frame: short[:16]},
		{name: "second tag cut off", why: ReasonFrameTruncated, port: "p0", frame: short[:20]},
		{name: "outer 0x88a8 on a 0x8100 port", why: ReasonTpidWrong, port: "p0", frame: spoil(in(), func(f *frame) { f.tpid = 0x88a8 })},
		{name: "outer 0x8100 on a 0x88a8 port", why: ReasonTpidWrong, port: "p2", frame: in().bytes()},
		{name: "outer 0x9100", why: ReasonTpidWrong, port: "p0", frame: spoil(in(), func(f *frame) { f.tpid = 0x9100 })},
		{name: "priority tag", why: ReasonTagPriority, port: "p0", frame: spoil(in(), func(f *frame) { f.stag = 0x6000 })},
		{name: "inner priority tag", why: ReasonTagPriority, port: "p0", frame: spoil(in(), func(f *frame) { f.ctag = 0x6000 })},
		{name: "VID 4095", why: ReasonTagReserved, port: "p0", frame: spoil(in(), func(f *frame) { f.ctag = 4095 })},
		{name: "three tags", why: ReasonTagThird, port: "p0", frame: spoil(in(), func(f *frame) { f.extra = 5 })},
		{name: "untagged on a tagged port", why: ReasonTagMissing, port: "p0", frame: spoil(in(), func(f *frame) { f.stag, f.ctag = 0, 0 })},
		{name: "S-tag 31", why: ReasonStagUnknown, port: "p0", frame: spoil(in(), func(f *frame) { f.stag = 31 })},
		{name: "C-tag 103", why: ReasonCtagUnknown, port: "p0", frame: spoil(in(), func(f *frame) { f.ctag = 103 })},
		{name: "only tag 501", why: ReasonCtagUnknown, port: "p0", frame: spoil(in(), func(f *frame) { f.stag, f.ctag = 0, 501 })},
		{name: "S-tag alone", why: ReasonCtagMissing, port: "p0", frame: spoil(in(), func(f *frame) { f.stag, f.ctag = 0, 30 })},
		{name: "0x88a8 alone", why: ReasonCtagMissing, port: "p2", frame: spoil(in(), func(f *frame) { f.stag, f.ctag, f.tpid = 0, 30, 0x88a8 })},
	}
}

func tunnelCases() []reasonCase {
	good := inner().bytes()
	none := func(*vxlan) {}
	badSum := tunnelled(none, good)
	badSum[24] ^= 1
	longer := tunnelled(none, good)
	return []reasonCase{
		{name: "UDP length", why: ReasonOuterLength, port: "underlay", frame: tunnelled(func(v *vxlan) { v.cut = 4 }, good)},
		{name: "cut off", why: ReasonOuterLength, port: "underlay", frame: longer[:len(longer)-4]},
		{name: "outer checksum", why: ReasonOuterChecksum, port: "underlay", frame: badSum},
		{name: "outer fragment", why: ReasonOuterFragment, port: "underlay", frame: tunnelled(func(v *vxlan) { v.frag = 0x2000 }, good)},
		{name: "no VNI flag", why: ReasonVxlanFlags, port: "underlay", frame: tunnelled(func(v *vxlan) { v.flags = 0x10 }, good)},
		{name: "VNI 9", why: ReasonVniUnknown, port: "underlay", frame: tunnelled(func(v *vxlan) { v.vni = 9 }, good)},
		{name: "VNI 7 from elsewhere", why: ReasonVtepUnknown, port: "underlay", frame: tunnelled(func(v *vxlan) { v.from = "100.64.0.3" }, good)},
		{name: "tag inside", why: ReasonInnerTagged, port: "underlay", attachment: "t7",
			frame: tunnelled(none, spoil(inner(), func(f *frame) { f.ctag = 5 }))},
		{name: "remote's MAC unknown", why: ReasonUnderlayUnresolved, port: "p0", frame: in().bytes(), attachment: "t7",
			prepare: func(f twin) { f.SetUnderlayNeighbor(netip.MustParseAddr("100.64.0.2"), nil) }},
	}
}

func headerCases() []reasonCase {
	a := "a"
	v6 := frame{dst: macOwn, src: macPeer, stag: 30, ctag: 101, etherType: 0x86dd}
	return []reasonCase{
		{name: "other MAC", why: ReasonMacOther, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.dst = macHost })},
		{name: "broadcast IPv4", why: ReasonMacOther, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.dst = hw("ff:ff:ff:ff:ff:ff") })},
		{name: "LLDP", why: ReasonEthertypeUnknown, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.etherType = 0x88cc })},
		{name: "version 5", why: ReasonIpHeader, port: "p0", attachment: a, frame: patch(in(), true, 0, 0x55)},
		{name: "header of 16", why: ReasonIpHeader, port: "p0", attachment: a, frame: patch(in(), false, 0, 0x44)},
		{name: "longer than the frame", why: ReasonIpLength, port: "p0", attachment: a, frame: patch(in(), true, 2, 0x05)},
		{name: "shorter than its header", why: ReasonIpLength, port: "p0", attachment: a, frame: patch(in(), true, 2, 0, 19)},
		{name: "header cut off", why: ReasonIpLength, port: "p0", attachment: a, frame: in().bytes()[:22+12]},
		{name: "checksum", why: ReasonIpChecksum, port: "p0", attachment: a, frame: patch(in(), false, 10, 0xab, 0xcd)},
		{name: "checksum with options", why: ReasonIpChecksum, port: "p0", attachment: a,
			frame: func() []byte { f := in(); f.options = 8; return patch(f, false, 22, 7) }()},
		{name: "from 127", why: ReasonSourceMartian, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.from = "127.0.0.1" })},
		{name: "from multicast", why: ReasonSourceMartian, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.from = "224.0.0.5" })},
		{name: "to multicast", why: ReasonDestinationMartian, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.to = "224.0.0.5" })},
		{name: "to broadcast", why: ReasonDestinationMartian, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.to = "255.255.255.255" })},
		{name: "IPv6", why: ReasonIpv6Unsupported, port: "p0", attachment: a,
			frame: spoil(v6, func(f *frame) { f.raw = ipv6(17, 64, "fd00::1", "fd01::1", make([]byte, 8)) })},
		{name: "IPv6 cut off", why: ReasonIpLength, port: "p0", attachment: a,
			frame: spoil(v6, func(f *frame) { f.raw = ipv6(17, 64, "fd00::1", "fd01::1", make([]byte, 8))[:44] })},
	}
}

func routeCases() []reasonCase {
	a := "a"
	down := func(name string) func(twin) { return func(f twin) { f.SetAttachmentUp(name, false) } }
	return []reasonCase{
		{name: "unrouted source", why: ReasonSourceUnrouted, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.from = "11.0.0.1" })},
		{name: "own address as source", why: ReasonSourceUnrouted, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.from = "192.168.1.2" })},
		{name: "unreachable source, loose", why: ReasonSourceUnrouted, port: "p0", attachment: "b",
			frame: spoil(in(), func(f *frame) { f.ctag, f.from = 102, "10.4.0.1" })},
		{name: "source of another attachment", why: ReasonSourceOtherPath, port: "p0", attachment: a, frame: spoil(in(), func(f *frame) { f.from = "10.1.0.1" })},
		{name: "no route", why: ReasonNoRoute, port: "p0", attachment: a, icmp: [2]byte{3, 0}, frame: spoil(in(), func(f *frame) { f.to = "11.0.0.1" })},
		{name: "unreachable", why: ReasonUnreachable, port: "p0", attachment: a, icmp: [2]byte{3, 1}, frame: spoil(in(), func(f *frame) { f.to = "10.4.0.1" })},
		{name: "neighbour of the route unknown", why: ReasonPathDown, port: "p0", attachment: a, icmp: [2]byte{3, 1},
			frame: spoil(in(), func(f *frame) { f.to = "10.5.0.1" })},
		{name: "attachment down", why: ReasonPathDown, port: "p0", attachment: a, icmp: [2]byte{3, 1}, frame: in().bytes(), prepare: down("t7")},
		{name: "all attachments down", why: ReasonPathDown, port: "p0", attachment: a, icmp: [2]byte{3, 1},
			frame: spoil(in(), func(f *frame) { f.to = "10.2.0.1" }), prepare: func(f twin) { down("t7")(f); down("t8")(f) }},
		{name: "connected, MAC unknown", why: ReasonNeighborUnresolved, port: "p0", attachment: "single",
			frame: spoil(in(), func(f *frame) { f.stag, f.ctag, f.to = 0, 500, "10.9.0.77" })},
		{name: "TTL 1", why: ReasonTtlExpired, port: "p0", attachment: a, icmp: [2]byte{11, 0}, frame: spoil(in(), func(f *frame) { f.ttl = 1 })},
		{name: "TTL 1 in a tunnel", why: ReasonTtlExpired, port: "underlay", attachment: "t7", icmp: [2]byte{11, 0},
			frame: tunnelled(func(*vxlan) {}, spoil(inner(), func(f *frame) { f.ttl = 1 }))},
		{name: "TTL 1 of an ICMP error", why: ReasonTtlExpired, port: "p0", attachment: a,
			frame: spoil(in(), func(f *frame) { f.ttl, f.proto, f.sport = 1, 1, 0x0300 })},
		{name: "TTL 1 of a later fragment", why: ReasonTtlExpired, port: "p0", attachment: a,
			frame: spoil(in(), func(f *frame) { f.ttl, f.frag = 1, 0x0010 })},
		{name: "too big, DF", why: ReasonTooBig, port: "p0", attachment: a, icmp: [2]byte{3, 4},
			frame: spoil(in(), func(f *frame) { f.to, f.size, f.frag = "10.3.0.1", 1381, 0x4000 })},
		{name: "too big for the underlay", why: ReasonTooBig, port: "p0", attachment: a, icmp: [2]byte{3, 4},
			frame: spoil(in(), func(f *frame) { f.size, f.frag = 1471, 0x4000 })},
		{name: "too big", why: ReasonTooBigFragmentable, port: "p0", attachment: a,
			frame: spoil(in(), func(f *frame) { f.to, f.size = "10.3.0.1", 1381 })},
		{name: "UDP to an own address", why: ReasonLocalClosed, port: "p0", attachment: a, icmp: [2]byte{3, 3},
			frame: spoil(in(), func(f *frame) { f.to = "192.168.1.2" })},
		{name: "BGP to another attachment's address", why: ReasonLocalClosed, port: "p0", attachment: a, icmp: [2]byte{3, 3},
			frame: spoil(in(), func(f *frame) { f.to, f.proto, f.dport = "192.168.2.2", 6, 179 })},
		{name: "fragment to an own address", why: ReasonLocalFragment, port: "p0", attachment: a,
			frame: spoil(in(), func(f *frame) { f.to, f.frag = "192.168.1.2", 0x2000 })},
	}
}

func limitCases() []reasonCase {
	big := frame{dst: macOwn, src: macPeer, ctag: 500, from: "10.7.0.1", to: "10.8.0.1", size: 1400}
	drain := func(port string, d []byte) func(twin) {
		return func(f twin) {
			for range 2 {
				f.Forward(port, d)
			}
		}
	}
	toNarrow := spoil(frame{dst: macOwn, src: macHost, from: "10.9.0.9", to: "10.7.0.1", size: 1300}, func(*frame) {})
	arp := frame{dst: macOwn, src: macPeer, stag: 30, ctag: 101, etherType: 0x0806, raw: make([]byte, 28)}
	return []reasonCase{
		{name: "ingress policer", why: ReasonPolicedIn, port: "p0", attachment: "single", frame: big.bytes(), prepare: drain("p0", big.bytes())},
		{name: "egress policer", why: ReasonPolicedOut, port: "p1", attachment: "single", frame: toNarrow, prepare: func(f twin) { drain("p1", toNarrow)(f); f.Forward("p1", toNarrow) }},
		{name: "many control packets", why: ReasonPuntLimited, port: "p0", attachment: "a", frame: arp.bytes(), prepare: func(f twin) { exhaustPunt(f, "a") }},
		{name: "no punt device", why: ReasonPuntMissing, port: "p0", attachment: "b",
			frame: spoil(arp, func(f *frame) { f.ctag = 102 }), prepare: withoutPunt("b")},
		{name: "other end down", why: ReasonAttachmentDown, port: "p0", attachment: "xs",
			frame: spoil(in(), func(f *frame) { f.stag = 40 }), prepare: func(f twin) { f.SetAttachmentUp("xc", false) }},
		{name: "too big for the other end", why: ReasonTooBigFrame, port: "p0", attachment: "xq",
			frame: spoil(in(), func(f *frame) { f.stag, f.ctag, f.size = 41, 7, 981 })},
		{name: "unknown punt device", why: ReasonPuntUnknown, punt: "nothing", frame: in().bytes()},
		{name: "port gone", why: ReasonPortDown, port: "p0", attachment: "xc", kernelOnly: true,
			frame: spoil(in(), func(f *frame) { f.stag = 40 }), prepare: func(f twin) {
				k := f.(*kernelTwin)
				k.objs.Tx.Delete(k.names.id(kindPort, "p1"))
			}},
	}
}

func exhaustPunt(f twin, attachment string) {
	switch f := f.(type) {
	case *Memory:
		f.attached[attachment].punt.full = ticks() + 2*puntBurst
	case *kernelTwin:
		now, _ := ktime()
		f.objs.Limits.Put(f.byName[attachment].id, [4]uint64{0, now + 2*puntBurst})
	}
}

func withoutPunt(attachment string) func(twin) {
	return func(f twin) {
		var c Config
		switch f := f.(type) {
		case *Memory:
			c = f.c
		case *kernelTwin:
			c = f.c
		}
		c.Attachments = append([]Attachment{}, c.Attachments...)
		for i := range c.Attachments {
			if c.Attachments[i].Name == attachment {
				c.Attachments[i].PuntIfindex = 0
			}
		}
		f.Apply(c)
	}
}

func reasonCases() []reasonCase {
	var all []reasonCase
	for _, cs := range [][]reasonCase{tagCases(), tunnelCases(), headerCases(), routeCases(), limitCases()} {
		all = append(all, cs...)
	}
	return all
}

// TestEveryReasonHasAPacket holds the law: each reason of the enum is shown by a packet. Headroom needs a driver's help and has its own.
func TestEveryReasonHasAPacket(t *testing.T) {
	shown := map[Reason]bool{ReasonHeadroom: true} // TestHeadroom
	for _, c := range reasonCases() {
		shown[c.why] = true
	}
	for _, r := range Reasons() {
		if !shown[r] {
			t.Errorf("no packet test for %v", r)
		}
	}
}

func TestReasonsMemory(t *testing.T) {
	ifs := numbered(testDevices)
	for _, c := range reasonCases() {
		if c.kernelOnly {
			continue
		}
		m := NewMemory()
		fill(t, m, config(ifs))
		checkReason(t, m, c)
	}
}

func TestReasonsKernel(t *testing.T) {
	isolate(t)
	ifs := veths(t, testDevices...)
	dir := pinDir(t)
	k := newKernelTwin(t, dir)
	for _, c := range reasonCases() {
		fill(t, k, config(ifs))
		checkReason(t, k, c)
		if err := k.Apply(Config{}); err != nil { // nothing of a case reaches the next
			t.Fatal(err)
		}
	}
}

func checkReason(t *testing.T, f twin, c reasonCase) {
	t.Helper()
	if c.prepare != nil {
		c.prepare(f)
	}
	before, _ := f.Counters()
	var out []Output
	var why Reason
	if c.punt != "" {
		out, why = f.FromKernel(c.punt, c.frame)
	} else {
		out, why = f.Forward(c.port, c.frame)
	}
	if why != c.why {
		t.Errorf("%s: dropped as %v, want %v", c.name, why, c.why)
		return
	}
	after, _ := f.Counters()
	if c.attachment != "" && after.Attachments[c.attachment].Drops[why.String()] != before.Attachments[c.attachment].Drops[why.String()]+1 {
		t.Errorf("%s: attachment %s did not count %v", c.name, c.attachment, why)
	}
	if after.Drops[why.String()] != before.Drops[why.String()]+1 {
		t.Errorf("%s: node did not count %v once", c.name, why)
	}
	checkICMP(t, c, out)
}

// checkICMP looks for the error message behind whatever headers the frame has.
func checkICMP(t *testing.T, c reasonCase, out []Output) {
	t.Helper()
	if c.icmp == [2]byte{} {
		if len(out) != 0 {
			t.Errorf("%s: answered with %x", c.name, out[0].Frame)
		}
		return
	}
	if len(out) != 1 || out[0].Port != c.port {
		t.Errorf("%s: no ICMP back by %s: %+v", c.name, c.port, out)
		return
	}
	at := bytes.Index(out[0].Frame, []byte{0x45, 0xc0})
	if at < 0 {
		t.Errorf("%s: no ICMP in %x", c.name, out[0].Frame)
		return
	}
	ip := out[0].Frame[at:]
	if [2]byte(ip[20:]) != c.icmp || onesSum(ip[:20]) != 0xffff || onesSum(ip[20:]) != 0xffff || int(be16(ip[2:])) != len(ip) {
		t.Errorf("%s: ICMP is wrong: %x", c.name, ip)
	}
}

func ipv6(next, hops byte, from, to string, payload []byte) []byte {
	b := make([]byte, 40)
	b[0], b[5], b[6], b[7] = 0x60, byte(len(payload)), next, hops
	copy(b[8:], netip.MustParseAddr(from).AsSlice())
	copy(b[24:], netip.MustParseAddr(to).AsSlice())
	return append(b, payload...)
}
