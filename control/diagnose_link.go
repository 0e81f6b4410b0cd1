package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"onramp/control/compile"
	"onramp/plan"
	"onramp/resource"
)

// recent is how old something seen may be to be blamed for a fault of now: a router tries again within it.
const recent = 3 * time.Minute

// freshly says how long ago something was; false when it was too long ago, or nobody knows when.
func freshly(last time.Time) (string, bool) {
	age := time.Since(last)
	return "the last " + age.Round(time.Second).String() + " ago", !last.IsZero() && age < recent
}

// planned is the attachment of a path as its node shall have it, with the EtherType of the S-tags of its port.
func (d *ladder) planned(at *compile.CircuitPath) (plan.Attachment, uint16) {
	p, _ := d.l.hub.Plan(at.Node)
	a, _ := find(p.Attachments, func(a plan.Attachment) bool { return a.Name == at.Attachment })
	port, _ := find(p.Ports, func(x plan.Port) bool { return x.Name == a.Port })
	return a, cmp.Or(port.OuterEtherType, 0x8100)
}

// tagWords are "S-tag 30", "C-tag 100", both, or "no tag".
func tagWords(stag, ctag uint16) string {
	var words []string
	if stag != 0 {
		words = append(words, fmt.Sprintf("S-tag %d", stag))
	}
	if ctag != 0 {
		words = append(words, fmt.Sprintf("C-tag %d", ctag))
	}
	if len(words) == 0 {
		return "no tag"
	}
	return strings.Join(words, " and ")
}

// frames: something arrives with the right tags. What arrives with others is on no attachment; it is told by the port.
func (d *ladder) frames(at *compile.CircuitPath, r *plan.Report, a plan.AttachmentState) bool {
	own, etherType := d.planned(at)
	where := at.Node + "/" + at.Port
	want := "frames with " + tagWords(own.STag, own.CTag) + " on " + where
	resolved := neighborMAC(a, at.Customer) != ""
	wrong, sure := d.wrongTags(at, r, own, etherType)
	heard := slices.ContainsFunc(recentStrangers(a), func(n plan.NeighborState) bool { return r.Time.Add(-n.Age).After(sure) })
	if resolved || heard || a.InPackets > 0 && sure.IsZero() {
		seen := fmt.Sprintf("%d packets", a.InPackets)
		if a.InPackets == 0 {
			seen = "ARP"
		}
		return d.add("tag", at.Path, true, want, seen, "")
	}
	if wrong == "" {
		return d.add("tag", at.Path, false, want, "no frames at all", "check that the customer's router is on, and the provider's hand-off port")
	}
	return d.add("tag", at.Path, false, want, wrong, fmt.Sprintf("set VLAN %d on the customer's router, or untagged where the provider hands off untagged; "+
		"the S-tag and its EtherType are the provider's", d.p.VLAN))
}

// wrongTags says in one line what came instead of the tags of an attachment; sure is when that was meant for it, because one of its two tags is
// right. A tag of somebody else's is not told from a wrong one of its own, so those come last, and are never sure.
func (d *ladder) wrongTags(at *compile.CircuitPath, r *plan.Report, own plan.Attachment, etherType uint16) (line string, sure time.Time) {
	port, _ := portOf(d.l.hub, at.Node, at.Port)
	where := at.Node + "/" + at.Port
	rank := func(t plan.TagCount) int {
		switch {
		case t.STag != 0 && t.STag == own.STag:
			return 0
		case t.CTag != 0 && t.CTag == own.CTag && t.STag != 0:
			return 1
		case t.STag == 0 && t.CTag != 0 && (t.CTag == own.CTag || t.CTag == own.STag):
			return 2
		case t.STag != 0 || t.CTag != 0:
			return 4
		}
		return 5
	}
	var seen []plan.TagCount
	for _, t := range port.UnknownTags {
		if _, ok := freshly(t.Last); ok {
			seen = append(seen, t)
		}
	}
	slices.SortStableFunc(seen, func(x, y plan.TagCount) int {
		return cmp.Or(cmp.Compare(max(rank(x), 3), max(rank(y), 3)), y.Last.Compare(x.Last), cmp.Compare(rank(x), rank(y)))
	})
	if other := otherDrops(r, etherType, at.Node); other != "" && (len(seen) == 0 || rank(seen[0]) > 3) {
		return other, time.Time{}
	}
	if len(seen) == 0 {
		return "", time.Time{}
	}
	t := seen[0]
	ago, _ := freshly(t.Last)
	count := fmt.Sprintf(" seen on %s (%d frames, %s)", where, t.Packets, ago)
	switch rank(t) {
	case 0:
		return fmt.Sprintf("C-tag %d expected in S-tag %d, %d", own.CTag, own.STag, t.CTag) + count, t.Last
	case 1:
		return fmt.Sprintf("S-tag %d expected, %d", own.STag, t.STag) + count, t.Last
	case 2:
		return fmt.Sprintf("%s expected, only C-tag %d", tagWords(own.STag, own.CTag), t.CTag) + count, t.Last
	}
	return tagWords(own.STag, own.CTag) + " expected, " + tagWords(t.STag, t.CTag) + count, time.Time{}
}

