package arm

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzPath holds that the path parser never panics, that a path is found however its letters are cased and its slashes doubled, and that
// what a segment holds reaches the handler unchanged.
func FuzzPath(f *testing.F) {
	for _, p := range []string{er1, "//metadata/endpoints", private + "/arpTables/primary", "/subscriptions/%2e%2e/resourceGroups/a%20b", "/%zz", "/a%2Fb", "/%00", strings.ToUpper(er1) + "/"} {
		f.Add(p)
	}
	r, err := newRouter(routes())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		segs, err := splitPath(path)
		if err != nil {
			return
		}
		for _, s := range segs {
			if s == "" || strings.ContainsAny(s, "/\x00") {
				t.Fatalf("segment %q of %q", s, path)
			}
		}
		doubled, err := splitPath("//" + strings.ReplaceAll(path, "/", "//") + "/")
		if err != nil || !slices.Equal(segs, doubled) {
			t.Fatalf("%q splits to %q, doubled to %q, %v", path, segs, doubled, err)
		}
		found, params := r.match(segs)
		if found == nil {
			return
		}
		for name, v := range params {
			if !slices.Contains(segs, v) {
				t.Fatalf("parameter %s=%q is no segment of %q", name, v, segs)
			}
		}
		if strings.IndexFunc(path, func(r rune) bool { return r > 127 }) >= 0 {
			return // lower and upper case are no pair for every letter
		}
		var upper []string
		for _, s := range segs {
			upper = append(upper, strings.ToUpper(s))
		}
		if again, _ := r.match(upper); again != found {
			t.Fatalf("%q and its upper case lead to different routes", path)
		}
	})
}

// writes are the routes that read a body.
func writes() []route {
	var some []route
	for _, r := range routes() {
		if r.Fidelity != Missing && (r.Method == "PUT" || r.Method == "PATCH" || r.Path == "/{tenant}/oauth2/token") {
			some = append(some, r)
		}
	}
	return some
}

// FuzzBody sends any body to every route that reads one: never an internal error, always ARM's envelope, and what was there stays readable.
func FuzzBody(f *testing.F) {
	w := newWorld(f)
	c, p := w.provisioned()
	w.linked(c)
	cross := w.cross(p)
	tokens := map[string]string{"customer": c.token, "provider": p.token, "operator": w.as("noc").token}
	for i := range writes() {
		for _, body := range []string{circuitBody, peeringBody, networkBody, groupBody, `{"tags":{"attachTo":"host1/vm0"}}`, `{"properties":null}`,
			`{"properties":{"peerings":[null],"authorizations":[null],"subnets":[null],"ipConfigurations":[null]}}`,
			`{"location":"westus2","properties":{"gatewayType":"ExpressRoute","ipConfigurations":[{"properties":{"subnet":{"id":"/subscriptions/x"}}}]}}`,
			`{"principals":[{"name":"x"}],"nodes":[{"vtep":"x"}]}`, "grant_type=client_credentials&client_id=a&scope=b"} {
			f.Add(uint8(i), body)
		}
	}
	base := strings.TrimPrefix(w.srv.URL, "https://")
	send := func(t *testing.T, method, path, token, body string) (int, string) {
		req := httptest.NewRequest(method, path+"?api-version=2025-03-01", strings.NewReader(body))
		req.Host = base
		req.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		w.front.ServeHTTP(rec, req)
		b, err := io.ReadAll(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		return rec.Code, string(b)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		r := writes()[int(which)%len(writes())]
		if strings.HasSuffix(r.Path, "/fabric") {
			return // a fabric without this front's principals would lock the test out; FuzzFabric has it
		}
		path := strings.NewReplacer("{subscription}", subCustomer, "{group}", "rg1", "{peering}", "AzurePrivatePeering", "{subnet}", "vms",
			"{authorization}", "a1", "{tenant}", "adfs").Replace(r.Path)
		token := tokens["customer"]
		if strings.Contains(r.Path, "expressRouteCrossConnections") {
			path, token = cross+strings.TrimPrefix(path, groupNetOf("rg1")+"/expressRouteCrossConnections/{name}"), tokens["provider"]
		}
		for typ, name := range map[string]string{circuitType: "er1", networkType: "v1", interfaceType: "nic1", publicType: "pip1", gatewayType: "g1", connectionType: "c1"} {
			path = strings.Replace(path, typ+"/{name}", typ+"/"+name, 1)
		}
		status, answer := send(t, r.Method, path, token, body)
		if status >= 500 && status != http.StatusNotImplemented {
			t.Fatalf("%s %s %q: %d %s", r.Method, path, body, status, answer)
		}
		var e errorBody
		if status >= 400 && r.Action != anonymous {
			if err := json.Unmarshal([]byte(answer), &e); err != nil || e.Error.Code == "" || e.Error.Message == "" || e.Error.Details == nil {
				t.Fatalf("%s %s %q: %d %s", r.Method, path, body, status, answer)
			}
		}
		if status, answer := send(t, "GET", er1, tokens["customer"], ""); status != 200 {
			t.Fatalf("after %s %s %q the circuit answers %d %s", r.Method, path, body, status, answer)
		}
	})
}

func groupNetOf(group string) string {
	return strings.NewReplacer("{subscription}", subCustomer, "{group}", group).Replace(groupNet)
}

// FuzzFabric sends any body to the fabric's handler, on a world that nobody else uses: it answers in form.
func FuzzFabric(f *testing.F) {
	w := newWorld(f)
	whole, err := json.Marshal(testFabric())
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{string(whole), `{}`, `{"meta":{"id":"x"}}`, `{"regions":null,"principals":[null],"nodes":[{}]}`, `{"nodes":[{"name":"a","role":"edge","vtep":"1.2.3.4/33"}]}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := &call{ctx: t.Context(), r: httptest.NewRequest("PUT", "/providers/Onramp.Fabric/fabric", nil), body: []byte(body), params: map[string]string{}}
		_, err := putFabric(w.front, c)
		if err != nil && toFault(err).Status >= 500 {
			t.Fatalf("%q: %v", body, err)
		}
	})
}
