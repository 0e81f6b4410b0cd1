package resource

import (
	"slices"
	"strings"
)

// CheckCircuit checks an order (old is nil) or a change of a circuit, with the peerings and authorizations inside it.
func (w *World) CheckCircuit(old, c *Circuit) error {
	checks := []func() error{
		func() error { return CheckName(KindCircuit, c.Meta.ID.Name(), "name") },
		func() error { return checkSKU(c) },
		func() error { return w.checkOffer(old, c) },
	}
	if old == nil {
		checks = append(checks, func() error { return w.checkRegion(c.Meta.Location) }, func() error { return w.checkCircuitCount(c) })
	} else {
		checks = append(checks, func() error { return w.checkCircuitChange(old, c) })
	}
	checks = append(checks, func() error { return w.checkPeerings(old, c) }, func() error { return checkAuthorizations(old, c) })
	return first(checks)
}

// first runs checks in order and returns the first refusal. It takes care that a nil *Error never becomes a non-nil error.
func first(checks []func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkSKU(c *Circuit) error {
	switch c.Tier {
	case TierLocal, TierStandard, TierPremium:
	default:
		return invalid("sku.tier", "%q is no tier; want Local, Standard or Premium", c.Tier)
	}
	switch c.Plan {
	case FamilyMetered, FamilyUnlimited:
	default:
		return invalid("sku.family", "%q is no data plan; want MeteredData or UnlimitedData", c.Plan)
	}
	if c.Tier == TierLocal && c.Plan != FamilyUnlimited {
		return invalid("sku.family", "a Local circuit has UnlimitedData only, have %s", c.Plan)
	}
	return nil
}

const serviceProviderField = "properties.serviceProviderProperties"

// checkOffer checks provider, location and bandwidth against the fabric, and that some port pair has room.
func (w *World) checkOffer(old, c *Circuit) error {
	if c.Direct() {
		return w.checkDirectOffer(old, c)
	}
	if c.RateLimit {
		return invalid("properties.enableDirectPortRateLimit", "is for circuits on a port; a provider's are limited always")
	}
	p := w.Fabric.Provider(c.Provider)
	if p == nil {
		return refuse(Invalid, CodeBadReference, serviceProviderField+".serviceProviderName", "there is no service provider %q", c.Provider)
	}
	l := w.Fabric.PeeringLocation(c.PeeringLocation)
	if l == nil || len(p.At(c.PeeringLocation)) == 0 {
		return refuse(Invalid, CodeBadReference, serviceProviderField+".peeringLocation", "provider %q is not at location %q; it is at %s",
			p.Name, c.PeeringLocation, strings.Join(p.locations(), ", "))
	}
	if !slices.Contains(Bandwidths(), c.BandwidthMbps) || !p.Offers(c.BandwidthMbps) {
		return invalid(serviceProviderField+".bandwidthInMbps", "provider %q offers %v Mbps, not %d", p.Name, p.Bandwidths(), c.BandwidthMbps)
	}
	if c.Tier == TierLocal && len(l.LocalRegions) == 0 {
		return invalid("sku.tier", "location %q has no local region, so no Local circuits", l.Name)
	}
	if old != nil && old.BandwidthMbps == c.BandwidthMbps {
		return nil
	}
	_, err := w.Place(c)
	return err
}

func (p *Provider) locations() []string {
	var all []string
	for _, x := range p.PortPairs {
		if !slices.Contains(all, x.Location) {
			all = append(all, x.Location)
		}
	}
	return all
}

// Place names the port pair a circuit goes on: where it is already, else the provider's emptiest at the location. It is refused when no
// pair has room for the circuit's bandwidth.
func (w *World) Place(c *Circuit) (string, error) {
	best, room := "", 0
	for _, x := range w.Fabric.Provider(c.Provider).At(c.PeeringLocation) {
		if c.Status.PortPair != "" && c.Status.PortPair != x.Name {
			continue
		}
		free := x.CapacityMbps() - w.usedMbps(x.Name, c.Meta.ID)
		if free >= c.BandwidthMbps && free > room {
			best, room = x.Name, free
		}
	}
	if best == "" {
		return "", refuse(Limit, CodeCapacity, serviceProviderField+".bandwidthInMbps",
			"no port pair of provider %q at %q has %d Mbps left", c.Provider, c.PeeringLocation, c.BandwidthMbps)
	}
	return best, nil
}

// usedMbps sums the circuits on a port pair, but for one.
func (w *World) usedMbps(pair string, but ID) int {
	sum := 0
	for _, c := range w.Circuits {
		if c.Status.PortPair == pair && !c.Meta.ID.Equal(but) {
			sum += c.BandwidthMbps
		}
	}
	return sum
}

// checkRegion wants a location that the fabric has.
func (w *World) checkRegion(location string) error {
	if w.Fabric.Region(location) == nil {
		return refuse(Invalid, "LocationNotAvailableForResourceType", "location", "there is no region %q", location)
	}
	return nil
}

func (w *World) checkCircuitCount(c *Circuit) error {
	total, region := 0, 0
	for _, o := range w.Circuits {
		if o.Meta.ID.Subscription != c.Meta.ID.Subscription {
			continue
		}
		total++
		if NormalLocation(o.Meta.Location) == NormalLocation(c.Meta.Location) {
			region++
		}
	}
	if total >= MaxCircuitsPerSubscription {
		return refuse(Limit, CodeLimit, "", "the subscription has %d circuits, the most there may be", total)
	}
	if region >= MaxCircuitsPerRegion {
		return refuse(Limit, CodeLimit, "location", "the subscription has %d circuits in %s, the most there may be", region, c.Meta.Location)
	}
	return nil
}

func (w *World) checkCircuitChange(old, c *Circuit) error {
	changed := func(target, from, to, why string) error {
		return refuse(Invalid, CodeChangeRefused, target, "may not change from %s to %s: %s", from, to, why)
	}
	if err := checkDirectChange(old, c); err != nil {
		return err
	}
	switch {
	case !strings.EqualFold(old.Provider, c.Provider):
		return changed(serviceProviderField+".serviceProviderName", old.Provider, c.Provider, "order a new circuit")
	case !strings.EqualFold(old.PeeringLocation, c.PeeringLocation):
		return changed(serviceProviderField+".peeringLocation", old.PeeringLocation, c.PeeringLocation, "order a new circuit")
	case NormalLocation(old.Meta.Location) != NormalLocation(c.Meta.Location):
		return changed("location", old.Meta.Location, c.Meta.Location, "circuits do not move between regions")
	case c.BandwidthMbps < old.BandwidthMbps:
		return refuse(Invalid, CodeChangeRefused, serviceProviderField+".bandwidthInMbps",
			"may only grow: %d Mbps is below the present %d; delete and order again", c.BandwidthMbps, old.BandwidthMbps)
	case old.Plan == FamilyUnlimited && c.Plan == FamilyMetered:
		return changed("sku.family", string(old.Plan), string(c.Plan), "unlimited data is for good")
	case old.Tier != TierLocal && c.Tier == TierLocal:
		return changed("sku.tier", string(old.Tier), string(c.Tier), "a circuit becomes Local only when it is ordered")
	case old.Tier == TierPremium && c.Tier == TierStandard:
		return w.checkDowngrade(c)
	}
	return nil
}

// checkDowngrade checks that what hangs on a Premium circuit fits a Standard one.
func (w *World) checkDowngrade(c *Circuit) error {
	links := w.CircuitConnections(c.Meta.ID)
	if most := MaxConnections(c.Tier, c.BandwidthMbps); len(links) > most {
		return refuse(Conflict, CodeConflict, "sku.tier", "the circuit has %d connections, a %s one may have %d", len(links), c.Tier, most)
	}
	for _, n := range w.linkedNetworks(c.Meta.ID) {
		if err := w.checkReach(c, n, "sku.tier"); err != nil {
			return err
		}
	}
	return nil
}

func checkAuthorizations(old, c *Circuit) error {
	if len(c.Authorizations) > MaxAuthorizationsPerCircuit {
		return refuse(Limit, CodeLimit, "properties.authorizations", "%d are too many, %d are allowed", len(c.Authorizations), MaxAuthorizationsPerCircuit)
	}
	for i, a := range c.Authorizations {
		if err := CheckName(KindCircuit, a.Name, fieldAt("properties.authorizations", i, "name")); err != nil {
			return err
		}
		if k := slices.IndexFunc(c.Authorizations, func(o Authorization) bool { return strings.EqualFold(o.Name, a.Name) }); k < i {
			return refuse(Invalid, CodeDuplicateName, fieldAt("properties.authorizations", i, "name"), "the name %q is taken", a.Name)
		}
	}
	if old == nil {
		return nil
	}
	for _, a := range old.Authorizations {
		gone := c.Authorization(a.Name) == nil
		if gone && !a.Usedby.IsZero() {
			return refuse(InUse, CodeAuthInUse, "properties.authorizations", "authorization %q is in use by connection %s", a.Name, a.Usedby)
		}
	}
	return nil
}

// Authorization finds an authorization by name, without case; nil when there is none.
func (c *Circuit) Authorization(name string) *Authorization {
	for i := range c.Authorizations {
		if strings.EqualFold(c.Authorizations[i].Name, name) {
			return &c.Authorizations[i]
		}
	}
	return nil
}

// CheckCircuitDelete wants the provider to have let go and nothing to hang on the circuit.
func (w *World) CheckCircuitDelete(c *Circuit) error {
	if links := w.CircuitConnections(c.Meta.ID); len(links) > 0 {
		return refuse(InUse, CodeConflict, "", "circuit %q still has %d connections, the first is %s; delete them before",
			c.Meta.ID.Name(), len(links), links[0].Meta.ID)
	}
	if s := c.Status.ProviderState; !c.Direct() && s != NotProvisioned && s != "" {
		return refuse(Conflict, CodeConflict, "properties.serviceProviderProvisioningState",
			"the specified dedicated circuit is not in Deprovisioned state: the provider has it %s, want NotProvisioned", s)
	}
	return nil
}
