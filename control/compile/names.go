package compile

import "onramp/resource"

// The names inside plans are made here and nowhere else. They are the node's diff keys: stable for an object's life and unique on a node.

// stable is what names of an object are made from: its GUID, new after a re-create; where a document has none, its id.
func stable(h *resource.Head) string {
	if h.GUID == "" {
		return h.ID.Key()
	}
	return h.GUID
}

func circuitName(c *resource.Circuit) string { return "circuit/" + c.Status.ServiceKey }

func privateDomain(c *resource.Circuit) string { return circuitName(c) + "/private" }

func networkName(n *resource.Network) string { return "network/" + stable(&n.Meta) }

// tunnelTo names an end of a tunnel by the node at the other end.
func tunnelTo(owner, node string) string { return owner + "/to/" + node }

func connectionName(c *resource.Connection) string { return "connection/" + stable(&c.Meta) }

func interfaceName(i *resource.Interface) string { return "interface/" + stable(&i.Meta) }

// session4 names the IPv4 session on an attachment.
func session4(attachment string) string { return attachment + "/v4" }

// The classes of routes, by where they come from. Exports select by them.
const (
	classCustomer = "customer" // learned from a circuit's customer
	classNetwork  = "network"  // address space of a virtual network
	classTransit  = "transit"  // likewise, of one whose gateway exchanges traffic with other networks of a circuit
	classSite     = "site"     // of a customer's site, on a provider's router
	classCloud    = "cloud"    // learned from an edge router, on a provider's router
	classHost     = "host"     // one machine's address
)

// The paths of a circuit.
const (
	PathPrimary   = "primary"
	PathSecondary = "secondary"
)
