package node

import (
	"context"
	"net/netip"
	"path/filepath"
	"time"

	"onramp/node/bfd"
	"onramp/node/bgp"
	"onramp/plan"
)

// detector watches the paths to peers. Twins: bfd.Client and the fake of the tests.
type detector interface {
	Set([]bfd.Session)
	Run(context.Context)
	Shutdown(context.Context) error
}

// paths is what is known of the paths to the sessions' peers. BFD going down takes a path out of use at once, and its session with it; not
// being up says nothing: a peer without BFD keeps working (RFC 5882 §4).
type paths struct {
	d    detector             // nil: nobody watches
	last map[string]bfd.Event // by session
	dead map[nextHop]time.Time
}

// nextHop is a neighbour on an attachment.
type nextHop struct {
	attachment string
	addr       netip.Addr
}

func hopOf(s plan.Session) nextHop { return nextHop{s.Attachment, s.PeerAddr} }

// bfdSocket is where the process that runs BFD listens. It lives in the state directory, and ends when that is removed.
const bfdSocket = "bfd.sock"

func (a *Agent) newPaths() paths {
	p := paths{last: map[string]bfd.Event{}, dead: map[nextHop]time.Time{}}
	if len(a.cfg.BFD) == 0 || a.cfg.StateDir == "" {
		return p
	}
	dir, err := filepath.Abs(a.cfg.StateDir)
	if err != nil {
		dir = a.cfg.StateDir
	}
	socket := filepath.Join(dir, bfdSocket)
	p.d = bfd.NewClient(bfd.ClientConfig{Socket: socket, Command: append(append([]string{}, a.cfg.BFD...), "--socket", socket), Log: a.log,
		Handle: func(e bfd.Event) { a.do(func() { a.pathChanged(e) }) }})
	return p
}

// watchPaths has the paths of the plan's sessions watched.
func (a *Agent) watchPaths(n *plan.Node) {
	var want []bfd.Session
	keep, hops := map[string]bool{}, map[nextHop]bool{}
	for _, s := range n.Sessions {
		p, ok := a.punts[s.Attachment]
		if s.BFD == nil || !s.Enabled || !ok {
			continue
		}
		keep[s.Name], hops[hopOf(s)] = true, true
		want = append(want, bfd.Session{Name: s.Name, Device: p.spec.Kernel, Local: s.LocalAddr, Remote: s.PeerAddr,
			Config: bfd.Config{DesiredMinTx: s.BFD.Interval, RequiredMinRx: s.BFD.Interval, DetectMult: s.BFD.Multiplier}})
	}
	a.mu.Lock()
	for name := range a.paths.last {
		if !keep[name] {
			delete(a.paths.last, name)
		}
	}
	a.mu.Unlock()
	for h := range a.paths.dead {
		if !hops[h] {
			a.pathLives(h, "no session with BFD is left")
		}
	}
	if a.paths.d != nil {
		a.paths.d.Set(want)
	}
}

// pathChanged follows BFD.
func (a *Agent) pathChanged(e bfd.Event) {
	s := a.sessions[e.Name]
	if s == nil || s.spec.BFD == nil {
		return
	}
	failedBefore := a.paths.last[e.Name].Failed
	failed := e.Failed
	if e.Unknown {
		e.Failed = failedBefore // so that hearing of the same failure again is no new one
	}
	a.mu.Lock()
	a.paths.last[e.Name] = e
	a.mu.Unlock()
	_, dead := a.paths.dead[hopOf(s.spec)]
	switch {
	case failed && !failedBefore:
		a.pathDied(s, e)
	case !failed && dead:
		a.pathLives(hopOf(s.spec), "BFD is "+bfdState(e))
	}
	a.reportSoon()
}

// pathDied takes the path to a session's peer out of use: the forwarding first, then what was learned from it, whatever a graceful restart
// would keep, and the session.
func (a *Agent) pathDied(s *session, e bfd.Event) {
	h, cause := hopOf(s.spec), "BFD: "+e.Diag.String()
	a.log.Warn("path is dead", "session", e.Name, "attachment", h.attachment, "peer", h.addr, "cause", cause)
	a.paths.dead[h] = time.Now()
	a.programHop(h)
	s.runner.Reset(cause)
	late := s.late
	s.domain.tell(func(r *routing) { r.pathDied(e.Name, late, cause, time.Now()) })
}

// pathDied drops what the session told.
func (r *routing) pathDied(name string, runner announcer, cause string, now time.Time) {
	r.down(name, runner, bgp.Down{Cause: cause}, now)
	if p := r.peers[name]; p != nil && p.cfg.runner == runner && !p.up {
		p.complete = true // after a restart nobody waits for it
		r.releaseIfComplete(now)
	}
}

// pathLives puts a path back into use.
func (a *Agent) pathLives(h nextHop, cause string) {
	a.log.Info("path lives", "attachment", h.attachment, "peer", h.addr, "cause", cause)
	delete(a.paths.dead, h)
	a.programHop(h)
}

// programHop tells the FIB of a neighbour anew.
func (a *Agent) programHop(h nextHop) {
	if p, ok := a.punts[h.attachment]; ok {
		k := neighborKey{p.KernelIndex, h.addr}
		a.programNeighbor(k, a.neighbors.known[k].mac)
	}
}

// dead reports whether the path to a neighbour is out of use.
func (a *Agent) dead(attachment string, addr netip.Addr) bool {
	_, dead := a.paths.dead[nextHop{attachment, addr}]
	return dead
}

// reviveEstablished puts those paths back into use over which a session was established since: the peer speaks no BFD any more.
func (a *Agent) reviveEstablished() {
	for _, s := range a.sessions {
		died, dead := a.paths.dead[hopOf(s.spec)]
		if !dead {
			continue
		}
		if st := s.runner.Status(); st.State == bgp.Established && st.Since.After(died) {
			a.pathLives(hopOf(s.spec), "its session is established")
		}
	}
}

// sessionMoved is called by sessions when their state changed; it never waits.
func (a *Agent) sessionMoved() {
	a.reportSoon()
	select {
	case a.work <- a.reviveEstablished:
	default: // the main goroutine is behind; it looks by itself every other second
	}
}

// bfdState is the state's name in reports.
func bfdState(e bfd.Event) string {
	if e.Unknown || e.Name == "" {
		return "Unknown"
	}
	return e.State.String()
}

// stopBFD ends the process that runs BFD.
func (a *Agent) stopBFD() error {
	if a.paths.d == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return a.paths.d.Shutdown(ctx)
}
