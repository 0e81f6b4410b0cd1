package node

import (
	"crypto/sha256"
	"encoding/hex"
	"net"

	"onramp/plan"
)

// Names of punt devices: one letter for the end, four digits for the node, eight for the attachment. The kernel allows 15 characters;
// the attachment's own name is the interface's alias.
const (
	kernelEnd = "q"
	pathEnd   = "p"
)

func nodeHash(node string) string {
	h := sha256.Sum256([]byte(node))
	return hex.EncodeToString(h[:2])
}

func puntNames(node, attachment string) (kernel, path string) {
	h := sha256.Sum256([]byte(node + "\x00" + attachment))
	id := nodeHash(node) + hex.EncodeToString(h[:4])
	return kernelEnd + id, pathEnd + id
}

// puntMAC is locally administered and the same after every restart, so that peers' ARP entries stay right.
func puntMAC(node, attachment, end string) net.HardwareAddr {
	h := sha256.Sum256([]byte(end + "\x00" + node + "\x00" + attachment))
	return net.HardwareAddr{0x02, h[0], h[1], h[2], h[3], h[4]}
}

const defaultMTU = 1500

func attachmentMTU(a *plan.Attachment) int {
	if a.MTU == 0 {
		return defaultMTU
	}
	return a.MTU
}

func puntSpecOf(node string, a *plan.Attachment) puntSpec {
	k, p := puntNames(node, a.Name)
	return puntSpec{
		Attachment: a.Name, Kernel: k, Path: p, MTU: attachmentMTU(a), Addresses: a.Addresses,
		KernelMAC: puntMAC(node, a.Name, kernelEnd), PathMAC: puntMAC(node, a.Name, pathEnd),
	}
}
