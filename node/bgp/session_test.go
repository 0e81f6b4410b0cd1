package bgp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// raw is the peer played by a test, message by message, over an in-memory connection.
type raw struct {
	t   *testing.T
	nc  net.Conn
	got chan []byte // whole messages; closed at the end of the connection
}

func newRaw(t *testing.T, nc net.Conn) *raw {
	p := &raw{t: t, nc: nc, got: make(chan []byte, 10000)}
	go func() {
		defer close(p.got)
		for {
			b := make([]byte, headerLen, maxMessage)
			if _, err := io.ReadFull(nc, b); err != nil {
				return
			}
			b = b[:be16(b[16:])]
			if _, err := io.ReadFull(nc, b[headerLen:]); err != nil {
				return
			}
			p.got <- b
		}
	}()
	return p
}

func (p *raw) send(messages ...[]byte) {
	p.t.Helper()
	if _, err := p.nc.Write(slices.Concat(messages...)); err != nil {
		p.t.Fatalf("peer writes: %v", err)
	}
}

// next is the next message other than KEEPALIVE, as "type hex", or "closed".
func (p *raw) next() string {
	for b := range p.got {
		if b[18] != typeKeepalive {
			return fmt.Sprintf("%d %s", b[18], hex.EncodeToString(b[headerLen:]))
		}
	}
	return "closed"
}

// notification waits for the session to end and returns what it was told: "6/2", or "none".
func (p *raw) notification() string {
	got := "none"
	for b := range p.got {
		if b[18] == typeNotification {
			got = fmt.Sprintf("%d/%d", b[19], b[20])
		}
	}
	return got
}

// open plays the peer's side until the session is up.
func (p *raw) open(o *Open) {
	p.t.Helper()
	if got := p.next(); !strings.HasPrefix(got, "1 ") {
		p.t.Fatalf("expected OPEN, got %s", got)
	}
	p.send(encodeOpen(o), encodeKeepalive())
	synctest.Wait()
}

// keepalives sends one every d until the connection ends.
func (p *raw) keepalives(d time.Duration) {
	go func() {
		for {
			time.Sleep(d) // virtual time: this runs in a bubble
			if _, err := p.nc.Write(encodeKeepalive()); err != nil {
				return
			}
		}
	}()
}

// bench is a passive session and the recorder that hears from it.
type bench struct {
	*Session
	rec *recorder
	t   *testing.T
}

// passive starts a passive session; it ends with the test.
func passive(t *testing.T, change func(c *Config)) (*bench, func()) {
	c := testConfig()
	c.Passive = true
	if change != nil {
		change(&c)
	}
	rec := newRecorder()
	s := NewSession(c, nil, rec, testRand())
	return &bench{s, rec, t}, run(s)
}

// connect makes the peer connect.
func (b *bench) connect() *raw {
	here, there := net.Pipe()
	b.Accept(here)
	synctest.Wait()
	return newRaw(b.t, there)
}

// up connects and brings the session up with o, or peerOpen when nil.
func (b *bench) up(o *Open) *raw {
	b.t.Helper()
	if o == nil {
		o = peerOpen()
	}
	p := b.connect()
	p.open(o)
	if st := b.Status(); st.State != Established {
		b.t.Fatalf("state %s: %+v", st.State, st.Events)
	}
	return p
}

// update is an UPDATE that announces prefixes as the peer would.
func update(prefixes ...netip.Prefix) []byte {
	a := &Attrs{ASPath: []Segment{{ASNs: []uint32{65001}}}}
	return (&encoder{fourByte: true}).appendReach(nil, IPv4Unicast, addr("169.254.77.2"), a, prefixes)
}

func withdrawal(prefixes ...netip.Prefix) []byte {
	return (&encoder{fourByte: true}).appendWithdraw(nil, IPv4Unicast, prefixes)
}

func tens(from, to int) []netip.Prefix {
	var out []netip.Prefix
	for i := from; i < to; i++ {
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	return out
}

func TestSessionLearnsAndLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		p := s.up(nil)
		p.send(update(tens(0, 3000)...), withdrawal(tens(0, 10)...), appendEndOfRIB(nil, IPv4Unicast), encodeRefresh(IPv4Unicast), encodeRefresh(IPv6Unicast))
		synctest.Wait()
		if len(s.rec.routes) != 2990 || len(s.rec.eors) != 1 || len(s.rec.refreshes) != 1 || s.Status().Received != 2990 {
			t.Errorf("%d routes, %d markers, %d refreshes, %d received", len(s.rec.routes), len(s.rec.eors), len(s.rec.refreshes), s.Status().Received)
		}
		_ = p.nc.Close()
		synctest.Wait()
		st := s.Status()
		if len(s.rec.downs) != 1 || s.rec.downs[0].Cause != "connection closed by the peer" || st.State != Active || st.Received != 0 {
			t.Errorf("%+v %+v", s.rec.downs, st)
		}
		s.up(nil)
	})
}

