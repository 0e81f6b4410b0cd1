package fib

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestIsolationDevices sends frames over real veths and sees by which device they leave: a test run of a program cannot tell that. Every
// tenant's control packets must come out at its own punt device, and what goes through at the port.
func TestIsolationDevices(t *testing.T) {
	isolate(t)
	pair := edgePair(t)
	e := pair[0]
	for _, dev := range []string{"pe0x", "ul0x"} { // a veth takes redirected frames where its peer runs XDP
		if _, err := AttachPass(deviceIndex(t, dev), pins(t, "isolation-"+dev)); err != nil {
			t.Fatal(err)
		}
	}
	tap := openTap(t)
	for i := range tenants {
		cust := tenantOf(i)
		mark := []byte(fmt.Sprintf("tenant %02d.", i))
		bgp := frame{dst: macOwn, src: customerMAC(0, i), stag: cust.stag, ctag: cust.ctag, from: e.peer, to: e.own, proto: 6, sport: 50000, dport: 179, size: 40}
		through := bgp
		through.to, through.from = "10.20.0.4", "10.1.0.4"
		arp := bgp
		arp.etherType, arp.raw = 0x0806, make([]byte, 28)
		tun := frame{dst: macOwn, src: macPeer, from: "172.16.0.2", to: "172.16.0.1", proto: 6, sport: 179, dport: 40000, size: 40}
		v := vxlan{dst: macFab, src: gatewayMAC(cust.gateway), from: cust.gateway.String(), to: e.vtep.String(), vni: cust.vni}
		for _, c := range []struct {
			name, send, arrive string
			data               []byte
		}{
			{"BGP", "pe0x", fmt.Sprintf("e0c%dx", i), append(bgp.bytes(), mark...)},
			{"ARP", "pe0x", fmt.Sprintf("e0c%dx", i), append(arp.bytes(), mark...)},
			{"a packet to the cloud", "pe0x", "ul0x", through.bytes()},
			{"BGP of the gateway", "ul0x", fmt.Sprintf("e0v%dx", i), v.bytes(tun.bytes())},
		} {
			tap.drain()
			if err := tap.send(c.send, c.data); err != nil {
				t.Fatal(err)
			}
			dev, got, err := tap.next(c.send)
			if err != nil || dev != c.arrive {
				t.Errorf("%s of tenant %d leaves by %q, want %q: %v", c.name, i, dev, c.arrive, err)
			}
			if dev == "ul0x" {
				if book, _, err := e.where(got); book != tenants+i || err != nil {
					t.Errorf("%s of tenant %d is in the tunnel of book %d: %v", c.name, i, book, err)
				}
			} else if !bytes.Equal(got[:6], macOwn) {
				t.Errorf("%s of tenant %d arrives with MAC %x", c.name, i, got[:6])
			}
		}
	}
}

func deviceIndex(t *testing.T, name string) int {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return i.Index
}

// tap sees what arrives on any device of the namespace.
type tap struct {
	fd    int
	buf   []byte
	index map[string]int
	name  map[int]string
}

func openTap(t *testing.T) *tap {
	t.Helper()
	const protocols = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocols)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	tv := unix.NsecToTimeval(int64(2 * time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{fd: fd, buf: make([]byte, 4096), index: map[string]int{}, name: map[int]string{}}
	for _, i := range all {
		p.index[i.Name], p.name[i.Index] = i.Index, i.Name
	}
	return p
}

func (p *tap) send(dev string, data []byte) error {
	return unix.Sendto(p.fd, data, 0, &unix.SockaddrLinklayer{Ifindex: p.index[dev]})
}

// next is the first frame that arrives on the far end of a veth; what the test sends itself is not that.
func (p *tap) next(sent string) (dev string, data []byte, err error) {
	for {
		n, from, err := unix.Recvfrom(p.fd, p.buf, 0)
		if err != nil {
			return "", nil, err
		}
		l, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			return "", nil, errors.New("no link address")
		}
		if l.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if name := p.name[l.Ifindex]; name != sent {
			return name, p.buf[:n], nil
		}
	}
}

func (p *tap) drain() {
	for {
		if _, _, err := unix.Recvfrom(p.fd, p.buf, unix.MSG_DONTWAIT); err != nil {
			return
		}
	}
}
