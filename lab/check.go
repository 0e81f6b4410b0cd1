package lab

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"onramp/resource"
)

// checker collects broken rules with their lines.
type checker struct {
	world *World
	file  string
	doc   *ast.File
	errs  []error

	devices map[string]string // name -> what it is: node, router, host, machine
	ports   map[string]bool   // "device/port" of nodes and routers -> cabled
}

var (
	labName    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	itemName   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,14}$`)
	sessionKey = regexp.MustCompile(`^[A-Za-z0-9]{0,25}$`)
	portName   = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$`)
)

// fail records a broken rule at a YAML path.
func (c *checker) fail(path, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s:%d: %s: %s", c.file, lineOf(c.doc, path), strings.TrimPrefix(path, "$."), fmt.Sprintf(format, args...)))
}

// check runs every rule.
func (c *checker) check() {
	c.devices, c.ports = map[string]string{}, map[string]bool{}
	if !labName.MatchString(c.world.Name) {
		c.fail("$.name", "%q: want 1 to 32 lower-case letters, digits and dashes", c.world.Name)
	}
	c.checkFabric()
	c.checkNodes()
	c.checkRouters()
	c.checkHosts()
	c.checkMachines()
	c.checkCables()
	c.checkPrincipals()
	c.checkDrills()
	c.checkStory("$.story", c.world.Story)
}

// checkFabric runs the service's own rules on the fabric, with the file's lines.
func (c *checker) checkFabric() {
	if len(c.world.Fabric.Nodes) == 0 {
		return // a world without a cloud
	}
	errs := []error{resource.CheckFabric(&c.world.Fabric)}
	if j, ok := errs[0].(interface{ Unwrap() []error }); ok {
		errs = j.Unwrap()
	}
	for _, err := range errs {
		var re *resource.Error
		switch {
		case errors.As(err, &re):
			c.fail("$.fabric."+re.Target, "%s", re.Message)
		case err != nil:
			c.fail("$.fabric", "%v", err)
		}
	}
}

// device takes a name; names are unique in the whole world.
func (c *checker) device(path, name, kind string) {
	if !itemName.MatchString(name) {
		c.fail(path, "name %q: want 1 to 15 lower-case letters, digits and dashes", name)
	}
	if name == fabricPlace || name == wiresPlace {
		c.fail(path, "name %q is taken by the lab itself", name)
	}
	if have, ok := c.devices[name]; ok {
		c.fail(path, "name %q is a %s already: names are unique in a world", name, have)
	}
	c.devices[name] = kind
}

func (c *checker) port(path, device, port string) {
	if !portName.MatchString(port) {
		c.fail(path, "port %q: want an interface name of 1 to 15 characters", port)
	}
	key := device + "/" + port
	if _, ok := c.ports[key]; ok {
		c.fail(path, "port %q is there twice", key)
	}
	c.ports[key] = false
}

func (c *checker) checkNodes() {
	for i, n := range c.world.Fabric.Nodes {
		at := fmt.Sprintf("$.fabric.nodes[%d]", i)
		c.device(at, n.Name, "node")
		for j, p := range n.Ports {
			c.port(fmt.Sprintf("%s.ports[%d]", at, j), n.Name, p.Name)
			if p.Underlay {
				c.ports[n.Name+"/"+p.Name] = true // cabled to the fabric
				if !n.VTEP.IsValid() {
					c.fail(at, "node %q has an underlay port but no vtep", n.Name)
				}
			}
		}
	}
}

func (c *checker) checkRouters() {
	for i, r := range c.world.Routers {
		at := fmt.Sprintf("$.routers[%d]", i)
		c.device(at, r.Name, "router")
		if r.Kind != "bird" && r.Kind != "frr" {
			c.fail(at+".kind", "%q: want bird or frr", r.Kind)
		}
		if r.ASN == 0 {
			c.fail(at, "asn is missing")
		}
		if !r.RouterID.Is4() {
			c.fail(at, "routerId is missing or not IPv4")
		}
		if r.LAN == "" || !r.Address.IsValid() {
			c.fail(at, "lan and address are needed")
		}
		for j := range r.Uplinks {
			c.checkUplink(fmt.Sprintf("%s.uplinks[%d]", at, j), r, j)
		}
	}
}

// wire takes an uplink's port, and its wire unless an uplink before it has: those that share one tell each other by their tags.
func (c *checker) wire(at string, r Router, j int) {
	u := r.Uplinks[j]
	if u.Wire != "" {
		c.port(at, r.Name, u.Port)
		c.ports[r.Name+"/"+u.Port] = true // joined with the wire
		if u.Tag == 0 {
			c.fail(at+".wire", "an uplink on a wire of its own name needs a tag")
		}
		if len(u.Wire) > 13 {
			c.fail(at+".wire", "%q: a wire has at most 13 characters", u.Wire)
		}
	}
	if r.first(j) {
		c.port(at, r.Name, u.wire())
	}
	for k := range j {
		if o := r.Uplinks[k]; o.wire() == u.wire() && (u.Wire == "" || o.Wire == "" || o.Outer == u.Outer && o.Tag == u.Tag) {
			c.fail(at, "wire %q has uplink %q with the same tags, or without a wire's name", u.wire(), o.Port)
		}
	}
}

