package fib

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// heap is table memory without a kernel.
func heap(words uint32) *tableMemory {
	w := make([]cWord, words)
	return &tableMemory{
		lines: newLines(words),
		word:  func(i uint32) *cWord { return &w[i] },
		value: func(i uint32) *uint32 { return &(*[4]uint32)(unsafe.Pointer(&w[i/4]))[i%4] },
	}
}

type naive map[netip.Prefix]uint32

func (n naive) find(a netip.Addr) (group uint32) {
	best := -1
	for p, g := range n {
		if p.Contains(a) && p.Bits() > best {
			best, group = p.Bits(), g
		}
	}
	return group
}

func drawPrefix(t *rapid.T) netip.Prefix {
	b := [4]byte{rapid.SampledFrom([]byte{0, 10, 255}).Draw(t, "b0"), rapid.SampledFrom([]byte{0, 7, 255}).Draw(t, "b1"),
		rapid.SampledFrom([]byte{0, 3, 64, 255}).Draw(t, "b2"), rapid.Byte().Draw(t, "b3")}
	return netip.PrefixFrom(netip.AddrFrom4(b), rapid.IntRange(0, 32).Draw(t, "len")).Masked()
}

// TestTable changes a table at random and compares it with a linear search; everything is given back at the end.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := heap(1 << 15)
		var root uint32
		tab := newTable(mem, func(r uint32) { root = r })
		want := naive{}
		var known []netip.Prefix
		for range rapid.IntRange(1, 8).Draw(t, "commits") {
			for range rapid.IntRange(1, 10).Draw(t, "changes") {
				p := drawPrefix(t)
				if len(known) > 0 && rapid.Bool().Draw(t, "known") {
					p = rapid.SampledFrom(known).Draw(t, "which")
				}
				known = append(known, p)
				g := uint32(rapid.IntRange(0, 3).Draw(t, "group"))
				pr, _ := prefixOf(p)
				tab.put(pr.addr(), pr.len(), g)
				want[p] = g
				if g == 0 {
					delete(want, p)
				}
			}
			if err := tab.commit(); err != nil {
				t.Fatal(err)
			}
			for _, p := range known {
				for _, a := range borders(p) {
					if got, w := find(mem, root, a), want.find(a); got != w {
						t.Fatalf("%v: table says %d, want %d\n%v", a, got, w, want)
					}
				}
			}
			checkInherited(t, mem, tab, root)
		}
		tab.drop()
		if mem.lines.used != 0 {
			t.Fatalf("%d lines are still taken", mem.lines.used)
		}
	})
}

// checkInherited walks the memory as a later process does: it must find the same places in use.
func checkInherited(t *rapid.T, mem *tableMemory, tab *table, root uint32) {
	lines, groups := inherited(mem, root)
	used := uint32(0)
	for _, b := range lines {
		used += mem.lines.whole(b.n)
	}
	if used != mem.lines.used {
		t.Fatalf("a later process sees %d lines in use, there are %d", used, mem.lines.used)
	}
	for g := range groups {
		if g > 3 {
			t.Fatalf("a later process sees group %d", g)
		}
	}
}

func borders(p netip.Prefix) []netip.Addr {
	first := p.Addr().As4()
	v := binary.BigEndian.Uint32(first[:])
	size := uint32(1<<(32-p.Bits()) - 1)
	var out []netip.Addr
	for _, x := range []uint32{v, v - 1, v + size, v + size + 1, v + size/2} {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], x)
		out = append(out, netip.AddrFrom4(b))
	}
	return out
}

