package arm

import (
	"github.com/google/uuid"

	"onramp/resource"
)

// onPort completes a circuit on a port from the port, and redeems the key when it is ordered from another subscription. It does nothing
// to a provider's circuit.
func (w *write[T]) onPort(c *resource.Circuit, key string, exists bool) error {
	if !c.Direct() {
		return nil
	}
	if !exists {
		name, err := w.world.RedeemPort(c, key)
		if err != nil {
			return err
		}
		c.Status.PortAuthorization = name
	}
	if p := w.world.Port(c.Port); p != nil {
		c.Port, c.PeeringLocation = p.Meta.ID, p.PeeringLocation
		w.touch(p)
	}
	return nil
}

// touchPort makes orders on one port, whoever gives them, wait for each other: bandwidth and VLANs are shared by all of its circuits.
func (d *draft) touchPort(c *resource.Circuit) {
	if p := d.world.Port(c.Port); c.Direct() && p != nil {
		d.touch(p)
	}
}

// touch writes a document as it is, so that another write that read it the same way has to read it again.
func (d *draft) touch(o *resource.Port) { d.put(resource.Clone(o)) }

// orderDirect gives a new circuit on a port its key, and its outer tag where the port has two. There is no provider to wait for.
func (d *draft) orderDirect(c *resource.Circuit) error {
	p, tag := d.world.Port(c.Port), 0
	if p.Encapsulation == resource.QinQ {
		var err error
		if tag, err = d.claim("stag/"+p.Status.Pair, firstSTag, lastSTag, c.Meta.ID); err != nil {
			return err
		}
	}
	c.Status = resource.CircuitStatus{ServiceKey: uuid.NewString(), STag: tag, PortPair: p.Status.Pair, ProviderState: resource.Provisioned,
		PortAuthorization: c.Status.PortAuthorization}
	return nil
}
