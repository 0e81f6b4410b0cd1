package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"onramp/cli"
	"onramp/node"
	"onramp/node/fib"
	"onramp/plan"
)

// nodeFlags are the flags of the agent.
type nodeFlags struct {
	name, control, tokenFile, ca, state, pin, xdp string
	remove                                        bool
	log                                           logging
}

// agentCommand makes the noun "node" run the agent when it is given --name; its verbs stay.
func agentCommand(c *cobra.Command) {
	var o nodeFlags
	c.Short = "Run a forwarding node's agent (with --name); list and show nodes"
	c.Example = "  onramp node --name edge1 --control unix:/var/lib/onramp/node.sock --token-file edge1.token\n" +
		"  onramp node --name edge1 --control https://control:8444 --ca ca.pem --token-file edge1.token\n" +
		"  onramp node --name edge1 --remove\n" + c.Example
	help := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if o.name == "" || len(args) > 0 {
			return help(c, args)
		}
		return o.run(c.Context())
	}
	f := c.Flags()
	f.StringVar(&o.name, "name", "", "the node's name in the fabric")
	f.StringVar(&o.control, "control", "unix:/var/lib/onramp/node.sock", "control's node socket, unix:PATH or https://HOST:PORT")
	f.StringVar(&o.tokenFile, "token-file", "", "file with the node's token (DATA/node-tokens/NAME of the server)")
	f.StringVar(&o.ca, "ca", "", "authority of control's certificate, PEM (default the system's)")
	f.StringVar(&o.state, "state", "", "directory that keeps the last plan (default /var/lib/onramp-node/NAME)")
	f.StringVar(&o.pin, "pin", "", "directory on a BPF file system that keeps the data path (default /sys/fs/bpf/onramp/NAME)")
	f.StringVar(&o.xdp, "xdp", "auto", "auto, native or generic")
	f.BoolVar(&o.remove, "remove", false, "remove the node's data path and devices from this machine, and end")
	o.log.declare(c)
}

// run runs the agent until a signal, or removes what an agent left.
func (o *nodeFlags) run(ctx context.Context) error {
	logger, err := o.log.logger()
	if err != nil {
		return err
	}
	if o.state == "" {
		o.state = filepath.Join("/var/lib/onramp-node", o.name)
	}
	if o.pin == "" {
		o.pin = filepath.Join("/sys/fs/bpf/onramp", o.name)
	}
	modes := []string{"auto", "native", "generic"}
	if !slices.Contains(modes, o.xdp) {
		return fmt.Errorf("--xdp %q: want one of %v", o.xdp, modes)
	}
	link, err := o.link()
	if err != nil {
		return err
	}
	defer link.Close()
	return o.serve(ctx, link, fib.Options{Pin: o.pin, Mode: fib.Mode(o.xdp)}, logger)
}

// serve assembles the agent and runs it, or removes what is there.
func (o *nodeFlags) serve(ctx context.Context, link *plan.Client, options fib.Options, logger *slog.Logger) error {
	if err := os.MkdirAll(o.state, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	f, continued, err := node.OpenKernel(options)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return errors.Join(fmt.Errorf("find this program: %w", err), f.Close())
	}
	a, err := node.New(node.Config{Name: o.name, Link: link, StateDir: o.state, FIB: f, Continued: continued, BFD: []string{self, "bfd"},
		Logger: logger})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if o.remove {
		return a.Remove()
	}
	logger.Info("node starts", "node", o.name, "continued", continued, "pin", o.pin)
	return errors.Join(a.Run(ctx), a.Close())
}

// link is the line to control.
func (o *nodeFlags) link() (*plan.Client, error) {
	cfg := plan.ClientConfig{Control: o.control, Node: o.name}
	if o.remove { // control is not asked
		return plan.NewClient(cfg)
	}
	if o.tokenFile == "" {
		return nil, errors.New("--token-file is needed: control wrote the node's token into DATA/node-tokens")
	}
	token, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	cfg.Token = strings.TrimSpace(string(token))
	if o.ca != "" {
		if cfg.CA, err = os.ReadFile(o.ca); err != nil {
			return nil, fmt.Errorf("read authority: %w", err)
		}
	}
	return plan.NewClient(cfg)
}

// nouns are the commands of package cli, with the agent added to "node".
func nouns() []*cobra.Command {
	cs := cli.Commands()
	for _, c := range cs {
		if c.Name() == "node" {
			agentCommand(c)
		}
	}
	return cs
}
