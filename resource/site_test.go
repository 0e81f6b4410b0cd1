package resource

import (
	"net/netip"
	"slices"
	"testing"
)

func TestParseSite(t *testing.T) {
	for _, good := range []struct {
		text string
		want Site
	}{
		{"172.16.0.1/30 bgp 172.16.0.2 65010", Site{Address: prefix("172.16.0.1/30"), Peer: addr("172.16.0.2"), ASN: 65010}},
		{"172.16.0.0/31 bgp 172.16.0.1 4200000000", Site{Address: prefix("172.16.0.0/31"), Peer: addr("172.16.0.1"), ASN: 4200000000}},
		{"172.16.0.1/24  static 172.16.0.9 10.2.0.0/16 0.0.0.0/0",
			Site{Address: prefix("172.16.0.1/24"), Peer: addr("172.16.0.9"), Prefixes: []netip.Prefix{prefix("10.2.0.0/16"), prefix("0.0.0.0/0")}}},
	} {
		s, err := ParseSite(good.text, "x")
		if err != nil || s.Address != good.want.Address || s.Peer != good.want.Peer || s.ASN != good.want.ASN || !slices.Equal(s.Prefixes, good.want.Prefixes) {
			t.Errorf("%s: %+v %v", good.text, s, err)
		}
	}
	for _, bad := range []struct {
		text    string
		kind    ErrorKind
		message string
	}{
		{"", Invalid, "is not"},
		{"172.16.0.1/30", Invalid, "is not"},
		{"172.16.0.1/30 ospf 172.16.0.2 1", Invalid, "is not"},
		{"172.16.0.1/30 bgp 172.16.0.2 65010 key", Invalid, "is not"},
		{"172.16.0.1/30 static 172.16.0.2", Invalid, "is not"},
		{"172.16.0.1 bgp 172.16.0.2 65010", Invalid, "with a length"},
		{"172.16.0.1/30 bgp peer 65010", Invalid, "no address"},
		{"172.16.0.1/30 bgp 172.16.0.6 65010", Invalid, "no host"},
		{"172.16.0.1/30 bgp 172.16.0.3 65010", Invalid, "no host"},
		{"172.16.0.0/30 bgp 172.16.0.2 65010", Invalid, "no host"},
		{"172.16.0.1/30 bgp 172.16.0.1 65010", Invalid, "both"},
		{"172.16.0.1/32 bgp 172.16.0.2 65010", Invalid, "8 to 31"},
		{"224.0.0.1/30 bgp 224.0.0.2 65010", Invalid, "unicast"},
		{"fd00::1/126 bgp fd00::2 65010", Unsupported, "IPv4 only"},
		{"172.16.0.1/30 bgp 172.16.0.2 12076", Invalid, "service's own"},
		{"172.16.0.1/30 bgp 172.16.0.2 65515", Invalid, "reserved"},
		{"172.16.0.1/30 bgp 172.16.0.2 4294967296", Invalid, "no AS number"},
		{"172.16.0.1/30 static 172.16.0.2 10.0.0.1/8", Invalid, "host bits"},
		{"172.16.0.1/30 static 172.16.0.2 fd00::/64", Invalid, "IPv4"},
		{"172.16.0.1/30 static 172.16.0.2 10.0.0.0/8 10.0.0.0/8", Invalid, "twice"},
		{"172.16.0.1/30 static 172.16.0.2 172.16.0.0/24", Invalid, "own link"},
	} {
		_, err := ParseSite(bad.text, "x")
		refused(t, bad.text, err, bad.kind, "x", bad.message)
	}
}

// routedScene is a scene whose circuit ends on a router of the provider.
func routedScene() *scene {
	s := newScene()
	s.fabric.Nodes = append(s.fabric.Nodes, FabricNode{Name: "r1", Role: RoleRouter, Owner: "Contoso", Ports: []FabricPort{{Name: "e1"}, {Name: "e2"}, {Name: "s1"}, {Name: "s2"}}})
	pair := &s.fabric.Providers[0].PortPairs[1]
	pair.SwitchPrimary, pair.SwitchSecondary = "r1/e1", "r1/e2"
	s.circuit.Status.PortPair = pair.Name
	return s
}

