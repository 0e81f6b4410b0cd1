package bfd

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// gaps captures the control packets that enter a namespace for a while, and returns the time between two packets of one session, all sessions.
func (w *world) gaps(ns, dev string, d time.Duration) (out []time.Duration) {
	w.t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		w.t.Skip("tcpdump is not installed")
	}
	file := filepath.Join(w.dir, "gaps")
	f, err := os.Create(file)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	args := w.enter(ns, "timeout", strconv.Itoa(int(d.Seconds())), "tcpdump", "-tt", "-n", "-q", "-B", "8192", "-Q", "in", "-i", dev, "udp dst port 3784")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout = f
	_ = cmd.Run() // timeout ends it with a status of its own
	if _, err := f.Seek(0, 0); err != nil {
		w.t.Fatal(err)
	}
	last := map[string]float64{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text()) // 1764.123456 IP 10.9.0.1.50000 > …
		if len(words) < 3 {
			continue
		}
		at, err := strconv.ParseFloat(words[0], 64)
		if err != nil {
			continue
		}
		if was, ok := last[words[2]]; ok {
			out = append(out, time.Duration((at-was)*1e9))
		}
		last[words[2]] = at
	}
	return out
}

func quantile(ds []time.Duration, q float64) time.Duration {
	return ds[min(len(ds)-1, int(float64(len(ds))*q))]
}

// TestManySessionsHold: 200 sessions at 100 ms stay up, and their packets come in time.
func TestManySessionsHold(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 15 s")
	}
	const n, interval = 200, 100 * time.Millisecond
	w := newWorld(t, "a", "b", "m")
	w.cable("eth0", "a", "b", "m")
	var batch [2]strings.Builder
	var as, bs []Session
	var names []string
	for i := range n {
		a, b := fmt.Sprintf("10.9.%d.1", i), fmt.Sprintf("10.9.%d.2", i)
		fmt.Fprintf(&batch[0], "addr add %s/30 dev eth0\n", a)
		fmt.Fprintf(&batch[1], "addr add %s/30 dev eth0\n", b)
		x, y := both(fmt.Sprintf("s%d", i), "eth0", a, b, every(interval))
		as, bs, names = append(as, x), append(bs, y), append(names, x.Name)
	}
	for i, ns := range []string{"a", "b"} {
		w.in(ns, "ip", "-batch", w.write("addresses-"+ns, batch[i].String()))
	}
	a, b := w.daemon("a"), w.daemon("b")
	a.Set(as)
	b.Set(bs)
	w.wait("all up", 20*time.Second, func() bool { return a.is(Up, names...)() && b.is(Up, names...)() })
	w.settle()
	downs := a.downs() + b.downs()
	gaps := w.gaps("b", "eth0", 10*time.Second)
	if !a.is(Up, names...)() || !b.is(Up, names...)() || a.downs()+b.downs() != downs {
		t.Errorf("sessions went down: %d and %d times", a.downs(), b.downs())
	}
	if len(gaps) < n*80 {
		t.Fatalf("saw only %d gaps in 10 s", len(gaps))
	}
	slices.Sort(gaps)
	late := func(q float64) time.Duration { return max(0, quantile(gaps, q)-interval).Round(10 * time.Microsecond) }
	t.Logf("%d sessions at %v, %d gaps: median %v; beyond the interval at p99 %v, p99.9 %v, at most %v", n, interval, len(gaps),
		quantile(gaps, 0.5).Round(time.Millisecond), late(0.99), late(0.999), late(1))
	if late(0.999) > interval {
		t.Errorf("one packet in a thousand is %v late", late(0.999))
	}
}
