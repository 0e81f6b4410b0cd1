package compile

import (
	"crypto/sha256"
	"net/netip"

	"onramp/plan"
	"onramp/resource"
)

const (
	accessMTU     = 1500
	underlayMTU   = 1600
	tunnelHeaders = 50 // Ethernet, VXLAN, UDP and IPv4 around an inner packet
)

// planNode is a node's plan before any object is in it: identity and ports. index is its place in the fabric document.
func planNode(f *resource.FabricNode, index int) plan.Node {
	n := plan.Node{Name: f.Name, Role: plan.Role(f.Role), RouterID: routerID(f, index)}
	if f.VTEP.IsValid() {
		n.VTEP = f.VTEP.Addr()
	}
	for _, p := range f.Ports {
		port := plan.Port{Name: p.Name, Enabled: true, MTU: portMTU(&p), OuterEtherType: p.EtherType}
		if p.Underlay {
			port.Underlay = f.VTEP
		}
		n.Ports = append(n.Ports, port)
	}
	return n
}

// routerID is the fabric address; of a provider's router, which has none, one made of its name; of a switch, which has no sessions,
// a number of its own.
func routerID(f *resource.FabricNode, index int) netip.Addr {
	if f.VTEP.IsValid() {
		return f.VTEP.Addr()
	}
	if f.Role == resource.RoleRouter { // by name, so that it does not move with the document's order
		h := sha256.Sum256([]byte(f.Name))
		return netip.AddrFrom4([4]byte{10, 254, h[0], max(h[1], 1)})
	}
	i := index + 1
	return netip.AddrFrom4([4]byte{10, 255, byte(i >> 8), byte(i)})
}

func portMTU(p *resource.FabricPort) int {
	switch {
	case p.MTU != 0:
		return p.MTU
	case p.Underlay:
		return underlayMTU
	}
	return accessMTU
}

// linkAddr is a node's address on the links inside networks: 169.254 and the last two bytes of its fabric address. It is unique among the
// nodes because the fabric is one prefix of at least 16 bits, and it does not move when the fabric document is reordered.
func linkAddr(f *resource.FabricNode) netip.Addr {
	v := f.VTEP.Addr().As4()
	return netip.AddrFrom4([4]byte{169, 254, v[2], v[3]})
}

// tunnelMTU is what fits in VXLAN between two nodes; at most what the access ports carry.
func tunnelMTU(a, b *resource.FabricNode) int {
	mtu := accessMTU
	for _, n := range []*resource.FabricNode{a, b} {
		for i := range n.Ports {
			if n.Ports[i].Underlay {
				mtu = min(mtu, portMTU(&n.Ports[i])-tunnelHeaders)
			}
		}
	}
	return mtu
}

// pointToPoint is an own address with its peer.
func pointToPoint(own, peer netip.Addr) []plan.Address {
	return []plan.Address{{Prefix: netip.PrefixFrom(own, own.BitLen()), Peer: peer}}
}
