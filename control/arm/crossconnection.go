package arm

import (
	"errors"
	"net/http"
	"strings"

	"onramp/resource"
)

const (
	crossType    = "expressRouteCrossConnections"
	primaryTag   = "primaryHandoff"
	secondaryTag = "secondaryHandoff"

	primarySiteTag   = "primarySite"
	secondarySiteTag = "secondarySite"
)

type crossWire struct {
	headWire
	Properties *crossProps `json:"properties,omitempty"`
}

type crossProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	Circuit           *refWire                   `json:"expressRouteCircuit,omitempty"`
	PeeringLocation   string                     `json:"peeringLocation,omitempty"`
	Mbps              *int32                     `json:"bandwidthInMbps,omitempty"`
	PrimaryPort       string                     `json:"primaryAzurePort,omitempty"`
	SecondaryPort     string                     `json:"secondaryAzurePort,omitempty"`
	STag              *int32                     `json:"sTag,omitempty"`
	ProviderState     resource.ProviderState     `json:"serviceProviderProvisioningState,omitempty"`
	Notes             *string                    `json:"serviceProviderNotes,omitempty"`
	Peerings          *[]peeringWire             `json:"peerings,omitempty"`
}

// newCrossConnection adds the shadow of a new circuit, and its group, in the subscription of the provider.
func (d *draft) newCrossConnection(c *resource.Circuit, p *resource.Provider, l *resource.PeeringLocation) error {
	group := resource.ID{Subscription: strings.ToLower(p.Subscription), Group: crossGroupStart + strings.ReplaceAll(l.Name, " ", "")}
	region := resource.NormalLocation(l.Region)
	if d.find(group) == nil {
		d.put(&resource.Group{Meta: newHead(group, region)})
	} else if _, err := d.needGroup(group); err != nil {
		return err
	}
	id := group
	id.Namespace, id.Types, id.Names = networkNamespace, []string{crossType}, []string{c.Status.ServiceKey}
	return d.write(&resource.CrossConnection{Meta: newHead(id, region), Circuit: c.Meta.ID}, resource.Updating)
}

func crossOut(v *view, x *resource.CrossConnection, c *resource.Circuit, detailed bool) crossWire {
	peerings := []peeringWire{}
	for i := range c.Peerings {
		peerings = append(peerings, crossPeeringOut(v, x, c, &c.Peerings[i]))
	}
	props := &crossProps{
		ProvisioningState: x.Meta.State, Circuit: &refWire{ID: c.Meta.ID.String()}, PeeringLocation: c.PeeringLocation,
		Mbps: ptr(int32(c.BandwidthMbps)), ProviderState: c.Status.ProviderState, Notes: &c.Status.ProviderNotes, Peerings: &peerings,
	}
	if pair := v.fabric.Provider(c.Provider).PortPair(c.Status.PortPair); pair != nil && detailed {
		props.PrimaryPort, props.SecondaryPort, props.STag = pair.Primary, pair.Secondary, ptr(int32(c.Status.STag))
	}
	return crossWire{headWire: headOut(&x.Meta, crossType), Properties: props}
}

// crossPeeringOut is a circuit's peering as its provider sees it.
func crossPeeringOut(v *view, x *resource.CrossConnection, c *resource.Circuit, p *resource.Peering) peeringWire {
	w := peeringOut(v, c, p)
	w.childWire = childOut(&x.Meta, x.Meta.ID.Child("peerings", string(p.Type)))
	w.Type, w.Properties.Connections, w.Properties.Peered = "", nil, nil
	return w
}

// crossed reads the cross connection a call addresses, and its circuit.
func (f *Front) crossed(c *call) (*resource.CrossConnection, *resource.Circuit, error) {
	x, err := load[*resource.CrossConnection](f, c, c.id(crossType, c.params["name"]))
	if err != nil {
		return nil, nil, err
	}
	k, err := f.cfg.Store.Get(c.ctx, x.Circuit)
	if err != nil {
		return nil, nil, err
	}
	return x, k.(*resource.Circuit), nil
}

