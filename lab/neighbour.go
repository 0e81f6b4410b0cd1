package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// The operator's view of a node in the API.
const nodeVersion = "2026-01-01"

func nodePath(node string) string { return "/providers/Onramp.Fabric/nodes/" + node }

// findNeighbour reads a neighbour's MAC from the thread's namespace.
func findNeighbour(addr netip.Addr) (net.HardwareAddr, error) {
	ns, err := netlink.NeighList(0, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	for _, n := range ns {
		if a, ok := netip.AddrFromSlice(n.IP); ok && a.Unmap() == addr && len(n.HardwareAddr) == 6 {
			return n.HardwareAddr, nil
		}
	}
	return nil, fmt.Errorf("%s does not answer ARP", addr)
}
