package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
	"onramp/plan"
)

// kernel is the host of this process's network namespace.
type kernel struct {
	node string
	nl   *netlink.Handle

	mu    sync.Mutex
	ports map[string]linkState // set by SetPort, as last told
}

func newKernel(node string) (*kernel, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &kernel{node: node, nl: nl, ports: map[string]linkState{}}, nil
}

// puntReady begins the alias of a device that was made to its end; it tells a finished device from one that a killed agent left half made.
const puntReady = "onramp "

// MakePunts implements host. It reads everything once, and then touches only what differs.
func (k *kernel) MakePunts(ps []puntSpec) ([]puntDevice, []error) {
	devs, errs := make([]puntDevice, len(ps)), make([]error, len(ps))
	links, addrs, err := k.inventory()
	for i := range ps {
		if err != nil {
			errs[i] = err
			continue
		}
		if devs[i], errs[i] = k.makePunt(&ps[i], links, addrs); errs[i] != nil {
			errs[i] = fmt.Errorf("punt device %s of attachment %q: %w", ps[i].Kernel, ps[i].Attachment, errs[i])
		}
	}
	return devs, errs
}

func (k *kernel) inventory() (map[string]netlink.Link, map[int][]netlink.Addr, error) {
	list, err := k.nl.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, nil, fmt.Errorf("list links: %w", err)
	}
	links := make(map[string]netlink.Link, len(list))
	for _, l := range list {
		links[l.Attrs().Name] = l
	}
	all, err := k.nl.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, nil, fmt.Errorf("list addresses: %w", err)
	}
	addrs := map[int][]netlink.Addr{}
	for _, a := range all {
		addrs[a.LinkIndex] = append(addrs[a.LinkIndex], a)
	}
	return links, addrs, nil
}

func (k *kernel) makePunt(p *puntSpec, links map[string]netlink.Link, addrs map[int][]netlink.Addr) (puntDevice, error) {
	q, d := links[p.Kernel], links[p.Path]
	if q != nil && (d == nil || q.Type() != "veth" || !strings.HasPrefix(q.Attrs().Alias, puntReady)) {
		if err := k.nl.LinkDel(q); err != nil {
			return puntDevice{}, fmt.Errorf("delete the half made one: %w", err)
		}
		q = nil
	}
	if q == nil {
		return k.newPunt(p)
	}
	dev := puntDevice{KernelIndex: q.Attrs().Index, PathIndex: d.Attrs().Index}
	if q.Attrs().MTU != p.MTU || d.Attrs().MTU != p.MTU {
		if err := errors.Join(k.nl.LinkSetMTU(q, p.MTU), k.nl.LinkSetMTU(d, p.MTU)); err != nil {
			return dev, fmt.Errorf("set MTU: %w", err)
		}
	}
	if err := k.setAddresses(q, p.Addresses, addrs[dev.KernelIndex]); err != nil {
		return dev, err
	}
	for _, l := range []netlink.Link{d, q} {
		if l.Attrs().Flags&net.FlagUp == 0 {
			if err := k.nl.LinkSetUp(l); err != nil {
				return dev, fmt.Errorf("set up: %w", err)
			}
		}
	}
	return dev, k.peerRoutes(dev.KernelIndex, p.Addresses)
}

func (k *kernel) newPunt(p *puntSpec) (dev puntDevice, err error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr, attrs.NumTxQueues, attrs.NumRxQueues = p.Kernel, p.MTU, p.KernelMAC, 1, 1
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr, veth.PeerMTU, veth.PeerNumTxQueues, veth.PeerNumRxQueues = p.Path, p.PathMAC, uint32(p.MTU), 1, 1
	if err := k.nl.LinkAdd(veth); err != nil {
		return dev, fmt.Errorf("create: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.nl.LinkDel(veth))
		}
	}()
	q, err := k.nl.LinkByName(p.Kernel)
	if err != nil {
		return dev, fmt.Errorf("find: %w", err)
	}
	dev = puntDevice{KernelIndex: q.Attrs().Index, PathIndex: q.Attrs().ParentIndex, Made: true}
	if err := k.quiet(p); err != nil {
		return dev, err
	}
	if err := k.setAddresses(q, p.Addresses, nil); err != nil {
		return dev, err
	}
	d := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: dev.PathIndex, Name: p.Path}}
	if err := errors.Join(k.nl.LinkSetUp(d), k.nl.LinkSetUp(q)); err != nil {
		return dev, fmt.Errorf("set up: %w", err)
	}
	if err := k.peerRoutes(dev.KernelIndex, p.Addresses); err != nil {
		return dev, err
	}
	if err := k.nl.LinkSetAlias(q, puntReady+p.Attachment); err != nil {
		return dev, fmt.Errorf("set alias: %w", err)
	}
	return dev, nil
}

