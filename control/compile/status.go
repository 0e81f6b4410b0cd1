package compile

import (
	"onramp/plan"
	"onramp/resource"
)

// established is the state of a working session (RFC 4271 §8.2.2).
const established = "Established"

// ConnectionStatuses is what the nodes' reports say of all connections, by their keys: the state, and the bytes that entered and left the
// gateway by it. The other fields are the connections' own, unchanged.
//
//	Unknown       no gateway instance has reported
//	Connected     every instance that reports has at least one tunnel whose session is Established end to end
//	Connecting    some have, or try
//	NotConnected  none does, or the connection is in no plan
//
// Established end to end is what the gateway's end says and the edge's, where the edge router reports, does not deny.
func (w *Index) ConnectionStatuses(reports map[string]plan.Report) map[string]resource.ConnectionStatus {
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
	trying := false
	up := map[string]bool{} // gateway node that reports → has a session
	for _, t := range tunnels {
		gateway, ok := index[t.Gateway]
		if !ok {
			continue
		}
		edge, heard := index[t.Edge]
		state := gateway.session[t.GatewaySession]
		up[t.Gateway] = up[t.Gateway] || state == established && (!heard || edge.session[t.EdgeSession] == established)
		trying = trying || state != "" && state != "Idle"
		a := gateway.attachment[t.GatewayAttachment]
		s.InBytes += a.InBytes
		s.OutBytes += a.OutBytes
	}
	s.State = connectionState(trying, up)
	return s
}

func connectionState(trying bool, up map[string]bool) resource.ConnectionState {
	all := true
	for _, ok := range up {
		all = all && ok
	}
	switch {
	case len(up) == 0:
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
