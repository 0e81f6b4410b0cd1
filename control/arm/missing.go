package arm

// missingRoutes are the operations of the contract on types that are not there at all.
func missingRoutes() []route {
	var all []route
	for _, t := range []struct {
		typ, what string
		children  []string
	}{
		{"expressRouteGateways", "Virtual WAN's ExpressRoute gateways", []string{"expressRouteConnections"}},
		{"virtualWans", "Virtual WAN", nil},
		{"virtualHubs", "Virtual WAN's hubs", []string{"hubRouteTables"}},
		{"routeTables", "Route tables", []string{"routes"}},
		{"networkSecurityGroups", "Network security groups", []string{"securityRules"}},
		{"localNetworkGateways", "Local network gateways", nil},
		{"natGateways", "NAT gateways", nil},
	} {
		one, act := groupNet+"/"+t.typ+"/{name}", networkNamespace+"/"+t.typ+"/"
		no := absent(t.what)
		all = append(all,
			route{put, one, act + "write", no, lro, Missing, gapsTest},
			route{get, one, act + "read", no, direct, Missing, gapsTest},
			route{del, one, act + "delete", no, lro, Missing, gapsTest},
			route{patch, one, act + "write", no, direct, Missing, gapsTest},
			route{get, groupNet + "/" + t.typ, act + "read", no, direct, Missing, gapsTest},
			route{get, subNet + "/" + t.typ, act + "read", no, direct, Missing, gapsTest})
		for _, child := range t.children {
			at, cact := one+"/"+child, act+child+"/"
			all = append(all,
				route{put, at + "/{child}", cact + "write", no, lro, Missing, gapsTest},
				route{get, at + "/{child}", cact + "read", no, direct, Missing, gapsTest},
				route{del, at + "/{child}", cact + "delete", no, lro, Missing, gapsTest},
				route{get, at, cact + "read", no, direct, Missing, gapsTest})
		}
	}
	return append(all, missingOdd()...)
}

// missingOdd are those of other shapes.
func missingOdd() []route {
	const (
		nn  = networkNamespace + "/"
		loc = subNet + "/locations/{location}/"
		res = "Microsoft.Resources/"
	)
	return []route{
		{get, loc + "CheckDnsNameAvailability", nn + "locations/checkDnsNameAvailability/read", absent("DNS names"), direct, Missing, gapsTest},
		{get, loc + "serviceTags", nn + "locations/serviceTags/read", absent("Service tags"), direct, Missing, gapsTest},
		{get, loc + "virtualNetworkAvailableEndpointServices", nn + "locations/virtualNetworkAvailableEndpointServices/read", absent("Service endpoints"), direct, Missing, gapsTest},
		{get, loc + "availableDelegations", nn + "locations/availableDelegations/read", absent("Delegations of subnets"), direct, Missing, gapsTest},
		{post, pathGroup + "/validateMoveResources", res + "subscriptions/resourceGroups/validateMoveResources/action", absent("Moving resources"), lro, Missing, gapsTest},
		{post, pathGroup + "/moveResources", res + "subscriptions/resourceGroups/moveResources/action", absent("Moving resources"), lro, Missing, gapsTest},
	}
}
