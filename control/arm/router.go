package arm

import (
	"fmt"
	"net/url"
	"strings"
)

// router finds rows of the routes table by path. Static segments match without case and win over parameters.
type router struct {
	root *branch
}

type branch struct {
	static map[string]*branch // by lower-case segment
	param  *branch
	name   string            // of the parameter that leads here
	rows   map[string]*route // by method
}

func newRouter(rows []route) (*router, error) {
	r := &router{root: &branch{}}
	for i := range rows {
		if err := r.add(&rows[i]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *router) add(row *route) error {
	b := r.root
	for _, seg := range strings.Split(strings.Trim(row.Path, "/"), "/") {
		next, err := b.grow(seg)
		if err != nil {
			return fmt.Errorf("route %s %s: %w", row.Method, row.Path, err)
		}
		b = next
	}
	if b.rows == nil {
		b.rows = map[string]*route{}
	}
	if b.rows[row.Method] != nil {
		return fmt.Errorf("route %s %s: twice", row.Method, row.Path)
	}
	b.rows[row.Method] = row
	return nil
}

func (b *branch) grow(seg string) (*branch, error) {
	if name, ok := strings.CutPrefix(seg, "{"); ok {
		name = strings.TrimSuffix(name, "}")
		if b.param == nil {
			b.param = &branch{name: name}
		}
		if b.param.name != name {
			return nil, fmt.Errorf("parameter {%s} stands where {%s} already does", name, b.param.name)
		}
		return b.param, nil
	}
	key := strings.ToLower(seg)
	if b.static == nil {
		b.static = map[string]*branch{}
	}
	if b.static[key] == nil {
		b.static[key] = &branch{}
	}
	return b.static[key], nil
}

// match finds the branch of a path and the values of its parameters; nil when there is none.
func (r *router) match(segs []string) (*branch, map[string]string) {
	params := map[string]string{}
	b := r.root.find(segs, params)
	return b, params
}

func (b *branch) find(segs []string, params map[string]string) *branch {
	if len(segs) == 0 {
		if b.rows == nil {
			return nil
		}
		return b
	}
	if next := b.static[strings.ToLower(segs[0])]; next != nil {
		if end := next.find(segs[1:], params); end != nil {
			return end
		}
	}
	if b.param == nil {
		return nil
	}
	end := b.param.find(segs[1:], params)
	if end != nil {
		params[b.param.name] = segs[0]
	}
	return end
}

// splitPath splits an escaped path on "/", drops empty segments and unescapes the others, so that an escaped slash stays inside its segment.
func splitPath(escaped string) ([]string, error) {
	var segs []string
	for raw := range strings.SplitSeq(escaped, "/") {
		if raw == "" {
			continue
		}
		s, err := url.PathUnescape(raw)
		if err != nil {
			return nil, fmt.Errorf("path segment %q: %w", raw, err)
		}
		if strings.ContainsAny(s, "/\\\x00") {
			return nil, fmt.Errorf("path segment %q holds a separator", raw)
		}
		segs = append(segs, s)
	}
	return segs, nil
}
