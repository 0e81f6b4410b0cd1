package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/sys/unix"

	"onramp/resource"
)

// TestMain lets the test binary play the processes that get killed.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv("STORE_TEST_ROLE") {
	case "writer":
		err = writerProcess(os.Getenv("STORE_TEST_DIR"))
	case "member":
		err = memberProcess()
	default:
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// child starts the test binary in a role. It dies with the test.
func child(t *testing.T, role string, env ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), "STORE_TEST_ROLE="+role), env...)
	c.Stderr = os.Stderr
	c.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	out, err := c.StdoutPipe()
	check(t, err)
	check(t, c.Start())
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c, bufio.NewScanner(out)
}

// writerProcess writes for ever and says what was acknowledged: creates, updates of one counter, pairs of documents.
func writerProcess(dir string) error {
	s, err := OpenEmbedded(EmbeddedConfig{Dir: dir}, NewKeyring())
	if err != nil {
		return err
	}
	ctx := context.Background()
	run := fmt.Sprint(time.Now().UnixNano())
	for _, name := range []string{"counter", "a", "b"} {
		if err := s.Create(ctx, circuit(name)); err != nil && !errors.Is(err, ErrExists) {
			return err
		}
	}
	for i := 0; ; i++ {
		name := "c" + run + "-" + fmt.Sprint(i)
		if err := s.Create(ctx, circuit(name)); err != nil {
			return err
		}
		o, err := s.Update(ctx, circuitID("rg1", "counter"), func(o resource.Object) error { o.(*resource.Circuit).BandwidthMbps++; return nil })
		if err != nil {
			return err
		}
		_, err = s.UpdateMany(ctx, []resource.ID{circuitID("rg1", "a"), circuitID("rg1", "b")}, func(os []resource.Object) error {
			os[0].(*resource.Circuit).BandwidthMbps++
			os[1].(*resource.Circuit).BandwidthMbps++
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Println(name, o.(*resource.Circuit).BandwidthMbps)
	}
}

// kill -9 at any moment: everything acknowledged is there afterwards, and no transaction is there by half.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	counter := 0
	for round := range 4 {
		c, lines := child(t, "writer", "STORE_TEST_DIR="+dir)
		for n := 0; n < 20+13*round && lines.Scan(); n++ {
			var name string
			if _, err := fmt.Sscan(lines.Text(), &name, &counter); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			acked[name] = true
		}
		check(t, c.Process.Kill())
		for lines.Scan() { // what was said before the end counts
			var name string
			if _, err := fmt.Sscan(lines.Text(), &name, &counter); err == nil {
				acked[name] = true
			}
		}
		c.Wait()
	}
	s := openEmbedded(t, dir, NewKeyring())
	defer s.Close()
	snap := must[*Snapshot](t)(s.Snapshot(t.Context()))
	have := map[string]int{}
	for _, o := range snap.Objects[resource.KindCircuit] {
		have[o.Head().ID.Name()] = o.(*resource.Circuit).BandwidthMbps
	}
	for name := range acked {
		if have[name] == 0 {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	if have["counter"] < counter || have["a"] != have["b"] || len(acked) < 4*20 {
		t.Errorf("counter %d, acknowledged %d; a %d and b %d of one transaction; %d acknowledged", have["counter"], counter, have["a"], have["b"], len(acked))
	}
}

// A full disk: writes are refused with the reason, reads go on, and when there is space again, so do writes. Nothing acknowledged is lost,
// also when the disk fills up under running writers.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a tmpfs needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("onramp-test", dir, "tmpfs", 0, "size=200m"); err != nil {
		t.Skipf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s := openEmbedded(t, filepath.Join(dir, "data"), NewKeyring())
	var acked sync.Map
	stop := make(chan struct{})
	var refused, written [3]int
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				c := circuit(fmt.Sprintf("w%d-%d", w, i))
				c.Status.ProviderNotes = strings.Repeat("x", 2_000)
				switch err := s.Create(context.Background(), c); {
				case err == nil:
					acked.Store(c.Meta.ID.Name(), true)
					written[w]++
				case errors.Is(err, ErrUnavailable) && strings.Contains(err.Error(), "disk"):
					refused[w]++
					<-time.After(time.Millisecond)
				default:
					t.Errorf("write on a full disk: %v", err)
					return
				}
			}
		})
	}
	for range 4 {
		<-time.After(300 * time.Millisecond)
		fill(t, filepath.Join(dir, "filler"))
		<-time.After(300 * time.Millisecond)
		wantErr(t, s.Create(t.Context(), circuit("no")), ErrUnavailable)
		must[[]resource.Object](t)(s.List(t.Context(), resource.KindCircuit, resource.ID{}))
		check(t, os.Remove(filepath.Join(dir, "filler")))
	}
	close(stop)
	writers.Wait()
	check(t, s.Create(t.Context(), circuit("yes")))
	check(t, s.Close())
	s = openEmbedded(t, filepath.Join(dir, "data"), NewKeyring())
	defer s.Close()
	n := 0
	acked.Range(func(k, _ any) bool {
		n++
		if _, err := s.Get(t.Context(), circuitID("rg1", k.(string))); err != nil {
			t.Errorf("%s was acknowledged: %v", k, err)
		}
		return true
	})
	if n == 0 || refused[0] == 0 {
		t.Errorf("%d acknowledged (%v), refused %v: the test did not test", n, written, refused)
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	check(t, err)
	defer f.Close()
	for size := int64(64 << 20); size >= 4096; {
		st := must[os.FileInfo](t)(f.Stat())
		if err := unix.Fallocate(int(f.Fd()), 0, st.Size(), size); err != nil {
			size /= 2
		}
	}
}

// A database at its quota refuses writes with the reason, compacts itself, and goes on.
func TestQuota(t *testing.T) {
	s, err := OpenEmbedded(EmbeddedConfig{Dir: t.TempDir(), QuotaBytes: 8 << 20}, NewKeyring())
	check(t, err)
	defer s.Close()
	check(t, s.Create(t.Context(), circuit("c1")))
	big := strings.Repeat("x", 200_000)
	update := func() error {
		_, err := s.Update(t.Context(), circuitID("rg1", "c1"), func(o resource.Object) error {
			o.(*resource.Circuit).Status.ProviderNotes = big
			return nil
		})
		return err
	}
	for i := 0; err == nil; i++ {
		if err = update(); i > 200 {
			t.Fatal("no quota")
		}
	}
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "quota") {
		t.Fatalf("at the quota: %v", err)
	}
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); <-time.After(50 * time.Millisecond) {
		if err = update(); err == nil {
			return
		}
	}
	t.Errorf("the database did not come back: %v", err)
}

// memberProcess is one member of a cluster.
func memberProcess() error {
	env := func(k string) string { return os.Getenv("STORE_TEST_" + k) }
	u := func(s string) []url.URL { v, _ := url.Parse(s); return []url.URL{*v} }
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster = env("NAME"), env("DIR"), env("CLUSTER")
	c.ListenPeerUrls, c.AdvertisePeerUrls = u(env("PEER")), u(env("PEER"))
	c.ListenClientUrls, c.AdvertiseClientUrls = u(env("CLIENT")), u(env("CLIENT"))
	c.LogLevel = "panic"
	c.TickMs, c.ElectionMs = 50, 500
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	<-e.Server.ReadyNotify()
	fmt.Println("ready")
	return <-e.Err()
}
