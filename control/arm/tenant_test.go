package arm

import (
	"strings"
	"testing"
)

// TestLoginTenantName resolves a tenant that az is given by name: the fourth part of the issuer's URL is its id.
func TestLoginTenantName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := client{w: w}.must("GET", "/adfs/adfs/.well-known/openid-configuration", "", 200)
	issuer, _ := r.field("issuer").(string)
	if parts := strings.Split(issuer, "/"); len(parts) < 4 || parts[3] != DefaultTenant {
		t.Errorf("issuer %q, want the tenant's id as the first segment of its path", issuer)
	}
}
