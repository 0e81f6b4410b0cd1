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
//	root (4096 values, 12 bits) -> word, values (6 bits) -> word, values (6) -> word, values (6) -> word, values (2)
//
// A changed node is written anew and hung in with one store of its parent's value, so that a packet sees the old node or the new one,
// never a mixture. Where only values change, and no borders, they are stored in place; so are the root's.
type table struct {
	mem  *tableMemory
	root *node
	set  func(root uint32) // publishes a new root
	out  []func()          // gives places back once nothing points to them
}

// tableMemory is what all tables of a node share. Places are lines of two words (32 bytes); nodes of more than one line begin at an even
// one, a cache line.
type tableMemory struct {
	lines *blocks
	word  func(i uint32) *cWord
	value func(i uint32) *uint32 // of the same memory, four a word
}

const (
	lineWords  = 2
	lineValues = 4 * lineWords
	rootWords  = 1 << rootBits / 4
	rootLines  = rootWords / lineWords
	firstLine  = 2 // before it: nothing, what index 0 means
)

func newLines(words uint32) *blocks {
	b := newBlocks(firstLine, words/lineWords)
	b.even = true
	return b
}

// level is the place of a node: its prefixes have lengths in (from, from+width].
type level struct{ from, width uint8 }

var levels = [...]level{{0, 12}, {12, 6}, {18, 6}, {24, 6}, {30, 2}}

type node struct {
	depth   int
	routes  map[uint32]uint32 // length inside the node << 16 | first slot -> group
	kids    map[uint32]*node  // by slot
	touched []uint32          // slots of kids to be written
	gone    []*node           // kids to be freed once no entry points to them
	dirty   bool              // slots must be painted again
	stale   bool              // something below must be written
	word    uint32            // where it stands; 0: nowhere yet
	lines   uint32            // how much
	flat    bool              // as many values as slots
	dflt    uint32
}

func newNode(depth int) *node { return &node{depth: depth, dirty: true, stale: true} }

// fresh reports whether the node was just made, so that its parent does not know it yet.
func (n *node) fresh() bool { return n.word == 0 }

// words is the number of words before the values: one, and none in the root.
func (n *node) words() uint32 { return wordsAt(n.depth) }

func wordsAt(depth int) uint32 {
	if depth == 0 {
		return 0
	}
	return 1
}

// entry is what the parent's slot says.
func (n *node) entry() uint32 {
	if n.flat {
		return entryChild | entryFlat | n.word
	}
	return entryChild | n.word
}

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
			set32(t.mem.value(t.valueOf(n, slot)), kid.entry())
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
		slots[slot] = kid.entry()
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
	if n.depth > 0 {
		set32(&t.mem.word(n.word).Dflt, dflt)
	}
}

// valueOf is where the value of a slot stands.
func (t *table) valueOf(n *node, slot uint32) uint32 {
	if n.depth == 0 {
		return n.word*4 + slot
	}
	w := t.mem.word(n.word)
	return w.Base + uint32(bits.OnesCount64(w.Bits<<(63-slot))) - 1
}

// build writes the node's slots: in place where the borders are the same, else elsewhere.
func (t *table) build(n *node, slots []uint32) (moved bool, err error) {
	borders, values, flat := uint64(0), slots, false
	if n.depth > 0 {
		borders, values, flat = compress(slots)
	}
	if n.word != 0 && (n.depth == 0 || t.mem.word(n.word).Bits == borders) {
		at := n.word*4 + n.words()*4
		for i, v := range values {
			if p := t.mem.value(at + uint32(i)); *p != v {
				set32(p, v)
			}
		}
		return false, nil
	}
	lines := (n.words()*4 + uint32(len(values)) + lineValues - 1) / lineValues
	line, ok := t.mem.lines.take(lines)
	if !ok {
		return false, fmt.Errorf("routes: %w: raise Options.Routes", errFull)
	}
	word := line * lineWords
	at := word*4 + n.words()*4
	for i, v := range values {
		*t.mem.value(at + uint32(i)) = v
	}
	if n.depth > 0 {
		*t.mem.word(word) = cWord{Bits: borders, Base: at, Dflt: n.dflt}
	}
	t.release(n)
	n.word, n.lines, n.flat = word, lines, flat
	return true, nil
}

// flatFrom is how many slots a run must have on average for a node to be worth compressing: others are flat, which packets read faster.
const flatFrom = 4

// compress makes runs of equal neighbours, and a bit where each begins. In a flat node each slot is a run.
func compress(slots []uint32) (borders uint64, runs []uint32, flat bool) {
	for i, v := range slots {
		if i == 0 || v != slots[i-1] {
			borders |= 1 << i
			runs = append(runs, v)
		}
	}
	if len(runs)*flatFrom > len(slots) {
		return 1<<len(slots) - 1, slots, true
	}
	return borders, runs, false
}

// release gives a node's place back when the commit is through: until then its parent may point to it.
func (t *table) release(n *node) {
	if n.word == 0 {
		return
	}
	line, lines := n.word/lineWords, n.lines
	t.out = append(t.out, func() { t.mem.lines.give(line, lines) })
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

// inherited lists the places and the groups of a table that an earlier process wrote.
func inherited(mem *tableMemory, root uint32) (lines []block, groups map[uint32]bool) {
	groups = map[uint32]bool{}
	var walk func(word uint32, depth int)
	walk = func(word uint32, depth int) {
		words, values := wordsAt(depth), uint32(1)<<rootBits
		if depth > 0 {
			w := mem.word(word)
			groups[w.Dflt] = true
			values = uint32(bits.OnesCount64(w.Bits))
		}
		at := word*4 + words*4
		lines = append(lines, block{word / lineWords, (words*4 + values + lineValues - 1) / lineValues})
		for i := range values {
			if v := *mem.value(at + i); v&entryChild != 0 {
				walk(v&entryNode, depth+1)
			} else {
				groups[v] = true
			}
		}
	}
	walk(root, 0)
	delete(groups, 0)
	return lines, groups
}

// find is xdp/lookup.h's lookup in Go.
func find(mem *tableMemory, root uint32, addr netip.Addr) (group uint32) {
	if root == 0 {
		return 0
	}
	b := addr.As4()
	a := binary.BigEndian.Uint32(b[:])
	best, v := uint32(0), *mem.value(root*4 + a>>(32-rootBits))
	for _, l := range levels[1:] {
		if v&entryChild == 0 {
			break
		}
		slot := a << l.from >> (32 - l.width)
		w := mem.word(v & entryNode)
		if w.Dflt != 0 {
			best = w.Dflt
		}
		v = *mem.value(w.Base + uint32(bits.OnesCount64(w.Bits<<(63-slot))) - 1)
	}
	if v == 0 {
		return best
	}
	return v
}
