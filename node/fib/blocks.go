package fib

import (
	"errors"
	"slices"
)

// errFull is wrapped with what is full and the option that raises it.
var errFull = errors.New("table full")

// blocks gives out runs of consecutive indexes of an array. What is freed may still be read by packets in flight, so that it waits in
// limbo until settle, which the owner calls after a grace period.
type blocks struct {
	next, end uint32
	free      map[uint32][]uint32 // by length
	limbo     []block
	held      uint32 // indexes in limbo
	used      uint32
	even      bool // blocks of more than one are even in length and place
}

type block struct{ base, n uint32 }

func newBlocks(first, end uint32) *blocks {
	return &blocks{next: first, end: end, free: map[uint32][]uint32{}}
}

// whole is the length a block of n takes.
func (b *blocks) whole(n uint32) uint32 {
	if b.even && n > 1 {
		return (n + 1) &^ 1
	}
	return n
}

// keep puts a free block away, cut so that places stay even.
func (b *blocks) keep(base, n uint32) {
	if b.even && n > 1 {
		if base&1 == 1 {
			b.free[1] = append(b.free[1], base)
			base, n = base+1, n-1
		}
		if n > 1 && n&1 == 1 {
			b.free[1] = append(b.free[1], base+n-1)
			n--
		}
	}
	if n > 0 {
		b.free[n] = append(b.free[n], base)
	}
}

// take answers n consecutive indexes, or false when there are none.
func (b *blocks) take(n uint32) (uint32, bool) {
	if n == 0 {
		return 0, true
	}
	n = b.whole(n)
	base, ok := b.find(n)
	if !ok {
		b.join()
		base, ok = b.find(n)
	}
	if ok {
		b.used += n
	}
	return base, ok
}

// find looks for a free block of the length, then for room that was never used, then for the smallest block that may be cut.
func (b *blocks) find(n uint32) (uint32, bool) {
	if base, ok := b.pop(n); ok {
		return base, true
	}
	size := n
	if b.even {
		size = (n + 1) &^ 1
	}
	if b.end-b.next >= size {
		base := b.next
		b.next += size
		b.keep(base+n, size-n)
		return base, true
	}
	return b.split(n)
}

func (b *blocks) pop(n uint32) (uint32, bool) {
	l := b.free[n]
	if len(l) == 0 {
		return 0, false
	}
	base := l[len(l)-1]
	if len(l) == 1 {
		delete(b.free, n)
	} else {
		b.free[n] = l[:len(l)-1]
	}
	return base, true
}

func (b *blocks) split(n uint32) (uint32, bool) {
	best := uint32(0)
	for size := range b.free {
		if size >= n && (best == 0 || size < best) {
			best = size
		}
	}
	if best == 0 {
		return 0, false
	}
	base, _ := b.pop(best)
	b.keep(base+n, best-n)
	return base, true
}

// join makes neighbouring free blocks one, and the last of them room that was never used.
func (b *blocks) join() {
	var all []block
	for n, bases := range b.free {
		for _, base := range bases {
			all = append(all, block{base, n})
		}
	}
	clear(b.free)
	slices.SortFunc(all, func(x, y block) int { return int(x.base) - int(y.base) })
	for i := 0; i < len(all); {
		cur := all[i]
		for i++; i < len(all) && all[i].base == cur.base+cur.n; i++ {
			cur.n += all[i].n
		}
		if cur.base+cur.n == b.next {
			b.next = cur.base
			if b.even && b.next&1 == 1 {
				b.keep(b.next, 1)
				b.next++
			}
			continue
		}
		b.keep(cur.base, cur.n)
	}
}

// give frees a block into limbo.
func (b *blocks) give(base, n uint32) {
	if n == 0 {
		return
	}
	n = b.whole(n)
	b.limbo = append(b.limbo, block{base, n})
	b.held += n
	b.used -= n
}

// settle makes what was in limbo free.
func (b *blocks) settle() {
	for _, l := range b.limbo {
		b.keep(l.base, l.n)
	}
	b.limbo, b.held = b.limbo[:0], 0
}

// reserve starts over with exactly these blocks in use.
func (b *blocks) reserve(first uint32, taken []block) {
	slices.SortFunc(taken, func(x, y block) int { return int(x.base) - int(y.base) })
	clear(b.free)
	b.limbo, b.held, b.used = nil, 0, 0
	at := first
	for _, t := range taken {
		t.n = b.whole(t.n)
		if t.base > at {
			b.keep(at, t.base-at)
		}
		at = max(at, t.base+t.n)
		b.used += t.n
	}
	if b.even && at&1 == 1 {
		b.keep(at, 1)
		at++
	}
	b.next = at
}
