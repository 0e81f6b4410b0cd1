package cli

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
)

// portAuthorize makes a key for another subscription.
func portAuthorize() verb {
	return verb{
		use: "authorize PORT NAME", short: "Make a key that lets another subscription put one circuit on the port, and show it", args: [2]int{2, 2},
		example: "  onramp port authorize tengig for-fabrikam", complete: completePorts,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewExpressRoutePortAuthorizationsClient().BeginCreateOrUpdate(ctx, s.group, args[0], args[1],
				armnetwork.ExpressRoutePortAuthorization{Properties: &armnetwork.ExpressRoutePortAuthorizationPropertiesFormat{}}, nil)
			r, err := wait(ctx, s, "authorization "+args[1], p, err)
			if err != nil {
				return done(err)
			}
			q := r.Properties
			return describeFields(s, &r.ExpressRoutePortAuthorization, []field{
				{"name", val(r.Name)},
				{"key", val(q.AuthorizationKey)},
				{"use", string(val(q.AuthorizationUseStatus))},
				{"circuit", val(q.CircuitResourceURI)},
			})
		},
	}
}

// portAuthorizations lists a port's authorizations, without their keys.
func portAuthorizations() verb {
	return verb{
		use: "authorizations PORT", short: "List a port's keys: which are used, by which circuit", args: [2]int{1, 1},
		example: "  onramp port authorizations tengig", complete: completePorts,
		run: func(ctx context.Context, s *session, args []string) error {
			as, err := collect(ctx, s.net.NewExpressRoutePortAuthorizationsClient().NewListPager(s.group, args[0], nil),
				func(p armnetwork.ExpressRoutePortAuthorizationsClientListResponse) []*armnetwork.ExpressRoutePortAuthorization {
					return p.Value
				})
			if err != nil {
				return err
			}
			return emit(s, as, columns[*armnetwork.ExpressRoutePortAuthorization]{
				{"NAME", func(a *armnetwork.ExpressRoutePortAuthorization) string { return val(a.Name) }},
				{"USE", func(a *armnetwork.ExpressRoutePortAuthorization) string {
					return string(val(a.Properties.AuthorizationUseStatus))
				}},
				{"CIRCUIT", func(a *armnetwork.ExpressRoutePortAuthorization) string { return val(a.Properties.CircuitResourceURI) }},
			}, as)
		},
	}
}

// portRevoke takes a key back.
func portRevoke() verb {
	return verb{
		use: "revoke PORT NAME", short: "Take a key back that no circuit uses", args: [2]int{2, 2},
		example: "  onramp port revoke tengig for-fabrikam", complete: completePorts,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewExpressRoutePortAuthorizationsClient().BeginDelete(ctx, s.group, args[0], args[1], nil)
			_, err = wait(ctx, s, "revoke "+args[1], p, err)
			return done(err)
		},
	}
}
