package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"onramp/cli"
)

// walk calls f with every command of the tree that is ours.
func walk(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		if sub.Name() != "completion" && sub.Name() != "help" {
			walk(sub, f)
		}
	}
}

// TestEveryCommandHasHelp: a one-line description and an example that begins with the command itself.
func TestEveryCommandHasHelp(t *testing.T) {
	root := rootCommand()
	walk(root, func(c *cobra.Command) {
		if c == root {
			return
		}
		if c.Short == "" {
			t.Errorf("%s: no description", c.CommandPath())
		}
		if !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: no example of it in %q", c.CommandPath(), c.Example)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s is not described", c.CommandPath(), f.Name)
			}
		})
	})
}

// TestExitCodes: help is 0, wrong usage 2, a failure 1, and each says something in the right place.
func TestExitCodes(t *testing.T) {
	t.Setenv("ONRAMP_PROFILE", t.TempDir())
	for _, tt := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"", 0, "Usage:", ""},
		{"version", 0, "onramp", ""},
		{"circuit", 0, "Available Commands", ""},
		{"circuit create --help", 0, "Examples:", ""},
		{"completion bash", 0, "bash completion", ""},
		{"nonsense", 2, "", `unknown command "nonsense"`},
		{"circuit nonsense", 2, "", `unknown command "nonsense"`},
		{"circuit show", 2, "", "want show NAME"},
		{"circuit show a b", 2, "", "want show NAME"},
		{"circuit show a --nonsense", 2, "", "unknown flag"},
		{"circuit list -o yaml", 2, "", "want table or json"},
		{"circuit list --as ../king", 2, "", "want a role"},
		{"circuit list --as king", 1, "", "king.json"},
		{"circuit create x", 2, "", "--bandwidth is needed"},
		{"version x", 2, "", "want version"},
		{"circuit list", 1, "", "read profile"},
	} {
		var stdout, stderr bytes.Buffer
		code := cli.Run(context.Background(), rootCommand(), strings.Fields(tt.args), &stdout, &stderr)
		if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("onramp %s: exit %d, want %d\nstdout: %s\nstderr: %s", tt.args, code, tt.code, stdout.String(), stderr.String())
		}
		if tt.code != 0 && stdout.Len() > 0 {
			t.Errorf("onramp %s: a failure printed on standard output: %s", tt.args, stdout.String())
		}
	}
}
