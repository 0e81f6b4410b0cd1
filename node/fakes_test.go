package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"onramp/node/bgp"
	"onramp/plan"
)

// fakeHost is a host in memory. Interfaces are made with addPort, their cables moved with carrier.
type fakeHost struct {
	events chan event

	mu        sync.Mutex
	links     map[string]*linkState
	punts     map[string]puntDevice
	resolved  map[neighborKey]bool
	statics   map[neighborKey]string
	keys      map[string]plan.Secret // by device and peer
	listening map[listenKey]bool
	broken    map[string]bool // attachments whose punt device cannot be made
	index     int
}

func newFakeHost(ports ...string) *fakeHost {
	h := &fakeHost{events: make(chan event, 16384), links: map[string]*linkState{}, punts: map[string]puntDevice{}, resolved: map[neighborKey]bool{},
		statics: map[neighborKey]string{}, keys: map[string]plan.Secret{}, listening: map[listenKey]bool{}, broken: map[string]bool{}, index: 1}
	for _, p := range ports {
		h.addPort(p)
	}
	return h
}

func (h *fakeHost) addPort(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.index++
	l := &linkState{Name: name, Index: h.index, Up: true, Carrier: true, MTU: 1600, MAC: net.HardwareAddr{2, 0, 0, 0, 1, byte(h.index)}}
	h.links[name] = l
	h.tell(*l)
}

func (h *fakeHost) tell(l linkState) { h.events <- event{link: &l} }

// carrier plugs a port's cable or pulls it.
func (h *fakeHost) carrier(name string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.links[name].Carrier = on
	h.tell(*h.links[name])
}

// neighbor tells that a MAC was learned on an attachment's punt device; nil: lost.
func (h *fakeHost) neighbor(node, attachment, addr string, mac net.HardwareAddr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k, _ := puntNames(node, attachment)
	h.events <- event{neighbor: &neighborState{Index: h.punts[k].KernelIndex, Addr: ip(addr), MAC: mac}}
}

func (h *fakeHost) Watch(ctx context.Context, f func(event)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-h.events:
			f(e)
		}
	}
}

func (h *fakeHost) SetPort(p portSpec) (linkState, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.links[p.Name]
	if l == nil {
		return linkState{}, errors.New("no such interface")
	}
	if l.Up != p.Up || p.MTU != 0 && l.MTU != p.MTU {
		l.Up = p.Up
		if p.MTU != 0 {
			l.MTU = p.MTU
		}
		h.tell(*l)
	}
	return *l, nil
}

func (h *fakeHost) MakePunts(ps []puntSpec) ([]puntDevice, []error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	devs, errs := make([]puntDevice, len(ps)), make([]error, len(ps))
	for i, p := range ps {
		if h.broken[p.Attachment] {
			errs[i] = errors.New("out of interfaces")
			continue
		}
		d, ok := h.punts[p.Kernel]
		if !ok {
			h.index += 2
			d = puntDevice{KernelIndex: h.index, PathIndex: h.index - 1}
			h.punts[p.Kernel] = d
		}
		d.Made = !ok
		devs[i] = d
	}
	return devs, errs
}

func (h *fakeHost) RemovePunts(keep map[string]bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.punts {
		if !keep[name] {
			delete(h.punts, name)
		}
	}
	return nil
}

func (h *fakeHost) Resolve(ifindex int, addr netip.Addr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.resolved[neighborKey{ifindex, addr}] = true
	return nil
}

func (h *fakeHost) Forget(ifindex int, addr netip.Addr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.resolved, neighborKey{ifindex, addr})
	delete(h.statics, neighborKey{ifindex, addr})
	return nil
}

func (h *fakeHost) SetNeighbor(ifindex int, addr netip.Addr, mac net.HardwareAddr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.statics[neighborKey{ifindex, addr}] = mac.String()
	h.events <- event{neighbor: &neighborState{Index: ifindex, Addr: addr, MAC: mac}}
	return nil
}

func (h *fakeHost) NextHop(addr netip.Addr) (int, netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.links["fab0"]; l != nil {
		return l.Index, addr, nil
	}
	return 0, netip.Addr{}, errors.New("unreachable")
}

