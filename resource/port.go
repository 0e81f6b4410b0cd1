package resource

import (
	"slices"
	"strings"
)

// Encapsulation is how the circuits on a port are told apart.
type Encapsulation string

// The encapsulations.
const (
	Dot1Q Encapsulation = "Dot1Q" // one tag: a VLAN belongs to one peering of one circuit of the port
	QinQ  Encapsulation = "QinQ"  // two tags: the outer is the circuit's, the inner its peering's
)

// Cipher is a MACsec cipher suite (IEEE 802.1AE).
type Cipher string

// The cipher suites.
const (
	CipherAES128    Cipher = "GcmAes128"
	CipherAES256    Cipher = "GcmAes256"
	CipherAESXPN128 Cipher = "GcmAesXpn128"
	CipherAESXPN256 Cipher = "GcmAesXpn256"
)

// Port is an ExpressRoute Direct port: a pair of the edge routers' ports that is its owner's alone, with its children.
type Port struct {
	Meta            Head
	PeeringLocation string
	BandwidthGbps   int
	Encapsulation   Encapsulation
	Billing         SKUFamily
	Identities      []string // ids of the user-assigned identities that may read the secrets
	Links           [2]PortLink
	Authorizations  []PortAuthorization

	Status PortStatus
}

// PortStatus is what the platform says of a port.
type PortStatus struct {
	Pair string // direct pair of the fabric
}

// PortLink is one of a port's two links: link1 is on the location's primary edge router, link2 on the secondary.
type PortLink struct {
	Enabled bool // adminState; false takes the edge's port down
	MACsec  MACsec
}

// MACsec is the order to encrypt a link. The secrets themselves are never here, only where they are.
type MACsec struct {
	CKN, CAK string // identifiers of key vault secrets; "" both: no MACsec
	Cipher   Cipher // "" until keys are given
	SCI      bool
}

// PortAuthorization lets the owner of another subscription put one circuit on the port. Which circuit did is in that circuit's status.
type PortAuthorization struct {
	Name string
	Key  Sealed
}

// LinkName is the name of a port's link, 0 or 1.
func LinkName(i int) string { return []string{"link1", "link2"}[i] }

// Link is the index of a link by its name, without case; -1 when there is none.
func (p *Port) Link(name string) int {
	for i := range p.Links {
		if strings.EqualFold(name, LinkName(i)) {
			return i
		}
	}
	return -1
}

// Authorization finds an authorization by name, without case; nil when there is none.
func (p *Port) Authorization(name string) *PortAuthorization {
	for i := range p.Authorizations {
		if strings.EqualFold(p.Authorizations[i].Name, name) {
			return &p.Authorizations[i]
		}
	}
	return nil
}

// Port looks a port up by its id or a child's; nil when there is none.
func (w *World) Port(id ID) *Port { return find[*Port](w, id) }

// PortCircuits are the circuits on a port.
func PortCircuits(all []*Circuit, port ID) []*Circuit {
	return selectBy(all, func(c *Circuit) bool { return c.Port.Equal(port) })
}

// PortAuthorizationUser is the circuit that redeemed an authorization of a port; nil when it is available.
func PortAuthorizationUser(all []*Circuit, port ID, name string) *Circuit {
	for _, c := range PortCircuits(all, port) {
		if c.Status.PortAuthorization != "" && strings.EqualFold(c.Status.PortAuthorization, name) {
			return c
		}
	}
	return nil
}

// ProvisionedMbps sums the bandwidth of the circuits on a port.
func ProvisionedMbps(all []*Circuit, port ID) int {
	sum := 0
	for _, c := range PortCircuits(all, port) {
		sum += c.BandwidthMbps
	}
	return sum
}

// Head returns the common part.
func (p *Port) Head() *Head { return &p.Meta }

// Kind returns KindPort.
func (p *Port) Kind() Kind { return KindPort }

func (p *Port) clone() *Port {
	n := *p
	n.Identities = slices.Clone(p.Identities)
	n.Authorizations = slices.Clone(p.Authorizations)
	for i := range n.Authorizations {
		n.Authorizations[i].Key = slices.Clone(n.Authorizations[i].Key)
	}
	return &n
}