// TestSessionBetweenTwo lets two sessions find each other, both dialing: they settle on one connection and stay.
func TestSessionBetweenTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := testConfig(), testConfig()
		cb.LocalAS, cb.PeerAS, cb.RouterID, cb.LocalAddr, cb.PeerAddr = ca.PeerAS, ca.LocalAS, addr("10.0.0.2"), ca.PeerAddr, ca.LocalAddr
		ra, rb := newRecorder(), newRecorder()
		var a, b *Session
		dial := func(peer **Session) Dialer {
			return dialFunc(func(context.Context) (net.Conn, error) {
				here, there := net.Pipe()
				(*peer).Accept(there)
				return here, nil
			})
		}
		a, b = NewSession(ca, dial(&b), ra, testRand()), NewSession(cb, dial(&a), rb, testRand())
		ra.onUp = func(Peer) {
			a.Announce([]Update{{Family: IPv4Unicast, Reach: tens(0, 10000), NextHop: ca.LocalAddr, Attrs: (&Attrs{}).Prepend(12076, 1)},
				{Family: IPv4Unicast, EndOfRIB: true}})
		}
		defer run(a)()
		defer run(b)()
		time.Sleep(time.Minute)
		synctest.Wait()
		if a.Status().State != Established || b.Status().State != Established || len(ra.ups) != 1 || len(rb.ups) != 1 {
			t.Fatalf("a %+v\nb %+v", a.Status().Events, b.Status().Events)
		}
		if len(rb.routes) != 10000 || len(rb.eors) != 1 || rb.routes[pfx("10.0.1.0/24")].Attrs.PathString() != "12076" {
			t.Errorf("b has %d routes, %d markers", len(rb.routes), len(rb.eors))
		}
		time.Sleep(24 * time.Hour) // keepalives hold it up
		if len(ra.downs)+len(rb.downs) > 0 {
			t.Errorf("downs %+v %+v", ra.downs, rb.downs)
		}
		a.Stop(CodeCease, CeaseAdminShutdown, "maintenance")
		synctest.Wait()
		if want := "received NOTIFICATION Cease/Administrative Shutdown: maintenance"; !strings.HasSuffix(b.Status().LastError, "Administrative Shutdown: maintenance") {
			t.Errorf("b: %q, want %q", b.Status().LastError, want)
		}
		time.Sleep(time.Hour)
		if a.Status().State != Idle || len(ra.ups) != 1 {
			t.Errorf("a came back by itself: %+v", a.Status())
		}
		a.Start()
		time.Sleep(time.Minute)
		if a.Status().State != Established || len(rb.routes) != 10000 {
			t.Errorf("a after Start: %+v", a.Status())
		}
	})
}

func TestSessionHoldTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		p := s.up(nil) // the peer offers 90 s
		began := time.Now()
		if got := p.notification(); got != "4/0" {
			t.Errorf("notification %s", got)
		}
		if d := time.Since(began); d < 90*time.Second || d > 91*time.Second {
			t.Errorf("after %s", d)
		}
		synctest.Wait()
		if got := s.rec.downs[0].Cause; got != "sent NOTIFICATION Hold Timer Expired: nothing heard for 1m30s" {
			t.Errorf("cause %q", got)
		}
		var n *Notification
		if !errors.As(s.rec.downs[0].Err, &n) || n.Code != codeHold {
			t.Errorf("err %v", s.rec.downs[0].Err)
		}
	})
}

func TestSessionKeepalives(t *testing.T) {
	for _, tc := range []struct {
		hold  time.Duration
		least int
		most  int
	}{{90 * time.Second, 120, 160}, {0, 1, 1}} {
		synctest.Test(t, func(t *testing.T) {
			s, stop := passive(t, nil)
			defer stop()
			o := peerOpen()
			o.HoldTime = tc.hold
			p := s.up(o)
			p.keepalives(20 * time.Second)
			time.Sleep(time.Hour)
			if st := s.Status(); st.State != Established {
				t.Fatalf("%+v", st)
			}
			count := 0
			for len(p.got) > 0 {
				if (<-p.got)[18] == typeKeepalive {
					count++
				}
			}
			if count < tc.least || count > tc.most {
				t.Errorf("hold %s: %d keepalives in an hour", tc.hold, count)
			}
			_ = p.nc.Close()
			synctest.Wait()
			time.Sleep(time.Minute)
		})
	}
}

func TestSessionPrefixLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, func(c *Config) { c.MaxPrefixes, c.IdleAfterLimit = 4000, time.Minute })
		defer stop()
		p := s.up(nil)
		p.send(update(tens(0, 4000)...), update(tens(0, 4000)...), withdrawal(tens(0, 1)...), update(tens(4000, 4001)...))
		synctest.Wait()
		if st := s.Status(); st.State != Established || st.Received != 4000 {
			t.Fatalf("4,000 prefixes twice, one replaced: %+v", st)
		}
		p.send(update(tens(0, 1)...))
		if got := p.next(); got != "3 0601"+"000101"+"00000fa0" {
			t.Errorf("got %s", got)
		}
		synctest.Wait()
		st := s.Status()
		if st.State != Idle || st.NextAttempt.Sub(time.Now()) > time.Minute || len(s.rec.routes) != 0 {
			t.Errorf("%+v", st)
		}
		if refused := s.connect(); refused.next() != "closed" {
			t.Error("accepted while waiting")
		}
		time.Sleep(time.Minute)
		s.up(nil).send(update(tens(0, 4000)...))
		synctest.Wait()
		if s.Status().Received != 4000 {
			t.Errorf("after coming back: %+v", s.Status())
		}
		c := testConfig()
		c.Passive, c.MaxPrefixes = true, 100
		s.Reconfigure(c)
		synctest.Wait()
		if !strings.Contains(s.Status().LastError, "more than 100") {
			t.Errorf("limit lowered below what is held: %+v", s.Status())
		}
	})
}

