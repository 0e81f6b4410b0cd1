package resource

import (
	"strings"
	"testing"
)

func TestCheckCircuitOrder(t *testing.T) {
	const sp = "properties.serviceProviderProperties"
	for _, c := range []struct {
		name            string
		change          func(*scene, *Circuit)
		kind            ErrorKind
		target, message string
	}{
		{"plain", func(*scene, *Circuit) {}, "", "", ""},
		{"any case", func(_ *scene, c *Circuit) {
			c.Provider, c.PeeringLocation, c.Meta.Location = "contoso", "SEATTLE", "West US 2"
		}, "", "", ""},
		{"name", func(_ *scene, c *Circuit) { c.Meta.ID.Names = []string{"-x"} }, Invalid, "name", "beginning with"},
		{"tier", func(_ *scene, c *Circuit) { c.Tier = "Basic" }, Invalid, "sku.tier", "Basic"},
		{"family", func(_ *scene, c *Circuit) { c.Plan = "x" }, Invalid, "sku.family", "x"},
		{"local metered", func(_ *scene, c *Circuit) { c.Tier = TierLocal }, Invalid, "sku.family", "UnlimitedData only"},
		{"local", func(_ *scene, c *Circuit) { c.Tier, c.Plan = TierLocal, FamilyUnlimited }, "", "", ""},
		{"local far away", func(_ *scene, c *Circuit) { c.Tier, c.Plan, c.PeeringLocation = TierLocal, FamilyUnlimited, "Dublin" }, Invalid, "sku.tier", "no local region"},
		{"provider", func(_ *scene, c *Circuit) { c.Provider = "Nobody" }, Invalid, sp + ".serviceProviderName", "Nobody"},
		{"location", func(_ *scene, c *Circuit) { c.PeeringLocation = "Paris" }, Invalid, sp + ".peeringLocation", "Seattle, Dublin"},
		{"provider elsewhere", func(_ *scene, c *Circuit) { c.Provider = "Fabrikam" }, Invalid, sp + ".peeringLocation", "not at location"},
		{"bandwidth", func(_ *scene, c *Circuit) { c.BandwidthMbps = 300 }, Invalid, sp + ".bandwidthInMbps", "300"},
		{"bandwidth not offered", func(_ *scene, c *Circuit) { c.BandwidthMbps = 2000 }, Invalid, sp + ".bandwidthInMbps", "2000"},
		{"port full", func(s *scene, c *Circuit) {
			c.BandwidthMbps = 1000
			s.more = append(s.more, &Circuit{Meta: Head{ID: id("expressRouteCircuits", "c9")}, BandwidthMbps: 50, Status: CircuitStatus{PortPair: "sea-a"}})
		}, Limit, sp + ".bandwidthInMbps", "1000 Mbps left"},
		{"region", func(_ *scene, c *Circuit) { c.Meta.Location = "nowhere" }, Invalid, "location", "nowhere"},
		{"region's limit", func(s *scene, _ *Circuit) {
			s.more = many(10, func(i int) Object {
				return &Circuit{Meta: Head{ID: id("expressRouteCircuits", named("x%d", i)), Location: "West US 2"}}
			})
		}, Limit, "location", "10 circuits"},
		{"subscription's limit", func(s *scene, _ *Circuit) {
			s.more = many(50, func(i int) Object {
				return &Circuit{Meta: Head{ID: id("expressRouteCircuits", named("x%d", i)), Location: "eastus"}}
			})
		}, Limit, "", "50 circuits"},
		{"peering at once", func(s *scene, c *Circuit) {
			c.Peerings, c.Status = s.circuit.Peerings, CircuitStatus{}
		}, Conflict, "", "needs the circuit Enabled"},
		{"authorization's name", func(_ *scene, c *Circuit) { c.Authorizations = []Authorization{{Name: "a"}, {Name: "A"}} }, Invalid, "properties.authorizations[1].name", "taken"},
	} {
		s := newScene()
		s.without(s.circuit, s.link)
		order := Clone(s.circuit)
		order.Peerings, order.Status = nil, CircuitStatus{}
		c.change(s, order)
		refused(t, c.name, s.world().CheckCircuit(nil, order), c.kind, c.target, c.message)
	}
}

