package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// bpffs is where nodes pin their maps and programs.
const bpffs = "/sys/fs/bpf"

// down removes everything in the state, in the order that frees: processes, namespaces, pins, mounts, files. It goes on after an error.
func (l *Lab) down(ctx context.Context) error {
	s := l.state.get()
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	note(endProcesses(s.Mark, s.Namespaces))
	for _, ns := range slices.Backward(s.Namespaces) {
		note(deleteNetns(ns))
	}
	for _, p := range s.Pins {
		note(removePins(p))
	}
	for _, m := range slices.Backward(s.Mounts) {
		note(unmountEmpty(m))
	}
	if len(errs) > 0 {
		return fmt.Errorf("take lab %s down: %w", s.Name, errors.Join(errs...))
	}
	return os.RemoveAll(l.dir)
}

// removePins removes a pin directory, and the lab's and onramp's own above it when they are empty.
func removePins(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for d := filepath.Dir(dir); d != bpffs && len(d) > len(bpffs); d = filepath.Dir(d) {
		if os.Remove(d) != nil { // not empty: another lab's
			break
		}
	}
	return nil
}

// unmountEmpty unmounts what this lab mounted, unless others use it now.
func unmountEmpty(dir string) error {
	es, err := os.ReadDir(dir)
	if err != nil || len(es) > 0 {
		return err
	}
	if err := unix.Unmount(dir, 0); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}

// mountBPF makes sure that a bpffs is mounted; a mount it makes is recorded.
func (l *Lab) mountBPF() error {
	var st unix.Statfs_t
	if err := unix.Statfs(bpffs, &st); err != nil {
		return fmt.Errorf("look at %s: %w", bpffs, err)
	}
	if st.Type == unix.BPF_FS_MAGIC {
		return nil
	}
	if err := l.state.update(func(s *State) { s.Mounts = append(s.Mounts, bpffs) }); err != nil {
		return err
	}
	if err := unix.Mount("bpf", bpffs, "bpf", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mount bpffs on %s: %w", bpffs, err)
	}
	return nil
}