// TestSessionEnds: the end of the process closes silently, Stop tells the peer.
func TestSessionEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		act  func(s *Session)
		want string
	}{
		{"the process ends", func(*Session) {}, "none"},
		{"stop", func(s *Session) { s.Stop(CodeCease, CeasePeerDeconfigured, "") }, "6/3"},
		{"reset", func(s *Session) { s.Reset("link down") }, "none"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, stop := passive(t, nil)
			p := s.up(nil)
			tc.act(s.Session)
			stop()
			if got := p.notification(); got != tc.want {
				t.Errorf("%s: notification %s, want %s", tc.name, got, tc.want)
			}
			if told := len(s.rec.downs) > 0; told != (tc.name != "the process ends") {
				t.Errorf("%s: downs %+v", tc.name, s.rec.downs)
			}
			here, there := net.Pipe()
			s.Accept(here)
			if _, err := there.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: accepted after the end", tc.name)
			}
		})
	}
}

func TestSessionReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		o := restartOpen(true, false)
		p := s.up(o)
		s.Reset("link down")
		if got := p.notification(); got != "none" {
			t.Errorf("notification %s", got)
		}
		synctest.Wait()
		if d := s.rec.downs[0]; d.Cause != "link down" || d.Keep {
			t.Errorf("%+v", d)
		}
		s.up(nil)
	})
}

// TestSessionBadMessages: the peer sends something wrong in Established and gets the right NOTIFICATION.
func TestSessionBadMessages(t *testing.T) {
	bad := func(kind uint8, body string) []byte {
		b := append(appendHeader(nil, kind), unhex(t, body)...)
		return finish(b, 0)
	}
	garbage := encodeKeepalive()
	garbage[3] = 0
	for _, tc := range []struct {
		name string
		b    []byte
		want string
	}{
		{"garbage", garbage, "1/1"},
		{"type 9", bad(9, ""), "1/3"},
		{"KEEPALIVE with a body", bad(typeKeepalive, "00"), "1/2"},
		{"OPEN again", encodeOpen(peerOpen()), "5/3"},
		{"UPDATE lengths", bad(typeUpdate, "00ff0000"), "3/1"},
		{"UPDATE prefix", bad(typeUpdate, "0001 21 0000"), "3/10"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, stop := passive(t, nil)
			defer stop()
			p := s.up(nil)
			p.send(tc.b)
			if got := p.notification(); got != tc.want {
				t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
			}
			synctest.Wait()
			if st := s.Status(); st.State != Idle || len(s.rec.downs) != 1 || st.NextAttempt.IsZero() {
				t.Errorf("%s: %+v", tc.name, st)
			}
		})
	}
}

// TestSessionSurvives: what RFC 7606 lets a session survive is counted and said.
func TestSessionSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		p := s.up(nil)
		p.send(update(tens(0, 2)...))
		for _, attrs := range []string{"400101 03" + hexPath + hexNextHop, hexGood + "400601 00"} {
			p.send(finish(append(appendHeader(nil, typeUpdate), body(t, "", attrs, "180a0000")...), 0))
		}
		synctest.Wait()
		st := s.Status()
		if st.State != Established || st.TreatedAsWithdraw != 1 || st.AttributesDiscarded != 1 || st.LastMalformed != "ORIGIN 03" || len(s.rec.routes) != 2 {
			t.Errorf("%+v, %d routes", st, len(s.rec.routes))
		}
	})
}

// TestSessionPanicCostsOneSession: a defect in the decoder ends this session with a NOTIFICATION, and it comes back.
func TestSessionPanicCostsOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, func(c *Config) { c.ConnectRetry = time.Second })
		defer stop()
		s.rec.onUp = func(Peer) { s.decoder = nil } // the defect
		p := s.up(nil)
		p.send(update(tens(0, 1)...))
		if got := p.notification(); got != "3/0" {
			t.Errorf("notification %s", got)
		}
		synctest.Wait()
		if st := s.Status(); st.Panics != 1 || !strings.Contains(st.LastError, "decoding failed inside") {
			t.Errorf("%+v", st)
		}
		s.rec.onUp = nil
		time.Sleep(2 * time.Second)
		s.up(nil).send(update(tens(0, 1)...))
		synctest.Wait()
		if len(s.rec.routes) != 1 {
			t.Errorf("%d routes", len(s.rec.routes))
		}
	})
}
