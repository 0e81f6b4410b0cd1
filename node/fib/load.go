package fib

import (
	"bytes"
	_ "embed" // the compiled programs
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

//go:embed xdp/onramp.o
var onrampObject []byte

//go:embed xdp/tagger.o
var taggerObject []byte

// objects are the loaded programs and tables.
type objects struct {
	Port *ebpf.Program `ebpf:"onramp_port"`
	Punt *ebpf.Program `ebpf:"onramp_punt"`
	Pass *ebpf.Program `ebpf:"onramp_pass"`

	Settings    *ebpf.Map `ebpf:"settings"`
	Attachments *ebpf.Map `ebpf:"attachments"`
	Underlays   *ebpf.Map `ebpf:"underlays"`
	Domains     *ebpf.Map `ebpf:"domains"`
	Words       *ebpf.Map `ebpf:"words"`
	Groups      *ebpf.Map `ebpf:"groups"`
	Adjacencies *ebpf.Map `ebpf:"adjacencies"`
	Policers    *ebpf.Map `ebpf:"policers"`
	Retired     *ebpf.Map `ebpf:"retired"`
	Ports       *ebpf.Map `ebpf:"ports"`
	Keys        *ebpf.Map `ebpf:"keys"`
	Hosts       *ebpf.Map `ebpf:"hosts"`
	Locals6     *ebpf.Map `ebpf:"locals6"`
	Names       *ebpf.Map `ebpf:"names"`
	Counts      *ebpf.Map `ebpf:"counts"`
	Policed     *ebpf.Map `ebpf:"policed"`
	Limits      *ebpf.Map `ebpf:"limits"`
	Tx          *ebpf.Map `ebpf:"tx"`
	Strangers   *ebpf.Map `ebpf:"strangers"`
	Misses      *ebpf.Map `ebpf:"misses"`
}

func (o *objects) close() error {
	var errs []error
	for _, p := range []*ebpf.Program{o.Port, o.Punt, o.Pass} {
		errs = append(errs, p.Close())
	}
	for _, m := range o.maps() {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

func (o *objects) maps() []*ebpf.Map {
	return []*ebpf.Map{o.Settings, o.Attachments, o.Underlays, o.Domains, o.Words, o.Groups, o.Adjacencies, o.Policers,
		o.Retired, o.Ports, o.Keys, o.Hosts, o.Locals6, o.Names, o.Counts, o.Policed, o.Limits, o.Tx,
		o.Strangers, o.Misses}
}

// sizes are the entries of each table.
func (o Options) sizes() map[string]uint32 {
	return map[string]uint32{
		"settings": 1, "retired": 1, "misses": 4096, "strangers": 256,
		"attachments": o.Attachments, "counts": o.Attachments, "limits": o.Attachments,
		"keys": slotsFor(o.Attachments), "locals6": 4 * o.Attachments,
		"names": 3*o.Attachments + o.Ports, "policers": o.Attachments, "policed": o.Attachments, "underlays": o.Attachments,
		"domains": o.Attachments, "ports": o.Ports, "tx": o.Ports,
		"words":  2*lineWords*o.Routes + rootWords*(o.Attachments/8+4),
		"groups": o.Groups, "adjacencies": o.Neighbours, "hosts": o.Neighbours,
	}
}

// load loads the programs; tables that are pinned already are taken as they are, with the sizes they have.
func load(o Options) (*objects, error) {
	if err := probe(o); err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(onrampObject))
	if err != nil {
		return nil, fmt.Errorf("read data path: %w", err)
	}
	for name, n := range o.sizes() {
		m := spec.Maps[name]
		m.MaxEntries = n
		m.Pinning = ebpf.PinByName
		if old, err := ebpf.LoadPinnedMap(filepath.Join(o.Pin, name), nil); err == nil {
			m.MaxEntries = old.MaxEntries()
			old.Close()
		}
	}
	if err := spec.Variables["key_buckets"].Set(spec.Maps["keys"].MaxEntries / bucketSlots); err != nil {
		return nil, fmt.Errorf("size of keys: %w", err)
	}
	var objs objects
	opts := ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: o.Pin}}
	err = spec.LoadAndAssign(&objs, &opts)
	var ve *ebpf.VerifierError
	switch {
	case err == nil:
		return &objs, nil
	case errors.Is(err, ebpf.ErrMapIncompatible):
		return nil, fmt.Errorf("load data path: tables in %s are another version's: %w (Remove them: traffic stops until the next Apply)", o.Pin, err)
	case errors.As(err, &ve):
		return nil, fmt.Errorf("load data path: the kernel's verifier refuses it; 5.15 or newer is needed: %w", err)
	}
	return nil, fmt.Errorf("load data path: %w", err)
}

// probe names what the kernel or the process lacks.
func probe(o Options) error {
	if os.Geteuid() != 0 {
		return errors.New("the data path needs root (CAP_BPF, CAP_NET_ADMIN)")
	}
	if err := features.HaveProgramType(ebpf.XDP); err != nil {
		return fmt.Errorf("the kernel lacks XDP: %w (CONFIG_BPF_SYSCALL and Linux 5.15 or newer are needed)", err)
	}
	for _, t := range []ebpf.MapType{ebpf.DevMap, ebpf.RingBuf, ebpf.PerCPUArray, ebpf.LRUHash} {
		if err := features.HaveMapType(t); err != nil {
			return fmt.Errorf("the kernel lacks BPF maps of type %v: %w (Linux 5.15 or newer is needed)", t, err)
		}
	}
	return ensureBPFFS(o.Pin)
}

// ensureBPFFS makes the pin directory, which must lie in a BPF file system; the usual place is mounted when it is not.
func ensureBPFFS(dir string) error {
	const usual = "/sys/fs/bpf"
	if !isBPFFS(usual) && (dir == usual || filepath.HasPrefix(dir, usual+"/")) {
		if err := os.MkdirAll(usual, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", usual, err)
		}
		if err := unix.Mount("bpf", usual, "bpf", 0, "mode=0700"); err != nil {
			return fmt.Errorf("mount %s: %w (mount -t bpf bpf %s)", usual, err, usual)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make pin directory: %w", err)
	}
	if !isBPFFS(dir) {
		return fmt.Errorf("pin directory %s is in no BPF file system (mount -t bpf bpf %s)", dir, dir)
	}
	return nil
}

func isBPFFS(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.BPF_FS_MAGIC
}
