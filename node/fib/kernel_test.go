package fib

import (
	"bytes"
	_ "embed" // a test's program
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

//go:embed xdp/crowd.o
var crowdObject []byte

// TestHeadroom shows the reason that needs a driver's help: a frame without room before it.
func TestHeadroom(t *testing.T) {
	isolate(t)
	k := newKernelTwin(t, pinDir(t))
	fill(t, k, config(veths(t, testDevices...)))
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(crowdObject))
	if err != nil {
		t.Fatal(err)
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer coll.Close()
	if err := coll.Maps["next"].Put(uint32(0), k.objs.Port); err != nil {
		t.Fatal(err)
	}
	data := in().bytes()
	if len(data) != 66 {
		t.Fatalf("the frame is %d bytes, the program takes 66", len(data))
	}
	if _, why := k.observe(coll.Programs["crowd"], k.ports["p0"].Ifindex, "p0", data); why != ReasonHeadroom {
		t.Errorf("dropped as %v", why)
	}
}

// TestPolicerAccuracy offers twice the rate from every CPU for a while: what passes is the rate, to one in a hundred and the burst.
func TestPolicerAccuracy(t *testing.T) {
	isolate(t)
	k := newKernelTwin(t, pinDir(t))
	c := config(veths(t, testDevices...))
	const rate, burst = 200e6, 5e6 // deep enough that a pause of both threads loses nothing
	c.Policers[0] = Policer{Name: "wide", BitsPerSecond: rate, BurstBytes: burst}
	c.Attachments[0].Egress = ""
	fill(t, k, c)
	data := spoil(in(), func(f *frame) { f.size = 980 })
	netns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer netns.Close()

	start := time.Now()
	var wg sync.WaitGroup
	ends := make(chan time.Duration, runtime.NumCPU()) // when each found the bucket empty
	for range runtime.NumCPU() {
		wg.Go(func() {
			runtime.LockOSThread()
			if err := unix.Setns(int(netns.Fd()), unix.CLONE_NEWNET); err != nil {
				t.Error(err)
				return
			}
			out := make([]byte, 2000)
			for {
				now := time.Since(start)
				ret, err := k.objs.Port.Run(&ebpf.RunOptions{Data: data, DataOut: out,
					Context: xdpMD{DataEnd: uint32(len(data)), IngressIfindex: uint32(k.ports["p0"].Ifindex)}})
				if err != nil {
					t.Error(err)
					return
				}
				if now > 10*time.Second || now > 2*time.Second && ret == xdpDrop {
					ends <- now
					return
				}
			}
		})
	}
	wg.Wait()
	close(ends)
	took := 0.0
	for e := range ends {
		took = max(took, e.Seconds())
	}
	p := k.counters().Policers["wide"]
	want := rate/8*took + burst
	if p.DroppedPackets == 0 {
		t.Skipf("this machine offered only %.0f Mbps", float64(p.PassedBytes)*8/took/1e6)
	}
	t.Logf("%.0f bytes passed in %.2f s, want %.0f", float64(p.PassedBytes), took, want)
	if got := float64(p.PassedBytes); math.Abs(got-want)/want > 0.01 {
		t.Errorf("%.0f bytes passed in %.2f s, want %.0f (%+.2f %%); %d packets dropped", got, took, want, (got-want)/want*100, p.DroppedPackets)
	}
}

// TestFailureIsOneStore measures a failed path with many prefixes behind it: the time must not depend on them.
func TestFailureIsOneStore(t *testing.T) {
	isolate(t)
	k, err := NewKernel(Options{Pin: pinDir(t), Routes: 30_000})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	fill(t, k, config(veths(t, testDevices...)))
	took := func() time.Duration {
		best := time.Hour
		for range 50 {
			start := time.Now()
			err := errors.Join(k.SetNeighbor("t7", ips("172.16.0.2")[0], nil), k.SetNeighbor("t7", ips("172.16.0.2")[0], macPeer))
			if err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	few := took()
	var cs []RouteChange
	for i := range 20_000 {
		cs = append(cs, route(ips2(50+byte(i>>16), byte(i>>8), byte(i), 0).String()+"/24", hop("t7", "172.16.0.2")))
	}
	start := time.Now()
	if err := k.ReplaceRoutes("red", cs); err != nil {
		t.Fatal(err)
	}
	t.Logf("20,000 routes programmed in %v", time.Since(start))
	many := took()
	t.Logf("a neighbour goes and comes in %v with few prefixes, in %v with 20,000", few, many)
	if many > 5*few+20*time.Microsecond {
		t.Errorf("%v with few prefixes, %v with 20,000", few, many)
	}
}

// TestPinDirectory refuses places that cannot hold pins, in words that help.
func TestPinDirectory(t *testing.T) {
	needRoot(t)
	_, err := NewKernel(Options{Pin: filepath.Join(t.TempDir(), "pins")})
	if err == nil || !strings.Contains(err.Error(), "BPF file system") || !strings.Contains(err.Error(), "mount -t bpf") {
		t.Errorf("a pin directory on disk answers %v", err)
	}
	if err := RemovePinned(t.TempDir()); err == nil {
		t.Error("RemovePinned of a directory on disk works")
	}
	if err := RemovePinned("/sys/fs/bpf/onramp-none"); err != nil {
		t.Errorf("RemovePinned of nothing: %v", err)
	}
}

// TestOtherVersion refuses to continue the state of another layout.
func TestOtherVersion(t *testing.T) {
	isolate(t)
	dir := pinDir(t)
	k := newKernelTwin(t, dir)
	set32(&k.settings.at(0).Abi, abi+1)
	k.Close()
	if _, err := NewKernel(Options{Pin: dir}); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("state of another version is taken: %v", err)
	}
}

// TestModes attaches generic where it is asked for.
func TestModes(t *testing.T) {
	isolate(t)
	ifs := veths(t, testDevices...)
	for _, m := range []Mode{ModeGeneric, ModeNative, ModeAuto} {
		k, err := NewKernel(Options{Pin: pinDir(t), Mode: m})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, k, config(ifs))
		want := m
		if m == ModeAuto {
			want = ModeNative
		}
		if got := k.Mode()["p0"]; got != string(want) {
			t.Errorf("mode %s runs as %s", m, got)
		}
		if err := k.Remove(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGrace runs both ways to wait; that they wait is the kernel's word.
func TestGrace(t *testing.T) {
	needRoot(t)
	if err := errors.Join(grace(), graceByMap()); err != nil {
		t.Error(err)
	}
}
