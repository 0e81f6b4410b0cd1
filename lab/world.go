package lab

import (
	"net/netip"
	"time"

	"onramp/resource"
)

// World is one lab file: the physical world, and the story that plays in it.
type World struct {
	Name     string          `yaml:"name"`  // lower case, digits and dashes; names namespaces and directories
	Title    string          `yaml:"title"` // one line for people
	Fabric   resource.Fabric `yaml:"fabric"`
	Cables   []Cable         `yaml:"cables"`
	Routers  []Router        `yaml:"routers"`
	Hosts    []Host          `yaml:"hosts"`
	Machines []Machine       `yaml:"machines"`
	Drills   []CableDrill    `yaml:"drills"`
	Story    []Step          `yaml:"story"`
	// Try lists commands worth typing once the world is up; ${lab} is replaced by the name.
	Try []string `yaml:"try"`

	file   string
	source []byte
}

// File is the path the world was loaded from.
func (w *World) File() string { return w.file }

// Cable joins two ports, "device/port" each. A device is a node of the fabric or a router.
type Cable struct {
	A string `yaml:"a"`
	B string `yaml:"b"`
}

// Router is a customer's own router (CE): a real BIRD or FRR with a real configuration file.
type Router struct {
	Name     string         `yaml:"name"`
	Kind     string         `yaml:"kind"` // bird or frr
	ASN      uint32         `yaml:"asn"`
	RouterID netip.Addr     `yaml:"routerId"`
	LAN      string         `yaml:"lan"`      // the site's LAN; routers of one LAN and one ASN speak internal BGP
	Address  netip.Prefix   `yaml:"address"`  // on the LAN
	Announce []netip.Prefix `yaml:"announce"` // none: the LAN's own prefix
	Uplinks  []Uplink       `yaml:"uplinks"`
}

// Uplink is a router's port towards a provider, with its BGP session.
type Uplink struct {
	Port    string       `yaml:"port"`
	Address netip.Prefix `yaml:"address"`
	Peer    netip.Addr   `yaml:"peer"`
	PeerASN uint32       `yaml:"peerAsn"` // 0: 12076
	Key     string       `yaml:"key"`     // TCP-MD5; "" for none
	Tag     uint16       `yaml:"tag"`     // C-tag the router puts on by itself; 0: untagged
	Outer   uint16       `yaml:"outer"`   // outer tag around it; 0: none
	Wire    string       `yaml:"wire"`    // the cabled port that carries it, where tagged uplinks share one; "": Port
	// Routes go to Peer by static routes of the kernel, instead of a BGP session.
	Routes    []netip.Prefix `yaml:"routes"`
	HoldTime  time.Duration  `yaml:"holdTime"`
	Keepalive time.Duration  `yaml:"keepalive"`
	BFD       bool           `yaml:"bfd"` // watch the path to the peer, 300 ms x 3
}

// Host is a machine of the customer on a LAN.
type Host struct {
	Name     string       `yaml:"name"`
	LAN      string       `yaml:"lan"`
	Address  netip.Prefix `yaml:"address"`
	Gateways []netip.Addr `yaml:"gateways"` // several: equal-cost multipath, hashed by flow
}

// Machine is a virtual machine in the cloud: a namespace on a port of a compute node. It has no address until a boot step reads its
// network interface from the API.
type Machine struct {
	Name string `yaml:"name"`
	Port string `yaml:"port"` // "host1/vm1"
}

// CableDrill takes a cable out and puts it back under a numbered packet stream.
type CableDrill struct {
	Name   string        `yaml:"name"`
	Link   string        `yaml:"link"` // "edge1/pe0" or "edge1-xchg1": the cable
	Down   time.Duration `yaml:"down"` // how long it stays out; 0: 3s
	After  time.Duration `yaml:"after"`
	Silent bool          `yaml:"silent"` // both ends keep their carrier; the session of Back shows who noticed when
	Stream Stream        `yaml:"stream"`
	// Limits that make the drill fail when they are exceeded; 0: not checked.
	MaxLost     int           `yaml:"maxLost"`
	MaxBlackout time.Duration `yaml:"maxBlackout"`
	// Back is what must be Established again before the drill ends.
	Back []SessionRef `yaml:"back"`
}

