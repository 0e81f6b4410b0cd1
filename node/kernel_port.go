package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"onramp/plan"
)

// SetPort implements host. The offloads of a veth go off: its other end may be another node's port.
func (k *kernel) SetPort(p portSpec) (linkState, error) {
	l, err := k.nl.LinkByName(p.Name)
	if err != nil {
		return linkState{}, fmt.Errorf("find interface: %w", err)
	}
	a := l.Attrs()
	if p.MTU != 0 && a.MTU != p.MTU {
		if err := k.nl.LinkSetMTU(l, p.MTU); err != nil {
			return linkState{}, fmt.Errorf("set MTU %d: %w", p.MTU, err)
		}
	}
	if l.Type() == "veth" {
		if err := offloadsOff(p.Name, ethtoolSetTSO, ethtoolSetGSO, ethtoolSetScatter); err != nil {
			return linkState{}, err
		}
	}
	if err := k.portAddresses(l, p.Addresses); err != nil {
		return linkState{}, err
	}
	if up := a.Flags&net.FlagUp != 0; up != p.Up {
		set := k.nl.LinkSetDown
		if p.Up {
			set = k.nl.LinkSetUp
		}
		if err := set(l); err != nil {
			return linkState{}, fmt.Errorf("set admin state: %w", err)
		}
	}
	if l, err = k.nl.LinkByIndex(a.Index); err != nil {
		return linkState{}, fmt.Errorf("find interface: %w", err)
	}
	s := linkStateOf(l)
	k.mu.Lock()
	k.ports[s.Name] = s
	k.mu.Unlock()
	return s, nil
}

// portAddresses adds the underlay's addresses; others are the operator's and stay. A port without any does no IPv6 of its own.
func (k *kernel) portAddresses(l netlink.Link, want []netip.Prefix) error {
	if len(want) == 0 {
		return setSysctl("ipv6/conf/"+l.Attrs().Name+"/disable_ipv6", "1")
	}
	if err := askOften(l.Attrs().Name); err != nil {
		return fmt.Errorf("set how often neighbours are asked for: %w", err)
	}
	have, err := k.nl.AddrList(l, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("list addresses: %w", err)
	}
	exists := map[string]bool{}
	for _, a := range have {
		exists[addrKey(&a)] = true
	}
	for _, p := range want {
		a := addressOf(plan.Address{Prefix: p})
		a.Flags &^= unix.IFA_F_NOPREFIXROUTE
		if exists[addrKey(a)] {
			continue
		}
		if err := k.nl.AddrAdd(l, a); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add underlay address %v: %w", p, err)
		}
	}
	return nil
}

func linkStateOf(l netlink.Link) linkState {
	a := l.Attrs()
	return linkState{
		Name: a.Name, Index: a.Index, MTU: a.MTU, MAC: a.HardwareAddr,
		Up: a.Flags&net.FlagUp != 0, Carrier: a.RawFlags&unix.IFF_LOWER_UP != 0,
	}
}

// Ethtool commands that switch off what would leave packets unfinished for the data path (linux/ethtool.h).
const (
	ethtoolSetTxChecksum = 0x17
	ethtoolSetScatter    = 0x19
	ethtoolSetTSO        = 0x1f
	ethtoolSetGSO        = 0x24
)

// ethtoolLink asks for the carrier.
const ethtoolLink = 0x0a

type ethtoolValue struct{ cmd, data uint32 }

type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte // struct ifreq is 40 bytes
}

// ethtool carries out one command on an interface; fd is any socket of the namespace.
func ethtool(fd int, name string, v *ethtoolValue) error {
	r := ifreqData{data: unsafe.Pointer(v)}
	copy(r.name[:unix.IFNAMSIZ-1], name)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r))); e != 0 {
		return fmt.Errorf("ethtool command %#x on %s: %w", v.cmd, name, e)
	}
	return nil
}

func ethtoolSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open ethtool socket: %w", err)
	}
	return fd, nil
}

// offloadsOff has every packet finished before it leaves: checksums here, and with them what builds on them.
func offloadsOff(name string, also ...uint32) error {
	fd, err := ethtoolSocket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, cmd := range append([]uint32{ethtoolSetTxChecksum}, also...) {
		if err := ethtool(fd, name, &ethtoolValue{cmd: cmd}); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("switch offloads off: %w", err)
		}
	}
	return nil
}
