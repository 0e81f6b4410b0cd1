package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const netnsDir = "/run/netns"

// newNetns makes a named network namespace with its loopback up.
func newNetns(name string) error {
	err := onThread(func() error {
		h, err := netns.NewNamed(name)
		if err != nil {
			return err
		}
		defer h.Close()
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	if err != nil {
		return fmt.Errorf("make network namespace %s: %w", name, err)
	}
	return nil
}

// deleteNetns removes a named namespace; one that is not there is no error.
func deleteNetns(name string) error {
	path := filepath.Join(netnsDir, name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// onThread runs fn on an OS thread of its own that ends afterwards, so that whatever namespace it entered is forgotten.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread dies with the goroutine
		done <- fn()
	}()
	return <-done
}

// in runs fn inside a namespace. Sockets it makes, and processes it starts, stay there.
func in(ns string, fn func() error) error {
	if ns == "" {
		return fn()
	}
	f, err := os.Open(filepath.Join(netnsDir, ns))
	if err != nil {
		return fmt.Errorf("enter namespace %s: %w", ns, err)
	}
	defer f.Close()
	return onThread(func() error {
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter namespace %s: %w", ns, err)
		}
		return fn()
	})
}

// end is one end of a veth to be made.
type end struct {
	ns    string
	name  string
	mtu   int
	index int // 0: the kernel picks
}

// newVeth makes a veth pair with each end in its namespace; neither end ever appears anywhere else. Offloads that would hand a node
// partial checksums or oversized segments are off on both ends (see setOffloads).
func newVeth(a, b end) error {
	if err := makeVeth(a, b); err != nil {
		return fmt.Errorf("make cable %s/%s - %s/%s: %w", a.ns, a.name, b.ns, b.name, err)
	}
	for _, e := range []end{a, b} {
		if err := in(e.ns, func() error { return prepareVeth(e) }); err != nil {
			return fmt.Errorf("prepare %s/%s: %w", e.ns, e.name, err)
		}
	}
	return nil
}

func makeVeth(a, b end) error {
	ha, err := netns.GetFromName(a.ns)
	if err != nil {
		return err
	}
	defer ha.Close()
	hb, err := netns.GetFromName(b.ns)
	if err != nil {
		return err
	}
	defer hb.Close()
	h, err := netlink.NewHandleAt(ha)
	if err != nil {
		return err
	}
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Index = a.name, a.mtu, a.index
	return h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: b.name, PeerNamespace: netlink.NsFd(int(hb))})
}

func prepareVeth(e end) error {
	l, err := netlink.LinkByName(e.name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMTU(l, e.mtu); err != nil {
		return err
	}
	// An interface of a world has only the addresses it is given.
	if err := sysctl("net.ipv6.conf."+e.name+".disable_ipv6", "1"); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return err
	}
	return setOffloads(e.name)
}

// newBridge makes a plain bridge that floods and forwards everything at once.
func newBridge(ns, name string, mtu int) error {
	err := in(ns, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = name, mtu
		snoop := false
		br := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snoop}
		if err := netlink.LinkAdd(br); err != nil {
			return err
		}
		if err := sysctl("net.ipv6.conf."+name+".disable_ipv6", "1"); err != nil {
			return err
		}
		return netlink.LinkSetUp(br)
	})
	if err != nil {
		return fmt.Errorf("make bridge %s/%s: %w", ns, name, err)
	}
	return nil
}

// enslave puts a port into a bridge of the same namespace.
func enslave(ns, port, bridge string) error {
	err := in(ns, func() error {
		p, err := netlink.LinkByName(port)
		if err != nil {
			return err
		}
		b, err := netlink.LinkByName(bridge)
		if err != nil {
			return err
		}
		return netlink.LinkSetMaster(p, b)
	})
	if err != nil {
		return fmt.Errorf("put %s into bridge %s/%s: %w", port, ns, bridge, err)
	}
	return nil
}

// setLink takes an interface up or down.
func setLink(ns, name string, up bool) error {
	err := in(ns, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if !up {
			return netlink.LinkSetDown(l)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
		return setOffloads(name)
	})
	if err != nil {
		return fmt.Errorf("set %s/%s up=%v: %w", ns, name, up, err)
	}
	return nil
}

// sysctl writes one setting of the namespace the thread is in. Dots separate, so interface names must not have any.
func sysctl(name, value string) error {
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		if strings.HasPrefix(name, "net.ipv6.") && errors.Is(err, os.ErrNotExist) {
			return nil // a kernel without IPv6
		}
		return fmt.Errorf("sysctl %s=%s: %w", name, value, err)
	}
	return nil
}
