package fib

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// ending is how a frame ends.
type ending int

const (
	dropped ending = iota
	delivered
	answered // an echo reply made in the data path
	punted
	passed // to the kernel, from the underlay
)

// shot is one frame with its fate.
type shot struct {
	kind         string
	edge, tenant int
	ifindex      int
	punt         bool // sent by the kernel on a punt device
	random       bool // damaged at random: only the laws hold, no certain fate
	data         []byte

	end ending
	at  int    // the book it is entered in
	why Reason // dropped
	to  int    // delivered: the book it leaves by
	ip  []byte // delivered: the packet as it was sent
}

// nowhere is where a frame is headed that carries no header of a customer's or a tunnel's: a punt device.
const nowhere = -1

// where reads a frame that leaves: by its tags or its VNI it belongs to a tenant, whose router or gateway its addresses must name.
func (e *edge) where(out []byte) (book int, inner []byte, err error) {
	if len(out) < 14 {
		return 0, nil, errors.New("less than a frame")
	}
	if [6]byte(out[6:]) == [6]byte(macFab) {
		return e.whereTunnel(out)
	}
	switch be16at(out, 12) {
	case 0x8100:
	default:
		return nowhere, out[14:], nil
	}
	if be16at(out, 16) != 0x8100 {
		return 0, nil, errors.New("one tag")
	}
	for i := range tenants {
		t := tenantOf(i)
		if be16at(out, 14) != t.stag || be16at(out, 18) != t.ctag {
			continue
		}
		return i, out[22:], nil
	}
	return 0, nil, fmt.Errorf("tags %d, %d are nobody's", be16at(out, 14), be16at(out, 18))
}

func (e *edge) whereTunnel(out []byte) (book int, inner []byte, err error) {
	if len(out) < 64 || be16at(out, 12) != 0x0800 || out[14] != 0x45 || out[23] != 17 || be16at(out, 36) != 4789 || out[42] != 8 ||
		internetSum(out[14:34]) != 0xffff || int(be16at(out, 16)) != len(out)-14 || int(be16at(out, 38)) != len(out)-34 {
		return 0, nil, errors.New("bad outer headers")
	}
	vni := int(binary.BigEndian.Uint32(out[46:]) >> 8)
	i := vni - 5000
	if i < 0 || i >= tenants {
		return 0, nil, fmt.Errorf("VNI %d is nobody's", vni)
	}
	t := tenantOf(i)
	from, to := netip.AddrFrom4([4]byte(out[26:])), netip.AddrFrom4([4]byte(out[30:]))
	if from != e.vtep || to != t.gateway || [6]byte(out) != [6]byte(gatewayMAC(t.gateway)) {
		return 0, nil, fmt.Errorf("VNI %d from %v to %v, whose gateway is %v", vni, from, to, t.gateway)
	}
	return tenants + i, out[64:], nil
}

