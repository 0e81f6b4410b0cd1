package fib

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// twin is a FIB under test that can be given packets and be restarted.
type twin interface {
	FIB
	Forward(port string, frame []byte) ([]Output, Reason)
	FromKernel(attachment string, frame []byte) ([]Output, Reason)
}

// interfaces are those a test's configuration stands on; without root they are numbers only.
type interfaces map[string]int

// isolate moves the test's thread into a network namespace of its own, for good: the thread ends with the test.
func isolate(t *testing.T) {
	t.Helper()
	needRoot(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("unshare network namespace: %v", err)
	}
}

// veths makes pairs name, name+"x" in the thread's namespace.
func veths(t testing.TB, names ...string) interfaces {
	t.Helper()
	ifs := interfaces{}
	for _, family := range []string{"default", "all"} { // the kernel shall send nothing of its own
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+family+"/disable_ipv6", []byte("1"), 0o644); err != nil {
			t.Logf("switch IPv6 off: %v", err)
		}
	}
	for _, n := range names {
		out, err := exec.Command("ip", "link", "add", n, "mtu", "1600", "type", "veth", "peer", "name", n+"x", "mtu", "1600").CombinedOutput()
		if err == nil {
			out, err = exec.Command("ip", "link", "set", n, "up").CombinedOutput()
		}
		if err == nil {
			out, err = exec.Command("ip", "link", "set", n+"x", "up").CombinedOutput()
		}
		if err != nil {
			t.Fatalf("veth %s: %v: %s", n, err, out)
		}
		for _, e := range []string{n, n + "x"} {
			i, err := net.InterfaceByName(e)
			if err != nil {
				t.Fatal(err)
			}
			ifs[e] = i.Index
		}
	}
	return ifs
}

// kernelTwin runs packets through the loaded programs by BPF_PROG_TEST_RUN; where they went is read from the counters.
type kernelTwin struct {
	*Kernel
	t testing.TB
	c Config
}

func (k *kernelTwin) Apply(c Config) error {
	k.c = c
	return k.Kernel.Apply(c)
}

// xdpMD is the context of a test run.
type xdpMD struct{ Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32 }

const (
	xdpDrop     = 1
	xdpPass     = 2
	xdpRedirect = 4
)

func (k *kernelTwin) run(p *ebpf.Program, ifindex int, frame []byte) (uint32, []byte) {
	k.t.Helper()
	out := make([]byte, len(frame)+256)
	opts := ebpf.RunOptions{Data: frame, DataOut: out, Context: xdpMD{DataEnd: uint32(len(frame)), IngressIfindex: uint32(ifindex)}}
	ret, err := p.Run(&opts)
	if err != nil {
		k.t.Fatalf("run program on %d bytes: %v", len(frame), err)
	}
	return ret, opts.DataOut
}

func (k *kernelTwin) Forward(port string, frame []byte) ([]Output, Reason) {
	ifindex := 1
	if p, ok := k.ports[port]; ok {
		ifindex = p.Ifindex
	}
	return k.observe(k.objs.Port, ifindex, port, frame)
}

func (k *kernelTwin) FromKernel(attachment string, frame []byte) ([]Output, Reason) {
	ifindex := 1
	if a := k.byName[attachment]; a != nil {
		ifindex = a.cfg.PuntIfindex
	}
	return k.observe(k.objs.Punt, ifindex, "", frame)
}

// observe runs one packet and tells from the counters what became of it.
func (k *kernelTwin) observe(p *ebpf.Program, ifindex int, port string, frame []byte) ([]Output, Reason) {
	before := k.counters()
	ret, data := k.run(p, ifindex, frame)
	after := k.counters()
	why := ReasonNone
	for _, r := range Reasons() {
		switch after.Drops[r.String()] - before.Drops[r.String()] {
		case 0:
		case 1:
			if why != ReasonNone {
				k.t.Fatalf("two reasons for one packet: %v and %v", why, r)
			}
			why = r
		default:
			k.t.Fatalf("reason %v counted more than once for one packet", r)
		}
	}
	switch ret {
	case xdpDrop:
		if why == ReasonNone {
			k.t.Fatalf("dropped without a reason: %x", frame)
		}
		return nil, why
	case xdpPass:
		return []Output{{Port: port, Kernel: true, Frame: data}}, why
	case xdpRedirect:
		return []Output{k.destination(before, after, data)}, why
	}
	k.t.Fatalf("program answers %d", ret)
	return nil, why
}

