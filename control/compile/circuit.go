package compile

import (
	"fmt"
	"net/netip"
	"time"

	"onramp/plan"
	"onramp/resource"
)

// The customer's sessions: the service's own timers, negotiated down by the peer; a restart of the agent is bridged by RFC 4724.
const (
	customerKeepalive = 60 * time.Second
	customerHoldTime  = 180 * time.Second
	customerRestart   = 60 * time.Second
	limitPause        = 30 * time.Second // before a session tries again that had too many prefixes
	multiPath         = 8                // two links of four circuits
)

// The paths of all sessions are watched with the service's own timers; a customer's router joins in or not.
const (
	bfdInterval   = 300 * time.Millisecond
	bfdMultiplier = 3
)

func watched() *plan.BFD { return &plan.BFD{Interval: bfdInterval, Multiplier: bfdMultiplier} }

// CircuitPath is where one link of a circuit's private peering is: everything needed to find it in a plan or a report.
type CircuitPath struct {
	Path       string // PathPrimary or PathSecondary
	Node       string // edge router
	Port       string
	Domain     string
	Attachment string
	Session    string
	PolicerIn  string // from the customer; "" where nothing limits it
	PolicerOut string
	Edge       netip.Addr // the edge's address, invalid without a peering
	Customer   netip.Addr
}

// CircuitPaths are the two links of a circuit, primary first. The error says why it is on no edge router.
func CircuitPaths(f *resource.Fabric, c *resource.Circuit) ([]CircuitPath, error) {
	return circuitPaths(c, f.PairOf(c))
}

func circuitPaths(c *resource.Circuit, pair *resource.PortPair) ([]CircuitPath, error) {
	switch {
	case pair == nil && c.Direct():
		return nil, fmt.Errorf("the fabric has no direct port pair %q", c.Status.PortPair)
	case pair == nil:
		return nil, fmt.Errorf("the fabric has no port pair %q of provider %q", c.Status.PortPair, c.Provider)
	case c.Status.ServiceKey == "":
		return nil, fmt.Errorf("the circuit has no service key yet")
	}
	name := circuitName(c)
	paths := make([]CircuitPath, 2)
	for i, port := range []string{pair.Primary, pair.Secondary} {
		p := CircuitPath{
			Path: []string{PathPrimary, PathSecondary}[i], Domain: privateDomain(c), Attachment: privateDomain(c) + "/ce",
			Session: privateDomain(c) + "/ce4",
		}
		if !c.Direct() || c.RateLimit {
			p.PolicerIn, p.PolicerOut = name+"/in", name+"/out"
		}
		var ok bool
		if p.Node, p.Port, ok = resource.SplitPort(port); !ok {
			return nil, fmt.Errorf("port %q of pair %q is not \"node/port\"", port, pair.Name)
		}
		if peering := c.Peering(resource.PrivatePeering); peering != nil {
			link := []netip.Prefix{peering.Primary, peering.Secondary}[i]
			p.Edge, p.Customer = resource.Edge(link), resource.Customer(link)
		}
		paths[i] = p
	}
	return paths, nil
}

func (b *builder) circuits() {
	for _, c := range b.circuitList {
		b.crossConnection(c)
		peering := c.Peering(resource.PrivatePeering)
		if peering == nil || !c.Ready() {
			continue
		}
		if err := b.privatePeering(c, peering); err != nil {
			b.problem(&c.Meta, "%v", err)
			continue
		}
		b.compiled[c.Meta.ID.Key()] = true
	}
}

// privatePeering puts the peering on both edge routers, or on none.
func (b *builder) privatePeering(c *resource.Circuit, p *resource.Peering) error {
	paths, err := circuitPaths(c, b.pairOf(c))
	if err != nil {
		return err
	}
	if c.Status.STag == 0 && !c.Direct() { // a port with Dot1Q has none
		return fmt.Errorf("the circuit has no S-tag yet")
	}
	key, err := b.secret(p.Key)
	if err != nil {
		return fmt.Errorf("open the key of peering %s: %w", p.Type, err)
	}
	for _, at := range paths {
		if b.nodes[at.Node] == nil {
			return fmt.Errorf("the fabric has no node %q", at.Node)
		}
	}
	for i, at := range paths {
		link := []netip.Prefix{p.Primary, p.Secondary}[i]
		b.edge(c, p, at, link, key)
	}
	b.routers(c, p, paths, key)
	return nil
}

func (b *builder) secret(s resource.Sealed) (plan.Secret, error) {
	if len(s) == 0 {
		return "", nil
	}
	if b.open == nil {
		return "", fmt.Errorf("there is no keyring")
	}
	clear, err := b.open(s)
	return plan.Secret(clear), err
}

// edge puts one link on one edge router.
//
// The source check is loose: forward and return traffic of a customer may use different links and circuits, so that a strict check would
// drop good packets; loose still drops sources that no route leads to.
func (b *builder) edge(c *resource.Circuit, p *resource.Peering, at CircuitPath, link netip.Prefix, key plan.Secret) {
	n := b.nodes[at.Node]
	n.Domains = append(n.Domains, plan.Domain{Name: at.Domain, MultiPath: multiPath})
	n.Policers = append(n.Policers, circuitPolicers(c, at)...)
	n.Attachments = append(n.Attachments, plan.Attachment{
		Name: at.Attachment, Domain: at.Domain, Port: at.Port, STag: uint16(c.Status.STag), CTag: uint16(p.VLAN), MTU: accessMTU,
		Addresses: []plan.Address{{Prefix: netip.PrefixFrom(at.Edge, link.Bits())}},
		Ingress:   at.PolicerIn, Egress: at.PolicerOut, SourceCheck: plan.SourceLoose,
	})
	n.Sessions = append(n.Sessions, plan.Session{
		Name: at.Session, Attachment: at.Attachment, LocalAddr: at.Edge, PeerAddr: at.Customer, LocalAS: resource.ASN, PeerAS: p.PeerASN,
		Key: key, Enabled: p.Enabled, Keepalive: customerKeepalive, HoldTime: customerHoldTime, RestartTime: customerRestart,
		MaxPrefixes: resource.MaxPrefixes(c.Tier), IdleAfterLimit: limitPause, BFD: watched(),
		Import: plan.Import{Class: classCustomer, StripCommunities: true},
		Export: plan.Export{Classes: []string{classNetwork, classTransit}, RemoveAS: []uint32{resource.GatewayASN}},
	})
}

// policer is a circuit's bandwidth on one link in one direction. The bucket holds 5 ms of it, as the service polices in milliseconds, and
// never less than ten full packets.
func policer(name string, mbps int) plan.Policer {
	bits := uint64(mbps) * 1_000_000
	return plan.Policer{Name: name, BitsPerSecond: bits, BurstBytes: max(bits/8/200, 10*accessMTU)}
}
