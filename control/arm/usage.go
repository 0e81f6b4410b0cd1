package arm

import (
	"net/http"
	"net/netip"

	"onramp/resource"
)

// listUsages answers how much of its limits a subscription uses in a region.
func listUsages(f *Front, c *call) (answer, error) {
	fabric, err := f.fabricNow(c.ctx)
	if err != nil {
		return answer{}, err
	}
	location := resource.NormalLocation(c.params["location"])
	if fabric.Region(location) == nil {
		return answer{}, refuse(http.StatusBadRequest, "NoRegisteredProviderFound", "The location '%s' is none of this service.", c.params["location"])
	}
	snap, err := f.cfg.Store.Snapshot(c.ctx)
	if err != nil {
		return answer{}, err
	}
	rows := []map[string]any{}
	for _, u := range []struct {
		kind        resource.Kind
		name, words string
		limit       int
	}{
		{resource.KindNetwork, "VirtualNetworks", "Virtual Networks", 1000},
		{resource.KindInterface, "NetworkInterfaces", "Network Interfaces", 65536},
		{resource.KindPublicAddress, "PublicIPAddresses", "Public IP Addresses", 1000},
		{resource.KindRouteTable, "RouteTables", "Route Tables", 200},
		{resource.KindRouteFilter, "RouteFilters", "Route Filters", 1000},
		{resource.KindCircuit, "ExpressRouteCircuits", "ExpressRoute Circuits", resource.MaxCircuitsPerRegion},
	} {
		n := 0
		for _, o := range snap.Objects[u.kind] {
			if h := o.Head(); inside(h.ID, resource.ID{Subscription: c.id().Subscription}) && h.Location == location {
				n++
			}
		}
		rows = append(rows, map[string]any{"id": "/subscriptions/" + c.id().Subscription + "/providers/" + networkNamespace + "/locations/" + location + "/usages/" + u.name,
			"name": map[string]string{"value": u.name, "localizedValue": u.words}, "currentValue": n, "limit": u.limit, "unit": "Count"})
	}
	return ok(listOf(rows)), nil
}

// listNetworkUsages answers how many addresses of each subnet are taken.
func listNetworkUsages(f *Front, c *call) (answer, error) {
	w, n, err := f.networkNow(c)
	if err != nil {
		return answer{}, err
	}
	rows := []map[string]any{}
	for i := range n.Subnets {
		s := &n.Subnets[i]
		size := 0
		for _, p := range s.Prefixes {
			size += 1<<min(32-p.Bits(), 24) - 5 // the platform keeps five of each
		}
		id := n.Meta.ID.Child("subnets", s.Name)
		rows = append(rows, map[string]any{"id": id.String(), "name": map[string]string{"value": "SubnetSpace", "localizedValue": "Subnet size and usage"},
			"currentValue": len(w.UsedAddresses(id)), "limit": size, "unit": "Count"})
	}
	return ok(listOf(rows)), nil
}

func (f *Front) networkNow(c *call) (*resource.World, *resource.Network, error) {
	n, err := load[*resource.Network](f, c, c.id(networkType, c.params["name"]))
	if err != nil {
		return nil, nil, err
	}
	snap, err := f.cfg.Store.Snapshot(c.ctx)
	if err != nil {
		return nil, nil, err
	}
	return resource.NewWorld(snap.Objects, nil), n, nil
}

// checkAddress answers whether an address of a network is free, and which are when it is not.
func checkAddress(f *Front, c *call) (answer, error) {
	a, err := netip.ParseAddr(c.query("ipAddress"))
	if err != nil {
		return answer{}, badField("ipAddress", "InvalidIPAddress", "'%s' is no IP address.", c.query("ipAddress"))
	}
	w, n, err := f.networkNow(c)
	if err != nil {
		return answer{}, err
	}
	for i := range n.Subnets {
		for _, p := range n.Subnets[i].Prefixes {
			if p.Contains(a) {
				return ok(availability(w, n.Meta.ID.Child("subnets", n.Subnets[i].Name), p, a)), nil
			}
		}
	}
	return answer{}, badField("ipAddress", "PrivateIPAddressNotInAnySubnet",
		"Private static IP address %s does not belong to the range of any subnet of the virtual network '%s'.", a, n.Meta.ID.Name())
}

type availabilityWire struct {
	Available bool     `json:"available"`
	Reserved  bool     `json:"isPlatformReserved"`
	Free      []string `json:"availableIPAddresses"`
}

func availability(w *resource.World, subnet resource.ID, p netip.Prefix, a netip.Addr) availabilityWire {
	_, used := w.UsedAddresses(subnet)[a]
	out := availabilityWire{Reserved: resource.Reserved(p, a), Free: []string{}}
	if out.Available = !out.Reserved && !used; out.Available {
		return out
	}
	var free []netip.Addr
	for len(free) < 5 {
		next, err := w.FreeAddress(subnet, resource.ID{}, free...)
		if err != nil {
			break // the subnet is full
		}
		free = append(free, next)
		out.Free = append(out.Free, next.String())
	}
	return out
}
