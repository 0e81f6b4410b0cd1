// Package cli is the command line over the public API: one file per noun, one verb per function.
//
// In:  arguments and a profile (who logs in where). Out: calls of the Azure SDK's armnetwork clients, because our API is their API, and
// tables or JSON on standard output. What ARM has no client for (the fabric, nodes, a circuit's diagnosis) goes through the same pipeline
// in own.go.
//
// Nouns are a literal list (Commands); each gives its verbs as values. Errors leave through Run: refusals of the service print
// "code: message (target)" and exit 1, wrong usage exits 2. Secrets come from files or the environment and are never printed.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// noun is one command group: a kind of object and what can be done with it.
type noun struct {
	name  string
	short string
	role  string // whose profile of a lab it uses when --as is absent
	verbs []verb
}

// verb is one command.
type verb struct {
	use      string // "show NAME"
	short    string
	example  string
	args     [2]int // fewest and most positional arguments
	flags    func(f *pflag.FlagSet)
	required []string // flags that must be given
	complete func(ctx context.Context, s *session, args []string) ([]string, error)
	run      func(ctx context.Context, s *session, args []string) error
}

// nouns lists every noun in the order of the help text.
func nouns() []noun {
	return []noun{
		circuitNoun(), portNoun(), peeringNoun(), authorizationNoun(), crossConnectionNoun(), connectionNoun(),
		gatewayNoun(), networkNoun(), interfaceNoun(),
		groupNoun(), providerNoun(), fabricNoun(), nodeNoun(),
	}
}

// Commands returns the commands of all nouns, and login-info, for the root command.
func Commands() []*cobra.Command {
	var cs []*cobra.Command
	for _, n := range nouns() {
		cs = append(cs, n.command())
	}
	return append(cs, loginInfoCommand())
}

// command makes the cobra command of a noun.
func (n noun) command() *cobra.Command {
	c := &cobra.Command{
		Use:     n.name,
		Short:   n.short,
		Example: n.verbs[0].example,
		GroupID: "cloud",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s: unknown command %q", c.CommandPath(), args[0])
			}
			return c.Help()
		},
	}
	o := addProfileFlags(c.PersistentFlags(), n.role)
	for _, v := range n.verbs {
		c.AddCommand(v.command(o))
	}
	return c
}

// command makes the cobra command of a verb.
func (v verb) command(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     v.use,
		Short:   v.short,
		Example: v.example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < v.args[0] || len(args) > v.args[1] {
				return usagef("%s: want %s", c.CommandPath(), v.use)
			}
			for _, name := range v.required {
				if !c.Flags().Changed(name) {
					return usagef("%s: --%s is needed", c.CommandPath(), name)
				}
			}
			return o.check()
		},
		RunE: func(c *cobra.Command, args []string) error {
			s, err := openSession(o, c.OutOrStdout(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			return v.run(c.Context(), s, args)
		},
	}
	if v.flags != nil {
		v.flags(c.Flags())
	}
	c.ValidArgsFunction = v.completion(o)
	return c
}

// completion offers the names that v.complete lists, where the API answers quickly.
func (v verb) completion(o *options) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if v.complete == nil || len(args) >= v.args[1] {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(c.Context(), completionTimeout)
		defer cancel()
		s, err := openSession(o, io.Discard, io.Discard)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, err := v.complete(ctx, s, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// Run executes root with args and returns the exit code: 0, 1 for a refusal or failure, 2 for wrong usage.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usagef("%s: %s", c.CommandPath(), err) })
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) { // a program run for the user has said what it had to say
		return exit.ExitCode()
	}
	var usage *usageError
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintf(stderr, "%s\nSee '%s --help'.\n", err, c.CommandPath())
		return 2
	}
	fmt.Fprintln(stderr, describe(err))
	return 1
}

// usageError is a wrong command line.
type usageError struct{ text string }

// Error returns the text.
func (u *usageError) Error() string { return u.text }

// usagef makes a usageError.
func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// Arguments is a cobra argument rule: from least to most positional arguments, else a usage error.
func Arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef("%s: want %s", c.CommandPath(), c.Use)
		}
		return nil
	}
}

// readSecret takes a secret from a file, or from the environment variable env when there is no file. Both empty: no secret.
func readSecret(file, env string) (string, error) {
	if file == "" {
		return os.Getenv(env), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
