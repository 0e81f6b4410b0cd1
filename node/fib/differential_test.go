package fib

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestTwinsAgree sends random frames through the kernel's programs and through the memory twin: same frame out, same reason, same counters.
func TestTwinsAgree(t *testing.T) {
	isolate(t)
	ifs := veths(t, testDevices...)
	c := config(ifs)
	c.Policers = nil // time differs between the twins
	for i := range c.Attachments {
		c.Attachments[i].Ingress, c.Attachments[i].Egress = "", ""
	}
	k, m := newKernelTwin(t, pinDir(t)), NewMemory()
	fill(t, k, c)
	fill(t, m, c)
	rapid.Check(t, func(t *rapid.T) {
		k.t = noFatal{k.t, t}
		port := rapid.SampledFrom([]string{"p0", "p1", "p2", "underlay"}).Draw(t, "port")
		data := drawFrame(t, port)
		resetLimits(k, m)
		outK, whyK := k.Forward(port, data)
		outM, whyM := m.Forward(port, data)
		if whyK != whyM {
			t.Fatalf("kernel says %v, memory says %v\n%x", whyK, whyM, data)
		}
		compareOutputs(t, outK, outM, data)
	})
	ck, _ := k.Kernel.Counters()
	cm, _ := m.Counters()
	if !reflect.DeepEqual(ck, cm) {
		t.Errorf("counters differ\nkernel %+v\nmemory %+v", ck, cm)
	}
}

// noFatal ends the property, not the whole test, so that rapid can shrink.
type noFatal struct {
	testing.TB
	r *rapid.T
}

func (n noFatal) Fatalf(format string, args ...any) { n.r.Fatalf(format, args...) }
func (n noFatal) Fatal(args ...any)                 { n.r.Fatal(args...) }
func (n noFatal) Helper()                           {}

func compareOutputs(t *rapid.T, k, m []Output, data []byte) {
	if len(k) != len(m) {
		t.Fatalf("kernel sends %d frames, memory %d\n%x", len(k), len(m), data)
	}
	for i := range k {
		if k[i].Port != m[i].Port || k[i].Punt != m[i].Punt || k[i].Kernel != m[i].Kernel || !bytes.Equal(k[i].Frame, m[i].Frame) {
			t.Fatalf("in     %x\nkernel %v\nmemory %v", data, show(k[i]), show(m[i]))
		}
	}
}

func show(o Output) string {
	return fmt.Sprintf("port=%s punt=%s kernel=%v %x", o.Port, o.Punt, o.Kernel, o.Frame)
}

func resetLimits(k *kernelTwin, m *Memory) {
	for _, at := range k.byName {
		k.objs.Limits.Put(at.id, [4]uint64{})
	}
	for _, at := range m.attached {
		at.icmp, at.punt = gcra{}, gcra{}
	}
}

// drawFrame draws frames that are mostly nearly right: random bits alone never get past the tags.
func drawFrame(t *rapid.T, port string) []byte {
	f := drawInner(t)
	if port == "underlay" && rapid.IntRange(0, 9).Draw(t, "wrap") > 0 {
		if rapid.IntRange(0, 19).Draw(t, "tagged") > 0 {
			f.stag, f.ctag, f.extra = 0, 0, 0
		}
		return spoilBytes(t, drawVXLAN(t).bytes(f.bytes()))
	}
	return spoilBytes(t, f.bytes())
}

func drawVXLAN(t *rapid.T) vxlan {
	pick := func(name string, odd, n int) bool { return rapid.IntRange(0, n).Draw(t, name) < odd }
	v := vxlan{dst: macFab, src: macRemote, from: "100.64.0.2", to: "100.64.0.1", vni: 7}
	if pick("vni8", 1, 3) {
		v.vni, v.from = 8, "100.64.0.3"
	}
	if pick("foreign", 1, 15) {
		v.from = "100.64.0.9"
	}
	if pick("vni", 1, 15) {
		v.vni = rapid.Uint32Range(0, maxVNI).Draw(t, "anyvni")
	}
	if pick("port", 1, 20) {
		v.dport = 4790
	}
	if pick("flags", 1, 20) {
		v.flags = byte(rapid.IntRange(0, 255).Draw(t, "anyflags"))
	}
	if pick("frag", 1, 20) {
		v.frag = uint16(rapid.IntRange(0, 0xffff).Draw(t, "anyfrag"))
	}
	if pick("cut", 1, 20) {
		v.cut = rapid.IntRange(0, 20).Draw(t, "anycut")
	}
	return v
}

