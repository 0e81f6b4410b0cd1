package fib

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Memory is the FIB as plain maps. It forwards packets too, by the letter of the rules and not fast: the oracle of the kernel's tests,
// and the data path of simulations. Its clock is time.Now, which a synctest bubble replaces.
type Memory struct {
	mu         sync.Mutex
	c          Config
	ports      map[string]Port
	attached   map[string]*memoryAttachment
	peers      map[string]string
	policers   map[string]*memoryPolicer
	routes     map[string]map[netip.Prefix][]Hop
	neighbours map[string]map[netip.Addr]net.HardwareAddr
	underlay   map[netip.Addr]net.HardwareAddr
	node       map[Reason]uint64 // drops of no attachment, and of those that are gone
	closed     bool
}

type memoryAttachment struct {
	Attachment
	up         bool
	mtu        int
	inPackets  uint64
	inBytes    uint64
	outPackets uint64
	outBytes   uint64
	drops      map[Reason]uint64
	icmp, punt gcra
}

type memoryPolicer struct {
	Policer
	gcra
	PolicerCounters
}

// gcra is a token bucket as the time when it is full again, in 1/64 ns.
type gcra struct{ full uint64 }

func (g *gcra) conforms(now, cost, burst uint64) bool {
	from := max(g.full, now)
	if from+cost-now > burst {
		return false
	}
	g.full = from + cost
	return true
}

func ticks() uint64 { return uint64(time.Now().UnixNano()) * tick }

// NewMemory makes an empty FIB.
func NewMemory() *Memory {
	return &Memory{
		ports: map[string]Port{}, attached: map[string]*memoryAttachment{}, peers: map[string]string{}, policers: map[string]*memoryPolicer{},
		routes: map[string]map[netip.Prefix][]Hop{}, neighbours: map[string]map[netip.Addr]net.HardwareAddr{},
		underlay: map[netip.Addr]net.HardwareAddr{}, node: map[Reason]uint64{},
	}
}

// Apply implements FIB.
func (m *Memory) Apply(c Config) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("apply forwarding configuration: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	m.c = c
	m.ports, m.peers = map[string]Port{}, map[string]string{}
	for _, p := range c.Ports {
		m.ports[p.Name] = p
	}
	for _, x := range c.Crossconnects {
		m.peers[x.A], m.peers[x.B] = x.B, x.A
	}
	m.applyAttachments()
	policers := map[string]*memoryPolicer{}
	for _, p := range c.Policers {
		policers[p.Name] = &memoryPolicer{}
		if old := m.policers[p.Name]; old != nil {
			policers[p.Name] = old
			was, _ := bucket(old.Policer)
			cost, burst := bucket(p)
			if old.Policer != p {
				old.full = rescaled(old.full, ticks(), was, cost, burst)
			}
		}
		policers[p.Name].Policer = p
	}
	m.policers = policers
	routes := map[string]map[netip.Prefix][]Hop{}
	for _, d := range c.Domains {
		routes[d] = m.routes[d]
		if routes[d] == nil {
			routes[d] = map[netip.Prefix][]Hop{}
		}
	}
	m.routes = routes
	return nil
}

func (m *Memory) applyAttachments() {
	attached := map[string]*memoryAttachment{}
	for _, a := range m.c.Attachments {
		at := m.attached[a.Name]
		if at == nil {
			at = &memoryAttachment{up: true, drops: map[Reason]uint64{}}
		}
		at.Attachment, at.mtu = a, mtuOf(a, m.c.Ports)
		attached[a.Name] = at
		if m.neighbours[a.Name] == nil {
			m.neighbours[a.Name] = map[netip.Addr]net.HardwareAddr{}
		}
	}
	for name, at := range m.attached {
		if attached[name] == nil {
			delete(m.neighbours, name)
			for r, n := range at.drops {
				m.node[r] += n
			}
		}
	}
	m.attached = attached
}

// Routes implements FIB.
func (m *Memory) Routes(domain string, cs []RouteChange) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	return m.change(domain, m.routes[domain], cs)
}

func (m *Memory) change(domain string, table map[netip.Prefix][]Hop, cs []RouteChange) error {
	if m.routes[domain] == nil {
		return fmt.Errorf("routes of domain %q: no such domain", domain)
	}
	var errs []error
	for _, c := range cs {
		if err := m.known(c); err != nil {
			errs = append(errs, err)
			continue
		}
		p := c.Prefix.Masked()
		switch {
		case !p.Addr().Is4():
		case len(c.Hops) == 0:
			delete(table, p)
		default:
			table[p] = slices.Clone(c.Hops)
		}
	}
	return errors.Join(errs...)
}

