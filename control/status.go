package control

import (
	"context"
	"errors"
	"fmt"

	"onramp/control/compile"
	"onramp/control/store"
	"onramp/resource"
)

const established = "Established"

// status writes what reports say of connections, where it changed. Counters are not status: they are read when somebody asks.
func (r *reconciler) status(ctx context.Context, v *view) error {
	var errs []error
	for _, c := range v.world.Connections {
		state := r.connectionState(v, c)
		if state == c.Status.State || c.Meta.State == resource.Deleting {
			continue
		}
		_, err := r.store.Update(ctx, c.Meta.ID, func(o resource.Object) error {
			o.(*resource.Connection).Status.State = state
			return nil
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, fmt.Errorf("status of connection %s: %w", c.Meta.ID, err))
		}
	}
	return errors.Join(errs...)
}

// connectionState is Connected when both ends of some tunnel are Established, Connecting when the tunnels are planned and no session is,
// NotConnected when there are no tunnels, Unknown while no node of them reports.
func (r *reconciler) connectionState(v *view, c *resource.Connection) resource.ConnectionState {
	tunnels, err := compile.Tunnels(v.input, c)
	if err != nil || len(tunnels) == 0 {
		return resource.ConnectionNotConnected
	}
	reports := false
	for _, t := range tunnels {
		edge, okE := sessionOf(r.hub, t.Edge, t.EdgeSession)
		gate, okG := sessionOf(r.hub, t.Gateway, t.GatewaySession)
		if okE && okG && edge.State == established && gate.State == established {
			return resource.ConnectionConnected
		}
		reports = reports || okE || okG
	}
	if !reports {
		return resource.ConnectionUnknown
	}
	return resource.ConnectionConnecting
}
