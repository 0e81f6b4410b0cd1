package bgp

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// heard restarts the hold timer.
func (l *link) heard(now time.Time) {
	if l.peer.HoldTime > 0 {
		l.holdAt = now.Add(l.peer.HoldTime)
	}
}

// opened judges the peer's OPEN on a connection in OpenSent.
func (f *FSM) opened(id LinkID, o *Open, now time.Time) {
	if n := f.judge(o); n != nil {
		f.fail(id, n, now)
		return
	}
	other := Outgoing + Incoming - id
	if f.links[other].state == OpenConfirm && f.collide(id, other, o, now) {
		return
	}
	l := &f.links[id]
	l.state, l.open, l.peer = OpenConfirm, o, f.negotiate(o)
	l.holdAt, l.keepAt, l.keepEvery = time.Time{}, time.Time{}, 0
	l.heard(now)
	if l.peer.HoldTime > 0 {
		l.keepEvery = min(f.cfg.Keepalive, l.peer.HoldTime/3)
		l.keepAt = now.Add(f.jitter(l.keepEvery))
	}
	f.act(Action{Kind: ActKeepalive, Link: id})
	f.settle("OPEN received", now)
}

// collide closes one of two connections whose OPENs both came, and reports whether it was the new one, id. The connection made by the side
// with the higher identifier stays (RFC 4271 §6.8).
func (f *FSM) collide(id, other LinkID, o *Open, now time.Time) (lost bool) {
	loser := Outgoing + Incoming - f.winner(o.ID)
	f.drop(loser, notify(CodeCease, CeaseCollision, nil, "the other connection was kept"), Down{}, now)
	return loser == id
}

// judge says what is wrong with the peer's OPEN (RFC 4271 §6.2).
func (f *FSM) judge(o *Open) *Notification {
	switch {
	case o.AS != f.cfg.PeerAS || o.AS == 0:
		return notify(codeOpen, openBadPeerAS, nil, "expected %d, got %d", f.cfg.PeerAS, o.AS)
	case o.ID.IsUnspecified():
		return notify(codeOpen, openBadID, nil, "identifier 0.0.0.0")
	case o.ID == f.cfg.RouterID && f.cfg.Internal(): // RFC 6286 §2.1
		return notify(codeOpen, openBadID, nil, "identifier %s is this side's own", o.ID)
	case o.HoldTime > 0 && o.HoldTime < minHold:
		return notify(codeOpen, openUnacceptableHold, nil, "hold time %s", o.HoldTime)
	case f.cfg.LocalAS > 0xffff && !o.FourByteAS && f.cfg.Internal():
		return notify(codeOpen, openUnsupportedCapability, appendU32s([]byte{capFourByteAS, 4}, f.cfg.LocalAS), "4-octet ASN")
	}
	if len(common(f.cfg.Families, o.families())) == 0 {
		var caps []byte
		for _, fam := range f.cfg.Families {
			caps = append(caps, capMultiprotocol, 4, byte(fam.AFI>>8), byte(fam.AFI), 0, fam.SAFI)
		}
		return notify(codeOpen, openUnsupportedCapability, caps, "expected %v, got %v", f.cfg.Families, o.families())
	}
	return nil
}

// negotiate is what both sides' OPENs agree on.
func (f *FSM) negotiate(o *Open) Peer {
	p := Peer{
		ID: o.ID, AS: o.AS, FourByteAS: o.FourByteAS, Refresh: o.Refresh,
		HoldTime: min(f.cfg.HoldTime, o.HoldTime),
		Families: common(f.cfg.Families, o.families()),
	}
	if r := o.Restart; r != nil {
		p.GracefulRestart = true
		p.RestartTime, p.Restarting, p.Forwarding = r.Time, r.Restarting, r.Forwarding
	}
	return p
}

func (f *FSM) keptAlive(id LinkID, now time.Time) {
	l := &f.links[id]
	switch l.state {
	case Established:
		l.heard(now)
	case OpenConfirm:
		l.heard(now)
		if other := Outgoing + Incoming - id; f.links[other].state == OpenSent && f.winner(l.peer.ID) == other {
			l.waitTill = now.Add(collisionTime) // else each side could close the connection that the other keeps
			return
		}
		f.establish(id, now)
	default:
		f.unexpected(id, "KEEPALIVE", now)
	}
}

