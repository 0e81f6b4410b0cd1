package fib

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Time in policers is in 1/64 ns, and a byte's cost has 16 more bits, so that rates up to 100 Gbps are exact to a millionth.
const (
	tick     = 64
	costBits = 16
)

// minBurst is two full frames: a bucket that cannot hold a frame passes nothing.
const minBurst = 2 * 1514

// bucket answers a policer's cost a byte and its depth in time. A burst of 0 is 5 ms at the rate.
func bucket(p Policer) (cost, burst uint64) {
	hi, lo := bits.Mul64(8*1_000_000_000*tick, 1<<costBits)
	cost, _ = bits.Div64(hi, lo, p.BitsPerSecond)
	bytes := p.BurstBytes
	if bytes == 0 {
		bytes = p.BitsPerSecond / 8 / 200
	}
	bytes = max(bytes, minBurst)
	hi, lo = bits.Mul64(bytes, cost)
	return cost, hi<<(64-costBits) | lo>>costBits
}

// ahead is the bytes a CPU may take from a bucket at once: 1/64 of its depth, and nothing where that is less than a full frame, so that
// shallow buckets stay exact.
func ahead(p Policer) uint64 {
	bytes := p.BurstBytes
	if bytes == 0 {
		bytes = p.BitsPerSecond / 8 / 200
	}
	if bytes/64 < 1514 {
		return 0
	}
	return min(bytes/64, 1<<16)
}

// rescaled is a bucket's state after its rate changed from old to cost: it lacks as many bytes as before, and at most all.
func rescaled(full, now, old, cost, burst uint64) uint64 {
	if full <= now || old == 0 {
		return full
	}
	hi, lo := bits.Mul64(full-now, cost)
	if hi >= old {
		return now + burst
	}
	lack, _ := bits.Div64(hi, lo, old)
	return now + min(lack, burst)
}

// flowSeed makes nodes choose differently among equal paths.
func flowSeed(vtep netip.Addr) uint32 {
	if !vtep.Is4() {
		return 0
	}
	b := vtep.As4()
	return binary.BigEndian.Uint32(b[:])
}