func TestCheckCircuitChange(t *testing.T) {
	const sp = "properties.serviceProviderProperties"
	for _, c := range []struct {
		name            string
		before          func(*scene) // of the world
		change          func(*Circuit)
		kind            ErrorKind
		target, message string
	}{
		{"nothing", nil, func(*Circuit) {}, "", "", ""},
		{"bandwidth up", nil, func(c *Circuit) { c.BandwidthMbps = 1000 }, "", "", ""},
		{"bandwidth down", nil, func(c *Circuit) { c.BandwidthMbps = 100 }, Invalid, sp + ".bandwidthInMbps", "only grow"},
		{"bandwidth up, own pair full", func(s *scene) { s.circuit.Status.PortPair = "sea-b" }, func(c *Circuit) { c.BandwidthMbps = 1000 }, Limit, sp + ".bandwidthInMbps", "left"},
		{"metered to unlimited", nil, func(c *Circuit) { c.Plan = FamilyUnlimited }, "", "", ""},
		{"unlimited to metered", func(s *scene) { s.circuit.Plan = FamilyUnlimited }, func(c *Circuit) { c.Plan = FamilyMetered }, Invalid, "sku.family", "for good"},
		{"standard to premium", nil, func(c *Circuit) { c.Tier = TierPremium }, "", "", ""},
		{"standard to local", func(s *scene) { s.circuit.Plan = FamilyUnlimited }, func(c *Circuit) { c.Tier = TierLocal }, Invalid, "sku.tier", "only when it is ordered"},
		{"local to standard", func(s *scene) { s.circuit.Plan, s.circuit.Tier = FamilyUnlimited, TierLocal }, func(c *Circuit) { c.Tier = TierStandard }, "", "", ""},
		{"premium to standard", func(s *scene) { s.circuit.Tier = TierPremium }, func(c *Circuit) { c.Tier = TierStandard }, "", "", ""},
		{"premium to standard, too far", func(s *scene) { s.circuit.Tier, s.network.Meta.Location = TierPremium, "northeurope" },
			func(c *Circuit) { c.Tier = TierStandard }, Invalid, "sku.tier", "reaches North America only"},
		{"premium to standard, too many", func(s *scene) {
			s.circuit.Tier = TierPremium
			s.more = many(10, func(i int) Object {
				return &Connection{Meta: Head{ID: id("connections", named("x%d", i))}, Circuit: s.circuit.Meta.ID}
			})
		}, func(c *Circuit) { c.Tier = TierStandard }, Conflict, "sku.tier", "11 connections"},
		{"provider", func(s *scene) {
			s.fabric.Providers[1].PortPairs = []PortPair{{Name: "f", Location: "Seattle", BandwidthMbps: 1000}}
		}, func(c *Circuit) { c.Provider = "Fabrikam" }, Invalid, sp + ".serviceProviderName", "new circuit"},
		{"location", nil, func(c *Circuit) { c.PeeringLocation = "Dublin" }, Invalid, sp + ".peeringLocation", "new circuit"},
		{"region", nil, func(c *Circuit) { c.Meta.Location = "northeurope" }, Invalid, "location", "do not move"},
		{"peering gone", nil, func(c *Circuit) { c.Peerings = nil }, InUse, "", "used by connection"},
		{"peering unchanged on a circuit no more provisioned", func(s *scene) { s.circuit.Status.ProviderState = NotProvisioned }, func(*Circuit) {}, "", "", ""},
		{"peering changed on a circuit no more provisioned", func(s *scene) { s.circuit.Status.ProviderState = NotProvisioned },
			func(c *Circuit) { c.Peerings[0].VLAN++ }, Conflict, "", "Provisioned"},
		{"used authorization gone", func(s *scene) { s.circuit.Authorizations = []Authorization{{Name: "a", Usedby: s.link.Meta.ID}} },
			func(c *Circuit) { c.Authorizations = nil }, InUse, "properties.authorizations", "in use by connection"},
		{"free authorization gone", func(s *scene) { s.circuit.Authorizations = []Authorization{{Name: "a"}} }, func(c *Circuit) { c.Authorizations = nil }, "", "", ""},
	} {
		s := newScene()
		if c.before != nil {
			c.before(s)
		}
		changed := Clone(s.circuit)
		c.change(changed)
		refused(t, c.name, s.world().CheckCircuit(s.circuit, changed), c.kind, c.target, c.message)
	}
}

