package arm

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"onramp/resource"
)

// subscriptions are those that exist, by lower-case id: the principals' and providers' of the fabric, and the documents there are.
func (f *Front) subscriptions(ctx context.Context) (map[string]*resource.Subscription, error) {
	fabric, err := f.fabricNow(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]*resource.Subscription{}
	add := func(id, name string) {
		id = strings.ToLower(id)
		if id != "" && all[id] == nil {
			all[id] = &resource.Subscription{Meta: resource.Head{ID: resource.ID{Subscription: id}}, DisplayName: name, TenantID: f.cfg.TenantID}
		}
	}
	for _, p := range fabric.Principals {
		add(p.Subscription, p.Name)
	}
	for _, p := range fabric.Providers {
		add(p.Subscription, p.Name)
	}
	return all, nil
}

type subscriptionWire struct {
	ID             string            `json:"id"`
	SubscriptionID string            `json:"subscriptionId"`
	TenantID       string            `json:"tenantId"`
	DisplayName    string            `json:"displayName"`
	State          string            `json:"state"`
	Policies       map[string]string `json:"subscriptionPolicies"`
	Source         string            `json:"authorizationSource"`
	Managed        []any             `json:"managedByTenants"`
}

func subscriptionOut(s *resource.Subscription) subscriptionWire {
	return subscriptionWire{
		ID: s.Meta.ID.String(), SubscriptionID: s.Meta.ID.Subscription, TenantID: s.TenantID, DisplayName: s.DisplayName, State: "Enabled",
		Policies: map[string]string{"locationPlacementId": "Internal_2014-09-01", "quotaId": "Internal_2014-09-01", "spendingLimit": "Off"},
		Source:   "RoleBased", Managed: []any{},
	}
}

// listSubscriptions answers those the caller may read.
func listSubscriptions(f *Front, c *call) (answer, error) {
	all, err := f.subscriptions(c.ctx)
	if err != nil {
		return answer{}, err
	}
	rows := []subscriptionWire{}
	for id, s := range all {
		if c.who.sees(id) {
			rows = append(rows, subscriptionOut(s))
		}
	}
	slices.SortFunc(rows, func(a, b subscriptionWire) int { return strings.Compare(a.ID, b.ID) })
	return ok(listOf(rows)), nil
}

func getSubscription(f *Front, c *call) (answer, error) {
	all, err := f.subscriptions(c.ctx)
	if err != nil {
		return answer{}, err
	}
	return ok(subscriptionOut(all[strings.ToLower(c.params["subscription"])])), nil
}

func listTenants(f *Front, _ *call) (answer, error) {
	t := f.cfg.TenantID
	return ok(listOf([]map[string]string{{"id": "/tenants/" + t, "tenantId": t, "displayName": "onramp", "tenantCategory": "Home"}})), nil
}

// listLocations answers the fabric's regions.
func listLocations(f *Front, c *call) (answer, error) {
	fabric, err := f.fabricNow(c.ctx)
	if err != nil {
		return answer{}, err
	}
	sub := c.id().Subscription
	rows := []map[string]any{}
	for _, r := range fabric.Regions {
		name := resource.NormalLocation(r.Name)
		rows = append(rows, map[string]any{
			"id": "/subscriptions/" + sub + "/locations/" + name, "name": name, "type": "Region", "displayName": displayName(r),
			"regionalDisplayName": "(" + r.Geography + ") " + displayName(r),
			"metadata": map[string]any{"regionType": "Physical", "regionCategory": "Recommended", "geographyGroup": r.Geography,
				"longitude": "0", "latitude": "0", "physicalLocation": "", "pairedRegion": []any{}},
		})
	}
	return ok(listOf(rows)), nil
}

func displayName(r resource.Region) string {
	if r.DisplayName != "" {
		return r.DisplayName
	}
	return r.Name
}

// rpVersions are the api-versions that the service advertises, newest first: clients take the first.
func rpVersions() []string {
	return []string{"2025-03-01", "2025-01-01", "2022-07-01", "2022-05-01", "2022-01-01", "2021-08-01", "2018-11-01"}
}

