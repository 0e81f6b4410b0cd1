package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"onramp/resource"
)

// cluster is three etcd members, each a process of its own.
type cluster struct {
	t       *testing.T
	members []*member
}

type member struct {
	env    []string
	client string // URL
	cmd    *exec.Cmd
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t}
	var peers []string
	for i := range 3 {
		peers = append(peers, fmt.Sprintf("m%d=%s", i, freeURL(t)))
	}
	for i := range 3 {
		name, peer, _ := strings.Cut(peers[i], "=")
		m := &member{client: freeURL(t)}
		m.env = []string{"STORE_TEST_NAME=" + name, "STORE_TEST_DIR=" + filepath.Join(t.TempDir(), name), "STORE_TEST_PEER=" + peer,
			"STORE_TEST_CLIENT=" + m.client, "STORE_TEST_CLUSTER=" + strings.Join(peers, ",")}
		c.members = append(c.members, m)
	}
	ready := []func(){}
	for _, m := range c.members {
		ready = append(ready, c.start(m))
	}
	for _, wait := range ready {
		wait()
	}
	return c
}

// start starts a member; the function waits until it is ready.
func (c *cluster) start(m *member) (wait func()) {
	c.t.Helper()
	cmd, out := child(c.t, "member", m.env...)
	m.cmd = cmd
	return func() {
		if !out.Scan() {
			c.t.Fatal("a member did not get ready")
		}
	}
}

func (m *member) kill() {
	m.cmd.Process.Kill()
	m.cmd.Wait()
}

func (c *cluster) endpoints() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, m.client)
	}
	return all
}

func (c *cluster) open() Store {
	s := must[Store](c.t)(OpenCluster(ClusterConfig{Endpoints: c.endpoints()}, NewKeyring()))
	c.t.Cleanup(func() { s.Close() })
	return s
}

// leader finds the member that leads.
func (c *cluster) leader(s Store) *member {
	c.t.Helper()
	client := s.(*documents).kv.(*etcd).client
	for _, m := range c.members {
		ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
		st, err := client.Maintenance.(clientv3.Maintenance).Status(ctx, m.client)
		cancel()
		if err == nil && st.Leader == st.Header.MemberId {
			return m
		}
	}
	c.t.Fatal("no leader")
	return nil
}

// freeURL is a loopback address that nobody uses.
func freeURL(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three processes")
	}
	c := startCluster(t)
	s := c.open()
	t.Run("three members", func(t *testing.T) { conform(t, func(t *testing.T) Store { return wiped(t, s) }) })
	t.Run("the leader is killed under writers", func(t *testing.T) { killUnderWriters(t, c, s) })
	t.Run("two members", func(t *testing.T) { conform(t, func(t *testing.T) Store { return wiped(t, s) }) })
	t.Run("no quorum", func(t *testing.T) { noQuorum(t, c, s) })
}

// killUnderWriters: every acknowledged increment counts, and none counts twice.
func killUnderWriters(t *testing.T, c *cluster, s Store) {
	s = wiped(t, s)
	check(t, s.Create(t.Context(), circuit("counter")))
	changed := s.Changed(t.Context())
	const writers = 4
	var acked, unknown [writers]int
	var total atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := s.Update(context.Background(), circuitID("rg1", "counter"), func(o resource.Object) error {
					o.(*resource.Circuit).BandwidthMbps++
					return nil
				})
				switch {
				case err == nil:
					acked[w]++
					total.Add(1)
				case errors.Is(err, ErrUnavailable):
					unknown[w]++
				default:
					t.Errorf("update while a member dies: %v", err)
				}
			}
		})
	}
	more := func() { // writes go on, however slow the machine is
		for from, deadline := total.Load(), time.Now().Add(time.Minute); total.Load() < from+40; {
			if time.Now().After(deadline) {
				t.Errorf("%d writes acknowledged in a minute", total.Load()-from)
				return
			}
			<-time.After(10 * time.Millisecond)
		}
	}
	more()
	c.leader(s).kill()
	more()
	close(stop)
	wg.Wait()
	drain(changed)
	check(t, s.Create(t.Context(), circuit("after")))
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Error("the watch did not survive its member")
	}
	a, u := 0, 0
	for w := range writers {
		a, u = a+acked[w], u+unknown[w]
	}
	got := must[resource.Object](t)(s.Get(t.Context(), circuitID("rg1", "counter"))).(*resource.Circuit).BandwidthMbps - 200
	t.Logf("%d acknowledged, %d unknown, counted %d", a, u, got)
	if got < a || got > a+u {
		t.Errorf("counted %d, acknowledged %d, unknown %d", got, a, u)
	}
}

