package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"onramp/control/compile"
	"onramp/control/store"
	"onramp/plan"
	"onramp/resource"
)

const established = "Established"

// errSame says that the document already has what would be written.
var errSame = errors.New("no change")

// status writes what reports say of connections, where it changed. Counters are not stored: they are shown to Live. A node that
// fell silent says nothing any more.
func (r *reconciler) status(ctx context.Context, v *view) error {
	reports := r.hub.Reports()
	maps.DeleteFunc(reports, func(_ string, rep plan.Report) bool { return time.Since(rep.Time) > staleAfter })
	now := v.index.ConnectionStatuses(reports)
	if r.counted != nil {
		r.counted(now)
	}
	var errs []error
	for _, c := range v.world.Connections {
		s, ok := now[c.Meta.ID.Key()]
		if !ok || s.State == c.Status.State || s.State == resource.ConnectionUnknown && c.Status.State != "" && !r.heard(v, c) {
			continue
		}
		_, err := r.store.Update(ctx, c.Meta.ID, func(o resource.Object) error {
			k := o.(*resource.Connection)
			if k.Status.State == s.State {
				return errSame
			}
			k.Status.State = s.State
			return nil
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, errSame) {
			errs = append(errs, fmt.Errorf("status of connection %s: %w", c.Meta.ID, err))
		}
	}
	return errors.Join(errs...)
}

// heard reports whether a gateway node of a connection ever reported to this process. One that has not heard of it (just started, or
// another replica has the nodes) does not overrule what is stored.
func (r *reconciler) heard(v *view, c *resource.Connection) bool {
	tunnels, _ := v.index.Tunnels(c) // none: nothing to hear
	return slices.ContainsFunc(tunnels, func(t compile.Tunnel) bool {
		_, ok := r.hub.Report(t.Gateway)
		return ok
	})
}
