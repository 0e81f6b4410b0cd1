package arm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
)

// everything is a world with one object of each type, and where they are.
func everything(t *testing.T) (w *world, owner map[string]client) {
	t.Helper()
	w = newWorld(t)
	c, p := w.provisioned()
	w.linked(c)
	same(t, "authorization", c.settle("PUT", er1+"/authorizations/a1", "{}"), "Succeeded")
	owner = map[string]client{}
	for _, path := range []string{er1, private, er1 + "/authorizations/a1", net1 + "/virtualNetworks/v1", net1 + "/virtualNetworks/v1/subnets/vms",
		net1 + "/networkInterfaces/nic1", net1 + "/publicIPAddresses/pip1", net1 + "/virtualNetworkGateways/g1", net1 + "/connections/c1"} {
		owner[path] = c
	}
	cross := w.cross(p)
	owner[cross], owner[cross+"/peerings/AzurePrivatePeering"] = p, p
	return w, owner
}

// TestRawEcho puts back what was read, of every type: it is accepted and changes nothing, as get-modify-set clients need.
func TestRawEcho(t *testing.T) {
	t.Parallel()
	_, owner := everything(t)
	for path, c := range owner {
		before := c.must("GET", path, "", 200)
		if end := c.settle("PUT", path, before.body); end != "Succeeded" {
			t.Errorf("%s: the echo ends %s", path, end)
		}
		after := c.must("GET", path, "", 200)
		if was, is := settled(t, before), settled(t, after); was != is {
			t.Errorf("%s: the echo changed\n%s\nto\n%s", path, was, is)
		}
	}
}

// settled is a body without what changes with every write.
func settled(t *testing.T, r reply) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatal(err)
	}
	return string(got(json.Marshal(without(v, "etag", "gatewayManagerEtag")))(t))
}

func without(v any, keys ...string) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if slices.Contains(keys, k) {
				delete(v, k)
			} else {
				v[k] = without(v[k], keys...)
			}
		}
	case []any:
		for i := range v {
			v[i] = without(v[i], keys...)
		}
	}
	return v
}

// TestRawNames decodes what every type answers with armnetwork's strict models and wants nothing lost: each property is spelled as Azure
// spells it, and of its JSON type.
func TestRawNames(t *testing.T) {
	t.Parallel()
	_, owner := everything(t)
	for path, c := range owner {
		model := modelOf(path)
		body := c.must("GET", path, "", 200).body
		if err := json.Unmarshal([]byte(body), model); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		kept := map[string]bool{}
		keys("", parse(t, got(json.Marshal(model))(t)), kept)
		ours := map[string]bool{}
		keys("", parse(t, []byte(body)), ours)
		for k := range ours {
			if !kept[k] && !slices.Contains(notModelled(), k) {
				t.Errorf("%s: armnetwork does not know %s", path, k)
			}
		}
	}
}

// notModelled are properties that real answers have and the SDK's models lack.
func notModelled() []string {
	return []string{".properties.resourceGuid", ".properties.gatewayManagerEtag", ".type", ".properties.ipConfigurations[].type", ".properties.peerings[].type"}
}

func parse(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// keys collects the paths of all properties.
func keys(at string, v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			into[at+"."+k] = true
			keys(at+"."+k, v[k], into)
		}
	case []any:
		for _, e := range v {
			keys(at+"[]", e, into)
		}
	}
}

func modelOf(path string) any {
	cross := strings.Contains(path, crossType)
	switch {
	case cross && strings.Contains(path, "/peerings/"):
		return &armnetwork.ExpressRouteCrossConnectionPeering{}
	case cross:
		return &armnetwork.ExpressRouteCrossConnection{}
	case strings.Contains(path, "/peerings/"):
		return &armnetwork.ExpressRouteCircuitPeering{}
	case strings.Contains(path, "/authorizations/"):
		return &armnetwork.ExpressRouteCircuitAuthorization{}
	case strings.Contains(path, "/subnets/"):
		return &armnetwork.Subnet{}
	case strings.Contains(path, circuitType):
		return &armnetwork.ExpressRouteCircuit{}
	case strings.Contains(path, gatewayType):
		return &armnetwork.VirtualNetworkGateway{}
	case strings.Contains(path, networkType):
		return &armnetwork.VirtualNetwork{}
	case strings.Contains(path, interfaceType):
		return &armnetwork.Interface{}
	case strings.Contains(path, publicType):
		return &armnetwork.PublicIPAddress{}
	case strings.Contains(path, connectionType):
		return &armnetwork.VirtualNetworkGatewayConnection{}
	}
	panic(fmt.Sprintf("no model of %s", path))
}
