package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"onramp/control/store"
	"onramp/resource"
)

const (
	subCustomer = "aaaaaaaa-0000-4000-8000-000000000001"
	subOther    = "aaaaaaaa-0000-4000-8000-000000000002"
	subProvider = "bbbbbbbb-0000-4000-8000-000000000001"
)

// who are the principals of the test fabric, by name.
func who() map[string]resource.Principal {
	all := map[string]resource.Principal{}
	for _, p := range []resource.Principal{
		{Name: "contoso", ClientID: "cccccccc-0000-4000-8000-000000000001", Secret: "contoso-secret", Role: resource.PrincipalCustomer, Subscription: subCustomer},
		{Name: "fabrikam", ClientID: "cccccccc-0000-4000-8000-000000000002", Secret: "fabrikam-secret", Role: resource.PrincipalCustomer, Subscription: subOther},
		{Name: "xchg", ClientID: "cccccccc-0000-4000-8000-000000000003", Secret: "xchg-secret", Role: resource.PrincipalProvider, Subscription: subProvider, Provider: "CloudExchange"},
		{Name: "noc", ClientID: "cccccccc-0000-4000-8000-000000000004", Secret: "noc-secret", Role: resource.PrincipalOperator},
	} {
		all[p.Name] = p
	}
	return all
}

// testFabric is one region and one location with an edge pair and an exchange.
func testFabric() *resource.Fabric {
	port := func(names ...string) []resource.FabricPort {
		all := []resource.FabricPort{{Name: "fab0", Underlay: true}}
		for _, n := range names {
			all = append(all, resource.FabricPort{Name: n, MTU: 1508})
		}
		return all
	}
	vtep := func(s string) netip.Prefix { return netip.MustParsePrefix(s) }
	f := &resource.Fabric{
		Regions: []resource.Region{{Name: "westus2", DisplayName: "West US 2", Geography: "North America", Gateways: []string{"gw1", "gw2"},
			Hosts: []string{"host1"}, PublicPool: netip.MustParsePrefix("203.0.113.0/24")}},
		Locations: []resource.PeeringLocation{{Name: "Seattle", Geography: "North America", Region: "westus2", LocalRegions: []string{"westus2"}, Primary: "edge1", Secondary: "edge2",
			Address: "2001 Sixth Avenue", Contact: "noc@seattle.example"}},
		Providers: []resource.Provider{{Name: "CloudExchange", Subscription: subProvider, PortPairs: []resource.PortPair{{
			Name: "sea-cx-1", Location: "Seattle", BandwidthMbps: 10000, Primary: "edge1/pe0", Secondary: "edge2/pe0", SwitchPrimary: "xchg1/e1", SwitchSecondary: "xchg1/e2"}}}},
		DirectPairs: []resource.DirectPair{
			{Name: "sea-d1", Location: "Seattle", BandwidthGbps: 10, Primary: resource.DirectLink{Port: "edge1/dp0", Interface: "TenGigE1/0/1", PatchPanel: "PP-7", Rack: "A1", Colo: "MMR2"},
				Secondary: resource.DirectLink{Port: "edge2/dp0", Connector: "SC"}},
			{Name: "sea-d2", Location: "Seattle", BandwidthGbps: 100, Primary: resource.DirectLink{Port: "edge1/dp1"}, Secondary: resource.DirectLink{Port: "edge2/dp1"}},
		},
		Nodes: []resource.FabricNode{
			{Name: "edge1", Role: resource.RoleEdge, VTEP: vtep("100.64.0.11/24"), Ports: port("pe0", "dp0", "dp1")},
			{Name: "edge2", Role: resource.RoleEdge, VTEP: vtep("100.64.0.12/24"), Ports: port("pe0", "dp0", "dp1")},
			{Name: "gw1", Role: resource.RoleGateway, VTEP: vtep("100.64.0.21/24"), Ports: port()},
			{Name: "gw2", Role: resource.RoleGateway, VTEP: vtep("100.64.0.22/24"), Ports: port()},
			{Name: "host1", Role: resource.RoleCompute, VTEP: vtep("100.64.0.31/24"), Ports: port("vm0", "vm1")},
			{Name: "xchg1", Role: resource.RoleExchange, Owner: "CloudExchange", Ports: []resource.FabricPort{
				{Name: "e1", MTU: 1508}, {Name: "e2", MTU: 1508}, {Name: "ce1"}, {Name: "ce2"}, {Name: "ce3"}}},
		},
	}
	for _, name := range []string{"contoso", "fabrikam", "xchg", "noc"} {
		f.Principals = append(f.Principals, who()[name])
	}
	return f
}

