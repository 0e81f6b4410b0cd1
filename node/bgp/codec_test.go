package bgp

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func genASN(t *rapid.T) uint32 {
	return rapid.OneOf(rapid.Uint32Range(1, 0xffff), rapid.Uint32Range(0x10000, 0xffffffff)).Draw(t, "asn")
}

func genAttrs(t *rapid.T) *Attrs {
	a := &Attrs{Origin: Origin(rapid.IntRange(0, 2).Draw(t, "origin")), LocalPref: defaultLocalPref}
	for range rapid.IntRange(0, 3).Draw(t, "segments") {
		a.ASPath = append(a.ASPath, Segment{Set: rapid.Bool().Draw(t, "set"), ASNs: rapid.SliceOfN(rapid.Custom(genASN), 1, 5).Draw(t, "asns")})
	}
	if rapid.Bool().Draw(t, "med?") {
		a.MED, a.HasMED = rapid.Uint32().Draw(t, "med"), true
	}
	a.AtomicAggregate = rapid.Bool().Draw(t, "atomic")
	if rapid.Bool().Draw(t, "aggregator?") {
		a.Aggregator, a.AggregatorAS = netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "aggregator")}), genASN(t)
	}
	a.Communities = rapid.SliceOfN(rapid.Uint32(), 0, 70).Draw(t, "communities")
	for range rapid.IntRange(0, 2).Draw(t, "large") {
		a.LargeCommunities = append(a.LargeCommunities, [3]uint32{rapid.Uint32().Draw(t, "l"), uint32(len(a.LargeCommunities)), 2})
	}
	for range rapid.IntRange(0, 2).Draw(t, "ext") {
		a.ExtCommunities = append(a.ExtCommunities, [8]byte{0, 2, 0xfd, 0xe9, 0, 0, 0, rapid.Byte().Draw(t, "e")})
	}
	if rapid.Bool().Draw(t, "unknown?") {
		a.Unknown = []RawAttr{{Flags: 0xe0, Type: 200, Value: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "unknown")}}
	}
	return a
}

func genPrefixes(t *rapid.T, f Family) []netip.Prefix {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) netip.Prefix {
		bits := rapid.IntRange(0, f.bits()).Draw(t, "bits")
		b := rapid.SliceOfN(rapid.Byte(), f.bits()/8, f.bits()/8).Draw(t, "addr")
		a, _ := netip.AddrFromSlice(b)
		return netip.PrefixFrom(a, bits).Masked()
	}), 1, 40, rapid.ID[netip.Prefix]).Draw(t, "prefixes")
}

// decodeAll decodes what the encoder wrote; each message must fit and pass the framing.
func decodeAll(t interface{ Fatalf(string, ...any) }, d *decoder, b []byte) []Update {
	var all []Update
	for len(b) > 0 {
		kind, length, n := frame(b, maxMessage)
		if n != nil || length == 0 || kind != typeUpdate {
			t.Fatalf("frame: type %d, length %d, %v", kind, length, n)
		}
		us, n := d.decode(b[headerLen:length])
		if n != nil || d.withdrawn+d.discarded > 0 {
			t.Fatalf("own message %x: %v %s", b[:length], n, d.lastWithdraw)
		}
		all = append(all, us...)
		b = b[length:]
	}
	return all
}

// TestRoundTrip: what is encoded decodes to the same, for 2- and 4-octet peers, internal and external, and gobgp reads the same too.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := rapid.SampledFrom([]Family{IPv4Unicast, IPv6Unicast}).Draw(rt, "family")
		a, prefixes := genAttrs(rt), genPrefixes(rt, f)
		four, internal := rapid.Bool().Draw(rt, "four"), rapid.Bool().Draw(rt, "internal")
		if internal {
			a.LocalPref = rapid.Uint32().Draw(rt, "localpref")
			a.OriginatorID, a.ClusterList = addr("10.9.9.9"), []netip.Addr{addr("10.8.8.8")}
		}
		hop := addr("169.254.77.2")
		if f == IPv6Unicast {
			hop = addr("fd77::2")
		}
		e := &encoder{fourByte: four, internal: internal}
		b := e.appendReach(nil, f, hop, a, prefixes)
		d := external()
		d.fourByte, d.internal = four, internal
		var got []netip.Prefix
		for _, u := range decodeAll(rt, d, b) {
			if u.Family != f || u.NextHop != hop || !u.Attrs.Equal(a) {
				rt.Fatalf("got %+v %+v, want %+v", u, u.Attrs, a)
			}
			if u.Attrs.Key() != a.Key() {
				rt.Fatalf("equal attributes with different keys")
			}
			got = append(got, u.Reach...)
		}
		if !slices.Equal(got, prefixes) {
			rt.Fatalf("got %v, want %v", got, prefixes)
		}
		if !internal && four {
			for rest := b; len(rest) > 0; rest = rest[be16(rest[16:]):] {
				if !compareWithOracle(t, rest[headerLen:be16(rest[16:])], four) {
					rt.Fatalf("gobgp does not take %x", rest)
				}
			}
		}
	})
}

