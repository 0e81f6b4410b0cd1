package store

import (
	"fmt"
	"testing"

	"onramp/resource"
)

// BenchmarkUpdate compares Update (read, decode, change, encode, compare and swap) with a bare etcd put of the same document, on one
// server, in turns, so that both see the same disk.
func BenchmarkUpdate(b *testing.B) {
	s := openEmbedded(b, b.TempDir(), NewKeyring())
	defer s.Close()
	c := circuit("c1")
	if err := s.Create(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	raw, err := encodeObject(c)
	if err != nil {
		b.Fatal(err)
	}
	client := s.(*documents).kv.(*etcd).client
	update := func(b *testing.B) {
		_, err := s.Update(b.Context(), c.Meta.ID, func(o resource.Object) error {
			o.(*resource.Circuit).BandwidthMbps++
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	put := func(b *testing.B) {
		if _, err := client.Put(b.Context(), "/bench/raw", string(raw)); err != nil {
			b.Fatal(err)
		}
	}
	for _, f := range []struct {
		name string
		run  func(*testing.B)
	}{{"put", put}, {"update", update}, {"put", put}, {"update", update}} {
		b.Run(f.name, func(b *testing.B) {
			for range b.N {
				f.run(b)
			}
		})
	}
}

// BenchmarkSnapshot reads a thousand circuits.
func BenchmarkSnapshot(b *testing.B) {
	s := openEmbedded(b, b.TempDir(), NewKeyring())
	defer s.Close()
	for i := range 1000 {
		if err := s.Create(b.Context(), circuit(fmt.Sprint("c", i))); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for range b.N {
		if _, err := s.Snapshot(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
