package bgp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	gobgp "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// oracle is gobgp's reading of an UPDATE's body.
type oracle struct {
	body     []byte
	fourByte bool
}

var oracleFamilies = map[gobgp.Family]gobgp.BGPAddPathMode{gobgp.RF_IPv4_UC: 0, gobgp.RF_IPv6_UC: 0}

// parse returns the message where gobgp has no objection of any grade.
func (o oracle) parse() (u *gobgp.BGPUpdate, err error) {
	defer func() {
		if r := recover(); r != nil {
			u, err = nil, fmt.Errorf("gobgp panics: %v", r)
		}
	}()
	h := &gobgp.BGPHeader{Type: gobgp.BGP_MSG_UPDATE, Len: uint16(headerLen + len(o.body))}
	m, err := gobgp.ParseBGPBody(h, slices.Clone(o.body), &gobgp.MarshallingOption{Use2ByteAS: !o.fourByte})
	if err != nil {
		return nil, err
	}
	u = m.Body.(*gobgp.BGPUpdate)
	if ok, err := gobgp.ValidateUpdateMsg(u, oracleFamilies, true, false, false); !ok {
		return nil, err
	}
	return u, nil
}

// resets reports whether err is one that ends the session.
func resets(err error) bool {
	var m *gobgp.MessageError
	return errors.As(err, &m) && m.TypeCode != 0 && m.ErrorHandling == gobgp.ERROR_HANDLING_SESSION_RESET
}

// updates converts what gobgp read to what this package's decoder returns.
func (o oracle) updates(u *gobgp.BGPUpdate) []Update {
	attrs := &Attrs{LocalPref: defaultLocalPref}
	base := Update{Family: IPv4Unicast, Withdrawn: nlri(u.WithdrawnRoutes), Reach: nlri(u.NLRI)}
	var gone, reach Update
	for _, pa := range u.PathAttributes {
		switch v := pa.(type) {
		case *gobgp.PathAttributeNextHop:
			base.NextHop = v.Value
		case *gobgp.PathAttributeMpReachNLRI:
			reach = Update{Family: Family{v.AFI, v.SAFI}, Reach: nlri(v.Value), NextHop: v.Nexthop}
			if v.Nexthop.IsUnspecified() && v.LinkLocalNexthop.IsValid() {
				reach.NextHop = v.LinkLocalNexthop
			}
		case *gobgp.PathAttributeMpUnreachNLRI:
			gone = Update{Family: Family{v.AFI, v.SAFI}, Withdrawn: nlri(v.Value)}
		default:
			convertAttr(attrs, pa)
		}
	}
	if gone.Family == reach.Family {
		reach.Withdrawn, gone.Withdrawn = gone.Withdrawn, nil
	}
	var out []Update
	for _, u := range []Update{base, gone, reach} {
		if len(u.Reach) > 0 {
			u.Attrs = attrs
		} else {
			u.NextHop = netip.Addr{}
		}
		if len(u.Reach)+len(u.Withdrawn) > 0 && u.Family.known() {
			out = append(out, u)
		}
	}
	return out
}

func nlri(list []gobgp.PathNLRI) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range list {
		if ip, ok := p.NLRI.(*gobgp.IPAddrPrefix); ok {
			out = append(out, ip.Prefix.Masked())
		}
	}
	return out
}

func convertAttr(a *Attrs, pa gobgp.PathAttributeInterface) {
	switch v := pa.(type) {
	case *gobgp.PathAttributeOrigin:
		a.Origin = Origin(v.Value)
	case *gobgp.PathAttributeAsPath:
		for _, s := range v.Value {
			a.ASPath = append(a.ASPath, Segment{Set: s.GetType() == gobgp.BGP_ASPATH_ATTR_TYPE_SET, ASNs: s.GetAS()})
		}
	case *gobgp.PathAttributeMultiExitDisc:
		a.MED, a.HasMED = v.Value, true
	case *gobgp.PathAttributeAtomicAggregate:
		a.AtomicAggregate = true
	case *gobgp.PathAttributeAggregator:
		a.Aggregator, a.AggregatorAS = v.Value.Address, v.Value.AS
	case *gobgp.PathAttributeCommunities:
		a.Communities = v.Value
	case *gobgp.PathAttributeLargeCommunities:
		for _, c := range v.Values {
			a.LargeCommunities = append(a.LargeCommunities, [3]uint32{c.ASN, c.LocalData1, c.LocalData2})
		}
	case *gobgp.PathAttributeExtendedCommunities:
		for _, c := range v.Value {
			b, _ := c.Serialize()
			a.ExtCommunities = append(a.ExtCommunities, [8]byte(b))
		}
	}
}

