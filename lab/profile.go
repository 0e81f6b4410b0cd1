package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"onramp/resource"
)

// profile is what a client needs to log in as one principal.
type profile struct {
	Endpoint     string `json:"endpoint"`
	Tenant       string `json:"tenant"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	Subscription string `json:"subscription"`
	CA           string `json:"ca"`
}

// writeProfiles writes a profile for every principal, by name, and by role for the first that has it; and a shell file for other tools.
func (l *Lab) writeProfiles(endpoint string) error {
	transport, err := l.transport()
	if err != nil {
		return err
	}
	tenant, err := findTenant(transport, endpoint)
	if err != nil {
		return err
	}
	dir := l.path("profiles")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	roles := map[string]bool{}
	for _, p := range l.World.Fabric.Principals {
		b, err := json.MarshalIndent(profile{endpoint, tenant, p.ClientID, p.Secret, p.Subscription, l.path("control", "ca.pem")}, "", "  ")
		if err != nil {
			return err
		}
		names := []string{p.Name}
		if !roles[p.Role] {
			roles[p.Role] = true
			names = append(names, p.Role)
		}
		for _, n := range names {
			if err := os.WriteFile(l.path("profiles", n+".json"), append(b, '\n'), 0o600); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(l.path("env"), []byte(l.environment(endpoint, tenant)), 0o600)
}

// environment is the shell file: for onramp itself, the Azure SDKs and Terraform, as the first customer.
func (l *Lab) environment(endpoint, tenant string) string {
	var b strings.Builder
	ca := l.path("control", "ca.pem")
	fmt.Fprintf(&b, "# Source this to work in lab %s as a customer.\n", l.World.Name)
	fmt.Fprintf(&b, "export ONRAMP_LAB=%s\nexport ONRAMP_PROFILE=%s\nexport ONRAMP_ENDPOINT=%s\n", l.World.Name, l.path("profiles"), endpoint)
	var p *resource.Principal
	for i := range l.World.Fabric.Principals {
		if l.World.Fabric.Principals[i].Role == "customer" {
			p = &l.World.Fabric.Principals[i]
			break
		}
	}
	if p == nil {
		return b.String()
	}
	fmt.Fprintf(&b, "# Azure SDKs (azidentity) and Terraform's azurerm.\nexport AZURE_AUTHORITY_HOST=%s/\nexport AZURE_TENANT_ID=%s\nexport AZURE_CLIENT_ID=%s\nexport AZURE_CLIENT_SECRET=%s\nexport AZURE_SUBSCRIPTION_ID=%s\n",
		endpoint, tenant, p.ClientID, p.Secret, p.Subscription)
	fmt.Fprintf(&b, "export ARM_METADATA_HOSTNAME=%s\nexport ARM_TENANT_ID=%s\nexport ARM_CLIENT_ID=%s\nexport ARM_CLIENT_SECRET=%s\nexport ARM_SUBSCRIPTION_ID=%s\n",
		strings.TrimPrefix(endpoint, "https://"), tenant, p.ClientID, p.Secret, p.Subscription)
	fmt.Fprintf(&b, "export SSL_CERT_FILE=%s\nexport REQUESTS_CA_BUNDLE=%s\n", ca, ca)
	return b.String()
}

// farewell draws the world and says what to try.
func (l *Lab) farewell() {
	out := l.screen.out
	fmt.Fprintf(out, "\n%s\n", Draw(l.World))
	if l.state.get().Endpoint != "" {
		fmt.Fprintf(out, "  API        %s  (CA %s)\n", l.state.get().Endpoint, l.path("control", "ca.pem"))
		fmt.Fprintf(out, "  log in     . %s     (profiles per role in %s)\n", l.path("env"), l.path("profiles"))
	}
	for _, r := range l.World.Routers {
		s, k, err := l.site(r.Name)
		if err != nil {
			continue
		}
		fmt.Fprintf(out, "  %-9s  %s     (configuration in %s)\n", r.Name, k.shell(s), s.dir)
	}
	fmt.Fprintf(out, "  logs       %s\n\n  Try:\n", l.path("logs"))
	for _, t := range l.World.Try {
		fmt.Fprintf(out, "    %s\n", strings.ReplaceAll(t, "${lab}", l.World.Name))
	}
	if l.opts.Detach {
		fmt.Fprintf(out, "\n  The lab stays up; end it with: onramp lab down %s\n\n", l.World.Name)
	} else {
		fmt.Fprint(out, "\n  The lab stays up until Ctrl-C.\n\n")
	}
}
