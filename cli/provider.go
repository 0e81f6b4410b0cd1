package cli

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
)

// providerNoun is the catalogue of connectivity providers.
func providerNoun() noun {
	return noun{name: "provider", short: "Connectivity providers and what they offer", role: "customer", verbs: []verb{providerList()}}
}

// providerList lists the providers with their locations and bandwidths.
func providerList() verb {
	return verb{
		use: "list", short: "List connectivity providers, their locations and bandwidths", example: "  onramp provider list",
		run: func(ctx context.Context, s *session, _ []string) error {
			ps, err := collect(ctx, s.net.NewExpressRouteServiceProvidersClient().NewListPager(nil),
				func(p armnetwork.ExpressRouteServiceProvidersClientListResponse) []*armnetwork.ExpressRouteServiceProvider {
					return p.Value
				})
			if err != nil {
				return err
			}
			return emit(s, ps, columns[*armnetwork.ExpressRouteServiceProvider]{
				{"NAME", func(p *armnetwork.ExpressRouteServiceProvider) string { return val(p.Name) }},
				{"PEERING LOCATIONS", func(p *armnetwork.ExpressRouteServiceProvider) string { return strs(p.Properties.PeeringLocations) }},
				{"BANDWIDTHS", func(p *armnetwork.ExpressRouteServiceProvider) string {
					var names []string
					for _, b := range p.Properties.BandwidthsOffered {
						names = append(names, val(b.OfferName))
					}
					return strings.Join(names, " ")
				}},
			}, ps)
		},
	}
}
