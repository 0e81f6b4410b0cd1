// Package resource is the domain: circuits, peerings, cross connections, gateways, connections, virtual networks and the fabric they run
// on; their identities, limits, states and the rules that hold between them.
//
// In:  nothing; it knows no HTTP, etcd or BGP. Out: control/arm converts wire forms to these types once, control/store keeps them,
// control/compile turns them into plans.
//
// Every field has one writer (the table is in ARCHITECTURE.md): spec fields belong to the principal that orders the object, fields below
// a Status belong to control. Objects are values to their readers: whoever got one from the store must not change it, except through
// Store.Update. A top-level object is one document with its children inside (a circuit holds its peerings and authorizations), and so the
// unit of locking, of etags and of generations.
package resource

import "time"

// Kind names a type of top-level object. It is the lower-case ARM type without the namespace.
type Kind string

// The kinds.
const (
	KindSubscription    Kind = "subscriptions"
	KindGroup           Kind = "resourcegroups"
	KindCircuit         Kind = "expressroutecircuits"
	KindCrossConnection Kind = "expressroutecrossconnections"
	KindNetwork         Kind = "virtualnetworks"
	KindPublicAddress   Kind = "publicipaddresses"
	KindInterface       Kind = "networkinterfaces"
	KindGateway         Kind = "virtualnetworkgateways"
	KindConnection      Kind = "connections"
	KindRouteFilter     Kind = "routefilters"
	KindRouteTable      Kind = "routetables"
	KindDeployment      Kind = "deployments"
	KindPort            Kind = "expressrouteports"
	KindFabric          Kind = "fabrics" // one document: the operator's inventory
)

// Object is a top-level object.
type Object interface {
	// Head is the part all objects share. The pointer is into the object.
	Head() *Head
	Kind() Kind
}

// Head is what all top-level objects have in common.
type Head struct {
	ID       ID
	Location string            // region in ARM form, "westus2"
	Tags     map[string]string // nil: none
	GUID     string            // resourceGuid: stable across updates, new after a re-create
	Locks    []Lock            // nil: none

	// Below here control writes.
	Etag      string // W/"<guid>", new on every write
	Revision  int64  // store revision of this version; filled in by the store when read
	Created   time.Time
	State     ProvisioningState
	Operation string   // id of the operation that holds this document; "" when none
	Failure   *Failure // why State is Failed
}

// Lock keeps what it is on, and everything inside, from being deleted or changed until it is taken away.
type Lock struct {
	Name  string
	Level LockLevel
	Notes string
}

// LockLevel is what a lock forbids.
type LockLevel string

// The levels of locks.
const (
	CanNotDelete LockLevel = "CanNotDelete" // deleting
	ReadOnly     LockLevel = "ReadOnly"     // every write
)

// ProvisioningState is the ARM provisioningState.
type ProvisioningState string

// The provisioning states.
const (
	Succeeded ProvisioningState = "Succeeded"
	Updating  ProvisioningState = "Updating"
	Deleting  ProvisioningState = "Deleting"
	Failed    ProvisioningState = "Failed"
)

// Failure is an error kept with an object or an operation, in ARM's terms.
type Failure struct {
	Code    string // ARM error code
	Message string
	Target  string // field path, "properties.peerings[0].vlanId"; "" when none
}

// Sealed is a secret, encrypted by the store's keyring (control/store): an MD5 key, an authorization key. nil: none. It never prints, and
// nothing but the keyring can open it, so that no list, log or stored document shows it.
type Sealed []byte

// String hides the secret.
func (s Sealed) String() string {
	if len(s) == 0 {
		return ""
	}
	return "*****"
}

// GoString hides the secret.
func (s Sealed) GoString() string { return s.String() }

// Subscription is the billing and permission scope of ARM. Principals get roles on it.
type Subscription struct {
	Meta        Head
	DisplayName string
	TenantID    string
}

// Group is a resource group.
type Group struct {
	Meta Head
}

// Head returns the common part.
func (s *Subscription) Head() *Head { return &s.Meta }

// Kind returns KindSubscription.
func (s *Subscription) Kind() Kind { return KindSubscription }

// Head returns the common part.
func (g *Group) Head() *Head { return &g.Meta }

// Kind returns KindGroup.
func (g *Group) Kind() Kind { return KindGroup }
