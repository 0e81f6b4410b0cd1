package arm

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// getMetadata answers az (2015-01-01), Terraform's location list (2018-01-01), tools that want an array (2019, 2020) and azurerm (2022 on).
func getMetadata(f *Front, c *call) (answer, error) {
	host := strings.TrimPrefix(strings.TrimPrefix(c.base, "https://"), "http://")
	switch {
	case c.version == "2015-01-01":
		return ok(map[string]any{
			"galleryEndpoint": c.base, "graphEndpoint": c.base + "/", "portalEndpoint": c.base,
			"authentication": map[string]any{"loginEndpoint": c.base + "/adfs", "audiences": []string{c.base + "/"}},
		}), nil
	case c.version == "2018-01-01":
		fabric, err := f.fabricNow(c.ctx)
		if err != nil {
			return answer{}, err
		}
		names := []string{}
		for _, r := range fabric.Regions {
			names = append(names, r.Name)
		}
		return ok(map[string]any{"cloudEndpoint": map[string]any{"onramp": map[string]any{"endpoint": host, "locations": names}}}), nil
	case strings.HasPrefix(c.version, "2019-"), strings.HasPrefix(c.version, "2020-"):
		cloud := cloudObject(c.base)
		cloud["authentication"].(map[string]any)["loginEndpoint"] = c.base + "/adfs"
		return ok([]any{cloud}), nil
	case c.version == "":
		return answer{}, refuse(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	return ok(cloudObject(c.base)), nil
}

func cloudObject(base string) map[string]any {
	return map[string]any{
		"name": "OnrampCloud", "resourceManager": base, "microsoftGraphResourceId": base, "portal": base, "gallery": base,
		"graph": base, "graphAudience": base, "media": base, "batch": base, "vmImageAliasDoc": base, "sqlManagement": base,
		"activeDirectoryDataLake": base, "logAnalyticsResourceId": base,
		"authentication": map[string]any{"loginEndpoint": base, "audiences": []string{base, base + "/"}, "tenant": "common", "identityProvider": "AAD"},
		"suffixes":       map[string]string{"keyVaultDns": "vault.onramp.internal", "storage": "core.onramp.internal"},
	}
}

// getOpenID is the discovery document (OpenID Connect Discovery 1.0 section 4) of an authority.
func getOpenID(f *Front, c *call) (answer, error) {
	token := c.base + "/" + f.cfg.TenantID + "/oauth2/v2.0/token"
	if strings.HasPrefix(strings.ToLower(strings.TrimLeft(c.r.URL.Path, "/")), "adfs/") {
		token = c.base + "/adfs/oauth2/token"
	}
	return ok(map[string]any{
		"issuer":                                f.issuer.name(c.base),
		"authorization_endpoint":                c.base + "/" + f.cfg.TenantID + "/oauth2/v2.0/authorize",
		"token_endpoint":                        token,
		"jwks_uri":                              c.base + "/" + f.cfg.TenantID + "/discovery/v2.0/keys",
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"tenant_region_scope":                   nil,
	}), nil
}

// getInstance tells clients that insist on instance discovery that the authority is known.
func getInstance(f *Front, c *call) (answer, error) {
	return ok(map[string]any{
		"tenant_discovery_endpoint": c.base + "/" + f.cfg.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{},
	}), nil
}

// getKeys is the JWK set (RFC 7517) that tokens are checked with.
func getKeys(f *Front, _ *call) (answer, error) {
	enc := base64.RawURLEncoding
	point, err := f.issuer.key.PublicKey.ECDH()
	if err != nil {
		return answer{}, err
	}
	b := point.Bytes() // 4, X, Y (SEC 1 section 2.3.3)
	return ok(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": f.issuer.keyID,
		"x": enc.EncodeToString(b[1:33]), "y": enc.EncodeToString(b[33:65]),
	}}}), nil
}
