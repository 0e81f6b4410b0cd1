package resource

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// directOversubscription is how many times its bandwidth a port may carry in circuits: each of its two links once.
const directOversubscription = 2

// PortBandwidths lists what ports may be ordered with, in Gbps, ascending.
func PortBandwidths() []int { return []int{10, 100, 400} }

// PortCircuitMbps lists the bandwidths of circuits on a port of gbps, in Mbps, ascending; nil for what is no port's bandwidth.
func PortCircuitMbps(gbps int) []int {
	switch gbps {
	case 10:
		return []int{1000, 2000, 5000, 10000}
	case 100:
		return []int{5000, 10000, 40000, 100000}
	case 400:
		return []int{5000, 10000, 40000, 100000, 200000, 400000}
	}
	return nil
}

// CheckPort checks an order (old is nil) or a change of a port, with the links and authorizations inside it.
func (w *World) CheckPort(old, p *Port) error {
	checks := []func() error{
		func() error { return CheckName(KindPort, p.Meta.ID.Name(), "name") },
		func() error { return checkPortForm(p) },
		func() error { return w.checkPortPlace(old, p) },
		func() error { return checkPortAuthorizations(w, old, p) },
	}
	if old == nil {
		checks = append(checks, func() error { return w.checkRegion(p.Meta.Location) })
	} else {
		checks = append(checks, func() error { return checkPortChange(old, p) })
	}
	for i := range p.Links {
		checks = append(checks, func() error { return checkPortLink(p, i) })
	}
	return first(checks)
}

func checkPortForm(p *Port) error {
	switch {
	case !slices.Contains(PortBandwidths(), p.BandwidthGbps):
		return invalid("properties.bandwidthInGbps", "%d Gbps is no bandwidth of a port; want one of %v", p.BandwidthGbps, PortBandwidths())
	case p.Encapsulation != Dot1Q && p.Encapsulation != QinQ:
		return invalid("properties.encapsulation", "%q is no encapsulation; want Dot1Q or QinQ", p.Encapsulation)
	case p.Billing != FamilyMetered && p.Billing != FamilyUnlimited:
		return invalid("properties.billingType", "%q is no billing type; want MeteredData or UnlimitedData", p.Billing)
	}
	return nil
}

func (w *World) checkPortPlace(old, p *Port) error {
	if w.Fabric.PeeringLocation(p.PeeringLocation) == nil {
		return refuse(Invalid, CodeBadReference, "properties.peeringLocation", "there is no peering location %q", p.PeeringLocation)
	}
	if old != nil {
		return nil
	}
	_, err := w.PlacePort(p)
	return err
}

func checkPortChange(old, p *Port) error {
	changed := func(target string, from, to any) error {
		return refuse(Invalid, CodeChangeRefused, target, "may not change from %v to %v: order another port", from, to)
	}
	switch {
	case !strings.EqualFold(old.PeeringLocation, p.PeeringLocation):
		return changed("properties.peeringLocation", old.PeeringLocation, p.PeeringLocation)
	case old.BandwidthGbps != p.BandwidthGbps:
		return changed("properties.bandwidthInGbps", old.BandwidthGbps, p.BandwidthGbps)
	case old.Encapsulation != p.Encapsulation:
		return changed("properties.encapsulation", old.Encapsulation, p.Encapsulation)
	case NormalLocation(old.Meta.Location) != NormalLocation(p.Meta.Location):
		return changed("location", old.Meta.Location, p.Meta.Location)
	}
	return nil
}

// PlacePort names the direct pair a port gets: its own, or the first free one of its bandwidth at its location.
func (w *World) PlacePort(p *Port) (string, error) {
	if p.Status.Pair != "" {
		return p.Status.Pair, nil
	}
	for _, x := range w.FreeDirectPairs(p.PeeringLocation) {
		if x.BandwidthGbps == p.BandwidthGbps {
			return x.Name, nil
		}
	}
	return "", refuse(Limit, CodeCapacity, "properties.bandwidthInGbps", "no pair of %d Gbps ports is free at %q", p.BandwidthGbps, p.PeeringLocation)
}

// FreeDirectPairs are the direct pairs of a location that are nobody's, in the order of the fabric document.
func (w *World) FreeDirectPairs(location string) []DirectPair {
	if w.Fabric == nil {
		return nil
	}
	return selectBy(w.Fabric.DirectPairs, func(x DirectPair) bool {
		return strings.EqualFold(x.Location, location) &&
			!slices.ContainsFunc(w.Ports, func(p *Port) bool { return p.Status.Pair == x.Name })
	})
}

// checkPortLink checks a link's MACsec. Its order is kept, but the edge routers cannot encrypt: a link with keys never comes up in the clear.
func checkPortLink(p *Port, i int) error {
	m, field := &p.Links[i].MACsec, fmt.Sprintf("properties.links[%d].properties.macSecConfig", i)
	switch m.Cipher {
	case "", CipherAES128, CipherAES256, CipherAESXPN128, CipherAESXPN256:
	default:
		return invalid(field+".cipher", "%q is no cipher; want GcmAes128, GcmAes256, GcmAesXpn128 or GcmAesXpn256", m.Cipher)
	}
	if (m.CKN == "") != (m.CAK == "") {
		return invalid(field, "cknSecretIdentifier and cakSecretIdentifier go together")
	}
	for _, id := range []struct{ name, value string }{{"cknSecretIdentifier", m.CKN}, {"cakSecretIdentifier", m.CAK}} {
		u, err := url.Parse(id.value)
		if id.value != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || !strings.HasPrefix(u.Path, "/secrets/")) {
			return invalid(field+"."+id.name, "is no identifier of a key vault secret such as https://vault.example/secrets/name; the secret itself does not belong here")
		}
	}
	switch {
	case m.CKN == "":
		return nil
	case len(p.Identities) == 0:
		return invalid("identity", "a user-assigned identity is needed to read the MACsec secrets of %s", LinkName(i))
	case p.Links[i].Enabled:
		return refuse(Unsupported, CodeUnsupported, field,
			"%s has MACsec keys, and the edge routers cannot encrypt a link (the kernel's macsec is not used by the data path): "+
				"the order is kept while the link is Disabled, and a link with keys is never enabled in the clear", LinkName(i))
	}
	return nil
}

func checkPortAuthorizations(w *World, old, p *Port) error {
	if len(p.Authorizations) > MaxAuthorizationsPerCircuit {
		return refuse(Limit, CodeLimit, "", "%d authorizations are too many, %d are allowed", len(p.Authorizations), MaxAuthorizationsPerCircuit)
	}
	for _, a := range p.Authorizations {
		if err := CheckName(KindPort, a.Name, "name"); err != nil {
			return err
		}
	}
	if old == nil {
		return nil
	}
	for _, a := range old.Authorizations {
		if user := PortAuthorizationUser(w.Circuits, p.Meta.ID, a.Name); user != nil && p.Authorization(a.Name) == nil {
			return refuse(InUse, CodeAuthInUse, "", "authorization %q is in use by circuit %s", a.Name, user.Meta.ID)
		}
	}
	return nil
}

// CheckPortDelete wants no circuit on the port.
func (w *World) CheckPortDelete(p *Port) error {
	if on := PortCircuits(w.Circuits, p.Meta.ID); len(on) > 0 {
		return refuse(InUse, CodeConflict, "", "port %q still has %d circuits, the first is %s; delete them before", p.Meta.ID.Name(), len(on), on[0].Meta.ID)
	}
	return nil
}
