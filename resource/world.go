package resource

import (
	"net/netip"
	"slices"
	"strings"
)

// World is what rules look at beside the object itself: every object at one revision. It is read-only and safe for concurrent use.
//
// A rule answers for the revision the World shows; whoever writes afterwards must still compare revisions.
type World struct {
	Fabric           *Fabric // nil: none applied yet
	Circuits         []*Circuit
	CrossConnections []*CrossConnection
	Networks         []*Network
	PublicAddresses  []*PublicAddress
	Interfaces       []*Interface
	Gateways         []*Gateway
	Connections      []*Connection
	Ports            []*Port
	// Open opens a sealed secret; nil: authorization keys never match.
	Open func(Sealed) (string, error)

	byKey map[string]Object
}

// NewWorld indexes objects, usually a store snapshot's. They must not change afterwards.
func NewWorld(objects map[Kind][]Object, open func(Sealed) (string, error)) *World {
	w := &World{Open: open, byKey: map[string]Object{}}
	for _, kind := range Kinds() {
		for _, o := range objects[kind] {
			w.byKey[o.Head().ID.Key()] = o
			w.add(o)
		}
	}
	return w
}

func (w *World) add(o Object) {
	switch v := o.(type) {
	case *Fabric:
		w.Fabric = v
	case *Circuit:
		w.Circuits = append(w.Circuits, v)
	case *CrossConnection:
		w.CrossConnections = append(w.CrossConnections, v)
	case *Network:
		w.Networks = append(w.Networks, v)
	case *PublicAddress:
		w.PublicAddresses = append(w.PublicAddresses, v)
	case *Interface:
		w.Interfaces = append(w.Interfaces, v)
	case *Gateway:
		w.Gateways = append(w.Gateways, v)
	case *Connection:
		w.Connections = append(w.Connections, v)
	case *Port:
		w.Ports = append(w.Ports, v)
	}
}

// find looks a top-level object of type T up by its id or by that of a child; nil when there is none.
func find[T Object](w *World, id ID) T {
	o, _ := w.byKey[id.Root().Key()].(T)
	return o
}

// Circuit looks a circuit up by its id or a child's; nil when there is none.
func (w *World) Circuit(id ID) *Circuit { return find[*Circuit](w, id) }

// Network looks a network up by its id or a subnet's; nil when there is none.
func (w *World) Network(id ID) *Network { return find[*Network](w, id) }

// Gateway looks a gateway up; nil when there is none.
func (w *World) Gateway(id ID) *Gateway { return find[*Gateway](w, id) }

// Connection looks a connection up; nil when there is none.
func (w *World) Connection(id ID) *Connection { return find[*Connection](w, id) }

// Interface looks a network interface up by its id or a configuration's; nil when there is none.
func (w *World) Interface(id ID) *Interface { return find[*Interface](w, id) }

// PublicAddress looks a public address up; nil when there is none.
func (w *World) PublicAddress(id ID) *PublicAddress { return find[*PublicAddress](w, id) }

// Subnet looks a subnet up by its own id; nil, nil when there is none.
func (w *World) Subnet(id ID) (*Network, *Subnet) {
	n := w.Network(id)
	if n == nil || len(id.Names) != 2 || !strings.EqualFold(id.Types[1], "subnets") {
		return nil, nil
	}
	return n, n.Subnet(id.Names[1])
}

// Subnet finds a subnet by name, without case; nil when there is none.
func (n *Network) Subnet(name string) *Subnet {
	for i := range n.Subnets {
		if strings.EqualFold(n.Subnets[i].Name, name) {
			return &n.Subnets[i]
		}
	}
	return nil
}

// Network is the id of the network the gateway is in; zero when it has no configuration.
func (g *Gateway) Network() ID {
	if len(g.Configs) == 0 {
		return ID{}
	}
	return g.Configs[0].Subnet.Root()
}

// Network is the id of the network the interface is in; zero when it has no configuration.
func (i *Interface) Network() ID {
	if len(i.Configs) == 0 {
		return ID{}
	}
	return i.Configs[0].Subnet.Root()
}

// Peering finds a peering by its type, without case; nil when there is none.
func (c *Circuit) Peering(t PeeringType) *Peering {
	for i := range c.Peerings {
		if strings.EqualFold(string(c.Peerings[i].Type), string(t)) {
			return &c.Peerings[i]
		}
	}
	return nil
}

// Ready reports whether the circuit can carry packets: enabled by the platform and provisioned by the provider.
func (c *Circuit) Ready() bool { return c.Status.Enabled && c.Status.ProviderState == Provisioned }

// NetworkGateway is the gateway of a network; nil when it has none.
func (w *World) NetworkGateway(network ID) *Gateway {
	for _, g := range w.Gateways {
		if g.Meta.State != Deleting && g.Network().Equal(network) {
			return g
		}
	}
	return nil
}

// CircuitConnections are the connections of a circuit.
func (w *World) CircuitConnections(circuit ID) []*Connection {
	return selectBy(w.Connections, func(c *Connection) bool { return c.Circuit.Equal(circuit) })
}

// GatewayConnections are the connections of a gateway.
func (w *World) GatewayConnections(gateway ID) []*Connection {
	return selectBy(w.Connections, func(c *Connection) bool { return c.Gateway.Equal(gateway) })
}

// linkedNetworks are the networks that a circuit reaches by its connections, each once.
func (w *World) linkedNetworks(circuit ID) []*Network {
	var all []*Network
	for _, c := range w.CircuitConnections(circuit) {
		if g := w.Gateway(c.Gateway); g != nil {
			if n := w.Network(g.Network()); n != nil && !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}

// linkedCircuits are the circuits that a network reaches by its gateway's connections, each once.
func (w *World) linkedCircuits(network ID) []*Circuit {
	g := w.NetworkGateway(network)
	if g == nil {
		return nil
	}
	var all []*Circuit
	for _, c := range w.GatewayConnections(g.Meta.ID) {
		if k := w.Circuit(c.Circuit); k != nil && !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return all
}

func selectBy[T any](all []T, want func(T) bool) []T {
	var some []T
	for _, v := range all {
		if want(v) {
			some = append(some, v)
		}
	}
	return some
}

// overlap finds the first pair of prefixes, one of each list, that share an address.
func overlap(a, b []netip.Prefix) (x, y netip.Prefix, found bool) {
	for _, p := range a {
		for _, q := range b {
			if p.Overlaps(q) {
				return p, q, true
			}
		}
	}
	return
}
