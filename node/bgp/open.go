package bgp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// asTrans stands for an ASN that does not fit 2 octets (RFC 6793).
const asTrans = 23456

// Capability codes.
const (
	capMultiprotocol   = 1
	capRefresh         = 2
	capExtendedMessage = 6
	capGracefulRestart = 64
	capFourByteAS      = 65
)

// maxRestartTime is what 12 bits hold (RFC 4724 §3).
const maxRestartTime = 4095 * time.Second

// Open is an OPEN message with its capabilities.
type Open struct {
	Version         uint8
	AS              uint32 // from the 4-byte capability where there is one
	HoldTime        time.Duration
	ID              netip.Addr
	Families        []Family // nil: no multiprotocol capability, which means IPv4 unicast
	FourByteAS      bool
	Refresh         bool
	ExtendedMessage bool
	Restart         *Restart // nil: no graceful restart capability
}

// Restart is the graceful restart capability (RFC 4724 §3, RFC 8538 for Notification).
type Restart struct {
	Restarting   bool // R: the sender just restarted
	Notification bool // N: a NOTIFICATION does not end graceful restart
	Time         time.Duration
	Families     []Family // whose forwarding state the sender can keep
	Forwarding   []Family // those of Families whose state it did keep (F)
}

// encodeOpen writes the message.
func encodeOpen(o *Open) []byte {
	as := uint16(asTrans)
	if o.AS <= 0xffff {
		as = uint16(o.AS)
	}
	b := append(appendHeader(nil, typeOpen), o.Version)
	b = binary.BigEndian.AppendUint16(b, as)
	b = binary.BigEndian.AppendUint16(b, uint16(o.HoldTime/time.Second))
	var id [4]byte // 0.0.0.0, which the peer refuses in so many words, where ID is no IPv4 address
	if o.ID.Unmap().Is4() {
		id = o.ID.Unmap().As4()
	}
	b = append(b, id[:]...)
	caps := appendCapabilities(nil, o)
	if len(caps) == 0 {
		return finish(append(b, 0), 0)
	}
	b = append(b, byte(len(caps)+2), 2, byte(len(caps)))
	return finish(append(b, caps...), 0)
}

func appendCapabilities(b []byte, o *Open) []byte {
	for _, f := range o.Families {
		b = append(b, capMultiprotocol, 4, byte(f.AFI>>8), byte(f.AFI), 0, f.SAFI)
	}
	if o.Refresh {
		b = append(b, capRefresh, 0)
	}
	if o.ExtendedMessage {
		b = append(b, capExtendedMessage, 0)
	}
	if o.Restart != nil {
		b = appendRestart(b, o.Restart)
	}
	if o.FourByteAS {
		b = binary.BigEndian.AppendUint32(append(b, capFourByteAS, 4), o.AS)
	}
	return b
}

func appendRestart(b []byte, r *Restart) []byte {
	v := uint16(min(r.Time, maxRestartTime) / time.Second)
	if r.Restarting {
		v |= 0x8000
	}
	if r.Notification {
		v |= 0x4000
	}
	b = binary.BigEndian.AppendUint16(append(b, capGracefulRestart, byte(2+4*len(r.Families))), v)
	for _, f := range r.Families {
		flags := byte(0)
		if slices.Contains(r.Forwarding, f) {
			flags = 0x80
		}
		b = append(b, byte(f.AFI>>8), byte(f.AFI), f.SAFI, flags)
	}
	return b
}

// decodeOpen reads the body of an OPEN, at least 10 octets (frame saw to it). Only its form is judged here, and its version, on which the
// rest of the form depends; what it means is judged by FSM.
func decodeOpen(body []byte) (*Open, *Notification) {
	if body[0] != 4 {
		return nil, notify(codeOpen, openBadVersion, []byte{0, 4}, "version %d", body[0])
	}
	o := &Open{
		Version:  body[0],
		AS:       uint32(be16(body[1:])),
		HoldTime: time.Duration(be16(body[3:])) * time.Second,
		ID:       netip.AddrFrom4([4]byte(body[5:9])),
	}
	params, wide := body[10:], false
	length := int(body[9])
	if length == 255 && len(params) >= 3 && params[0] == 255 { // RFC 9072 §2
		length, params, wide = int(be16(params[1:])), params[3:], true
	}
	if length != len(params) {
		return nil, notify(codeOpen, 0, nil, "optional parameters of %d octets in a field of %d", length, len(params))
	}
	return o, o.readParameters(params, wide)
}

func (o *Open) readParameters(b []byte, wide bool) *Notification {
	head := 2
	if wide {
		head = 3
	}
	for len(b) > 0 {
		if len(b) < head {
			return notify(codeOpen, 0, nil, "optional parameter cut off")
		}
		length := int(b[1])
		if wide {
			length = int(be16(b[1:]))
		}
		if len(b) < head+length {
			return notify(codeOpen, 0, nil, "optional parameter %d of %d octets in a field of %d", b[0], length, len(b)-head)
		}
		if b[0] != 2 {
			return notify(codeOpen, openUnsupportedParameter, nil, "optional parameter %d", b[0])
		}
		if n := o.readCapabilities(b[head : head+length]); n != nil {
			return n
		}
		b = b[head+length:]
	}
	return nil
}

func (o *Open) readCapabilities(b []byte) *Notification {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return notify(codeOpen, 0, nil, "capability cut off")
		}
		code, value := b[0], b[2:2+int(b[1])]
		if !o.readCapability(code, value) {
			return notify(codeOpen, 0, nil, "capability %d of %d octets", code, len(value))
		}
		b = b[2+len(value):]
	}
	return nil
}

// readCapability reports false for a wrong length. Unknown capabilities are ignored (RFC 5492 §3).
func (o *Open) readCapability(code uint8, v []byte) bool {
	switch code {
	case capMultiprotocol:
		if len(v) != 4 {
			return false
		}
		if f := (Family{be16(v), v[3]}); !slices.Contains(o.Families, f) {
			o.Families = append(o.Families, f)
		}
	case capRefresh:
		o.Refresh = true
	case capExtendedMessage:
		o.ExtendedMessage = true
	case capFourByteAS:
		if len(v) != 4 {
			return false
		}
		o.FourByteAS, o.AS = true, be32(v)
	case capGracefulRestart:
		if len(v) < 2 || len(v)%4 != 2 {
			return false
		}
		o.Restart = decodeRestart(v)
	}
	return true
}

func decodeRestart(v []byte) *Restart {
	head := be16(v)
	r := &Restart{Restarting: head&0x8000 != 0, Notification: head&0x4000 != 0, Time: time.Duration(head&0xfff) * time.Second}
	for v = v[2:]; len(v) >= 4; v = v[4:] {
		f := Family{be16(v), v[2]}
		if slices.Contains(r.Families, f) {
			continue
		}
		r.Families = append(r.Families, f)
		if v[3]&0x80 != 0 {
			r.Forwarding = append(r.Forwarding, f)
		}
	}
	return r
}

// families of an OPEN, with the default of a speaker without the multiprotocol capability.
func (o *Open) families() []Family {
	if len(o.Families) == 0 {
		return []Family{IPv4Unicast}
	}
	return o.Families
}

// common returns the families of a that are also in b.
func common(a, b []Family) []Family {
	var both []Family
	for _, f := range a {
		if slices.Contains(b, f) {
			both = append(both, f)
		}
	}
	return both
}
