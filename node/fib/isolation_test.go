package fib

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// The isolation test shoots frames, most of them hostile, at an edge pair with 64 circuits that have all the same addresses. What must
// become of a frame is known from how it was made, and the frame that comes out is read by this test alone: it shares no code with the
// programs, nor with the memory twin. It holds that
//
//   - a frame that leaves, leaves by an attachment of its own tenant, unchanged but for TTL and headers;
//   - a frame that ends is counted once, under the reason it was made for, at the attachment it was made for;
//   - nothing is lost from the books: frames in = delivered + answered + punted + passed to the kernel + dropped by reason.
//
// ONRAMP_ISOLATION_FRAMES and ONRAMP_ISOLATION_SEED repeat and enlarge a run, which otherwise ends after isolationTime (a million frames take
// half of it; under the race detector it is fewer).
const (
	isolationFrames = "ONRAMP_ISOLATION_FRAMES"
	isolationSeed   = "ONRAMP_ISOLATION_SEED"
	isolationTime   = 20 * time.Second
	tenants         = 64
	batchShots      = 20_000
)

// tenant is what the oracle knows of a circuit.
type tenant struct {
	stag, ctag uint16
	vni        uint32
	gateway    netip.Addr
	check      SourceCheck
}

// tenantOf makes tags that differ by little: one C-tag on many S-tags, one S-tag with many C-tags, and pairs that are swapped.
func tenantOf(i int) tenant {
	t := tenant{vni: uint32(5000 + i), gateway: ips2(100, 64, 0, byte(11+i%2)), check: SourceCheck(i % 3)}
	switch k := uint16(i); {
	case i < 32:
		t.stag, t.ctag = 100+k, 100
	case i < 48:
		t.stag, t.ctag = 900, 200+k
	case i%2 == 0:
		t.stag, t.ctag = 300+(k-48)/2, 400+(k-48)/2
	default:
		t.stag, t.ctag = 400+(k-48)/2, 300+(k-48)/2
	}
	return t
}

// books are an edge's counters: attachments c0 to c63 towards customers, v0 to v63 tunnels, then the node.
type books [2*tenants + 1]cCount

const nodeBook = 2 * tenants

// edge is one router of the pair.
type edge struct {
	k          *kernelTwin
	number     int
	own, peer  string // of the /30, the same for every tenant
	vtep       netip.Addr
	ids        [2*tenants + 1]uint32
	out        []byte
	want, seen books
}

func (e *edge) pe() string { return fmt.Sprintf("pe%d", e.number) }
func (e *edge) ul() string { return fmt.Sprintf("ul%d", e.number) }

// customerMAC is a customer's router: the one thing outside the tags that differs.
func customerMAC(e, t int) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0xaa, byte(e), byte(t)} }

func gatewayMAC(gateway netip.Addr) net.HardwareAddr {
	return net.HardwareAddr{2, 0, 0, 0xbb, 0, gateway.As4()[3]}
}

// manyVeths makes pairs name, name+"x" at once.
func manyVeths(t testing.TB, names []string) interfaces {
	t.Helper()
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "link add %[1]s mtu 1600 type veth peer name %[1]sx mtu 1600\nlink set %[1]s up\nlink set %[1]sx up\n", n)
	}
	for _, family := range []string{"default", "all"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+family+"/disable_ipv6", []byte("1"), 0o644); err != nil {
			t.Logf("switch IPv6 off: %v", err)
		}
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make veths: %v\n%s", err, out)
	}
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	ifs := interfaces{}
	for _, i := range all {
		ifs[i.Name] = i.Index
	}
	return ifs
}

// edgePair makes both edges in the thread's namespace.
func edgePair(t *testing.T) [2]*edge {
	t.Helper()
	var names []string
	for e := range 2 {
		names = append(names, fmt.Sprintf("pe%d", e), fmt.Sprintf("ul%d", e))
		for i := range tenants {
			names = append(names, fmt.Sprintf("e%dc%d", e, i), fmt.Sprintf("e%dv%d", e, i))
		}
	}
	ifs := manyVeths(t, names)
	return [2]*edge{newEdge(t, 0, ifs), newEdge(t, 1, ifs)}
}

