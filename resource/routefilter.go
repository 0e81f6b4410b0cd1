package resource

import (
	"strconv"
	"strings"
)

// RouteFilter chooses by community which of the cloud's public prefixes a Microsoft peering announces.
type RouteFilter struct {
	Meta  Head
	Rules []RouteFilterRule // one at most
}

// RouteFilterRule is the rule of a filter.
type RouteFilterRule struct {
	Name        string
	Allow       bool
	Communities []string // "12076:5010"
	State       ProvisioningState
}

// Rule finds a rule by name, without case; nil when there is none.
func (f *RouteFilter) Rule(name string) *RouteFilterRule {
	for i := range f.Rules {
		if strings.EqualFold(f.Rules[i].Name, name) {
			return &f.Rules[i]
		}
	}
	return nil
}

// CheckRouteFilter checks a filter that is being written.
func CheckRouteFilter(f *RouteFilter) error {
	if err := CheckName(KindRouteFilter, f.Meta.ID.Name(), "name"); err != nil {
		return err
	}
	if len(f.Rules) > 1 {
		return refuse(Limit, CodeLimit, "properties.rules", "the filter would have %d rules, it may have one", len(f.Rules))
	}
	for i, r := range f.Rules {
		field := "properties.rules[" + strconv.Itoa(i) + "]"
		if err := CheckName(KindRouteFilter, r.Name, field+".name"); err != nil {
			return err
		}
		if len(r.Communities) == 0 {
			return invalid(field+".properties.communities", "the rule names no community, it needs one at least")
		}
		for k, c := range r.Communities {
			if !validCommunity(c) {
				return invalid(field+".properties.communities["+strconv.Itoa(k)+"]", "%q is no BGP community, such as %d:5010", c, ASN)
			}
		}
	}
	return nil
}

// validCommunity reports whether s is "AS:value", both of 16 bits (RFC 1997).
func validCommunity(s string) bool {
	as, value, ok := strings.Cut(s, ":")
	_, err1 := strconv.ParseUint(as, 10, 16)
	_, err2 := strconv.ParseUint(value, 10, 16)
	return ok && err1 == nil && err2 == nil
}

// Head returns the common part.
func (f *RouteFilter) Head() *Head { return &f.Meta }

// Kind returns KindRouteFilter.
func (f *RouteFilter) Kind() Kind { return KindRouteFilter }
