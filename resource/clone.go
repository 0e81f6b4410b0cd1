package resource

import (
	"fmt"
	"maps"
	"slices"
)

// New makes an empty object of a kind, to decode a stored document into; an unknown kind is an error.
func New(kind Kind) (Object, error) {
	switch kind {
	case KindSubscription:
		return &Subscription{}, nil
	case KindGroup:
		return &Group{}, nil
	case KindCircuit:
		return &Circuit{}, nil
	case KindCrossConnection:
		return &CrossConnection{}, nil
	case KindNetwork:
		return &Network{}, nil
	case KindPublicAddress:
		return &PublicAddress{}, nil
	case KindInterface:
		return &Interface{}, nil
	case KindGateway:
		return &Gateway{}, nil
	case KindConnection:
		return &Connection{}, nil
	case KindRouteFilter:
		return &RouteFilter{}, nil
	case KindRouteTable:
		return &RouteTable{}, nil
	case KindDeployment:
		return &Deployment{}, nil
	case KindPort:
		return &Port{}, nil
	case KindFabric:
		return &Fabric{}, nil
	}
	return nil, fmt.Errorf("no objects of kind %q", kind)
}

// Kinds lists the kinds of objects there are.
func Kinds() []Kind {
	return []Kind{KindSubscription, KindGroup, KindCircuit, KindCrossConnection, KindNetwork, KindPublicAddress, KindInterface,
		KindGateway, KindConnection, KindRouteFilter, KindRouteTable, KindDeployment, KindPort, KindFabric}
}

// Clone copies an object deeply: nothing is shared with the original. Objects of foreign types are returned as they are.
func Clone[T Object](o T) T {
	var c Object
	switch v := any(o).(type) {
	case *Subscription:
		n := *v
		c = &n
	case *Group:
		n := *v
		c = &n
	case *Circuit:
		c = v.clone()
	case *CrossConnection:
		n := *v
		n.Circuit = v.Circuit.clone()
		c = &n
	case *Network:
		c = v.clone()
	case *PublicAddress:
		n := *v
		c = &n
	case *Interface:
		c = v.clone()
	case *Gateway:
		c = v.clone()
	case *Connection:
		c = v.clone()
	case *RouteFilter:
		c = v.clone()
	case *RouteTable:
		n := *v
		n.Routes = slices.Clone(v.Routes)
		c = &n
	case *Deployment:
		c = v.clone()
	case *Port:
		c = v.clone()
	case *Fabric:
		c = v.clone()
	default:
		return o
	}
	*c.Head() = o.Head().clone()
	return c.(T)
}

func (id ID) clone() ID {
	id.Types, id.Names = slices.Clone(id.Types), slices.Clone(id.Names)
	return id
}

func (h Head) clone() Head {
	h.ID = h.ID.clone()
	h.Tags, h.Locks = maps.Clone(h.Tags), slices.Clone(h.Locks)
	if h.Failure != nil {
		f := *h.Failure
		h.Failure = &f
	}
	return h
}

func (c *Circuit) clone() *Circuit {
	n := *c
	n.Port = c.Port.clone()
	n.Authorizations = slices.Clone(c.Authorizations)
	for i := range n.Authorizations {
		a := &n.Authorizations[i]
		a.Key, a.Usedby = slices.Clone(a.Key), a.Usedby.clone()
	}
	n.Peerings = slices.Clone(c.Peerings)
	for i := range n.Peerings {
		n.Peerings[i].Key = slices.Clone(n.Peerings[i].Key)
	}
	return &n
}

func (n *Network) clone() *Network {
	m := *n
	m.AddressSpace, m.DNSServers, m.Subnets = slices.Clone(n.AddressSpace), slices.Clone(n.DNSServers), slices.Clone(n.Subnets)
	for i := range m.Subnets {
		m.Subnets[i].Prefixes = slices.Clone(m.Subnets[i].Prefixes)
	}
	return &m
}

func (i *Interface) clone() *Interface {
	n := *i
	n.Configs = slices.Clone(i.Configs)
	for k := range n.Configs {
		c := &n.Configs[k]
		c.Subnet, c.Public = c.Subnet.clone(), c.Public.clone()
	}
	return &n
}

func (g *Gateway) clone() *Gateway {
	n := *g
	n.Configs = slices.Clone(g.Configs)
	for k := range n.Configs {
		c := &n.Configs[k]
		c.Subnet, c.Public = c.Subnet.clone(), c.Public.clone()
	}
	n.Status.Nodes, n.Status.Addresses = slices.Clone(g.Status.Nodes), slices.Clone(g.Status.Addresses)
	return &n
}

func (c *Connection) clone() *Connection {
	n := *c
	n.Gateway, n.Circuit, n.Authorization = c.Gateway.clone(), c.Circuit.clone(), slices.Clone(c.Authorization)
	return &n
}

func (f *RouteFilter) clone() *RouteFilter {
	n := *f
	n.Rules = slices.Clone(f.Rules)
	for i := range n.Rules {
		n.Rules[i].Communities = slices.Clone(n.Rules[i].Communities)
	}
	return &n
}

func (d *Deployment) clone() *Deployment {
	n := *d
	n.Plan, n.Parameters, n.Outputs = slices.Clone(d.Plan), slices.Clone(d.Parameters), slices.Clone(d.Outputs)
	n.Steps = slices.Clone(d.Steps)
	for i := range n.Steps {
		s := &n.Steps[i]
		s.Target, s.After = s.Target.clone(), slices.Clone(s.After)
		if s.Failure != nil {
			f := *s.Failure
			s.Failure = &f
		}
	}
	return &n
}

func (f *Fabric) clone() *Fabric {
	n := *f
	n.Regions, n.Locations, n.Providers = slices.Clone(f.Regions), slices.Clone(f.Locations), slices.Clone(f.Providers)
	n.DirectPairs = slices.Clone(f.DirectPairs)
	n.Nodes, n.Principals = slices.Clone(f.Nodes), slices.Clone(f.Principals)
	for i := range n.Regions {
		r := &n.Regions[i]
		r.Gateways, r.Hosts = slices.Clone(r.Gateways), slices.Clone(r.Hosts)
	}
	for i := range n.Locations {
		n.Locations[i].LocalRegions = slices.Clone(n.Locations[i].LocalRegions)
	}
	for i := range n.Providers {
		p := &n.Providers[i]
		p.BandwidthsMbps, p.PortPairs = slices.Clone(p.BandwidthsMbps), slices.Clone(p.PortPairs)
	}
	for i := range n.Nodes {
		n.Nodes[i].Ports = slices.Clone(n.Nodes[i].Ports)
	}
	return &n
}
