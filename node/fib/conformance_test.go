package fib

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"testing"
)

// harness makes a twin, and another that continues its state.
type harness struct {
	ifs    interfaces
	open   func(t *testing.T) twin
	reopen func(t *testing.T, f twin) twin
}

func memoryHarness(*testing.T) harness {
	return harness{
		ifs:    numbered(testDevices),
		open:   func(*testing.T) twin { return NewMemory() },
		reopen: func(_ *testing.T, f twin) twin { f.Close(); return f.(*Memory).Reopen() },
	}
}

func kernelHarness(t *testing.T) harness {
	isolate(t)
	dir := pinDir(t)
	return harness{
		ifs:  veths(t, testDevices...),
		open: func(t *testing.T) twin { return newKernelTwin(t, dir) },
		reopen: func(t *testing.T, f twin) twin {
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			return newKernelTwin(t, dir)
		},
	}
}

var conformance = []struct {
	name string
	run  func(t *testing.T, h harness, f twin)
}{
	{"forwards every way", conformForward},
	{"applies twice without a change", conformIdempotent},
	{"refuses what makes no sense", conformValidate},
	{"routes come, change and go", conformRoutes},
	{"refuses some routes and holds the others", conformPartial},
	{"neighbours and links fail by one store", conformFailover},
	{"spreads flows and keeps them", conformMultipath},
	{"continues after a restart", conformRestart},
	{"forgets what a later configuration has not", conformStale},
	{"counters of what stays are kept", conformCounters},
	{"polices", conformPolicer},
	{"answers an error after Close", conformClosed},
	{"leaves nothing", conformRemove},
}

func TestConformanceMemory(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			h := memoryHarness(t)
			c.run(t, h, h.open(t))
		})
	}
}

func TestConformanceKernel(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			h := kernelHarness(t)
			c.run(t, h, h.open(t))
		})
	}
}

// expect sends a frame and checks by which port, punt device or reason it goes.
func expect(t *testing.T, f twin, port string, data []byte, want string) Output {
	t.Helper()
	out, why := f.Forward(port, data)
	got := why.String()
	var o Output
	if why == ReasonNone && len(out) == 1 {
		o = out[0]
		switch {
		case o.Kernel:
			got = "kernel"
		case o.Punt != "":
			got = "punt " + o.Punt
		default:
			got = o.Port
		}
	}
	if got != want {
		t.Fatalf("frame goes to %s, want %s\n%x", got, want, data)
	}
	return o
}

func to(addr string) []byte { return spoil(in(), func(f *frame) { f.to = addr }) }

func conformForward(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	expect(t, f, "p0", to("10.1.2.3"), "underlay")
	expect(t, f, "p0", to("192.168.1.1"), "p0")
	back := tunnelled(func(*vxlan) {}, inner().bytes())
	expect(t, f, "underlay", back, "p0")
	expect(t, f, "underlay", spoil(inner(), func(f *frame) { f.to = "100.64.0.1" }), "kernel")
	expect(t, f, "p0", spoil(in(), func(f *frame) { f.stag, f.ctag = 40, 0x6005 }), "p1")
	expect(t, f, "p1", spoil(in(), func(f *frame) { f.stag, f.ctag = 0, 0x6005 }), "p0")
	expect(t, f, "p0", spoil(in(), func(f *frame) { f.stag, f.ctag = 41, 7 }), "p2")
	bgp := spoil(in(), func(f *frame) { f.to, f.from, f.proto, f.dport = "192.168.1.2", "192.168.1.1", 6, 179 })
	o := expect(t, f, "p0", bgp, "punt a")
	if be16(o.Frame[12:]) != 0x0800 {
		t.Errorf("punted frame has tags: %x", o.Frame)
	}
	arp := frame{dst: hw("ff:ff:ff:ff:ff:ff"), src: macPeer, stag: 30, ctag: 101, etherType: 0x0806, raw: make([]byte, 28)}
	expect(t, f, "p0", arp.bytes(), "punt a")
	ping := spoil(in(), func(f *frame) { f.to, f.proto, f.sport = "192.168.2.2", 1, 0x0800 })
	expect(t, f, "p0", ping, "p0")
	out, why := f.FromKernel("a", frame{dst: macPeer, src: macOwn, etherType: 0x0806, raw: make([]byte, 28)}.bytes())
	if why != ReasonNone || len(out) != 1 || out[0].Port != "p0" || be16(out[0].Frame[14:]) != 30 || be16(out[0].Frame[18:]) != 101 {
		t.Errorf("from the kernel: %v %+v", why, out)
	}
}

