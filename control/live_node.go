package control

import (
	"context"
	"fmt"

	"onramp/control/arm"
	"onramp/plan"
)

// NodeView is a node as the operator sees it.
type NodeView struct {
	Name       string
	Role       plan.Role
	Generation int64        // of the plan it shall have; Report.Applied is the one it has
	Connected  bool         // it reported within the last minute
	Plan       *plan.Node   `json:",omitempty"` // only of one node; keys are masked
	Report     *plan.Report // nil: none yet
}

// Nodes implements arm.Live.
func (l *live) Nodes(context.Context) (any, error) {
	all := []NodeView{}
	for _, name := range l.hub.Nodes() {
		if v, ok := l.node(name); ok {
			v.Plan = nil
			all = append(all, v)
		}
	}
	return all, nil
}

// Node implements arm.Live.
func (l *live) Node(_ context.Context, name string) (any, error) {
	v, ok := l.node(name)
	if !ok {
		return nil, fmt.Errorf("node %q: %w", name, arm.ErrNoNode)
	}
	return v, nil
}

func (l *live) node(name string) (NodeView, bool) {
	p, ok := l.hub.Plan(name)
	if !ok {
		return NodeView{}, false
	}
	v := NodeView{Name: name, Role: p.Role, Generation: p.Generation, Connected: l.fresh(name) == nil, Plan: masked(&p)}
	if r, ok := l.hub.Report(name); ok {
		v.Report = &r
	}
	return v, true
}

// masked is a copy without secrets: JSON would show them.
func masked(p *plan.Node) *plan.Node {
	c := p.Clone()
	for i := range c.Sessions {
		c.Sessions[i].Key = plan.Secret(c.Sessions[i].Key.String())
	}
	return c
}
