package arm

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"onramp/resource"
)

// filter is an OData filter of the form that ARM's lists take: comparisons of a field with a text, all of which must hold.
type filter []comparison

type comparison struct {
	field, value string
	not          bool
}

var (
	comparisonForm = regexp.MustCompile(`^\s*([A-Za-z/]+)\s+(eq|ne)\s+'((?:[^']|'')*)'\s*(?:$|and\s)`)
	partForm       = regexp.MustCompile(`^\s*substringof\s*\(\s*'((?:[^']|'')*)'\s*,\s*name\s*\)\s*(?:$|and\s)`)
)

// filterFields are what a filter can be about.
func filterFields() []string {
	return []string{"resourcetype", "resourcegroup", "name", "location", "tagname", "tagvalue"}
}

const partOfName = "substringof name"

// parseFilter reads a $filter; "" is one that everything passes.
func parseFilter(s string) (filter, error) {
	var all filter
	for rest := s; strings.TrimSpace(rest) != ""; {
		if m := partForm.FindStringSubmatch(rest); m != nil {
			all = append(all, comparison{field: partOfName, value: strings.ReplaceAll(m[1], "''", "'")})
			rest = rest[len(m[0]):]
			continue
		}
		m := comparisonForm.FindStringSubmatch(rest)
		if m == nil {
			return nil, refuse(http.StatusBadRequest, "InvalidFilterInQueryString",
				"Invalid $filter '%s' specified in the query string: want comparisons such as name eq 'er1', joined by and.", s)
		}
		if !slices.Contains(filterFields(), strings.ToLower(m[1])) {
			return nil, refuse(http.StatusBadRequest, "InvalidFilterInQueryString", "Invalid $filter '%s' specified in the query string: it may be about %s.",
				s, strings.Join(filterFields(), ", "))
		}
		all = append(all, comparison{field: strings.ToLower(m[1]), not: m[2] == "ne", value: strings.ReplaceAll(m[3], "''", "'")})
		rest = rest[len(m[0]):]
	}
	return all, nil
}

// value is what a field must equal; "" when nothing is said.
func (f filter) value(field string) string {
	for _, c := range f {
		if strings.EqualFold(c.field, field) && !c.not {
			return c.value
		}
	}
	return ""
}

// matches reports whether an object of a type passes. A tag passes by its name and, where the filter says it, its value.
func (f filter) matches(h *resource.Head, typ string) bool {
	for _, c := range f {
		var yes bool
		switch c.field {
		case "resourcetype":
			yes = strings.EqualFold(typ, c.value)
		case "resourcegroup":
			yes = strings.EqualFold(h.ID.Group, c.value)
		case "name":
			yes = strings.EqualFold(h.ID.Name(), c.value)
		case "location":
			yes = resource.NormalLocation(c.value) == h.Location
		case partOfName:
			yes = strings.Contains(strings.ToLower(h.ID.Name()), strings.ToLower(c.value))
		case "tagname":
			yes = hasTag(h.Tags, c.value)
		case "tagvalue":
			yes = tag(h.Tags, f.value("tagname")) == c.value
		}
		if yes == c.not {
			return false
		}
	}
	return true
}

func hasTag(tags map[string]string, name string) bool {
	for k := range tags {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

type genericWire struct {
	ID                string                     `json:"id"`
	Name              string                     `json:"name"`
	Type              string                     `json:"type"`
	Location          string                     `json:"location"`
	Tags              map[string]string          `json:"tags,omitempty"`
	SKU               *skuWire                   `json:"sku,omitempty"`
	CreatedTime       string                     `json:"createdTime,omitempty"`
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
}

// listResources answers what is in a group or subscription, whatever its type: $filter chooses, $expand adds times and state, $top limits.
func listResources(f *Front, c *call) (answer, error) {
	want, err := parseFilter(c.query("$filter"))
	if err != nil {
		return answer{}, err
	}
	snap, err := f.cfg.Store.Snapshot(c.ctx)
	if err != nil {
		return answer{}, err
	}
	scope := c.scope()
	if scope.Group != "" {
		if _, err := load[*resource.Group](f, c, scope); err != nil {
			return answer{}, err
		}
	}
	top, err := strconv.Atoi(c.query("$top"))
	if c.query("$top") == "" {
		top, err = 1<<31, nil
	}
	if err != nil || top < 0 {
		return answer{}, refuse(http.StatusBadRequest, "InvalidTopInQueryString", "Invalid $top '%s' specified in the query string: want a number.", c.query("$top"))
	}
	rows := []genericWire{}
	for _, kind := range resource.Kinds() {
		for _, o := range snap.Objects[kind] {
			h := o.Head()
			if len(h.ID.Names) == 0 || h.ID.Namespace != networkNamespace || !inside(h.ID, scope) || len(rows) == top {
				continue
			}
			if typ := networkNamespace + "/" + h.ID.Types[0]; want.matches(h, typ) {
				rows = append(rows, genericOut(o, typ, strings.ToLower(c.query("$expand"))))
			}
		}
	}
	return ok(listOf(rows)), nil
}

func genericOut(o resource.Object, typ, expand string) genericWire {
	h := o.Head()
	w := genericWire{ID: h.ID.String(), Name: h.ID.Name(), Type: typ, Location: h.Location, Tags: h.Tags}
	if strings.Contains(expand, "provisioningstate") {
		w.ProvisioningState = h.State
	}
	if strings.Contains(expand, "createdtime") {
		w.CreatedTime = h.Created.Format(timeForm)
	}
	if k, is := o.(*resource.Circuit); is {
		w.SKU = &skuWire{Name: string(k.Tier) + "_" + string(k.Plan), Tier: string(k.Tier), Family: string(k.Plan)}
	}
	return w
}

// timeForm is how ARM writes times: RFC 3339 in UTC.
const timeForm = "2006-01-02T15:04:05.0000000Z"
