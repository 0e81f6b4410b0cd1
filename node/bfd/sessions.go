package bfd

import (
	"container/heap"
	"errors"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// obey makes the newest wanted sessions the running ones; true: the end was ordered.
func (p *pacer) obey(now time.Time) (stop bool) {
	p.mu.Lock()
	want, fresh, stop := p.want, p.fresh, p.stop
	p.want, p.fresh = nil, false
	p.mu.Unlock()
	if !fresh || stop {
		return stop
	}
	wanted := map[string]bool{}
	var refused []Event
	for _, s := range want {
		if err := p.admit(s, wanted); err != nil {
			refused = append(refused, Event{Name: s.Name, Problem: err.Error(), Status: Status{State: Down, Since: now}})
			continue
		}
		wanted[s.Name] = true
	}
	for name, s := range p.sessions {
		if !wanted[name] && s.leaving.IsZero() {
			p.leave(s, now)
		}
	}
	for _, s := range want {
		if wanted[s.Name] {
			p.apply(s, now)
			delete(wanted, s.Name) // the first of a name counts
		}
	}
	p.inspect(now)
	all := news{Whole: true, Events: refused, Drops: &Drops{}}
	*all.Drops = p.drops
	for _, s := range p.sessions {
		if s.leaving.IsZero() {
			all.Events = append(all.Events, s.event())
		}
	}
	p.publish(all)
	return false
}

var errTwice = errors.New("a session of that name is there already")

func (p *pacer) admit(s Session, wanted map[string]bool) error {
	if wanted[s.Name] {
		return errTwice
	}
	return s.Validate()
}

// apply starts a session or changes the one that runs.
func (p *pacer) apply(spec Session, now time.Time) {
	old := p.sessions[spec.Name]
	if old != nil && samePath(old.spec, spec) {
		changed := old.spec != spec || !old.leaving.IsZero()
		old.spec, old.leaving = spec, time.Time{}
		if changed {
			p.take(old, old.m.Configure(spec.Config, now))
		}
		return
	}
	if old != nil {
		p.forget(old)
	}
	s := &running{spec: spec, send: -1}
	if other := p.byPeer[s.peer()]; other != nil { // it goes by another name now, or is leaving
		p.forget(other)
	}
	d := p.discriminator()
	s.m = New(spec.Config, d, rand.Float64, now)
	p.sessions[spec.Name], p.byDiscr[d], p.byPeer[s.peer()] = s, s, s
	s.due = now
	heap.Push(&p.queue, s)
	p.place(s)
}

// leave has a session say AdminDown for a while.
func (p *pacer) leave(s *running, now time.Time) {
	s.leaving = now.Add(leaveFor)
	c := s.spec.Config
	c.AdminDown = true
	p.take(s, s.m.Configure(c, now))
}

// forget ends a session at once.
func (p *pacer) forget(s *running) {
	if s.m.Status().State != AdminDown {
		c := s.spec.Config
		c.AdminDown = true
		out := s.m.Configure(c, time.Now())
		for i := range out.Send {
			p.transmit(s, &out.Send[i])
		}
	}
	p.closeSender(s)
	heap.Remove(&p.queue, s.place)
	delete(p.byDiscr, s.m.discr)
	delete(p.byPeer, s.peer())
	if p.sessions[s.spec.Name] == s {
		delete(p.sessions, s.spec.Name)
	}
}

func (p *pacer) closeSender(s *running) {
	if s.send >= 0 {
		_ = unix.Close(s.send)
		s.send = -1
	}
}

// inspect opens the sockets that are missing, closes those of devices that are gone or another now, and forgets the sessions that have left.
func (p *pacer) inspect(now time.Time) {
	index, used := map[string]int{}, map[receiverKey]bool{}
	for _, s := range p.sessions {
		if !s.leaving.IsZero() && !s.leaving.After(now) {
			p.forget(s)
			continue
		}
		device := s.spec.Device
		if _, ok := index[device]; !ok {
			index[device] = deviceIndex(device)
		}
		used[receiverKey{device, s.spec.Local.Is6()}] = true
	}
	for k, r := range p.receivers {
		if !used[k] || r.index != index[k.device] {
			p.closeReceiver(r)
		}
	}
	for _, s := range p.sessions {
		p.equip(s, index[s.spec.Device])
	}
}

func (p *pacer) closeReceiver(r *receiver) {
	_ = unix.Close(r.fd) // which takes it out of the epoll set too
	delete(p.receivers, r.key)
	delete(p.byFD, int32(r.fd))
}

var errNoDevice = errors.New("there is no such device")

// equip gives a session its sockets. What is missing is tried again with the next inspection.
func (p *pacer) equip(s *running, index int) {
	if s.send >= 0 && s.index != index {
		p.closeSender(s)
	}
	err := p.openReceiver(s, index)
	if err == nil && s.send < 0 {
		if s.send, err = openSender(s.spec, rand.IntN); err == nil {
			s.index, s.to = index, sockaddr(s.spec.Remote, controlPort, s.spec.Device)
		}
	}
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != s.problem {
		s.problem = problem
		p.log.Warn("bfd session", "session", s.spec.Name, "problem", problem)
		if s.leaving.IsZero() {
			p.publish(news{Events: []Event{s.event()}})
		}
	}
}

func (p *pacer) openReceiver(s *running, index int) error {
	k := receiverKey{s.spec.Device, s.spec.Local.Is6()}
	if p.receivers[k] != nil {
		return nil
	}
	if index == 0 {
		return errNoDevice
	}
	fd, err := openReceiver(k.device, k.v6)
	if err != nil {
		return err
	}
	if err := p.watch(fd); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	r := &receiver{key: k, fd: fd, index: index}
	p.receivers[k], p.byFD[int32(fd)] = r, r
	return nil
}

// goodbye takes all sessions AdminDown and says so a few times.
func (p *pacer) goodbye() {
	for range goodbyes {
		for _, s := range p.sessions {
			c := s.spec.Config
			c.AdminDown = true
			s.m.Configure(c, time.Now())
			k := s.m.packet()
			p.transmit(s, &k)
		}
		time.Sleep(goodbyeGap)
	}
}

func (p *pacer) forgetAll() {
	for _, s := range p.sessions {
		p.forget(s)
	}
	for _, r := range p.receivers {
		p.closeReceiver(r)
	}
}
