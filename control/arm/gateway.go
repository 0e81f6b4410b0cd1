package arm

import (
	"context"
	"strconv"
	"strings"

	"onramp/resource"
)

const gatewayType = "virtualNetworkGateways"

type gatewayWire struct {
	headWire
	Properties *gatewayProps `json:"properties,omitempty"`
}

type gatewayProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	ResourceGUID      string                     `json:"resourceGuid,omitempty"`
	GatewayType       string                     `json:"gatewayType,omitempty"`
	VPNType           string                     `json:"vpnType,omitempty"`
	Generation        string                     `json:"vpnGatewayGeneration,omitempty"`
	EnableBGP         *bool                      `json:"enableBgp,omitempty"`
	ActiveActive      *bool                      `json:"activeActive,omitempty"`
	SKU               *gatewaySKU                `json:"sku,omitempty"`
	PrivateIP         *bool                      `json:"enablePrivateIpAddress,omitempty"`
	NoReplay          *bool                      `json:"disableIPSecReplayProtection,omitempty"`
	NATTranslation    *bool                      `json:"enableBgpRouteTranslationForNat,omitempty"`
	AllowVirtualWan   *bool                      `json:"allowVirtualWanTraffic,omitempty"`
	AllowRemoteVnet   *bool                      `json:"allowRemoteVnetTraffic,omitempty"`
	Configs           *[]configWire              `json:"ipConfigurations,omitempty"`
	BGP               *gatewayBGP                `json:"bgpSettings,omitempty"`
}

type gatewaySKU struct {
	Name     string `json:"name,omitempty"`
	Tier     string `json:"tier,omitempty"`
	Capacity *int32 `json:"capacity,omitempty"`
}

type gatewayBGP struct {
	ASN     *int64 `json:"asn,omitempty"`
	Address string `json:"bgpPeeringAddress,omitempty"`
	Weight  *int32 `json:"peerWeight,omitempty"`
}

func gateways() noun[*resource.Gateway] {
	return noun[*resource.Gateway]{
		typ: gatewayType, kind: resource.KindGateway,
		blank: func(h resource.Head) *resource.Gateway { return &resource.Gateway{Meta: h} },
		wire:  func(_ *view, g *resource.Gateway) any { return gatewayOut(g) },
		apply: applyGateway,
		drop:  func(w *write[*resource.Gateway]) error { return w.world.CheckGatewayDelete(w.old) },
	}
}

func applyGateway(w *write[*resource.Gateway]) error {
	var in gatewayWire
	if err := decode(w.body, &in); err != nil {
		return err
	}
	g := w.new
	if err := in.apply(&g.Meta, w.exists); err != nil {
		return err
	}
	p := in.Properties
	if p == nil {
		p = &gatewayProps{}
	}
	if err := p.apply(g, w.exists); err != nil {
		return err
	}
	for _, c := range g.Configs {
		w.watch(c.Subnet)
		if !c.Public.IsZero() {
			w.watch(c.Public)
		}
	}
	if err := w.world.CheckGateway(w.old, g); err != nil || w.exists {
		return err
	}
	nodes, err := w.world.PlaceGateway(g)
	if err != nil {
		return err
	}
	_, subnet := w.world.Subnet(g.Configs[0].Subnet)
	g.Status = resource.GatewayStatus{Nodes: nodes, Addresses: resource.GatewayAddresses(subnet, len(nodes))}
	return nil
}

func (p *gatewayProps) apply(g *resource.Gateway, exists bool) error {
	switch {
	case strings.EqualFold(p.GatewayType, "ExpressRoute"), p.GatewayType == "" && exists:
	case strings.EqualFold(p.GatewayType, "Vpn"), strings.EqualFold(p.GatewayType, "LocalGateway"):
		return missing("A gateway of type " + p.GatewayType + " (properties.gatewayType)")
	default:
		return badField("properties.gatewayType", resource.CodeInvalidValue, "'%s' is no type of gateway; want ExpressRoute.", p.GatewayType)
	}
	if p.SKU != nil && p.SKU.Name != "" {
		g.SKU = p.SKU.Name
		if known, found := resource.FindGatewaySKU(g.SKU); found {
			g.SKU = known.Name
		}
	}
	g.ActiveActive = or(p.ActiveActive, g.ActiveActive)
	g.AllowRemoteVnet, g.AllowVirtualWan = or(p.AllowRemoteVnet, g.AllowRemoteVnet), or(p.AllowVirtualWan, g.AllowVirtualWan)
	if p.Configs == nil {
		return nil
	}
	var all []resource.GatewayConfig
	for i, in := range *p.Configs {
		c := resource.GatewayConfig{Name: in.Name, Dynamic: true}
		if c.Name == "" {
			c.Name = "default"
		}
		field := "properties.ipConfigurations[" + strconv.Itoa(i) + "].properties"
		if err := in.Properties.applyGateway(&c, field); err != nil {
			return err
		}
		all = append(all, c)
	}
	g.Configs = all
	return nil
}

func (p *configProps) applyGateway(c *resource.GatewayConfig, field string) (err error) {
	if p == nil {
		p = &configProps{}
	}
	if c.Subnet, err = parseRef(p.Subnet, field+".subnet", resource.KindNetwork); err != nil {
		return err
	}
	if p.Public != nil && p.Public.ID != "" {
		c.Public, err = parseRef(p.Public, field+".publicIPAddress", resource.KindPublicAddress)
	}
	return err
}

