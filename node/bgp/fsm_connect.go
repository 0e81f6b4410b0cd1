package bgp

import (
	"fmt"
	"net/netip"
	"time"
)

func (f *FSM) dialed(now time.Time) {
	l := &f.links[Outgoing]
	if l.state != Connect {
		f.act(Action{Kind: ActRefuse, Link: Outgoing})
		return
	}
	f.retryAt = time.Time{}
	*l = link{state: OpenSent, holdAt: now.Add(openHold)}
	f.act(Action{Kind: ActOpen, Link: Outgoing, Open: f.offer()})
	f.settle("connected", now)
}

func (f *FSM) dialFailed(err error, now time.Time) {
	if f.links[Outgoing].state != Connect {
		return
	}
	f.links[Outgoing] = link{}
	f.lastErr = fmt.Sprintf("connect to %s: %v", f.cfg.PeerAddr, err)
	f.wait(now)
	f.settle(f.lastErr, now)
}

// accepted takes or refuses a connection that the peer made.
func (f *FSM) accepted(now time.Time) {
	l := &f.links[Incoming]
	up := f.established()
	switch {
	case !f.wanted || !f.idleTill.IsZero():
		f.act(Action{Kind: ActRefuse, Link: Incoming})
		return
	case up != nil && up.open.Restart != nil && len(up.open.Restart.Families) > 0 && now.Sub(f.since) >= collisionTime:
		f.lost("the peer connected anew", nil, now) // RFC 4724 §5: it restarted and the old connection is dead
	case up != nil:
		n := notify(CodeCease, CeaseCollision, nil, "the session is established already")
		f.act(Action{Kind: ActRefuse, Link: Incoming, Note: n})
		return
	case l.state == OpenSent: // never answered; the newer one is more likely alive
		f.drop(Incoming, nil, Down{}, now)
	case l.state > OpenSent:
		f.act(Action{Kind: ActRefuse, Link: Incoming})
		return
	}
	f.links[Incoming] = link{state: OpenSent, holdAt: now.Add(openHold)}
	f.act(Action{Kind: ActOpen, Link: Incoming, Open: f.offer()})
	f.settle("peer connected", now)
}

// offer is this side's OPEN.
func (f *FSM) offer() *Open {
	r := &Restart{Notification: f.cfg.KeepOverNotification}
	if f.cfg.RestartTime > 0 {
		r.Restarting = f.cfg.Restarting && !f.wasUp
		r.Time = min(f.cfg.RestartTime, maxRestartTime)
		r.Families = f.cfg.Families
		if f.cfg.Restarting || f.wasUp { // the forwarding state outlived whatever ended the session before
			r.Forwarding = f.cfg.Families
		}
	}
	return &Open{Version: 4, AS: f.cfg.LocalAS, HoldTime: f.cfg.HoldTime, ID: f.cfg.RouterID, Families: f.cfg.Families,
		FourByteAS: true, Refresh: true, ExtendedMessage: true, Restart: r}
}

// winner is the connection that stays in a collision with the peer of that identifier: the one made by the side whose identifier is higher
// (RFC 4271 §6.8), or whose ASN is where they are equal (RFC 6286 §2.3).
func (f *FSM) winner(peer netip.Addr) LinkID {
	if peer.Less(f.cfg.RouterID) || peer == f.cfg.RouterID && f.cfg.LocalAS > f.cfg.PeerAS {
		return Outgoing
	}
	return Incoming
}
