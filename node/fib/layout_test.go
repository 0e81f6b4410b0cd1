package fib

import (
	"bytes"
	"os/exec"
	"reflect"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// TestLayout holds the Go structs to the compiled object's: sizes, and the place of each field.
func TestLayout(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(onrampObject))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		v    any
	}{
		{"settings", cSettings{}}, {"port", cPort{}}, {"attachment", cAttachment{}}, {"underlay", cUnderlay{}}, {"hop", cHop{}},
		{"group", cGroup{}}, {"adjacency", cAdjacency{}}, {"domain", cDomain{}}, {"word", cWord{}}, {"slot", cSlot{}},
		{"policer", cPolicer{}}, {"policed", cPoliced{}}, {"count", cCount{}}, {"class_key", cClassKey{}}, {"host_key", cHostKey{}},
		{"local6_key", cLocal6Key{}}, {"name", cName{}},
	} {
		var s *btf.Struct
		if err := spec.Types.TypeByName(c.name, &s); err != nil {
			t.Errorf("struct %s: %v", c.name, err)
			continue
		}
		compareLayout(t, s, reflect.TypeOf(c.v))
	}
	if unsafe.Sizeof(cMiss{}) != 8 {
		t.Error("struct miss is not 8 bytes")
	}
}

// compareLayout compares offsets in order; a Go field may cover several of C's.
func compareLayout(t *testing.T, s *btf.Struct, g reflect.Type) {
	if uintptr(s.Size) != g.Size() {
		t.Errorf("struct %s is %d bytes, %v is %d", s.Name, s.Size, g, g.Size())
	}
	at := map[uintptr]bool{}
	for _, m := range s.Members {
		at[uintptr(m.Offset.Bytes())] = true
	}
	for i := range g.NumField() {
		if f := g.Field(i); f.Type.Size() > 0 && !at[f.Offset] {
			t.Errorf("struct %s has nothing at %d, where %v has %s", s.Name, f.Offset, g, f.Name)
		}
	}
}

// TestGenerated compiles again and compares, where there is a compiler.
func TestGenerated(t *testing.T) {
	if _, err := exec.LookPath("clang-14"); err != nil {
		t.Skip("needs clang-14, which made what is committed")
	}
	if out, err := exec.Command("xdp/gen.sh", "--check").CombinedOutput(); err != nil {
		t.Errorf("run node/fib/xdp/gen.sh: %v\n%s", err, out)
	}
}
