package fib

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
)

// applied is one Apply under way: the new names' ids and the keyed tables as they shall be.
type applied struct {
	k        *Kernel
	c        Config
	ports    map[string]uint32 // slot in tx
	policers map[string]uint32
	peers    map[string]string // crossconnects, both ways

	keys    map[uint64]uint32
	locals6 map[cLocal6Key]uint32
	spots   map[spot]bool
}

// Apply implements FIB. Order: what others point to, then what points to it; then programs; then removals in the reverse order.
func (k *Kernel) Apply(c Config) error {
	if k.isClosed() {
		return errClosed
	}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("apply forwarding configuration: %w", err)
	}
	a := &applied{
		k: k, c: c, ports: map[string]uint32{}, policers: map[string]uint32{}, peers: map[string]string{},
		keys: map[uint64]uint32{}, locals6: map[cLocal6Key]uint32{}, spots: map[spot]bool{},
	}
	for _, x := range c.Crossconnects {
		a.peers[x.A], a.peers[x.B] = x.B, x.A
	}
	for _, step := range []func() error{a.addPolicers, a.addPorts, a.addUnderlays, a.addDomains, a.addAttachments,
		a.addLocals, a.open, a.attach, a.remove} {
		if err := step(); err != nil {
			return fmt.Errorf("apply forwarding configuration: %w", err)
		}
	}
	return nil
}

func (a *applied) addPolicers() error {
	for _, p := range a.c.Policers {
		id, fresh, err := a.k.names.give(kindPolicer, p.Name)
		if err != nil {
			return fmt.Errorf("policer: %w", err)
		}
		if fresh {
			store(a.k.policers.at(id), cPolicer{})
			if err := a.k.objs.Policed.Put(id, make([]cPoliced, ebpf.MustPossibleCPU())); err != nil {
				return fmt.Errorf("policer %q: clear counters: %w", p.Name, err)
			}
		}
		rec := a.k.policers.at(id)
		cost, burst := bucket(p)
		if rec.Cost != cost || rec.Burst != burst {
			now, err := ktime()
			if err != nil {
				return fmt.Errorf("policer %q: %w", p.Name, err)
			}
			set64(&rec.Full, rescaled(rec.Full, now, rec.Cost, cost, burst))
		}
		set64(&rec.Cost, cost)
		set64(&rec.Burst, burst)
		set64(&rec.Ahead, ahead(p))
		a.policers[p.Name] = id
	}
	return nil
}

// addPorts gives ports their slots to leave by.
func (a *applied) addPorts() error {
	for _, p := range a.c.Ports {
		id, _, err := a.k.names.give(kindPort, p.Name)
		if err != nil {
			return fmt.Errorf("port: %w", err)
		}
		a.ports[p.Name] = id
		store(a.k.portTable.at(id), a.portRecord(p))
		var now uint32
		if err := a.k.objs.Tx.Lookup(id, &now); err == nil && now == uint32(p.Ifindex) {
			continue
		}
		if err := a.k.objs.Tx.Put(id, uint32(p.Ifindex)); err != nil {
			return fmt.Errorf("port %q: interface %d: %w", p.Name, p.Ifindex, err)
		}
	}
	a.k.ports = map[string]Port{}
	for _, p := range a.c.Ports {
		a.k.ports[p.Name] = p
	}
	return nil
}

func (a *applied) portRecord(p Port) cPort {
	rec := cPort{Tpid: [2]byte{0x81, 0}, Seed: flowSeed(a.c.VTEP)}
	if t := p.OuterEtherType; t != 0 {
		rec.Tpid = [2]byte{byte(t >> 8), byte(t)}
	}
	if p.Underlay {
		rec.Flags |= portUnderlay
		if a.c.VTEP.IsValid() {
			rec.Vtep = a.c.VTEP.As4()
		}
	}
	return rec
}

