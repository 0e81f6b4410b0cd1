package fib

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// errIPv6 marks IPv6 routes, which are passed over: the data path punts IPv6 sessions, and counts the rest as ipv6_unsupported.
var errIPv6 = errors.New("IPv6 is not forwarded")

// domainState is a domain's routes and the table made of them.
type domainState struct {
	id     uint32
	table  *table
	routes map[prefix]uint32 // group
	locals map[prefix]uint32 // own addresses; they win
	old    *oldTable         // forwards until ReplaceRoutes
}

// oldTable is what an earlier process left.
type oldTable struct {
	lines  []block
	groups map[uint32]bool
}

// prefix is an IPv4 prefix: address << 8 | length.
type prefix uint64

func prefixOf(p netip.Prefix) (prefix, error) {
	if !p.IsValid() {
		return 0, fmt.Errorf("prefix %v is not valid", p)
	}
	p = p.Masked()
	if !p.Addr().Is4() {
		return 0, fmt.Errorf("prefix %v: %w", p, errIPv6)
	}
	b := p.Addr().As4()
	return prefix(binary.BigEndian.Uint32(b[:]))<<8 | prefix(p.Bits()), nil
}

func (p prefix) addr() uint32 { return uint32(p >> 8) }
func (p prefix) len() uint8   { return uint8(p) }

// effective is the group the table has for a prefix.
func (d *domainState) effective(p prefix) uint32 {
	if g := d.locals[p]; g != 0 {
		return g
	}
	return d.routes[p]
}

func (k *Kernel) newTable(id uint32) *table {
	return newTable(k.memory, func(root uint32) { set32(&k.domains.at(id).Root, root) })
}

// addDomain makes a domain, or takes over what an earlier process left of it.
func (k *Kernel) addDomain(name string) error {
	if k.tables[name] != nil {
		return nil
	}
	id, fresh, err := k.names.give(kindDomain, name)
	if err != nil {
		return fmt.Errorf("domain: %w", err)
	}
	d := &domainState{id: id, routes: map[prefix]uint32{}, locals: map[prefix]uint32{}}
	d.table = k.newTable(id)
	if fresh {
		set32(&k.domains.at(id).Root, 0)
	}
	if root := k.domains.at(id).Root; root != 0 {
		d.old = &oldTable{}
		d.old.lines, d.old.groups = inherited(k.memory, root)
	}
	k.tables[name] = d
	return nil
}

// resumeTables takes the places of all tables that forward now.
func (k *Kernel) resumeTables() {
	var lines []block
	used := map[uint32]uint32{}
	for _, id := range k.names.known[kindDomain] {
		root := k.domains.at(id).Root
		if root == 0 {
			continue
		}
		l, g := inherited(k.memory, root)
		lines = append(lines, l...)
		for id := range g {
			used[id]++
		}
	}
	k.memory.lines.reserve(firstLine, lines)
	k.paths.recover(used)
}

// dropDomain removes a domain and its routes.
func (k *Kernel) dropDomain(name string) {
	d := k.tables[name]
	delete(k.tables, name)
	set32(&k.domains.at(d.id).Root, 0)
	k.dropOld(d)
	d.table.drop()
	for _, g := range d.routes {
		k.paths.release(g)
	}
	for _, g := range d.locals {
		k.paths.release(g)
	}
}

func (k *Kernel) dropOld(d *domainState) {
	if d.old == nil {
		return
	}
	for _, b := range d.old.lines {
		k.memory.lines.give(b.base, b.n)
	}
	for g := range d.old.groups {
		k.paths.release(g)
	}
	d.old = nil
}

// Routes implements FIB.
func (k *Kernel) Routes(domain string, cs []RouteChange) error {
	if k.isClosed() {
		return errClosed
	}
	d := k.tables[domain]
	if d == nil {
		return fmt.Errorf("routes of domain %q: no such domain", domain)
	}
	var errs []error
	var free []uint32
	for _, c := range cs {
		p, g, err := k.routeOf(c)
		if errors.Is(err, errIPv6) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if old := d.routes[p]; old != 0 {
			free = append(free, old)
		}
		if g == 0 {
			delete(d.routes, p)
		} else {
			d.routes[p] = g
		}
		d.table.put(p.addr(), p.len(), d.effective(p))
	}
	if d.old == nil {
		errs = append(errs, k.commit(d.table))
	}
	for _, g := range free {
		k.paths.release(g)
	}
	return errors.Join(append(errs, k.settle(false))...)
}

