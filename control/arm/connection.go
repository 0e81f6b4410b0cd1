package arm

import (
	"strings"

	"onramp/resource"
)

const connectionType = "connections"

type connectionWire struct {
	headWire
	Properties *connectionProps `json:"properties,omitempty"`
}

type connectionProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	ResourceGUID      string                     `json:"resourceGuid,omitempty"`
	Type              string                     `json:"connectionType,omitempty"`
	Gateway           *refWire                   `json:"virtualNetworkGateway1,omitempty"`
	Peer              *refWire                   `json:"peer,omitempty"`
	Weight            *int32                     `json:"routingWeight,omitempty"`
	AuthorizationKey  *string                    `json:"authorizationKey,omitempty"` // never in an answer
	SharedKey         *string                    `json:"sharedKey,omitempty"`        // never in an answer
	EnableBGP         *bool                      `json:"enableBgp,omitempty"`
	Selectors         *bool                      `json:"usePolicyBasedTrafficSelectors,omitempty"`
	IPsecPolicies     *[]any                     `json:"ipsecPolicies,omitempty"`
	SelectorPolicies  *[]any                     `json:"trafficSelectorPolicies,omitempty"`
	Mode              string                     `json:"connectionMode,omitempty"`
	Status            resource.ConnectionState   `json:"connectionStatus,omitempty"`
	Ingress           *int64                     `json:"ingressBytesTransferred,omitempty"`
	Egress            *int64                     `json:"egressBytesTransferred,omitempty"`
	Bypass            *bool                      `json:"expressRouteGatewayBypass,omitempty"`
	PrivateLink       *bool                      `json:"enablePrivateLinkFastPath,omitempty"`
}

func connections() noun[*resource.Connection] {
	return noun[*resource.Connection]{
		typ: connectionType, kind: resource.KindConnection,
		blank: func(h resource.Head) *resource.Connection { return &resource.Connection{Meta: h} },
		wire:  func(v *view, n *resource.Connection) any { return connectionOut(v.live, n) },
		apply: applyConnection,
		drop:  dropConnection,
	}
}

func applyConnection(w *write[*resource.Connection]) error {
	var in connectionWire
	if err := decode(w.body, &in); err != nil {
		return err
	}
	n := w.new
	if err := in.apply(&n.Meta, w.exists); err != nil {
		return err
	}
	p := in.Properties
	if p == nil {
		p = &connectionProps{}
	}
	if err := p.apply(n, w.exists); err != nil {
		return err
	}
	key := or(p.AuthorizationKey, "")
	order := resource.ConnectionOrder{Old: w.old, New: n, Key: key, SharedKey: or(p.SharedKey, "")}
	g, k := w.world.Gateway(n.Gateway), w.world.Circuit(n.Circuit)
	if !w.exists {
		for _, o := range []resource.Object{g, k} {
			if err := busy(o); err != nil {
				return err
			}
		}
	}
	if err := w.world.CheckConnection(order); err != nil || w.exists {
		return err
	}
	w.watch(g.Meta.ID)
	n.Gateway, n.Circuit = g.Meta.ID, k.Meta.ID
	return w.orderConnection(n, g, k, key)
}

// busy asks the client to come back where a referenced object is still being written.
func busy(o resource.Object) error {
	switch v := o.(type) {
	case *resource.Gateway:
		if v == nil {
			return nil
		}
	case *resource.Circuit:
		if v == nil {
			return nil
		}
	}
	h := o.Head()
	if h.Operation == "" {
		return nil
	}
	return notReady(&resource.Error{Code: resource.CodeNotReady, Message: "Referenced resource " + h.ID.String() + " is in state " + string(h.State) + "; it must be Succeeded."})
}

// orderConnection gives a new connection its numbers and redeems the authorization.
func (d *draft) orderConnection(n *resource.Connection, g *resource.Gateway, k *resource.Circuit, key string) error {
	if _, err := d.world.FreeSlot(g); err != nil {
		return err
	}
	slots := resource.Slots(d.world.Network(g.Network()).Subnet(resource.GatewaySubnet))
	slot, err := d.claim("slot/"+g.Meta.ID.Key(), 0, slots-1, n.Meta.ID)
	if err != nil {
		return err
	}
	vni, err := d.claimVNI(n.Meta.ID)
	if err != nil {
		return err
	}
	n.Status = resource.ConnectionStatus{VNI: vni, Slot: slot, State: resource.ConnectionUnknown}
	a := d.world.FindAuthorization(k, key)
	if a == nil {
		d.watch(k.Meta.ID)
		return nil
	}
	n.Authorization = a.Key
	own := resource.Clone(k)
	own.Authorization(a.Name).Usedby = n.Meta.ID
	d.put(own)
	return nil
}

// dropConnection frees the authorization that the connection redeemed.
func dropConnection(w *write[*resource.Connection]) error {
	k := w.world.Circuit(w.old.Circuit)
	if k == nil {
		return nil
	}
	own := resource.Clone(k)
	for i := range own.Authorizations {
		if a := &own.Authorizations[i]; a.Usedby.Equal(w.old.Meta.ID) && !a.Usedby.IsZero() {
			a.Usedby = resource.ID{}
			w.put(own)
			return nil
		}
	}
	return nil
}

func (p *connectionProps) apply(n *resource.Connection, exists bool) (err error) {
	switch {
	case strings.EqualFold(p.Type, "ExpressRoute"), p.Type == "" && exists:
	case p.Type == "":
		return badField("properties.connectionType", "MissingParameter", "The property connectionType is missing; want ExpressRoute.")
	default:
		return missing("A connection of type " + p.Type + " (properties.connectionType)")
	}
	if or(p.Bypass, false) || or(p.PrivateLink, false) {
		return missing("FastPath (properties.expressRouteGatewayBypass)")
	}
	if p.Gateway != nil || !exists {
		if n.Gateway, err = parseRef(p.Gateway, "properties.virtualNetworkGateway1", resource.KindGateway); err != nil {
			return err
		}
	}
	if p.Peer != nil || !exists {
		if n.Circuit, err = parseRef(p.Peer, "properties.peer", resource.KindCircuit); err != nil {
			return err
		}
	}
	n.RoutingWeight = int(or(p.Weight, int32(n.RoutingWeight)))
	return nil
}

func connectionOut(l Live, n *resource.Connection) connectionWire {
	in, out := l.ConnectionBytes(n.Meta.ID)
	state := n.Status.State
	if state == "" {
		state = resource.ConnectionUnknown
	}
	return connectionWire{headWire: headOut(&n.Meta, connectionType), Properties: &connectionProps{
		ProvisioningState: n.Meta.State, ResourceGUID: n.Meta.GUID, Type: "ExpressRoute", Gateway: &refWire{n.Gateway.String()},
		Peer: &refWire{n.Circuit.String()}, Weight: ptr(int32(n.RoutingWeight)), EnableBGP: ptr(false), Selectors: ptr(false),
		IPsecPolicies: &[]any{}, SelectorPolicies: &[]any{}, Mode: "Default", Status: state, Ingress: ptr(int64(in)),
		Egress: ptr(int64(out)), Bypass: ptr(false), PrivateLink: ptr(false),
	}}
}

// getSharedKey answers the VPN's shared key of a connection: an ExpressRoute one has none, and azurerm reads it all the same.
func getSharedKey(f *Front, c *call) (answer, error) {
	if _, err := load[*resource.Connection](f, c, c.id(connectionType, c.params["name"])); err != nil {
		return answer{}, err
	}
	return ok(map[string]string{"value": ""}), nil
}
