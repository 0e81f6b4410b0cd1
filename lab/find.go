package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"onramp/resource"
)

func cutPrefix(s, p string) (string, bool) { return strings.CutPrefix(s, p) }

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// asRegexp reads "/…/".
func asRegexp(v any) (string, bool) {
	s, ok := v.(string)
	if !ok || len(s) < 2 || s[0] != '/' || s[len(s)-1] != '/' {
		return "", false
	}
	return s[1 : len(s)-1], true
}

func (w *World) router(name string) (*Router, bool) {
	for i := range w.Routers {
		if w.Routers[i].Name == name {
			return &w.Routers[i], true
		}
	}
	return nil, false
}

func (w *World) host(name string) (*Host, bool) {
	for i := range w.Hosts {
		if w.Hosts[i].Name == name {
			return &w.Hosts[i], true
		}
	}
	return nil, false
}

func (w *World) drill(name string) (*CableDrill, bool) {
	for i := range w.Drills {
		if w.Drills[i].Name == name {
			return &w.Drills[i], true
		}
	}
	return nil, false
}

func (w *World) node(name string) (*resource.FabricNode, bool) {
	for i := range w.Fabric.Nodes {
		if w.Fabric.Nodes[i].Name == name {
			return &w.Fabric.Nodes[i], true
		}
	}
	return nil, false
}

// principal finds who a step speaks as: by name, else by a role that one principal alone has.
func (w *World) principal(as string) (*resource.Principal, error) {
	var byRole []*resource.Principal
	for i := range w.Fabric.Principals {
		p := &w.Fabric.Principals[i]
		if p.Name == as {
			return p, nil
		}
		if p.Role == as {
			byRole = append(byRole, p)
		}
	}
	switch len(byRole) {
	case 1:
		return byRole[0], nil
	case 0:
		return nil, fmt.Errorf("no principal is named, or has the role, %q", as)
	}
	return nil, fmt.Errorf("%d principals have the role %q: name one", len(byRole), as)
}

// findCable finds a cable by one of its ports ("edge1/pe0"), or by the two devices it joins ("edge1-xchg1") where only one does.
func (w *World) findCable(link string) (int, bool) {
	found := -1
	for i, c := range w.Cables {
		if c.A == link || c.B == link {
			return i, true
		}
		a, b := device(c.A), device(c.B)
		if link == a+"-"+b || link == b+"-"+a {
			if found >= 0 {
				return 0, false
			}
			found = i
		}
	}
	return found, found >= 0
}

// device is the part of "device/port" before the slash.
func device(end string) string {
	d, _, _ := strings.Cut(end, "/")
	return d
}

// port is the part after it.
func port(end string) string {
	_, p, _ := strings.Cut(end, "/")
	return p
}
