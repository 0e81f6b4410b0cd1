package arm

import (
	"net/netip"
	"strings"

	"onramp/resource"
)

const publicType = "publicIPAddresses"

type publicWire struct {
	headWire
	SKU        *skuWire     `json:"sku,omitempty"`
	Zones      []string     `json:"zones,omitempty"`
	Properties *publicProps `json:"properties,omitempty"`
}

type publicProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	ResourceGUID      string                     `json:"resourceGuid,omitempty"`
	Version           string                     `json:"publicIPAddressVersion,omitempty"`
	Method            string                     `json:"publicIPAllocationMethod,omitempty"`
	IdleMinutes       *int32                     `json:"idleTimeoutInMinutes,omitempty"`
	Address           string                     `json:"ipAddress,omitempty"`
	Tags              *[]any                     `json:"ipTags,omitempty"`
	DDoS              *ddosWire                  `json:"ddosSettings,omitempty"`
}

type ddosWire struct {
	Mode string `json:"protectionMode,omitempty"`
}

func publicAddresses() noun[*resource.PublicAddress] {
	return noun[*resource.PublicAddress]{
		typ: publicType, kind: resource.KindPublicAddress,
		blank: func(h resource.Head) *resource.PublicAddress {
			return &resource.PublicAddress{Meta: h, SKU: "Standard", Static: true, Version: 4, IdleMinutes: 4}
		},
		wire:  func(_ *view, p *resource.PublicAddress) any { return publicOut(p) },
		apply: applyPublic,
		drop:  func(w *write[*resource.PublicAddress]) error { return w.world.CheckPublicAddressDelete(w.old) },
	}
}

func applyPublic(w *write[*resource.PublicAddress]) error {
	var in publicWire
	if err := decode(w.body, &in); err != nil {
		return err
	}
	a := w.new
	if err := in.apply(&a.Meta, w.exists); err != nil {
		return err
	}
	if in.SKU != nil && in.SKU.Name != "" {
		a.SKU = pick(in.SKU.Name, "Standard", "Basic", "StandardV2")
	}
	if p := in.Properties; p != nil {
		switch {
		case strings.EqualFold(p.Version, "IPv6"):
			a.Version = 6
		case strings.EqualFold(p.Version, "IPv4"):
			a.Version = 4
		}
		if p.Method != "" {
			a.Static = strings.EqualFold(p.Method, "Static")
		}
		a.IdleMinutes = int(or(p.IdleMinutes, int32(a.IdleMinutes)))
	}
	if err := w.world.CheckPublicAddress(w.old, a); err != nil || w.exists {
		return err
	}
	return w.allocatePublic(a)
}

// allocatePublic gives the address a number of its region's pool; a region without a pool leaves it without. The first address and the last
// of the pool are never given.
func (d *draft) allocatePublic(a *resource.PublicAddress) error {
	r := d.world.Fabric.Region(a.Meta.Location)
	if r == nil || !r.PublicPool.IsValid() || !r.PublicPool.Addr().Is4() || r.PublicPool.Bits() > 30 {
		return nil
	}
	size := 1 << min(32-r.PublicPool.Bits(), 20)
	n, err := d.claim("public/"+r.Name+"/"+r.PublicPool.Masked().String(), 1, size-2, a.Meta.ID)
	if err != nil {
		return err
	}
	a.Address = nthAddress(r.PublicPool, n)
	return nil
}

// nthAddress counts from the network address of an IPv4 prefix.
func nthAddress(p netip.Prefix, n int) netip.Addr {
	b := p.Masked().Addr().As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

func publicOut(a *resource.PublicAddress) publicWire {
	p := &publicProps{
		ProvisioningState: a.Meta.State, ResourceGUID: a.Meta.GUID, Version: "IPv4", Method: "Static", IdleMinutes: ptr(int32(a.IdleMinutes)),
		Tags: &[]any{}, DDoS: &ddosWire{"VirtualNetworkInherited"},
	}
	if a.Address.IsValid() {
		p.Address = a.Address.String()
	}
	return publicWire{headWire: headOut(&a.Meta, publicType), SKU: &skuWire{Name: a.SKU, Tier: "Regional"}, Properties: p}
}