func TestRoundTripWithdrawals(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := rapid.SampledFrom([]Family{IPv4Unicast, IPv6Unicast}).Draw(rt, "family")
		prefixes := genPrefixes(rt, f)
		var got []netip.Prefix
		for _, u := range decodeAll(rt, external(), (&encoder{}).appendWithdraw(nil, f, prefixes)) {
			got = append(got, u.Withdrawn...)
		}
		if !slices.Equal(got, prefixes) {
			rt.Fatalf("got %v, want %v", got, prefixes)
		}
	})
}

// TestPacking: thousands of prefixes fill messages to within one prefix of 4,096 octets, attributes large and small.
func TestPacking(t *testing.T) {
	for _, f := range []Family{IPv4Unicast, IPv6Unicast} {
		for _, communities := range []int{0, 60, 900, 990} {
			a := &Attrs{ASPath: []Segment{{ASNs: []uint32{12076}}}, Communities: make([]uint32, communities)}
			hop, width := addr("169.254.77.2"), 24
			if f == IPv6Unicast {
				hop, width = addr("fd77::1"), 48
			}
			var prefixes []netip.Prefix
			for i := range 5000 {
				b := make([]byte, f.bits()/8)
				b[0], b[1], b[2] = 32, byte(i>>8), byte(i)
				p, _ := netip.AddrFromSlice(b)
				prefixes = append(prefixes, netip.PrefixFrom(p, width))
			}
			e := &encoder{fourByte: true}
			reach := e.appendReach(nil, f, hop, a, prefixes)
			gone := e.appendWithdraw(nil, f, prefixes)
			for _, b := range [][]byte{reach, gone} {
				count := 0
				for _, u := range decodeAll(t, external(), b) {
					count += len(u.Reach) + len(u.Withdrawn)
				}
				if count != len(prefixes) {
					t.Errorf("%s, %d communities: %d prefixes back", f, communities, count)
				}
				for rest := b; len(rest) > maxMessage; rest = rest[be16(rest[16:]):] {
					if n := int(be16(rest[16:])); n <= maxMessage-1-width/8 {
						t.Errorf("%s, %d communities: message of %d octets though more would fit", f, communities, n)
						break
					}
				}
			}
		}
	}
}

// TestTooLarge: attributes that leave no room are not sent cut off; their prefixes are withdrawn and counted.
func TestTooLarge(t *testing.T) {
	for _, f := range []Family{IPv4Unicast, IPv6Unicast} {
		hop, p := addr("169.254.77.2"), pfx("10.0.0.0/8")
		if f == IPv6Unicast {
			hop, p = addr("fd77::1"), pfx("2001:db8::/32")
		}
		for n := 980; n < 1100; n++ {
			var large atomic.Uint64
			e := &encoder{fourByte: true, tooLarge: &large}
			a := &Attrs{ASPath: []Segment{{ASNs: []uint32{12076}}}, Communities: make([]uint32, n)}
			us := decodeAll(t, external(), e.appendReach(nil, f, hop, a, []netip.Prefix{p}))
			if len(us) != 1 || (large.Load() == 1) != (len(us[0].Withdrawn) == 1) {
				t.Fatalf("%s with %d communities: %+v, too large %d", f, n, us, large.Load())
			}
			if large.Load() == 0 && n > 1020 || large.Load() == 1 && n < 990 {
				t.Errorf("%s with %d communities: too large %d", f, n, large.Load())
			}
		}
	}
}

func TestLongSequenceIsSplit(t *testing.T) {
	a := &Attrs{LocalPref: defaultLocalPref, ASPath: []Segment{{ASNs: slices.Repeat([]uint32{65001}, 300)}}}
	us := decodeAll(t, external(), (&encoder{fourByte: true}).appendReach(nil, IPv4Unicast, addr("169.254.77.2"), a, []netip.Prefix{pfx("10.0.0.0/8")}))
	if got := us[0].Attrs; got.PathLen() != 300 || len(got.ASPath) != 2 {
		t.Errorf("path of %d in %d segments", got.PathLen(), len(got.ASPath))
	}
}

