package arm

import "net/http"

// Fidelity says how an operation compares with Azure's.
type Fidelity string

// The fidelities.
const (
	Same       Fidelity = "same"       // clients cannot tell
	Simplified Fidelity = "simplified" // works, but less happens
	Missing    Fidelity = "missing"    // 501 NotImplemented
)

// style is how an operation is answered.
type style string

const (
	direct style = "sync"
	lro    style = "lro"
)

type handler func(*Front, *call) (answer, error)

// route is one row of the table: what the front knows of one operation.
type route struct {
	Method   string
	Path     string  // segments match without case; {x} is a parameter
	Action   string  // permission in Azure's terms, or anonymous
	Do       handler //
	Style    style
	Fidelity Fidelity
	Test     string // the test that shows it
}

// anonymous is the action of routes that need no token.
const anonymous = ""

const (
	pathSub   = "/subscriptions/{subscription}"
	pathGroup = pathSub + "/resourceGroups/{group}"
	subNet    = pathSub + "/providers/Microsoft.Network"
	groupNet  = pathGroup + "/providers/Microsoft.Network"

	get, put, patch, del, post, head = http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost, http.MethodHead

	sdkStory = "TestStory"
	plumbing = "TestRawPlumbing"
	tagsTest = "TestRawTags"
	logins   = "TestLoginMetadata"
	tokens   = "TestLoginTokens"
	keysTest = "TestLoginKeys"
	gapsTest = "TestMissing"
	fabTest  = "TestFabric"

	lockTest   = "TestLocks"
	tagTest    = "TestTagsResource"
	filterTest = "TestRouteFilters"
	usageTest  = "TestUsages"
	deployTest = "TestDeployment"
	portTest   = "TestPorts"
	tenantTest = "TestLoginTenantName"
)

// absent makes the handler of an operation of the contract that is not there.
func absent(what string) handler {
	return func(*Front, *call) (answer, error) { return answer{}, missing(what) }
}

// routes is the table. Every operation of the contract has its row, also those that are missing.
func routes() []route {
	var all []route
	for _, part := range [][]route{loginRoutes(), planeRoutes(), extensionRoutes(), deploymentRoutes(), circuitRoutes(), crossRoutes(), portRoutes(), networkRoutes(), gatewayRoutes(), filterRoutes(), fabricRoutes(), missingRoutes()} {
		all = append(all, part...)
	}
	return all
}

func loginRoutes() []route {
	const openID = "/.well-known/openid-configuration"
	return []route{
		{get, "/metadata/endpoints", anonymous, getMetadata, direct, Same, logins},
		{get, "/common/discovery/instance", anonymous, getInstance, direct, Simplified, logins},
		{get, "/{tenant}" + openID, anonymous, getOpenID, direct, Same, logins},
		{get, "/adfs/{tenant}" + openID, anonymous, getOpenID, direct, Same, tenantTest}, // az resolves a tenant's name
		{get, "/{tenant}/v2.0" + openID, anonymous, getOpenID, direct, Same, logins},
		{get, "/{tenant}/discovery/keys", anonymous, getKeys, direct, Same, keysTest},
		{get, "/{tenant}/discovery/v2.0/keys", anonymous, getKeys, direct, Same, keysTest},
		{post, "/{tenant}/oauth2/token", anonymous, postToken, direct, Simplified, tokens},
		{post, "/{tenant}/oauth2/v2.0/token", anonymous, postToken, direct, Simplified, tokens},
	}
}

