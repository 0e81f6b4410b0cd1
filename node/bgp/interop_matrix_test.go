package bgp

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The cells of docs/interop.md that the other tests leave open.

// TestInteropBIRDFourByteAS: a peer whose own number needs four bytes.
func TestInteropBIRDFourByteAS(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, "	local 169.254.77.2 as 4200000002;\n	neighbor 169.254.77.1 as 12076;\n	ipv4 { import all; export all; };\n", "route 192.0.2.0/24 blackhole;")
	fourByteAS(t)
	w.birdWants(t, "BGP.as_path: 12076 4200000001", "show", "route", "10.0.1.0/24", "all")
}

func TestInteropFRRFourByteAS(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "", "local-as 4200000002 no-prepend replace-as", "network 192.0.2.0/24")
	fourByteAS(t)
	w.frrWants(t, "12076 4200000001", "show bgp ipv4 unicast 10.0.1.0/24")
}

func fourByteAS(t *testing.T) {
	t.Helper()
	c := testConfig()
	c.PeerAS = 4200000002
	s := speak(t, c, "", announcing(3))
	if p := s.established(t); p.AS != 4200000002 || !p.FourByteAS {
		t.Errorf("peer %+v", p)
	}
	s.rec.wait(t, "the router's route", 10*time.Second, func() bool {
		a := s.rec.routes[pfx("192.0.2.0/24")].Attrs
		return a != nil && a.PathString() == "4200000002"
	})
}

// TestInteropFRRTwoOctets: FRR that sends no capabilities is sent numbers of two bytes, AS_TRANS among them. It has seen ours, so it takes
// this side for a new speaker, whose AS4_PATH it must not read (RFC 6793 section 4.1).
func TestInteropFRRTwoOctets(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "", "dont-capability-negotiate", "network 192.0.2.0/24")
	s := speak(t, testConfig(), "", announcing(3))
	if p := s.established(t); p.FourByteAS {
		t.Errorf("peer %+v", p)
	}
	w.frrWants(t, "12076 23456", "show bgp ipv4 unicast 10.0.1.0/24")
	s.rec.wait(t, "frr's route", 10*time.Second, func() bool {
		a := s.rec.routes[pfx("192.0.2.0/24")].Attrs
		return a != nil && a.PathString() == "65001"
	})
}

// TestInteropFRRWrongKey: the wrong key gets nowhere, and is suspected.
func TestInteropFRRWrongKey(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "", "password s3cret", "network 192.0.2.0/24")
	wrong := speak(t, testConfig(), "other", nil)
	eventually(t, "the wrong key is suspected", 15*time.Second, func() bool { return strings.Contains(wrong.Status().LastError, "MD5 keys differ") })
	if _, _, ups := wrong.rec.down(0); ups > 0 {
		t.Errorf("up with a wrong key: %+v", wrong.Status())
	}
}

// TestInteropBIRDKeyIPv6: TCP-MD5 on a session over IPv6; the wrong key gets nowhere.
func TestInteropBIRDKeyIPv6(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, `
	local fd77::2 as 65001;
	neighbor fd77::1 as 12076;
	password "s3cret";
	ipv6 { import all; export all; };`, "} protocol static s6 { ipv6; route 2001:db8:1::/48 blackhole;")
	keyIPv6(t)
	w.birdWants(t, "2001:db9::/48", "show", "route", "table", "master6")
}

func TestInteropFRRKeyIPv6(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "neighbor fd77::1 remote-as 12076; neighbor fd77::1 timers connect 2; neighbor fd77::1 password s3cret", "",
		"exit-address-family; address-family ipv6 unicast; neighbor fd77::1 activate; network 2001:db8:1::/48")
	keyIPv6(t)
	w.frrWants(t, "from fd77::1", "show bgp ipv6 unicast 2001:db9::/48")
}

func keyIPv6(t *testing.T) {
	t.Helper()
	c := testConfig()
	c.LocalAddr, c.PeerAddr, c.Families = addr("fd77::1"), addr("fd77::2"), []Family{IPv6Unicast}
	wrong := speak(t, c, "other", nil)
	eventually(t, "the wrong key is told", 15*time.Second, func() bool { return wrong.Status().LastError != "" })
	if _, _, ups := wrong.rec.down(0); ups > 0 {
		t.Errorf("up with a wrong key: %+v", wrong.Status())
	}
	wrong.stop()
	s := speak(t, c, "s3cret", func(s *Session, _ Peer) {
		s.Announce([]Update{{Family: IPv6Unicast, Reach: []netip.Prefix{pfx("2001:db9::/48")}, NextHop: addr("fd77::1"), Attrs: (&Attrs{}).Prepend(12076, 1)},
			{Family: IPv6Unicast, EndOfRIB: true}})
	})
	s.established(t)
	s.rec.wait(t, "the router's route", 10*time.Second, func() bool { return s.rec.routes[pfx("2001:db8:1::/48")].NextHop == addr("fd77::2") })
}

// TestInteropHelpFRR: FRR is killed and comes back; this side keeps its routes meanwhile and takes the new ones.
func TestInteropHelpFRR(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	const graceful = "bgp graceful-restart; bgp graceful-restart restart-time 60; bgp graceful-restart preserve-fw-state; bgp graceful-restart select-defer-time 2"
	kill := w.frr(t, graceful, "", "network 192.0.2.0/24; network 198.51.100.0/24")
	s := speak(t, testConfig(), "", announcing(1)) // FRR waits for the end of this side's table
	if p := s.established(t); !p.GracefulRestart || p.RestartTime != 60*time.Second {
		t.Errorf("peer %+v", p)
	}
	s.rec.wait(t, "routes", 10*time.Second, func() bool { return s.rec.routes[pfx("198.51.100.0/24")].Attrs != nil && len(s.rec.eors) == 1 })
	kill()
	s.rec.wait(t, "down", 5*time.Second, func() bool { return len(s.rec.downs) == 1 })
	if d, _, _ := s.rec.down(0); !d.Keep || d.KeepFor != 60*time.Second || s.rec.route(pfx("192.0.2.0/24")).Attrs == nil {
		t.Errorf("%+v", d)
	}
	w.frr(t, graceful, "", "network 192.0.2.0/24")
	s.rec.wait(t, "up again", 20*time.Second, func() bool { return len(s.rec.ups) == 2 })
	s.rec.wait(t, "marker", 20*time.Second, func() bool { return len(s.rec.eors) >= 2 })
}
