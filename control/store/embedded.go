package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"golang.org/x/sys/unix"
)

const (
	startTimeout    = 60 * time.Second
	quotaBytes      = 2 << 30
	maxRequestBytes = 8 << 20
	maxTxnOps       = 1024
)

// EmbeddedConfig is about the etcd server inside this process.
type EmbeddedConfig struct {
	Dir           string       // data directory, made when missing
	Log           *slog.Logger // nil: slog.Default
	QuotaBytes    int64        // of the database; 0: 2 GiB
	NoSync        bool         // only for tests that measure or throw the data away
	HeadroomBytes int64        // free disk space that writes leave; 0: 48 MiB
}

// OpenEmbedded starts an etcd server in this process on a data directory, and is the store on it. The server listens nowhere: only this
// process talks to it. What was acknowledged survives kill -9. A directory that another process uses, or that is damaged, is an error.
func OpenEmbedded(c EmbeddedConfig, ring *Keyring) (Store, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.QuotaBytes == 0 {
		c.QuotaBytes = quotaBytes
	}
	if c.HeadroomBytes == 0 {
		c.HeadroomBytes = headroomBytes
	}
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", c.Dir, err)
	}
	d := &disk{dir: c.Dir, database: filepath.Join(c.Dir, "etcd", "member", "snap", "db"), headroom: c.HeadroomBytes}
	if err := d.writable(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open store %s: %w", c.Dir, err)
	}
	s, err := startServer(c)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open store %s: %w", c.Dir, err)
	}
	client := v3client.New(s.Server)
	ctx, cancel := context.WithCancel(context.Background())
	m := &maintenance{client: client, defrag: s.Server.Backend().Defrag, log: c.Log, wake: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	wg.Go(func() { m.run(ctx) })
	kv := &etcd{client: client, writable: d.writable, full: func() { signal(m.wake) }, stop: func() error {
		cancel()
		wg.Wait()
		s.Close()
		return lock.Close()
	}}
	return &documents{kv: kv, ring: ring}, nil
}

func startServer(c EmbeddedConfig) (*embed.Etcd, error) {
	cfg := embed.NewConfig()
	cfg.Dir = filepath.Join(c.Dir, "etcd")
	cfg.Name = "onramp"
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ListenPeerUrls, cfg.ListenClientUrls = nil, nil
	cfg.AdvertiseClientUrls = nil
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapLogger(c.Log))
	cfg.QuotaBackendBytes = c.QuotaBytes
	cfg.MaxRequestBytes = maxRequestBytes
	cfg.MaxTxnOps = maxTxnOps
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = "10m"
	cfg.UnsafeNoFsync = c.NoSync
	// One member elects itself: no reason to wait a second for others.
	cfg.TickMs, cfg.ElectionMs = 10, 100
	if wal.SegmentSizeBytes != segmentBytes { // etcd has no other way to set it
		wal.SegmentSizeBytes = segmentBytes
	}
	s, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-s.Server.ReadyNotify():
		return s, nil
	case err := <-s.Err():
		s.Close()
		return nil, fmt.Errorf("start etcd: %w", err)
	case <-time.After(startTimeout):
		s.Close()
		return nil, fmt.Errorf("start etcd: not ready in %s", startTimeout)
	}
}

// lockDir makes the directory and keeps other processes out of it: etcd itself would wait for them in silence.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.New("another process has this data directory open")
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// maintenance brings a database that reached its quota back: compact, defragment, disarm the alarm.
type maintenance struct {
	client *clientv3.Client
	defrag func() error
	log    *slog.Logger
	wake   chan struct{}
}

func (m *maintenance) run(ctx context.Context) {
	m.shrink(ctx) // an alarm survives a restart
	for {
		select {
		case <-m.wake:
			m.shrink(ctx)
		case <-ctx.Done():
			return
		}
		select { // not more often than this, however many writers meet the alarm
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// shrink does nothing without an alarm.
func (m *maintenance) shrink(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	alarms, err := m.client.AlarmList(ctx)
	if err != nil || len(alarms.Alarms) == 0 {
		return
	}
	r, err := m.client.Get(ctx, rootKey)
	if err == nil {
		_, err = m.client.Compact(ctx, r.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err == nil {
		err = m.defrag()
	}
	if err == nil {
		_, err = m.client.AlarmDisarm(ctx, &clientv3.AlarmMember{})
	}
	if err != nil {
		m.log.Error("shrink store", "err", err)
		return
	}
	m.log.Warn("store reached its quota and was compacted")
}
