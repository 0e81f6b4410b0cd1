package lab

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// birdRouter is BIRD 2.
type birdRouter struct{}

func (birdRouter) files(r routerSite) map[string]string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: BIRD 2, AS %d. After a change: birdc -s %s/bird.ctl configure\n", r.Name, r.ASN, r.dir)
	fmt.Fprintf(&b, "log \"%s/bird.log\" all;\nrouter id %s;\ndebug protocols { states };\n\n", r.dir, r.RouterID)
	b.WriteString("protocol device { scan time 10; }\n\n")
	b.WriteString("# Routes learned by BGP go to the kernel; equal ones side by side.\n")
	b.WriteString("protocol kernel {\n  scan time 60;\n  merge paths on;\n  ipv4 {\n    import none;\n    export where source = RTS_BGP;\n  };\n}\n\n")
	b.WriteString("# What this site announces.\nprotocol static site {\n  ipv4;\n")
	for _, p := range append(r.announced(), r.flood()...) {
		fmt.Fprintf(&b, "  route %s blackhole;\n", p)
	}
	b.WriteString("}\n")
	if r.bfd() {
		b.WriteString("\n# Dead paths are noticed in 0.9 s.\nprotocol bfd {\n  interface \"*\" { min rx interval 300 ms; min tx interval 300 ms; multiplier 3; };\n}\n")
	}
	for i, u := range r.uplinks() {
		birdUplink(&b, r, i, u)
	}
	for _, p := range r.peers {
		fmt.Fprintf(&b, "\n# The site's other router.\nprotocol bgp ibgp_%s {\n  local %s as %d;\n  neighbor %s as %d;\n  direct;\n",
			birdName(p.Name), r.Address.Addr(), r.ASN, p.Address.Addr(), p.ASN)
		b.WriteString("  connect delay time 1;\n  connect retry time 2;\n  error wait time 1, 3;\n")
		b.WriteString("  ipv4 {\n    import all;\n    export where source = RTS_BGP;\n    next hop self;\n  };\n}\n")
	}
	return map[string]string{"bird.conf": b.String()}
}

func birdUplink(b *strings.Builder, r routerSite, i int, u Uplink) {
	fmt.Fprintf(b, "\n# Link %d: %s, the edge router is %s.\nprotocol bgp uplink%d {\n", i+1, u.Port, u.Peer, i)
	fmt.Fprintf(b, "  local %s as %d;\n  neighbor %s as %d;\n", u.Address.Addr(), r.uplinkASN(), u.Peer, u.PeerASN)
	if u.Key != "" {
		fmt.Fprintf(b, "  password %q;\n", u.Key)
	}
	if u.HoldTime != 0 {
		fmt.Fprintf(b, "  hold time %d;\n", int(u.HoldTime/time.Second))
	}
	if u.Keepalive != 0 {
		fmt.Fprintf(b, "  keepalive time %d;\n", int(u.Keepalive/time.Second))
	}
	if u.BFD {
		b.WriteString("  bfd on;\n")
	}
	b.WriteString("  check link on;\n  graceful restart aware;\n  connect delay time 1;\n  connect retry time 2;\n  error wait time 1, 3;\n")
	b.WriteString("  ipv4 {\n    import all;\n    export where source = RTS_STATIC;\n  };\n}\n")
}

// birdName makes a protocol name of a router's.
func birdName(s string) string { return strings.ReplaceAll(s, "-", "_") }

func (birdRouter) processes(r routerSite) []Process {
	return []Process{{
		Name: r.Name + ":bird", Log: r.dir + "/bird.out",
		Argv: []string{"bird", "-f", "-c", r.dir + "/bird.conf", "-s", r.dir + "/bird.ctl", "-P", r.dir + "/bird.pid"},
	}}
}

func (birdRouter) socket(r routerSite, _ Process) string { return r.dir + "/bird.ctl" }

func (k birdRouter) reload(ctx context.Context, l *Lab, r routerSite) error {
	out, err := k.birdc(ctx, r, "configure")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "Reconfigur") {
		return fmt.Errorf("configure %s: %s", r.Name, out)
	}
	return nil
}

func (birdRouter) birdc(ctx context.Context, r routerSite, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return run(ctx, r.ns, append([]string{"birdc", "-s", r.dir + "/bird.ctl"}, args...)...)
}

func (k birdRouter) session(ctx context.Context, l *Lab, r routerSite, peer netip.Addr) (string, string, error) {
	for i, u := range r.uplinks() {
		if u.Peer != peer {
			continue
		}
		out, err := k.birdc(ctx, r, "show", "protocols", "all", fmt.Sprintf("uplink%d", i))
		if err != nil {
			return "", "", err
		}
		state, last := birdSession(out)
		return state, last, nil
	}
	return "", "", fmt.Errorf("router %s has no peer %s", r.Name, peer)
}

// birdSession reads "BGP state:" and "Last error:" of `show protocols all`.
func birdSession(out string) (state, last string) {
	state = "Idle"
	sc := bufio.NewScanner(strings.NewReader(out))
	for sc.Scan() {
		k, v, ok := strings.Cut(strings.TrimSpace(sc.Text()), ":")
		if !ok {
			continue
		}
		switch k {
		case "BGP state":
			state = strings.TrimSpace(v)
		case "Last error":
			last = strings.TrimSpace(v)
		}
	}
	return state, last
}

func (birdRouter) shell(r routerSite) string {
	return fmt.Sprintf("birdc -s %s/bird.ctl show protocols all uplink0", r.dir)
}
