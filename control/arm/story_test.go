package arm

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"

	"onramp/resource"
)

// actor is a principal with the Azure SDK's clients.
type actor struct {
	t   testing.TB
	net *armnetwork.ClientFactory
	rm  *armresources.ClientFactory
}

func (w *world) actor(name, sub string) actor {
	w.t.Helper()
	cred, opts := w.sdk(name)
	net, err := armnetwork.NewClientFactory(sub, cred, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	rm, err := armresources.NewClientFactory(sub, cred, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return actor{w.t, net, rm}
}

// polled follows the operation that a call began to its end: polled(client.BeginDelete(…))(t).
func polled[T any](p *runtime.Poller[T], err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r, err := p.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// got is the value of a call that must not fail: got(client.Get(…))(t).
func got[T any](r T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// all reads every page.
func all[T any](t testing.TB, p *runtime.Pager[T]) []T {
	t.Helper()
	var pages []T
	for p.More() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	return pages
}

// refused wants an error of ARM.
func refused(t testing.TB, err error, status int, code string) {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code {
		t.Fatalf("error %v, want %d %s", err, status, code)
	}
}

func same[T comparable](t testing.TB, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Errorf("%s is %v, want %v", what, have, want)
	}
}

// TestStory plays customer and provider from the order to the deletion with nothing but the Azure SDK's clients.
func TestStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer, provider := w.actor("contoso", subCustomer), w.actor("xchg", subProvider)

	customer.makeGroup()
	key := customer.orderCircuit()
	_, err := customer.net.NewExpressRouteCircuitPeeringsClient().BeginCreateOrUpdate(t.Context(), "rg1", "er1", "AzurePrivatePeering", privatePeering(), nil)
	refused(t, err, http.StatusConflict, resource.CodeNotProvisioned)
	provider.provision(key)
	customer.configurePeering()
	customer.readTables()
	provider.readCross(customer, key)
	customer.buildNetwork()
	customer.connect()
	customer.readGateway()
	customer.authorize()
	customer.tidy(w, provider, key)
}

func privatePeering() armnetwork.ExpressRouteCircuitPeering {
	return armnetwork.ExpressRouteCircuitPeering{Properties: &armnetwork.ExpressRouteCircuitPeeringPropertiesFormat{
		PeeringType: ptr(armnetwork.ExpressRoutePeeringTypeAzurePrivatePeering), PeerASN: ptr(int64(65001)), VlanID: ptr(int32(100)),
		PrimaryPeerAddressPrefix: ptr("192.168.1.0/30"), SecondaryPeerAddressPrefix: ptr("192.168.1.4/30"), SharedKey: ptr("Secret123"),
	}}
}

func (a actor) makeGroup() {
	ctx, t, groups := a.t.Context(), a.t, a.rm.NewResourceGroupsClient()
	g := got(groups.CreateOrUpdate(ctx, "rg1", armresources.ResourceGroup{Location: ptr("West US 2"), Tags: map[string]*string{"team": ptr("net")}}, nil))(t)
	same(t, "group's location", *g.Location, "westus2")
	same(t, "group's state", *g.Properties.ProvisioningState, "Succeeded")
	same(t, "group exists", got(groups.CheckExistence(ctx, "rg1", nil))(t).Success, true)
	same(t, "other group exists", got(groups.CheckExistence(ctx, "rg2", nil))(t).Success, false)
	same(t, "groups", len(all(t, groups.NewListPager(nil))[0].Value), 1)
	same(t, "group by its name", *got(groups.Get(ctx, "RG1", nil))(t).Name, "rg1")
}

// orderCircuit orders er1 and returns its service key.
func (a actor) orderCircuit() string {
	ctx, t, circuits := a.t.Context(), a.t, a.net.NewExpressRouteCircuitsClient()
	offers := all(t, a.net.NewExpressRouteServiceProvidersClient().NewListPager(nil))[0].Value
	same(t, "provider's location", *offers[0].Properties.PeeringLocations[0], "Seattle")
	same(t, "provider's first offer", *offers[0].Properties.BandwidthsOffered[0].OfferName, "50Mbps")
	_, err := circuits.Get(ctx, "rg1", "er1", nil)
	refused(t, err, http.StatusNotFound, "ResourceNotFound")
	k := polled(circuits.BeginCreateOrUpdate(ctx, "rg1", "er1", armnetwork.ExpressRouteCircuit{
		Location: ptr("westus2"),
		SKU: &armnetwork.ExpressRouteCircuitSKU{Name: ptr("Standard_MeteredData"), Tier: ptr(armnetwork.ExpressRouteCircuitSKUTierStandard),
			Family: ptr(armnetwork.ExpressRouteCircuitSKUFamilyMeteredData)},
		Properties: &armnetwork.ExpressRouteCircuitPropertiesFormat{ServiceProviderProperties: &armnetwork.ExpressRouteCircuitServiceProviderProperties{
			ServiceProviderName: ptr("CloudExchange"), PeeringLocation: ptr("Seattle"), BandwidthInMbps: ptr(int32(200))}},
	}, nil))(t)
	same(t, "circuit's state", *k.Properties.ProvisioningState, armnetwork.ProvisioningStateSucceeded)
	same(t, "circuitProvisioningState", *k.Properties.CircuitProvisioningState, "Enabled")
	same(t, "provider state", *k.Properties.ServiceProviderProvisioningState, armnetwork.ServiceProviderProvisioningStateNotProvisioned)
	same(t, "stag", *k.Properties.Stag, 1)
	same(t, "circuits of the subscription", len(all(t, circuits.NewListAllPager(nil))[0].Value), 1)
	same(t, "circuits of the group", len(all(t, circuits.NewListPager("rg1", nil))[0].Value), 1)
	tagged := got(circuits.UpdateTags(ctx, "rg1", "er1", armnetwork.TagsObject{Tags: map[string]*string{"a": ptr("b")}}, nil))(t)
	same(t, "tag", *tagged.Tags["a"], "b")
	return *k.Properties.ServiceKey
}

// provision is the provider's part: find the service key, hand the circuit off, and say so.
func (a actor) provision(key string) {
	ctx, t, cross := a.t.Context(), a.t, a.net.NewExpressRouteCrossConnectionsClient()
	listed := all(t, cross.NewListPager(nil))[0].Value
	same(t, "cross connections", len(listed), 1)
	same(t, "cross connection's name", *listed[0].Name, key)
	x := got(cross.Get(ctx, "CrossConnection-Seattle", key, nil))(t)
	same(t, "sTag", *x.Properties.STag, 1)
	same(t, "port", *x.Properties.PrimaryAzurePort, "edge1/pe0")
	got(cross.UpdateTags(ctx, "CrossConnection-Seattle", key, armnetwork.TagsObject{Tags: map[string]*string{
		"primaryHandoff": ptr("xchg1/ce1"), "secondaryHandoff": ptr("xchg1/ce2")}}, nil))(t)
	for _, state := range []armnetwork.ServiceProviderProvisioningState{armnetwork.ServiceProviderProvisioningStateProvisioning, armnetwork.ServiceProviderProvisioningStateProvisioned} {
		done := polled(cross.BeginCreateOrUpdate(ctx, "CrossConnection-Seattle", key, armnetwork.ExpressRouteCrossConnection{
			Location: ptr("westus2"),
			Properties: &armnetwork.ExpressRouteCrossConnectionProperties{ServiceProviderProvisioningState: ptr(state),
				ServiceProviderNotes: ptr("cage 4"), PeeringLocation: ptr("Seattle")},
		}, nil))(t)
		same(t, "provider state", *done.Properties.ServiceProviderProvisioningState, state)
	}
	ports := got(a.net.NewExpressRouteProviderPortsLocationClient().List(ctx, &armnetwork.ExpressRouteProviderPortsLocationClientListOptions{Filter: ptr("location eq 'Seattle'")}))(t)
	same(t, "bandwidth left on the port pair", *ports.Value[0].Properties.RemainingBandwidthInMbps, 39800)
	pair := got(a.net.NewManagementClient().ExpressRouteProviderPort(ctx, "sea-cx-1", nil))(t)
	same(t, "bandwidth used of the port pair", *pair.Properties.UsedBandwidthInMbps, 200)
	same(t, "cross connections of the group", len(all(t, cross.NewListByResourceGroupPager("CrossConnection-Seattle", nil))[0].Value), 1)
}

func (a actor) configurePeering() {
	ctx, t := a.t.Context(), a.t
	k := got(a.net.NewExpressRouteCircuitsClient().Get(ctx, "rg1", "er1", nil))(t)
	same(t, "provider state", *k.Properties.ServiceProviderProvisioningState, armnetwork.ServiceProviderProvisioningStateProvisioned)
	same(t, "provider notes", *k.Properties.ServiceProviderNotes, "cage 4")
	peerings := a.net.NewExpressRouteCircuitPeeringsClient()
	_, err := peerings.Get(ctx, "rg1", "er1", "AzurePrivatePeering", nil)
	refused(t, err, http.StatusNotFound, "NotFound")
	p := polled(peerings.BeginCreateOrUpdate(ctx, "rg1", "er1", "AzurePrivatePeering", privatePeering(), nil))(t)
	same(t, "peering's state", *p.Properties.ProvisioningState, armnetwork.ProvisioningStateSucceeded)
	same(t, "azureASN", *p.Properties.AzureASN, 12076)
	same(t, "modified by", *p.Properties.LastModifiedBy, "Customer")
	if p.Properties.SharedKey != nil {
		t.Error("the MD5 key came back")
	}
	same(t, "peerings", len(all(t, peerings.NewListPager("rg1", "er1", nil))[0].Value), 1)
	same(t, "peering by lower case", *got(peerings.Get(ctx, "RG1", "ER1", "azureprivatepeering", nil))(t).Name, "AzurePrivatePeering")
}

func (a actor) readTables() {
	ctx, t, circuits := a.t.Context(), a.t, a.net.NewExpressRouteCircuitsClient()
	const p = "AzurePrivatePeering"
	arp := polled(circuits.BeginListArpTable(ctx, "rg1", "er1", p, "primary", nil))(t)
	same(t, "arp row", *arp.Value[0].MacAddress, "02aa.bb00.0001")
	empty := polled(circuits.BeginListArpTable(ctx, "rg1", "er1", p, "secondary", nil))(t)
	same(t, "arp rows of a dead path", len(empty.Value), 0)
	routes := polled(circuits.BeginListRoutesTable(ctx, "rg1", "er1", p, "primary", nil))(t)
	same(t, "route", *routes.Value[0].Network, "10.6.0.0/16")
	sum := polled(circuits.BeginListRoutesTableSummary(ctx, "rg1", "er1", p, "primary", nil))(t)
	same(t, "summary", *sum.Value[0].StatePfxRcd, "3")
	stats := got(circuits.GetStats(ctx, "rg1", "er1", nil))(t)
	same(t, "bytes in", *stats.PrimarybytesIn, 537408)
	same(t, "bytes of the peering", *got(circuits.GetPeeringStats(ctx, "rg1", "er1", p, nil))(t).SecondarybytesOut, 39002500)
}

// readCross reads the tables through the cross connection, and hands the peering over to the provider and back: each is refused what the
// other configured.
func (a actor) readCross(customer actor, key string) {
	ctx, t, cross := a.t.Context(), a.t, a.net.NewExpressRouteCrossConnectionsClient()
	const group, p = "CrossConnection-Seattle", "AzurePrivatePeering"
	same(t, "arp rows", len(polled(cross.BeginListArpTable(ctx, group, key, p, "primary", nil))(t).Value), 1)
	same(t, "route rows", len(polled(cross.BeginListRoutesTable(ctx, group, key, p, "primary", nil))(t).Value), 1)
	sum := polled(cross.BeginListRoutesTableSummary(ctx, group, key, p, "primary", nil))(t)
	same(t, "summary", *sum.Value[0].StateOrPrefixesReceived, "3")
	peerings := a.net.NewExpressRouteCrossConnectionPeeringsClient()
	same(t, "peerings", len(all(t, peerings.NewListPager(group, key, nil))[0].Value), 1)
	one := got(peerings.Get(ctx, group, key, p, nil))(t)
	same(t, "modified by", *one.Properties.LastModifiedBy, "Customer")
	one.Properties.VlanID = ptr(int32(101))
	_, err := peerings.BeginCreateOrUpdate(ctx, group, key, p, one.ExpressRouteCrossConnectionPeering, nil)
	refused(t, err, http.StatusForbidden, resource.CodePeeringOwner)
	_, err = peerings.BeginDelete(ctx, group, key, p, nil)
	refused(t, err, http.StatusForbidden, resource.CodePeeringOwner)
	theirs := customer.net.NewExpressRouteCircuitPeeringsClient()
	polled(theirs.BeginDelete(ctx, "rg1", "er1", p, nil))(t)
	changed := polled(peerings.BeginCreateOrUpdate(ctx, group, key, p, one.ExpressRouteCrossConnectionPeering, nil))(t)
	same(t, "modified by", *changed.Properties.LastModifiedBy, "Provider")
	same(t, "vlan", *changed.Properties.VlanID, 101)
	_, err = theirs.BeginCreateOrUpdate(ctx, "rg1", "er1", p, privatePeering(), nil)
	refused(t, err, http.StatusForbidden, resource.CodePeeringOwner)
	_, err = theirs.BeginDelete(ctx, "rg1", "er1", p, nil)
	refused(t, err, http.StatusForbidden, resource.CodePeeringOwner)
	polled(peerings.BeginDelete(ctx, group, key, p, nil))(t)
	_, err = peerings.Get(ctx, group, key, p, nil)
	refused(t, err, http.StatusNotFound, "NotFound")
	polled(theirs.BeginCreateOrUpdate(ctx, "rg1", "er1", p, privatePeering(), nil))(t)
}

func (a actor) buildNetwork() {
	ctx, t, nets := a.t.Context(), a.t, a.net.NewVirtualNetworksClient()
	n := polled(nets.BeginCreateOrUpdate(ctx, "rg1", "v1", armnetwork.VirtualNetwork{
		Location: ptr("westus2"),
		Properties: &armnetwork.VirtualNetworkPropertiesFormat{AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{ptr("10.0.0.0/16")}},
			Subnets: []*armnetwork.Subnet{{Name: ptr("GatewaySubnet"), Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: ptr("10.0.0.0/27")}}}},
	}, nil))(t)
	same(t, "subnet", *n.Properties.Subnets[0].Properties.AddressPrefixes[0], "10.0.0.0/27")
	subnets := a.net.NewSubnetsClient()
	s := polled(subnets.BeginCreateOrUpdate(ctx, "rg1", "v1", "vms", armnetwork.Subnet{
		Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefixes: []*string{ptr("10.0.1.0/24")}}}, nil))(t)
	same(t, "subnet's state", *s.Properties.ProvisioningState, armnetwork.ProvisioningStateSucceeded)
	same(t, "subnets", len(all(t, subnets.NewListPager("rg1", "v1", nil))[0].Value), 2)
	same(t, "networks", len(all(t, nets.NewListAllPager(nil))[0].Value)+len(all(t, nets.NewListPager("rg1", nil))[0].Value), 2)

	nic := polled(a.net.NewInterfacesClient().BeginCreateOrUpdate(ctx, "rg1", "nic1", armnetwork.Interface{
		Location: ptr("westus2"), Tags: map[string]*string{"attachTo": ptr("host1/vm0")},
		Properties: &armnetwork.InterfacePropertiesFormat{IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{Name: ptr("ipconfig1"),
			Properties: &armnetwork.InterfaceIPConfigurationPropertiesFormat{Subnet: &armnetwork.Subnet{ID: s.ID},
				PrivateIPAllocationMethod: ptr(armnetwork.IPAllocationMethodDynamic)}}}},
	}, nil))(t)
	same(t, "address", *nic.Properties.IPConfigurations[0].Properties.PrivateIPAddress, "10.0.1.4")
	same(t, "nic by name", *got(a.net.NewInterfacesClient().Get(ctx, "rg1", "nic1", nil))(t).Name, "nic1")
	routes := polled(a.net.NewInterfacesClient().BeginGetEffectiveRouteTable(ctx, "rg1", "nic1", nil))(t)
	same(t, "effective route", *routes.Value[0].AddressPrefix[0], "10.6.0.0/16")

	pip := polled(a.net.NewPublicIPAddressesClient().BeginCreateOrUpdate(ctx, "rg1", "pip1", armnetwork.PublicIPAddress{
		Location: ptr("westus2"), SKU: &armnetwork.PublicIPAddressSKU{Name: ptr(armnetwork.PublicIPAddressSKUNameStandard)},
		Properties: &armnetwork.PublicIPAddressPropertiesFormat{PublicIPAllocationMethod: ptr(armnetwork.IPAllocationMethodStatic)},
	}, nil))(t)
	same(t, "public address", *pip.Properties.IPAddress, "203.0.113.1")
	same(t, "public address by name", *got(a.net.NewPublicIPAddressesClient().Get(ctx, "rg1", "pip1", nil))(t).Name, "pip1")
}