// preparedFabric is the test fabric as it is stored; hashing its secrets takes a while, so it is done once.
var preparedFabric = sync.OnceValue(func() *resource.Fabric {
	f := testFabric()
	if err := PrepareFabric(f, nil); err != nil {
		panic(err)
	}
	return f
})

// world is a front over TLS on a memory store, with a reconciler that finishes operations as soon as they are let through.
type world struct {
	t     testing.TB
	store store.Store
	front *Front
	srv   *httptest.Server
	live  *fakeLive

	hold chan struct{} // nil: operations end at once; else each takes one token
	fail func(*store.Operation) *resource.Failure
}

// option changes a world before it runs.
type option func(*world)

func held(w *world) { w.hold = make(chan struct{}) }

func newWorld(t testing.TB, opts ...option) *world {
	t.Helper()
	w := &world{t: t, store: store.NewMemory(store.NewKeyring()), live: &fakeLive{}, fail: func(*store.Operation) *resource.Failure { return nil }}
	for _, o := range opts {
		o(w)
	}
	if err := w.store.Create(t.Context(), resource.Clone(preparedFabric())); err != nil {
		t.Fatal(err)
	}
	var err error
	w.front, err = New(Config{Store: w.store, Live: w.live, IssuerKeyPath: filepath.Join(t.TempDir(), "issuer.pem"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w.front.router.root.record(strings.Split(t.Name(), "/")[0])
	w.srv = httptest.NewUnstartedServer(nil)
	w.srv.Config = w.front.Server()
	w.srv.StartTLS()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.reconcile(ctx) }()
	t.Cleanup(func() {
		w.srv.Close()
		w.front.Close()
		cancel()
		<-done
		w.store.Close()
	})
	return w
}

// reconcile ends operations the way control does, minus the nodes.
func (w *world) reconcile(ctx context.Context) {
	changed := w.store.Changed(ctx)
	for {
		ops, err := w.store.ListOperations(ctx, false)
		for _, op := range ops {
			if op.Verb == "post" {
				continue
			}
			if w.hold != nil {
				select {
				case <-w.hold:
				case <-ctx.Done():
					return
				}
			}
			if err := w.end(ctx, op); err != nil && ctx.Err() == nil {
				w.t.Errorf("complete %s: %v", op.ID, err)
			}
		}
		if err != nil && ctx.Err() == nil {
			w.t.Errorf("list operations: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (w *world) end(ctx context.Context, op *store.Operation) error {
	if op.Resource.Kind() == resource.KindGroup && op.Verb == "delete" {
		if err := w.empty(ctx, op.Resource); err != nil {
			return err
		}
	}
	return Complete(ctx, w.store, op, w.fail(op))
}

// empty deletes what is in a group, and the shadows of its circuits.
func (w *world) empty(ctx context.Context, group resource.ID) error {
	snap, err := w.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	for _, os := range snap.Objects {
		for _, o := range os {
			id := o.Head().ID
			if x, ok := o.(*resource.CrossConnection); ok && inside(x.Circuit, group) || len(id.Names) > 0 && inside(id, group) {
				if err := w.store.Delete(ctx, id, 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// sdk makes the Azure SDK's credential and options for a principal.
func (w *world) sdk(name string) (*azidentity.ClientSecretCredential, *arm.ClientOptions) {
	w.t.Helper()
	opts := policy.ClientOptions{
		Transport: w.srv.Client(),
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: w.srv.URL + "/", Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: w.srv.URL, Audience: w.srv.URL}}},
		Retry: policy.RetryOptions{MaxRetries: -1},
	}
	p := who()[name]
	cred, err := azidentity.NewClientSecretCredential(DefaultTenant, p.ClientID, p.Secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: opts, DisableInstanceDiscovery: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return cred, &arm.ClientOptions{ClientOptions: opts, DisableRPRegistration: true}
}

// token logs a principal in by hand.
func (w *world) token(name string) string {
	w.t.Helper()
	p := who()[name]
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {p.ClientID}, "client_secret": {p.Secret}, "scope": {w.srv.URL + "/.default"}}
	resp, err := w.srv.Client().PostForm(w.srv.URL+"/"+DefaultTenant+"/oauth2/v2.0/token", form)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.AccessToken == "" {
		w.t.Fatalf("token of %s: status %d, %v", name, resp.StatusCode, err)
	}
	return got.AccessToken
}

// reply is an answer read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// code is the error code of the body.
func (r reply) code() string {
	var e errorBody
	if json.Unmarshal([]byte(r.body), &e) != nil {
		return ""
	}
	return e.Error.Code
}

// field reads a dotted path of the body.
func (r reply) field(path string) any {
	var v any
	if json.Unmarshal([]byte(r.body), &v) != nil {
		return nil
	}
	for part := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[part]
	}
	return v
}

// client is a principal at a raw HTTP client; token "": nobody.
type client struct {
	w     *world
	token string
	with  map[string]string // headers
}

func (w *world) as(name string) client { return client{w: w, token: w.token(name)} }

func (c client) header(k, v string) client {
	c.with = map[string]string{k: v}
	return c
}

// do sends a request; path gets an api-version unless it has a query, and is sent as it is spelled.
func (c client) do(method, path, body string) reply {
	c.w.t.Helper()
	if !strings.Contains(path, "?") {
		path += "?api-version=2025-03-01"
	}
	req, err := http.NewRequest(method, c.w.srv.URL, bytes.NewReader([]byte(body)))
	if err != nil {
		c.w.t.Fatal(err)
	}
	raw, query, _ := strings.Cut(path, "?")
	req.URL.Opaque = "//" + req.URL.Host + raw
	req.URL.RawQuery = query
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range c.with {
		req.Header.Set(k, v)
	}
	resp, err := c.w.srv.Client().Do(req)
	if err != nil {
		c.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// must sends a request and wants one of the statuses.
func (c client) must(method, path, body string, want ...int) reply {
	c.w.t.Helper()
	r := c.do(method, path, body)
	for _, s := range want {
		if r.status == s {
			return r
		}
	}
	c.w.t.Fatalf("%s %s: status %d, want %v\n%s", method, path, r.status, want, r.body)
	return r
}

// settle sends a write and follows its operation to the end; it returns the end's status word.
func (c client) settle(method, path, body string) string {
	c.w.t.Helper()
	r := c.must(method, path, body, 200, 201, 202)
	return c.follow(r)
}

// follow polls the operation of an answer until it ended.
func (c client) follow(r reply) string {
	c.w.t.Helper()
	at := strings.TrimPrefix(r.header.Get("Azure-AsyncOperation"), c.w.srv.URL)
	if at == "" {
		c.w.t.Fatalf("no Azure-AsyncOperation in an answer of status %d: %s", r.status, r.body)
	}
	changed := c.w.store.Changed(c.w.t.Context())
	for {
		s := c.must("GET", at, "", 200).field("status")
		if s != "InProgress" {
			return s.(string)
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			c.w.t.Fatalf("operation %s does not end", at)
		}
	}
}
