package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sendStep puts crafted frames on a port. None may arrive, and the drop must be counted under its reason where the step names one.
func (l *Lab) sendStep(ctx context.Context, as string, s Send) (string, error) {
	if s.Count == 0 {
		s.Count = 10
	}
	dst, err := l.address(s.To)
	if err != nil {
		return "", err
	}
	var before uint64
	if s.Reason != "" {
		if before, err = l.dropCount(ctx, as, s.Node, s.Reason); err != nil {
			return "", err
		}
	}
	mark := []byte(fmt.Sprintf("%s send %d", l.state.get().Mark, rand.Uint64()))
	arrived := make(chan string, 1)
	if !isAddr(s.To) {
		c, err := l.listenUDP(s.To, netip.AddrPortFrom(dst, streamPort-2))
		if err != nil {
			return "", err
		}
		defer c.Close()
		go watchFor(c, mark, arrived)
	}
	if err := l.sendFrames(ctx, s, dst, mark); err != nil {
		return "", err
	}
	select {
	case from := <-arrived:
		return "", fmt.Errorf("a frame that must be dropped arrived at %s (source %s)", s.To, from)
	case <-time.After(300 * time.Millisecond):
	}
	if s.Reason == "" {
		return fmt.Sprintf("%d frames sent, none arrives", s.Count), nil
	}
	return l.awaitDrops(ctx, as, s, before)
}

// awaitDrops waits until the node's report shows the drops.
func (l *Lab) awaitDrops(ctx context.Context, as string, s Send, before uint64) (string, error) {
	var after uint64
	err := poll(ctx, 15*time.Second, 200*time.Millisecond, func() (err error) {
		after, err = l.dropCount(ctx, as, s.Node, s.Reason)
		if err == nil && after < before+uint64(s.Count) {
			err = fmt.Errorf("%s counts %d more drops for %s, expected %d", s.Node, after-before, s.Reason, s.Count)
		}
		return err
	})
	return fmt.Sprintf("%d frames sent, %s counts %d dropped: %s", s.Count, s.Node, after-before, s.Reason), err
}

func watchFor(c *net.UDPConn, mark []byte, arrived chan<- string) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if string(buf[:n]) == string(mark) {
			arrived <- from.String()
			return
		}
	}
}

// sendFrames writes the frames with a packet socket in the place.
func (l *Lab) sendFrames(ctx context.Context, s Send, dst netip.Addr, payload []byte) error {
	src := s.Source
	if !src.IsValid() {
		a, err := l.address(s.From)
		if err != nil {
			return err
		}
		src = a
	}
	to := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if s.Via.IsValid() {
		mac, err := l.neighbourMAC(ctx, s.From, s.Via)
		if err != nil {
			return err
		}
		to = mac
	}
	tags := make([]uint16, len(s.Tags))
	for i, t := range s.Tags {
		n, err := strconv.ParseUint(l.expand(t), 10, 12)
		if err != nil {
			return fmt.Errorf("tag %q: %w", t, err)
		}
		tags[i] = uint16(n)
	}
	return in(l.ns(s.From), func() error {
		ifi, err := net.InterfaceByName(s.Port)
		if err != nil {
			return fmt.Errorf("port %s of %s: %w", s.Port, s.From, err)
		}
		frame := craft(ifi.HardwareAddr, to, tags, src, dst, payload)
		if s.Cut > 0 && s.Cut < len(frame) {
			frame = frame[:s.Cut]
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		defer unix.Close(fd)
		for range s.Count {
			if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
				return fmt.Errorf("send on %s/%s: %w", s.From, s.Port, err)
			}
		}
		return nil
	})
}

// craft builds an Ethernet frame with tags (0x8100), IPv4 and UDP.
func craft(from, to net.HardwareAddr, tags []uint16, src, dst netip.Addr, payload []byte) []byte {
	f := append(append([]byte{}, to...), from...)
	for _, t := range tags {
		f = binary.BigEndian.AppendUint16(f, 0x8100)
		f = binary.BigEndian.AppendUint16(f, t)
	}
	f = binary.BigEndian.AppendUint16(f, 0x0800)
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0}
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(payload)))
	ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	udp := binary.BigEndian.AppendUint16(nil, streamPort-2)
	udp = binary.BigEndian.AppendUint16(udp, streamPort-2)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(udp, 0, 0) // no checksum: allowed for UDP over IPv4
	return append(append(append(f, ip...), udp...), payload...)
}

