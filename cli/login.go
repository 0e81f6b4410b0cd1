package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// loginInfoCommand tells how other tools log in with the same profile.
func loginInfoCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "login-info", Short: "How az, Terraform and the Azure SDKs log in here (the secret is not printed)", GroupID: "cloud",
		Example: "  onramp login-info\n  onramp login-info --as provider",
	}
	o := addProfileFlags(c.Flags(), "customer")
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("%s: takes no arguments", c.CommandPath())
		}
		return o.check()
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := openSession(o, c.OutOrStdout(), c.ErrOrStderr())
		if err != nil {
			return err
		}
		return showLogin(s)
	}
	return c
}

// loginInfo is the profile without its secret.
type loginInfo struct {
	Endpoint     string `json:"endpoint"`
	Tenant       string `json:"tenant"`
	ClientID     string `json:"clientId"`
	Subscription string `json:"subscription"`
	CA           string `json:"ca"`
	Profile      string `json:"profile"`
}

// showLogin prints the profile and the commands of the three clients.
func showLogin(s *session) error {
	p := s.profile
	info := loginInfo{p.Endpoint, p.Tenant, p.ClientID, p.Subscription, p.CA, p.File}
	err := describeFields(s, info, []field{
		{"endpoint", p.Endpoint}, {"tenant", p.Tenant}, {"client id", p.ClientID}, {"subscription", p.Subscription},
		{"ca", caFile(p)}, {"client secret", "in " + p.File},
	})
	if err != nil || s.output == "json" {
		return err
	}
	host := strings.TrimPrefix(p.Endpoint, "https://")
	secret := fmt.Sprintf(`$(python3 -c 'import json; print(json.load(open("%s"))["clientSecret"])')`, p.File)
	fmt.Fprintf(s.out, `
az (Azure CLI):
  export REQUESTS_CA_BUNDLE=%s
  az cloud register -n onramp --endpoint-resource-manager %s
  az cloud set -n onramp
  az login --service-principal -u %s --tenant adfs -p "%s"

Terraform (provider "azurerm"):
  export SSL_CERT_FILE=%s
  export ARM_METADATA_HOSTNAME=%s ARM_TENANT_ID=%s ARM_SUBSCRIPTION_ID=%s
  export ARM_CLIENT_ID=%s ARM_CLIENT_SECRET="%s"

Azure SDKs: a client secret credential with authority %s/, instance discovery disabled,
  resource manager endpoint and audience %s.
`, caFile(p), p.Endpoint, p.ClientID, secret, caFile(p), host, p.Tenant, p.Subscription, p.ClientID, secret, p.Endpoint, p.Endpoint)
	return nil
}

// caFile is the profile's CA where it is a file.
func caFile(p Profile) string {
	if strings.Contains(p.CA, "-----BEGIN") {
		return "(in the profile)"
	}
	return p.CA
}
