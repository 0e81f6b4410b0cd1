package node

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"onramp/plan"
)

// inside runs f on a thread of its own in the namespace.
func (w *world) inside(ns string, f func()) {
	w.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		fd, err := unix.Open("/run/netns/"+w.prefix+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		w.t.Fatalf("enter namespace %s: %v", ns, err)
	}
}

func puntSpecs(n int) []puntSpec {
	var ps []puntSpec
	for i := range n {
		ps = append(ps, puntSpecOf("edge", &plan.Attachment{Name: fmt.Sprintf("circuit %d", i), Domain: "d",
			Addresses: []plan.Address{{Prefix: pre("192.168.1.2/30")}}}))
	}
	return ps
}

func makePunts(t *testing.T, k *kernel, ps []puntSpec) (made int, took time.Duration) {
	t.Helper()
	began := time.Now()
	devs, errs := k.MakePunts(ps)
	took = time.Since(began)
	for i, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
		if devs[i].Made {
			made++
		}
		if devs[i].KernelIndex == 0 || devs[i].PathIndex == 0 {
			t.Fatalf("device %d: %+v", i, devs[i])
		}
	}
	return made, took
}

func TestPuntDevices(t *testing.T) {
	const many = 500
	w := newWorld(t, "edge")
	w.inside("edge", func() {
		k, err := newKernel("edge")
		if err != nil {
			t.Error(err)
			return
		}
		ps := puntSpecs(many)
		made, took := makePunts(t, k, ps)
		t.Logf("%d made in %v", made, took)
		if made != many {
			t.Errorf("%d made", made)
		}
		if made, took = makePunts(t, k, ps); made != 0 {
			t.Errorf("%d made anew", made)
		}
		t.Logf("found right in %v", took)
	})
	w.checkOnePunt(t)
	w.inside("edge", func() {
		k, err := newKernel("edge")
		if err != nil {
			t.Error(err)
			return
		}
		ps := puntSpecs(many)
		keep := map[string]bool{ps[0].Kernel: true, ps[1].Kernel: true}
		began := time.Now()
		if err := k.RemovePunts(keep); err != nil {
			t.Error(err)
		}
		t.Logf("removed in %v", time.Since(began))
	})
	if links := w.in("edge", "ip", "-br", "link", "show", "type", "veth"); strings.Count(links, "\n") != 4 {
		t.Errorf("left: %s", links)
	}
}

func (w *world) checkOnePunt(t *testing.T) {
	t.Helper()
	ps := puntSpecs(2)
	q := ps[0].Kernel
	show := w.in("edge", "ip", "-d", "addr", "show", "dev", q)
	for _, want := range []string{"inet 192.168.1.2/30", ps[0].KernelMAC.String(), "alias onramp circuit 0", "mtu 1500", "LOWER_UP"} {
		if !strings.Contains(show, want) {
			t.Errorf("%s lacks %q:\n%s", q, want, show)
		}
	}
	if strings.Contains(show, "inet6") {
		t.Errorf("%s speaks IPv6:\n%s", q, show)
	}
	if off := w.in("edge", "ethtool", "-k", q); !strings.Contains(off, "tx-checksumming: off") || !strings.Contains(off, "tx-tcp-segmentation: off") {
		t.Errorf("offloads of %s:\n%s", q, off)
	}
	w.in("edge", "ip", "link", "set", ps[1].Kernel, "alias", "half made")
	ps[0].Addresses = []plan.Address{{Prefix: pre("192.168.5.2/30")}, {Prefix: pre("10.0.0.1/32"), Peer: ip("10.0.0.2")}}
	ps[0].MTU = 1400
	w.inside("edge", func() {
		k, err := newKernel("edge")
		if err != nil {
			t.Error(err)
			return
		}
		if made, _ := makePunts(t, k, ps); made != 1 {
			t.Errorf("the half made device: %d made", made)
		}
		if l, err := net.InterfaceByName(q); err != nil || l.MTU != 1400 {
			t.Errorf("changed device: %+v %v", l, err)
		}
	})
	show = w.in("edge", "ip", "addr", "show", "dev", q)
	if strings.Contains(show, "192.168.1.2") || !strings.Contains(show, "192.168.5.2/30") || !strings.Contains(show, "inet 10.0.0.1/32") {
		t.Errorf("changed addresses:\n%s", show)
	}
}
