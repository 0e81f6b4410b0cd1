package fib

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"
)

// Miss is a connected destination whose MAC is not known: somebody should resolve it.
type Miss struct {
	Attachment string
	Addr       netip.Addr
}

// Misses hands every miss to f, until Close; it answers nil then. Misses are limited in the data path, and repeat while packets come.
// It may run in a goroutine of its own.
func (k *Kernel) Misses(f func(Miss)) error {
	r, err := ringbuf.NewReader(k.objs.Misses)
	if err != nil {
		return fmt.Errorf("read misses: %w", err)
	}
	k.mu.Lock()
	if k.view.closed {
		k.mu.Unlock()
		return r.Close()
	}
	k.readers = append(k.readers, r)
	k.mu.Unlock()
	for {
		rec, err := r.Read()
		switch {
		case errors.Is(err, ringbuf.ErrClosed), errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("read misses: %w", err)
		case len(rec.RawSample) < int(unsafe.Sizeof(cMiss{})):
			continue
		}
		m := *(*cMiss)(unsafe.Pointer(&rec.RawSample[0]))
		if name := k.nameOf(m.Attachment); name != "" {
			f(Miss{name, netip.AddrFrom4(m.Addr)})
		}
	}
}

// nameOf is the attachment of an id, by what Apply published.
func (k *Kernel) nameOf(id uint32) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, i := range k.view.attachments {
		if i == id {
			return name
		}
	}
	return ""
}
