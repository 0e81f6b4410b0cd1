package fib

import (
	"bytes"
	"fmt"
	"maps"
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

// Tagger tags for a router that cannot: what a way's device sends leaves by Outer with the way's tags, and what comes in with them reaches
// it without. Outer is the end of the cable, in the namespace of the caller; all ways share it.
type Tagger struct {
	Outer          int    // ifindex
	OuterEtherType uint16 // of the S-tags; 0: 0x8100
	Ways           []TaggerWay
}

// TaggerWay is one device of a router with its tags. Inner is the peer of the router's own veth device, which needs AttachPass, and MTU 8
// below Outer's.
type TaggerWay struct {
	Inner      int    // ifindex
	STag, CTag uint16 // STag 0: one tag only
}

// maxWays is WAYS of tagger.bpf.c.
const maxWays = 8

// popWay is struct way of tagger.bpf.c.
type popWay struct {
	Target       uint32
	Outer, Inner uint16
}

type taggerObjects struct {
	Push *ebpf.Program `ebpf:"tagger_push"`
	Pop  *ebpf.Program `ebpf:"tagger_pop"`
	Pass *ebpf.Program `ebpf:"tagger_pass"`
}

func (o *taggerObjects) close() { o.Push.Close(); o.Pop.Close(); o.Pass.Close() }

// AttachTagger makes the programs run, pinned in pinDir. They stay until RemovePinned(pinDir), or their interface goes.
func AttachTagger(t Tagger, pinDir string) error {
	ways, err := t.pop()
	if err != nil {
		return fmt.Errorf("attach tagger: %w", err)
	}
	common := map[string]any{}
	if t.OuterEtherType != 0 {
		common["outer_type"] = t.OuterEtherType
	}
	for _, w := range t.Ways {
		push := maps.Clone(common)
		push["target"], push["outer_tag"], push["inner_tag"] = uint32(t.Outer), w.STag, w.CTag
		if err := attachTagger("push", w.Inner, push, pinDir, func(o *taggerObjects) *ebpf.Program { return o.Push }); err != nil {
			return err
		}
	}
	common["ways"] = ways
	return attachTagger("pop", t.Outer, common, pinDir, func(o *taggerObjects) *ebpf.Program { return o.Pop })
}

// pop is the table of the program on the outer device.
func (t *Tagger) pop() (ways [maxWays]popWay, err error) {
	if len(t.Ways) > maxWays {
		return ways, fmt.Errorf("%d ways, at most %d", len(t.Ways), maxWays)
	}
	for i, w := range t.Ways {
		if w.CTag < 1 || w.CTag > 4094 || w.STag > 4094 {
			return ways, fmt.Errorf("tags %d, %d are not 1 to 4094", w.STag, w.CTag)
		}
		ways[i] = popWay{Target: uint32(w.Inner), Outer: w.STag, Inner: w.CTag}
	}
	return ways, nil
}

func attachTagger(name string, ifindex int, vars map[string]any, pinDir string, program func(*taggerObjects) *ebpf.Program) error {
	objs, err := loadTagger(pinDir, vars)
	if err != nil {
		return err
	}
	defer objs.close()
	if _, err := attachNamed(program(objs), ifindex, pinDir, name); err != nil {
		return fmt.Errorf("attach tagger: %w", err)
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
