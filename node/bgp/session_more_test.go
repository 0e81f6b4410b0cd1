package bgp

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSessionQueueMerges: while the peer does not read, only the latest word per prefix is kept, and the marker comes last.
func TestSessionQueueMerges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		here, there := net.Pipe()
		s.Accept(here)
		synctest.Wait()
		read := func() []byte {
			b := make([]byte, maxMessage)
			if _, err := io.ReadFull(there, b[:headerLen]); err != nil {
				t.Fatal(err)
			}
			b = b[:be16(b[16:])]
			if _, err := io.ReadFull(there, b[headerLen:]); err != nil {
				t.Fatal(err)
			}
			return b
		}
		read() // OPEN
		go func() { _, _ = there.Write(slices.Concat(encodeOpen(peerOpen()), encodeKeepalive())) }()
		read() // KEEPALIVE
		synctest.Wait()
		announce := func(med uint32, gone bool) {
			u := Update{Family: IPv4Unicast, Reach: tens(0, 1000), NextHop: addr("169.254.77.1"), Attrs: &Attrs{MED: med, HasMED: true}}
			if gone {
				u.Reach, u.Withdrawn, u.Attrs = nil, u.Reach, nil
			}
			s.Announce([]Update{u, {Family: IPv4Unicast, EndOfRIB: true}})
		}
		announce(0, false)
		synctest.Wait() // the writer is stuck in the first batch
		for i := range 100 {
			announce(uint32(i), i%2 == 1)
		}
		announce(4711, false)
		q := s.queue.Load()
		if n := len(q.items); n != 1000 {
			t.Errorf("%d entries wait", n)
		}
		d := external()
		d.local = netip.Addr{}
		rec, last := newRecorder(), false
		for markers := 0; markers < 2; {
			us, n := d.decode(read()[headerLen:])
			if n != nil {
				t.Fatal(n)
			}
			for _, u := range us {
				rec.Update(u)
				if last = u.EndOfRIB; last {
					markers++
				}
			}
		}
		if len(rec.routes) != 1000 || rec.routes[pfx("10.0.5.0/24")].Attrs.MED != 4711 || !last {
			t.Errorf("%d routes, %+v", len(rec.routes), rec.routes[pfx("10.0.5.0/24")].Attrs)
		}
		_ = there.Close()
	})
}

// TestSessionSendHold: a peer that sends but never reads loses the session (RFC 9687).
func TestSessionSendHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		here, there := net.Pipe()
		s.Accept(here)
		p := &raw{t: t, nc: there}
		go func() { _, _ = there.Write(slices.Concat(encodeOpen(peerOpen()), encodeKeepalive())) }()
		b := make([]byte, len(encodeOpen(&Open{ID: addr("10.0.0.1")}))+200)
		for range 2 {
			_, _ = there.Read(b)
		}
		synctest.Wait()
		p.keepalives(10 * time.Second)
		s.Announce([]Update{{Family: IPv4Unicast, Reach: tens(0, 1000), NextHop: addr("169.254.77.1"), Attrs: &Attrs{}}})
		time.Sleep(minSendHold + time.Minute)
		synctest.Wait()
		if len(s.rec.downs) != 1 || !strings.Contains(s.rec.downs[0].Cause, "send hold timer") {
			t.Errorf("%+v %+v", s.rec.downs, s.Status())
		}
	})
}

// TestSessionConnectRetry: a peer that does not answer is tried again and again, one attempt at a time, until the end.
func TestSessionConnectRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, attempts atomic.Int32
		d := dialFunc(func(ctx context.Context) (net.Conn, error) {
			attempts.Add(1)
			if running.Add(1) > 2 { // the canceled one may end beside the next
				t.Error("attempts pile up")
			}
			<-ctx.Done()
			running.Add(-1)
			return nil, ctx.Err()
		})
		s := NewSession(testConfig(), d, newRecorder(), testRand())
		stop := run(s)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := attempts.Load(); n < 12 || n > 17 || running.Load() != 1 {
			t.Errorf("%d attempts, %d now", n, running.Load())
		}
		stop()
		if running.Load() != 0 {
			t.Error("still dialing after the end")
		}
	})
}

func TestSessionStopBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSession(testConfig(), nil, newRecorder(), testRand())
		s.Stop(CodeCease, CeaseAdminShutdown, "disabled")
		stop := run(s)
		time.Sleep(time.Hour)
		if st := s.Status(); st.State != Idle {
			t.Errorf("%+v", st)
		}
		s.Start()
		synctest.Wait()
		if st := s.Status(); st.State == Idle {
			t.Errorf("%+v", st)
		}
		stop()
	})
}

func TestSessionReconfigure(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"nothing", func(*Config) {}, ""},
		{"keepalive", func(c *Config) { c.Keepalive = 5 * time.Second }, ""},
		{"connect retry, limit, restart time", func(c *Config) { c.ConnectRetry, c.MaxPrefixes, c.RestartTime = time.Minute, 10, time.Minute }, ""},
		{"hold time", func(c *Config) { c.HoldTime = 30 * time.Second }, "6/6"},
		{"peer's AS", func(c *Config) { c.PeerAS = 65009 }, "6/6"},
		{"families", func(c *Config) { c.Families = []Family{IPv6Unicast} }, "6/6"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, stop := passive(t, nil)
			defer stop()
			p := s.up(nil)
			c := testConfig()
			c.Passive = true
			tc.change(&c)
			s.Reconfigure(c)
			synctest.Wait()
			if tc.want == "" {
				if st := s.Status(); st.State != Established {
					t.Errorf("%s: %+v", tc.name, st)
				}
				return
			}
			if got := p.notification(); got != tc.want {
				t.Errorf("%s: notification %s", tc.name, got)
			}
		})
	}
}

// TestSessionHelper: the peer's process dies and comes back; its routes are kept meanwhile and swept if they do not come again.
func TestSessionHelper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		p := s.up(restartOpen(false, false))
		p.send(update(tens(0, 5)...))
		synctest.Wait()
		_ = p.nc.Close()
		synctest.Wait()
		if d := s.rec.downs[0]; !d.Keep || d.KeepFor != 2*time.Minute || !slices.Equal(d.Kept, []Family{IPv4Unicast}) {
			t.Errorf("%+v", d)
		}
		time.Sleep(time.Minute)
		s.up(restartOpen(false, true, IPv4Unicast))
		if up := s.rec.ups[1]; !up.Restarting || !slices.Equal(up.Forwarding, []Family{IPv4Unicast}) {
			t.Errorf("%+v", up)
		}
		if len(s.rec.eors) != 0 || len(s.rec.routes) != 5 {
			t.Errorf("swept too early: %d routes", len(s.rec.routes))
		}
		time.Sleep(collisionTime)
		q := s.connect() // connected anew while Established: the old connection is dead
		synctest.Wait()
		if len(s.rec.downs) != 2 || !s.rec.downs[1].Keep {
			t.Errorf("%+v", s.rec.downs)
		}
		_ = q.nc.Close()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if d := s.rec.downs[len(s.rec.downs)-1]; d.Keep || len(s.rec.routes) != 0 || !strings.Contains(d.Cause, "did not come back") {
			t.Errorf("%+v, %d routes", d, len(s.rec.routes))
		}
	})
}

func TestSessionNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		p := s.up(nil)
		s.Announce([]Update{
			{Family: IPv4Unicast, Reach: tens(0, 1)},                                                                    // no attributes
			{Family: IPv4Unicast, Reach: tens(0, 1), Attrs: &Attrs{}, NextHop: addr("fd77::1")},                         // wrong next hop
			{Family: IPv4Unicast, Reach: []netip.Prefix{{}}, Attrs: &Attrs{}, NextHop: addr("10.0.0.1")},                // no prefix
			{Family: IPv6Unicast, Reach: []netip.Prefix{pfx("2001:db8::/32")}, NextHop: addr("fd77::1")},                // not negotiated
			{Family: IPv4Unicast, Reach: []netip.Prefix{pfx("10.1.2.3/8")}, Attrs: &Attrs{}, NextHop: addr("10.0.0.1")}, // host bits
			{Family: IPv4Unicast, EndOfRIB: true},
		})
		if got := p.next(); !strings.HasSuffix(got, "080a") {
			t.Errorf("got %s", got)
		}
		if got := p.next(); got != "2 00000000" {
			t.Errorf("got %s", got)
		}
		if st := s.Status(); st.NotSent != 3 {
			t.Errorf("not sent %d", st.NotSent)
		}
		_ = p.nc.Close()
		synctest.Wait()
		if st := s.Status(); st.NotSent != 3 {
			t.Errorf("after the session: not sent %d", st.NotSent)
		}
	})
}

