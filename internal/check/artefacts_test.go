package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"onramp/lab"
)

// TestGeneratedCurrent: the committed objects and the reasons are what gen.sh makes of the sources now. The compiler's version is part of
// the result, so that only the one of Debian 12 can tell.
func TestGeneratedCurrent(t *testing.T) {
	if _, err := exec.LookPath("clang-14"); err != nil {
		t.Skip("clang-14 is not installed: the committed XDP objects are used as they are")
	}
	for _, need := range []string{"llvm-strip-14", "gofmt"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("%s is not installed", need)
		}
	}
	if _, err := os.Stat("/usr/include/bpf/bpf_helpers.h"); err != nil {
		t.Skip("libbpf's headers (libbpf-dev) are not installed")
	}
	cmd := exec.Command("sh", "gen.sh", "--check")
	cmd.Dir = filepath.Join(root, "node/fib/xdp")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("generated files are not current: run make gen\n%s", out)
	}
}

// TestDropReasonsHavePacketTests: every reason of the data path's enum is provoked by a test of node/fib, by its Go name or its label.
func TestDropReasonsHavePacketTests(t *testing.T) {
	header, err := os.ReadFile(filepath.Join(root, "node/fib/xdp/drop.h"))
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	all, _ := sources(t)
	for _, s := range all {
		if s.test && s.dir == "node/fib" {
			tests.Write(s.text)
		}
	}
	reasons := regexp.MustCompile(`(?m)^\tDROP_([A-Z0-9_]+),`).FindAllStringSubmatch(string(header), -1)
	if len(reasons) < 10 {
		t.Fatalf("found %d reasons in drop.h", len(reasons))
	}
	for _, r := range reasons {
		if r[1] == "NONE" || r[1] == "REASONS" {
			continue
		}
		label, name := strings.ToLower(r[1]), "Reason"+camel(r[1])
		if !regexp.MustCompile(`\b` + name + `\b|"` + label + `"`).MatchString(tests.String()) {
			t.Errorf("drop reason %s has no packet test in node/fib (neither %s nor %q occurs in one)", label, name, label)
		}
	}
}

// camel turns STAG_UNKNOWN into StagUnknown.
func camel(s string) string {
	var b strings.Builder
	for w := range strings.SplitSeq(strings.ToLower(s), "_") {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

// TestLabFilesLoad: every lab that ships is valid.
func TestLabFilesLoad(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(root, "labs/*.yaml"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no lab files: %v", err)
	}
	for _, f := range found {
		w, err := lab.Load(f)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if want := strings.TrimSuffix(filepath.Base(f), ".yaml"); w.Name != want {
			t.Errorf("%s: the lab's name is %q, not the file's", f, w.Name)
		}
	}
}

// TestDocumentsLinkToFiles: every relative link of a document leads to something.
func TestDocumentsLinkToFiles(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, p := range files(t, ".md") {
		text, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s: link to %s leads nowhere", p, m[1])
			}
		}
	}
}
