package compile

import (
	"slices"

	"onramp/plan"
	"onramp/resource"
)

// directPorts gives the edge routers' direct ports their state: up where a port's link is Enabled, down where it is not and where nobody
// has the pair. A port that is down has no light: the customer's router sees it at once.
func (b *builder) directPorts() {
	if b.fabric == nil {
		return
	}
	owner := map[string]*resource.Port{}
	for _, p := range b.portList {
		owner[p.Status.Pair] = p
	}
	for i := range b.fabric.DirectPairs {
		x := &b.fabric.DirectPairs[i]
		for k, link := range x.Links() {
			p := owner[x.Name]
			b.setPort(link.Port, p != nil && p.Links[k].Enabled && p.Links[k].MACsec.CKN == "")
		}
	}
}

// setPort enables or disables "node/port".
func (b *builder) setPort(name string, enabled bool) {
	node, port, _ := resource.SplitPort(name)
	n := b.nodes[node]
	if n == nil {
		return
	}
	if i := slices.IndexFunc(n.Ports, func(p plan.Port) bool { return p.Name == port }); i >= 0 {
		n.Ports[i].Enabled = enabled
	}
}

// directSlack is how much of a second's traffic a circuit on a port may send above its bandwidth before it is held to it.
const directSlack = 0.2

// circuitPolicers are the policers of one link of a circuit, in and out; none where a circuit on a port is not limited.
//
// The service lets a circuit on a port exceed its bandwidth by 20 %, and holds it to the bandwidth beyond that. A token bucket that fills
// at the bandwidth and holds 20 % of a second of it does the same to within a second: what comes at 120 % for a second passes, and what
// goes on gets the bandwidth.
func circuitPolicers(c *resource.Circuit, at CircuitPath) []plan.Policer {
	if c.Direct() && !c.RateLimit {
		return nil
	}
	all := []plan.Policer{policer(at.PolicerIn, c.BandwidthMbps), policer(at.PolicerOut, c.BandwidthMbps)}
	if c.Direct() {
		for i := range all {
			all[i].BurstBytes = max(all[i].BurstBytes, uint64(directSlack*float64(all[i].BitsPerSecond)/8))
		}
	}
	return all
}
