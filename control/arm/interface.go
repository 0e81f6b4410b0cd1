package arm

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"onramp/resource"
)

const (
	interfaceType = "networkInterfaces"
	attachTag     = "attachTo"
)

type interfaceWire struct {
	headWire
	Properties *interfaceProps `json:"properties,omitempty"`
}

type interfaceProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	ResourceGUID      string                     `json:"resourceGuid,omitempty"`
	Configs           *[]configWire              `json:"ipConfigurations,omitempty"`
	DNS               *interfaceDNS              `json:"dnsSettings,omitempty"`
	MAC               *string                    `json:"macAddress,omitempty"`
	Forwarding        *bool                      `json:"enableIPForwarding,omitempty"`
	Accelerated       *bool                      `json:"enableAcceleratedNetworking,omitempty"`
	NICType           string                     `json:"nicType,omitempty"`
	SecurityGroup     *refWire                   `json:"networkSecurityGroup,omitempty"`
}

type interfaceDNS struct {
	Servers []string `json:"dnsServers"`
	Applied []string `json:"appliedDnsServers"`
}

type configWire struct {
	childWire
	Properties *configProps `json:"properties,omitempty"`
}

// configProps is an address of an interface or a gateway; the latter's have no private address in the answer.
type configProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	Address           string                     `json:"privateIPAddress,omitempty"`
	Method            string                     `json:"privateIPAllocationMethod,omitempty"`
	Version           string                     `json:"privateIPAddressVersion,omitempty"`
	Subnet            *refWire                   `json:"subnet,omitempty"`
	Primary           *bool                      `json:"primary,omitempty"`
	Public            *refWire                   `json:"publicIPAddress,omitempty"`
}

func interfaces() noun[*resource.Interface] {
	return noun[*resource.Interface]{
		typ: interfaceType, kind: resource.KindInterface,
		blank: func(h resource.Head) *resource.Interface {
			return &resource.Interface{Meta: h, Status: resource.InterfaceStatus{MAC: resource.MAC(h.GUID)}}
		},
		wire:  func(_ *view, i *resource.Interface) any { return interfaceOut(i) },
		apply: applyInterface,
		drop:  func(*write[*resource.Interface]) error { return nil },
		retag: func(w *write[*resource.Interface]) error {
			w.new.AttachTo = tag(w.new.Meta.Tags, attachTag)
			return w.world.CheckInterface(w.old, w.new)
		},
	}
}

func applyInterface(w *write[*resource.Interface]) error {
	var in interfaceWire
	if err := decode(w.body, &in); err != nil {
		return err
	}
	i := w.new
	if err := in.apply(&i.Meta, w.exists); err != nil {
		return err
	}
	i.AttachTo = tag(i.Meta.Tags, attachTag)
	if p := in.Properties; p != nil {
		if p.SecurityGroup != nil && p.SecurityGroup.ID != "" {
			return missing("Network security groups (properties.networkSecurityGroup)")
		}
		i.Forwarding = or(p.Forwarding, i.Forwarding)
		if p.Configs != nil {
			if err := w.applyConfigs(i, *p.Configs); err != nil {
				return err
			}
		}
	}
	for _, c := range i.Configs { // a subnet or address that goes meanwhile makes the order stale
		w.watch(c.Subnet)
		if !c.Public.IsZero() {
			w.watch(c.Public)
		}
	}
	return w.world.CheckInterface(w.old, i)
}

// applyConfigs makes the configurations those of the list, by name, and allocates the Dynamic ones' addresses.
func (d *draft) applyConfigs(i *resource.Interface, list []configWire) error {
	var all []resource.InterfaceConfig
	var taken []netip.Addr
	for k, in := range list {
		field := "properties.ipConfigurations[" + strconv.Itoa(k) + "].properties"
		c := resource.InterfaceConfig{Name: in.Name, Dynamic: true, Primary: k == 0}
		for _, old := range i.Configs {
			if strings.EqualFold(old.Name, in.Name) {
				c = old
			}
		}
		if err := in.Properties.applyInterface(&c, field); err != nil {
			return err
		}
		if c.Dynamic && !c.Address.IsValid() {
			a, err := d.world.FreeAddress(c.Subnet, i.Meta.ID, taken...)
			if err != nil {
				return err
			}
			c.Address = a
		}
		taken = append(taken, c.Address)
		all = append(all, c)
	}
	i.Configs = all
	return nil
}

