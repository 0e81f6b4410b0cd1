package resource

import "strings"

// NormalLocation is a region's ARM form: "West US 2" becomes "westus2".
func NormalLocation(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }

// SplitPort splits "node/port"; ok is false where it has another form.
func SplitPort(s string) (node, port string, ok bool) {
	node, port, ok = strings.Cut(s, "/")
	return node, port, ok && node != "" && port != "" && !strings.Contains(port, "/")
}

// Region finds a region by its name in any spelling; nil when there is none, or no fabric.
func (f *Fabric) Region(name string) *Region {
	if f == nil {
		return nil
	}
	for i := range f.Regions {
		if NormalLocation(f.Regions[i].Name) == NormalLocation(name) {
			return &f.Regions[i]
		}
	}
	return nil
}

// PeeringLocation finds a location by name, without case; nil when there is none, or no fabric.
func (f *Fabric) PeeringLocation(name string) *PeeringLocation {
	if f == nil {
		return nil
	}
	for i := range f.Locations {
		if strings.EqualFold(f.Locations[i].Name, name) {
			return &f.Locations[i]
		}
	}
	return nil
}

// Provider finds a provider by name, without case; nil when there is none, or no fabric.
func (f *Fabric) Provider(name string) *Provider {
	if f == nil {
		return nil
	}
	for i := range f.Providers {
		if strings.EqualFold(f.Providers[i].Name, name) {
			return &f.Providers[i]
		}
	}
	return nil
}

// Node finds a node by name; nil when there is none, or no fabric.
func (f *Fabric) Node(name string) *FabricNode {
	if f == nil {
		return nil
	}
	for i := range f.Nodes {
		if f.Nodes[i].Name == name {
			return &f.Nodes[i]
		}
	}
	return nil
}

// Port finds "node/port"; nil, nil when there is none.
func (f *Fabric) Port(name string) (*FabricNode, *FabricPort) {
	node, port, ok := SplitPort(name)
	n := f.Node(node)
	if !ok || n == nil {
		return nil, nil
	}
	for i := range n.Ports {
		if n.Ports[i].Name == port {
			return n, &n.Ports[i]
		}
	}
	return nil, nil
}

// PortPair finds a provider's port pair by name; nil when there is none.
func (p *Provider) PortPair(name string) *PortPair {
	if p == nil {
		return nil
	}
	for i := range p.PortPairs {
		if p.PortPairs[i].Name == name {
			return &p.PortPairs[i]
		}
	}
	return nil
}

// At are the provider's port pairs in a location.
func (p *Provider) At(location string) []PortPair {
	if p == nil {
		return nil
	}
	return selectBy(p.PortPairs, func(x PortPair) bool { return strings.EqualFold(x.Location, location) })
}

// Offers reports whether the provider sells a bandwidth.
func (p *Provider) Offers(mbps int) bool {
	for _, b := range p.Bandwidths() {
		if b == mbps {
			return true
		}
	}
	return false
}

// Bandwidths are what the provider sells, in Mbps.
func (p *Provider) Bandwidths() []int {
	if len(p.BandwidthsMbps) == 0 {
		return Bandwidths()
	}
	return p.BandwidthsMbps
}

// CapacityMbps is how much bandwidth of circuits the pair may carry: its speed times its overprovisioning.
func (x *PortPair) CapacityMbps() int {
	if x.Overprovision == 0 {
		return x.BandwidthMbps * defaultOverprovision
	}
	return x.BandwidthMbps * x.Overprovision
}

const defaultOverprovision = 4
