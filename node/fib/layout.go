package fib

import "structs"

// The structs of xdp/tables.h. A test compares them with the object's BTF.

const abi = 4

const (
	portUnderlay = 1

	attTunnel       = 1
	attCrossconnect = 2
	attAnyCTag      = 4
	attLoose        = 8
	attStrict       = 16

	groupNone        = 0
	groupForward     = 1
	groupLocal       = 2
	groupUnreachable = 3
	groupHops        = 16

	tagAny    = 0xffff
	tagExists = 0xfffe

	rootBits   = 12
	entryChild = 0x80000000
	entryFlat  = 0x40000000
	entryNode  = 0x3fffffff
)

// mac is three 16-bit words in memory order.
type mac [6]byte

type cSettings struct {
	_   structs.HostLayout
	Abi uint32
	Pad uint32
}

type cPort struct {
	_     structs.HostLayout
	Flags uint32
	Tpid  [2]byte
	Pad   uint16
	Vtep  [4]byte
	Seed  uint32
	Zero  uint32
	Pad2  uint32
}

type cAttachment struct {
	_        structs.HostLayout
	Flags    uint32
	Up       uint32
	Domain   uint32
	Peer     uint32
	Stag     uint16
	Ctag     uint16
	Tpid     [2]byte
	Mtu      uint16
	Port     uint32
	Punt     uint32
	Underlay uint32
	Vni      uint32
	Ingress  uint32
	Egress   uint32
	Address  [4]byte
	Mac      mac
	Pad      uint16
	Pad2     uint32
}

type cUnderlay struct {
	_     structs.HostLayout
	Outer [56]byte
	Port  uint32
	Up    uint32
}

type cHop struct {
	_          structs.HostLayout
	Adjacency  uint32
	Attachment uint32
}

type cGroup struct {
	_     structs.HostLayout
	Kind  uint32
	Count uint32
	Hops  [groupHops]cHop
}

type cAdjacency struct {
	_          structs.HostLayout
	MacUp      uint64
	Attachment uint32
	Family     uint32
	Addr       [16]byte
}

type cDomain struct {
	_    structs.HostLayout
	Root uint32
	Pad  uint32
}

type cWord struct {
	_    structs.HostLayout
	Bits uint64
	Base uint32
	Dflt uint32
}

type cPolicer struct {
	_     structs.HostLayout
	Full  uint64
	Cost  uint64
	Burst uint64
	Ahead uint64
	Pad   [4]uint64
}

type cPoliced struct {
	_                            structs.HostLayout
	PassedPackets, PassedBytes   uint64
	DroppedPackets, DroppedBytes uint64
	Credit                       uint64
}

type cCount struct {
	_                    structs.HostLayout
	InPackets, InBytes   uint64
	OutPackets, OutBytes uint64
	Drops                [60]uint64
}

type cClassKey struct {
	_          structs.HostLayout
	Ifindex    uint32
	Stag, Ctag uint16
}

type cSlot struct {
	_     structs.HostLayout
	Key   uint64
	Value uint32
	Pad   uint32
}

type cHostKey struct {
	_          structs.HostLayout
	Attachment uint32
	Addr       [4]byte
}

type cLocal6Key struct {
	_      structs.HostLayout
	Domain uint32
	Addr   [16]byte
}

type cName struct {
	_    structs.HostLayout
	ID   uint32
	Kind uint32
	Text [120]byte
}

type cMiss struct {
	_          structs.HostLayout
	Attachment uint32
	Addr       [4]byte
}
