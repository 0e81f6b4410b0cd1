package arm

import (
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"onramp/resource"
)

const (
	circuitType     = "expressRouteCircuits"
	providerField   = "properties.serviceProviderProperties"
	firstSTag       = 1
	lastSTag        = 4094
	zeroGUID        = "00000000-0000-0000-0000-000000000000"
	authField       = "properties.authorizations"
	peeringsField   = "properties.peerings"
	byCustomer      = resource.ByCustomer
	byProvider      = resource.ByProvider
	crossGroupStart = "CrossConnection-"
)

type circuitWire struct {
	headWire
	SKU        *skuWire      `json:"sku,omitempty"`
	Properties *circuitProps `json:"properties,omitempty"`
}

type skuWire struct {
	Name   string `json:"name,omitempty"`
	Tier   string `json:"tier,omitempty"`
	Family string `json:"family,omitempty"`
}

type circuitProps struct {
	ProvisioningState  resource.ProvisioningState `json:"provisioningState,omitempty"`
	ResourceGUID       string                     `json:"resourceGuid,omitempty"`
	Peerings           *[]peeringWire             `json:"peerings,omitempty"`
	Authorizations     *[]authorizationWire       `json:"authorizations,omitempty"`
	Provider           *providerProps             `json:"serviceProviderProperties,omitempty"`
	Port               *refWire                   `json:"expressRoutePort,omitempty"`
	BandwidthGbps      *float64                   `json:"bandwidthInGbps,omitempty"`
	CircuitState       string                     `json:"circuitProvisioningState,omitempty"`
	AllowClassic       *bool                      `json:"allowClassicOperations,omitempty"`
	GatewayManagerEtag *string                    `json:"gatewayManagerEtag,omitempty"`
	ServiceKey         string                     `json:"serviceKey,omitempty"`
	ProviderState      resource.ProviderState     `json:"serviceProviderProvisioningState,omitempty"`
	ProviderNotes      *string                    `json:"serviceProviderNotes,omitempty"`
	GlobalReach        *bool                      `json:"globalReachEnabled,omitempty"`
	STag               *int32                     `json:"stag,omitempty"`
	RateLimit          *bool                      `json:"enableDirectPortRateLimit,omitempty"`
	AuthorizationKey   *string                    `json:"authorizationKey,omitempty"`
	AuthorizationState string                     `json:"authorizationStatus,omitempty"`
}

type providerProps struct {
	Name     string `json:"serviceProviderName,omitempty"`
	Location string `json:"peeringLocation,omitempty"`
	Mbps     *int32 `json:"bandwidthInMbps,omitempty"`
}

func circuits() noun[*resource.Circuit] {
	return noun[*resource.Circuit]{
		typ: circuitType, kind: resource.KindCircuit,
		blank: func(h resource.Head) *resource.Circuit { return &resource.Circuit{Meta: h} },
		wire:  func(v *view, c *resource.Circuit) any { return circuitOut(v, c) },
		apply: applyCircuit,
		drop:  dropCircuit,
	}
}

func applyCircuit(w *write[*resource.Circuit]) error {
	var in circuitWire
	if err := decode(w.body, &in); err != nil {
		return err
	}
	c := w.new
	if err := in.apply(&c.Meta, w.exists); err != nil {
		return err
	}
	if in.SKU != nil {
		in.SKU.apply(c)
	}
	p := in.Properties
	if p == nil {
		p = &circuitProps{}
	}
	if err := p.apply(c, w.world.Fabric); err != nil {
		return err
	}
	if err := w.onPort(c, or(p.AuthorizationKey, ""), w.exists); err != nil {
		return err
	}
	if err := w.inlineChildren(c, p); err != nil {
		return err
	}
	if err := w.world.CheckCircuit(w.old, c); err != nil {
		return err
	}
	switch {
	case w.exists:
		return nil
	case c.Direct():
		return w.orderDirect(c)
	}
	return w.orderCircuit(c)
}

// apply reads tier and family, or the name that is made of both.
func (s *skuWire) apply(c *resource.Circuit) {
	tier, family, _ := strings.Cut(s.Name, "_")
	if s.Tier != "" {
		tier = s.Tier
	}
	if s.Family != "" {
		family = s.Family
	}
	if tier != "" {
		c.Tier = pick(tier, resource.TierLocal, resource.TierStandard, resource.TierPremium)
	}
	if family != "" {
		c.Plan = pick(family, resource.FamilyMetered, resource.FamilyUnlimited)
	}
}

