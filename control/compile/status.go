package compile

import (
	"onramp/plan"
	"onramp/resource"
)

// established is the state of a working session (RFC 4271 §8.2.2).
const established = "Established"

// ConnectionStatus is what the gateway instances' reports say of a connection: its state, and the bytes that entered and left the gateway
// by it. The other fields are c's own, unchanged.
//
//	Unknown       no instance has reported
//	Connected     every instance has a session with an edge router
//	Connecting    some have, or try
//	NotConnected  none does, or the connection is in no plan
func ConnectionStatus(in Input, c *resource.Connection, reports map[string]plan.Report) resource.ConnectionStatus {
	return NewIndex(in).statusOf(c, indexReports(reports))
}

// ConnectionStatuses is ConnectionStatus for all connections of the input, by the connections' keys.
func ConnectionStatuses(in Input, reports map[string]plan.Report) map[string]resource.ConnectionStatus {
	w := NewIndex(in)
	index := indexReports(reports)
	all := make(map[string]resource.ConnectionStatus, len(w.linkList))
	for _, c := range w.linkList {
		all[c.Meta.ID.Key()] = w.statusOf(c, index)
	}
	return all
}

func (w *Index) statusOf(c *resource.Connection, index map[string]reportIndex) resource.ConnectionStatus {
	s := c.Status
	tunnels, err := w.Tunnels(c)
	if err != nil {
		s.State = resource.ConnectionNotConnected
		return s
	}
	s.InBytes, s.OutBytes = 0, 0
	reporting, trying := false, false
	up := map[string]bool{} // gateway node → has a session
	for _, t := range tunnels {
		r, ok := index[t.Gateway]
		state := r.session[t.GatewaySession] // "" without a report
		reporting = reporting || ok
		up[t.Gateway] = up[t.Gateway] || state == established
		trying = trying || state != "" && state != "Idle"
		a := r.attachment[t.GatewayAttachment]
		s.InBytes += a.InBytes
		s.OutBytes += a.OutBytes
	}
	s.State = connectionState(reporting, trying, up)
	return s
}

func connectionState(reporting, trying bool, up map[string]bool) resource.ConnectionState {
	all := true
	for _, ok := range up {
		all = all && ok
	}
	switch {
	case !reporting:
		return resource.ConnectionUnknown
	case all:
		return resource.ConnectionConnected
	case trying:
		return resource.ConnectionConnecting
	}
	return resource.ConnectionNotConnected
}

// reportIndex finds what a report says of a name.
type reportIndex struct {
	session    map[string]string // state
	attachment map[string]plan.AttachmentState
}

func indexReports(reports map[string]plan.Report) map[string]reportIndex {
	all := make(map[string]reportIndex, len(reports))
	for node, r := range reports {
		i := reportIndex{session: make(map[string]string, len(r.Sessions)), attachment: make(map[string]plan.AttachmentState, len(r.Attachments))}
		for _, s := range r.Sessions {
			i.session[s.Name] = s.State
		}
		for _, a := range r.Attachments {
			i.attachment[a.Name] = a
		}
		all[node] = i
	}
	return all
}
