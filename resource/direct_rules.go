package resource

import (
	"slices"
	"strings"
)

const (
	portField    = "properties.expressRoutePort"
	portMbps     = "properties.bandwidthInGbps"
	portKeyField = "properties.authorizationKey"
)

// Direct reports whether the circuit is on a port of the customer's own instead of a provider's.
func (c *Circuit) Direct() bool { return !c.Port.IsZero() }

// checkDirectOffer checks port and bandwidth of a circuit on a port, and that the port has room.
func (w *World) checkDirectOffer(old, c *Circuit) error {
	p := w.Port(c.Port)
	switch {
	case p == nil:
		return refuse(Invalid, CodeBadReference, portField+".id", "there is no port %s", c.Port)
	case c.Provider != "":
		return invalid(serviceProviderField, "a circuit on a port has no service provider")
	case NormalLocation(p.Meta.Location) != NormalLocation(c.Meta.Location):
		return invalid("location", "the circuit is in %s, its port in %s; they have the same region", c.Meta.Location, p.Meta.Location)
	case !slices.Contains(PortCircuitMbps(p.BandwidthGbps), c.BandwidthMbps):
		return invalid(portMbps, "a port of %d Gbps carries circuits of %v Mbps, not of %d", p.BandwidthGbps, PortCircuitMbps(p.BandwidthGbps), c.BandwidthMbps)
	}
	l := w.Fabric.PeeringLocation(p.PeeringLocation)
	if c.Tier == TierLocal && (l == nil || len(l.LocalRegions) == 0) {
		return invalid("sku.tier", "location %q has no local region, so no Local circuits", p.PeeringLocation)
	}
	if old == nil {
		if err := w.checkDirectOrder(p, c); err != nil {
			return err
		}
	}
	if old != nil && old.BandwidthMbps == c.BandwidthMbps {
		return nil
	}
	others := selectBy(w.Circuits, func(o *Circuit) bool { return !o.Meta.ID.Equal(c.Meta.ID) })
	if left := p.CapacityMbps() - ProvisionedMbps(others, p.Meta.ID); left < c.BandwidthMbps {
		return refuse(Limit, CodeCapacity, portMbps, "port %q has %d Mbps left of %d (twice its bandwidth), the circuit wants %d",
			p.Meta.ID.Name(), left, p.CapacityMbps(), c.BandwidthMbps)
	}
	return nil
}

// CapacityMbps is how much bandwidth of circuits the port may carry.
func (p *Port) CapacityMbps() int { return p.BandwidthGbps * 1000 * directOversubscription }

func (w *World) checkDirectOrder(p *Port, c *Circuit) error {
	switch {
	case p.Meta.State == Deleting:
		return refuse(Conflict, CodeConflict, portField+".id", "port %q is being deleted", p.Meta.ID.Name())
	case p.Status.Pair == "":
		return refuse(Conflict, CodeNotReady, portField+".id", "port %q has no pair of edge ports yet", p.Meta.ID.Name())
	case c.Tier != TierLocal && c.Plan != FamilyMetered:
		return invalid("sku.family", "a circuit on a port begins with MeteredData; it may become UnlimitedData afterwards")
	}
	return nil
}

// RedeemPort finds the authorization of a port that a key opens for a circuit. In the port's own subscription none is needed; "" then.
func (w *World) RedeemPort(c *Circuit, key string) (string, error) {
	if strings.EqualFold(c.Port.Subscription, c.Meta.ID.Subscription) {
		return "", nil
	}
	if p := w.Port(c.Port); p != nil && key != "" && w.Open != nil {
		for _, a := range p.Authorizations {
			if clear, err := w.Open(a.Key); err != nil || clear != key {
				continue
			}
			if user := PortAuthorizationUser(w.Circuits, p.Meta.ID, a.Name); user != nil && !user.Meta.ID.Equal(c.Meta.ID) {
				return "", refuse(Conflict, CodeAuthorization, portKeyField, "the authorization is in use by another circuit; one key, one circuit")
			}
			return a.Name, nil
		}
	}
	return "", refuse(Forbidden, CodeAuthorization, portKeyField, "a circuit on a port of another subscription needs a key of one of the port's authorizations")
}

func checkDirectChange(old, c *Circuit) error {
	if !old.Port.Equal(c.Port) {
		return refuse(Invalid, CodeChangeRefused, portField+".id", "may not change from %q to %q: order a new circuit", old.Port, c.Port)
	}
	if old.RateLimit && !c.Direct() {
		return invalid("properties.enableDirectPortRateLimit", "is of circuits on a port only")
	}
	return nil
}

// checkPortVLAN wants a C-tag to itself on a port with one tag: across all circuits and peerings of the pair.
func (w *World) checkPortVLAN(c *Circuit, p *Peering, target string) error {
	port := w.Port(c.Port)
	if port == nil || port.Encapsulation != Dot1Q {
		return nil
	}
	for _, o := range PortCircuits(w.Circuits, port.Meta.ID) {
		if o.Meta.ID.Equal(c.Meta.ID) {
			continue
		}
		for i := range o.Peerings {
			if o.Peerings[i].VLAN == p.VLAN {
				return invalid(target, "VLAN %d is used by another circuit of port %q; with Dot1Q a VLAN belongs to one peering of the port", p.VLAN, port.Meta.ID.Name())
			}
		}
	}
	return nil
}