func (a actor) id(typ, name string) *string {
	return ptr("/subscriptions/" + subCustomer + "/resourceGroups/rg1/providers/Microsoft.Network/" + typ + "/" + name)
}

func (a actor) connect() {
	ctx, t := a.t.Context(), a.t
	g := polled(a.net.NewVirtualNetworkGatewaysClient().BeginCreateOrUpdate(ctx, "rg1", "g1", armnetwork.VirtualNetworkGateway{
		Location: ptr("westus2"),
		Properties: &armnetwork.VirtualNetworkGatewayPropertiesFormat{
			GatewayType: ptr(armnetwork.VirtualNetworkGatewayTypeExpressRoute), VPNType: ptr(armnetwork.VPNTypeRouteBased),
			SKU: &armnetwork.VirtualNetworkGatewaySKU{Name: ptr(armnetwork.VirtualNetworkGatewaySKUNameErGw1AZ), Tier: ptr(armnetwork.VirtualNetworkGatewaySKUTierErGw1AZ)},
			IPConfigurations: []*armnetwork.VirtualNetworkGatewayIPConfiguration{{Name: ptr("gw"),
				Properties: &armnetwork.VirtualNetworkGatewayIPConfigurationPropertiesFormat{
					Subnet:          &armnetwork.SubResource{ID: ptr(*a.id("virtualNetworks", "v1") + "/subnets/GatewaySubnet")},
					PublicIPAddress: &armnetwork.SubResource{ID: a.id("publicIPAddresses", "pip1")}}}}},
	}, nil))(t)
	same(t, "gateway's state", *g.Properties.ProvisioningState, armnetwork.ProvisioningStateSucceeded)
	same(t, "gateway's addresses", *g.Properties.BgpSettings.BgpPeeringAddress, "10.0.0.29,10.0.0.30")
	conns := a.net.NewVirtualNetworkGatewayConnectionsClient()
	n := polled(conns.BeginCreateOrUpdate(ctx, "rg1", "cn1", armnetwork.VirtualNetworkGatewayConnection{
		Location: ptr("westus2"),
		Properties: &armnetwork.VirtualNetworkGatewayConnectionPropertiesFormat{
			ConnectionType: ptr(armnetwork.VirtualNetworkGatewayConnectionTypeExpressRoute), RoutingWeight: ptr(int32(10)),
			VirtualNetworkGateway1: &armnetwork.VirtualNetworkGateway{ID: g.ID, Properties: &armnetwork.VirtualNetworkGatewayPropertiesFormat{}},
			Peer:                   &armnetwork.SubResource{ID: a.id("expressRouteCircuits", "er1")}},
	}, nil))(t)
	same(t, "connection's weight", *n.Properties.RoutingWeight, 10)
	same(t, "connections", len(all(t, conns.NewListPager("rg1", nil))[0].Value), 1)
	same(t, "shared key", *got(conns.GetSharedKey(ctx, "rg1", "cn1", nil))(t).Value, "")
	_, err := a.net.NewVirtualNetworkGatewaysClient().BeginDelete(ctx, "rg1", "g1", nil)
	refused(t, err, http.StatusBadRequest, "VirtualNetworkGatewayCannotBeDeleted")
	_, err = a.net.NewSubnetsClient().BeginDelete(ctx, "rg1", "v1", "vms", nil)
	refused(t, err, http.StatusBadRequest, "InUseSubnetCannotBeDeleted")
}

