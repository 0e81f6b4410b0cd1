package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"

	"onramp/test/world"
)

// order fits the fabric of package world.
func order() Order {
	return Order{
		Group: "rg", Region: "westus2", Provider: "OnrampExchange", Location: "Seattle", Mbps: 200,
		PrimaryHandoff: "xchg1/ce1", SecondaryHandoff: "xchg1/ce2", Primary: "192.168.1.0/30", Secondary: "192.168.1.4/30",
		PeerASN: 65001, VLAN: 200, Network: "10.20.0.0/16", Subnet: "10.20.1.0/24", GatewaySubnet: "10.20.255.0/27",
		MachineAddress: "10.20.1.4", MachinePort: "host1/vm1",
	}
}

// login reads a principal's profile.
func login(t *testing.T, profiles, name string) Login {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(profiles, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ Endpoint, Tenant, ClientID, ClientSecret, Subscription, CA string }
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(p.CA)
	if err != nil {
		t.Fatal(err)
	}
	return Login{Endpoint: p.Endpoint, Tenant: p.Tenant, ClientID: p.ClientID, Secret: p.ClientSecret, Subscription: p.Subscription, CA: ca}
}

// TestFirstCircuit tells the whole story, reads what the service then knows, and takes it all down again.
func TestFirstCircuit(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w, o := world.Start(t), order()
	customer := login(t, w.Profiles, "customer")
	if err := Build(ctx, customer, login(t, w.Profiles, "provider"), o); err != nil {
		t.Fatal(err)
	}
	c, err := connect(customer)
	if err != nil {
		t.Fatal(err)
	}
	c.checkTables(ctx, t, o)
	c.checkRefusals(ctx, t, o)
	if err := Remove(ctx, customer, login(t, w.Profiles, "provider"), o); err != nil {
		t.Fatal(err)
	}
	if _, err := c.net.NewExpressRouteCircuitsClient().Get(ctx, o.Group, "circuit", nil); code(err) != "ResourceGroupNotFound" && code(err) != "ResourceNotFound" {
		t.Errorf("the circuit after its deletion: %v", err)
	}
}

// code is the ARM error code of an error.
func code(err error) string {
	var re *azcore.ResponseError
	if errors.As(err, &re) {
		return re.ErrorCode
	}
	return ""
}

// checkTables reads the circuit's and the gateway's tables.
func (c *clients) checkTables(ctx context.Context, t *testing.T, o Order) {
	t.Helper()
	circuits := c.net.NewExpressRouteCircuitsClient()
	for _, path := range []string{"primary", "secondary"} {
		routes, err := circuits.BeginListRoutesTable(ctx, o.Group, "circuit", "AzurePrivatePeering", path, nil)
		table, err := done(ctx, path+" routes", routes, err)
		if err != nil || len(table.Value) != 1 || *table.Value[0].Network != world.Announced().String() {
			t.Errorf("%s routes: %v, %v", path, table.Value, err)
		}
		arp, err := circuits.BeginListArpTable(ctx, o.Group, "circuit", "AzurePrivatePeering", path, nil)
		rows, err := done(ctx, path+" arp", arp, err)
		if err != nil || len(rows.Value) != 2 {
			t.Errorf("%s arp: %v, %v", path, rows.Value, err)
		}
		summary, err := circuits.BeginListRoutesTableSummary(ctx, o.Group, "circuit", "AzurePrivatePeering", path, nil)
		peers, err := done(ctx, path+" summary", summary, err)
		customers := 0
		for _, p := range peers.Value {
			if int64(*p.As) == o.PeerASN {
				customers++
			}
		}
		if err != nil || customers != 1 {
			t.Errorf("%s summary: %d rows of the customer, %v; want one", path, customers, err)
		}
	}
	gateways := c.net.NewVirtualNetworkGatewaysClient()
	status, err := gateways.BeginGetBgpPeerStatus(ctx, o.Group, "gateway", nil)
	peers, err := done(ctx, "gateway peers", status, err)
	if err != nil || len(peers.Value) != 4 {
		t.Errorf("gateway peers: %d, %v; want two instances with two edge routers each", len(peers.Value), err)
	}
	for _, p := range peers.Value {
		if *p.State != armnetwork.BgpPeerStateConnected || *p.Asn != 12076 {
			t.Errorf("gateway peer %s: %s AS %d", *p.Neighbor, *p.State, *p.Asn)
		}
	}
	learned, err := gateways.BeginGetLearnedRoutes(ctx, o.Group, "gateway", nil)
	if routes, err := done(ctx, "learned routes", learned, err); err != nil || len(routes.Value) == 0 {
		t.Errorf("learned routes: %v, %v", routes.Value, err)
	}
	if s, err := circuits.GetStats(ctx, o.Group, "circuit", nil); err != nil || s.PrimarybytesIn == nil {
		t.Errorf("stats: %v", err)
	}
}

// checkRefusals orders what may not be, and wants the SDK to see the service's codes.
func (c *clients) checkRefusals(ctx context.Context, t *testing.T, o Order) {
	t.Helper()
	del, err := c.net.NewVirtualNetworkGatewaysClient().BeginDelete(ctx, o.Group, "gateway", nil)
	if _, err := done(ctx, "delete the gateway", del, err); code(err) != "VirtualNetworkGatewayCannotBeDeleted" {
		t.Errorf("deleting a gateway with a connection: %v", err)
	}
	cdel, err := c.net.NewExpressRouteCircuitsClient().BeginDelete(ctx, o.Group, "circuit", nil)
	if _, err := done(ctx, "delete the circuit", cdel, err); code(err) != "ConflictError" {
		t.Errorf("deleting a provisioned circuit: %v", err)
	}
	if _, err := c.net.NewExpressRouteGatewaysClient().Get(ctx, o.Group, "gateway", nil); code(err) != "NotImplemented" {
		t.Errorf("what is not there: %v; want NotImplemented", err)
	}
	bad := c.login
	bad.Secret = "wrong"
	b, err := connect(bad)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.net.NewExpressRouteCircuitsClient().Get(ctx, o.Group, "circuit", nil); err == nil {
		t.Error("a wrong secret logs in")
	}
}
