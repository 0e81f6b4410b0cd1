package bgp

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
)

// Attribute types.
const (
	attrOrigin           = 1
	attrASPath           = 2
	attrNextHop          = 3
	attrMED              = 4
	attrLocalPref        = 5
	attrAtomicAggregate  = 6
	attrAggregator       = 7
	attrCommunities      = 8
	attrOriginatorID     = 9
	attrClusterList      = 10
	attrMPReach          = 14
	attrMPUnreach        = 15
	attrExtCommunities   = 16
	attrAS4Path          = 17
	attrAS4Aggregator    = 18
	attrLargeCommunities = 32
)

// Attribute flags.
const (
	flagOptional   = 0x80
	flagTransitive = 0x40
	flagPartial    = 0x20
	flagExtended   = 0x10
)

// defaultLocalPref is the preference of a path from an external peer.
const defaultLocalPref = 100

// decoder turns the UPDATEs of one session into Updates. It is used by one goroutine.
//
// Errors are answered as RFC 7606 says, in three grades: an attribute is dropped (discarded), the message's prefixes are withdrawn
// (withdrawn), or the session ends (a Notification). The last is left only for what makes the prefixes themselves unknowable.
type decoder struct {
	fourByte bool
	internal bool
	local    netip.Addr // next hops must not be this side's own address
	families []Family   // negotiated; prefixes of others are ignored

	discarded, withdrawn uint64 // how often; for Status
	lastWithdraw         string // why the latest message was treated as withdraw

	out     []Update
	lastRaw []byte // attributes of the latest good message without MP attributes, for the common case that the next has the same
	last    *Attrs
	lastHop netip.Addr
}

// fields are the parts of one UPDATE as found; the slices point into the message.
type fields struct {
	withdrawn, reach []byte
	attrs            []byte

	value   [attrLargeCommunities + 1][]byte
	have    [4]uint64 // types met, a bit each
	unknown []RawAttr

	mpReach, mpUnreach *mpField

	bad string // reason for treat-as-withdraw; "" where there is none
}

type mpField struct {
	family Family
	hop    []byte
	nlri   []byte
}

func (f *fields) met(kind uint8) bool { return f.have[kind>>6]&(1<<(kind&63)) != 0 }

// malformed notes a reason for treat-as-withdraw; the first one stands.
func (f *fields) malformed(format string, args ...any) {
	if f.bad == "" {
		f.bad = fmt.Sprintf(format, args...)
	}
}

// decode reads the body of an UPDATE. The slice is reused by the next call; what it points to is not.
func (d *decoder) decode(body []byte) ([]Update, *Notification) {
	d.out = d.out[:0]
	var f fields
	if n := f.cut(body); n != nil {
		return nil, n
	}
	if len(f.withdrawn)+len(f.attrs)+len(f.reach) == 0 {
		return d.emit(Update{Family: IPv4Unicast, EndOfRIB: true}), nil
	}
	attrs, hop := d.cached(&f)
	if attrs == nil {
		if n := d.walk(&f); n != nil {
			return nil, n
		}
		if eor, ok := f.endOfRIB(); ok {
			return d.emit(Update{Family: eor, EndOfRIB: true}), nil
		}
	}
	return d.assemble(&f, attrs, hop)
}

// cut finds the three parts of the message. Lengths that do not add up leave no way to find the prefixes (RFC 7606 §3 b).
func (f *fields) cut(body []byte) *Notification {
	if len(body) < 4 {
		return notify(codeUpdate, updateMalformedList, nil, "body of %d octets", len(body))
	}
	w := int(be16(body))
	if 2+w+2 > len(body) {
		return notify(codeUpdate, updateMalformedList, nil, "withdrawn routes of %d octets in a body of %d", w, len(body))
	}
	f.withdrawn = body[2 : 2+w]
	rest := body[2+w:]
	a := int(be16(rest))
	if 2+a > len(rest) {
		return notify(codeUpdate, updateMalformedList, nil, "path attributes of %d octets where %d are left", a, len(rest)-2)
	}
	f.attrs, f.reach = rest[2:2+a], rest[2+a:]
	return nil
}

// cached returns the attributes of the latest message when this one has the same, which is common while a table is loaded.
func (d *decoder) cached(f *fields) (*Attrs, netip.Addr) {
	if d.last != nil && len(f.reach) > 0 && bytes.Equal(f.attrs, d.lastRaw) {
		return d.last, d.lastHop
	}
	return nil, netip.Addr{}
}

// endOfRIB reports whether the message is the marker of a multiprotocol family: an empty MP_UNREACH_NLRI and nothing else (RFC 4724 §2).
func (f *fields) endOfRIB() (Family, bool) {
	if f.mpUnreach == nil || len(f.mpUnreach.nlri) > 0 || len(f.withdrawn)+len(f.reach) > 0 || f.bad != "" {
		return Family{}, false
	}
	alone := len(f.attrs) == 6 || len(f.attrs) == 7 && f.attrs[0]&flagExtended != 0
	return f.mpUnreach.family, alone
}

