package bfd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// State is a session's state (RFC 5880 §4.1).
type State uint8

// The states, with their values on the wire.
const (
	AdminDown State = iota
	Down
	Init
	Up
)

// String is the RFC's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

var stateNames = [...]string{"AdminDown", "Down", "Init", "Up"}

// Diagnostic says why a session left Up (RFC 5880 §4.1).
type Diagnostic uint8

// The diagnostics this package gives or explains.
const (
	DiagNone            Diagnostic = 0
	DiagExpired         Diagnostic = 1
	DiagNeighborDown    Diagnostic = 3
	DiagForwardingReset Diagnostic = 4
	DiagPathDown        Diagnostic = 5
	DiagAdminDown       Diagnostic = 7
)

// String is for people.
func (d Diagnostic) String() string {
	switch d {
	case DiagNone:
		return "none"
	case DiagExpired:
		return "control detection time expired"
	case DiagNeighborDown:
		return "neighbor signaled session down"
	case DiagForwardingReset:
		return "forwarding plane reset"
	case DiagPathDown:
		return "path down"
	case DiagAdminDown:
		return "administratively down"
	}
	return fmt.Sprintf("diagnostic %d", uint8(d))
}

// PacketLen is the length of a control packet without authentication, in bytes.
const PacketLen = 24

// Packet is a BFD control packet without authentication (RFC 5880 §4.1).
type Packet struct {
	Diag                    Diagnostic
	State                   State
	Poll, Final             bool
	ControlPlaneIndependent bool
	Demand                  bool
	DetectMult              uint8
	MyDiscr                 uint32
	YourDiscr               uint32
	DesiredMinTx            time.Duration // whole microseconds
	RequiredMinRx           time.Duration
	RequiredMinEchoRx       time.Duration
}

// The bits of the second byte.
const (
	flagMultipoint = 1 << iota
	flagDemand
	flagAuth
	flagIndependent
	flagFinal
	flagPoll
)

// Errors of Parse, in the order in which RFC 5880 §6.8.6 checks; such packets are dropped without a trace on the session.
var (
	errShort      = errors.New("bfd packet: shorter than 24 bytes")
	errVersion    = errors.New("bfd packet: version is not 1")
	errLength     = errors.New("bfd packet: length field does not fit")
	errMult       = errors.New("bfd packet: detect multiplier is 0")
	errMultipoint = errors.New("bfd packet: multipoint bit is set")
	errMyDiscr    = errors.New("bfd packet: my discriminator is 0")
	errYourDiscr  = errors.New("bfd packet: your discriminator is 0 in a state that knows it")
	errAuth       = errors.New("bfd packet: authenticated, but no key is agreed")
)

// Parse reads the payload of a UDP packet.
func Parse(b []byte) (Packet, error) {
	switch {
	case len(b) < PacketLen:
		return Packet{}, errShort
	case b[0]>>5 != 1:
		return Packet{}, errVersion
	case b[1]&flagAuth != 0:
		return Packet{}, errAuth
	case b[3] < PacketLen || int(b[3]) > len(b):
		return Packet{}, errLength
	case b[2] == 0:
		return Packet{}, errMult
	case b[1]&flagMultipoint != 0:
		return Packet{}, errMultipoint
	}
	p := Packet{
		Diag: Diagnostic(b[0] & 31), State: State(b[1] >> 6), Poll: b[1]&flagPoll != 0, Final: b[1]&flagFinal != 0,
		ControlPlaneIndependent: b[1]&flagIndependent != 0, Demand: b[1]&flagDemand != 0, DetectMult: b[2],
		MyDiscr: binary.BigEndian.Uint32(b[4:]), YourDiscr: binary.BigEndian.Uint32(b[8:]),
		DesiredMinTx: micros(b[12:]), RequiredMinRx: micros(b[16:]), RequiredMinEchoRx: micros(b[20:]),
	}
	switch {
	case p.MyDiscr == 0:
		return Packet{}, errMyDiscr
	case p.YourDiscr == 0 && p.State > Down:
		return Packet{}, errYourDiscr
	}
	return p, nil
}

func micros(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Microsecond
}

// Append adds the packet's 24 bytes to b.
func (p Packet) Append(b []byte) []byte {
	flags := byte(p.State) << 6
	for _, f := range []struct {
		set bool
		bit byte
	}{{p.Poll, flagPoll}, {p.Final, flagFinal}, {p.ControlPlaneIndependent, flagIndependent}, {p.Demand, flagDemand}} {
		if f.set {
			flags |= f.bit
		}
	}
	b = append(b, 1<<5|byte(p.Diag&31), flags, p.DetectMult, PacketLen)
	b = binary.BigEndian.AppendUint32(b, p.MyDiscr)
	b = binary.BigEndian.AppendUint32(b, p.YourDiscr)
	for _, d := range []time.Duration{p.DesiredMinTx, p.RequiredMinRx, p.RequiredMinEchoRx} {
		b = binary.BigEndian.AppendUint32(b, uint32(d/time.Microsecond))
	}
	return b
}
