package bfd

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Times of the pacer.
const (
	checkEvery = time.Second             // looks for devices that came, went or were made anew
	leaveFor   = 2500 * time.Millisecond // a removed session says AdminDown so long, every second
	goodbyes   = 3                       // AdminDown packets of every session before the process ends
	goodbyeGap = 50 * time.Millisecond
)

// Packets taken from one socket at a turn, and before a session of it is given up.
const (
	drainTurn = 64
	drainLast = 4096
)

// pacer runs all sessions in one goroutine on a thread of its own: it waits for packets and the next deadline at once, takes the packets
// first, so that one that waited in a socket counts before a detection time ends, and then does what is due. It allocates nothing for a packet.
type pacer struct {
	log     *slog.Logger
	publish func(news)

	poll, timer, wake int // epoll, timerfd, eventfd

	mu    sync.Mutex // guards what the other goroutines leave for the pacer
	want  []Session
	fresh bool
	stop  bool

	sessions  map[string]*running
	byDiscr   map[uint32]*running
	byPeer    map[peerKey]*running
	receivers map[receiverKey]*receiver
	byFD      map[int32]*receiver
	queue     queue
	armed     time.Time // what the timer is set to
	check     time.Time
	in        datagram
	buf       []byte
	drops     Drops
}

type receiverKey struct {
	device string
	v6     bool
}

// receiver is the socket of a device and family.
type receiver struct {
	key   receiverKey
	fd    int
	index int // of the device when it was opened
}

// peerKey tells sessions apart before the discriminators are known.
type peerKey struct {
	device        string
	local, remote netip.Addr
}

// running is a session with what it needs.
type running struct {
	spec    Session
	m       *Machine
	send    int // socket; -1: none
	index   int // of the device when it was opened
	to      unix.Sockaddr
	problem string
	leaving time.Time // when it is forgotten; zero: it is wanted
	due     time.Time
	place   int // in the queue
}

func (s *running) peer() peerKey { return peerKey{s.spec.Device, s.spec.Local, s.spec.Remote} }

func (s *running) event() Event {
	return Event{Name: s.spec.Name, Problem: s.problem, Status: s.m.Status()}
}

// newPacer opens what the pacer waits on. publish is called on its goroutine and must not wait.
func newPacer(log *slog.Logger, publish func(news)) (*pacer, error) {
	p := &pacer{log: log, publish: publish, sessions: map[string]*running{}, byDiscr: map[uint32]*running{}, byPeer: map[peerKey]*running{},
		receivers: map[receiverKey]*receiver{}, byFD: map[int32]*receiver{}, buf: make([]byte, 0, PacketLen)}
	var errs [3]error
	p.poll, errs[0] = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	p.timer, errs[1] = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	p.wake, errs[2] = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	err := errors.Join(errs[:]...)
	if err == nil {
		err = errors.Join(p.watch(p.timer), p.watch(p.wake))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make bfd pacer: %w", err), p.close())
	}
	return p, nil
}

func (p *pacer) watch(fd int) error {
	return unix.EpollCtl(p.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (p *pacer) close() error {
	var errs []error
	for _, fd := range []int{p.poll, p.timer, p.wake} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

// set makes ss the sessions. It may be called from any goroutine; the answer is published.
func (p *pacer) set(ss []Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want, p.fresh = slices.Clone(ss), true
	p.ring()
}

// end has run take all sessions AdminDown and return. It may be called from any goroutine.
func (p *pacer) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = true
	p.ring()
}

func (p *pacer) ring() {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = unix.Write(p.wake, one) // full: it rings already
}

// run runs until end was called.
func (p *pacer) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -10); err != nil { // of this thread
		p.log.Info("bfd runs at the usual priority", "err", err)
	}
	defer p.forgetAll()
	events := make([]unix.EpollEvent, 64)
	for {
		p.arm()
		n, err := unix.EpollWait(p.poll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for bfd packets: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			p.ready(int(e.Fd))
		}
		if p.obey(time.Now()) {
			p.goodbye()
			return nil
		}
		p.tick(time.Now())
	}
}