func (d *decoder) emit(u Update) []Update {
	if slices.Contains(d.families, u.Family) {
		d.out = append(d.out, u)
	}
	return d.out
}

// assemble makes the Updates of one message. attrs is not nil when they are known already.
func (d *decoder) assemble(f *fields, attrs *Attrs, hop netip.Addr) ([]Update, *Notification) {
	base := Update{Family: IPv4Unicast}
	var n *Notification
	if base.Withdrawn, n = prefixes(f.withdrawn, IPv4Unicast, updateInvalidNetwork); n != nil {
		return nil, n
	}
	if base.Reach, n = prefixes(f.reach, IPv4Unicast, updateInvalidNetwork); n != nil {
		return nil, n
	}
	gone, mp, n := d.multiprotocol(f)
	if n != nil {
		return nil, n
	}
	reachable := len(base.Reach)+len(mp.Reach) > 0 || f.mpReach != nil && !f.mpReach.family.known()
	if attrs == nil {
		attrs, hop = d.attributes(f, len(base.Reach) > 0, reachable)
	}
	if !reachable && f.bad != "" { // RFC 7606 §5.2: nothing to withdraw it by
		return nil, notify(codeUpdate, updateMalformedList, nil, "%s, in a message without reachable prefixes", f.bad)
	}
	if len(mp.Reach) > 0 {
		if mp.NextHop, f.bad = d.mpNextHop(f.mpReach, f.bad); f.bad == "" {
			mp.Attrs = attrs
		}
	}
	if len(base.Reach) > 0 {
		base.Attrs, base.NextHop = attrs, hop
	}
	if gone.Family == mp.Family {
		mp.Withdrawn, gone.Withdrawn = gone.Withdrawn, nil
	}
	if f.bad != "" {
		d.withdrawn++
		d.lastWithdraw = f.bad
	}
	for _, u := range [...]Update{base, gone, mp} {
		if len(u.Withdrawn)+len(u.Reach) > 0 {
			d.emit(judged(u, f.bad))
		}
	}
	return d.out, nil
}

// judged is u, or its withdrawal when the message's attributes are bad.
func judged(u Update, bad string) Update {
	if bad == "" || len(u.Reach) == 0 {
		return u
	}
	return Update{Family: u.Family, Withdrawn: append(u.Withdrawn, u.Reach...), TreatAsWithdraw: true}
}

func prefixes(b []byte, f Family, subcode uint8) ([]netip.Prefix, *Notification) {
	if len(b) == 0 {
		return nil, nil
	}
	count := countPrefixes(b, f.bits())
	if count < 0 {
		return nil, notify(codeUpdate, subcode, nil, "malformed %s prefix", f)
	}
	return readPrefixes(make([]netip.Prefix, 0, count), b, f.bits()), nil
}

// multiprotocol reads the prefixes of MP_UNREACH_NLRI and MP_REACH_NLRI. Those of families that were not negotiated are ignored.
func (d *decoder) multiprotocol(f *fields) (gone, reach Update, n *Notification) {
	if m := f.mpUnreach; m != nil && m.family.known() {
		gone.Family = m.family
		if gone.Withdrawn, n = prefixes(m.nlri, m.family, updateOptionalAttr); n != nil {
			return
		}
	}
	if m := f.mpReach; m != nil && m.family.known() {
		reach.Family = m.family
		reach.Reach, n = prefixes(m.nlri, m.family, updateOptionalAttr)
	}
	return
}

// mpNextHop reads the next hop of MP_REACH_NLRI, whose length was judged before. bad is passed on, or set when the next hop cannot be one.
func (d *decoder) mpNextHop(m *mpField, bad string) (netip.Addr, string) {
	var hop netip.Addr
	switch len(m.hop) {
	case 4:
		hop = netip.AddrFrom4([4]byte(m.hop))
	case 16:
		hop = netip.AddrFrom16([16]byte(m.hop))
	case 32: // global, then link-local (RFC 2545 §3)
		hop = netip.AddrFrom16([16]byte(m.hop[:16]))
		if hop.IsUnspecified() {
			hop = netip.AddrFrom16([16]byte(m.hop[16:]))
		}
	}
	if bad == "" && !d.usableHop(hop) {
		bad = "next hop " + hop.String()
	}
	return hop, bad
}

// usableHop reports whether hop can be a neighbour's address (RFC 4271 §6.3: "syntactically correct" and not the receiver's own).
func (d *decoder) usableHop(hop netip.Addr) bool {
	if hop.Is4() && (hop.As4()[0] == 0 || hop.As4()[0] >= 240) {
		return false
	}
	return hop.IsValid() && !hop.IsUnspecified() && !hop.IsMulticast() && !hop.IsLoopback() && hop != d.local
}
