package bgp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// peerOpen is an OPEN that suits testConfig.
func peerOpen() *Open {
	return &Open{Version: 4, AS: 65001, HoldTime: 90 * time.Second, ID: addr("10.0.0.2"), Families: []Family{IPv4Unicast},
		FourByteAS: true, Refresh: true}
}

// describe prints actions the way the tables below write them.
func describe(acts []Action) string {
	link := func(id LinkID) string { return [...]string{"out", "in"}[id] }
	var out []string
	for _, a := range acts {
		switch a.Kind {
		case ActDial:
			out = append(out, "dial")
		case ActCancelDial:
			out = append(out, "cancel-dial")
		case ActOpen:
			out = append(out, "open:"+link(a.Link))
		case ActKeepalive:
			out = append(out, "keepalive:"+link(a.Link))
		case ActRefresh:
			out = append(out, "refresh:"+link(a.Link))
		case ActClose, ActRefuse:
			s := map[ActionKind]string{ActClose: "close:", ActRefuse: "refuse:"}[a.Kind] + link(a.Link)
			if a.Note != nil {
				s += fmt.Sprintf(":%d/%d", a.Note.Code, a.Note.Subcode)
			}
			out = append(out, s)
		case ActUp:
			out = append(out, "up:"+link(a.Link))
		case ActDeliver:
			out = append(out, "deliver")
		case ActDown:
			s := "down"
			if a.Down.Keep {
				s += "+keep:" + a.Down.KeepFor.String()
			}
			out = append(out, s)
		case ActEndOfRIB:
			out = append(out, "sweep")
		}
	}
	return strings.Join(out, " ")
}

// machine makes an FSM in the named situation.
func machine(t *testing.T, situation string) *FSM {
	t.Helper()
	f := NewFSM(testConfig(), testRand(), t0)
	steps := map[string][]Input{
		"Stopped":     nil,
		"Waiting":     {{Kind: InStart}, {Kind: InDialed}, {Kind: InBadMessage, Note: notify(codeHeader, 1, nil, "")}},
		"Connect":     {{Kind: InStart}},
		"Active":      {{Kind: InStart}, {Kind: InDialFailed, Err: errors.New("refused")}},
		"OpenSent":    {{Kind: InStart}, {Kind: InDialed}},
		"OpenConfirm": {{Kind: InStart}, {Kind: InDialed}, {Kind: InOpen, Open: peerOpen()}},
		"Established": {{Kind: InStart}, {Kind: InDialed}, {Kind: InOpen, Open: peerOpen()}, {Kind: InKeepalive}},
	}
	for _, in := range steps[situation] {
		f.Step(in, t0)
	}
	want := map[string]State{"Connect": Connect, "Active": Active, "OpenSent": OpenSent, "OpenConfirm": OpenConfirm, "Established": Established}
	if f.State() != want[situation] {
		t.Fatalf("situation %s: state %s", situation, f.State())
	}
	return f
}

// established returns a machine in Established whose peer sent o, or peerOpen when nil.
func established(t *testing.T, c Config, o *Open) *FSM {
	t.Helper()
	if o == nil {
		o = peerOpen()
	}
	f := NewFSM(c, testRand(), t0)
	for _, in := range []Input{{Kind: InStart}, {Kind: InDialed}, {Kind: InOpen, Open: o}, {Kind: InKeepalive}} {
		f.Step(in, t0)
	}
	if f.State() != Established {
		t.Fatalf("state %s: %+v", f.State(), f.events)
	}
	return f
}

