package fib

import (
	"bytes"
	_ "embed" // the bench's programs
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

//go:embed xdp/bench.o
var benchObject []byte

// The bench compares, in one process and interleaved, generator -> veth -> device under test -> veth -> sink with three devices: the full
// edge path, a bare redirect, and the kernel's forwarding (untagged, without source check, policer and tunnel). The sink checks contents.
// It answers ratios of the same round, because absolute rates of a shared machine mean nothing.
//
// ONRAMP_BENCH_ROUNDS [10], ONRAMP_BENCH_PACKETS a leg [100000], ONRAMP_BENCH_CIRCUITS [8],
// ONRAMP_BENCH_ROUTES a circuit [1250], which lie in 10.0.0.0/8 and are /24 for the most part.

const (
	legFull = iota
	legBare
	legKernel
	legGenerator // the generator and one hop alone
	legs
)

const (
	benchMask   = 1<<12 - 1 // random destinations of a leg, less one
	liveFrames  = 2         // BPF_F_TEST_XDP_LIVE_FRAMES
	benchWindow = 1024      // packets between two stamps
	benchStamps = 4096
)

var legNames = [legs]string{"full", "bare", "kernel", "generator"}

type benchObjects struct {
	Generate     *ebpf.Program `ebpf:"bench_generate"`
	Bare         *ebpf.Program `ebpf:"bench_bare"`
	Sink         *ebpf.Program `ebpf:"bench_sink"`
	Legs         *ebpf.Map     `ebpf:"legs"`
	Destinations *ebpf.Map     `ebpf:"destinations"`
	Current      *ebpf.Map     `ebpf:"current"`
	Seen         *ebpf.Map     `ebpf:"seen"`
	Targets      *ebpf.Map     `ebpf:"targets"`
	Stamps       *ebpf.Map     `ebpf:"stamps"`
}

type benchLeg struct {
	Dst    mac
	Tagged uint16
	First  uint32
	Mask   uint32
	Slot   uint32
	Vni    uint32
	Ttl    uint32
	Pad    uint32
}

type benchDestination struct {
	Dst, Src [4]byte
	Circuit  uint32
	Pad      uint32
}

type bench struct {
	b        testing.TB
	objs     benchObjects
	ifs      interfaces
	rng      *rand.Rand
	circuits int
	routes   [][]netip.Prefix // by circuit
	fib      *Kernel
}

func envInt(name string, standard int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return standard
}

func BenchmarkPath(b *testing.B) {
	needRoot(b)
	runtime.LockOSThread() // for good: the namespace goes with the thread
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		b.Fatal(err)
	}
	var set unix.CPUSet
	set.Set(0)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		b.Fatal(err)
	}
	x := newBench(b)
	rounds, packets := envInt("ONRAMP_BENCH_ROUNDS", 10), envInt("ONRAMP_BENCH_PACKETS", 100_000)
	b.ResetTimer()
	for range b.N {
		x.report(x.rounds(rounds, packets))
	}
}

func newBench(b testing.TB) *bench {
	x := &bench{b: b, rng: rand.New(rand.NewPCG(1, 2)), circuits: envInt("ONRAMP_BENCH_CIRCUITS", 8)}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(benchObject))
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range spec.Maps { // of the tables that the headers bring along, only names are wanted
		m.MaxEntries = max(m.MaxEntries, 64)
	}
	spec.Maps["destinations"].MaxEntries = 2 * (benchMask + 1)
	spec.Maps["stamps"].MaxEntries = benchStamps
	if err := spec.LoadAndAssign(&x.objs, nil); err != nil {
		b.Fatal(err)
	}
	// For each leg: generator's end, device's way in, device's way out, sink.
	x.ifs = veths(b, "fg", "fo", "bg", "bo", "kg", "ko", "gg")
	x.sinks()
	x.plan()
	x.full()
	x.bare()
	x.kernel()
	x.legs()
	return x
}

// attach runs a program on an interface until the end.
func (x *bench) attach(p *ebpf.Program, dev string) {
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: x.ifs[dev], Flags: link.XDPDriverMode})
	if err != nil {
		x.b.Fatalf("attach to %s: %v", dev, err)
	}
	x.b.Cleanup(func() { l.Close() })
}

func (x *bench) sinks() {
	for _, dev := range []string{"fox", "box", "kox", "ggx"} {
		x.attach(x.objs.Sink, dev)
	}
	for slot, dev := range []string{"fg", "bg", "kg", "gg"} {
		x.put(x.objs.Targets, uint32(slot), uint32(x.ifs[dev]))
	}
	x.put(x.objs.Targets, uint32(15), uint32(x.ifs["bo"]))
}

func (x *bench) put(m *ebpf.Map, key, value any) {
	x.b.Helper()
	if err := m.Put(key, value); err != nil {
		x.b.Fatalf("put into %v: %v", m, err)
	}
}

