package arm

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"onramp/resource"
)

// peeringWire is a peering of a circuit and of a cross connection; the latter's have no type.
type peeringWire struct {
	childWire
	Properties *peeringProps `json:"properties,omitempty"`
}

type peeringProps struct {
	ProvisioningState  resource.ProvisioningState `json:"provisioningState,omitempty"`
	PeeringType        string                     `json:"peeringType,omitempty"`
	AzureASN           *int32                     `json:"azureASN,omitempty"`
	PeerASN            *int64                     `json:"peerASN,omitempty"`
	Primary            *string                    `json:"primaryPeerAddressPrefix,omitempty"`
	Secondary          *string                    `json:"secondaryPeerAddressPrefix,omitempty"`
	PrimaryPort        string                     `json:"primaryAzurePort,omitempty"`
	SecondaryPort      string                     `json:"secondaryAzurePort,omitempty"`
	State              string                     `json:"state,omitempty"`
	VLAN               *int32                     `json:"vlanId,omitempty"`
	SharedKey          *string                    `json:"sharedKey,omitempty"` // never in an answer
	GatewayManagerEtag *string                    `json:"gatewayManagerEtag,omitempty"`
	LastModifiedBy     *string                    `json:"lastModifiedBy,omitempty"`
	RouteFilter        *refWire                   `json:"routeFilter,omitempty"`
	IPv6               *ipv6Props                 `json:"ipv6PeeringConfig,omitempty"`
	Connections        *[]childWire               `json:"connections,omitempty"`
	Peered             *[]childWire               `json:"peeredConnections,omitempty"`
}

type ipv6Props struct {
	Primary   string `json:"primaryPeerAddressPrefix,omitempty"`
	Secondary string `json:"secondaryPeerAddressPrefix,omitempty"`
}

// peeringType finds the type that a name stands for, in its canonical spelling.
func peeringType(name string) resource.PeeringType {
	return pick(name, resource.PrivatePeering, resource.MicrosoftPeering)
}

func peeringOut(v *view, c *resource.Circuit, p *resource.Peering) peeringWire {
	pair := v.fabric.PairOf(c)
	props := &peeringProps{
		ProvisioningState: p.State, PeeringType: string(p.Type), AzureASN: ptr(int32(resource.ASN)), PeerASN: ptr(int64(p.PeerASN)),
		Primary: prefixOut(p.Primary), Secondary: prefixOut(p.Secondary), State: "Disabled", VLAN: ptr(int32(p.VLAN)),
		GatewayManagerEtag: ptr(counter(p.ManagerEtag)), LastModifiedBy: &p.ModifiedBy, Connections: &[]childWire{}, Peered: &[]childWire{},
	}
	if p.Enabled {
		props.State = "Enabled"
	}
	if pair != nil {
		props.PrimaryPort, props.SecondaryPort = pair.Primary, pair.Secondary
	}
	if v.fresh { // Azure's first answer to a create knows none of these yet
		props.AzureASN, props.LastModifiedBy, props.PrimaryPort, props.SecondaryPort = ptr(int32(0)), ptr(""), "", ""
	}
	return peeringWire{childWire: childOut(&c.Meta, c.Meta.ID.Child("peerings", string(p.Type))), Properties: props}
}

func prefixOut(p netip.Prefix) *string {
	if !p.IsValid() {
		return nil
	}
	return ptr(p.String())
}

// prefixIn reads a prefix of the body; nil or "" keeps what is there.
func prefixIn(s *string, into *netip.Prefix, target string) error {
	if s == nil || *s == "" {
		return nil
	}
	p, err := netip.ParsePrefix(*s)
	if err != nil {
		return badField(target, "InvalidAddressPrefixFormat", "'%s' is not an address prefix such as 192.0.2.0/30.", *s)
	}
	*into = p
	return nil
}