func conformIdempotent(t *testing.T, h harness, f twin) {
	c := config(h.ifs)
	fill(t, f, c)
	for range 3 {
		if err := f.Apply(c); err != nil {
			t.Fatal(err)
		}
		expect(t, f, "p0", to("10.1.2.3"), "underlay")
	}
}

func conformValidate(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	for name, spoilt := range map[string]func(*Config){
		"twice the same tags":   func(c *Config) { c.Attachments[1].CTag = 101 },
		"twice the same name":   func(c *Config) { c.Attachments[1].Name = "a" },
		"no such port":          func(c *Config) { c.Attachments[0].Port = "p9" },
		"no such domain":        func(c *Config) { c.Attachments[0].Domain = "green" },
		"no such policer":       func(c *Config) { c.Attachments[0].Egress = "none" },
		"tag 4095":              func(c *Config) { c.Attachments[0].CTag = 4095 },
		"S-tag alone":           func(c *Config) { c.Attachments[0].CTag = 0 },
		"tunnel and port":       func(c *Config) { c.Attachments[0].VNI = 9 },
		"VNI of 25 bits":        func(c *Config) { c.Attachments[5].VNI = 1 << 24 },
		"no VTEP":               func(c *Config) { c.VTEP = netip.Addr{} },
		"no MAC":                func(c *Config) { c.Attachments[0].MAC = nil },
		"routed any C-tag":      func(c *Config) { c.Attachments[0].CTag, c.Attachments[0].AnyCTag = 0, true },
		"any to fixed":          func(c *Config) { c.Crossconnects[0].B = "xr"; c.Crossconnects[1].B = "xc" },
		"half a crossconnect":   func(c *Config) { c.Crossconnects = c.Crossconnects[:1] },
		"EtherType 0x9100":      func(c *Config) { c.Ports[0].OuterEtherType = 0x9100 },
		"two underlays":         func(c *Config) { c.Ports[2].Underlay = true },
		"policer without rate":  func(c *Config) { c.Policers[0].BitsPerSecond = 0 },
		"same address in red":   func(c *Config) { c.Attachments[1].Locals = ips("192.168.1.2") },
		"attachment of nothing": func(c *Config) { c.Attachments[0].Domain = "" },
	} {
		c := config(h.ifs)
		spoilt(&c)
		if err := f.Apply(c); err == nil {
			t.Errorf("%s: applied", name)
		}
	}
	expect(t, f, "p0", to("10.1.2.3"), "underlay")
}

func conformRoutes(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	for _, step := range []struct {
		change []RouteChange
		want   map[string]string
	}{
		{nil, map[string]string{"10.1.2.3": "underlay", "20.0.0.1": "no_route"}},
		{[]RouteChange{route("20.0.0.0/8", hop("a", "192.168.1.1")), route("20.1.2.0/24", hop("t7", "172.16.0.2")), route("20.1.2.3/32", Hop{Unreachable: true})},
			map[string]string{"20.0.0.1": "p0", "20.1.2.2": "underlay", "20.1.2.3": "unreachable"}},
		{[]RouteChange{route("20.1.2.3/32")}, map[string]string{"20.1.2.3": "underlay"}},
		{[]RouteChange{route("20.0.0.0/8")}, map[string]string{"20.0.0.1": "no_route", "20.1.2.3": "underlay"}},
		{[]RouteChange{route("0.0.0.0/0", hop("a", "192.168.1.1"))}, map[string]string{"20.0.0.1": "p0", "20.1.2.3": "underlay", "9.9.9.9": "p0"}},
		{[]RouteChange{route("20.1.2.0/24")}, map[string]string{"20.1.2.3": "p0"}},
		{[]RouteChange{route("0.0.0.0/0")}, map[string]string{"20.1.2.3": "no_route"}},
		{[]RouteChange{route("192.168.1.2/32", hop("t7", "172.16.0.2"))}, map[string]string{"192.168.1.2": "local_closed"}}, // own addresses win
		{[]RouteChange{route("2001:db8::/32", hop("t7", "172.16.0.2"))}, map[string]string{"10.1.2.3": "underlay"}},
	} {
		if err := f.Routes("red", step.change); err != nil {
			t.Fatal(err)
		}
		for addr, want := range step.want {
			expect(t, f, "p0", to(addr), want)
		}
	}
	if err := f.ReplaceRoutes("red", []RouteChange{route("10.7.0.0/16", hop("a", "192.168.1.1")), route("30.0.0.0/8", hop("t7", "172.16.0.2"))}); err != nil {
		t.Fatal(err)
	}
	expect(t, f, "p0", to("10.1.2.3"), "no_route")
	expect(t, f, "p0", to("30.1.2.3"), "underlay")
}