// otherDrops are frames whose tags could not be read; the node counts them as a whole.
func otherDrops(r *plan.Report, etherType uint16, node string) string {
	others := "0x88a8 or 0x9100"
	if etherType != 0x8100 {
		others = "0x8100 or 0x9100"
	}
	for _, reason := range []struct{ name, words string }{
		{"tpid_wrong", fmt.Sprintf("EtherType %#x expected for the S-tag, another (%s)", etherType, others)}, {"tag_third", "two tags expected, three"},
		{"tag_priority", "a VLAN expected, priority tags (VLAN 0)"}, {"tag_reserved", "a VLAN expected, 4095"},
	} {
		n, _ := find(r.Drops, func(c plan.DropCount) bool { return c.Reason == reason.name })
		if ago, ok := freshly(n.Last); ok && n.Packets > 0 {
			return fmt.Sprintf("%s seen on %s (%d frames, %s)", reason.words, node, n.Packets, ago)
		}
	}
	return ""
}

func neighborMAC(a plan.AttachmentState, peer fmt.Stringer) string {
	n, _ := find(a.Neighbors, func(n plan.NeighborState) bool { return n.Addr.String() == peer.String() })
	return n.MAC
}

func recentStrangers(a plan.AttachmentState) []plan.NeighborState {
	return slices.DeleteFunc(slices.Clone(a.Strangers), func(n plan.NeighborState) bool { return n.Age > recent })
}

// arp: the customer's address has a MAC. A router with another address betrays it when it asks for the edge.
func (d *ladder) arp(at *compile.CircuitPath, a plan.AttachmentState) bool {
	want := fmt.Sprintf("%s (the first host of the /30) has a MAC", at.Customer)
	fix := fmt.Sprintf("give the customer's router %s on VLAN %d; the edge has %s", at.Customer, d.p.VLAN, at.Edge)
	if mac := neighborMAC(a, at.Customer); mac != "" {
		return d.add("arp", at.Path, true, want, mac, "")
	}
	if s := recentStrangers(a); len(s) > 0 {
		return d.add("arp", at.Path, false, want, fmt.Sprintf("%s expected at the customer, %s seen%s on %s/%s (MAC %s, %s ago)", at.Customer, s[0].Addr,
			d.whose(at, s[0].Addr), at.Node, at.Port, s[0].MAC, s[0].Age.Round(time.Second)), fix)
	}
	seen := "no answer to ARP"
	if a.InPackets > 0 {
		seen += fmt.Sprintf(", though %d packets came", a.InPackets)
	}
	return d.add("arp", at.Path, false, want, seen, fix)
}

// whose says what is wrong with an address that a customer's router has.
func (d *ladder) whose(at *compile.CircuitPath, addr netip.Addr) string {
	own, other := d.p.Primary, d.p.Secondary
	if !own.Contains(at.Customer) {
		own, other = other, own
	}
	switch {
	case addr == at.Edge:
		return ", which is the edge's own,"
	case own.Contains(addr):
		return fmt.Sprintf(", which is no host of %s,", own.Masked())
	case other.Contains(addr):
		return fmt.Sprintf(", which is of the other link's %s,", other.Masked())
	}
	return fmt.Sprintf(", which is outside %s,", own.Masked())
}

