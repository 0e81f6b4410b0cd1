package bgp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	smallBuffer = 1024                   // what an idle connection reads into
	largeBuffer = 64 * 1024              // what a busy one grows to; holds the longest message
	chunkSize   = 32 * 1024              // written at once
	lingerTime  = 500 * time.Millisecond // for a last NOTIFICATION to be taken
	minSendHold = 8 * time.Minute        // RFC 9687
)

// conn is one connection: a goroutine that reads whole messages and hands them to the session, and one that writes. close ends both.
type conn struct {
	nc     net.Conn
	id     LinkID
	inbox  chan<- batch
	resume chan struct{} // the session is done with the batch; capacity 1
	gone   chan struct{} // closed by close
	limit  atomic.Int32  // longest message accepted

	readDone chan struct{}
	kick     chan struct{}
	sent     *atomic.Uint64 // messages

	mu       sync.Mutex
	control  []byte // written before anything else
	final    []byte // the NOTIFICATION after which the connection is closed
	closing  bool
	broken   bool   // a write failed, perhaps in the middle of a message
	queue    *queue // of the session, while Established
	encoder  *encoder
	sendHold time.Duration
}

// batch is what a connection hands to the session: whole messages, then why there will be no more, if so.
type batch struct {
	from *conn
	data []byte
	note *Notification // what comes next has a bad header
	err  error
}

func startConn(nc net.Conn, id LinkID, s *Session) *conn {
	c := &conn{nc: nc, id: id, inbox: s.inbox, resume: make(chan struct{}, 1), gone: make(chan struct{}),
		readDone: make(chan struct{}), kick: make(chan struct{}, 1), sent: &s.messagesOut, sendHold: minSendHold}
	c.limit.Store(maxMessage)
	s.running.Go(c.read)
	s.running.Go(c.write)
	return c
}

// read hands over whole messages, as many at once as the peer sent, and waits until they were handled: a slow session slows the peer down.
func (c *conn) read() {
	defer close(c.readDone)
	buf := make([]byte, smallBuffer)
	have, quiet := 0, 0
	for {
		n, err := c.nc.Read(buf[have:])
		full := have+n == len(buf)
		have += n
		used, note := scan(buf[:have], int(c.limit.Load()))
		if used > 0 || note != nil || err != nil {
			if !c.hand(batch{c, buf[:used], note, err}) || !c.handled() {
				c.discard()
				return
			}
			have = copy(buf, buf[used:have])
		}
		switch {
		case full && len(buf) < largeBuffer:
			buf, quiet = resized(buf[:have], 2*len(buf)), 0
		case n >= smallBuffer:
			quiet = 0
		case len(buf) > smallBuffer && have < smallBuffer:
			if quiet++; quiet > 16 {
				buf, quiet = resized(buf[:have], smallBuffer), 0
			}
		}
	}
}

func resized(b []byte, size int) []byte {
	return append(make([]byte, 0, size), b...)[:size]
}

// scan returns how much of b is whole messages, and what is wrong with the header after them.
func scan(b []byte, limit int) (used int, note *Notification) {
	for used < len(b) {
		_, length, n := frame(b[used:], limit)
		if n != nil || length == 0 {
			return used, n
		}
		used += length
	}
	return used, nil
}

// hand gives a batch to the session; false when the connection was closed meanwhile.
func (c *conn) hand(b batch) bool {
	select {
	case c.inbox <- b:
		return true
	case <-c.gone:
		return false
	}
}

// handled waits until the session is done with what was handed over; false when it closed the connection.
func (c *conn) handled() bool {
	select {
	case <-c.resume:
		return true
	case <-c.gone:
		return false
	}
}

// discard reads to the end, so that a NOTIFICATION just sent is not lost to a reset caused by unread data.
func (c *conn) discard() {
	<-c.gone
	_, _ = io.Copy(io.Discard, c.nc)
}

// send queues a message.
func (c *conn) send(message []byte) {
	c.mu.Lock()
	c.control = append(c.control, message...)
	c.mu.Unlock()
	signal(c.kick)
}

// establish lets the writer take announcements from q.
func (c *conn) establish(q *queue, e *encoder, hold time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue, c.encoder, c.sendHold = q, e, max(minSendHold, 2*hold)
	signal(c.kick)
}

// announcements is filled when there is something to announce; nil before the session is Established.
func (c *conn) announcements() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue == nil {
		return nil
	}
	return c.queue.kick
}

// close sends final, if any, and ends the connection; it does not wait. The rest of what was queued is dropped.
func (c *conn) close(final []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return
	}
	c.closing, c.final, c.queue = true, final, nil
	close(c.gone)
	if final == nil {
		_ = c.nc.Close()
		return
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(lingerTime))
}

// write sends what is queued until the connection is closed.
func (c *conn) write() {
	for {
		select {
		case <-c.kick:
		case <-c.announcements():
		case <-c.gone:
			c.finish()
			return
		}
		if err := c.flush(); err != nil {
			c.hand(batch{from: c, err: err})
			<-c.gone
			c.finish()
			return
		}
	}
}

// finish writes the last message and closes the connection once the peer has had time to read it.
func (c *conn) finish() {
	c.mu.Lock()
	last := append(c.control, c.final...)
	polite := c.final != nil && !c.broken
	c.mu.Unlock()
	if !polite {
		_ = c.nc.Close()
		return
	}
	if _, err := c.nc.Write(last); err == nil {
		c.sent.Add(uint64(countMessages(last)))
		if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
			<-c.readDone
		}
	}
	_ = c.nc.Close()
}

// flush writes everything queued now.
func (c *conn) flush() error {
	for {
		c.mu.Lock()
		control, q := c.control, c.queue
		c.control = nil
		c.mu.Unlock()
		if len(control) > 0 {
			if err := c.put(control); err != nil {
				return err
			}
		}
		if q == nil {
			return nil
		}
		items, eors := q.take()
		if len(items)+len(eors) == 0 {
			return nil
		}
		if err := c.announce(items, eors); err != nil {
			return err
		}
	}
}

// announce writes UPDATEs for items, then the markers.
func (c *conn) announce(items []item, eors []Family) error {
	var buf []byte
	for _, g := range groups(items) {
		for rest := g.prefixes; len(rest) > 0; {
			n := min(len(rest), chunkSize/8)
			if g.attrs == nil {
				buf = c.encoder.appendWithdraw(buf, g.family, rest[:n])
			} else {
				buf = c.encoder.appendReach(buf, g.family, g.hop, g.attrs, rest[:n])
			}
			rest = rest[n:]
			if len(buf) < chunkSize {
				continue
			}
			if err := c.put(c.urgent(buf)); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	for _, f := range eors {
		buf = appendEndOfRIB(buf, f)
	}
	return c.put(buf)
}

// urgent adds control messages that came meanwhile.
func (c *conn) urgent(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b = append(b, c.control...)
	c.control = nil
	return b
}

var errSendHold = errors.New("send hold timer expired: the peer does not read")

// put writes b. A peer that takes nothing for the send hold time loses the connection (RFC 9687).
func (c *conn) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return net.ErrClosed
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.sendHold))
	c.mu.Unlock()
	if _, err := c.nc.Write(b); err != nil {
		c.broken = true // only the writer reads it
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errSendHold
		}
		return fmt.Errorf("write: %w", err)
	}
	c.sent.Add(uint64(countMessages(b)))
	return nil
}

func countMessages(b []byte) int {
	n := 0
	for len(b) >= headerLen {
		b = b[be16(b[16:]):]
		n++
	}
	return n
}
