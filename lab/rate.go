package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
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

// Rounds of a measurement: one counts when the sender was never held up for long and offered nearly all it should, because a limit can only
// be seen while more than it is offered. The result is the median of the rounds that count.
const (
	roundTime   = 500 * time.Millisecond
	roundsMax   = 60
	heldUp      = 15 * time.Millisecond
	nearlyAll   = 0.97
	busyMachine = "this machine is too busy to offer %d Mbit/s steadily: only %d of %d rounds count, %d are needed"
)

// round is one part of a measurement.
type round struct{ measured, offered float64 }

// offer sends for a warm-up (the bucket's burst passes), then measures in rounds, as many as fit in p.For once they count.
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
	var got atomic.Int64
	var wg sync.WaitGroup
	sctx, cancel := context.WithCancel(ctx)
	f := &offering{tx: tx, dst: netip.AddrPortFrom(dst, ratePort), bps: float64(p.Offered) * 1e6}
	wg.Go(func() { countBytes(rx, &got) })
	wg.Go(func() { f.pump(sctx) })
	rounds, err := measure(ctx, p, f, &got)
	cancel()
	rx.Close()
	wg.Wait()
	for _, c := range tx {
		c.Close()
	}
	if err != nil {
		return RateReport{}, err
	}
	r := RateReport{Path: p.Path, LimitBPS: float64(p.Limit*p.Paths) * 1e6, Rounds: len(rounds)}
	r.MeasuredBPS = median(rounds, func(x round) float64 { return x.measured })
	r.OfferedBPS = median(rounds, func(x round) float64 { return x.offered })
	r.DroppedBPS = max(0, r.OfferedBPS-r.MeasuredBPS)
	return r, nil
}

// measure takes rounds until enough count.
func measure(ctx context.Context, p Rate, f *offering, got *atomic.Int64) ([]round, error) {
	if err := pause(ctx, rateWarmup); err != nil {
		return nil, err
	}
	need := max(1, int(p.For/roundTime))
	var good []round
	for n := range roundsMax {
		g0, s0, t0 := got.Load(), f.sent.Load(), time.Now()
		f.gap.Store(0)
		if err := pause(ctx, roundTime); err != nil {
			return nil, err
		}
		g1, s1, took := got.Load(), f.sent.Load(), time.Since(t0).Seconds()
		x := round{float64(g1-g0) * 8 / took, float64(s1-s0) * 8 / took}
		if time.Duration(f.gap.Load()) < heldUp && x.offered >= f.bps*nearlyAll {
			good = append(good, x)
		}
		if len(good) == need {
			return good, nil
		}
		if n == roundsMax-1 {
			break
		}
	}
	return nil, fmt.Errorf(busyMachine, p.Offered, len(good), roundsMax, need)
}

// median of one value of the rounds.
func median(rs []round, of func(round) float64) float64 {
	vs := make([]float64, len(rs))
	for i, r := range rs {
		vs[i] = of(r)
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
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

// offering is a sender at a rate.
type offering struct {
	tx  []*net.UDPConn
	dst netip.AddrPort
	bps float64

	sent atomic.Int64 // bytes of frames
	gap  atomic.Int64 // longest time between two steps, ns; the reader sets it back
}

// pump sends at bits per second, in steps of about a millisecond, over all sockets in turn.
func (f *offering) pump(ctx context.Context) {
	buf := make([]byte, ratePayload)
	frame := ratePayload + rateOverhead
	perSecond := f.bps / 8 / float64(frame)
	began := time.Now()
	last := began
	for n := 0; ctx.Err() == nil; {
		now := time.Now()
		f.gap.Store(max(f.gap.Load(), int64(now.Sub(last))))
		last = now
		due := int(now.Sub(began).Seconds() * perSecond)
		if due-n > int(perSecond/20) {
			n = due - int(perSecond/20) // a pause of this process is not made up for with a burst
		}
		for ; n < due; n++ {
			_, _ = f.tx[n%len(f.tx)].WriteToUDPAddrPort(buf, f.dst)
			f.sent.Add(int64(frame))
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
