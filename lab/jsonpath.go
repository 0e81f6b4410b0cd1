package lab

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// lookup finds a value in decoded JSON: names separated by dots, "[2]" for an element, "[key=value]" for the first element whose key is
// so, "#" for the length of a list. Names match without case only when they match in no other way.
func lookup(doc any, path string) (any, error) {
	v := doc
	for _, seg := range splitPath(path) {
		next, err := lookupSegment(v, seg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		v = next
	}
	return v, nil
}

// splitPath cuts at dots and in front of brackets, not inside brackets.
func splitPath(path string) []string {
	var segs []string
	var cur strings.Builder
	depth := 0
	flush := func() {
		if cur.Len() > 0 {
			segs = append(segs, cur.String())
			cur.Reset()
		}
	}
	for _, r := range path {
		switch {
		case r == '[':
			flush()
			depth++
			cur.WriteRune(r)
		case r == ']':
			depth--
			cur.WriteRune(r)
			flush()
		case r == '.' && depth == 0:
			flush()
		default:
			cur.WriteRune(r)
		}
	}
	flush()
	return segs
}

func lookupSegment(v any, seg string) (any, error) {
	switch t := v.(type) {
	case map[string]any:
		if w, ok := t[seg]; ok {
			return w, nil
		}
		for k, w := range t {
			if strings.EqualFold(k, seg) {
				return w, nil
			}
		}
		return nil, fmt.Errorf("no %q", seg)
	case []any:
		if seg == "#" {
			return float64(len(t)), nil
		}
		return element(t, strings.Trim(seg, "[]"))
	}
	return nil, fmt.Errorf("no %q in %T", seg, v)
}

func element(list []any, sel string) (any, error) {
	if key, want, ok := strings.Cut(sel, "="); ok {
		for _, e := range list {
			got, err := lookup(e, key)
			if err == nil && strings.EqualFold(text(got), want) {
				return e, nil
			}
		}
		return nil, fmt.Errorf("no element with %s", sel)
	}
	i, err := strconv.Atoi(sel)
	if err != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("no element %q of %d", sel, len(list))
	}
	return list[i], nil
}

// text is a JSON value as people write it: strings bare, whole numbers without exponent.
func text(v any) string {
	switch t := v.(type) {
	case nil:
		return ""
	case string:
		return t
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// matches compares a value with what a story expects: a regular expression "/…/", or the same JSON.
func matches(got, want any) bool {
	if re, ok := asRegexp(want); ok {
		ok, err := regexp.MatchString(re, text(got))
		return err == nil && ok
	}
	return reflect.DeepEqual(normal(got), normal(want))
}

// normal brings YAML's and JSON's values to one form.
func normal(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var n any
	if err := json.Unmarshal(b, &n); err != nil {
		return v
	}
	return n
}

// merge lays over on top of base: objects are merged, everything else is replaced.
func merge(base, over any) any {
	b, ok1 := base.(map[string]any)
	o, ok2 := over.(map[string]any)
	if !ok1 || !ok2 {
		return over
	}
	out := make(map[string]any, len(b)+len(o))
	for k, v := range b {
		out[k] = v
	}
	for k, v := range o {
		out[k] = merge(out[k], v)
	}
	return out
}
