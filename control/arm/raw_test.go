package arm

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"onramp/resource"
)

const (
	rg1      = "/subscriptions/" + subCustomer + "/resourceGroups/rg1"
	net1     = rg1 + "/providers/Microsoft.Network"
	er1      = net1 + "/expressRouteCircuits/er1"
	private  = er1 + "/peerings/AzurePrivatePeering"
	crossAll = "/subscriptions/" + subProvider + "/providers/Microsoft.Network/expressRouteCrossConnections"

	groupBody   = `{"location":"westus2"}`
	circuitBody = `{"location":"westus2","sku":{"tier":"Standard","family":"MeteredData"},"properties":{"serviceProviderProperties":
		{"serviceProviderName":"cloudexchange","peeringLocation":"seattle","bandwidthInMbps":200}}}`
	peeringBody = `{"properties":{"peeringType":"AzurePrivatePeering","peerASN":65001,"primaryPeerAddressPrefix":"192.168.1.0/30",
		"secondaryPeerAddressPrefix":"192.168.1.4/30","vlanId":100,"sharedKey":"Secret123"}}`
	networkBody = `{"location":"westus2","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[
		{"name":"GatewaySubnet","properties":{"addressPrefix":"10.0.0.0/27"}},{"name":"vms","properties":{"addressPrefix":"10.0.1.0/24"}}]}}`
)

// ordered makes rg1 and the circuit er1 and returns the customer and the provider.
func (w *world) ordered() (customer, provider client) {
	w.t.Helper()
	customer, provider = w.as("contoso"), w.as("xchg")
	customer.must("PUT", rg1, groupBody, 201)
	same(w.t, "order", customer.settle("PUT", er1, circuitBody), "Succeeded")
	return customer, provider
}

// cross is the path of er1's cross connection.
func (w *world) cross(provider client) string {
	w.t.Helper()
	var l struct{ Value []struct{ ID string } }
	if err := json.Unmarshal([]byte(provider.must("GET", crossAll, "", 200).body), &l); err != nil || len(l.Value) != 1 {
		w.t.Fatalf("cross connections: %v %v", l, err)
	}
	return l.Value[0].ID
}

// provisioned is ordered, with the provider done and the private peering up.
func (w *world) provisioned() (customer, provider client) {
	w.t.Helper()
	customer, provider = w.ordered()
	same(w.t, "provision", provider.settle("PUT", w.cross(provider), `{"properties":{"serviceProviderProvisioningState":"Provisioned"}}`), "Succeeded")
	same(w.t, "peering", customer.settle("PUT", private, peeringBody), "Succeeded")
	return customer, provider
}

func TestRawPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.ordered()
	for _, path := range []string{
		er1, strings.ToLower(er1), strings.ToUpper(er1), er1 + "/", strings.Replace(er1, "/resourceGroups/", "/resourcegroups/", 1),
		strings.Replace(er1, "Microsoft.Network/", "Microsoft.Network//", 1), "//" + er1 + "//", strings.Replace(er1, "er1", "%65r%31", 1),
	} {
		r := c.do("GET", path, "")
		if r.status != 200 || r.field("id") != any(er1) {
			t.Errorf("GET %s: %d, id %v; want 200 with the canonical id", path, r.status, r.field("id"))
		}
	}
	r := c.do("PUT", strings.Replace(rg1, "/resourceGroups/", "//resourcegroups//", 1), groupBody)
	same(t, "PUT through //", r.status, 200)
	for path, code := range map[string]string{
		strings.Replace(er1, "er1", "e%2Fr", 1): "InvalidRequestUri", "/nothing/at/all": "InvalidResourceUri",
		rg1 + "/providers/Microsoft.Nothing/things/x": "NoRegisteredProviderFound", net1 + "/madeUpType/x": "NoRegisteredProviderFound",
	} {
		same(t, path, c.do("GET", path, "").code(), code)
	}
	same(t, "DELETE of a list", c.do("DELETE", net1+"/expressRouteCircuits", "").status, 405)
	same(t, "odd corner of a known type", c.do("POST", er1+"/teleport", "{}").status, 501)
}

func TestRawVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("contoso")
	for query, want := range map[string]string{
		"x=1": "MissingApiVersionParameter", "api-version=": "MissingApiVersionParameter", "api-version=latest": "InvalidApiVersionParameter",
		"api-version=2025-3-1": "InvalidApiVersionParameter", "api-version=2015-06-15": "", "api-version=2022-01-01-preview": "", "API-Version=2025-03-01": "",
	} {
		r := c.do("GET", "/subscriptions?"+query, "")
		if r.code() != want || want != "" && r.status != 400 {
			t.Errorf("%s: %d %s, want %q", query, r.status, r.code(), want)
		}
	}
}

func TestRawHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("contoso")
	c.with = map[string]string{"x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "ours"}
	for _, path := range []string{"/subscriptions", "/subscriptions/nobody"} {
		r := c.do("GET", path, "")
		same(t, "client id", r.header.Get("x-ms-client-request-id"), "mine")
		same(t, "correlation id", r.header.Get("x-ms-correlation-request-id"), "ours")
		same(t, "content type", r.header.Get("Content-Type"), "application/json; charset=utf-8")
		same(t, "length of request id", len(r.header.Get("x-ms-request-id")), 36)
	}
	r := c.do("GET", "/subscriptions/"+subCustomer+"/resourceGroups/none", "")
	if !strings.Contains(r.body, `"details":[]`) {
		t.Errorf("details is not an empty list: %s", r.body)
	}
}

// TestRawNotFound holds the forms of 404.
func TestRawNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.ordered()
	nowhere := strings.Replace(er1, "rg1", "rg9", 1)
	for _, x := range []struct {
		method, path, body, code string
		status                   int
	}{
		{"GET", "/subscriptions/99999999-0000-4000-8000-000000000001/resourceGroups/rg1", "", "SubscriptionNotFound", 404},
		{"GET", nowhere, "", "ResourceGroupNotFound", 404},
		{"GET", strings.Replace(net1, "rg1", "rg9", 1) + "/expressRouteCircuits", "", "ResourceGroupNotFound", 404},
		{"PUT", nowhere, circuitBody, "ResourceGroupNotFound", 404},
		{"GET", er1 + "x", "", "ResourceNotFound", 404},
		{"PATCH", er1 + "x", `{"tags":{}}`, "ResourceNotFound", 404},
		{"GET", private, "", "NotFound", 404},
		{"GET", er1 + "/authorizations/a1", "", "NotFound", 404},
		{"PUT", er1 + "x/peerings/AzurePrivatePeering", peeringBody, "ParentResourceNotFound", 404},
		{"GET", er1 + "x/peerings", "", "ResourceNotFound", 404},
		{"DELETE", er1 + "x", "", "", 204},
		{"DELETE", private, "", "", 204},
		{"DELETE", er1 + "x/peerings/AzurePrivatePeering", "", "", 204},
		{"DELETE", strings.Replace(rg1, "rg1", "rg9", 1), "", "ResourceGroupNotFound", 404},
		{"POST", private + "/arpTables/primary", "", "BgpPeeringNotFound", 400},
		{"GET", net1 + "/connections/c1/sharedkey", "", "ResourceNotFound", 404},
	} {
		r := c.do(x.method, x.path, x.body)
		if r.status != x.status || r.code() != x.code {
			t.Errorf("%s %s: %d %s, want %d %s", x.method, x.path, r.status, r.code(), x.status, x.code)
		}
	}
}

// TestRawBodies holds what malformed bodies get, with the field and the reason.
func TestRawBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	for name, x := range map[string]struct {
		path, body, target string
		words              []string
	}{
		"empty":             {er1, "", "", []string{"empty"}},
		"not json":          {er1, "{", "", []string{"not JSON"}},
		"array":             {er1, "[]", "", []string{"array", "object"}},
		"null":              {er1, "null", "", []string{"null", "object"}},
		"wrong type":        {er1, `{"properties":"x"}`, "properties", []string{"string", "object"}},
		"wrong nested type": {private, `{"properties":{"vlanId":"100"}}`, "properties.vlanId", []string{"string", "integer"}},
		"float for int":     {private, `{"properties":{"vlanId":100.5}}`, "properties.vlanId", []string{"integer"}},
		"wrong head type":   {er1, `{"location":7}`, "location", []string{"number", "string"}},
		"huge number":       {private, `{"properties":{"peerASN":1e300}}`, "properties.peerASN", []string{"integer"}},
		"duplicate child":   {er1, `{"properties":{"authorizations":[{"name":"a"},{"name":"A"}]}}`, "properties.authorizations", []string{"twice"}},
		"missing reference": {net1 + "/connections/c1", `{"location":"westus2","properties":{"connectionType":"ExpressRoute","peer":{"id":"` + er1 + `"}}}`,
			"properties.virtualNetworkGateway1", []string{"missing"}},
		"broken reference": {net1 + "/connections/c1", `{"location":"westus2","properties":{"connectionType":"ExpressRoute","virtualNetworkGateway1":{"id":"g1"}}}`,
			"properties.virtualNetworkGateway1.id", []string{"resource id"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.do("PUT", x.path, x.body)
			var e errorBody
			if err := json.Unmarshal([]byte(r.body), &e); err != nil {
				t.Fatal(err)
			}
			if r.status != 400 || e.Error.Code != "InvalidRequestFormat" || len(e.Error.Details) != 1 || e.Error.Target != x.target {
				t.Fatalf("%d %s, want 400 InvalidRequestFormat on %q with one detail", r.status, r.body, x.target)
			}
			for _, word := range x.words {
				if !strings.Contains(e.Error.Details[0].Message, word) {
					t.Errorf("message %q does not say %q", e.Error.Details[0].Message, word)
				}
			}
		})
	}
	r := c.do("PUT", er1, `{"x":"`+strings.Repeat("a", MaxBody)+`"}`)
	if r.status != http.StatusRequestEntityTooLarge || r.code() != "RequestContentTooLarge" {
		t.Errorf("oversized body: %d %s", r.status, r.code())
	}
	if r := c.do("PUT", er1, `{"properties":{"NoSuchThing":{"deep":[1,2]},"SERVICEPROVIDERPROPERTIES":{"BandWidthInMbps":500}}}`); r.status != 200 {
		t.Errorf("unknown and oddly spelled properties: %d %s", r.status, r.body)
	} else if same(t, "end", c.follow(r), "Succeeded"); c.do("GET", er1, "").field("properties.serviceProviderProperties.bandwidthInMbps") != any(500.0) {
		t.Error("the oddly spelled bandwidth did not count")
	}
}

