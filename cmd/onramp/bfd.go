package main

import (
	"errors"

	"github.com/spf13/cobra"

	"onramp/cli"
	"onramp/node/bfd"
)

// bfdCommand is the process that watches a node's paths. The agent starts it; it goes on while the agent is replaced.
func bfdCommand() *cobra.Command {
	var socket string
	var log logging
	c := &cobra.Command{
		Use: "bfd", Short: "Watch the paths of a node (its agent starts this)", Hidden: true, Args: cli.Arguments(0, 0),
		Example: "  onramp bfd --socket /var/lib/onramp-node/edge1/bfd.sock",
		RunE: func(c *cobra.Command, _ []string) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			if socket == "" {
				return errors.New("--socket is needed")
			}
			return (&bfd.Daemon{Log: logger}).Serve(c.Context(), socket)
		},
	}
	c.Flags().StringVar(&socket, "socket", "", "Unix socket at which the agent gives its orders")
	log.declare(c)
	return c
}
