package resource

import (
	"slices"
	"strings"
	"testing"
)

// testPort is a port of 10 Gbps in Seattle, in the customer's subscription.
func testPort(e Encapsulation) *Port {
	return &Port{Meta: Head{ID: id("expressRoutePorts", "p1"), Location: "westus2", State: Succeeded}, PeeringLocation: "Seattle", BandwidthGbps: 10,
		Encapsulation: e, Billing: FamilyMetered, Authorizations: []PortAuthorization{{Name: "a1", Key: Sealed("key1")}, {Name: "a2", Key: Sealed("key2")}},
		Status: PortStatus{Pair: "sea-d1"}}
}

// onPort is a circuit of mbps on the test port.
func onPort(name string, mbps int) *Circuit {
	return &Circuit{Meta: Head{ID: id("expressRouteCircuits", name), Location: "westus2", State: Succeeded}, Tier: TierStandard, Plan: FamilyMetered,
		Port: id("expressRoutePorts", "p1"), PeeringLocation: "Seattle", BandwidthMbps: mbps,
		Status: CircuitStatus{Enabled: true, ServiceKey: name, PortPair: "sea-d1", ProviderState: Provisioned}}
}

func TestCheckPort(t *testing.T) {
	const links = "properties.links[0].properties.macSecConfig"
	secret := MACsec{CKN: "https://vault.example/secrets/ckn", CAK: "https://vault.example/secrets/cak", Cipher: CipherAESXPN256}
	for _, c := range []struct {
		name            string
		change          func(*scene, *Port)
		kind            ErrorKind
		target, message string
	}{
		{"plain", func(*scene, *Port) {}, "", "", ""},
		{"of 100 Gbps", func(_ *scene, p *Port) { p.BandwidthGbps = 100 }, "", "", ""},
		{"name", func(_ *scene, p *Port) { p.Meta.ID.Names = []string{"-"} }, Invalid, "name", "beginning"},
		{"bandwidth", func(_ *scene, p *Port) { p.BandwidthGbps = 40 }, Invalid, "properties.bandwidthInGbps", "40 Gbps"},
		{"encapsulation", func(_ *scene, p *Port) { p.Encapsulation = "MPLS" }, Invalid, "properties.encapsulation", "MPLS"},
		{"billing", func(_ *scene, p *Port) { p.Billing = "Free" }, Invalid, "properties.billingType", "Free"},
		{"location", func(_ *scene, p *Port) { p.PeeringLocation = "Paris" }, Invalid, "properties.peeringLocation", "Paris"},
		{"none there", func(_ *scene, p *Port) { p.PeeringLocation = "Dublin" }, Limit, "properties.bandwidthInGbps", "no pair of 10 Gbps"},
		{"none of that speed", func(_ *scene, p *Port) { p.BandwidthGbps = 400 }, Limit, "properties.bandwidthInGbps", "no pair of 400 Gbps"},
		{"taken", func(s *scene, _ *Port) {
			o := testPort(Dot1Q)
			o.Meta.ID = id("expressRoutePorts", "p9")
			s.more = append(s.more, o)
		}, Limit, "properties.bandwidthInGbps", "no pair"},
		{"region", func(_ *scene, p *Port) { p.Meta.Location = "nowhere" }, Invalid, "location", "nowhere"},
		{"MACsec kept while disabled", func(_ *scene, p *Port) { p.Links[0].MACsec = secret }, "", "", ""},
		{"MACsec enabled", func(_ *scene, p *Port) { p.Links[0].MACsec, p.Links[0].Enabled = secret, true }, Unsupported, links, "never enabled in the clear"},
		{"MACsec without identity", func(_ *scene, p *Port) { p.Links[0].MACsec, p.Identities = secret, nil }, Invalid, "identity", "link1"},
		{"one key", func(_ *scene, p *Port) { p.Links[0].MACsec.CKN = secret.CKN }, Invalid, links, "go together"},
		{"a key in the clear", func(_ *scene, p *Port) {
			p.Links[0].MACsec = MACsec{CKN: strings.Repeat("ab", 16), CAK: secret.CAK}
		}, Invalid, links + ".cknSecretIdentifier", "does not belong here"},
		{"cipher", func(_ *scene, p *Port) { p.Links[0].MACsec.Cipher = "Rot13" }, Invalid, links + ".cipher", "Rot13"},
		{"enabled in the clear", func(_ *scene, p *Port) { p.Links[0].Enabled, p.Links[1].Enabled = true, true }, "", "", ""},
	} {
		s, p := newScene(), testPort(Dot1Q)
		p.Status, p.Identities = PortStatus{}, []string{"/identity"}
		c.change(s, p)
		refused(t, c.name, s.world().CheckPort(nil, p), c.kind, c.target, c.message)
	}
}

