package plan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Issue is one thing that is wrong with one object of a plan.
type Issue struct {
	Kind  string // "port", "attachment", "domain", "session", "crossconnect", "policer", "node"
	Name  string // of the object
	Index int    // in the plan's list of its kind
	Field string
	Rule  string // what does not hold
}

// Error says object, field and rule.
func (i Issue) Error() string { return fmt.Sprintf("%s %q: %s: %s", i.Kind, i.Name, i.Field, i.Rule) }

// Validate reports everything wrong with the plan, as a joined error of Issues; nil when nothing is.
func (n *Node) Validate() error {
	var errs []error
	for _, i := range n.Issues() {
		errs = append(errs, i)
	}
	return errors.Join(errs...)
}

// Issues reports everything wrong with the plan: references that lead nowhere, forms that are none, names and keys used twice.
func (n *Node) Issues() []Issue {
	c := newChecker(n)
	c.node()
	c.ports()
	c.policers()
	c.domains()
	c.attachments()
	c.sessions()
	c.crossconnects()
	c.statics()
	return c.issues
}

type checker struct {
	n            *Node
	issues       []Issue
	portOf       map[string]*Port
	domainOf     map[string]bool
	policerOf    map[string]bool
	attachmentOf map[string]*Attachment
	at           Issue // the object being checked
}

func newChecker(n *Node) *checker {
	c := &checker{n: n, portOf: map[string]*Port{}, domainOf: map[string]bool{}, policerOf: map[string]bool{}, attachmentOf: map[string]*Attachment{}}
	for i := range n.Ports {
		c.portOf[n.Ports[i].Name] = &n.Ports[i]
	}
	for _, d := range n.Domains {
		c.domainOf[d.Name] = true
	}
	for _, p := range n.Policers {
		c.policerOf[p.Name] = true
	}
	for i := range n.Attachments {
		c.attachmentOf[n.Attachments[i].Name] = &n.Attachments[i]
	}
	return c
}

func (c *checker) object(kind, name string, i int, seen map[string]bool) {
	c.at = Issue{Kind: kind, Name: name, Index: i}
	c.want(name != "", "Name", "is empty")
	c.want(!seen[name], "Name", "is used twice")
	seen[name] = true
}

func (c *checker) want(ok bool, field, rule string, args ...any) {
	if !ok {
		i := c.at
		i.Field, i.Rule = field, fmt.Sprintf(rule, args...)
		c.issues = append(c.issues, i)
	}
}

func (c *checker) node() {
	c.at = Issue{Kind: "node", Name: c.n.Name}
	c.want(len(c.n.Sessions) == 0 || c.n.RouterID.Is4(), "RouterID", "must be shaped like an IPv4 address where there are sessions")
}

func (c *checker) ports() {
	seen := map[string]bool{}
	for i, p := range c.n.Ports {
		c.object("port", p.Name, i, seen)
		c.want(len(p.Name) < 16, "Name", "is longer than 15 characters, what an interface's name may have")
		c.want(p.MTU == 0 || p.MTU >= 576 && p.MTU <= 9216, "MTU", "%d is outside 576..9216", p.MTU)
		c.want(p.OuterEtherType == 0 || p.OuterEtherType == 0x8100 || p.OuterEtherType == 0x88a8, "OuterEtherType", "%#x is neither 0x8100 nor 0x88a8", p.OuterEtherType)
	}
}

func (c *checker) policers() {
	seen := map[string]bool{}
	for i, p := range c.n.Policers {
		c.object("policer", p.Name, i, seen)
		c.want(p.BitsPerSecond > 0, "BitsPerSecond", "is zero")
		c.want(p.BurstBytes > 0, "BurstBytes", "is zero")
	}
}

func (c *checker) domains() {
	seen := map[string]bool{}
	for i, d := range c.n.Domains {
		c.object("domain", d.Name, i, seen)
		c.want(d.MultiPath >= 0 && d.MultiPath <= 64, "MultiPath", "%d is outside 0..64", d.MultiPath)
	}
}

// frameKey is what a frame is told by; two attachments must not share one.
type frameKey struct {
	port       string
	stag, ctag uint16
	any        bool
	vni        uint32
	remote     netip.Addr
}