func (a *applied) addUnderlays() error {
	for _, at := range a.c.Attachments {
		if at.VNI == 0 {
			continue
		}
		id, fresh, err := a.k.names.give(kindUnderlay, at.Remote.String())
		if err != nil {
			return fmt.Errorf("underlay: %w", err)
		}
		if fresh {
			store(a.k.underlays.at(id), cUnderlay{})
		}
		a.k.vtep = a.c.VTEP
		if m, ok := a.k.underlay[at.Remote]; ok {
			a.k.setUnderlay(id, at.Remote, m)
		}
	}
	return nil
}

func (a *applied) addDomains() error {
	for _, name := range a.c.Domains {
		if err := a.k.addDomain(name); err != nil {
			return err
		}
	}
	return nil
}

// addAttachments gives ids first, because crossconnects point both ways.
func (a *applied) addAttachments() error {
	for _, at := range a.c.Attachments {
		id, fresh, err := a.k.names.give(kindAttachment, at.Name)
		if err != nil {
			return fmt.Errorf("attachment: %w", err)
		}
		if fresh {
			if err := a.k.clearAttachment(id); err != nil {
				return fmt.Errorf("attachment %q: %w", at.Name, err)
			}
			set32(&a.k.attachments.at(id).Up, 1)
		}
		a.k.byName[at.Name] = &attachmentState{id: id, cfg: at}
	}
	for _, at := range a.c.Attachments {
		id := a.k.byName[at.Name].id
		rec := a.record(at)
		rec.Up = a.k.attachments.at(id).Up
		store(a.k.attachments.at(id), rec)
		a.collect(at, id)
	}
	return nil
}

func (k *Kernel) clearAttachment(id uint32) error {
	store(k.attachments.at(id), cAttachment{})
	return errors.Join(
		k.objs.Counts.Put(id, make([]cCount, ebpf.MustPossibleCPU())),
		k.objs.Limits.Put(id, [4]uint64{}),
	)
}

func (a *applied) record(at Attachment) cAttachment {
	rec := cAttachment{
		Stag: at.STag, Ctag: at.CTag, Tpid: [2]byte{0x81, 0}, Mtu: uint16(mtuOf(at, a.c.Ports)),
		Port: a.ports[at.Port], Punt: uint32(at.PuntIfindex), Vni: at.VNI,
		Ingress: a.policers[at.Ingress], Egress: a.policers[at.Egress],
	}
	copy(rec.Mac[:], at.MAC)
	if t := a.k.ports[at.Port].OuterEtherType; t != 0 {
		rec.Tpid = [2]byte{byte(t >> 8), byte(t)}
	}
	if at.VNI != 0 {
		rec.Flags |= attTunnel
		rec.Underlay = a.k.names.id(kindUnderlay, at.Remote.String())
	}
	if peer := a.peers[at.Name]; peer != "" {
		rec.Flags |= attCrossconnect
		rec.Peer = a.k.byName[peer].id
	} else {
		rec.Domain = a.k.tables[at.Domain].id
	}
	if at.AnyCTag {
		rec.Flags |= attAnyCTag
	}
	switch at.SourceCheck {
	case SourceLoose:
		rec.Flags |= attLoose
	case SourceStrict:
		rec.Flags |= attStrict
	}
	if addr := icmpSource(at); addr.IsValid() {
		rec.Address = addr.As4()
	}
	return rec
}

// vxlanOverhead is what the underlay carries more than an inner packet.
const vxlanOverhead = 14 + 20 + 8 + 8

// mtuOf is the L3 bytes an attachment carries: its own MTU, as far as its port, or the underlay's, carries it. A frame over the port's
// MTU would be refused by the driver, where nobody counts it.
func mtuOf(at Attachment, ports []Port) int {
	mtu := at.MTU
	if mtu == 0 {
		mtu = 1500
	}
	for _, p := range ports {
		switch {
		case p.MTU == 0:
		case at.VNI != 0 && p.Underlay:
			mtu = min(mtu, p.MTU-vxlanOverhead)
		case at.VNI == 0 && p.Name == at.Port:
			mtu = min(mtu, p.MTU)
		}
	}
	return max(0, min(mtu, 0xffff))
}

