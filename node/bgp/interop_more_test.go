package bgp

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// birdWants waits until birdc's answer contains want.
func (w *world) birdWants(t *testing.T, want string, args ...string) {
	t.Helper()
	last := ""
	defer func() {
		if t.Failed() {
			t.Logf("birdc %s: %s", strings.Join(args, " "), last)
		}
	}()
	eventually(t, fmt.Sprintf("bird says %q", want), 20*time.Second, func() bool {
		last = w.birdc(t, args...)
		return strings.Contains(last, want)
	})
}

func TestInteropBIRDKeyAndTimers(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, birdPlain+"	password \"s3cret\"; hold time 30; keepalive time 10; passive on;", "route 192.0.2.0/24 blackhole;")
	wrong := speak(t, testConfig(), "other", nil)
	eventually(t, "the wrong key is suspected", 15*time.Second, func() bool { return strings.Contains(wrong.Status().LastError, "MD5 keys differ") })
	if _, _, ups := wrong.rec.down(0); wrong.Status().State > Active || ups > 0 {
		t.Errorf("wrong key: %+v", wrong.Status())
	}
	wrong.stop()
	s := speak(t, testConfig(), "s3cret", nil)
	if p := s.established(t); p.HoldTime != 30*time.Second {
		t.Errorf("hold time %s", p.HoldTime)
	}
	w.birdWants(t, "Hold timer:       ", "show", "protocols", "all", "onramp")
	if out := w.birdc(t, "show", "protocols", "all", "onramp"); !strings.Contains(out, "/30") {
		t.Errorf("bird's hold timer: %s", out)
	}
}

func TestInteropBIRDWrongAS(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, birdPlain, "")
	c := testConfig()
	c.PeerAS = 65002
	s := speak(t, c, "", nil)
	eventually(t, "our objection", 10*time.Second, func() bool {
		return s.Status().LastError == "sent NOTIFICATION OPEN/Bad Peer AS: expected 65002, got 65001"
	})
	w.birdWants(t, "Bad peer AS", "show", "protocols", "all", "onramp")
	if _, _, ups := s.rec.down(0); ups > 0 {
		t.Error("came up")
	}
}

func TestInteropBIRDRejectsOurAS(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, strings.Replace(birdPlain, "12076", "12077", 1), "")
	s := speak(t, testConfig(), "", nil)
	eventually(t, "bird's objection", 10*time.Second, func() bool {
		return strings.HasPrefix(s.Status().LastError, "received NOTIFICATION OPEN/Bad Peer AS")
	})
}

// TestInteropBIRDTwoOctets: a peer without 4-octet ASNs gets AS_TRANS and AS4_PATH, and what it passes on comes back whole.
func TestInteropBIRDTwoOctets(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, birdPlain+"	enable as4 off;", "route 192.0.2.0/24 blackhole;")
	s := speak(t, testConfig(), "", announcing(3))
	if p := s.established(t); p.FourByteAS {
		t.Errorf("peer %+v", p)
	}
	w.birdWants(t, "BGP.as_path: 12076 4200000001", "show", "route", "10.0.1.0/24", "all")
	s.rec.wait(t, "bird's route", 5*time.Second, func() bool {
		a := s.rec.routes[pfx("192.0.2.0/24")].Attrs
		return a != nil && a.PathString() == "65001"
	})
}

func TestInteropBIRDIPv6(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, `
	local fd77::2 as 65001;
	neighbor fd77::1 as 12076;
	ipv6 { import all; export all; };
	ipv4 { import none; export none; extended next hop on; };`, "} protocol static s6 { ipv6; route 2001:db8:1::/48 blackhole;")
	c := testConfig()
	c.LocalAddr, c.PeerAddr, c.Families = addr("fd77::1"), addr("fd77::2"), []Family{IPv6Unicast}
	s := speak(t, c, "", func(s *Session, _ Peer) {
		u := Update{Family: IPv6Unicast, Attrs: (&Attrs{}).Prepend(12076, 1), NextHop: addr("fd77::1")}
		for i := range 1500 {
			u.Reach = append(u.Reach, netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb9, byte(i >> 8), byte(i)}), 48))
		}
		s.Announce([]Update{u, {Family: IPv6Unicast, EndOfRIB: true}})
	})
	s.established(t)
	s.rec.wait(t, "bird's route and marker", 5*time.Second, func() bool {
		return s.rec.routes[pfx("2001:db8:1::/48")].NextHop == addr("fd77::2") && len(s.rec.eors) > 0
	})
	w.birdWants(t, "1500 of 1501", "show", "route", "table", "master6", "protocol", "onramp", "count")
	s.Announce([]Update{{Family: IPv6Unicast, Withdrawn: []netip.Prefix{pfx("2001:db9::/48")}}})
	w.birdWants(t, "1499 of 1500", "show", "route", "table", "master6", "protocol", "onramp", "count")
}

