package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"onramp/node/bgp"
	"onramp/node/fib"
	"onramp/plan"
)

// diary is what FIB and peers of a domain were told, in order.
type diary struct {
	lines  []string
	routes map[netip.Prefix][]fib.Hop
	fail   error
}

func (d *diary) say(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last take, those of one step sorted by nothing: order is what is tested.
func (d *diary) take() string {
	s := strings.Join(d.lines, "\n")
	d.lines = nil
	return s
}

func (d *diary) Routes(_ string, cs []fib.RouteChange) error {
	if d.fail != nil {
		d.say("fib refuses")
		return d.fail
	}
	for _, c := range cs {
		d.set(c)
	}
	return nil
}

func (d *diary) set(c fib.RouteChange) {
	if len(c.Hops) == 0 {
		delete(d.routes, c.Prefix)
		d.say("fib -%v", c.Prefix)
		return
	}
	d.routes[c.Prefix] = c.Hops
	var via []string
	for _, h := range c.Hops {
		via = append(via, h.Attachment)
	}
	slices.Sort(via)
	d.say("fib +%v %s", c.Prefix, strings.Join(via, ","))
}

func (d *diary) ReplaceRoutes(_ string, rs []fib.RouteChange) error {
	if d.fail != nil {
		d.say("fib refuses")
		return d.fail
	}
	d.routes = map[netip.Prefix][]fib.Hop{}
	for _, r := range rs {
		d.routes[r.Prefix] = r.Hops
	}
	d.say("fib = %d", len(rs))
	return nil
}

// voice is the announcer of one session.
type voice struct {
	d      *diary
	name   string
	counts peerCounts
}

func (v *voice) Announce(us []bgp.Update) {
	for _, u := range us {
		for _, p := range u.Withdrawn {
			v.d.say("%s -%v", v.name, p)
		}
		for _, p := range u.Reach {
			v.d.say("%s +%v %s", v.name, p, pathString(u.Attrs.ASPath))
		}
		if u.EndOfRIB {
			v.d.say("%s end", v.name)
		}
	}
}

func (v *voice) count(c peerCounts) { v.counts = c }

// scene is a domain with sessions a and b, each on an attachment of its own.
type scene struct {
	t   *testing.T
	d   *diary
	r   *routing
	cfg domainConfig
	now time.Time
	v   map[string]*voice
}

func newScene(t *testing.T, hold bool) *scene {
	s := &scene{t: t, d: &diary{routes: map[netip.Prefix][]fib.Hop{}}, now: time.Unix(1e9, 0), v: map[string]*voice{}}
	s.r = newRouting("vrf", s.d, slog.New(slog.DiscardHandler), func(string, netip.Addr) {})
	s.cfg = domainConfig{spec: plan.Domain{Name: "vrf"}, down: map[string]bool{}, nets: map[string]onLink{}}
	for i, name := range []string{"a", "b"} {
		s.v[name] = &voice{d: s.d, name: name}
		spec := plan.Session{Name: name, Attachment: "at-" + name, Enabled: true, LocalAS: 12076, PeerAS: uint32(65001 + i),
			LocalAddr: netip.AddrFrom4([4]byte{192, 168, byte(i), 2}), PeerAddr: netip.AddrFrom4([4]byte{192, 168, byte(i), 1}),
			RestartTime: 40 * time.Second, Import: plan.Import{Class: "c"}, Export: plan.Export{Classes: []string{"c"}}}
		s.cfg.sessions = append(s.cfg.sessions, sessionConfig{spec: spec, runner: s.v[name], awaited: true})
		s.cfg.nets["at-"+name] = onLink{nets: []netip.Prefix{netip.PrefixFrom(spec.LocalAddr, 30).Masked()}, locals: []netip.Addr{spec.LocalAddr}}
	}
	s.r.begin(s.cfg, hold, s.now)
	return s
}

func (s *scene) up(name string, gr bool) {
	fams := []bgp.Family{bgp.IPv4Unicast}
	p := bgp.Peer{ID: ip("1.1.1.1"), Families: fams, GracefulRestart: gr}
	if gr {
		p.Forwarding = fams
	}
	s.r.up(name, s.v[name], p, s.now)
	s.r.flush()
}

func (s *scene) learn(name, prefix string, path ...uint32) {
	spec := s.r.peers[name].cfg.spec
	s.r.update(name, s.v[name], bgp.Update{Family: bgp.IPv4Unicast, Reach: []netip.Prefix{pre(prefix)}, NextHop: spec.PeerAddr,
		Attrs: &bgp.Attrs{LocalPref: 100, ASPath: []bgp.Segment{{ASNs: path}}}}, s.now)
	s.r.flush()
}

func (s *scene) end(name string) {
	s.r.update(name, s.v[name], bgp.Update{Family: bgp.IPv4Unicast, EndOfRIB: true}, s.now)
	s.r.flush()
}

func (s *scene) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.r.tick(s.now)
	s.r.flush()
}

