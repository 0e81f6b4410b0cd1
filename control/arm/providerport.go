package arm

import (
	"net/http"
	"strings"

	"onramp/resource"
)

type providerPortWire struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Location   string             `json:"location"`
	Properties *providerPortProps `json:"properties"`
}

type providerPortProps struct {
	Pair          string `json:"portPairDescriptor"`
	PrimaryPort   string `json:"primaryAzurePort"`
	SecondaryPort string `json:"secondaryAzurePort"`
	Location      string `json:"peeringLocation"`
	Overprovision int32  `json:"overprovisionFactor"`
	Mbps          int32  `json:"portBandwidthInMbps"`
	Used          int32  `json:"usedBandwidthInMbps"`
	Remaining     int32  `json:"remainingBandwidthInMbps"`
}

// providerPorts are the port pairs of the provider whose subscription the call addresses, with what circuits use of them.
func (f *Front) providerPorts(c *call) ([]providerPortWire, error) {
	snap, err := f.cfg.Store.Snapshot(c.ctx)
	if err != nil {
		return nil, err
	}
	world := resource.NewWorld(snap.Objects, nil)
	used := map[string]int{}
	for _, k := range world.Circuits {
		used[k.Status.PortPair] += k.BandwidthMbps
	}
	rows := []providerPortWire{}
	if world.Fabric == nil {
		return rows, nil
	}
	sub := c.id().Subscription
	for i := range world.Fabric.Providers {
		p := &world.Fabric.Providers[i]
		if !strings.EqualFold(p.Subscription, sub) {
			continue
		}
		for k := range p.PortPairs {
			rows = append(rows, providerPortOut(world.Fabric, &p.PortPairs[k], sub, used[p.PortPairs[k].Name]))
		}
	}
	return rows, nil
}

func providerPortOut(f *resource.Fabric, x *resource.PortPair, sub string, used int) providerPortWire {
	region := ""
	if l := f.PeeringLocation(x.Location); l != nil {
		region = resource.NormalLocation(l.Region)
	}
	return providerPortWire{
		ID:   "/subscriptions/" + sub + "/providers/" + networkNamespace + "/expressRouteProviderPorts/" + x.Name,
		Name: x.Name, Type: networkNamespace + "/expressRouteProviderPort", Location: region,
		Properties: &providerPortProps{
			Pair: x.Name, PrimaryPort: x.Primary, SecondaryPort: x.Secondary, Location: x.Location, Mbps: int32(x.BandwidthMbps),
			Overprovision: int32(x.CapacityMbps() / max(x.BandwidthMbps, 1)), Used: int32(used), Remaining: int32(x.CapacityMbps() - used),
		},
	}
}

// listProviderPorts answers all, or those of one location: $filter=location eq 'Seattle'.
func listProviderPorts(f *Front, c *call) (answer, error) {
	all, err := f.providerPorts(c)
	if err != nil {
		return answer{}, err
	}
	want := filterValue(c.query("$filter"))
	rows := []providerPortWire{}
	for _, r := range all {
		if want == "" || strings.EqualFold(want, r.Properties.Location) {
			rows = append(rows, r)
		}
	}
	return ok(listOf(rows)), nil
}

// getProviderPort answers 204 for a pair that the provider does not have, as Azure does.
func getProviderPort(f *Front, c *call) (answer, error) {
	all, err := f.providerPorts(c)
	if err != nil {
		return answer{}, err
	}
	for _, r := range all {
		if strings.EqualFold(r.Name, c.params["port"]) {
			return ok(r), nil
		}
	}
	return answer{status: http.StatusNoContent}, nil
}