// applyPeering takes over what the wire form says; absent properties stay. Who changes a peering of the other side's is refused; who writes
// what is there already, as a refresh does, is not.
func (d *draft) applyPeering(c *resource.Circuit, p *resource.Peering, in *peeringProps, field, by string) error {
	switch {
	case in.RouteFilter != nil && in.RouteFilter.ID != "":
		return missing("A route filter on a peering (" + field + ".routeFilter)")
	case in.IPv6 != nil && (in.IPv6.Primary != "" || in.IPv6.Secondary != ""):
		return missing("IPv6 on a peering (" + field + ".ipv6PeeringConfig)")
	case in.Connections != nil && len(*in.Connections) > 0:
		return missing("Global Reach (" + field + ".connections)")
	}
	before := *p
	if in.PeerASN != nil {
		if *in.PeerASN < 0 || *in.PeerASN > 1<<32-1 {
			return badField(field+".peerASN", resource.CodeInvalidValue, "%d is no AS number; want 1..4294967295.", *in.PeerASN)
		}
		p.PeerASN = uint32(*in.PeerASN)
	}
	if err := prefixIn(in.Primary, &p.Primary, field+".primaryPeerAddressPrefix"); err != nil {
		return err
	}
	if err := prefixIn(in.Secondary, &p.Secondary, field+".secondaryPeerAddressPrefix"); err != nil {
		return err
	}
	p.VLAN = int(or(in.VLAN, int32(p.VLAN)))
	switch {
	case strings.EqualFold(in.State, "Enabled"):
		p.Enabled = true
	case strings.EqualFold(in.State, "Disabled"):
		p.Enabled = false
	case in.State != "":
		return badField(field+".state", resource.CodeInvalidValue, "'%s' is no state; want Enabled or Disabled.", in.State)
	}
	changed, err := d.applyKey(p, or(in.SharedKey, ""), field+".sharedKey")
	if err != nil {
		return err
	}
	if changed || p.ModifiedBy == "" || before.PeerASN != p.PeerASN || before.Primary != p.Primary || before.Secondary != p.Secondary ||
		before.VLAN != p.VLAN || before.Enabled != p.Enabled {
		if err := d.world.CheckPeeringWriter(c, p.Type, p.ModifiedBy, by); err != nil {
			return err
		}
		p.ModifiedBy, p.State = by, resource.Updating
	}
	return nil
}

// applyKey seals a new MD5 key; "" keeps the present one, and so does the same key again.
func (d *draft) applyKey(p *resource.Peering, key, target string) (changed bool, err error) {
	if key == "" {
		return false, nil
	}
	if err := resource.CheckKey(key, target); err != nil {
		return false, err
	}
	ring := d.f.cfg.Store.Keyring()
	if have, err := ring.Open(p.Key); len(p.Key) > 0 && err == nil && have == key {
		return false, nil
	}
	p.Key, err = ring.Seal(key)
	return true, err
}