func (f *FSM) establish(id LinkID, now time.Time) {
	l := &f.links[id]
	l.state, l.waitTill = Established, time.Time{}
	f.drop(Outgoing+Incoming-id, notify(CodeCease, CeaseCollision, nil, "the other connection was established"), Down{}, now)
	f.retryAt, f.wasUp, f.tries = time.Time{}, true, 0
	f.act(Action{Kind: ActUp, Link: id, Peer: l.peer})
	f.settle("KEEPALIVE received", now)
	var stale []Family
	for _, fam := range f.kept {
		if slices.Contains(l.peer.Forwarding, fam) && slices.Contains(l.peer.Families, fam) {
			stale = append(stale, fam)
			continue
		}
		f.act(Action{Kind: ActEndOfRIB, Link: id, Family: fam}) // RFC 4724 §4.2: its forwarding state did not survive
	}
	f.kept, f.keptTill = stale, time.Time{}
	if len(stale) > 0 {
		f.keptTill = now.Add(staleTime)
	}
}

// endOfRIB notes that the handler swept what was stale of fam.
func (f *FSM) endOfRIB(fam Family) {
	f.kept = slices.DeleteFunc(f.kept, func(k Family) bool { return k == fam })
	if len(f.kept) == 0 {
		f.keptTill = time.Time{}
	}
}

func (f *FSM) wantRefresh(fam Family) {
	for id := range f.links {
		if l := &f.links[id]; l.state == Established && l.peer.Refresh && slices.Contains(l.peer.Families, fam) {
			f.act(Action{Kind: ActRefresh, Link: LinkID(id), Family: fam})
		}
	}
}

func (f *FSM) unexpected(id LinkID, what string, now time.Time) {
	state := f.links[id].state
	f.fail(id, notify(codeFSM, uint8(state-OpenSent)+1, nil, "%s in %s", what, state), now) // RFC 6608
}

// fail ends a connection because of an error that this side saw.
func (f *FSM) fail(id LinkID, n *Notification, now time.Time) {
	f.lastErr = n.Error()
	f.end(id, n, Down{Cause: n.Error(), Err: n}, now)
	f.again(n, now)
	f.settle(n.Error(), now)
}

// again sets the next attempt after n ended a connection. What a lost packet, a lost link or an operator can cause is not held against the
// peer; an error in what it said is.
func (f *FSM) again(n *Notification, now time.Time) {
	switch {
	case f.alive() || !f.wanted:
	case n.Code == CodeCease || n.Code == codeHold || n.Code == codeSendHold:
		f.wait(now)
	default:
		f.punish(now)
	}
}

// end ends a connection with n, keeping the routes where both sides agreed that a NOTIFICATION does not end graceful restart (RFC 8538).
func (f *FSM) end(id LinkID, n *Notification, d Down, now time.Time) {
	l := f.links[id]
	if l.state == Established && f.notifiesGracefully(&l) && !endsHard(n) {
		f.keep(&l, &d, now)
	}
	f.drop(id, n, d, now)
}

// notifiesGracefully reports whether both sides set the N bit.
func (f *FSM) notifiesGracefully(l *link) bool {
	return f.cfg.KeepOverNotification && l.open != nil && l.open.Restart != nil && l.open.Restart.Notification
}

// keep fills in what stays after the session on l, where the peer said it keeps forwarding over a restart.
func (f *FSM) keep(l *link, d *Down, now time.Time) {
	r := l.open.Restart
	if r == nil || r.Time == 0 {
		return
	}
	fams := common(l.peer.Families, r.Families)
	if len(fams) == 0 {
		return
	}
	d.Keep, d.KeepFor, d.Kept = true, r.Time, fams
	f.kept, f.keptTill = fams, now.Add(r.Time)
}

// lost ends the Established session because its connection did.
func (f *FSM) lost(cause string, err error, now time.Time) {
	for id := range f.links {
		if l := f.links[id]; l.state == Established {
			d := Down{Cause: cause, Err: err}
			f.keep(&l, &d, now)
			f.drop(LinkID(id), nil, d, now)
		}
	}
}

// closed handles the end of a connection without a NOTIFICATION.
func (f *FSM) closed(id LinkID, err error, now time.Time) {
	cause := "connection closed by the peer"
	if err != nil && !errors.Is(err, io.EOF) {
		cause = fmt.Sprintf("connection lost: %v", err)
	}
	f.lastErr = cause
	if f.links[id].state == Established {
		f.lost(cause, err, now)
	} else {
		f.drop(id, nil, Down{}, now)
	}
	if !f.alive() && f.wanted {
		f.wait(now)
	}
	f.settle(cause, now)
}

