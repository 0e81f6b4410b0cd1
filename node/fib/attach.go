package fib

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Mode is how XDP programs run on a port.
type Mode string

// The modes. Native runs in the driver, generic in the kernel's common receive path: everywhere, and slower.
const (
	ModeAuto    Mode = "auto"
	ModeNative  Mode = "native"
	ModeGeneric Mode = "generic"
)

// role is which program an interface has.
type role string

const (
	rolePort   role = "port"
	rolePunt   role = "punt"
	roleKernel role = "kernel"
)

// spot is one program on one interface.
type spot struct {
	role    role
	ifindex int
}

// links keeps programs on interfaces by pinned links. A pin's name says everything: link-<role>-<ifindex>-<mode>.
type links struct {
	dir   string
	mode  Mode
	progs map[role]*ebpf.Program
	at    map[spot]Mode
}

func pinName(s spot, m Mode) string { return fmt.Sprintf("link-%s-%d-%s", s.role, s.ifindex, m) }

// loadLinks takes over the pinned links, each with this process's program; links to interfaces that are gone are cleared away.
func loadLinks(dir string, mode Mode, progs map[role]*ebpf.Program) (*links, error) {
	l := &links{dir: dir, mode: mode, progs: progs, at: map[spot]Mode{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read pin directory: %w", err)
	}
	for _, e := range entries {
		s, m, ok := parsePin(e.Name())
		if !ok {
			continue
		}
		if err := l.adopt(filepath.Join(dir, e.Name()), s, m); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func parsePin(name string) (s spot, m Mode, ok bool) {
	for _, r := range []role{rolePort, rolePunt, roleKernel} {
		for _, m := range []Mode{ModeNative, ModeGeneric} {
			s := spot{role: r}
			if n, err := fmt.Sscanf(name, "link-"+string(r)+"-%d-"+string(m), &s.ifindex); err == nil && n == 1 && name == pinName(s, m) {
				return s, m, true
			}
		}
	}
	return spot{}, "", false
}

func (l *links) adopt(path string, s spot, m Mode) error {
	lk, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return fmt.Errorf("load link %s: %w", path, err)
	}
	defer lk.Close()
	info, err := lk.Info()
	if err == nil {
		if x := info.XDP(); x == nil || int(x.Ifindex) != s.ifindex {
			return os.Remove(path)
		}
	}
	if err := lk.Update(l.progs[s.role]); err != nil {
		return fmt.Errorf("update program of %s: %w", path, err)
	}
	l.at[s] = m
	return nil
}

// attach puts the role's program on the interface, native where the driver can, unless told otherwise.
func (l *links) attach(s spot) error {
	if _, ok := l.at[s]; ok {
		return nil
	}
	m, err := attachPinned(l.progs[s.role], s.ifindex, l.mode, func(m Mode) string { return filepath.Join(l.dir, pinName(s, m)) })
	if err != nil {
		return err
	}
	l.at[s] = m
	return nil
}

// attachPinned attaches and pins; path names the pin by mode.
func attachPinned(p *ebpf.Program, ifindex int, want Mode, path func(Mode) string) (Mode, error) {
	modes := []Mode{ModeNative, ModeGeneric}
	if want == ModeNative || want == ModeGeneric {
		modes = []Mode{want}
	}
	var errs []error
	for _, m := range modes {
		flags := link.XDPDriverMode
		if m == ModeGeneric {
			flags = link.XDPGenericMode
		}
		lk, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: ifindex, Flags: flags})
		if err != nil {
			errs = append(errs, fmt.Errorf("attach %s xdp to interface %d: %w", m, ifindex, err))
			continue
		}
		if err := lk.Pin(path(m)); err != nil {
			lk.Close()
			return "", fmt.Errorf("pin xdp link of interface %d: %w", ifindex, err)
		}
		return m, lk.Close()
	}
	return "", errors.Join(errs...)
}

// detach removes the program from the interface.
func (l *links) detach(s spot) error {
	m, ok := l.at[s]
	if !ok {
		return nil
	}
	path := filepath.Join(l.dir, pinName(s, m))
	lk, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return fmt.Errorf("load link %s: %w", path, err)
	}
	defer lk.Close()
	delete(l.at, s)
	if err := lk.Unpin(); err != nil {
		return fmt.Errorf("unpin link %s: %w", path, err)
	}
	return nil
}

// keep detaches every spot that want does not hold.
func (l *links) keep(want map[spot]bool) error {
	var errs []error
	for s := range l.at {
		if !want[s] {
			errs = append(errs, l.detach(s))
		}
	}
	return errors.Join(errs...)
}

// unpin removes a pinned link, and with it its program from the interface.
func unpin(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("unpin %s: %w", path, err)
	}
	return nil
}