func drawInner(t *rapid.T) frame {
	of := func(name string, v ...uint16) uint16 { return rapid.SampledFrom(v).Draw(t, name) }
	addr := rapid.SampledFrom([]string{"10.7.0.1", "10.1.2.3", "10.2.0.1", "10.2.77.1", "10.2.1.9", "10.3.0.1", "10.4.0.1", "10.5.0.1",
		"10.8.0.1", "10.9.0.1", "10.9.0.9", "10.9.0.77", "192.168.1.1", "192.168.1.2", "192.168.2.2", "172.16.0.1", "11.0.0.1",
		"224.0.0.1", "127.0.0.1", "0.1.2.3"})
	f := frame{
		dst: macOwn, src: macPeer, from: addr.Draw(t, "from"), to: addr.Draw(t, "to"),
		tpid: of("tpid", 0x8100, 0x8100, 0x8100, 0x88a8, 0x9100),
		stag: of("stag", 30, 30, 30, 0, 0, 40, 41, 31, 0x601e, 0x6000, 4095),
		ctag: of("ctag", 101, 101, 101, 102, 500, 7, 9, 0, 0xe065, 0x2000, 4095),
		ttl:  byte(of("ttl", 64, 64, 2, 1)), proto: byte(of("proto", 17, 17, 6, 1, 50)),
		sport: of("sport", 1000, 179, 0x0800, 0x0000, 0x0300, 0x0d00), dport: of("dport", 2000, 179, 3784, 3785, 4784),
		frag: of("frag", 0, 0, 0, 0x4000, 0x2000, 0x0010), size: rapid.IntRange(0, 60).Draw(t, "size"),
		options: int(of("options", 0, 0, 0, 4, 8, 40)), pad: int(of("pad", 0, 0, 1, 18)),
	}
	if of("big", 0, 0, 0, 0, 0, 1) == 1 {
		f.size = rapid.IntRange(900, 1482).Draw(t, "bigsize")
	}
	switch of("kind", 0, 0, 0, 0, 0, 0, 0, 1, 2, 3) {
	case 1:
		f.etherType, f.raw = 0x0806, make([]byte, rapid.IntRange(0, 50).Draw(t, "arp"))
	case 2:
		f.etherType, f.raw = 0x86dd, drawIPv6(t)
	case 3:
		f.etherType = of("ethertype", 0x88cc, 0x0806, 0x86dd, 0x8847)
	}
	f.dst = hw(rapid.SampledFrom([]string{macOwn.String(), macOwn.String(), macOwn.String(), macHost.String(), "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"}).Draw(t, "dst"))
	return f
}

func drawIPv6(t *rapid.T) []byte {
	to := rapid.SampledFrom([]string{"fd00::2", "fe80::2", "fd01::1", "ff02::1"}).Draw(t, "to6")
	payload := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "payload6")
	next := rapid.SampledFrom([]byte{58, 58, 6, 17}).Draw(t, "next6")
	if len(payload) >= 4 {
		payload[0] = rapid.SampledFrom([]byte{0, 128, 133, 135, 136, 137}).Draw(t, "type6")
		payload[1], payload[2] = 179, 0
		payload[3] = rapid.SampledFrom([]byte{179, 80}).Draw(t, "dport6")
	}
	return ipv6(next, rapid.SampledFrom([]byte{255, 64}).Draw(t, "hops6"), "fe80::1", to, payload)
}

