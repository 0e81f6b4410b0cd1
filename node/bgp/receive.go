package bgp

import (
	"fmt"
	"time"
)

// receive handles what a connection handed over. A connection that was closed meanwhile is not listened to.
func (s *Session) receive(b batch) {
	c := b.from
	live := func() bool { return s.conns[c.id] == c }
	for data := b.data; len(data) > 0 && live(); {
		length := int(be16(data[16:]))
		s.messagesIn.Add(1)
		s.message(c, data[18], data[headerLen:length:length])
		data = data[length:]
	}
	switch {
	case !live():
	case b.note != nil:
		s.step(Input{Kind: InBadMessage, Link: c.id, Note: b.note})
	case b.err != nil:
		s.step(Input{Kind: InClosed, Link: c.id, Err: b.err})
	default:
		signal(c.resume)
	}
}

func (s *Session) message(c *conn, kind uint8, body []byte) {
	in := Input{Link: c.id}
	switch kind {
	case typeOpen:
		in.Kind = InOpen
		if in.Open, in.Note = s.decodeOpen(body); in.Note != nil {
			in.Kind = InBadMessage
		}
		c.limit.Store(maxExtended) // this side offered it (RFC 8654 §4)
	case typeKeepalive:
		in.Kind = InKeepalive
	case typeNotification:
		in.Kind, in.Note = InNotification, decodeNotification(body)
	case typeRefresh:
		in.Kind = InRefresh
		if s.delivers(in) {
			if f, ok := decodeRefresh(body); ok && len(common(s.decoder.families, []Family{f})) > 0 {
				s.handler.Refresh(f)
			}
		}
		return
	case typeUpdate:
		in.Kind = InUpdate
		if s.delivers(in) {
			s.update(c, body)
		}
		return
	}
	s.step(in)
}

// delivers feeds the machine a message that counts only in Established.
func (s *Session) delivers(in Input) (ok bool) {
	s.mu.Lock()
	acts := s.fsm.Step(in, time.Now())
	if len(acts) == 1 && acts[0].Kind == ActDeliver { // no need to copy
		s.mu.Unlock()
		return true
	}
	acts = append([]Action(nil), acts...)
	s.mu.Unlock()
	for i := range acts {
		ok = ok || acts[i].Kind == ActDeliver
		s.do(&acts[i])
	}
	return ok
}

// update decodes an UPDATE and hands it to the handler, one family at a time.
func (s *Session) update(c *conn, body []byte) {
	us, n := s.decodeUpdate(body)
	if n != nil {
		s.step(Input{Kind: InBadMessage, Link: c.id, Note: n})
		return
	}
	for i := range us {
		u := us[i]
		have := s.held.apply(&u)
		s.received.Store(int64(s.held.total()))
		if most := s.cfg.MaxPrefixes; most > 0 && have > most {
			s.step(Input{Kind: InLimit, Note: tooMany(u.Family, most)})
			return
		}
		s.handler.Update(u)
		if u.EndOfRIB {
			s.step(Input{Kind: InEndOfRIB, Family: u.Family})
		}
	}
}

// checkLimits applies a lowered MaxPrefixes to what is held already.
func (s *Session) checkLimits() {
	for _, f := range s.cfg.Families {
		if most := s.cfg.MaxPrefixes; most > 0 && s.held.count(f) > most {
			s.step(Input{Kind: InLimit, Note: tooMany(f, most)})
			return
		}
	}
}

// decodeUpdate decodes under recover: a defect in the decoder costs this session, not the process.
func (s *Session) decodeUpdate(body []byte) (us []Update, n *Notification) {
	defer func() {
		if r := recover(); r != nil {
			us, n = nil, s.panicked(codeUpdate, r)
		}
	}()
	d := s.decoder
	withdrawn, discarded := d.withdrawn, d.discarded
	us, n = d.decode(body)
	if withdrawn != d.withdrawn || discarded != d.discarded {
		s.mu.Lock()
		s.counts.TreatedAsWithdraw += d.withdrawn - withdrawn
		s.counts.AttributesDiscarded += d.discarded - discarded
		s.counts.LastMalformed = d.lastWithdraw
		s.mu.Unlock()
	}
	return us, n
}

func (s *Session) decodeOpen(body []byte) (o *Open, n *Notification) {
	defer func() {
		if r := recover(); r != nil {
			o, n = nil, s.panicked(codeOpen, r)
		}
	}()
	return decodeOpen(body)
}

func (s *Session) panicked(code uint8, r any) *Notification {
	s.panics.Add(1)
	return notify(code, 0, nil, "decoding failed inside: %s", fmt.Sprint(r))
}
