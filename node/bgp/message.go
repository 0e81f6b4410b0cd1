package bgp

import (
	"encoding/binary"
)

// Message types (RFC 4271 §4.1, RFC 2918 for 5).
const (
	typeOpen         = 1
	typeUpdate       = 2
	typeNotification = 3
	typeKeepalive    = 4
	typeRefresh      = 5
)

const (
	headerLen   = 19
	maxMessage  = 4096  // what this side sends, and accepts before and without RFC 8654
	maxExtended = 65535 // what this side accepts with RFC 8654
)

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// frame looks for one message at the start of b. It returns its type and its length, header included; length 0 means that more bytes are
// needed. limit is the longest message acceptable now. The header is judged as soon as it is complete (RFC 4271 §6.1).
func frame(b []byte, limit int) (kind uint8, length int, n *Notification) {
	for i := 0; i < len(b) && i < 16; i++ {
		if b[i] != 0xff {
			return 0, 0, notify(codeHeader, headerNotSynchronized, nil, "octet %d of the marker is %#02x", i, b[i])
		}
	}
	if len(b) < headerLen {
		return 0, 0, nil
	}
	kind, length = b[18], int(be16(b[16:]))
	if kind < typeOpen || kind > typeRefresh {
		return 0, 0, notify(codeHeader, headerBadType, []byte{kind}, "type %d", kind)
	}
	if !lengthFits(kind, length, limit) {
		return 0, 0, notify(codeHeader, headerBadLength, []byte{b[16], b[17]}, "type %d of %d octets", kind, length)
	}
	if length > len(b) {
		length = 0
	}
	return kind, length, nil
}

func lengthFits(kind uint8, length, limit int) bool {
	switch kind {
	case typeOpen:
		return length >= 29 && length <= maxMessage
	case typeUpdate:
		return length >= 23 && length <= limit
	case typeNotification:
		return length >= 21 && length <= limit
	case typeKeepalive:
		return length == headerLen
	}
	return length >= headerLen+4 && length <= limit
}

// appendHeader starts a message; finish sets its length.
func appendHeader(b []byte, kind uint8) []byte {
	for range 16 {
		b = append(b, 0xff)
	}
	return append(b, 0, 0, kind)
}

// finish sets the length of the message that starts at start and ends with b.
func finish(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+16:], uint16(len(b)-start))
	return b
}

func encodeKeepalive() []byte { return finish(appendHeader(nil, typeKeepalive), 0) }

func encodeNotification(n *Notification) []byte {
	b := append(appendHeader(nil, typeNotification), n.Code, n.Subcode)
	return finish(append(b, n.Data[:min(len(n.Data), maxMessage-headerLen-2)]...), 0)
}

// decodeNotification reads the body of a NOTIFICATION.
func decodeNotification(body []byte) *Notification {
	return &Notification{Code: body[0], Subcode: body[1], Data: append([]byte(nil), body[2:]...), Received: true}
}

func encodeRefresh(f Family) []byte {
	b := binary.BigEndian.AppendUint16(appendHeader(nil, typeRefresh), f.AFI)
	return finish(append(b, 0, f.SAFI), 0)
}

// decodeRefresh reads the body of a ROUTE-REFRESH. ok is false for the subtypes of RFC 7313 and 5291, which this side did not offer and
// therefore ignores.
func decodeRefresh(body []byte) (f Family, ok bool) {
	return Family{be16(body), body[3]}, len(body) == 4 && body[2] == 0
}