// icmpSource is the first own IPv4 address, which errors come from.
func icmpSource(at Attachment) netip.Addr {
	for _, l := range at.Locals {
		if l.Is4() {
			return l
		}
	}
	return netip.Addr{}
}

// collect gathers what leads to the attachment.
func (a *applied) collect(at Attachment, id uint32) {
	switch {
	case at.VNI != 0:
		a.keys[keyTunnel(at.VNI, at.Remote)] = id
		a.keys[keyTunnel(at.VNI, netip.Addr{})] = id
	default:
		ctag := at.CTag
		if at.AnyCTag {
			ctag = tagAny
		}
		a.keys[keyClass(a.ports[at.Port], at.STag, ctag)] = id
		if at.STag != 0 {
			a.keys[keyClass(a.ports[at.Port], at.STag, tagExists)] = id
		}
	}
	if at.PuntIfindex != 0 {
		a.keys[keyPunt(at.PuntIfindex)] = id
		a.spots[spot{rolePunt, at.PuntIfindex}] = true
	}
	if at.KernelIfindex != 0 {
		a.spots[spot{roleKernel, at.KernelIfindex}] = true
	}
	for _, l := range at.Locals {
		if l.Is6() && at.Domain != "" {
			a.locals6[cLocal6Key{Domain: a.k.tables[at.Domain].id, Addr: l.As16()}] = id
		}
	}
}

// addLocals makes own addresses routes to the node itself.
func (a *applied) addLocals() error {
	want := map[string]map[prefix]uint32{}
	for _, at := range a.c.Attachments {
		for _, l := range at.Locals {
			if at.Domain == "" || !l.Is4() {
				continue
			}
			if want[at.Domain] == nil {
				want[at.Domain] = map[prefix]uint32{}
			}
			p, _ := prefixOf(netip.PrefixFrom(l, 32))
			want[at.Domain][p] = a.k.byName[at.Name].id
		}
	}
	for _, name := range a.c.Domains {
		if err := a.k.setLocals(a.k.tables[name], want[name]); err != nil {
			return fmt.Errorf("own addresses of domain %q: %w", name, err)
		}
	}
	return nil
}

func (k *Kernel) setLocals(d *domainState, want map[prefix]uint32) error {
	old := d.locals
	d.locals = map[prefix]uint32{}
	for p, id := range want {
		g, err := k.paths.groupOf(groupLocal, []neighbour{{attachment: id}})
		if err != nil {
			return err
		}
		d.locals[p] = g
		d.table.put(p.addr(), p.len(), g)
	}
	for p := range old {
		if d.locals[p] == 0 {
			d.table.put(p.addr(), p.len(), d.routes[p])
		}
	}
	var err error
	if d.old == nil {
		err = k.commit(d.table)
	}
	for _, g := range old {
		k.paths.release(g)
	}
	return err
}

// open lets traffic in: keys last, because they lead to all the rest.
func (a *applied) open() error {
	for _, p := range a.c.Ports {
		a.keys[keyPort(p.Ifindex)] = a.ports[p.Name]
		a.spots[spot{rolePort, p.Ifindex}] = true
	}
	return errors.Join(putAll(a.k.objs.Locals6, a.locals6), a.k.keys.putAll(a.keys))
}

