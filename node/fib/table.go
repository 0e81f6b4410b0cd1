package fib

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
)

// A table is one domain's longest-prefix-match structure as xdp/lookup.h reads it, with the prefixes it was made of.
//
//	root (64 words, 12 bits) -> 1 word (6 bits) -> 1 word (6 bits) -> 4 words (8 bits)
//
// A changed node is written anew and hung in with one store of its parent's entry (the root: of the domain), so that a packet sees
// the old node or the new one, never a mixture. Where only values change, and no borders, they are stored in place.
type table struct {
	mem  *tableMemory
	root *node
	set  func(root uint32) // publishes a new root
	out  []func()          // gives places back once nothing points to them
}

// tableMemory is what all tables of a node share.
type tableMemory struct {
	words   *blocks
	entries *blocks
	word    func(i uint32) *cWord
	entry   func(i uint32) *uint32
}

// level is the place of a node: its prefixes have lengths in (from, from+width].
type level struct{ from, width uint8 }

var levels = [...]level{{0, 12}, {12, 6}, {18, 6}, {24, 8}}

type node struct {
	depth   int
	routes  map[uint32]uint32 // length inside the node << 16 | first slot -> group
	kids    map[uint32]*node  // by slot
	touched []uint32          // slots of kids to be written
	gone    []*node           // kids to be freed once no entry points to them
	dirty   bool              // slots must be painted again
	stale   bool              // something below must be written
	word    uint32            // where it stands; 0: nowhere yet
	entry   uint32
	runs    uint32
	dflt    uint32
}

func newNode(depth int) *node { return &node{depth: depth, dirty: true, stale: true} }

// fresh reports whether the node was just made, so that its parent does not know it yet.
func (n *node) fresh() bool { return n.word == 0 }

func (n *node) words() uint32 { return 1 << (levels[n.depth].width - 6) }

func newTable(mem *tableMemory, set func(uint32)) *table {
	return &table{mem: mem, root: newNode(0), set: set}
}

// put sets the group of a prefix, 0 removes it. It takes effect with commit. addr is in host order.
func (t *table) put(addr uint32, length uint8, group uint32) {
	n := t.root
	for {
		n.stale = true
		l := levels[n.depth]
		slot := addr << l.from >> (32 - l.width)
		if length <= l.from+l.width {
			inside := length - l.from
			slot &^= 1<<(l.width-inside) - 1
			n.set(uint32(inside)<<16|slot, group)
			return
		}
		kid := n.kids[slot]
		if kid == nil {
			if group == 0 {
				return
			}
			if n.kids == nil {
				n.kids = map[uint32]*node{}
			}
			kid = newNode(n.depth + 1)
			n.kids[slot] = kid
			n.dirty = true
		}
		if !kid.stale || kid.fresh() {
			n.touched = append(n.touched, slot)
		}
		n = kid
	}
}

func (n *node) set(key, group uint32) {
	if n.routes[key] == group {
		return
	}
	n.dirty = true
	if group == 0 {
		delete(n.routes, key)
		return
	}
	if n.routes == nil {
		n.routes = map[uint32]uint32{}
	}
	n.routes[key] = group
}

// commit writes what changed, from the leaves up.
func (t *table) commit() error {
	if !t.root.stale {
		return nil
	}
	moved, err := t.write(t.root, 0)
	if err != nil {
		return err
	}
	if moved {
		t.set(t.root.word)
	}
	for _, give := range t.out {
		give()
	}
	t.out = nil
	return nil
}

// write makes the node as its prefixes say, and answers whether it stands elsewhere now.
func (t *table) write(n *node, dflt uint32) (moved bool, err error) {
	touched := n.touched
	n.touched = nil
	for _, slot := range touched {
		if kid := n.kids[slot]; kid != nil && kid.empty() {
			delete(n.kids, slot)
			n.gone = append(n.gone, kid)
			n.dirty = true
		}
	}
	t.setDefault(n, dflt)
	if n.dirty {
		return t.rewrite(n)
	}
	for _, slot := range touched {
		kid := n.kids[slot]
		if kid == nil || !kid.stale {
			continue
		}
		moved, err := t.write(kid, kid.dflt)
		if err != nil {
			n.touched = touched
			return false, err
		}
		if moved {
			set32(t.mem.entry(t.entryOf(n, slot)), entryChild|kid.word)
		}
	}
	n.stale = false
	return false, nil
}

// rewrite paints the slots again. A kid's default is what its slot would be without it.
func (t *table) rewrite(n *node) (moved bool, err error) {
	slots := n.paint()
	for slot, kid := range n.kids {
		if kid.stale {
			_, err = t.write(kid, slots[slot])
		} else {
			t.setDefault(kid, slots[slot])
		}
		if err != nil {
			return false, err
		}
		slots[slot] = entryChild | kid.word
	}
	moved, err = t.build(n, slots)
	if err != nil {
		return false, err
	}
	n.dirty, n.stale = false, false
	for _, kid := range n.gone {
		t.free(kid)
	}
	n.gone = nil
	return moved, nil
}

// empty reports whether nothing is left in the node, looking below where something changed.
func (n *node) empty() bool {
	if len(n.routes) > 0 {
		return false
	}
	for _, kid := range n.kids {
		if !kid.stale || !kid.empty() {
			return false
		}
	}
	return true
}