// planeRoutes are ARM's own: subscriptions, groups, resource providers, operations.
func planeRoutes() []route {
	const res = "Microsoft.Resources/"
	return []route{
		{get, "/subscriptions", res + "subscriptions/read", listSubscriptions, direct, Same, plumbing},
		{get, "/tenants", res + "tenants/read", listTenants, direct, Same, plumbing},
		{get, pathSub, res + "subscriptions/read", getSubscription, direct, Same, plumbing},
		{get, pathSub + "/locations", res + "subscriptions/locations/read", listLocations, direct, Simplified, plumbing},
		{get, pathSub + "/providers", res + "subscriptions/providers/read", listProviders, direct, Same, plumbing},
		{get, pathSub + "/providers/{namespace}", res + "subscriptions/providers/read", getProvider, direct, Same, plumbing},
		{post, pathSub + "/providers/{namespace}/register", res + "subscriptions/providers/register/action", getProvider, direct, Simplified, plumbing},
		{post, pathSub + "/providers/{namespace}/unregister", res + "subscriptions/providers/unregister/action", absent("Unregistering a resource provider"), direct, Missing, gapsTest},
		{get, pathSub + "/resources", res + "subscriptions/resources/read", listResources, direct, Simplified, plumbing},
		{get, pathSub + "/resourceGroups", res + "subscriptions/resourceGroups/read", listGroups, direct, Same, sdkStory},
		{put, pathGroup, res + "subscriptions/resourceGroups/write", putGroup, direct, Same, sdkStory},
		{get, pathGroup, res + "subscriptions/resourceGroups/read", getGroup, direct, Same, sdkStory},
		{head, pathGroup, res + "subscriptions/resourceGroups/read", headGroup, direct, Same, sdkStory},
		{patch, pathGroup, res + "subscriptions/resourceGroups/write", patchGroup, direct, Same, plumbing},
		{del, pathGroup, res + "subscriptions/resourceGroups/delete", deleteGroup, lro, Same, sdkStory},
		{get, pathGroup + "/resources", res + "subscriptions/resourceGroups/resources/read", listResources, direct, Simplified, plumbing},
		{get, subNet + "/locations/{location}/operations/{operation}", networkNamespace + "/locations/operations/read", getOperation, direct, Same, sdkStory},
		{get, subNet + "/locations/{location}/operationResults/{operation}", networkNamespace + "/locations/operationResults/read", getOperationResult, direct, Same, sdkStory},
		{get, "/providers/Microsoft.Network/operations", networkNamespace + "/operations/read", listRPOperations, direct, Same, plumbing},
	}
}

func circuitRoutes() []route {
	const (
		one  = groupNet + "/expressRouteCircuits/{name}"
		auth = one + "/authorizations"
		peer = one + "/peerings"
		act  = networkNamespace + "/expressRouteCircuits/"
		pact = act + "peerings/"
	)
	n := circuits()
	return []route{
		{put, one, act + "write", n.put, lro, Same, sdkStory},
		{get, one, act + "read", n.get, direct, Same, sdkStory},
		{del, one, act + "delete", n.delete, lro, Same, sdkStory},
		{patch, one, act + "write", n.patch, direct, Same, sdkStory},
		{get, groupNet + "/expressRouteCircuits", act + "read", n.list, direct, Same, sdkStory},
		{get, subNet + "/expressRouteCircuits", act + "read", n.list, direct, Same, sdkStory},
		{get, one + "/stats", act + "stats/read", getStats, direct, Same, sdkStory},
		{put, auth + "/{authorization}", act + "authorizations/write", putAuthorization, lro, Same, sdkStory},
		{get, auth + "/{authorization}", act + "authorizations/read", getAuthorization, direct, Same, sdkStory},
		{del, auth + "/{authorization}", act + "authorizations/delete", deleteAuthorization, lro, Same, sdkStory},
		{get, auth, act + "authorizations/read", listAuthorizations, direct, Same, sdkStory},
		{put, peer + "/{peering}", pact + "write", putPeering, lro, Simplified, sdkStory},
		{get, peer + "/{peering}", pact + "read", getPeering, direct, Same, sdkStory},
		{del, peer + "/{peering}", pact + "delete", deletePeering, lro, Same, sdkStory},
		{get, peer, pact + "read", listPeerings, direct, Same, sdkStory},
		{get, peer + "/{peering}/stats", pact + "stats/read", getStats, direct, Same, sdkStory},
		{post, peer + "/{peering}/arpTables/{path}", pact + "arpTables/action", arpTable(ofCircuit), lro, Same, sdkStory},
		{post, peer + "/{peering}/routeTables/{path}", pact + "routeTables/action", routesTable(ofCircuit), lro, Same, sdkStory},
		{post, peer + "/{peering}/routeTablesSummary/{path}", pact + "routeTablesSummary/action", summaryTable(ofCircuit), lro, Same, sdkStory},
		{get, peer + "/{peering}/connections", pact + "connections/read", listReach, direct, Simplified, plumbing},
		{put, peer + "/{peering}/connections/{connection}", pact + "connections/write", absent("Global Reach"), lro, Missing, gapsTest},
		{get, peer + "/{peering}/connections/{connection}", pact + "connections/read", absent("Global Reach"), direct, Missing, gapsTest},
		{del, peer + "/{peering}/connections/{connection}", pact + "connections/delete", absent("Global Reach"), lro, Missing, gapsTest},
		{get, peer + "/{peering}/peerConnections", pact + "peerConnections/read", listReach, direct, Simplified, plumbing},
		{get, peer + "/{peering}/peerConnections/{connection}", pact + "peerConnections/read", absent("Global Reach"), direct, Missing, gapsTest},
		{get, one + "/providers/Onramp.Fabric/diagnose", act + "read", diagnose, direct, Same, fabTest},
		{post, one + "/diagnose", act + "read", diagnose, direct, Same, fabTest},
	}
}

