package node

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"onramp/node/bgp"
	"onramp/plan"
)

// SessionFunc makes a session that runs nothing before Run.
type SessionFunc func(bgp.Config, bgp.Dialer, bgp.Handler) bgp.Runner

func newBGPSession(c bgp.Config, d bgp.Dialer, h bgp.Handler) bgp.Runner {
	return bgp.NewSession(c, d, h, nil)
}

// session is one BGP session of the plan with what runs it.
type session struct {
	spec   plan.Session
	runner bgp.Runner
	late   *lateRunner
	dialer *dialer
	domain *domain
	cancel context.CancelFunc
	ended  chan struct{}
}

// dialer connects to the peer through the punt device. It implements bgp.Dialer.
type dialer struct {
	host   host
	device string

	mu   sync.Mutex
	spec plan.Session
}

// Dial implements bgp.Dialer.
func (d *dialer) Dial(ctx context.Context) (net.Conn, error) {
	d.mu.Lock()
	s := d.spec
	d.mu.Unlock()
	return d.host.Dial(ctx, d.device, s.LocalAddr, s.PeerAddr, s.Key)
}

func (d *dialer) set(s plan.Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spec = s
}

// sameSession reports whether two plans of a session can be lived by one runner: who speaks with whom, and where, is the same.
func sameSession(a, b plan.Session) bool {
	return a.Attachment == b.Attachment && a.LocalAddr == b.LocalAddr && a.PeerAddr == b.PeerAddr && a.LocalAS == b.LocalAS && a.PeerAS == b.PeerAS
}

func bgpConfig(s plan.Session, routerID netip.Addr, restarting bool) bgp.Config {
	family := bgp.IPv4Unicast
	if s.PeerAddr.Is6() {
		family = bgp.IPv6Unicast
	}
	return bgp.Config{
		Name: s.Name, LocalAS: s.LocalAS, PeerAS: s.PeerAS, RouterID: routerID, LocalAddr: s.LocalAddr, PeerAddr: s.PeerAddr,
		Families: []bgp.Family{family}, Keepalive: s.Keepalive, HoldTime: s.HoldTime, Passive: s.Passive, RestartTime: s.RestartTime,
		Restarting: restarting, MaxPrefixes: s.MaxPrefixes, IdleAfterLimit: s.IdleAfterLimit,
	}
}

// start runs the session.
func (s *session) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan struct{})
	if !s.spec.Enabled {
		s.shutDown()
	}
	go func() {
		defer close(s.ended)
		_ = s.runner.Run(ctx) // ends with ctx only
	}()
}

func (s *session) shutDown() {
	s.runner.Stop(bgp.CodeCease, bgp.CeaseAdminShutdown, "shut down by the operator")
}

// end stops the session: with a NOTIFICATION when the plan has it no more, silently when only this process ends.
func (s *session) end(deconfigured bool) {
	if deconfigured {
		s.runner.Stop(bgp.CodeCease, bgp.CeasePeerDeconfigured, "")
	}
	s.cancel()
	<-s.ended
}

// refresher is a session that can ask for the peer's table again (RFC 2918).
type refresher interface{ RequestRefresh(bgp.Family) }

// change makes the session follow a new plan for the same peer. The domain has the new policy already.
func (s *session) change(from, to plan.Session, routerID, oldRouterID netip.Addr) {
	s.dialer.set(to)
	before, after := bgpConfig(from, oldRouterID, false), bgpConfig(to, routerID, false)
	if !reflect.DeepEqual(before, after) {
		s.runner.Reconfigure(after)
	}
	switch {
	case from.Enabled && !to.Enabled:
		s.shutDown()
		return
	case !from.Enabled && to.Enabled:
		s.runner.Start()
		return
	case !to.Enabled:
		return
	}
	if from.Key != to.Key {
		s.runner.Reset("the TCP-MD5 key was changed")
		return
	}
	if !reflect.DeepEqual(from.Import, to.Import) {
		s.relearn(to)
	}
}

// relearn asks for the peer's table, because the import policy changed; a peer that cannot tell it again has to begin anew.
func (s *session) relearn(to plan.Session) {
	st := s.runner.Status()
	if st.State != bgp.Established {
		return
	}
	r, ok := s.runner.(refresher)
	if !ok || !st.Peer.Refresh {
		s.runner.Reset("the import policy was changed, and the peer knows no route refresh")
		return
	}
	for _, f := range st.Peer.Families {
		r.RequestRefresh(f)
	}
}

// listenKey is what one listener listens on.
type listenKey struct {
	device string
	local  netip.Addr
}

// incoming is one listener with the sessions it serves.
type incoming struct {
	l     listener
	ended chan struct{}

	mu    sync.Mutex
	peers map[netip.Addr]served
	keys  map[netip.Addr]plan.Secret // set on the listener
}

// served is a session with the key that its peer must use.
type served struct {
	s   *session
	key plan.Secret
}

func listen(h host, k listenKey) (*incoming, error) {
	l, err := h.Listen(k.device, k.local)
	if err != nil {
		return nil, err
	}
	in := &incoming{l: l, ended: make(chan struct{}), peers: map[netip.Addr]served{}, keys: map[netip.Addr]plan.Secret{}}
	go in.serve()
	return in, nil
}

// serve hands connections to their sessions; those of strangers and of disabled sessions are closed.
func (in *incoming) serve() {
	defer close(in.ended)
	for {
		c, err := in.l.Accept()
		if ne, ok := err.(interface{ Temporary() bool }); ok && ne.Temporary() {
			time.Sleep(100 * time.Millisecond) // out of file descriptors, say
			continue
		}
		if err != nil {
			return
		}
		if s := in.session(c.RemoteAddr()); s != nil {
			s.runner.Accept(c)
		} else {
			_ = c.Close()
		}
	}
}

func (in *incoming) session(a net.Addr) *session {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.peers[t.AddrPort().Addr().Unmap().WithZone("")].s
}

// set makes peers the ones served, with their keys.
func (in *incoming) set(peers map[netip.Addr]served) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.peers = peers
	for addr := range in.keys {
		if peers[addr].key == "" {
			if err := in.l.SetKey(addr, ""); err != nil {
				return err
			}
			delete(in.keys, addr)
		}
	}
	for addr, p := range peers {
		if p.key != in.keys[addr] {
			if err := in.l.SetKey(addr, p.key); err != nil {
				return err
			}
			in.keys[addr] = p.key
		}
	}
	return nil
}

func (in *incoming) close() {
	_ = in.l.Close()
	<-in.ended
}
