package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// address is the address packets to a place carry: a host's, a router's on its LAN, a booted machine's; or the address itself.
func (l *Lab) address(place string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(place); err == nil {
		return a, nil
	}
	if h, ok := l.World.host(place); ok {
		return h.Address.Addr(), nil
	}
	if r, ok := l.World.router(place); ok {
		return r.Address.Addr(), nil
	}
	if b, ok := l.state.get().Machines[place]; ok {
		return b.Address, nil
	}
	return netip.Addr{}, fmt.Errorf("%s has no address (is it a machine that was not booted?)", place)
}

// ping sends echoes from one place to another, and back.
func (l *Lab) ping(ctx context.Context, p Ping) (string, error) {
	if p.Within > 0 {
		err := poll(ctx, p.Within, 20*time.Millisecond, func() error {
			r, err := l.echo(ctx, p, p.From, p.To, 1, 200*time.Millisecond)
			if err == nil && r.Received == 0 {
				err = fmt.Errorf("no answer from %s", p.To)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	ways := [][2]string{{p.From, p.To}}
	if !p.OneWay && !isAddr(p.To) {
		ways = append(ways, [2]string{p.To, p.From})
	}
	count := p.Count
	if count == 0 {
		count = 5
	}
	var texts []string
	var errs []error
	for _, w := range ways {
		r, err := l.echo(ctx, p, w[0], w[1], count, time.Second)
		if err != nil {
			return "", err
		}
		l.report.add(func() { l.report.Pings = append(l.report.Pings, r.PingReport) })
		texts = append(texts, fmt.Sprintf("%s → %s %d/%d%s", r.From, r.To, r.Received, r.Sent, ifText(" in ", r.rtt, " ms")))
		if r.Received != r.Sent || r.Sent == 0 {
			errs = append(errs, fmt.Errorf("ping from %s to %s: %d of %d answered", r.From, r.To, r.Received, r.Sent))
		}
	}
	return strings.Join(texts, ", "), errors.Join(errs...)
}

type echoResult struct {
	PingReport
	rtt string // average, ms
}

var (
	pingCounts = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)
	pingTimes  = regexp.MustCompile(`= [\d.]+/([\d.]+)/`)
)

// echo runs ping once.
func (l *Lab) echo(ctx context.Context, p Ping, from, to string, count int, wait time.Duration) (echoResult, error) {
	dst, err := l.address(to)
	if err != nil {
		return echoResult{}, err
	}
	argv := []string{"ping", "-n", "-q", "-c", strconv.Itoa(count), "-i", "0.05", "-W", fmt.Sprintf("%.1f", wait.Seconds())}
	if p.Size > 0 {
		argv = append(argv, "-s", strconv.Itoa(p.Size))
	}
	if p.DF {
		argv = append(argv, "-M", "do")
	}
	if src, err := l.address(from); err == nil {
		argv = append(argv, "-I", src.String())
	}
	out, runErr := run(ctx, l.ns(from), append(argv, dst.String())...)
	m := pingCounts.FindStringSubmatch(out)
	if m == nil {
		return echoResult{}, fmt.Errorf("ping from %s to %s: %w", from, to, runErr)
	}
	r := echoResult{PingReport: PingReport{From: from, To: to}}
	r.Sent, _ = strconv.Atoi(m[1])
	r.Received, _ = strconv.Atoi(m[2])
	if t := pingTimes.FindStringSubmatch(out); t != nil {
		r.rtt = t[1]
	}
	return r, nil
}

var tracerouteHop = regexp.MustCompile(`^\s*\d+\s+(\S+)`)

// traceroute must show the wanted hops in order.
func (l *Lab) traceroute(ctx context.Context, t Traceroute) (string, error) {
	dst, err := l.address(t.To)
	if err != nil {
		return "", err
	}
	out, err := run(ctx, l.ns(t.From), "traceroute", "-n", "-w", "1", "-q", "1", "-m", "12", dst.String())
	if err != nil {
		return "", err
	}
	var seen []string
	for _, line := range strings.Split(out, "\n") {
		if m := tracerouteHop.FindStringSubmatch(line); m != nil {
			seen = append(seen, m[1])
		}
	}
	path := strings.Join(seen, " → ")
	i := 0
	for _, hop := range seen {
		if i < len(t.Hops) && hopMatches(t.Hops[i], hop) {
			i++
		}
	}
	if i < len(t.Hops) {
		return "", fmt.Errorf("hop %s is missing in %s", t.Hops[i], path)
	}
	if len(seen) == 0 || seen[len(seen)-1] != dst.String() {
		return "", fmt.Errorf("it does not reach %s: %s", dst, path)
	}
	return path, nil
}

// hopMatches reads "a|b" as either.
func hopMatches(want, hop string) bool {
	for w := range strings.SplitSeq(want, "|") {
		if w == hop {
			return true
		}
	}
	return false
}

// isolated sends echoes and datagrams that must not arrive. The receiver listens where the datagrams are meant for, so that one that came
// through would be seen even though nothing answers.
func (l *Lab) isolated(ctx context.Context, p Isolated) (string, error) {
	dst, err := l.address(p.To)
	if err != nil {
		return "", err
	}
	arrived := make(chan string, 1)
	if !isAddr(p.To) {
		c, err := l.listenUDP(p.To, netip.AddrPortFrom(dst, streamPort-1))
		if err != nil {
			return "", err
		}
		defer c.Close()
		mark := []byte(l.state.get().Mark + p.From)
		go func() {
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
		}()
		if err := l.sendUDP(p.From, netip.AddrPortFrom(dst, streamPort-1), mark, 10); err != nil && !isNoRoute(err) {
			return "", err
		}
	}
	r, err := l.echo(ctx, Ping{}, p.From, p.To, 3, 300*time.Millisecond)
	if err == nil && r.Received > 0 {
		// With overlapping addresses somebody else may answer; the datagrams decide where the address is a place's own.
		if isAddr(p.To) || l.uniqueAddress(dst) {
			return "", fmt.Errorf("%s answered %s", p.To, p.From)
		}
	}
	select {
	case from := <-arrived:
		return "", fmt.Errorf("a datagram of %s (%s) arrived at %s", p.From, from, p.To)
	case <-time.After(300 * time.Millisecond):
	}
	return fmt.Sprintf("nothing of %s arrives at %s", p.From, p.To), nil
}

// uniqueAddress reports whether only one place of the world has the address.
func (l *Lab) uniqueAddress(a netip.Addr) bool {
	n := 0
	for _, h := range l.World.Hosts {
		if h.Address.Addr() == a {
			n++
		}
	}
	for _, b := range l.state.get().Machines {
		if b.Address == a {
			n++
		}
	}
	return n == 1
}

func isNoRoute(err error) bool {
	var se *os.SyscallError
	return errors.As(err, &se)
}

// listenUDP opens a UDP socket in a place.
func (l *Lab) listenUDP(place string, at netip.AddrPort) (*net.UDPConn, error) {
	var c *net.UDPConn
	err := in(l.ns(place), func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", place, err)
	}
	return c, nil
}

// sendUDP sends one datagram several times from a place, from different ports.
func (l *Lab) sendUDP(place string, to netip.AddrPort, b []byte, count int) error {
	return in(l.ns(place), func() error {
		for range count {
			c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
			if err != nil {
				return err
			}
			_, _ = c.Write(b) // unreachable is as good an answer as silence
			c.Close()
		}
		return nil
	})
}