// replacePeerings makes the peerings of a circuit those of a list, by type.
func (d *draft) replacePeerings(c *resource.Circuit, list []peeringWire, by string) error {
	var all []resource.Peering
	for i, in := range list {
		field := peeringsField + "[" + strconv.Itoa(i) + "].properties"
		if in.Properties == nil {
			in.Properties = &peeringProps{}
		}
		typ := peeringType(in.Properties.PeeringType)
		if typ == "" {
			typ = peeringType(in.Name)
		}
		p := resource.Peering{Type: typ, Enabled: true}
		if old := c.Peering(typ); old != nil {
			p = *old
		}
		for _, o := range all {
			if o.Type == typ {
				return badFormat(peeringsField, resource.CodeDuplicateName, "The peering '%s' is there twice.", typ)
			}
		}
		if err := d.applyPeering(c, &p, in.Properties, field, by); err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, old := range c.Peerings {
		if slices.ContainsFunc(all, func(p resource.Peering) bool { return p.Type == old.Type }) {
			continue
		}
		if err := d.world.CheckPeeringWriter(c, old.Type, old.ModifiedBy, by); err != nil {
			return err
		}
	}
	c.Peerings = all
	return nil
}

// setPeering makes or changes one peering of a circuit and checks it; created tells which.
func (d *draft) setPeering(old, c *resource.Circuit, name string, in *peeringProps, by string) (created bool, err error) {
	typ := peeringType(name)
	if in.PeeringType != "" && peeringType(in.PeeringType) != typ {
		return false, badField("properties.peeringType", resource.CodeInvalidValue, "The peering '%s' cannot be of type '%s'.", name, in.PeeringType)
	}
	if c.Peering(typ) == nil {
		created = true
		c.Peerings = append(c.Peerings, resource.Peering{Type: typ, Enabled: true})
	}
	p := c.Peering(typ)
	if err := d.applyPeering(c, p, in, "properties", by); err != nil {
		return created, err
	}
	p.State = resource.Updating
	d.touchPort(c)
	if err := d.world.CheckPeering(c, typ); err != nil {
		return created, err
	}
	return created, d.world.CheckCircuit(old, c)
}

// peeringPlace is where an order of the call's peering goes.
func (c *call) peeringPlace(verb string) place[*resource.Circuit] {
	root, typ := c.id(circuitType, c.params["name"]), peeringType(c.params["peering"])
	return place[*resource.Circuit]{verb: verb, root: root, target: root.Child("peerings", string(typ)),
		exists: func(_ *draft, k *resource.Circuit) bool { return k.Peering(typ) != nil }}
}

func putPeering(f *Front, c *call) (answer, error) {
	var in peeringWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	if in.Properties == nil {
		in.Properties = &peeringProps{}
	}
	name := c.params["peering"]
	status := http.StatusOK
	done, op, err := change(f, c, c.peeringPlace("put"), func(d *draft, old, o *resource.Circuit) error {
		created, err := d.setPeering(old, o, name, in.Properties, byCustomer)
		status = http.StatusOK
		if created {
			status = http.StatusCreated
		}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return op.child(f, c, status, func(v *view) any { return peeringOut(v, done, done.Peering(peeringType(name))) })
}

// peering reads the peering a call addresses.
func (f *Front) peering(c *call) (*resource.Circuit, *resource.Peering, error) {
	k, err := f.circuit(c)
	if err != nil {
		return nil, nil, err
	}
	p := k.Peering(peeringType(c.params["peering"]))
	if p == nil {
		return nil, nil, notFound(k.Meta.ID.Child("peerings", c.params["peering"]))
	}
	return k, p, nil
}

func getPeering(f *Front, c *call) (answer, error) {
	k, p, err := f.peering(c)
	if err != nil {
		return answer{}, err
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	return child(&k.Meta, peeringOut(v, k, p)), nil
}

func listPeerings(f *Front, c *call) (answer, error) {
	k, err := f.circuit(c)
	if err != nil {
		return answer{}, err
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	rows := []peeringWire{}
	for i := range k.Peerings {
		rows = append(rows, peeringOut(v, k, &k.Peerings[i]))
	}
	return ok(listOf(rows)), nil
}

// dropPeering marks a peering as going; it is in no plan from now on and leaves the document with the operation.
func (d *draft) dropPeering(old, c *resource.Circuit, name, by string) error {
	p := c.Peering(peeringType(name))
	if p == nil {
		return errGone
	}
	if err := d.world.CheckPeeringWriter(c, p.Type, p.ModifiedBy, by); err != nil {
		return err
	}
	if err := d.world.CheckPeeringDelete(old, p.Type); err != nil {
		return err
	}
	p.State = resource.Deleting
	return nil
}

func deletePeering(f *Front, c *call) (answer, error) {
	name := c.params["peering"]
	_, op, err := change(f, c, c.peeringPlace("delete"), func(d *draft, old, o *resource.Circuit) error { return d.dropPeering(old, o, name, byCustomer) })
	return c.deleting(op.op, err)
}

// listReach answers the Global Reach connections of a peering, of which there are none. azurerm asks before it creates the peering.
func listReach(f *Front, c *call) (answer, error) {
	if _, err := f.circuit(c); err != nil {
		return answer{}, err
	}
	return ok(listOf([]any{})), nil
}
