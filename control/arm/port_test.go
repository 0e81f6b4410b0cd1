package arm

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"onramp/resource"
)

const (
	port1     = net1 + "/expressRoutePorts/p1"
	portOrder = `{"location":"westus2","properties":{"peeringLocation":"seattle","bandwidthInGbps":10,"encapsulation":"dot1q"}}`
)

// direct orders a circuit of some Gbps on the test port.
func direct1(gbps string) string {
	return `{"location":"westus2","sku":{"tier":"Standard","family":"MeteredData"},"properties":{"expressRoutePort":{"id":"` + port1 + `"},"bandwidthInGbps":` + gbps + `}}`
}

// otherGroup is fabrikam's resource group.
func (w *world) otherGroup() (c client, net string) {
	c = w.as("fabrikam")
	group := "/subscriptions/" + subOther + "/resourceGroups/rg2"
	c.must("PUT", group, `{"location":"westus2"}`, 201)
	return c, group + "/providers/Microsoft.Network"
}

// TestPorts plays the life of a port: order, links, letter, authorizations, deletion.
func TestPorts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("contoso")
	c.must("PUT", rg1, `{"location":"westus2"}`, 201)
	locations := subPath + "/providers/Microsoft.Network/ExpressRoutePortsLocations"
	r := c.must("GET", locations, "", 200)
	if !strings.Contains(r.body, `"name":"Seattle"`) || !strings.Contains(r.body, `"availableBandwidths":[]`) {
		t.Errorf("locations: %s", r.body)
	}
	free := func() string {
		return fmt.Sprint(c.must("GET", locations+"/seattle", "", 200).field("properties.availableBandwidths"))
	}
	same(t, "free", free(), "[map[offerName:10 Gbps valueInGbps:10] map[offerName:100 Gbps valueInGbps:100]]")
	c.must("GET", locations+"/Paris", "", 404)
	same(t, "order", c.settle("PUT", strings.Replace(port1, "expressRoute", "ExpressRoute", 1), portOrder), "Succeeded")
	same(t, "free", free(), "[map[offerName:100 Gbps valueInGbps:100]]")
	r = c.must("GET", port1, "", 200)
	for field, want := range map[string]any{"type": "Microsoft.Network/expressRoutePorts", "properties.encapsulation": "Dot1Q", "properties.mtu": "1500",
		"properties.etherType": "0x8100", "properties.billingType": "MeteredData", "properties.bandwidthInGbps": 10.0, "properties.provisionedBandwidthInGbps": 0.0,
		"properties.peeringLocation": "Seattle", "identity": nil} {
		same(t, field, r.field(field), want)
	}
	link := c.must("GET", port1+"/links/LINK1", "", 200)
	for field, want := range map[string]any{"name": "link1", "properties.routerName": "edge1", "properties.interfaceName": "TenGigE1/0/1", "properties.patchPanelId": "PP-7",
		"properties.rackId": "A1", "properties.coloLocation": "MMR2", "properties.connectorType": "LC", "properties.adminState": "Disabled",
		"properties.macSecConfig.sciState": "Disabled", "properties.macSecConfig.cknSecretIdentifier": nil} {
		same(t, "link1 "+field, link.field(field), want)
	}
	same(t, "link2", c.must("GET", port1+"/links/link2", "", 200).field("properties.connectorType"), any("SC"))
	c.must("GET", port1+"/links/link3", "", 404)
	if n := strings.Count(c.must("GET", port1+"/links", "", 200).body, `"adminState"`); n != 2 {
		t.Errorf("%d links", n)
	}
	// azurerm: PUT again without links keeps them
	same(t, "enable", c.settle("PUT", port1, `{"location":"westus2","properties":{"links":[{"name":"link2","properties":{"adminState":"enabled"}}]}}`), "Succeeded")
	same(t, "again", c.settle("PUT", port1, portOrder), "Succeeded")
	same(t, "link1", c.must("GET", port1+"/links/link1", "", 200).field("properties.adminState"), any("Disabled"))
	same(t, "link2", c.must("GET", port1+"/links/link2", "", 200).field("properties.adminState"), any("Enabled"))
	c.must("PATCH", port1, `{"tags":{"a":"b"}}`, 200)
	for path, want := range map[string]string{net1 + "/expressRoutePorts": `"name":"p1"`, subPath + "/providers/Microsoft.Network/ExpressRoutePorts": `"name":"p1"`} {
		if r := c.must("GET", path, "", 200); !strings.Contains(r.body, want) {
			t.Errorf("GET %s: %s", path, r.body)
		}
	}
	w.portAuthorizations(c)
	same(t, "delete", c.follow(c.must("DELETE", port1, "", 202)), "Succeeded")
	c.must("GET", port1, "", 404)
	same(t, "free again", free(), "[map[offerName:10 Gbps valueInGbps:10] map[offerName:100 Gbps valueInGbps:100]]")
}

