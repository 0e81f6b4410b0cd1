package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"onramp/resource"
)

// One document is a register: create sets it where there is none, update replaces it and tells what was there, delete removes it.
type registerIn struct {
	verb  string // create update delete get
	key   int
	value int
}

type registerOut struct {
	found   bool // create: it was new; the others: it was there
	value   int  // get, update: what was there
	unknown bool // the store was unavailable: done or not
}

const absent = -1

func registerModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(h []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[int][]porcupine.Operation{}
			for _, o := range h {
				k := o.Input.(registerIn).key
				byKey[k] = append(byKey[k], o)
			}
			var all [][]porcupine.Operation
			for _, ops := range byKey {
				all = append(all, ops)
			}
			return all
		},
		Init: func() any { return absent },
		Step: func(state, input, output any) (bool, any) {
			s, in, out := state.(int), input.(registerIn), output.(registerOut)
			ok := out.unknown
			switch in.verb {
			case "get":
				return ok || out.found == (s != absent) && (s == absent || out.value == s), s
			case "create":
				if s != absent {
					return ok || !out.found, s
				}
				return ok || out.found, in.value
			case "update":
				if s == absent {
					return ok || !out.found, s
				}
				return ok || out.found && out.value == s, in.value
			}
			return ok || out.found == (s != absent), absent
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
	}
}

// do runs one operation of the model on a store.
func do(s Store, in registerIn) (out registerOut, err error) {
	ctx := context.Background()
	c := circuit(fmt.Sprint("r", in.key))
	switch in.verb {
	case "get":
		var o resource.Object
		if o, err = s.Get(ctx, c.Meta.ID); err == nil {
			out = registerOut{found: true, value: o.(*resource.Circuit).BandwidthMbps}
		}
	case "create":
		c.BandwidthMbps = in.value
		err = s.Create(ctx, c)
		out.found = err == nil
	case "update":
		_, err = s.Update(ctx, c.Meta.ID, func(o resource.Object) error {
			out = registerOut{found: true, value: o.(*resource.Circuit).BandwidthMbps}
			o.(*resource.Circuit).BandwidthMbps = in.value
			return nil
		})
	case "delete":
		err = s.Delete(ctx, c.Meta.ID, 0)
		out.found = err == nil
	}
	switch {
	case errors.Is(err, ErrUnavailable):
		return registerOut{unknown: true}, nil
	case errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists):
		return registerOut{}, nil
	}
	return out, err
}

// linearizable runs clients until stop and checks their history.
func linearizable(t *testing.T, s Store, clients int, stop <-chan struct{}, seed uint64) {
	t.Helper()
	var mu sync.Mutex
	var history []porcupine.Operation
	var values atomic.Int64
	begun := time.Now()
	var wg sync.WaitGroup
	for id := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(id)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				in := registerIn{verb: []string{"get", "get", "update", "update", "create", "delete"}[r.IntN(6)], key: r.IntN(3), value: int(values.Add(1))}
				call := time.Since(begun)
				out, err := do(s, in)
				if err != nil {
					t.Errorf("%+v: %v", in, err)
					return
				}
				end := int64(time.Since(begun))
				if out.unknown {
					end = math.MaxInt64 // it may happen at any time from now on
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: id, Input: in, Call: int64(call), Output: out, Return: end})
				mu.Unlock()
				<-time.After(time.Duration(r.IntN(int(2 * time.Millisecond))))
			}
		})
	}
	wg.Wait()
	unknown := 0
	for _, o := range history {
		if o.Output.(registerOut).unknown {
			unknown++
		}
	}
	result := porcupine.CheckOperationsTimeout(registerModel(), history, 30*time.Second)
	t.Logf("seed %d: %d operations of %d clients, %d unknown: %s", seed, len(history), clients, unknown, result)
	if result == porcupine.Illegal {
		t.Errorf("seed %d: the history is not linearizable", seed)
	}
	if len(history) < 200 {
		t.Errorf("only %d operations", len(history))
	}
}

func after(d time.Duration) <-chan struct{} {
	stop := make(chan struct{})
	time.AfterFunc(d, func() { close(stop) })
	return stop
}

func TestLinearizableMemory(t *testing.T) {
	linearizable(t, NewMemory(NewKeyring()), 8, after(500*time.Millisecond), uint64(time.Now().UnixNano()))
}

func TestLinearizableEmbedded(t *testing.T) {
	s := openEmbedded(t, t.TempDir(), NewKeyring())
	defer s.Close()
	linearizable(t, s, 8, after(2*time.Second), uint64(time.Now().UnixNano()))
}

// The leader dies under the clients and comes back.
func TestLinearizableCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three processes")
	}
	c := startCluster(t)
	s := c.open()
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		<-time.After(time.Second)
		m := c.leader(s)
		m.kill()
		<-time.After(2 * time.Second)
		c.start(m)()
		<-time.After(2 * time.Second)
	}()
	linearizable(t, s, 6, stop, uint64(time.Now().UnixNano()))
}

// The check itself can fail: a stale read is found.
func TestLinearizableFindsStaleReads(t *testing.T) {
	h := []porcupine.Operation{
		{Input: registerIn{"create", 0, 1}, Output: registerOut{found: true}, Call: 0, Return: 1},
		{Input: registerIn{"update", 0, 2}, Output: registerOut{found: true, value: 1}, Call: 2, Return: 3},
		{Input: registerIn{"get", 0, 0}, Output: registerOut{found: true, value: 1}, Call: 4, Return: 5},
	}
	if porcupine.CheckOperations(registerModel(), h) {
		t.Error("a stale read passed")
	}
}
