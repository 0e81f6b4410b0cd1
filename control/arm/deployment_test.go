package arm

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onramp/control/store"
	"onramp/resource"
)

const deploymentsPath = rg1 + "/providers/Microsoft.Resources/deployments"

// vpnTemplate is what az 2.45.0 sends for "network vpn-connection create", with a key for the circuit.
func vpnTemplate(key string) string {
	return `{"properties":{"mode":"incremental","parameters":{"authorizationKey":{"value":"` + key + `"}},
 "template":{"$schema":"https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#","contentVersion":"1.0.0.0",
  "parameters":{"authorizationKey":{"type":"securestring","metadata":{"description":"x"}}},"variables":{},
  "resources":[{"type":"Microsoft.Network/connections","name":"cn1","location":"westus2","tags":{},"apiVersion":"2015-06-15","dependsOn":[],
    "properties":{"virtualNetworkGateway1":{"id":"` + net1 + `/virtualNetworkGateways/g1"},"enableBgp":false,"connectionType":"ExpressRoute","routingWeight":20,
      "authorizationKey":"[parameters('authorizationKey')]","usePolicyBasedTrafficSelectors":false,"expressRouteGatewayBypass":null,"peer":{"id":"` + er1 + `"}}}],
  "outputs":{"resource":{"type":"object","value":"[reference('cn1')]"}}}}}`
}

// ended polls a deployment to its end.
func (c client) ended(name string) reply {
	c.w.t.Helper()
	changed := c.w.store.Changed(c.w.t.Context())
	for {
		r := c.must("GET", deploymentsPath+"/"+name, "", 200)
		if s := r.field("properties.provisioningState"); s == "Succeeded" || s == "Failed" {
			return r
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			c.w.t.Fatalf("deployment %s does not end: %s", name, r.body)
		}
	}
}

func (w *world) gatewayWithout(c client) {
	w.linked(c)
	same(w.t, "remove c1", c.follow(c.must("DELETE", net1+"/connections/c1", "", 202)), "Succeeded")
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	w.gatewayWithout(c)
	same(t, "authorization", c.settle("PUT", er1+"/authorizations/a1", `{"name":"a1"}`), "Succeeded")
	key := c.must("GET", er1+"/authorizations/a1", "", 200).field("properties.authorizationKey").(string)

	at := deploymentsPath + "/vpn"
	r := c.must("POST", at+"/validate", vpnTemplate(key), 200)
	if !strings.Contains(r.body, `"validatedResources":[{"id":"`+net1+`/connections/cn1"}]`) {
		t.Errorf("validation: %s", r.body)
	}
	c.must("HEAD", at, "", 404)
	r = c.must("PUT", strings.ToLower(at), vpnTemplate(key), 201)
	same(t, "first state", r.field("properties.provisioningState"), any("Accepted"))
	status := strings.TrimPrefix(r.header.Get("Azure-AsyncOperation"), w.srv.URL)
	end := c.ended("vpn")
	same(t, "end", end.field("properties.provisioningState"), any("Succeeded"))
	same(t, "status", c.must("GET", status, "", 200).field("status"), any("Succeeded"))
	same(t, "unknown operation", c.do("GET", at+"/operationStatuses/other", "").status, 404)
	for _, want := range []string{`"parameters":{"authorizationKey":{"type":"SecureString"}}`, `"outputResources":[{"id":"` + net1 + `/connections/cn1"}]`,
		`"outputs":{"resource":{"type":"Object","value":{`, `"routingWeight":20`, `"connectionType":"ExpressRoute"`} {
		if !strings.Contains(end.body, want) {
			t.Errorf("the deployment does not show %s: %s", want, end.body)
		}
	}
	if strings.Contains(end.body, key) {
		t.Errorf("the deployment shows the key: %s", end.body)
	}
	o, err := w.store.Get(t.Context(), mustID(t, at))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(o); err != nil || strings.Contains(string(b), key) || len(o.(*resource.Deployment).Plan) > 0 {
		t.Errorf("the stored deployment keeps the key: %s, %v", b, err)
	}
	same(t, "the connection", c.must("GET", net1+"/connections/cn1", "", 200).field("properties.provisioningState"), any("Succeeded"))
	for path, want := range map[string]string{deploymentsPath + "/": `"name":"vpn"`, at + "/operations": `"statusCode":"OK"`} {
		if r := c.must("GET", path, "", 200); !strings.Contains(r.body, want) {
			t.Errorf("GET %s: %s, want %s", path, r.body, want)
		}
	}
	c.must("HEAD", at, "", 204)
	c.must("PUT", at, vpnTemplate(key), 200)
	same(t, "again", c.ended("vpn").field("properties.provisioningState"), any("Succeeded"))
	c.must("DELETE", at, "", 204)
	c.must("DELETE", at, "", 204)
	same(t, "gone", c.do("GET", at, "").code(), "DeploymentNotFound")
}

