package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"onramp/plan"
	"onramp/resource"
)

// The sessions inside the fabric: a dead node is noticed in 15 s, a restarting agent is waited for.
const (
	fabricKeepalive = 5 * time.Second
	fabricHoldTime  = 15 * time.Second
	fabricRestart   = 30 * time.Second
)

func (b *builder) networks() {
	for _, n := range b.networkList {
		v, err := b.newNetworkPlan(n)
		if err != nil {
			b.problem(&n.Meta, "%v", err)
			continue
		}
		v.compile()
		b.compiled[n.Meta.ID.Key()] = true
	}
	b.strayInterfaces()
}

// networkPlan is one network while it is compiled: which nodes have its domain, and which machines are where.
type networkPlan struct {
	b         *builder
	n         *resource.Network
	name      string
	instances []Instance
	hosts     []string                         // compute nodes with machines of the network, sorted
	machines  map[string][]*resource.Interface // by host
}

func (b *builder) newNetworkPlan(n *resource.Network) (*networkPlan, error) {
	v := &networkPlan{b: b, n: n, name: networkName(n), machines: map[string][]*resource.Interface{}}
	key := n.Meta.ID.Key()
	for _, i := range b.interfaces[key] {
		if host, ok := b.hostOf(i, n); ok {
			v.machines[host] = append(v.machines[host], i)
		}
	}
	for host := range v.machines {
		v.hosts = append(v.hosts, host)
	}
	slices.Sort(v.hosts)
	if g := b.gatewayOf[key]; g != nil {
		all, err := b.Index.instances(g, n)
		if err != nil {
			b.problem(&g.Meta, "%v", err)
		}
		v.instances = all
	}
	if n.Status.VNI == 0 && len(v.hosts)+len(v.instances) > 1 {
		return nil, fmt.Errorf("the network has no VNI yet")
	}
	return v, nil
}

func (v *networkPlan) compile() {
	space := make([]plan.StaticRoute, 0, len(v.n.AddressSpace))
	for _, p := range v.n.AddressSpace {
		space = append(space, plan.StaticRoute{Prefix: p, Unreachable: true, Class: classNetwork})
	}
	for _, i := range v.instances {
		v.addDomain(i.Node, slices.Clone(space))
		for _, host := range v.hosts {
			v.gatewayToHost(i.Node, host)
		}
	}
	for _, host := range v.hosts {
		v.addDomain(host, v.b.machines(v.n, host, v.machines[host]))
		for _, i := range v.instances {
			v.hostToGateway(host, i.Node)
		}
		for _, other := range v.hosts {
			if other != host {
				v.hostToHost(host, other)
			}
		}
	}
}

func (v *networkPlan) addDomain(node string, static []plan.StaticRoute) {
	n := v.b.nodes[node]
	n.Domains = append(n.Domains, plan.Domain{Name: v.name, MultiPath: multiPath, Static: static})
}

// tunnel adds the end at node of the network's tunnel to another node and returns it with the two ends' addresses.
func (v *networkPlan) tunnel(node, other string) (attachment string, own, peer netip.Addr) {
	here, there := v.b.node[node], v.b.node[other]
	own, peer = linkAddr(here), linkAddr(there)
	attachment = tunnelTo(v.name, other)
	n := v.b.nodes[node]
	n.Attachments = append(n.Attachments, plan.Attachment{
		Name: attachment, Domain: v.name, VNI: v.n.Status.VNI, Remote: there.VTEP.Addr(), MTU: tunnelMTU(here, there),
		Addresses: pointToPoint(own, peer),
	})
	return attachment, own, peer
}

// session is the internal session of a tunnel inside the network.
func (v *networkPlan) session(node, other string) *plan.Session {
	attachment, own, peer := v.tunnel(node, other)
	n := v.b.nodes[node]
	n.Sessions = append(n.Sessions, plan.Session{
		Name: session4(attachment), Attachment: attachment, LocalAddr: own, PeerAddr: peer, LocalAS: resource.GatewayASN,
		PeerAS: resource.GatewayASN, Enabled: true, Keepalive: fabricKeepalive, HoldTime: fabricHoldTime, RestartTime: fabricRestart, BFD: watched(),
	})
	return &n.Sessions[len(n.Sessions)-1]
}

// gatewayToHost learns the host's machines, and only those: single addresses inside the network's space.
func (v *networkPlan) gatewayToHost(gateway, host string) {
	s := v.session(gateway, host)
	s.Import.Class = classHost
	for _, p := range v.n.AddressSpace {
		s.Import.Allow = append(s.Import.Allow, plan.PrefixRule{Prefix: p, Min: 32, Max: 32})
	}
	s.Export.Classes = []string{classCustomer}
}

func (v *networkPlan) hostToGateway(host, gateway string) {
	s := v.session(host, gateway)
	s.Import.Class = classCustomer
	s.Export.Classes = []string{classHost}
}

// hostToHost needs no session: what is on the other host is known from the plan.
func (v *networkPlan) hostToHost(host, other string) {
	attachment, _, peer := v.tunnel(host, other)
	d := v.domain(host)
	for _, i := range v.machines[other] {
		for _, c := range i.Configs {
			d.Static = append(d.Static, plan.StaticRoute{Prefix: single(c.Address), Attachment: attachment, NextHop: peer})
		}
	}
}

// domain is the network's domain on a node, which compile has added last.
func (v *networkPlan) domain(node string) *plan.Domain {
	all := v.b.nodes[node].Domains
	return &all[len(all)-1]
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
