package control

import (
	"strings"
	"testing"

	"onramp/control/arm"
	"onramp/plan"
	"onramp/resource"
)

// TestDiagnoseWarnsNearTheLimit: from 80 % of the prefixes on there is a warning, and the circuit is sound all the same.
func TestDiagnoseWarnsNearTheLimit(t *testing.T) {
	for _, c := range []struct {
		received int
		tier     resource.SKUTier
		warns    string
	}{
		{3199, resource.TierStandard, ""},
		{3200, resource.TierStandard, "3200; the session ends above 4000"},
		{4000, resource.TierStandard, "4000; the session ends above 4000"},
		{4000, resource.TierPremium, ""},
		{8000, resource.TierPremium, "8000; the session ends above 10000"},
	} {
		inScene(t, func(t *testing.T, s *scene) {
			s.healthy(func(r *plan.Report) {
				for i := range r.Sessions {
					if strings.HasSuffix(r.Sessions[i].Name, "/ce4") {
						r.Sessions[i].Received = c.received
					}
				}
			})
			k := resource.Clone(s.c)
			k.Tier = c.tier
			found, err := s.live.Diagnose(s.ctx, k)
			if err != nil {
				t.Fatal(err)
			}
			var warned []arm.Finding
			for _, f := range found {
				if f.Layer == "limit" {
					warned = append(warned, f)
				}
				if !f.OK {
					t.Errorf("%d prefixes: a fault: %+v", c.received, f)
				}
			}
			switch {
			case c.warns == "" && len(warned) > 0:
				t.Errorf("%d of %s: warns %+v", c.received, c.tier, warned)
			case c.warns != "" && (len(warned) != 1 || warned[0].Seen != c.warns || warned[0].Path != "primary" || warned[0].Fix == ""):
				t.Errorf("%d of %s: warns %+v, want %q", c.received, c.tier, warned, c.warns)
			}
		})
	}
}
