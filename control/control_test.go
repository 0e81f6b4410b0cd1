package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"onramp/control/arm"
	"onramp/plan"
)

const (
	customerSub = "11111111-1111-4111-8111-111111111111"
	providerSub = "22222222-2222-4222-8222-222222222222"
	apiVersion  = "2025-03-01"
)

// server is a control half that runs, with the clients of its roles.
type server struct {
	*Control
	t    *testing.T
	http *http.Client
	stop func()
}

func start(t *testing.T, dir string) *server {
	t.Helper()
	c, err := New(Config{DataDir: dir, FabricFile: "testdata/fabric.yaml", OperationTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	select {
	case <-c.Ready():
	case err := <-done:
		t.Fatalf("run: %v", err)
	}
	s := &server{Control: c, t: t, http: trusting(t, dir)}
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

func trusting(t *testing.T, dir string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
}

// token logs a principal in.
func (s *server) token(id, secret string) string {
	s.t.Helper()
	r, err := s.http.PostForm(s.URL()+"/"+arm.DefaultTenant+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {id}, "client_secret": {secret}, "scope": {s.URL() + "/.default"}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	var a struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil || a.Token == "" {
		s.t.Fatalf("token: %v %v", r.Status, err)
	}
	return a.Token
}

func (s *server) customer() string {
	return s.token("c0000000-0000-4000-8000-000000000001", "contoso-lab-secret")
}

func (s *server) provider() string {
	return s.token("c0000000-0000-4000-8000-000000000002", "northwest-lab-secret")
}

func (s *server) operator() string {
	return s.token("c0000000-0000-4000-8000-000000000003", "operator-lab-secret")
}

// call makes a request and returns status, headers and the body.
func (s *server) call(token, method, path string, body any) (*http.Response, map[string]any) {
	s.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	if !strings.Contains(path, "://") {
		path = s.URL() + path
	}
	if !strings.Contains(path, "api-version") {
		path += "?api-version=" + apiVersion
	}
	r, err := http.NewRequest(method, path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var out map[string]any
	if len(b) > 0 && string(b) != "null" {
		if err := json.Unmarshal(b, &out); err != nil {
			s.t.Fatalf("%s %s: %s: %v", method, path, b, err)
		}
	}
	return resp, out
}

// finish makes a request that must be accepted and follows its operation to the end; status is the operation's.
func (s *server) finish(token, method, path string, body any) (status string, end map[string]any) {
	s.t.Helper()
	resp, out := s.call(token, method, path, body)
	if resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s %v", method, path, resp.Status, out)
	}
	poll := resp.Header.Get("Azure-AsyncOperation")
	if poll == "" { // a group's deletion has a Location only, with the same id
		poll = strings.Replace(resp.Header.Get("Location"), "/operationResults/", "/operations/", 1)
	}
	if poll == "" {
		return "Succeeded", out
	}
	for until := time.Now().Add(40 * time.Second); time.Now().Before(until); {
		_, op := s.call(token, "GET", poll, nil)
		if op["status"] != "InProgress" {
			_, end = s.call(token, "GET", path, nil)
			if op["status"] == "Failed" {
				end = op
			}
			return op["status"].(string), end
		}
		<-time.After(20 * time.Millisecond)
	}
	s.t.Fatalf("%s %s: the operation does not end", method, path)
	return "", nil
}

func (s *server) succeed(token, method, path string, body any) map[string]any {
	s.t.Helper()
	status, end := s.finish(token, method, path, body)
	if status != "Succeeded" {
		s.t.Fatalf("%s %s: %s %v", method, path, status, end)
	}
	return end
}

// fakeNodes are nodes that apply every plan at once and say so, over the Unix socket as real ones do.
type fakeNodes struct {
	dir  string
	stop context.CancelFunc
	wg   sync.WaitGroup
}

func startNodes(t *testing.T, dir string, names ...string) *fakeNodes {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &fakeNodes{dir: dir, stop: cancel}
	t.Cleanup(func() { cancel(); f.wg.Wait() })
	for _, name := range names {
		f.wg.Go(func() { f.run(ctx, t, name) })
	}
	return f
}

func (f *fakeNodes) run(ctx context.Context, t *testing.T, name string) {
	var have int64
	for ctx.Err() == nil {
		token, err := os.ReadFile(filepath.Join(f.dir, "node-tokens", name))
		if err != nil {
			<-time.After(10 * time.Millisecond)
			continue
		}
		link, err := plan.NewClient(plan.ClientConfig{Control: "unix:" + filepath.Join(f.dir, "node.sock"), Node: name, Token: strings.TrimSpace(string(token))})
		if err != nil {
			t.Error(err)
			return
		}
		have = follow(ctx, link, name, have)
		link.Close()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// follow applies plans until the link fails.
func follow(ctx context.Context, link plan.Link, name string, have int64) int64 {
	for {
		w, err := link.Next(ctx, have)
		if err != nil {
			return have
		}
		if w.Plan != nil {
			have = w.Plan.Generation
			if err := link.Report(ctx, plan.Report{Node: name, Time: time.Now(), Applied: have, DataPath: "memory"}); err != nil {
				return have
			}
		}
		for _, q := range w.Queries {
			if err := link.Answer(ctx, plan.Answer{ID: q.ID}); err != nil {
				return have
			}
		}
	}
}

func allNodes() []string { return []string{"edge1", "edge2", "xchg1", "gw0", "gw1", "host1"} }

const group = "/subscriptions/" + customerSub + "/resourceGroups/rg1"

func network(typ, name string) string {
	return group + "/providers/Microsoft.Network/" + typ + "/" + name
}

type obj = map[string]any

func orderCircuit(s *server, token string) map[string]any {
	s.succeed(token, "PUT", group, obj{"location": "westus2"})
	return s.succeed(token, "PUT", network("expressRouteCircuits", "c1"), obj{
		"location": "westus2", "sku": obj{"name": "Standard_MeteredData", "tier": "Standard", "family": "MeteredData"},
		"properties": obj{"serviceProviderProperties": obj{"serviceProviderName": "Northwest Exchange", "peeringLocation": "Seattle", "bandwidthInMbps": 200}},
	})
}

// provisioned orders a circuit and has the provider provision it; it returns the path of its private peering.
func provisioned(s *server, token string) (peering string) {
	s.t.Helper()
	props := orderCircuit(s, token)["properties"].(obj)
	if props["provisioningState"] != "Succeeded" || props["circuitProvisioningState"] != "Enabled" {
		s.t.Fatalf("circuit is %v", props)
	}
	s.succeed(s.provider(), "PUT", crossConnection(s, token), obj{"location": "westus2", "properties": obj{"serviceProviderProvisioningState": "Provisioned"}})
	return network("expressRouteCircuits", "c1") + "/peerings/AzurePrivatePeering"
}

// crossConnection is the path of the circuit's shadow.
func crossConnection(s *server, token string) string {
	s.t.Helper()
	_, circuit := s.call(token, "GET", network("expressRouteCircuits", "c1"), nil)
	return "/subscriptions/" + providerSub + "/resourceGroups/CrossConnection-Seattle/providers/Microsoft.Network/expressRouteCrossConnections/" +
		circuit["properties"].(obj)["serviceKey"].(string)
}

func privatePeering() obj {
	return obj{"properties": obj{"peeringType": "AzurePrivatePeering", "peerASN": 65001, "vlanId": 100,
		"primaryPeerAddressPrefix": "192.168.1.0/30", "secondaryPeerAddressPrefix": "192.168.1.4/30", "sharedKey": "canarymd5"}}
}

// The whole life of a circuit with its peering, over HTTPS and the node socket, with control killed and started again in the middle.
func TestLifeOfACircuit(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	startNodes(t, dir, allNodes()...)
	token := s.customer()
	peering := provisioned(s, token)
	s.succeed(token, "PUT", peering, privatePeering())
	cross := crossConnection(s, token)
	p, _ := s.hub.Plan("edge1")
	if len(p.Sessions) != 1 || p.Sessions[0].Key != "canarymd5" {
		t.Errorf("edge1 has sessions %v", p.Sessions)
	}
	_, node := s.call(s.operator(), "GET", "/onramp/nodes/edge1", nil)
	if b, _ := json.Marshal(node); strings.Contains(string(b), "canary") {
		t.Error("the operator's view of a node shows a key")
	}

	s.stop()
	s = start(t, dir)
	token = s.customer()
	s.succeed(token, "DELETE", peering, nil)
	if resp, _ := s.call(token, "GET", peering, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a deleted peering answers %s", resp.Status)
	}
	if p, _ := s.hub.Plan("edge1"); len(p.Sessions) != 0 {
		t.Errorf("edge1 still has sessions %v", p.Sessions)
	}
	provider := s.provider()
	s.succeed(provider, "PUT", cross, obj{"location": "westus2", "properties": obj{"serviceProviderProvisioningState": "Deprovisioning"}})
	s.succeed(provider, "PUT", cross, obj{"location": "westus2", "properties": obj{"serviceProviderProvisioningState": "NotProvisioned"}})
	s.succeed(token, "DELETE", group, nil)
	for path, tok := range map[string]string{network("expressRouteCircuits", "c1"): token, group: token, cross: provider} {
		if resp, _ := s.call(tok, "GET", path, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("deleted %s answers %s", path, resp.Status)
		}
	}
	checkNoCanary(t, dir, "canarymd5")
}

// checkNoCanary looks for a secret in every file below a directory.
func checkNoCanary(t *testing.T, dir, canary string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(canary)) {
			t.Errorf("%s holds a secret in the clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNodesNeedTheirToken(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	token := readToken(t, dir, "edge1")
	for _, c := range []struct {
		node, token string
		ok          bool
	}{
		{"edge1", token, true}, {"edge2", token, false}, {"edge1", "", false}, {"nobody", token, false},
	} {
		link, err := plan.NewClient(plan.ClientConfig{Control: "unix:" + filepath.Join(dir, "node.sock"), Node: c.node, Token: c.token})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := link.Next(t.Context(), 0); (err == nil) != c.ok {
			t.Errorf("node %q with token %.4q: %v", c.node, c.token, err)
		}
		link.Close()
	}
	st, err := os.Stat(filepath.Join(dir, "node-tokens", "edge1"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("token file: %v %v", st.Mode(), err)
	}
}

// readToken waits for the first pass to write a node's token.
func readToken(t *testing.T, dir, node string) string {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); <-time.After(10 * time.Millisecond) {
		if b, err := os.ReadFile(filepath.Join(dir, "node-tokens", node)); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	t.Fatal("no token")
	return ""
}
