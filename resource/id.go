package resource

import (
	"encoding/json"
	"fmt"
	"strings"
)

// ID is an ARM resource id, of a subscription, a resource group, a top-level object or a child. Compare with Key: ids are case-insensitive
// in everything but how they print.
type ID struct {
	Subscription string // lower-case GUID
	Group        string // as created; "" for a subscription
	Namespace    string // "Microsoft.Network"; "" for subscription and group
	// Types and Names alternate: Types[0]/Names[0]/Types[1]/Names[1]… and have equal length.
	Types []string
	Names []string
}

// ParseID reads "/subscriptions/{s}[/resourceGroups/{g}[/providers/{ns}/{type}/{name}…]]" with any casing of the fixed words and any number
// of slashes. Errors name the segment.
func ParseID(s string) (ID, error) {
	var seg []string
	for p := range strings.SplitSeq(s, "/") {
		if p != "" {
			seg = append(seg, p)
		}
	}
	if len(seg) < 2 || !strings.EqualFold(seg[0], "subscriptions") {
		return ID{}, fmt.Errorf("resource id %q: want /subscriptions/{id}/…", s)
	}
	id := ID{Subscription: strings.ToLower(seg[1])}
	seg = seg[2:]
	if len(seg) == 0 {
		return id, nil
	}
	if len(seg) < 2 || !strings.EqualFold(seg[0], "resourceGroups") {
		return ID{}, fmt.Errorf("resource id %q: want resourceGroups/{name} after the subscription, have %q", s, seg[0])
	}
	id.Group = seg[1]
	seg = seg[2:]
	if len(seg) == 0 {
		return id, nil
	}
	if len(seg) < 4 || !strings.EqualFold(seg[0], "providers") || len(seg)%2 != 0 {
		return ID{}, fmt.Errorf("resource id %q: want providers/{namespace}/{type}/{name} after the group", s)
	}
	id.Namespace = seg[1]
	for i := 2; i < len(seg); i += 2 {
		id.Types = append(id.Types, seg[i])
		id.Names = append(id.Names, seg[i+1])
	}
	return id, nil
}

// String is the canonical form.
func (id ID) String() string {
	if id.Subscription == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("/subscriptions/" + id.Subscription)
	if id.Group != "" {
		b.WriteString("/resourceGroups/" + id.Group)
	}
	if id.Namespace != "" {
		b.WriteString("/providers/" + id.Namespace)
	}
	for i := range id.Types {
		b.WriteString("/" + id.Types[i] + "/" + id.Names[i])
	}
	return b.String()
}

// Key is the comparison form: lower case.
func (id ID) Key() string { return strings.ToLower(id.String()) }

// IsZero reports whether the id is unset.
func (id ID) IsZero() bool { return id.Subscription == "" }

// Equal compares without case: it is Key() == Key(), made cheap for scans.
func (id ID) Equal(o ID) bool {
	same := strings.EqualFold
	if len(id.Types) != len(o.Types) || !same(id.Subscription, o.Subscription) || !same(id.Group, o.Group) || !same(id.Namespace, o.Namespace) {
		return false
	}
	for i := range id.Types {
		if !same(id.Names[i], o.Names[i]) || !same(id.Types[i], o.Types[i]) {
			return false
		}
	}
	return true
}

// Name is the last name: the resource's own, the group's, or the subscription id.
func (id ID) Name() string {
	switch {
	case len(id.Names) > 0:
		return id.Names[len(id.Names)-1]
	case id.Group != "":
		return id.Group
	}
	return id.Subscription
}

// Root is the top-level object a child belongs to; of a top-level id, itself.
func (id ID) Root() ID {
	if len(id.Types) > 1 {
		id.Types, id.Names = id.Types[:1], id.Names[:1]
	}
	return id
}

// Child is the id of a child.
func (id ID) Child(typ, name string) ID {
	id.Types = append(append([]string(nil), id.Types...), typ)
	id.Names = append(append([]string(nil), id.Names...), name)
	return id
}

// Kind is the kind of the top-level object the id leads to.
func (id ID) Kind() Kind {
	switch {
	case len(id.Types) > 0:
		return Kind(strings.ToLower(id.Types[0]))
	case id.Group != "":
		return KindGroup
	}
	return KindSubscription
}

// GroupID is the resource group's id.
func (id ID) GroupID() ID { return ID{Subscription: id.Subscription, Group: id.Group} }

// MarshalJSON writes the canonical form.
func (id ID) MarshalJSON() ([]byte, error) { return json.Marshal(id.String()) }

// UnmarshalJSON reads any casing; "" is the zero ID.
func (id *ID) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == "" {
		*id = ID{}
		return nil
	}
	p, err := ParseID(s)
	*id = p
	return err
}
