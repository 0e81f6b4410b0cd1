package resource

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Site is how a provider's router reaches a customer's site on a hand-off at layer 3: by BGP with the customer's router, or by static routes.
type Site struct {
	Address  netip.Prefix   // of the provider's router, with the length of the link: 172.16.0.1/30
	Peer     netip.Addr     // of the customer's router on the link
	ASN      uint32         // of the customer's router; 0: no BGP, static routes
	Prefixes []netip.Prefix // what is behind the customer's router; with static routes only
}

// SiteForms are the forms of a site, for messages.
const SiteForms = `"ADDRESS/LENGTH bgp PEER ASN" or "ADDRESS/LENGTH static NEXTHOP PREFIX…"`

// ParseSite reads "172.16.0.1/30 bgp 172.16.0.2 65010" or "172.16.0.5/30 static 172.16.0.6 10.2.0.0/16 10.3.0.0/16", and checks what it can
// by itself. target is the field to blame.
func ParseSite(s, target string) (Site, error) {
	words := strings.Fields(s)
	if len(words) < 4 || words[1] == "bgp" && len(words) != 4 {
		return Site{}, invalid(target, "%q is not %s", s, SiteForms)
	}
	var site Site
	var err error
	if site.Address, err = netip.ParsePrefix(words[0]); err != nil {
		return Site{}, invalid(target, "%q is no address with a length, want 172.16.0.1/30", words[0])
	}
	if site.Peer, err = netip.ParseAddr(words[2]); err != nil {
		return Site{}, invalid(target, "%q is no address", words[2])
	}
	if err := site.checkLink(target); err != nil {
		return Site{}, err
	}
	switch words[1] {
	case "bgp":
		n, err := strconv.ParseUint(words[3], 10, 32)
		if err != nil {
			return Site{}, invalid(target, "%q is no AS number; want 1..4294967295", words[3])
		}
		site.ASN = uint32(n)
		return site, checkPeerASN(site.ASN, target)
	case "static":
		return site, site.statics(words[3:], target)
	}
	return Site{}, invalid(target, "%q is not %s", s, SiteForms)
}

// checkLink wants two different hosts of one IPv4 subnet.
func (s *Site) checkLink(target string) error {
	link := s.Address.Masked()
	switch {
	case !s.Address.Addr().Is4() || !s.Peer.Is4():
		return refuse(Unsupported, CodeUnsupported, target, "%s is not IPv4; sites have IPv4 only", s.Address)
	case link.Bits() < 8 || link.Bits() > 31 || !unicast(link):
		return invalid(target, "%s is no link of unicast addresses with a length of 8 to 31", link)
	case s.Peer == s.Address.Addr():
		return invalid(target, "%s is both the provider's and the customer's", s.Peer)
	}
	for _, a := range []netip.Addr{s.Address.Addr(), s.Peer} {
		if !link.Contains(a) || link.Bits() < 31 && (a == link.Addr() || a == lastAddr(link)) {
			return invalid(target, "%s is no host of %s", a, link)
		}
	}
	return nil
}

// statics takes the prefixes behind a customer's router.
func (s *Site) statics(words []string, target string) error {
	for _, word := range words {
		p, err := netip.ParsePrefix(word)
		switch {
		case err != nil:
			return invalid(target, "%q is no prefix", word)
		case !p.Addr().Is4() || p != p.Masked() || p.Bits() > 0 && !unicast(p):
			return invalid(target, "%s is no IPv4 prefix of unicast addresses without host bits", p)
		case slices.Contains(s.Prefixes, p):
			return invalid(target, "%s is there twice", p)
		case p.Bits() > 0 && p.Overlaps(s.Address):
			return invalid(target, "%s overlaps the site's own link %s", p, s.Address.Masked())
		}
		s.Prefixes = append(s.Prefixes, p)
	}
	return nil
}

// Routed reports whether a port pair ends on the provider's own routers: its circuits are handed over at layer 3, and their peerings are the
// provider's.
func (f *Fabric) Routed(x *PortPair) bool {
	if f == nil || x == nil {
		return false
	}
	node, _, _ := SplitPort(x.SwitchPrimary)
	n := f.Node(node)
	return n != nil && n.Role == RoleRouter
}

