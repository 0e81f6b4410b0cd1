package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
)

// nodesPath is where control tells of its nodes.
const nodesPath = "/providers/Onramp.Fabric/nodes/"

// silence breaks a cable between two nodes in its middle, or mends it: both ends keep their carrier, and nothing arrives.
func (l *Lab) silence(link string, broken bool) error {
	i, ok := l.World.findCable(link)
	if !ok {
		return fmt.Errorf("no cable %q", link)
	}
	c := l.World.Cables[i]
	if !l.patched(c) {
		return fmt.Errorf("cable %s - %s has no middle: only one between two nodes breaks silently", c.A, c.B)
	}
	if err := l.state.update(func(s *State) { s.Cut[c.A] = broken }); err != nil {
		return err
	}
	ns := l.ns(wiresPlace)
	if !broken {
		return enslave(ns, patchPort(i, 1), fmt.Sprintf("c%d", i))
	}
	return in(ns, func() error {
		p, err := netlink.LinkByName(patchPort(i, 1))
		if err != nil {
			return err
		}
		return netlink.LinkSetNoMaster(p)
	})
}

// detection is when the two ends of a session gave it up, from when the cable broke.
type detection struct {
	Router, Edge time.Duration // 0: not seen
}

// detect watches a session until both ends have given it up, or ctx ends. The router is asked again and again, so its time is late by one
// question at most; the edge's is the time it noted itself.
func (l *Lab) detect(ctx context.Context, s SessionRef, link string, broke time.Time) (d detection) {
	_ = poll(ctx, time.Hour, 5*time.Millisecond, func() error {
		state, _, err := l.sessionState(ctx, s)
		if err != nil || state == "Established" {
			return fmt.Errorf("session %s - %s is %s: %w", s.Router, s.Peer, state, err)
		}
		d.Router = time.Since(broke)
		return nil
	})
	_ = poll(ctx, time.Hour, 50*time.Millisecond, func() error {
		since, err := l.edgeDown(ctx, s, link, broke)
		if err == nil {
			d.Edge = since.Sub(broke)
		}
		return err
	})
	return d
}

// edgeDown asks control since when the edge router's end of a session is down.
func (l *Lab) edgeDown(ctx context.Context, ref SessionRef, link string, broke time.Time) (time.Time, error) {
	peer, ok := l.World.uplinkAddress(ref)
	if !ok {
		return time.Time{}, fmt.Errorf("router %s has no peer %s", ref.Router, ref.Peer)
	}
	doc, err := l.call(ctx, "operator", http.MethodGet, "", nodesPath+device(link), "", nil)
	if err != nil {
		return time.Time{}, err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return time.Time{}, err
	}
	var n struct {
		Report struct {
			Sessions []struct {
				PeerAddr        netip.Addr
				State           string
				Since, BFDSince time.Time
			}
		}
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return time.Time{}, fmt.Errorf("read what %s reports: %w", device(link), err)
	}
	for _, s := range n.Report.Sessions {
		switch {
		case s.PeerAddr != peer || s.State == "Established":
		case s.BFDSince.After(broke): // what made the session go
			return s.BFDSince, nil
		default:
			return s.Since, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s has not given up the session with %s", device(link), peer)
}

// uplinkAddress is the router's own address of a session.
func (w *World) uplinkAddress(ref SessionRef) (netip.Addr, bool) {
	r, ok := w.router(ref.Router)
	if !ok {
		return netip.Addr{}, false
	}
	for _, u := range r.Uplinks {
		if u.Peer == ref.Peer {
			return u.Address.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// drills runs a drill as often as asked for. A failed run does not end the others.
func (l *Lab) drills(ctx context.Context, d CableDrill) (string, error) {
	if l.opts.Repeat <= 1 {
		return l.drill(ctx, d)
	}
	var errs []error
	for i := range l.opts.Repeat {
		if _, err := l.drill(ctx, d); err != nil {
			errs = append(errs, fmt.Errorf("run %d: %w", i+1, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return l.spread(d), errors.Join(errs...)
}

// spread tells minimum, median and maximum over the runs of a drill.
func (l *Lab) spread(d CableDrill) string {
	var there, back, router, edge []float64
	l.report.add(func() {
		for _, r := range l.report.Drills {
			if r.Name == d.Name {
				there, back = append(there, r.Directions[0].BlackoutMS), append(back, r.Directions[1].BlackoutMS)
				router, edge = append(router, r.RouterMS), append(edge, r.EdgeMS)
			}
		}
	})
	text := fmt.Sprintf("%d runs, min/median/max in ms: black-out → %s, ← %s", len(there), spreadOf(there), spreadOf(back))
	if d.Silent {
		text += fmt.Sprintf("; noticed by %s %s, by %s %s", d.Back[0].Router, spreadOf(router), device(d.Link), spreadOf(edge))
	}
	return text
}

func spreadOf(v []float64) string {
	if len(v) == 0 {
		return "none"
	}
	slices.Sort(v)
	return fmt.Sprintf("%.0f/%.0f/%.0f", v[0], (v[(len(v)-1)/2]+v[len(v)/2])/2, v[len(v)-1])
}
