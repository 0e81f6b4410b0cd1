package resource

import "strings"

// References lists the objects that refer to id, or to something inside it: who must go, or be changed, before it can go. A gateway's
// connections, a circuit's connections, a port's circuits, and what has an address of a subnet or network. An object's own children do not count, nor does
// the cross connection of a circuit.
func (w *World) References(id ID) []ID {
	var all []ID
	add := func(from ID, to ...ID) {
		for _, t := range to {
			if refersTo(t, id) {
				all = append(all, from)
				return
			}
		}
	}
	for _, c := range w.Connections {
		add(c.Meta.ID, c.Gateway, c.Circuit)
	}
	for _, c := range w.Circuits {
		add(c.Meta.ID, c.Port)
	}
	for _, g := range w.Gateways {
		for _, c := range g.Configs {
			add(g.Meta.ID, c.Subnet, c.Public)
		}
	}
	for _, i := range w.Interfaces {
		for _, c := range i.Configs {
			add(i.Meta.ID, c.Subnet, c.Public)
		}
	}
	return unique(all)
}

// refersTo reports whether a reference leads to id or into it.
func refersTo(ref, id ID) bool {
	if ref.IsZero() {
		return false
	}
	r, k := ref.Key(), id.Key()
	return r == k || strings.HasPrefix(r, k+"/")
}

func unique(ids []ID) []ID {
	var all []ID
	for _, id := range ids {
		if len(all) == 0 || !all[len(all)-1].Equal(id) {
			all = append(all, id)
		}
	}
	return all
}

// DeletionRank orders kinds for emptying a resource group: lower ranks go first, so that nothing goes while something refers to it.
func DeletionRank(k Kind) int {
	switch k {
	case KindConnection:
		return 0
	case KindGateway:
		return 1
	case KindInterface:
		return 2
	case KindCircuit:
		return 3
	case KindNetwork, KindPublicAddress:
		return 4
	}
	return 5
}
