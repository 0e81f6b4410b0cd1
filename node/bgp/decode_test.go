package bgp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unhex reads hex with spaces.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// body makes an UPDATE's body from the hex of its parts.
func body(t testing.TB, withdrawn, attrs, reach string) []byte {
	t.Helper()
	w, a, r := unhex(t, withdrawn), unhex(t, attrs), unhex(t, reach)
	b := binary.BigEndian.AppendUint16(nil, uint16(len(w)))
	b = binary.BigEndian.AppendUint16(append(b, w...), uint16(len(a)))
	return append(append(b, a...), r...)
}

// The attributes of a good path, one by one, for a peer with 4-octet ASNs.
const (
	hexOrigin  = "400101 00 "
	hexPath    = "400206 0201 0000fde9 "
	hexNextHop = "400304 a9fe4d02 "
	hexGood    = hexOrigin + hexPath + hexNextHop
	hexNet     = "18c00002" // 192.0.2.0/24
	hexMPReach = "800e1a 0002 01 10 fd770000000000000000000000000002 00 20 20010db8 "
)

func external() *decoder {
	return &decoder{fourByte: true, local: addr("169.254.77.1"), families: []Family{IPv4Unicast, IPv6Unicast}}
}

func internalPeer() *decoder {
	d := external()
	d.internal = true
	return d
}

func TestDecodeUpdate(t *testing.T) {
	path := []Segment{{ASNs: []uint32{65001}}}
	plain := &Attrs{ASPath: path, LocalPref: 100}
	v4 := []netip.Prefix{pfx("192.0.2.0/24")}
	hop := addr("169.254.77.2")
	for _, tc := range []struct {
		name                    string
		withdrawn, attrs, reach string
		want                    []Update
	}{
		{"end of rib", "", "", "", []Update{{Family: IPv4Unicast, EndOfRIB: true}}},
		{"end of rib ipv6", "", "800f03 000201", "", []Update{{Family: IPv6Unicast, EndOfRIB: true}}},
		{"end of rib ipv6, long length", "", "900f0003 000201", "", []Update{{Family: IPv6Unicast, EndOfRIB: true}}},
		{"reach", "", hexGood, hexNet, []Update{{Family: IPv4Unicast, Reach: v4, NextHop: hop, Attrs: plain}}},
		{"withdraw", hexNet, "", "", []Update{{Family: IPv4Unicast, Withdrawn: v4}}},
		{"both", "20 0a000001 00", hexGood, hexNet + "08 0a", []Update{{Family: IPv4Unicast, NextHop: hop, Attrs: plain,
			Withdrawn: []netip.Prefix{pfx("10.0.0.1/32"), pfx("0.0.0.0/0")}, Reach: []netip.Prefix{pfx("192.0.2.0/24"), pfx("10.0.0.0/8")}}}},
		{"host bits are cleared", "", hexGood, "11 0affff", []Update{{Family: IPv4Unicast, Reach: []netip.Prefix{pfx("10.255.128.0/17")}, NextHop: hop, Attrs: plain}}},
		{"ipv6", "", hexOrigin + hexPath + hexMPReach, "", []Update{{Family: IPv6Unicast, NextHop: addr("fd77::2"), Attrs: plain,
			Reach: []netip.Prefix{pfx("2001:db8::/32")}}}},
		{"ipv6 withdraw", "", "800f08 000201 20 20010db8", "", []Update{{Family: IPv6Unicast, Withdrawn: []netip.Prefix{pfx("2001:db8::/32")}}}},
		{"ipv6 both in one", "", hexOrigin + hexPath + hexMPReach + "800f05 000201 08 30", "", []Update{{Family: IPv6Unicast, NextHop: addr("fd77::2"),
			Attrs: plain, Reach: []netip.Prefix{pfx("2001:db8::/32")}, Withdrawn: []netip.Prefix{pfx("3000::/8")}}}},
		{"two families", hexNet, hexOrigin + hexPath + hexMPReach, "", []Update{{Family: IPv4Unicast, Withdrawn: v4},
			{Family: IPv6Unicast, NextHop: addr("fd77::2"), Attrs: plain, Reach: []netip.Prefix{pfx("2001:db8::/32")}}}},
		{"ipv4 in MP_REACH", "", hexOrigin + hexPath + "800e0d 0001 01 04 a9fe4d02 00 18c00002", "", []Update{{Family: IPv4Unicast, NextHop: hop, Attrs: plain, Reach: v4}}},
		{"unspecified global, then link-local", "", hexOrigin + hexPath + "800e2a 0002 01 20 00000000000000000000000000000000 fe800000000000000000000000000001 00 20 20010db8", "",
			[]Update{{Family: IPv6Unicast, NextHop: addr("fe80::1"), Attrs: plain, Reach: []netip.Prefix{pfx("2001:db8::/32")}}}},
		{"family not negotiated", "", hexOrigin + hexPath + "800e09 0019 46 00 00 01020304", "", nil},
		{"everything", "", "400101 02" + "400210 0202 0000fde9 00010000 0101 0000fde8" + hexNextHop + "800404 0000000a" + "400600" +
			"c00708 0000fde9 0a000001" + "c00808 2f2cc73c ffffff01" + "c01008 0002fde900000007" + "c0200c 0000fde9 00000001 00000002" +
			"e0 63 02 abcd" + "80 64 01 00", hexNet,
			[]Update{{Family: IPv4Unicast, Reach: v4, NextHop: hop, Attrs: &Attrs{Origin: OriginIncomplete,
				ASPath: []Segment{{ASNs: []uint32{65001, 65536}}, {Set: true, ASNs: []uint32{65000}}}, MED: 10, HasMED: true, LocalPref: 100,
				AtomicAggregate: true, Aggregator: addr("10.0.0.1"), AggregatorAS: 65001, Communities: []uint32{12076<<16 | 51004, CommunityNoExport},
				ExtCommunities: [][8]byte{{0, 2, 0xfd, 0xe9, 0, 0, 0, 7}}, LargeCommunities: [][3]uint32{{65001, 1, 2}},
				Unknown: []RawAttr{{Flags: 0xe0, Type: 0x63, Value: []byte{0xab, 0xcd}}}}}}},
	} {
		us, n := external().decode(body(t, tc.withdrawn, tc.attrs, tc.reach))
		if n != nil {
			t.Errorf("%s: %v", tc.name, n)
			continue
		}
		if d := cmp.Diff(tc.want, append([]Update(nil), us...), cmp.Comparer(equalAddr), cmp.Comparer(equalPrefix)); d != "" {
			t.Errorf("%s: %s", tc.name, d)
		}
	}
}