func TestOpenJudged(t *testing.T) {
	internal := testConfig()
	internal.PeerAS = internal.LocalAS
	for _, tc := range []struct {
		name   string
		config Config
		change func(o *Open)
		want   string // code/subcode; "" is accepted
	}{
		{"good", testConfig(), func(*Open) {}, ""},
		{"wrong AS", testConfig(), func(o *Open) { o.AS = 65002 }, "2/2"},
		{"AS 0", testConfig(), func(o *Open) { o.AS = 0 }, "2/2"},
		{"AS_TRANS without the capability", testConfig(), func(o *Open) { o.AS, o.FourByteAS = 23456, false }, "2/2"},
		{"zero identifier", testConfig(), func(o *Open) { o.ID = addr("0.0.0.0") }, "2/3"},
		{"own identifier, external", testConfig(), func(o *Open) { o.ID = addr("10.0.0.1") }, ""},
		{"own identifier, internal", internal, func(o *Open) { o.AS, o.ID = 12076, addr("10.0.0.1") }, "2/3"},
		{"hold 1", testConfig(), func(o *Open) { o.HoldTime = time.Second }, "2/6"},
		{"hold 2", testConfig(), func(o *Open) { o.HoldTime = 2 * time.Second }, "2/6"},
		{"hold 3", testConfig(), func(o *Open) { o.HoldTime = 3 * time.Second }, ""},
		{"hold 0", testConfig(), func(o *Open) { o.HoldTime = 0 }, ""},
		{"no multiprotocol capability", testConfig(), func(o *Open) { o.Families = nil }, ""},
		{"no family in common", testConfig(), func(o *Open) { o.Families = []Family{IPv6Unicast} }, "2/7"},
	} {
		f := NewFSM(tc.config, testRand(), t0)
		f.Step(Input{Kind: InStart}, t0)
		f.Step(Input{Kind: InDialed}, t0)
		o := peerOpen()
		tc.change(o)
		got := describe(f.Step(Input{Kind: InOpen, Open: o}, t0))
		want := "keepalive:out"
		if tc.want != "" {
			want = "close:out:" + tc.want
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", tc.name, got, want)
		}
	}
}

func TestHoldTimeNegotiated(t *testing.T) {
	for _, tc := range []struct{ ours, theirs, hold, keep time.Duration }{
		{180 * time.Second, 90 * time.Second, 90 * time.Second, 30 * time.Second},
		{180 * time.Second, 240 * time.Second, 180 * time.Second, 60 * time.Second},
		{0, 10 * time.Second, 10 * time.Second, 10 * time.Second / 3},
		{180 * time.Second, 0, 0, 0},
		{-1, 90 * time.Second, 0, 0},
	} {
		c := testConfig()
		c.HoldTime = tc.ours
		o := peerOpen()
		o.HoldTime = tc.theirs
		f := established(t, c, o)
		l := f.links[Outgoing]
		if l.peer.HoldTime != tc.hold || l.keepEvery != tc.keep {
			t.Errorf("ours %s, theirs %s: hold %s keepalive %s", tc.ours, tc.theirs, l.peer.HoldTime, l.keepEvery)
		}
		if tc.hold == 0 && !f.Next().IsZero() {
			t.Errorf("hold 0, yet something is due at %s", f.Next())
		}
		f.Step(Input{Kind: InKeepalive}, t0.Add(time.Second))
		if h := f.links[Outgoing].holdAt; tc.hold > 0 && !h.Equal(t0.Add(time.Second+tc.hold)) {
			t.Errorf("hold timer at %s after a KEEPALIVE", h)
		}
		if k := l.keepAt.Sub(t0); tc.hold > 0 && (k > tc.keep || k < tc.keep*3/4) {
			t.Errorf("keepalive after %s, want 0.75 to 1 of %s", k, tc.keep)
		}
	}
}