// plan draws the routes, and destinations below them: circuits at random for the tagged legs, the first one's for the kernel.
func (x *bench) plan() {
	n := envInt("ONRAMP_BENCH_ROUTES", 1250)
	for range x.circuits {
		seen := map[netip.Prefix]bool{}
		for len(seen) < n {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], 10<<24+x.rng.Uint32N(1<<24))
			length := 24
			switch x.rng.IntN(5) {
			case 0:
				length = 20 + x.rng.IntN(4)
			case 1:
				length = 25 + x.rng.IntN(4)
			}
			seen[netip.PrefixFrom(netip.AddrFrom4(a), length).Masked()] = true
		}
		var list []netip.Prefix
		for p := range seen {
			list = append(list, p)
		}
		x.routes = append(x.routes, list)
	}
	for i := range uint32(2 * (benchMask + 1)) {
		c := 0
		if i <= benchMask {
			c = x.rng.IntN(x.circuits)
		}
		p := x.routes[c][x.rng.IntN(n)]
		a := p.Addr().As4()
		host := binary.BigEndian.Uint32(a[:]) | x.rng.Uint32N(1<<(32-p.Bits()))
		d := benchDestination{Src: [4]byte{172, 16, byte(c), 1}, Circuit: uint32(c)}
		binary.BigEndian.PutUint32(d.Dst[:], host)
		x.put(x.objs.Destinations, i, d)
	}
}

// full makes the FIB: QinQ circuits with strict source check and policer, each with a domain of its own and a tunnel.
func (x *bench) full() {
	remote := netip.MustParseAddr("100.64.0.2")
	c := Config{VTEP: netip.MustParseAddr("100.64.0.1"), Ports: []Port{{Name: "in", Ifindex: x.ifs["fgx"], MAC: macPort},
		{Name: "out", Ifindex: x.ifs["fo"], MAC: macFab, Underlay: true}}}
	for i := range x.circuits {
		n := strconv.Itoa(i)
		c.Domains = append(c.Domains, n)
		c.Policers = append(c.Policers, Policer{Name: n, BitsPerSecond: 1e11, BurstBytes: 1e8})
		c.Attachments = append(c.Attachments,
			Attachment{Name: "c" + n, Domain: n, Port: "in", STag: uint16(100 + i), CTag: 101, MAC: macOwn, SourceCheck: SourceStrict, Ingress: n},
			Attachment{Name: "t" + n, Domain: n, VNI: uint32(1000 + i), Remote: remote, MAC: macOwn})
	}
	k, err := NewKernel(Options{Pin: pins(x.b, "bench"), Routes: uint32(2*x.circuits*len(x.routes[0])) + 4096})
	if err != nil {
		x.b.Fatal(err)
	}
	x.fib = k
	x.b.Cleanup(func() { k.Close() })
	errs := []error{k.Apply(c), k.SetUnderlayNeighbor(remote, macRemote)}
	for i, routes := range x.routes {
		n := strconv.Itoa(i)
		gw, cust := netip.MustParseAddr("172.16.0.2"), netip.MustParseAddr("192.168.1.1")
		cs := []RouteChange{{netip.MustParsePrefix("172.16.0.0/12"), []Hop{{Attachment: "c" + n, Addr: cust}}}}
		for _, p := range routes {
			cs = append(cs, RouteChange{p, []Hop{{Attachment: "t" + n, Addr: gw}}})
		}
		errs = append(errs, k.SetNeighbor("t"+n, gw, macPeer), k.SetNeighbor("c"+n, cust, macPeer), k.ReplaceRoutes(n, cs))
	}
	for _, err := range errs {
		if err != nil {
			x.b.Fatal(err)
		}
	}
}

func (x *bench) bare() { x.attach(x.objs.Bare, "bgx") }

// kernel makes plain forwarding with the first circuit's routes. The way in has GRO on, which lets it take frames without a program.
func (x *bench) kernel() {
	var batch strings.Builder
	for _, p := range x.routes[0] {
		fmt.Fprintf(&batch, "route add %v via 198.51.100.2\n", p)
	}
	for _, cmd := range []string{
		"sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0",
		"sysctl -qw net.ipv4.conf.kgx.rp_filter=0",
		"ethtool -K kgx gro on",
		"ip addr add 192.0.2.1/24 dev kgx",
		"ip addr add 198.51.100.1/24 dev ko",
		"ip neigh add 198.51.100.2 lladdr " + macRemote.String() + " dev ko nud permanent",
	} {
		x.sh(nil, cmd)
	}
	x.sh(strings.NewReader(batch.String()), "ip -batch -")
}

func (x *bench) sh(stdin *strings.Reader, line string) {
	x.b.Helper()
	f := strings.Fields(line)
	cmd := exec.Command(f[0], f[1:]...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		x.b.Fatalf("%s: %v: %s", line, err, out)
	}
}

