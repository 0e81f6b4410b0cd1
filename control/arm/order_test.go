package arm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"onramp/control/store"
	"onramp/resource"
)

// TestRawOperations holds the forms of starting and polling operations.
func TestRawOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, held)
	c := w.as("contoso")
	c.must("PUT", rg1, groupBody, 201)

	r := c.must("PUT", er1, circuitBody, 201)
	poll := r.header.Get("Azure-AsyncOperation")
	if !strings.HasPrefix(poll, w.srv.URL+"/subscriptions/"+subCustomer+"/providers/Microsoft.Network/locations/westus2/operations/") ||
		!strings.HasSuffix(poll, "?api-version=2025-03-01") {
		t.Errorf("Azure-AsyncOperation %q", poll)
	}
	same(t, "Retry-After", r.header.Get("Retry-After"), "1")
	same(t, "Location of a PUT", r.header.Get("Location"), "")
	same(t, "skip header", r.header.Get("X-Go-Azure-Sdk-Skip-Polling-Delay"), "true")
	same(t, "state", r.field("properties.provisioningState"), any("Updating"))
	same(t, "circuit state", r.field("properties.circuitProvisioningState"), any("Disabled"))
	same(t, "service key", r.field("properties.serviceKey"), any(zeroGUID))

	at := strings.TrimPrefix(poll, w.srv.URL)
	p := c.must("GET", at, "", 200)
	same(t, "status", p.body, `{"status":"InProgress"}`)
	same(t, "Retry-After of a poll", p.header.Get("Retry-After"), "1")

	for _, x := range [][3]string{{"PUT", er1, circuitBody}, {"PATCH", er1, `{"tags":{}}`}, {"DELETE", er1, ""}, {"PUT", er1 + "/authorizations/a", "{}"},
		{"DELETE", rg1, ""}} {
		busy := c.must(x[0], x[1], x[2], 409)
		if busy.code() != "AnotherOperationInProgress" || !strings.Contains(busy.body, poll) {
			t.Errorf("%s %s while an operation runs: %s, want the operation's URI", x[0], x[1], busy.body)
		}
	}
	w.hold <- struct{}{}
	same(t, "end", c.follow(r), "Succeeded")
	done := c.must("GET", er1, "", 200)
	same(t, "state", done.field("properties.provisioningState"), any("Succeeded"))
	if done.field("properties.serviceKey") == any(zeroGUID) {
		t.Error("the service key did not come")
	}

	del := c.must("DELETE", er1, "", 202)
	same(t, "body of a DELETE", del.body, "")
	location := strings.TrimPrefix(del.header.Get("Location"), w.srv.URL)
	same(t, "operationResults", c.must("GET", location, "", 202).header.Get("Location"), w.srv.URL+location)
	same(t, "state", c.must("GET", er1, "", 200).field("properties.provisioningState"), any("Deleting"))
	w.hold <- struct{}{}
	same(t, "end", c.follow(del), "Succeeded")
	c.must("GET", location, "", 204)
	c.must("GET", er1, "", 404)
	c.must("GET", strings.Replace(at, "/operations/", "/operations/x", 1), "", 404)
}

// TestRawFailedOperation shows that a failure reaches the poller and the object, and that the next PUT repairs.
func TestRawFailedOperation(t *testing.T) {
	t.Parallel()
	broken := &resource.Failure{Code: "NodesNotReady", Message: "edge1 does not report"}
	w := newWorld(t, func(w *world) {
		w.fail = func(op *store.Operation) *resource.Failure {
			if op.Verb == "delete" || op.Resource.Kind() == resource.KindNetwork && op.Principal == who()["contoso"].ClientID {
				return broken
			}
			return nil
		}
	})
	c := w.as("contoso")
	c.must("PUT", rg1, groupBody, 201)
	v1 := net1 + "/virtualNetworks/v1"
	r := c.must("PUT", v1, networkBody, 201)
	same(t, "end", c.follow(r), "Failed")
	p := c.must("GET", strings.TrimPrefix(r.header.Get("Azure-AsyncOperation"), w.srv.URL), "", 200)
	same(t, "poll", p.body, `{"status":"Failed","error":{"code":"NodesNotReady","message":"edge1 does not report","details":[]}}`)
	got := c.must("GET", v1, "", 200)
	same(t, "state", got.field("properties.provisioningState"), any("Failed"))
	if !strings.Contains(got.body, `"name":"vms"`) {
		t.Error("the failed network lost its subnet")
	}
	w.fail = func(op *store.Operation) *resource.Failure {
		if op.Verb == "delete" {
			return broken
		}
		return nil
	}
	same(t, "repair", c.settle("PUT", v1, networkBody), "Succeeded")
	same(t, "failed delete", c.settle("DELETE", v1, ""), "Failed")
	same(t, "state", c.must("GET", v1, "", 200).field("properties.provisioningState"), any("Failed"))
}

func TestRawPreconditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	etag := c.must("GET", er1, "", 200).header.Get("ETag")
	for _, x := range []struct {
		name, header, value, method, path, body string
		status                                  int
	}{
		{"stale", "If-Match", `W/"stale"`, "PUT", er1, `{"tags":{"a":"1"}}`, 412},
		{"stale delete", "If-Match", `W/"stale"`, "DELETE", er1, "", 412},
		{"stale patch", "If-Match", `W/"stale"`, "PATCH", er1, `{"tags":{}}`, 412},
		{"stale child", "If-Match", `W/"stale"`, "PUT", private, peeringBody, 412},
		{"exists", "If-None-Match", "*", "PUT", er1, `{"tags":{"a":"1"}}`, 412},
		{"child exists", "If-None-Match", "*", "PUT", private, peeringBody, 412},
		{"missing", "If-Match", "*", "PUT", er1 + "x", circuitBody, 412},
		{"missing child", "If-Match", "*", "PUT", er1 + "/authorizations/a", "{}", 412},
		{"missing delete", "If-Match", "*", "DELETE", er1 + "x", "", 412},
		{"current", "If-Match", etag, "PATCH", er1, `{"tags":{"a":"1"}}`, 200},
		{"any", "If-Match", "*", "PATCH", er1, `{"tags":{"a":"2"}}`, 200},
	} {
		if r := c.header(x.header, x.value).do(x.method, x.path, x.body); r.status != x.status || x.status == 412 && r.code() != "PreconditionFailed" {
			t.Errorf("%s: %d %s, want %d", x.name, r.status, r.body, x.status)
		}
	}
	same(t, "new child", c.follow(c.header("If-None-Match", "*").must("PUT", er1+"/authorizations/a", "{}", 201)), "Succeeded")
	same(t, "new object", c.follow(c.header("If-None-Match", "*").must("PUT", er1+"x", circuitBody, 201)), "Succeeded")
	same(t, "etag in the body", c.settle("PUT", er1, `{"etag":"W/\"stale\"","tags":{"a":"3"}}`), "Succeeded")
}

// TestRawQueries holds the form of actions that ask the nodes, and what becomes of those that fail, hang or crash.
func TestRawQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	r := c.must("POST", private+"/arpTables/PRIMARY", "", 202)
	same(t, "body", r.body, "null")
	same(t, "end", c.follow(r), "Succeeded")
	at := strings.TrimPrefix(r.header.Get("Location"), w.srv.URL)
	res := c.must("GET", at, "", 200)
	same(t, "rows", res.body, `{"value":[{"age":4,"interface":"On-Prem","ipAddress":"192.168.1.1","macAddress":"02aa.bb00.0001"}]}`)
	empty := c.must("POST", private+"/arpTables/secondary", "", 202)
	c.follow(empty)
	same(t, "no rows", c.must("GET", strings.TrimPrefix(empty.header.Get("Location"), w.srv.URL), "", 200).body, `{"value":[]}`)
	c.must("POST", private+"/arpTables/tertiary", "", 400)
	stranger := w.as("fabrikam")
	stranger.must("GET", strings.Replace(at, subCustomer, subOther, 1), "", 404)

	w.live.err = fmt.Errorf("node edge1 does not answer")
	failed := c.must("POST", private+"/routeTables/primary", "", 202)
	same(t, "end", c.follow(failed), "Failed")
	c.must("GET", strings.TrimPrefix(failed.header.Get("Location"), w.srv.URL), "", 409)
	same(t, "stats", c.must("GET", er1+"/stats", "", 409).code(), "QueryFailed")
	w.live.err = nil

	w.live.block = make(chan struct{})
	w.front.cfg.OperationTimeout = 20 * time.Millisecond
	same(t, "a hanging node", c.settle("POST", private+"/routeTables/primary", ""), "Failed")
}

// TestRawQueriesBounded shows that only so many queries run at once.
func TestRawQueriesBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	w.live.block = make(chan struct{})
	for range maxActions {
		c.must("POST", private+"/arpTables/primary", "", 202)
	}
	r := c.must("POST", private+"/arpTables/primary", "", 429)
	same(t, "Retry-After", r.header.Get("Retry-After"), "1")
	close(w.live.block)
}

// TestRawRecover shows that a query whose front died ends, and that operations of writes are left alone.
func TestRawRecover(t *testing.T) {
	t.Parallel()
	st := store.NewMemory(store.NewKeyring())
	defer st.Close()
	ctx := t.Context()
	for _, op := range []*store.Operation{
		{ID: "old", Verb: "post", Started: time.Now().Add(-time.Hour)}, {ID: "new", Verb: "post", Started: time.Now()},
		{ID: "put", Verb: "put", Started: time.Now().Add(-time.Hour)},
	} {
		if err := st.PutOperation(ctx, op); err != nil {
			t.Fatal(err)
		}
	}
	if err := Recover(ctx, st, time.Minute); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"old": "Failed", "new": "InProgress", "put": "InProgress"} {
		same(t, id, got(st.GetOperation(ctx, id))(t).Status(), want)
	}
}