// TestCollision plays both orders of OPENs with both outcomes of the comparison: one connection stays, the same for both sides.
func TestCollision(t *testing.T) {
	for _, tc := range []struct {
		id    string
		first LinkID
		want  string // on the second OPEN
	}{
		{"10.0.0.2", Outgoing, "close:out:6/7 keepalive:in"}, // the peer's is higher: what it made stays
		{"10.0.0.2", Incoming, "close:out:6/7"},
		{"9.0.0.1", Outgoing, "close:in:6/7"},
		{"9.0.0.1", Incoming, "close:in:6/7 keepalive:out"},
		{"10.0.0.1", Outgoing, "close:out:6/7 keepalive:in"}, // equal: the higher ASN, the peer's
	} {
		f := NewFSM(testConfig(), testRand(), t0)
		for _, in := range []Input{{Kind: InStart}, {Kind: InDialed}, {Kind: InAccepted}} {
			f.Step(in, t0)
		}
		o := peerOpen()
		o.ID = addr(tc.id)
		f.Step(Input{Kind: InOpen, Link: tc.first, Open: o}, t0)
		got := describe(f.Step(Input{Kind: InOpen, Link: Outgoing + Incoming - tc.first, Open: o}, t0))
		if got != tc.want || f.State() != OpenConfirm {
			t.Errorf("peer %s, first OPEN on %d: %s in %s, want %s", tc.id, tc.first, got, f.State(), tc.want)
		}
	}
}

// TestConfirmedLate: the KEEPALIVE that establishes counts for the hold timer too, and a retry that was planned meanwhile is not made.
func TestConfirmedLate(t *testing.T) {
	f := NewFSM(testConfig(), testRand(), t0)
	for _, in := range []Input{{Kind: InStart}, {Kind: InAccepted}, {Kind: InOpen, Link: Incoming, Open: peerOpen()}, {Kind: InDialFailed, Err: errors.New("refused")}} {
		f.Step(in, t0)
	}
	f.Step(Input{Kind: InKeepalive, Link: Incoming}, t0.Add(2*time.Second))
	if h := f.links[Incoming].holdAt; !h.Equal(t0.Add(92 * time.Second)) {
		t.Errorf("hold timer at %s", h)
	}
	if got := describe(f.Step(Input{Kind: InTimer}, t0.Add(20*time.Second))); got != "" || f.State() != Established {
		t.Errorf("%s: %q", f.State(), got)
	}
}