// routeOf answers a change's prefix and its group, counted once; 0 removes.
func (k *Kernel) routeOf(c RouteChange) (prefix, uint32, error) {
	p, err := prefixOf(c.Prefix)
	if err != nil || len(c.Hops) == 0 {
		return p, 0, err
	}
	if g, ok := k.paths.again(c.Hops); ok {
		return p, g, nil
	}
	kind, hops := uint32(groupUnreachable), []neighbour(nil)
	for _, h := range liveHops(c.Hops) {
		a := k.byName[h.Attachment]
		if a == nil {
			return 0, 0, fmt.Errorf("route %v: no attachment %q", c.Prefix, h.Attachment)
		}
		kind, hops = groupForward, append(hops, neighbour{a.id, h.Addr})
	}
	g, err := k.paths.groupOf(kind, hops)
	if err != nil {
		return 0, 0, fmt.Errorf("route %v: %w", c.Prefix, err)
	}
	k.paths.remember(c.Hops, g)
	return p, g, nil
}

// liveHops are a route's next hops as both twins order them, without the unreachable and those over the limit.
func liveHops(hops []Hop) []Hop {
	live := make([]Hop, 0, len(hops))
	for _, h := range hops {
		if !h.Unreachable {
			live = append(live, h)
		}
	}
	slices.SortFunc(live, func(a, b Hop) int {
		return cmp.Or(cmp.Compare(a.Attachment, b.Attachment), a.Addr.Compare(b.Addr))
	})
	live = slices.Compact(live)
	return live[:min(len(live), groupHops)]
}

// ReplaceRoutes implements FIB. The new table is built beside the old one; packets see one or the other, by one store.
func (k *Kernel) ReplaceRoutes(domain string, rs []RouteChange) error {
	if k.isClosed() {
		return errClosed
	}
	d := k.tables[domain]
	if d == nil {
		return fmt.Errorf("routes of domain %q: no such domain", domain)
	}
	var errs []error
	routes := make(map[prefix]uint32, len(rs))
	for _, r := range rs {
		p, g, err := k.routeOf(r)
		if errors.Is(err, errIPv6) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		k.paths.release(routes[p]) // a prefix given twice: the last counts
		delete(routes, p)
		if g != 0 {
			routes[p] = g
		}
	}
	if err := k.replace(d, routes); err != nil {
		for _, g := range routes {
			k.paths.release(g)
		}
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, k.settle(false))...)
}

func (k *Kernel) replace(d *domainState, routes map[prefix]uint32) error {
	t := k.newTable(d.id)
	for p, g := range routes {
		t.put(p.addr(), p.len(), g)
	}
	for p, g := range d.locals {
		t.put(p.addr(), p.len(), g)
	}
	if err := k.commit(t); err != nil {
		t.drop()
		return err
	}
	k.dropOld(d)
	d.table.drop()
	for _, g := range d.routes {
		k.paths.release(g)
	}
	d.table, d.routes = t, routes
	return nil
}

// commit writes a table; when places are short, it waits for those that packets in flight may still read.
func (k *Kernel) commit(t *table) error {
	err := t.commit()
	if err == nil || !errors.Is(err, errFull) {
		return err
	}
	if err := k.settle(true); err != nil {
		return err
	}
	return t.commit()
}

// settle frees what waits in limbo, after a grace period; unless forced, only when much waits.
func (k *Kernel) settle(force bool) error {
	l := k.memory.lines
	much := l.held > l.end/4 || k.paths.groupIDs.held > k.paths.groupIDs.end/4 ||
		k.paths.adjIDs.held > k.paths.adjIDs.end/4
	if !force && !much {
		return nil
	}
	if err := grace(); err != nil {
		return err
	}
	l.settle()
	k.keys.settle()
	k.paths.groupIDs.settle()
	k.paths.adjIDs.settle()
	k.names.settle()
	return nil
}
