package arm

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"onramp/resource"
)

// issuer signs and checks the tokens of the embedded OAuth 2 service (client credentials, RFC 6749 section 4.4) with one ES256 key.
type issuer struct {
	key      *ecdsa.PrivateKey
	keyID    string
	tenant   string
	lifetime time.Duration
}

// claims are those that az, azidentity and azurerm read.
type claims struct {
	jwt.RegisteredClaims
	Tenant string `json:"tid"`
	Object string `json:"oid"`
	App    string `json:"appid"`
	Kind   string `json:"idtyp"`
	Ver    string `json:"ver"`
}

func openIssuer(cfg Config) (*issuer, error) {
	key, err := loadKey(cfg.IssuerKeyPath)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(cfg.IssuerKeyPath)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode issuer key: %w", err)
	}
	sum := sha256.Sum256(der)
	return &issuer{key: key, keyID: base64.RawURLEncoding.EncodeToString(sum[:12]), tenant: cfg.TenantID, lifetime: cfg.TokenLifetime}, nil
}

func loadKey(path string) (*ecdsa.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read issuer key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("read issuer key %s: no PEM block", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read issuer key %s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("read issuer key %s: want an ECDSA key on P-256", path)
	}
	return key, nil
}

// makeKey generates the key; of several replicas that start at once on one disk, the first to link its file wins.
func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate issuer key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode issuer key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make place for issuer key: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".issuer-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("write issuer key: %w", err)
	}
	defer os.Remove(tmp.Name())
	err = pem.Encode(tmp, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return nil, fmt.Errorf("write issuer key: %w", err)
	}
	if err := os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return loadKey(path)
	} else if err != nil {
		return nil, fmt.Errorf("write issuer key: %w", err)
	}
	return key, nil
}

// token signs an access token for a principal; aud is the audience as the client spelled it.
func (is *issuer) token(p *resource.Principal, base, aud string) (string, error) {
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: is.name(base), Subject: p.ClientID, Audience: jwt.ClaimStrings{aud}, ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(is.lifetime)),
		},
		Tenant: is.tenant, Object: p.ClientID, App: p.ClientID, Kind: "app", Ver: "1.0",
	})
	t.Header["kid"] = is.keyID
	s, err := t.SignedString(is.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return s, nil
}

func (is *issuer) name(base string) string { return base + "/" + is.tenant + "/" }

// check reads a token and verifies signature, issuer, audience, tenant and times.
func (is *issuer) check(token, base string) (*claims, error) {
	var cl claims
	_, err := jwt.ParseWithClaims(token, &cl, func(*jwt.Token) (any, error) { return &is.key.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(is.name(base)), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(time.Minute/2))
	if err != nil {
		return nil, err
	}
	if len(cl.Audience) != 1 || strings.TrimRight(cl.Audience[0], "/") != base {
		return nil, jwt.ErrTokenInvalidAudience
	}
	if cl.Tenant != is.tenant {
		return nil, fmt.Errorf("tenant %q is not this service's", cl.Tenant)
	}
	return &cl, nil
}

// tokenFault is the error form of RFC 6749 section 5.2 with the fields that Microsoft's clients print.
func tokenFault(c *call, status int, code string, number int, format string, args ...any) answer {
	return answer{status: status, body: map[string]any{
		"error": code, "error_description": fmt.Sprintf("AADSTS%d: ", number) + fmt.Sprintf(format, args...),
		"error_codes": []int{number}, "correlation_id": c.ids.correlation, "trace_id": c.ids.request,
		"timestamp": time.Now().UTC().Format(time.RFC3339),
	}}
}

// postToken is the token endpoint.
func postToken(f *Front, c *call) (answer, error) {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return tokenFault(c, http.StatusBadRequest, "invalid_request", 900144, "The body is not a form: %v.", err), nil
	}
	if g := form.Get("grant_type"); g != "client_credentials" {
		return tokenFault(c, http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant type '%s' is not supported; client_credentials is.", g), nil
	}
	aud, good := audience(form, c.base)
	if !good {
		return tokenFault(c, http.StatusBadRequest, "invalid_scope", 70011, "The scope '%s' is not of this service; ask for %s/.default.",
			form.Get("scope")+form.Get("resource"), c.base), nil
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if u, p, basic := c.r.BasicAuth(); basic {
		id, secret = u, p
	}
	p, err := f.principalByClient(c.ctx, id)
	if err != nil {
		return answer{}, err
	}
	good, err = f.checkSecret(c.ctx, p, secret)
	if err != nil {
		return answer{}, err
	}
	if !good {
		return tokenFault(c, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided for application '%s'.", id), nil
	}
	t, err := f.issuer.token(p, c.base, aud)
	if err != nil {
		return answer{}, err
	}
	seconds := int(f.issuer.lifetime / time.Second)
	return answer{status: http.StatusOK, header: map[string]string{"Cache-Control": "no-store"}, body: map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": t,
	}}, nil
}

// checkSecret bounds how many of the slow hashes run at once: anybody may ask for tokens.
func (f *Front) checkSecret(ctx context.Context, p *resource.Principal, secret string) (bool, error) {
	if p == nil {
		return false, nil
	}
	select {
	case f.hashing <- struct{}{}:
		defer func() { <-f.hashing }()
		return CheckSecret(p.SecretHash, secret), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// audience finds this service among the scopes: "<base>/.default" with any number of slashes, beside OpenID's own; or a v1 resource.
func audience(form url.Values, base string) (string, bool) {
	if r := form.Get("resource"); r != "" {
		return r, strings.EqualFold(strings.TrimRight(r, "/"), base)
	}
	for s := range strings.FieldsSeq(form.Get("scope")) {
		aud, found := strings.CutSuffix(s, "/.default")
		if found && strings.EqualFold(strings.TrimRight(aud, "/"), base) {
			return aud, true
		}
	}
	return "", false
}
