package fib

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// kind is what a name names; each kind counts its ids from 1.
type kind byte

const (
	kindPort       kind = 'p'
	kindAttachment kind = 'a'
	kindDomain     kind = 'd'
	kindPolicer    kind = 'l'
	kindUnderlay   kind = 'u'
)

// names gives names dense ids and keeps them in a pinned map, so that a later process continues with the same.
type names struct {
	table *ebpf.Map
	ids   map[kind]*blocks
	known map[kind]map[nameKey]uint32
}

type nameKey [16]byte

func keyOf(k kind, name string) nameKey {
	sum := sha256.Sum256(append([]byte{byte(k)}, name...))
	return nameKey(sum[:16])
}

// loadNames reads the pinned names. limits are the ids of each kind, exclusive.
func loadNames(table *ebpf.Map, limits map[kind]uint32) (*names, error) {
	n := &names{table: table, ids: map[kind]*blocks{}, known: map[kind]map[nameKey]uint32{}}
	taken := map[kind][]block{}
	var key nameKey
	var rec cName
	it := table.Iterate()
	for it.Next(&key, &rec) {
		k := kind(rec.Kind)
		if n.known[k] == nil {
			n.known[k] = map[nameKey]uint32{}
		}
		n.known[k][key] = rec.ID
		taken[k] = append(taken[k], block{rec.ID, 1})
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	for k, end := range limits {
		n.ids[k] = newBlocks(1, end)
		n.ids[k].reserve(1, taken[k])
		if n.known[k] == nil {
			n.known[k] = map[nameKey]uint32{}
		}
	}
	return n, nil
}

// id answers the id of a name, 0 if it has none.
func (n *names) id(k kind, name string) uint32 { return n.known[k][keyOf(k, name)] }

// give answers the id of a name, a new one if it has none.
func (n *names) give(k kind, name string) (id uint32, fresh bool, err error) {
	key := keyOf(k, name)
	if id, ok := n.known[k][key]; ok {
		return id, false, nil
	}
	id, ok := n.ids[k].take(1)
	if !ok {
		return 0, false, fmt.Errorf("name %q: %w: raise the size in Options", name, errFull)
	}
	rec := cName{ID: id, Kind: uint32(k)}
	copy(rec.Text[:], name)
	if err := n.table.Put(key, rec); err != nil {
		n.ids[k].give(id, 1)
		return 0, false, fmt.Errorf("keep name %q: %w", name, err)
	}
	n.known[k][key] = id
	return id, true, nil
}

// forget frees the names of a kind that keep does not hold, and answers their ids. The ids are given again only after settle.
func (n *names) forget(k kind, keep map[string]bool) ([]uint32, error) {
	kept := make(map[nameKey]bool, len(keep))
	for name := range keep {
		kept[keyOf(k, name)] = true
	}
	var gone []uint32
	var errs []error
	for key, id := range n.known[k] {
		if kept[key] {
			continue
		}
		if err := n.table.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			errs = append(errs, fmt.Errorf("forget name: %w", err))
			continue
		}
		delete(n.known[k], key)
		n.ids[k].give(id, 1)
		gone = append(gone, id)
	}
	return gone, errors.Join(errs...)
}

func (n *names) settle() {
	for _, b := range n.ids {
		b.settle()
	}
}