// The writers of a peering, as Peering.ModifiedBy names them.
const (
	ByCustomer = "Customer"
	ByProvider = "Provider"
)

// CheckPeeringWriter refuses a change of a peering that is the other side's: whoever configured it first keeps it until it is deleted. The
// peerings of a circuit that ends on the provider's routers are always the provider's. owner is the peering's ModifiedBy, "" for a new one.
func (w *World) CheckPeeringWriter(c *Circuit, t PeeringType, owner, by string) error {
	switch {
	case by == ByCustomer && w.Fabric.Routed(w.Fabric.PairOf(c)):
		return refuse(Forbidden, CodePeeringOwner, "properties", "peering %s is configured by the provider %q, whose routers end this circuit (managed "+
			"layer 3); ask it for changes", t, c.Provider)
	case owner == ByProvider && by == ByCustomer:
		return refuse(Forbidden, CodePeeringOwner, "properties", "peering %s was configured by the provider %q; only it may change or delete it", t, c.Provider)
	case owner == ByCustomer && by == ByProvider:
		return refuse(Forbidden, CodePeeringOwner, "properties", "peering %s was configured by the customer; only the customer may change or delete it", t)
	}
	return nil
}

// checkSite checks one side's site against the hand-off and the circuit's peerings.
func checkSite(c *Circuit, h HandoffPort, text, target string) error {
	switch {
	case !h.L3 && text != "":
		return invalid(target, "a site is for a hand-off at layer 3, \"node/port:l3\"")
	case !h.L3:
		return nil
	case text == "":
		return invalid(target, "is missing; the hand-off at layer 3 needs %s", SiteForms)
	}
	site, err := ParseSite(text, target)
	if err != nil {
		return err
	}
	for i := range c.Peerings {
		if _, why := site.conflict(&c.Peerings[i]); why != "" {
			return invalid(target, "%s", why)
		}
	}
	return nil
}

// conflict says why a site and a peering cannot be on one router, and which field of the peering is at fault; "" when they can.
func (s *Site) conflict(p *Peering) (field, why string) {
	link := s.Address.Masked()
	switch {
	case p.Primary.IsValid() && p.Primary.Overlaps(link):
		return "primaryPeerAddressPrefix", "the site's link " + link.String() + " overlaps " + p.Primary.String() + " of the peering"
	case p.Secondary.IsValid() && p.Secondary.Overlaps(link):
		return "secondaryPeerAddressPrefix", "the site's link " + link.String() + " overlaps " + p.Secondary.String() + " of the peering"
	case s.ASN != 0 && s.ASN == p.PeerASN:
		return "peerASN", strconv.FormatUint(uint64(s.ASN), 10) + " is both the provider's AS number and the site's"
	}
	return "", ""
}

// checkPeeringSites checks a peering against the sites its circuit is handed over to.
func checkPeeringSites(c *Circuit, p *Peering, field string) error {
	for _, text := range []string{c.Status.Handoff.PrimarySite, c.Status.Handoff.SecondarySite} {
		if text == "" {
			continue
		}
		site, err := ParseSite(text, field)
		if err != nil {
			return err
		}
		if at, why := site.conflict(p); why != "" {
			return invalid(field+"."+at, "%s", why)
		}
	}
	return nil
}

// checkSitesApart keeps the links of two sites on one router apart.
func checkSitesApart(h Handoff) error {
	a, _ := ParseHandoff(h.Primary)
	b, _ := ParseHandoff(h.Secondary)
	an, _, _ := SplitPort(a.Port)
	bn, _, _ := SplitPort(b.Port)
	if !a.L3 || !b.L3 || an != bn {
		return nil
	}
	x, _ := ParseSite(h.PrimarySite, "tags.primarySite")
	y, _ := ParseSite(h.SecondarySite, "tags.secondarySite")
	if x.Address.Overlaps(y.Address) {
		return invalid("tags.secondarySite", "the link %s overlaps %s of the primary hand-off", y.Address.Masked(), x.Address.Masked())
	}
	return nil
}