// Stream is a numbered UDP stream in both directions.
type Stream struct {
	From  string `yaml:"from"`
	To    string `yaml:"to"`
	Rate  int    `yaml:"rate"`  // packets a second in each direction; 0: 1000
	Flows int    `yaml:"flows"` // UDP port pairs, so that both links carry some; 0: 8
}

// wire is the cabled port of the uplink.
func (u *Uplink) wire() string {
	if u.Wire != "" {
		return u.Wire
	}
	return u.Port
}

// SessionRef names one BGP session of a customer's router.
type SessionRef struct {
	Router string     `yaml:"router"`
	Peer   netip.Addr `yaml:"peer"`
}

// Step is one line of the story: exactly one action, and what must hold afterwards.
type Step struct {
	Name  string `yaml:"name"`
	As    string `yaml:"as"`    // a principal's name, or a role that only one principal has
	Group string `yaml:"group"` // resource group of relative paths; "": the lab's name

	// API calls. A path that does not begin with "/" is relative to the principal's group and Microsoft.Network.
	Put    string `yaml:"put"`
	Get    string `yaml:"get"`
	Delete string `yaml:"delete"`
	Post   string `yaml:"post"`
	Patch  string `yaml:"patch"`
	Edit   string `yaml:"edit"` // GET, merge body into it, PUT
	// Version is the api-version; "": 2025-03-01, for resource groups 2021-04-01.
	Version string            `yaml:"version"`
	Body    any               `yaml:"body"`
	Save    map[string]string `yaml:"save"`   // variable: path in the answer
	Expect  map[string]any    `yaml:"expect"` // path in the answer: value, or "/regular expression/"
	Refuse  *Refuse           `yaml:"refuse"` // the call must fail so
	Until   time.Duration     `yaml:"until"`  // a get is repeated until Expect holds, at most so long

	Parallel   []Step       `yaml:"parallel"` // all at once
	Under      *Under       `yaml:"under"`    // one after the other, under a packet stream
	Wait       *Wait        `yaml:"wait"`
	Boot       *Boot        `yaml:"boot"`
	Ping       *Ping        `yaml:"ping"`
	Traceroute *Traceroute  `yaml:"traceroute"`
	Drill      string       `yaml:"drill"` // name of one of the world's drills
	Cut        string       `yaml:"cut"`   // a cable
	Restore    string       `yaml:"restore"`
	Rate       *Rate        `yaml:"rate"`
	Kill       *Kill        `yaml:"kill"`
	Isolated   *Isolated    `yaml:"isolated"`
	Exec       *ExecStep    `yaml:"exec"`
	Prefixes   *Prefixes    `yaml:"prefixes"`
	Key        *KeyStep     `yaml:"key"`
	Send       *Send        `yaml:"send"`
	Garbage    *GarbageStep `yaml:"garbage"`

	line int
}

// Refuse is the error a call must end with, at once or as the result of its operation.
type Refuse struct {
	Code   string `yaml:"code"`
	Status int    `yaml:"status"` // 0: any
	Text   string `yaml:"text"`   // must be in the message; "": any
}

// Wait waits for one thing.
type Wait struct {
	Session *SessionRef   `yaml:"session"` // until it is Established, or is not when Down
	Down    bool          `yaml:"down"`
	Error   string        `yaml:"error"` // the router's last error must match; with Session and Down
	Route   *RouteRef     `yaml:"route"` // until the kernel of In has (or with Down has not) the route
	For     time.Duration `yaml:"for"`   // just time
	Timeout time.Duration `yaml:"timeout"`
}

// RouteRef names a route in the kernel table of a place.
type RouteRef struct {
	In     string       `yaml:"in"`
	Prefix netip.Prefix `yaml:"prefix"`
}

// Boot gives a machine the MAC and the address of a network interface of the API.
type Boot struct {
	Machine string `yaml:"machine"`
	NIC     string `yaml:"nic"` // path of the interface
}