func (d *ladder) bgp(at *compile.CircuitPath, r *plan.Report, s plan.SessionState) bool {
	want := fmt.Sprintf("Established with %s, AS %d", at.Customer, d.p.PeerASN)
	if s.State == established {
		return d.add("bgp", at.Path, true, want, "Established for "+time.Since(s.Since).Round(time.Second).String(), "")
	}
	if strings.Contains(s.LastError, "Maximum Number of Prefixes") {
		limit := resource.MaxPrefixes(d.c.Tier)
		return d.add("limit", at.Path, false, fmt.Sprintf("at most %d prefixes", limit), fmt.Sprintf("at most %d prefixes expected, more seen; %s, last: %s",
			limit, s.State, s.LastError), fmt.Sprintf("announce at most %d prefixes (summarise), or use the Premium tier; the session comes back by itself", limit))
	}
	seen := cmp.Or(s.State, "no session")
	if m := regexp.MustCompile(`Bad Peer AS: expected (\d+), got (\d+)`).FindStringSubmatch(s.LastError); m != nil {
		seen = fmt.Sprintf("AS %s expected, %s seen; %s", m[1], m[2], seen) // TCP works: it is not the key
	} else if key := d.wrongKey(r); key != "" {
		seen = key + "; " + seen
	}
	if s.LastError != "" {
		seen += "; last: " + s.LastError
	}
	return d.add("bgp", at.Path, false, want, seen, d.bgpFix(at, s))
}

// wrongKey says what the kernel counted of wrong MD5 signatures, which it drops without a word: TCP just never connects. It counts for the
// whole router, so that a session that connected is not blamed with it.
func (d *ladder) wrongKey(r *plan.Report) string {
	for _, k := range []struct {
		name, words string
		ours        bool // the peering has a key
	}{
		{"md5_wrong", "the peering's MD5 key expected, another", true}, {"md5_missing", "an MD5 key expected, none", true},
		{"md5_unexpected", "no MD5 key expected, one", false},
	} {
		n, _ := find(r.Drops, func(c plan.DropCount) bool { return c.Reason == k.name })
		if ago, ok := freshly(n.Last); ok && n.Packets > 0 && k.ours == (len(d.p.Key) > 0) {
			return fmt.Sprintf("%s seen on router %s (%d segments, %s)", k.words, r.Node, n.Packets, ago)
		}
	}
	return ""
}

// bgpFix reads the last error of a session.
func (d *ladder) bgpFix(at *compile.CircuitPath, s plan.SessionState) string {
	e := strings.ToLower(s.LastError)
	switch {
	case strings.Contains(e, "bad peer as"):
		return fmt.Sprintf("configure the router's own AS as %d and the neighbour's as %d, or change the peering's ASN", d.p.PeerASN, resource.ASN)
	case strings.Contains(e, "hold timer"):
		return "the router stopped answering: check the link for loss and the router's load"
	case strings.Contains(e, "refused"):
		return fmt.Sprintf("no BGP listens on %s: start it, with neighbour %s", at.Customer, at.Edge)
	case strings.Contains(e, "cease"):
		return "the router closed the session: look at its log"
	case len(d.p.Key) > 0:
		return fmt.Sprintf("check that the router has neighbour %s AS %d, and the peering's MD5 key: a wrong key looks like silence", at.Edge, resource.ASN)
	}
	return fmt.Sprintf("check that the router has neighbour %s AS %d, and no MD5 key: the peering has none", at.Edge, resource.ASN)
}

// prefixes: the customer announces something.
func (d *ladder) prefixes(at *compile.CircuitPath, s plan.SessionState) bool {
	want := fmt.Sprintf("1 to %d prefixes from the customer", resource.MaxPrefixes(d.c.Tier))
	if s.Received == 0 {
		return d.add("route", at.Path, false, want, "no prefixes", "announce the site's prefixes on this session")
	}
	return d.add("route", at.Path, true, want, fmt.Sprint(s.Received), "")
}