// portAuthorizations lets another subscription put a circuit on the port, once.
func (w *world) portAuthorizations(c client) {
	t := w.t
	auth := port1 + "/authorizations/a1"
	same(t, "authorization", c.settle("PUT", auth, `{"properties":{}}`), "Succeeded")
	r := c.must("GET", auth, "", 200)
	same(t, "use", r.field("properties.authorizationUseStatus"), any("Available"))
	key, _ := r.field("properties.authorizationKey").(string)
	if len(key) != 36 {
		t.Errorf("key %q", key)
	}
	other, net := w.otherGroup()
	theirs := net + "/expressRouteCircuits/er2"
	withKey := func(k string) string {
		return strings.Replace(direct1("1"), `"properties":{`, `"properties":{"authorizationKey":"`+k+`",`, 1)
	}
	for _, k := range []string{"", "wrong"} {
		if r := other.do("PUT", theirs, withKey(k)); r.status != 403 || r.code() != resource.CodeAuthorization {
			t.Errorf("key %q: %d %s", k, r.status, r.body)
		}
	}
	same(t, "their circuit", other.settle("PUT", theirs, withKey(key)), "Succeeded")
	same(t, "their circuit again", other.settle("PUT", theirs, direct1("2")), "Succeeded")
	r = c.must("GET", auth, "", 200)
	same(t, "use", r.field("properties.authorizationUseStatus"), any("InUse"))
	same(t, "user", r.field("properties.circuitResourceUri"), any(theirs))
	same(t, "provisioned", c.must("GET", port1, "", 200).field("properties.provisionedBandwidthInGbps"), any(2.0))
	same(t, "second use", other.do("PUT", net+"/expressRouteCircuits/er3", withKey(key)).code(), resource.CodeAuthorization)
	same(t, "delete a used one", c.do("DELETE", auth, "").code(), resource.CodeAuthInUse)
	same(t, "delete a used port", c.do("DELETE", port1, "").code(), resource.CodeConflict)
	same(t, "their circuit goes", other.follow(other.must("DELETE", theirs, "", 202)), "Succeeded")
	same(t, "use", c.must("GET", auth, "", 200).field("properties.authorizationUseStatus"), any("Available"))
	if r := c.must("GET", port1+"/authorizations", "", 200); !strings.Contains(r.body, `"name":"a1"`) {
		t.Errorf("authorizations: %s", r.body)
	}
	same(t, "delete", c.follow(c.must("DELETE", auth, "", 202)), "Succeeded")
	c.must("DELETE", auth, "", 204)
}

// TestPortLetter: the letter is a PDF that names customer and ports.
func TestPortLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("contoso")
	c.must("PUT", rg1, `{"location":"westus2"}`, 201)
	c.settle("PUT", port1, portOrder)
	r := c.must("POST", port1+"/generateLoa", `{"customerName":"Contoso"}`, 200)
	text, _ := r.field("encodedContent").(string)
	pdf, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !strings.HasPrefix(string(pdf), "%PDF-") {
		t.Fatalf("letter: %v %.40q", err, pdf)
	}
	for _, want := range []string{"(Contoso)", "(2001 Sixth Avenue)", "(TenGigE1/0/1)", "(PP-7)", "(edge2)", "(SC)", "2 x 10 Gbps"} {
		if !strings.Contains(string(pdf), want) {
			t.Errorf("the letter lacks %s", want)
		}
	}
	for body, code := range map[string]string{`{}`: "InvalidParameterValue", `{"customerName":" "}`: "InvalidParameterValue", `{"customerName":"コントソ"}`: "InvalidParameterValue", ``: "InvalidRequestFormat"} {
		same(t, body, c.do("POST", port1+"/generateLoa", body).code(), code)
	}
	c.must("POST", port1+"9/generateLoa", `{"customerName":"x"}`, 404)
}

// TestPortMACsec: references are kept while a link is Disabled, and never lead to a link in the clear.
func TestPortMACsec(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("contoso")
	c.must("PUT", rg1, `{"location":"westus2"}`, 201)
	c.settle("PUT", port1, portOrder)
	const identity = `"identity":{"type":"UserAssigned","userAssignedIdentities":{"/identity/one":{}}},`
	keys := func(more string) string {
		return `"properties":{"links":[{"name":"link1","properties":{` + more + `"macSecConfig":{"cknSecretIdentifier":"https://v.example/secrets/ckn","cakSecretIdentifier":"https://v.example/secrets/cak","cipher":"gcmaesxpn256","sciState":"Enabled"}}}]}}`
	}
	same(t, "no identity", c.do("PUT", port1, `{`+keys("")).code(), "InvalidParameterValue")
	same(t, "stored", c.settle("PUT", port1, `{`+identity+keys("")), "Succeeded")
	l := c.must("GET", port1+"/links/link1", "", 200)
	same(t, "cipher", l.field("properties.macSecConfig.cipher"), any("GcmAesXpn256"))
	same(t, "reference", l.field("properties.macSecConfig.cakSecretIdentifier"), any("https://v.example/secrets/cak"))
	same(t, "identity", c.must("GET", port1, "", 200).field("identity.type"), any("UserAssigned"))
	if r := c.do("PUT", port1, `{`+keys(`"adminState":"Enabled",`)); r.status != 501 || !strings.Contains(r.body, "never enabled in the clear") {
		t.Errorf("MACsec enabled: %d %s", r.status, r.body)
	}
	same(t, "keys taken away", c.settle("PUT", port1, `{"properties":{"links":[{"name":"link1","properties":{"adminState":"Enabled","macSecConfig":{"cknSecretIdentifier":"","cakSecretIdentifier":""}}}]}}`), "Succeeded")
}

