package control

import (
	"onramp/plan"
)

// Finding things in the newest report of a node. ok is false when the node does not report, or does not have the thing.

func sessionOf(h *plan.Hub, node, name string) (plan.SessionState, bool) {
	r, _ := h.Report(node)
	return find(r.Sessions, func(s plan.SessionState) bool { return s.Name == name })
}

func attachmentOf(h *plan.Hub, node, name string) (plan.AttachmentState, bool) {
	r, _ := h.Report(node)
	return find(r.Attachments, func(a plan.AttachmentState) bool { return a.Name == name })
}

func policerOf(h *plan.Hub, node, name string) (plan.PolicerState, bool) {
	r, _ := h.Report(node)
	return find(r.Policers, func(p plan.PolicerState) bool { return p.Name == name })
}

func portOf(h *plan.Hub, node, name string) (plan.PortState, bool) {
	r, _ := h.Report(node)
	return find(r.Ports, func(p plan.PortState) bool { return p.Name == name })
}

func find[T any](all []T, is func(T) bool) (found T, ok bool) {
	for _, v := range all {
		if is(v) {
			return v, true
		}
	}
	return found, false
}