func conformPartial(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	err := f.Routes("red", []RouteChange{route("21.0.0.0/8", hop("nowhere", "1.1.1.1")), {}, route("22.0.0.0/8", hop("t7", "172.16.0.2"))})
	if err == nil {
		t.Error("route to an unknown attachment taken")
	}
	expect(t, f, "p0", to("21.0.0.1"), "no_route")
	expect(t, f, "p0", to("22.0.0.1"), "underlay")
	if err := f.Routes("green", nil); err == nil {
		t.Error("routes of an unknown domain taken")
	}
	if err := f.SetNeighbor("nowhere", netip.MustParseAddr("1.1.1.1"), macPeer); err == nil {
		t.Error("neighbour on an unknown attachment taken")
	}
	if err := f.SetAttachmentUp("nowhere", true); err == nil {
		t.Error("unknown attachment set up")
	}
}

func conformFailover(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	peer := netip.MustParseAddr("172.16.0.2")
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return f.SetNeighbor("t7", peer, nil) }, "path_down"},
		{func() error { return f.SetNeighbor("t7", peer, macPeer) }, "underlay"},
		{func() error { return f.SetAttachmentUp("t7", false) }, "path_down"},
		{func() error { return f.Apply(config(h.ifs)) }, "path_down"}, // a configuration does not revive a link
		{func() error { return f.SetAttachmentUp("t7", true) }, "underlay"},
		{func() error { return f.SetUnderlayNeighbor(netip.MustParseAddr("100.64.0.2"), nil) }, "underlay_unresolved"},
		{func() error { return f.SetUnderlayNeighbor(netip.MustParseAddr("100.64.0.2"), macRemote) }, "underlay"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		expect(t, f, "p0", to("10.1.2.3"), step.want)
	}
}

// vniOf is the VNI of an encapsulated frame.
func vniOf(o Output) uint32 { return be32(o.Frame[46:]) >> 8 }

func conformMultipath(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	flows := map[uint16]uint32{}
	seen := map[uint32]int{}
	send := func(port uint16) uint32 {
		return vniOf(expect(t, f, "p0", spoil(in(), func(f *frame) { f.to, f.sport = "10.2.0.1", port }), "underlay"))
	}
	for port := range uint16(200) {
		flows[port] = send(port)
		seen[flows[port]]++
	}
	if seen[7] < 60 || seen[8] < 60 {
		t.Errorf("200 flows spread as %v", seen)
	}
	if err := f.SetAttachmentUp("t7", false); err != nil {
		t.Fatal(err)
	}
	for port := range uint16(200) {
		if vni := send(port); vni != 8 {
			t.Fatalf("flow %d goes by %d, which is down", port, vni)
		}
	}
	if err := f.SetAttachmentUp("t7", true); err != nil {
		t.Fatal(err)
	}
	for port, vni := range flows {
		if got := send(port); got != vni {
			t.Fatalf("flow %d moved from %d to %d", port, vni, got)
		}
	}
}

