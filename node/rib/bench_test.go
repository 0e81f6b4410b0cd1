package rib

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"testing"

	"onramp/node/bgp"
)

// updates are n IPv4 prefixes of one peer, four to a set of attributes.
func updates(s *Source, n int) []bgp.Update {
	var out []bgp.Update
	for i := 0; i < n; i += 4 {
		u := bgp.Update{Family: bgp.IPv4Unicast, NextHop: s.PeerAddr, Attrs: attrs(s.PeerAS, uint32(i), 3356)}
		for j := i; j < i+4; j++ {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], uint32(0x0a000000+j*256))
			u.Reach = append(u.Reach, netip.PrefixFrom(netip.AddrFrom4(a), 24))
		}
		out = append(out, u)
	}
	return out
}

// cpu is the processor time of this process in nanoseconds, collector included: it means the same on a busy machine.
func cpu() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkTable learns 400,000 routes of each peer, hands out the changes, and announces them to one more peer.
func BenchmarkTable(b *testing.B) {
	const routes = 400_000
	for _, peers := range []int{1, 2} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			var sources []*Neighbor
			var all [][]bgp.Update
			for i := range peers {
				s := source(fmt.Sprint("s", i), fmt.Sprintf("1.1.1.%d", i+1), fmt.Sprintf("10.0.0.%d", i+1), uint32(65001+i))
				sources = append(sources, &Neighbor{Source: s, LocalAS: 12076, PeerAS: s.PeerAS, Import: Import{Class: "c"}})
				all = append(all, updates(s, routes))
			}
			to := &Neighbor{Source: source("to", "2.2.2.2", "10.9.9.9", 64999), LocalAS: 12076, PeerAS: 64999, Export: Export{Classes: []string{"c"}}}
			before := heap()
			var tab *Table
			var out *AdjOut
			began := cpu()
			b.ResetTimer()
			for range b.N {
				tab, out = NewTable(1), NewAdjOut(to, func(bgp.Family) bool { return true })
				for i, n := range sources {
					for _, u := range all[i] {
						p, yes, _ := n.Receive(u)
						tab.Learn(p, yes...)
						if len(tab.v4.dirty) >= 1024 {
							cs := tab.Changes(1024)
							out.Withdraw(cs)
							out.Reach(cs)
						}
					}
				}
				cs := tab.Changes(0)
				out.Reach(cs)
			}
			b.StopTimer()
			b.ReportMetric(float64(cpu()-began)/float64(b.N*routes*peers), "cpu-ns/route")
			b.ReportMetric(float64(heap()-before)/float64(routes), "B/prefix")
			runtime.KeepAlive(tab)
			runtime.KeepAlive(out)
			runtime.KeepAlive(all)
		})
	}
}

// BenchmarkLearnOnly is the table without export: what a domain of one peer costs.
func BenchmarkLearnOnly(b *testing.B) {
	const routes = 400_000
	n := &Neighbor{Source: source("s", "1.1.1.1", "10.0.0.1", 65001), LocalAS: 12076, PeerAS: 65001}
	us := updates(n.Source, routes)
	before := heap()
	var tab *Table
	began := cpu()
	b.ResetTimer()
	for range b.N {
		tab = NewTable(1)
		for _, u := range us {
			p, yes, _ := n.Receive(u)
			tab.Learn(p, yes...)
		}
		tab.Changes(0)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu()-began)/float64(b.N*routes), "cpu-ns/route")
	b.ReportMetric(float64(heap()-before)/float64(routes), "B/prefix")
	runtime.KeepAlive(tab)
	runtime.KeepAlive(us)
}