// fakeListener accepts nothing.
type fakeListener struct {
	h    *fakeHost
	k    listenKey
	done chan struct{}
}

func (h *fakeHost) Listen(device string, local netip.Addr) (listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := listenKey{device, local}
	if h.listening[k] {
		return nil, fmt.Errorf("address in use: %v", k)
	}
	h.listening[k] = true
	return &fakeListener{h, k, make(chan struct{})}, nil
}

func (l *fakeListener) Accept() (net.Conn, error) { <-l.done; return nil, net.ErrClosed }

func (l *fakeListener) SetKey(peer netip.Addr, key plan.Secret) error {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	l.h.keys[l.k.device+" "+peer.String()] = key
	return nil
}

func (l *fakeListener) Close() error {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	delete(l.h.listening, l.k)
	close(l.done)
	return nil
}

func (h *fakeHost) Dial(context.Context, string, netip.Addr, netip.Addr, plan.Secret) (net.Conn, error) {
	return nil, errors.New("nobody there")
}

// fakeLink is the line to control in memory.
type fakeLink struct {
	work chan plan.Work

	mu      sync.Mutex
	away    bool
	reports []plan.Report
	answers []plan.Answer
}

func newFakeLink() *fakeLink { return &fakeLink{work: make(chan plan.Work, 16)} }

func (l *fakeLink) Next(ctx context.Context, have int64) (plan.Work, error) {
	l.mu.Lock()
	away := l.away
	l.mu.Unlock()
	if away {
		return plan.Work{}, errors.New("connection refused")
	}
	select {
	case w := <-l.work:
		return w, nil
	case <-ctx.Done():
		return plan.Work{}, ctx.Err()
	}
}

func (l *fakeLink) Report(_ context.Context, r plan.Report) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports = append(l.reports, r)
	return nil
}

func (l *fakeLink) Answer(_ context.Context, a plan.Answer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, a)
	return nil
}

func (l *fakeLink) last() plan.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.reports) == 0 {
		return plan.Report{}
	}
	return l.reports[len(l.reports)-1]
}

func (l *fakeLink) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.reports)
}

// cast are the sessions that an agent made, played by the test.
type cast struct {
	mu       sync.Mutex
	sessions map[string]*bgp.Memory
	made     []string
}

func (c *cast) session(cfg bgp.Config, _ bgp.Dialer, h bgp.Handler) bgp.Runner {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions == nil {
		c.sessions = map[string]*bgp.Memory{}
	}
	m := bgp.NewMemory(cfg, h)
	c.sessions[cfg.Name] = m
	c.made = append(c.made, cfg.Name)
	return m
}

func (c *cast) get(name string) *bgp.Memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[name]
}

func (c *cast) timesMade(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(c.made), func(n string) bool { return n != name }))
}

// up brings a session up and has it tell prefixes.
func (c *cast) up(name string, path []uint32, prefixes ...string) {
	m := c.get(name)
	fams := []bgp.Family{bgp.IPv4Unicast}
	m.Up(bgp.Peer{ID: ip("9.9.9.9"), Families: fams, Forwarding: fams, GracefulRestart: true, Refresh: true})
	c.learn(name, path, prefixes...)
	m.Learn(bgp.Update{Family: bgp.IPv4Unicast, EndOfRIB: true})
}

func (c *cast) learn(name string, path []uint32, prefixes ...string) {
	m := c.get(name)
	u := bgp.Update{Family: bgp.IPv4Unicast, NextHop: m.Config().PeerAddr, Attrs: &bgp.Attrs{LocalPref: 100, ASPath: []bgp.Segment{{ASNs: path}}}}
	for _, p := range prefixes {
		u.Reach = append(u.Reach, pre(p))
	}
	m.Learn(u)
}

// announced is what the peer of a session knows.
func (c *cast) announced(name string) []string {
	known := map[netip.Prefix]bool{}
	for _, u := range c.get(name).Announced() {
		for _, p := range u.Withdrawn {
			delete(known, p)
		}
		for _, p := range u.Reach {
			known[p] = true
		}
	}
	var out []string
	for p := range known {
		out = append(out, p.String())
	}
	slices.Sort(out)
	return out
}

func (h *fakeHost) KeyFailures() (map[string]uint64, error) { return nil, nil }
