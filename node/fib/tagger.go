package fib

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// AttachPass puts a program that passes everything on an interface, pinned in pinDir: a veth whose peer has no program loses what XDP
// redirects to it. It is for the other ends of veth pairs that face a node, in the namespace of the caller; doing it twice is well.
func AttachPass(ifindex int, pinDir string) (Mode, error) {
	objs, err := loadTagger(pinDir, nil)
	if err != nil {
		return "", err
	}
	defer objs.close()
	return attachNamed(objs.Pass, ifindex, pinDir, "pass")
}

// Tagger tags for a router that cannot: what its device sends leaves by Outer with the tags, and what comes in with them reaches it
// without. Inner is the peer of the router's veth device, Outer the end of the cable; both are in the namespace of the caller. The
// router's own device needs AttachPass, and MTU 8 below Outer's.
type Tagger struct {
	Inner, Outer   int    // ifindexes
	STag, CTag     uint16 // STag 0: one tag only
	OuterEtherType uint16 // of the S-tag; 0: 0x8100
}

type taggerObjects struct {
	Push *ebpf.Program `ebpf:"tagger_push"`
	Pop  *ebpf.Program `ebpf:"tagger_pop"`
	Pass *ebpf.Program `ebpf:"tagger_pass"`
}

func (o *taggerObjects) close() { o.Push.Close(); o.Pop.Close(); o.Pass.Close() }

// AttachTagger makes the pair of programs run, pinned in pinDir. They stay until RemovePinned(pinDir), or their interface goes.
func AttachTagger(t Tagger, pinDir string) error {
	if t.CTag < 1 || t.CTag > 4094 || t.STag > 4094 {
		return fmt.Errorf("attach tagger: tags %d, %d are not 1 to 4094", t.STag, t.CTag)
	}
	vars := map[string]any{"outer_tag": t.STag, "inner_tag": t.CTag}
	if t.OuterEtherType != 0 {
		vars["outer_type"] = t.OuterEtherType
	}
	for _, end := range []struct {
		name    string
		on, to  int
		program func(*taggerObjects) *ebpf.Program
	}{
		{"push", t.Inner, t.Outer, func(o *taggerObjects) *ebpf.Program { return o.Push }},
		{"pop", t.Outer, t.Inner, func(o *taggerObjects) *ebpf.Program { return o.Pop }},
	} {
		vars["target"] = uint32(end.to)
		objs, err := loadTagger(pinDir, vars)
		if err != nil {
			return err
		}
		_, err = attachNamed(end.program(objs), end.on, pinDir, end.name)
		objs.close()
		if err != nil {
			return fmt.Errorf("attach tagger: %w", err)
		}
	}
	return nil
}

func loadTagger(pinDir string, vars map[string]any) (*taggerObjects, error) {
	if err := ensureBPFFS(pinDir); err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(taggerObject))
	if err != nil {
		return nil, fmt.Errorf("read tagger: %w", err)
	}
	for name, v := range vars {
		if err := spec.Variables[name].Set(v); err != nil {
			return nil, fmt.Errorf("tagger: %s: %w", name, err)
		}
	}
	var objs taggerObjects
	if err := spec.LoadAndAssign(&objs, nil); err != nil {
		return nil, fmt.Errorf("load tagger: %w", err)
	}
	return &objs, nil
}

// attachNamed attaches and pins; a pin of a former attachment is replaced.
func attachNamed(p *ebpf.Program, ifindex int, pinDir, name string) (Mode, error) {
	path := func(m Mode) string { return filepath.Join(pinDir, fmt.Sprintf("%s-%d-%s", name, ifindex, m)) }
	for _, m := range []Mode{ModeNative, ModeGeneric} {
		if err := unpin(path(m)); err != nil {
			return "", err
		}
	}
	return attachPinned(p, ifindex, ModeAuto, path)
}