func crossRoutes() []route {
	const (
		one  = groupNet + "/expressRouteCrossConnections/{name}"
		peer = one + "/peerings"
		act  = networkNamespace + "/expressRouteCrossConnections/"
		pact = act + "peerings/"
	)
	return []route{
		{put, one, act + "write", putCross, lro, Simplified, sdkStory},
		{get, one, act + "read", getCross, direct, Same, sdkStory},
		{patch, one, act + "write", patchCross, direct, Same, sdkStory},
		{get, groupNet + "/expressRouteCrossConnections", act + "read", listCross, direct, Same, sdkStory},
		{get, subNet + "/expressRouteCrossConnections", act + "read", listCross, direct, Same, sdkStory},
		{put, peer + "/{peering}", pact + "write", putCrossPeering, lro, Simplified, sdkStory},
		{get, peer + "/{peering}", pact + "read", getCrossPeering, direct, Same, sdkStory},
		{del, peer + "/{peering}", pact + "delete", deleteCrossPeering, lro, Same, sdkStory},
		{get, peer, pact + "read", listCrossPeerings, direct, Same, sdkStory},
		{post, peer + "/{peering}/arpTables/{path}", pact + "arpTables/action", arpTable(ofCross), lro, Same, sdkStory},
		{post, peer + "/{peering}/routeTables/{path}", pact + "routeTables/action", routesTable(ofCross), lro, Same, sdkStory},
		{post, peer + "/{peering}/routeTablesSummary/{path}", pact + "routeTablesSummary/action", crossSummaryTable(ofCross), lro, Same, sdkStory},
		{get, subNet + "/expressRouteServiceProviders", networkNamespace + "/expressRouteServiceProviders/read", listServiceProviders, direct, Same, sdkStory},
		{get, subNet + "/expressRouteProviderPorts", networkNamespace + "/expressRouteProviderPorts/read", listProviderPorts, direct, Same, sdkStory},
		{get, subNet + "/expressRouteProviderPorts/{port}", networkNamespace + "/expressRouteProviderPorts/read", getProviderPort, direct, Same, sdkStory},
	}
}

// portRoutes are ExpressRoute Direct.
func portRoutes() []route {
	const (
		one  = groupNet + "/expressRoutePorts/{name}"
		auth = one + "/authorizations"
		all  = "/expressRoutePortsLocations"
		act  = networkNamespace + "/expressRoutePorts/"
		la   = networkNamespace + "/expressRoutePortsLocations/read"
	)
	n := ports()
	return []route{
		{put, one, act + "write", n.put, lro, Simplified, portTest},
		{get, one, act + "read", n.get, direct, Same, portTest},
		{del, one, act + "delete", n.delete, lro, Same, portTest},
		{patch, one, act + "write", n.patch, direct, Same, portTest},
		{get, groupNet + "/expressRoutePorts", act + "read", n.list, direct, Same, portTest},
		{get, subNet + "/expressRoutePorts", act + "read", n.list, direct, Same, portTest},
		{get, one + "/links", act + "links/read", listLinks, direct, Same, portTest},
		{get, one + "/links/{link}", act + "links/read", getLink, direct, Same, portTest},
		{post, one + "/generateLoa", act + "generateLoa/action", postLOA, direct, Same, "TestPortLetter"},
		{put, auth + "/{authorization}", act + "authorizations/write", putPortAuthorization, lro, Same, portTest},
		{get, auth + "/{authorization}", act + "authorizations/read", getPortAuthorization, direct, Same, portTest},
		{del, auth + "/{authorization}", act + "authorizations/delete", deletePortAuthorization, lro, Same, portTest},
		{get, auth, act + "authorizations/read", listPortAuthorizations, direct, Same, portTest},
		{get, subNet + all, la, listPortLocations, direct, Same, portTest},
		{get, subNet + all + "/{name}", la, getPortLocation, direct, Same, portTest},
	}
}

