package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestShippedLabs loads every lab file that ships.
func TestShippedLabs(t *testing.T) {
	files, err := filepath.Glob("../labs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no lab files: %v", err)
	}
	for _, f := range files {
		w, err := Load(f)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if want := strings.TrimSuffix(filepath.Base(f), ".yaml"); w.Name != want {
			t.Errorf("%s: name is %q, want the file's %q", f, w.Name, want)
		}
		if w.Title == "" || len(w.Story) == 0 {
			t.Errorf("%s: a lab that ships has a title and a story", f)
		}
	}
}

// TestStrict changes the first lab's file a little and wants the line and the rule.
func TestStrict(t *testing.T) {
	b, err := os.ReadFile("../labs/first-circuit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown field", "title: a", "titel: a", `unknown field "titel"`},
		{"wrong type", "asn: 65001", "asn: many", "cannot unmarshal"},
		{"bad name", "name: first-circuit", "name: First Circuit", "want 1 to 32 lower-case"},
		{"duplicate device", "name: ce2\n    kind", "name: ce1\n    kind", `"ce1" is a router already`},
		{"reserved name", "- name: host\n    lan", "- name: wires\n    lan", "taken by the lab itself"},
		{"cable to nowhere", "b: xchg1/e1}", "b: xchg1/e9}", `no node or router has a port "xchg1/e9"`},
		{"port cabled twice", "b: xchg1/e2}", "b: xchg1/e1}", `port "xchg1/e1" is cabled already`},
		{"peer off the link", "peer: 192.168.100.130, key", "peer: 192.168.100.140, key", "must be another address of 192.168.100.129/30"},
		{"long key", "peer: 192.168.100.130, key: seattleMd5Key", "peer: 192.168.100.130, key: seattleMd5Key01234567890123456789", "at most 25 letters"},
		{"short hold time", "seattleMd5Key, holdTime: 9s", "seattleMd5Key, holdTime: 2s", "want at least 3s"},
		{"gateway off the LAN", "[10.1.0.2, 10.1.0.3]", "[10.1.0.2, 10.9.0.3]", "10.9.0.3 is not on 10.1.0.0/24"},
		{"two actions", "drill: primary-link\n", "drill: primary-link\n    cut: edge1/pe0\n", "exactly one action; this one has 2"},
		{"no such drill", "drill: primary-link\n", "drill: tertiary\n", `no drill is named "tertiary"`},
		{"no such principal", "- name: contoso makes a resource group\n    as: contoso", "- name: x\n    as: fabrikam", `"fabrikam"`},
		{"no such place", "ping: {from: host, to: vm1, count: 10}", "ping: {from: hots, to: vm1, count: 10}", `named "hots"`},
		{"machine on no port", "port: host1/vm1}", "port: host1/vm9}", `no node has a port "host1/vm9"`},
		{"fabric rule", "primary: edge1/pe0", "primary: edge2/pe0", "edge"},
		{"not YAML", "cables:\n", "cables: [\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(string(b), tc.old) {
				t.Fatalf("the file has no %q", tc.old)
			}
			_, err := Parse("x.yaml", []byte(strings.Replace(string(b), tc.old, tc.new, 1)))
			if err == nil {
				t.Fatal("accepted")
			}
			first, _, _ := strings.Cut(err.Error(), "\n")
			line := strings.Split(first, ":")
			if line[0] != "x.yaml" || line[1] == "" || line[1] == "0" {
				t.Errorf("no file and line in %q", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q does not name the rule %q", err, tc.want)
			}
		})
	}
}

// TestStrictWires changes a lab whose uplinks share a wire.
func TestStrictWires(t *testing.T) {
	b, err := os.ReadFile("../labs/point-to-point.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, old, new, want string }{
		{"same tags", "outer: 102", "outer: 101", "with the same tags"},
		{"no tag", "outer: 102, tag: 100", "outer: 102", "needs a tag"},
		{"outer too high", "outer: 102", "outer: 4095", "want 1 to 4094"},
		{"wire without a cable", "vc2, wire: up0", "vc2, wire: up1", "port ce1/up1 has no cable"},
		{"wire not named", "port: vc2, wire: up0", "port: up0", "without a wire's name"},
		{"port twice", "port: vc2", "port: vc1", `"ce1/vc1" is there twice`},
	} {
		if !strings.Contains(string(b), tc.old) {
			t.Fatalf("the file has no %q", tc.old)
		}
		if _, err := Parse("x.yaml", []byte(strings.Replace(string(b), tc.old, tc.new, 1))); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v does not name the rule %q", tc.name, err, tc.want)
		}
	}
}

// TestErrorLine wants the exact line.
func TestErrorLine(t *testing.T) {
	_, err := Parse("x.yaml", []byte("name: x\nrouters:\n  - name: r\n    kind: quagga\n    asn: 1\n    routerId: 1.1.1.1\n    lan: l\n    address: 10.0.0.1/24\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "x.yaml:4: routers[0].kind: ") {
		t.Fatalf("got %v", err)
	}
}

// TestDrawing compares the drawing of the first lab with the one people see.
func TestDrawing(t *testing.T) {
	w, err := Load("../labs/first-circuit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := Draw(w)
	golden := filepath.Join("testdata", "first-circuit.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("drawing changed (UPDATE=1 accepts it):\n%s", got)
	}
}
