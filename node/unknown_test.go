package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"onramp/plan"
)

// sendARP sends requests for 192.168.1.2 from c1 with tags, each its EtherType and number.
func (w *world) sendARP(from string, tags ...uint16) {
	w.t.Helper()
	frame := slices.Concat(bytes.Repeat([]byte{0xff}, 6), []byte{2, 0, 0, 0, 0, 7})
	for _, t := range tags {
		frame = binary.BigEndian.AppendUint16(frame, t)
	}
	sender := ip(from).As4()
	frame = slices.Concat(frame, []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 7}, sender[:], make([]byte, 6), []byte{192, 168, 1, 2}, make([]byte, 18))
	w.inside("c1", func() {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			w.t.Error(err)
			return
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			w.t.Error(err)
			return
		}
		defer unix.Close(fd)
		for range 3 {
			if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
				w.t.Error(err)
			}
		}
	})
}

// tagsSeen and dropped are what the last report has of the last minute.
func (a *agent) tagsSeen(stag, ctag uint16) func() bool {
	return func() bool {
		return slices.ContainsFunc(a.report().Ports, func(p plan.PortState) bool {
			return slices.ContainsFunc(p.UnknownTags, func(c plan.TagCount) bool {
				return p.Name == "ge1" && c.STag == stag && c.CTag == ctag && c.Packets == 3 && time.Since(c.Last) < time.Minute
			})
		})
	}
}

func (a *agent) dropped(reason string) func() bool {
	return func() bool {
		return slices.ContainsFunc(a.report().Drops, func(c plan.DropCount) bool { return c.Reason == reason && time.Since(c.Last) < time.Minute })
	}
}

func (a *agent) stranger(addr, mac string) func() bool {
	return func() bool {
		return slices.ContainsFunc(a.report().Attachments[0].Strangers, func(s plan.NeighborState) bool {
			return s.Addr == ip(addr) && s.MAC == mac && s.Age < time.Minute
		})
	}
}

// TestStrangersAreReported: real frames with other tags, from another address, with another key; each is in the report with its time.
func TestStrangersAreReported(t *testing.T) {
	w := newWorld(t, "edge", "c1", "c2")
	w.cable("edge", "ge1", "c1", "eth0")
	w.cable("edge", "ge2", "c2", "eth0")
	n := &plan.Node{Generation: 1, RouterID: ip("10.255.0.1"), Domains: []plan.Domain{{Name: "private"}}}
	for i, at := range []plan.Attachment{{Port: "ge1", STag: 30, CTag: 100}, {Port: "ge2"}} {
		at.Name, at.Domain, at.Addresses = fmt.Sprint("customer", i+1), "private", []plan.Address{{Prefix: pre(fmt.Sprintf("192.168.%d.2/30", i+1))}}
		n.Ports = append(n.Ports, plan.Port{Name: at.Port, Enabled: true, MTU: 1500})
		n.Attachments = append(n.Attachments, at)
		n.Sessions = append(n.Sessions, plan.Session{Name: at.Name, Attachment: at.Name, Enabled: true, LocalAddr: at.Addresses[0].Prefix.Addr(),
			PeerAddr: at.Addresses[0].Prefix.Addr().Prev(), LocalAS: 12076, PeerAS: 65001, Key: "right", Import: plan.Import{Class: "customer"}})
	}
	a := w.agent("edge")
	a.plan(n)
	a.start()
	w.wait("the plan", 20*time.Second, func() bool { return a.report().Applied == 1 })

	w.sendARP("192.168.1.1", 0x8100, 31, 0x8100, 100)
	w.wait("S-tag 31", 5*time.Second, a.tagsSeen(31, 100))
	w.sendARP("192.168.1.1", 0x8100, 30, 0x8100, 200)
	w.wait("C-tag 200", 5*time.Second, a.tagsSeen(30, 200))
	w.sendARP("192.168.1.1", 0x8100, 100)
	w.wait("one tag", 5*time.Second, a.tagsSeen(0, 100))
	w.sendARP("192.168.1.1", 0x88a8, 30, 0x8100, 100)
	w.wait("EtherType 0x88a8", 5*time.Second, a.dropped("tpid_wrong"))
	w.sendARP("192.168.1.6", 0x8100, 30, 0x8100, 100)
	w.wait("ARP from the other half", 5*time.Second, a.stranger("192.168.1.6", "02:00:00:00:00:07"))
	w.sendARP("192.168.1.2", 0x8100, 30, 0x8100, 100)
	w.wait("ARP from the edge's own address", 5*time.Second, a.stranger("192.168.1.2", "02:00:00:00:00:07"))
	w.sendARP("192.168.1.1", 0x8100, 30, 0x8100, 100)
	w.in("c2", "ip", "addr", "add", "192.168.2.1/30", "dev", "eth0")
	w.bird("c2", customer("1.1.1.1", "192.168.2.1", "192.168.2.2", "wrong"))
	w.wait("a wrong key", 15*time.Second, a.dropped("md5_wrong"))
	if a.stranger("192.168.1.1", "02:00:00:00:00:07")() || len(a.report().Attachments[1].Strangers) > 0 {
		t.Errorf("a peer is a stranger: %+v", a.report().Attachments)
	}
}

// TestPacketsResolve: a machine that no plan names has its MAC found out because packets go to it; one that is not there is given up.
func TestPacketsResolve(t *testing.T) {
	w := newWorld(t, "edge", "c1", "c2")
	n := &plan.Node{Generation: 1, RouterID: ip("10.255.0.1"), Domains: []plan.Domain{{Name: "private"}}}
	for i, ns := range []string{"c1", "c2"} {
		port := fmt.Sprint("ge", i+1)
		w.cable("edge", port, ns, "eth0")
		w.in(ns, "ip", "addr", "add", fmt.Sprintf("10.%d.0.9/24", i+1), "dev", "eth0")
		w.in(ns, "ip", "route", "add", "default", "via", fmt.Sprintf("10.%d.0.1", i+1))
		n.Ports = append(n.Ports, plan.Port{Name: port, Enabled: true, MTU: 1500})
		n.Attachments = append(n.Attachments, plan.Attachment{Name: ns, Domain: "private", Port: port,
			Addresses: []plan.Address{{Prefix: pre(fmt.Sprintf("10.%d.0.1/24", i+1))}}})
	}
	a := w.agent("edge")
	a.plan(n)
	a.start()
	w.ping("c1", "10.1.0.9", "10.2.0.9")
	w.in("c1", "sh", "-c", "ping -c 2 -W 1 10.2.0.77 || true")
	rows := func() string { return w.in("edge", "ip", "neigh") }
	if all := rows(); !strings.Contains(all, "10.2.0.77") {
		t.Errorf("nobody asked for it:\n%s", all)
	}
	w.wait("the absent one given up", missedWait+10*time.Second, func() bool { return !strings.Contains(rows(), "10.2.0.77 ") })
	w.ping("c1", "10.1.0.9", "10.2.0.9")
}
