package arm

import (
	"encoding/json"
	"strings"
	"testing"

	"onramp/resource"
)

// peeringsOf lists the names of a circuit's peerings.
func peeringsOf(t *testing.T, r reply) []string {
	t.Helper()
	var k struct {
		Properties struct{ Peerings []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(r.body), &k); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range k.Properties.Peerings {
		all = append(all, p.Name)
	}
	return all
}

// TestRawCircuitUpdates plays the odd bodies that real clients send to change a circuit.
func TestRawCircuitUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	mbps := func() any {
		return c.must("GET", er1, "", 200).field("properties.serviceProviderProperties.bandwidthInMbps")
	}
	// az express-route update --bandwidth 500
	same(t, "az", c.settle("PUT", er1, `{"location":"West US 2","tags":{"a":"1"},"sku":{"name":"Standard_MeteredData","tier":"Standard","family":"MeteredData"},
		"properties":{"allowClassicOperations":false,"bandwidthInGbps":0.5,"peerings":null}}`), "Succeeded")
	r := c.must("GET", er1, "", 200)
	same(t, "bandwidth", mbps(), any(500.0))
	same(t, "provider", r.field("properties.serviceProviderProperties.serviceProviderName"), any("CloudExchange"))
	same(t, "Gbps", r.field("properties.bandwidthInGbps"), nil)
	same(t, "tag", r.field("tags.a"), any("1"))
	same(t, "peerings", len(peeringsOf(t, r)), 1)
	// azurerm echoes everything it read, twice, with the first etag
	for range 2 {
		same(t, "azurerm", c.settle("PUT", er1, r.body), "Succeeded")
	}
	same(t, "tag", c.must("GET", er1, "", 200).field("tags.a"), any("1"))
	// what the server owns is not taken from outside
	same(t, "foreign fields", c.settle("PUT", er1, `{"properties":{"serviceKey":"x","serviceProviderProvisioningState":"NotProvisioned",
		"circuitProvisioningState":"Disabled","gatewayManagerEtag":"99","stag":77,"provisioningState":"Failed","authorizationKey":""}}`), "Succeeded")
	r = c.must("GET", er1, "", 200)
	same(t, "provider state", r.field("properties.serviceProviderProvisioningState"), any("Provisioned"))
	same(t, "circuit state", r.field("properties.circuitProvisioningState"), any("Enabled"))
	same(t, "stag", r.field("properties.stag"), any(1.0))
	// Standard_MeteredData → Premium_UnlimitedData by name alone
	same(t, "sku", c.settle("PUT", er1, `{"sku":{"name":"premium_unlimiteddata"}}`), "Succeeded")
	same(t, "sku", c.must("GET", er1, "", 200).field("sku.name"), any("Premium_UnlimitedData"))
	// tags: {} clears
	same(t, "tags", c.settle("PUT", er1, `{"tags":{}}`), "Succeeded")
	same(t, "tag", c.must("GET", er1, "", 200).field("tags.a"), nil)
}

// TestRawInlineChildren holds: absent and null keep, a list is the whole truth, and children keep what they do not say.
func TestRawInlineChildren(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	c.settle("PUT", er1+"/authorizations/a1", "{}")
	key := c.must("GET", er1+"/authorizations/a1", "", 200).field("properties.authorizationKey")
	for _, body := range []string{`{"properties":{}}`, `{"properties":{"peerings":null,"authorizations":null}}`} {
		same(t, body, c.settle("PUT", er1, body), "Succeeded")
		same(t, "peerings after "+body, len(peeringsOf(t, c.must("GET", er1, "", 200))), 1)
	}
	same(t, "echo", c.settle("PUT", er1, `{"properties":{"authorizations":[{"name":"A1","properties":{"authorizationKey":"mine"}},{"name":"a2"}],
		"peerings":[{"name":"AzurePrivatePeering","properties":{"vlanId":200}}]}}`), "Succeeded")
	same(t, "key of a1", c.must("GET", er1+"/authorizations/a1", "", 200).field("properties.authorizationKey"), key)
	c.must("GET", er1+"/authorizations/a2", "", 200)
	p := c.must("GET", private, "", 200)
	same(t, "vlan", p.field("properties.vlanId"), any(200.0))
	same(t, "asn", p.field("properties.peerASN"), any(65001.0))
	sealed := circuitOf(t, w).Peerings[0].Key
	same(t, "MD5 key", got(w.store.Keyring().Open(sealed))(t), "Secret123")
	same(t, "empty lists", c.settle("PUT", er1, `{"properties":{"peerings":[],"authorizations":[]}}`), "Succeeded")
	r := c.must("GET", er1, "", 200)
	same(t, "peerings", len(peeringsOf(t, r)), 0)
	if !strings.Contains(r.body, `"authorizations":[]`) {
		t.Errorf("authorizations are not an empty list: %s", r.body)
	}
	dup := c.do("PUT", er1, `{"properties":{"peerings":[{"name":"AzurePrivatePeering"},{"name":"azureprivatepeering"}]}}`)
	same(t, "the same peering twice", dup.code(), "InvalidRequestFormat")

	same(t, "peering again", c.settle("PUT", private, peeringBody), "Succeeded")
	w.linked(c)
	v1 := net1 + "/virtualNetworks/v1"
	for _, body := range []string{`{"tags":{"a":"1"}}`, `{"properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16","10.9.0.0/16"]},"subnets":null}}`} {
		same(t, body, c.settle("PUT", v1, body), "Succeeded")
		c.must("GET", v1+"/subnets/vms", "", 200)
	}
	r = c.do("PUT", v1, `{"properties":{"subnets":[]}}`)
	if r.status != 400 || r.code() != resource.CodeSubnetInUse {
		t.Errorf("deleting used subnets by a list: %d %s", r.status, r.body)
	}
}