func TestCheckPortChange(t *testing.T) {
	for _, c := range []struct {
		name            string
		change          func(*Port)
		kind            ErrorKind
		target, message string
	}{
		{"links and billing", func(p *Port) { p.Links[1].Enabled, p.Billing = true, FamilyUnlimited }, "", "", ""},
		{"encapsulation", func(p *Port) { p.Encapsulation = QinQ }, Invalid, "properties.encapsulation", "Dot1Q to QinQ"},
		{"bandwidth", func(p *Port) { p.BandwidthGbps = 100 }, Invalid, "properties.bandwidthInGbps", "10 to 100"},
		{"location", func(p *Port) { p.PeeringLocation = "Dublin" }, Invalid, "properties.peeringLocation", "Dublin"},
		{"unused authorization gone", func(p *Port) { p.Authorizations = p.Authorizations[:1] }, "", "", ""},
		{"used authorization gone", func(p *Port) { p.Authorizations = p.Authorizations[1:] }, InUse, "", "in use by circuit"},
	} {
		s, old := newScene(), testPort(Dot1Q)
		user := onPort("d1", 1000)
		user.Status.PortAuthorization = "A1"
		s.more = append(s.more, old, user)
		p := Clone(old)
		c.change(p)
		refused(t, c.name, s.world().CheckPort(old, p), c.kind, c.target, c.message)
		refused(t, "delete", s.world().CheckPortDelete(old), InUse, "", "1 circuits")
	}
}

func TestCheckDirectCircuit(t *testing.T) {
	full := func(s *scene, _ *Circuit) { s.more = append(s.more, onPort("d1", 10000), onPort("d2", 5000)) }
	for _, c := range []struct {
		name            string
		change          func(*scene, *Circuit)
		kind            ErrorKind
		target, message string
	}{
		{"plain", func(*scene, *Circuit) {}, "", "", ""},
		{"rate limit", func(_ *scene, c *Circuit) { c.RateLimit = true }, "", "", ""},
		{"twice the port", full, "", "", ""},
		{"more than twice", func(s *scene, c *Circuit) { full(s, c); c.BandwidthMbps = 10000 }, Limit, portMbps, "5000 Mbps left of 20000"},
		{"size", func(_ *scene, c *Circuit) { c.BandwidthMbps = 40000 }, Invalid, portMbps, "not of 40000"},
		{"a provider's size", func(_ *scene, c *Circuit) { c.BandwidthMbps = 200 }, Invalid, portMbps, "not of 200"},
		{"port", func(_ *scene, c *Circuit) { c.Port = id("expressRoutePorts", "p9") }, Invalid, portField + ".id", "no port"},
		{"provider too", func(_ *scene, c *Circuit) { c.Provider = "Contoso" }, Invalid, serviceProviderField, "no service provider"},
		{"region", func(_ *scene, c *Circuit) { c.Meta.Location = "northeurope" }, Invalid, "location", "same region"},
		{"unlimited at first", func(_ *scene, c *Circuit) { c.Plan = FamilyUnlimited }, Invalid, "sku.family", "begins with MeteredData"},
		{"local", func(_ *scene, c *Circuit) { c.Tier, c.Plan = TierLocal, FamilyUnlimited }, "", "", ""},
		{"rate limit of a provider's", func(s *scene, c *Circuit) {
			*c = *Clone(s.circuit)
			c.Meta.ID, c.RateLimit = id("expressRouteCircuits", "c2"), true
		}, Invalid, "properties.enableDirectPortRateLimit", "always"},
	} {
		s, k := newScene(), onPort("new", 5000)
		s.more = append(s.more, testPort(QinQ))
		c.change(s, k)
		refused(t, c.name, s.world().CheckCircuit(nil, k), c.kind, c.target, c.message)
	}
}

// TestDirectCircuitSizes: the table of sizes, each as large as its port and twice that in all.
func TestDirectCircuitSizes(t *testing.T) {
	for gbps, want := range map[int][]int{10: {1, 2, 5, 10}, 100: {5, 10, 40, 100}, 400: {5, 10, 40, 100, 200, 400}, 40: nil} {
		var got []int
		for _, m := range PortCircuitMbps(gbps) {
			got = append(got, m/1000)
		}
		if !slices.Equal(got, want) || (&Port{BandwidthGbps: gbps}).CapacityMbps() != 2000*gbps {
			t.Errorf("%d Gbps: %v, want %v", gbps, got, want)
		}
	}
}