func (c *checker) attachments() {
	seen, keys := map[string]bool{}, map[frameKey]string{}
	for i := range c.n.Attachments {
		a := &c.n.Attachments[i]
		c.object("attachment", a.Name, i, seen)
		k := frameKey{a.Port, a.STag, a.CTag, a.AnyCTag, a.VNI, a.Remote}
		c.want(keys[k] == "", "Port", "port, tags, VNI and remote are those of attachment %q", keys[k])
		keys[k] = a.Name
		c.form(a)
		c.want(a.Domain == "" || c.domainOf[a.Domain], "Domain", "%q is no domain of the plan", a.Domain)
		c.want(!a.AnyCTag || a.Domain == "", "AnyCTag", "is for crossconnects only, not in a domain")
		c.want(a.Domain != "" || len(a.Addresses) == 0, "Addresses", "an end of a crossconnect has none")
		c.want(a.Ingress == "" || c.policerOf[a.Ingress], "Ingress", "%q is no policer of the plan", a.Ingress)
		c.want(a.Egress == "" || c.policerOf[a.Egress], "Egress", "%q is no policer of the plan", a.Egress)
		c.want(a.MTU == 0 || a.MTU >= 576 && a.MTU <= 9216, "MTU", "%d is outside 576..9216", a.MTU)
		c.want(a.SourceCheck == SourceAny || a.SourceCheck == SourceLoose || a.SourceCheck == SourceStrict, "SourceCheck", "%q is no rule", a.SourceCheck)
		c.addresses(a)
	}
}

func (c *checker) form(a *Attachment) {
	c.want(a.STag <= 4094, "STag", "%d is outside 1..4094", a.STag)
	c.want(a.CTag <= 4094, "CTag", "%d is outside 1..4094", a.CTag)
	c.want(!a.AnyCTag || a.CTag == 0, "AnyCTag", "excludes CTag")
	if a.VNI != 0 || a.Remote.IsValid() {
		c.want(a.VNI > 0 && a.VNI < 1<<24, "VNI", "%d is outside 1..16777215", a.VNI)
		c.want(a.Remote.IsValid(), "Remote", "is needed with VNI")
		c.want(a.Port == "" && a.STag == 0 && a.CTag == 0 && !a.AnyCTag, "Port", "port and tags exclude VNI")
		c.want(c.n.VTEP.IsValid(), "VNI", "the node has no VTEP")
		return
	}
	c.want(a.Port != "", "Port", "is empty, and there is no VNI")
	c.want(a.Port == "" || c.portOf[a.Port] != nil, "Port", "%q is no port of the plan", a.Port)
	c.want(a.STag == 0 || a.CTag != 0 || a.AnyCTag, "STag", "is without CTag or AnyCTag")
	if p := c.portOf[a.Port]; p != nil {
		c.want(!p.Underlay.IsValid(), "Port", "%q is the underlay", a.Port)
	}
}

func (c *checker) addresses(a *Attachment) {
	for _, x := range a.Addresses {
		c.want(x.Prefix.IsValid(), "Addresses", "an address is invalid")
		c.want(!x.Peer.IsValid() || x.Peer.BitLen() == x.Prefix.Addr().BitLen(), "Addresses", "peer %v is of another family than %v", x.Peer, x.Prefix)
	}
	for _, nb := range a.Neighbors {
		_, err := net.ParseMAC(nb.MAC)
		c.want(nb.Addr.IsValid(), "Neighbors", "an address is invalid")
		c.want(err == nil, "Neighbors", "%q is no MAC address", nb.MAC)
	}
}

func (c *checker) sessions() {
	type peer struct {
		attachment  string
		local, peer netip.Addr
	}
	seen, peers := map[string]bool{}, map[peer]string{}
	for i := range c.n.Sessions {
		s := &c.n.Sessions[i]
		c.object("session", s.Name, i, seen)
		k := peer{s.Attachment, s.LocalAddr, s.PeerAddr}
		c.want(peers[k] == "", "PeerAddr", "session %q has the same peer on the same attachment", peers[k])
		peers[k] = s.Name
		c.session(s)
	}
}