func newEdge(t *testing.T, n int, ifs interfaces) *edge {
	t.Helper()
	k, err := NewKernel(Options{Pin: pins(t, fmt.Sprintf("isolation%d", n)), Attachments: 256, Routes: 65536})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	e := &edge{k: &kernelTwin{Kernel: k, t: t}, number: n, own: "192.168.100.130", peer: "192.168.100.129",
		vtep: ips2(100, 64, 0, byte(1+n)), out: make([]byte, 4096)}
	if n == 1 {
		e.own, e.peer = "192.168.100.134", "192.168.100.133"
	}
	if err := e.fill(ifs); err != nil {
		t.Fatal(err)
	}
	for i := range tenants {
		e.ids[i], e.ids[tenants+i] = k.byName[fmt.Sprintf("c%d", i)].id, k.byName[fmt.Sprintf("v%d", i)].id
	}
	e.seen = e.read(t)
	return e
}

// fill gives each tenant the same domain, but for one prefix on either side and one address, which no other has.
func (e *edge) fill(ifs interfaces) error {
	c := Config{VTEP: e.vtep, Ports: []Port{{Name: e.pe(), Ifindex: ifs[e.pe()], MAC: macPort, MTU: 1500},
		{Name: e.ul(), Ifindex: ifs[e.ul()], MAC: macFab, Underlay: true}}}
	for i := range tenants {
		t, domain, rate := tenantOf(i), fmt.Sprintf("d%d", i), fmt.Sprintf("p%d", i)
		dev := func(side string) (int, int) {
			name := fmt.Sprintf("e%d%s%d", e.number, side, i)
			return ifs[name], ifs[name+"x"]
		}
		customer := Attachment{Name: fmt.Sprintf("c%d", i), Domain: domain, Port: e.pe(), STag: t.stag, CTag: t.ctag, MAC: macOwn,
			Locals: ips(e.own, fmt.Sprintf("10.200.%d.1", i)), SourceCheck: t.check, Ingress: rate, Egress: rate}
		customer.PuntIfindex, customer.KernelIfindex = dev("c")
		tunnel := Attachment{Name: fmt.Sprintf("v%d", i), Domain: domain, VNI: t.vni, Remote: t.gateway, MAC: macOwn, MTU: 1400,
			Locals: ips("172.16.0.1")}
		tunnel.PuntIfindex, tunnel.KernelIfindex = dev("v")
		c.Domains = append(c.Domains, domain)
		c.Policers = append(c.Policers, Policer{Name: rate, BitsPerSecond: 1e12, BurstBytes: 1e9})
		c.Attachments = append(c.Attachments, customer, tunnel)
	}
	errs := []error{e.k.Apply(c)}
	for i := range tenants {
		cust, tun, own := fmt.Sprintf("c%d", i), fmt.Sprintf("v%d", i), fmt.Sprint(i)
		errs = append(errs, e.k.ReplaceRoutes("d"+own, []RouteChange{
			{netip.MustParsePrefix(e.own + "/30").Masked(), []Hop{hop(cust, "")}},
			route("10.1.0.0/16", hop(cust, e.peer)), route("10.98."+own+".0/24", hop(cust, e.peer)),
			route("10.20.0.0/16", hop(tun, "172.16.0.2")), route("10.99."+own+".0/24", hop(tun, "172.16.0.2")),
			route("10.66.0.0/16", Hop{Unreachable: true}), route("10.77.0.0/16", hop(tun, "172.16.0.9")),
		}), e.k.SetNeighbor(cust, netip.MustParseAddr(e.peer), customerMAC(e.number, i)),
			e.k.SetNeighbor(tun, netip.MustParseAddr("172.16.0.2"), net.HardwareAddr{2, 0, 0, 0xcc, 0, byte(i)}))
	}
	for i := range 2 {
		errs = append(errs, e.k.SetUnderlayNeighbor(tenantOf(i).gateway, gatewayMAC(tenantOf(i).gateway)))
	}
	return errors.Join(errs...)
}

func (e *edge) read(t testing.TB) (b books) {
	t.Helper()
	for i, id := range e.ids {
		n, err := e.k.countsOf(id)
		if err != nil {
			t.Fatal(err)
		}
		b[i] = n
	}
	return b
}

