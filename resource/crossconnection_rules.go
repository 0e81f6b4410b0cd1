package resource

import (
	"fmt"
	"strconv"
	"strings"
)

// CheckProviderState checks a move of serviceProviderProvisioningState. Announcing Provisioning before Provisioned is optional.
func CheckProviderState(from, to ProviderState) error {
	const target = "properties.serviceProviderProvisioningState"
	allowed := map[ProviderState][]ProviderState{
		NotProvisioned: {Provisioning, Provisioned},
		Provisioning:   {Provisioned, NotProvisioned},
		Provisioned:    {Deprovisioning, NotProvisioned, Provisioning},
		Deprovisioning: {NotProvisioned},
	}
	if from == "" {
		from = NotProvisioned
	}
	if _, known := allowed[to]; !known {
		return invalid(target, "%q is no state; want NotProvisioned, Provisioning, Provisioned or Deprovisioning", to)
	}
	if from == to {
		return nil
	}
	for _, s := range allowed[from] {
		if s == to {
			return nil
		}
	}
	return refuse(Conflict, CodeConflict, target, "a circuit that is %s may become %v, not %s", from, allowed[from], to)
}

// HandoffPort is one side of a hand-off.
type HandoffPort struct {
	Port   string // "node/port"
	Tagged bool   // every peering by its C-tag
	L3     bool   // untagged, routed by the provider to a site
	VC     int    // the outer tag of a virtual circuit that carries every peering by its C-tag; 0: none
}

// HandoffForms are the forms a hand-off may have, for messages.
const HandoffForms = `"node/port", "node/port:tagged", "node/port:vc=TAG" with a tag of 1..4094, or "node/port:l3"`

// ParseHandoff reads "node/port", "node/port:tagged", "node/port:vc=101" or "node/port:l3"; ok is false for any other form.
func ParseHandoff(s string) (h HandoffPort, ok bool) {
	port, form, has := strings.Cut(s, ":")
	h.Port = port
	vc, isVC := strings.CutPrefix(form, "vc=")
	switch {
	case form == "tagged":
		h.Tagged = true
	case form == "l3":
		h.L3 = true
	case isVC:
		n, err := strconv.ParseUint(vc, 10, 12)
		if err != nil || n < 1 || n > MaxVLAN || vc[0] == '0' {
			return h, false
		}
		h.VC = int(n)
	case has:
		return h, false
	}
	_, _, ok = SplitPort(port)
	return h, ok
}

// form is the hand-off's form in words.
func (h HandoffPort) form() string {
	switch {
	case h.Tagged:
		return "tagged"
	case h.L3:
		return "layer 3"
	case h.VC != 0:
		return fmt.Sprintf("virtual circuit %d", h.VC)
	}
	return "untagged"
}

// together reports whether two hand-offs may be on one port: as virtual circuits with tags of their own.
func (h HandoffPort) together(o HandoffPort) bool { return h.VC != 0 && o.VC != 0 && h.VC != o.VC }

// CheckHandoff checks the ports a provider hands a circuit to the customer on: they are on the node the circuit's cable ends on, belong
// to the provider, lead nowhere else, and carry nothing else, but for virtual circuits with other outer tags. Empty sides are allowed: not
// handed over yet.
func (w *World) CheckHandoff(c *Circuit, h Handoff) error {
	pair := w.Fabric.Provider(c.Provider).PortPair(c.Status.PortPair)
	if err := w.checkHandoffSide(c, pair, h.Primary, true); err != nil {
		return err
	}
	if err := w.checkHandoffSide(c, pair, h.Secondary, false); err != nil {
		return err
	}
	if err := w.checkSites(c, h); err != nil {
		return err
	}
	a, _ := ParseHandoff(h.Primary)
	b, _ := ParseHandoff(h.Secondary)
	if h.Primary != "" && a.Port == b.Port && !a.together(b) {
		return refuse(Invalid, CodePortInUse, "tags.secondaryHandoff", "port %q is the primary hand-off too (%s); one port takes both only as "+
			"virtual circuits with different tags, \"%s:vc=TAG\"", b.Port, a.form(), b.Port)
	}
	return nil
}

func (w *World) checkHandoffSide(c *Circuit, pair *PortPair, side string, primary bool) error {
	if side == "" {
		return nil
	}
	target, sw := "tags.secondaryHandoff", ""
	if primary {
		target = "tags.primaryHandoff"
	}
	if pair != nil && primary {
		sw = pair.SwitchPrimary
	} else if pair != nil {
		sw = pair.SwitchSecondary
	}
	h, ok := ParseHandoff(side)
	if !ok {
		return invalid(target, "%q is not %s", side, HandoffForms)
	}
	n, port := w.Fabric.Port(h.Port)
	node, _, _ := SplitPort(sw)
	switch {
	case port == nil:
		return refuse(Invalid, CodeBadReference, target, "there is no port %q", h.Port)
	case !strings.EqualFold(n.Owner, c.Provider) || n.Role != RoleExchange && n.Role != RoleRouter:
		return refuse(Forbidden, CodeBadReference, target, "port %q is not on a switch of provider %q", h.Port, c.Provider)
	case sw == "":
		return invalid(target, "the circuit's port pair %q ends on no switch of the fabric", c.Status.PortPair)
	case n.Name != node:
		return invalid(target, "port %q is not on %q, where the circuit's cable ends", h.Port, node)
	case h.L3 && n.Role != RoleRouter:
		return invalid(target, "%q has role %q; a hand-off at layer 3 is a router's", n.Name, n.Role)
	case !h.L3 && n.Role == RoleRouter:
		return invalid(target, "%q is a router, which hands over at layer 3 only: \"%s:l3\"", n.Name, h.Port)
	case port.Underlay || w.isTrunk(h.Port):
		return refuse(Invalid, CodePortInUse, target, "port %q leads to an edge router or the fabric", h.Port)
	}
	return w.checkHandoffFree(c, h, target)
}

// checkSites checks what is behind the hand-offs at layer 3.
func (w *World) checkSites(c *Circuit, h Handoff) error {
	a, _ := ParseHandoff(h.Primary)
	b, _ := ParseHandoff(h.Secondary)
	if err := checkSite(c, a, h.PrimarySite, "tags.primarySite"); err != nil {
		return err
	}
	if err := checkSite(c, b, h.SecondarySite, "tags.secondarySite"); err != nil {
		return err
	}
	return checkSitesApart(h)
}

// isTrunk reports whether a port is some port pair's end.
func (w *World) isTrunk(port string) bool {
	for _, p := range w.Fabric.Providers {
		for _, x := range p.PortPairs {
			if port == x.Primary || port == x.Secondary || port == x.SwitchPrimary || port == x.SwitchSecondary {
				return true
			}
		}
	}
	return false
}

func (w *World) checkHandoffFree(c *Circuit, h HandoffPort, target string) error {
	for _, o := range w.Circuits {
		if o.Meta.ID.Equal(c.Meta.ID) {
			continue
		}
		for _, side := range []string{o.Status.Handoff.Primary, o.Status.Handoff.Secondary} {
			if there, _ := ParseHandoff(side); there.Port == h.Port && !there.together(h) {
				return refuse(Conflict, CodePortInUse, target, "port %q carries the circuit with service key %s (%s)", h.Port, o.Status.ServiceKey, there.form())
			}
		}
	}
	return nil
}