func TestDirectCircuitChange(t *testing.T) {
	s, k := newScene(), onPort("d1", 1000)
	s.more = append(s.more, testPort(Dot1Q), k)
	for _, c := range []struct {
		name            string
		change          func(*Circuit)
		kind            ErrorKind
		target, message string
	}{
		{"more", func(c *Circuit) { c.BandwidthMbps = 10000 }, "", "", ""},
		{"less", func(c *Circuit) { c.BandwidthMbps = 500 }, Invalid, portMbps, "not of 500"},
		{"unlimited", func(c *Circuit) { c.Plan = FamilyUnlimited }, "", "", ""},
		{"to a provider", func(c *Circuit) { c.Port, c.Provider, c.BandwidthMbps = ID{}, "Contoso", 1000 }, Invalid, portField + ".id", "order a new circuit"},
	} {
		n := Clone(k)
		c.change(n)
		refused(t, c.name, s.world().CheckCircuit(k, n), c.kind, c.target, c.message)
	}
	refused(t, "delete while Provisioned", s.world().CheckCircuitDelete(k), "", "", "")
}

// TestPortVLAN: with one tag a VLAN is one peering's of the whole port, with two it is one of the circuit's.
func TestPortVLAN(t *testing.T) {
	for e, kind := range map[Encapsulation]ErrorKind{Dot1Q: Invalid, QinQ: ""} {
		s, a, b := newScene(), onPort("d1", 1000), onPort("d2", 1000)
		peering := func(vlan int) []Peering {
			return []Peering{{Type: PrivatePeering, PeerASN: 65001, VLAN: vlan, Primary: prefix("192.168.9.0/30"), Secondary: prefix("192.168.9.4/30")}}
		}
		a.Peerings = peering(100)
		s.more = append(s.more, testPort(e), a, b)
		b.Peerings = peering(100)
		refused(t, string(e)+", same VLAN", s.world().CheckPeering(b, PrivatePeering), kind, map[ErrorKind]string{Invalid: "properties.vlanId"}[kind], "another circuit of port")
		b.Peerings = peering(101)
		refused(t, string(e)+", other VLAN", s.world().CheckPeering(b, PrivatePeering), "", "", "")
		refused(t, string(e)+", own VLAN", s.world().CheckPeering(a, PrivatePeering), "", "", "")
	}
}

func TestRedeemPort(t *testing.T) {
	s, user := newScene(), onPort("d1", 1000)
	user.Meta.ID.Subscription, user.Status.PortAuthorization = other, "a1"
	s.more = append(s.more, testPort(Dot1Q), user)
	w := s.world()
	w.Open = func(k Sealed) (string, error) { return string(k), nil }
	own, foreign := onPort("d2", 1000), onPort("d3", 1000)
	foreign.Meta.ID.Subscription = other
	for _, c := range []struct {
		name    string
		circuit *Circuit
		key     string
		want    string
		kind    ErrorKind
	}{
		{"own subscription", own, "", "", ""}, {"free key", foreign, "key2", "a2", ""}, {"used key", foreign, "key1", "", Conflict},
		{"the same circuit again", user, "key1", "a1", ""}, {"no key", foreign, "", "", Forbidden}, {"wrong key", foreign, "x", "", Forbidden},
	} {
		got, err := w.RedeemPort(c.circuit, c.key)
		if got != c.want {
			t.Errorf("%s: authorization %q, want %q", c.name, got, c.want)
		}
		refused(t, c.name, err, c.kind, map[bool]string{true: portKeyField}[c.kind != ""], "")
	}
}

func TestDirectInUse(t *testing.T) {
	s := newScene()
	s.more = append(s.more, testPort(Dot1Q), onPort("d1", 1000))
	w := s.world()
	next := Clone(s.fabric)
	next.DirectPairs = next.DirectPairs[1:]
	refused(t, "used direct pair gone", w.CheckFabricChange(next), InUse, "directPorts", `port "p1"`)
	if refs := w.References(id("expressRoutePorts", "p1")); len(refs) != 1 || refs[0].Name() != "d1" || DeletionRank(KindPort) <= DeletionRank(KindCircuit) {
		t.Errorf("references to the port: %v", refs)
	}
	if x := w.Fabric.PairOf(w.Circuits[len(w.Circuits)-1]); x == nil || x.Primary != "edge1/dp0" || x.CapacityMbps() != 20000 {
		t.Errorf("pair of the circuit: %+v", x)
	}
}
