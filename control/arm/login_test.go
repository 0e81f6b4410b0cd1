package arm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"onramp/resource"
)

// post sends a form and returns the status and the JSON object of the answer.
func (w *world) post(path string, form url.Values) (int, map[string]any) {
	w.t.Helper()
	resp, err := w.srv.Client().PostForm(w.srv.URL+path, form)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		w.t.Fatalf("token answer %q: %v", b, err)
	}
	return resp.StatusCode, m
}

func TestLoginTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := who()["contoso"]
	form := func(secret, scope string) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {p.ClientID}, "client_secret": {secret}, "scope": {scope}}
	}
	base := w.srv.URL
	for _, c := range []struct {
		name, path string
		form       url.Values
		status     int
		err        string
	}{
		{"az", "/adfs/oauth2/token", form(p.Secret, base+"//.default"), 200, ""},
		{"azidentity", "/" + DefaultTenant + "/oauth2/v2.0/token", form(p.Secret, base+"/.default openid offline_access profile"), 200, ""},
		{"azurerm", "//" + DefaultTenant + "/oauth2/v2.0/token", form(p.Secret, base+"/.default"), 200, ""},
		{"v1 resource", "/common/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {p.ClientID}, "client_secret": {p.Secret}, "resource": {base + "/"}}, 200, ""},
		{"wrong secret", "/adfs/oauth2/token", form("wrong", base+"/.default"), 401, "invalid_client"},
		{"no secret", "/adfs/oauth2/token", form("", base+"/.default"), 401, "invalid_client"},
		{"other service", "/adfs/oauth2/token", form(p.Secret, "https://example.org/.default"), 400, "invalid_scope"},
		{"password grant", "/adfs/oauth2/token", url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type"},
		{"unknown client", "/adfs/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"nobody"}, "scope": {base + "/.default"}}, 401, "invalid_client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, m := w.post(c.path, c.form)
			if status != c.status || c.err != "" && m["error"] != c.err {
				t.Fatalf("status %d %v, want %d %s", status, m, c.status, c.err)
			}
			if c.status == 200 {
				token, _ := m["access_token"].(string)
				if r := (client{w: w, token: token}).do("GET", "/subscriptions", ""); r.status != 200 {
					t.Errorf("the token is refused: %d %s", r.status, r.body)
				}
			}
		})
	}
}

func TestLoginTokenClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parts := strings.Split(w.token("contoso"), ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts, want 3", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, claim := range []string{"aud", "iss", "iat", "nbf", "exp", "tid", "oid", "appid", "sub", "idtyp", "ver"} {
		if m[claim] == nil {
			t.Errorf("claim %s is missing", claim)
		}
	}
	same(t, "tid", m["tid"], any(DefaultTenant))
	if _, scp := m["scp"]; scp {
		t.Error("scp makes azurerm take the application for a user")
	}
}

// TestLoginKeys checks a token with nothing but the published key set.
func TestLoginKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nobody := client{w: w}
	r := nobody.must("GET", "/"+DefaultTenant+"/discovery/v2.0/keys?x=1", "", 200)
	same(t, "adfs keys", nobody.must("GET", "/adfs/discovery/keys?x=1", "", 200).body, r.body)
	var set struct {
		Keys []struct{ Kid, X, Y string }
	}
	if err := json.Unmarshal([]byte(r.body), &set); err != nil {
		t.Fatal(err)
	}
	coordinate := func(s string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return new(big.Int).SetBytes(b)
	}
	key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: coordinate(set.Keys[0].X), Y: coordinate(set.Keys[0].Y)}
	tok, err := jwt.Parse(w.token("noc"), func(*jwt.Token) (any, error) { return key, nil })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "kid", tok.Header["kid"], any(set.Keys[0].Kid))
}

func TestLoginRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	is := w.front.issuer
	p := who()["contoso"]
	sign := func(key *ecdsa.PrivateKey, iss, aud string, from, to time.Time) string {
		tok := jwt.NewWithClaims(jwt.SigningMethodES256, claims{RegisteredClaims: jwt.RegisteredClaims{Issuer: iss, Audience: jwt.ClaimStrings{aud},
			IssuedAt: jwt.NewNumericDate(from), NotBefore: jwt.NewNumericDate(from), ExpiresAt: jwt.NewNumericDate(to)}, App: p.ClientID, Tenant: is.tenant})
		s, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now, iss := time.Now(), is.name(w.srv.URL)
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": iss, "aud": w.srv.URL, "exp": now.Add(time.Hour).Unix(), "appid": p.ClientID}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, token, code string }{
		{"none", "", "AuthenticationFailed"},
		{"garbage", "garbage", "InvalidAuthenticationToken"},
		{"three dots", "a.b.c", "InvalidAuthenticationToken"},
		{"no signature", none, "InvalidAuthenticationToken"},
		{"foreign key", sign(foreign, iss, w.srv.URL, now, now.Add(time.Hour)), "InvalidAuthenticationToken"},
		{"expired", sign(is.key, iss, w.srv.URL, now.Add(-2*time.Hour), now.Add(-time.Hour)), "ExpiredAuthenticationToken"},
		{"not yet", sign(is.key, iss, w.srv.URL, now.Add(time.Hour), now.Add(2*time.Hour)), "InvalidAuthenticationToken"},
		{"other issuer", sign(is.key, "https://example.org/", w.srv.URL, now, now.Add(time.Hour)), "InvalidAuthenticationToken"},
		{"other audience", sign(is.key, iss, "https://example.org", now, now.Add(time.Hour)), "InvalidAuthenticationTokenAudience"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := client{w: w, token: c.token}.do("GET", "/subscriptions", "")
			if r.status != 401 || r.code() != c.code {
				t.Errorf("%d %s, want 401 %s", r.status, r.body, c.code)
			}
			if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("WWW-Authenticate %q", r.header.Get("WWW-Authenticate"))
			}
		})
	}
	r := client{w: w}.header("Authorization", "Basic eDp5").do("GET", "/subscriptions", "")
	same(t, "basic credentials", r.code(), "AuthenticationFailed")
}

// TestLoginLeaver shows that a principal that left the fabric is nobody, whatever token it holds.
func TestLoginLeaver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone := w.as("fabrikam")
	gone.must("GET", "/subscriptions", "", 200)
	_, err := w.store.Update(t.Context(), FabricID(), func(o resource.Object) error {
		f := o.(*resource.Fabric)
		f.Principals = append(f.Principals[:1:1], f.Principals[2:]...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.front.forgetFabric()
	gone.must("GET", "/subscriptions", "", 401)
}

func TestLoginMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nobody := client{w: w}
	az := nobody.must("GET", "//metadata/endpoints?api-version=2015-01-01", "", 200)
	same(t, "az's login endpoint", az.field("authentication.loginEndpoint"), any(w.srv.URL+"/adfs"))
	tf := nobody.must("GET", "/metadata/endpoints?api-version=2022-09-01", "", 200)
	same(t, "azurerm's tenant", tf.field("authentication.tenant"), any("common"))
	same(t, "azurerm's identity provider", tf.field("authentication.identityProvider"), any("AAD"))
	array := nobody.must("GET", "/metadata/endpoints?api-version=2019-05-01", "", 200)
	if !strings.HasPrefix(array.body, "[{") {
		t.Errorf("2019-05-01 answers %.40s, want an array", array.body)
	}
	places := nobody.must("GET", "//metadata/endpoints?api-version=2018-01-01", "", 200)
	if !strings.Contains(places.body, `"westus2"`) {
		t.Errorf("2018-01-01 answers %s", places.body)
	}
	nobody.must("GET", "/metadata/endpoints?x=1", "", 400)
	adfs := nobody.must("GET", "/adfs/.well-known/openid-configuration?x=1", "", 200)
	same(t, "adfs token endpoint", adfs.field("token_endpoint"), any(w.srv.URL+"/adfs/oauth2/token"))
	v2 := nobody.must("GET", "/"+DefaultTenant+"/v2.0/.well-known/openid-configuration?x=1", "", 200)
	same(t, "v2 token endpoint", v2.field("token_endpoint"), any(w.srv.URL+"/"+DefaultTenant+"/oauth2/v2.0/token"))
	nobody.must("GET", "/common/discovery/instance?x=1", "", 200)
}

// TestLoginKeyFile shows that the key outlives the process, and that nobody else may read it.
func TestLoginKeyFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "deep", "issuer.pem")
	cfg := Config{Store: w.store, Live: w.live, IssuerKeyPath: path, Logger: slog.New(slog.DiscardHandler)}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "mode", st.Mode(), os.FileMode(0o600))
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "key id", b.issuer.keyID, a.issuer.keyID)
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(cfg); err == nil {
		t.Error("a broken key file is accepted")
	}
}

func TestLoginSecretHash(t *testing.T) {
	t.Parallel()
	hash, err := HashSecret("s3cret")
	if err != nil {
		t.Fatal(err)
	}
	other, _ := HashSecret("s3cret")
	if hash == other {
		t.Error("two hashes of one secret are equal: no salt")
	}
	for _, c := range []struct {
		hash, secret string
		want         bool
	}{
		{hash, "s3cret", true}, {hash, "s3cre", false}, {hash, "", false}, {"", "", false}, {"s3cret", "s3cret", false},
		{"pbkdf2-sha256$1$$", "", false}, {"pbkdf2-sha256$999999999$AAAA$AAAA", "x", false},
	} {
		if CheckSecret(c.hash, c.secret) != c.want {
			t.Errorf("check %q against %q is %v", c.secret, c.hash, !c.want)
		}
	}
}
