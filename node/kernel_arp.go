package node

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// arpQuiet is how long the same sender is not told of again.
const arpQuiet = 5 * time.Second

// arpPacket is the length of an ARP packet of IPv4 over Ethernet (RFC 826).
const arpPacket = 28

// listenARP hears the senders of ARP on all interfaces of the namespace, until ctx ends. The kernel itself takes no notice of those that ask
// for somebody else.
func listenARP(ctx context.Context) (<-chan arpSender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(ethARP))
	if err != nil {
		return nil, fmt.Errorf("listen to ARP: %w", err)
	}
	f := os.NewFile(uintptr(fd), "arp")
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("listen to ARP: %w", err)
	}
	context.AfterFunc(ctx, func() { f.Close() })
	out := make(chan arpSender, 64)
	go func() {
		told := map[arpSender]time.Time{}
		buf := make([]byte, 64)
		for {
			s, ok, err := readARP(raw, buf)
			if err != nil {
				return // closed
			}
			if !ok || time.Since(told[s]) < arpQuiet {
				continue
			}
			if len(told) >= 4096 {
				clear(told)
			}
			select {
			case out <- s:
				told[s] = time.Now()
			default: // a flood; what matters is sent again
			}
		}
	}()
	return out, nil
}

// ethARP is ETH_P_ARP in network order.
const ethARP = unix.ETH_P_ARP>>8 | unix.ETH_P_ARP&0xff<<8

func readARP(raw interface {
	Read(func(uintptr) bool) error
}, buf []byte) (s arpSender, ok bool, err error) {
	var n int
	var from unix.Sockaddr
	var opErr error
	err = raw.Read(func(fd uintptr) bool {
		n, from, opErr = unix.Recvfrom(int(fd), buf, 0)
		return opErr != unix.EAGAIN
	})
	if err != nil {
		return s, false, err
	}
	ll, is := from.(*unix.SockaddrLinklayer)
	if opErr != nil || !is {
		return s, false, nil
	}
	s, ok = arpSenderOf(buf[:n])
	s.Index = ll.Ifindex
	return s, ok, nil
}

// arpSenderOf reads an ARP packet of IPv4 over Ethernet; probes have no sender.
func arpSenderOf(b []byte) (arpSender, bool) {
	if len(b) < arpPacket || string(b[:6]) != "\x00\x01\x08\x00\x06\x04" {
		return arpSender{}, false
	}
	addr := netip.AddrFrom4([4]byte(b[14:18]))
	return arpSender{Addr: addr, MAC: net.HardwareAddr(b[8:14]).String()}, !addr.IsUnspecified()
}

// KeyFailures implements host.
func (k *kernel) KeyFailures() (map[string]uint64, error) {
	f, err := os.Open("/proc/thread-self/net/netstat")
	if err != nil {
		return nil, fmt.Errorf("read TCP's counters: %w", err)
	}
	defer f.Close()
	names := map[string]string{"TCPMD5NotFound": "md5_missing", "TCPMD5Unexpected": "md5_unexpected", "TCPMD5Failure": "md5_wrong"}
	out := map[string]uint64{}
	var heads []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] != "TcpExt:" {
			continue
		}
		if heads == nil {
			heads = fields
			continue
		}
		for i := range min(len(heads), len(fields)) {
			if name, ok := names[heads[i]]; ok {
				out[name], _ = strconv.ParseUint(fields[i], 10, 64) // the kernel writes numbers
			}
		}
	}
	return out, nil
}
