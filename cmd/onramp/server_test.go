package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onramp/cli"
)

// await reads a file that is about to be written.
func await(t *testing.T, file string) string {
	t.Helper()
	for range 1000 {
		if b, err := os.ReadFile(file); err == nil && len(b) > 0 {
			return strings.TrimSpace(string(b))
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("%s is not there after 10 s", file)
	return ""
}

// TestServer starts control as a user does, trusts what "server ca" prints, applies another inventory, and ends it as a signal would.
func TestServer(t *testing.T) {
	data := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	var log bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, rootCommand(), []string{"server", "--data", data, "--listen", "127.0.0.1:0", "--node-listen", "127.0.0.1:0",
			"--fabric", "../../test/world/fabric.yaml", "--log-level", "error", "--log-format", "json"}, &log, &log)
	}()
	endpoint := await(t, filepath.Join(data, "endpoint"))

	var ca, errs bytes.Buffer
	if code := cli.Run(ctx, rootCommand(), []string{"server", "ca", "--data", data}, &ca, &errs); code != 0 {
		t.Fatalf("server ca: exit %d: %s", code, errs.String())
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.Bytes()) {
		t.Fatalf("server ca printed no certificate: %s", ca.String())
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 10 * time.Second}
	resp, err := client.Get(endpoint + "/metadata/endpoints?api-version=2022-09-01")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("metadata: %s", resp.Status)
	}
	client.CloseIdleConnections()

	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("the server ends with exit %d: %s", code, log.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not end")
	}
}

// TestServerRefusesBadFlags: a half-given certificate, a log level that is none, an inventory with errors.
func TestServerRefusesBadFlags(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "fabric.yaml")
	if err := os.WriteFile(bad, []byte("regions:\n  - {name: West US}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"--tls-cert x.pem", "go together"},
		{"--log-level loud", "--log-level"},
		{"--log-format xml", "--log-format"},
		{"--fabric " + bad, "regions[0]"},
		{"--listen nowhere.invalid:x", "listen"},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"server", "--data", t.TempDir(), "--listen", "127.0.0.1:0"}, strings.Fields(tt.args)...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		code := cli.Run(ctx, rootCommand(), args, &out, &errs)
		cancel()
		if code == 0 || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("server %s: exit %d, %q; want %q in it", tt.args, code, errs.String(), tt.want)
		}
	}
}

// TestNodeRefusesBadFlags: an agent says what it lacks before it touches the machine.
func TestNodeRefusesBadFlags(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"--name n1", "--token-file is needed"},
		{"--name n1 --token-file /nonexistent", "read token"},
		{"--name n1 --token-file " + token + " --xdp fast", "--xdp"},
		{"--name n1 --token-file " + token + " --control http://x", "want unix:PATH or https"},
		{"--name n1 --token-file " + token + " --control https://x --ca /nonexistent", "read authority"},
	} {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), rootCommand(), append([]string{"node", "--state", t.TempDir()}, strings.Fields(tt.args)...), &out, &errs)
		if code == 0 || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("node %s: exit %d, %q; want %q in it", tt.args, code, errs.String(), tt.want)
		}
	}
}