// wantAny is want without an order among the lines.
func (s *scene) wantAny(step, want string) {
	s.t.Helper()
	sorted := func(text string) string { return strings.Join(slices.Sorted(strings.SplitSeq(text, "\n")), "\n") }
	if got := sorted(s.d.take()); got != sorted(want) {
		s.t.Errorf("%s:\n%s\nwant:\n%s", step, got, want)
	}
}

func (s *scene) want(step, want string) {
	s.t.Helper()
	if got := s.d.take(); got != want {
		s.t.Errorf("%s:\n%s\nwant:\n%s", step, got, want)
	}
}

func TestForwardBeforeAnnounce(t *testing.T) {
	s := newScene(t, false)
	s.want("begin", "fib = 0")
	s.up("a", false)
	s.up("b", false)
	s.want("up", "a end\nb end")
	s.learn("a", "10.1.0.0/16", 65001)
	s.want("learn: forwarding first", "fib +10.1.0.0/16 at-a\nb +10.1.0.0/16 12076 65001")
	s.learn("b", "10.1.0.0/16", 65002)
	s.want("a worse path changes nothing", "")
	s.learn("a", "10.1.0.0/16", 65001, 7)
	s.want("better path at b: withdrawn from b, changed, announced to a",
		"b -10.1.0.0/16\nfib +10.1.0.0/16 at-b\na +10.1.0.0/16 12076 65002")
	s.r.down("b", s.v["b"], bgp.Down{}, s.now)
	s.r.flush()
	s.want("b lost", "a -10.1.0.0/16\nfib +10.1.0.0/16 at-a")
	s.r.down("a", s.v["a"], bgp.Down{}, s.now)
	s.r.flush()
	s.want("a lost", "fib -10.1.0.0/16")
}

func TestWithdrawBeforeRemoval(t *testing.T) {
	s := newScene(t, false)
	s.up("a", false)
	s.up("b", false)
	s.learn("a", "10.1.0.0/16", 65001)
	s.d.take()
	s.r.update("a", s.v["a"], bgp.Update{Family: bgp.IPv4Unicast, Withdrawn: []netip.Prefix{pre("10.1.0.0/16")}}, s.now)
	s.r.flush()
	s.want("withdrawal", "b -10.1.0.0/16\nfib -10.1.0.0/16")
	s.learn("a", "10.2.0.0/16", 65001)
	s.d.take()
	if err := s.r.close(); err != nil {
		t.Fatal(err)
	}
	s.want("close", "b -10.2.0.0/16\nfib = 0")
}

func TestHelperKeepsStaleRoutes(t *testing.T) {
	s := newScene(t, false)
	s.up("a", true)
	s.learn("a", "10.1.0.0/16", 65001)
	s.learn("a", "10.2.0.0/16", 65001)
	s.end("a")
	s.d.take()
	s.r.down("a", s.v["a"], bgp.Down{Keep: true, KeepFor: 30 * time.Second}, s.now)
	s.r.flush()
	s.want("down with grace", "")
	s.pass(20 * time.Second)
	s.up("a", true)
	s.learn("a", "10.1.0.0/16", 65001)
	s.want("told again", "a end")
	s.end("a")
	s.want("end of the table: what was not told again goes", "fib -10.2.0.0/16")
	s.r.down("a", s.v["a"], bgp.Down{Keep: true, KeepFor: 30 * time.Second}, s.now)
	s.pass(29 * time.Second)
	s.want("within the time", "")
	s.pass(2 * time.Second)
	s.want("too late", "fib -10.1.0.0/16")
	s.up("a", true)
	s.learn("a", "10.1.0.0/16", 65001)
	s.r.down("a", s.v["a"], bgp.Down{Keep: true, KeepFor: 30 * time.Second}, s.now)
	s.d.take()
	s.up("a", false)
	s.want("back without its forwarding state", "fib -10.1.0.0/16\na end")
}