func (a *applied) attach() error {
	for _, r := range []role{roleKernel, rolePunt, rolePort} {
		for s := range a.spots {
			if s.role != r {
				continue
			}
			if err := a.k.links.attach(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove takes away what the configuration has no more: programs, keys, then what the keys led to.
func (a *applied) remove() error {
	k := a.k
	errs := []error{k.links.keep(a.spots), keepOnly(k.objs.Locals6, a.locals6)}
	removed := k.keys.keepOnly(a.keys)
	keep := map[kind]map[string]bool{kindPort: {}, kindAttachment: {}, kindDomain: {}, kindPolicer: {}, kindUnderlay: {}}
	for _, p := range a.c.Ports {
		keep[kindPort][p.Name] = true
	}
	for _, at := range a.c.Attachments {
		keep[kindAttachment][at.Name] = true
		if at.VNI != 0 {
			keep[kindUnderlay][at.Remote.String()] = true
		}
	}
	for _, d := range a.c.Domains {
		keep[kindDomain][d] = true
	}
	for _, p := range a.c.Policers {
		keep[kindPolicer][p.Name] = true
	}
	k.mu.Lock() // Counters shall see an attachment's drops in one place, its own or the node's
	defer k.mu.Unlock()
	a.publish()
	return errors.Join(append(errs, k.forget(keep, removed))...)
}

// publish lets Counters see the new names. The caller holds k.mu.
func (a *applied) publish() {
	v := view{attachments: map[string]uint32{}, policers: a.policers, closed: a.k.view.closed}
	for _, at := range a.c.Attachments {
		v.attachments[at.Name] = a.k.byName[at.Name].id
	}
	a.k.view = v
}

// forget frees what keep does not hold; some says that something else was removed already. Ids are used again only when no packet in flight has them.
func (k *Kernel) forget(keep map[kind]map[string]bool, some bool) error {
	for name := range k.tables {
		if !keep[kindDomain][name] {
			k.dropDomain(name)
		}
	}
	for name := range k.byName {
		if !keep[kindAttachment][name] {
			delete(k.byName, name)
		}
	}
	for remote := range k.underlay {
		if !keep[kindUnderlay][remote.String()] {
			delete(k.underlay, remote)
		}
	}
	var errs []error
	for _, kd := range []kind{kindDomain, kindAttachment, kindUnderlay, kindPolicer, kindPort} {
		ids, err := k.names.forget(kd, keep[kd])
		errs = append(errs, err)
		for _, id := range ids {
			some = true
			errs = append(errs, k.bury(kd, id))
		}
	}
	if some {
		errs = append(errs, k.settle(true))
	}
	return errors.Join(errs...)
}

// bury clears what a forgotten id named.
func (k *Kernel) bury(kd kind, id uint32) error {
	switch kd {
	case kindDomain:
		if root := k.domains.at(id).Root; root != 0 { // an earlier process's, never taken over
			d := &domainState{id: id, old: &oldTable{}}
			d.old.lines, d.old.groups = inherited(k.memory, root)
			set32(&k.domains.at(id).Root, 0)
			k.dropOld(d)
		}
	case kindAttachment:
		set32(&k.attachments.at(id).Up, 0)
		if err := k.dropHosts(id); err != nil {
			return err
		}
		k.paths.forget(id)
		return k.retire(id)
	case kindUnderlay:
		store(k.underlays.at(id), cUnderlay{})
	case kindPort:
		if err := k.objs.Tx.Delete(id); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("free port slot %d: %w", id, err)
		}
	}
	return nil
}

// putAll puts every entry; keys that stay keep being there at every moment.
func putAll[K comparable, V any](m *ebpf.Map, want map[K]V) error {
	for key, v := range want {
		if err := m.Put(key, v); err != nil {
			return fmt.Errorf("put into %v: %w", m, err)
		}
	}
	return nil
}

// keepOnly deletes every entry whose key is not in want.
func keepOnly[K comparable, V any](m *ebpf.Map, want map[K]V) error {
	var key K
	var v V
	var gone []K
	it := m.Iterate()
	for it.Next(&key, &v) {
		if _, ok := want[key]; !ok {
			gone = append(gone, key)
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read %v: %w", m, err)
	}
	for _, key := range gone {
		if err := m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("delete from %v: %w", m, err)
		}
	}
	return nil
}
