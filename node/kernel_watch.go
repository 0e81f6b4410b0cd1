package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// watchBuffer holds some ten thousand events that the agent did not read yet; when it overflows everything is read anew.
const watchBuffer = 8 << 20

// Watch implements host.
func (k *kernel) Watch(ctx context.Context, f func(event)) error {
	for ctx.Err() == nil {
		if err := k.watchOnce(ctx, f); err != nil {
			return err
		}
		select { // overflown: a moment later everything is listed anew
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return ctx.Err()
}

func (k *kernel) watchOnce(ctx context.Context, f func(event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	broken := func(error) { cancel() }
	links, neighbors := make(chan netlink.LinkUpdate, 256), make(chan netlink.NeighUpdate, 1024)
	err := netlink.LinkSubscribeWithOptions(links, ctx.Done(), netlink.LinkSubscribeOptions{
		ErrorCallback: broken, ListExisting: true, ReceiveBufferSize: watchBuffer, ReceiveBufferForceSize: true})
	if err != nil {
		return fmt.Errorf("subscribe to links: %w", err)
	}
	err = netlink.NeighSubscribeWithOptions(neighbors, ctx.Done(), netlink.NeighSubscribeOptions{
		ErrorCallback: broken, ListExisting: true, ReceiveBufferSize: watchBuffer, ReceiveBufferForceSize: true})
	if err != nil {
		return fmt.Errorf("subscribe to neighbours: %w", err)
	}
	fd, err := ethtoolSocket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	senders, err := listenARP(ctx)
	if err != nil {
		return err
	}
	poll := time.NewTicker(carrierPoll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			k.pollCarrier(fd, f)
		case s := <-senders:
			f(event{arp: &s})
		case u, ok := <-links:
			if !ok {
				return nil
			}
			s := linkStateOf(u.Link)
			s.Gone = u.Header.Type == unix.RTM_DELLINK
			k.told(s)
			f(event{link: &s})
		case u, ok := <-neighbors:
			if !ok {
				return nil
			}
			if s, ok := neighborStateOf(u); ok {
				f(event{neighbor: &s})
			}
		}
	}
}

// carrierPoll is how often the ports' carriers are read: the kernel tells of changes at most once a second.
const carrierPoll = 50 * time.Millisecond

// told notes the newest state of a port.
func (k *kernel) told(s linkState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, ok := k.ports[s.Name]; ok && (old.Index == s.Index || !s.Gone) {
		k.ports[s.Name] = s
	}
}

// pollCarrier tells of ports whose carrier is another than was told last.
func (k *kernel) pollCarrier(fd int, f func(event)) {
	var changed []linkState
	k.mu.Lock()
	for name, s := range k.ports {
		v := ethtoolValue{cmd: ethtoolLink}
		if s.Gone || !s.Up || ethtool(fd, name, &v) != nil || s.Carrier == (v.data != 0) {
			continue
		}
		s.Carrier = v.data != 0
		k.ports[name] = s
		changed = append(changed, s)
	}
	k.mu.Unlock()
	for i := range changed {
		f(event{link: &changed[i]})
	}
}

// valid are the states in which the kernel would send to the MAC; STALE is one: it is checked by use.
const valid = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT

func neighborStateOf(u netlink.NeighUpdate) (neighborState, bool) {
	addr, ok := netip.AddrFromSlice(u.IP)
	if !ok || u.Family != netlink.FAMILY_V4 && u.Family != netlink.FAMILY_V6 || addr.IsMulticast() {
		return neighborState{}, false
	}
	s := neighborState{Index: u.LinkIndex, Addr: addr.Unmap(), Gone: u.Type == unix.RTM_DELNEIGH}
	if !s.Gone && u.State&valid != 0 && len(u.HardwareAddr) == 6 {
		s.MAC = u.HardwareAddr
	}
	return s, true
}

// extManaged is NTF_EXT_MANAGED: the kernel (5.16 and later) keeps the entry resolved by itself.
const extManaged = 1

// Resolve implements host.
func (k *kernel) Resolve(ifindex int, addr netip.Addr) error {
	n := neighbor(ifindex, addr)
	n.State, n.FlagsExt = netlink.NUD_NONE, extManaged
	err := k.nl.NeighAdd(n)
	if errors.Is(err, unix.EEXIST) {
		err = k.nl.NeighSet(n)
	}
	if err != nil { // an older kernel: at least ask once
		n.FlagsExt, n.Flags = 0, netlink.NTF_USE
		err = k.nl.NeighSet(n)
	}
	if err != nil {
		return fmt.Errorf("resolve %v on interface %d: %w", addr, ifindex, err)
	}
	return nil
}

// SetNeighbor implements host.
func (k *kernel) SetNeighbor(ifindex int, addr netip.Addr, mac net.HardwareAddr) error {
	n := neighbor(ifindex, addr)
	n.State, n.HardwareAddr = netlink.NUD_PERMANENT, mac
	if err := k.nl.NeighSet(n); err != nil {
		return fmt.Errorf("set neighbour %v on interface %d: %w", addr, ifindex, err)
	}
	return nil
}

// Forget implements host.
func (k *kernel) Forget(ifindex int, addr netip.Addr) error {
	err := k.nl.NeighDel(neighbor(ifindex, addr))
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("delete neighbour %v of interface %d: %w", addr, ifindex, err)
	}
	return nil
}

func neighbor(ifindex int, addr netip.Addr) *netlink.Neigh {
	n := &netlink.Neigh{LinkIndex: ifindex, IP: addr.AsSlice(), Family: netlink.FAMILY_V4}
	if addr.Is6() {
		n.Family = netlink.FAMILY_V6
	}
	return n
}

// NextHop implements host.
func (k *kernel) NextHop(addr netip.Addr) (int, netip.Addr, error) {
	rs, err := k.nl.RouteGet(addr.AsSlice())
	if err != nil {
		return 0, netip.Addr{}, fmt.Errorf("route to %v: %w", addr, err)
	}
	if len(rs) == 0 {
		return 0, netip.Addr{}, fmt.Errorf("route to %v: none", addr)
	}
	if gw, ok := netip.AddrFromSlice(rs[0].Gw); ok && !gw.IsUnspecified() {
		return rs[0].LinkIndex, gw.Unmap(), nil
	}
	return rs[0].LinkIndex, addr, nil
}
