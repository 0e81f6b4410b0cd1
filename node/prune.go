package node

import (
	"slices"

	"onramp/plan"
)

// prune takes out of a plan what is wrong in it, and then what depended on that, until the rest is right. It says what it took and why.
// Failed objects, of which the machine lacks something, go with it.
func prune(n *plan.Node, failed []plan.Issue) (*plan.Node, []plan.Issue) {
	c := n.Clone()
	all := slices.Clone(failed)
	remove(c, failed)
	for {
		issues := c.Issues()
		if len(issues) == 0 {
			return c, all
		}
		all = append(all, issues...)
		if !remove(c, issues) {
			return &plan.Node{Name: c.Name, Generation: c.Generation}, all // nothing can be saved
		}
	}
}

// remove takes the objects named by the issues out and reports whether there was one. A domain stays without the static routes that are
// wrong: to lose it would cost its sessions.
func remove(n *plan.Node, issues []plan.Issue) bool {
	bad := map[string]map[string]bool{}
	removed := false
	for _, i := range issues {
		if bad[i.Kind] == nil {
			bad[i.Kind] = map[string]bool{}
		}
		bad[i.Kind][i.Name] = true
		if i.Kind == "domain" && i.Field == "Static" {
			removed = cutStatics(n, i.Name) || removed
			delete(bad[i.Kind], i.Name)
		}
	}
	cut := func(before, after int) { removed = removed || before != after }
	ports := slices.DeleteFunc(n.Ports, func(p plan.Port) bool { return bad["port"][p.Name] })
	cut(len(n.Ports), len(ports))
	n.Ports = ports
	attachments := slices.DeleteFunc(n.Attachments, func(a plan.Attachment) bool { return bad["attachment"][a.Name] })
	cut(len(n.Attachments), len(attachments))
	n.Attachments = attachments
	domains := slices.DeleteFunc(n.Domains, func(d plan.Domain) bool { return bad["domain"][d.Name] })
	cut(len(n.Domains), len(domains))
	n.Domains = domains
	sessions := slices.DeleteFunc(n.Sessions, func(s plan.Session) bool { return bad["session"][s.Name] || bad["node"] != nil })
	cut(len(n.Sessions), len(sessions))
	n.Sessions = sessions
	xs := slices.DeleteFunc(n.Crossconnects, func(x plan.Crossconnect) bool { return bad["crossconnect"][x.Name] })
	cut(len(n.Crossconnects), len(xs))
	n.Crossconnects = xs
	policers := slices.DeleteFunc(n.Policers, func(p plan.Policer) bool { return bad["policer"][p.Name] })
	cut(len(n.Policers), len(policers))
	n.Policers = policers
	return removed
}

// cutStatics takes out of the domain the static routes that are wrong, found by trying each alone.
func cutStatics(n *plan.Node, domain string) bool {
	for i := range n.Domains {
		d := &n.Domains[i]
		if d.Name != domain {
			continue
		}
		before := len(d.Static)
		all := d.Static
		d.Static = nil
		for _, s := range all {
			probe := plan.Node{Attachments: n.Attachments, Domains: []plan.Domain{{Name: domain, Static: []plan.StaticRoute{s}}}}
			if !slices.ContainsFunc(probe.Issues(), func(x plan.Issue) bool { return x.Kind == "domain" && x.Field == "Static" }) {
				d.Static = append(d.Static, s)
			}
		}
		return len(d.Static) != before
	}
	return false
}