// ready takes what a descriptor has.
func (p *pacer) ready(fd int) {
	switch fd {
	case p.timer, p.wake:
		var b [8]byte
		_, _ = unix.Read(fd, b[:])
		if fd == p.timer {
			p.armed = time.Time{}
		}
	default:
		if r := p.byFD[int32(fd)]; r != nil {
			p.drain(r, drainTurn)
		}
	}
}

// drain takes the packets of a socket; a bounded number, so that a flood on one device does not stop the others.
func (p *pacer) drain(r *receiver, limit int) {
	for range limit {
		if !p.in.receive(r.fd) {
			return
		}
		p.packet(r)
	}
}

// packet takes the datagram just received to its session.
func (p *pacer) packet(r *receiver) {
	if p.in.ttl != neighborTTL {
		p.drops.TTL++
		return
	}
	k, err := Parse(p.in.payload)
	if err != nil {
		p.drops.Malformed++
		return
	}
	s := p.byPeer[peerKey{r.key.device, p.in.to, p.in.from}]
	if s == nil || k.YourDiscr != 0 && p.byDiscr[k.YourDiscr] != s {
		p.drops.Stranger++ // another device's discriminator opens nothing here
		return
	}
	now := time.Now()
	p.take(s, s.m.Receive(k, now))
}

// take does what a machine asks for and puts the session at its new place.
func (p *pacer) take(s *running, out Output) {
	for i := range out.Send {
		p.transmit(s, &out.Send[i])
	}
	if out.Changed && s.leaving.IsZero() {
		e := s.event()
		p.log.Info("bfd session changed", "session", e.Name, "state", e.State.String(), "diag", e.Diag.String(), "remote", e.RemoteState.String())
		p.publish(news{Events: []Event{e}})
	}
	p.place(s)
}

// transmit sends; a packet that the kernel does not take is one lost on the way.
func (p *pacer) transmit(s *running, k *Packet) {
	if s.send >= 0 {
		_ = unix.Sendto(s.send, k.Append(p.buf[:0]), unix.MSG_DONTWAIT, s.to)
	}
}

// tick does what is due.
func (p *pacer) tick(now time.Time) {
	for len(p.queue) > 0 && !p.queue[0].due.After(now) {
		s := p.queue[0]
		if s.m.expiring(now) { // its packets may wait behind those of others
			if r := p.receivers[receiverKey{s.spec.Device, s.spec.Local.Is6()}]; r != nil {
				p.drain(r, drainLast)
			}
		}
		if !s.due.After(now) {
			p.take(s, s.m.Tick(now))
		}
	}
	if !p.check.After(now) {
		p.check = now.Add(checkEvery)
		p.inspect(now)
	}
}

// arm sets the timer to the next deadline.
func (p *pacer) arm() {
	next := p.check
	if len(p.queue) > 0 && p.queue[0].due.Before(next) {
		next = p.queue[0].due
	}
	if next.Equal(p.armed) {
		return
	}
	p.armed = next
	wait := max(time.Until(next), 1)
	if err := unix.TimerfdSettime(p.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(wait))}, nil); err != nil {
		p.log.Error("set bfd timer", "err", err)
	}
}

// never is after every deadline.
const never = 100 * 365 * 24 * time.Hour

func (p *pacer) place(s *running) {
	s.due = s.m.Deadline()
	if s.due.IsZero() {
		s.due = s.m.since.Add(never)
	}
	heap.Fix(&p.queue, s.place)
}

// discriminator is random, not zero, and used by no other session of this process.
func (p *pacer) discriminator() uint32 {
	for {
		if d := rand.Uint32(); d != 0 && p.byDiscr[d] == nil {
			return d
		}
	}
}

// queue is a heap of sessions by deadline.
type queue []*running

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	s := x.(*running)
	s.place = len(*q)
	*q = append(*q, s)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return s
}