// TestConfirmedLoserWaits: a connection that would lose a collision is not established while the winner may still come.
func TestConfirmedLoserWaits(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   Input
		want string
		at   time.Duration
	}{
		{"the winner's OPEN comes", Input{Kind: InOpen, Link: Incoming, Open: peerOpen()}, "close:out:6/7 keepalive:in", 0},
		{"the winner closes", Input{Kind: InClosed, Link: Incoming}, "close:in up:out", 0},
		{"the peer goes on", Input{Kind: InUpdate, Link: Outgoing}, "close:in:6/7 up:out deliver", 0},
		{"nothing comes", Input{Kind: InTimer}, "close:in:6/7 up:out", collisionTime},
	} {
		f := NewFSM(testConfig(), testRand(), t0)
		for _, in := range []Input{{Kind: InStart}, {Kind: InDialed}, {Kind: InAccepted}, {Kind: InOpen, Open: peerOpen()}, {Kind: InKeepalive}} {
			f.Step(in, t0)
		}
		if f.State() != OpenConfirm {
			t.Fatalf("%s: %s before", tc.name, f.State())
		}
		if got := describe(f.Step(tc.in, t0.Add(tc.at))); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestEstablishedEndsTheOtherConnection(t *testing.T) {
	f := NewFSM(testConfig(), testRand(), t0)
	for _, in := range []Input{{Kind: InStart}, {Kind: InDialed}, {Kind: InAccepted}, {Kind: InOpen, Link: Incoming, Open: peerOpen()}} {
		f.Step(in, t0)
	}
	if got := describe(f.Step(Input{Kind: InKeepalive, Link: Incoming}, t0)); got != "close:out:6/7 up:in" {
		t.Errorf("got %q", got)
	}
}

// restartOpen is the OPEN of a peer that can restart gracefully.
func restartOpen(notification, restarting bool, forwarding ...Family) *Open {
	o := peerOpen()
	o.Restart = &Restart{Notification: notification, Restarting: restarting, Time: 120 * time.Second, Families: []Family{IPv4Unicast}, Forwarding: forwarding}
	return o
}

func TestGracefulRestartHelper(t *testing.T) {
	lost := Input{Kind: InClosed, Err: errors.New("reset by peer")}
	stop := Input{Kind: InStop, Note: notify(CodeCease, CeaseAdminShutdown, nil, "")}
	cease := func(subcode uint8) Input {
		return Input{Kind: InNotification, Note: &Notification{Code: CodeCease, Subcode: subcode, Received: true}}
	}
	for _, tc := range []struct {
		name string
		open *Open
		in   Input
		want string
	}{
		{"connection lost", restartOpen(false, false), lost, "close:out down+keep:2m0s"},
		{"connection lost, peer helps only", func() *Open { o := restartOpen(false, false); o.Restart.Families = nil; return o }(), lost, "close:out down"},
		{"connection lost, no capability", peerOpen(), lost, "close:out down"},
		{"NOTIFICATION without N", restartOpen(false, false), cease(CeaseAdminReset), "close:out down"},
		{"NOTIFICATION with N", restartOpen(true, false), cease(CeaseAdminReset), "close:out down+keep:2m0s"},
		{"Hard Reset with N", restartOpen(true, false), cease(ceaseHardReset), "close:out down"},
		{"hold timer without N", restartOpen(false, false), Input{Kind: InTimer}, "close:out:4/0 down"},
		{"hold timer with N", restartOpen(true, false), Input{Kind: InTimer}, "close:out:4/0 down+keep:2m0s"},
		{"hold timer with N, ours is not set", restartOpen(true, false), Input{Kind: InTimer}, "close:out:4/0 down"},
		{"connected anew", restartOpen(false, false), Input{Kind: InAccepted}, "close:out down+keep:2m0s open:in"},
		{"link down", restartOpen(true, false), Input{Kind: InReset}, "close:out down"},
		{"stop with N", restartOpen(true, false), stop, "close:out:6/2 down"},
		{"limit with N", restartOpen(true, false), Input{Kind: InLimit, Note: tooMany(IPv4Unicast, 1)}, "close:out:6/1 down"},
		{"stop with N, we restart gracefully too", restartOpen(true, false), stop, "close:out:6/9 down"},
		{"stop without N, we restart gracefully", restartOpen(false, false), stop, "close:out:6/2 down"},
	} {
		c := testConfig()
		c.KeepOverNotification = !strings.Contains(tc.name, "ours is not set")
		if strings.Contains(tc.name, "we restart gracefully") {
			c.RestartTime = time.Minute
		}
		f := established(t, c, tc.open)
		if got := describe(f.Step(tc.in, t0.Add(200*time.Second))); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestKeptRoutesGo(t *testing.T) {
	again := func(f *FSM, o *Open) string {
		f.Step(Input{Kind: InAccepted}, t0)
		f.Step(Input{Kind: InOpen, Link: Incoming, Open: o}, t0)
		return describe(f.Step(Input{Kind: InKeepalive, Link: Incoming}, t0))
	}
	kept := func() *FSM {
		f := established(t, testConfig(), restartOpen(false, false))
		f.Step(Input{Kind: InClosed, Err: errors.New("reset")}, t0)
		return f
	}
	f := kept()
	if got := describe(f.Step(Input{Kind: InTimer}, t0.Add(119*time.Second))); strings.Contains(got, "down") {
		t.Errorf("before the restart time: %q", got)
	}
	if got := describe(f.Step(Input{Kind: InTimer}, t0.Add(120*time.Second))); !strings.HasPrefix(got, "down") {
		t.Errorf("the peer did not come back: %q", got)
	}
	f = kept()
	if got := again(f, restartOpen(false, true)); got != "up:in sweep" {
		t.Errorf("back without its forwarding state: %q", got)
	}
	f = kept()
	if got := again(f, peerOpen()); got != "up:in sweep" {
		t.Errorf("back without the capability: %q", got)
	}
	f = kept()
	if got := again(f, restartOpen(false, true, IPv4Unicast)); got != "up:in" {
		t.Errorf("back with its forwarding state: %q", got)
	}
	f.Step(Input{Kind: InKeepalive, Link: Incoming}, t0.Add(staleTime-time.Second))
	if got := describe(f.Step(Input{Kind: InTimer}, t0.Add(staleTime))); !strings.Contains(got, "sweep") {
		t.Errorf("no End-of-RIB in time: %q", got)
	}
	f = kept()
	again(f, restartOpen(false, true, IPv4Unicast))
	f.Step(Input{Kind: InEndOfRIB, Family: IPv4Unicast}, t0)
	if len(f.kept) != 0 || !f.keptTill.IsZero() {
		t.Errorf("kept %v until %s after End-of-RIB", f.kept, f.keptTill)
	}
	f = kept()
	if got := describe(f.Step(Input{Kind: InStop, Note: notify(CodeCease, CeasePeerDeconfigured, nil, "")}, t0)); got != "down" {
		t.Errorf("stopped while routes are kept: %q", got)
	}
}

func TestRestarter(t *testing.T) {
	c := testConfig()
	c.RestartTime, c.Restarting, c.KeepOverNotification = 90*time.Second, true, true
	f := NewFSM(c, testRand(), t0)
	if r := f.offer().Restart; !r.Restarting || r.Time != 90*time.Second || len(r.Forwarding) != 1 || !r.Notification {
		t.Errorf("after a restart: %+v", r)
	}
	f = established(t, c, nil)
	if r := f.offer().Restart; r.Restarting || len(r.Forwarding) != 1 {
		t.Errorf("after the session was up: %+v", r)
	}
	c.Restarting = false
	if r := NewFSM(c, testRand(), t0).offer().Restart; r.Restarting || len(r.Forwarding) != 0 || len(r.Families) != 1 {
		t.Errorf("cold start: %+v", r)
	}
	if r := NewFSM(testConfig(), testRand(), t0).offer().Restart; r.Time != 0 || len(r.Families) != 0 {
		t.Errorf("helper only: %+v", r)
	}
}

// TestBackoff: each failure doubles the wait, to a minute; a session that lived clears it.
func TestBackoff(t *testing.T) {
	f := NewFSM(testConfig(), testRand(), t0)
	now := t0
	f.Step(Input{Kind: InStart}, now)
	for i, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
		want *= time.Second
		f.Step(Input{Kind: InDialed}, now)
		f.Step(Input{Kind: InBadMessage, Note: notify(codeHeader, 1, nil, "")}, now)
		wait := f.Next().Sub(now)
		if f.State() != Idle || wait > want || wait < want*3/4 {
			t.Errorf("failure %d: %s, next after %s, want 0.75 to 1 of %s", i, f.State(), wait, want)
		}
		now = f.Next()
		f.Step(Input{Kind: InTimer}, now)
	}
	for _, in := range []Input{{Kind: InDialed}, {Kind: InOpen, Open: peerOpen()}, {Kind: InKeepalive}} {
		f.Step(in, now)
	}
	now = now.Add(stableAfter)
	f.Step(Input{Kind: InBadMessage, Note: notify(codeUpdate, 1, nil, "")}, now)
	if wait := f.Next().Sub(now); wait > 5*time.Second {
		t.Errorf("after a stable session: %s", wait)
	}
}

func TestLimitIdlesThenReturns(t *testing.T) {
	c := testConfig()
	c.IdleAfterLimit = 30 * time.Second
	f := established(t, c, nil)
	f.Step(Input{Kind: InLimit, Note: tooMany(IPv4Unicast, 4000)}, t0)
	var st Status
	f.fill(&st)
	if st.State != Idle || !st.NextAttempt.Equal(t0.Add(30*time.Second)) {
		t.Errorf("%+v", st)
	}
	if want := "sent NOTIFICATION Cease/Maximum Number of Prefixes Reached: more than 4000 ipv4 unicast prefixes"; st.LastError != want {
		t.Errorf("error %q", st.LastError)
	}
	if got := describe(f.Step(Input{Kind: InTimer}, st.NextAttempt)); got != "dial" {
		t.Errorf("after the wait: %q", got)
	}
}

func TestEventsInWords(t *testing.T) {
	f := NewFSM(testConfig(), testRand(), t0)
	o := peerOpen()
	o.AS = 65002
	for _, in := range []Input{{Kind: InStart}, {Kind: InDialFailed, Err: errors.New("connection refused")}, {Kind: InTimer}, {Kind: InDialed}, {Kind: InOpen, Open: o}} {
		now := t0.Add(time.Minute)
		if in.Kind == InTimer {
			now = f.Next()
		}
		f.Step(in, now)
	}
	var got []string
	for _, e := range f.events {
		got = append(got, fmt.Sprintf("%s>%s %s", e.From, e.To, e.Cause))
	}
	want := []string{
		"Idle>Connect started",
		"Connect>Active connect to 169.254.77.2: connection refused",
		"Active>Connect connect retry",
		"Connect>OpenSent connected",
		"OpenSent>Idle sent NOTIFICATION OPEN/Bad Peer AS: expected 65001, got 65002",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestUnansweredIsSaid(t *testing.T) {
	f := machine(t, "Connect")
	for range 100 {
		f.Step(Input{Kind: InTimer}, f.Next())
	}
	if len(f.events) != 2 || !strings.Contains(f.lastErr, "MD5 keys differ") || f.events[1].Cause != f.lastErr {
		t.Errorf("%q %+v", f.lastErr, f.events)
	}
}

// TestEventsBounded: hours of failing attempts leave the events before them readable, and nothing grows.
func TestEventsBounded(t *testing.T) {
	f := established(t, testConfig(), nil)
	f.Step(Input{Kind: InClosed, Err: errors.New("reset")}, t0)
	before := len(f.events)
	now := t0
	for range 1000 {
		now = f.Next()
		f.Step(Input{Kind: InTimer}, now)
		f.Step(Input{Kind: InDialFailed, Err: errors.New("no route")}, now)
	}
	if len(f.events) > before+4 || f.events[len(f.events)-1].Time != now {
		t.Errorf("%d events after %d: %+v", len(f.events), before, f.events)
	}
	for range 100 { // refused after the connection was made: a longer circle
		now = f.Next()
		f.Step(Input{Kind: InTimer}, now)
		f.Step(Input{Kind: InDialed}, now)
		f.Step(Input{Kind: InClosed}, now)
	}
	if len(f.events) > before+8 {
		t.Errorf("%d events: %+v", len(f.events), f.events)
	}
	for range 100 { // flaps of an established session are all told
		now = f.Next()
		for _, in := range []Input{{Kind: InTimer}, {Kind: InDialed}, {Kind: InOpen, Open: peerOpen()}, {Kind: InKeepalive}, {Kind: InClosed}} {
			f.Step(in, now)
		}
	}
	if len(f.events) != maxEvents {
		t.Errorf("%d events", len(f.events))
	}
}

// TestRetryGrows: failing attempts come after about 1, 2, 4 seconds, then every ConnectRetry; Start tries at once and begins anew.
func TestRetryGrows(t *testing.T) {
	f := NewFSM(testConfig(), testRand(), t0)
	f.Step(Input{Kind: InStart}, t0)
	now := t0
	for i, want := range []time.Duration{1, 2, 4, 5, 5, 1} {
		want *= time.Second
		if i == 5 {
			f.Step(Input{Kind: InStart}, now)
		}
		f.Step(Input{Kind: InDialFailed, Err: errors.New("refused")}, now)
		if wait := f.Next().Sub(now); f.State() != Active || wait > want || wait < want*3/4 {
			t.Errorf("attempt %d: %s, next after %s, want 0.75 to 1 of %s", i, f.State(), wait, want)
		}
		if i < 4 {
			now = f.Next()
			f.Step(Input{Kind: InTimer}, now)
		}
	}
}