// checksum is the internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// neighbourMAC resolves a neighbour of a place by sending it something.
func (l *Lab) neighbourMAC(ctx context.Context, place string, addr netip.Addr) (net.HardwareAddr, error) {
	var mac net.HardwareAddr
	err := poll(ctx, 3*time.Second, 50*time.Millisecond, func() error {
		if err := l.sendUDP(place, netip.AddrPortFrom(addr, 9), []byte("x"), 1); err != nil {
			return err
		}
		return in(l.ns(place), func() error {
			var err error
			mac, err = findNeighbour(addr)
			return err
		})
	})
	return mac, err
}

// dropCount reads a node's drops for one reason from the operator's view of the node.
func (l *Lab) dropCount(ctx context.Context, as, node, reason string) (uint64, error) {
	if as == "" {
		as = "operator"
	}
	doc, err := l.call(ctx, as, http.MethodGet, "", nodePath(node), nodeVersion, nil)
	if err != nil {
		return 0, fmt.Errorf("read the counters of %s: %w", node, shortError(err))
	}
	for _, at := range []string{"report.drops", "drops", "properties.report.drops", "properties.drops"} {
		v, err := lookup(doc, at)
		if err != nil {
			continue
		}
		list, _ := v.([]any)
		for _, e := range list {
			if r, err := lookup(e, "reason"); err == nil && text(r) == reason {
				n, err := lookup(e, "packets")
				if err != nil {
					return 0, err
				}
				f, _ := n.(float64)
				return uint64(f), nil
			}
		}
		return 0, nil
	}
	return 0, fmt.Errorf("the view of node %s shows no drops", node)
}

// garbage throws noise at a TCP port. The connection must end without an answer that is none of BGP's, and the port must still be there.
func (l *Lab) garbage(ctx context.Context, g GarbageStep) (string, error) {
	if g.Bytes == 0 {
		g.Bytes = 64 << 10
	}
	if g.Count == 0 {
		g.Count = 5
	}
	counts := map[string]int{}
	for i := range g.Count {
		outcome, err := l.garbageOnce(ctx, g, rand.New(rand.NewPCG(uint64(i), uint64(g.Bytes))))
		if err != nil {
			return "", err
		}
		counts[outcome]++
	}
	var text string
	for _, k := range sortedKeys(counts) {
		text += fmt.Sprintf("%s%d %s", ifText("", map[bool]string{true: ", "}[text != ""], ""), counts[k], k)
	}
	return text, nil
}

func (l *Lab) garbageOnce(ctx context.Context, g GarbageStep, noise *rand.Rand) (string, error) {
	d := net.Dialer{Timeout: 700 * time.Millisecond, Control: func(_, _ string, c syscall.RawConn) error {
		if g.Dev == "" {
			return nil
		}
		var serr error
		if err := c.Control(func(fd uintptr) { serr = unix.BindToDevice(int(fd), g.Dev) }); err != nil {
			return err
		}
		return serr
	}}
	d.SetMultipathTCP(false)
	var conn net.Conn
	err := in(l.ns(g.From), func() (err error) {
		conn, err = d.DialContext(ctx, "tcp4", g.To.String())
		return err
	})
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", nil
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable", nil
	case errors.Is(err, os.ErrDeadlineExceeded), err != nil && os.IsTimeout(err):
		return "unanswered", nil
	case err != nil:
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	b := make([]byte, g.Bytes)
	for i := range b {
		b[i] = byte(noise.Uint32())
	}
	_, _ = conn.Write(b) // closed in the middle is what is wanted
	if _, err := io.Copy(io.Discard, conn); os.IsTimeout(err) {
		return "left open", nil
	}
	return "closed", nil
}