func (c *checker) session(s *Session) {
	a := c.attachmentOf[s.Attachment]
	c.want(a != nil, "Attachment", "%q is no attachment of the plan", s.Attachment)
	if a != nil {
		c.want(a.Domain != "", "Attachment", "%q belongs to no domain", s.Attachment)
		c.want(hasAddress(a, s.LocalAddr), "LocalAddr", "%v is no address of attachment %q", s.LocalAddr, s.Attachment)
	}
	c.want(s.PeerAddr.IsValid() && s.PeerAddr.BitLen() == s.LocalAddr.BitLen(), "PeerAddr", "%v is not of the family of %v", s.PeerAddr, s.LocalAddr)
	c.want(s.PeerAddr != s.LocalAddr, "PeerAddr", "is the local address")
	c.want(s.LocalAS != 0, "LocalAS", "is zero")
	c.want(s.PeerAS != 0, "PeerAS", "is zero")
	c.want(len(s.Key) <= 80, "Key", "is longer than 80 characters (RFC 2385)")
	c.want(s.HoldTime == 0 || s.HoldTime >= 3*time.Second && s.HoldTime <= 65535*time.Second, "HoldTime", "%v is outside 3 s..65535 s", s.HoldTime)
	c.want(s.Keepalive >= 0, "Keepalive", "is negative")
	c.want(s.RestartTime >= 0 && s.RestartTime <= 4095*time.Second, "RestartTime", "%v is outside 0..4095 s (RFC 4724)", s.RestartTime)
	c.want(s.MaxPrefixes >= 0, "MaxPrefixes", "is negative")
	if b := s.BFD; b != nil {
		c.want(b.Interval == 0 || b.Interval >= 10*time.Millisecond && b.Interval <= time.Minute, "BFD", "interval %v is outside 10 ms..1 min", b.Interval)
	}
	for _, r := range append(append([]PrefixRule{}, s.Import.Deny...), s.Import.Allow...) {
		c.want(r.Prefix.IsValid(), "Import", "a rule has no prefix")
		c.want(r.Min <= r.Max, "Import", "rule %v has Min %d above Max %d", r.Prefix, r.Min, r.Max)
	}
}

func hasAddress(a *Attachment, addr netip.Addr) bool {
	for _, x := range a.Addresses {
		if x.Prefix.Addr() == addr {
			return true
		}
	}
	return false
}

func (c *checker) crossconnects() {
	seen, ends := map[string]bool{}, map[string]string{}
	for i, x := range c.n.Crossconnects {
		c.object("crossconnect", x.Name, i, seen)
		c.want(x.A != x.B, "B", "is A")
		for _, end := range []struct{ field, name string }{{"A", x.A}, {"B", x.B}} {
			a := c.attachmentOf[end.name]
			c.want(a != nil, end.field, "%q is no attachment of the plan", end.name)
			c.want(a == nil || a.Domain == "", end.field, "%q belongs to a domain", end.name)
			c.want(ends[end.name] == "", end.field, "%q is an end of crossconnect %q", end.name, ends[end.name])
			ends[end.name] = x.Name
		}
	}
}

func (c *checker) statics() {
	for i, d := range c.n.Domains {
		c.at = Issue{Kind: "domain", Name: d.Name, Index: i}
		for _, s := range d.Static {
			c.static(d.Name, s)
		}
	}
}

func (c *checker) static(domain string, s StaticRoute) {
	c.want(s.Prefix.IsValid() && s.Prefix == s.Prefix.Masked(), "Static", "%v is no prefix, or has host bits", s.Prefix)
	if s.Unreachable {
		c.want(!s.NextHop.IsValid() && s.Attachment == "", "Static", "%v is unreachable and has a next hop", s.Prefix)
		return
	}
	a := c.attachmentOf[s.Attachment]
	c.want(a != nil && a.Domain == domain, "Static", "%v leaves by %q, which is no attachment of the domain", s.Prefix, s.Attachment)
	c.want(s.NextHop.IsValid() && s.NextHop.BitLen() == s.Prefix.Addr().BitLen(), "Static", "%v has no next hop of its family", s.Prefix)
}