func equalAddr(a, b netip.Addr) bool     { return a == b }
func equalPrefix(a, b netip.Prefix) bool { return a == b }

// verdict is how a message was answered: "ok", "discard", "withdraw", "ignored", or the NOTIFICATION's "3/x".
func verdict(d *decoder, us []Update, n *Notification) string {
	if n != nil {
		return fmt.Sprintf("%d/%d", n.Code, n.Subcode)
	}
	if slices.ContainsFunc(us, func(u Update) bool { return u.TreatAsWithdraw }) {
		if slices.ContainsFunc(us, func(u Update) bool { return len(u.Reach) > 0 }) {
			return "half withdrawn"
		}
		return "withdraw"
	}
	switch {
	case d.discarded > 0:
		return "discard"
	case len(us) == 0:
		return "ignored"
	}
	return "ok"
}

// TestRevisedErrorHandling is RFC 7606 §3 to §7 case by case.
func TestRevisedErrorHandling(t *testing.T) {
	for _, tc := range []struct {
		name, attrs, want string
		internal          bool
	}{
		{"ORIGIN of 2 octets (§7.1)", "400102 0000" + hexPath + hexNextHop, "withdraw", false},
		{"ORIGIN 3", "400101 03" + hexPath + hexNextHop, "withdraw", false},
		{"ORIGIN of 0 octets", "400100" + hexPath + hexNextHop, "withdraw", false},
		{"AS_PATH segment of an unknown type (§7.2)", hexOrigin + "400206 0501 0000fde9" + hexNextHop, "withdraw", false},
		{"AS_PATH segment cut off", hexOrigin + "400206 0202 0000fde9" + hexNextHop, "withdraw", false},
		{"AS_PATH of one octet", hexOrigin + "400201 02" + hexNextHop, "withdraw", false},
		{"AS_PATH segment without ASNs", hexOrigin + "400202 0200" + hexNextHop, "withdraw", false},
		{"AS_PATH of a confederation", hexOrigin + "400206 0301 0000fde9" + hexNextHop, "withdraw", false},
		{"AS_PATH with AS 0 (RFC 7607)", hexOrigin + "400206 0201 00000000" + hexNextHop, "withdraw", false},
		{"empty AS_PATH", hexOrigin + "400200" + hexNextHop, "ok", false},
		{"NEXT_HOP of 3 octets (§7.3)", hexOrigin + hexPath + "400303 a9fe4d", "withdraw", false},
		{"NEXT_HOP 0.0.0.0", hexOrigin + hexPath + "400304 00000000", "withdraw", false},
		{"NEXT_HOP multicast", hexOrigin + hexPath + "400304 e0000001", "withdraw", false},
		{"NEXT_HOP our own address", hexOrigin + hexPath + "400304 a9fe4d01", "withdraw", false},
		{"MED of 3 octets (§7.4)", hexGood + "800403 000000", "withdraw", false},
		{"LOCAL_PREF from outside (§7.5)", hexGood + "400504 00000064", "discard", false},
		{"LOCAL_PREF from outside, malformed", hexGood + "400503 000064", "discard", false},
		{"LOCAL_PREF from inside", hexGood + "400504 00000064", "ok", true},
		{"LOCAL_PREF from inside, malformed", hexGood + "400503 000064", "withdraw", true},
		{"ATOMIC_AGGREGATE of 1 octet (§7.6)", hexGood + "400601 00", "discard", false},
		{"AGGREGATOR of 6 octets (§7.7)", hexGood + "c00706 fde9 0a000001", "discard", false},
		{"AGGREGATOR AS 0 (RFC 7607)", hexGood + "c00708 00000000 0a000001", "discard", false},
		{"COMMUNITIES of 5 octets (§7.8)", hexGood + "c00805 0000000000", "withdraw", false},
		{"COMMUNITIES empty", hexGood + "c00800", "withdraw", false},
		{"ORIGINATOR_ID from outside (§7.9)", hexGood + "800904 0a000001", "discard", false},
		{"ORIGINATOR_ID of 3 octets", hexGood + "800903 0a0000", "withdraw", true},
		{"CLUSTER_LIST from outside (§7.10)", hexGood + "800a04 0a000001", "discard", false},
		{"CLUSTER_LIST of 5 octets", hexGood + "800a05 0a00000100", "withdraw", true},
		{"EXTENDED COMMUNITIES of 7 octets (§7.14)", hexGood + "c01007 00000000000000", "withdraw", false},
		{"LARGE_COMMUNITY of 11 octets (RFC 8092)", hexGood + "c0200b 0000000000000000000000", "withdraw", false},
		{"AS4_PATH from a 4-octet peer (RFC 6793)", hexGood + "c01106 0201 00010000", "discard", false},
		{"ORIGIN marked optional (§3 c)", "c00101 00" + hexPath + hexNextHop, "withdraw", false},
		{"MED marked transitive", hexGood + "c00404 00000001", "withdraw", false},
		{"COMMUNITIES not transitive", hexGood + "800804 00000001", "withdraw", false},
		{"ORIGIN missing (§3 d)", hexPath + hexNextHop, "withdraw", false},
		{"AS_PATH missing", hexOrigin + hexNextHop, "withdraw", false},
		{"NEXT_HOP missing", hexOrigin + hexPath, "withdraw", false},
		{"no attributes at all", "", "withdraw", false},
		{"ORIGIN twice (§3 g)", hexGood + "400101 02", "discard", false},
		{"MP_REACH_NLRI twice", hexGood + hexMPReach + hexMPReach, "3/1", false},
		{"MP_UNREACH_NLRI twice", hexGood + "800f03 000201 800f03 000201", "3/1", false},
		{"attribute longer than the rest (§4)", hexGood + "c008ff 00", "withdraw", false},
		{"header cut off", hexGood + "c0", "withdraw", false},
		{"extended header cut off", hexGood + "d00800", "withdraw", false},
		{"MP_REACH next hop of 15 octets (§7.11)", hexOrigin + hexPath + "800e19 0002 01 0f fd7700000000000000000000000000 00 20 20010db8", "3/9", false},
		{"MP_REACH next hop beyond the end", hexOrigin + hexPath + "800e05 0002 01 ff 00", "3/9", false},
		{"MP_REACH of 4 octets", hexOrigin + hexPath + "800e04 0002 01 00", "3/9", false},
		{"MP_REACH prefix of 129 bits (§5.3)", hexOrigin + hexPath + "800e17 0002 01 10 fd770000000000000000000000000002 00 81 00", "3/9", false},
		{"MP_UNREACH of 2 octets", "800f02 0002", "3/9", false},
		{"MP_UNREACH prefix cut off", "800f05 000201 20 20", "3/9", false},
		{"MP_REACH next hop multicast", hexGood + "800e1a 0002 01 10 ff020000000000000000000000000001 00 20 20010db8", "withdraw", false},
		{"MP_REACH marked transitive", hexGood + "c0" + hexMPReach[2:], "withdraw", false},
		{"unknown well-known", hexGood + "406300", "3/2", false},
		{"unknown optional transitive", hexGood + "c06300", "ok", false},
		{"unknown optional non-transitive", hexGood + "806300", "ok", false},
	} {
		d := external()
		d.internal = tc.internal
		us, n := d.decode(body(t, "", tc.attrs, hexNet))
		if got := verdict(d, us, n); got != tc.want {
			t.Errorf("%s: got %s (%v, %q), want %s", tc.name, got, n, d.lastWithdraw, tc.want)
		}
	}
}