func circuitOf(t *testing.T, w *world) *resource.Circuit {
	t.Helper()
	id, err := resource.ParseID(er1)
	if err != nil {
		t.Fatal(err)
	}
	return got(w.store.Get(t.Context(), id))(t).(*resource.Circuit)
}

// TestRawCrossConnection holds the provider's levers.
func TestRawCrossConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, p := w.ordered()
	x := w.cross(p)
	r := p.must("GET", x, "", 200)
	same(t, "sTag", r.field("properties.sTag"), any(1.0))
	same(t, "port", r.field("properties.secondaryAzurePort"), any("edge2/pe0"))
	same(t, "group's casing", strings.Contains(x, "/resourceGroups/CrossConnection-Seattle/"), true)
	listed := p.must("GET", crossAll, "", 200)
	if strings.Contains(listed.body, "sTag") || !strings.Contains(listed.body, `"peerings":[]`) {
		t.Errorf("list: %s", listed.body)
	}
	key := x[strings.LastIndex(x, "/")+1:]
	same(t, "filtered in", strings.Contains(p.must("GET", crossAll+"?api-version=2025-03-01&$filter=name%20eq%20'"+key+"'", "", 200).body, key), true)
	same(t, "filtered out", p.must("GET", crossAll+"?api-version=2025-03-01&$filter=name%20eq%20'other'", "", 200).body, `{"value":[]}`)

	p.must("PATCH", x, `{"tags":{"PrimaryHandoff":"xchg1/ce1","secondaryHandoff":"xchg1/ce2:tagged"}}`, 200)
	same(t, "hand-off", circuitOf(t, w).Status.Handoff, resource.Handoff{Primary: "xchg1/ce1", Secondary: "xchg1/ce2:tagged"})
	bad := p.must("PATCH", x, `{"tags":{"primaryHandoff":"edge1/pe0"}}`, 403)
	same(t, "a port of somebody else", bad.field("error.target"), any("tags.primaryHandoff"))
	put := p.must("PUT", x, `{"tags":{"primaryHandoff":"xchg1/ce3"},"properties":{"serviceProviderProvisioningState":"provisioning","serviceProviderNotes":"soon"}}`, 200)
	same(t, "end", p.follow(put), "Succeeded")
	same(t, "hand-off", circuitOf(t, w).Status.Handoff, resource.Handoff{Primary: "xchg1/ce3"})
	r = c.must("GET", er1, "", 200)
	same(t, "notes", r.field("properties.serviceProviderNotes"), any("soon"))
	same(t, "state", r.field("properties.serviceProviderProvisioningState"), any("Provisioning"))
	same(t, "customer's delete", c.must("DELETE", er1, "", 409).code(), resource.CodeConflict)
	same(t, "unknown state", p.must("PUT", x, `{"properties":{"serviceProviderProvisioningState":"Ready"}}`, 400).field("error.target"), any("properties.serviceProviderProvisioningState"))
	p.must("DELETE", x, "", 405)
	same(t, "made by hand", p.must("PUT", strings.Replace(x, key, "11111111-0000-4000-8000-000000000001", 1), `{}`, 404).code(), "ParentResourceNotFound")
	p.settle("PUT", x, `{"properties":{"serviceProviderProvisioningState":"Provisioned"}}`)
	made := p.must("PUT", x+"/peerings/AzurePrivatePeering", peeringBody, 201)
	same(t, "first azureASN", made.field("properties.azureASN"), any(0.0))
	same(t, "end", p.follow(made), "Succeeded")
	seen := c.must("GET", private, "", 200)
	same(t, "modified by", seen.field("properties.lastModifiedBy"), any("Provider"))
	same(t, "type of the provider's", p.must("GET", x+"/peerings/AzurePrivatePeering", "", 200).field("type"), nil)
	same(t, "type of the customer's", seen.field("type"), any("Microsoft.Network/expressRouteCircuits/peerings"))
	same(t, "customer changes nothing", c.settle("PUT", private, peeringBody), "Succeeded")
	same(t, "modified by", c.must("GET", private, "", 200).field("properties.lastModifiedBy"), any("Provider"))
}