func networkRoutes() []route {
	const (
		net = groupNet + "/virtualNetworks/{name}"
		sn  = net + "/subnets"
		vp  = net + "/virtualNetworkPeerings"
		pip = groupNet + "/publicIPAddresses"
		nic = groupNet + "/networkInterfaces"
		act = networkNamespace + "/virtualNetworks/"
		pa  = networkNamespace + "/publicIPAddresses/"
		na  = networkNamespace + "/networkInterfaces/"
	)
	n, p, i := networks(), publicAddresses(), interfaces()
	return []route{
		{put, net, act + "write", n.put, lro, Simplified, sdkStory},
		{get, net, act + "read", n.get, direct, Same, sdkStory},
		{del, net, act + "delete", n.delete, lro, Same, sdkStory},
		{patch, net, act + "write", n.patch, direct, Same, tagsTest},
		{get, groupNet + "/virtualNetworks", act + "read", n.list, direct, Same, sdkStory},
		{get, subNet + "/virtualNetworks", act + "read", n.list, direct, Same, sdkStory},
		{get, net + "/CheckIPAddressAvailability", act + "read", checkAddress, direct, Same, usageTest},
		{get, net + "/usages", act + "usages/read", listNetworkUsages, direct, Same, usageTest},
		{put, sn + "/{subnet}", act + "subnets/write", putSubnet, lro, Simplified, sdkStory},
		{get, sn + "/{subnet}", act + "subnets/read", getSubnet, direct, Same, sdkStory},
		{del, sn + "/{subnet}", act + "subnets/delete", deleteSubnet, lro, Same, sdkStory},
		{get, sn, act + "subnets/read", listSubnets, direct, Same, sdkStory},
		{put, vp + "/{peering}", act + "virtualNetworkPeerings/write", absent("Peerings of virtual networks"), lro, Missing, gapsTest},
		{get, vp + "/{peering}", act + "virtualNetworkPeerings/read", absent("Peerings of virtual networks"), direct, Missing, gapsTest},
		{del, vp + "/{peering}", act + "virtualNetworkPeerings/delete", absent("Peerings of virtual networks"), lro, Missing, gapsTest},
		{get, vp, act + "virtualNetworkPeerings/read", absent("Peerings of virtual networks"), direct, Missing, gapsTest},
		{put, pip + "/{name}", pa + "write", p.put, lro, Simplified, sdkStory},
		{get, pip + "/{name}", pa + "read", p.get, direct, Same, sdkStory},
		{del, pip + "/{name}", pa + "delete", p.delete, lro, Same, sdkStory},
		{patch, pip + "/{name}", pa + "write", p.patch, direct, Same, tagsTest},
		{get, pip, pa + "read", p.list, direct, Same, plumbing},
		{get, subNet + "/publicIPAddresses", pa + "read", p.list, direct, Same, plumbing},
		{put, nic + "/{name}", na + "write", i.put, lro, Simplified, sdkStory},
		{get, nic + "/{name}", na + "read", i.get, direct, Same, sdkStory},
		{del, nic + "/{name}", na + "delete", i.delete, lro, Same, sdkStory},
		{patch, nic + "/{name}", na + "write", i.patch, direct, Same, tagsTest},
		{get, nic, na + "read", i.list, direct, Same, plumbing},
		{get, subNet + "/networkInterfaces", na + "read", i.list, direct, Same, plumbing},
		{post, nic + "/{name}/effectiveRouteTable", na + "effectiveRouteTable/action", postEffectiveRoutes, lro, Same, sdkStory},
		{post, nic + "/{name}/effectiveNetworkSecurityGroups", na + "effectiveNetworkSecurityGroups/action", absent("Network security groups"), lro, Missing, gapsTest},
	}
}

