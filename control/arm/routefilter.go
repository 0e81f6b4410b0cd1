package arm

import (
	"net/http"
	"strconv"
	"strings"

	"onramp/resource"
)

const (
	filterType = "routeFilters"
	ruleType   = "routeFilterRules"
)

type filterWire struct {
	headWire
	Properties *filterProps `json:"properties,omitempty"`
}

type filterProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	Rules             *[]ruleWire                `json:"rules,omitempty"`
	Peerings          *[]refWire                 `json:"peerings,omitempty"`
	IPv6Peerings      *[]refWire                 `json:"ipv6Peerings,omitempty"`
}

type ruleWire struct {
	Name       string     `json:"name,omitempty"`
	ID         string     `json:"id,omitempty"`
	Etag       string     `json:"etag,omitempty"`
	Location   string     `json:"location,omitempty"`
	Properties *ruleProps `json:"properties,omitempty"`
}

type ruleProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	Access            string                     `json:"access,omitempty"`
	RuleType          string                     `json:"routeFilterRuleType,omitempty"`
	Communities       *[]string                  `json:"communities,omitempty"`
}

// routeFilters are kept and checked. No peering takes one yet: those of a Microsoft peering do.
func routeFilters() noun[*resource.RouteFilter] {
	return noun[*resource.RouteFilter]{
		typ: filterType, kind: resource.KindRouteFilter,
		blank: func(h resource.Head) *resource.RouteFilter { return &resource.RouteFilter{Meta: h} },
		wire:  func(_ *view, o *resource.RouteFilter) any { return filterOut(o) },
		apply: applyFilter,
		drop:  func(*write[*resource.RouteFilter]) error { return nil },
	}
}

func applyFilter(w *write[*resource.RouteFilter]) error {
	var in filterWire
	if err := decode(w.body, &in); err != nil {
		return err
	}
	if err := in.apply(&w.new.Meta, w.exists); err != nil {
		return err
	}
	if in.Properties != nil && in.Properties.Rules != nil {
		if err := replaceRules(w.new, *in.Properties.Rules); err != nil {
			return err
		}
	}
	if !w.exists && w.world.Fabric.Region(w.new.Meta.Location) == nil {
		return regionUnknown(w.new.Meta.Location, filterType)
	}
	return resource.CheckRouteFilter(w.new)
}

// regionUnknown refuses a location that is none of the fabric's.
func regionUnknown(location, typ string) error {
	return badField("location", "LocationNotAvailableForResourceType",
		"The provided location '%s' is not available for resource type '%s/%s'.", location, networkNamespace, typ)
}

// replaceRules makes the rules of a filter those of a list, by name.
func replaceRules(f *resource.RouteFilter, list []ruleWire) error {
	var all []resource.RouteFilterRule
	for i, in := range list {
		field := "properties.rules[" + strconv.Itoa(i) + "]"
		r := resource.RouteFilterRule{Name: in.Name, Allow: true}
		if old := f.Rule(in.Name); old != nil {
			r = *old
		}
		for _, o := range all {
			if strings.EqualFold(o.Name, r.Name) {
				return badFormat("properties.rules", resource.CodeDuplicateName, "The name '%s' is there twice.", r.Name)
			}
		}
		if err := in.Properties.apply(&r, field+".properties"); err != nil {
			return err
		}
		all = append(all, r)
	}
	f.Rules = all
	return nil
}

// apply takes over what a rule says; absent properties stay.
func (p *ruleProps) apply(r *resource.RouteFilterRule, field string) error {
	r.State = resource.Updating
	if p == nil {
		return nil
	}
	switch {
	case strings.EqualFold(p.Access, "Allow"):
		r.Allow = true
	case strings.EqualFold(p.Access, "Deny"):
		r.Allow = false
	case p.Access != "":
		return badField(field+".access", resource.CodeInvalidValue, "'%s' is no access; want Allow or Deny.", p.Access)
	}
	if p.RuleType != "" && !strings.EqualFold(p.RuleType, "Community") {
		return badField(field+".routeFilterRuleType", resource.CodeInvalidValue, "'%s' is no type of a rule; want Community.", p.RuleType)
	}
	if p.Communities != nil {
		r.Communities = *p.Communities
	}
	return nil
}

func filterOut(f *resource.RouteFilter) filterWire {
	rules := []ruleWire{}
	for i := range f.Rules {
		rules = append(rules, ruleOut(f, &f.Rules[i]))
	}
	return filterWire{headWire: headOut(&f.Meta, filterType), Properties: &filterProps{
		ProvisioningState: f.Meta.State, Rules: &rules, Peerings: &[]refWire{}, IPv6Peerings: &[]refWire{}}}
}

func ruleOut(f *resource.RouteFilter, r *resource.RouteFilterRule) ruleWire {
	access := "Deny"
	if r.Allow {
		access = "Allow"
	}
	communities := append([]string{}, r.Communities...)
	at := childOut(&f.Meta, f.Meta.ID.Child(ruleType, r.Name))
	return ruleWire{Name: at.Name, ID: at.ID, Etag: at.Etag, Location: f.Meta.Location,
		Properties: &ruleProps{ProvisioningState: r.State, Access: access, RuleType: "Community", Communities: &communities}}
}

// rule is where an order of the call's rule goes.
func (c *call) rule(verb string) place[*resource.RouteFilter] {
	root, name := c.id(filterType, c.params["name"]), c.params["rule"]
	return place[*resource.RouteFilter]{verb: verb, root: root, target: root.Child(ruleType, name),
		exists: func(_ *draft, f *resource.RouteFilter) bool { return f.Rule(name) != nil }}
}

func putRule(f *Front, c *call) (answer, error) {
	var in ruleWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	name := c.params["rule"]
	status := http.StatusOK
	done, op, err := change(f, c, c.rule("put"), func(_ *draft, _, o *resource.RouteFilter) error {
		if status = http.StatusOK; o.Rule(name) == nil {
			status = http.StatusCreated
			o.Rules = append(o.Rules, resource.RouteFilterRule{Name: name, Allow: true})
		}
		if err := in.Properties.apply(o.Rule(name), "properties"); err != nil {
			return err
		}
		return resource.CheckRouteFilter(o)
	})
	if err != nil {
		return answer{}, err
	}
	return op.child(f, c, status, func(*view) any { return ruleOut(done, done.Rule(name)) })
}

func getRule(f *Front, c *call) (answer, error) {
	o, err := load[*resource.RouteFilter](f, c, c.id(filterType, c.params["name"]))
	if err != nil {
		return answer{}, err
	}
	r := o.Rule(c.params["rule"])
	if r == nil {
		return answer{}, notFound(o.Meta.ID.Child(ruleType, c.params["rule"]))
	}
	return child(&o.Meta, ruleOut(o, r)), nil
}

func listRules(f *Front, c *call) (answer, error) {
	o, err := load[*resource.RouteFilter](f, c, c.id(filterType, c.params["name"]))
	if err != nil {
		return answer{}, err
	}
	return ok(listOf(*filterOut(o).Properties.Rules)), nil
}

func deleteRule(f *Front, c *call) (answer, error) {
	_, op, err := change(f, c, c.rule("delete"), func(_ *draft, _, o *resource.RouteFilter) error {
		r := o.Rule(c.params["rule"])
		if r == nil {
			return errGone
		}
		r.State = resource.Deleting
		return nil
	})
	return c.deleting(op.op, err)
}
