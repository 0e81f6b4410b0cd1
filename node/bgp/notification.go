package bgp

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// NOTIFICATION error codes (RFC 4271 §4.5, RFC 9687 for 8). CodeCease and its subcodes stand with the contract in bgp.go.
const (
	codeHeader   = 1
	codeOpen     = 2
	codeUpdate   = 3
	codeHold     = 4
	codeFSM      = 5
	codeSendHold = 8
)

// Subcodes of message header errors.
const (
	headerNotSynchronized = 1
	headerBadLength       = 2
	headerBadType         = 3
)

// Subcodes of OPEN errors (RFC 4271 §6.2, RFC 5492 for 7).
const (
	openBadVersion            = 1
	openBadPeerAS             = 2
	openBadID                 = 3
	openUnsupportedParameter  = 4
	openUnacceptableHold      = 6
	openUnsupportedCapability = 7
)

// Subcodes of UPDATE errors that still reset a session after RFC 7606.
const (
	updateMalformedList    = 1
	updateUnknownWellKnown = 2
	updateOptionalAttr     = 9
	updateInvalidNetwork   = 10
)

// ceaseHardReset asks a graceful-restart helper not to keep routes; it wraps the real NOTIFICATION (RFC 8538 §3.1).
const ceaseHardReset = 9

// maxShutdownText is the most bytes of text that a Cease carries (RFC 9003).
const maxShutdownText = 255

// Notification is a NOTIFICATION message sent to or received from the peer. It is the Err of a Down.
type Notification struct {
	Code, Subcode uint8
	Data          []byte
	Received      bool   // by this side; otherwise sent
	Detail        string // what was wrong, for people; not on the wire
}

// notify makes a NOTIFICATION to be sent.
func notify(code, subcode uint8, data []byte, detail string, args ...any) *Notification {
	return &Notification{Code: code, Subcode: subcode, Data: data, Detail: fmt.Sprintf(detail, args...)}
}

// shutdownNotification is a Cease with a text for the peer's operator (RFC 9003), cut at a character where it is too long.
func shutdownNotification(code, subcode uint8, text string) *Notification {
	n := &Notification{Code: code, Subcode: subcode, Detail: text}
	if text == "" || code != CodeCease || (subcode != CeaseAdminShutdown && subcode != CeaseAdminReset) {
		return n
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	for len(text) > maxShutdownText {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	n.Data = append([]byte{byte(len(text))}, text...)
	return n
}

// Error is the event's wording: "received NOTIFICATION Cease/Administrative Shutdown: maintenance until 6".
func (n *Notification) Error() string {
	act := "sent"
	if n.Received {
		act = "received"
	}
	s := act + " NOTIFICATION " + n.name()
	if d := n.describe(); d != "" {
		s += ": " + d
	}
	return s
}

func (n *Notification) describe() string {
	switch {
	case n.Detail != "":
		return n.Detail
	case n.hard():
		inner := n.unwrap()
		if inner == nil {
			return ""
		}
		s := inner.name()
		if d := inner.describe(); d != "" {
			s += ": " + d
		}
		return s
	case n.Code == CodeCease && (n.Subcode == CeaseAdminShutdown || n.Subcode == CeaseAdminReset):
		return shutdownText(n.Data)
	case n.Code == CodeCease && n.Subcode == CeaseMaxPrefixes && len(n.Data) == 7:
		return fmt.Sprintf("limit %d", be32(n.Data[3:]))
	case len(n.Data) == 0:
		return ""
	case len(n.Data) > 32:
		return "data " + hex.EncodeToString(n.Data[:32]) + "…"
	}
	return "data " + hex.EncodeToString(n.Data)
}

// shutdownText reads the text of a Cease/2 or Cease/4. What is not printable UTF-8 is replaced, so that it cannot forge log lines.
func shutdownText(data []byte) string {
	if len(data) == 0 || int(data[0]) > len(data)-1 {
		return ""
	}
	text := strings.ToValidUTF8(string(data[1:1+int(data[0])]), "\uFFFD")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// hard reports whether n ends the session without graceful restart for a peer that both sides' N bit would otherwise keep (RFC 8538).
func (n *Notification) hard() bool { return n.Code == CodeCease && n.Subcode == ceaseHardReset }

// wrapped is n inside a Hard Reset.
func (n *Notification) wrapped() *Notification {
	data := append([]byte{n.Code, n.Subcode}, n.Data...)
	return &Notification{Code: CodeCease, Subcode: ceaseHardReset, Data: data, Detail: n.Detail}
}

// unwrap is the NOTIFICATION inside a Hard Reset; nil where there is none, or another Hard Reset.
func (n *Notification) unwrap() *Notification {
	if len(n.Data) < 2 || (n.Data[0] == CodeCease && n.Data[1] == ceaseHardReset) {
		return nil
	}
	return &Notification{Code: n.Data[0], Subcode: n.Data[1], Data: n.Data[2:], Received: n.Received}
}

func (n *Notification) name() string {
	code, known := codeNames()[n.Code]
	if !known {
		return fmt.Sprintf("%d/%d", n.Code, n.Subcode)
	}
	if int(n.Subcode) < len(code.sub) && code.sub[n.Subcode] != "" {
		return code.name + "/" + code.sub[n.Subcode]
	}
	if n.Subcode == 0 {
		return code.name
	}
	return fmt.Sprintf("%s/%d", code.name, n.Subcode)
}

type codeName struct {
	name string
	sub  []string
}

func codeNames() map[uint8]codeName {
	return map[uint8]codeName{
		codeHeader: {"Message Header", []string{"", "Connection Not Synchronized", "Bad Message Length", "Bad Message Type"}},
		codeOpen: {"OPEN", []string{"", "Unsupported Version Number", "Bad Peer AS", "Bad BGP Identifier", "Unsupported Optional Parameter",
			"", "Unacceptable Hold Time", "Unsupported Capability", "", "", "", "Role Mismatch"}},
		codeUpdate: {"UPDATE", []string{"", "Malformed Attribute List", "Unrecognized Well-known Attribute", "Missing Well-known Attribute",
			"Attribute Flags Error", "Attribute Length Error", "Invalid ORIGIN Attribute", "", "Invalid NEXT_HOP Attribute",
			"Optional Attribute Error", "Invalid Network Field", "Malformed AS_PATH"}},
		codeHold: {"Hold Timer Expired", nil},
		codeFSM: {"Finite State Machine Error", []string{"", "Unexpected Message in OpenSent", "Unexpected Message in OpenConfirm",
			"Unexpected Message in Established"}},
		CodeCease: {"Cease", []string{"", "Maximum Number of Prefixes Reached", "Administrative Shutdown", "Peer De-configured",
			"Administrative Reset", "Connection Rejected", "Other Configuration Change", "Connection Collision Resolution",
			"Out of Resources", "Hard Reset", "BFD Down"}},
		7:            {"ROUTE-REFRESH", []string{"", "Invalid Message Length"}},
		codeSendHold: {"Send Hold Timer Expired", nil},
	}
}