func gatewayRoutes() []route {
	const (
		gw   = groupNet + "/virtualNetworkGateways/{name}"
		conn = groupNet + "/connections/{name}"
		act  = networkNamespace + "/virtualNetworkGateways/"
		ca   = networkNamespace + "/connections/"
	)
	g, n := gateways(), connections()
	return []route{
		{put, gw, act + "write", g.put, lro, Simplified, sdkStory},
		{get, gw, act + "read", g.get, direct, Same, sdkStory},
		{del, gw, act + "delete", g.delete, lro, Same, sdkStory},
		{patch, gw, act + "write", g.patch, direct, Same, tagsTest},
		{get, groupNet + "/virtualNetworkGateways", act + "read", g.list, direct, Same, sdkStory},
		{get, gw + "/connections", act + "connections/read", listGatewayConnections, direct, Same, sdkStory},
		{post, gw + "/getLearnedRoutes", act + "getLearnedRoutes/action", postLearnedRoutes, lro, Same, sdkStory},
		{post, gw + "/getAdvertisedRoutes", act + "getAdvertisedRoutes/action", postAdvertisedRoutes, lro, Same, sdkStory},
		{post, gw + "/getBgpPeerStatus", act + "getBgpPeerStatus/action", postBGPPeers, lro, Same, sdkStory},
		{post, gw + "/{action}", act + "other/action", absent("This action of a virtual network gateway"), lro, Missing, gapsTest},
		{put, conn, ca + "write", n.put, lro, Simplified, sdkStory},
		{get, conn, ca + "read", n.get, direct, Same, sdkStory},
		{del, conn, ca + "delete", n.delete, lro, Same, sdkStory},
		{patch, conn, ca + "write", n.patch, direct, Same, tagsTest},
		{get, groupNet + "/connections", ca + "read", n.list, direct, Same, sdkStory},
		{get, conn + "/sharedkey", ca + "sharedKey/read", getSharedKey, direct, Simplified, sdkStory},
		{put, conn + "/sharedkey", ca + "sharedKey/write", absent("The shared key of a VPN connection"), lro, Missing, gapsTest},
		{post, conn + "/sharedkey/reset", ca + "sharedKey/reset/action", absent("The shared key of a VPN connection"), lro, Missing, gapsTest},
		{post, conn + "/{action}", ca + "other/action", absent("This action of a connection"), lro, Missing, gapsTest},
	}
}

// extensionRoutes are ARM's own resources on others: tags and locks.
func extensionRoutes() []route {
	const (
		any  = groupNet + "/{type}/{name}"
		tags = "/providers/Microsoft.Resources/tags/default"
		lock = "/providers/Microsoft.Authorization/locks"
		ta   = "Microsoft.Resources/tags/"
	)
	return []route{
		{put, pathSub + tags, ta + "write", putTags, direct, Same, tagTest},
		{get, pathSub + tags, ta + "read", getTags, direct, Same, tagTest},
		{patch, pathSub + tags, ta + "write", patchTags, direct, Same, tagTest},
		{del, pathSub + tags, ta + "delete", deleteTags, direct, Same, tagTest},
		{put, pathGroup + tags, ta + "write", putTags, direct, Same, tagTest},
		{get, pathGroup + tags, ta + "read", getTags, direct, Same, tagTest},
		{patch, pathGroup + tags, ta + "write", patchTags, direct, Same, tagTest},
		{del, pathGroup + tags, ta + "delete", deleteTags, direct, Same, tagTest},
		{put, any + tags, ta + "write", putTags, direct, Same, tagTest},
		{get, any + tags, ta + "read", getTags, direct, Same, tagTest},
		{patch, any + tags, ta + "write", patchTags, direct, Same, tagTest},
		{del, any + tags, ta + "delete", deleteTags, direct, Same, tagTest},
		{get, pathSub + lock, lockActions + "read", listLocks, direct, Same, lockTest},
		{put, pathSub + lock + "/{lock}", lockActions + "write", putLock, direct, Same, lockTest},
		{get, pathSub + lock + "/{lock}", lockActions + "read", getLock, direct, Same, lockTest},
		{del, pathSub + lock + "/{lock}", lockActions + "delete", deleteLock, direct, Same, lockTest},
		{get, pathGroup + lock, lockActions + "read", listLocks, direct, Same, lockTest},
		{put, pathGroup + lock + "/{lock}", lockActions + "write", putLock, direct, Same, lockTest},
		{get, pathGroup + lock + "/{lock}", lockActions + "read", getLock, direct, Same, lockTest},
		{del, pathGroup + lock + "/{lock}", lockActions + "delete", deleteLock, direct, Same, lockTest},
		{get, any + lock, lockActions + "read", listLocks, direct, Same, lockTest},
		{put, any + lock + "/{lock}", lockActions + "write", putLock, direct, Same, lockTest},
		{get, any + lock + "/{lock}", lockActions + "read", getLock, direct, Same, lockTest},
		{del, any + lock + "/{lock}", lockActions + "delete", deleteLock, direct, Same, lockTest},
	}
}