func TestPlace(t *testing.T) {
	s := newScene()
	s.without(s.circuit)
	w := s.world()
	for mbps, want := range map[int]string{50: "sea-a", 500: "sea-a", 1000: "sea-a"} {
		c := Clone(s.circuit)
		c.Status.PortPair, c.BandwidthMbps = "", mbps
		if got, err := w.Place(c); err != nil || got != want {
			t.Errorf("%d Mbps: have %q, %v; want %q", mbps, got, err, want)
		}
	}
	s.more = append(s.more, &Circuit{Meta: Head{ID: id("expressRouteCircuits", "big")}, BandwidthMbps: 800, Status: CircuitStatus{PortPair: "sea-a"}})
	c := Clone(s.circuit)
	c.Status.PortPair = ""
	if got, err := s.world().Place(c); err != nil || got != "sea-b" {
		t.Errorf("with sea-a nearly full: have %q, %v; want sea-b", got, err)
	}
	c.Status.PortPair = "sea-a"
	if got, err := s.world().Place(c); err != nil || got != "sea-a" {
		t.Errorf("a placed circuit moves: %q, %v", got, err)
	}
}

func TestCheckCircuitDelete(t *testing.T) {
	s := newScene()
	refused(t, "linked", s.world().CheckCircuitDelete(s.circuit), InUse, "", "1 connections")
	s.without(s.link)
	const state = "properties.serviceProviderProvisioningState"
	for st, kind := range map[ProviderState]ErrorKind{NotProvisioned: "", Provisioning: Conflict, Provisioned: Conflict, Deprovisioning: Conflict} {
		s.circuit.Status.ProviderState = st
		target := state
		if kind == "" {
			target = ""
		}
		refused(t, string(st), s.world().CheckCircuitDelete(s.circuit), kind, target, "Deprovisioned")
	}
}

func TestCheckPeering(t *testing.T) {
	for _, c := range []struct {
		name            string
		change          func(*Circuit, *Peering)
		kind            ErrorKind
		target, message string
	}{
		{"plain", func(*Circuit, *Peering) {}, "", "", ""},
		{"not provisioned", func(c *Circuit, _ *Peering) { c.Status.ProviderState = Provisioning }, Conflict, "", "it is Provisioning"},
		{"Microsoft", func(_ *Circuit, p *Peering) { p.Type = MicrosoftPeering }, Unsupported, "properties.peeringType", "not offered"},
		{"unknown type", func(_ *Circuit, p *Peering) { p.Type = "x" }, Invalid, "properties.peeringType", "x"},
		{"ASN 0", func(_ *Circuit, p *Peering) { p.PeerASN = 0 }, Invalid, "properties.peerASN", "1..4294967295"},
		{"ASN highest", func(_ *Circuit, p *Peering) { p.PeerASN = 4294967295 }, "", "", ""},
		{"ASN below the reserved", func(_ *Circuit, p *Peering) { p.PeerASN = 65514 }, "", "", ""},
		{"ASN first reserved", func(_ *Circuit, p *Peering) { p.PeerASN = 65515 }, Invalid, "properties.peerASN", "reserved"},
		{"ASN last reserved", func(_ *Circuit, p *Peering) { p.PeerASN = 65520 }, Invalid, "properties.peerASN", "reserved"},
		{"ASN above the reserved", func(_ *Circuit, p *Peering) { p.PeerASN = 65521 }, "", "", ""},
		{"ASN ours", func(_ *Circuit, p *Peering) { p.PeerASN = 12076 }, Invalid, "properties.peerASN", "service's own"},
		{"ASN AS_TRANS", func(_ *Circuit, p *Peering) { p.PeerASN = 23456 }, Invalid, "properties.peerASN", "AS_TRANS"},
		{"VLAN 0", func(_ *Circuit, p *Peering) { p.VLAN = 0 }, Invalid, "properties.vlanId", "1..4094"},
		{"VLAN 4095", func(_ *Circuit, p *Peering) { p.VLAN = 4095 }, Invalid, "properties.vlanId", "1..4094"},
		{"VLAN twice", func(c *Circuit, p *Peering) {
			c.Peerings = append(c.Peerings, Peering{Type: MicrosoftPeering, VLAN: p.VLAN})
		}, Invalid, "properties.vlanId", "used by peering MicrosoftPeering"},
		{"no prefix", func(_ *Circuit, p *Peering) { p.Secondary = prefix("0.0.0.0/0") }, Invalid, "properties.secondaryPeerAddressPrefix", "not an IPv4 /30"},
		{"/29", func(_ *Circuit, p *Peering) { p.Primary = prefix("192.168.1.0/29") }, Invalid, "properties.primaryPeerAddressPrefix", "not an IPv4 /30"},
		{"IPv6", func(_ *Circuit, p *Peering) { p.Primary = prefix("2001:db8::/126") }, Invalid, "properties.primaryPeerAddressPrefix", "not an IPv4 /30"},
		{"host bits", func(_ *Circuit, p *Peering) { p.Primary = prefix("192.168.1.1/30") }, Invalid, "properties.primaryPeerAddressPrefix", "the /30 is 192.168.1.0/30"},
		{"multicast", func(_ *Circuit, p *Peering) { p.Primary = prefix("224.0.0.0/30") }, Invalid, "properties.primaryPeerAddressPrefix", "unicast"},
		{"same twice", func(_ *Circuit, p *Peering) { p.Secondary = p.Primary }, Invalid, "properties.secondaryPeerAddressPrefix", "different"},
		{"other peering's", func(c *Circuit, p *Peering) {
			c.Peerings = append(c.Peerings, Peering{Type: MicrosoftPeering, VLAN: 7, Primary: p.Secondary, Secondary: prefix("1.1.1.0/30")})
		}, Invalid, "properties.primaryPeerAddressPrefix", "of peering MicrosoftPeering"},
		{"in a linked network", func(_ *Circuit, p *Peering) { p.Secondary = prefix("10.1.7.0/30") }, Invalid, "properties.secondaryPeerAddressPrefix", "linked network"},
	} {
		s := newScene()
		changed := Clone(s.circuit)
		p := &changed.Peerings[0]
		c.change(changed, p)
		refused(t, c.name, s.world().CheckPeering(changed, changed.Peerings[0].Type), c.kind, c.target, c.message)
	}
	s := newScene()
	refused(t, "absent", s.world().CheckPeering(s.circuit, MicrosoftPeering), NotFound, "", "no peering")
}

