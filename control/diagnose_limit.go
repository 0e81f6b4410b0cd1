package control

import (
	"fmt"

	"onramp/control/arm"
	"onramp/control/compile"
	"onramp/plan"
	"onramp/resource"
)

// limitWarning is from how many hundredths of the prefix limit on a customer is warned.
const limitWarning = 80

// nearLimit warns before the limit ends the session: a line that is no fault yet, and says what to do all the same.
func (d *ladder) nearLimit(at *compile.CircuitPath, s plan.SessionState) {
	limit := resource.MaxPrefixes(d.c.Tier)
	if s.Received*100 < limit*limitWarning {
		return
	}
	fix := "soon: summarise what the site announces"
	if d.c.Tier != resource.TierPremium {
		fix += ", or use the Premium tier"
	}
	d.findings = append(d.findings, arm.Finding{Layer: "limit", Path: at.Path, OK: true,
		Expected: fmt.Sprintf("fewer than %d prefixes, %d %% of the limit", limit*limitWarning/100, limitWarning),
		Seen:     fmt.Sprintf("%d; the session ends above %d", s.Received, limit),
		Fix:      fix})
}
