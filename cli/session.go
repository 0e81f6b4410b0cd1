package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
)

// completionTimeout bounds what a tab key may wait for.
const completionTimeout = 1500 * time.Millisecond

// requestTimeout bounds one request of the API.
const requestTimeout = 60 * time.Second

// session is one command's access to the API.
type session struct {
	*options
	profile Profile
	net     *armnetwork.ClientFactory
	rm      *armresources.ClientFactory
	own     *arm.Client
	out     io.Writer
	log     io.Writer // progress and remarks: standard error
}

// openSession reads the profile and makes the clients. Nothing is sent yet.
func openSession(o *options, out, log io.Writer) (*session, error) {
	p, err := o.load()
	if err != nil {
		return nil, err
	}
	if o.subscription != "" {
		p.Subscription = o.subscription
	}
	if o.group == "" {
		o.group = groupOf(p.File)
	}
	s := &session{options: o, profile: p, out: out, log: log}
	cred, opts, err := p.Login()
	if err != nil {
		return nil, err
	}
	sub := p.Subscription
	if sub == "" { // the operator has none of its own; calls that need one say so
		sub = "00000000-0000-0000-0000-000000000000"
	}
	if s.net, err = armnetwork.NewClientFactory(sub, cred, opts); err != nil {
		return nil, fmt.Errorf("make network clients: %w", err)
	}
	if s.rm, err = armresources.NewClientFactory(sub, cred, opts); err != nil {
		return nil, fmt.Errorf("make resource clients: %w", err)
	}
	if s.own, err = arm.NewClient("onramp/cli", "v1.0.0", cred, opts); err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return s, nil
}

// Login makes what the Azure SDK's clients need to speak to the profile's endpoint: a credential and options.
func (p Profile) Login() (*azidentity.ClientSecretCredential, *arm.ClientOptions, error) {
	endpoint := strings.TrimRight(p.Endpoint, "/")
	transport, err := p.transport()
	if err != nil {
		return nil, nil, err
	}
	client := policy.ClientOptions{
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: endpoint + "/",
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: endpoint, Audience: endpoint},
			},
		},
		Transport: transport,
		Retry:     policy.RetryOptions{MaxRetries: 3, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second},
		Telemetry: policy.TelemetryOptions{ApplicationID: "onramp"},
	}
	cred, err := azidentity.NewClientSecretCredential(p.Tenant, p.ClientID, p.ClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: client, DisableInstanceDiscovery: true})
	if err != nil {
		return nil, nil, fmt.Errorf("make credential: %w", err)
	}
	return cred, &arm.ClientOptions{ClientOptions: client, DisableRPRegistration: true}, nil
}

// transport trusts the profile's CA, or the system's where it names none.
func (p Profile) transport() (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	if p.CA != "" {
		pem := []byte(p.CA)
		if !strings.Contains(p.CA, "-----BEGIN") {
			var err error
			if pem, err = os.ReadFile(p.CA); err != nil {
				return nil, fmt.Errorf("read ca of the profile: %w", err)
			}
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca of profile %s: no PEM certificate in it", p.File)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t, Timeout: requestTimeout}, nil
}

// id is the ARM id of a Microsoft.Network object in the session's group.
func (s *session) id(typ, name string) string {
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/%s/%s", s.profile.Subscription, s.group, typ, name)
}

// location is the region of the session's group, for objects ordered without --location.
func (s *session) location(ctx context.Context, given string) (*string, error) {
	if given != "" {
		return &given, nil
	}
	g, err := s.rm.NewResourceGroupsClient().Get(ctx, s.group, nil)
	if err != nil {
		return nil, err
	}
	return g.Location, nil
}

// wait follows a long-running operation to its end. On a terminal it keeps one line that says what is waited for, and since when.
// Polling starts close and widens, because the service tells a second at least where most operations end in a fraction of one.
func wait[T any](ctx context.Context, s *session, what string, p *runtime.Poller[T], err error) (T, error) {
	var none T
	if err != nil {
		return none, err
	}
	if s.noWait {
		fmt.Fprintf(s.log, "%s: accepted\n", what)
		return none, errAccepted
	}
	line := newProgress(s.log, what)
	defer line.end()
	for gap := 50 * time.Millisecond; !p.Done(); gap = min(gap*3/2, time.Second) {
		if _, err := p.Poll(ctx); err != nil {
			return none, err
		}
		if p.Done() {
			break
		}
		line.tick()
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-time.After(gap):
		}
	}
	return p.Result(ctx)
}
