package resource

import (
	"fmt"
	"strings"
)

// DirectPair is a pair of edge ports that the operator lets as a whole (ExpressRoute Direct).
type DirectPair struct {
	Name          string     `json:"name" yaml:"name"`
	Location      string     `json:"location" yaml:"location"`
	BandwidthGbps int        `json:"bandwidth" yaml:"bandwidth"` // 10, 100 or 400
	Primary       DirectLink `json:"primary" yaml:"primary"`
	Secondary     DirectLink `json:"secondary" yaml:"secondary"`
}

// DirectLink is one port of a pair, with what the letter of authorization says of where it is.
type DirectLink struct {
	Port       string `json:"port" yaml:"port"`                                 // "edge1/dp0"
	Interface  string `json:"interface,omitempty" yaml:"interface,omitempty"`   // its name on the router's front: "HundredGigE2/2/2"; "" the port's
	PatchPanel string `json:"patchPanel,omitempty" yaml:"patchPanel,omitempty"` // panel and position
	Rack       string `json:"rack,omitempty" yaml:"rack,omitempty"`
	Colo       string `json:"colo,omitempty" yaml:"colo,omitempty"`           // building and room
	Connector  string `json:"connector,omitempty" yaml:"connector,omitempty"` // LC or SC; "" LC
}

// Links are the pair's links, primary first.
func (x *DirectPair) Links() [2]*DirectLink { return [2]*DirectLink{&x.Primary, &x.Secondary} }

// Router is the router that the link's port is on.
func (l *DirectLink) Router() string { node, _, _ := SplitPort(l.Port); return node }

// InterfaceName is the interface's name on the router.
func (l *DirectLink) InterfaceName() string {
	if l.Interface != "" {
		return l.Interface
	}
	_, port, _ := SplitPort(l.Port)
	return port
}

// ConnectorType is the fibre's connector.
func (l *DirectLink) ConnectorType() string {
	if l.Connector == "" {
		return "LC"
	}
	return l.Connector
}

// DirectPair finds a direct pair by name; nil when there is none, or no fabric.
func (f *Fabric) DirectPair(name string) *DirectPair {
	if f == nil {
		return nil
	}
	for i := range f.DirectPairs {
		if f.DirectPairs[i].Name == name {
			return &f.DirectPairs[i]
		}
	}
	return nil
}

// ports is the pair in the form that circuits of both kinds share.
func (x *DirectPair) ports() *PortPair {
	return &PortPair{Name: x.Name, Location: x.Location, BandwidthMbps: x.BandwidthGbps * 1000, Overprovision: directOversubscription,
		Primary: x.Primary.Port, Secondary: x.Secondary.Port}
}

// PairOf is the pair of edge ports that a circuit is on, its provider's or a direct one; nil when the fabric does not have it.
func (f *Fabric) PairOf(c *Circuit) *PortPair {
	if !c.Direct() {
		return f.Provider(c.Provider).PortPair(c.Status.PortPair)
	}
	if x := f.DirectPair(c.Status.PortPair); x != nil {
		return x.ports()
	}
	return nil
}

func (c *fabricCheck) directPairs() {
	pairs := map[string]string{}
	for i := range c.f.Providers {
		for k, x := range c.f.Providers[i].PortPairs {
			pairs[strings.ToLower(x.Name)] = fmt.Sprintf("providers[%d].portPairs[%d].name", i, k)
		}
	}
	for i := range c.f.DirectPairs {
		x, path := &c.f.DirectPairs[i], fmt.Sprintf("directPorts[%d]", i)
		c.unique(pairs, path+".name", x.Name)
		if PortCircuitMbps(x.BandwidthGbps) == nil {
			c.bad(path+".bandwidth", "%d Gbps is no bandwidth of a port; want one of %v", x.BandwidthGbps, PortBandwidths())
		}
		l := c.f.PeeringLocation(x.Location)
		if l == nil {
			c.bad(path+".location", "there is no location %q", x.Location)
			continue
		}
		c.directLink(path+".primary", &x.Primary, l.Primary)
		c.directLink(path+".secondary", &x.Secondary, l.Secondary)
	}
}

func (c *fabricCheck) directLink(path string, l *DirectLink, edge string) {
	c.pairPort(path+".port", l.Port, edge)
	if t := l.ConnectorType(); t != "LC" && t != "SC" {
		c.bad(path+".connector", "%q is no connector; want LC or SC", t)
	}
}

// directLost names the direct pairs in use that a next fabric lacks.
func (w *World) directLost(next *Fabric, lost func(path, format string, args ...any)) {
	for _, p := range w.Ports {
		if p.Status.Pair == "" {
			continue
		}
		if x := next.DirectPair(p.Status.Pair); x == nil || x.BandwidthGbps != p.BandwidthGbps || !strings.EqualFold(x.Location, p.PeeringLocation) {
			lost("directPorts", "pair %q of %d Gbps at %q is missing; port %q is on it", p.Status.Pair, p.BandwidthGbps, p.PeeringLocation, p.Meta.ID.Name())
		}
	}
}