// TestMalformedWithoutPrefixes is RFC 7606 §5.2 and §5.3: what cannot be answered by withdrawing resets.
func TestMalformedWithoutPrefixes(t *testing.T) {
	for _, tc := range []struct{ name, withdrawn, attrs, reach, want string }{
		{"bad ORIGIN, only withdrawals", hexNet, "400101 03", "", "3/1"},
		{"bad ORIGIN, empty MP_REACH", "", "400101 03" + hexPath + "800e15 0002 01 10 fd770000000000000000000000000002 00", "", "3/1"},
		{"discardable error, only withdrawals", hexNet, "400601 00", "", "discard"},
		{"attributes without prefixes", "", hexGood, "", "ignored"},
		{"prefix of 33 bits", "", hexGood, "21 0a00000000", "3/10"},
		{"prefix cut off", "", hexGood, "18 c000", "3/10"},
		{"withdrawn prefix of 33 bits", "21 0a00000000", "", "", "3/10"},
	} {
		d := external()
		us, n := d.decode(body(t, tc.withdrawn, tc.attrs, tc.reach))
		if got := verdict(d, us, n); got != tc.want {
			t.Errorf("%s: got %s (%v), want %s", tc.name, got, n, tc.want)
		}
	}
	for _, raw := range []string{"", "00", "0000", "000000", "0005 00 0000", "0000 0005 00", "ffff 0000", "0000 ffff"} {
		if _, n := external().decode(unhex(t, raw)); n == nil || n.Code != codeUpdate || n.Subcode != updateMalformedList {
			t.Errorf("body %q: %v, want 3/1", raw, n)
		}
	}
}