// notified handles a NOTIFICATION from the peer.
func (f *FSM) notified(id LinkID, n *Notification, now time.Time) {
	if n.Code == codeOpen && n.Subcode == openBadPeerAS && n.Detail == "" {
		n.Detail = fmt.Sprintf("this side is AS %d", f.cfg.LocalAS)
	}
	f.lastErr = n.Error()
	d := Down{Cause: n.Error(), Err: n}
	l := f.links[id]
	if l.state == Established && !n.hard() && f.notifiesGracefully(&l) {
		f.keep(&l, &d, now)
	}
	f.drop(id, nil, d, now)
	f.again(n, now)
	f.settle(n.Error(), now)
}

// limit ends the session of a peer that announced too much; it may come back after IdleAfterLimit.
func (f *FSM) limit(n *Notification, now time.Time) {
	if f.established() == nil {
		return
	}
	f.lastErr = n.Error()
	f.dropAll(n, Down{Cause: n.Error(), Err: n}, now)
	f.retryAt, f.idleTill = time.Time{}, now.Add(f.cfg.IdleAfterLimit)
	f.settle(n.Error(), now)
}

// reconfigure applies a new configuration; the session ends where its OPEN would say something else.
func (f *FSM) reconfigure(c Config, now time.Time) {
	c = c.withDefaults()
	old := f.cfg
	f.cfg = c
	same := old.LocalAS == c.LocalAS && old.PeerAS == c.PeerAS && old.RouterID == c.RouterID && old.LocalAddr == c.LocalAddr &&
		old.PeerAddr == c.PeerAddr && old.HoldTime == c.HoldTime && slices.Equal(old.Families, c.Families)
	if same {
		for i := range f.links {
			if l := &f.links[i]; l.keepEvery > 0 {
				l.keepEvery = min(c.Keepalive, l.peer.HoldTime/3)
			}
		}
		if c.Passive != old.Passive && f.state == Active {
			f.connect("reconfigured", now)
		}
		return
	}
	n := notify(CodeCease, CeaseOtherConfig, nil, "configuration changed")
	f.dropAll(n, Down{Cause: n.Error(), Err: n}, now)
	f.forget(n.Error())
	if f.wanted {
		f.failures = 0
		f.idleTill = time.Time{}
		f.wait(now)
	}
	f.settle(n.Error(), now)
}

// timers does everything that is due.
func (f *FSM) timers(now time.Time) {
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	for id := range f.links {
		l := &f.links[id]
		if due(l.holdAt) {
			f.fail(LinkID(id), notify(codeHold, 0, nil, "nothing heard for %s", f.patience(l)), now)
			continue
		}
		if due(l.waitTill) {
			f.establish(LinkID(id), now)
		}
		if due(l.keepAt) {
			l.keepAt = now.Add(f.jitter(l.keepEvery))
			f.act(Action{Kind: ActKeepalive, Link: LinkID(id)})
		}
	}
	if due(f.keptTill) {
		f.sweep(now)
	}
	if due(f.idleTill) || due(f.retryAt) {
		cause := "connect retry"
		if due(f.idleTill) {
			cause = "waited long enough"
		}
		f.connect(cause, now)
	}
}

func (f *FSM) patience(l *link) time.Duration {
	if l.state == OpenSent {
		return openHold
	}
	return l.peer.HoldTime
}

// sweep gives up on a peer that did not come back, or did not send its End-of-RIB, in time.
func (f *FSM) sweep(now time.Time) {
	if f.established() == nil {
		f.forget("graceful restart: the peer did not come back in time")
		return
	}
	for _, fam := range f.kept {
		f.act(Action{Kind: ActEndOfRIB, Family: fam})
	}
	f.kept, f.keptTill = nil, time.Time{}
}

// String is the state's name in RFC 4271.
func (s State) String() string {
	switch s {
	case Idle:
		return "Idle"
	case Connect:
		return "Connect"
	case Active:
		return "Active"
	case OpenSent:
		return "OpenSent"
	case OpenConfirm:
		return "OpenConfirm"
	case Established:
		return "Established"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}
