package arm

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"onramp/resource"
)

// principal is who makes a call: a row of the fabric document.
type principal struct {
	resource.Principal
}

// fabricCache keeps the fabric document for a moment, because every request needs it. An absent one is not kept.
type fabricCache struct {
	doc  *resource.Fabric // read-only; nil: none read
	read time.Time
}

const fabricFresh = time.Second

// fabricNow is the fabric document, read-only and at most a second old; an empty one when none was applied.
func (f *Front) fabricNow(ctx context.Context) (*resource.Fabric, error) {
	f.mu.Lock()
	cached := f.fabric
	f.mu.Unlock()
	if cached.doc != nil && time.Since(cached.read) < fabricFresh {
		return cached.doc, nil
	}
	os, err := f.cfg.Store.List(ctx, resource.KindFabric, resource.ID{})
	if err != nil {
		return nil, err
	}
	if len(os) == 0 {
		return &resource.Fabric{}, nil
	}
	doc := os[0].(*resource.Fabric)
	f.mu.Lock()
	f.fabric = fabricCache{doc: doc, read: time.Now()}
	f.mu.Unlock()
	return doc, nil
}

func (f *Front) forgetFabric() {
	f.mu.Lock()
	f.fabric = fabricCache{}
	f.mu.Unlock()
}

// principalByClient finds a principal of the fabric; nil when there is none.
func (f *Front) principalByClient(ctx context.Context, client string) (*resource.Principal, error) {
	fabric, err := f.fabricNow(ctx)
	if err != nil {
		return nil, err
	}
	for i := range fabric.Principals {
		if client != "" && strings.EqualFold(fabric.Principals[i].ClientID, client) {
			return &fabric.Principals[i], nil
		}
	}
	return nil, nil
}

// authenticate reads the bearer token (RFC 6750). A principal that left the fabric is nobody at once, whatever its token says.
func (f *Front) authenticate(c *call) (*principal, error) {
	head := c.r.Header.Get("Authorization")
	if head == "" {
		return nil, refuse(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	scheme, token, _ := strings.Cut(head, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, refuse(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is provided in an invalid format; Bearer is expected.")
	}
	cl, err := f.issuer.check(strings.TrimSpace(token), c.base)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, refuse(http.StatusUnauthorized, "ExpiredAuthenticationToken", "The access token expired.")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return nil, refuse(http.StatusUnauthorized, "InvalidAuthenticationTokenAudience", "The access token was issued for another audience than '%s'.", c.base)
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return nil, refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is from the wrong issuer; it must be from '%s'.", f.issuer.name(c.base))
	case err != nil:
		return nil, refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is invalid.")
	}
	p, err := f.principalByClient(c.ctx, cl.App)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is of a principal that does not exist (any more).")
	}
	who := &principal{*p}
	if who.Subscription == "" && who.Role == resource.PrincipalProvider {
		fabric, err := f.fabricNow(c.ctx)
		if err != nil {
			return nil, err
		}
		if of := fabric.Provider(who.Provider); of != nil {
			who.Subscription = of.Subscription
		}
	}
	return who, nil
}

// role is what principals of one role may do. Patterns are Azure's: actions with * for any characters.
type role struct {
	name       string
	actions    []string
	notActions []string
	everywhere bool // in all subscriptions, else in the principal's own
}

func roles() []role {
	return []role{
		{
			name: resource.PrincipalCustomer, actions: []string{"*"},
			notActions: []string{fabricNamespace + "/*", networkNamespace + "/expressRouteCrossConnections/*", networkNamespace + "/expressRouteProviderPorts/*"},
		},
		{
			name: resource.PrincipalProvider, actions: []string{"*/read", networkNamespace + "/expressRouteCrossConnections/*", "*/register/action"},
			notActions: []string{fabricNamespace + "/*"},
		},
		{
			name: resource.PrincipalOperator, everywhere: true,
			actions: []string{"*/read", fabricNamespace + "/*", networkNamespace + "/expressRouteCircuits/peerings/*/action",
				networkNamespace + "/expressRouteCrossConnections/peerings/*/action", networkNamespace + "/virtualNetworkGateways/get*/action",
				networkNamespace + "/networkInterfaces/effectiveRouteTable/action"},
		},
	}
}

// allows reports whether the role permits an action.
func (r role) allows(action string) bool {
	for _, p := range r.notActions {
		if actionMatches(p, action) {
			return false
		}
	}
	for _, p := range r.actions {
		if actionMatches(p, action) {
			return true
		}
	}
	return false
}

// actionMatches matches an action with a pattern of literal parts between asterisks, without case.
func actionMatches(pattern, action string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	s := strings.ToLower(action)
	if len(parts) == 1 {
		return s == parts[0]
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

// admit checks that the subscription exists and that the caller may do what the route does in it.
func (f *Front) admit(c *call) error {
	sub := strings.ToLower(c.params["subscription"])
	if sub != "" {
		known, err := f.subscriptions(c.ctx)
		if err != nil {
			return err
		}
		if known[sub] == nil {
			return subscriptionNotFound(sub)
		}
	}
	for _, r := range f.roles {
		if r.name == c.who.Role && r.allows(c.route.Action) && (sub == "" || r.everywhere || strings.EqualFold(sub, c.who.Subscription)) {
			return nil
		}
	}
	scope := "/"
	if sub != "" {
		scope = c.scope().String()
	}
	return refuse(http.StatusForbidden, "AuthorizationFailed",
		"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid.",
		c.who.Name, c.who.ClientID, c.route.Action, scope)
}

// sees reports whether the caller may read a subscription at all.
func (p *principal) sees(sub string) bool {
	return p.Role == resource.PrincipalOperator || strings.EqualFold(sub, p.Subscription)
}
