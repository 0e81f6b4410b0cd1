package arm

import (
	"context"
	"errors"

	"onramp/resource"
)

// ErrNoNode is what Live.Node returns for a name that no node has.
var ErrNoNode = errors.New("no such node")

// Live answers what only running nodes know. Package control implements it from reports and queries; a memory twin serves tests. Errors are
// for people; a dead session is an empty table, not an error.
type Live interface {
	// ARP lists a peering's address table on one path; path is "primary" or "secondary".
	ARP(ctx context.Context, c *resource.Circuit, p resource.PeeringType, path string) ([]ARPRow, error)
	Routes(ctx context.Context, c *resource.Circuit, p resource.PeeringType, path string) ([]RouteRow, error)
	RoutesSummary(ctx context.Context, c *resource.Circuit, p resource.PeeringType, path string) ([]SummaryRow, error)
	// Stats sums a circuit's counters, of one peering or of all ("").
	Stats(ctx context.Context, c *resource.Circuit, p resource.PeeringType) (Stats, error)

	LearnedRoutes(ctx context.Context, g *resource.Gateway) ([]GatewayRoute, error)
	AdvertisedRoutes(ctx context.Context, g *resource.Gateway, peer string) ([]GatewayRoute, error)
	BGPPeers(ctx context.Context, g *resource.Gateway) ([]BGPPeer, error)
	// ConnectionBytes are the bytes that entered and left the gateway by a connection, as its nodes reported last; 0 where none did.
	ConnectionBytes(id resource.ID) (in, out uint64)
	EffectiveRoutes(ctx context.Context, i *resource.Interface) ([]EffectiveRoute, error)

	// Nodes and Node are the operator's view: JSON-ready values of plan, report, sessions and counters.
	Nodes(ctx context.Context) (any, error)
	Node(ctx context.Context, name string) (any, error)
	// Diagnose names the first broken layer of a circuit, expected against seen; "" is healthy.
	Diagnose(ctx context.Context, c *resource.Circuit) ([]Finding, error)
}

// ARPRow is one row of ArpTable. Age in minutes.
type ARPRow struct {
	Age       int
	Interface string // "Microsoft" or "On-Prem"
	IP, MAC   string // MAC as 02aa.bb00.0001; "Incomplete" while unresolved
}

// RouteRow is one row of RoutesTable.
type RouteRow struct {
	Network, NextHop, LocPrf string
	Weight                   int
	Path                     string
}

// SummaryRow is one row of RoutesTableSummary. StateOrPrefixes is a count when Established, else the state.
type SummaryRow struct {
	Neighbor        string
	Version         int
	AS              uint32
	UpDown          string
	StateOrPrefixes string
}

// Stats are bytes per link; in is from the customer.
type Stats struct {
	PrimaryIn, PrimaryOut, SecondaryIn, SecondaryOut uint64
	// Dropped by the circuit's policers.
	PrimaryDroppedIn, PrimaryDroppedOut, SecondaryDroppedIn, SecondaryDroppedOut uint64
}

// GatewayRoute is one row of GatewayRouteListResult. ASPath is joined with "-".
type GatewayRoute struct {
	LocalAddress, Network, NextHop, SourcePeer, Origin, ASPath string
	Weight                                                     int
}

// BGPPeer is one row of BgpPeerStatusListResult.
type BGPPeer struct {
	LocalAddress, Neighbor, State, ConnectedDuration string
	ASN                                              uint32
	RoutesReceived, MessagesSent, MessagesReceived   int64
}

// EffectiveRoute is one row of EffectiveRouteListResult.
type EffectiveRoute struct {
	Source, State, NextHopType string
	Prefixes, NextHops         []string
}

// Finding is one line of a diagnosis.
type Finding struct {
	Layer    string // circuit, provider, peering, port, tag, arp, bgp, limit, route, gateway
	Path     string // primary, secondary or ""
	OK       bool
	Expected string
	Seen     string
	Fix      string
}
