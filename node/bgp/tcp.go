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

// TCPOptions say where a connection to a peer comes from and how it is secured.
type TCPOptions struct {
	Device string         // bound to this interface, which makes equal addresses on other interfaces distinct; "": not bound
	Local  netip.AddrPort // port 0: any when dialing, 179 when listening
	Remote netip.AddrPort // port 0: 179; its address alone counts when listening with a Key
	Key    string         // TCP MD5 signature (RFC 2385), at most 80 bytes; "": none
	TTL    int            // of what is sent; 0: the system's
	MinTTL int            // of what is accepted (GTSM, RFC 5082); 0: any
}

// bgpPort is the port of BGP.
const bgpPort = 179

// DialTCP connects to the peer. MPTCP stays off, because the kernel refuses MD5 with it.
func DialTCP(ctx context.Context, o TCPOptions) (net.Conn, error) {
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

// Listener accepts connections of BGP peers.
type Listener struct {
	*net.TCPListener
}

// ListenTCP listens for peers. With a Key, Remote's packets must be signed with it and other peers' must not be signed; SetKey adds others.
func ListenTCP(ctx context.Context, o TCPOptions) (*Listener, error) {
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
	return &Listener{l.(*net.TCPListener)}, nil
}

// SetKey makes the packets of peer carry key from now on, or no key when it is "". Connections that exist are not touched.
func (l *Listener) SetKey(peer netip.Addr, key string) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return fmt.Errorf("set key of %s: %w", peer, err)
	}
	return control(raw, func(fd int) error {
		err := setMD5(fd, peer, key)
		if key == "" && errors.Is(err, unix.ENOENT) {
			return nil // there was none
		}
		return err
	})
}

func control(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// apply sets the options on a socket not yet connected or listening.
func (o TCPOptions) apply(raw syscall.RawConn) error {
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
		return o.applyTTL(fd)
	})
}

func (o TCPOptions) applyTTL(fd int) error {
	level, ttl, least := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_MINTTL
	if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && domain == unix.AF_INET6 {
		level, ttl, least = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT
	}
	if o.TTL > 0 {
		if err := unix.SetsockoptInt(fd, level, ttl, o.TTL); err != nil {
			return fmt.Errorf("set ttl %d: %w", o.TTL, err)
		}
	}
	if o.MinTTL > 0 {
		if err := unix.SetsockoptInt(fd, level, least, o.MinTTL); err != nil {
			return fmt.Errorf("set least ttl %d: %w", o.MinTTL, err)
		}
	}
	return nil
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
