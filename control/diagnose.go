package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"onramp/control/arm"
	"onramp/control/compile"
	"onramp/plan"
	"onramp/resource"
)

// ladder collects the findings of a diagnosis, from the order down to the routes. What is above a broken step is not looked at: it could
// only repeat the fault in other words.
type ladder struct {
	l        *live
	v        *view
	c        *resource.Circuit
	p        *resource.Peering
	findings []arm.Finding
}

// Diagnose implements arm.Live: every layer of the circuit, expected against seen, until the first broken one on each path.
func (l *live) Diagnose(ctx context.Context, c *resource.Circuit) ([]arm.Finding, error) {
	v, err := l.view()
	if err != nil {
		return nil, err
	}
	d := &ladder{l: l, v: v, c: c}
	if !d.ordered() || !d.configured() {
		return d.findings, nil
	}
	paths, err := compile.CircuitPaths(v.world.Fabric, c)
	if err != nil {
		d.add("circuit", "", false, "a place on an edge pair", err.Error(), "ask the operator: the fabric lacks what the circuit was placed on")
		return d.findings, nil
	}
	good := 0
	for i := range paths {
		if d.link(&paths[i]) {
			good++
		}
	}
	if good > 0 {
		d.connections(ctx)
	}
	return d.findings, nil
}

// add adds one line and returns ok.
func (d *ladder) add(layer, path string, ok bool, expected, seen, fix string) bool {
	if ok {
		fix = ""
	}
	d.findings = append(d.findings, arm.Finding{Layer: layer, Path: path, OK: ok, Expected: expected, Seen: seen, Fix: fix})
	return ok
}

// ordered: the platform and the provider have done their part.
func (d *ladder) ordered() bool {
	c := d.c
	state := "Disabled"
	if c.Status.Enabled {
		state = "Enabled"
	}
	seen := fmt.Sprintf("%s, provisioningState %s", state, c.Meta.State)
	fix := "wait for the operation to end"
	if c.Meta.Failure != nil {
		seen += ": " + c.Meta.Failure.Message
		fix = "repair what the message names and PUT the circuit again"
	}
	if !d.add("circuit", "", c.Status.Enabled, "Enabled", seen, fix) {
		return false
	}
	return d.add("provider", "", c.Status.ProviderState == resource.Provisioned, string(resource.Provisioned), string(c.Status.ProviderState),
		"give the service key to the provider, who provisions the cross connection")
}

// configured: there is a private peering, switched on.
func (d *ladder) configured() bool {
	d.p = d.c.Peering(resource.PrivatePeering)
	if d.p == nil {
		return d.add("peering", "", false, "a private peering", "none", "configure AzurePrivatePeering: ASN, two /30, VLAN")
	}
	seen := "Enabled"
	if !d.p.Enabled {
		seen = "Disabled"
	}
	return d.add("peering", "", d.p.Enabled, "Enabled", seen, "set the peering's state to Enabled")
}

// link climbs one path from the node to the routes; true when it is whole.
func (d *ladder) link(at *compile.CircuitPath) bool {
	r, ok := d.node(at)
	if !ok || !d.port(at) {
		return false
	}
	a, ok := attachmentOf(d.l.hub, at.Node, at.Attachment)
	if !ok {
		return d.add("port", at.Path, false, "the peering on "+at.Node+"/"+at.Port, "the node has no such attachment",
			"ask the operator: the node's plan and report differ")
	}
	s, _ := sessionOf(d.l.hub, at.Node, at.Session)
	if s.State != established && !(d.frames(at, &r, a) && d.arp(at, a)) {
		return false
	}
	if !d.bgp(at, &r, s) {
		return false
	}
	d.nearLimit(at, s)
	return d.prefixes(at, s)
}

// node: the edge router reports and has applied its plan.
func (d *ladder) node(at *compile.CircuitPath) (plan.Report, bool) {
	r, _ := d.l.hub.Report(at.Node)
	p, _ := d.l.hub.Plan(at.Node)
	const fix = "ask the operator to look at the edge router"
	if err := d.l.fresh(at.Node); err != nil {
		return r, d.add("node", at.Path, false, "edge router "+at.Node+" reports", err.Error(), fix)
	}
	seen := fmt.Sprintf("generation %d applied", r.Applied)
	if r.Problem != "" {
		seen += ": " + r.Problem
	}
	return r, d.add("node", at.Path, r.Applied >= p.Generation, fmt.Sprintf("generation %d applied on %s", p.Generation, at.Node), seen, fix)
}

func (d *ladder) port(at *compile.CircuitPath) bool {
	p, ok := portOf(d.l.hub, at.Node, at.Port)
	seen := "up"
	switch {
	case !ok:
		seen = "the node does not have the port"
	case !p.Up:
		seen = "down"
	}
	fix := "check the cable to the provider, and the customer's port at the provider: its loss of link is passed on"
	if d.c.Direct() {
		fix = "set the adminState of the port's link to Enabled; if it is, check the cross-connect to the customer's router"
	}
	return d.add("port", at.Path, ok && p.Up, fmt.Sprintf("port %s/%s up", at.Node, at.Port), seen, fix)
}

// connections: each gateway that is linked has sessions with the edge, and sends its network.
func (d *ladder) connections(context.Context) {
	links := d.v.world.CircuitConnections(d.c.Meta.ID)
	if len(links) == 0 {
		d.add("gateway", "", false, "a connection to a gateway", "none", "create a gateway in the virtual network, and a connection to this circuit")
	}
	for _, k := range links {
		name := k.Meta.ID.Name()
		tunnels, err := d.v.index.Tunnels(k)
		if err != nil {
			d.add("gateway", "", false, "connection "+name+" in the plans", err.Error(), "repair what the message names")
			continue
		}
		d.tunnels(name, tunnels)
	}
}

func (d *ladder) tunnels(name string, tunnels []compile.Tunnel) {
	up, learned := 0, 0
	var broken error
	for _, t := range tunnels {
		s, _ := sessionOf(d.l.hub, t.Edge, t.EdgeSession)
		if s.State == established {
			up++
			learned = max(learned, s.Received)
			continue
		}
		broken = errors.Join(broken, fmt.Errorf("%s to %s: %s %s", t.Edge, t.Gateway, s.State, s.LastError))
	}
	seen := fmt.Sprintf("%d of %d sessions up", up, len(tunnels))
	if broken != nil {
		seen += " (" + strings.ReplaceAll(broken.Error(), "\n", "; ") + ")"
	}
	want := fmt.Sprintf("connection %s: %d sessions with the gateway's instances", name, len(tunnels))
	if !d.add("gateway", "", up == len(tunnels), want, seen, "ask the operator to look at the gateway nodes named") && up == 0 {
		return
	}
	d.add("route", "", learned > 0, "connection "+name+": the network's address space from the gateway", fmt.Sprintf("%d prefixes", learned),
		"ask the operator: the gateway announces nothing")
}