// TestBothFamiliesWithdrawn: one bad attribute withdraws every prefix of the message, those in MP_REACH_NLRI too.
func TestBothFamiliesWithdrawn(t *testing.T) {
	d := external()
	us, n := d.decode(body(t, "080b", hexGood+hexMPReach+"800403 000000", hexNet))
	if n != nil || len(us) != 2 || len(us[0].Withdrawn) != 2 || len(us[1].Withdrawn) != 1 || !us[0].TreatAsWithdraw || !us[1].TreatAsWithdraw {
		t.Errorf("%+v, %v", us, n)
	}
}

func TestTwoOctetPeer(t *testing.T) {
	const path2 = "400208 0203 fde9 5ba0 5ba0 "
	for _, tc := range []struct{ name, attrs, want string }{
		{"no AS4_PATH", hexOrigin + path2, "65001 23456 23456"},
		{"merged", hexOrigin + path2 + "c0110a 0202 00010000 00010001", "65001 65536 65537"},
		{"same length", hexOrigin + path2 + "c0110e 0203 00000001 00010000 00010001", "1 65536 65537"},
		{"longer: ignored", hexOrigin + path2 + "c01112 0204 00000001 00000002 00010000 00010001", "65001 23456 23456"},
		{"with a set", hexOrigin + "40020c 0202 fde9 5ba0 0102 5ba0 fde8" + "c01110 0201 00010000 0102 00010001 0000fde8", "65001 65536 {65537 65000}"},
		{"malformed: discarded", hexOrigin + path2 + "c01109 0202 00010000 000100", "65001 23456 23456"},
		{"confederation segment skipped", hexOrigin + path2 + "c01110 0301 00000009 0202 00010000 00010001", "65001 65536 65537"},
		{"AGGREGATOR fits 2 octets", hexOrigin + path2 + "c00706 fde9 0a000001" + "c0110a 0202 00010000 00010001", "65001 65536 65537"},
		{"AGGREGATOR says it is stale", hexOrigin + path2 + "c00706 fde9 0a000001 c01208 00010000 0a000002" + "c0110a 0202 00010000 00010001", "65001 23456 23456"},
		{"AGGREGATOR AS_TRANS", hexOrigin + path2 + "c00706 5ba0 0a000001" + "c0110a 0202 00010000 00010001", "65001 65536 65537"},
		{"before AS_PATH", "c0110a 0202 00010000 00010001" + hexOrigin + path2, "65001 65536 65537"},
	} {
		d := external()
		d.fourByte = false
		us, n := d.decode(body(t, "", tc.attrs+hexNextHop, hexNet))
		if n != nil || len(us) != 1 || us[0].Attrs == nil {
			t.Errorf("%s: %+v %v (%s)", tc.name, us, n, d.lastWithdraw)
			continue
		}
		if got := us[0].Attrs.PathString(); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	d := external()
	d.fourByte = false
	us, _ := d.decode(body(t, "", hexOrigin+path2+hexNextHop+"c00706 5ba0 0a000001 c01208 00010000 0a000002", hexNet))
	if a := us[0].Attrs; a.AggregatorAS != 65536 || a.Aggregator != addr("10.0.0.2") {
		t.Errorf("aggregator %d %s", a.AggregatorAS, a.Aggregator)
	}
}

// TestSameAttributesShared: the next message with the same attributes gets the same pointer, and a bad one in between changes nothing.
func TestSameAttributesShared(t *testing.T) {
	d := external()
	first, _ := d.decode(body(t, "", hexGood, hexNet))
	a := first[0].Attrs
	d.decode(body(t, "", "400101 03"+hexPath+hexNextHop, "080b"))
	second, _ := d.decode(body(t, "", hexGood, "080a"))
	if second[0].Attrs != a || second[0].NextHop != addr("169.254.77.2") || second[0].Reach[0] != pfx("10.0.0.0/8") {
		t.Errorf("%+v", second)
	}
	if third, _ := d.decode(body(t, "", hexGood+"800404 00000001", "080a")); third[0].Attrs == a {
		t.Error("other attributes, same pointer")
	}
}

// TestPublishedCrashes replays the classes of message that brought other speakers down. What counts is that the decoder answers at all, and
// how: none of them may cost more than this session, most not even that.
func TestPublishedCrashes(t *testing.T) {
	for _, tc := range []struct{ name, attrs, want string }{
		{"AS4_PATH before AS_PATH (CVE-2026-41643)", "c0110a 0202 00010000 00010001" + hexGood, "discard"},
		{"AS4_PATH alone", "c0110a 0202 00010000 00010001", "withdraw"},
		{"NEXT_HOP of 1 octet (CVE-2026-30405)", hexOrigin + hexPath + "400301 0a", "withdraw"},
		{"NEXT_HOP of 0 octets", hexOrigin + hexPath + "400300", "withdraw"},
		{"IPv6 extended community cut off (CVE-2026-37461)", hexGood + "c01905 0002 000000", "ok"},
		{"extended community cut off", hexGood + "c01001 00", "withdraw"},
		{"MP_REACH with lengths that wrap (CVE-2026-37462)", hexOrigin + hexPath + "900e0005 0001 01 ff ff", "3/9"},
		{"attribute of length 0 at the end", hexGood + "c06300", "ok"},
		{"UPDATE without mandatory attributes (FRR)", "800404 00000000", "withdraw"},
		{"MP_REACH of 0 octets (CVE-2023-46752)", hexOrigin + hexPath + "800e00", "3/9"},
		{"MP_UNREACH of 0 octets", hexOrigin + hexPath + "800f00", "3/9"},
		{"MP_REACH of an unknown family without next hop", hexGood + "800e05 ffff ff 00 00", "ok"},
		{"attribute 28 (VU#347067)", hexGood + "c01c04 00000000", "ok"},
		{"attribute 28 corrupt", hexGood + "e01c01 ff", "ok"},
		{"tunnel encapsulation cut off", hexGood + "c01702 0001", "ok"},
		{"prefix SID cut off", hexGood + "c02802 0100", "ok"},
		{"BGP-LS cut off", hexGood + "801d03 000100", "ok"},
		{"attribute 0", hexGood + "c00000", "ok"},
		{"attribute 255 of 255 octets missing", hexGood + "c0ffff", "withdraw"},
		{"ATTR_SET inside out", hexGood + "c08004 00000001", "ok"},
		{"AS_PATH segment of 255 ASNs missing", hexOrigin + "400202 02ff" + hexNextHop, "withdraw"},
		{"AS_PATH of one set of one", hexOrigin + "400206 0101 0000fde9" + hexNextHop, "ok"},
	} {
		d := external()
		us, n := d.decode(body(t, "", tc.attrs, hexNet))
		if got := verdict(d, us, n); got != tc.want {
			t.Errorf("%s: got %s (%v, %s), want %s", tc.name, got, n, d.lastWithdraw, tc.want)
		}
	}
}

// TestPublishedOpenCrashes: OPENs of the FRR advisories of 2022 (CVE-2022-40302, 40318, 43681) and the extended form of RFC 9072.
func TestPublishedOpenCrashes(t *testing.T) {
	const head = "04 fde9 005a 0a000002 "
	for _, tc := range []struct{ name, body, want string }{
		{"plain", head + "00", ""},
		{"parameters longer than the message", head + "20 0206 010400010001", "2/0"},
		{"parameters shorter than the message", head + "04 0206 010400010001", "2/0"},
		{"parameter header cut off", head + "01 02", "2/0"},
		{"parameter longer than the field", head + "04 02ff 0104", "2/0"},
		{"capability header cut off", head + "03 0201 01", "2/0"},
		{"capability longer than the parameter", head + "06 0204 01ff 0001", "2/0"},
		{"multiprotocol of 3 octets", head + "07 0205 0103 000100", "2/0"},
		{"4-octet AS of 2 octets", head + "06 0204 4102 fde9", "2/0"},
		{"graceful restart of 0 octets", head + "04 0202 4000", "2/0"},
		{"graceful restart of 5 octets", head + "09 0207 4005 0000000101", "2/0"},
		{"unknown parameter", head + "02 0100", "2/4"},
		{"unknown capability", head + "04 0202 ff00", ""},
		{"extended, length cut off", head + "ff ff", "2/0"},
		{"extended", head + "ff ff 0009 02 0006 0104 00010001", ""},
		{"extended, longer than the message", head + "ff ff 00ff 02 0006 0104 00010001", "2/0"},
		{"extended, parameter header cut off", head + "ff ff 0002 02 00", "2/0"},
		{"version 3", "03" + head[2:] + "00", "2/1"},
	} {
		_, n := decodeOpen(unhex(t, tc.body))
		got := ""
		if n != nil {
			got = fmt.Sprintf("%d/%d", n.Code, n.Subcode)
		}
		if got != tc.want {
			t.Errorf("%s: got %q (%v), want %q", tc.name, got, n, tc.want)
		}
	}
}
