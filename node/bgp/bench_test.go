package bgp

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	gobgp "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// benchBodies are UPDATE bodies of n prefixes each; every second one has new attributes, so that the shortcut for equal ones counts half.
func benchBodies(n int) [][]byte {
	var out [][]byte
	for i := range 64 {
		a := &Attrs{ASPath: []Segment{{ASNs: []uint32{65001, 3356, uint32(174 + i/2)}}}, MED: 10, HasMED: true, Communities: []uint32{12076<<16 | 51004, 65001<<16 | 1}}
		var prefixes []netip.Prefix
		for j := range n {
			prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i), byte(j >> 6), byte(j << 2)}), 30))
		}
		b := (&encoder{fourByte: true}).appendReach(nil, IPv4Unicast, addr("169.254.77.2"), a, prefixes)
		out = append(out, b[headerLen:be16(b[16:])])
	}
	return out
}

// BenchmarkDecode compares this package's decoder with gobgp's, with and without its validation, in one run. Read ns/route.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 4, 10, 400} {
		bodies := benchBodies(n)
		perRoute := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/route")
			b.ReportAllocs()
		}
		b.Run(fmt.Sprintf("own/%d", n), func(b *testing.B) {
			d := external()
			for i := range b.N {
				if us, note := d.decode(bodies[i%len(bodies)]); note != nil || len(us[0].Reach) != n {
					b.Fatal(note)
				}
			}
			perRoute(b)
		})
		b.Run(fmt.Sprintf("gobgp/%d", n), func(b *testing.B) {
			for i := range b.N {
				h := &gobgp.BGPHeader{Type: gobgp.BGP_MSG_UPDATE, Len: uint16(headerLen + len(bodies[i%len(bodies)]))}
				m, err := gobgp.ParseBGPBody(h, bodies[i%len(bodies)])
				if err != nil || len(m.Body.(*gobgp.BGPUpdate).NLRI) != n {
					b.Fatal(err)
				}
			}
			perRoute(b)
		})
		b.Run(fmt.Sprintf("gobgp-validated/%d", n), func(b *testing.B) {
			for i := range b.N {
				if _, err := (oracle{bodies[i%len(bodies)], true}).parse(); err != nil {
					b.Fatal(err)
				}
			}
			perRoute(b)
		})
	}
}

// BenchmarkEncode packs 4,000 prefixes of 40 attribute sets, as a customer's table has them.
func BenchmarkEncode(b *testing.B) {
	var items []item
	var lists [][]gobgp.PathNLRI
	var attrs [][]gobgp.PathAttributeInterface
	for i := range 40 {
		a := &Attrs{ASPath: []Segment{{ASNs: []uint32{12076, uint32(i + 1)}}}, Communities: []uint32{12076<<16 | 51004}}
		var list []gobgp.PathNLRI
		for j := range 100 {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(j), 0}), 24)
			items = append(items, item{p, a, addr("169.254.77.1")})
			n, _ := gobgp.NewIPAddrPrefix(p)
			list = append(list, gobgp.PathNLRI{NLRI: n})
		}
		hop, _ := gobgp.NewPathAttributeNextHop(addr("169.254.77.1"))
		attrs = append(attrs, []gobgp.PathAttributeInterface{gobgp.NewPathAttributeOrigin(0),
			gobgp.NewPathAttributeAsPath([]gobgp.AsPathParamInterface{gobgp.NewAs4PathParam(2, []uint32{12076, uint32(i + 1)})}),
			hop, gobgp.NewPathAttributeCommunities([]uint32{12076<<16 | 51004})})
		lists = append(lists, list)
	}
	perRoute := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(items)), "ns/route")
	}
	b.Run("own", func(b *testing.B) {
		e := &encoder{fourByte: true}
		var buf []byte
		for range b.N {
			buf = buf[:0]
			for _, g := range groups(items) {
				if g.attrs != nil {
					buf = e.appendReach(buf, g.family, g.hop, g.attrs, g.prefixes)
				}
			}
		}
		perRoute(b)
	})
	b.Run("gobgp", func(b *testing.B) {
		for range b.N {
			for i, list := range lists {
				if _, err := gobgp.NewBGPUpdateMessage(nil, attrs[i], list).Serialize(); err != nil {
					b.Fatal(err)
				}
			}
		}
		perRoute(b)
	})
}

// BenchmarkSession loads a session over loopback TCP with 100,000 routes, 10 to an UPDATE, from the first byte to the handler's last.
func BenchmarkSession(b *testing.B) {
	const routes = 100000
	var load []byte
	for i := range routes / 10 {
		a := &Attrs{ASPath: []Segment{{ASNs: []uint32{65001, uint32(1 + i/4)}}}}
		var prefixes []netip.Prefix
		for j := range 10 {
			n := i*10 + j
			prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(n >> 16), byte(n >> 8), byte(n)}), 32))
		}
		load = (&encoder{fourByte: true}).appendReach(load, IPv4Unicast, addr("169.254.77.2"), a, prefixes)
	}
	load = appendEndOfRIB(load, IPv4Unicast)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for range b.N {
		c := testConfig()
		c.Passive = true
		h := &countingHandler{up: make(chan struct{}), done: make(chan struct{})}
		s := NewSession(c, nil, h, testRand())
		stop := run(s)
		there, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		here, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		s.Accept(here)
		_, _ = there.Write(append(encodeOpen(peerOpen()), encodeKeepalive()...))
		<-h.up
		b.StartTimer()
		_, _ = there.Write(load)
		<-h.done
		b.StopTimer()
		if h.count != routes {
			b.Fatalf("%d routes", h.count)
		}
		stop()
		_ = there.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*routes), "ns/route")
}

type countingHandler struct {
	count    int
	up, done chan struct{}
}

func (h *countingHandler) Up(Peer) { close(h.up) }
func (h *countingHandler) Update(u Update) {
	h.count += len(u.Reach)
	if u.EndOfRIB {
		close(h.done)
	}
}
func (h *countingHandler) Refresh(Family) {}
func (h *countingHandler) Down(Down)      {}