func TestPeeringPathsInsideCircuit(t *testing.T) {
	s := newScene()
	changed := Clone(s.circuit)
	changed.Peerings[0].VLAN = 0
	refused(t, "inline", s.world().CheckCircuit(s.circuit, changed), Invalid, "properties.peerings[0].properties.vlanId", "1..4094")
	changed = Clone(s.circuit)
	changed.Peerings = append(changed.Peerings, changed.Peerings[0])
	refused(t, "twice", s.world().CheckCircuit(nil, func() *Circuit { c := Clone(changed); c.Meta.ID.Names = []string{"c2"}; return c }()),
		Invalid, "properties.peerings[0].properties.vlanId", "VLAN 100 is used")
}

func TestCheckKey(t *testing.T) {
	for key, kind := range map[string]ErrorKind{"": "", "abcXYZ019": "", strings.Repeat("x", 25): "", strings.Repeat("x", 26): Invalid, "a-b": Invalid, "ключ": Invalid, "a b": Invalid} {
		target := "properties.sharedKey"
		refused(t, key, CheckKey(key, target), kind, target, "key")
	}
	if err := CheckKey("se-cret", "k"); strings.Contains(err.Error(), "se-cret") {
		t.Errorf("the refusal shows the key: %v", err)
	}
}

func TestLinkAddresses(t *testing.T) {
	if c, e := Customer(prefix("192.168.100.128/30")), Edge(prefix("192.168.100.128/30")); c != addr("192.168.100.129") || e != addr("192.168.100.130") {
		t.Errorf("customer %s, edge %s", c, e)
	}
}

func TestCheckProviderState(t *testing.T) {
	states := []ProviderState{NotProvisioned, Provisioning, Provisioned, Deprovisioning}
	allowed := map[string]bool{}
	for _, s := range strings.Fields(`NotProvisioned>Provisioning NotProvisioned>Provisioned Provisioning>Provisioned Provisioning>NotProvisioned
		Provisioned>Provisioning Provisioned>Deprovisioning Provisioned>NotProvisioned Deprovisioning>NotProvisioned`) {
		allowed[s] = true
	}
	for _, from := range states {
		for _, to := range states {
			err := CheckProviderState(from, to)
			if want := from == to || allowed[string(from+">"+to)]; want != (err == nil) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
		}
	}
	refused(t, "unknown", CheckProviderState(Provisioned, "Broken"), Invalid, "properties.serviceProviderProvisioningState", "Broken")
	refused(t, "new", CheckProviderState("", Provisioning), "", "", "")
}

