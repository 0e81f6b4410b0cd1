package arm

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"onramp/resource"
)

type portLocationWire struct {
	Name       string            `json:"name"`
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Properties portLocationProps `json:"properties"`
}

type portLocationProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState"`
	Address           string                     `json:"address"`
	Contact           string                     `json:"contact"`
	Bandwidths        []portBandwidth            `json:"availableBandwidths"`
}

type portBandwidth struct {
	Offer string `json:"offerName"`
	Gbps  int32  `json:"valueInGbps"`
}

// portLocations are the locations that have direct ports, free or taken, without what is free.
func portLocations(f *resource.Fabric, sub string) []portLocationWire {
	rows := []portLocationWire{}
	for _, l := range f.Locations {
		if !slices.ContainsFunc(f.DirectPairs, func(x resource.DirectPair) bool { return strings.EqualFold(x.Location, l.Name) }) {
			continue
		}
		rows = append(rows, portLocationWire{
			Name: l.Name, ID: "/subscriptions/" + sub + "/providers/" + networkNamespace + "/expressRoutePortsLocations/" + l.Name,
			Type: networkNamespace + "/expressRoutePortsLocations", Location: resource.NormalLocation(l.Region),
			Properties: portLocationProps{ProvisioningState: resource.Succeeded, Address: l.Address, Contact: l.Contact, Bandwidths: []portBandwidth{}},
		})
	}
	return rows
}

// listPortLocations answers them without bandwidths, as Azure does; those are in the answer for one.
func listPortLocations(f *Front, c *call) (answer, error) {
	fabric, err := f.fabricNow(c.ctx)
	if err != nil {
		return answer{}, err
	}
	return ok(listOf(portLocations(fabric, c.id().Subscription))), nil
}

func getPortLocation(f *Front, c *call) (answer, error) {
	snap, err := f.cfg.Store.Snapshot(c.ctx)
	if err != nil {
		return answer{}, err
	}
	world := resource.NewWorld(snap.Objects, nil)
	if world.Fabric == nil {
		world.Fabric = &resource.Fabric{}
	}
	for _, row := range portLocations(world.Fabric, c.id().Subscription) {
		if !strings.EqualFold(row.Name, c.params["name"]) {
			continue
		}
		free := map[int]bool{}
		for _, x := range world.FreeDirectPairs(row.Name) {
			free[x.BandwidthGbps] = true
		}
		for _, g := range resource.PortBandwidths() {
			if free[g] {
				row.Properties.Bandwidths = append(row.Properties.Bandwidths, portBandwidth{Offer: fmt.Sprintf("%d Gbps", g), Gbps: int32(g)})
			}
		}
		return ok(row), nil
	}
	return answer{}, refuse(http.StatusNotFound, "ResourceNotFound", "There is no location '%s' with ports.", c.params["name"])
}