// TestRawRules holds that the rules of package resource come out with field, code and status.
func TestRawRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	for name, x := range map[string]struct {
		path, body, code, target string
		status                   int
	}{
		"bandwidth down": {er1, `{"properties":{"serviceProviderProperties":{"bandwidthInMbps":100}}}`, resource.CodeChangeRefused, "properties.serviceProviderProperties.bandwidthInMbps", 400},
		"bad /30":        {private, `{"properties":{"primaryPeerAddressPrefix":"192.168.1.1/30"}}`, resource.CodeInvalidValue, "properties.primaryPeerAddressPrefix", 400},
		"no prefix":      {private, `{"properties":{"primaryPeerAddressPrefix":"x"}}`, "InvalidAddressPrefixFormat", "properties.primaryPeerAddressPrefix", 400},
		"reserved ASN":   {private, `{"properties":{"peerASN":65515}}`, resource.CodeInvalidValue, "properties.peerASN", 400},
		"ASN too large":  {private, `{"properties":{"peerASN":4294967296}}`, resource.CodeInvalidValue, "properties.peerASN", 400},
		"long key":       {private, `{"properties":{"sharedKey":"` + strings.Repeat("k", 26) + `"}}`, resource.CodeInvalidValue, "properties.sharedKey", 400},
		"region":         {net1 + "/virtualNetworks/v1", `{"location":"mars","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]}}}`, "LocationNotAvailableForResourceType", "location", 400},
		"no location":    {net1 + "/virtualNetworks/v1", `{"properties":{}}`, "LocationRequired", "location", 400},
		"other location": {er1, `{"location":"eastus"}`, "InvalidResourceLocation", "location", 409},
		"direct":         {er1, `{"properties":{"expressRoutePort":{"id":"/x"}}}`, "InvalidRequestFormat", "properties.expressRoutePort.id", 400},
		"ipv6":           {private, `{"properties":{"ipv6PeeringConfig":{"primaryPeerAddressPrefix":"2001:db8::/126"}}}`, "NotImplemented", "", 501},
		"microsoft":      {er1 + "/peerings/MicrosoftPeering", peeringBody, resource.CodeInvalidValue, "properties.peeringType", 400},
		"tag name":       {er1, `{"tags":{"a/b":"c"}}`, "InvalidTagName", "tags", 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.do("PUT", x.path, x.body)
			if r.status != x.status || r.code() != x.code || x.target != "" && r.field("error.target") != any(x.target) {
				t.Errorf("%d %s, want %d %s on %s", r.status, r.body, x.status, x.code, x.target)
			}
		})
	}
}

// TestRawPlumbing reads what clients read around the network.
func TestRawPlumbing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	sub := "/subscriptions/" + subCustomer
	for path, want := range map[string]string{
		"/subscriptions": `"subscriptionId":"` + subCustomer, sub: `"state":"Enabled"`,
		"/tenants": DefaultTenant, sub + "/locations": `"displayName":"West US 2"`, sub + "/providers": `"namespace":"Microsoft.Network"`,
		sub + "/providers/microsoft.network": `"resourceType":"expressRouteCircuits"`, sub + "/resources": `"name":"er1"`,
		rg1 + "/resources?$expand=provisioningState&$top=10&api-version=2023-07-01":  `"provisioningState":"Succeeded"`,
		sub + "/resources?$filter=resourceGroup%20eq%20'rg1'&api-version=2021-04-01": `"name":"er1"`,
		"/providers/Microsoft.Network/operations":                                    `expressRouteCircuits/write`,
		private + "/connections":                               `{"value":[]}`,
		private + "/peerConnections":                           `{"value":[]}`,
		er1 + "/peerings/MicrosoftPeering/connections":         `{"value":[]}`,
		net1 + "/publicIPAddresses":                            `{"value":[]}`,
		net1 + "/networkInterfaces":                            `{"value":[]}`,
		sub + "/providers/Microsoft.Network/publicIPAddresses": `{"value":[]}`,
		sub + "/providers/Microsoft.Network/networkInterfaces": `{"value":[]}`,
	} {
		if r := c.do("GET", path, ""); r.status != 200 || !strings.Contains(r.body, want) {
			t.Errorf("GET %s: %d %.200s, want %s", path, r.status, r.body, want)
		}
	}
	c.must("POST", sub+"/providers/Microsoft.Network/register", "", 200)
	c.must("GET", sub+"/providers/Microsoft.Nothing", "", 404)
	c.must("HEAD", rg1, "", 204)
	c.must("HEAD", rg1+"9", "", 404)
	r := c.must("PATCH", rg1, `{"tags":{"a":"b"}}`, 200)
	same(t, "group's tag", r.field("tags.a"), any("b"))
}

