package node

import (
	"fmt"

	"onramp/node/fib"
)

// AttachTagger makes a C-tag for a router that cannot tag by itself, as worlds in namespaces need it on kernels without VLAN devices: what
// the router's device sends leaves by outer with the tag, and what comes in with it reaches the device without. The device and inner are the
// ends of one veth pair, outer is the end of the cable; all are interface indexes of the caller's network namespace. The programs are pinned
// below pinDir and run until that is removed.
func AttachTagger(device, inner, outer int, ctag uint16, pinDir string) error {
	if _, err := fib.AttachPass(device, pinDir); err != nil {
		return fmt.Errorf("attach pass program: %w", err)
	}
	return fib.AttachTagger(fib.Tagger{Inner: inner, Outer: outer, CTag: ctag}, pinDir)
}