func (m *Memory) known(c RouteChange) error {
	if !c.Prefix.IsValid() {
		return fmt.Errorf("prefix %v is not valid", c.Prefix)
	}
	for _, h := range c.Hops {
		if !h.Unreachable && m.attached[h.Attachment] == nil {
			return fmt.Errorf("route %v: no attachment %q", c.Prefix, h.Attachment)
		}
	}
	return nil
}

// ReplaceRoutes implements FIB.
func (m *Memory) ReplaceRoutes(domain string, rs []RouteChange) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	table := map[netip.Prefix][]Hop{}
	err := m.change(domain, table, rs)
	if m.routes[domain] != nil {
		m.routes[domain] = table
	}
	return err
}

// SetNeighbor implements FIB.
func (m *Memory) SetNeighbor(attachment string, addr netip.Addr, mac net.HardwareAddr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	if m.attached[attachment] == nil {
		return fmt.Errorf("neighbour %v: no attachment %q", addr, attachment)
	}
	if mac == nil {
		delete(m.neighbours[attachment], addr.Unmap())
		return nil
	}
	if len(mac) != 6 {
		return fmt.Errorf("neighbour %v: MAC %v is not an Ethernet address", addr, mac)
	}
	m.neighbours[attachment][addr.Unmap()] = slices.Clone(mac)
	return nil
}

// SetUnderlayNeighbor implements FIB.
func (m *Memory) SetUnderlayNeighbor(remote netip.Addr, mac net.HardwareAddr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	if mac != nil && len(mac) != 6 {
		return fmt.Errorf("underlay neighbour %v: MAC %v is not an Ethernet address", remote, mac)
	}
	m.underlay[remote] = slices.Clone(mac)
	return nil
}

// SetAttachmentUp implements FIB.
func (m *Memory) SetAttachmentUp(attachment string, up bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	at := m.attached[attachment]
	if at == nil {
		return fmt.Errorf("attachment %q: no such attachment", attachment)
	}
	at.up = up
	return nil
}

// Counters implements FIB.
func (m *Memory) Counters() (Counters, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Counters{Attachments: map[string]AttachmentCounters{}, Policers: map[string]PolicerCounters{}, Drops: map[string]uint64{}}
	if m.closed {
		return c, fmt.Errorf("read counters: %w", errClosed)
	}
	for r, n := range m.node {
		c.Drops[r.String()] += n
	}
	for name, at := range m.attached {
		a := AttachmentCounters{InPackets: at.inPackets, InBytes: at.inBytes, OutPackets: at.outPackets, OutBytes: at.outBytes,
			Drops: map[string]uint64{}}
		for r, n := range at.drops {
			a.Drops[r.String()] = n
			c.Drops[r.String()] += n
		}
		c.Attachments[name] = a
	}
	for name, p := range m.policers {
		c.Policers[name] = p.PolicerCounters
	}
	return c, nil
}

// Lookup answers the longest prefix of a domain's table that covers an address, and its next hops.
func (m *Memory) Lookup(domain string, addr netip.Addr) (netip.Prefix, []Hop, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lookup(domain, addr)
}

// Table answers a copy of a domain's routes.
func (m *Memory) Table(domain string) map[netip.Prefix][]Hop {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.routes[domain])
}

// Mode implements FIB.
func (m *Memory) Mode() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	modes := map[string]string{}
	for name := range m.ports {
		modes[name] = "memory"
	}
	return modes
}

// Close implements FIB. The memory goes on forwarding, as a kernel would.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// Reopen answers a FIB that continues this one's state after Close, as NewKernel does with a pin directory.
func (m *Memory) Reopen() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := NewMemory()
	n.c, n.ports, n.attached, n.peers, n.policers = m.c, m.ports, m.attached, m.peers, m.policers
	n.routes, n.neighbours, n.underlay, n.node = m.routes, m.neighbours, m.underlay, m.node
	return n
}

// Remove implements FIB.
func (m *Memory) Remove() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	empty := NewMemory()
	m.c, m.ports, m.attached, m.peers, m.policers = empty.c, empty.ports, empty.attached, empty.peers, empty.policers
	m.routes, m.neighbours, m.underlay, m.node, m.closed = empty.routes, empty.neighbours, empty.underlay, empty.node, true
	return nil
}
