package fib

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// String is the reason's label.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason_%d", uint8(r))
}

// Reasons are all reasons a packet may be dropped for.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasonNames)-1)
	for r := 1; r < len(reasonNames); r++ {
		all = append(all, Reason(r))
	}
	return all
}

// Counters implements FIB.
func (k *Kernel) Counters() (Counters, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := Counters{Attachments: map[string]AttachmentCounters{}, Policers: map[string]PolicerCounters{}, Drops: map[string]uint64{}}
	if k.view.closed {
		return c, fmt.Errorf("read counters: %w", errClosed)
	}
	addDrops(c.Drops, *k.retired.at(0))
	node, err := k.countsOf(0)
	if err != nil {
		return c, err
	}
	addDrops(c.Drops, node)
	for name, id := range k.view.attachments {
		n, err := k.countsOf(id)
		if err != nil {
			return c, fmt.Errorf("attachment %q: %w", name, err)
		}
		a := AttachmentCounters{InPackets: n.InPackets, InBytes: n.InBytes, OutPackets: n.OutPackets, OutBytes: n.OutBytes,
			Drops: map[string]uint64{}}
		addDrops(a.Drops, n)
		addDrops(c.Drops, n)
		c.Attachments[name] = a
	}
	for name, id := range k.view.policers {
		var per []cPoliced
		if err := k.objs.Policed.Lookup(id, &per); err != nil {
			return c, fmt.Errorf("read counters of policer %q: %w", name, err)
		}
		c.Policers[name] = sumPoliced(per)
	}
	return c, nil
}

func addDrops(to map[string]uint64, c cCount) {
	for r := 1; r < len(reasonNames); r++ {
		if n := c.Drops[r]; n > 0 {
			to[reasonNames[r]] += n
		}
	}
}

func sumPoliced(per []cPoliced) PolicerCounters {
	var p PolicerCounters
	for _, c := range per {
		p.PassedPackets += c.PassedPackets
		p.PassedBytes += c.PassedBytes
		p.DroppedPackets += c.DroppedPackets
		p.DroppedBytes += c.DroppedBytes
	}
	return p
}

// countsOf adds an attachment's counters of all CPUs.
func (k *Kernel) countsOf(id uint32) (cCount, error) {
	var per []cCount
	if err := k.objs.Counts.Lookup(id, &per); err != nil {
		return cCount{}, fmt.Errorf("read counters: %w", err)
	}
	var sum cCount
	for _, c := range per {
		sum.InPackets += c.InPackets
		sum.InBytes += c.InBytes
		sum.OutPackets += c.OutPackets
		sum.OutBytes += c.OutBytes
		for r, n := range c.Drops {
			sum.Drops[r] += n
		}
	}
	return sum, nil
}

// retire keeps the drops of an attachment that goes, so that the node's totals never shrink.
func (k *Kernel) retire(id uint32) error {
	n, err := k.countsOf(id)
	if err != nil {
		return err
	}
	for r, d := range n.Drops {
		k.retired.at(0).Drops[r] += d
	}
	return nil
}

// TagSeen is a combination of tags that reached a port and belongs to no attachment.
type TagSeen struct {
	Port       string
	STag, CTag uint16
	Packets    uint64
}

// UnknownTags answers the tags that were dropped as unknown, the most recent 256: "31 seen, 30 expected".
func (k *Kernel) UnknownTags() ([]TagSeen, error) {
	names := map[uint32]string{}
	for name, p := range k.ports {
		names[uint32(p.Ifindex)] = name
	}
	var seen []TagSeen
	var key cClassKey
	var n uint64
	it := k.objs.Strangers.Iterate()
	for it.Next(&key, &n) {
		if name, ok := names[key.Ifindex]; ok {
			seen = append(seen, TagSeen{name, key.Stag, key.Ctag, n})
		}
	}
	if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return nil, fmt.Errorf("read unknown tags: %w", err)
	}
	return seen, nil
}