// comparable removes what the two do not have in common: gobgp has types for attributes that are unknown here, normalises some extended
// communities, and merges AS4_PATH elsewhere.
func comparable(us []Update) []Update {
	out := slices.Clone(us)
	for i := range out {
		if a := out[i].Attrs; a != nil {
			c := *a
			c.Unknown = nil
			c.ExtCommunities = make([][8]byte, len(a.ExtCommunities))
			out[i].Attrs = &c
		}
	}
	return out
}

var cmpOptions = cmp.Options{cmp.Comparer(equalAddr), cmp.Comparer(equalPrefix), cmp.Comparer((*Attrs).Equal)}

// compareWithOracle decodes b both ways. Where both have no objection they must read the same; where this decoder has none, gobgp must not
// want a reset. The other direction is free: this decoder judges more (next hops, RFC 7607, empty lists).
func compareWithOracle(t *testing.T, b []byte, fourByte bool) (compared bool) {
	t.Helper()
	d := external()
	d.fourByte = fourByte
	us, n := d.decode(b)
	if n != nil || d.withdrawn+d.discarded > 0 || slices.ContainsFunc(us, func(u Update) bool { return u.EndOfRIB }) {
		return false
	}
	o := oracle{b, fourByte}
	u, err := o.parse()
	if err != nil {
		if resets(err) {
			t.Errorf("%x: accepted as %+v, but gobgp resets: %v", b, us, err)
		}
		return false
	}
	if !fourByte && slices.ContainsFunc(u.PathAttributes, func(p gobgp.PathAttributeInterface) bool {
		return p.GetType() == gobgp.BGP_ATTR_TYPE_AS4_PATH || p.GetType() == gobgp.BGP_ATTR_TYPE_AS4_AGGREGATOR
	}) {
		return false // gobgp merges later, in its table
	}
	if diff := cmp.Diff(comparable(o.updates(u)), comparable(us), cmpOptions); diff != "" {
		t.Errorf("%x: %s", b, diff)
	}
	return true
}

func FuzzUpdateOracle(f *testing.F) {
	for _, b := range seedUpdates(f) {
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, fourByte bool) { compareWithOracle(t, b, fourByte) })
}

// seedUpdates are bodies of every kind that the decoder knows.
func seedUpdates(t testing.TB) [][]byte {
	var out [][]byte
	for _, attrs := range []string{"", hexGood, hexOrigin + hexPath + hexMPReach, hexGood + hexMPReach + "800f08 000201 20 20010db8",
		hexGood + "800404 0000000a 400600 c00708 0000fde9 0a000001 c00808 2f2cc73c ffffff01 c01008 0002fde900000007 c0200c 0000fde9 00000001 00000002",
		hexGood + "e06302abcd 80640100", hexOrigin + "400208 0203 fde9 5ba0 5ba0" + hexNextHop + "c0110a 0202 00010000 00010001",
		hexGood + "c01b00", hexGood + "c02802 0100", hexGood + "c01905 0002000000"} {
		out = append(out, body(t, "", attrs, hexNet), body(t, hexNet+"080a", attrs, ""), body(t, "20 0a000001", attrs, hexNet+"00"))
	}
	return append(out, unhex(t, "00000000"), unhex(t, "ffff"))
}

// FuzzUpdate: whatever comes, the decoder answers, twice the same, with prefixes of the families negotiated and without a path where it
// withdraws.
func FuzzUpdate(f *testing.F) {
	for _, b := range seedUpdates(f) {
		f.Add(b, true, false)
		f.Add(b, false, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, fourByte, internal bool) {
		d := external()
		d.fourByte, d.internal = fourByte, internal
		us, n := d.decode(b)
		first := slices.Clone(us)
		if n != nil && (n.Code != codeUpdate || len(us) > 0) {
			t.Fatalf("%v with %d updates", n, len(us))
		}
		for _, u := range first {
			checkUpdate(t, u)
		}
		again, n2 := d.decode(b)
		if (n == nil) != (n2 == nil) {
			t.Fatalf("first %v, then %v", n, n2)
		}
		if diff := cmp.Diff(first, slices.Clone(again), cmpOptions); diff != "" {
			t.Fatalf("the second time: %s", diff)
		}
	})
}