// TestMemoryRunner: the twin does what its users rely on.
func TestMemoryRunner(t *testing.T) {
	rec := newRecorder()
	m := NewMemory(testConfig(), rec)
	m.Announce([]Update{{Family: IPv4Unicast, EndOfRIB: true}})
	rec.onUp = func(Peer) { m.Announce([]Update{{Family: IPv4Unicast, EndOfRIB: true}}) }
	m.Up(Peer{AS: 65001})
	m.Learn(Update{Family: IPv4Unicast, Reach: tens(0, 2), Attrs: &Attrs{}})
	if len(m.Announced()) != 1 || len(rec.routes) != 2 || m.Status().State != Established || m.Status().Peer.AS != 65001 {
		t.Errorf("%+v %+v", m.Announced(), m.Status())
	}
	m.Reset("link down")
	m.Stop(CodeCease, CeaseAdminShutdown, "bye")
	m.Start()
	if len(rec.routes) != 0 || len(rec.downs) != 1 || !slices.Equal(m.Calls(), []string{"Reset link down", "Stop sent NOTIFICATION Cease/Administrative Shutdown: bye", "Start"}) {
		t.Errorf("%+v %+v", rec.downs, m.Calls())
	}
}

// TestSessionExtendedMessage: this side offered RFC 8654, so the peer may send up to 65,535 octets; quiet times in between make the buffer
// small again.
func TestSessionExtendedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		p := s.up(nil)
		attrs := unhex(t, hexGood)
		for round := range 3 {
			b := append(appendHeader(nil, typeUpdate), 0, 0, 0, byte(len(attrs)))
			b = append(b, attrs...)
			for i := 0; len(b)+5 <= maxExtended; i++ {
				b = append(b, 32, byte(20+round), byte(i>>16), byte(i>>8), byte(i))
			}
			p.send(finish(b, 0))
			for range 40 {
				p.send(encodeKeepalive())
			}
		}
		synctest.Wait()
		if want := 3 * ((maxExtended - headerLen - 4 - len(attrs)) / 5); len(s.rec.routes) != want || s.Status().State != Established {
			t.Errorf("%d routes, want %d: %+v", len(s.rec.routes), want, s.Status())
		}
	})
}

// TestSessionByteByByte: messages cut anywhere are put together.
func TestSessionByteByByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := passive(t, nil)
		defer stop()
		p := s.connect()
		if got := p.next(); !strings.HasPrefix(got, "1 ") {
			t.Fatal(got)
		}
		for _, c := range slices.Concat(encodeOpen(peerOpen()), encodeKeepalive(), update(tens(0, 3)...), encodeKeepalive(), update(tens(3, 5)...)) {
			p.send([]byte{c})
		}
		synctest.Wait()
		if len(s.rec.routes) != 5 {
			t.Errorf("%d routes: %+v", len(s.rec.routes), s.Status())
		}
	})
}

// FuzzSession lets the peer send anything, before or after the session is up: the session answers, ends cleanly and leaves nothing running.
func FuzzSession(f *testing.F) {
	f.Add(slices.Concat(encodeOpen(peerOpen()), encodeKeepalive(), update(tens(0, 3)...), withdrawal(tens(0, 1)...)), false)
	f.Add(slices.Concat(update(tens(0, 3)...), encodeRefresh(IPv4Unicast), encodeNotification(shutdownNotification(6, 2, "bye"))), true)
	f.Add(slices.Concat(encodeKeepalive(), encodeOpen(restartOpen(true, true, IPv4Unicast))), false)
	f.Add(appendEndOfRIB(appendEndOfRIB(nil, IPv6Unicast), IPv4Unicast), true)
	f.Fuzz(func(t *testing.T, b []byte, up bool) {
		synctest.Test(t, func(t *testing.T) {
			s, stop := passive(t, func(c *Config) { c.MaxPrefixes = 100 })
			p := s.connect()
			if up {
				p.open(peerOpen())
			}
			_, _ = p.nc.Write(b)
			synctest.Wait()
			if st := s.Status(); st.Panics > 0 || st.State == Established && len(s.rec.ups) == 0 {
				t.Errorf("%+v", st)
			}
			stop()
			for range p.got {
			}
		})
	})
}
