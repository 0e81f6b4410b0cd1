package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"onramp/resource"
)

// Versions of the API that the story speaks.
const (
	networkVersion = "2025-03-01"
	groupVersion   = "2021-04-01"
)

// pollEvery is how often a long-running operation is asked for: sooner than the service's Retry-After, because it is one machine.
const pollEvery = 50 * time.Millisecond

// clients keeps one SDK client per principal.
type clients struct {
	lab *Lab

	mu     sync.Mutex
	byName map[string]*arm.Client
}

func newClients(l *Lab) *clients { return &clients{lab: l, byName: map[string]*arm.Client{}} }

// of is the client that speaks as a principal, with the Azure SDK's own pipeline, credential and pollers.
func (c *clients) of(p *resource.Principal) (*arm.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl := c.byName[p.Name]; cl != nil {
		return cl, nil
	}
	endpoint := c.lab.state.get().Endpoint
	if endpoint == "" {
		return nil, errors.New("control does not run in this lab")
	}
	transport, err := c.lab.transport()
	if err != nil {
		return nil, err
	}
	tenant, err := findTenant(transport, endpoint)
	if err != nil {
		return nil, err
	}
	opts := policy.ClientOptions{
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: endpoint + "/",
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: endpoint, Audience: endpoint},
			},
		},
		Transport: transport,
		Retry:     policy.RetryOptions{MaxRetries: 5, RetryDelay: 100 * time.Millisecond, MaxRetryDelay: time.Second},
	}
	cred, err := azidentity.NewClientSecretCredential(tenant, p.ClientID, p.Secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: opts, DisableInstanceDiscovery: true,
	})
	if err != nil {
		return nil, fmt.Errorf("credential of %s: %w", p.Name, err)
	}
	cl, err := arm.NewClient("onramp/lab", "v1.0.0", cred, &arm.ClientOptions{ClientOptions: opts, DisableRPRegistration: true})
	if err != nil {
		return nil, err
	}
	c.byName[p.Name] = cl
	return cl, nil
}

// transport trusts the lab's own CA and nothing else.
func (l *Lab) transport() (*http.Client, error) {
	pem, err := os.ReadFile(l.path("control", "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("control's CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", l.path("control", "ca.pem"))
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}}, nil
}

var authority = regexp.MustCompile(`authorization_uri="[^"]*/([^"/]+)"`)

// findTenant asks the service for its tenant, as az does: an unauthenticated call is told where to log in.
func findTenant(c *http.Client, endpoint string) (string, error) {
	resp, err := c.Get(endpoint + "/subscriptions?api-version=2019-11-01")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	m := authority.FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))
	if m == nil {
		return "", fmt.Errorf("%s names no tenant (WWW-Authenticate %q)", endpoint, resp.Header.Get("WWW-Authenticate"))
	}
	return m[1], nil
}

// fullPath completes a relative path with the principal's subscription, the group and the namespace.
func (w *World) fullPath(p *resource.Principal, group, path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	if group == "" {
		group = w.Name
	}
	return "/subscriptions/" + p.Subscription + "/resourceGroups/" + group + "/providers/Microsoft.Network/" + path
}

// versionOf is the api-version of a path.
func versionOf(path string) string {
	if strings.Contains(strings.ToLower(path), "/providers/microsoft.network") {
		return networkVersion
	}
	return groupVersion
}

// call is one request with its long-running operation followed to the end. The answer is nil where there is no body.
func (l *Lab) call(ctx context.Context, as, method, group, path, version string, body any) (any, error) {
	p, err := l.World.principal(as)
	if err != nil {
		return nil, err
	}
	cl, err := l.api.of(p)
	if err != nil {
		return nil, err
	}
	path = l.World.fullPath(p, group, path)
	if version == "" {
		version = versionOf(path)
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	req, err := runtime.NewRequest(ctx, method, cl.Endpoint()+path+sep+"api-version="+version)
	if err != nil {
		return nil, err
	}
	if body != nil {
		if err := runtime.MarshalAsJSON(req, body); err != nil {
			return nil, err
		}
	}
	resp, err := cl.Pipeline().Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		return nil, runtime.NewResponseError(resp)
	}
	if method == http.MethodGet || method == http.MethodHead {
		return readJSON(resp)
	}
	return follow(ctx, cl, method, resp)
}

// follow polls an operation with the SDK's poller.
func follow(ctx context.Context, cl *arm.Client, method string, resp *http.Response) (any, error) {
	if resp.Header.Get("Azure-AsyncOperation") == "" && resp.Header.Get("Location") == "" {
		return readJSON(resp)
	}
	via := runtime.FinalStateViaAzureAsyncOp
	if method == http.MethodPost || method == http.MethodDelete {
		via = runtime.FinalStateViaLocation
	}
	poller, err := runtime.NewPoller(resp, cl.Pipeline(), &runtime.NewPollerOptions[json.RawMessage]{FinalStateVia: via})
	if err != nil {
		return nil, err
	}
	for !poller.Done() {
		if _, err := poller.Poll(ctx); err != nil {
			return nil, err
		}
		if poller.Done() {
			break
		}
		if err := pause(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
	raw, err := poller.Result(ctx)
	if err != nil {
		return nil, err
	}
	return decodeJSON(raw)
}

func readJSON(resp *http.Response) (any, error) {
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	return decodeJSON(b)
}

func decodeJSON(b []byte) (any, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, nil
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("read answer: %w: %.100s", err, b)
	}
	return v, nil
}

// refusal reads an error as the service's refusal.
func refusal(err error) (code string, status int, ok bool) {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return "", 0, false
	}
	return re.ErrorCode, re.StatusCode, true
}

// shortError is a refusal in one line.
func shortError(err error) error {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return err
	}
	var doc struct {
		Error struct {
			Message string `json:"message"`
			Target  string `json:"target"`
		} `json:"error"`
	}
	if re.RawResponse != nil {
		if b, rerr := runtime.Payload(re.RawResponse); rerr == nil {
			_ = json.Unmarshal(b, &doc) // the message stays empty where the body is not ARM's
		}
	}
	return fmt.Errorf("%s (HTTP %d)%s%s", re.ErrorCode, re.StatusCode, ifText(": ", doc.Error.Message, ""), ifText(" [", doc.Error.Target, "]"))
}