func (p *configProps) applyInterface(c *resource.InterfaceConfig, field string) (err error) {
	if p == nil {
		p = &configProps{}
	}
	before := c.Subnet
	if p.Subnet != nil || before.IsZero() {
		if c.Subnet, err = parseRef(p.Subnet, field+".subnet", resource.KindNetwork); err != nil {
			return err
		}
	}
	if p.Public != nil && p.Public.ID != "" {
		if c.Public, err = parseRef(p.Public, field+".publicIPAddress", resource.KindPublicAddress); err != nil {
			return err
		}
	}
	c.Primary = or(p.Primary, c.Primary)
	if strings.EqualFold(p.Version, "IPv6") {
		return missing("IPv6 on a network interface (" + field + ".privateIPAddressVersion)")
	}
	if p.Method != "" {
		c.Dynamic = strings.EqualFold(p.Method, "Dynamic")
	}
	if !before.Equal(c.Subnet) {
		c.Address = netip.Addr{}
	}
	if c.Dynamic || p.Address == "" {
		return nil
	}
	if c.Address, err = netip.ParseAddr(p.Address); err != nil {
		return badField(field+".privateIPAddress", "InvalidIPAddressFormat", "'%s' is not an IP address.", p.Address)
	}
	return nil
}

func interfaceOut(i *resource.Interface) interfaceWire {
	configs := []configWire{}
	for _, c := range i.Configs {
		p := &configProps{
			ProvisioningState: i.Meta.State, Method: "Static", Version: "IPv4", Subnet: &refWire{c.Subnet.String()}, Primary: &c.Primary,
		}
		if c.Address.IsValid() {
			p.Address = c.Address.String()
		}
		if c.Dynamic {
			p.Method = "Dynamic"
		}
		if !c.Public.IsZero() {
			p.Public = &refWire{c.Public.String()}
		}
		configs = append(configs, configWire{childWire: childOut(&i.Meta, i.Meta.ID.Child("ipConfigurations", c.Name)), Properties: p})
	}
	// Azure writes 02-AA-BB-…, whatever the machine shows.
	mac := strings.ToUpper(strings.ReplaceAll(i.Status.MAC, ":", "-"))
	return interfaceWire{headWire: headOut(&i.Meta, interfaceType), Properties: &interfaceProps{
		ProvisioningState: i.Meta.State, ResourceGUID: i.Meta.GUID, Configs: &configs, DNS: &interfaceDNS{[]string{}, []string{}}, MAC: &mac,
		Forwarding: &i.Forwarding, Accelerated: ptr(false), NICType: "Standard",
	}}
}

type effectiveRouteWire struct {
	Name        *string  `json:"name"`
	Source      string   `json:"source"`
	State       string   `json:"state"`
	Prefixes    []string `json:"addressPrefix"`
	NextHopType string   `json:"nextHopType"`
	NextHops    []string `json:"nextHopIpAddress"`
}

// postEffectiveRoutes reads what the compute node has for the machine.
func postEffectiveRoutes(f *Front, c *call) (answer, error) {
	i, err := load[*resource.Interface](f, c, c.id(interfaceType, c.params["name"]))
	if err != nil {
		return answer{}, err
	}
	return f.action(c, i.Meta.ID, i.Meta.Location, func(ctx context.Context) (any, error) {
		rows, err := f.cfg.Live.EffectiveRoutes(ctx, i)
		if err != nil {
			return nil, err
		}
		out := []effectiveRouteWire{}
		for _, r := range rows {
			out = append(out, effectiveRouteWire{Source: r.Source, State: r.State, NextHopType: r.NextHopType,
				Prefixes: append([]string{}, r.Prefixes...), NextHops: append([]string{}, r.NextHops...)})
		}
		return listOf(out), nil
	})
}
