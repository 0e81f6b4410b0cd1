package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// wait waits for what a step names.
func (l *Lab) wait(ctx context.Context, w Wait) (string, error) {
	timeout := w.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	switch {
	case w.Session != nil && w.Error != "":
		return l.waitError(ctx, w, timeout)
	case w.Session != nil:
		state := "Established"
		if w.Down {
			state = "down"
		}
		return fmt.Sprintf("%s - %s is %s", w.Session.Router, w.Session.Peer, state), l.waitSession(ctx, *w.Session, w.Down, timeout)
	case w.Route != nil:
		return fmt.Sprintf("%s in %s", w.Route.Prefix, w.Route.In), l.waitRoute(ctx, *w.Route, w.Down, timeout)
	}
	return "", pause(ctx, w.For)
}

// waitError waits until a session is down for the reason named.
func (l *Lab) waitError(ctx context.Context, w Wait, timeout time.Duration) (string, error) {
	re, err := regexp.Compile(w.Error)
	if err != nil {
		return "", err
	}
	var last string
	err = poll(ctx, timeout, 50*time.Millisecond, func() error {
		state, reason, err := l.sessionState(ctx, *w.Session)
		if err != nil {
			return err
		}
		last = reason
		if state == "Established" || !re.MatchString(reason) {
			return fmt.Errorf("session %s - %s is %s, last error %q; expected %q", w.Session.Router, w.Session.Peer, state, reason, w.Error)
		}
		return nil
	})
	return fmt.Sprintf("%s: %s", w.Session.Router, last), err
}

// waitRoute looks into a kernel's table.
func (l *Lab) waitRoute(ctx context.Context, r RouteRef, gone bool, timeout time.Duration) error {
	p := r.Prefix.Masked()
	dst := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
	return poll(ctx, timeout, 20*time.Millisecond, func() error {
		var n int
		err := in(l.ns(r.In), func() error {
			rs, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Dst: dst}, netlink.RT_FILTER_DST)
			n = len(rs)
			return err
		})
		if err != nil {
			return err
		}
		if (n > 0) == gone {
			return fmt.Errorf("%s has %d routes to %s", r.In, n, p)
		}
		return nil
	})
}

// boot reads a network interface from the API and gives the machine what it says. The way out is the subnet's first host.
func (l *Lab) boot(ctx context.Context, s *Step) (string, error) {
	doc, err := l.call(ctx, s.As, http.MethodGet, s.Group, l.expand(s.Boot.NIC), "", nil)
	if err != nil {
		return "", shortError(err)
	}
	mac, err := lookup(doc, "properties.macAddress")
	if err != nil {
		return "", err
	}
	ip, err := lookup(doc, "properties.ipConfigurations[0].properties.privateIPAddress")
	if err != nil {
		return "", err
	}
	addr, err := netip.ParseAddr(text(ip))
	if err != nil {
		return "", fmt.Errorf("privateIPAddress %q: %w", text(ip), err)
	}
	subnetID, err := lookup(doc, "properties.ipConfigurations[0].properties.subnet.id")
	if err != nil {
		return "", err
	}
	subnet, err := l.call(ctx, s.As, http.MethodGet, s.Group, text(subnetID), "", nil)
	if err != nil {
		return "", shortError(err)
	}
	gw, err := firstHost(subnet, addr)
	if err != nil {
		return "", err
	}
	if err := l.bootMachine(s.Boot.Machine, Booted{MAC: text(mac), Address: addr}, net.IP(gw.AsSlice())); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is %s, %s", s.Boot.Machine, addr, text(mac)), nil
}

// firstHost is the first host of the subnet's prefix that holds the address.
func firstHost(subnet any, addr netip.Addr) (netip.Addr, error) {
	var texts []string
	if v, err := lookup(subnet, "properties.addressPrefix"); err == nil && text(v) != "" {
		texts = append(texts, text(v))
	}
	if v, err := lookup(subnet, "properties.addressPrefixes"); err == nil {
		if list, ok := v.([]any); ok {
			for _, e := range list {
				texts = append(texts, text(e))
			}
		}
	}
	for _, t := range texts {
		if p, err := netip.ParsePrefix(t); err == nil && p.Contains(addr) {
			return p.Masked().Addr().Next(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no prefix of the subnet (%v) holds %s", texts, addr)
}

// normalMAC reads ARM's "02-AA-…" too.
func normalMAC(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "-", ":")
	if len(s) == 12 && !strings.Contains(s, ":") {
		var b strings.Builder
		for i := 0; i < 12; i += 2 {
			if i > 0 {
				b.WriteByte(':')
			}
			b.WriteString(s[i : i+2])
		}
		return b.String()
	}
	return s
}

// execStep runs a program in a place and checks what it writes.
func (l *Lab) execStep(ctx context.Context, e ExecStep) (string, error) {
	timeout := e.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	argv := make([]string, len(e.Argv))
	for i, a := range e.Argv {
		argv[i] = l.expand(a)
	}
	ns := ""
	if e.In != "" {
		ns = l.ns(e.In)
	}
	out, err := run(ctx, ns, argv...)
	if (err != nil) != e.Fails {
		if err == nil {
			err = fmt.Errorf("%s succeeded, but must fail", strings.Join(argv, " "))
		}
		return "", err
	}
	if e.Expect != "" {
		ok, rerr := regexp.MatchString(l.expand(e.Expect), out)
		if rerr != nil {
			return "", rerr
		}
		if !ok {
			return "", fmt.Errorf("%s does not write %q: %.300s", strings.Join(argv, " "), e.Expect, out)
		}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return line, nil
}

// view is what the API tells of some paths, in one text that can be compared.
func (l *Lab) view(ctx context.Context, as, group string, k Kill) (string, error) {
	var b strings.Builder
	add := func(method, path string) error {
		doc, err := l.call(ctx, as, method, group, l.expand(path), "", nil)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, shortError(err))
		}
		text, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %s\n", path, text)
		return nil
	}
	for _, p := range k.Same {
		if err := add(http.MethodGet, p); err != nil {
			return "", err
		}
	}
	for _, p := range k.Posts {
		if err := add(http.MethodPost, p); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}