func getCross(f *Front, c *call) (answer, error) {
	x, k, err := f.crossed(c)
	if err != nil {
		return answer{}, err
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	return child(&x.Meta, crossOut(v, x, k, true)), nil
}

// listCross answers the cross connections of a group or subscription; $filter may name one by "name eq '<service key>'". As in Azure the
// list leaves ports and tags to the GET of one.
func listCross(f *Front, c *call) (answer, error) {
	snap, err := f.cfg.Store.Snapshot(c.ctx)
	if err != nil {
		return answer{}, err
	}
	world := resource.NewWorld(snap.Objects, nil)
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	want, scope := filterValue(c.query("$filter")), c.scope()
	rows := []crossWire{}
	for _, x := range world.CrossConnections {
		k := world.Circuit(x.Circuit)
		if k == nil || !inside(x.Meta.ID, scope) {
			continue
		}
		if want != "" && !strings.EqualFold(want, x.Meta.ID.Name()) && !strings.EqualFold(want, k.Meta.ID.String()) {
			continue
		}
		rows = append(rows, crossOut(v, x, k, false))
	}
	return ok(listOf(rows)), nil
}

// filterValue is the quoted value of a filter of the form "field eq 'value'"; "" when there is none.
func filterValue(filter string) string {
	_, rest, found := strings.Cut(filter, "'")
	value, _, closed := strings.Cut(rest, "'")
	if !found || !closed {
		return ""
	}
	return value
}

// inside reports whether id is in a subscription or group.
func inside(id, scope resource.ID) bool {
	return id.Subscription == scope.Subscription && (scope.Group == "" || strings.EqualFold(id.Group, scope.Group))
}

// changeCross orders a change of a cross connection, which is one of its circuit: both documents wait for the operation.
func (f *Front) changeCross(c *call, verb string, target resource.ID, edit func(d *draft, old, k *resource.Circuit, x *resource.CrossConnection) error) (
	x *resource.CrossConnection, k *resource.Circuit, op *answerOp, err error) {
	root := c.id(crossType, c.params["name"])
	at := place[*resource.CrossConnection]{verb: verb, root: root, target: target}
	if len(target.Names) > 1 {
		at.exists = func(d *draft, x *resource.CrossConnection) bool {
			k := d.world.Circuit(x.Circuit)
			return k != nil && k.Peering(peeringType(target.Name())) != nil
		}
	}
	x, op, err = change(f, c, at, func(d *draft, _, own *resource.CrossConnection) error {
		old := d.world.Circuit(own.Circuit)
		if old == nil {
			return notFound(root)
		}
		k = resource.Clone(old)
		if err := edit(d, old, k, own); err != nil {
			return err
		}
		return d.write(k, resource.Updating)
	})
	return x, k, op, err
}

// putCross answers 200 and never 201: the platform creates cross connections, and the SDKs know no other status.
func putCross(f *Front, c *call) (answer, error) {
	var in crossWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	if in.Properties == nil {
		in.Properties = &crossProps{}
	}
	x, k, op, err := f.changeCross(c, "put", c.id(crossType, c.params["name"]), func(d *draft, old, k *resource.Circuit, x *resource.CrossConnection) error {
		if err := in.apply(&x.Meta, true); err != nil {
			return err
		}
		return d.applyCross(old, k, x, in.Properties)
	})
	if err != nil {
		return answer{}, err
	}
	return op.child(f, c, http.StatusOK, func(v *view) any { return crossOut(v, x, k, true) })
}

// applyCross takes over what the provider writes: state, notes, hand-off and peerings.
func (d *draft) applyCross(old, k *resource.Circuit, x *resource.CrossConnection, in *crossProps) error {
	if in.ProviderState != "" {
		to := pick(string(in.ProviderState), resource.NotProvisioned, resource.Provisioning, resource.Provisioned, resource.Deprovisioning)
		if err := resource.CheckProviderState(k.Status.ProviderState, to); err != nil {
			return err
		}
		k.Status.ProviderState = to
	}
	k.Status.ProviderNotes = or(in.Notes, k.Status.ProviderNotes)
	if err := d.handOff(k, x); err != nil {
		return err
	}
	if in.Peerings == nil {
		return nil
	}
	if err := d.replacePeerings(k, *in.Peerings, byProvider); err != nil {
		return err
	}
	return d.world.CheckCircuit(old, k)
}

// handOff takes the hand-off over from the tags.
func (d *draft) handOff(k *resource.Circuit, x *resource.CrossConnection) error {
	h := resource.Handoff{Primary: tag(x.Meta.Tags, primaryTag), Secondary: tag(x.Meta.Tags, secondaryTag),
		PrimarySite: tag(x.Meta.Tags, primarySiteTag), SecondarySite: tag(x.Meta.Tags, secondarySiteTag)}
	if h == k.Status.Handoff {
		return nil
	}
	if err := d.world.CheckHandoff(k, h); err != nil {
		return err
	}
	k.Status.Handoff = h
	return nil
}

// patchCross replaces the tags, and with them the hand-off. Like every change of tags it is answered at once and waits for no node.
func patchCross(f *Front, c *call) (answer, error) {
	var body tagsWire
	if err := decode(c.body, &body); err != nil {
		return answer{}, err
	}
	id := c.id(crossType, c.params["name"])
	var x *resource.CrossConnection
	var k *resource.Circuit
	err := f.order(c, id.Subscription, nil, func(d *draft) error {
		found, _ := d.find(id).(*resource.CrossConnection)
		if found == nil || d.world.Circuit(found.Circuit) == nil {
			return notFound(id)
		}
		if err := errors.Join(d.precondition(found.Meta.Etag), d.free(found)); err != nil {
			return err
		}
		x, k = resource.Clone(found), resource.Clone(d.world.Circuit(found.Circuit))
		if body.Tags != nil {
			if err := setTags(&x.Meta, body.Tags); err != nil {
				return err
			}
		}
		before := k.Status.Handoff
		if err := d.handOff(k, x); err != nil {
			return err
		}
		if k.Status.Handoff != before {
			d.put(k)
		}
		d.put(x)
		return d.free(k)
	})
	if err != nil {
		return answer{}, err
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	return child(&x.Meta, crossOut(v, x, k, true)), nil
}

func putCrossPeering(f *Front, c *call) (answer, error) {
	var in peeringWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	if in.Properties == nil {
		in.Properties = &peeringProps{}
	}
	name := c.params["peering"]
	target := c.id(crossType, c.params["name"], "peerings", string(peeringType(name)))
	status := http.StatusOK
	x, k, op, err := f.changeCross(c, "put", target, func(d *draft, old, k *resource.Circuit, _ *resource.CrossConnection) error {
		created, err := d.setPeering(old, k, name, in.Properties, byProvider)
		status = http.StatusOK
		if created {
			status = http.StatusCreated
		}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return op.child(f, c, status, func(v *view) any { return crossPeeringOut(v, x, k, k.Peering(peeringType(name))) })
}

func getCrossPeering(f *Front, c *call) (answer, error) {
	x, k, err := f.crossed(c)
	if err != nil {
		return answer{}, err
	}
	p := k.Peering(peeringType(c.params["peering"]))
	if p == nil {
		return answer{}, notFound(x.Meta.ID.Child("peerings", c.params["peering"]))
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	return child(&x.Meta, crossPeeringOut(v, x, k, p)), nil
}

func listCrossPeerings(f *Front, c *call) (answer, error) {
	x, k, err := f.crossed(c)
	if err != nil {
		return answer{}, err
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	rows := []peeringWire{}
	for i := range k.Peerings {
		rows = append(rows, crossPeeringOut(v, x, k, &k.Peerings[i]))
	}
	return ok(listOf(rows)), nil
}

func deleteCrossPeering(f *Front, c *call) (answer, error) {
	name := c.params["peering"]
	target := c.id(crossType, c.params["name"], "peerings", string(peeringType(name)))
	_, _, op, err := f.changeCross(c, "delete", target, func(d *draft, old, k *resource.Circuit, _ *resource.CrossConnection) error {
		return d.dropPeering(old, k, name, byProvider)
	})
	return c.deleting(op.op, err)
}
