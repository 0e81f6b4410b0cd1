package check

import (
	"strconv"
	"strings"
	"testing"
)

// rule is one row of the import table: which of our packages a directory may import. "x/..." covers x and all below it.
type rule struct {
	dir     string
	imports []string
	reason  string
}

// importTable is the table of ARCHITECTURE.md, literally. The first row that matches a directory holds; a directory without a row fails.
func importTable() []rule {
	return []rule{
		{"resource", nil, "the domain knows no I/O and nothing of ours"},
		{"plan", nil, "the contract between the halves belongs to neither"},
		{"node/bgp", nil, "a session core needs bytes and time only"},
		{"node/bfd", nil, "a state machine needs packets and time only"},
		{"node/fib", nil, "forwarding state is told, it does not ask"},
		{"node/rib", []string{"node/bgp"}, "attribute types only"},
		{"node/...", []string{"plan", "node/..."}, "the node half never sees control or resources"},
		{"control/store", []string{"resource"}, "the store speaks resources"},
		{"control/loa", nil, "a letter is words on paper"},
		{"control/arm", []string{"resource", "control/store", "control/loa"}, "the front orders and reads; it never talks to nodes"},
		{"control/compile", []string{"resource", "plan"}, "pure: resources to plans, reports to status"},
		{"control/portal", nil, "static files that use the public API"},
		{"control", []string{"plan", "resource", "control/..."}, "the control half assembled; it never imports the node half"},
		{"sim", []string{"resource", "plan", "control/compile", "node/bgp", "node/bfd", "node/rib", "node/fib"}, "the same cores on virtual time"},
		{"lab", []string{"resource", "control", "node", "sim"}, "a world drives processes and the public API"},
		{"cli", []string{"resource"}, "the command line proves the public API by having nothing else"},
		{"cmd/...", []string{"..."}, "the binary wires everything"},
		{"internal/check", []string{"..."}, "tests about the repository see all of it"},
		{"test/...", []string{"..."}, "stories assemble what they tell about"},
	}
}

// fence keeps a library in the directories that may use it.
type fence struct {
	library string
	dirs    []string
	reason  string
}

// fences are the libraries that must not spread.
func fences() []fence {
	return []fence{
		{"go.etcd.io/", []string{"control/store"}, "another store must stay possible"},
		{"github.com/cilium/ebpf", []string{"node/fib"}, "the kernel's maps have one owner"},
		{"github.com/vishvananda/net", []string{"node/...", "lab"}, "the kernel's interfaces are the node's and the lab's business"},
		{"github.com/osrg/gobgp", []string{"node/bgp"}, "its codec is a dependency of one package, its daemon of none"},
		{"github.com/Azure/azure-sdk-for-go", []string{"cli", "control/arm", "control", "lab", "test/..."}, "wire types stay at the boundary"},
		{"github.com/spf13/", []string{"cli", "cmd/..."}, "flags are parsed in one place"},
	}
}

// covers reports whether pattern ("a", "a/...", "...") covers dir.
func covers(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == base || strings.HasPrefix(dir, base+"/")
	}
	return dir == pattern
}

// covered reports whether any pattern covers dir.
func covered(patterns []string, dir string) bool {
	for _, p := range patterns {
		if covers(p, dir) {
			return true
		}
	}
	return false
}

// ruleOf finds the row of a directory.
func ruleOf(dir string) (rule, bool) {
	for _, r := range importTable() {
		if covers(r.dir, dir) {
			return r, true
		}
	}
	return rule{}, false
}

// imports lists what a file imports.
func (s source) imports(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, i := range s.file.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// TestImportTable: no package imports one of ours that its row does not list.
func TestImportTable(t *testing.T) {
	all, _ := sources(t)
	for _, s := range all {
		r, ok := ruleOf(s.dir)
		if !ok {
			t.Errorf("%s: directory %s has no row in the import table", s.path, s.dir)
			continue
		}
		for _, p := range s.imports(t) {
			dir, ours := strings.CutPrefix(p, "onramp/")
			if !ours || dir == s.dir {
				continue
			}
			if !covered(r.imports, dir) {
				t.Errorf("%s imports %s: %s may import only %v (%s)", s.path, p, r.dir, r.imports, r.reason)
			}
		}
	}
}

// TestHalvesApart: control and node never import each other, whatever the table says.
func TestHalvesApart(t *testing.T) {
	for _, r := range importTable() {
		for _, pair := range [][2]string{{"control", "node"}, {"node", "control"}} {
			if r.dir != pair[0] && !strings.HasPrefix(r.dir, pair[0]+"/") {
				continue
			}
			for _, i := range r.imports {
				if covers(i, pair[1]) || strings.HasPrefix(i, pair[1]+"/") {
					t.Errorf("the table lets %s import %s", r.dir, i)
				}
			}
		}
	}
}

// TestFences: libraries stay where they belong. Tests may use them as oracles where their package does not.
func TestFences(t *testing.T) {
	all, _ := sources(t)
	for _, s := range all {
		if s.test {
			continue
		}
		for _, p := range s.imports(t) {
			for _, f := range fences() {
				if strings.HasPrefix(p, f.library) && !covered(f.dirs, s.dir) {
					t.Errorf("%s imports %s: only %v may (%s)", s.path, p, f.dirs, f.reason)
				}
			}
		}
	}
}
