package lab

import (
	"fmt"
	"regexp"
)

// checkStory checks steps, and gives each its line.
func (c *checker) checkStory(path string, steps []Step) {
	for i := range steps {
		at := fmt.Sprintf("%s[%d]", path, i)
		s := &steps[i]
		s.line = lineOf(c.doc, at)
		if n := len(s.actions()); n != 1 {
			c.fail(at, "a step has exactly one action; this one has %d", n)
			continue
		}
		if s.call() != "" {
			c.checkCall(at, s)
		}
		c.checkProbes(at, s)
		c.checkDeeds(at, s)
		c.checkStory(at+".parallel", s.Parallel)
		c.checkUnder(at+".under", s.Under)
	}
}

// actions names the actions a step has.
func (s *Step) actions() []string {
	var have []string
	add := func(is bool, name string) {
		if is {
			have = append(have, name)
		}
	}
	add(s.Put != "", "put")
	add(s.Get != "", "get")
	add(s.Delete != "", "delete")
	add(s.Post != "", "post")
	add(s.Patch != "", "patch")
	add(s.Edit != "", "edit")
	add(len(s.Parallel) > 0, "parallel")
	add(s.Under != nil, "under")
	add(s.Wait != nil, "wait")
	add(s.Boot != nil, "boot")
	add(s.Ping != nil, "ping")
	add(s.Traceroute != nil, "traceroute")
	add(s.Drill != "", "drill")
	add(s.Cut != "", "cut")
	add(s.Restore != "", "restore")
	add(s.Rate != nil, "rate")
	add(s.Kill != nil, "kill")
	add(s.Isolated != nil, "isolated")
	add(s.Exec != nil, "exec")
	add(s.Prefixes != nil, "prefixes")
	add(s.Key != nil, "key")
	add(s.Send != nil, "send")
	add(s.Garbage != nil, "garbage")
	return have
}

// call is the step's API path, "" when it is no call.
func (s *Step) call() string {
	for _, p := range []string{s.Put, s.Get, s.Delete, s.Post, s.Patch, s.Edit} {
		if p != "" {
			return p
		}
	}
	return ""
}

func (c *checker) checkCall(at string, s *Step) {
	c.principal(at, s.As)
	for k, v := range s.Expect {
		if re, ok := asRegexp(v); ok {
			if _, err := regexp.Compile(re); err != nil {
				c.fail(at+".expect", "%s: %v", k, err)
			}
		}
	}
}

func (c *checker) principal(at, as string) {
	if _, err := c.world.principal(as); err != nil {
		c.fail(at, "as: %v", err)
	}
}

// checkProbes checks the steps that look.
func (c *checker) checkProbes(at string, s *Step) {
	if p := s.Ping; p != nil {
		c.place(at+".ping.from", p.From)
		c.target(at+".ping.to", p.To)
	}
	if p := s.Traceroute; p != nil {
		c.place(at+".traceroute.from", p.From)
		c.target(at+".traceroute.to", p.To)
	}
	if p := s.Isolated; p != nil {
		c.place(at+".isolated.from", p.From)
		c.target(at+".isolated.to", p.To)
	}
	if p := s.Rate; p != nil {
		c.place(at+".rate.from", p.From)
		c.place(at+".rate.to", p.To)
		if p.Offered <= 0 || p.Limit <= 0 {
			c.fail(at+".rate", "offered and limit are needed, in Mbit/s")
		}
	}
	if p := s.Wait; p != nil {
		if p.Session == nil && p.Route == nil && p.For == 0 {
			c.fail(at+".wait", "nothing to wait for: want session, route or for")
		}
		if p.Session != nil {
			c.session(at+".wait.session", *p.Session)
		}
		if p.Route != nil {
			c.place(at+".wait.route.in", p.Route.In)
		}
	}
}

// checkDeeds checks the steps that do something to the world.
func (c *checker) checkDeeds(at string, s *Step) {
	if s.Drill != "" {
		if _, ok := c.world.drill(s.Drill); !ok {
			c.fail(at+".drill", "no drill is named %q", s.Drill)
		}
	}
	for _, l := range []string{s.Cut, s.Restore} {
		if l != "" {
			c.cable(at, l)
		}
	}
	if b := s.Boot; b != nil {
		if c.devices[b.Machine] != "machine" {
			c.fail(at+".boot.machine", "no machine is named %q", b.Machine)
		}
		c.principal(at, s.As)
	}
	if k := s.Kill; k != nil {
		c.stream(at+".kill.stream", k.Stream)
		if !c.isProcess(k.Process) {
			c.fail(at+".kill.process", "%q: want control, or node:NAME", k.Process)
		}
	}
	if p := s.Prefixes; p != nil {
		c.isRouter(at+".prefixes", p.Router)
		if !p.Base.IsValid() || p.Base.Bits() > 24 || p.Count > 1<<(24-p.Base.Bits()) {
			c.fail(at+".prefixes", "%d prefixes of /24 do not fit in %s", p.Count, p.Base)
		}
	}
	if k := s.Key; k != nil {
		c.isRouter(at+".key", k.Router)
	}
	if p := s.Send; p != nil {
		c.place(at+".send.from", p.From)
		c.target(at+".send.to", p.To)
	}
	if g := s.Garbage; g != nil {
		c.place(at+".garbage.from", g.From)
	}
	if e := s.Exec; e != nil && len(e.Argv) == 0 {
		c.fail(at+".exec", "argv is missing")
	}
}

func (c *checker) isRouter(at, name string) {
	if c.devices[name] != "router" {
		c.fail(at, "no router is named %q", name)
	}
}

func (c *checker) isProcess(name string) bool {
	if name == "control" {
		return true
	}
	node, ok := cutPrefix(name, "node:")
	return ok && c.devices[node] == "node"
}

// target checks a place or an address.
func (c *checker) target(at, to string) {
	if isAddr(to) {
		return
	}
	c.place(at, to)
}