// quiet sets what a device must have before it comes up: no answers for other devices' addresses (two of them may have the same), no
// reverse path filter, no IPv6 by itself, no offloads, which would hand the data path partial checksums.
func (k *kernel) quiet(p *puntSpec) error {
	v6 := hasIPv6(p.Addresses)
	settings := []struct{ path, value string }{
		{"ipv4/conf/" + p.Kernel + "/arp_ignore", "1"},
		{"ipv4/conf/" + p.Kernel + "/arp_announce", "2"},
		{"ipv4/conf/" + p.Kernel + "/rp_filter", "0"},
		{"ipv4/conf/" + p.Kernel + "/accept_local", "1"},
		{"ipv4/conf/" + p.Kernel + "/accept_redirects", "0"},
		{"ipv6/conf/" + p.Path + "/disable_ipv6", "1"},
	}
	if v6 {
		for _, s := range []struct{ name, value string }{{"addr_gen_mode", "1"}, {"accept_ra", "0"}, {"autoconf", "0"}, {"accept_dad", "0"},
			{"router_solicitations", "0"}, {"accept_redirects", "0"}} {
			settings = append(settings, struct{ path, value string }{"ipv6/conf/" + p.Kernel + "/" + s.name, s.value})
		}
	} else {
		settings = append(settings, struct{ path, value string }{"ipv6/conf/" + p.Kernel + "/disable_ipv6", "1"})
	}
	for _, s := range settings {
		if err := setSysctl(s.path, s.value); err != nil {
			return err
		}
	}
	return errors.Join(askOften(p.Kernel), offloadsOff(p.Kernel))
}

// askOften has neighbours asked for ten times a second instead of once: what comes up at both ends at about the same time then finds the
// other at once. They are given up after as long as before (3 s).
func askOften(device string) error {
	for _, s := range []struct{ name, value string }{{"retrans_time_ms", "100"}, {"mcast_solicit", "30"}, {"ucast_solicit", "30"}} {
		if err := setSysctl("ipv4/neigh/"+device+"/"+s.name, s.value); err != nil {
			return err
		}
	}
	return nil
}

// setSysctl writes below /proc/sys/net. A kernel without IPv6 has no ipv6 there; that is as good as switched off.
func setSysctl(path, value string) error {
	err := os.WriteFile("/proc/sys/net/"+path, []byte(value), 0)
	if errors.Is(err, os.ErrNotExist) && strings.HasPrefix(path, "ipv6/") {
		return nil
	}
	return err
}

func hasIPv6(as []plan.Address) bool {
	for _, a := range as {
		if a.Prefix.Addr().Is6() {
			return true
		}
	}
	return false
}

// setAddresses makes want the addresses of the link: new ones first, then the others go.
func (k *kernel) setAddresses(l netlink.Link, want []plan.Address, have []netlink.Addr) error {
	wanted := map[string]bool{}
	exists := map[string]bool{}
	for _, a := range have {
		exists[addrKey(&a)] = true
	}
	for _, w := range want {
		a := addressOf(w)
		wanted[addrKey(a)] = true
		if exists[addrKey(a)] {
			continue
		}
		if err := k.nl.AddrAdd(l, a); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %v: %w", w.Prefix, err)
		}
	}
	for _, a := range have {
		if !wanted[addrKey(&a)] && a.Scope != unix.RT_SCOPE_LINK {
			if err := k.nl.AddrDel(l, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return fmt.Errorf("delete address %v: %w", a.IPNet, err)
			}
		}
	}
	return nil
}

func addrKey(a *netlink.Addr) string {
	s := a.IPNet.String()
	if a.Peer != nil && !a.Peer.IP.Equal(a.IP) {
		s += " peer " + a.Peer.IP.String()
	}
	return s
}

// addressOf is an address in the kernel's words, that of a point-to-point pair a host's. Not as a peer address of the kernel's: for IPv4 it would
// answer no ARP with arp_ignore=1, because it looks for an address that covers the target, and a peer address covers the peer alone; for IPv6
// it loses the route to the peer when the device comes up. IPv4 gets no route with its address: sockets are bound to the device, and without a
// route the kernel takes what they ask for to be on its link. IPv6 needs the route; equal ones on two devices are told apart by the binding.
func addressOf(w plan.Address) *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(w.Prefix), Flags: unix.IFA_F_NOPREFIXROUTE}
	if w.Prefix.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if w.Peer.IsValid() {
		a.IPNet = ipNet(netip.PrefixFrom(w.Prefix.Addr(), w.Prefix.Addr().BitLen()))
	}
	return a
}

// peerRoutes adds the routes to the IPv6 peers of point-to-point pairs, beside equal ones of other devices. The device is up.
func (k *kernel) peerRoutes(index int, as []plan.Address) error {
	for _, a := range as {
		if !a.Peer.Is6() {
			continue
		}
		r := &netlink.Route{LinkIndex: index, Dst: ipNet(netip.PrefixFrom(a.Peer, a.Peer.BitLen())), Protocol: unix.RTPROT_STATIC}
		if err := k.nl.RouteAppend(r); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add route to %v: %w", a.Peer, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// doomed is the interface group of punt devices that are to go: deleted as a group they cost one grace period of the kernel, not one each.
const doomed = 0x6f6e7264

// RemovePunts implements host.
func (k *kernel) RemovePunts(keep map[string]bool) error {
	list, err := k.nl.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("list links: %w", err)
	}
	mine := kernelEnd + nodeHash(k.node)
	var errs []error
	gone := false
	for _, l := range list {
		name := l.Attrs().Name
		if l.Type() != "veth" || len(name) != len(mine)+8 || !strings.HasPrefix(name, mine) || keep[name] {
			continue
		}
		gone = true
		if err := k.nl.LinkSetGroup(l, doomed); err != nil {
			errs = append(errs, fmt.Errorf("mark punt device %s: %w", name, err))
		}
	}
	if gone {
		errs = append(errs, deleteGroup(doomed))
	}
	return errors.Join(errs...)
}

func deleteGroup(group uint32) error {
	req := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("delete punt devices: %w", err)
	}
	return nil
}