// paint answers the value of each slot by the node's own prefixes, shorter ones first.
func (n *node) paint() []uint32 {
	width := levels[n.depth].width
	slots := make([]uint32, 1<<width)
	keys := make([]uint32, 0, len(n.routes))
	for k := range n.routes {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		first, size := k&0xffff, uint32(1)<<(uint32(width)-k>>16)
		for i := first; i < first+size; i++ {
			slots[i] = n.routes[k]
		}
	}
	return slots
}

func (t *table) setDefault(n *node, dflt uint32) {
	if n.dflt == dflt {
		return
	}
	n.dflt = dflt
	if n.word == 0 {
		return
	}
	for i := range n.words() {
		set32(&t.mem.word(n.word+i).Dflt, dflt)
	}
}

// entryOf is where the value of a slot stands.
func (t *table) entryOf(n *node, slot uint32) uint32 {
	w := t.mem.word(n.word + slot>>6)
	return w.Base + uint32(bits.OnesCount64(w.Bits<<(63-slot&63))) - 1
}

// build writes the node's slots: in place where the borders are the same, else elsewhere.
func (t *table) build(n *node, slots []uint32) (moved bool, err error) {
	words, runs := compress(slots)
	if n.word != 0 && t.sameBorders(n, words) {
		for i, v := range runs {
			set32(t.mem.entry(n.entry+uint32(i)), v)
		}
		return false, nil
	}
	word, ok := t.mem.words.take(n.words())
	if !ok {
		return false, fmt.Errorf("routes: nodes: %w: raise Options.Routes", errFull)
	}
	entry, ok := t.mem.entries.take(uint32(len(runs)))
	if !ok {
		t.mem.words.give(word, n.words())
		return false, fmt.Errorf("routes: entries: %w: raise Options.Routes", errFull)
	}
	for i, v := range runs {
		*t.mem.entry(entry + uint32(i)) = v
	}
	for i, w := range words {
		*t.mem.word(word + uint32(i)) = cWord{Bits: w.Bits, Base: entry + w.Base, Dflt: n.dflt}
	}
	t.release(n)
	n.word, n.entry, n.runs = word, entry, uint32(len(runs))
	return true, nil
}

func (t *table) sameBorders(n *node, words []cWord) bool {
	for i, w := range words {
		if t.mem.word(n.word+uint32(i)).Bits != w.Bits {
			return false
		}
	}
	return true
}

// compress makes runs of equal neighbours; each word begins a run of its own.
func compress(slots []uint32) (words []cWord, runs []uint32) {
	words = make([]cWord, len(slots)/64)
	for i, v := range slots {
		w := &words[i/64]
		if i%64 == 0 {
			w.Base = uint32(len(runs))
		}
		if i%64 == 0 || v != slots[i-1] {
			w.Bits |= 1 << (i % 64)
			runs = append(runs, v)
		}
	}
	return words, runs
}

// release gives a node's place back when the commit is through: until then its parent may point to it.
func (t *table) release(n *node) {
	if n.word == 0 {
		return
	}
	word, words, entry, runs := n.word, n.words(), n.entry, n.runs
	t.out = append(t.out, func() {
		t.mem.words.give(word, words)
		t.mem.entries.give(entry, runs)
	})
	n.word = 0
}

// drop gives the whole table back; no domain points to it any more.
func (t *table) drop() {
	t.free(t.root)
	for _, give := range t.out {
		give()
	}
	t.out = nil
}

// free gives back all places of a subtree.
func (t *table) free(n *node) {
	for _, kid := range n.kids {
		t.free(kid)
	}
	t.release(n)
}

// inherited lists the blocks and the groups of a table that an earlier process wrote.
func inherited(mem *tableMemory, root uint32) (words, entries []block, groups map[uint32]bool) {
	groups = map[uint32]bool{}
	var walk func(word uint32, depth int)
	walk = func(word uint32, depth int) {
		n := uint32(1) << (levels[depth].width - 6)
		words = append(words, block{word, n})
		runs := uint32(0)
		for i := range n {
			w := mem.word(word + i)
			groups[w.Dflt] = true
			runs += uint32(bits.OnesCount64(w.Bits))
		}
		base := mem.word(word).Base
		entries = append(entries, block{base, runs})
		for i := range runs {
			if e := *mem.entry(base + i); e&entryChild != 0 {
				walk(e&^entryChild, depth+1)
			} else {
				groups[e] = true
			}
		}
	}
	walk(root, 0)
	delete(groups, 0)
	return words, entries, groups
}

// lookupWords is xdp/lookup.h's lookup in Go.
func lookupWords(mem *tableMemory, root uint32, addr netip.Addr) (group uint32) {
	b := addr.As4()
	a := binary.BigEndian.Uint32(b[:])
	at, best := root, uint32(0)
	for _, l := range levels {
		slot := a << l.from >> (32 - l.width)
		w := mem.word(at + slot>>6)
		if w.Bits == 0 {
			return best
		}
		if w.Dflt != 0 {
			best = w.Dflt
		}
		e := *mem.entry(w.Base + uint32(bits.OnesCount64(w.Bits<<(63-slot&63))) - 1)
		if e&entryChild == 0 {
			if e != 0 {
				return e
			}
			return best
		}
		at = e &^ entryChild
	}
	return best
}