func TestAttrsHelpers(t *testing.T) {
	a := &Attrs{ASPath: []Segment{{ASNs: []uint32{12076, 65515}}, {Set: true, ASNs: []uint32{1, 2}}}}
	for _, tc := range []struct{ got, want any }{
		{a.PathString(), "12076 65515 {1 2}"},
		{a.PathLen(), 3},
		{a.ContainsAS(2), true},
		{a.ContainsAS(3), false},
		{a.FirstAS(), uint32(12076)},
		{a.OriginAS(), uint32(0)},
		{a.Prepend(65001, 2).PathString(), "65001 65001 12076 65515 {1 2}"},
		{a.Prepend(65001, 0).PathString(), "12076 65515 {1 2}"},
		{a.RemoveAS(PrivateAS).PathString(), "12076 {1 2}"},
		{a.RemoveAS(func(asn uint32) bool { return asn == 65515 || asn < 3 }).PathString(), "12076"},
		{(&Attrs{}).Prepend(7, 1).PathString(), "7"},
		{(&Attrs{ASPath: []Segment{{Set: true, ASNs: []uint32{1}}}}).Prepend(7, 1).PathString(), "7 {1}"},
		{(&Attrs{}).PathString(), ""},
		{PrivateAS(64512) && PrivateAS(65534) && PrivateAS(4200000000) && !PrivateAS(65535) && !PrivateAS(65536) && !PrivateAS(12076), true},
	} {
		if tc.got != tc.want {
			t.Errorf("got %v, want %v", tc.got, tc.want)
		}
	}
	if a.PathString() != "12076 65515 {1 2}" {
		t.Error("a helper changed the original")
	}
	c := &Attrs{Communities: []uint32{12076<<16 | 51004, CommunityNoExport}, LargeCommunities: [][3]uint32{{65001, 1, 2}},
		ExtCommunities: [][8]byte{{0, 2, 0xfd, 0xe9, 0, 0, 0, 7}, {2, 2, 0, 1, 0, 0, 0, 7}, {0, 3, 0xfd, 0xe9, 0, 0, 0, 8}, {0x40, 5, 0, 0, 0, 0, 0, 1}}}
	if got, want := strings.Join(c.CommunityStrings(), " "), "12076:51004 no-export 65001:1:2 rt:65001:7 rt:65536:7 soo:65001:8 0x4005000000000001"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestKeyIsEqual: keys are equal exactly when attributes are; each single change is seen by both.
func TestKeyIsEqual(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := genAttrs(rt)
		changes := []func(a *Attrs){
			func(a *Attrs) { a.Origin = (a.Origin + 1) % 3 },
			func(a *Attrs) { *a = *a.Prepend(1, 1) },
			func(a *Attrs) { a.ASPath = append(slices.Clone(a.ASPath), Segment{Set: true, ASNs: []uint32{9}}) },
			func(a *Attrs) { a.HasMED = !a.HasMED },
			func(a *Attrs) { a.MED++ },
			func(a *Attrs) { a.LocalPref++ },
			func(a *Attrs) { a.AtomicAggregate = !a.AtomicAggregate },
			func(a *Attrs) { a.AggregatorAS++ },
			func(a *Attrs) { a.OriginatorID = addr("1.1.1.1") },
			func(a *Attrs) { a.Communities = append(slices.Clone(a.Communities), 1) },
			func(a *Attrs) { a.LargeCommunities = append(slices.Clone(a.LargeCommunities), [3]uint32{1}) },
			func(a *Attrs) { a.ExtCommunities = append(slices.Clone(a.ExtCommunities), [8]byte{1}) },
			func(a *Attrs) { a.ClusterList = append(slices.Clone(a.ClusterList), addr("1.1.1.1")) },
			func(a *Attrs) { a.Unknown = append(slices.Clone(a.Unknown), RawAttr{Type: 99}) },
		}
		same := *a
		if !a.Equal(&same) || a.Key() != same.Key() {
			rt.Fatal("a copy differs")
		}
		for i, change := range changes {
			b := *a
			change(&b)
			if a.Equal(&b) || a.Key() == b.Key() {
				rt.Fatalf("change %d not seen", i)
			}
		}
	})
}

func TestOpenRoundTrip(t *testing.T) {
	for _, o := range []*Open{peerOpen(), restartOpen(true, true, IPv4Unicast), {Version: 4, AS: 4200000000, ID: addr("10.0.0.9"), FourByteAS: true},
		{Version: 4, AS: 65001, ID: addr("10.0.0.9")}} {
		b := encodeOpen(o)
		kind, length, n := frame(b, maxMessage)
		if kind != typeOpen || length != len(b) || n != nil {
			t.Fatalf("frame: %d %d %v", kind, length, n)
		}
		back, n := decodeOpen(b[headerLen:])
		if n != nil {
			t.Fatal(n)
		}
		if d := cmp.Diff(o, back, cmpOptions); d != "" {
			t.Error(d)
		}
	}
}

