package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cloudASN is the ASN of the edge routers.
const cloudASN = 12076

// routerKind drives one kind of router; the list of kinds is routerKinds.
type routerKind interface {
	// files renders the configuration, by file name.
	files(r routerSite) map[string]string
	// processes are the daemons in the order they start.
	processes(r routerSite) []Process
	// socket is what must be there before the next daemon starts: FRR's bgpd tries again only after 10 s when zebra is not ready.
	socket(r routerSite, p Process) string
	// reload makes a running router read changed files.
	reload(ctx context.Context, l *Lab, r routerSite) error
	// session reads one BGP session's state and last error.
	session(ctx context.Context, l *Lab, r routerSite, peer netip.Addr) (state, lastError string, err error)
	// shell is the router's own command line, for people.
	shell(r routerSite) string
}

// kindOf is the list of router kinds.
func kindOf(kind string) (routerKind, error) {
	switch kind {
	case "bird":
		return birdRouter{}, nil
	case "frr":
		return frrRouter{}, nil
	}
	return nil, fmt.Errorf("router kind %q: want bird or frr", kind)
}

// routerSite is a router with what surrounds it.
type routerSite struct {
	Router
	dir   string
	ns    string
	peers []Router // of the same LAN and ASN: internal BGP
	extra Extras
}

// uplinks are the router's uplinks with a session, with a story's changes.
func (r routerSite) uplinks() []Uplink {
	us := slices.DeleteFunc(slices.Clone(r.Uplinks), func(u Uplink) bool { return len(u.Routes) > 0 })
	for i := range us {
		if us[i].PeerASN == 0 {
			us[i].PeerASN = cloudASN
		}
		us[i].BFD = us[i].BFD && !r.extra.NoBFD
		if r.extra.Key != "" {
			us[i].Key = r.extra.Key
		}
	}
	return us
}

// bfd reports whether the router speaks BFD on an uplink.
func (r routerSite) bfd() bool {
	return slices.ContainsFunc(r.Uplinks, func(u Uplink) bool { return u.BFD })
}

// uplinkASN is the ASN the router says it has to its provider.
func (r routerSite) uplinkASN() uint32 {
	if r.extra.ASN != 0 {
		return r.extra.ASN
	}
	return r.ASN
}

// announced is what the router originates: its LAN unless the file says otherwise.
func (r routerSite) announced() []netip.Prefix {
	if len(r.Announce) == 0 {
		return []netip.Prefix{r.Address.Masked()}
	}
	return r.Announce
}

// flood lists the additional prefixes.
func (r routerSite) flood() []netip.Prefix {
	if r.extra.Count == 0 {
		return nil
	}
	a := r.extra.Base.Masked().Addr().As4()
	base := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8
	ps := make([]netip.Prefix, r.extra.Count)
	for i := range ps {
		n := base + uint32(i)<<8
		ps[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), 0}), 24)
	}
	return ps
}

// site gathers what a router's files are made from.
func (l *Lab) site(name string) (routerSite, routerKind, error) {
	r, ok := l.World.router(name)
	if !ok {
		return routerSite{}, nil, fmt.Errorf("no router is named %q", name)
	}
	s := routerSite{Router: *r, dir: l.path("routers", name), ns: l.ns(name)}
	for _, p := range l.World.Routers {
		if p.Name != name && p.LAN == r.LAN && p.ASN == r.ASN {
			s.peers = append(s.peers, p)
		}
	}
	if e := l.state.get().Extra[name]; e != nil {
		s.extra = *e
	}
	k, err := kindOf(r.Kind)
	return s, k, err
}

// startRouters writes the routers' files and starts their daemons.
func (l *Lab) startRouters(ctx context.Context) error {
	for _, r := range l.World.Routers {
		s, k, err := l.site(r.Name)
		if err != nil {
			return err
		}
		if err := l.writeRouter(s, k); err != nil {
			return err
		}
		for _, p := range k.processes(s) {
			p.Namespace = s.ns
			if _, err := l.startProcess(p); err != nil {
				return err
			}
			if err := awaitSocket(ctx, k.socket(s, p)); err != nil {
				return fmt.Errorf("start %s: %w; see %s", p.Name, err, p.Log)
			}
		}
	}
	return nil
}

// awaitSocket waits for a daemon to listen on its Unix socket.
func awaitSocket(ctx context.Context, path string) error {
	return poll(ctx, 10*time.Second, 5*time.Millisecond, func() error {
		c, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// writeRouter writes a router's files; a FRR daemon gives up root and must own its directory.
func (l *Lab) writeRouter(s routerSite, k routerKind) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	for name, text := range k.files(s) {
		if err := os.WriteFile(s.dir+"/"+name, []byte(text), 0o640); err != nil {
			return fmt.Errorf("write configuration of %s: %w", s.Name, err)
		}
	}
	if s.Kind == "frr" {
		return chownAll(s.dir, "frr")
	}
	return nil
}

func chownAll(dir, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("FRR needs its user (Debian package frr): %w", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	es, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range es {
		if err := os.Lchown(dir+"/"+e.Name(), uid, gid); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Chown(dir, uid, gid)
}

// changeRouter changes a router against its file and makes it read the result.
func (l *Lab) changeRouter(ctx context.Context, name string, change func(*Extras)) error {
	err := l.state.update(func(s *State) {
		if s.Extra[name] == nil {
			s.Extra[name] = &Extras{}
		}
		change(s.Extra[name])
	})
	if err != nil {
		return err
	}
	s, k, err := l.site(name)
	if err != nil {
		return err
	}
	if err := l.writeRouter(s, k); err != nil {
		return err
	}
	return k.reload(ctx, l, s)
}

// sessionState reads one session of a router.
func (l *Lab) sessionState(ctx context.Context, ref SessionRef) (state, lastError string, err error) {
	s, k, err := l.site(ref.Router)
	if err != nil {
		return "", "", err
	}
	return k.session(ctx, l, s, ref.Peer)
}

// waitSession waits until a session is Established, or with down until it is not.
func (l *Lab) waitSession(ctx context.Context, ref SessionRef, down bool, timeout time.Duration) error {
	return poll(ctx, timeout, 50*time.Millisecond, func() error {
		state, last, err := l.sessionState(ctx, ref)
		if err != nil {
			return err
		}
		if (state == "Established") == down {
			return fmt.Errorf("session %s - %s is %s%s", ref.Router, ref.Peer, state, ifText(" (last error: ", last, ")"))
		}
		return nil
	})
}

func ifText(before, text, after string) string {
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return before + text + after
}