func (x *bench) legs() {
	k, err := net.InterfaceByIndex(x.ifs["kgx"])
	if err != nil {
		x.b.Fatal(err)
	}
	for i, l := range []benchLeg{
		{Dst: mac(macOwn), Tagged: 1, Vni: 1000, Ttl: 63},
		{Dst: mac(macOwn), Tagged: 1, Ttl: 64},
		{Dst: mac(k.HardwareAddr), First: benchMask + 1, Ttl: 63},
		{Dst: mac(macOwn), Tagged: 1, Ttl: 64},
	} {
		l.Slot, l.Mask = uint32(i), benchMask
		x.put(x.objs.Legs, uint32(i), l)
	}
}

// run sends packets through a leg and answers the rate of the good ones at the sink: that of the median window of 1,024, so that neither
// the generator's start nor another process on the CPU counts. Bad ones end the bench: speed without correctness is no speed.
func (x *bench) run(leg, packets int) float64 {
	if err := x.objs.Seen.Put(uint32(0), make([]struct{ Good, Bad uint64 }, ebpf.MustPossibleCPU())); err != nil {
		x.b.Fatal(err)
	}
	x.put(x.objs.Current, uint32(0), uint32(leg))
	_, err := x.objs.Generate.Run(&ebpf.RunOptions{Data: make([]byte, 68), Repeat: uint32(packets), Flags: liveFrames, BatchSize: 64})
	if err != nil {
		x.b.Fatalf("generate: %v", err)
	}
	good, bad := x.seen()
	if bad > 0 {
		x.b.Fatalf("%s: %d bad frames at the sink", legNames[leg], bad)
	}
	if good < uint64(packets)/2 {
		x.b.Fatalf("%s: %d of %d frames at the sink", legNames[leg], good, packets)
	}
	return x.median(int(good / benchWindow))
}

// median is the packets a second of the median of n windows.
func (x *bench) median(n int) float64 {
	var windows []float64
	var last uint64
	for i := 1; i <= min(n, benchStamps-1); i++ {
		var at uint64
		if err := x.objs.Stamps.Lookup(uint32(i), &at); err != nil {
			x.b.Fatal(err)
		}
		if i > 1 {
			windows = append(windows, float64(at-last))
		}
		last = at
	}
	m, _, _ := spread(windows)
	return benchWindow * 1e9 / m
}

func (x *bench) seen() (good, bad uint64) {
	var per []struct{ Good, Bad uint64 }
	if err := x.objs.Seen.Lookup(uint32(0), &per); err != nil {
		x.b.Fatal(err)
	}
	for _, s := range per {
		good, bad = good+s.Good, bad+s.Bad
	}
	return good, bad
}

// rounds runs A B C C B A, and answers each leg's rates by round.
func (x *bench) rounds(n, packets int) [legs][]float64 {
	var rates [legs][]float64
	for leg := range legs {
		x.run(leg, packets) // warm
	}
	for range n {
		var sum [legs]float64
		for _, leg := range []int{legFull, legBare, legKernel, legGenerator, legGenerator, legKernel, legBare, legFull} {
			sum[leg] += x.run(leg, packets) / 2
		}
		for leg, r := range sum {
			rates[leg] = append(rates[leg], r)
		}
	}
	return rates
}

// report prints medians of the rounds' ratios with their range, and the cost a packet beyond the generator's.
func (x *bench) report(rates [legs][]float64) {
	b := x.b.(*testing.B)
	load, _ := os.ReadFile("/proc/loadavg")
	version, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	b.Logf("kernel %s, load %s, %d circuits x %d routes, modes %v", strings.TrimSpace(string(version)), strings.TrimSpace(string(load)),
		x.circuits, len(x.routes[0]), x.fib.Mode())
	for leg, r := range rates {
		m, lo, hi := spread(r)
		b.Logf("%-9s %.2f Mpps (%.2f to %.2f)", legNames[leg], m/1e6, lo/1e6, hi/1e6)
	}
	for _, c := range []struct {
		name   string
		divide int
	}{{"full/bare", legBare}, {"full/kernel", legKernel}} {
		ratios := make([]float64, len(rates[legFull]))
		for i := range ratios {
			ratios[i] = rates[legFull][i] / rates[c.divide][i]
		}
		m, lo, hi := spread(ratios)
		b.Logf("%s %.2f (%.2f to %.2f, %d rounds)", c.name, m, lo, hi, len(ratios))
		b.ReportMetric(m, c.name)
	}
	costs := make([]float64, len(rates[legFull]))
	for i := range costs {
		costs[i] = 1e9/rates[legFull][i] - 1e9/rates[legBare][i]
	}
	m, lo, hi := spread(costs)
	b.Logf("full path beyond the bare redirect: %.0f ns a packet (%.0f to %.0f)", m, lo, hi)
	b.ReportMetric(m, "ns-beyond-bare")
	b.ReportMetric(0, "ns/op")
}

func spread(v []float64) (median, lo, hi float64) {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2], s[0], s[len(s)-1]
}
