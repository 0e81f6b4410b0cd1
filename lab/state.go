package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// DefaultRoot is where labs keep their files.
const DefaultRoot = "/run/onramp/labs"

// State is what a lab has made, or is about to make: it is written before each thing is made, so that Down finds all of it, whatever
// killed the process that made it.
type State struct {
	Name     string    `json:"name"`
	File     string    `json:"file"`
	Created  time.Time `json:"created"`
	Ready    time.Time `json:"ready,omitzero"` // the story is told
	Owner    Process   `json:"owner"`          // who brings it up
	Mark     string    `json:"mark"`           // in the environment of every process of this lab
	Endpoint string    `json:"endpoint,omitempty"`

	Namespaces []string           `json:"namespaces"`
	Processes  []Process          `json:"processes"`
	Pins       []string           `json:"pins"`   // directories on a bpffs
	Mounts     []string           `json:"mounts"` // made by this lab; unmounted when nothing else is in them
	Machines   map[string]Booted  `json:"machines"`
	Cut        map[string]bool    `json:"cut"` // cables taken out, by their A end
	Extra      map[string]*Extras `json:"extra"`
	Vars       map[string]string  `json:"vars"`
}

// Process is a process of a lab, with all that is needed to start it again.
type Process struct {
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"` // "": the machine's own
	Argv      []string `json:"argv"`
	Log       string   `json:"log"`
	PID       int      `json:"pid"` // 0: not started
	Start     uint64   `json:"start"`
}

// Booted is what a machine got from its network interface.
type Booted struct {
	MAC     string     `json:"mac"`
	Address netip.Addr `json:"address"`
}

// Extras is what a story changed on a router against its file.
type Extras struct {
	Base  netip.Prefix `json:"base,omitzero"`
	Count int          `json:"count,omitempty"`
	Key   string       `json:"key,omitempty"`
	ASN   uint32       `json:"asn,omitempty"`
	NoBFD bool         `json:"noBfd,omitempty"`
}

// stateFile keeps a State on disk.
type stateFile struct {
	path string

	mu sync.Mutex
	st State
}

// update changes the state and writes it, atomically, before it returns.
func (f *stateFile) update(fn func(*State)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn(&f.st)
	b, err := json.MarshalIndent(f.st, "", "  ")
	if err != nil {
		return err
	}
	tmp := f.path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write lab state: %w", err)
	}
	return os.Rename(tmp, f.path)
}

// get is a copy that is safe to read.
func (f *stateFile) get() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, err := json.Marshal(f.st)
	if err != nil {
		return f.st
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return f.st
	}
	return s
}

// createState makes the lab's directory and state file; it fails where a lab of the name exists.
func createState(root string, w *World, mark string) (*stateFile, error) {
	dir := filepath.Join(root, w.Name)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("lab %s exists already: end it with `onramp lab down %s`", w.Name, w.Name)
		}
		return nil, err
	}
	owner := Process{Name: "lab up", PID: os.Getpid()}
	owner.Start, _ = startTime(owner.PID) // 0 is nobody's
	f := &stateFile{path: filepath.Join(dir, "state.json"), st: State{
		Name: w.Name, File: w.file, Created: time.Now(), Owner: owner, Mark: mark,
		Machines: map[string]Booted{}, Cut: map[string]bool{}, Extra: map[string]*Extras{}, Vars: map[string]string{},
	}}
	return f, f.update(func(*State) {})
}

// openState reads the state of a lab that exists.
func openState(root, name string) (*stateFile, error) {
	f := &stateFile{path: filepath.Join(root, name, "state.json")}
	b, err := os.ReadFile(f.path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("no lab is named %q (labs: %s)", name, namesOf(root))
		}
		return nil, err
	}
	if err := json.Unmarshal(b, &f.st); err != nil {
		return nil, fmt.Errorf("read lab state %s: %w", f.path, err)
	}
	return f, nil
}

// namesOf lists the labs for messages.
func namesOf(root string) string {
	names, err := labNames(root)
	if err != nil || len(names) == 0 {
		return "none"
	}
	return fmt.Sprint(names)
}

func labNames(root string) ([]string, error) {
	es, err := os.ReadDir(root)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var names []string
	for _, e := range es {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
