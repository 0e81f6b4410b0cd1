package plan

import (
	"reflect"
	"slices"
)

// Clone copies a plan so deeply that nothing is shared. Empty slices become nil.
func (n *Node) Clone() *Node {
	if n == nil {
		return nil
	}
	c := *n
	c.Ports = list(n.Ports)
	c.Attachments = list(n.Attachments)
	for i := range c.Attachments {
		a := &c.Attachments[i]
		a.Addresses, a.Neighbors = list(a.Addresses), list(a.Neighbors)
	}
	c.Domains = list(n.Domains)
	for i := range c.Domains {
		d := &c.Domains[i]
		d.Static = list(d.Static)
		for j := range d.Static {
			d.Static[j].Communities = list(d.Static[j].Communities)
		}
	}
	c.Sessions = list(n.Sessions)
	for i := range c.Sessions {
		c.Sessions[i] = c.Sessions[i].clone()
	}
	c.Crossconnects = list(n.Crossconnects)
	c.Policers = list(n.Policers)
	return &c
}

func (s Session) clone() Session {
	if s.BFD != nil {
		b := *s.BFD
		s.BFD = &b
	}
	s.Import.Deny, s.Import.Allow = list(s.Import.Deny), list(s.Import.Allow)
	s.Export.Classes, s.Export.RemoveAS = list(s.Export.Classes), list(s.Export.RemoveAS)
	return s
}

func list[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}

// Equal reports whether two plans say the same; the order of their lists counts, the generation too.
func (n *Node) Equal(o *Node) bool { return reflect.DeepEqual(n.Clone(), o.Clone()) }

// SameContent reports whether two plans differ in no more than their generation.
func (n *Node) SameContent(o *Node) bool {
	if n == nil || o == nil {
		return n == o
	}
	a, b := n.Clone(), o.Clone()
	a.Generation, b.Generation = 0, 0
	return reflect.DeepEqual(a, b)
}