// TestRawAuthorizations lets another subscription's gateway on the circuit with a key: once.
func TestRawAuthorizations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	other := w.as("fabrikam")
	rg := strings.Replace(rg1, subCustomer, subOther, 1)
	net := strings.Replace(net1, subCustomer, subOther, 1)
	other.must("PUT", rg, groupBody, 201)
	for path, body := range map[string]string{"/virtualNetworks/v1": networkBody} {
		same(t, path, other.settle("PUT", net+path, body), "Succeeded")
	}
	same(t, "gateway", other.settle("PUT", net+"/virtualNetworkGateways/g1", `{"location":"westus2","properties":{"gatewayType":"ExpressRoute",
		"sku":{"name":"ergw1az"},"ipConfigurations":[{"properties":{"subnet":{"id":"`+net+`/virtualNetworks/v1/subnets/GatewaySubnet"}}}]}}`), "Succeeded")
	connection := func(key string) string {
		return `{"location":"westus2","properties":{"connectionType":"ExpressRoute","authorizationKey":"` + key + `","routingWeight":5,
			"virtualNetworkGateway1":{"id":"` + net + `/virtualNetworkGateways/g1"},"peer":{"id":"` + strings.ToLower(er1) + `"}}}`
	}
	c1 := net + "/connections/c1"
	same(t, "no key", other.must("PUT", c1, connection(""), 403).code(), resource.CodeAuthorization)
	same(t, "wrong key", other.must("PUT", c1, connection("11111111-0000-4000-8000-000000000001"), 403).code(), resource.CodeAuthorization)
	c.settle("PUT", er1+"/authorizations/a1", "{}")
	key := c.must("GET", er1+"/authorizations/a1", "", 200).field("properties.authorizationKey").(string)
	r := other.must("PUT", c1, connection(key), 201)
	if strings.Contains(r.body, key) {
		t.Error("the connection shows the key")
	}
	same(t, "canonical circuit", r.field("properties.peer.id"), any(er1))
	same(t, "end", other.follow(r), "Succeeded")
	a := c.must("GET", er1+"/authorizations/a1", "", 200)
	same(t, "use", a.field("properties.authorizationUseStatus"), any("InUse"))
	same(t, "user", a.field("properties.connectionResourceUri"), any(c1))
	same(t, "delete in use", c.must("DELETE", er1+"/authorizations/a1", "", 400).code(), resource.CodeAuthInUse)
	same(t, "circuit in use", c.must("DELETE", er1, "", 400).code(), resource.CodeConflict)
	same(t, "echo", other.settle("PUT", c1, other.must("GET", c1, "", 200).body), "Succeeded")
	same(t, "release", other.settle("DELETE", c1, ""), "Succeeded")
	same(t, "use", c.must("GET", er1+"/authorizations/a1", "", 200).field("properties.authorizationUseStatus"), any("Available"))
}

// TestRawNotReady tells clients to come back while what they refer to is still being written.
func TestRawNotReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	w.linked(c)
	id, _ := resource.ParseID(er1)
	set := func(op string) {
		_, err := w.store.Update(t.Context(), id, func(o resource.Object) error { o.Head().Operation = op; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	same(t, "delete", c.settle("DELETE", net1+"/connections/c1", ""), "Succeeded")
	set("running")
	body := `{"location":"westus2","properties":{"connectionType":"ExpressRoute","virtualNetworkGateway1":{"id":"` + net1 + `/virtualNetworkGateways/g1"},"peer":{"id":"` + er1 + `"}}}`
	r := c.must("PUT", net1+"/connections/c1", body, 429)
	if r.code() != "RetryableError" || !strings.Contains(r.body, "ReferencedResourceNotProvisioned") || r.header.Get("Retry-After") != "1" {
		t.Errorf("%s", r.body)
	}
	set("")
	same(t, "later", c.settle("PUT", net1+"/connections/c1", body), "Succeeded")
}
