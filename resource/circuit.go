package resource

import "net/netip"

// SKUTier is a circuit's tier.
type SKUTier string

// The tiers.
const (
	TierLocal    SKUTier = "Local"
	TierStandard SKUTier = "Standard"
	TierPremium  SKUTier = "Premium"
)

// SKUFamily is a circuit's data plan.
type SKUFamily string

// The families.
const (
	FamilyMetered   SKUFamily = "MeteredData"
	FamilyUnlimited SKUFamily = "UnlimitedData"
)

// ProviderState is serviceProviderProvisioningState, the second state axis: the provider moves it, through the cross connection.
type ProviderState string

// The provider states.
const (
	NotProvisioned ProviderState = "NotProvisioned"
	Provisioning   ProviderState = "Provisioning"
	Provisioned    ProviderState = "Provisioned"
	Deprovisioning ProviderState = "Deprovisioning"
)

// Circuit is an ordered ExpressRoute circuit, of a connectivity provider or on a port of the customer's own, with its children.
type Circuit struct {
	Meta Head
	Tier SKUTier
	Plan SKUFamily

	Provider        string // service provider's name; "" on a port
	Port            ID     // the port; zero with a provider
	PeeringLocation string // on a port: the port's
	BandwidthMbps   int
	AllowClassic    bool
	GlobalReach     bool
	RateLimit       bool // on a port: police to the bandwidth; with a provider that is always so
	Authorizations  []Authorization
	Peerings        []Peering // written by the customer, or by the provider through the cross connection

	Status CircuitStatus
}

// CircuitStatus is what the platform and the provider say of a circuit.
type CircuitStatus struct {
	Enabled       bool          // circuitProvisioningState Enabled
	ServiceKey    string        // GUID
	STag          int           // outer tag, unique on the edge port pair; 0 until allocated, and on a port with Dot1Q
	PortPair      string        // provider's or direct port pair (fabric) the circuit sits on
	ProviderState ProviderState // the provider writes it, on the cross connection
	ProviderNotes string        // likewise
	Handoff       Handoff       // likewise
	ManagerEtag   int           // gatewayManagerEtag counter
	// PortAuthorization is the authorization of another subscription's port that the circuit redeemed.
	PortAuthorization string
}

// Handoff is where the provider hands the circuit to the customer: ports of the provider's own nodes, "node/port" for an untagged port (it
// carries the private peering), "node/port:tagged" for a port that carries every peering by its C-tag, "node/port:vc=101" for a virtual
// circuit: every peering by its C-tag, inside the outer tag 101, beside other virtual circuits on the port. Both sides may be virtual
// circuits of one port. On a provider's router it is "node/port:l3", and the site says what is behind the port (see ParseSite). The provider
// sets all by the tags primaryHandoff, secondaryHandoff, primarySite and secondarySite of the cross connection.
type Handoff struct {
	Primary, Secondary         string
	PrimarySite, SecondarySite string
}

// Authorization lets the owner of a gateway in another subscription connect to the circuit. One key, one connection.
type Authorization struct {
	Name   string
	Key    Sealed
	Usedby ID // connection that redeemed it; zero: Available
}

// PeeringType is both a peering's type and its name.
type PeeringType string

// The peering types.
const (
	PrivatePeering   PeeringType = "AzurePrivatePeering"
	MicrosoftPeering PeeringType = "MicrosoftPeering"
)

// Peering is a routing domain on a circuit.
type Peering struct {
	Type      PeeringType
	Enabled   bool
	PeerASN   uint32
	Primary   netip.Prefix // /30; customer takes the first host, the edge the second
	Secondary netip.Prefix
	VLAN      int    // C-tag
	Key       Sealed // TCP-MD5
	// ModifiedBy is ByCustomer or ByProvider; the other one may not change it.
	ModifiedBy  string
	State       ProvisioningState
	ManagerEtag int
}

// CrossConnection is the provider's shadow of a circuit. Its document holds only what the provider writes for itself; everything else is
// read from the circuit, whose Status carries the provider's levers, so that one write is one document.
type CrossConnection struct {
	Meta    Head
	Circuit ID
}

// Head returns the common part.
func (c *Circuit) Head() *Head { return &c.Meta }

// Kind returns KindCircuit.
func (c *Circuit) Kind() Kind { return KindCircuit }

// Head returns the common part.
func (x *CrossConnection) Head() *Head { return &x.Meta }

// Kind returns KindCrossConnection.
func (x *CrossConnection) Kind() Kind { return KindCrossConnection }