// noQuorum: calls say so, in time, and writes go on when the members are back.
func noQuorum(t *testing.T, c *cluster, s Store) {
	s = wiped(t, s)
	check(t, s.Create(t.Context(), circuit("before")))
	changed := s.Changed(t.Context())
	c.leader(s).kill()
	begun := time.Now()
	err := s.Create(t.Context(), circuit("lost"))
	wantErr(t, err, ErrUnavailable)
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %s to say %v", took, err)
	}
	t.Logf("without a quorum: %v", err)
	_, err = s.Get(t.Context(), circuitID("rg1", "before"))
	wantErr(t, err, ErrUnavailable)
	for _, m := range c.members {
		if m.cmd.ProcessState != nil {
			c.start(m)()
		}
	}
	for until := time.Now().Add(20 * time.Second); ; {
		err := s.Create(t.Context(), circuit("again"))
		if err == nil || errors.Is(err, ErrExists) {
			break
		}
		wantErr(t, err, ErrUnavailable)
		if time.Now().After(until) {
			t.Fatalf("the cluster does not come back: %v", err)
		}
	}
	must[resource.Object](t)(s.Get(t.Context(), circuitID("rg1", "before")))
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Error("the watch did not come back")
	}
}

// A cluster that is not there makes calls fail in time and in words.
func TestClusterAway(t *testing.T) {
	t.Parallel()
	s := must[Store](t)(OpenCluster(ClusterConfig{Endpoints: []string{freeURL(t)}}, NewKeyring()))
	defer s.Close()
	_, err := s.Get(t.Context(), circuitID("rg1", "c"))
	wantErr(t, err, ErrUnavailable)
	if !strings.Contains(err.Error(), "etcd") {
		t.Errorf("error says %v", err)
	}
	wantErr(t, s.PutOperation(t.Context(), &Operation{ID: "x"}), ErrUnavailable)
}

// TLS to a cluster: the right authority lets in, another one does not.
func TestClusterTLS(t *testing.T) {
	c := embed.NewConfig()
	c.Dir, c.LogLevel, c.ClientAutoTLS = t.TempDir(), "panic", true
	client, err := url.Parse(strings.Replace(freeURL(t), "http:", "https:", 1))
	check(t, err)
	c.ListenClientUrls, c.AdvertiseClientUrls, c.ListenPeerUrls = []url.URL{*client}, []url.URL{*client}, nil
	e, err := embed.StartEtcd(c)
	check(t, err)
	defer e.Close()
	<-e.Server.ReadyNotify()
	ca := filepath.Join(c.Dir, "fixtures", "client", "cert.pem")
	s := must[Store](t)(OpenCluster(ClusterConfig{Endpoints: []string{client.String()}, CAFile: ca, CertFile: ca,
		KeyFile: filepath.Join(c.Dir, "fixtures", "client", "key.pem")}, NewKeyring()))
	defer s.Close()
	check(t, s.Create(t.Context(), circuit("c1")))

	stranger := must[Store](t)(OpenCluster(ClusterConfig{Endpoints: []string{client.String()}, CertFile: ca,
		KeyFile: filepath.Join(c.Dir, "fixtures", "client", "key.pem")}, NewKeyring()))
	defer stranger.Close()
	_, err = stranger.Get(t.Context(), circuitID("rg1", "c1"))
	wantErr(t, err, ErrUnavailable)
	for _, bad := range []ClusterConfig{{CAFile: "none"}, {CAFile: filepath.Join(c.Dir, "fixtures", "client", "key.pem")}, {CertFile: ca, KeyFile: ca}} {
		bad.Endpoints = []string{client.String()}
		if s, err := OpenCluster(bad, NewKeyring()); err == nil {
			s.Close()
			t.Errorf("%+v was opened", bad)
		}
	}
}
