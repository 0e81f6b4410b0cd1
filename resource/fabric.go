package resource

import "net/netip"

// Fabric is the operator's inventory: one document, applied whole by `onramp fabric apply`. The yaml and json names are its file format.
type Fabric struct {
	Meta Head `json:"meta" yaml:"-"`

	Regions   []Region          `json:"regions" yaml:"regions"`
	Locations []PeeringLocation `json:"locations" yaml:"locations"`
	Providers []Provider        `json:"providers" yaml:"providers"`
	// DirectPairs are the ports that customers may take for themselves.
	DirectPairs []DirectPair `json:"directPorts,omitempty" yaml:"directPorts,omitempty"`
	Nodes       []FabricNode `json:"nodes" yaml:"nodes"`
	Principals  []Principal  `json:"principals" yaml:"principals"`
}

// Region is a cloud region with the nodes that serve it.
type Region struct {
	Name        string       `json:"name" yaml:"name"` // westus2
	DisplayName string       `json:"displayName" yaml:"displayName"`
	Geography   string       `json:"geography" yaml:"geography"`                       // geopolitical region: "North America"
	Gateways    []string     `json:"gateways" yaml:"gateways"`                         // gateway nodes; instances of a gateway are spread over them
	Hosts       []string     `json:"hosts" yaml:"hosts"`                               // compute nodes
	PublicPool  netip.Prefix `json:"publicPool,omitempty" yaml:"publicPool,omitempty"` // public IP addresses come from here
}

// PeeringLocation is a meet-me place with its pair of edge routers.
type PeeringLocation struct {
	Name         string   `json:"name" yaml:"name"` // "Seattle"
	Geography    string   `json:"geography" yaml:"geography"`
	Region       string   `json:"region" yaml:"region"`                                 // nearest region, for resource locations
	LocalRegions []string `json:"localRegions,omitempty" yaml:"localRegions,omitempty"` // regions a Local circuit reaches; none: no Local SKU
	Primary      string   `json:"primary" yaml:"primary"`                               // edge node
	Secondary    string   `json:"secondary" yaml:"secondary"`
	Address      string   `json:"address,omitempty" yaml:"address,omitempty"` // street address, for those who order ports
	Contact      string   `json:"contact,omitempty" yaml:"contact,omitempty"` // of the building's operator
}

// Provider is a connectivity provider with its offers.
type Provider struct {
	Name           string     `json:"name" yaml:"name"`
	Subscription   string     `json:"subscription" yaml:"subscription"` // where its cross connections appear
	BandwidthsMbps []int      `json:"bandwidths" yaml:"bandwidths"`     // none: all of the service's
	PortPairs      []PortPair `json:"portPairs" yaml:"portPairs"`
}

// PortPair joins a provider to the edge pair of a location.
type PortPair struct {
	Name          string `json:"name" yaml:"name"`
	Location      string `json:"location" yaml:"location"`
	BandwidthMbps int    `json:"bandwidth" yaml:"bandwidth"`
	Overprovision int    `json:"overprovision,omitempty" yaml:"overprovision,omitempty"` // factor; 0: 4
	Primary       string `json:"primary" yaml:"primary"`                                 // "edge1/pe0": port of the primary edge router
	Secondary     string `json:"secondary" yaml:"secondary"`
	// SwitchPrimary and SwitchSecondary are the provider's ends of the same cables, on switches or on routers, "xchg1/e1"; "" where the provider's equipment is
	// not one of our nodes.
	SwitchPrimary   string `json:"switchPrimary,omitempty" yaml:"switchPrimary,omitempty"`
	SwitchSecondary string `json:"switchSecondary,omitempty" yaml:"switchSecondary,omitempty"`
}

// FabricNode is a forwarding machine.
type FabricNode struct {
	Name  string       `json:"name" yaml:"name"`
	Role  string       `json:"role" yaml:"role"`                       // edge gateway compute exchange router
	Owner string       `json:"owner,omitempty" yaml:"owner,omitempty"` // provider's name for an exchange or router; "" the operator's
	VTEP  netip.Prefix `json:"vtep,omitzero" yaml:"vtep,omitempty"`    // fabric address with the fabric's length, "100.64.0.11/24"
	Ports []FabricPort `json:"ports" yaml:"ports"`
}

// FabricPort is a port of a node.
type FabricPort struct {
	Name      string `json:"name" yaml:"name"`
	Underlay  bool   `json:"underlay,omitempty" yaml:"underlay,omitempty"`   // leads to the fabric
	MTU       int    `json:"mtu,omitempty" yaml:"mtu,omitempty"`             // L3; 0: 1500, underlay 1600
	EtherType uint16 `json:"etherType,omitempty" yaml:"etherType,omitempty"` // TPID of the S-tag; 0: 0x8100
}

// Principal is somebody who may log in to the embedded issuer.
type Principal struct {
	Name         string `json:"name" yaml:"name"`
	ClientID     string `json:"clientId" yaml:"clientId"` // GUID
	Secret       string `json:"-" yaml:"secret"`          // only in the file; stored as SecretHash
	SecretHash   string `json:"secretHash" yaml:"-"`
	Role         string `json:"role" yaml:"role"`                             // customer provider operator
	Subscription string `json:"subscription" yaml:"subscription"`             // its own; "" for the operator
	Provider     string `json:"provider,omitempty" yaml:"provider,omitempty"` // for role provider
}

// Head returns the common part.
func (f *Fabric) Head() *Head { return &f.Meta }

// Kind returns KindFabric.
func (f *Fabric) Kind() Kind { return KindFabric }