// spoilBytes sometimes cuts the frame or changes a byte of it.
func spoilBytes(t *rapid.T, d []byte) []byte {
	switch rapid.IntRange(0, 14).Draw(t, "spoil") {
	case 0:
		return d[:rapid.IntRange(14, len(d)).Draw(t, "cutto")]
	case 1:
		d[rapid.IntRange(12, len(d)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
	}
	return d
}

// TestLookupAgrees compares the multibit table with a linear search, under random changes.
func TestLookupAgrees(t *testing.T) {
	isolate(t)
	ifs := veths(t, testDevices...)
	k := newKernelTwin(t, pinDir(t))
	fill(t, k, config(ifs))
	rapid.Check(t, func(t *rapid.T) {
		m := NewMemory()
		fill(k.t, m, config(ifs))
		if err := k.ReplaceRoutes("blue", nil); err != nil {
			t.Fatal(err)
		}
		m.ReplaceRoutes("blue", nil)
		steps := rapid.IntRange(1, 6).Draw(t, "steps")
		var known []netip.Prefix
		for range steps {
			cs := drawChanges(t, &known)
			change, changeM := k.Routes, m.Routes
			if rapid.IntRange(0, 4).Draw(t, "replace") == 0 {
				change, changeM = k.ReplaceRoutes, m.ReplaceRoutes
			}
			if err := change("blue", cs); err != nil {
				t.Fatal(err)
			}
			changeM("blue", cs)
			compareTables(t, k, m, known)
		}
	})
}

func drawChanges(t *rapid.T, known *[]netip.Prefix) []RouteChange {
	var cs []RouteChange
	for range rapid.IntRange(1, 12).Draw(t, "changes") {
		var p netip.Prefix
		if len(*known) > 0 && rapid.Bool().Draw(t, "again") {
			p = rapid.SampledFrom(*known).Draw(t, "known")
		} else {
			b := [4]byte{rapid.SampledFrom([]byte{10, 10, 172, 192}).Draw(t, "b0"), rapid.SampledFrom([]byte{0, 1, 255}).Draw(t, "b1"),
				rapid.SampledFrom([]byte{0, 1, 128}).Draw(t, "b2"), rapid.Byte().Draw(t, "b3")}
			p = netip.PrefixFrom(netip.AddrFrom4(b), rapid.IntRange(0, 32).Draw(t, "len"))
			*known = append(*known, p)
		}
		c := RouteChange{Prefix: p}
		switch rapid.IntRange(0, 4).Draw(t, "hop") {
		case 0, 1:
			c.Hops = []Hop{hop("single", "192.168.1.1")}
		case 2:
			c.Hops = []Hop{hop("ad", "192.168.3.1")}
		case 3:
			c.Hops = []Hop{{Unreachable: true}}
		}
		cs = append(cs, c)
	}
	return cs
}

// compareTables asks both for the borders of every prefix known, and their neighbours.
func compareTables(t *rapid.T, k *kernelTwin, m *Memory, known []netip.Prefix) {
	for _, p := range known {
		first := p.Masked().Addr()
		last := first.As4()
		for i := p.Bits(); i < 32; i++ {
			last[i/8] |= 0x80 >> (i % 8)
		}
		for _, a := range []netip.Addr{first, first.Prev(), netip.AddrFrom4(last), netip.AddrFrom4(last).Next()} {
			if !a.IsValid() {
				continue
			}
			_, hops, ok := m.Lookup("blue", a)
			want := "none"
			if ok {
				want = fmt.Sprint(liveHops(hops))
			}
			if m.isLocal("blue", a) {
				want = "local"
			}
			if got := k.lookupHops("blue", a); got != want {
				t.Fatalf("%v: kernel has %v, memory %v", a, got, want)
			}
		}
	}
}

// lookupHops walks the mapped table as the program does.
func (k *kernelTwin) lookupHops(domain string, addr netip.Addr) string {
	g := find(k.memory, k.domains.at(k.tables[domain].id).Root, addr)
	if g == 0 {
		return "none"
	}
	rec := k.paths.groups.at(g)
	if rec.Kind == groupLocal {
		return "local"
	}
	hops := []Hop{}
	for _, h := range rec.Hops[:rec.Count] {
		for name, at := range k.byName {
			if at.id == h.Attachment {
				hops = append(hops, Hop{Attachment: name, Addr: k.paths.neighbourAt(h.Adjacency).addr})
			}
		}
	}
	return fmt.Sprint(hops)
}
