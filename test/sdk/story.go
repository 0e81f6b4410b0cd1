// Package sdk drives the story of the first circuit with the Azure SDK for Go alone: azidentity, armresources and armnetwork, set up as any
// program of a user would be. No client code of ours is in the way, so that it shows what those clients see.
//
// In:  where the service is and who logs in. Out: an error that names the first call that did not end as Azure's would.
package sdk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
)

// Login is who calls where.
type Login struct {
	Endpoint, Tenant, ClientID, Secret, Subscription string
	CA                                               []byte // PEM
}

// Order is what the story orders, and from whom. It must fit the fabric of the endpoint.
type Order struct {
	Group, Region, Provider, Location string
	Mbps                              int32
	PrimaryHandoff, SecondaryHandoff  string
	Primary, Secondary                string // /30 of each link
	Key                               string // TCP-MD5; "": none
	PeerASN                           int64
	VLAN                              int32
	Network, Subnet, GatewaySubnet    string // prefixes
	MachineAddress, MachinePort       string
}

// clients are the SDK's clients of one principal.
type clients struct {
	login Login
	net   *armnetwork.ClientFactory
	rm    *armresources.ClientFactory
}

// connect makes the clients.
func connect(l Login) (*clients, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(l.CA) {
		return nil, errors.New("no certificate in the CA")
	}
	options := policy.ClientOptions{
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: l.Endpoint + "/",
			Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: l.Endpoint, Audience: l.Endpoint}},
		},
		Transport: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: time.Minute},
	}
	cred, err := azidentity.NewClientSecretCredential(l.Tenant, l.ClientID, l.Secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		return nil, err
	}
	c := &clients{login: l}
	if c.net, err = armnetwork.NewClientFactory(l.Subscription, cred, &arm.ClientOptions{ClientOptions: options}); err != nil {
		return nil, err
	}
	c.rm, err = armresources.NewClientFactory(l.Subscription, cred, &arm.ClientOptions{ClientOptions: options})
	return c, err
}

// done follows a poller to its end as a user's program would.
func done[T any](ctx context.Context, what string, p *runtime.Poller[T], err error) (T, error) {
	var none T
	if err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	r, err := p.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
	if err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return r, nil
}

// to is a pointer to v.
func to[T any](v T) *T { return &v }

// id is an id of the customer's group.
func (c *clients) id(o Order, path string) string {
	return "/subscriptions/" + c.login.Subscription + "/resourceGroups/" + o.Group + "/providers/Microsoft.Network/" + path
}