func checkUpdate(t *testing.T, u Update) {
	t.Helper()
	for _, p := range slices.Concat(u.Withdrawn, u.Reach) {
		if !p.IsValid() || familyOf(p) != u.Family || p != p.Masked() {
			t.Fatalf("prefix %s in %s", p, u.Family)
		}
	}
	if (len(u.Reach) > 0) != (u.Attrs != nil) || (u.Attrs != nil) != u.NextHop.IsValid() || u.TreatAsWithdraw && len(u.Reach) > 0 {
		t.Fatalf("inconsistent %+v", u)
	}
	if u.Attrs != nil {
		_, _, _ = u.Attrs.Key(), u.Attrs.PathString(), u.Attrs.CommunityStrings()
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(encodeOpen(peerOpen())[headerLen:])
	f.Add(encodeOpen(restartOpen(true, true, IPv4Unicast))[headerLen:])
	f.Add(unhex(f, "04 fde9 005a 0a000002 ff ff 0009 02 0006 0104 00010001"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 10 {
			return // frame refuses it
		}
		o, n := decodeOpen(b)
		if n != nil {
			if n.Code != codeOpen {
				t.Fatal(n)
			}
			return
		}
		m := NewFSM(testConfig(), testRand(), t0)
		for _, in := range []Input{{Kind: InStart}, {Kind: InDialed}, {Kind: InOpen, Open: o}, {Kind: InKeepalive}} {
			m.Step(in, t0)
		}
		if len(o.Families) > 30 || o.Restart != nil && len(o.Restart.Families) > 20 {
			return // does not fit a plain OPEN of this side
		}
		back, n := decodeOpen(encodeOpen(o)[headerLen:])
		if n != nil {
			t.Fatalf("own encoding of %+v: %v", o, n)
		}
		if diff := cmp.Diff(o, back, cmpOptions); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzStream(f *testing.F) {
	f.Add(slices.Concat(encodeOpen(peerOpen()), encodeKeepalive(), encodeRefresh(IPv4Unicast)), 7)
	f.Add(encodeNotification(shutdownNotification(CodeCease, CeaseAdminShutdown, "bye")), 3)
	f.Add(slices.Repeat([]byte{0xff}, 40), 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		used, n := scan(b, maxMessage)
		if used > len(b) {
			t.Fatalf("used %d of %d", used, len(b))
		}
		if cut >= 0 && cut < len(b) { // the same bytes in two reads end the same
			one, n1 := scan(b[:cut], maxMessage)
			two, n2 := 0, n1
			if n1 == nil {
				two, n2 = scan(b[one:], maxMessage)
			}
			if one+two != used && n1 == nil || (n2 == nil) != (n == nil) {
				t.Fatalf("at once %d %v, in two %d+%d %v", used, n, one, two, n2)
			}
		}
		for rest := b[:used]; len(rest) > 0; {
			kind, length, _ := frame(rest, maxMessage)
			switch msg := rest[headerLen:length]; kind {
			case typeNotification:
				_ = decodeNotification(msg).Error()
			case typeRefresh:
				decodeRefresh(msg)
			}
			rest = rest[length:]
		}
	})
}

func FuzzNotification(f *testing.F) {
	f.Add([]byte{6, 2, 3, 'b', 'y', 'e'})
	f.Add([]byte{6, 9, 6, 2, 3, 'b', 'y', 'e'})
	f.Add([]byte{6, 9, 6, 9, 6, 9})
	f.Add([]byte{6, 9})
	f.Add([]byte{2, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 {
			return
		}
		s := decodeNotification(b).Error()
		for _, r := range s {
			if r < ' ' || r == 0x7f {
				t.Fatalf("control character in %q", s)
			}
		}
	})
}