// shoot runs one frame and enters what became of it; the error says which law it breaks.
func (e *edge) shoot(s *shot, tally *verdicts) error {
	prog := e.k.objs.Port
	if s.punt {
		prog = e.k.objs.Punt
	}
	opts := ebpf.RunOptions{Data: s.data, DataOut: e.out[:len(s.data)+256],
		Context: xdpMD{DataEnd: uint32(len(s.data)), IngressIfindex: uint32(s.ifindex)}}
	ret, err := prog.Run(&opts)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if s.random {
		err = e.judgeRandom(s, ret, opts.DataOut, tally)
	} else {
		err = e.judge(s, ret, opts.DataOut, tally)
	}
	if err != nil {
		return fmt.Errorf("edge %d, %s of tenant %d: %w\nin  %x\nout %x", e.number, s.kind, s.tenant, err, s.data, opts.DataOut)
	}
	return nil
}

// verdicts count what the test saw, apart from the programs' own counters.
type verdicts struct {
	frames, delivered, answered, punted, passed, dropped, errored uint64
}

func (v verdicts) String() string {
	return fmt.Sprintf("%d frames = %d delivered + %d answered + %d punted + %d passed to the kernel + %d dropped (%d of them told by ICMP)",
		v.frames, v.delivered, v.answered, v.punted, v.passed, v.dropped, v.errored)
}

// audit compares the books: by attachment and reason where the frames' fates were known, and the sum in any case.
func (e *edge) audit(t testing.TB, tally verdicts) error {
	now := e.read(t)
	var errs []error
	var drops, out uint64
	for i := range now {
		name := "the node"
		if i < nodeBook {
			name = fmt.Sprintf("%c%d", "cv"[i/tenants], i%tenants)
		}
		got, want := minus(now[i], e.seen[i]), e.want[i]
		if got.InPackets != want.InPackets || got.OutPackets != want.OutPackets {
			errs = append(errs, fmt.Errorf("%s counted %d in and %d out, want %d and %d", name, got.InPackets, got.OutPackets, want.InPackets, want.OutPackets))
		}
		out += got.OutPackets
		var here, wantHere uint64
		for r := range got.Drops {
			here, wantHere = here+got.Drops[r], wantHere+want.Drops[r]
			if got.Drops[r] != want.Drops[r] && want.Drops[0] == 0 {
				errs = append(errs, fmt.Errorf("%s counted %d as %v, want %d", name, got.Drops[r], Reason(r), want.Drops[r]))
			}
		}
		if here != wantHere {
			errs = append(errs, fmt.Errorf("%s counted %d drops, want %d", name, here, wantHere))
		}
		drops += here
	}
	if tally.frames != tally.delivered+tally.answered+tally.punted+tally.passed+drops {
		errs = append(errs, fmt.Errorf("the books do not close: %v, but %d drops counted", tally, drops))
	}
	if out != tally.delivered+tally.answered+tally.errored {
		errs = append(errs, fmt.Errorf("%d frames counted out, but seen: %v", out, tally))
	}
	e.seen, e.want = now, books{}
	return errors.Join(errs...)
}

func minus(a, b cCount) cCount {
	a.InPackets, a.OutPackets = a.InPackets-b.InPackets, a.OutPackets-b.OutPackets
	for r := range a.Drops {
		a.Drops[r] -= b.Drops[r]
	}
	return a
}

// fire shoots n frames at both edges, in batches whose fates are known and batches of random damage by turns.
func fire(t testing.TB, pair [2]*edge, seed uint64, n int) (map[string]int, verdicts, error) {
	until := time.Now().Add(isolationTime)
	g := &gun{rng: rand.New(rand.NewPCG(seed, 64)), pair: pair, all: shotKinds(), good: goodShots()}
	kinds := map[string]int{}
	var all verdicts
	for batch := 0; n > 0 && (os.Getenv(isolationFrames) != "" || time.Now().Before(until)); batch++ {
		var tally [2]verdicts
		for range min(n, batchShots) {
			s := g.draw(batch%3 == 2)
			kinds[s.kind]++
			tally[s.edge].frames++
			if err := pair[s.edge].shoot(s, &tally[s.edge]); err != nil {
				return kinds, all, err
			}
		}
		n -= min(n, batchShots)
		for i, e := range pair {
			if err := e.audit(t, tally[i]); err != nil {
				return kinds, all, fmt.Errorf("batch %d, edge %d: %w", batch, i, err)
			}
			all.add(tally[i])
		}
	}
	return kinds, all, nil
}

