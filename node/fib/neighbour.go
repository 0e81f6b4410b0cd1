package fib

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/cilium/ebpf"
)

// SetNeighbor implements FIB.
func (k *Kernel) SetNeighbor(attachment string, addr netip.Addr, mac net.HardwareAddr) error {
	if k.isClosed() {
		return errClosed
	}
	at := k.byName[attachment]
	if at == nil {
		return fmt.Errorf("neighbour %v: no attachment %q", addr, attachment)
	}
	if mac != nil && len(mac) != 6 {
		return fmt.Errorf("neighbour %v: MAC %v is not an Ethernet address", addr, mac)
	}
	addr = addr.Unmap()
	if mac == nil {
		if err := k.dropHost(at.id, addr); err != nil {
			return err
		}
	}
	adj, err := k.paths.tell(neighbour{at.id, addr}, mac)
	if err != nil || mac == nil || !addr.Is4() {
		return err
	}
	if err := k.objs.Hosts.Put(cHostKey{Attachment: at.id, Addr: addr.As4()}, adj.id); err != nil {
		return fmt.Errorf("neighbour %v of %q: %w", addr, attachment, err)
	}
	return nil
}

func (k *Kernel) dropHost(id uint32, addr netip.Addr) error {
	if !addr.Is4() {
		return nil
	}
	err := k.objs.Hosts.Delete(cHostKey{Attachment: id, Addr: addr.As4()})
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("forget neighbour %v: %w", addr, err)
	}
	return nil
}

func (k *Kernel) dropHosts(id uint32) error {
	var errs []error
	for n := range k.paths.adj {
		if n.attachment == id {
			errs = append(errs, k.dropHost(id, n.addr))
		}
	}
	return errors.Join(errs...)
}

// SetAttachmentUp implements FIB.
func (k *Kernel) SetAttachmentUp(attachment string, up bool) error {
	if k.isClosed() {
		return errClosed
	}
	at := k.byName[attachment]
	if at == nil {
		return fmt.Errorf("attachment %q: no such attachment", attachment)
	}
	v := uint32(0)
	if up {
		v = 1
	}
	set32(&k.attachments.at(at.id).Up, v)
	return nil
}

// SetUnderlayNeighbor implements FIB.
func (k *Kernel) SetUnderlayNeighbor(remote netip.Addr, mac net.HardwareAddr) error {
	if k.isClosed() {
		return errClosed
	}
	if mac != nil && len(mac) != 6 {
		return fmt.Errorf("underlay neighbour %v: MAC %v is not an Ethernet address", remote, mac)
	}
	k.underlay[remote] = mac
	if id := k.names.id(kindUnderlay, remote.String()); id != 0 {
		k.setUnderlay(id, remote, mac)
	}
	return nil
}

// setUnderlay writes the outer headers for a remote. Up comes last, and goes first; a new MAC of a remote that is up is one store.
func (k *Kernel) setUnderlay(id uint32, remote netip.Addr, m net.HardwareAddr) {
	rec := k.underlays.at(id)
	if m == nil {
		set32(&rec.Up, 0)
		return
	}
	for _, p := range k.ports {
		if p.Underlay {
			next := cUnderlay{Port: k.names.id(kindPort, p.Name), Up: rec.Up}
			copy(next.Outer[:], outerHeaders(m, p.MAC, k.vtep, remote))
			store(rec, next)
			set32(&rec.Up, 1)
		}
	}
}

// outerHeaders are the 50 bytes before an inner frame, as xdp/vxlan.h's encapsulate expects them: no lengths, no source port, no VNI, and
// for a checksum the sum of the rest.
func outerHeaders(dst, src net.HardwareAddr, local, remote netip.Addr) []byte {
	ip := make([]byte, 36)
	ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, 17
	copy(ip[12:], local.AsSlice())
	copy(ip[16:], remote.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], onesSum(ip[:20]))
	binary.BigEndian.PutUint16(ip[22:], 4789)
	ip[28] = 0x08
	return ethernet([6]byte(dst), [6]byte(src), 0, 0, 0, 0x0800, ip)
}