func conformRestart(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	expect(t, f, "p0", to("10.1.2.3"), "underlay")
	expect(t, f, "p0", to("11.0.0.1"), "no_route")
	if err := f.SetAttachmentUp("t8", false); err != nil {
		t.Fatal(err)
	}
	before, _ := f.Counters()
	g := h.reopen(t, f)
	if err := g.Apply(config(h.ifs)); err != nil {
		t.Fatal(err)
	}
	after, err := g.Counters()
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("counters are %+v, were %+v (%v)", after, before, err)
	}
	expect(t, g, "p0", to("10.1.2.3"), "underlay")
	expect(t, g, "p0", to("10.3.2.3"), "path_down")
	if err := g.SetAttachmentUp("t8", true); err != nil {
		t.Fatal(err)
	}
	expect(t, g, "p0", to("10.3.2.3"), "underlay")

	red, _ := routes()
	if err := g.ReplaceRoutes("red", append(red[:4:4], route("40.0.0.0/8", hop("t7", "172.16.0.2")))); err != nil {
		t.Fatal(err)
	}
	expect(t, g, "p0", to("10.1.2.3"), "underlay")
	expect(t, g, "p0", to("40.1.2.3"), "underlay")
	expect(t, g, "p0", to("10.4.2.3"), "p0") // the unreachable route is gone, the shorter one holds
	if err := g.Routes("red", []RouteChange{route("40.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	expect(t, g, "p0", to("40.1.2.3"), "no_route")
}

// conformStale restarts with a smaller configuration.
func conformStale(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	g := h.reopen(t, f)
	c := config(h.ifs)
	c.Attachments = c.Attachments[:1]
	c.Domains, c.Crossconnects, c.Policers = c.Domains[:1], nil, c.Policers[:1]
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	expect(t, g, "p0", spoil(in(), func(f *frame) { f.ctag = 102 }), "ctag_unknown")
	expect(t, g, "p0", spoil(in(), func(f *frame) { f.stag, f.ctag = 0, 500 }), "ctag_unknown")
	expect(t, g, "p0", spoil(in(), func(f *frame) { f.stag, f.ctag = 40, 5 }), "stag_unknown")
	expect(t, g, "p0", to("10.7.0.2"), "p0")
	expect(t, g, "p0", to("10.1.2.3"), "path_down") // its attachment is gone, its route waits to be replaced
	fill(t, g, config(h.ifs))
	expect(t, g, "p0", to("10.1.2.3"), "underlay")
}

func conformCounters(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	expect(t, f, "p0", to("10.1.2.3"), "underlay")
	expect(t, f, "p0", to("11.0.0.1"), "no_route")
	expect(t, f, "p0", spoil(in(), func(f *frame) { f.ctag, f.to = 102, "11.0.0.1" }), "no_route")
	c := config(h.ifs)
	c.Attachments[0].CTag = 111 // moves to another tag
	c.Attachments = append(c.Attachments[:1:1], c.Attachments[2:]...)
	if err := f.Apply(c); err != nil {
		t.Fatal(err)
	}
	n, err := f.Counters()
	if err != nil {
		t.Fatal(err)
	}
	a := n.Attachments["a"]
	if a.InPackets != 2 || a.InBytes != 88 || a.OutPackets != 1 || a.Drops["no_route"] != 1 {
		t.Errorf("attachment a counts %+v", a)
	}
	if t7 := n.Attachments["t7"]; t7.OutPackets != 1 || t7.OutBytes != 44 {
		t.Errorf("attachment t7 counts %+v", t7)
	}
	if n.Drops["no_route"] != 2 {
		t.Errorf("node counts %v: drops of what is gone stay", n.Drops)
	}
	if p := n.Policers["wide"]; p.PassedPackets != 2 || p.PassedBytes != 2*58 {
		t.Errorf("policer counts %+v", p)
	}
	if _, there := n.Attachments["b"]; there {
		t.Error("attachment b is still counted")
	}
}

func conformPolicer(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	big := frame{dst: macOwn, src: macPeer, ctag: 500, from: "10.7.0.1", to: "10.8.0.1", size: 980}
	passed := 0
	for range 10 { // 4000 bytes of burst, 1014 each, and 125 bytes a second
		if _, why := f.Forward("p0", big.bytes()); why == ReasonNone {
			passed++
		}
	}
	n, _ := f.Counters()
	p := n.Policers["narrow"]
	if passed != 3 || p.PassedPackets != 3 || p.PassedBytes != 3*1014 || p.DroppedPackets != 7 || p.DroppedBytes != 7*1014 {
		t.Errorf("%d passed, policer counts %+v", passed, p)
	}
	c := config(h.ifs)
	c.Policers[1].BitsPerSecond, c.Policers[1].BurstBytes = 1e10, 1e6
	if err := f.Apply(c); err != nil {
		t.Fatal(err)
	}
	expect(t, f, "p0", big.bytes(), "p2")
}

func conformClosed(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := f.Counters()
	for i, err := range []error{err, f.Apply(config(h.ifs)), f.Routes("red", nil), f.ReplaceRoutes("red", nil), f.SetNeighbor("a", ips("1.1.1.1")[0], nil),
		f.SetUnderlayNeighbor(ips("1.1.1.1")[0], nil), f.SetAttachmentUp("a", true)} {
		if !errors.Is(err, errClosed) {
			t.Errorf("call %d answers %v", i, err)
		}
	}
}

func conformRemove(t *testing.T, h harness, f twin) {
	fill(t, f, config(h.ifs))
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Counters(); err == nil {
		t.Error("counters of a removed FIB")
	}
	k, ok := f.(*kernelTwin)
	if !ok {
		return
	}
	if _, err := os.Stat(k.opts.Pin); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pins are left: %v", pinned(t, k.opts.Pin))
	}
	g := h.open(t)
	n, err := g.Counters()
	if err != nil || fmt.Sprint(n) != fmt.Sprint(Counters{Attachments: map[string]AttachmentCounters{}, Policers: map[string]PolicerCounters{}, Drops: map[string]uint64{}}) {
		t.Errorf("something is left: %+v, %v", n, err)
	}
}
