package arm

import (
	"context"

	"onramp/resource"
)

// fakeLive is Live in memory: what nodes of one circuit would say.
type fakeLive struct {
	err   error
	block chan struct{} // not nil: queries wait for it
}

func (l *fakeLive) wait(ctx context.Context) error {
	if l.block != nil {
		select {
		case <-l.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return l.err
}

func (l *fakeLive) ARP(ctx context.Context, _ *resource.Circuit, _ resource.PeeringType, path string) ([]ARPRow, error) {
	if path == "secondary" {
		return nil, l.wait(ctx)
	}
	return []ARPRow{{Age: 4, Interface: "On-Prem", IP: "192.168.1.1", MAC: "02aa.bb00.0001"}}, l.wait(ctx)
}

func (l *fakeLive) Routes(ctx context.Context, _ *resource.Circuit, _ resource.PeeringType, _ string) ([]RouteRow, error) {
	return []RouteRow{{Network: "10.6.0.0/16", NextHop: "192.168.1.1", Path: "65001"}}, l.wait(ctx)
}

func (l *fakeLive) RoutesSummary(ctx context.Context, _ *resource.Circuit, _ resource.PeeringType, _ string) ([]SummaryRow, error) {
	return []SummaryRow{{Neighbor: "192.168.1.1", Version: 4, AS: 65001, UpDown: "1d14h", StateOrPrefixes: "3"}}, l.wait(ctx)
}

func (l *fakeLive) Stats(context.Context, *resource.Circuit, resource.PeeringType) (Stats, error) {
	return Stats{PrimaryIn: 537408, PrimaryOut: 44032550, SecondaryOut: 39002500}, l.err
}

func (l *fakeLive) LearnedRoutes(ctx context.Context, _ *resource.Gateway) ([]GatewayRoute, error) {
	return []GatewayRoute{{LocalAddress: "10.0.0.29", Network: "10.6.0.0/16", NextHop: "10.0.0.4", SourcePeer: "10.0.0.4", Origin: "EBgp", ASPath: "12076-65001", Weight: 32769}}, l.wait(ctx)
}

func (l *fakeLive) AdvertisedRoutes(ctx context.Context, _ *resource.Gateway, peer string) ([]GatewayRoute, error) {
	return []GatewayRoute{{Network: "10.0.0.0/16", SourcePeer: peer, Origin: "Igp"}}, l.wait(ctx)
}

func (l *fakeLive) BGPPeers(ctx context.Context, _ *resource.Gateway) ([]BGPPeer, error) {
	return []BGPPeer{{LocalAddress: "10.0.0.29", Neighbor: "10.0.0.4", State: "Connected", ConnectedDuration: "01:23:45.0000000", ASN: 12076, RoutesReceived: 3}}, l.wait(ctx)
}

func (l *fakeLive) EffectiveRoutes(ctx context.Context, _ *resource.Interface) ([]EffectiveRoute, error) {
	return []EffectiveRoute{{Source: "VirtualNetworkGateway", State: "Active", NextHopType: "VirtualNetworkGateway", Prefixes: []string{"10.6.0.0/16"}, NextHops: []string{"10.0.0.29"}}}, l.wait(ctx)
}

func (l *fakeLive) ConnectionBytes(resource.ID) (in, out uint64) { return 1000, 2000 }

func (l *fakeLive) Nodes(context.Context) (any, error) { return []string{"edge1", "edge2"}, l.err }

func (l *fakeLive) Node(_ context.Context, name string) (any, error) {
	if name != "edge1" {
		return nil, ErrNoNode
	}
	return map[string]string{"name": name}, l.err
}

func (l *fakeLive) Diagnose(context.Context, *resource.Circuit) ([]Finding, error) {
	return []Finding{{Layer: "tag", Path: "primary", Expected: "30", Seen: "31", Fix: "set the S-tag to 30"}}, l.err
}
