package resource

import (
	"fmt"
	"net/netip"
	"strings"
)

func fieldAt(list string, i int, field string) string {
	return fmt.Sprintf("%s[%d].%s", list, i, field)
}

// spec is what is ordered of a peering, in comparable form: the key counts as changed by its bytes.
func (p *Peering) spec() string {
	return fmt.Sprint(strings.ToLower(string(p.Type)), p.Enabled, p.PeerASN, p.Primary, p.Secondary, p.VLAN, []byte(p.Key))
}

// checkPeerings checks the peerings inside a circuit's document: those that are new or changed, and those that went.
func (w *World) checkPeerings(old, c *Circuit) error {
	for i := range c.Peerings {
		p := &c.Peerings[i]
		if before := old.peeringOf(p.Type); before != nil && before.spec() == p.spec() {
			continue
		}
		if err := w.checkPeering(c, i, fmt.Sprintf("properties.peerings[%d].properties", i)); err != nil {
			return err
		}
	}
	if old == nil {
		return nil
	}
	for i := range old.Peerings {
		if c.Peering(old.Peerings[i].Type) == nil {
			if err := w.CheckPeeringDelete(old, old.Peerings[i].Type); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Circuit) peeringOf(t PeeringType) *Peering {
	if c == nil {
		return nil
	}
	return c.Peering(t)
}

// CheckPeering checks one peering order or change; c is the circuit as it is to become, with the peering inside it. Field paths are
// those of a peering's own document.
func (w *World) CheckPeering(c *Circuit, t PeeringType) error {
	for i := range c.Peerings {
		if strings.EqualFold(string(c.Peerings[i].Type), string(t)) {
			return w.checkPeering(c, i, "properties")
		}
	}
	return refuse(NotFound, CodeNotFound, "", "circuit %q has no peering %q", c.Meta.ID.Name(), t)
}

func (w *World) checkPeering(c *Circuit, i int, field string) error {
	p := &c.Peerings[i]
	return first([]func() error{
		func() error { return checkPeeringType(c, i, field) },
		func() error { return checkPeeringReady(c, p) },
		func() error { return checkPeerASN(p.PeerASN, field+".peerASN") },
		func() error { return checkVLAN(c, i, field+".vlanId") },
		func() error { return w.checkPortVLAN(c, p, field+".vlanId") },
		func() error { return checkPeeringSubnets(c, i, field) },
		func() error { return w.checkPeeringApart(c, p, field) },
		func() error { return checkPeeringSites(c, p, field) },
	})
}

func checkPeeringType(c *Circuit, i int, field string) error {
	p := &c.Peerings[i]
	switch p.Type {
	case PrivatePeering:
	case MicrosoftPeering:
		return refuse(Unsupported, CodeUnsupported, field+".peeringType", "MicrosoftPeering is not offered here; AzurePrivatePeering is")
	default:
		return invalid(field+".peeringType", "%q is no peering type; want AzurePrivatePeering", p.Type)
	}
	for k := range i {
		if c.Peerings[k].Type == p.Type {
			return refuse(Invalid, CodeDuplicateName, field+".peeringType", "the circuit has a second peering %s", p.Type)
		}
	}
	return nil
}

func checkPeeringReady(c *Circuit, p *Peering) error {
	if c.Ready() {
		return nil
	}
	state := c.Status.ProviderState
	if !c.Status.Enabled {
		return refuse(Conflict, CodeNotProvisioned, "", "peering %s needs the circuit Enabled, it is not yet", p.Type)
	}
	return refuse(Conflict, CodeNotProvisioned, "", "peering %s needs the circuit Provisioned by its provider, it is %s", p.Type, state)
}

func checkPeerASN(asn uint32, target string) error {
	switch {
	case asn == 0:
		return invalid(target, "0 is no AS number; want 1..4294967295")
	case asn == ASN:
		return invalid(target, "%d is the service's own AS number", asn)
	case asn >= firstReservedASN && asn <= lastReservedASN:
		return invalid(target, "%d is reserved; %d..%d may not be used", asn, firstReservedASN, lastReservedASN)
	case asn == asTrans:
		return invalid(target, "%d is reserved (AS_TRANS, RFC 6793)", asn)
	}
	return nil
}

const asTrans = 23456

func checkVLAN(c *Circuit, i int, target string) error {
	v := c.Peerings[i].VLAN
	if v < 1 || v > MaxVLAN {
		return invalid(target, "%d is no VLAN; want 1..%d", v, MaxVLAN)
	}
	for k := range c.Peerings {
		if k != i && c.Peerings[k].VLAN == v {
			return invalid(target, "VLAN %d is used by peering %s of the same circuit", v, c.Peerings[k].Type)
		}
	}
	return nil
}

// CheckKey checks an MD5 key in the clear; "" is none.
func CheckKey(key, target string) error {
	if len(key) > MaxKeyLength {
		return invalid(target, "the key has %d characters, at most %d are allowed", len(key), MaxKeyLength)
	}
	if strings.IndexFunc(key, func(r rune) bool { return !isWord(r) }) >= 0 {
		return invalid(target, "the key may have letters and digits only")
	}
	return nil
}

func checkPeeringSubnets(c *Circuit, i int, field string) error {
	p := &c.Peerings[i]
	if err := checkLinkSubnet(p.Primary, field+".primaryPeerAddressPrefix"); err != nil {
		return err
	}
	if err := checkLinkSubnet(p.Secondary, field+".secondaryPeerAddressPrefix"); err != nil {
		return err
	}
	if p.Primary.Overlaps(p.Secondary) {
		return invalid(field+".secondaryPeerAddressPrefix", "%s is the primary's too; the links need different /30s", p.Secondary)
	}
	for k := range c.Peerings {
		o := &c.Peerings[k]
		if x, y, found := overlap([]netip.Prefix{p.Primary, p.Secondary}, []netip.Prefix{o.Primary, o.Secondary}); found && k != i {
			return invalid(field+".primaryPeerAddressPrefix", "%s overlaps %s of peering %s", x, y, o.Type)
		}
	}
	return nil
}

func checkLinkSubnet(p netip.Prefix, target string) error {
	switch {
	case !p.IsValid():
		return invalid(target, "is missing; want an IPv4 /30")
	case !p.Addr().Is4() || p.Bits() != 30:
		return invalid(target, "%s is not an IPv4 /30", p)
	case p != p.Masked():
		return invalid(target, "%s has host bits set; the /30 is %s", p, p.Masked())
	case !unicast(p):
		return invalid(target, "%s is not of unicast addresses", p)
	}
	return nil
}

// unicast reports whether hosts may have the addresses of p: not "this network", loopback, multicast or reserved ones.
func unicast(p netip.Prefix) bool {
	for _, no := range []string{"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"} {
		if p.Overlaps(netip.MustParsePrefix(no)) {
			return false
		}
	}
	return true
}

// checkPeeringApart keeps the links' subnets off the linked networks' address spaces.
func (w *World) checkPeeringApart(c *Circuit, p *Peering, field string) error {
	for _, n := range w.linkedNetworks(c.Meta.ID) {
		for i, link := range []netip.Prefix{p.Primary, p.Secondary} {
			if _, space, found := overlap([]netip.Prefix{link}, n.AddressSpace); found {
				target := []string{".primaryPeerAddressPrefix", ".secondaryPeerAddressPrefix"}[i]
				return refuse(Invalid, CodeSpacesOverlap, field+target, "%s overlaps %s of the linked network %q", link, space, n.Meta.ID.Name())
			}
		}
	}
	return nil
}

// CheckPeeringDelete refuses while connections use the peering.
func (w *World) CheckPeeringDelete(c *Circuit, t PeeringType) error {
	if !strings.EqualFold(string(t), string(PrivatePeering)) {
		return nil
	}
	if links := w.CircuitConnections(c.Meta.ID); len(links) > 0 {
		return refuse(InUse, CodePeeringInUse, "", "peering %s is used by connection %s; delete it before", t, links[0].Meta.ID)
	}
	return nil
}

// Edge is the edge router's address in a link's /30: the second host.
func Edge(link netip.Prefix) netip.Addr { return link.Masked().Addr().Next().Next() }

// Customer is the customer's address in a link's /30: the first host.
func Customer(link netip.Prefix) netip.Addr { return link.Masked().Addr().Next() }