func gatewayOut(g *resource.Gateway) gatewayWire {
	configs := []configWire{}
	for _, c := range g.Configs {
		p := &configProps{ProvisioningState: g.Meta.State, Method: "Dynamic", Subnet: &refWire{c.Subnet.String()}}
		if !c.Public.IsZero() {
			p.Public = &refWire{c.Public.String()}
		}
		w := configWire{childWire: childOut(&g.Meta, g.Meta.ID.Child("ipConfigurations", c.Name)), Properties: p}
		w.Type = ""
		configs = append(configs, w)
	}
	bgp := &gatewayBGP{ASN: ptr(int64(resource.GatewayASN)), Weight: ptr(int32(0))}
	var addresses []string
	for _, a := range g.Status.Addresses {
		addresses = append(addresses, a.String())
	}
	bgp.Address = strings.Join(addresses, ",")
	return gatewayWire{headWire: headOut(&g.Meta, gatewayType), Properties: &gatewayProps{
		ProvisioningState: g.Meta.State, ResourceGUID: g.Meta.GUID, GatewayType: "ExpressRoute", VPNType: "RouteBased", Generation: "None",
		EnableBGP: ptr(false), ActiveActive: &g.ActiveActive, SKU: &gatewaySKU{Name: g.SKU, Tier: g.SKU, Capacity: ptr(int32(2))},
		PrivateIP: ptr(false), NoReplay: ptr(false), NATTranslation: ptr(false), AllowVirtualWan: &g.AllowVirtualWan,
		AllowRemoteVnet: &g.AllowRemoteVnet, Configs: &configs, BGP: bgp,
	}}
}

func (f *Front) gateway(c *call) (*resource.Gateway, error) {
	return load[*resource.Gateway](f, c, c.id(gatewayType, c.params["name"]))
}

// listGatewayConnections answers the connections of one gateway, of every subscription.
func listGatewayConnections(f *Front, c *call) (answer, error) {
	g, err := f.gateway(c)
	if err != nil {
		return answer{}, err
	}
	os, err := f.cfg.Store.List(c.ctx, resource.KindConnection, resource.ID{})
	if err != nil {
		return answer{}, err
	}
	rows := []connectionWire{}
	for _, o := range os {
		if n := o.(*resource.Connection); n.Gateway.Equal(g.Meta.ID) {
			rows = append(rows, connectionOut(f.cfg.Live, n))
		}
	}
	return ok(listOf(rows)), nil
}

type gatewayRouteWire struct {
	LocalAddress string `json:"localAddress"`
	Network      string `json:"network"`
	NextHop      string `json:"nextHop"`
	SourcePeer   string `json:"sourcePeer"`
	Origin       string `json:"origin"`
	ASPath       string `json:"asPath"`
	Weight       int32  `json:"weight"`
}

// gatewayTable starts the query of a gateway's routes.
func (f *Front) gatewayTable(c *call, read func(context.Context, *resource.Gateway) ([]GatewayRoute, error)) (answer, error) {
	g, err := f.gateway(c)
	if err != nil {
		return answer{}, err
	}
	return f.action(c, g.Meta.ID, g.Meta.Location, func(ctx context.Context) (any, error) {
		rows, err := read(ctx, g)
		if err != nil {
			return nil, err
		}
		out := []gatewayRouteWire{}
		for _, r := range rows {
			out = append(out, gatewayRouteWire{r.LocalAddress, r.Network, r.NextHop, r.SourcePeer, r.Origin, r.ASPath, int32(r.Weight)})
		}
		return listOf(out), nil
	})
}

func postLearnedRoutes(f *Front, c *call) (answer, error) {
	return f.gatewayTable(c, f.cfg.Live.LearnedRoutes)
}

func postAdvertisedRoutes(f *Front, c *call) (answer, error) {
	peer := c.query("peer")
	if peer == "" {
		return answer{}, badField("peer", "MissingParameter", "The query parameter peer is missing: the address of a BGP neighbour.")
	}
	return f.gatewayTable(c, func(ctx context.Context, g *resource.Gateway) ([]GatewayRoute, error) {
		return f.cfg.Live.AdvertisedRoutes(ctx, g, peer)
	})
}

type bgpPeerWire struct {
	LocalAddress      string `json:"localAddress"`
	Neighbor          string `json:"neighbor"`
	ASN               int64  `json:"asn"`
	State             string `json:"state"`
	ConnectedDuration string `json:"connectedDuration"`
	RoutesReceived    int64  `json:"routesReceived"`
	MessagesSent      int64  `json:"messagesSent"`
	MessagesReceived  int64  `json:"messagesReceived"`
}

func postBGPPeers(f *Front, c *call) (answer, error) {
	g, err := f.gateway(c)
	if err != nil {
		return answer{}, err
	}
	peer := c.query("peer")
	return f.action(c, g.Meta.ID, g.Meta.Location, func(ctx context.Context) (any, error) {
		rows, err := f.cfg.Live.BGPPeers(ctx, g)
		if err != nil {
			return nil, err
		}
		out := []bgpPeerWire{}
		for _, r := range rows {
			if peer == "" || peer == r.Neighbor {
				out = append(out, bgpPeerWire{r.LocalAddress, r.Neighbor, int64(r.ASN), r.State, r.ConnectedDuration, r.RoutesReceived, r.MessagesSent, r.MessagesReceived})
			}
		}
		return listOf(out), nil
	})
}
