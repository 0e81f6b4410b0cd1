package lab

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ethtool commands used here (linux/ethtool.h).
const (
	ethtoolSetTxChecksum = 0x17
	ethtoolSetTSO        = 0x1f
	ethtoolSetGSO        = 0x24
	ethtoolSetGRO        = 0x2c
)

type ethtoolValue struct {
	cmd, data uint32
}

type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// setOffloads makes an interface of the thread's namespace fit to face a node.
func setOffloads(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, v := range []ethtoolValue{{ethtoolSetTSO, 0}, {ethtoolSetGSO, 0}, {ethtoolSetTxChecksum, 0}, {ethtoolSetGRO, 1}} {
		if err := ethtool(fd, name, v); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("ethtool %#x=%d: %w", v.cmd, v.data, err)
		}
	}
	return nil
}

func ethtool(fd int, name string, v ethtoolValue) error {
	r := ifreqData{data: unsafe.Pointer(&v)}
	copy(r.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r)))
	runtime.KeepAlive(&v)
	if errno != 0 {
		return errno
	}
	return nil
}