// TestRawTags shows that a PATCH replaces the tags of every type and nothing else.
func TestRawTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	w.linked(c)
	for _, path := range []string{er1, net1 + "/virtualNetworks/v1", net1 + "/networkInterfaces/nic1", net1 + "/publicIPAddresses/pip1",
		net1 + "/virtualNetworkGateways/g1", net1 + "/connections/c1"} {
		before := c.must("GET", path, "", 200)
		c.must("PATCH", path, `{"tags":{"old":"1"}}`, 200)
		r := c.must("PATCH", path, `{"tags":{"new":"2"}}`, 200)
		got, _ := json.Marshal(r.field("tags"))
		same(t, path, string(got), `{"new":"2"}`)
		was, _ := json.Marshal(before.field("properties"))
		is, _ := json.Marshal(r.field("properties"))
		if stripEtags(string(was)) != stripEtags(string(is)) {
			t.Errorf("%s: properties changed from %s to %s", path, was, is)
		}
		if before.field("etag") == r.field("etag") {
			t.Errorf("%s: the etag stayed", path)
		}
	}
	r := c.must("PATCH", net1+"/networkInterfaces/nic1", `{"tags":{"attachTo":"host1/none"}}`, 400)
	same(t, "attached to nothing", r.field("error.target"), any("tags.attachTo"))
}

// stripEtags blanks the etags of children, which follow their parent's.
func stripEtags(s string) string {
	for {
		i := strings.Index(s, `"etag":"`)
		if i < 0 {
			return s
		}
		rest := s[i+len(`"etag":"`):]
		s = s[:i] + rest[strings.Index(rest, `",`)+2:]
	}
}

// linked builds a network, an interface, a public address, a gateway and the connection c1 to er1.
func (w *world) linked(c client) {
	w.t.Helper()
	for _, x := range [][2]string{
		{"/virtualNetworks/v1", networkBody},
		{"/publicIPAddresses/pip1", `{"location":"westus2","sku":{"name":"Standard"},"properties":{"publicIPAllocationMethod":"Static"}}`},
		{"/networkInterfaces/nic1", `{"location":"westus2","properties":{"ipConfigurations":[{"name":"a","properties":{"subnet":{"id":"` + net1 + `/virtualNetworks/v1/subnets/vms"}}}]}}`},
		{"/virtualNetworkGateways/g1", `{"location":"westus2","properties":{"gatewayType":"ExpressRoute","sku":{"name":"ErGw1AZ"},"ipConfigurations":[{"name":"gw",
			"properties":{"subnet":{"id":"` + net1 + `/virtualNetworks/v1/subnets/GatewaySubnet"}}}]}}`},
		{"/connections/c1", `{"location":"westus2","properties":{"connectionType":"ExpressRoute","virtualNetworkGateway1":{"id":"` + net1 + `/virtualNetworkGateways/g1"},"peer":{"id":"` + er1 + `"}}}`},
	} {
		same(w.t, x[0], c.settle("PUT", net1+x[0], x[1]), "Succeeded")
	}
}

func TestRawPanicIsOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("noc")
	w.front.router.root.find([]string{"tenants"}, map[string]string{}).rows["GET"].Do = func(*Front, *call) (answer, error) { panic("boom") }
	r := c.do("GET", "/tenants", "")
	if r.status != 500 || r.code() != "InternalServerError" || strings.Contains(r.body, "boom") {
		t.Errorf("%d %s", r.status, r.body)
	}
	c.must("GET", "/subscriptions", "", 200)
}

func TestRawStoreAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, held)
	c := w.as("contoso")
	c.must("PUT", rg1, groupBody, 201)
	w.store.Close()
	r := c.do("PUT", er1, circuitBody)
	if r.status != 503 || r.code() != "ServiceUnavailable" || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
}
