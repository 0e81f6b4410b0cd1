package cli

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
	"github.com/spf13/pflag"
)

// groupNoun is the resource groups.
func groupNoun() noun {
	return noun{name: "group", short: "Resource groups", role: "customer", verbs: []verb{groupCreate(), groupShow(), groupList(), groupDelete()}}
}

// groupCreate makes a resource group.
func groupCreate() verb {
	var location string
	return verb{
		use: "create NAME", short: "Create a resource group", args: [2]int{1, 1},
		example: "  onramp group create rg --location westus2", required: []string{"location"},
		flags: func(f *pflag.FlagSet) { f.StringVarP(&location, "location", "l", "", "region") },
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.rm.NewResourceGroupsClient().CreateOrUpdate(ctx, args[0], armresources.ResourceGroup{Location: &location}, nil)
			if err != nil {
				return err
			}
			return showGroup(s, &r.ResourceGroup)
		},
	}
}

// groupShow describes one group.
func groupShow() verb {
	return verb{
		use: "show NAME", short: "Describe a resource group", args: [2]int{1, 1}, example: "  onramp group show rg", complete: completeGroups,
		run: func(ctx context.Context, s *session, args []string) error {
			r, err := s.rm.NewResourceGroupsClient().Get(ctx, args[0], nil)
			if err != nil {
				return err
			}
			return showGroup(s, &r.ResourceGroup)
		},
	}
}

// showGroup prints a group.
func showGroup(s *session, g *armresources.ResourceGroup) error {
	return describeFields(s, g, []field{{"name", val(g.Name)}, {"location", val(g.Location)}, {"id", val(g.ID)}})
}

// groupList lists the subscription's groups.
func groupList() verb {
	return verb{
		use: "list", short: "List resource groups", example: "  onramp group list",
		run: func(ctx context.Context, s *session, _ []string) error {
			gs, err := listGroups(ctx, s)
			if err != nil {
				return err
			}
			return emit(s, gs, columns[*armresources.ResourceGroup]{
				{"NAME", func(g *armresources.ResourceGroup) string { return val(g.Name) }},
				{"LOCATION", func(g *armresources.ResourceGroup) string { return val(g.Location) }},
			}, gs)
		},
	}
}

// listGroups reads the subscription's groups.
func listGroups(ctx context.Context, s *session) ([]*armresources.ResourceGroup, error) {
	return collect(ctx, s.rm.NewResourceGroupsClient().NewListPager(nil),
		func(p armresources.ResourceGroupsClientListResponse) []*armresources.ResourceGroup { return p.Value })
}

// completeGroups offers group names.
func completeGroups(ctx context.Context, s *session, _ []string) ([]string, error) {
	gs, err := listGroups(ctx, s)
	var names []string
	for _, g := range gs {
		names = append(names, val(g.Name))
	}
	return names, err
}

// groupDelete deletes a group.
func groupDelete() verb {
	return verb{
		use: "delete NAME", short: "Delete a resource group with everything in it", args: [2]int{1, 1},
		example: "  onramp group delete rg", complete: completeGroups,
		run: func(ctx context.Context, s *session, args []string) error {
			p, err := s.rm.NewResourceGroupsClient().BeginDelete(ctx, args[0], nil)
			_, err = wait(ctx, s, "delete group "+args[0], p, err)
			return done(err)
		},
	}
}
