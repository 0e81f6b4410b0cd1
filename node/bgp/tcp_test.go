package bgp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpOptions say where a connection to a peer comes from and how it is secured.
type tcpOptions struct {
	Device string         // bound to this interface, which makes equal addresses on other interfaces distinct; "": not bound
	Local  netip.AddrPort // port 0: any when dialing, 179 when listening
	Remote netip.AddrPort // port 0: 179; its address alone counts when listening with a Key
	Key    string         // TCP MD5 signature (RFC 2385), at most 80 bytes; "": none
}

// bgpPort is the port of BGP.
const bgpPort = 179

// dialTCP connects to the peer. MPTCP stays off, because the kernel refuses MD5 with it.
func dialTCP(ctx context.Context, o tcpOptions) (net.Conn, error) {
	d := net.Dialer{ControlContext: func(_ context.Context, _, _ string, raw syscall.RawConn) error { return o.apply(raw) }}
	d.SetMultipathTCP(false)
	if o.Local.Addr().IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(o.Local)
	}
	remote := o.Remote
	if remote.Port() == 0 {
		remote = netip.AddrPortFrom(remote.Addr(), bgpPort)
	}
	c, err := d.DialContext(ctx, "tcp", remote.String())
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", remote, err)
	}
	return c, nil
}

// listenTCP listens for peers. With a Key, Remote's packets must be signed with it and other peers' must not be signed.
func listenTCP(ctx context.Context, o tcpOptions) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return o.apply(raw) }}
	lc.SetMultipathTCP(false)
	local := o.Local
	if local.Port() == 0 {
		local = netip.AddrPortFrom(local.Addr(), bgpPort)
	}
	host := ""
	if local.Addr().IsValid() {
		host = local.Addr().String()
	}
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, fmt.Sprint(local.Port())))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", local, err)
	}
	return l, nil
}

func control(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// apply sets the options on a socket not yet connected or listening.
func (o tcpOptions) apply(raw syscall.RawConn) error {
	return control(raw, func(fd int) error {
		if o.Device != "" {
			if err := unix.BindToDevice(fd, o.Device); err != nil {
				return fmt.Errorf("bind to %s: %w", o.Device, err)
			}
		}
		if o.Key != "" {
			if err := setMD5(fd, o.Remote.Addr(), o.Key); err != nil {
				return fmt.Errorf("set md5 key of %s: %w", o.Remote.Addr(), err)
			}
		}
		return nil
	})
}

// setMD5 sets the key for one peer; an IPv4 peer on an IPv6 socket is meant in its mapped form.
func setMD5(fd int, peer netip.Addr, key string) error {
	if len(key) > unix.TCP_MD5SIG_MAXKEYLEN {
		return fmt.Errorf("key of %d bytes, at most %d allowed", len(key), unix.TCP_MD5SIG_MAXKEYLEN)
	}
	if !peer.IsValid() {
		return errors.New("a key needs the peer's address")
	}
	sig := unix.TCPMD5Sig{Keylen: uint16(len(key))}
	copy(sig.Key[:], key)
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return fmt.Errorf("address family of socket: %w", err)
	}
	if domain == unix.AF_INET6 {
		sig.Addr.Family = unix.AF_INET6
		a := peer.As16()
		copy(sig.Addr.Data[6:], a[:]) // after port and flow
	} else {
		sig.Addr.Family = unix.AF_INET
		a := peer.As4()
		copy(sig.Addr.Data[2:], a[:]) // after port
	}
	return unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig)
}
