package plan

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func good() *Node {
	pre, addr := netip.MustParsePrefix, netip.MustParseAddr
	return &Node{
		Name: "edge-a", Generation: 7, VTEP: addr("10.255.0.1"), RouterID: addr("10.255.0.1"),
		Ports: []Port{{Name: "ge0", Enabled: true, MTU: 1500}, {Name: "fab0", Enabled: true, MTU: 1600, Underlay: pre("10.255.0.1/24")}},
		Attachments: []Attachment{
			{Name: "c1", Domain: "d1", Port: "ge0", STag: 30, CTag: 100, Addresses: []Address{{Prefix: pre("192.168.1.2/30")}}, Ingress: "p1", Egress: "p1"},
			{Name: "g1", Domain: "d1", VNI: 5, Remote: addr("10.255.0.2"), Addresses: []Address{{Prefix: pre("169.254.0.1/32"), Peer: addr("169.254.0.2")}}},
			{Name: "x1", Port: "ge0", STag: 31, AnyCTag: true},
			{Name: "x2", Port: "ge0", CTag: 9, Neighbors: []Neighbor{{addr("1.1.1.1"), "02:00:00:00:00:01"}}},
		},
		Domains: []Domain{{Name: "d1", MultiPath: 4, Static: []StaticRoute{{Prefix: pre("10.0.0.0/8"), Unreachable: true},
			{Prefix: pre("10.1.0.0/16"), Attachment: "g1", NextHop: addr("169.254.0.2"), Communities: []uint32{1}}}}},
		Sessions: []Session{{Name: "s1", Attachment: "c1", LocalAddr: addr("192.168.1.2"), PeerAddr: addr("192.168.1.1"), LocalAS: 12076, PeerAS: 65001,
			Enabled: true, BFD: &BFD{}, Import: Import{Deny: []PrefixRule{{Prefix: pre("0.0.0.0/0")}}}, Export: Export{Classes: []string{"vnet"}}}},
		Crossconnects: []Crossconnect{{Name: "xc", A: "x1", B: "x2"}},
		Policers:      []Policer{{Name: "p1", BitsPerSecond: 1, BurstBytes: 1}},
	}
}

func TestValidate(t *testing.T) {
	if err := good().Validate(); err != nil {
		t.Fatalf("a good plan: %v", err)
	}
	tests := []struct {
		name  string
		spoil func(n *Node)
		want  string
	}{
		{"router id", func(n *Node) { n.RouterID = netip.Addr{} }, `node "edge-a": RouterID`},
		{"two ports of a name", func(n *Node) { n.Ports[1].Name = "ge0" }, `port "ge0": Name: is used twice`},
		{"long port name", func(n *Node) { n.Ports[1].Name = "abcdefghijklmnop" }, "longer than 15"},
		{"ether type", func(n *Node) { n.Ports[0].OuterEtherType = 0x9100 }, "OuterEtherType"},
		{"no domain", func(n *Node) { n.Attachments[0].Domain = "zz" }, `attachment "c1": Domain: "zz" is no domain`},
		{"no port", func(n *Node) { n.Attachments[0].Port = "zz" }, `attachment "c1": Port: "zz" is no port`},
		{"underlay as port", func(n *Node) { n.Attachments[2].Port = "fab0" }, `is the underlay`},
		{"no policer", func(n *Node) { n.Attachments[0].Egress = "zz" }, `attachment "c1": Egress`},
		{"tag too large", func(n *Node) { n.Attachments[0].STag = 4095 }, "4095 is outside"},
		{"S-tag alone", func(n *Node) { n.Attachments[0].CTag = 0 }, "without CTag or AnyCTag"},
		{"same tags", func(n *Node) { n.Attachments[2] = n.Attachments[0]; n.Attachments[2].Name = "x1" }, `are those of attachment "c1"`},
		{"VNI without remote", func(n *Node) { n.Attachments[1].Remote = netip.Addr{} }, "Remote: is needed"},
		{"VNI and port", func(n *Node) { n.Attachments[1].Port = "ge0" }, "exclude VNI"},
		{"no VTEP", func(n *Node) { n.VTEP = netip.Addr{} }, "the node has no VTEP"},
		{"bad MAC", func(n *Node) { n.Attachments[3].Neighbors[0].MAC = "x" }, "no MAC"},
		{"session without attachment", func(n *Node) { n.Sessions[0].Attachment = "zz" }, `session "s1": Attachment`},
		{"session on a crossconnect", func(n *Node) { n.Sessions[0].Attachment = "x1" }, "belongs to no domain"},
		{"foreign local address", func(n *Node) { n.Sessions[0].LocalAddr = netip.MustParseAddr("1.2.3.4") }, "no address of attachment"},
		{"peer of another family", func(n *Node) { n.Sessions[0].PeerAddr = netip.MustParseAddr("::1") }, "PeerAddr"},
		{"hold time", func(n *Node) { n.Sessions[0].HoldTime = time.Second }, "HoldTime"},
		{"BFD interval", func(n *Node) { n.Sessions[0].BFD = &BFD{Interval: time.Millisecond} }, `session "s1": BFD: interval 1ms`},
		{"two sessions to one peer", func(n *Node) { n.Sessions = append(n.Sessions, n.Sessions[0]); n.Sessions[1].Name = "s2" }, `session "s1" has the same peer`},
		{"crossconnect to a domain", func(n *Node) { n.Crossconnects[0].A = "c1" }, "belongs to a domain"},
		{"crossconnect with itself", func(n *Node) { n.Crossconnects[0].B = "x1" }, "B: is A"},
		{"static by a foreign attachment", func(n *Node) { n.Domains[0].Static[1].Attachment = "x1" }, "no attachment of the domain"},
		{"static with host bits", func(n *Node) { n.Domains[0].Static[0].Prefix = netip.MustParsePrefix("10.1.0.0/8") }, "host bits"},
		{"policer of no rate", func(n *Node) { n.Policers[0].BitsPerSecond = 0 }, `policer "p1": BitsPerSecond: is zero`},
	}
	for _, tt := range tests {
		n := good()
		tt.spoil(n)
		if err := n.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestClone(t *testing.T) {
	a, b := good(), good().Clone()
	if !a.Equal(b) || !a.SameContent(b) {
		t.Fatal("a clone differs")
	}
	b.Generation++
	if a.Equal(b) || !a.SameContent(b) {
		t.Error("the generation must tell Equal from SameContent")
	}
	b.Generation--
	for name, change := range map[string]func(){
		"address":   func() { b.Attachments[0].Addresses[0].Peer = netip.MustParseAddr("1.1.1.1") },
		"neighbour": func() { b.Attachments[3].Neighbors[0].MAC = "x" },
		"community": func() { b.Domains[0].Static[1].Communities[0] = 9 },
		"deny":      func() { b.Sessions[0].Import.Deny[0].Min = 9 },
		"bfd":       func() { b.Sessions[0].BFD.Multiplier = 9 },
		"class":     func() { b.Sessions[0].Export.Classes[0] = "x" },
	} {
		b = a.Clone()
		change()
		if a.Equal(b) || !a.Equal(good()) {
			t.Errorf("%s is shared with the clone", name)
		}
	}
}
