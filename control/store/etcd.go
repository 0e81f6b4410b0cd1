package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	callTimeout  = 5 * time.Second
	watchRetry   = 500 * time.Millisecond
	dialTimeout  = 5 * time.Second
	keepAlive    = 5 * time.Second
	keepAliveTTL = 3 * time.Second
)

// ClusterConfig says how to reach an etcd cluster.
type ClusterConfig struct {
	Endpoints []string // https://host:2379
	// CAFile, CertFile and KeyFile are PEM; all empty: plain TCP, for loopback only.
	CAFile, CertFile, KeyFile string
	Log                       *slog.Logger // nil: slog.Default
}

// OpenCluster is the store on an existing etcd cluster. It does not wait for the cluster: calls answer ErrUnavailable until it is there.
func OpenCluster(c ClusterConfig, ring *Keyring) (Store, error) {
	tc, err := c.tls()
	if err != nil {
		return nil, fmt.Errorf("open etcd cluster: %w", err)
	}
	log := c.Log
	if log == nil {
		log = slog.Default()
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: c.Endpoints, TLS: tc, DialTimeout: dialTimeout,
		DialKeepAliveTime: keepAlive, DialKeepAliveTimeout: keepAliveTTL, PermitWithoutStream: true,
		Logger: zapLogger(log),
	})
	if err != nil {
		return nil, fmt.Errorf("open etcd cluster: %w", err)
	}
	return &documents{kv: &etcd{client: client}, ring: ring}, nil
}

func (c ClusterConfig) tls() (*tls.Config, error) {
	if c.CAFile == "" && c.CertFile == "" {
		return nil, nil
	}
	tc := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, err
		}
		tc.RootCAs = x509.NewCertPool()
		if !tc.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it", c.CAFile)
		}
	}
	if c.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, err
		}
		tc.Certificates = []tls.Certificate{cert}
	}
	return tc, nil
}

// etcd is the kv on a client, of a cluster or of the server in this process.
type etcd struct {
	client *clientv3.Client
	// writable, when not nil, says why no write may start now.
	writable func() error
	// full, when not nil, is told that the database reached its quota.
	full func()
	stop func() error // nil: only the client is ours
}

func (e *etcd) read(ctx context.Context, keys []string) ([]entry, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ops := make([]clientv3.Op, len(keys))
	for i, k := range keys {
		ops[i] = clientv3.OpGet(k)
	}
	r, err := e.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return nil, 0, e.wrap(ctx, "read", err)
	}
	out := make([]entry, len(keys))
	for i, k := range keys {
		out[i].key = k
		if kvs := r.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
			out[i] = entry{key: k, value: kvs[0].Value, rev: kvs[0].ModRevision}
		}
	}
	return out, r.Header.Revision, nil
}

func (e *etcd) list(ctx context.Context, prefix string) ([]entry, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	r, err := e.client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend))
	if err != nil {
		return nil, 0, e.wrap(ctx, "list", err)
	}
	out := make([]entry, len(r.Kvs))
	for i, kv := range r.Kvs {
		out[i] = entry{key: string(kv.Key), value: kv.Value, rev: kv.ModRevision}
	}
	return out, r.Header.Revision, nil
}

func (e *etcd) commit(ctx context.Context, conds []cond, writes []write) (int64, bool, error) {
	if e.writable != nil {
		if err := e.writable(); err != nil {
			return 0, false, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cmps := make([]clientv3.Cmp, len(conds))
	for i, c := range conds {
		cmps[i] = clientv3.Compare(clientv3.ModRevision(c.key), "=", c.rev)
	}
	var ops []clientv3.Op
	for _, w := range writes {
		op, err := e.op(ctx, w)
		if err != nil {
			return 0, false, e.wrap(ctx, "grant lease", err)
		}
		ops = append(ops, op)
	}
	r, err := e.client.Txn(ctx).If(cmps...).Then(ops...).Commit()
	if err != nil {
		return 0, false, e.wrap(ctx, "write", err)
	}
	return r.Header.Revision, r.Succeeded, nil
}

// op makes the etcd operation of a write. The lease of a transaction that loses its race just runs out.
func (e *etcd) op(ctx context.Context, w write) (clientv3.Op, error) {
	switch {
	case w.value == nil:
		return clientv3.OpDelete(w.key), nil
	case w.ttl == 0:
		return clientv3.OpPut(w.key, string(w.value)), nil
	}
	l, err := e.client.Grant(ctx, int64(w.ttl/time.Second))
	if err != nil {
		return clientv3.Op{}, err
	}
	return clientv3.OpPut(w.key, string(w.value), clientv3.WithLease(l.ID)), nil
}

// changed watches everything. A watch that ends (leader lost, compacted, reconnected elsewhere) is begun anew from now, with a signal:
// readers read everything, so no event has to be replayed.
func (e *etcd) changed(ctx context.Context) <-chan struct{} {
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			e.watch(ctx, out)
			signal(out)
			select {
			case <-time.After(watchRetry):
			case <-ctx.Done():
			case <-e.client.Ctx().Done():
				return
			}
		}
	}()
	return out
}

