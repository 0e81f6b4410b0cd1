// Package compile turns resources into plans, and reports into status. Everything here is pure: values in, values out.
//
// In:  a store snapshot (resources at one revision). Out: plan.Node for every node of the fabric; from reports, the status control writes.
//
// One file per noun: port.go, circuit.go, connection.go, gateway.go, network.go, crossconnection.go, interface.go. Objects that are Deleting are
// left out of plans; objects that refer to something missing are left out and named in Problems, never half compiled. The same Input gives
// the same Output, whatever the order of its lists.
package compile

import (
	"cmp"
	"fmt"
	"slices"

	"onramp/plan"
	"onramp/resource"
)

// Input is everything plans are made from.
type Input struct {
	Fabric           *resource.Fabric // nil: no nodes
	Circuits         []*resource.Circuit
	CrossConnections []*resource.CrossConnection
	Networks         []*resource.Network
	Interfaces       []*resource.Interface
	Gateways         []*resource.Gateway
	Connections      []*resource.Connection
	Ports            []*resource.Port
	// Open opens a sealed secret.
	Open func(resource.Sealed) (string, error)
}

// InputOf is the Input of a world of objects.
func InputOf(w *resource.World) Input {
	return Input{
		Fabric: w.Fabric, Circuits: w.Circuits, CrossConnections: w.CrossConnections, Networks: w.Networks, Interfaces: w.Interfaces,
		Gateways: w.Gateways, Connections: w.Connections, Ports: w.Ports, Open: w.Open,
	}
}

// Output is the plans, without generations (the caller keeps those), and what could not be compiled.
type Output struct {
	Nodes    map[string]plan.Node
	Problems []Problem
}

// Problem says why an object (or a part of it) is in no plan.
type Problem struct {
	Object resource.ID
	Reason string
}

// String is for logs: the object and the reason.
func (p Problem) String() string { return p.Object.String() + ": " + p.Reason }

// Nodes compiles the plans of all nodes of the fabric.
func Nodes(in Input) Output {
	b := newBuilder(in)
	b.directPorts()
	b.circuits()
	b.networks()
	b.connections()
	return b.output()
}

// builder collects the nodes' plans while the nouns are compiled one after the other.
type builder struct {
	*Index
	open     func(resource.Sealed) (string, error)
	nodes    map[string]*plan.Node
	problems []Problem
	compiled map[string]bool // keys of circuits and networks that are in plans
}

func newBuilder(in Input) *builder {
	b := &builder{Index: NewIndex(in), open: in.Open, nodes: map[string]*plan.Node{}, compiled: map[string]bool{}}
	if in.Fabric == nil {
		return b
	}
	for i := range in.Fabric.Nodes {
		n := planNode(&in.Fabric.Nodes[i], i)
		b.nodes[n.Name] = &n
	}
	return b
}

func (b *builder) problem(h *resource.Head, format string, args ...any) {
	b.problems = append(b.problems, Problem{Object: h.ID, Reason: fmt.Sprintf(format, args...)})
}

// output sorts everything by name, so that equal inputs in any order give equal plans.
func (b *builder) output() Output {
	out := Output{Nodes: make(map[string]plan.Node, len(b.nodes)), Problems: b.problems}
	for name, n := range b.nodes {
		sortNode(n)
		out.Nodes[name] = *n
	}
	slices.SortFunc(out.Problems, func(x, y Problem) int {
		return cmp.Or(cmp.Compare(x.Object.Key(), y.Object.Key()), cmp.Compare(x.Reason, y.Reason))
	})
	return out
}

func sortNode(n *plan.Node) {
	slices.SortFunc(n.Attachments, func(a, b plan.Attachment) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(n.Domains, func(a, b plan.Domain) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(n.Sessions, func(a, b plan.Session) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(n.Crossconnects, func(a, b plan.Crossconnect) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(n.Policers, func(a, b plan.Policer) int { return cmp.Compare(a.Name, b.Name) })
	for i := range n.Domains {
		slices.SortFunc(n.Domains[i].Static, func(a, b plan.StaticRoute) int {
			return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()), cmp.Compare(a.Attachment, b.Attachment))
		})
	}
}