// TestDirectCircuits orders circuits on a port, resizes them and runs into every limit.
func TestDirectCircuits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("contoso")
	c.must("PUT", rg1, `{"location":"westus2"}`, 201)
	c.settle("PUT", port1, portOrder)
	for name, gbps := range map[string]string{"er1": "1", "er2": "10"} {
		same(t, name, c.settle("PUT", net1+"/expressRouteCircuits/"+name, direct1(gbps)), "Succeeded")
	}
	r := c.must("GET", er1, "", 200)
	for field, want := range map[string]any{"properties.serviceProviderProvisioningState": "Provisioned", "properties.circuitProvisioningState": "Enabled",
		"properties.expressRoutePort.id": port1, "properties.bandwidthInGbps": 1.0, "properties.serviceProviderProperties": nil, "properties.stag": 0.0,
		"properties.enableDirectPortRateLimit": false, "properties.authorizationStatus": "Enabled"} {
		same(t, field, r.field(field), want)
	}
	same(t, "echo", c.settle("PUT", er1, r.body), "Succeeded")
	same(t, "rate limit", c.settle("PUT", er1, `{"properties":{"enableDirectPortRateLimit":true}}`), "Succeeded")
	same(t, "kept", c.settle("PUT", er1, direct1("5")), "Succeeded")
	r = c.must("GET", er1, "", 200)
	same(t, "rate limit", r.field("properties.enableDirectPortRateLimit"), any(true))
	same(t, "grown", r.field("properties.bandwidthInGbps"), any(5.0))
	same(t, "port", c.must("GET", port1, "", 200).field("properties.provisionedBandwidthInGbps"), any(15.0))
	for body, code := range map[string]string{direct1("10"): resource.CodeCapacity, direct1("40"): "InvalidParameterValue", direct1("0.2"): "InvalidParameterValue",
		strings.Replace(direct1("1"), "/p1", "/p9", 1): "InvalidResourceReference", strings.Replace(direct1("1"), "MeteredData", "UnlimitedData", 1): "InvalidParameterValue",
		strings.Replace(direct1("1"), "expressRoutePorts", "virtualNetworks", 1): "InvalidResourceReference"} {
		same(t, body, c.do("PUT", net1+"/expressRouteCircuits/er3", body).code(), code)
	}
	peering := func(vlan int) string {
		return fmt.Sprintf(`{"properties":{"peerASN":65001,"vlanId":%d,"primaryPeerAddressPrefix":"192.168.1.0/30","secondaryPeerAddressPrefix":"192.168.1.4/30"}}`, vlan)
	}
	same(t, "peering", c.settle("PUT", private, peering(100)), "Succeeded")
	same(t, "router", c.must("GET", private, "", 200).field("properties.primaryAzurePort"), any("edge1/dp0"))
	theirs := strings.Replace(private, "er1", "er2", 1)
	same(t, "VLAN taken", c.do("PUT", theirs, peering(100)).code(), "InvalidParameterValue")
	same(t, "VLAN", c.settle("PUT", theirs, peering(101)), "Succeeded")
	if r := w.as("noc").do("PUT", "/providers/Onramp.Fabric/fabric", "{}"); r.status == 200 {
		t.Error("a fabric without the port is taken")
	}
	same(t, "delete", c.follow(c.must("DELETE", er1, "", 202)), "Succeeded")
}

// TestDirectTags: with QinQ each circuit has an outer tag of its own, and VLANs are each circuit's own business.
func TestDirectTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("contoso")
	c.must("PUT", rg1, `{"location":"westus2"}`, 201)
	c.settle("PUT", port1, strings.Replace(portOrder, "dot1q", "QinQ", 1))
	for i, name := range []string{"er1", "er2"} {
		k := net1 + "/expressRouteCircuits/" + name
		same(t, name, c.settle("PUT", k, direct1("1")), "Succeeded")
		same(t, name+"'s outer tag", c.must("GET", k, "", 200).field("properties.stag"), any(float64(i+1)))
		same(t, name+"'s peering", c.settle("PUT", k+"/peerings/AzurePrivatePeering",
			`{"properties":{"peerASN":65001,"vlanId":100,"primaryPeerAddressPrefix":"192.168.1.0/30","secondaryPeerAddressPrefix":"192.168.1.4/30"}}`), "Succeeded")
	}
	same(t, "another encapsulation", c.do("PUT", port1, portOrder).code(), resource.CodeChangeRefused)
	same(t, "no provider sees it", strings.Contains(w.as("xchg").must("GET", "/subscriptions/"+subProvider+"/providers/Microsoft.Network/expressRouteCrossConnections", "", 200).body, "er1"), false)
}
