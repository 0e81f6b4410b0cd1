package arm

import (
	"encoding/json"
	"strings"
	"testing"

	"onramp/resource"
)

// fabricBody is the test fabric as an operator sends it.
func fabricBody(t *testing.T, change func(*fabricWire)) string {
	t.Helper()
	w := fabricWire{Fabric: *testFabric()}
	for _, p := range w.Fabric.Principals {
		w.Principals = append(w.Principals, principalWire{Principal: p, Secret: p.Secret})
	}
	change(&w)
	return string(got(json.Marshal(w))(t))
}

// TestFabric applies the inventory, reads it back and reads what only running nodes know.
func TestFabric(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	noc := w.as("noc")
	const at = "/providers/Onramp.Fabric/fabric"
	r := noc.must("PUT", at+"?x=1", fabricBody(t, func(f *fabricWire) {
		f.Principals = append(f.Principals, principalWire{Principal: resource.Principal{Name: "new", ClientID: "new-client", Role: "customer", Subscription: subOther}, Secret: "new-secret"})
		f.Principals[0].Secret = "" // keeps the one it has
		f.Principals[0].SecretHash = "pbkdf2-sha256$1$AAAA$AAAA"
	}), 200)
	if strings.Contains(r.body, "secret") || strings.Contains(r.body, "pbkdf2") {
		t.Errorf("secrets come back: %s", r.body)
	}
	w.as("contoso").must("GET", "/subscriptions", "", 200)
	form := func(secret string) int {
		status, _ := w.post("/adfs/oauth2/token", map[string][]string{"grant_type": {"client_credentials"}, "client_id": {"new-client"},
			"client_secret": {secret}, "scope": {w.srv.URL + "/.default"}})
		return status
	}
	same(t, "new principal", form("new-secret"), 200)
	same(t, "new principal, wrong secret", form("contoso-secret"), 401)
	read := noc.must("GET", at, "", 200)
	same(t, "read again", read.body, r.body)

	broken := noc.must("PUT", at, fabricBody(t, func(f *fabricWire) {
		f.Locations[0].Primary, f.Providers[0].PortPairs[0].Primary = "edge9", "edge1/none"
	}), 400)
	var e errorBody
	if err := json.Unmarshal([]byte(broken.body), &e); err != nil || e.Error.Target == "" || len(e.Error.Details) == 0 {
		t.Errorf("two mistakes give %s", broken.body)
	}
	same(t, "unchanged", noc.must("GET", at, "", 200).body, r.body)
	same(t, "stale", noc.header("If-Match", `W/"stale"`).must("PUT", at, fabricBody(t, func(*fabricWire) {}), 412).code(), "PreconditionFailed")

	same(t, "nodes", noc.must("GET", "/providers/Onramp.Fabric/nodes", "", 200).body, `{"value":["edge1","edge2"]}`)
	noc.must("GET", "/providers/Onramp.Fabric/nodes/edge1", "", 200)
	noc.must("GET", "/providers/Onramp.Fabric/nodes/none", "", 404)
	c, _ := w.provisioned()
	w.linked(c)
	smaller := noc.must("PUT", at, fabricBody(t, func(f *fabricWire) { f.Providers[0].PortPairs[0].Name = "other" }), 400)
	if smaller.code() != "FabricInUse" || !strings.Contains(smaller.body, "sea-cx-1") || !strings.Contains(smaller.body, er1) {
		t.Errorf("taking the circuit's port pair away: %s", smaller.body)
	}
	for _, reader := range []client{c, noc} {
		d := reader.must("GET", er1+"/providers/Onramp.Fabric/diagnose", "", 200)
		same(t, "diagnosis", d.body, `{"value":[{"layer":"tag","path":"primary","ok":false,"expected":"30","seen":"31","fix":"set the S-tag to 30"}]}`)
		same(t, "by POST", reader.must("POST", er1+"/diagnose", "", 200).body, d.body)
	}
}