// apply takes over what the customer writes; absent properties stay as they are. On a circuit of a provider bandwidthInGbps is another
// spelling of bandwidthInMbps: az's update writes nothing else.
func (p *circuitProps) apply(c *resource.Circuit, fabric *resource.Fabric) error {
	if p.Port != nil && p.Port.ID != "" {
		port, err := parseRef(p.Port, "properties.expressRoutePort", resource.KindPort)
		if err != nil {
			return err
		}
		c.Port = port
	}
	c.RateLimit = or(p.RateLimit, c.RateLimit)
	if s := p.Provider; s != nil {
		if s.Name != "" {
			c.Provider = s.Name
		}
		if s.Location != "" {
			c.PeeringLocation = s.Location
		}
		c.BandwidthMbps = int(or(s.Mbps, int32(c.BandwidthMbps)))
	}
	if p.BandwidthGbps != nil && (p.Provider == nil || p.Provider.Mbps == nil) {
		c.BandwidthMbps = int(math.Round(*p.BandwidthGbps * 1000))
	}
	if known := fabric.Provider(c.Provider); known != nil {
		c.Provider = known.Name
	}
	if known := fabric.PeeringLocation(c.PeeringLocation); known != nil {
		c.PeeringLocation = known.Name
	}
	c.AllowClassic, c.GlobalReach = or(p.AllowClassic, c.AllowClassic), or(p.GlobalReach, c.GlobalReach)
	return nil
}

// inlineChildren takes over peerings and authorizations that a circuit's PUT lists: absent lists stay, present ones are the whole truth.
func (w *write[T]) inlineChildren(c *resource.Circuit, p *circuitProps) error {
	if p.Peerings != nil {
		if err := w.replacePeerings(c, *p.Peerings, byCustomer); err != nil {
			return err
		}
	}
	if p.Authorizations == nil {
		return nil
	}
	var all []resource.Authorization
	for i, a := range *p.Authorizations {
		for _, o := range all {
			if strings.EqualFold(o.Name, a.Name) {
				return badFormat(authField, resource.CodeDuplicateName, "The name '%s' is there twice.", a.Name)
			}
		}
		if a.Name == "" {
			return badField(authField+"["+strconv.Itoa(i)+"].name", resource.CodeInvalidName, "The name is missing.")
		}
		if old := c.Authorization(a.Name); old != nil {
			all = append(all, *old)
			continue
		}
		made, err := w.newAuthorization(a.Name)
		if err != nil {
			return err
		}
		all = append(all, made)
	}
	c.Authorizations = all
	return nil
}

// orderCircuit gives a new circuit its key, port pair and tag, and the provider its shadow.
func (d *draft) orderCircuit(c *resource.Circuit) error {
	pair, err := d.world.Place(c)
	if err != nil {
		return err
	}
	tag, err := d.claim("stag/"+pair, firstSTag, lastSTag, c.Meta.ID)
	if err != nil {
		return err
	}
	c.Status = resource.CircuitStatus{ServiceKey: uuid.NewString(), STag: tag, PortPair: pair, ProviderState: resource.NotProvisioned}
	provider, location := d.world.Fabric.Provider(c.Provider), d.world.Fabric.PeeringLocation(c.PeeringLocation)
	return d.newCrossConnection(c, provider, location)
}

// dropCircuit starts the deletion of a circuit and of its shadow.
func dropCircuit(w *write[*resource.Circuit]) error {
	if err := w.world.CheckCircuitDelete(w.old); err != nil {
		return err
	}
	for _, x := range w.world.CrossConnections {
		if x.Circuit.Equal(w.old.Meta.ID) {
			if err := w.write(resource.Clone(x), resource.Deleting); err != nil {
				return err
			}
		}
	}
	return nil
}

func circuitOut(v *view, c *resource.Circuit) circuitWire {
	peerings, auths := []peeringWire{}, []authorizationWire{}
	for i := range c.Peerings {
		peerings = append(peerings, peeringOut(v, c, &c.Peerings[i]))
	}
	for i := range c.Authorizations {
		auths = append(auths, authorizationOut(v, c, &c.Authorizations[i]))
	}
	props := &circuitProps{
		ProvisioningState: c.Meta.State, ResourceGUID: c.Meta.GUID, Peerings: &peerings, Authorizations: &auths,
		CircuitState: "Disabled", AllowClassic: &c.AllowClassic, GatewayManagerEtag: ptr(counter(c.Status.ManagerEtag)),
		ServiceKey: zeroGUID, ProviderState: c.Status.ProviderState, GlobalReach: &c.GlobalReach, STag: ptr(int32(0)),
	}
	if c.Direct() {
		props.Port, props.BandwidthGbps, props.RateLimit = &refWire{ID: c.Port.String()}, ptr(float64(c.BandwidthMbps)/1000), &c.RateLimit
		props.AuthorizationState = "Enabled"
	} else {
		props.Provider = &providerProps{Name: c.Provider, Location: c.PeeringLocation, Mbps: ptr(int32(c.BandwidthMbps))}
	}
	if c.Status.Enabled {
		props.CircuitState, props.ServiceKey, props.STag = "Enabled", c.Status.ServiceKey, ptr(int32(c.Status.STag))
	}
	if c.Status.ProviderNotes != "" {
		props.ProviderNotes = &c.Status.ProviderNotes
	}
	return circuitWire{
		headWire: headOut(&c.Meta, circuitType), Properties: props,
		SKU: &skuWire{Name: string(c.Tier) + "_" + string(c.Plan), Tier: string(c.Tier), Family: string(c.Plan)},
	}
}

// counter prints a gatewayManagerEtag: "" until it counts.
func counter(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// circuit reads the circuit a call is inside of.
func (f *Front) circuit(c *call) (*resource.Circuit, error) {
	return load[*resource.Circuit](f, c, c.id(circuitType, c.params["name"]))
}