// Build plays the story up to a connected virtual network: group, circuit, provisioning by the provider, peering, network, interface, public
// address, gateway, connection.
func Build(ctx context.Context, customer, provider Login, o Order) error {
	c, err := connect(customer)
	if err != nil {
		return fmt.Errorf("connect as the customer: %w", err)
	}
	p, err := connect(provider)
	if err != nil {
		return fmt.Errorf("connect as the provider: %w", err)
	}
	if _, err := c.rm.NewResourceGroupsClient().CreateOrUpdate(ctx, o.Group, armresources.ResourceGroup{Location: &o.Region}, nil); err != nil {
		return fmt.Errorf("create the group: %w", err)
	}
	key, err := c.circuit(ctx, o)
	if err != nil {
		return err
	}
	if err := p.provision(ctx, key, o); err != nil {
		return err
	}
	for _, step := range []func(context.Context, Order) error{c.peering, c.network, c.machine, c.gateway, c.connection} {
		if err := step(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// circuit orders the circuit and returns its service key.
func (c *clients) circuit(ctx context.Context, o Order) (string, error) {
	poller, err := c.net.NewExpressRouteCircuitsClient().BeginCreateOrUpdate(ctx, o.Group, "circuit", armnetwork.ExpressRouteCircuit{
		Location: &o.Region,
		SKU: &armnetwork.ExpressRouteCircuitSKU{
			Name: to("Standard_MeteredData"), Tier: to(armnetwork.ExpressRouteCircuitSKUTierStandard), Family: to(armnetwork.ExpressRouteCircuitSKUFamilyMeteredData),
		},
		Properties: &armnetwork.ExpressRouteCircuitPropertiesFormat{ServiceProviderProperties: &armnetwork.ExpressRouteCircuitServiceProviderProperties{
			ServiceProviderName: &o.Provider, PeeringLocation: &o.Location, BandwidthInMbps: &o.Mbps,
		}},
	}, nil)
	r, err := done(ctx, "order the circuit", poller, err)
	if err != nil {
		return "", err
	}
	if *r.Properties.CircuitProvisioningState != "Enabled" || *r.Properties.ServiceProviderProvisioningState != armnetwork.ServiceProviderProvisioningStateNotProvisioned {
		return "", fmt.Errorf("a new circuit is %s and %s", *r.Properties.CircuitProvisioningState, *r.Properties.ServiceProviderProvisioningState)
	}
	return *r.Properties.ServiceKey, nil
}

// provision is the provider's part: it finds the cross connection by the key and hands the circuit over.
func (c *clients) provision(ctx context.Context, key string, o Order) error {
	client := c.net.NewExpressRouteCrossConnectionsClient()
	group := "CrossConnection-" + o.Location
	x, err := client.Get(ctx, group, key, nil)
	if err != nil {
		return fmt.Errorf("read the cross connection: %w", err)
	}
	x.Tags = map[string]*string{"primaryHandoff": &o.PrimaryHandoff, "secondaryHandoff": &o.SecondaryHandoff}
	x.Properties.ServiceProviderProvisioningState = to(armnetwork.ServiceProviderProvisioningStateProvisioned)
	poller, err := client.BeginCreateOrUpdate(ctx, group, key, x.ExpressRouteCrossConnection, nil)
	_, err = done(ctx, "provision the circuit", poller, err)
	return err
}

// peering configures the private peering.
func (c *clients) peering(ctx context.Context, o Order) error {
	poller, err := c.net.NewExpressRouteCircuitPeeringsClient().BeginCreateOrUpdate(ctx, o.Group, "circuit", "AzurePrivatePeering", armnetwork.ExpressRouteCircuitPeering{
		Properties: &armnetwork.ExpressRouteCircuitPeeringPropertiesFormat{
			PeeringType: to(armnetwork.ExpressRoutePeeringTypeAzurePrivatePeering), PeerASN: &o.PeerASN, VlanID: &o.VLAN,
			PrimaryPeerAddressPrefix: &o.Primary, SecondaryPeerAddressPrefix: &o.Secondary, SharedKey: &o.Key,
		},
	}, nil)
	_, err = done(ctx, "configure the peering", poller, err)
	return err
}

// network creates the virtual network.
func (c *clients) network(ctx context.Context, o Order) error {
	subnet := func(name, prefix string) *armnetwork.Subnet {
		return &armnetwork.Subnet{Name: &name, Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: &prefix}}
	}
	poller, err := c.net.NewVirtualNetworksClient().BeginCreateOrUpdate(ctx, o.Group, "network", armnetwork.VirtualNetwork{
		Location: &o.Region,
		Properties: &armnetwork.VirtualNetworkPropertiesFormat{
			AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{&o.Network}},
			Subnets:      []*armnetwork.Subnet{subnet("default", o.Subnet), subnet("GatewaySubnet", o.GatewaySubnet)},
		},
	}, nil)
	_, err = done(ctx, "create the network", poller, err)
	return err
}

// machine creates the network interface of a machine.
func (c *clients) machine(ctx context.Context, o Order) error {
	poller, err := c.net.NewInterfacesClient().BeginCreateOrUpdate(ctx, o.Group, "nic", armnetwork.Interface{
		Location: &o.Region, Tags: map[string]*string{"attachTo": &o.MachinePort},
		Properties: &armnetwork.InterfacePropertiesFormat{IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{
			Name: to("ipconfig1"),
			Properties: &armnetwork.InterfaceIPConfigurationPropertiesFormat{
				PrivateIPAllocationMethod: to(armnetwork.IPAllocationMethodStatic), PrivateIPAddress: &o.MachineAddress,
				Subnet: &armnetwork.Subnet{ID: to(c.id(o, "virtualNetworks/network/subnets/default"))},
			},
		}}},
	}, nil)
	r, err := done(ctx, "create the interface", poller, err)
	if err == nil && r.Properties.MacAddress == nil {
		return errors.New("create the interface: it has no MAC address")
	}
	return err
}