// TestInteropBIRDHelpsUs: this side ends silently, as a killed process does; BIRD keeps the routes until this side is back and has sent
// its marker, then drops what was not announced again.
func TestInteropBIRDHelpsUs(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.bird(t, birdPlain+"	graceful restart on;", "")
	c := testConfig()
	c.RestartTime = 60 * time.Second
	s := speak(t, c, "", announcing(1000))
	s.established(t)
	count := []string{"show", "route", "protocol", "onramp", "count"}
	w.birdWants(t, "1000 of 1000", count...)
	s.stop()
	w.birdWants(t, "graceful restart active", "show", "protocols", "all", "onramp")
	if out := w.birdc(t, count...); !strings.Contains(out, "1000 of 1000") {
		t.Fatalf("bird dropped the routes: %s", out)
	}
	c.Restarting = true
	again := speak(t, c, "", announcing(900))
	again.established(t)
	w.birdWants(t, "900 of 900", count...)
	again.Stop(CodeCease, CeaseAdminShutdown, "maintenance until 6")
	w.birdWants(t, "0 of 0", count...)
	w.birdWants(t, "maintenance until 6", "show", "protocols", "all", "onramp")
}

// TestInteropHelpBIRD: BIRD is killed and comes back; its routes are kept meanwhile.
func TestInteropHelpBIRD(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	kill := w.bird(t, birdPlain+"	graceful restart on; graceful restart time 60;", "route 192.0.2.0/24 blackhole; route 198.51.100.0/24 blackhole;")
	s := speak(t, testConfig(), "", nil)
	p := s.established(t)
	if !p.GracefulRestart || p.RestartTime != 60*time.Second {
		t.Errorf("peer %+v", p)
	}
	s.rec.wait(t, "routes", 5*time.Second, func() bool { return len(s.rec.routes) == 2 && len(s.rec.eors) == 1 })
	kill()
	s.rec.wait(t, "down", 5*time.Second, func() bool { return len(s.rec.downs) == 1 })
	if d, _, _ := s.rec.down(0); !d.Keep || d.KeepFor != 60*time.Second || s.rec.route(pfx("192.0.2.0/24")).Attrs == nil {
		t.Errorf("%+v", d)
	}
	w.bird(t, birdPlain+"	graceful restart on; graceful restart time 60;", "route 192.0.2.0/24 blackhole;")
	s.rec.wait(t, "up again", 20*time.Second, func() bool { return len(s.rec.ups) == 2 })
	s.rec.wait(t, "marker", 20*time.Second, func() bool { return len(s.rec.eors) >= 2 })
}

