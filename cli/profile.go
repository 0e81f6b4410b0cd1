package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// LabsDir is where running labs keep their state; below it lies <lab>/profiles/<role>.json.
const LabsDir = "/run/onramp/labs"

// DefaultGroup is the resource group of commands without -g.
const DefaultGroup = "rg"

// Profile is who logs in where.
type Profile struct {
	Endpoint     string `json:"endpoint"` // https://host:port
	Tenant       string `json:"tenant"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	Subscription string `json:"subscription"`
	CA           string `json:"ca"` // file with, or text of, the PEM certificates to trust; "": the system's

	File string `json:"-"` // where it was read
}

// String names the profile without its secret.
func (p Profile) String() string { return fmt.Sprintf("%s at %s", p.ClientID, p.Endpoint) }

// options are the flags that every noun has.
type options struct {
	profile, lab, role, defaultRole string
	group, subscription             string
	output                          string
	noWait                          bool
}

// addProfileFlags declares the flags that every noun has; role is the lab profile used without --as.
func addProfileFlags(f *pflag.FlagSet, role string) *options {
	o := &options{defaultRole: role}
	f.StringVar(&o.profile, "profile", "", "profile file, or directory of <role>.json files (default $ONRAMP_PROFILE, else the one running lab's)")
	f.StringVar(&o.lab, "lab", "", "use the profiles of this running lab")
	f.StringVar(&o.role, "as", "", "act as customer, provider or operator, or as a principal by name (default "+role+")")
	f.StringVarP(&o.group, "group", "g", "", "resource group (default the lab's name in a lab, else "+DefaultGroup+")")
	f.StringVar(&o.subscription, "subscription", "", "subscription id (default the profile's)")
	f.StringVarP(&o.output, "output", "o", "table", "output format: table or json")
	f.BoolVar(&o.noWait, "no-wait", false, "do not wait for the operation to end")
	return o
}

// check refuses flag values that no command knows.
func (o *options) check() error {
	if o.output != "table" && o.output != "json" {
		return usagef("--output %q: want table or json", o.output)
	}
	if o.role != filepath.Base(o.role) && o.role != "" {
		return usagef("--as %q: want a role or the name of a principal", o.role)
	}
	return nil
}

// load finds and reads the profile: --profile, --lab, $ONRAMP_PROFILE, or the one running lab.
func (o *options) load() (Profile, error) {
	role := o.role
	if role == "" {
		role = o.defaultRole
	}
	switch {
	case o.profile != "":
		return ReadProfile(o.profile, role)
	case o.lab != "":
		if _, err := os.Stat(filepath.Join(LabsDir, o.lab)); err != nil {
			return Profile{}, fmt.Errorf("no lab %q runs here (see 'onramp lab status')", o.lab)
		}
		return ReadProfile(filepath.Join(LabsDir, o.lab, "profiles"), role)
	case os.Getenv("ONRAMP_PROFILE") != "":
		return ReadProfile(os.Getenv("ONRAMP_PROFILE"), role)
	}
	labs, _ := filepath.Glob(filepath.Join(LabsDir, "*", "profiles", role+".json"))
	switch len(labs) {
	case 1:
		return ReadProfile(labs[0], role)
	case 0:
		return Profile{}, errors.New("no profile: give --profile FILE or set ONRAMP_PROFILE, or start a lab ('onramp lab up labs/first-circuit.yaml')")
	}
	var names []string
	for _, l := range labs {
		names = append(names, filepath.Base(filepath.Dir(filepath.Dir(l))))
	}
	return Profile{}, fmt.Errorf("several labs run (%s): choose with --lab NAME", strings.Join(names, ", "))
}

// groupOf is the resource group of commands without -g: a lab's story orders in a group of the lab's name.
func groupOf(profile string) string {
	rel, err := filepath.Rel(LabsDir, profile)
	if name, rest, ok := strings.Cut(rel, "/"); err == nil && ok && strings.HasPrefix(rest, "profiles/") {
		return name
	}
	return DefaultGroup
}

// ReadProfile reads a profile file, or <role>.json where path is a directory.
func ReadProfile(path, role string) (Profile, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, role+".json")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Profile{}, fmt.Errorf("read profile: %w", err)
	}
	p := Profile{File: path}
	if err := json.Unmarshal(b, &p); err != nil {
		return Profile{}, fmt.Errorf("profile %s: %w", path, err)
	}
	for _, f := range []struct{ name, value string }{
		{"endpoint", p.Endpoint}, {"tenant", p.Tenant}, {"clientId", p.ClientID}, {"clientSecret", p.ClientSecret},
	} {
		if f.value == "" {
			return Profile{}, fmt.Errorf("profile %s: %s is missing", path, f.name)
		}
	}
	if p.CA != "" && !strings.Contains(p.CA, "-----BEGIN") && !filepath.IsAbs(p.CA) {
		p.CA = filepath.Join(filepath.Dir(path), p.CA)
	}
	return p, nil
}
