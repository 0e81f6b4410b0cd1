package resource

import "net/netip"

// Network is a virtual network.
type Network struct {
	Meta         Head
	AddressSpace []netip.Prefix
	DNSServers   []string
	Subnets      []Subnet

	Status NetworkStatus
}

// NetworkStatus is what the platform gave the network.
type NetworkStatus struct {
	VNI uint32 // of its tunnels between gateway instances and hosts; 0 until allocated
}

// Subnet is a part of a network. The first four and the last address of each prefix are the platform's; the first host is the gateway of
// the machines in it.
type Subnet struct {
	Name     string
	Prefixes []netip.Prefix
	State    ProvisioningState
}

// GatewaySubnet is the name of the subnet that gateways live in.
const GatewaySubnet = "GatewaySubnet"

// PublicAddress is a public IP address. Gateways refer to them; they carry no packets of the private peering.
type PublicAddress struct {
	Meta        Head
	SKU         string // Standard
	Static      bool
	Version     int // 4 or 6
	IdleMinutes int
	Address     netip.Addr // from the operator's pool; invalid when the fabric has none
}

// Interface is a network interface of a machine.
type Interface struct {
	Meta    Head
	Configs []InterfaceConfig
	// AttachTo is the port of a compute node that the machine hangs on, "node/port". The tag attachTo sets it.
	AttachTo   string
	Forwarding bool // enableIPForwarding

	Status InterfaceStatus
}

// InterfaceConfig is one address of an interface.
type InterfaceConfig struct {
	Name    string
	Subnet  ID
	Address netip.Addr // allocated by the platform when Dynamic, at the order
	Dynamic bool
	Primary bool
	Public  ID // public address, zero: none
}

// InterfaceStatus is what the platform gave the interface.
type InterfaceStatus struct {
	MAC string // "02:…"; the machine must use it
}

// Gateway is an ExpressRoute virtual network gateway: two instances on two gateway nodes of the region.
type Gateway struct {
	Meta            Head
	SKU             string // Standard HighPerformance UltraPerformance ErGw1AZ ErGw2AZ ErGw3AZ ErGwScale
	Configs         []GatewayConfig
	ActiveActive    bool
	AllowRemoteVnet bool
	AllowVirtualWan bool

	Status GatewayStatus
}

// GatewayConfig is an ipConfiguration of a gateway.
type GatewayConfig struct {
	Name    string
	Subnet  ID // …/subnets/GatewaySubnet
	Public  ID
	Dynamic bool
}

// GatewayStatus is where the instances are.
type GatewayStatus struct {
	Nodes     []string     // gateway nodes, one per instance
	Addresses []netip.Addr // in the GatewaySubnet, one per instance
}

// Connection joins a gateway to a circuit's private peering.
type Connection struct {
	Meta          Head
	Gateway       ID
	Circuit       ID
	RoutingWeight int
	Authorization Sealed // key redeemed, where the circuit is another subscription's

	Status ConnectionStatus
}

// ConnectionStatus is the connection as the platform has it.
type ConnectionStatus struct {
	VNI uint32 // base of its tunnels; 0 until allocated
	// Slot numbers the connection on its gateway: the edge pair's addresses in the GatewaySubnet derive from it.
	Slot              int
	State             ConnectionState // from the sessions' states
	InBytes, OutBytes uint64
}

// ConnectionState is connectionStatus.
type ConnectionState string

// The connection states.
const (
	ConnectionUnknown      ConnectionState = "Unknown"
	ConnectionConnecting   ConnectionState = "Connecting"
	ConnectionConnected    ConnectionState = "Connected"
	ConnectionNotConnected ConnectionState = "NotConnected"
)

// Head returns the common part.
func (n *Network) Head() *Head { return &n.Meta }

// Kind returns KindNetwork.
func (n *Network) Kind() Kind { return KindNetwork }

// Head returns the common part.
func (p *PublicAddress) Head() *Head { return &p.Meta }

// Kind returns KindPublicAddress.
func (p *PublicAddress) Kind() Kind { return KindPublicAddress }

// Head returns the common part.
func (i *Interface) Head() *Head { return &i.Meta }

// Kind returns KindInterface.
func (i *Interface) Kind() Kind { return KindInterface }

// Head returns the common part.
func (g *Gateway) Head() *Head { return &g.Meta }

// Kind returns KindGateway.
func (g *Gateway) Kind() Kind { return KindGateway }

// Head returns the common part.
func (c *Connection) Head() *Head { return &c.Meta }

// Kind returns KindConnection.
func (c *Connection) Kind() Kind { return KindConnection }