func (a actor) readGateway() {
	ctx, t, gws := a.t.Context(), a.t, a.net.NewVirtualNetworkGatewaysClient()
	same(t, "gateways", len(all(t, gws.NewListPager("rg1", nil))[0].Value), 1)
	same(t, "gateway's connections", len(all(t, gws.NewListConnectionsPager("rg1", "g1", nil))[0].Value), 1)
	same(t, "learned", *polled(gws.BeginGetLearnedRoutes(ctx, "rg1", "g1", nil))(t).Value[0].AsPath, "12076-65001")
	same(t, "advertised", *polled(gws.BeginGetAdvertisedRoutes(ctx, "rg1", "g1", "10.0.0.4", nil))(t).Value[0].SourcePeer, "10.0.0.4")
	same(t, "peer", *polled(gws.BeginGetBgpPeerStatus(ctx, "rg1", "g1", nil))(t).Value[0].State, armnetwork.BgpPeerStateConnected)
}

func (a actor) authorize() {
	ctx, t, auths := a.t.Context(), a.t, a.net.NewExpressRouteCircuitAuthorizationsClient()
	made := polled(auths.BeginCreateOrUpdate(ctx, "rg1", "er1", "a1", armnetwork.ExpressRouteCircuitAuthorization{Name: ptr("a1")}, nil))(t)
	same(t, "use", *made.Properties.AuthorizationUseStatus, armnetwork.AuthorizationUseStatusAvailable)
	if made.Properties.AuthorizationKey == nil || len(*made.Properties.AuthorizationKey) != 36 {
		t.Errorf("authorization key %v, want a GUID", made.Properties.AuthorizationKey)
	}
	again := got(auths.Get(ctx, "rg1", "er1", "A1", nil))(t)
	same(t, "key read again", *again.Properties.AuthorizationKey, *made.Properties.AuthorizationKey)
	same(t, "authorizations", len(all(t, auths.NewListPager("rg1", "er1", nil))[0].Value), 1)
	polled(auths.BeginDelete(ctx, "rg1", "er1", "a1", nil))(t)
	_, err := auths.Get(ctx, "rg1", "er1", "a1", nil)
	refused(t, err, http.StatusNotFound, "NotFound")
}