func (k *kernelTwin) destination(before, after Counters, data []byte) Output {
	o := Output{Frame: data}
	for name, a := range after.Attachments {
		b := before.Attachments[name]
		if a.OutPackets != b.OutPackets {
			o.Punt, o.Port = "", k.byName[name].cfg.Port
			if o.Port == "" {
				o.Port = "underlay"
			}
			return o
		}
		if a.InPackets != b.InPackets {
			o.Punt = name
		}
	}
	return o
}

func (k *kernelTwin) counters() Counters {
	c, err := k.Kernel.Counters()
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

// newKernelTwin makes a kernel FIB in the thread's namespace.
func newKernelTwin(t testing.TB, dir string) *kernelTwin {
	t.Helper()
	k, err := NewKernel(Options{Pin: dir, Attachments: 64, Routes: 16384})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return &kernelTwin{Kernel: k, t: t}
}

func pinDir(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, t.Name())
	return pins(t, name)
}

var _ twin = (*Memory)(nil)
var _ twin = (*kernelTwin)(nil)

func hw(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

// The MACs and addresses of the test configuration.
var (
	macPort   = hw("02:00:00:00:01:01")
	macFab    = hw("02:00:00:00:01:0f")
	macOwn    = hw("02:00:00:00:02:01") // of every attachment
	macPeer   = hw("02:00:00:00:03:01")
	macPeer2  = hw("02:00:00:00:03:02")
	macHost   = hw("02:00:00:00:03:09")
	macRemote = hw("02:00:00:00:04:01")
)

// config is a node with all forms of attachments.
//
//	p0: (30,101) a, (30,102) b loose, (500) single, crossconnect (40,any) xs — p1 (any) xc; (41,7) xq — p1 (9) xr
//	p1: untagged plain; p2: 0x88a8 (30,101) ad; fab: tunnels 7 -> 100.64.0.2, 8 -> 100.64.0.3
func config(ifs interfaces) Config {
	at := func(a Attachment) Attachment {
		if a.Domain != "" {
			a.MAC, a.PuntIfindex, a.KernelIfindex = macOwn, ifs["k"+a.Name], ifs["k"+a.Name+"x"]
		}
		return a
	}
	r2, r3 := netip.MustParseAddr("100.64.0.2"), netip.MustParseAddr("100.64.0.3")
	return Config{
		VTEP: netip.MustParseAddr("100.64.0.1"),
		Ports: []Port{{Name: "p0", Ifindex: ifs["p0"], MAC: macPort, MTU: 1500}, {Name: "p1", Ifindex: ifs["p1"], MAC: macPort, MTU: 1500},
			{Name: "p2", Ifindex: ifs["p2"], MAC: macPort, OuterEtherType: 0x88a8}, {Name: "underlay", Ifindex: ifs["fab"], MAC: macFab, MTU: 1540, Underlay: true}},
		Domains: []string{"red", "blue"},
		Attachments: []Attachment{
			at(Attachment{Name: "a", Domain: "red", Port: "p0", STag: 30, CTag: 101, Locals: ips("192.168.1.2", "fd00::2"),
				SourceCheck: SourceStrict, Ingress: "wide", Egress: "wide"}),
			at(Attachment{Name: "b", Domain: "red", Port: "p0", STag: 30, CTag: 102, Locals: ips("192.168.2.2"), SourceCheck: SourceLoose}),
			at(Attachment{Name: "single", Domain: "blue", Port: "p0", CTag: 500, Locals: ips("192.168.1.2"), Ingress: "narrow", Egress: "narrow2"}),
			at(Attachment{Name: "plain", Domain: "blue", Port: "p1", Locals: ips("10.9.0.1"), MTU: 1400}),
			at(Attachment{Name: "ad", Domain: "blue", Port: "p2", STag: 30, CTag: 101, Locals: ips("192.168.3.2")}),
			at(Attachment{Name: "t7", Domain: "red", VNI: 7, Remote: r2, Locals: ips("172.16.0.1")}),
			at(Attachment{Name: "t8", Domain: "red", VNI: 8, Remote: r3, Locals: ips("172.16.0.5"), MTU: 1400}),
			{Name: "xs", Port: "p0", STag: 40, AnyCTag: true},
			{Name: "xc", Port: "p1", AnyCTag: true},
			{Name: "xq", Port: "p0", STag: 41, CTag: 7},
			{Name: "xr", Port: "p2", CTag: 9, MTU: 1000},
		},
		Crossconnects: []Crossconnect{{"x1", "xs", "xc"}, {"x2", "xq", "xr"}},
		Policers: []Policer{{Name: "wide", BitsPerSecond: 1e11, BurstBytes: 1e9}, {Name: "narrow", BitsPerSecond: 1000, BurstBytes: 4000},
			{Name: "narrow2", BitsPerSecond: 1000, BurstBytes: 4000}},
	}
}

// testDevices are the ports, and the punt device of each routed attachment.
var testDevices = []string{"p0", "p1", "p2", "fab", "ka", "kb", "ksingle", "kplain", "kad", "kt7", "kt8"}

// numbered invents interface numbers, for a twin without interfaces.
func numbered(names []string) interfaces {
	ifs := interfaces{}
	for i, n := range names {
		ifs[n], ifs[n+"x"] = 2*i+2, 2*i+3
	}
	return ifs
}

func hop(attachment, addr string) Hop {
	h := Hop{Attachment: attachment}
	if addr != "" {
		h.Addr = netip.MustParseAddr(addr)
	}
	return h
}

func route(prefix string, hops ...Hop) RouteChange {
	return RouteChange{netip.MustParsePrefix(prefix), hops}
}

// routes are those of config.
func routes() (red, blue []RouteChange) {
	red = []RouteChange{
		route("192.168.1.0/30", hop("a", "")), route("192.168.2.0/30", hop("b", "")),
		route("10.0.0.0/8", hop("a", "192.168.1.1")),
		route("10.1.0.0/16", hop("t7", "172.16.0.2")),
		route("10.2.0.0/16", hop("t7", "172.16.0.2"), hop("t8", "172.16.0.6")),
		route("10.3.0.0/16", hop("t8", "172.16.0.6")),
		route("10.4.0.0/16", Hop{Unreachable: true}),
		route("10.5.0.0/16", hop("b", "192.168.2.1")), // never resolved
	}
	blue = []RouteChange{
		route("192.168.1.0/30", hop("single", "")), route("10.9.0.0/24", hop("plain", "")),
		route("10.0.0.0/8", hop("single", "192.168.1.1")), route("10.8.0.0/16", hop("ad", "192.168.3.1")),
	}
	return red, blue
}

// fill applies config with its routes and neighbours.
func fill(t testing.TB, f FIB, c Config) {
	t.Helper()
	red, blue := routes()
	for _, err := range []error{
		f.Apply(c),
		f.ReplaceRoutes("red", red), f.ReplaceRoutes("blue", blue),
		f.SetNeighbor("a", netip.MustParseAddr("192.168.1.1"), macPeer),
		f.SetNeighbor("single", netip.MustParseAddr("192.168.1.1"), macPeer2),
		f.SetNeighbor("ad", netip.MustParseAddr("192.168.3.1"), macPeer2),
		f.SetNeighbor("t7", netip.MustParseAddr("172.16.0.2"), macPeer),
		f.SetNeighbor("t8", netip.MustParseAddr("172.16.0.6"), macPeer2),
		f.SetNeighbor("plain", netip.MustParseAddr("10.9.0.9"), macHost),
		f.SetUnderlayNeighbor(netip.MustParseAddr("100.64.0.2"), macRemote),
		f.SetUnderlayNeighbor(netip.MustParseAddr("100.64.0.3"), macRemote),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func pinned(t testing.TB, dir string) string {
	entries, _ := filepath.Glob(dir + "/*")
	return fmt.Sprint(entries)
}

func ips2(a, b, c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{a, b, c, d}) }
