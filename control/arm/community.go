package arm

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strings"
)

//go:embed data/communities.csv
var communitiesText string

// community is a row of the catalogue of BGP communities.
type community struct {
	service, group, region, name, value string
	restricted                          bool // a filter may name it only with the cloud's consent
}

// readCommunities reads the catalogue: service, group, region, name, value, restricted.
func readCommunities(text string) ([]community, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comment, r.FieldsPerRecord = '#', 6
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read communities: %w", err)
	}
	var all []community
	for _, f := range rows {
		all = append(all, community{f[0], f[1], f[2], f[3], f[4], f[5] == "1"})
	}
	return all, nil
}

type communityWire struct {
	Region     string   `json:"serviceSupportedRegion"`
	Name       string   `json:"communityName"`
	Value      string   `json:"communityValue"`
	Prefixes   []string `json:"communityPrefixes"`
	Authorized bool     `json:"isAuthorizedToUse"`
	Group      string   `json:"serviceGroup"`
}

type serviceCommunityWire struct {
	ID         string                `json:"id"`
	Name       string                `json:"name"`
	Type       string                `json:"type"`
	Properties serviceCommunityProps `json:"properties"`
}

type serviceCommunityProps struct {
	Service     string          `json:"serviceName"`
	Communities []communityWire `json:"bgpCommunities"`
}

// listCommunities answers the catalogue, by service. No prefix is listed: there are no public services behind the peerings.
func listCommunities(_ *Front, c *call) (answer, error) {
	all, err := readCommunities(communitiesText)
	if err != nil {
		return answer{}, err
	}
	rows := []serviceCommunityWire{}
	for _, k := range all {
		if n := len(rows); n == 0 || rows[n-1].Name != k.service {
			rows = append(rows, serviceCommunityWire{ID: c.scope().String() + "/providers/" + networkNamespace + "/bgpServiceCommunities/" + k.service,
				Name: k.service, Type: networkNamespace + "/bgpServiceCommunities", Properties: serviceCommunityProps{Service: strings.ToLower(k.service)}})
		}
		p := &rows[len(rows)-1].Properties
		p.Communities = append(p.Communities, communityWire{k.region, k.name, k.value, []string{}, !k.restricted, k.group})
	}
	return ok(listOf(rows)), nil
}