// gateway creates a public address and the ExpressRoute gateway.
func (c *clients) gateway(ctx context.Context, o Order) error {
	address, err := c.net.NewPublicIPAddressesClient().BeginCreateOrUpdate(ctx, o.Group, "gateway-ip", armnetwork.PublicIPAddress{
		Location: &o.Region, SKU: &armnetwork.PublicIPAddressSKU{Name: to(armnetwork.PublicIPAddressSKUNameStandard)},
		Properties: &armnetwork.PublicIPAddressPropertiesFormat{PublicIPAllocationMethod: to(armnetwork.IPAllocationMethodStatic)},
	}, nil)
	ip, err := done(ctx, "create the public address", address, err)
	if err != nil {
		return err
	}
	poller, err := c.net.NewVirtualNetworkGatewaysClient().BeginCreateOrUpdate(ctx, o.Group, "gateway", armnetwork.VirtualNetworkGateway{
		Location: &o.Region,
		Properties: &armnetwork.VirtualNetworkGatewayPropertiesFormat{
			GatewayType: to(armnetwork.VirtualNetworkGatewayTypeExpressRoute),
			SKU:         &armnetwork.VirtualNetworkGatewaySKU{Name: to(armnetwork.VirtualNetworkGatewaySKUNameStandard), Tier: to(armnetwork.VirtualNetworkGatewaySKUTierStandard)},
			IPConfigurations: []*armnetwork.VirtualNetworkGatewayIPConfiguration{{
				Name: to("default"),
				Properties: &armnetwork.VirtualNetworkGatewayIPConfigurationPropertiesFormat{
					PublicIPAddress: &armnetwork.SubResource{ID: ip.ID}, Subnet: &armnetwork.SubResource{ID: to(c.id(o, "virtualNetworks/network/subnets/GatewaySubnet"))},
				},
			}},
		},
	}, nil)
	_, err = done(ctx, "create the gateway", poller, err)
	return err
}

// connection connects the gateway to the circuit.
func (c *clients) connection(ctx context.Context, o Order) error {
	poller, err := c.net.NewVirtualNetworkGatewayConnectionsClient().BeginCreateOrUpdate(ctx, o.Group, "connection", armnetwork.VirtualNetworkGatewayConnection{
		Location: &o.Region,
		Properties: &armnetwork.VirtualNetworkGatewayConnectionPropertiesFormat{
			ConnectionType:         to(armnetwork.VirtualNetworkGatewayConnectionTypeExpressRoute),
			VirtualNetworkGateway1: &armnetwork.VirtualNetworkGateway{ID: to(c.id(o, "virtualNetworkGateways/gateway")), Properties: &armnetwork.VirtualNetworkGatewayPropertiesFormat{}},
			Peer:                   &armnetwork.SubResource{ID: to(c.id(o, "expressRouteCircuits/circuit"))},
		},
	}, nil)
	_, err = done(ctx, "create the connection", poller, err)
	return err
}

// Remove takes the story back in reverse: the connection, the gateway and what it used, the provider's hand-off, the circuit, the group.
func Remove(ctx context.Context, customer, provider Login, o Order) error {
	c, err := connect(customer)
	if err != nil {
		return fmt.Errorf("connect as the customer: %w", err)
	}
	p, err := connect(provider)
	if err != nil {
		return fmt.Errorf("connect as the provider: %w", err)
	}
	k, err := c.net.NewExpressRouteCircuitsClient().Get(ctx, o.Group, "circuit", nil)
	if err != nil {
		return fmt.Errorf("read the circuit: %w", err)
	}
	conn, err := c.net.NewVirtualNetworkGatewayConnectionsClient().BeginDelete(ctx, o.Group, "connection", nil)
	if _, err := done(ctx, "delete the connection", conn, err); err != nil {
		return err
	}
	gw, err := c.net.NewVirtualNetworkGatewaysClient().BeginDelete(ctx, o.Group, "gateway", nil)
	if _, err := done(ctx, "delete the gateway", gw, err); err != nil {
		return err
	}
	if err := p.deprovision(ctx, *k.Properties.ServiceKey, o); err != nil {
		return err
	}
	circuit, err := c.net.NewExpressRouteCircuitsClient().BeginDelete(ctx, o.Group, "circuit", nil)
	if _, err := done(ctx, "delete the circuit", circuit, err); err != nil {
		return err
	}
	group, err := c.rm.NewResourceGroupsClient().BeginDelete(ctx, o.Group, nil)
	_, err = done(ctx, "delete the group with the rest", group, err)
	return err
}

// deprovision takes the hand-off back.
func (c *clients) deprovision(ctx context.Context, key string, o Order) error {
	client := c.net.NewExpressRouteCrossConnectionsClient()
	group := "CrossConnection-" + o.Location
	x, err := client.Get(ctx, group, key, nil)
	if err != nil {
		return fmt.Errorf("read the cross connection: %w", err)
	}
	x.Properties.ServiceProviderProvisioningState = to(armnetwork.ServiceProviderProvisioningStateNotProvisioned)
	poller, err := client.BeginCreateOrUpdate(ctx, group, key, x.ExpressRouteCrossConnection, nil)
	_, err = done(ctx, "deprovision the circuit", poller, err)
	return err
}