// deploymentRoutes are the small engine for templates.
func deploymentRoutes() []route {
	const (
		all = pathGroup + "/providers/Microsoft.Resources/deployments"
		one = all + "/{name}"
	)
	return []route{
		{put, one, deploymentActions + "write", putDeployment, lro, Simplified, deployTest},
		{get, one, deploymentActions + "read", getDeployment, direct, Same, deployTest},
		{head, one, deploymentActions + "read", headDeployment, direct, Same, deployTest},
		{del, one, deploymentActions + "delete", deleteDeployment, direct, Same, deployTest},
		{get, all, deploymentActions + "read", listDeployments, direct, Same, deployTest},
		{post, one + "/validate", deploymentActions + "validate/action", postValidate, direct, Simplified, deployTest},
		{get, one + "/operations", deploymentActions + "operations/read", listDeploymentSteps, direct, Same, deployTest},
		{get, one + "/operationStatuses/{operation}", deploymentActions + "operationstatuses/read", getDeploymentStatus, direct, Same, deployTest},
		{post, one + "/cancel", deploymentActions + "cancel/action", absent("Cancelling a deployment"), direct, Missing, gapsTest},
		{post, one + "/whatIf", deploymentActions + "whatIf/action", absent("What a deployment would change"), lro, Missing, gapsTest},
		{post, one + "/exportTemplate", deploymentActions + "exportTemplate/action", absent("Exporting a template"), direct, Missing, gapsTest},
	}
}

func filterRoutes() []route {
	const (
		one  = groupNet + "/routeFilters/{name}"
		rule = one + "/routeFilterRules"
		act  = networkNamespace + "/routeFilters/"
		ra   = act + "routeFilterRules/"
	)
	n := routeFilters()
	return []route{
		{put, one, act + "write", n.put, lro, Simplified, filterTest},
		{get, one, act + "read", n.get, direct, Same, filterTest},
		{del, one, act + "delete", n.delete, lro, Same, filterTest},
		{patch, one, act + "write", n.patch, direct, Same, filterTest},
		{get, groupNet + "/routeFilters", act + "read", n.list, direct, Same, filterTest},
		{get, subNet + "/routeFilters", act + "read", n.list, direct, Same, filterTest},
		{put, rule + "/{rule}", ra + "write", putRule, lro, Simplified, filterTest},
		{get, rule + "/{rule}", ra + "read", getRule, direct, Same, filterTest},
		{del, rule + "/{rule}", ra + "delete", deleteRule, lro, Same, filterTest},
		{get, rule, ra + "read", listRules, direct, Same, filterTest},
		{get, subNet + "/bgpServiceCommunities", networkNamespace + "/bgpServiceCommunities/read", listCommunities, direct, Simplified, filterTest},
		{get, subNet + "/locations/{location}/usages", networkNamespace + "/locations/usages/read", listUsages, direct, Same, usageTest},
	}
}

func fabricRoutes() []route {
	const at = "/providers/Onramp.Fabric/"
	return []route{
		{put, at + "fabric", fabricNamespace + "/fabric/write", putFabric, direct, Same, fabTest},
		{get, at + "fabric", fabricNamespace + "/fabric/read", getFabric, direct, Same, fabTest},
		{get, at + "nodes", fabricNamespace + "/nodes/read", getNodes, direct, Same, fabTest},
		{get, at + "nodes/{node}", fabricNamespace + "/nodes/read", getNode, direct, Same, fabTest},
	}
}
