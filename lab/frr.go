package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// frrRouter is FRR: zebra, bgpd, and bfdd where an uplink speaks BFD, with their sockets and files in the router's own directory.
type frrRouter struct{}

const frrBin = "/usr/lib/frr/"

func (frrRouter) files(r routerSite) map[string]string {
	files := map[string]string{
		"zebra.conf": fmt.Sprintf("hostname %s\nlog file %s/zebra.log\n", r.Name, r.dir),
		"bgpd.conf":  frrConfig(r),
	}
	if r.bfd() {
		files["bfdd.conf"] = fmt.Sprintf("hostname %s\nlog file %s/bfdd.log\n", r.Name, r.dir)
	}
	return files
}

func frrConfig(r routerSite) string {
	var b strings.Builder
	fmt.Fprintf(&b, "! %s: FRR, AS %d. Live: vtysh --vty_socket %s\n", r.Name, r.ASN, r.dir)
	fmt.Fprintf(&b, "frr defaults datacenter\nhostname %s\nlog file %s/bgpd.log\n!\n", r.Name, r.dir)
	fmt.Fprintf(&b, "router bgp %d\n bgp router-id %s\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n no bgp network import-check\n",
		r.ASN, r.RouterID)
	for i, u := range r.uplinks() {
		fmt.Fprintf(&b, " ! link %d: %s\n neighbor %s remote-as %d\n neighbor %s timers connect 2\n", i+1, u.Port, u.Peer, u.PeerASN, u.Peer)
		if as := r.uplinkASN(); as != r.ASN {
			fmt.Fprintf(&b, " neighbor %s local-as %d no-prepend replace-as\n", u.Peer, as)
		}
		if u.HoldTime != 0 || u.Keepalive != 0 {
			keep, hold := u.Keepalive, u.HoldTime
			if keep == 0 {
				keep = hold / 3
			}
			if hold == 0 {
				hold = 3 * keep
			}
			fmt.Fprintf(&b, " neighbor %s timers %d %d\n", u.Peer, int(keep/time.Second), int(hold/time.Second))
		}
		if u.BFD {
			fmt.Fprintf(&b, " neighbor %s bfd 3 300 300\n", u.Peer)
		}
		if u.Key != "" {
			fmt.Fprintf(&b, " neighbor %s password %s\n", u.Peer, u.Key)
		}
	}
	for _, p := range r.peers {
		fmt.Fprintf(&b, " ! the site's other router\n neighbor %s remote-as %d\n neighbor %s timers connect 2\n", p.Address.Addr(), p.ASN, p.Address.Addr())
	}
	b.WriteString(" !\n address-family ipv4 unicast\n")
	for _, p := range append(r.announced(), r.flood()...) {
		fmt.Fprintf(&b, "  network %s\n", p)
	}
	for _, u := range r.uplinks() {
		fmt.Fprintf(&b, "  neighbor %s activate\n", u.Peer)
	}
	for _, p := range r.peers {
		fmt.Fprintf(&b, "  neighbor %s activate\n  neighbor %s next-hop-self\n", p.Address.Addr(), p.Address.Addr())
	}
	b.WriteString("  maximum-paths 4\n exit-address-family\n!\n")
	return b.String()
}

func (frrRouter) processes(r routerSite) []Process {
	daemon := func(name string) Process {
		return Process{
			Name: r.Name + ":" + name, Log: r.dir + "/" + name + ".out",
			Argv: []string{
				frrBin + name, "-f", r.dir + "/" + name + ".conf", "-i", r.dir + "/" + name + ".pid",
				"-z", r.dir + "/zserv.api", "--vty_socket", r.dir, "-A", "127.0.0.1", "-u", "frr", "-g", "frr",
			},
		}
	}
	if !r.bfd() {
		return []Process{daemon("zebra"), daemon("bgpd")}
	}
	bfdd := daemon("bfdd")
	bfdd.Argv = append(bfdd.Argv, "--bfdctl", r.dir+"/bfdd.ctl")
	return []Process{daemon("zebra"), bfdd, daemon("bgpd")}
}

func (frrRouter) socket(r routerSite, p Process) string {
	if strings.HasSuffix(p.Name, ":zebra") {
		return r.dir + "/zserv.api"
	}
	_, name, _ := strings.Cut(p.Name, ":")
	return r.dir + "/" + name + ".vty"
}

// reload clears the BGP instance and reads the file again: the session flaps, as it does when a real router's session is configured anew.
func (k frrRouter) reload(ctx context.Context, l *Lab, r routerSite) error {
	if _, err := k.vtysh(ctx, r, "configure terminal", fmt.Sprintf("no router bgp %d", r.ASN)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err := run(ctx, r.ns, "vtysh", "--vty_socket", r.dir, "-d", "bgpd", "-f", r.dir+"/bgpd.conf")
	return err
}

func (frrRouter) vtysh(ctx context.Context, r routerSite, commands ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	argv := []string{"vtysh", "--vty_socket", r.dir, "-d", "bgpd"}
	for _, c := range commands {
		argv = append(argv, "-c", c)
	}
	return run(ctx, r.ns, argv...)
}

func (k frrRouter) session(ctx context.Context, l *Lab, r routerSite, peer netip.Addr) (string, string, error) {
	out, err := k.vtysh(ctx, r, "show bgp neighbors "+peer.String()+" json")
	if err != nil {
		return "", "", err
	}
	return frrSession(out, peer)
}

// frrSession reads `show bgp neighbors A json`.
func frrSession(out string, peer netip.Addr) (state, last string, err error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		return "", "", fmt.Errorf("read FRR's answer: %w: %.80s", err, out)
	}
	raw, ok := doc[peer.String()]
	if !ok {
		return "Idle", "no such neighbour", nil
	}
	var n struct {
		BgpState               string `json:"bgpState"`
		LastResetDueTo         string `json:"lastResetDueTo"`
		LastNotificationReason string `json:"lastNotificationReason"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return "", "", fmt.Errorf("read FRR's answer: %w", err)
	}
	last = n.LastNotificationReason
	if last == "" {
		last = n.LastResetDueTo
	}
	return n.BgpState, last, nil
}

func (frrRouter) shell(r routerSite) string {
	return fmt.Sprintf("vtysh --vty_socket %s -c 'show bgp summary'", r.dir)
}
