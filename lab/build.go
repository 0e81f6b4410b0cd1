package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onramp/node"
)

// MTUs of interfaces. A redirected frame may be as long as the target's MTU + 18, so two tags on a full packet need 1,508 or more; native
// XDP on a veth allows some 3,500 at most. The fabric carries a full packet in VXLAN.
const (
	hostMTU   = 1500
	cableMTU  = 1600
	fabricMTU = 2000
)

// Names of the namespaces that belong to no device: the fabric's bridge, and the patch panel with the cables between nodes and the LANs.
const (
	fabricPlace = "fabric"
	wiresPlace  = "wires"
)

// ns is the network namespace of a place.
func (l *Lab) ns(place string) string { return "onr-" + l.World.Name + "-" + place }

// places are all namespaces of the world, in the order of the file.
func (w *World) places() []string {
	ps := []string{fabricPlace, wiresPlace}
	for _, n := range w.Fabric.Nodes {
		ps = append(ps, n.Name)
	}
	for _, r := range w.Routers {
		ps = append(ps, r.Name)
	}
	for _, h := range w.Hosts {
		ps = append(ps, h.Name)
	}
	for _, m := range w.Machines {
		ps = append(ps, m.Name)
	}
	return ps
}

// lans are the names of the LANs, in the order of their first use.
func (w *World) lans() []string {
	var names []string
	seen := map[string]bool{}
	add := func(n string) {
		if n != "" && !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	for _, r := range w.Routers {
		add(r.LAN)
	}
	for _, h := range w.Hosts {
		add(h.LAN)
	}
	return names
}

// build makes everything that is not a process: namespaces, the fabric, cables, LANs, addresses.
func (l *Lab) build(ctx context.Context) error {
	for _, step := range []func() error{l.buildPlaces, l.buildFabric, l.buildCables, l.buildLANs, l.buildMachines} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) buildPlaces() error {
	var names []string
	for _, p := range l.World.places() {
		names = append(names, l.ns(p))
	}
	if err := l.state.update(func(s *State) { s.Namespaces = names }); err != nil {
		return err
	}
	for _, n := range names {
		if err := newNetns(n); err != nil {
			return err
		}
		if err := in(n, placeSysctls); err != nil {
			return err
		}
	}
	for _, r := range l.World.Routers {
		if err := in(l.ns(r.Name), func() error { return sysctl("net.ipv4.ip_forward", "1") }); err != nil {
			return err
		}
	}
	return nil
}

// placeSysctls are the settings every namespace starts with: no reverse path filter (both links are used), flows hashed by port, no
// redirects between routers of one LAN.
func placeSysctls() error {
	for _, s := range [][2]string{
		{"net.ipv4.conf.all.rp_filter", "0"}, {"net.ipv4.conf.default.rp_filter", "0"},
		{"net.ipv4.conf.all.send_redirects", "0"}, {"net.ipv4.conf.default.send_redirects", "0"},
		{"net.ipv4.conf.all.accept_redirects", "0"}, {"net.ipv4.conf.default.accept_redirects", "0"},
		{"net.ipv4.fib_multipath_hash_policy", "1"}, {"net.ipv4.icmp_ratelimit", "0"},
	} {
		if err := sysctl(s[0], s[1]); err != nil {
			return err
		}
	}
	return nil
}

// buildFabric makes the underlay: one bridge, to which every underlay port of every node is cabled.
func (l *Lab) buildFabric() error {
	ns := l.ns(fabricPlace)
	if err := newBridge(ns, "fabric", fabricMTU); err != nil {
		return err
	}
	i := 0
	for _, n := range l.World.Fabric.Nodes {
		for _, p := range n.Ports {
			if !p.Underlay {
				continue
			}
			far := fmt.Sprintf("u%d", i)
			i++
			if err := l.cable(end{ns: l.ns(n.Name), name: p.Name, mtu: fabricMTU}, end{ns: ns, name: far, mtu: fabricMTU}); err != nil {
				return err
			}
			if err := enslave(ns, far, "fabric"); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildCables makes the cables. Between two nodes a cable goes through the patch panel, where it can be pulled out without touching what
// the nodes say about their ports; a cable to a router is a plain pair, so that each side sees the other's port go down.
func (l *Lab) buildCables() error {
	for i, c := range l.World.Cables {
		a, b := l.cableEnd(c.A), l.cableEnd(c.B)
		if !l.patched(c) {
			if err := l.cable(a, b); err != nil {
				return err
			}
			continue
		}
		ns, br := l.ns(wiresPlace), fmt.Sprintf("c%d", i)
		if err := newBridge(ns, br, cableMTU); err != nil {
			return err
		}
		for side, e := range []end{a, b} {
			far := patchPort(i, side)
			if err := l.cable(e, end{ns: ns, name: far, mtu: cableMTU}); err != nil {
				return err
			}
			if err := enslave(ns, far, br); err != nil {
				return err
			}
		}
	}
	return l.buildRouterPorts()
}

// cable makes a veth whose ends have different indexes: the kernel tells of a lost carrier up to a second late where both ends, in
// namespaces of their own, happen to have the same one.
func (l *Lab) cable(a, b end) error {
	l.veths++
	a.index = firstIndex + l.veths
	return newVeth(a, b)
}

// firstIndex is above the indexes the kernel picks.
const firstIndex = 1000

func patchPort(cable, side int) string { return fmt.Sprintf("c%d%c", cable, "ab"[side]) }

// patched reports whether a cable goes through the patch panel.
func (l *Lab) patched(c Cable) bool {
	_, a := l.World.node(device(c.A))
	_, b := l.World.node(device(c.B))
	return a && b
}

// cableEnd is the interface a cable is plugged into. Of a router that tags it is the tagger's, not the router's own.
func (l *Lab) cableEnd(at string) end {
	e := end{ns: l.ns(device(at)), name: port(at), mtu: hostMTU}
	if us := l.World.uplinks(at); len(us) > 0 && us[0].Tag != 0 {
		e.name, e.mtu = taggedPort(port(at)), cableMTU
	}
	if _, ok := l.World.node(device(at)); ok {
		e.mtu = cableMTU
	}
	return e
}

// taggedPort is where the frames of a router's wire leave with their tags; taggerPort is the tagger's end of the router's port.
func taggedPort(wire string) string { return "w-" + wire }
func taggerPort(port string) string { return "t-" + port }

// uplinks finds a router's uplinks on a cabled port, "router/port".
func (w *World) uplinks(at string) []Uplink {
	r, ok := w.router(device(at))
	if !ok {
		return nil
	}
	return r.on(port(at))
}

// on are the uplinks a cabled port carries.
func (r *Router) on(wire string) []Uplink {
	var us []Uplink
	for _, u := range r.Uplinks {
		if u.wire() == wire {
			us = append(us, u)
		}
	}
	return us
}

// first reports whether an uplink is the first on its wire.
func (r *Router) first(i int) bool {
	return !slices.ContainsFunc(r.Uplinks[:i], func(u Uplink) bool { return u.wire() == r.Uplinks[i].wire() })
}

// buildTagger makes the ports of a router that tags: veth pairs whose other ends the tagger joins with the cable. A cable that is out shows
// to the router by its timers or BFD only, as behind a switch.
func (l *Lab) buildTagger(r Router, wire string) error {
	if err := l.mountBPF(); err != nil {
		return err
	}
	pin := filepath.Join(bpffs, "onramp", l.World.Name, "tagger-"+r.Name+"-"+wire)
	if err := l.state.update(func(s *State) { s.Pins = append(s.Pins, pin) }); err != nil {
		return err
	}
	if err := os.MkdirAll(pin, 0o700); err != nil {
		return err
	}
	ns, uplinks := l.ns(r.Name), r.on(wire)
	for _, u := range uplinks {
		if err := l.cable(end{ns: ns, name: u.Port, mtu: hostMTU}, end{ns: ns, name: taggerPort(u.Port), mtu: cableMTU}); err != nil {
			return err
		}
	}
	if err := in(ns, func() error { return attachTagger(wire, uplinks, pin) }); err != nil {
		return fmt.Errorf("tags of %s/%s: %w", r.Name, wire, err)
	}
	return nil
}

// attachTagger joins the uplinks' devices with the wire, in the namespace of the caller.
func attachTagger(wire string, uplinks []Uplink, pin string) error {
	index := func(name string) int {
		if link, err := netlink.LinkByName(name); err == nil {
			return link.Attrs().Index
		}
		return 0 // no interface has it: attaching fails
	}
	var devices []node.TaggedDevice
	for _, u := range uplinks {
		devices = append(devices, node.TaggedDevice{Device: index(u.Port), Inner: index(taggerPort(u.Port)), STag: u.Outer, CTag: u.Tag})
	}
	return node.AttachTagger(index(taggedPort(wire)), devices, pin)
}

// buildRouterPorts gives the routers' uplinks their addresses.
func (l *Lab) buildRouterPorts() error {
	for _, r := range l.World.Routers {
		for i, u := range r.Uplinks {
			if u.Tag != 0 && r.first(i) {
				if err := l.buildTagger(r, u.wire()); err != nil {
					return err
				}
			}
			err := in(l.ns(r.Name), func() error { return errors.Join(addAddress(u.Port, u.Address.String()), addStatics(u)) })
			if err != nil {
				return fmt.Errorf("address of %s/%s: %w", r.Name, u.Port, err)
			}
		}
	}
	return nil
}

// buildLANs makes the customers' LANs with their routers and hosts.
func (l *Lab) buildLANs() error {
	ns := l.ns(wiresPlace)
	for i, lan := range l.World.lans() {
		br := fmt.Sprintf("lan%d", i)
		if err := newBridge(ns, br, hostMTU); err != nil {
			return err
		}
		n := 0
		attach := func(place, port, address string) error {
			far := fmt.Sprintf("l%dp%d", i, n)
			n++
			if err := l.cable(end{ns: l.ns(place), name: port, mtu: hostMTU}, end{ns: ns, name: far, mtu: hostMTU}); err != nil {
				return err
			}
			if err := enslave(ns, far, br); err != nil {
				return err
			}
			return in(l.ns(place), func() error { return addAddress(port, address) })
		}
		for _, r := range l.World.Routers {
			if r.LAN == lan {
				if err := attach(r.Name, "lan0", r.Address.String()); err != nil {
					return err
				}
			}
		}
		for _, h := range l.World.Hosts {
			if h.LAN != lan {
				continue
			}
			if err := attach(h.Name, "eth0", h.Address.String()); err != nil {
				return err
			}
			if err := in(l.ns(h.Name), func() error { return addDefault(h) }); err != nil {
				return fmt.Errorf("default route of %s: %w", h.Name, err)
			}
		}
	}
	return nil
}

// buildMachines cables the virtual machines to their hosts, without an address yet.
func (l *Lab) buildMachines() error {
	for _, m := range l.World.Machines {
		a := end{ns: l.ns(m.Name), name: "eth0", mtu: hostMTU}
		if err := l.cable(a, end{ns: l.ns(device(m.Port)), name: port(m.Port), mtu: cableMTU}); err != nil {
			return err
		}
	}
	return nil
}

func addAddress(dev, cidr string) error {
	link, err := netlink.LinkByName(dev)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	return netlink.AddrReplace(link, a)
}

// addStatics makes the kernel's routes by an uplink without a session.
func addStatics(u Uplink) error {
	for _, p := range u.Routes {
		dst := &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		if err := netlink.RouteReplace(&netlink.Route{Dst: dst, Gw: net.IP(u.Peer.AsSlice())}); err != nil {
			return fmt.Errorf("route to %s by %s: %w", p, u.Peer, err)
		}
	}
	return nil
}

// addDefault sends everything to the host's gateways, flow by flow.
func addDefault(h Host) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	r := &netlink.Route{Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}}
	for _, g := range h.Gateways {
		r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{LinkIndex: link.Attrs().Index, Gw: net.IP(g.AsSlice())})
	}
	if len(r.MultiPath) == 0 {
		return nil
	}
	return netlink.RouteReplace(r)
}

// bootMachine gives a machine its MAC, its /32 and the way out by the subnet's first host.
func (l *Lab) bootMachine(name string, b Booted, gateway net.IP) error {
	mac, err := net.ParseMAC(normalMAC(b.MAC))
	if err != nil {
		return fmt.Errorf("boot %s: %w", name, err)
	}
	err = in(l.ns(name), func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
			return fmt.Errorf("set MAC %s: %w", mac, err)
		}
		old, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil {
			return err
		}
		for i := range old {
			if err := netlink.AddrDel(link, &old[i]); err != nil {
				return err
			}
		}
		if err := addAddress("eth0", b.Address.String()+"/32"); err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{
			LinkIndex: link.Attrs().Index, Gw: gateway, Flags: unix.RTNH_F_ONLINK,
			Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)},
		})
	})
	if err != nil {
		return fmt.Errorf("boot %s: %w", name, err)
	}
	return l.state.update(func(s *State) { s.Machines[name] = b })
}

// cut takes a cable out (or back in) and records it.
func (l *Lab) cut(link string, out bool) error {
	i, ok := l.World.findCable(link)
	if !ok {
		return fmt.Errorf("no cable %q", link)
	}
	c := l.World.Cables[i]
	if err := l.state.update(func(s *State) { s.Cut[c.A] = out }); err != nil {
		return err
	}
	if l.patched(c) {
		for side := range 2 {
			if err := setLink(l.ns(wiresPlace), patchPort(i, side), !out); err != nil {
				return err
			}
		}
		return nil
	}
	// A router's port is nobody's but the lab's.
	for _, e := range []string{c.A, c.B} {
		if _, isNode := l.World.node(device(e)); !isNode {
			return setLink(l.ns(device(e)), l.cableEnd(e).name, !out)
		}
	}
	return fmt.Errorf("cable %s - %s has no end to pull", c.A, c.B)
}

// path is a file or directory of the lab.
func (l *Lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.dir}, parts...)...)
}
