package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Status is what a lab is now.
type Status struct {
	Name       string          `json:"name"`
	File       string          `json:"file"`
	Created    string          `json:"created"`
	Ready      bool            `json:"ready"` // its story was told to the end
	Endpoint   string          `json:"endpoint"`
	Directory  string          `json:"directory"`
	Namespaces []string        `json:"namespaces"`
	Processes  []ProcessStatus `json:"processes"`
	Cut        []string        `json:"cut"` // cables that are out
	Drills     []string        `json:"drills"`
	Drawing    string          `json:"-"`
}

// ProcessStatus is one process of a lab.
type ProcessStatus struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`
	Alive bool   `json:"alive"`
	Log   string `json:"log"`
}

// List tells all labs of a root, "" for the default one.
func List(root string) ([]Status, error) {
	if root == "" {
		root = DefaultRoot
	}
	names, err := labNames(root)
	if err != nil {
		return nil, err
	}
	var all []Status
	for _, n := range names {
		s, err := StatusOf(n, Options{Root: root})
		if err != nil {
			s = Status{Name: n, Directory: filepath.Join(root, n)} // killed before it wrote its state
		}
		all = append(all, s)
	}
	return all, nil
}

// StatusOf tells one lab.
func StatusOf(name string, o Options) (Status, error) {
	l, err := open(name, o)
	if err != nil {
		return Status{}, err
	}
	s := l.state.get()
	st := Status{
		Name: s.Name, File: s.File, Created: s.Created.Format("2006-01-02 15:04:05"), Ready: !s.Ready.IsZero(), Endpoint: s.Endpoint,
		Directory: l.dir, Namespaces: s.Namespaces, Drawing: Draw(l.World),
	}
	for _, p := range s.Processes {
		st.Processes = append(st.Processes, ProcessStatus{Name: p.Name, PID: p.PID, Alive: p.alive(), Log: p.Log})
	}
	for end, out := range s.Cut {
		if out {
			st.Cut = append(st.Cut, end)
		}
	}
	for _, d := range l.World.Drills {
		st.Drills = append(st.Drills, d.Name)
	}
	return st, nil
}

// Exec runs a program in one of a lab's places with this process's standard streams; the error of a program that ran is an
// *exec.ExitError.
func Exec(name, place string, argv []string, o Options) error {
	l, err := open(name, o)
	if err != nil {
		return err
	}
	ns := l.ns(place)
	if _, err := os.Stat(filepath.Join(netnsDir, ns)); err != nil {
		return fmt.Errorf("lab %s has no place %q (places: %s)", name, place, strings.Join(l.World.places(), " "))
	}
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return errors.New("what to run? e.g. lab exec first-circuit host -- ping 10.20.1.4")
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "ONRAMP_PLACE="+place)
	if err := in(ns, cmd.Start); err != nil {
		return fmt.Errorf("run %s in %s: %w", argv[0], place, err)
	}
	return cmd.Wait()
}

// checkPrograms refuses a world whose programs are not installed, by their Debian packages.
func checkPrograms(w *World) error {
	need := map[string]string{"ping": "iputils-ping"}
	for _, r := range w.Routers {
		switch r.Kind {
		case "bird":
			need["bird"], need["birdc"] = "bird2", "bird2"
		case "frr":
			need["vtysh"], need[frrBin+"bgpd"] = "frr", "frr"
		}
	}
	for _, s := range w.Story {
		if s.Traceroute != nil {
			need["traceroute"] = "traceroute"
		}
		if s.Rate != nil && s.Rate.Iperf3 {
			need["iperf3"] = "iperf3"
		}
	}
	var missing []string
	for prog, pkg := range need {
		if _, err := exec.LookPath(prog); err != nil {
			missing = append(missing, fmt.Sprintf("%s (package %s)", prog, pkg))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not installed: %s", strings.Join(missing, ", "))
	}
	return nil
}
