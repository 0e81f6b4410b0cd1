package node

import "time"

// next is when tick is due; zero: never.
func (r *routing) next() time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if r.holding {
		earlier(r.deadline)
	}
	if r.broken != nil {
		earlier(r.retryAt)
	}
	for _, p := range r.peers {
		earlier(p.sweepAt)
		earlier(p.completeAt)
		earlier(p.speakAt)
	}
	return next
}

// tick does what is due.
func (r *routing) tick(now time.Time) {
	for _, p := range r.peers {
		if !p.completeAt.IsZero() && !p.completeAt.After(now) {
			p.complete, p.completeAt = true, time.Time{}
		}
		if !p.speakAt.IsZero() && !p.speakAt.After(now) {
			r.speak(p)
		}
		if !p.sweepAt.IsZero() && !p.sweepAt.After(now) {
			r.sweep(p)
		}
	}
	r.releaseIfComplete(now)
	if r.broken != nil && !r.holding && !r.retryAt.After(now) {
		r.retryAt = now.Add(retryFIB)
		r.replaceAll()
	}
}

// releaseIfComplete ends the hold when every session that was up before the restart has told its table, or at the deadline.
func (r *routing) releaseIfComplete(now time.Time) {
	if !r.holding {
		return
	}
	if now.Before(r.deadline) {
		for _, p := range r.peers {
			if p.cfg.awaited && p.cfg.spec.Enabled && !p.complete && !r.cfg.down[p.cfg.spec.Attachment] {
				return
			}
		}
	}
	r.holding = false
	r.log.Info("domain took over after restart", "prefixes", r.table.Prefixes(), "deadline", !now.Before(r.deadline))
	r.retryAt = now.Add(retryFIB)
	r.replaceAll()
	for _, p := range r.peers {
		if p.told() {
			r.announceAll(p)
		}
	}
}

// replaceAll makes the whole table the FIB's, and what it could not announce before is announced.
func (r *routing) replaceAll() {
	r.table.Changes(0)
	all := r.table.All()
	was := r.broken
	if r.broken = r.fib.ReplaceRoutes(r.name, routeChanges(all)); r.broken != nil {
		r.log.Error("replace routes", "err", r.broken)
		return
	}
	if was == nil {
		return
	}
	for _, p := range r.peers {
		if p.told() {
			withdraw, reach := p.out.Reconcile(p.n, all)
			r.announce(p, withdraw)
			r.announce(p, reach)
		}
	}
}