// TestTableFull: a table that does not fit says so, forwards as before, and goes on when there is room again.
func TestTableFull(t *testing.T) {
	mem := heap(2 * rootWords)
	var root uint32
	tab := newTable(mem, func(r uint32) { root = r })
	put := func(p string, g uint32) {
		pr, _ := prefixOf(netip.MustParsePrefix(p))
		tab.put(pr.addr(), pr.len(), g)
	}
	put("10.0.0.0/8", 1)
	if err := tab.commit(); err != nil {
		t.Fatal(err)
	}
	var full bool
	for i := range 2000 {
		put(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i / 8), byte(i % 8 * 32), 1}), 32).String(), 2)
		if err := tab.commit(); err != nil {
			full = true
			break
		}
	}
	if !full {
		t.Fatal("2,000 routes fit into 32 KB")
	}
	if g := find(mem, root, netip.MustParseAddr("10.1.2.3")); g != 1 {
		t.Errorf("10.1.2.3 has group %d after the table was full", g)
	}
	for i := range 2000 {
		put(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i / 8), byte(i % 8 * 32), 1}), 32).String(), 0)
	}
	put("10.1.0.0/16", 3)
	mem.lines.settle()
	if err := tab.commit(); err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]uint32{"10.1.2.3": 3, "10.2.2.3": 1, "20.0.0.1": 0} {
		if g := find(mem, root, netip.MustParseAddr(a)); g != want {
			t.Errorf("%s has group %d, want %d", a, g, want)
		}
	}
}

// TestBlocks gives and takes at random: no place is taken twice, even ones stay even, and all comes back.
func TestBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const end = 400
		b := newBlocks(2, end)
		b.even = rapid.Bool().Draw(t, "even")
		taken := map[uint32]uint32{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(taken) > 0 && rapid.Bool().Draw(t, "give") {
				bases := []uint32{}
				for base := range taken {
					bases = append(bases, base)
				}
				slices.Sort(bases)
				base := rapid.SampledFrom(bases).Draw(t, "base")
				b.give(base, taken[base])
				delete(taken, base)
				if rapid.Bool().Draw(t, "settle") {
					b.settle()
				}
				continue
			}
			n := uint32(rapid.IntRange(1, 70).Draw(t, "n"))
			base, ok := b.take(n)
			if !ok {
				continue
			}
			if b.even && n > 1 && base%2 == 1 || base < 2 || base+n > end {
				t.Fatalf("%d places at %d", n, base)
			}
			for o, m := range taken {
				if base < o+b.whole(m) && o < base+b.whole(n) {
					t.Fatalf("%d places at %d lie over %d at %d", n, base, m, o)
				}
			}
			taken[base] = n
		}
		for base, n := range taken {
			b.give(base, n)
		}
		b.settle()
		if b.used != 0 {
			t.Fatalf("%d places are lost", b.used)
		}
		if _, ok := b.take(390); !ok {
			t.Fatal("the whole is not one block again")
		}
	})
}

// TestTableFlat fills a node until it is flat and empties it again: answers are right in both forms, and on the way.
func TestTableFlat(t *testing.T) {
	mem := heap(1 << 13)
	var root uint32
	tab := newTable(mem, func(r uint32) { root = r })
	want := naive{}
	put := func(p netip.Prefix, g uint32) {
		pr, _ := prefixOf(p)
		tab.put(pr.addr(), pr.len(), g)
		want[p] = g
		if g == 0 {
			delete(want, p)
		}
		if err := tab.commit(); err != nil {
			t.Fatal(err)
		}
		for i := range 256 {
			if a := netip.AddrFrom4([4]byte{10, 0, byte(i), 1}); find(mem, root, a) != want.find(a) {
				t.Fatalf("after %v: %v has group %d, want %d", p, a, find(mem, root, a), want.find(a))
			}
		}
	}
	flat := func() bool {
		first := tab.root.kids[10<<4]
		return first.kids[0] != nil && first.kids[0].flat && *mem.value(tab.valueOf(first, 0))&entryFlat != 0
	}
	put(netip.MustParsePrefix("10.0.0.0/8"), 3)
	for i := range 64 {
		put(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24), uint32(1+i%2))
	}
	if !flat() {
		t.Error("64 runs are compressed")
	}
	put(netip.MustParsePrefix("10.0.0.0/8"), 2)
	for i := range 60 {
		put(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24), 0)
	}
	if flat() {
		t.Error("five runs are flat")
	}
}
