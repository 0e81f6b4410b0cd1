// Package control is the half that takes orders: the HTTP front, the store, the compiler of plans and the lines to the nodes, assembled.
//
// In:  orders of customers, providers and operators over HTTPS; reports of nodes. Out: plans to nodes; status to the store.
//
// A process may be killed at any moment: operations are in the store, and whoever runs next finishes them. Several may run on one etcd
// cluster; the nodes must all report to the same one of them (a shared address), because what nodes report is kept in memory only.
//
// Not here: HTTP (arm), keys and transactions (store), what a plan says (compile), the wire between the halves (plan).
package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"onramp/control/arm"
	"onramp/control/store"
	"onramp/plan"
)

// Config is about one process of the control half. Only DataDir is required.
type Config struct {
	DataDir string   // keys, certificates, node tokens, embedded etcd; made when missing
	Listen  string   // host:port of the API; "": 127.0.0.1:0
	Names   []string // more names and addresses for the generated certificate
	// CertFile and KeyFile are the operator's own certificate (PEM); "": one of a generated authority, DataDir/ca.pem.
	CertFile, KeyFile string
	PublicURL         string // base of absolute URLs; "": what clients call

	NodeSocket string // Unix socket for nodes on this machine; "": DataDir/node.sock
	NodeListen string // host:port for nodes over TLS, with the same certificate; "": none

	Etcd    store.ClusterConfig // no endpoints: etcd runs in this process, below DataDir
	SealKey string              // file with the keys that seal secrets; "": DataDir/seal.key. Replicas share it
	// FabricFile is applied when the store has no fabric yet; "": none. It may be a lab file, whose fabric section is taken.
	FabricFile string
	// OperationTimeout ends an operation whose nodes do not apply it; 0: two minutes.
	OperationTimeout time.Duration
	Log              *slog.Logger // nil: slog.Default
}

