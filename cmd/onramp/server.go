package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"onramp/cli"
	"onramp/control"
)

// serverCommand runs the control half.
func serverCommand() *cobra.Command {
	var cfg control.Config
	var etcd, names []string
	var log logging
	c := &cobra.Command{
		Use: "server", Short: "Run control: the API, the store, the compiler of plans", GroupID: "run", Args: cli.Arguments(0, 0),
		Example: "  onramp server --data /var/lib/onramp --listen 127.0.0.1:8443 --fabric fabric.yaml\n" +
			"  onramp server --data /var/lib/onramp --listen :8443 --node-listen :8444 --etcd https://etcd1:2379,https://etcd2:2379",
		RunE: func(c *cobra.Command, _ []string) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			cfg.Etcd.Endpoints, cfg.Names, cfg.Log = etcd, names, logger
			return runServer(c.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.DataDir, "data", "/var/lib/onramp", "directory of keys, certificates, node tokens and the embedded etcd")
	f.StringVar(&cfg.Listen, "listen", "127.0.0.1:8443", "address of the API (HTTPS); port 0: one that is free, see DATA/endpoint")
	f.StringVar(&cfg.PublicURL, "public-url", "", "base of the URLs that clients are told (default what they call)")
	f.StringSliceVar(&names, "name", nil, "another name or address for the generated certificate")
	f.StringVar(&cfg.CertFile, "tls-cert", "", "certificate of the API, PEM (default one of a generated authority, DATA/ca.pem)")
	f.StringVar(&cfg.KeyFile, "tls-key", "", "its key, PEM")
	f.StringVar(&cfg.NodeSocket, "node-socket", "", "Unix socket for nodes of this machine (default DATA/node.sock)")
	f.StringVar(&cfg.NodeListen, "node-listen", "", "address for nodes of other machines, over TLS")
	f.StringSliceVar(&etcd, "etcd", nil, "endpoints of an etcd cluster (default one in this process)")
	f.StringVar(&cfg.Etcd.CAFile, "etcd-ca", "", "authority of the cluster's certificates, PEM")
	f.StringVar(&cfg.Etcd.CertFile, "etcd-cert", "", "certificate towards the cluster, PEM")
	f.StringVar(&cfg.Etcd.KeyFile, "etcd-key", "", "its key, PEM")
	f.StringVar(&cfg.SealKey, "seal-key", "", "file with the keys that seal secrets; replicas share it (default DATA/seal.key)")
	f.StringVar(&cfg.FabricFile, "fabric", "", "inventory to apply when the store has none yet; a lab file serves too")
	f.DurationVar(&cfg.OperationTimeout, "operation-timeout", 0, "end of an operation whose nodes do not apply it (default 2m0s)")
	log.declare(c)
	c.AddCommand(serverCA())
	return c
}

// runServer runs control until a signal.
func runServer(ctx context.Context, cfg control.Config) error {
	if (cfg.CertFile == "") != (cfg.KeyFile == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	s, err := control.New(cfg)
	if err != nil {
		return err
	}
	return errors.Join(s.Run(ctx), s.Close())
}

// serverCA prints the authority that clients have to trust.
func serverCA() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use: "ca", Short: "Print the certificate of the generated authority, for clients to trust", Args: cli.Arguments(0, 0),
		Example: "  onramp server ca --data /var/lib/onramp > ca.pem",
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := os.ReadFile(filepath.Join(data, "ca.pem"))
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(append([]byte(strings.TrimSpace(string(b))), '\n'))
			return err
		},
	}
	c.Flags().StringVar(&data, "data", "/var/lib/onramp", "the server's directory")
	return c
}
