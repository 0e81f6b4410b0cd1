package cli

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
)

// authorizationNoun is the keys that let other subscriptions connect to a circuit.
func authorizationNoun() noun {
	return noun{name: "authorization", short: "Authorizations: keys that let another subscription connect to a circuit", role: "customer", verbs: []verb{
		authorizationCreate(), authorizationShow(), authorizationList(), authorizationDelete(),
	}}
}

// authorizationCreate makes a key.
func authorizationCreate() verb {
	return verb{
		use: "create CIRCUIT NAME", short: "Make a key for one connection, and show it", args: [2]int{2, 2},
		example: "  onramp authorization create chicago for-fabrikam", complete: completeCircuits,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewExpressRouteCircuitAuthorizationsClient().BeginCreateOrUpdate(ctx, s.group, args[0], args[1],
				armnetwork.ExpressRouteCircuitAuthorization{Properties: &armnetwork.AuthorizationPropertiesFormat{}}, nil)
			r, err := wait(ctx, s, "authorization "+args[1], p, err)
			if err != nil {
				return done(err)
			}
			return showAuthorization(s, &r.ExpressRouteCircuitAuthorization)
		},
	}
}

// authorizationShow describes one authorization.
func authorizationShow() verb {
	return verb{
		use: "show CIRCUIT NAME", short: "Show a key and who used it", args: [2]int{2, 2},
		example: "  onramp authorization show chicago for-fabrikam", complete: completeCircuits,
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.net.NewExpressRouteCircuitAuthorizationsClient().Get(ctx, s.group, args[0], args[1], nil)
			if err != nil {
				return err
			}
			return showAuthorization(s, &r.ExpressRouteCircuitAuthorization)
		},
	}
}

// showAuthorization prints an authorization. Its key is what the owner came for.
func showAuthorization(s *session, a *armnetwork.ExpressRouteCircuitAuthorization) error {
	p := a.Properties
	return describeFields(s, a, []field{
		{"name", val(a.Name)},
		{"key", val(p.AuthorizationKey)},
		{"use", string(val(p.AuthorizationUseStatus))},
		{"connection", val(p.ConnectionResourceURI)},
		{"provisioning", string(val(p.ProvisioningState))},
	})
}

// authorizationList lists a circuit's authorizations, without their keys.
func authorizationList() verb {
	return verb{
		use: "list CIRCUIT", short: "List a circuit's authorizations", args: [2]int{1, 1},
		example: "  onramp authorization list chicago", complete: completeCircuits,
		run: func(ctx context.Context, s *session, args []string) error {
			as, err := collect(ctx, s.net.NewExpressRouteCircuitAuthorizationsClient().NewListPager(s.group, args[0], nil),
				func(p armnetwork.ExpressRouteCircuitAuthorizationsClientListResponse) []*armnetwork.ExpressRouteCircuitAuthorization {
					return p.Value
				})
			if err != nil {
				return err
			}
			return emit(s, as, columns[*armnetwork.ExpressRouteCircuitAuthorization]{
				{"NAME", func(a *armnetwork.ExpressRouteCircuitAuthorization) string { return val(a.Name) }},
				{"USE", func(a *armnetwork.ExpressRouteCircuitAuthorization) string {
					return string(val(a.Properties.AuthorizationUseStatus))
				}},
				{"CONNECTION", func(a *armnetwork.ExpressRouteCircuitAuthorization) string {
					return last(val(a.Properties.ConnectionResourceURI))
				}},
			}, as)
		},
	}
}

// authorizationDelete takes a key back.
func authorizationDelete() verb {
	return verb{
		use: "delete CIRCUIT NAME", short: "Take a key back that no connection uses", args: [2]int{2, 2},
		example: "  onramp authorization delete chicago for-fabrikam", complete: completeCircuits,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.net.NewExpressRouteCircuitAuthorizationsClient().BeginDelete(ctx, s.group, args[0], args[1], nil)
			_, err = wait(ctx, s, "delete authorization "+args[1], p, err)
			return done(err)
		},
	}
}
