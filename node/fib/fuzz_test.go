package fib

import (
	"testing"
)

// FuzzForward gives the memory twin any frame on any port: it must not panic, must answer with a reason or a frame, and what it makes of
// IPv4 must have a right checksum.
func FuzzForward(f *testing.F) {
	ports := []string{"p0", "p1", "p2", "underlay"}
	number := map[string]byte{"p0": 0, "p1": 1, "p2": 2, "underlay": 3}
	for _, c := range reasonCases() {
		if n, ok := number[c.port]; ok {
			f.Add(n, c.frame)
		}
	}
	f.Fuzz(func(t *testing.T, port byte, data []byte) {
		m := NewMemory()
		fill(t, m, config(numbered(testDevices)))
		out, why := m.Forward(ports[int(port)%len(ports)], data)
		if why == ReasonNone && len(out) != 1 {
			t.Fatalf("neither dropped nor sent: %d outputs", len(out))
		}
		if len(out) > 1 {
			t.Fatalf("%d outputs of one frame", len(out))
		}
		for _, o := range out {
			if o.Port == "underlay" && !o.Kernel && onesSum(o.Frame[14:34]) != 0xffff {
				t.Fatalf("outer checksum is wrong: %x", o.Frame)
			}
		}
	})
}
