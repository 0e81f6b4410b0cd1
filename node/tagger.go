package node

import (
	"fmt"

	"onramp/node/fib"
)

// TaggedDevice is a router's device with its tags. Device and Inner are the ends of one veth pair, as interface indexes.
type TaggedDevice struct {
	Device, Inner int
	STag, CTag    uint16 // STag 0: one tag only
}

// AttachTagger makes tags for a router that cannot tag by itself, as worlds in namespaces need it on kernels without VLAN devices: what the
// router's devices send leaves by outer, the end of the cable, with their tags, and what comes in with the tags of one reaches it without.
// All are interface indexes of the caller's network namespace. The programs are pinned below pinDir and run until that is removed.
func AttachTagger(outer int, devices []TaggedDevice, pinDir string) error {
	t := fib.Tagger{Outer: outer}
	for _, d := range devices {
		if _, err := fib.AttachPass(d.Device, pinDir); err != nil {
			return fmt.Errorf("attach pass program: %w", err)
		}
		t.Ways = append(t.Ways, fib.TaggerWay{Inner: d.Inner, STag: d.STag, CTag: d.CTag})
	}
	return fib.AttachTagger(t, pinDir)
}