// Ping must lose nothing. Both directions are sent.
type Ping struct {
	From   string `yaml:"from"`
	To     string `yaml:"to"`
	Count  int    `yaml:"count"` // 0: 5
	Size   int    `yaml:"size"`  // payload; 0: 56
	DF     bool   `yaml:"df"`
	OneWay bool   `yaml:"oneWay"` // do not ping back
	// Within lets the first answer take so long: the ping is repeated until one comes.
	Within time.Duration `yaml:"within"`
}

// Traceroute must show Hops in this order (others may be between).
type Traceroute struct {
	From string   `yaml:"from"`
	To   string   `yaml:"to"`
	Hops []string `yaml:"hops"`
}

// Rate offers UDP and measures what arrives.
type Rate struct {
	From      string        `yaml:"from"`
	To        string        `yaml:"to"`
	Path      string        `yaml:"path"`      // label in the report
	Offered   int           `yaml:"offered"`   // Mbit/s
	Limit     int           `yaml:"limit"`     // Mbit/s of one link
	Paths     int           `yaml:"paths"`     // links used; 0: 1
	Tolerance float64       `yaml:"tolerance"` // of Limit x Paths; 0: 0.05
	Flows     int           `yaml:"flows"`     // 0: 64
	For       time.Duration `yaml:"for"`       // 0: 3s
	Iperf3    bool          `yaml:"iperf3"`    // cross-check with iperf3
}

// Kill ends a process with SIGKILL under a stream, starts it again, and compares the API's view before and after.
type Kill struct {
	Process string        `yaml:"process"` // "control" or "node:edge1"
	For     time.Duration `yaml:"for"`
	Settle  time.Duration `yaml:"settle"` // how long the view may take to be equal again; 0: 30s
	Stream  Stream        `yaml:"stream"`
	MaxLost int           `yaml:"maxLost"`
	Same    []string      `yaml:"same"`  // GET paths (as As) that must be equal before and after
	Posts   []string      `yaml:"posts"` // likewise, POST: route tables
}

// Isolated must not get a packet through: neither an echo nor a datagram.
type Isolated struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// ExecStep runs a program in a place.
type ExecStep struct {
	In      string        `yaml:"in"` // "": the machine itself
	Argv    []string      `yaml:"argv"`
	Expect  string        `yaml:"expect"` // regular expression of its output
	Fails   bool          `yaml:"fails"`  // it must exit non-zero
	Timeout time.Duration `yaml:"timeout"`
}

// Prefixes makes a router announce Count more prefixes, or none with 0.
type Prefixes struct {
	Router string       `yaml:"router"`
	Base   netip.Prefix `yaml:"base"` // cut into /24
	Count  int          `yaml:"count"`
}

// KeyStep changes a router's session: its key, its own ASN, or that it speaks no BFD. Empty fields go back to the file's.
type KeyStep struct {
	Router string `yaml:"router"`
	Key    string `yaml:"key"`
	ASN    uint32 `yaml:"asn"`
	NoBFD  bool   `yaml:"noBfd"`
}

// Send puts crafted packets on a port of a place; they must not arrive at To, and the counter of Reason on Node must grow.
type Send struct {
	From   string     `yaml:"from"`
	Port   string     `yaml:"port"`   // interface in From
	Tags   []string   `yaml:"tags"`   // outer first, numbers or ${variables}; none: untagged
	Source netip.Addr `yaml:"source"` // invalid: the port's own
	To     string     `yaml:"to"`     // destination: a place or an address
	Via    netip.Addr `yaml:"via"`    // whose MAC the frames carry; invalid: broadcast
	Cut    int        `yaml:"cut"`    // keep only so many bytes of each frame; 0: whole
	Count  int        `yaml:"count"`  // 0: 10
	Node   string     `yaml:"node"`
	Reason string     `yaml:"reason"` // drop reason as in `onramp node show`
}

// GarbageStep throws bytes at a TCP port and sees what becomes of the connection.
type GarbageStep struct {
	From  string         `yaml:"from"`
	To    netip.AddrPort `yaml:"to"`
	Bytes int            `yaml:"bytes"` // 0: 64 KiB of noise
	Count int            `yaml:"count"` // connections; 0: 5
	Dev   string         `yaml:"dev"`   // interface to bind to
}
