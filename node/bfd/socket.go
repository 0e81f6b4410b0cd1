package bfd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The numbers of RFC 5881 §4 and §5.
const (
	controlPort    = 3784
	firstPort      = 49152
	ports          = 65536 - firstPort
	neighborTTL    = 255
	trafficClass   = 6 << 5 // CS6
	portAttempts   = 64
	receiveBufSize = 1 << 20
)

// openUDP opens a UDP socket on a device that does not block.
func openUDP(device string, v6 bool) (int, error) {
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open socket: %w", err)
	}
	if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device); err != nil {
		return -1, errors.Join(fmt.Errorf("bind to %s: %w", device, err), unix.Close(fd))
	}
	return fd, nil
}

// option is a socket option with an integer value.
type option struct{ level, name, value int }

func setOptions(fd int, os []option) error {
	for _, o := range os {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("set socket option %d/%d: %w", o.level, o.name, err)
		}
	}
	return nil
}

// openReceiver opens the socket that gets a device's control packets of one family, with their TTL and destination.
func openReceiver(device string, v6 bool) (int, error) {
	fd, err := openUDP(device, v6)
	if err != nil {
		return -1, err
	}
	var at unix.Sockaddr = &unix.SockaddrInet4{Port: controlPort}
	opts := []option{{unix.IPPROTO_IP, unix.IP_RECVTTL, 1}, {unix.IPPROTO_IP, unix.IP_PKTINFO, 1}}
	if v6 {
		at = &unix.SockaddrInet6{Port: controlPort}
		opts = []option{{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1}, {unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
			{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1}}
	}
	opts = append(opts, option{unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBufSize})
	if err := setOptions(fd, opts); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	if err := unix.Bind(fd, at); err != nil {
		return -1, errors.Join(fmt.Errorf("bind to port %d of %s: %w", controlPort, device, err), unix.Close(fd))
	}
	return fd, nil
}

// openSender opens the socket that sends a session's packets, from a port of its own.
func openSender(s Session, random func(n int) int) (int, error) {
	v6 := s.Local.Is6()
	fd, err := openUDP(s.Device, v6)
	if err != nil {
		return -1, err
	}
	opts := []option{{unix.IPPROTO_IP, unix.IP_TTL, neighborTTL}, {unix.IPPROTO_IP, unix.IP_TOS, trafficClass}}
	if v6 {
		opts = []option{{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, neighborTTL}, {unix.IPPROTO_IPV6, unix.IPV6_TCLASS, trafficClass}}
	}
	opts = append(opts, option{unix.SOL_SOCKET, unix.SO_RCVBUF, 0}) // nothing is read from it
	if err := setOptions(fd, opts); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	for range portAttempts {
		err = unix.Bind(fd, sockaddr(s.Local, uint16(firstPort+random(ports)), s.Device))
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("bind to %v of %s: %w", s.Local, s.Device, err), unix.Close(fd))
	}
	return fd, nil
}

// sockaddr is an address as the kernel wants it; link-local ones with the device.
func sockaddr(a netip.Addr, port uint16, device string) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: a.As4()}
	}
	s := &unix.SockaddrInet6{Port: int(port), Addr: a.As16()}
	if a.IsLinkLocalUnicast() {
		s.ZoneId = uint32(deviceIndex(device))
	}
	return s
}

// deviceIndex is the interface's index; 0 where there is none.
func deviceIndex(device string) int {
	r, err := unix.NewIfreq(device)
	if err != nil {
		return 0
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r); err != nil {
		return 0
	}
	return int(r.Uint32())
}

// datagram is a received packet; its room is used again for the next.
type datagram struct {
	from, to netip.Addr
	ttl      int // -1: the kernel did not say
	payload  []byte

	name    unix.RawSockaddrInet6 // the larger of the two kinds
	control [128]byte
	data    [128]byte // what is longer than a control packet may be does not matter
	iov     unix.Iovec
	msg     unix.Msghdr
}

// receive reads one packet of a socket; false: there is none. It does not allocate.
func (d *datagram) receive(fd int) bool {
	for {
		d.iov.Base = &d.data[0]
		d.iov.SetLen(len(d.data))
		d.msg = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&d.name)), Namelen: unix.SizeofSockaddrInet6, Iov: &d.iov, Control: &d.control[0]}
		d.msg.SetIovlen(1)
		d.msg.SetControllen(len(d.control))
		n, _, e := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.msg)), unix.MSG_DONTWAIT)
		switch e {
		case 0:
			d.payload = d.data[:n]
			d.sender()
			d.ancillary()
			return true
		case unix.EINTR:
		default:
			return false
		}
	}
}

func (d *datagram) sender() {
	if d.name.Family == unix.AF_INET {
		d.from = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&d.name)).Addr)
		return
	}
	d.from = netip.AddrFrom16(d.name.Addr)
}

// ancillary reads the TTL and the destination from the control messages.
func (d *datagram) ancillary() {
	d.ttl, d.to = -1, netip.Addr{}
	const head = unix.SizeofCmsghdr
	for b := d.control[:min(int(d.msg.Controllen), len(d.control))]; len(b) >= head; {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < head || n > len(b) {
			return
		}
		body := b[head:n]
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TTL && len(body) >= 4,
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_HOPLIMIT && len(body) >= 4:
			d.ttl = int(int32(binary.NativeEndian.Uint32(body)))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(body) >= unix.SizeofInet4Pktinfo:
			d.to = netip.AddrFrom4([4]byte(body[8:12])) // ipi_addr
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(body) >= unix.SizeofInet6Pktinfo:
			d.to = netip.AddrFrom16([16]byte(body[:16]))
		}
		b = b[min(unix.CmsgSpace(n-head), len(b)):]
	}
}
