package fib

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// array is a BPF array mapped into this process: the data path sees a store at once. What must change together is one aligned word of
// at most eight bytes, stored with set32 or set64.
type array[T any] struct {
	mem  []byte
	size uintptr // of an element in the kernel, a multiple of eight
	n    int
}

func mapArray[T any](m *ebpf.Map) (array[T], error) {
	size := (uintptr(m.ValueSize()) + 7) &^ 7
	n := int(m.MaxEntries())
	page := unix.Getpagesize()
	length := (n*int(size) + page - 1) &^ (page - 1)
	mem, err := unix.Mmap(m.FD(), 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return array[T]{}, fmt.Errorf("map memory of %v: %w", m, err)
	}
	return array[T]{mem: mem, size: size, n: n}, nil
}

func (a array[T]) at(i uint32) *T {
	off := uintptr(i) * a.size
	return (*T)(unsafe.Pointer(&a.mem[off : off+a.size][0]))
}

func (a array[T]) close() error {
	if a.mem == nil {
		return nil
	}
	return unix.Munmap(a.mem)
}

// word answers the i-th 32-bit word of the array's memory.
func (a array[T]) word(i uint32) *uint32 {
	off := uintptr(i) * 4
	return (*uint32)(unsafe.Pointer(&a.mem[off : off+4][0]))
}

func set32(p *uint32, v uint32) { atomic.StoreUint32(p, v) }
func set64(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// store writes v into the shared element word by word, each word whole. T's size is a multiple of eight.
func store[T any](to *T, v T) {
	n := unsafe.Sizeof(v) / 8
	dst := unsafe.Slice((*uint64)(unsafe.Pointer(to)), n)
	src := unsafe.Slice((*uint64)(unsafe.Pointer(&v)), n)
	for i := range dst {
		if atomic.LoadUint64(&dst[i]) != src[i] {
			atomic.StoreUint64(&dst[i], src[i])
		}
	}
}

// macUp is a MAC and its flag in one word, as the data path reads it; nil is unresolved.
func macUp(m []byte) uint64 {
	if len(m) != 6 {
		return 0
	}
	b := [8]byte{m[0], m[1], m[2], m[3], m[4], m[5], 1, 1}
	return *(*uint64)(unsafe.Pointer(&b))
}

// grace waits until no packet is in flight that saw what was there before the call: membarrier's global command is an RCU grace period.
// Kernels with nohz_full refuse it; there, replacing a map in a map waits for the same.
func grace() error {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	if _, _, e := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); e == 0 {
		return nil
	}
	return graceByMap()
}

func graceByMap() error {
	inner := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	outer, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: inner})
	if err != nil {
		return fmt.Errorf("wait for packets in flight: %w", err)
	}
	defer outer.Close()
	m, err := ebpf.NewMap(inner)
	if err != nil {
		return fmt.Errorf("wait for packets in flight: %w", err)
	}
	defer m.Close()
	if err := outer.Put(uint32(0), m); err != nil {
		return fmt.Errorf("wait for packets in flight: %w", err)
	}
	return nil
}

// ktime is bpf_ktime_get_ns in ticks.
func ktime() (uint64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, fmt.Errorf("read the monotonic clock: %w", err)
	}
	return uint64(ts.Nano()) * tick, nil
}