func TestFrame(t *testing.T) {
	keepalive := encodeKeepalive()
	change := func(i int, v ...byte) []byte {
		b := append(slices.Clone(keepalive), make([]byte, 16)...)
		copy(b[i:], v)
		return b
	}
	for _, tc := range []struct {
		name string
		b    []byte
		want string
		data []byte
	}{
		{"marker", change(15, 0xfe), "1/1", nil},
		{"first octet of the marker alone", []byte{0}, "1/1", nil},
		{"length 18", change(16, 0, 18), "1/2", []byte{0, 18}},
		{"KEEPALIVE of 20", change(16, 0, 20), "1/2", []byte{0, 20}},
		{"OPEN of 28", change(16, 0, 28, typeOpen), "1/2", []byte{0, 28}},
		{"OPEN of 4097", change(16, 0x10, 1, typeOpen), "1/2", []byte{0x10, 1}},
		{"UPDATE of 22", change(16, 0, 22, typeUpdate), "1/2", []byte{0, 22}},
		{"UPDATE of 4097", change(16, 0x10, 1, typeUpdate), "1/2", []byte{0x10, 1}},
		{"NOTIFICATION of 20", change(16, 0, 20, typeNotification), "1/2", []byte{0, 20}},
		{"ROUTE-REFRESH of 22", change(16, 0, 22, typeRefresh), "1/2", []byte{0, 22}},
		{"type 0", change(18, 0), "1/3", []byte{0}},
		{"type 6", change(18, 6), "1/3", []byte{6}},
	} {
		_, _, n := frame(tc.b, maxMessage)
		if n == nil || n.name() != (&Notification{Code: 1, Subcode: tc.want[2] - '0'}).name() || !slices.Equal(n.Data, tc.data) {
			t.Errorf("%s: %v, want %s", tc.name, n, tc.want)
		}
	}
	if _, length, n := frame(change(16, 0x10, 1, typeUpdate), maxExtended); length != 0 || n != nil {
		t.Errorf("UPDATE of 4097 with extended messages: %d %v", length, n)
	}
}

func TestNotificationWords(t *testing.T) {
	for _, tc := range []struct {
		n    *Notification
		want string
	}{
		{shutdownNotification(6, 2, "maintenance until 6"), "sent NOTIFICATION Cease/Administrative Shutdown: maintenance until 6"},
		{decodeNotification([]byte{6, 4, 5, 'r', 'e', 's', 'e', 't'}), "received NOTIFICATION Cease/Administrative Reset: reset"},
		{decodeNotification([]byte{6, 2, 9, 'x'}), "received NOTIFICATION Cease/Administrative Shutdown"},
		{decodeNotification([]byte{6, 2, 4, 'a', '\n', 0xff, 'b'}), "received NOTIFICATION Cease/Administrative Shutdown: a\uFFFD\uFFFDb"},
		{decodeNotification([]byte{6, 9, 6, 2, 3, 'b', 'y', 'e'}), "received NOTIFICATION Cease/Hard Reset: Cease/Administrative Shutdown: bye"},
		{decodeNotification([]byte{6, 9, 6, 9, 6, 9}), "received NOTIFICATION Cease/Hard Reset"},
		{decodeNotification([]byte{6, 9}), "received NOTIFICATION Cease/Hard Reset"},
		{decodeNotification([]byte{6, 1, 0, 1, 1, 0, 0, 0, 100}), "received NOTIFICATION Cease/Maximum Number of Prefixes Reached: limit 100"},
		{decodeNotification([]byte{3, 11, 1, 2}), "received NOTIFICATION UPDATE/Malformed AS_PATH: data 0102"},
		{decodeNotification([]byte{4, 0}), "received NOTIFICATION Hold Timer Expired"},
		{decodeNotification([]byte{6, 99}), "received NOTIFICATION Cease/99"},
		{decodeNotification([]byte{77, 1}), "received NOTIFICATION 77/1"},
		{decodeNotification([]byte{2, 2}), "received NOTIFICATION OPEN/Bad Peer AS"},
	} {
		if got := tc.n.Error(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	long := shutdownNotification(6, 2, strings.Repeat("é", 200))
	if got := shutdownText(long.Data); len(got) != 254 || len(encodeNotification(long)) != headerLen+2+1+254 {
		t.Errorf("long text: %d bytes", len(got))
	}
}
