package rib

import (
	"net/netip"
	"slices"

	"onramp/node/bgp"
)

// Well-known communities (RFC 1997).
const (
	NoExport          = 0xffffff01
	NoAdvertise       = 0xffffff02
	NoExportSubconfed = 0xffffff03
)

// Neighbor is what policy needs to know of a session.
type Neighbor struct {
	Source    *Source // of what is learned here
	LocalAS   uint32
	PeerAS    uint32
	LocalAddr netip.Addr
	Import    Import
	Export    Export
}

// Internal reports whether the session is internal BGP.
func (n *Neighbor) Internal() bool { return n.LocalAS == n.PeerAS }

// Import decides what is taken from a peer.
type Import struct {
	Class            string
	Weight           uint32
	StripCommunities bool
	Deny             []PrefixRule // first match refuses
	Allow            []PrefixRule // when not empty, only matches are accepted
}

// Export decides what is announced to a peer.
type Export struct {
	Classes   []string
	RemoveAS  []uint32 // taken out before the own AS is prepended
	Prepend   int      // own AS this many times more
	AllowBack bool     // announce a path to a peer whose AS is in it
}

// PrefixRule matches a prefix inside Prefix with a length in [Min, Max]; both 0: exactly Prefix.
type PrefixRule struct {
	Prefix   netip.Prefix
	Min, Max int
}

// Match reports whether p is meant.
func (r PrefixRule) Match(p netip.Prefix) bool {
	if r.Min == 0 && r.Max == 0 {
		return p == r.Prefix.Masked()
	}
	return r.Prefix.Bits() <= p.Bits() && r.Prefix.Contains(p.Addr()) && r.Min <= p.Bits() && p.Bits() <= r.Max
}

func matchAny(rules []PrefixRule, p netip.Prefix) bool {
	return slices.ContainsFunc(rules, func(r PrefixRule) bool { return r.Match(p) })
}

// Accepts reports whether the import rules take the prefix.
func (i *Import) Accepts(p netip.Prefix) bool {
	if matchAny(i.Deny, p) {
		return false
	}
	return len(i.Allow) == 0 || matchAny(i.Allow, p)
}

// Receive turns an announcement of the peer into a path and splits its prefixes into those accepted and those refused; with the own AS
// in the path (RFC 4271 §9.1.2) all are refused. The refused ones are to be withdrawn: an earlier announcement may have been accepted.
func (n *Neighbor) Receive(u bgp.Update) (p Path, accepted, refused []netip.Prefix) {
	if u.Attrs == nil || hasAS(u.Attrs.ASPath, n.LocalAS) && !n.Internal() {
		return Path{}, nil, u.Reach
	}
	if len(n.Import.Deny)+len(n.Import.Allow) == 0 {
		return n.path(u), u.Reach, nil
	}
	for _, pre := range u.Reach {
		if n.Import.Accepts(pre) {
			accepted = append(accepted, pre)
		} else {
			refused = append(refused, pre)
		}
	}
	return n.path(u), accepted, refused
}

func (n *Neighbor) path(u bgp.Update) Path {
	a := u.Attrs
	if n.Import.StripCommunities && len(a.Communities)+len(a.LargeCommunities)+len(a.ExtCommunities) > 0 {
		c := *a
		c.Communities, c.LargeCommunities, c.ExtCommunities = nil, nil, nil
		a = &c
	}
	return Path{
		Source:  n.Source,
		Attrs:   a,
		NextHop: NextHop{Attachment: n.Source.Attachment, Addr: u.NextHop},
		Weight:  n.Import.Weight,
		Class:   n.Import.Class,
	}
}

func hasAS(path []bgp.Segment, as uint32) bool {
	return slices.ContainsFunc(path, func(s bgp.Segment) bool { return slices.Contains(s.ASNs, as) })
}

// Announce makes the attributes that a best path is announced with to the peer; nil when policy keeps it from the peer.
func (n *Neighbor) Announce(p *Path) *bgp.Attrs {
	if !n.mayAnnounce(p) {
		return nil
	}
	a := bgp.Attrs{LocalPref: DefaultLocalPref}
	if p.Attrs != nil {
		a = *p.Attrs
	}
	if n.Internal() {
		return &a
	}
	a.LocalPref = DefaultLocalPref
	if p.Source.Name != "" {
		a.MED, a.HasMED = 0, false // RFC 4271 §5.1.4: not passed on to a further AS
	}
	a.OriginatorID, a.ClusterList = netip.Addr{}, nil
	a.ASPath = removeAS(a.ASPath, n.Export.RemoveAS)
	if !n.Export.AllowBack && hasAS(a.ASPath, n.PeerAS) {
		return nil
	}
	a.ASPath = prepend(a.ASPath, n.LocalAS, 1+max(0, n.Export.Prepend))
	return &a
}

func (n *Neighbor) mayAnnounce(p *Path) bool {
	if p.Source == n.Source || !slices.Contains(n.Export.Classes, p.Class) {
		return false
	}
	if p.Source.Internal && n.Internal() { // no reflection: internal routes stay with who learned them
		return false
	}
	if p.Attrs == nil {
		return true
	}
	for _, c := range p.Attrs.Communities {
		if c == NoAdvertise || !n.Internal() && (c == NoExport || c == NoExportSubconfed) {
			return false
		}
	}
	return true
}

func removeAS(path []bgp.Segment, remove []uint32) []bgp.Segment {
	if len(remove) == 0 {
		return path
	}
	out := make([]bgp.Segment, 0, len(path))
	for _, s := range path {
		asns := make([]uint32, 0, len(s.ASNs))
		for _, as := range s.ASNs {
			if !slices.Contains(remove, as) {
				asns = append(asns, as)
			}
		}
		if len(asns) > 0 {
			out = append(out, bgp.Segment{Set: s.Set, ASNs: asns})
		}
	}
	return out
}

// prepend puts as n times in front, in the first sequence while it has room (255 numbers on the wire).
func prepend(path []bgp.Segment, as uint32, n int) []bgp.Segment {
	head := slices.Repeat([]uint32{as}, n)
	if len(path) > 0 && !path[0].Set && len(path[0].ASNs)+n <= 255 {
		first := bgp.Segment{ASNs: append(head, path[0].ASNs...)}
		return append([]bgp.Segment{first}, path[1:]...)
	}
	return append([]bgp.Segment{{ASNs: head}}, path...)
}
