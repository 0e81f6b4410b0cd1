// Package arm is the HTTP front: one literal routes table, api-versions, the ARM envelope, errors, long-running operations, authentication
// and roles. In: HTTP requests of az, Terraform and the Azure SDKs. Out: orders to control/store, reads of Live.
//
// Wire structs are this package's own, one file per noun, and are converted to resource types once; none is ever stored. They replace
// armnetwork's models here because those match property names by exact case and report no path for a wrong type; the tests drive the
// front with armnetwork's clients, so that the two cannot drift apart.
//
// # Orders and operations
//
// An ordered write is one store transaction: it changes the documents, sets State (Updating or Deleting), puts the id of a fresh operation
// in Head.Operation of every document that the operation must wait for, and writes the operation with the revision of the write. While the
// id is there, a second write gets 409 AnotherOperationInProgress. Then the client is answered. Whoever watches the nodes calls Complete when
// they have applied the plans of Operation.Revision (or cannot): one more transaction settles every document that carries the id, removes
// what was Deleting and ends the operation, so that a poller that reads "Succeeded" finds the object in that state.
//
// A crash may fall between any two steps. Before the transaction: nothing happened, at most a number is claimed for an owner that does not
// exist; the same order gets it again. After it: the operation is open in the store, and any control process goes on with it; a client
// whose answer was lost reads the object or gets the 409, which names the operation. After Complete, before the freed numbers are released:
// they stay with their owner's name and are its own again when it is ordered again. Only a table query (verb "post") lives in the memory
// of its front; Recover fails those that were left behind. A template deployment is a document of its own that says how far each resource
// is; Resume goes on with those whose front died.
//
// Reads of several documents and the write that follows are serialised per subscription within one front. Across replicas the store's
// compare-and-swap and claims hold documents and numbers together; a reference to something deleted in the same instant is named by
// compile and carries no packets.
package arm

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"onramp/control/store"
)

// Config is what a Front needs. Store, Live and IssuerKeyPath are required.
type Config struct {
	Store  store.Store
	Live   Live
	Logger *slog.Logger // nil: slog.Default()
	// IssuerKeyPath is the file of the embedded issuer's signing key (PEM, 0600); generated when it does not exist.
	IssuerKeyPath string
	// PublicURL is the base of every absolute URL, "https://host:port"; "": https and the Host header of the request.
	PublicURL string
	// TenantID is the one tenant; "": DefaultTenant.
	TenantID string
	// OperationTimeout bounds a table query; 0: 30 s.
	OperationTimeout time.Duration
	// TokenLifetime of the embedded issuer; 0: one hour.
	TokenLifetime time.Duration
}

// DefaultTenant is the tenant of a front that was given none.
const DefaultTenant = "11111111-2222-4333-8444-555555555555"

// Limits and timeouts of the http.Server that serves a Front.
const (
	MaxBody           = 4 << 20
	MaxHeader         = 64 << 10
	ReadHeaderTimeout = 10 * time.Second
	ReadTimeout       = 30 * time.Second
	WriteTimeout      = 60 * time.Second
	IdleTimeout       = 120 * time.Second

	maxActions = 64 // table queries at once
	maxHashing = 4  // secrets checked at once
)

// Front serves the API. It is safe for concurrent use.
type Front struct {
	cfg    Config
	log    *slog.Logger
	router *router
	issuer *issuer

	actions chan struct{} // a slot per running table query
	hashing chan struct{} // a slot per secret being checked
	running sync.WaitGroup
	stop    context.CancelFunc
	life    context.Context

	orders [64]chan struct{} // locks that serialise check-then-write, by subscription
	roles  []role

	mu        sync.Mutex
	fabric    fabricCache
	deploying map[string]bool // deployments that this front runs, by key
}

// New makes a front; it reads or generates the issuer's key.
func New(cfg Config) (*Front, error) {
	if cfg.Store == nil || cfg.Live == nil || cfg.IssuerKeyPath == "" {
		return nil, errors.New("arm: config needs Store, Live and IssuerKeyPath")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.TenantID == "" {
		cfg.TenantID = DefaultTenant
	}
	if cfg.OperationTimeout == 0 {
		cfg.OperationTimeout = 30 * time.Second
	}
	if cfg.TokenLifetime == 0 {
		cfg.TokenLifetime = time.Hour
	}
	is, err := openIssuer(cfg)
	if err != nil {
		return nil, err
	}
	f := &Front{cfg: cfg, log: cfg.Logger, issuer: is, actions: make(chan struct{}, maxActions), hashing: make(chan struct{}, maxHashing), roles: roles()}
	for i := range f.orders {
		f.orders[i] = make(chan struct{}, 1)
	}
	f.deploying = map[string]bool{}
	f.life, f.stop = context.WithCancel(context.Background())
	f.router, err = newRouter(routes())
	return f, err
}

// Server is an http.Server with the front's limits; the caller sets Addr and TLSConfig.
func (f *Front) Server() *http.Server {
	return &http.Server{
		Handler:           f,
		ReadHeaderTimeout: ReadHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		WriteTimeout:      WriteTimeout,
		IdleTimeout:       IdleTimeout,
		MaxHeaderBytes:    MaxHeader,
		ErrorLog:          slog.NewLogLogger(f.log.Handler(), slog.LevelDebug),
	}
}

// Close stops running table queries and waits for them. Operations of writes stay open in the store: control finishes them.
func (f *Front) Close() {
	f.mu.Lock() // nobody is about to start something
	f.stop()
	f.mu.Unlock()
	f.running.Wait()
}
