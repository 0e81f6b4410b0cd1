package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Defaults of a Stream.
const (
	streamRate  = 1000
	streamFlows = 8
	streamPort  = 20000
	streamBytes = 100
)

// stream is a numbered UDP stream that runs in both directions between two places. Packets go round robin over flows (port pairs), so
// that several equal paths all carry some; each flow numbers its packets.
type stream struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	ways   [2]*oneWay
}

// oneWay is one direction.
type oneWay struct {
	from, to string
	src, dst netip.Addr
	flows    int
	rate     int

	tx []*net.UDPConn
	rx *net.UDPConn

	mu   sync.Mutex
	sent [][]int64 // by flow, by number: when, in ns since the stream began
	got  [][]bool
	last []int // by flow, the highest number seen
	late int   // arrived after a higher one
}

// startStream starts a stream; port keeps streams that run at the same time apart.
func (l *Lab) startStream(s Stream, port int) (*stream, error) {
	if s.Rate == 0 {
		s.Rate = streamRate
	}
	if s.Flows == 0 {
		s.Flows = streamFlows
	}
	a, err := l.address(s.From)
	if err != nil {
		return nil, err
	}
	b, err := l.address(s.To)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	st := &stream{cancel: cancel}
	st.ways[0] = &oneWay{from: s.From, to: s.To, src: a, dst: b, flows: s.Flows, rate: s.Rate}
	st.ways[1] = &oneWay{from: s.To, to: s.From, src: b, dst: a, flows: s.Flows, rate: s.Rate}
	for _, w := range st.ways {
		if err := w.open(l, port); err != nil {
			cancel()
			st.close()
			return nil, fmt.Errorf("stream %s to %s: %w", w.from, w.to, err)
		}
	}
	began := time.Now()
	for _, w := range st.ways {
		st.wg.Go(func() { w.receive() })
		st.wg.Go(func() { w.send(ctx, began) })
	}
	return st, nil
}

// open makes the sockets, each in its place.
func (w *oneWay) open(l *Lab, port int) error {
	w.sent, w.got, w.last = make([][]int64, w.flows), make([][]bool, w.flows), make([]int, w.flows)
	for i := range w.last {
		w.last[i] = -1
	}
	err := in(l.ns(w.to), func() error {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.dst, uint16(port))))
		if err == nil {
			w.rx = c
			err = c.SetReadBuffer(4 << 20)
		}
		return err
	})
	if err != nil {
		return err
	}
	return in(l.ns(w.from), func() error {
		for f := range w.flows {
			c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.src, uint16(port+1+f))))
			if err != nil {
				return err
			}
			w.tx = append(w.tx, c)
		}
		return nil
	})
}

// send paces packets by the clock: after a pause of this process it catches up, so that the rate holds.
func (w *oneWay) send(ctx context.Context, began time.Time) {
	dst := netip.AddrPortFrom(w.dst, uint16(w.rx.LocalAddr().(*net.UDPAddr).Port))
	buf := make([]byte, streamBytes)
	for n := 0; ; {
		if ctx.Err() != nil {
			return
		}
		due := int(time.Since(began).Seconds() * float64(w.rate))
		for ; n < due; n++ {
			f := n % w.flows
			w.mu.Lock()
			seq := len(w.sent[f])
			w.sent[f] = append(w.sent[f], int64(time.Since(began)))
			w.got[f] = append(w.got[f], false)
			w.mu.Unlock()
			binary.BigEndian.PutUint32(buf, uint32(f))
			binary.BigEndian.PutUint32(buf[4:], uint32(seq))
			_, _ = w.tx[f].WriteToUDPAddrPort(buf, dst) // no route now: a lost packet like any other
		}
		time.Sleep(time.Until(began.Add(time.Duration(float64(n+1) / float64(w.rate) * 1e9))))
	}
}

func (w *oneWay) receive() {
	buf := make([]byte, 2048)
	for {
		n, _, err := w.rx.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n != streamBytes {
			continue
		}
		f, seq := int(binary.BigEndian.Uint32(buf)), int(binary.BigEndian.Uint32(buf[4:]))
		w.mu.Lock()
		if f < w.flows && seq < len(w.got[f]) {
			w.got[f][seq] = true
			if seq < w.last[f] {
				w.late++
			}
			w.last[f] = max(w.last[f], seq)
		}
		w.mu.Unlock()
	}
}

// stop ends the senders, gives what is under way a moment, and says what happened in each direction.
func (s *stream) stop() []FlowReport {
	s.cancel()
	time.Sleep(300 * time.Millisecond)
	s.close()
	s.wg.Wait()
	return []FlowReport{s.ways[0].result(), s.ways[1].result()}
}

func (s *stream) close() {
	for _, w := range s.ways {
		if w.rx != nil {
			w.rx.Close()
		}
		for _, c := range w.tx {
			c.Close()
		}
	}
}

// result counts one direction.
func (w *oneWay) result() FlowReport {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := FlowReport{From: w.from, To: w.to, Reordered: w.late}
	var longest, from int64
	for f := range w.sent {
		r.Sent += len(w.sent[f])
		lost, gap, at := lossOf(w.sent[f], w.got[f])
		r.Lost += lost
		if gap > longest {
			longest, from = gap, at
		}
	}
	r.BlackoutMS, r.BlackoutAtMS = float64(longest)/1e6, float64(from)/1e6
	return r
}

// lossOf counts the packets of one flow that did not arrive, and the longest black-out: from when the last packet before a run of lost
// ones was sent to when the first after it was, because both arrived. It is measured on the sender's clock, so that a pause of this process
// is no black-out; nothing lost is none. at is when it began.
func lossOf(sent []int64, got []bool) (lost int, longest, at int64) {
	before := int64(0)
	if len(sent) > 0 {
		before = sent[0]
	}
	run := false
	note := func(until int64) {
		if until-before > longest {
			longest, at = until-before, before
		}
	}
	for i := range sent {
		if !got[i] {
			lost++
			run = true
			continue
		}
		if run {
			note(sent[i])
			run = false
		}
		before = sent[i]
	}
	if run {
		note(sent[len(sent)-1])
	}
	return lost, longest, at
}
