package fib

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

// Options say where a Kernel lives and how large it may grow. Sizes are taken when the tables are first made; tables that are pinned
// already keep theirs. Zero sizes are the defaults in brackets.
type Options struct {
	Pin  string // directory in a BPF file system; made when absent; one FIB's alone
	Mode Mode   // "": ModeAuto

	Ports       uint32 // [64]
	Attachments uint32 // [2048] also domains and policers; 640 B each and 512 B per CPU
	Routes      uint32 // [65536] all domains together; about 64 B each, and 16 KB a domain
	Groups      uint32 // [8192] different sets of next hops; 136 B each
	Neighbours  uint32 // [8192] 32 B each
}

func (o Options) withDefaults() Options {
	set := func(p *uint32, v uint32) {
		if *p == 0 {
			*p = v
		}
	}
	set(&o.Ports, 64)
	set(&o.Attachments, 2048)
	set(&o.Routes, 65536)
	set(&o.Groups, 8192)
	set(&o.Neighbours, 8192)
	if o.Mode == "" {
		o.Mode = ModeAuto
	}
	return o
}

// Kernel is the FIB in XDP programs and BPF maps. It must be made and used in the network namespace of its ports.
type Kernel struct {
	opts   Options
	objs   *objects
	names  *names
	keys   *keys
	links  *links
	paths  *paths
	memory *tableMemory

	settings    array[cSettings]
	attachments array[cAttachment]
	underlays   array[cUnderlay]
	domains     array[cDomain]
	words       array[cWord]
	portTable   array[cPort]
	policers    array[cPolicer]
	retired     array[cCount]

	byName   map[string]*attachmentState
	tables   map[string]*domainState
	underlay map[netip.Addr]net.HardwareAddr
	ports    map[string]Port
	vtep     netip.Addr

	strip []func() error // unmaps the arrays

	mu      sync.Mutex // guards what follows
	view    view       // what Counters reads
	readers []*ringbuf.Reader
}

type attachmentState struct {
	id  uint32
	cfg Attachment
}

// view is the names that Counters answers, copied whole by Apply.
type view struct {
	attachments map[string]uint32
	policers    map[string]uint32
	closed      bool
}

// NewKernel loads the data path. Where o.Pin holds the state of an earlier process it is continued: programs are replaced in place,
// tables, neighbours and counters stay, and each domain forwards by its old routes until ReplaceRoutes.
func NewKernel(o Options) (*Kernel, error) {
	o = o.withDefaults()
	if o.Mode != ModeAuto && o.Mode != ModeNative && o.Mode != ModeGeneric {
		return nil, fmt.Errorf("mode %q is none of %s, %s, %s", o.Mode, ModeAuto, ModeNative, ModeGeneric)
	}
	objs, err := load(o)
	if err != nil {
		return nil, err
	}
	k := &Kernel{
		opts: o, objs: objs,
		byName: map[string]*attachmentState{}, tables: map[string]*domainState{},
		underlay: map[netip.Addr]net.HardwareAddr{}, ports: map[string]Port{},
	}
	if err := k.open(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

func (k *Kernel) open() error {
	o := k.objs
	if err := errors.Join(
		mapInto(k, &k.settings, o.Settings), mapInto(k, &k.attachments, o.Attachments), mapInto(k, &k.underlays, o.Underlays),
		mapInto(k, &k.domains, o.Domains), mapInto(k, &k.words, o.Words), mapInto(k, &k.portTable, o.Ports),
		mapInto(k, &k.policers, o.Policers), mapInto(k, &k.retired, o.Retired),
	); err != nil {
		return err
	}
	var groups array[cGroup]
	var adjacencies array[cAdjacency]
	var slots array[cSlot]
	if err := errors.Join(mapInto(k, &groups, o.Groups), mapInto(k, &adjacencies, o.Adjacencies), mapInto(k, &slots, o.Keys)); err != nil {
		return err
	}
	switch k.settings.at(0).Abi {
	case 0:
		set32(&k.settings.at(0).Abi, abi)
	case abi:
	default:
		return fmt.Errorf("state in %s is of data path version %d, this is %d (Remove it: traffic stops until the next Apply)",
			k.opts.Pin, k.settings.at(0).Abi, abi)
	}
	k.paths = newPaths(groups, adjacencies)
	k.keys = loadKeys(slots)
	k.memory = &tableMemory{lines: newLines(uint32(k.words.n)), word: k.words.at, value: k.words.word}
	return k.resume()
}

// resume reads names, links and tables of an earlier process.
func (k *Kernel) resume() error {
	var err error
	n := uint32(k.attachments.n)
	limits := map[kind]uint32{kindPort: k.objs.Tx.MaxEntries(), kindAttachment: n, kindDomain: n, kindPolicer: n, kindUnderlay: n}
	if k.names, err = loadNames(k.objs.Names, limits); err != nil {
		return err
	}
	progs := map[role]*ebpf.Program{rolePort: k.objs.Port, rolePunt: k.objs.Punt, roleKernel: k.objs.Pass}
	if k.links, err = loadLinks(k.opts.Pin, k.opts.Mode, progs); err != nil {
		return err
	}
	k.resumeTables()
	return nil
}

func mapInto[T any](k *Kernel, to *array[T], m *ebpf.Map) error {
	a, err := mapArray[T](m)
	if err != nil {
		return err
	}
	*to = a
	k.strip = append(k.strip, a.close)
	return nil
}

// Mode implements FIB.
func (k *Kernel) Mode() map[string]string {
	modes := map[string]string{}
	for name, p := range k.ports {
		modes[name] = string(k.links.at[spot{rolePort, p.Ifindex}])
	}
	return modes
}

// isClosed guards the mapped memory, which is gone after Close.
func (k *Kernel) isClosed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.view.closed
}

// Close implements FIB.
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.view.closed {
		return nil
	}
	k.view.closed = true
	var errs []error
	for _, r := range k.readers {
		errs = append(errs, r.Close())
	}
	for _, f := range k.strip {
		errs = append(errs, f())
	}
	return errors.Join(append(errs, k.objs.close())...)
}

// Remove implements FIB.
func (k *Kernel) Remove() error {
	return errors.Join(k.Close(), RemovePinned(k.opts.Pin))
}

// RemovePinned takes everything away that is pinned in a directory, and the directory: for what a killed process left.
func RemovePinned(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if !isBPFFS(dir) {
		return fmt.Errorf("remove pins: %s is in no BPF file system", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("remove pins: %w", err)
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
	}
	return errors.Join(append(errs, os.Remove(dir))...)
}
