package world

import (
	"context"
	"net/netip"
	"time"

	"onramp/plan"
)

// pretender is a node without packets: every plan is applied at once, every session is Established, every customer announces Announced.
type pretender struct {
	name string
	link plan.Link
	plan plan.Node
}

// Announced is the prefix that every customer's router announces on every link.
func Announced() netip.Prefix { return netip.MustParsePrefix("10.10.0.0/16") }

// since is the moment every session came up.
func since() time.Time { return time.Now().Add(-90 * time.Minute) }

// run talks with control until ctx ends. A line that breaks is tried again.
func (p *pretender) run(ctx context.Context) {
	for ctx.Err() == nil {
		w, err := p.link.Next(ctx, p.plan.Generation)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if w.Plan != nil {
			p.plan = *w.Plan
		}
		_ = p.link.Report(ctx, p.report()) // also now and then, when the wait for work ends without any
		for _, q := range w.Queries {
			_ = p.link.Answer(ctx, p.answer(q))
		}
	}
}

// report is what a node with this plan would tell.
func (p *pretender) report() plan.Report {
	r := plan.Report{Node: p.name, Started: since(), Time: time.Now(), Applied: p.plan.Generation, DataPath: "pretended"}
	for _, port := range p.plan.Ports {
		r.Ports = append(r.Ports, plan.PortState{Name: port.Name, Up: true, Mode: "pretended", MAC: "02:00:00:00:00:01"})
	}
	for _, s := range p.plan.Sessions {
		r.Sessions = append(r.Sessions, plan.SessionState{
			Name: s.Name, State: "Established", Since: since(), LocalAddr: s.LocalAddr, PeerAddr: s.PeerAddr, PeerAS: s.PeerAS,
			PeerID: s.PeerAddr, HoldTime: 180 * time.Second, Received: len(p.learned(s)), Advertised: 1, MessagesIn: 91, MessagesOut: 92,
		})
	}
	for _, a := range p.plan.Attachments {
		r.Attachments = append(r.Attachments, attachment(a, p.plan.Sessions))
	}
	for _, x := range p.plan.Policers {
		r.Policers = append(r.Policers, plan.PolicerState{Name: x.Name, PassedBytes: 1000, PassedPackets: 10})
	}
	return r
}

// attachment has carried a little traffic and knows the neighbours of its sessions.
func attachment(a plan.Attachment, sessions []plan.Session) plan.AttachmentState {
	s := plan.AttachmentState{Name: a.Name, InPackets: 10, InBytes: 1000, OutPackets: 20, OutBytes: 2000}
	for _, own := range a.Addresses {
		s.Neighbors = append(s.Neighbors, plan.NeighborState{Addr: own.Prefix.Addr(), MAC: "02:00:00:00:00:01", Local: true})
	}
	for _, x := range sessions {
		if x.Attachment == a.Name {
			s.Neighbors = append(s.Neighbors, plan.NeighborState{Addr: x.PeerAddr, MAC: "02:00:00:00:00:02", Age: 5 * time.Minute})
		}
	}
	return s
}

// learned is what a session's peer announced: a customer announces Announced.
func (p *pretender) learned(s plan.Session) []plan.Route {
	if s.Import.Class != "customer" {
		return nil
	}
	return []plan.Route{{
		Domain: p.domain(s.Attachment), Prefix: Announced(), NextHop: s.PeerAddr, Attachment: s.Attachment, Session: s.Name, Class: "customer",
		ASPath: "65001", Origin: "IGP", LocalPref: 100, Best: true, Direction: "loc",
	}}
}

// domain is the domain of an attachment.
func (p *pretender) domain(attachment string) string {
	for _, a := range p.plan.Attachments {
		if a.Name == attachment {
			return a.Domain
		}
	}
	return ""
}

// answer answers a query from the plan.
func (p *pretender) answer(q plan.Query) plan.Answer {
	a := plan.Answer{ID: q.ID}
	for _, s := range p.plan.Sessions {
		if (q.Domain == "" || p.domain(s.Attachment) == q.Domain) && (q.Session == "" || q.Session == s.Name) {
			a.Routes = append(a.Routes, p.learned(s)...)
		}
	}
	for _, d := range p.plan.Domains {
		for _, r := range d.Static {
			if q.Domain == d.Name && q.Session == "" {
				a.Routes = append(a.Routes, plan.Route{Domain: d.Name, Prefix: r.Prefix, NextHop: r.NextHop, Attachment: r.Attachment, Class: r.Class, Origin: "IGP", Best: true, Direction: "loc"})
			}
		}
	}
	return a
}