func TestCheckRoutedHandoff(t *testing.T) {
	const (
		port, site = "tags.primaryHandoff", "tags.primarySite"
		bgp        = "172.16.0.1/30 bgp 172.16.0.2 65010"
	)
	for _, c := range []struct {
		name            string
		handoff         Handoff
		kind            ErrorKind
		target, message string
	}{
		{"one site", Handoff{Primary: "r1/s1:l3", PrimarySite: bgp}, "", "", ""},
		{"two links", Handoff{Primary: "r1/s1:l3", PrimarySite: bgp, Secondary: "r1/s2:l3", SecondarySite: "172.16.0.5/30 bgp 172.16.0.6 65010"}, "", "", ""},
		{"two links of the same addresses", Handoff{Primary: "r1/s1:l3", PrimarySite: bgp, Secondary: "r1/s2:l3", SecondarySite: bgp},
			Invalid, "tags.secondarySite", "overlaps 172.16.0.0/30"},
		{"one port twice", Handoff{Primary: "r1/s1:l3", PrimarySite: bgp, Secondary: "r1/s1:l3", SecondarySite: "172.16.0.5/30 bgp 172.16.0.6 65010"},
			Invalid, "tags.secondaryHandoff", "layer 3"},
		{"no site", Handoff{Primary: "r1/s1:l3"}, Invalid, site, "is missing"},
		{"site without a hand-off", Handoff{PrimarySite: bgp}, Invalid, site, "hand-off at layer 3"},
		{"bad site", Handoff{Primary: "r1/s1:l3", PrimarySite: "x"}, Invalid, site, "is not"},
		{"layer 2 on a router", Handoff{Primary: "r1/s1:tagged"}, Invalid, port, "at layer 3 only"},
		{"untagged on a router", Handoff{Primary: "r1/s1"}, Invalid, port, "at layer 3 only"},
		{"on the cable's port", Handoff{Primary: "r1/e1:l3", PrimarySite: bgp}, Invalid, port, "leads to an edge router"},
		{"on a switch", Handoff{Primary: "x1/c1:l3", PrimarySite: bgp}, Invalid, port, "is not on \"r1\""},
		{"link of the peering", Handoff{Primary: "r1/s1:l3", PrimarySite: "192.168.1.1/24 static 192.168.1.9 10.9.0.0/16"}, Invalid, site, "of the peering"},
		{"the provider's ASN", Handoff{Primary: "r1/s1:l3", PrimarySite: "172.16.0.1/30 bgp 172.16.0.2 65001"}, Invalid, site, "both the provider's"},
	} {
		s := routedScene()
		refused(t, c.name, s.world().CheckHandoff(s.circuit, c.handoff), c.kind, c.target, c.message)
	}
	s := newScene()
	refused(t, "layer 3 on a switch", s.world().CheckHandoff(s.circuit, Handoff{Primary: "x1/c1:l3", PrimarySite: bgp}), Invalid, port, "is a router's")
}

// TestCheckPeeringSites: a peering may not take what a site of the circuit has.
func TestCheckPeeringSites(t *testing.T) {
	s := routedScene()
	s.circuit.Status.Handoff = Handoff{Primary: "r1/s1:l3", PrimarySite: "172.16.0.1/30 bgp 172.16.0.2 65010"}
	refused(t, "apart", s.world().CheckPeering(s.circuit, PrivatePeering), "", "", "")
	s.circuit.Peerings[0].Secondary = prefix("172.16.0.0/30")
	refused(t, "link", s.world().CheckPeering(s.circuit, PrivatePeering), Invalid, "properties.secondaryPeerAddressPrefix", "overlaps")
	s = routedScene()
	s.circuit.Status.Handoff = Handoff{Primary: "r1/s1:l3", PrimarySite: "172.16.0.1/30 bgp 172.16.0.2 65001"}
	refused(t, "ASN", s.world().CheckPeering(s.circuit, PrivatePeering), Invalid, "properties.peerASN", "both")
}

func TestCheckPeeringWriter(t *testing.T) {
	for _, c := range []struct {
		name      string
		scene     *scene
		owner, by string
		message   string // "": allowed
	}{
		{"customer's first", newScene(), "", ByCustomer, ""},
		{"provider's first", newScene(), "", ByProvider, ""},
		{"own", newScene(), ByCustomer, ByCustomer, ""},
		{"provider's own", newScene(), ByProvider, ByProvider, ""},
		{"the provider's", newScene(), ByProvider, ByCustomer, `by the provider "Contoso"`},
		{"the customer's", newScene(), ByCustomer, ByProvider, "by the customer"},
		{"first on a router", routedScene(), "", ByCustomer, "managed layer 3"},
		{"provider's on a router", routedScene(), "", ByProvider, ""},
	} {
		kind, target := ErrorKind(""), ""
		if c.message != "" {
			kind, target = Forbidden, "properties"
		}
		refused(t, c.name, c.scene.world().CheckPeeringWriter(c.scene.circuit, PrivatePeering, c.owner, c.by), kind, target, c.message)
	}
}
