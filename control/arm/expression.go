package arm

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"onramp/resource"
)

// unknown is a value that only a deployed resource has; while a template is planned, everything made of it is unknown too.
type unknown struct{}

// scope is what expressions of a template can name. All values are JSON's, with json.Number.
type scope struct {
	group      resource.ID
	location   string         // of the group
	parameters map[string]any // by lower-case name
	variables  map[string]any // by lower-case name, not evaluated
	depth      int            // of variables inside variables
	// reference is the state of a resource by name or id; full: all of it, else its properties.
	reference func(of string, full bool) (any, error)
}

// badTemplate refuses a template.
func badTemplate(format string, args ...any) *fault {
	return badField("properties.template", "InvalidTemplate", "Deployment template validation failed: '"+format+"'.", args...)
}

const maxDepth = 32 // of values and expressions inside one another

// resolve evaluates every expression inside a JSON value: "[concat('a', 'b')]" is one, "[[a]" is the text "[a]".
func (s *scope) resolve(v any) (any, error) { return s.resolveAt(v, 0) }

func (s *scope) resolveAt(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, badTemplate("values are nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case string:
		return s.text(v)
	case []any:
		all := make([]any, len(v))
		for i := range v {
			var err error
			if all[i], err = s.resolveAt(v[i], depth+1); err != nil {
				return nil, err
			}
		}
		return all, nil
	case map[string]any:
		all := make(map[string]any, len(v))
		for k := range v {
			var err error
			if all[k], err = s.resolveAt(v[k], depth+1); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return v, nil
}

func (s *scope) text(v string) (any, error) {
	switch {
	case strings.HasPrefix(v, "[["):
		return v[1:], nil
	case !strings.HasPrefix(v, "[") || !strings.HasSuffix(v, "]"):
		return v, nil
	}
	p := &evaluator{s: s, rest: v[1 : len(v)-1], whole: v}
	out, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.space(); p.rest != "" {
		return nil, p.bad("there is %q after its end", p.rest)
	}
	return out, nil
}

// evaluator evaluates an expression while it reads it:
//
//	expression = (literal | name "(" [expression {"," expression}] ")") {"." name | "[" expression "]"}
//	literal    = "'" text with '' for ' "'" | integer
type evaluator struct {
	s           *scope
	rest, whole string
	depth       int
}

func (p *evaluator) bad(format string, args ...any) error {
	return badTemplate("the expression %.200q is not valid: "+format, append([]any{p.whole}, args...)...)
}

func (p *evaluator) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take removes a token from the rest, if it is next.
func (p *evaluator) take(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *evaluator) expression() (any, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.bad("it is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	v, err := p.operand()
	for err == nil {
		var key any
		switch {
		case p.take("."):
			name := p.name()
			if key = name; name == "" {
				return nil, p.bad("no name follows a dot")
			}
		case p.take("["):
			if key, err = p.expression(); err == nil && !p.take("]") {
				err = p.bad("a ] is missing")
			}
		default:
			return v, nil
		}
		if err == nil {
			v, err = p.member(v, key)
		}
	}
	return nil, err
}

func (p *evaluator) operand() (any, error) {
	if p.take("'") {
		return p.quoted()
	}
	p.space()
	if n := len(p.rest) - len(strings.TrimLeft(p.rest, "-0123456789")); n > 0 {
		text := p.rest[:n]
		p.rest = p.rest[n:]
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return nil, p.bad("%q is no integer", text)
		}
		return json.Number(text), nil
	}
	name := p.name()
	if name == "" {
		return nil, p.bad("a function, a text or a number is missing at %.20q", p.rest)
	}
	if !p.take("(") {
		return nil, p.bad("no ( follows %s", name)
	}
	var args []any
	for !p.take(")") {
		if len(args) > 0 && !p.take(",") {
			return nil, p.bad("a comma or ) is missing at %.20q", p.rest)
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	return p.call(strings.ToLower(name), args)
}

func (p *evaluator) quoted() (any, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(p.rest, "'")
		if !ok {
			return nil, p.bad("a text does not end")
		}
		b.WriteString(before)
		if p.rest = after; !strings.HasPrefix(after, "'") {
			return b.String(), nil
		}
		b.WriteByte('\'')
		p.rest = after[1:]
	}
}

func (p *evaluator) name() string {
	p.space()
	n := 0
	for n < len(p.rest) && (p.rest[n] == '_' || p.rest[n]|0x20 >= 'a' && p.rest[n]|0x20 <= 'z' || n > 0 && p.rest[n] >= '0' && p.rest[n] <= '9') {
		n++
	}
	name := p.rest[:n]
	p.rest = p.rest[n:]
	return name
}

// member is a property of an object, by name without case, or an element of an array.
func (p *evaluator) member(v, key any) (any, error) {
	if isUnknown(v) || isUnknown(key) {
		return unknown{}, nil
	}
	switch of := v.(type) {
	case map[string]any:
		name, _ := key.(string)
		if v, ok := lookup(of, name); ok {
			return v, nil
		}
		return nil, p.bad("there is no property %q", fmt.Sprint(key))
	case []any:
		n, ok := key.(json.Number)
		i, err := strconv.Atoi(n.String())
		if ok && err == nil && i >= 0 && i < len(of) {
			return of[i], nil
		}
		return nil, p.bad("there is no element %v of %d", key, len(of))
	}
	return nil, p.bad("%q is asked of what has no properties", fmt.Sprint(key))
}

// lookup finds a property by name, without case.
func lookup(of map[string]any, name string) (any, bool) {
	if v, ok := of[name]; ok {
		return v, true
	}
	for k, v := range of {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return nil, false
}

func isUnknown(v any) bool {
	_, is := v.(unknown)
	return is
}

// call is the value of a function.
func (p *evaluator) call(name string, args []any) (any, error) {
	for _, a := range args {
		if isUnknown(a) {
			return unknown{}, nil
		}
	}
	texts := make([]string, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case string:
			texts[i] = a
		case json.Number:
			texts[i] = a.String()
		case bool:
			texts[i] = strconv.FormatBool(a)
		}
	}
	counted := func(low, high int) error {
		if len(args) < low || len(args) > high {
			return p.bad("%s has %d arguments, want %d to %d", name, len(args), low, high)
		}
		return nil
	}
	switch name {
	case "parameters", "variables", "tolower", "toupper":
		if err := counted(1, 1); err != nil {
			return nil, err
		}
	case "reference":
		if err := counted(1, 3); err != nil {
			return nil, err
		}
	case "resourceid":
		if err := counted(2, 16); err != nil {
			return nil, err
		}
	case "resourcegroup", "subscription":
		if err := counted(0, 0); err != nil {
			return nil, err
		}
	}
	return p.value(name, args, texts)
}

func (p *evaluator) value(name string, args []any, texts []string) (any, error) {
	s := p.s
	switch name {
	case "parameters":
		if v, ok := s.parameters[strings.ToLower(texts[0])]; ok {
			return v, nil
		}
		return nil, p.bad("there is no parameter %q", texts[0])
	case "variables":
		return p.variable(texts[0])
	case "concat":
		return p.concat(args, texts)
	case "tolower":
		return strings.ToLower(texts[0]), nil
	case "toupper":
		return strings.ToUpper(texts[0]), nil
	case "resourceid":
		id, err := s.resourceID(texts)
		if err != nil {
			return nil, p.bad("%v", err)
		}
		return id.String(), nil
	case "reference":
		if s.reference == nil {
			return nil, p.bad("reference is not allowed here")
		}
		return s.reference(texts[0], len(texts) == 3 && strings.EqualFold(texts[2], "Full"))
	case "resourcegroup":
		return map[string]any{"id": s.group.String(), "name": s.group.Group, "type": "Microsoft.Resources/resourceGroups", "location": s.location,
			"properties": map[string]any{"provisioningState": "Succeeded"}}, nil
	case "subscription":
		sub := s.group.Subscription
		return map[string]any{"id": "/subscriptions/" + sub, "subscriptionId": sub}, nil
	}
	return nil, p.bad("this service does not know the function %s", name)
}

func (p *evaluator) variable(name string) (any, error) {
	raw, ok := p.s.variables[strings.ToLower(name)]
	if !ok {
		return nil, p.bad("there is no variable %q", name)
	}
	if p.s.depth++; p.s.depth > maxDepth {
		return nil, p.bad("the variable %q is made of itself", name)
	}
	defer func() { p.s.depth-- }()
	return p.s.resolve(raw)
}

// maxText bounds what an expression can grow to.
const maxText = 1 << 20

// concat joins texts, or arrays.
func (p *evaluator) concat(args []any, texts []string) (any, error) {
	var list []any
	for _, a := range args {
		if of, is := a.([]any); is {
			list = append(list, of...)
		}
	}
	if list != nil {
		return list, nil
	}
	joined := strings.Join(texts, "")
	if len(joined) > maxText {
		return nil, p.bad("concat makes a text of %d bytes", len(joined))
	}
	return joined, nil
}

// resourceID reads resourceId's arguments: [subscription,] [group,] type, name…
func (s *scope) resourceID(args []string) (resource.ID, error) {
	id := s.group
	for i, a := range args {
		if !strings.Contains(a, "/") {
			continue
		}
		switch i {
		case 0:
		case 1:
			id.Group = args[0]
		case 2:
			id.Subscription, id.Group = strings.ToLower(args[0]), args[1]
		default:
			return id, fmt.Errorf("resourceId has %d arguments before the type", i)
		}
		return typedID(id, a, args[i+1:])
	}
	return id, fmt.Errorf("resourceId names no type such as Microsoft.Network/expressRouteCircuits")
}

// typedID is a resource of a group by its full type and the names of it and its parents.
func typedID(group resource.ID, typ string, names []string) (resource.ID, error) {
	parts := strings.Split(typ, "/")
	if len(parts) != len(names)+1 {
		return group, fmt.Errorf("the type %q has %d segments after its namespace, and there are %d names", typ, len(parts)-1, len(names))
	}
	for _, part := range append(parts, names...) {
		if part == "" || strings.ContainsAny(part, "/\\?#%\x00") {
			return group, fmt.Errorf("%q is no part of a resource id", part)
		}
	}
	id := resource.ID{Subscription: group.Subscription, Group: group.Group, Namespace: parts[0], Types: parts[1:], Names: names}
	if strings.EqualFold(id.Namespace, networkNamespace) {
		id.Namespace = networkNamespace
		if known := knownType(parts[1]); known != "" {
			id.Types = append([]string{known}, parts[2:]...)
		}
	}
	return id, nil
}
