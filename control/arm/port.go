package arm

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"onramp/control/loa"
	"onramp/resource"
)

const (
	portType  = "expressRoutePorts"
	linksPath = "properties.links"
)

type portWire struct {
	headWire
	Identity   *identityWire `json:"identity,omitempty"`
	Properties *portProps    `json:"properties,omitempty"`
}

type identityWire struct {
	Type         string              `json:"type,omitempty"`
	UserAssigned map[string]struct{} `json:"userAssignedIdentities,omitempty"`
}

type portProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	ResourceGUID      string                     `json:"resourceGuid,omitempty"`
	PeeringLocation   string                     `json:"peeringLocation,omitempty"`
	Gbps              *int32                     `json:"bandwidthInGbps,omitempty"`
	Provisioned       *float64                   `json:"provisionedBandwidthInGbps,omitempty"`
	MTU               string                     `json:"mtu,omitempty"`
	Encapsulation     string                     `json:"encapsulation,omitempty"`
	EtherType         string                     `json:"etherType,omitempty"`
	Billing           string                     `json:"billingType,omitempty"`
	Allocated         string                     `json:"allocationDate,omitempty"`
	Links             *[]linkWire                `json:"links,omitempty"`
	Circuits          *[]refWire                 `json:"circuits,omitempty"`
}

type linkWire struct {
	Name       string     `json:"name,omitempty"`
	ID         string     `json:"id,omitempty"`
	Etag       string     `json:"etag,omitempty"`
	Properties *linkProps `json:"properties,omitempty"`
}

type linkProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	Router            string                     `json:"routerName,omitempty"`
	Interface         string                     `json:"interfaceName,omitempty"`
	PatchPanel        string                     `json:"patchPanelId,omitempty"`
	Rack              string                     `json:"rackId,omitempty"`
	Colo              string                     `json:"coloLocation,omitempty"`
	Connector         string                     `json:"connectorType,omitempty"`
	AdminState        string                     `json:"adminState,omitempty"`
	MACsec            *macsecWire                `json:"macSecConfig,omitempty"`
}

type macsecWire struct {
	CKN    *string `json:"cknSecretIdentifier,omitempty"`
	CAK    *string `json:"cakSecretIdentifier,omitempty"`
	Cipher string  `json:"cipher,omitempty"`
	SCI    string  `json:"sciState,omitempty"`
}

func ports() noun[*resource.Port] {
	return noun[*resource.Port]{
		typ: portType, kind: resource.KindPort,
		blank: func(h resource.Head) *resource.Port { return &resource.Port{Meta: h, Billing: resource.FamilyMetered} },
		wire:  func(v *view, p *resource.Port) any { return portOut(v, p) },
		apply: applyPort,
		drop:  func(w *write[*resource.Port]) error { return w.world.CheckPortDelete(w.old) },
	}
}

func applyPort(w *write[*resource.Port]) error {
	var in portWire
	if err := decode(w.body, &in); err != nil {
		return err
	}
	p := w.new
	if err := in.apply(&p.Meta, w.exists); err != nil {
		return err
	}
	in.Identity.apply(p)
	if err := in.Properties.apply(p, w.world.Fabric); err != nil {
		return err
	}
	if err := w.world.CheckPort(w.old, p); err != nil {
		return err
	}
	if w.exists {
		return nil
	}
	pair, err := w.world.PlacePort(p)
	if err != nil {
		return err
	}
	// The claim keeps two orders of different subscriptions off one pair.
	if _, err := w.claim("direct/"+pair, 1, 1, p.Meta.ID); err != nil {
		return err
	}
	p.Status.Pair = pair
	return nil
}

// apply takes over the identities; absent they stay, "None" takes them away.
func (i *identityWire) apply(p *resource.Port) {
	if i == nil {
		return
	}
	p.Identities = nil
	if !strings.EqualFold(i.Type, "None") {
		p.Identities = slices.Sorted(maps.Keys(i.UserAssigned))
	}
}

