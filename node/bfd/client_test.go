package bfd

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeDaemon is the far end of a client: what it is told, and what it says. It runs only after a start.
type fakeDaemon struct {
	mu      sync.Mutex
	runs    bool
	broken  bool // starts end in nothing
	starts  int
	orders  []order
	c       net.Conn
	session sync.WaitGroup
}

func (d *fakeDaemon) dial(context.Context) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.runs {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	d.c = far
	d.session.Go(func() {
		for in := json.NewDecoder(far); ; {
			var o order
			if in.Decode(&o) != nil {
				return
			}
			d.mu.Lock()
			d.orders = append(d.orders, o)
			d.mu.Unlock()
		}
	})
	return near, nil
}

func (d *fakeDaemon) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.starts++
	d.runs = !d.broken
	return nil
}

// breakDown has starts end in nothing, or not any more.
func (d *fakeDaemon) breakDown(broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
}

// started is how often it was started, after what is under way.
func (d *fakeDaemon) started() int {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.starts
}

func (d *fakeDaemon) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs = false
	_ = d.c.Close()
}

func (d *fakeDaemon) say(n news) {
	d.mu.Lock()
	c := d.c
	d.mu.Unlock()
	_ = json.NewEncoder(c).Encode(n)
	synctest.Wait()
}

// lastOrder is the names of the newest order, and how many there were.
func (d *fakeDaemon) lastOrder() (names []string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.orders) == 0 {
		return nil, 0
	}
	for _, s := range d.orders[len(d.orders)-1].Sessions {
		names = append(names, s.Name)
	}
	return names, len(d.orders)
}

// inBubble runs f with a client of a fake daemon.
func inBubble(t *testing.T, f func(t *testing.T, d *fakeDaemon, k *Client, r *recorder)) {
	synctest.Test(t, func(t *testing.T) {
		d, r := &fakeDaemon{}, &recorder{last: map[string]Event{}}
		k := NewClient(ClientConfig{Handle: r.note, Log: slog.New(slog.DiscardHandler), Dial: d.dial, Start: d.start})
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { k.Run(ctx) })
		synctest.Wait()
		f(t, d, k, r)
		cancel()
		run.Wait()
		if d.c != nil {
			_ = d.c.Close()
		}
		d.session.Wait()
	})
}

func TestClientTellsOnlyChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, d *fakeDaemon, k *Client, r *recorder) {
		time.Sleep(time.Hour)
		if d.started() != 0 {
			t.Fatal("started a daemon though nothing is wanted")
		}
		k.Set([]Session{{Name: "a"}, {Name: "b"}})
		synctest.Wait()
		if got, n := d.lastOrder(); !slices.Equal(got, []string{"a", "b"}) || n != 1 || d.started() != 1 {
			t.Fatalf("orders %v (%d), %d starts", got, n, d.started())
		}
		up := Event{Name: "a", Status: Status{State: Up}}
		d.say(news{Whole: true, Events: []Event{up, {Name: "b", Status: Status{State: Down}}}})
		d.say(news{Events: []Event{{Name: "b", Status: Status{State: Up}}}})
		d.say(news{Whole: true, Events: []Event{up, {Name: "b", Status: Status{State: Up}}}})
		if got := r.all(); len(got) != 3 {
			t.Errorf("told %+v", got)
		}
		k.Set([]Session{{Name: "a"}})
		synctest.Wait()
		if got, n := d.lastOrder(); !slices.Equal(got, []string{"a"}) || n != 2 {
			t.Errorf("orders %v (%d)", got, n)
		}
	})
}

// A client that is told nothing to want leaves the sessions of the one before alone; one that wants none tells so, but starts nothing for it.
func TestClientWantsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, d *fakeDaemon, k *Client, r *recorder) {
		_ = d.start()
		time.Sleep(time.Minute)
		if _, n := d.lastOrder(); n != 0 {
			t.Fatal("ordered before anything was set")
		}
		k.Set(nil)
		synctest.Wait()
		if got, n := d.lastOrder(); n != 1 || len(got) != 0 {
			t.Fatalf("orders %v (%d)", got, n)
		}
		d.die()
		time.Sleep(time.Minute)
		if d.started() != 1 {
			t.Error("started a daemon for nothing")
		}
	})
}

func TestClientRestartsDaemon(t *testing.T) {
	inBubble(t, func(t *testing.T, d *fakeDaemon, k *Client, r *recorder) {
		k.Set([]Session{{Name: "a"}})
		synctest.Wait()
		d.say(news{Whole: true, Events: []Event{{Name: "a", Status: Status{State: Up}}}})
		d.die()
		time.Sleep(time.Second)
		synctest.Wait()
		if e := r.get("a"); !e.Unknown || e.Failed || e.State == Up {
			t.Fatalf("without its daemon: %+v", e)
		}
		if got, n := d.lastOrder(); d.started() != 2 || n != 2 || !slices.Equal(got, []string{"a"}) {
			t.Fatalf("%d starts, orders %v (%d)", d.started(), got, n)
		}
		d.say(news{Whole: true, Events: []Event{{Name: "a", Status: Status{State: Down}}}})
		d.say(news{Events: []Event{{Name: "a", Status: Status{State: Up}}}})
		if e := r.get("a"); e.Unknown || e.State != Up {
			t.Errorf("with the next: %+v", e)
		}
		d.breakDown(true)
		d.die()
		time.Sleep(10 * time.Minute)
		if n := d.started(); n < 10 || n > 200 {
			t.Errorf("%d starts in 10 minutes of a daemon that does not come up", n)
		}
		d.breakDown(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, n := d.lastOrder(); n != 3 {
			t.Errorf("%d orders after it came back", n)
		}
	})
}
