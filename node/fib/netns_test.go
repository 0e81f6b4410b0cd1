package fib

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// world is network namespaces of a test, gone at its end.
type world struct {
	t      *testing.T
	whole  *testing.T // not the subtest
	prefix string
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
}

func newWorld(t *testing.T) *world {
	needRoot(t)
	w := &world{t: t, whole: t, prefix: fmt.Sprintf("fib%d", os.Getpid())}
	return w
}

func (w *world) ns(name string) string { return w.prefix + name }

func (w *world) add(names ...string) {
	for _, n := range names {
		w.run("ip", "netns", "add", w.ns(n))
		w.t.Cleanup(func() { exec.Command("ip", "netns", "del", w.ns(n)).Run() })
		w.in(n, "ip", "link", "set", "lo", "up")
	}
}

func (w *world) run(args ...string) string {
	w.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) in(ns string, args ...string) string {
	w.t.Helper()
	return w.run(append([]string{"ip", "netns", "exec", w.ns(ns)}, args...)...)
}

// cable makes a veth pair between two namespaces, both ends up and without offloads.
func (w *world) cable(nsA, a, nsB, b string, mtu int) {
	w.t.Helper()
	m := fmt.Sprint(mtu)
	w.run("ip", "link", "add", a, "mtu", m, "netns", w.ns(nsA), "type", "veth", "peer", "name", b, "mtu", m, "netns", w.ns(nsB))
	for _, e := range [][2]string{{nsA, a}, {nsB, b}} {
		w.in(e[0], "ethtool", "-K", e[1], "tx", "off", "tso", "off", "gso", "off", "gro", "off")
		w.in(e[0], "ip", "link", "set", e[1], "up")
	}
}

// do runs f inside a namespace.
func (w *world) do(ns string, f func()) {
	w.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		fd, err := unix.Open("/run/netns/"+w.ns(ns), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			w.t.Errorf("open namespace %s: %v", ns, err)
			return
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			w.t.Errorf("enter namespace %s: %v", ns, err)
			return
		}
		f()
	}()
	<-done
	if w.t.Failed() {
		w.t.FailNow()
	}
}

func (w *world) link(ns, name string) *net.Interface {
	w.t.Helper()
	var ifc *net.Interface
	w.do(ns, func() {
		var err error
		if ifc, err = net.InterfaceByName(name); err != nil {
			w.t.Errorf("interface %s: %v", name, err)
		}
	})
	return ifc
}