func TestInteropBIRDLimit(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	var routes strings.Builder
	for i := range 11 {
		fmt.Fprintf(&routes, "route 10.1.%d.0/24 blackhole;", i)
	}
	w.bird(t, birdPlain+"	error wait time 1,1; connect retry time 1;", routes.String())
	c := testConfig()
	c.MaxPrefixes, c.IdleAfterLimit = 10, time.Second
	s := speak(t, c, "", nil)
	s.rec.wait(t, "the limit", 10*time.Second, func() bool { return len(s.rec.downs) > 0 })
	if d, _, _ := s.rec.down(0); !strings.Contains(d.Cause, "more than 10 ipv4 unicast prefixes") {
		t.Errorf("%+v", d)
	}
	w.write(t, "bird.conf", strings.Replace(readFile(t, filepath.Join(w.dir, "bird.conf")), "route 10.1.10.0/24 blackhole;", "", 1))
	w.birdc(t, "configure")
	s.rec.wait(t, "back by itself below the limit", 20*time.Second, func() bool { return len(s.rec.ups) > len(s.rec.downs) && len(s.rec.routes) == 10 })
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// frr starts FRR's bgpd with extra lines for the neighbour and the address family.
func (w *world) frr(t *testing.T, global, neighbour, family string) (kill func()) {
	t.Helper()
	const bgpd = "/usr/lib/frr/bgpd"
	if _, err := os.Stat(bgpd); err != nil {
		t.Skip("frr is not installed")
	}
	lines := func(prefix, s string) string {
		out := ""
		for l := range strings.SplitSeq(s, ";") {
			if l = strings.TrimSpace(l); l != "" {
				out += prefix + l + "\n"
			}
		}
		return out
	}
	conf := w.write(t, "bgpd.conf", "log stdout\nrouter bgp 65001\n"+lines(" ", global)+` bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 169.254.77.1 remote-as 12076
 neighbor 169.254.77.1 timers connect 2
`+lines(" neighbor 169.254.77.1 ", neighbour)+` address-family ipv4 unicast
`+lines("  ", family)+` exit-address-family
`)
	kill = w.daemon(t, bgpd, "-f", conf, "-i", filepath.Join(w.dir, "bgpd.pid"), "-Z", "-S", "--vty_socket", w.dir, "-A", "127.0.0.1", "-P", "0", "-u", "root", "-g", "root")
	eventually(t, "bgpd answers", 10*time.Second, func() bool {
		return exec.Command("vtysh", "--vty_socket", w.dir, "-d", "bgpd", "-c", "show bgp summary").Run() == nil
	})
	return kill
}

func (w *world) vtysh(t *testing.T, command string) string {
	t.Helper()
	return sh(t, "vtysh", "--vty_socket", w.dir, "-d", "bgpd", "-c", command)
}

func (w *world) frrWants(t *testing.T, want, command string) {
	t.Helper()
	last := ""
	defer func() {
		if t.Failed() {
			t.Logf("%s: %s", command, last)
		}
	}()
	eventually(t, fmt.Sprintf("frr says %q", want), 20*time.Second, func() bool {
		last = w.vtysh(t, command)
		return strings.Contains(last, want)
	})
}

func TestInteropFRR(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "", "password s3cret; timers 10 30", "network 192.0.2.0/24; network 198.51.100.0/25")
	s := speak(t, testConfig(), "s3cret", announcing(2000))
	p := s.established(t)
	if p.HoldTime != 30*time.Second || !p.FourByteAS || !p.Refresh || !p.GracefulRestart {
		t.Errorf("peer %+v", p)
	}
	s.rec.wait(t, "routes and their end", 10*time.Second, func() bool {
		return s.rec.routes[pfx("198.51.100.0/25")].Attrs != nil && len(s.rec.eors) == 1
	})
	if r := s.rec.route(pfx("192.0.2.0/24")); r.NextHop != addr("169.254.77.2") || r.Attrs.PathString() != "65001" {
		t.Errorf("route %+v %+v", r, r.Attrs)
	}
	w.frrWants(t, `"pfxCounter":2000`, "show bgp ipv4 unicast neighbors 169.254.77.1 prefix-counts json")
	w.frrWants(t, "12076 4200000001", "show bgp ipv4 unicast 10.0.7.0/24")
	w.frrWants(t, "12076:51004", "show bgp ipv4 unicast 10.0.7.0/24")
	s.Announce([]Update{{Family: IPv4Unicast, Withdrawn: []netip.Prefix{pfx("10.0.7.0/24")}}})
	w.frrWants(t, "Network not in table", "show bgp ipv4 unicast 10.0.7.0/24")
	w.vtysh(t, "clear bgp ipv4 unicast 169.254.77.1 in")
	s.rec.wait(t, "route refresh", 5*time.Second, func() bool { return len(s.rec.refreshes) == 1 })
	s.RequestRefresh(IPv4Unicast)
	eventually(t, "frr counts our refresh", 5*time.Second, func() bool {
		return strings.Contains(strings.Join(strings.Fields(w.vtysh(t, "show bgp neighbors 169.254.77.1")), " "), "Route Refresh: 1 1")
	})
	s.Stop(CodeCease, CeaseAdminShutdown, "maintenance until 6")
	w.frrWants(t, "Notification received (Cease/Administrative Shutdown)", "show bgp neighbors 169.254.77.1")
}

