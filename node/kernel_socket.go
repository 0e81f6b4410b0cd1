package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"onramp/plan"
)

const bgpPort = 179

// Dial implements host.
func (k *kernel) Dial(ctx context.Context, device string, local, peer netip.Addr, key plan.Secret) (net.Conn, error) {
	d := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)),
		Control: control(func(fd int) error {
			if key != "" {
				if err := setKey(fd, peer, key); err != nil {
					return err
				}
			}
			return errors.Join(bindTo(fd, device), singleHop(fd, peer.Is6()))
		}),
	}
	d.SetMultipathTCP(false) // MPTCP breaks TCP-MD5
	c, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(peer, bgpPort).String())
	if err != nil {
		return nil, fmt.Errorf("connect to %v by %s: %w", peer, device, err)
	}
	return c, nil
}

// kernelListener is a listener with the keys of its peers.
type kernelListener struct{ *net.TCPListener }

// Listen implements host.
func (k *kernel) Listen(device string, local netip.Addr) (listener, error) {
	lc := net.ListenConfig{Control: control(func(fd int) error {
		return errors.Join(bindTo(fd, device), singleHop(fd, local.Is6()), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	})}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", netip.AddrPortFrom(local, bgpPort).String())
	if err != nil {
		return nil, fmt.Errorf("listen on %v of %s: %w", local, device, err)
	}
	return kernelListener{l.(*net.TCPListener)}, nil
}

// SetKey implements listener.
func (l kernelListener) SetKey(peer netip.Addr, key plan.Secret) error {
	rc, err := l.SyscallConn()
	if err != nil {
		return fmt.Errorf("set key: %w", err)
	}
	var opErr error
	if err := rc.Control(func(fd uintptr) { opErr = setKey(int(fd), peer, key) }); err != nil {
		return fmt.Errorf("set key: %w", err)
	}
	if key == "" && errors.Is(opErr, unix.ENOENT) {
		return nil // there was none
	}
	return opErr
}

func control(f func(fd int) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, rc syscall.RawConn) error {
		var opErr error
		if err := rc.Control(func(fd uintptr) { opErr = f(int(fd)) }); err != nil {
			return err
		}
		return opErr
	}
}

func bindTo(fd int, device string) error {
	if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device); err != nil {
		return fmt.Errorf("bind to %s: %w", device, err)
	}
	return nil
}

// singleHop sends with TTL 1: what leaves the link is lost (the peers are neighbours; RFC 4271 leaves it to the speaker).
func singleHop(fd int, v6 bool) error {
	if v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 1)
}

// tcpMD5 is struct tcp_md5sig (linux/tcp.h).
type tcpMD5 struct {
	addr      [128]byte
	flags     uint8
	prefixLen uint8
	keyLen    uint16
	ifindex   int32
	key       [80]byte
}

// setKey sets the TCP-MD5 key (RFC 2385) of the peer on a socket; "" removes it.
func setKey(fd int, peer netip.Addr, key plan.Secret) error {
	var m tcpMD5
	if peer.Is4() {
		binary.NativeEndian.PutUint16(m.addr[:], unix.AF_INET)
		copy(m.addr[4:8], peer.AsSlice())
	} else {
		binary.NativeEndian.PutUint16(m.addr[:], unix.AF_INET6)
		copy(m.addr[8:24], peer.AsSlice())
	}
	m.keyLen = uint16(copy(m.key[:], key))
	if int(m.keyLen) != len(key) {
		return fmt.Errorf("set TCP-MD5 key of %v: longer than 80 bytes", peer)
	}
	_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_MD5SIG, uintptr(unsafe.Pointer(&m)), unsafe.Sizeof(m), 0)
	if e != 0 && !(e == unix.ENOENT && key == "") {
		return fmt.Errorf("set TCP-MD5 key of %v: %w", peer, e)
	}
	return nil
}