// apply takes over what the owner writes; absent properties, and links that a list leaves out, stay as they are.
func (in *portProps) apply(p *resource.Port, fabric *resource.Fabric) error {
	if in == nil {
		return nil
	}
	if in.PeeringLocation != "" {
		p.PeeringLocation = in.PeeringLocation
	}
	if known := fabric.PeeringLocation(p.PeeringLocation); known != nil {
		p.PeeringLocation = known.Name
	}
	p.BandwidthGbps = int(or(in.Gbps, int32(p.BandwidthGbps)))
	if in.Encapsulation != "" {
		p.Encapsulation = pick(in.Encapsulation, resource.Dot1Q, resource.QinQ)
	}
	if in.Billing != "" {
		p.Billing = pick(in.Billing, resource.FamilyMetered, resource.FamilyUnlimited)
	}
	if in.Links == nil {
		return nil
	}
	for _, l := range *in.Links {
		i := p.Link(l.Name)
		if i < 0 {
			return badField(linksPath, resource.CodeInvalidName, "'%s' is no link of a port; want link1 or link2.", l.Name)
		}
		if err := l.Properties.apply(&p.Links[i], linksPath+"["+l.Name+"].properties"); err != nil {
			return err
		}
	}
	return nil
}

func (in *linkProps) apply(l *resource.PortLink, field string) error {
	if in == nil {
		return nil
	}
	if err := onOff(in.AdminState, &l.Enabled, field+".adminState"); err != nil {
		return err
	}
	m := in.MACsec
	if m == nil {
		return nil
	}
	l.MACsec.CKN, l.MACsec.CAK = or(m.CKN, l.MACsec.CKN), or(m.CAK, l.MACsec.CAK)
	if m.Cipher != "" {
		l.MACsec.Cipher = pick(m.Cipher, resource.CipherAES128, resource.CipherAES256, resource.CipherAESXPN128, resource.CipherAESXPN256)
	}
	if l.MACsec.CKN != "" && l.MACsec.Cipher == "" {
		l.MACsec.Cipher = resource.CipherAES128
	}
	return onOff(m.SCI, &l.MACsec.SCI, field+".macSecConfig.sciState")
}

// onOff reads "Enabled" or "Disabled"; "" keeps what is there.
func onOff(s string, into *bool, field string) error {
	switch {
	case s == "":
	case strings.EqualFold(s, "Enabled"):
		*into = true
	case strings.EqualFold(s, "Disabled"):
		*into = false
	default:
		return badField(field, resource.CodeInvalidValue, "'%s' is no state; want Enabled or Disabled.", s)
	}
	return nil
}

func enabled(b bool) string {
	if b {
		return "Enabled"
	}
	return "Disabled"
}

func portOut(v *view, p *resource.Port) portWire {
	links, circuits := []linkWire{}, []refWire{}
	for i := range p.Links {
		links = append(links, linkOut(v, p, i))
	}
	for _, c := range resource.PortCircuits(v.circuits, p.Meta.ID) {
		circuits = append(circuits, refWire{ID: c.Meta.ID.String()})
	}
	w := portWire{headWire: headOut(&p.Meta, portType), Properties: &portProps{
		ProvisioningState: p.Meta.State, ResourceGUID: p.Meta.GUID, PeeringLocation: p.PeeringLocation, Gbps: ptr(int32(p.BandwidthGbps)),
		Provisioned: ptr(float64(resource.ProvisionedMbps(v.circuits, p.Meta.ID)) / 1000), MTU: "1500", Encapsulation: string(p.Encapsulation),
		EtherType: "0x8100", Billing: string(p.Billing), Allocated: p.Meta.Created.Format("Monday, January 2, 2006"), Links: &links, Circuits: &circuits,
	}}
	if len(p.Identities) > 0 {
		w.Identity = &identityWire{Type: "UserAssigned", UserAssigned: map[string]struct{}{}}
		for _, id := range p.Identities {
			w.Identity.UserAssigned[id] = struct{}{}
		}
	}
	return w
}

