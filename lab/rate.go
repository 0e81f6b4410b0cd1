package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Sizes of the rate probe: with 1,400 bytes of payload a frame has 42 more (Ethernet, IPv4, UDP), as a policer without tags counts them.
const (
	ratePayload  = 1400
	rateOverhead = 42
	ratePort     = 21000
	rateFlows    = 64
	rateWarmup   = 1500 * time.Millisecond
)

// rate offers UDP at a rate and counts what arrives, at the receiver.
func (l *Lab) rate(ctx context.Context, p Rate) (string, error) {
	if p.Flows == 0 {
		p.Flows = rateFlows
	}
	if p.Paths == 0 {
		p.Paths = 1
	}
	if p.Tolerance == 0 {
		p.Tolerance = 0.05
	}
	if p.For == 0 {
		p.For = 3 * time.Second
	}
	if p.Path == "" {
		p.Path = p.From + " → " + p.To
	}
	r, err := l.offer(ctx, p)
	if err != nil {
		return "", err
	}
	if p.Iperf3 {
		if r.Iperf3BPS, err = l.iperf3(ctx, p); err != nil {
			return "", fmt.Errorf("cross-check: %w", err)
		}
	}
	l.report.add(func() { l.report.Rates = append(l.report.Rates, r) })
	text := fmt.Sprintf("%.1f Mbit/s of %.1f offered arrive; the limit is %d × %d", r.MeasuredBPS/1e6, r.OfferedBPS/1e6, p.Paths, p.Limit)
	if p.Iperf3 {
		text += fmt.Sprintf("; iperf3 counts %.1f", r.Iperf3BPS/1e6)
	}
	want := float64(p.Limit*p.Paths) * 1e6
	if math.Abs(r.MeasuredBPS-want) > want*p.Tolerance {
		return "", fmt.Errorf("%s: more than %.0f %% off", text, p.Tolerance*100)
	}
	return text, nil
}

// offer sends for a warm-up (the bucket's burst passes) and p.For, and measures the second part.
func (l *Lab) offer(ctx context.Context, p Rate) (RateReport, error) {
	dst, err := l.address(p.To)
	if err != nil {
		return RateReport{}, err
	}
	src, err := l.address(p.From)
	if err != nil {
		return RateReport{}, err
	}
	rx, err := l.listenUDP(p.To, netip.AddrPortFrom(dst, ratePort))
	if err != nil {
		return RateReport{}, err
	}
	if err := bigBuffer(rx); err != nil {
		return RateReport{}, err
	}
	tx, err := l.rateSenders(p, src)
	if err != nil {
		return RateReport{}, err
	}
	var got, sent atomic.Int64
	var wg sync.WaitGroup
	sctx, cancel := context.WithCancel(ctx)
	wg.Go(func() { countBytes(rx, &got) })
	wg.Go(func() { pump(sctx, tx, netip.AddrPortFrom(dst, ratePort), float64(p.Offered)*1e6, &sent) })
	err = pause(ctx, rateWarmup)
	g0, s0, t0 := got.Load(), sent.Load(), time.Now()
	if err == nil {
		err = pause(ctx, p.For)
	}
	g1, s1, took := got.Load(), sent.Load(), time.Since(t0).Seconds()
	cancel()
	rx.Close()
	wg.Wait()
	for _, c := range tx {
		c.Close()
	}
	r := RateReport{Path: p.Path, LimitBPS: float64(p.Limit*p.Paths) * 1e6, MeasuredBPS: float64(g1-g0) * 8 / took, OfferedBPS: float64(s1-s0) * 8 / took}
	r.DroppedBPS = max(0, r.OfferedBPS-r.MeasuredBPS)
	return r, err
}

func (l *Lab) rateSenders(p Rate, src netip.Addr) ([]*net.UDPConn, error) {
	var tx []*net.UDPConn
	err := in(l.ns(p.From), func() error {
		for f := range p.Flows {
			c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, uint16(ratePort+1+f))))
			if err != nil {
				return err
			}
			tx = append(tx, c)
		}
		return nil
	})
	if err != nil {
		for _, c := range tx {
			c.Close()
		}
		return nil, fmt.Errorf("send from %s: %w", p.From, err)
	}
	return tx, nil
}

// bigBuffer lets the receiver miss nothing while this process is not scheduled.
func bigBuffer(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		serr = syscall.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20)
	})
	if err != nil {
		return err
	}
	return serr
}

func countBytes(c *net.UDPConn, got *atomic.Int64) {
	buf := make([]byte, 2048)
	for {
		n, _, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		got.Add(int64(n + rateOverhead))
	}
}

// pump sends at bits per second, in steps of about a millisecond, over all sockets in turn.
func pump(ctx context.Context, tx []*net.UDPConn, dst netip.AddrPort, bps float64, sent *atomic.Int64) {
	buf := make([]byte, ratePayload)
	frame := ratePayload + rateOverhead
	perSecond := bps / 8 / float64(frame)
	began := time.Now()
	for n := 0; ctx.Err() == nil; {
		due := int(time.Since(began).Seconds() * perSecond)
		if due-n > int(perSecond/20) {
			n = due - int(perSecond/20) // a pause of this process is not made up for with a burst
		}
		for ; n < due; n++ {
			_, _ = tx[n%len(tx)].WriteToUDPAddrPort(buf, dst)
			sent.Add(int64(frame))
		}
		time.Sleep(time.Millisecond)
	}
}

// iperf3 measures the same with iperf3; its result is of UDP payload and scaled to frames.
func (l *Lab) iperf3(ctx context.Context, p Rate) (float64, error) {
	dst, err := l.address(p.To)
	if err != nil {
		return 0, err
	}
	sctx, stop := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_, _ = run(sctx, l.ns(p.To), "iperf3", "-s", "-1", "-B", dst.String())
	}()
	defer func() { stop(); <-served }()
	const streams = 16
	var out string
	err = poll(ctx, 5*time.Second, 200*time.Millisecond, func() (err error) {
		out, err = run(ctx, l.ns(p.From), "iperf3", "-c", dst.String(), "-u", "-J", "-P", strconv.Itoa(streams), "-l", strconv.Itoa(ratePayload),
			"-b", fmt.Sprintf("%d", p.Offered*1_000_000/streams), "-t", strconv.Itoa(int(max(p.For, 2*time.Second)/time.Second)), "-O", "1")
		return err
	})
	if err != nil {
		return 0, err
	}
	var doc struct {
		End struct {
			SumReceived struct {
				BitsPerSecond float64 `json:"bits_per_second"`
			} `json:"sum_received"`
			Sum struct {
				BitsPerSecond float64 `json:"bits_per_second"`
				LostPercent   float64 `json:"lost_percent"`
			} `json:"sum"`
		} `json:"end"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		return 0, fmt.Errorf("read iperf3's report: %w", err)
	}
	bps := doc.End.SumReceived.BitsPerSecond
	if bps == 0 {
		bps = doc.End.Sum.BitsPerSecond * (1 - doc.End.Sum.LostPercent/100)
	}
	return bps * (ratePayload + rateOverhead) / ratePayload, nil
}