// networkTypes are the types of Microsoft.Network that the contract knows, in canonical spelling.
func networkTypes() []string {
	return []string{circuitType, circuitType + "/authorizations", circuitType + "/peerings", circuitType + "/peerings/connections", crossType,
		crossType + "/peerings", portType, portType + "/links", portType + "/authorizations", "expressRoutePortsLocations", "expressRouteServiceProviders", "expressRouteProviderPorts",
		"bgpServiceCommunities", "expressRouteGateways", "virtualWans", "virtualHubs", "routeFilters", gatewayType, connectionType, networkType,
		networkType + "/subnets", networkType + "/virtualNetworkPeerings", publicType, interfaceType, "routeTables", "networkSecurityGroups",
		"localNetworkGateways", "natGateways", "locations", "locations/operations", "locations/operationResults", "operations"}
}

// knownType is the canonical spelling of a type of the contract; "" for any other.
func knownType(typ string) string {
	for _, t := range networkTypes() {
		if strings.EqualFold(t, typ) {
			return t
		}
	}
	return ""
}

// namespaces are the resource providers that clients look for.
func namespaces() []string {
	return []string{networkNamespace, "Microsoft.Resources", "Microsoft.Authorization"}
}

func providerOut(sub, ns string, fabric *resource.Fabric) map[string]any {
	regions := []string{}
	for _, r := range fabric.Regions {
		regions = append(regions, displayName(r))
	}
	types := []map[string]any{}
	if ns == networkNamespace {
		for _, t := range networkTypes() {
			types = append(types, map[string]any{"resourceType": t, "locations": regions, "apiVersions": rpVersions(), "capabilities": "SupportsTags, SupportsLocation"})
		}
	}
	if ns == "Microsoft.Resources" {
		for _, t := range []string{"subscriptions", "resourceGroups", "subscriptions/resourceGroups"} {
			types = append(types, map[string]any{"resourceType": t, "locations": regions, "apiVersions": []string{"2023-07-01", "2022-09-01", "2021-04-01", "2019-10-01"}, "capabilities": "None"})
		}
	}
	return map[string]any{"id": "/subscriptions/" + sub + "/providers/" + ns, "namespace": ns, "registrationState": "Registered",
		"registrationPolicy": "RegistrationRequired", "resourceTypes": types}
}

func listProviders(f *Front, c *call) (answer, error) {
	fabric, err := f.fabricNow(c.ctx)
	if err != nil {
		return answer{}, err
	}
	rows := []map[string]any{}
	for _, ns := range namespaces() {
		rows = append(rows, providerOut(c.id().Subscription, ns, fabric))
	}
	return ok(listOf(rows)), nil
}

// getProvider answers one resource provider, for a POST to its register too: all are registered always.
func getProvider(f *Front, c *call) (answer, error) {
	fabric, err := f.fabricNow(c.ctx)
	if err != nil {
		return answer{}, err
	}
	for _, ns := range namespaces() {
		if strings.EqualFold(ns, c.params["namespace"]) {
			return ok(providerOut(c.id().Subscription, ns, fabric)), nil
		}
	}
	return answer{}, refuse(http.StatusNotFound, "InvalidResourceNamespace", "The resource namespace '%s' is invalid.", c.params["namespace"])
}

// listRPOperations answers the operations that roles can allow: the permissions of the routes table.
func listRPOperations(f *Front, _ *call) (answer, error) {
	seen := map[string]bool{}
	rows := []map[string]any{}
	for _, r := range routes() {
		if !strings.HasPrefix(r.Action, networkNamespace) || seen[r.Action] || r.Fidelity == Missing {
			continue
		}
		seen[r.Action] = true
		rows = append(rows, map[string]any{"name": r.Action, "isDataAction": false,
			"display": map[string]string{"provider": networkNamespace, "resource": strings.Split(r.Action, "/")[1], "operation": r.Action, "description": r.Action}})
	}
	return ok(listOf(rows)), nil
}