func (e *etcd) watch(ctx context.Context, out chan struct{}) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for r := range e.client.Watch(ctx, rootKey, clientv3.WithPrefix(), clientv3.WithCreatedNotify()) {
		if r.Err() != nil {
			return
		}
		signal(out)
	}
}

func (e *etcd) close() error {
	err := e.client.Close()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if e.stop != nil {
		err = errors.Join(err, e.stop())
	}
	return err
}

// wrap turns every error of etcd that says "not now" into ErrUnavailable, with the reason in words; what is left is a bug.
func (e *etcd) wrap(ctx context.Context, act string, err error) error {
	if errors.Is(err, rpctypes.ErrNoSpace) && e.full != nil {
		e.full()
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, act, ctx.Err())
	}
	if why := unavailable(err); why != "" {
		return fmt.Errorf("%w: %s: %s", ErrUnavailable, act, why)
	}
	return fmt.Errorf("%s in etcd: %w", act, err)
}

// unavailable says in words why etcd did not answer; "" when the error is of another kind.
func unavailable(err error) string {
	for _, w := range []struct {
		err error
		why string
	}{
		{rpctypes.ErrNoSpace, "the etcd database reached its quota (alarm NOSPACE): compact and defragment it, or raise the quota"},
		{rpctypes.ErrCorrupt, "etcd reports a corrupt member (alarm CORRUPT)"},
		{rpctypes.ErrNoLeader, "the etcd cluster has no leader (no quorum)"},
		{rpctypes.ErrLeaderChanged, "the leader of the etcd cluster changed"},
		{rpctypes.ErrNotLeader, "the etcd member is not the leader"},
		{rpctypes.ErrTimeoutDueToLeaderFail, "the leader of the etcd cluster failed"},
		{rpctypes.ErrTimeoutDueToConnectionLost, "the etcd member lost its connection to the others"},
		{rpctypes.ErrTimeout, "etcd did not commit in time (no quorum, or a slow disk)"},
		{rpctypes.ErrTimeoutWaitAppliedIndex, "etcd did not apply in time (slow disk)"},
		{rpctypes.ErrTooManyRequests, "etcd has too many requests waiting"},
		{rpctypes.ErrStopped, "the etcd server stops"},
		{rpctypes.ErrUnhealthy, "the etcd cluster is not healthy"},
		{clientv3.ErrNoAvailableEndpoints, "no etcd endpoint is available"},
		{context.DeadlineExceeded, "no answer from etcd in time (no quorum, or unreachable)"},
	} {
		if errors.Is(err, w.err) {
			return w.why
		}
	}
	switch code(err) {
	case codes.Unavailable:
		return "no etcd member answers: " + err.Error()
	case codes.DeadlineExceeded:
		return "no answer from etcd in time (no quorum, or unreachable)"
	case codes.ResourceExhausted:
		return "etcd is out of resources: " + err.Error()
	case codes.Unauthenticated, codes.PermissionDenied:
		return "etcd refuses this client: " + err.Error()
	case codes.Canceled:
		return "the connection to etcd is closed"
	}
	return ""
}

// code is the gRPC code of an error of the client, which has two forms of them.
func code(err error) codes.Code {
	var ee rpctypes.EtcdError
	if errors.As(err, &ee) {
		return ee.Code()
	}
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return codes.Unknown
}