// TestInteropFRRIPv6: FRR sends a global and a link-local next hop, this side the global one alone.
func TestInteropFRRIPv6(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "neighbor fd77::1 remote-as 12076; neighbor fd77::1 timers connect 2", "", "exit-address-family; address-family ipv6 unicast; "+
		"neighbor fd77::1 activate; network 2001:db8:1::/48")
	c := testConfig()
	c.LocalAddr, c.PeerAddr, c.Families = addr("fd77::1"), addr("fd77::2"), []Family{IPv6Unicast}
	s := speak(t, c, "", func(s *Session, _ Peer) {
		s.Announce([]Update{{Family: IPv6Unicast, Reach: []netip.Prefix{pfx("2001:db9::/48")}, NextHop: addr("fd77::1"), Attrs: (&Attrs{}).Prepend(12076, 1)},
			{Family: IPv6Unicast, EndOfRIB: true}})
	})
	s.established(t)
	s.rec.wait(t, "frr's route", 10*time.Second, func() bool { return s.rec.routes[pfx("2001:db8:1::/48")].NextHop == addr("fd77::2") })
	w.frrWants(t, "from fd77::1", "show bgp ipv6 unicast 2001:db9::/48")
}

// TestInteropFRRHelpsUs: FRR keeps the routes of this side while it restarts.
func TestInteropFRRHelpsUs(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "bgp graceful-restart", "", "network 192.0.2.0/24")
	c := testConfig()
	c.RestartTime = 60 * time.Second
	s := speak(t, c, "", announcing(1000))
	s.established(t)
	s.rec.wait(t, "routes and their end", 10*time.Second, func() bool { return len(s.rec.eors) == 1 })
	w.frrWants(t, `"pfxCounter":1000`, "show bgp ipv4 unicast neighbors 169.254.77.1 prefix-counts json")
	s.stop()
	w.frrWants(t, "(stale)", "show bgp ipv4 unicast 10.0.7.0/24")
	c.Restarting = true
	again := speak(t, c, "", announcing(900))
	again.established(t)
	w.frrWants(t, "Network not in table", "show bgp ipv4 unicast 10.3.132.0/24")
	if out := w.vtysh(t, "show bgp ipv4 unicast 10.0.7.0/24"); strings.Contains(out, "(stale)") || strings.Contains(out, "not in table") {
		t.Errorf("after the restart: %s", out)
	}
}

func TestInteropFRRWrongAS(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "", "", "")
	c := testConfig()
	c.LocalAS = 64999
	s := speak(t, c, "", nil)
	eventually(t, "frr's objection", 15*time.Second, func() bool {
		return strings.HasPrefix(s.Status().LastError, "received NOTIFICATION OPEN/Bad Peer AS")
	})
}

// TestInteropBIRDLinkDown: the link goes down and comes back; the node says so by Reset and Start. The router, which keeps the dead session
// until it hears otherwise, must not hold the return up for long.
func TestInteropBIRDLinkDown(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	// BIRD's own wait after an error, 60 s unless told otherwise, is not this side's to shorten.
	w.bird(t, birdPlain+"	password \"s3cret\"; error wait time 1,2;", "route 192.0.2.0/24 blackhole;")
	linkDownAndUp(t, speak(t, testConfig(), "s3cret", announcing(10)))
}

func TestInteropFRRLinkDown(t *testing.T) {
	if !inNetns(t) {
		return
	}
	w := newWorld(t)
	w.frr(t, "", "password s3cret", "network 192.0.2.0/24")
	linkDownAndUp(t, speak(t, testConfig(), "s3cret", announcing(10)))
}

func linkDownAndUp(t *testing.T, s *side) {
	t.Helper()
	s.established(t)
	for range 2 {
		sh(t, "ip", "link", "set", "orbgp0", "down")
		_, downs, _ := s.rec.down(0)
		s.Reset("link down")
		s.rec.wait(t, "down", time.Second, func() bool { return len(s.rec.downs) > downs && len(s.rec.routes) == 0 })
		eventually(t, "a while", 5*time.Second, func() bool {
			return s.Status().State == Active && len(s.Status().Events) > 0 && time.Since(s.Status().Since) > time.Second
		})
		sh(t, "ip", "link", "set", "orbgp0", "up")
		began := time.Now()
		s.Start()
		s.established(t)
		t.Logf("back after %s", time.Since(began))
	}
}
