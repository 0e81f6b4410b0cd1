package compile

import (
	"cmp"
	"slices"
	"strings"

	"onramp/resource"
)

// Index finds things in an Input. Objects that are being deleted are not in it. Make one for many questions; it is read-only, and the
// Input must not change meanwhile.
type Index struct {
	fabric      *resource.Fabric
	circuitList []*resource.Circuit
	networkList []*resource.Network
	linkList    []*resource.Connection
	portList    []*resource.Port
	circuit     map[string]*resource.Circuit
	network     map[string]*resource.Network
	gateway     map[string]*resource.Gateway
	gatewayOf   map[string]*resource.Gateway     // by network key
	interfaces  map[string][]*resource.Interface // by network key
	node        map[string]*resource.FabricNode
	port        map[string]*resource.FabricPort // by "node/port"
	pair        map[string]*resource.PortPair   // by provider, lower case, "/" and name
}

// NewIndex indexes an Input.
func NewIndex(in Input) *Index {
	w := &Index{
		fabric: in.Fabric, circuitList: alive(in.Circuits), networkList: alive(in.Networks), linkList: alive(in.Connections),
		portList:  alive(in.Ports),
		gatewayOf: map[string]*resource.Gateway{}, interfaces: map[string][]*resource.Interface{},
	}
	w.circuit, w.network = byKey(w.circuitList), byKey(w.networkList)
	gateways := alive(in.Gateways)
	w.gateway = byKey(gateways)
	for _, g := range gateways {
		w.gatewayOf[g.Network().Key()] = g
	}
	for _, i := range alive(in.Interfaces) {
		k := i.Network().Key()
		w.interfaces[k] = append(w.interfaces[k], i)
	}
	w.indexFabric()
	return w
}

func (w *Index) indexFabric() {
	w.node, w.port, w.pair = map[string]*resource.FabricNode{}, map[string]*resource.FabricPort{}, map[string]*resource.PortPair{}
	if w.fabric == nil {
		return
	}
	for i := range w.fabric.Nodes {
		n := &w.fabric.Nodes[i]
		w.node[n.Name] = n
		for k := range n.Ports {
			w.port[n.Name+"/"+n.Ports[k].Name] = &n.Ports[k]
		}
	}
	for i := range w.fabric.Providers {
		p := &w.fabric.Providers[i]
		for k := range p.PortPairs {
			w.pair[strings.ToLower(p.Name)+"/"+p.PortPairs[k].Name] = &p.PortPairs[k]
		}
	}
}

func (w *Index) pairOf(c *resource.Circuit) *resource.PortPair {
	if c.Direct() {
		return w.fabric.PairOf(c)
	}
	return w.pair[strings.ToLower(c.Provider)+"/"+c.Status.PortPair]
}

// alive drops what is being deleted and orders the rest by key.
func alive[T resource.Object](all []T) []T {
	type keyed struct {
		key string
		obj T
	}
	some := make([]keyed, 0, len(all))
	for _, o := range all {
		if o.Head().State != resource.Deleting {
			some = append(some, keyed{o.Head().ID.Key(), o})
		}
	}
	slices.SortFunc(some, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	sorted := make([]T, len(some))
	for i := range some {
		sorted[i] = some[i].obj
	}
	return sorted
}

func byKey[T resource.Object](all []T) map[string]T {
	m := make(map[string]T, len(all))
	for _, o := range all {
		m[o.Head().ID.Key()] = o
	}
	return m
}