// internetSum is RFC 1071's sum, written again so that the oracle does not share the twin's.
func internetSum(b []byte) uint16 {
	var sum uint64
	for ; len(b) > 1; b = b[2:] {
		sum += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// judge holds a frame's fate to what was known before.
func (e *edge) judge(s *shot, ret uint32, out []byte, v *verdicts) error {
	if s.at != nodeBook && s.why != ReasonInnerTagged && !s.punt {
		e.want[s.at].InPackets++
	}
	if s.end == punted && ret == xdpDrop { // too many in a second: counted so
		s.end, s.why = dropped, ReasonPuntLimited
	}
	switch s.end {
	case dropped:
		v.dropped++
		e.want[s.at].Drops[s.why]++
		if ret == xdpDrop {
			return nil
		}
		v.errored++
		return e.judgeError(s, ret, out)
	case passed:
		v.passed++
		if ret != xdpPass || !bytes.Equal(out, s.data) {
			return fmt.Errorf("verdict %d, want passed to the kernel as it was", ret)
		}
		return nil
	}
	if ret != xdpRedirect {
		return fmt.Errorf("verdict %d, want a frame out", ret)
	}
	book, inner, err := e.where(out)
	if err != nil {
		return err
	}
	switch s.end {
	case punted:
		v.punted++
		if book != nowhere {
			return fmt.Errorf("leaves by %d, want the punt device", book)
		}
	case answered:
		v.answered++
		e.want[s.at].OutPackets++
		if book != s.at || len(inner) < 28 || inner[9] != 1 || inner[20] != 0 {
			return fmt.Errorf("leaves by %d, want an echo reply by %d", book, s.at)
		}
	case delivered:
		v.delivered++
		e.want[s.to].OutPackets++
		if book != s.to {
			return fmt.Errorf("leaves by %d, want %d", book, s.to)
		}
		return e.judgePacket(s, out, inner)
	}
	return nil
}

// judgePacket: as it was sent, one hop older, to the tenant's own router or gateway.
func (e *edge) judgePacket(s *shot, out, inner []byte) error {
	if s.punt {
		if !bytes.Equal(inner, s.ip) {
			return errors.New("another packet than the kernel sent")
		}
		return nil
	}
	if s.to < tenants && [6]byte(out) != [6]byte(customerMAC(e.number, s.to)) {
		return errors.New("to another router's MAC")
	}
	if s.to >= tenants && (out[55] != byte(s.to-tenants) || out[53] != 0xcc) {
		return errors.New("to another gateway's inner MAC")
	}
	want := bytes.Clone(s.ip)
	want[8]--
	want[10], want[11] = inner[10], inner[11]
	if !bytes.Equal(want, inner) {
		return fmt.Errorf("want packet %x", want)
	}
	if internetSum(inner[:int(inner[0]&15)*4]) != 0xffff {
		return errors.New("wrong header checksum")
	}
	return nil
}

// judgeError: an ICMP error goes to who sent the packet, by where it came from.
func (e *edge) judgeError(s *shot, ret uint32, out []byte) error {
	e.want[s.at].OutPackets++
	switch s.why {
	case ReasonNoRoute, ReasonUnreachable, ReasonPathDown, ReasonLocalClosed, ReasonTooBig, ReasonTtlExpired:
	default:
		return fmt.Errorf("verdict %d, want dropped as %v", ret, s.why)
	}
	book, inner, err := e.where(out)
	if err != nil {
		return err
	}
	if ret != xdpRedirect || book != s.at || !isError(inner) {
		return fmt.Errorf("verdict %d by %d, want an ICMP error by %d", ret, book, s.at)
	}
	if quoted := inner[28:]; !bytes.Equal(inner[16:20], quoted[12:16]) {
		return errors.New("an ICMP error to another than the sender")
	}
	return nil
}

func isError(ip []byte) bool {
	return len(ip) >= 48 && ip[0] == 0x45 && ip[1] == 0xc0 && ip[9] == 1 && (ip[20] == 3 || ip[20] == 11)
}

// judgeRandom holds a damaged frame to the laws: who may own it is read from the frame, and nobody else gets it.
func (e *edge) judgeRandom(s *shot, ret uint32, out []byte, v *verdicts) error {
	at, innerTagged := e.ownerOf(s)
	if at != nodeBook && !innerTagged && ret != xdpPass {
		e.want[at].InPackets++
	}
	switch ret {
	case xdpDrop:
		v.dropped++
		e.want[at].Drops[0]++ // for any reason
		return nil
	case xdpPass:
		v.passed++
		if at != nodeBook || s.ifindex != e.k.ports[e.ul()].Ifindex {
			return errors.New("passed to the kernel")
		}
		return nil
	case xdpRedirect:
	default:
		return fmt.Errorf("verdict %d", ret)
	}
	book, inner, err := e.where(out)
	if err != nil {
		return err
	}
	if at == nodeBook {
		return errors.New("nobody's frame goes on")
	}
	if book == nowhere {
		v.punted++
		return nil
	}
	e.want[book].OutPackets++
	if book%tenants != at%tenants {
		return fmt.Errorf("a frame of book %d leaves by book %d", at, book)
	}
	switch {
	case isError(inner) && [4]byte(inner[16:20]) == [4]byte(inner[40:44]):
		v.errored++
		v.dropped++
		e.want[at].Drops[0]++
	case book == at && inner[9] == 1 && inner[20] == 0:
		v.answered++
	default:
		v.delivered++
	}
	return nil
}

// ownerOf reads whose a frame is, by tags or tunnel.
func (e *edge) ownerOf(s *shot) (book int, innerTagged bool) {
	d := s.data
	tagType := func(t uint16) bool { return t == 0x8100 || t == 0x88a8 || t == 0x9100 }
	if s.ifindex == e.k.ports[e.pe()].Ifindex {
		if len(d) < 22 || be16at(d, 12) != 0x8100 || be16at(d, 16) != 0x8100 || tagType(be16at(d, 20)) {
			return nodeBook, false
		}
		for i := range tenants {
			if t := tenantOf(i); be16at(d, 14)&0xfff == t.stag && be16at(d, 18)&0xfff == t.ctag {
				return i, false
			}
		}
		return nodeBook, false
	}
	if len(d) < 64 || be16at(d, 12) != 0x0800 || d[14] != 0x45 || d[23] != 17 || be16at(d, 36) != 4789 || be16at(d, 20)&0x3fff != 0 ||
		netip.AddrFrom4([4]byte(d[30:])) != e.vtep || internetSum(d[14:34]) != 0xffff || d[42]&8 == 0 {
		return nodeBook, false
	}
	if total := int(be16at(d, 16)); total < 50 || total > len(d)-14 || int(be16at(d, 38)) != total-20 {
		return nodeBook, false
	}
	i := int(binary.BigEndian.Uint32(d[46:])>>8) - 5000
	if i < 0 || i >= tenants || netip.AddrFrom4([4]byte(d[26:])) != tenantOf(i).gateway {
		return nodeBook, false
	}
	return tenants + i, tagType(be16at(d, 62))
}
