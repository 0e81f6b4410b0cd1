package fib

import (
	"errors"
	"fmt"
	"net/netip"
)

const maxVNI = 1<<24 - 1

// Validate checks that a configuration means something: names are unique and known, tags and tunnels are each one attachment's.
func (c Config) Validate() error {
	v := validator{ports: map[string]Port{}, policers: map[string]bool{}, domains: map[string]bool{}, attachments: map[string]Attachment{},
		devices: map[int]string{}, classes: map[classOf]string{}, locals: map[localOf]string{}}
	v.plain(c)
	for _, a := range c.Attachments {
		v.attachment(a, c.VTEP)
	}
	ends := map[string]string{}
	for _, x := range c.Crossconnects {
		v.crossconnect(x, ends)
	}
	for _, a := range c.Attachments {
		if a.Domain == "" && ends[a.Name] == "" {
			v.fail("attachment %q: neither in a domain nor an end of a crossconnect", a.Name)
		}
	}
	return errors.Join(v.errs...)
}

type validator struct {
	errs        []error
	ports       map[string]Port
	policers    map[string]bool
	domains     map[string]bool
	attachments map[string]Attachment
	devices     map[int]string
	classes     map[classOf]string
	locals      map[localOf]string
}

type classOf struct {
	port       string
	stag, ctag uint16
	vni        uint32
	remote     netip.Addr
}

type localOf struct {
	domain string
	addr   netip.Addr
}

func (v *validator) fail(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(format, args...))
}

func (v *validator) plain(c Config) {
	if c.VTEP.IsValid() && !c.VTEP.Is4() {
		v.fail("VTEP %v: only IPv4 underlays are supported", c.VTEP)
	}
	underlays := 0
	for _, p := range c.Ports {
		if _, twice := v.ports[p.Name]; twice {
			v.fail("port %q: named twice", p.Name)
		}
		if p.Ifindex <= 0 {
			v.fail("port %q: no interface", p.Name)
		}
		if t := p.OuterEtherType; t != 0 && t != 0x8100 && t != 0x88a8 {
			v.fail("port %q: outer EtherType %#x is neither 0x8100 nor 0x88a8", p.Name, t)
		}
		v.ports[p.Name] = p
		if p.Underlay {
			underlays++
		}
	}
	if underlays > 1 {
		v.fail("%d ports lead to the underlay: one is supported", underlays)
	}
	for _, p := range c.Policers {
		if v.policers[p.Name] {
			v.fail("policer %q: named twice", p.Name)
		}
		if p.BitsPerSecond == 0 {
			v.fail("policer %q: no rate", p.Name)
		}
		v.policers[p.Name] = true
	}
	for _, d := range c.Domains {
		if v.domains[d] {
			v.fail("domain %q: named twice", d)
		}
		v.domains[d] = true
	}
}

func (v *validator) attachment(a Attachment, vtep netip.Addr) {
	if _, twice := v.attachments[a.Name]; twice {
		v.fail("attachment %q: named twice", a.Name)
	}
	v.attachments[a.Name] = a
	if a.Domain != "" && !v.domains[a.Domain] {
		v.fail("attachment %q: no domain %q", a.Name, a.Domain)
	}
	for _, p := range []string{a.Ingress, a.Egress} {
		if p != "" && !v.policers[p] {
			v.fail("attachment %q: no policer %q", a.Name, p)
		}
	}
	if a.Domain != "" && len(a.MAC) != 6 {
		v.fail("attachment %q: MAC %v is not an Ethernet address", a.Name, a.MAC)
	}
	for _, d := range []int{a.PuntIfindex, a.KernelIfindex} {
		if other := v.devices[d]; other != "" {
			v.fail("attachment %q: device %d is attachment %q's", a.Name, d, other)
		}
		if d != 0 {
			v.devices[d] = a.Name
		}
	}
	v.form(a, vtep)
	v.unique(a)
}

// form checks that the attachment has exactly one of its forms.
func (v *validator) form(a Attachment, vtep netip.Addr) {
	if a.VNI != 0 {
		switch {
		case a.Port != "" || a.STag != 0 || a.CTag != 0 || a.AnyCTag:
			v.fail("attachment %q: both a tunnel and a port", a.Name)
		case a.VNI > maxVNI:
			v.fail("attachment %q: VNI %d is over %d", a.Name, a.VNI, maxVNI)
		case !a.Remote.Is4():
			v.fail("attachment %q: remote end point %v is not IPv4", a.Name, a.Remote)
		case !vtep.IsValid():
			v.fail("attachment %q: a tunnel, and the node has no VTEP", a.Name)
		}
		return
	}
	p, ok := v.ports[a.Port]
	switch {
	case !ok:
		v.fail("attachment %q: no port %q", a.Name, a.Port)
	case p.Underlay:
		v.fail("attachment %q: port %q is the underlay's", a.Name, a.Port)
	case a.STag > 4094 || a.CTag > 4094:
		v.fail("attachment %q: tags are 1 to 4094", a.Name)
	case a.AnyCTag && a.CTag != 0:
		v.fail("attachment %q: both a C-tag and any", a.Name)
	case a.AnyCTag && a.Domain != "":
		v.fail("attachment %q: any C-tag is for crossconnects only", a.Name)
	case a.STag != 0 && a.CTag == 0 && !a.AnyCTag:
		v.fail("attachment %q: an S-tag needs a C-tag, or any", a.Name)
	}
}

func (v *validator) unique(a Attachment) {
	key := classOf{a.Port, a.STag, a.CTag, a.VNI, a.Remote}
	if a.AnyCTag {
		key.ctag = tagAny
	}
	if other, twice := v.classes[key]; twice {
		v.fail("attachment %q: has the tags of attachment %q", a.Name, other)
	}
	v.classes[key] = a.Name
	for _, addr := range a.Locals {
		l := localOf{a.Domain, addr}
		// Tunnels of a domain may share an address: they are unnumbered, each towards a peer of its own.
		if other, twice := v.locals[l]; twice && !addr.IsLinkLocalUnicast() && !(a.VNI != 0 && v.attachments[other].VNI != 0) {
			v.fail("attachment %q: address %v is attachment %q's in the same domain", a.Name, addr, other)
		}
		v.locals[l] = a.Name
	}
}

func (v *validator) crossconnect(x Crossconnect, ends map[string]string) {
	a, okA := v.attachments[x.A]
	b, okB := v.attachments[x.B]
	if !okA || !okB || x.A == x.B {
		v.fail("crossconnect %q: joins %q and %q, which are not two attachments", x.Name, x.A, x.B)
		return
	}
	if a.AnyCTag != b.AnyCTag {
		v.fail("crossconnect %q: one end has any C-tag, the other has not: nothing tells the C-tag on the way back", x.Name)
	}
	for _, end := range []Attachment{a, b} {
		if end.Domain != "" {
			v.fail("crossconnect %q: end %q is in domain %q", x.Name, end.Name, end.Domain)
		}
		if other := ends[end.Name]; other != "" {
			v.fail("crossconnect %q: end %q is crossconnect %q's", x.Name, end.Name, other)
		}
		ends[end.Name] = x.Name
	}
}