// netTemplate is a network, a public address and a gateway; DEPENDS is where the gateway's further dependencies go.
const netTemplate = `{"properties":{"mode":"Incremental","parameters":{"Prefix":{"value":"10.30"}},"template":{
	"parameters":{"prefix":{"type":"string"},"sku":{"type":"string","defaultValue":"[concat('ErGw', '1', 'AZ')]"},"pin":{"type":"secureString","defaultValue":"hidden"}},
	"variables":{"vnet":"[concat(variables('stem'), '-net')]","stem":"dep"},
	"resources":[
	 {"type":"Microsoft.Network/virtualNetworkGateways","apiVersion":"2022-01-01","name":"depgw","location":"[resourceGroup().location]",
	  "dependsOn":["[resourceId('Microsoft.Network/virtualNetworks', variables('vnet'))]"DEPENDS],"tags":{"literal":"[[x]","address":"[reference('deppip').ipAddress]"},
	  "properties":{"gatewayType":"ExpressRoute","sku":{"name":"[parameters('SKU')]"},"ipConfigurations":[{"name":"gw","properties":{
	   "subnet":{"id":"[concat(resourceId('Microsoft.Network/virtualNetworks', variables('vnet')), '/subnets/GatewaySubnet')]"}}}]}},
	 {"type":"Microsoft.Network/publicIPAddresses","apiVersion":"2022-01-01","name":"deppip","location":"westus2","properties":{"publicIPAllocationMethod":"Static"},"sku":{"name":"Standard"}},
	 {"type":"Microsoft.Network/publicIPAddresses","apiVersion":"2022-01-01","name":"never","condition":false,"location":"westus2","properties":{}},
	 {"type":"Microsoft.Network/virtualNetworks/subnets","apiVersion":"2022-01-01","name":"dep-net/GatewaySubnet","properties":{"addressPrefix":"[concat(parameters('prefix'), '.1.0/27')]"}},
	 {"type":"Microsoft.Network/virtualNetworks","apiVersion":"2022-01-01","name":"[variables('vnet')]","location":"westus2","properties":{"addressSpace":{"addressPrefixes":["[concat(parameters('prefix'), '.0.0/16')]"]}}}],
	"outputs":{"first":{"type":"string","value":"[reference('dep-net').addressSpace.addressPrefixes[0]]"},"place":{"type":"string","value":"[reference('dep-net', '2022-01-01', 'Full').location]"},
	 "secret":{"type":"securestring","value":"[parameters('pin')]"}}}}}`

// TestDeploymentOrder deploys a network, a public address and a gateway that wait for one another, and an output made of them.
func TestDeploymentOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.ordered()
	c.must("PUT", deploymentsPath+"/net", strings.Replace(netTemplate, "DEPENDS", "", 1), 201)
	r := c.ended("net")
	if r.field("properties.provisioningState") != any("Failed") || !strings.Contains(r.body, "DeploymentFailed") {
		t.Fatalf("a gateway begins before its subnet, because the template does not say that it depends on it: %s", r.body)
	}
	c.must("PUT", deploymentsPath+"/net", strings.Replace(netTemplate, "DEPENDS", `, "dep-net/GatewaySubnet"`, 1), 200)
	r = c.ended("net")
	same(t, "end", r.field("properties.provisioningState"), any("Succeeded"))
	same(t, "first", r.field("properties.outputs.first.value"), any("10.30.0.0/16"))
	same(t, "place", r.field("properties.outputs.place.value"), any("westus2"))
	if strings.Contains(r.body, "hidden") {
		t.Errorf("a secure value shows: %s", r.body)
	}
	g := c.must("GET", net1+"/virtualNetworkGateways/depgw", "", 200)
	same(t, "escaped text", g.field("tags.literal"), any("[x]"))
	same(t, "referred address", g.field("tags.address"), c.must("GET", net1+"/publicIPAddresses/deppip", "", 200).field("properties.ipAddress"))
	c.must("GET", net1+"/publicIPAddresses/never", "", 404)
}

