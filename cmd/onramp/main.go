// Command onramp is a private cloud interconnect in one binary: the control plane (server), the agent of a forwarding machine (node),
// worlds in network namespaces (lab), and the command line over the public API (circuit, peering, …).
//
// In:  flags. Out: a Config for package control, node or lab, which is run until a signal. Nothing is decided here.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"onramp/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, rootCommand(), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// rootCommand is the whole command tree.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "onramp",
		Short: "A private cloud interconnect that you can run yourself",
		Long: `onramp is ExpressRoute that you can run yourself: order a circuit through an API that Azure's own tools speak, let a
connectivity provider provision it, bring up redundant BGP, and real packets flow.

Start here:  onramp lab up labs/first-circuit.yaml`,
	}
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run the parts:"},
		&cobra.Group{ID: "cloud", Title: "Use the service (each noun has verbs):"},
	)
	root.AddCommand(serverCommand(), labCommand(), versionCommand(), bfdCommand())
	root.AddCommand(nouns()...)
	return root
}

// versionCommand prints what was built.
func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cli.Arguments(0, 0), Example: "  onramp version",
		Run: func(c *cobra.Command, _ []string) {
			fmt.Fprintln(c.OutOrStdout(), version())
		},
	}
}

// version is the module version and the revision it was built from.
func version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "onramp (no build information)"
	}
	text := "onramp " + b.Main.Version
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text + " " + b.GoVersion
}

// logging is the --log-level and --log-format flags of the long-running commands.
type logging struct{ level, format string }

// declare declares the flags.
func (l *logging) declare(c *cobra.Command) {
	c.Flags().StringVar(&l.level, "log-level", "info", "debug, info, warn or error")
	c.Flags().StringVar(&l.format, "log-format", "text", "text or json")
}

// logger makes the logger, on standard error.
func (l *logging) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	o := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, o)), nil
	}
	return nil, fmt.Errorf("--log-format %q: want text or json", l.format)
}
