package arm

import (
	"fmt"
	"testing"
)

// BenchmarkFront measures whole requests over TLS on a memory store, one client at a time.
func BenchmarkFront(b *testing.B) {
	w := newWorld(b)
	c, _ := w.provisioned()
	w.linked(c)
	for _, x := range []struct{ name, method, path, body string }{
		{"get", "GET", er1, ""}, {"list", "GET", net1 + "/expressRouteCircuits", ""}, {"tags", "PATCH", er1, `{"tags":{"a":"b"}}`},
		{"group", "PUT", rg1, groupBody},
	} {
		b.Run(x.name, func(b *testing.B) {
			for b.Loop() {
				c.must(x.method, x.path, x.body, 200)
			}
		})
	}
	b.Run("order", func(b *testing.B) {
		n := 0
		for b.Loop() {
			path := fmt.Sprintf("%s/publicIPAddresses/p%d", net1, n%200)
			n++
			c.settle("PUT", path, `{"location":"westus2","sku":{"name":"Standard"},"properties":{}}`)
		}
	})
}
