package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// releaseBatch keeps a transaction below etcd's limit of 128 operations.
const releaseBatch = 30

// Claim implements Store.
func (d *documents) Claim(ctx context.Context, space string, min, max int, owner string) (int, error) {
	for {
		n, err := d.tryClaim(ctx, space, min, max, owner)
		if !errors.Is(err, errRetry) {
			if err != nil {
				return 0, fmt.Errorf("claim in %s: %w", space, err)
			}
			return n, nil
		}
	}
}

func (d *documents) tryClaim(ctx context.Context, space string, min, max int, owner string) (int, error) {
	own := ownerKey(owner) + url.PathEscape(space)
	es, _, err := d.kv.read(ctx, []string{own})
	if err != nil {
		return 0, err
	}
	if es[0].rev != 0 {
		return strconv.Atoi(string(es[0].value))
	}
	taken, _, err := d.kv.list(ctx, spaceKey(space))
	if err != nil {
		return 0, err
	}
	n := min
	for _, t := range taken { // ordered by number
		v, err := strconv.Atoi(strings.TrimPrefix(t.key, spaceKey(space)))
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", t.key, err)
		}
		if v > n {
			break
		}
		if v == n {
			n++
		}
	}
	if n > max {
		return 0, fmt.Errorf("%w: all numbers of %d to %d are taken", ErrUnavailable, min, max)
	}
	key := claimKey(space, n)
	_, ok, err := d.kv.commit(ctx, []cond{{key, 0}, {own, 0}},
		[]write{{key: key, value: []byte(owner)}, {key: own, value: []byte(strconv.Itoa(n))}})
	if err == nil && !ok {
		err = errRetry
	}
	return n, err
}

// Release implements Store.
func (d *documents) Release(ctx context.Context, owner string) error {
	es, _, err := d.kv.list(ctx, ownerKey(owner))
	if err != nil {
		return fmt.Errorf("release claims of %s: %w", owner, err)
	}
	for len(es) > 0 {
		n := min(len(es), releaseBatch)
		if err := d.release(ctx, owner, es[:n]); err != nil {
			return fmt.Errorf("release claims of %s: %w", owner, err)
		}
		es = es[n:]
	}
	return nil
}

// release frees some claims. Whoever was faster freed the same ones: owners do not race with themselves.
func (d *documents) release(ctx context.Context, owner string, es []entry) error {
	var conds []cond
	var ws []write
	for _, e := range es {
		space, err := url.PathUnescape(strings.TrimPrefix(e.key, ownerKey(owner)))
		if err != nil {
			return fmt.Errorf("read %s: %w", e.key, err)
		}
		n, err := strconv.Atoi(string(e.value))
		if err != nil {
			return fmt.Errorf("read %s: %w", e.key, err)
		}
		conds = append(conds, cond{e.key, e.rev})
		ws = append(ws, write{key: e.key}, write{key: claimKey(space, n)})
	}
	_, _, err := d.kv.commit(ctx, conds, ws)
	return err
}