func (c *Config) fill() error {
	if c.DataDir == "" {
		return errors.New("control: config needs DataDir")
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	c.DataDir = dir
	for _, f := range []struct {
		field *string
		value string
	}{
		{&c.Listen, "127.0.0.1:0"}, {&c.NodeSocket, filepath.Join(dir, "node.sock")}, {&c.SealKey, filepath.Join(dir, "seal.key")},
	} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	if c.OperationTimeout == 0 {
		c.OperationTimeout = 2 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return os.MkdirAll(dir, 0o700)
}

// Control is the control half in one process.
type Control struct {
	cfg   Config
	store store.Store
	hub   *plan.Hub
	front *arm.Front
	rec   *reconciler

	listeners []net.Listener // API, node socket, and nodes over TLS where there is one
	servers   []*http.Server // in the same order
	ready     chan struct{}
	closing   sync.Once
}

// New makes the parts in the order of flow. Nothing runs before Run; Close also without Run.
//
//	az · Terraform · SDKs · CLI
//	        │ HTTPS
//	      front (arm) ──► store ──► reconciler (compile) ──► hub ──► nodes, over a Unix socket or TLS
//	        ▲               ▲            │  ▲                 │
//	        │               └── status ──┘  └──── reports ────┤
//	        └────────────────── live ◄────── tables ──────────┘
func New(cfg Config) (_ *Control, err error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	c := &Control{cfg: cfg, ready: make(chan struct{})}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	cert, err := serverTLS(cfg, time.Now())
	if err != nil {
		return nil, err
	}
	ring, err := store.OpenKeyring(cfg.SealKey)
	if err != nil {
		return nil, err
	}
	if c.store, err = openStore(cfg, ring); err != nil {
		return nil, err
	}
	c.hub = plan.NewHub()
	tokens := newTokens(filepath.Join(cfg.DataDir, "node-tokens"), ring.Derive("node tokens"))
	live := newLive(c.hub)
	c.rec = &reconciler{store: c.store, hub: c.hub, tokens: tokens, log: cfg.Log, timeout: cfg.OperationTimeout, publish: live.show, counted: live.count,
		shared: len(cfg.Etcd.Endpoints) > 0}
	c.front, err = arm.New(arm.Config{Store: c.store, Live: live, Logger: cfg.Log, PublicURL: cfg.PublicURL,
		IssuerKeyPath: filepath.Join(cfg.DataDir, "issuer.key")})
	if err != nil {
		return nil, err
	}
	return c, c.listen(cert, c.hub.Handler(tokens.allow))
}

func openStore(cfg Config, ring *store.Keyring) (store.Store, error) {
	if len(cfg.Etcd.Endpoints) > 0 {
		cfg.Etcd.Log = cfg.Log
		return store.OpenCluster(cfg.Etcd, ring)
	}
	return store.OpenEmbedded(store.EmbeddedConfig{Dir: filepath.Join(cfg.DataDir, "store"), Log: cfg.Log}, ring)
}

// listen opens the sockets, so that an address in use is an error of New and a client may connect before Run.
func (c *Control) listen(cert *tls.Config, nodes http.Handler) error {
	api, err := net.Listen("tcp", c.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	server := c.front.Server()
	cert.NextProtos = []string{"h2", "http/1.1"}
	server.TLSConfig = cert
	c.add(tls.NewListener(api, cert), server)

	socket, err := listenUnix(c.cfg.NodeSocket)
	if err != nil {
		return fmt.Errorf("listen for nodes: %w", err)
	}
	c.add(socket, c.nodeServer(nodes, nil))
	if c.cfg.NodeListen == "" {
		return nil
	}
	over, err := net.Listen("tcp", c.cfg.NodeListen)
	if err != nil {
		return fmt.Errorf("listen for nodes: %w", err)
	}
	c.add(tls.NewListener(over, cert), c.nodeServer(nodes, cert.Clone())) // http.Server writes into its own
	return nil
}

func (c *Control) add(l net.Listener, s *http.Server) {
	c.listeners, c.servers = append(c.listeners, l), append(c.servers, s)
}

// nodeServer has no write timeout: nodes wait for work.
func (c *Control) nodeServer(h http.Handler, t *tls.Config) *http.Server {
	return &http.Server{Handler: h, TLSConfig: t, ReadHeaderTimeout: arm.ReadHeaderTimeout, IdleTimeout: arm.IdleTimeout,
		ErrorLog: slog.NewLogLogger(c.cfg.Log.Handler(), slog.LevelDebug)}
}

const maxSocketPath = 107 // sockaddr_un

// listenUnix takes over a socket that a killed process left; New has locked the data directory by then. Its path works from every network
// namespace, and its mode lets nobody else in.
func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the socket %s is longer than the %d bytes that the kernel takes", path, maxSocketPath)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}

// URL is the base of the API.
func (c *Control) URL() string {
	if c.cfg.PublicURL != "" {
		return c.cfg.PublicURL
	}
	host, port, err := net.SplitHostPort(c.listeners[0].Addr().String())
	if ip := net.ParseIP(host); err != nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, port)
}

// Ready is closed when the API answers. DataDir/endpoint then holds its URL.
func (c *Control) Ready() <-chan struct{} { return c.ready }

// Run serves until ctx ends, or a part fails.
func (c *Control) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	for i, s := range c.servers {
		s.BaseContext = func(net.Listener) context.Context { return ctx } // a node that waits for work lets go
		parts.Go(func() {
			if err := s.Serve(c.listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("serve %s: %w", c.listeners[i].Addr(), err))
			}
		})
	}
	if err := c.begin(ctx); err != nil {
		stop(err)
	} else {
		parts.Go(func() { c.rec.run(ctx) })
		parts.Go(func() { c.resume(ctx) })
		c.cfg.Log.Info("ready", "url", c.URL())
		close(c.ready)
	}
	<-ctx.Done()
	c.shutdown()
	parts.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// resumeEvery is how often deployments that nobody runs are looked for: those of a replica that died.
const resumeEvery = 30 * time.Second

// resume goes on with deployments that were left behind.
func (c *Control) resume(ctx context.Context) {
	for {
		if err := c.front.Resume(ctx); err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("resume deployments", "err", err)
		}
		select {
		case <-time.After(resumeEvery):
		case <-ctx.Done():
			return
		}
	}
}

// begin does what must be done once before the API is announced. It waits for a cluster that is not there yet.
func (c *Control) begin(ctx context.Context) error {
	err := c.seedFabric(ctx)
	for ; errors.Is(err, store.ErrUnavailable); err = c.seedFabric(ctx) {
		c.cfg.Log.Warn("wait for the store", "err", err)
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(c.cfg.DataDir, "endpoint"), []byte(c.URL()+"\n"), 0o644); err != nil {
		return fmt.Errorf("write endpoint: %w", err)
	}
	return nil
}

// shutdown gives running requests a moment.
func (c *Control) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for _, s := range c.servers {
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
	}
}

// Close releases everything, after Run has returned or when it never ran. The store is closed last.
func (c *Control) Close() error {
	var err error
	c.closing.Do(func() {
		for _, l := range c.listeners {
			l.Close() // closed already when Run has ended
		}
		if c.front != nil {
			c.front.Close()
		}
		if c.store != nil {
			err = c.store.Close()
		}
	})
	return err
}
