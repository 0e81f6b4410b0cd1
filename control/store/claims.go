package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

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

// Release implements Store. Whoever was faster freed the same numbers.
func (d *documents) Release(ctx context.Context, owner string) error {
	conds, writes, err := d.freeing(ctx, owner)
	if err == nil && len(writes) > 0 {
		_, _, err = d.kv.commit(ctx, conds, writes)
	}
	if err != nil {
		return fmt.Errorf("release numbers of %s: %w", owner, err)
	}
	return nil
}

// freeing is what frees all numbers of an owner, of which there are few.
func (d *documents) freeing(ctx context.Context, owner string) (conds []cond, writes []write, err error) {
	es, _, err := d.kv.list(ctx, ownerKey(owner))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range es {
		space, err := url.PathUnescape(strings.TrimPrefix(e.key, ownerKey(owner)))
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", e.key, err)
		}
		n, err := strconv.Atoi(string(e.value))
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", e.key, err)
		}
		conds = append(conds, cond{e.key, e.rev})
		writes = append(writes, write{key: e.key}, write{key: claimKey(space, n)})
	}
	return conds, writes, nil
}