func TestCheckHandoff(t *testing.T) {
	const primary, secondary = "tags.primaryHandoff", "tags.secondaryHandoff"
	vcOther := func(s *scene) {
		s.more = []Object{&Circuit{Meta: Head{ID: id("expressRouteCircuits", "c2")}, Status: CircuitStatus{ServiceKey: "k2", Handoff: Handoff{Primary: "x1/c1:vc=7"}}}}
	}
	for _, c := range []struct {
		name            string
		before          func(*scene)
		handoff         Handoff
		kind            ErrorKind
		target, message string
	}{
		{"none", nil, Handoff{}, "", "", ""},
		{"both", nil, Handoff{Primary: "x1/c1", Secondary: "x1/c2"}, "", "", ""},
		{"tagged", nil, Handoff{Primary: "x1/c1:tagged", Secondary: "x1/c2:tagged"}, "", "", ""},
		{"one", nil, Handoff{Secondary: "x1/c2"}, "", "", ""},
		{"form", nil, Handoff{Primary: "x1"}, Invalid, primary, "node/port"},
		{"suffix", nil, Handoff{Primary: "x1/c1:untagged"}, Invalid, primary, "node/port"},
		{"no port", nil, Handoff{Primary: "x1/c9"}, Invalid, primary, "no port"},
		{"no node", nil, Handoff{Secondary: "x9/c1"}, Invalid, secondary, "no port"},
		{"other provider's", nil, Handoff{Primary: "y1/c1"}, Forbidden, primary, "not on a switch of provider"},
		{"operator's", nil, Handoff{Primary: "edge1/pe0"}, Forbidden, primary, "not on a switch of provider"},
		{"other switch", nil, Handoff{Primary: "x2/c1"}, Invalid, primary, "where the circuit's cable ends"},
		{"trunk", nil, Handoff{Primary: "x1/e1"}, Invalid, primary, "leads to an edge router"},
		{"same twice", nil, Handoff{Primary: "x1/c1", Secondary: "x1/c1:tagged"}, Invalid, secondary, "primary hand-off too"},
		{"two virtual circuits", nil, Handoff{Primary: "x1/c1:vc=101", Secondary: "x1/c1:vc=102"}, "", "", ""},
		{"one virtual circuit twice", nil, Handoff{Primary: "x1/c1:vc=101", Secondary: "x1/c1:vc=101"}, Invalid, secondary, "different tags"},
		{"virtual circuit beside tagged", nil, Handoff{Primary: "x1/c1:tagged", Secondary: "x1/c1:vc=101"}, Invalid, secondary, "primary hand-off too (tagged)"},
		{"virtual circuit beside untagged", nil, Handoff{Primary: "x1/c1:vc=101", Secondary: "x1/c1"}, Invalid, secondary, "primary hand-off too (virtual circuit 101)"},
		{"tag 0", nil, Handoff{Primary: "x1/c1:vc=0"}, Invalid, primary, "1..4094"},
		{"tag 4095", nil, Handoff{Primary: "x1/c1:vc=4095"}, Invalid, primary, "1..4094"},
		{"tag is none", nil, Handoff{Primary: "x1/c1:vc=a"}, Invalid, primary, "1..4094"},
		{"tag is empty", nil, Handoff{Primary: "x1/c1:vc="}, Invalid, primary, "1..4094"},
		{"two forms", nil, Handoff{Primary: "x1/c1:tagged:vc=5"}, Invalid, primary, "node/port"},
		{"other circuit's tag", vcOther, Handoff{Primary: "x1/c1:vc=7"}, Conflict, primary, "service key k2 (virtual circuit 7)"},
		{"beside other circuit's", vcOther, Handoff{Primary: "x1/c1:vc=8"}, "", "", ""},
		{"tagged beside other's virtual circuit", vcOther, Handoff{Primary: "x1/c1:tagged"}, Conflict, primary, "service key k2"},
		{"untagged beside other's virtual circuit", vcOther, Handoff{Primary: "x1/c1"}, Conflict, primary, "service key k2"},
		{"no switch", func(s *scene) { s.circuit.Status.PortPair = "sea-b" }, Handoff{Primary: "x1/c1"}, Invalid, primary, "no switch"},
		{"taken", func(s *scene) {
			s.more = []Object{&Circuit{Meta: Head{ID: id("expressRouteCircuits", "c2")}, Status: CircuitStatus{ServiceKey: "k2", Handoff: Handoff{Secondary: "x1/c1:tagged"}}}}
		}, Handoff{Primary: "x1/c1"}, Conflict, primary, "service key k2"},
		{"own again", func(s *scene) { s.circuit.Status.Handoff = Handoff{Primary: "x1/c1"} }, Handoff{Primary: "x1/c1:tagged"}, "", "", ""},
	} {
		s := newScene()
		if c.before != nil {
			c.before(s)
		}
		refused(t, c.name, s.world().CheckHandoff(s.circuit, c.handoff), c.kind, c.target, c.message)
	}
}
