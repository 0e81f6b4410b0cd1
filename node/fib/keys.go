package fib

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
)

// keys is the hash table by which packets find ports, attachments and punt devices: xdp/tables.h's find, in mapped memory.
type keys struct {
	slots array[cSlot]
	at    map[uint64]uint32 // key -> index of its slot
	held  map[uint32]bool   // slots that may be used again after a grace period
}

const (
	bucketSlots = 4
	probeSlots  = 4 * bucketSlots
)

func keyPort(ifindex int) uint64 { return 1<<56 | uint64(uint32(ifindex)) }
func keyPunt(ifindex int) uint64 { return 4<<56 | uint64(uint32(ifindex)) }

func keyClass(port uint32, stag, ctag uint16) uint64 {
	return 2<<56 | uint64(port)<<32 | uint64(stag)<<16 | uint64(ctag)
}

// keyTunnel takes the remote's bytes in memory order; the zero address stands for any.
func keyTunnel(vni uint32, remote netip.Addr) uint64 {
	var b [4]byte
	if remote.IsValid() {
		b = remote.As4()
	}
	return 3<<56 | uint64(vni)<<32 | uint64(binary.NativeEndian.Uint32(b[:]))
}

// loadKeys reads what an earlier process put.
func loadKeys(slots array[cSlot]) *keys {
	k := &keys{slots: slots, at: map[uint64]uint32{}, held: map[uint32]bool{}}
	for i := range uint32(slots.n) {
		if key := slots.at(i).Key; key != 0 {
			k.at[key] = i
		}
	}
	return k
}

func (k *keys) first(key uint64) uint32 {
	buckets := uint32(k.slots.n / bucketSlots)
	return uint32(key*0x9e3779b97f4a7c15>>32) & (buckets - 1) * bucketSlots
}

// put sets a key's value: one store where the key is there, else the value first.
func (k *keys) put(key uint64, value uint32) error {
	if i, ok := k.at[key]; ok {
		set32(&k.slots.at(i).Value, value)
		return nil
	}
	first := k.first(key)
	for n := range uint32(probeSlots) {
		i := (first + n) & uint32(k.slots.n-1)
		s := k.slots.at(i)
		if s.Key != 0 || k.held[i] {
			continue
		}
		set32(&s.Value, value)
		set64(&s.Key, key)
		k.at[key] = i
		return nil
	}
	return fmt.Errorf("keys: %w: raise Options.Attachments", errFull)
}

// putAll puts every key; those that stay are there at every moment.
func (k *keys) putAll(want map[uint64]uint32) error {
	for key, v := range want {
		if err := k.put(key, v); err != nil {
			return err
		}
	}
	return nil
}

// keepOnly removes the keys that are not wanted. Their slots rest until settle: a packet may have read the key and not yet the value.
func (k *keys) keepOnly(want map[uint64]uint32) (removed bool) {
	for key, i := range maps.Clone(k.at) {
		if _, ok := want[key]; ok {
			continue
		}
		set64(&k.slots.at(i).Key, 0)
		delete(k.at, key)
		k.held[i] = true
		removed = true
	}
	return removed
}

func (k *keys) settle() { clear(k.held) }

// slotsFor is the size of the table for n attachments: a power of two, at most a third full.
func slotsFor(n uint32) uint32 {
	return 1 << bits.Len32(max(n, 16)*12-1)
}