func TestRestartHoldsUntilAllHaveTold(t *testing.T) {
	s := newScene(t, true)
	s.want("begin", "")
	s.up("a", true)
	s.learn("a", "10.1.0.0/16", 65001)
	s.end("a")
	s.pass(10 * time.Second)
	s.want("waiting for b", "")
	s.up("b", true)
	s.learn("b", "10.2.0.0/16", 65002)
	s.want("b has not told all", "")
	s.end("b")
	got := strings.Split(s.d.take(), "\n")
	if got[0] != "fib = 2" || len(got) != 5 || !slices.Contains(got, "a +10.2.0.0/16 12076 65002") || !slices.Contains(got, "b end") {
		t.Errorf("taking over: %q", got)
	}
}

func TestRestartEndsAtDeadline(t *testing.T) {
	s := newScene(t, true)
	s.up("a", false) // no graceful restart: its table is taken to be whole after a while
	s.learn("a", "10.1.0.0/16", 65001)
	s.pass(39 * time.Second)
	s.want("b is missing", "")
	s.pass(2 * time.Second)
	s.want("deadline", "fib = 1\na end")

	s = newScene(t, true)
	s.cfg.sessions[1].awaited = false
	s.r.configure(s.cfg, s.now)
	s.up("a", true)
	s.learn("a", "10.1.0.0/16", 65001)
	s.end("a")
	s.want("a session that was down before is not waited for", "fib = 1\na end")

	s = newScene(t, true)
	s.cfg.down["at-b"] = true
	s.r.configure(s.cfg, s.now)
	s.up("a", false)
	s.learn("a", "10.1.0.0/16", 65001)
	s.pass(quietComplete)
	s.want("a session without a link is not waited for", "fib = 1\na end")
}

func TestRefusedRoutesAreNotAnnounced(t *testing.T) {
	s := newScene(t, false)
	s.up("a", false)
	s.up("b", false)
	s.d.take()
	s.d.fail = errors.New("table full")
	s.learn("a", "10.1.0.0/16", 65001)
	s.want("refused", "fib refuses")
	s.now = time.Now()
	s.pass(retryFIB + time.Second)
	s.want("tried again", "fib refuses")
	s.d.fail = nil
	s.pass(retryFIB)
	s.want("in at last", "fib = 1\nb +10.1.0.0/16 12076 65001")
}

func TestOwnRoutesFollowTheLink(t *testing.T) {
	s := newScene(t, false)
	s.up("b", false)
	s.d.take()
	s.cfg.spec.Static = []plan.StaticRoute{{Prefix: pre("10.9.0.0/16"), Attachment: "at-a", NextHop: ip("192.168.0.1"), Class: "c"}}
	s.cfg.connected = []connected{{pre("192.168.0.1/32"), "at-a", ip("192.168.0.1")}}
	s.r.configure(s.cfg, s.now)
	s.r.flush()
	got := strings.Split(s.d.take(), "\n")
	slices.Sort(got)
	if want := []string{"b +10.9.0.0/16 12076", "fib +10.9.0.0/16 at-a", "fib +192.168.0.1/32 at-a"}; !slices.Equal(got, want) {
		t.Errorf("own routes: %q", got)
	}
	s.cfg.down = map[string]bool{"at-a": true}
	s.r.configure(s.cfg, s.now)
	s.r.flush()
	if got := s.d.take(); !strings.HasPrefix(got, "b -10.9.0.0/16\n") || len(s.d.routes) != 0 {
		t.Errorf("link lost: %q, left %v", got, s.d.routes)
	}
}