func (c *checker) checkUplink(at string, r Router, j int) {
	u := r.Uplinks[j]
	c.wire(at, r, j)
	if u.Port == "lan0" || u.Wire == "lan0" {
		c.fail(at+".port", "lan0 is the router's port on the LAN")
	}
	if !u.Address.IsValid() || !u.Address.Masked().Contains(u.Peer) || u.Peer == u.Address.Addr() {
		c.fail(at, "peer %s must be another address of %s", u.Peer, u.Address)
	}
	if len(u.Routes) > 0 && (u.Key != "" || u.BFD || u.HoldTime != 0 || u.Keepalive != 0 || u.PeerASN != 0) {
		c.fail(at+".routes", "an uplink with static routes has no session")
	}
	if !sessionKey.MatchString(u.Key) {
		c.fail(at+".key", "want at most 25 letters and digits")
	}
	if u.Tag > 4094 {
		c.fail(at+".tag", "%d is no tag: want 1 to 4094, or 0 for none", u.Tag)
	}
	if u.Outer > 4094 || u.Outer != 0 && u.Tag == 0 {
		c.fail(at+".outer", "%d: want 1 to 4094, around a tag", u.Outer)
	}
	if u.Tag != 0 && len(u.Port) > 13 {
		c.fail(at+".port", "%q: a port with a tag has at most 13 characters", u.Port)
	}
	if u.HoldTime != 0 && (u.HoldTime < 3e9 || u.Keepalive > u.HoldTime) {
		c.fail(at, "holdTime %s: want at least 3s and not less than keepalive", u.HoldTime)
	}
}

func (c *checker) checkHosts() {
	for i, h := range c.world.Hosts {
		at := fmt.Sprintf("$.hosts[%d]", i)
		c.device(at, h.Name, "host")
		if h.LAN == "" || !h.Address.IsValid() {
			c.fail(at, "lan and address are needed")
			continue
		}
		for _, g := range h.Gateways {
			if !h.Address.Masked().Contains(g) {
				c.fail(at+".gateways", "%s is not on %s", g, h.Address.Masked())
			}
		}
	}
}

func (c *checker) checkMachines() {
	for i, m := range c.world.Machines {
		at := fmt.Sprintf("$.machines[%d]", i)
		c.device(at, m.Name, "machine")
		if used, ok := c.ports[m.Port]; !ok {
			c.fail(at+".port", "no node has a port %q", m.Port)
		} else if used {
			c.fail(at+".port", "%q is cabled already", m.Port)
		}
		c.ports[m.Port] = true
	}
}

func (c *checker) checkCables() {
	for i, l := range c.world.Cables {
		at := fmt.Sprintf("$.cables[%d]", i)
		for side, end := range map[string]string{"a": l.A, "b": l.B} {
			used, ok := c.ports[end]
			switch {
			case !ok:
				c.fail(at+"."+side, "no node or router has a port %q", end)
			case used:
				c.fail(at+"."+side, "port %q is cabled already", end)
			}
			c.ports[end] = true
		}
	}
	for i, r := range c.world.Routers {
		for j, u := range r.Uplinks {
			if !c.ports[r.Name+"/"+u.wire()] {
				c.fail(fmt.Sprintf("$.routers[%d].uplinks[%d]", i, j), "port %s/%s has no cable", r.Name, u.wire())
			}
		}
	}
}

func (c *checker) checkPrincipals() {
	seen := map[string]bool{}
	for i, p := range c.world.Fabric.Principals {
		at := fmt.Sprintf("$.fabric.principals[%d]", i)
		if seen[p.Name] {
			c.fail(at, "principal %q is there twice", p.Name)
		}
		seen[p.Name] = true
		if p.ClientID == "" || p.Secret == "" {
			c.fail(at, "principal %q needs clientId and secret", p.Name)
		}
	}
}

// place checks a name that must be a place packets can start from.
func (c *checker) place(at, name string) {
	if _, ok := c.devices[name]; !ok {
		c.fail(at, "no node, router, host or machine is named %q", name)
	}
}

func (c *checker) stream(at string, s Stream) {
	c.place(at+".from", s.From)
	c.place(at+".to", s.To)
}

func (c *checker) cable(at, link string) {
	if _, ok := c.world.findCable(link); !ok {
		c.fail(at, "no cable %q: name it by one of its ports, or as device-device", link)
	}
}

func (c *checker) checkDrills() {
	seen := map[string]bool{}
	for i, d := range c.world.Drills {
		at := fmt.Sprintf("$.drills[%d]", i)
		if d.Name == "" || seen[d.Name] {
			c.fail(at, "drill name %q is missing or there twice", d.Name)
		}
		seen[d.Name] = true
		c.cable(at+".link", d.Link)
		c.stream(at+".stream", d.Stream)
		for j, s := range d.Back {
			c.session(fmt.Sprintf("%s.back[%d]", at, j), s)
		}
		if d.Silent {
			c.silent(at, d)
		}
	}
}

// silent: the cable has a middle, which only those between two nodes have, and a session tells who noticed.
func (c *checker) silent(at string, d CableDrill) {
	if len(d.Back) == 0 {
		c.fail(at+".silent", "name in back the session that runs over the cable")
	}
	if i, ok := c.world.findCable(d.Link); ok {
		l := c.world.Cables[i]
		_, a := c.world.node(device(l.A))
		_, b := c.world.node(device(l.B))
		if !a || !b {
			c.fail(at+".silent", "cable %s is not between two nodes: only those break in their middle", d.Link)
		}
	}
}

func (c *checker) session(at string, s SessionRef) {
	r, ok := c.world.router(s.Router)
	if !ok {
		c.fail(at, "no router is named %q", s.Router)
		return
	}
	for _, u := range r.Uplinks {
		if u.Peer == s.Peer && len(u.Routes) == 0 {
			return
		}
	}
	c.fail(at, "router %s has no peer %s", s.Router, s.Peer)
}
