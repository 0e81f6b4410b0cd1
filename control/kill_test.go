package control

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary play a control process that gets killed.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if dir := os.Getenv("CONTROL_TEST_DIR"); dir != "" {
		fmt.Fprintln(os.Stderr, controlProcess(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func controlProcess(dir string) error {
	c, err := New(Config{DataDir: dir, FabricFile: "testdata/fabric.yaml"})
	if err != nil {
		return err
	}
	go func() {
		<-c.Ready()
		fmt.Println(c.URL())
	}()
	return c.Run(context.Background())
}

// kill -9 of control with operations open: the next process ends them, and no socket or lock of the dead one is in its way.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CONTROL_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line := bufio.NewScanner(out)
	if !line.Scan() {
		t.Fatal("control did not get ready")
	}
	// The endpoint is where the tests' server looks; without nodes every order stays open.
	s := &server{Control: &Control{cfg: Config{DataDir: dir, PublicURL: line.Text()}}, t: t, http: trusting(t, dir)}
	token := s.customer()
	peering := provisioned(s, token)
	resp, body := s.call(token, "PUT", peering, privatePeering())
	if resp.StatusCode != 201 {
		t.Fatalf("put: %s %v", resp.Status, body)
	}
	poll := resp.Header.Get("Azure-AsyncOperation")
	if _, op := s.call(token, "GET", poll, nil); op["status"] != "InProgress" {
		t.Fatalf("without nodes the operation is %v", op)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()

	s = start(t, dir)
	token = s.customer()
	startNodes(t, dir, allNodes()...)
	_, path, _ := strings.Cut(strings.TrimPrefix(poll, "https://"), "/")
	for range 500 {
		if _, op := s.call(token, "GET", "/"+path, nil); op["status"] == "Succeeded" {
			if _, p := s.call(token, "GET", peering, nil); p["properties"].(obj)["provisioningState"] != "Succeeded" {
				t.Errorf("peering %v", p)
			}
			return
		} else if op["status"] != "InProgress" {
			t.Fatalf("operation %v", op)
		}
	}
	t.Error("the operation does not end")
}
