package resource

import (
	"slices"
	"strings"
)

// The service's own AS numbers.
const (
	ASN        = 12076 // the edge's, on every peering
	GatewayASN = 65515 // every gateway's
)

// Limits that depend on nothing.
const (
	MaxCircuitsPerSubscription        = 50
	MaxCircuitsPerRegion              = 10 // of one subscription
	MaxConnectionsPerLocation         = 4  // of one gateway, to circuits of one peering location
	MaxAddressSpaces                  = 200
	MaxPrefixesFromNetwork            = 1000 // routes a connection carries toward the circuit
	MaxRoutingWeight                  = 32000
	MaxKeyLength                      = 25
	MaxVLAN                           = 4094
	MaxAuthorizationsPerCircuit       = 100
	MaxRoutesPerTable                 = 400
	GatewaySubnetBits                 = 27 // longest prefix a GatewaySubnet may have
	MaxSubnetBits                     = 29 // longest prefix any subnet may have
	MinSpaceBits                      = 2  // shortest prefix of an address space
	reservedFirst                     = 4  // addresses at the start of a subnet that are the platform's
	firstReservedASN, lastReservedASN = 65515, 65520
)

// Bandwidths lists what circuits may be ordered with, in Mbps, ascending.
func Bandwidths() []int { return []int{50, 100, 200, 500, 1000, 2000, 5000, 10000} }

// MaxPrefixes is how many IPv4 routes a circuit's private peering takes from the customer.
func MaxPrefixes(tier SKUTier) int {
	if tier == TierPremium {
		return 10000
	}
	return 4000
}

// MaxConnections is how many connections a circuit of a tier and size may have.
func MaxConnections(tier SKUTier, mbps int) int {
	if tier != TierPremium {
		return 10
	}
	switch {
	case mbps <= 50:
		return 20
	case mbps <= 200:
		return 25
	case mbps <= 500:
		return 40
	case mbps <= 1000:
		return 50
	case mbps <= 2000:
		return 60
	case mbps <= 5000:
		return 75
	}
	return 100
}

// GatewaySKU is one row of the table of gateway sizes.
type GatewaySKU struct {
	Name     string
	Circuits int // connections it may have
	Routes   int // it learns
	Mbps     int
}

// GatewaySKUs is the table of gateway sizes. ErGwScale's row is that of its smallest size: one unit.
func GatewaySKUs() []GatewaySKU {
	return []GatewaySKU{
		{"Standard", 4, 4000, 1000},
		{"HighPerformance", 8, 9500, 2000},
		{"UltraPerformance", 16, 9500, 10000},
		{"ErGw1AZ", 4, 4000, 1000},
		{"ErGw2AZ", 8, 9500, 2000},
		{"ErGw3AZ", 16, 9500, 10000},
		{"ErGwScale", 4, 9500, 1000},
	}
}

// FindGatewaySKU looks a size up, without case.
func FindGatewaySKU(name string) (GatewaySKU, bool) {
	all := GatewaySKUs()
	i := slices.IndexFunc(all, func(s GatewaySKU) bool { return strings.EqualFold(s.Name, name) })
	if i < 0 {
		return GatewaySKU{}, false
	}
	return all[i], true
}