func mustID(t *testing.T, s string) resource.ID {
	t.Helper()
	id, err := resource.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestDeploymentRefused reads templates that cannot be: nothing is ordered.
func TestDeploymentRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.ordered()
	pip := func(rest string) string {
		return `{"properties":{"template":{"parameters":{"p":{"type":"int","defaultValue":1,"allowedValues":[1,2]}},"variables":{"v":"[variables('v')]"},"resources":[
		 {"type":"Microsoft.Network/publicIPAddresses","apiVersion":"2022-01-01","name":"x","location":"westus2"` + rest + `}]}}}`
	}
	for body, want := range map[string]string{
		`{}`: "InvalidTemplate", `{"properties":{}}`: "InvalidTemplate", `{"properties":{"mode":"Complete","template":{}}}`: "NotImplemented",
		`{"properties":{"templateLink":{"uri":"https://x"}}}`: "NotImplemented", `{"properties":7}`: "InvalidRequestFormat",
		`{"properties":{"template":{"parameters":{"p":{"type":"string"}}}}}`:                                                          "InvalidTemplate",
		`{"properties":{"template":{},"parameters":{"odd":{"value":1}}}}`:                                                             "InvalidTemplate",
		`{"properties":{"template":{"parameters":{"p":{"type":"int"}}},"parameters":{"p":{"value":"x"}}}}`:                            "InvalidTemplate",
		`{"properties":{"template":{"outputs":{"o":{"type":"string","value":"[nosuch()]"}}}}}`:                                        "InvalidTemplate",
		`{"properties":{"template":{"resources":[{"type":"Microsoft.Resources/deployments","name":"x","apiVersion":"2021-04-01"}]}}}`: "NotImplemented",
		pip(`,"copy":{}`): "NotImplemented", pip(`,"dependsOn":["y"]`): "InvalidTemplate", pip(`,"tags":{"a":"[variables('v')]"}`): "InvalidTemplate",
		pip(`,"tags":{"a":"[concat('a']"}`): "InvalidTemplate", pip(`,"tags":{"a":"[parameters('q')]"}`): "InvalidTemplate",
		pip(`,"tags":{"a":"[concat('a') b]"}`): "InvalidTemplate", pip(`,"tags":{"a":"['a]"}`): "InvalidTemplate", pip(`,"tags":{"a":"[` + strings.Repeat("concat(", 50) + `]"}`): "InvalidTemplate",
		pip(`},{"type":"Microsoft.Network/publicIPAddresses","apiVersion":"2022-01-01","name":"X"`):                                     "InvalidTemplate",
		pip(`,"dependsOn":["y"]},{"type":"Microsoft.Network/publicIPAddresses","apiVersion":"2022-01-01","name":"y","dependsOn":["x"]`): "InvalidTemplate",
	} {
		for _, r := range []reply{c.do("PUT", deploymentsPath+"/bad", body), c.do("POST", deploymentsPath+"/bad/validate", body)} {
			if r.code() != want || r.status >= 500 && r.status != 501 {
				t.Errorf("%s: %d %s, want %s", body, r.status, r.body, want)
			}
		}
	}
	c.must("GET", deploymentsPath+"/bad", "", 404)
	c.must("PUT", deploymentsPath+"/fails", pip(`,"properties":{"x":"[reference('`+er1+`x').y]"}`), 201)
	if r := c.ended("fails"); !strings.Contains(r.body, `"code":"DeploymentFailed"`) || !strings.Contains(r.body, "cannot be read") {
		t.Errorf("a reference to nothing: %s", r.body)
	}
	same(t, "no group", c.do("PUT", strings.Replace(deploymentsPath, "rg1", "rg9", 1)+"/x", pip("")).code(), "ResourceGroupNotFound")
}

// TestDeploymentSurvives kills the front while it waits for a resource; another front ends the deployment.
func TestDeploymentSurvives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	w.gatewayWithout(c)
	id := mustID(t, deploymentsPath+"/vpn")
	release := make(chan struct{})
	w.fail = func(*store.Operation) *resource.Failure { <-release; return nil }
	c.must("PUT", deploymentsPath+"/vpn", vpnTemplate(""), 201)
	changed := w.store.Changed(t.Context())
	for {
		o, err := w.store.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if d := o.(*resource.Deployment); d.Steps[0].State == resource.StepRunning {
			break
		}
		<-changed
	}
	w.front.Close()
	second, err := New(Config{Store: w.store, Live: w.live, IssuerKeyPath: filepath.Join(t.TempDir(), "issuer.pem"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	if err := second.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	close(release)
	same(t, "end", c.ended("vpn").field("properties.provisioningState"), any("Succeeded"))
}

// FuzzTemplate reads any template: it is understood or refused, in time.
func FuzzTemplate(f *testing.F) {
	group := resource.ID{Subscription: subCustomer, Group: "rg1"}
	var in struct{ Properties json.RawMessage }
	if err := json.Unmarshal([]byte(vpnTemplate("k")), &in); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(in.Properties))
	for _, e := range []string{"[concat('a','b')]", "[[x]", "[reference('x').y[0]]", "[parameters('p')]", "[variables('v')]", "[toLower(resourceGroup().location)]", "[resourceId('a/b','c')]", "[-1]", "['it''s']"} {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(`{"template":{"parameters":{"p":{"type":"string","defaultValue":` + string(b) + `}},"variables":{"v":` + string(b) + `},"outputs":{"o":{"type":"string","value":` + string(b) + `}}}}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tpl, err := readTemplate(raw, group, "westus2")
		if err != nil {
			if e := toFault(err); e.Status >= 500 && e.Status != 501 {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if _, err := tpl.shown(); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