// TestRawCompleteTwice shows that completing again changes nothing.
func TestRawCompleteTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.ordered()
	before := c.must("GET", er1, "", 200)
	ops := got(w.store.ListOperations(t.Context(), true))(t)
	for _, op := range ops {
		if err := Complete(t.Context(), w.store, op, &resource.Failure{Code: "Late", Message: "too late"}); err != nil {
			t.Fatal(err)
		}
		same(t, "status", got(w.store.GetOperation(t.Context(), op.ID))(t).Status(), "Succeeded")
	}
	same(t, "circuit", c.must("GET", er1, "", 200).body, before.body)
}

// TestRawParallel lets many clients write at once: no write is lost, and every number is given once.
func TestRawParallel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("contoso")
	c.must("PUT", rg1, groupBody, 201)
	var wg sync.WaitGroup
	made := make([]int, 8)
	for i := range 8 {
		for range 3 { // three clients order the same circuit
			wg.Go(func() {
				r := c.do("PUT", fmt.Sprintf("%s/expressRouteCircuits/c%d", net1, i), circuitBody)
				if r.status != 201 && r.status != 200 && r.status != 409 {
					t.Errorf("order: %d %s", r.status, r.body)
				}
				if r.status == 201 {
					made[i]++ // the service makes it once, so once it is written
				}
			})
		}
	}
	wg.Wait()
	for i, n := range made {
		same(t, fmt.Sprintf("creations of c%d", i), n, 1)
	}
	tags := map[int]bool{}
	for _, o := range got(w.store.List(t.Context(), resource.KindCircuit, resource.ID{}))(t) {
		tags[o.(*resource.Circuit).Status.STag] = true
	}
	same(t, "different tags", len(tags), 8)
	same(t, "shadows", len(got(w.store.List(t.Context(), resource.KindCrossConnection, resource.ID{}))(t)), 8)
}

// TestRawGroupCascade deletes a group with everything in it, and refuses while something must stay.
func TestRawGroupCascade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, p := w.provisioned()
	w.linked(c)
	r := c.must("DELETE", rg1, "", 409)
	same(t, "circuit still provisioned", r.code(), resource.CodeConflict)
	same(t, "release", p.settle("PUT", w.cross(p), `{"properties":{"serviceProviderProvisioningState":"NotProvisioned"}}`), "Succeeded")
	r = c.must("DELETE", rg1, "", 202)
	same(t, "Azure-AsyncOperation of a group", r.header.Get("Azure-AsyncOperation"), "")
	at := strings.TrimPrefix(r.header.Get("Location"), w.srv.URL)
	changed := w.store.Changed(t.Context())
	for c.must("GET", at, "", 202, 204).status != 204 {
		<-changed
	}
	c.must("GET", rg1, "", 404)
	same(t, "shadows", p.must("GET", crossAll, "", 200).body, `{"value":[]}`)
	same(t, "the provider's group stays", p.must("GET", "/subscriptions/"+subProvider+"/resourceGroups/CrossConnection-Seattle", "", 200).status, http.StatusOK)
}

// TestRawSecrets shows that no secret is stored in the clear or comes back.
func TestRawSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, p := w.provisioned()
	same(t, "authorization", c.settle("PUT", er1+"/authorizations/a1", `{"name":"a1"}`), "Succeeded")
	key, _ := c.must("GET", er1+"/authorizations/a1", "", 200).field("properties.authorizationKey").(string)
	if len(key) != 36 {
		t.Fatalf("key %q", key)
	}
	snap, err := json.Marshal(got(w.store.Snapshot(t.Context()))(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"Secret123", key, "contoso-secret"} {
		if strings.Contains(string(snap), secret) {
			t.Errorf("the store holds %q", secret)
		}
	}
	for _, path := range []string{er1, private, net1 + "/expressRouteCircuits"} {
		if r := c.must("GET", path, "", 200); strings.Contains(r.body, "Secret123") {
			t.Errorf("GET %s shows the MD5 key", path)
		}
	}
	noc := w.as("noc")
	for _, r := range []reply{noc.must("GET", er1+"/authorizations/a1", "", 200), noc.must("GET", er1, "", 200), p.must("GET", w.cross(p), "", 200)} {
		if strings.Contains(r.body, key) {
			t.Error("somebody else than the owner reads the authorization key")
		}
	}
	if r := noc.must("GET", "/providers/Onramp.Fabric/fabric", "", 200); strings.Contains(r.body, "pbkdf2") || strings.Contains(r.body, "secret\"") {
		t.Errorf("the fabric shows secrets: %s", r.body)
	}
}
