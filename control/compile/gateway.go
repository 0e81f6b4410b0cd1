package compile

import (
	"fmt"
	"net/netip"

	"onramp/resource"
)

// Instance is one instance of a gateway: where its routes and sessions are.
type Instance struct {
	Node    string
	Domain  string
	Address netip.Addr
}

// Instances are a gateway's instances in the order of its status; n is its network. None: the gateway has no place yet.
func Instances(g *resource.Gateway, n *resource.Network) []Instance {
	var all []Instance
	for i, node := range g.Status.Nodes {
		if i < len(g.Status.Addresses) {
			all = append(all, Instance{Node: node, Domain: networkName(n), Address: g.Status.Addresses[i]})
		}
	}
	return all
}

// instances are the instances of a network's gateway on nodes that the fabric has. The error says why there are none.
func (w *Index) instances(g *resource.Gateway, n *resource.Network) ([]Instance, error) {
	all := Instances(g, n)
	if len(all) == 0 {
		return nil, fmt.Errorf("gateway %q has no instances yet", g.Meta.ID.Name())
	}
	seen := map[string]bool{}
	for _, i := range all {
		if err := w.tunnelNode(i.Node); err != nil {
			return nil, err
		}
		if seen[i.Node] {
			return nil, fmt.Errorf("gateway %q has two instances on node %q", g.Meta.ID.Name(), i.Node)
		}
		seen[i.Node] = true
	}
	return all, nil
}

// tunnelNode wants a node with a fabric address.
func (w *Index) tunnelNode(name string) error {
	switch n := w.node[name]; {
	case n == nil:
		return fmt.Errorf("the fabric has no node %q", name)
	case !n.VTEP.IsValid() || !n.VTEP.Addr().Is4():
		return fmt.Errorf("node %q has no fabric address", name)
	}
	return nil
}