func TestForeignNextHopIsNotUsed(t *testing.T) {
	s := newScene(t, false)
	s.up("a", false)
	s.d.take()
	for hop, used := range map[string]bool{"192.168.0.1": true, "192.168.0.2": false, "8.8.8.8": false} {
		s.r.update("a", s.v["a"], bgp.Update{Family: bgp.IPv4Unicast, Reach: []netip.Prefix{pre("10.0.0.0/8")}, NextHop: ip(hop),
			Attrs: &bgp.Attrs{LocalPref: 100, ASPath: []bgp.Segment{{ASNs: []uint32{65001}}}}}, s.now)
		s.r.flush()
		if _, ok := s.d.routes[pre("10.0.0.0/8")]; ok != used {
			t.Errorf("next hop %s used: %v", hop, ok)
		}
	}
}

func TestPolicyChangeSendsDifferencesOnly(t *testing.T) {
	s := newScene(t, false)
	s.up("a", false)
	s.up("b", false)
	s.learn("a", "10.1.0.0/16", 65001)
	s.learn("b", "10.2.0.0/16", 65002)
	s.d.take()
	s.cfg.sessions = slices.Clone(s.cfg.sessions)
	s.cfg.sessions[1].spec.Export.Prepend = 1
	s.r.configure(s.cfg, s.now)
	s.r.flush()
	s.want("prepend", "b +10.1.0.0/16 12076 12076 65001")
	s.cfg.sessions[1].spec.Export.Classes = nil
	s.r.configure(s.cfg, s.now)
	s.want("nothing exported", "b -10.1.0.0/16")
	s.cfg.sessions = s.cfg.sessions[1:]
	s.r.configure(s.cfg, s.now)
	s.r.flush()
	s.want("a removed", "fib -10.1.0.0/16")
}

// TestStaticToNeighbourIsAnnounced: a plan's route to a machine on the link has the plan's class, not that of connected routes.
func TestStaticToNeighbourIsAnnounced(t *testing.T) {
	s := newScene(t, false)
	s.up("b", false)
	s.d.take()
	s.cfg.spec.Static = []plan.StaticRoute{{Prefix: pre("10.100.0.4/32"), Attachment: "at-a", NextHop: ip("10.100.0.4"), Class: "c"}}
	s.cfg.connected = []connected{{pre("10.100.0.4/32"), "at-a", ip("10.100.0.4")}}
	s.r.configure(s.cfg, s.now)
	s.r.flush()
	s.want("a machine", "fib +10.100.0.4/32 at-a\nb +10.100.0.4/32 12076")
}

// A customer is told nothing before its own routes are programmed: it would send at once, and the source check would drop it.
func TestListenBeforeSpeaking(t *testing.T) {
	s := newScene(t, false)
	s.cfg.sessions[0].listenFirst = true
	s.r.configure(s.cfg, s.now)
	s.up("b", true)
	s.learn("b", "10.2.0.0/16", 65002)
	s.d.take()
	s.up("a", true)
	s.learn("b", "10.3.0.0/16", 65002)
	s.want("a is up, but has not told", "fib +10.3.0.0/16 at-b")
	s.learn("a", "10.1.0.0/16", 65001)
	s.want("a tells", "fib +10.1.0.0/16 at-a\nb +10.1.0.0/16 12076 65001")
	s.end("a")
	s.wantAny("a has told all", "a +10.2.0.0/16 12076 65002\na +10.3.0.0/16 12076 65002\na end")
	s.learn("b", "10.4.0.0/16", 65002)
	s.want("from now on at once", "fib +10.4.0.0/16 at-b\na +10.4.0.0/16 12076 65002")

	s.r.down("a", s.v["a"], bgp.Down{}, s.now)
	s.r.flush()
	s.up("a", true)
	s.d.take()
	s.pass(listenFor)
	s.wantAny("a tells nothing", "a +10.2.0.0/16 12076 65002\na +10.3.0.0/16 12076 65002\na +10.4.0.0/16 12076 65002\na end")
}