func linkOut(v *view, p *resource.Port, i int) linkWire {
	l, at := &p.Links[i], childOut(&p.Meta, p.Meta.ID.Child("links", resource.LinkName(i)))
	props := &linkProps{ProvisioningState: p.Meta.State, AdminState: enabled(l.Enabled),
		MACsec: &macsecWire{Cipher: string(l.MACsec.Cipher), SCI: enabled(l.MACsec.SCI)}}
	if l.MACsec.CKN != "" {
		props.MACsec.CKN, props.MACsec.CAK = &l.MACsec.CKN, &l.MACsec.CAK
	}
	if x := v.fabric.DirectPair(p.Status.Pair); x != nil {
		end := x.Links()[i]
		props.Router, props.Interface, props.Connector = end.Router(), end.InterfaceName(), end.ConnectorType()
		props.PatchPanel, props.Rack, props.Colo = end.PatchPanel, end.Rack, end.Colo
	}
	return linkWire{Name: at.Name, ID: at.ID, Etag: at.Etag, Properties: props}
}

// port reads the port a call is inside of.
func (f *Front) port(c *call) (*resource.Port, *view, error) {
	p, err := load[*resource.Port](f, c, c.id(portType, c.params["name"]))
	if err != nil {
		return nil, nil, err
	}
	v, err := f.view(c)
	return p, v, err
}

func listLinks(f *Front, c *call) (answer, error) {
	p, v, err := f.port(c)
	if err != nil {
		return answer{}, err
	}
	return ok(listOf(*portOut(v, p).Properties.Links)), nil
}

func getLink(f *Front, c *call) (answer, error) {
	p, v, err := f.port(c)
	if err != nil {
		return answer{}, err
	}
	i := p.Link(c.params["link"])
	if i < 0 {
		return answer{}, notFound(p.Meta.ID.Child("links", c.params["link"]))
	}
	return child(&p.Meta, linkOut(v, p, i)), nil
}

// postLOA writes the port's letter of authorization, in the name of a customer.
func postLOA(f *Front, c *call) (answer, error) {
	var in struct {
		Customer string `json:"customerName"`
	}
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	if strings.TrimSpace(in.Customer) == "" {
		return answer{}, badField("customerName", resource.CodeInvalidValue, "The name of the customer, whom the letter authorizes, is missing.")
	}
	p, v, err := f.port(c)
	if err != nil {
		return answer{}, err
	}
	pair, location := v.fabric.DirectPair(p.Status.Pair), v.fabric.PeeringLocation(p.PeeringLocation)
	if pair == nil || location == nil {
		return answer{}, refuse(http.StatusConflict, resource.CodeConflict, "The port '%s' has no pair of edge ports in the operator's inventory.", p.Meta.ID.Name())
	}
	l := letterOf(p, pair, location, strings.TrimSpace(in.Customer))
	if err := l.Check(); err != nil {
		return answer{}, badField("customerName", resource.CodeInvalidValue, "%v.", err)
	}
	return ok(map[string]any{"encodedContent": l.PDF()}), nil // JSON has bytes in base64
}

func letterOf(p *resource.Port, pair *resource.DirectPair, location *resource.PeeringLocation, customer string) *loa.Letter {
	l := &loa.Letter{Customer: customer, Date: time.Now(), Port: p.Meta.ID.Name(), GUID: p.Meta.GUID, Location: location.Name, Address: location.Address,
		Contact: location.Contact, Gbps: p.BandwidthGbps, Optics: optics(p.BandwidthGbps)}
	for i, end := range pair.Links() {
		l.Links = append(l.Links, loa.Link{Name: resource.LinkName(i), Router: end.Router(), Interface: end.InterfaceName(), PatchPanel: end.PatchPanel,
			Rack: end.Rack, Colo: end.Colo, Connector: end.ConnectorType()})
	}
	return l
}

// optics are the single-mode transceivers of a speed.
func optics(gbps int) string {
	switch gbps {
	case 100:
		return "100GBASE-LR4 (QSFP-100G-LR4)"
	case 400:
		return "400GBASE-LR4 (QSFP-DD-400G-LR4)"
	}
	return "10GBASE-LR"
}
