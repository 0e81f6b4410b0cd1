package control

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serverLeaf makes or reuses the certificate and verifies it with the authority's file, as a client does.
func serverLeaf(t *testing.T, c Config, now time.Time, name string) *x509.Certificate {
	t.Helper()
	conf, err := serverTLS(c, now)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(c.DataDir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	leaf := conf.Certificates[0].Leaf
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now}); err != nil {
		t.Errorf("verify for %s at %s: %v", name, now, err)
	}
	return leaf
}

func TestServerCertificate(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	c := Config{DataDir: dir}
	first := serverLeaf(t, c, now, "localhost")
	for _, name := range []string{"127.0.0.1", "::1"} {
		serverLeaf(t, c, now, name)
	}
	if again := serverLeaf(t, c, now.Add(time.Hour), "localhost"); !again.Equal(first) {
		t.Error("a good certificate was replaced")
	}
	c.Names = []string{"onramp.example", "192.0.2.7"}
	named := serverLeaf(t, c, now, "onramp.example")
	serverLeaf(t, c, now, "192.0.2.7")
	if late := serverLeaf(t, c, named.NotAfter.Add(-24*time.Hour), "onramp.example"); late.Equal(named) {
		t.Error("a certificate that ends tomorrow was kept")
	}
	for _, name := range []string{"ca-key.pem", "server-key.pem"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
	own := Config{DataDir: t.TempDir(), CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server-key.pem")}
	if conf, err := serverTLS(own, now); err != nil || len(conf.Certificates) != 1 || conf.MinVersion < tls.VersionTLS12 {
		t.Errorf("the operator's certificate: %v", err)
	}
	if _, err := os.Stat(filepath.Join(own.DataDir, "ca.pem")); err == nil {
		t.Error("an authority was made beside the operator's certificate")
	}
}

func TestBadConfig(t *testing.T) {
	used := start(t, t.TempDir())
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no directory", Config{}, "DataDir"},
		{"directory in use", Config{DataDir: used.cfg.DataDir, NodeSocket: filepath.Join(t.TempDir(), "s")}, "another process"},
		{"address in use", Config{DataDir: t.TempDir(), Listen: strings.TrimPrefix(used.URL(), "https://")}, "in use"},
		{"no certificate", Config{DataDir: t.TempDir(), CertFile: bad, KeyFile: bad}, "certificate"},
		{"long socket path", Config{DataDir: t.TempDir(), NodeSocket: "/tmp/" + strings.Repeat("x", 120)}, "107"},
		{"open key file", Config{DataDir: t.TempDir(), SealKey: "testdata/fabric.yaml"}, "0600"},
	} {
		s, err := New(c.cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	s, err := New(Config{DataDir: t.TempDir(), FabricFile: bad})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("a bad fabric file: %v", err)
	}
}