// pins is a pin directory, removed at the end with all it holds.
func pins(t testing.TB, name string) string {
	dir := pinPath(name)
	t.Cleanup(func() {
		if err := RemovePinned(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func pinPath(name string) string {
	return filepath.Join("/sys/fs/bpf", fmt.Sprintf("onramp-test-%d-%s", os.Getpid(), name))
}

// punt makes an attachment's punt device in a node's namespace, as package node does.
func (w *world) punt(ns, name, addr string) (data, kernel *net.Interface) {
	w.cable(ns, name, ns, name+"k", 1500)
	w.in(ns, "ip", "addr", "add", addr, "dev", name+"k")
	return w.link(ns, name), w.link(ns, name+"k")
}

func ips(s ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

func (w *world) mac(ns, dev string) net.HardwareAddr { return w.link(ns, dev).HardwareAddr }

// TestKernelPath is the way of a circuit: a router that tags, an edge node, the fabric, a gateway node, a virtual machine.
//
//	r --tagger(30,101)-- edge ==VXLAN 7== gate -- vm
func TestKernelPath(t *testing.T) {
	w := newWorld(t)
	w.add("r", "edge", "gate", "vm")
	w.cable("r", "eth0", "r", "tag0", 1500)
	w.cable("r", "eth1", "r", "tag1", 1500) // another way of the same wire, whose tags the edge does not know
	w.cable("r", "wire", "edge", "p0", 1508)
	w.cable("edge", "fab", "gate", "fab", 1600)
	w.cable("gate", "v0", "vm", "eth0", 1508)
	w.in("r", "ip", "addr", "add", "192.168.1.1/30", "dev", "eth0")
	w.in("r", "ip", "route", "add", "10.0.0.0/8", "via", "192.168.1.2")
	w.in("vm", "ip", "addr", "add", "10.1.0.4/24", "dev", "eth0")
	w.in("vm", "ip", "link", "set", "eth0", "mtu", "1500")
	w.in("vm", "ip", "route", "add", "default", "via", "10.1.0.1")

	dir := pins(t, "lab")
	w.do("r", func() {
		_, err := AttachPass(w.link("r", "eth0").Index, dir)
		check(t, err, AttachTagger(Tagger{Outer: w.link("r", "wire").Index, Ways: []TaggerWay{
			{Inner: w.link("r", "tag1").Index, STag: 31, CTag: 101}, {Inner: w.link("r", "tag0").Index, STag: 30, CTag: 101}}}, dir))
	})
	w.do("vm", func() {
		_, err := AttachPass(w.link("vm", "eth0").Index, pins(t, "vm"))
		check(t, err)
	})

	edge := w.edgeNode()
	gate := w.gateNode()
	w.do("edge", func() { check(t, edge.settle(t)) })
	w.do("gate", func() { check(t, gate.settle(t)) })

	w.sub("arp and bgp to the punt device", func(t *testing.T) {
		l := w.listen("edge", "192.168.1.2:179")
		go func() {
			if c, err := l.Accept(); err == nil {
				io.WriteString(c, "from the edge")
				c.Close()
			}
		}()
		if got, err := io.ReadAll(w.dial("r", "192.168.1.2:179")); string(got) != "from the edge" {
			t.Errorf("TCP 179 answers %q, %v", got, err)
		}
	})
	w.do("edge", func() {
		check(t, edge.k.SetNeighbor("circuit", netip.MustParseAddr("192.168.1.1"), w.mac("r", "eth0")))
	})
	w.sub("an unresolved neighbour is asked for", func(t *testing.T) {
		missed := make(chan Miss, 100)
		go gate.k.Misses(func(m Miss) { missed <- m })
		exec.Command("ip", "netns", "exec", w.ns("r"), "ping", "-c", "1", "-W", "0.1", "10.1.0.4").Run()
		if m := <-missed; m.Attachment != "subnet" || m.Addr != netip.MustParseAddr("10.1.0.4") {
			t.Errorf("missed %v", m)
		}
	})
	w.do("gate", func() {
		check(t, gate.k.SetNeighbor("subnet", netip.MustParseAddr("10.1.0.4"), w.mac("vm", "eth0")))
	})
	w.sub("ping through, small and full", func(t *testing.T) {
		w.in("r", "ping", "-c", "3", "-i", "0.1", "-W", "1", "10.1.0.4")
		w.in("r", "ping", "-c", "3", "-i", "0.1", "-W", "1", "-M", "do", "-s", "1472", "10.1.0.4")
		w.in("r", "ping", "-c", "1", "-W", "1", "192.168.1.2")
		w.in("vm", "ping", "-c", "1", "-W", "1", "192.168.1.1")
	})
	w.sub("traceroute shows the peering address", func(t *testing.T) {
		out := w.in("r", "traceroute", "-n", "-I", "-q", "1", "-w", "1", "10.1.0.4")
		for _, hop := range []string{"1  192.168.1.2 ", "2  172.16.0.2 ", "3  10.1.0.4 "} {
			if !strings.Contains(out, hop) {
				t.Errorf("no hop %q in\n%s", hop, out)
			}
		}
	})
	w.sub("path MTU is told", func(t *testing.T) {
		c := edge.c
		c.Attachments = append([]Attachment{}, c.Attachments...)
		c.Attachments[1].MTU = 1400
		w.do("edge", func() { check(t, edge.k.Apply(c)) })
		out, _ := exec.Command("ip", "netns", "exec", w.ns("r"), "ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1400", "10.1.0.4").CombinedOutput()
		if !strings.Contains(string(out), "mtu = 1400") && !strings.Contains(string(out), "mtu=1400") {
			t.Errorf("no path MTU in\n%s", out)
		}
		w.do("edge", func() { check(t, edge.k.Apply(edge.c)) })
		w.in("r", "ip", "route", "flush", "cache")
	})
	w.sub("TCP of full segments", func(t *testing.T) {
		l := w.listen("vm", "10.1.0.4:5000")
		sum := make(chan [32]byte, 1)
		go func() {
			if c, err := l.Accept(); err == nil {
				got, _ := io.ReadAll(c)
				sum <- sha256.Sum256(got)
			}
		}()
		data := bytes.Repeat([]byte("onramp "), 3_000_000)
		c := w.dial("r", "10.1.0.4:5000")
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if <-sum != sha256.Sum256(data) {
			t.Error("other bytes arrived")
		}
	})
	w.sub("a restart loses nothing", func(t *testing.T) {
		ping := w.start("r", "ping", "-c", "100", "-i", "0.01", "-W", "1", "10.1.0.4")
		for range 3 {
			check(t, edge.k.Close())
			edge.k = w.reopen("edge")
			w.do("edge", func() { check(t, edge.settle(t)) })
			w.do("edge", func() {
				check(t, edge.k.SetNeighbor("circuit", netip.MustParseAddr("192.168.1.1"), w.mac("r", "eth0")))
			})
		}
		if err := ping.Wait(); err != nil || !strings.Contains(ping.Stdout.(*bytes.Buffer).String(), "100 received") {
			t.Errorf("%v\n%s", err, ping.Stdout)
		}
	})
	w.sub("unknown tags are seen", func(t *testing.T) {
		c := edge.c
		c.Attachments = append([]Attachment{}, c.Attachments...)
		c.Attachments[0].STag = 31
		w.do("edge", func() { check(t, edge.k.Apply(c)) })
		exec.Command("ip", "netns", "exec", w.ns("r"), "ping", "-c", "1", "-W", "0.1", "10.1.0.4").Run()
		seen, err := edge.k.UnknownTags()
		if err != nil || !slices.ContainsFunc(seen, func(s TagSeen) bool { return s.Port == "p0" && s.STag == 30 && s.CTag == 101 }) {
			t.Errorf("seen %+v, %v", seen, err)
		}
	})
}

// sub is t.Run with the world's failures in the subtest.
func (w *world) sub(name string, f func(t *testing.T)) {
	outer := w.t
	defer func() { w.t = outer }()
	outer.Run(name, func(t *testing.T) {
		w.t = t
		f(t)
	})
}

// start runs a command in a namespace beside the test, which ends with the test at the latest.
func (w *world) start(ns string, args ...string) *exec.Cmd {
	w.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", w.ns(ns)}, args...)...)
	cmd.Stdout = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

func (w *world) listen(ns, addr string) (l net.Listener) {
	w.t.Helper()
	w.do(ns, func() {
		var err error
		if l, err = net.Listen("tcp", addr); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() { l.Close() })
	return l
}

func (w *world) dial(ns, addr string) (c net.Conn) {
	w.t.Helper()
	w.do(ns, func() {
		var err error
		if c, err = net.DialTimeout("tcp", addr, 5*time.Second); err != nil {
			w.t.Error(err)
			return
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
	})
	w.t.Cleanup(func() { c.Close() })
	return c
}

type testNode struct {
	k *Kernel
	c Config
	f func(*Kernel) error
}

func (n *testNode) settle(t *testing.T) error {
	if err := n.k.Apply(n.c); err != nil {
		return err
	}
	return n.f(n.k)
}

func (w *world) kernel(ns string) *Kernel {
	pins(w.t, ns)
	return w.reopen(ns)
}

// reopen makes a FIB on the pins of a namespace.
func (w *world) reopen(ns string) *Kernel {
	var k *Kernel
	w.do(ns, func() {
		var err error
		if k, err = NewKernel(Options{Pin: pinPath(ns)}); err != nil {
			w.t.Error(err)
		}
	})
	w.whole.Cleanup(func() { k.Close() })
	return k
}

func (w *world) edgeNode() *testNode {
	punt, kern := w.punt("edge", "punt1", "192.168.1.2/30")
	puntT, kernT := w.punt("edge", "punt2", "172.16.0.1/30")
	p0, fab := w.link("edge", "p0"), w.link("edge", "fab")
	c := Config{
		VTEP: netip.MustParseAddr("100.64.0.1"),
		Ports: []Port{{Name: "p0", Ifindex: p0.Index, MAC: p0.HardwareAddr, MTU: 1500},
			{Name: "fab", Ifindex: fab.Index, MAC: fab.HardwareAddr, Underlay: true}},
		Domains: []string{"private"},
		Attachments: []Attachment{
			{Name: "circuit", Domain: "private", Port: "p0", STag: 30, CTag: 101, Locals: ips("192.168.1.2"), SourceCheck: SourceStrict,
				Ingress: "in", Egress: "out", PuntIfindex: punt.Index, KernelIfindex: kern.Index, MAC: kern.HardwareAddr},
			{Name: "gateway", Domain: "private", VNI: 7, Remote: netip.MustParseAddr("100.64.0.2"), Locals: ips("172.16.0.1"),
				PuntIfindex: puntT.Index, KernelIfindex: kernT.Index, MAC: kernT.HardwareAddr},
		},
		Policers: []Policer{{Name: "in", BitsPerSecond: 1e9}, {Name: "out", BitsPerSecond: 1e9}},
	}
	return &testNode{k: w.kernel("edge"), c: c, f: func(k *Kernel) error {
		if err := k.SetUnderlayNeighbor(netip.MustParseAddr("100.64.0.2"), w.link("gate", "fab").HardwareAddr); err != nil {
			return err
		}
		if err := k.SetNeighbor("gateway", netip.MustParseAddr("172.16.0.2"), w.link("gate", "punt1k").HardwareAddr); err != nil {
			return err
		}
		return k.ReplaceRoutes("private", []RouteChange{
			{netip.MustParsePrefix("192.168.1.0/30"), []Hop{{Attachment: "circuit"}}},
			{netip.MustParsePrefix("172.16.0.0/30"), []Hop{{Attachment: "gateway"}}},
			{netip.MustParsePrefix("10.1.0.0/16"), []Hop{{Attachment: "gateway", Addr: netip.MustParseAddr("172.16.0.2")}}},
		})
	}}
}

func (w *world) gateNode() *testNode {
	puntT, kernT := w.punt("gate", "punt1", "172.16.0.2/30")
	punt, kern := w.punt("gate", "punt2", "10.1.0.1/24")
	v0, fab := w.link("gate", "v0"), w.link("gate", "fab")
	c := Config{
		VTEP: netip.MustParseAddr("100.64.0.2"),
		Ports: []Port{{Name: "v0", Ifindex: v0.Index, MAC: v0.HardwareAddr, MTU: 1500},
			{Name: "fab", Ifindex: fab.Index, MAC: fab.HardwareAddr, Underlay: true}},
		Domains: []string{"vnet"},
		Attachments: []Attachment{
			{Name: "edge", Domain: "vnet", VNI: 7, Remote: netip.MustParseAddr("100.64.0.1"), Locals: ips("172.16.0.2"),
				PuntIfindex: puntT.Index, KernelIfindex: kernT.Index, MAC: kernT.HardwareAddr},
			{Name: "subnet", Domain: "vnet", Port: "v0", Locals: ips("10.1.0.1"),
				PuntIfindex: punt.Index, KernelIfindex: kern.Index, MAC: kern.HardwareAddr},
		},
	}
	return &testNode{k: w.kernel("gate"), c: c, f: func(k *Kernel) error {
		if err := k.SetUnderlayNeighbor(netip.MustParseAddr("100.64.0.1"), w.link("edge", "fab").HardwareAddr); err != nil {
			return err
		}
		if err := k.SetNeighbor("edge", netip.MustParseAddr("172.16.0.1"), w.link("edge", "punt2k").HardwareAddr); err != nil {
			return err
		}
		return k.ReplaceRoutes("vnet", []RouteChange{
			{netip.MustParsePrefix("10.1.0.0/24"), []Hop{{Attachment: "subnet"}}},
			{netip.MustParsePrefix("192.168.1.0/30"), []Hop{{Attachment: "edge", Addr: netip.MustParseAddr("172.16.0.1")}}},
		})
	}}
}
