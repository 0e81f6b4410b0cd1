package arm

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"onramp/resource"
)

// templateWire is what of a template counts. Metadata and schema are not looked at.
type templateWire struct {
	ContentVersion string                   `json:"contentVersion"`
	Parameters     map[string]parameterWire `json:"parameters"`
	Variables      map[string]any           `json:"variables"`
	Functions      []any                    `json:"functions"`
	Resources      []map[string]any         `json:"resources"`
	Outputs        map[string]outputWire    `json:"outputs"`
}

type parameterWire struct {
	Type    string `json:"type"`
	Default any    `json:"defaultValue"`
	Allowed []any  `json:"allowedValues"`
}

type outputWire struct {
	Type      string `json:"type"`
	Value     any    `json:"value"`
	Condition any    `json:"condition,omitempty"`
}

type valueWire struct {
	Value     any `json:"value"`
	Reference any `json:"reference,omitempty"`
}

// orderWire is what is ordered: properties of a deployment's PUT.
type orderWire struct {
	Mode         string               `json:"mode"`
	Template     *templateWire        `json:"template"`
	TemplateLink any                  `json:"templateLink,omitempty"`
	Parameters   map[string]valueWire `json:"parameters"`
}

// template is an order that was understood.
type template struct {
	order orderWire
	scope *scope
	steps []templateStep
}

// templateStep is one resource of a template.
type templateStep struct {
	id      resource.ID
	version string
	body    map[string]any // not evaluated
	after   []int
}

const maxResources = 100

// unmarshal reads JSON and keeps numbers as they are written.
func unmarshal(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(into)
}

// readTemplate understands an order for a group: parameters, names and the order of its resources. What only deployed resources know stays
// open until they are.
func readTemplate(raw []byte, group resource.ID, location string) (*template, error) {
	t := &template{}
	if err := unmarshal(raw, &t.order); err != nil {
		return nil, badFormat("properties", "InvalidTemplate", "The deployment could not be read: %v.", err)
	}
	switch {
	case t.order.TemplateLink != nil:
		return nil, missing("A template by link (properties.templateLink)")
	case t.order.Template == nil:
		return nil, badTemplate("properties.template is missing")
	case t.order.Mode != "" && !strings.EqualFold(t.order.Mode, "Incremental"):
		return nil, missing("The deployment mode '" + t.order.Mode + "'")
	case len(t.order.Template.Functions) > 0:
		return nil, missing("A template's own functions")
	case len(t.order.Template.Resources) > maxResources:
		return nil, badTemplate("it has %d resources, %d are allowed", len(t.order.Template.Resources), maxResources)
	}
	t.scope = &scope{group: group, location: location, variables: map[string]any{}, parameters: map[string]any{}}
	for name, v := range t.order.Template.Variables {
		t.scope.variables[strings.ToLower(name)] = v
	}
	if err := t.readParameters(); err != nil {
		return nil, err
	}
	if err := t.readResources(); err != nil {
		return nil, err
	}
	return t, t.checkOutputs()
}

