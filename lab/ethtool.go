package lab

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ethtool commands used here (linux/ethtool.h).
const (
	ethtoolGetStrings     = 0x1b
	ethtoolSetTxChecksum  = 0x17
	ethtoolSetTSO         = 0x1f
	ethtoolSetGSO         = 0x24
	ethtoolSetGRO         = 0x2c
	ethtoolGetStringCount = 0x37
	ethtoolSetFeatures    = 0x3b

	featureStrings = 4 // ETH_SS_FEATURES
	stringLength   = 32
)

type ethtoolValue struct {
	cmd, data uint32
}

type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// setOffloads makes an interface of the thread's namespace, which must be up, fit to face a node:
//
//   - no checksum or segmentation offload, which would hand XDP partial checksums and oversized segments;
//   - tags stay in the frame: a tag beside it, as offload carries it, is invisible to XDP;
//   - GRO is switched on anew: only that, while the interface is up, makes its peer a target of redirects where there is no XDP program
//     here; it does not survive the interface going down.
func setOffloads(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, v := range []ethtoolValue{{ethtoolSetTSO, 0}, {ethtoolSetGSO, 0}, {ethtoolSetTxChecksum, 0}, {ethtoolSetGRO, 0}, {ethtoolSetGRO, 1}} {
		err := ethtool(fd, name, unsafe.Pointer(&v))
		runtime.KeepAlive(&v)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("ethtool %#x=%d: %w", v.cmd, v.data, err)
		}
	}
	if err := clearFeatures(fd, name, "tx-vlan-hw-insert", "tx-vlan-stag-hw-insert"); err != nil {
		return fmt.Errorf("switch tag offload off: %w", err)
	}
	return nil
}

// clearFeatures switches features off by their names.
func clearFeatures(fd int, name string, features ...string) error {
	names, err := featureNames(fd, name)
	if err != nil {
		return err
	}
	blocks := (len(names) + 31) / 32
	// struct ethtool_sfeatures: cmd, size, then valid and requested of each block of 32.
	buf := make([]uint32, 2+2*blocks)
	buf[0], buf[1] = ethtoolSetFeatures, uint32(blocks)
	for i, n := range names {
		for _, f := range features {
			if n == f {
				buf[2+2*(i/32)] |= 1 << (i % 32)
			}
		}
	}
	err = ethtool(fd, name, unsafe.Pointer(&buf[0]))
	runtime.KeepAlive(buf)
	return err
}

// featureNames are the names of the kernel's features in the order of their bits.
func featureNames(fd int, name string) ([]string, error) {
	count := struct {
		cmd, reserved uint32
		mask          uint64
		n             uint32
		_             uint32
	}{cmd: ethtoolGetStringCount, mask: 1 << featureStrings}
	err := ethtool(fd, name, unsafe.Pointer(&count))
	runtime.KeepAlive(&count)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 12+int(count.n)*stringLength)
	head := (*[3]uint32)(unsafe.Pointer(&buf[0]))
	head[0], head[1], head[2] = ethtoolGetStrings, featureStrings, count.n
	err = ethtool(fd, name, unsafe.Pointer(&buf[0]))
	runtime.KeepAlive(buf)
	if err != nil {
		return nil, err
	}
	names := make([]string, count.n)
	for i := range names {
		s, _, _ := bytes.Cut(buf[12+i*stringLength:12+(i+1)*stringLength], []byte{0})
		names[i] = string(s)
	}
	return names, nil
}

// ethtool is one ioctl on an interface.
func ethtool(fd int, name string, data unsafe.Pointer) error {
	r := ifreqData{data: data}
	copy(r.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r)))
	runtime.KeepAlive(&r)
	if errno != 0 {
		return errno
	}
	return nil
}