// tidy deletes everything in the order that the service demands, and the group at last.
func (a actor) tidy(w *world, provider actor, key string) {
	ctx, t := a.t.Context(), a.t
	_, err := a.net.NewExpressRouteCircuitsClient().BeginDelete(ctx, "rg1", "er1", nil)
	refused(t, err, http.StatusBadRequest, resource.CodeConflict)
	polled(a.net.NewVirtualNetworkGatewayConnectionsClient().BeginDelete(ctx, "rg1", "cn1", nil))(t)
	polled(a.net.NewVirtualNetworkGatewaysClient().BeginDelete(ctx, "rg1", "g1", nil))(t)
	polled(a.net.NewInterfacesClient().BeginDelete(ctx, "rg1", "nic1", nil))(t)
	polled(a.net.NewPublicIPAddressesClient().BeginDelete(ctx, "rg1", "pip1", nil))(t)
	polled(a.net.NewSubnetsClient().BeginDelete(ctx, "rg1", "v1", "vms", nil))(t)
	polled(a.net.NewExpressRouteCircuitPeeringsClient().BeginDelete(ctx, "rg1", "er1", "AzurePrivatePeering", nil))(t)
	_, err = a.net.NewExpressRouteCircuitsClient().BeginDelete(ctx, "rg1", "er1", nil)
	refused(t, err, http.StatusConflict, resource.CodeConflict)
	polled(provider.net.NewExpressRouteCrossConnectionsClient().BeginCreateOrUpdate(ctx, "CrossConnection-Seattle", key, armnetwork.ExpressRouteCrossConnection{
		Properties: &armnetwork.ExpressRouteCrossConnectionProperties{
			ServiceProviderProvisioningState: ptr(armnetwork.ServiceProviderProvisioningStateNotProvisioned)}}, nil))(t)
	polled(a.net.NewExpressRouteCircuitsClient().BeginDelete(ctx, "rg1", "er1", nil))(t)
	same(t, "cross connections left", len(all(t, provider.net.NewExpressRouteCrossConnectionsClient().NewListPager(nil))[0].Value), 0)
	polled(a.net.NewVirtualNetworksClient().BeginDelete(ctx, "rg1", "v1", nil))(t)
	polled(a.rm.NewResourceGroupsClient().BeginDelete(ctx, "rg1", nil))(t)
	snap := got(w.store.Snapshot(ctx))(t)
	for kind, os := range snap.Objects {
		for _, o := range os {
			if kind != resource.KindFabric && o.Head().ID.Group != "CrossConnection-Seattle" {
				t.Errorf("%s is left", o.Head().ID)
			}
		}
	}
}