// given is a parameter's value in the order, by name without case.
func (t *template) given(name string) (valueWire, bool) {
	for k, v := range t.order.Parameters {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return valueWire{}, false
}

func (t *template) readParameters() error {
	for name := range t.order.Parameters {
		known := false
		for k := range t.order.Template.Parameters {
			known = known || strings.EqualFold(k, name)
		}
		if !known {
			return badTemplate("the parameter '%s' is not in the template", name)
		}
	}
	for name, p := range t.order.Template.Parameters {
		in, ok := t.given(name)
		value := in.Value
		switch {
		case in.Reference != nil:
			return missing("A parameter from a key vault (properties.parameters." + name + ".reference)")
		case !ok && p.Default == nil:
			return badTemplate("the value for the parameter '%s' is missing", name)
		case !ok:
			var err error
			if value, err = t.scope.resolve(p.Default); err != nil {
				return err
			}
		}
		if err := checkType(name, p, value); err != nil {
			return err
		}
		t.scope.parameters[strings.ToLower(name)] = value
	}
	return nil
}

// checkType refuses a parameter whose value is of another type, or none of those allowed.
func checkType(name string, p parameterWire, v any) error {
	var fits bool
	switch strings.ToLower(p.Type) {
	case "string", "securestring":
		_, fits = v.(string)
	case "int":
		n, is := v.(json.Number)
		_, err := n.Int64()
		fits = is && err == nil
	case "bool":
		_, fits = v.(bool)
	case "array":
		_, fits = v.([]any)
	case "object", "secureobject":
		_, fits = v.(map[string]any)
	default:
		return badTemplate("the parameter '%s' is of the type '%s', which is none", name, p.Type)
	}
	if !fits {
		return badTemplate("the value of the parameter '%s' is not of the type %s", name, p.Type)
	}
	if len(p.Allowed) > 0 && !slices.ContainsFunc(p.Allowed, func(a any) bool { return jsonEqual(a, v) }) {
		return badTemplate("the value of the parameter '%s' is none of those allowed", name)
	}
	return nil
}

func jsonEqual(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// secure reports whether values of a parameter or output must not be shown.
func secure(typ string) bool { return strings.HasPrefix(strings.ToLower(typ), "secure") }

// typeName is how ARM spells a type in answers.
func typeName(typ string) string {
	for _, t := range []string{"String", "Int", "Bool", "Array", "Object", "SecureString", "SecureObject"} {
		if strings.EqualFold(t, typ) {
			return t
		}
	}
	return typ
}

func (t *template) readResources() error {
	for _, r := range t.order.Template.Resources {
		s, skip, err := t.readResource(r)
		if err != nil {
			return err
		}
		for _, o := range t.steps {
			if !skip && o.id.Equal(s.id) {
				return badTemplate("the resource '%s' is defined twice", s.id)
			}
		}
		if s.body = r; skip {
			s.body = nil
		}
		t.steps = append(t.steps, s)
	}
	for i := range t.steps {
		if t.steps[i].body == nil {
			continue
		}
		if err := t.readOrder(i); err != nil {
			return err
		}
	}
	return t.checkCycles()
}

// readResource reads what names a resource; skip: its condition is false.
func (t *template) readResource(r map[string]any) (s templateStep, skip bool, err error) {
	for _, part := range []string{"copy", "resources", "scope", "subscriptionId", "resourceGroup"} {
		if _, is := lookup(r, part); is {
			return s, false, missing("'" + part + "' of a template's resource")
		}
	}
	text := func(field string) string {
		v, _ := lookup(r, field)
		out, e := t.scope.resolve(v)
		if e != nil && err == nil {
			err = e
		}
		s, _ := out.(string)
		return s
	}
	typ, name, version := text("type"), text("name"), text("apiVersion")
	if err != nil {
		return s, false, err
	}
	if condition, is := lookup(r, "condition"); is {
		v, err := t.scope.resolve(condition)
		if err != nil {
			return s, false, err
		}
		skip = v == false
	}
	if typ == "" || name == "" || !versionForm.MatchString(version) {
		return s, false, badTemplate("a resource has the type '%s', the name '%s' and the apiVersion '%s'", typ, name, version)
	}
	s.version = version
	if s.id, err = typedID(t.scope.group, typ, strings.Split(name, "/")); err != nil {
		return s, false, badTemplate("%v", err)
	}
	if strings.EqualFold(s.id.Namespace, resourcesNamespace) {
		return s, false, missing("A template's resource of the type " + typ)
	}
	return s, skip, nil
}

// find is the step that a name or id means; -1: none of the template.
func (t *template) find(of string) int {
	for i := range t.steps {
		id := t.steps[i].id
		if strings.EqualFold(of, id.String()) || strings.EqualFold(of, strings.Join(id.Names, "/")) ||
			strings.EqualFold(of, id.Namespace+"/"+strings.Join(id.Types, "/")+"/"+strings.Join(id.Names, "/")) {
			return i
		}
	}
	return -1
}

// readOrder finds what a step waits for: dependsOn, the parent, and what its properties refer to.
func (t *template) readOrder(i int) error {
	s := &t.steps[i]
	after := func(n int) {
		if n >= 0 && n != i && !slices.Contains(s.after, n) {
			s.after = append(s.after, n)
		}
	}
	if d, is := lookup(s.body, "dependsOn"); is && d != nil {
		names, err := t.scope.resolve(d)
		list, _ := names.([]any)
		if err != nil {
			return err
		}
		for _, v := range list {
			name, _ := v.(string)
			n := t.find(name)
			if n < 0 {
				return badTemplate("the resource '%s' depends on '%s', which is not defined in the template", s.id, name)
			}
			after(n)
		}
	}
	for n := range t.steps {
		if o := t.steps[n].id; len(o.Names) < len(s.id.Names) && strings.HasPrefix(s.id.Key(), o.Key()+"/") {
			after(n)
		}
	}
	t.scope.reference = func(of string, _ bool) (any, error) {
		after(t.find(of))
		return unknown{}, nil
	}
	defer func() { t.scope.reference = nil }()
	_, err := t.scope.resolve(content(s.body))
	return err
}

// content is a resource without what only a template has.
func content(r map[string]any) map[string]any {
	body := map[string]any{}
	for k, v := range r {
		switch strings.ToLower(k) {
		case "type", "name", "apiversion", "dependson", "condition", "comments", "metadata":
		default:
			body[k] = v
		}
	}
	return body
}

// checkCycles refuses steps that wait for one another.
func (t *template) checkCycles() error {
	state := make([]int, len(t.steps)) // 0 not seen, 1 being looked at, 2 fine
	var visit func(int) error
	visit = func(i int) error {
		switch state[i] {
		case 1:
			return badTemplate("the resource '%s' depends on itself", t.steps[i].id)
		case 2:
			return nil
		}
		state[i] = 1
		for _, n := range t.steps[i].after {
			if err := visit(n); err != nil {
				return err
			}
		}
		state[i] = 2
		return nil
	}
	for i := range t.steps {
		if err := visit(i); err != nil {
			return err
		}
	}
	return nil
}

// checkOutputs finds out before anything is ordered that outputs cannot be made.
func (t *template) checkOutputs() error {
	t.scope.reference = func(string, bool) (any, error) { return unknown{}, nil }
	defer func() { t.scope.reference = nil }()
	for _, o := range t.order.Template.Outputs {
		if _, err := t.scope.resolve(o.Value); err != nil {
			return err
		}
	}
	return nil
}

// shown are the parameters as answers have them: secure ones without their value.
func (t *template) shown() ([]byte, error) {
	all := map[string]any{}
	for name, p := range t.order.Template.Parameters {
		row := map[string]any{"type": typeName(p.Type)}
		if !secure(p.Type) {
			row["value"] = t.scope.parameters[strings.ToLower(name)]
		}
		all[name] = row
	}
	return json.Marshal(all)
}

// outputs are the values of the outputs, once everything is deployed.
func (t *template) outputs() ([]byte, error) {
	if len(t.order.Template.Outputs) == 0 {
		return nil, nil
	}
	all := map[string]any{}
	for name, o := range t.order.Template.Outputs {
		v, err := t.scope.resolve(o.Value)
		if err != nil {
			return nil, err
		}
		row := map[string]any{"type": typeName(o.Type)}
		if !secure(o.Type) {
			row["value"] = v
		}
		all[name] = row
	}
	return json.Marshal(all)
}
