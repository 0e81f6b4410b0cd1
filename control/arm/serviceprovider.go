package arm

import (
	"strconv"

	"onramp/resource"
)

type bandwidthWire struct {
	Offer string `json:"offerName"`
	Mbps  int32  `json:"valueInMbps"`
}

// offerName is how Azure prints a bandwidth: 50Mbps … 10Gbps.
func offerName(mbps int) string {
	if mbps%1000 == 0 {
		return strconv.Itoa(mbps/1000) + "Gbps"
	}
	return strconv.Itoa(mbps) + "Mbps"
}

// listServiceProviders answers the fabric's connectivity providers with where they are and what they sell.
func listServiceProviders(f *Front, c *call) (answer, error) {
	fabric, err := f.fabricNow(c.ctx)
	if err != nil {
		return answer{}, err
	}
	rows := []map[string]any{}
	for i := range fabric.Providers {
		p := &fabric.Providers[i]
		places, offers := []string{}, []bandwidthWire{}
		seen := map[string]bool{}
		for _, pair := range p.PortPairs {
			if !seen[pair.Location] {
				seen[pair.Location] = true
				places = append(places, pair.Location)
			}
		}
		for _, mbps := range p.Bandwidths() {
			offers = append(offers, bandwidthWire{offerName(mbps), int32(mbps)})
		}
		rows = append(rows, map[string]any{
			"name": p.Name, "type": networkNamespace + "/expressRouteServiceProviders",
			"id":         "/subscriptions//resourceGroups//providers/" + networkNamespace + "/expressRouteServiceProviders/", // as Azure has it
			"properties": map[string]any{"provisioningState": resource.Succeeded, "peeringLocations": places, "bandwidthsOffered": offers},
		})
	}
	return ok(listOf(rows)), nil
}