func (v *verdicts) add(o verdicts) {
	v.frames, v.delivered, v.answered, v.punted = v.frames+o.frames, v.delivered+o.delivered, v.answered+o.answered, v.punted+o.punted
	v.passed, v.dropped, v.errored = v.passed+o.passed, v.dropped+o.dropped, v.errored+o.errored
}

func envNumber(t testing.TB, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestIsolation(t *testing.T) {
	isolate(t)
	pair := edgePair(t)
	frames := 1_000_000
	if testing.Short() {
		frames = 100_000
	}
	seed := envNumber(t, isolationSeed, rand.Uint64())
	frames = int(envNumber(t, isolationFrames, uint64(frames)))
	start := time.Now()
	kinds, all, err := fire(t, pair, seed, frames)
	t.Logf("%s=%d: %v in %v", isolationSeed, seed, all, time.Since(start).Round(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range shotKinds() {
		if kinds[k.name] == 0 {
			t.Errorf("no frame of kind %q was shot", k.name)
		}
	}
}

// TestIsolationCanFail breaks the separation of two tenants in each table that makes it, and the books; the test above must see each.
func TestIsolationCanFail(t *testing.T) {
	isolate(t)
	pair := edgePair(t)
	e := pair[0]
	slot := func(key uint64) *uint32 {
		i, ok := e.k.keys.at[key]
		if !ok {
			t.Fatalf("no key %#x", key)
		}
		return &e.k.keys.slots.at(i).Value
	}
	port := e.k.names.id(kindPort, e.pe())
	a, b := tenantOf(3), tenantOf(7)
	swap := func(x, y *uint32) func() { return func() { *x, *y = *y, *x } }
	domain := func(i int) *uint32 {
		return &e.k.domains.at(e.k.tables[fmt.Sprintf("d%d", i)].id).Root
	}
	punt := func(i int) uint64 { return keyPunt(e.k.byName[fmt.Sprintf("c%d", i)].cfg.PuntIfindex) }
	for _, m := range []struct {
		name string
		flip func() // done again, it undoes itself
	}{
		{"two tags swapped", swap(slot(keyClass(port, a.stag, a.ctag)), slot(keyClass(port, b.stag, b.ctag)))},
		{"two tunnels swapped", swap(slot(keyTunnel(a.vni, a.gateway)), slot(keyTunnel(b.vni, b.gateway)))},
		{"two route tables swapped", swap(domain(3), domain(7))},
		{"two punt devices swapped", swap(slot(punt(3)), slot(punt(7)))},
		{"a VTEP that any may use", func() { loosen(t, e, a) }},
	} {
		m.flip()
		_, _, err := fire(t, pair, 1, 4*batchShots)
		if err == nil {
			t.Errorf("%s: not seen", m.name)
		} else {
			t.Logf("%s: %.90s", m.name, err)
		}
		m.flip()
		for _, e := range pair { // what a failed run left in the books
			e.seen, e.want = e.read(t), books{}
		}
	}
	if _, _, err := fire(t, pair, 1, 2*batchShots); err != nil {
		t.Errorf("all undone: %v", err)
	}
}

// loosen lets the other gateway in on a tenant's VNI, or no more.
func loosen(t *testing.T, e *edge, a tenant) {
	other := keyTunnel(a.vni, tenantOf(0).gateway)
	if a.gateway == tenantOf(0).gateway {
		other = keyTunnel(a.vni, tenantOf(1).gateway)
	}
	if i, ok := e.k.keys.at[other]; ok {
		v := &e.k.keys.slots.at(i).Value
		if *v == 0 {
			*v = e.ids[tenants+3]
		} else {
			*v = 0
		}
		return
	}
	if err := e.k.keys.put(other, e.ids[tenants+3]); err != nil {
		t.Fatal(err)
	}
}

// TestIsolationNotices: a drop that is not counted, and one counted twice, do not get through the audit.
func TestIsolationNotices(t *testing.T) {
	isolate(t)
	pair := edgePair(t)
	for _, off := range []int{-1, 1} {
		for _, e := range pair {
			e.want[nodeBook].Drops[ReasonTpidWrong] += uint64(off)
		}
		if _, _, err := fire(t, pair, 2, 1000); err == nil || !strings.Contains(err.Error(), "tpid_wrong") {
			t.Errorf("a drop more or less: %v", err)
		}
		for _, e := range pair {
			e.seen, e.want = e.read(t), books{}
		}
	}
}

func be16at(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }
