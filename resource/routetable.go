package resource

import (
	"net/netip"
	"strconv"
	"strings"
)

// RouteTable is a list of a customer's own routes. No subnet takes one yet, so that it moves no packet.
type RouteTable struct {
	Meta      Head
	IgnoreBGP bool // disableBgpRoutePropagation
	Routes    []Route
}

// Route is one of a table.
type Route struct {
	Name    string
	Prefix  netip.Prefix
	Type    string     // VirtualNetworkGateway VnetLocal Internet VirtualAppliance None
	NextHop netip.Addr // of a VirtualAppliance
	State   ProvisioningState
}

// Route finds a route by name, without case; nil when there is none.
func (t *RouteTable) Route(name string) *Route {
	for i := range t.Routes {
		if strings.EqualFold(t.Routes[i].Name, name) {
			return &t.Routes[i]
		}
	}
	return nil
}

// NextHopTypes are the types of next hops of routes.
func NextHopTypes() []string {
	return []string{"VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None"}
}

// CheckRouteTable checks a table that is being written.
func CheckRouteTable(t *RouteTable) error {
	if err := CheckName(KindRouteTable, t.Meta.ID.Name(), "name"); err != nil {
		return err
	}
	if len(t.Routes) > MaxRoutesPerTable {
		return refuse(Limit, CodeLimit, "properties.routes", "the table would have %d routes, it may have %d", len(t.Routes), MaxRoutesPerTable)
	}
	for i, r := range t.Routes {
		field := "properties.routes[" + strconv.Itoa(i) + "]"
		if err := CheckName(KindRouteTable, r.Name, field+".name"); err != nil {
			return err
		}
		if err := r.check(field + ".properties"); err != nil {
			return err
		}
		for _, o := range t.Routes[:i] {
			if o.Prefix == r.Prefix {
				return refuse(Conflict, CodeConflict, field+".properties.addressPrefix", "the prefix %s is route %q's already", r.Prefix, o.Name)
			}
		}
	}
	return nil
}

func (r Route) check(field string) error {
	known := false
	for _, t := range NextHopTypes() {
		known = known || t == r.Type
	}
	switch {
	case !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked():
		return invalid(field+".addressPrefix", "%q is no address prefix without host bits", r.Prefix)
	case !known:
		return invalid(field+".nextHopType", "%q is no type of next hop, want one of %s", r.Type, strings.Join(NextHopTypes(), ", "))
	case (r.Type == "VirtualAppliance") != r.NextHop.IsValid():
		return invalid(field+".nextHopIpAddress", "a next hop of type %s has the address %q; a VirtualAppliance needs one, and others have none", r.Type, r.NextHop)
	}
	return nil
}

// Head returns the common part.
func (t *RouteTable) Head() *Head { return &t.Meta }

// Kind returns KindRouteTable.
func (t *RouteTable) Kind() Kind { return KindRouteTable }
