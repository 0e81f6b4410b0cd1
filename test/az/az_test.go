// Package az tells the story of the first circuit with Azure's own command line, az, in a world without packets.
package az

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"testing"
	"time"

	"onramp/test/world"
)

var update = flag.Bool("update", false, "rewrite the golden file")

const golden = "testdata/story.txt"

// TestStory runs story.sh and compares what it prints with the golden file. It takes minutes, because every az command takes seconds to
// start: make az runs it.
func TestStory(t *testing.T) {
	if os.Getenv("ONRAMP_AZ") == "" {
		t.Skip("takes minutes: make az runs it")
	}
	if _, err := exec.LookPath("az"); err != nil {
		t.Skip("azure-cli is not installed: make az installs it (more than a gigabyte)")
	}
	w := world.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	story := exec.CommandContext(ctx, "./story.sh", w.Profiles)
	story.Stderr = os.Stderr
	out, err := story.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("the story was told to its end, and there is nothing to compare it with (-update records it): %v", err)
	}
	if string(out) == string(want) {
		return
	}
	got := t.TempDir() + "/story.txt"
	if err := os.WriteFile(got, out, 0o644); err != nil {
		t.Fatal(err)
	}
	diff, _ := exec.Command("diff", "-u", golden, got).CombinedOutput() // its exit code says that they differ
	t.Errorf("az prints something else:\n%s", diff)
}
