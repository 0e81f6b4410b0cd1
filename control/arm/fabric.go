package arm

import (
	"errors"
	"net/http"

	"onramp/resource"
)

// FabricID is where the one fabric document is kept.
func FabricID() resource.ID {
	return resource.ID{Subscription: zeroGUID, Group: "onramp", Namespace: fabricNamespace, Types: []string{"fabrics"}, Names: []string{"default"}}
}

// fabricWire is the document as the operator writes it: secrets in the clear, which resource.Fabric's own JSON leaves out.
type fabricWire struct {
	resource.Fabric
	Principals []principalWire `json:"principals"`
}

type principalWire struct {
	resource.Principal
	Secret     string `json:"secret,omitempty"`
	SecretHash string `json:"secretHash,omitempty"` // never in an answer
}

// PrepareFabric makes a fabric document ready to be stored: secrets are hashed (a principal without one keeps that of the present document,
// nil when there is none), the whole is checked, and it gets its id.
func PrepareFabric(f, present *resource.Fabric) error {
	for i := range f.Principals {
		p := &f.Principals[i]
		if p.Secret == "" && p.SecretHash == "" && present != nil {
			for _, old := range present.Principals {
				if old.ClientID == p.ClientID {
					p.SecretHash = old.SecretHash
				}
			}
		}
	}
	if err := resource.CheckFabric(f); err != nil {
		return err
	}
	for i := range f.Principals {
		p := &f.Principals[i]
		if p.Secret == "" {
			continue
		}
		hash, err := HashSecret(p.Secret)
		if err != nil {
			return err
		}
		p.SecretHash, p.Secret = hash, ""
	}
	if present != nil {
		f.Meta = present.Meta
	} else {
		f.Meta = newHead(FabricID(), "")
	}
	f.Meta.State = resource.Succeeded
	return nil
}

// putFabric replaces the operator's inventory. Nodes get their new plans at once; a part that live objects need may not go.
func putFabric(f *Front, c *call) (answer, error) {
	var in fabricWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	var done *resource.Fabric
	status := http.StatusOK
	err := f.order(c, FabricID().Subscription, nil, func(d *draft) error {
		next := resource.Clone(&in.Fabric)
		next.Principals = nil
		for _, p := range in.Principals {
			p.Principal.Secret, p.Principal.SecretHash = p.Secret, "" // a hash is never taken from outside
			next.Principals = append(next.Principals, p.Principal)
		}
		present := d.world.Fabric
		status = http.StatusOK
		if present == nil {
			status = http.StatusCreated
		}
		if err := d.precondition(etagOf(objectOrNil(present))); err != nil {
			return err
		}
		if err := errors.Join(PrepareFabric(next, present), d.stillNeeded(next)); err != nil {
			return err
		}
		done = next
		d.put(next)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	f.forgetFabric()
	return answer{status: status, body: fabricOut(done), header: map[string]string{"ETag": done.Meta.Etag}}, nil
}

// stillNeeded refuses an inventory that lacks what present objects stand on.
func (d *draft) stillNeeded(next *resource.Fabric) error {
	var errs []error
	need := func(there bool, o resource.Object, what, name string) {
		if !there {
			errs = append(errs, &resource.Error{Kind: resource.InUse, Code: "FabricInUse", Message: what + " '" + name + "' is used by " + o.Head().ID.String() + "."})
		}
	}
	for _, k := range d.world.Circuits {
		need(next.PairOf(k) != nil, k, "Port pair", k.Status.PortPair)
		need(next.PeeringLocation(k.PeeringLocation) != nil, k, "Location", k.PeeringLocation)
	}
	for _, p := range d.world.Ports {
		need(next.DirectPair(p.Status.Pair) != nil, p, "Direct port pair", p.Status.Pair)
	}
	for _, g := range d.world.Gateways {
		for _, n := range g.Status.Nodes {
			need(next.Node(n) != nil, g, "Node", n)
		}
	}
	for _, i := range d.world.Interfaces {
		if i.AttachTo != "" {
			_, port := next.Port(i.AttachTo)
			need(port != nil, i, "Port", i.AttachTo)
		}
	}
	for _, n := range d.world.Networks {
		need(next.Region(n.Meta.Location) != nil, n, "Region", n.Meta.Location)
	}
	return errors.Join(errs...)
}

func objectOrNil(f *resource.Fabric) resource.Object {
	if f == nil {
		return nil
	}
	return f
}

// fabricOut is the document without secrets.
func fabricOut(f *resource.Fabric) fabricWire {
	w := fabricWire{Fabric: *f, Principals: []principalWire{}}
	for _, p := range f.Principals {
		p.Secret, p.SecretHash = "", ""
		w.Principals = append(w.Principals, principalWire{Principal: p})
	}
	w.Fabric.Principals = nil
	return w
}

func getFabric(f *Front, c *call) (answer, error) {
	f.forgetFabric()
	fabric, err := f.fabricNow(c.ctx)
	if err != nil {
		return answer{}, err
	}
	if fabric.Meta.ID.IsZero() {
		return answer{}, refuse(http.StatusNotFound, "ResourceNotFound", "No fabric was applied yet.")
	}
	a := ok(fabricOut(fabric))
	a.header = map[string]string{"ETag": fabric.Meta.Etag}
	return a, nil
}

func getNodes(f *Front, c *call) (answer, error) {
	nodes, err := f.cfg.Live.Nodes(c.ctx)
	if err != nil {
		return answer{}, liveFault(err)
	}
	return ok(list{Value: nodes}), nil
}

func getNode(f *Front, c *call) (answer, error) {
	node, err := f.cfg.Live.Node(c.ctx, c.params["node"])
	if errors.Is(err, ErrNoNode) {
		return answer{}, refuse(http.StatusNotFound, "ResourceNotFound", "There is no node '%s'.", c.params["node"])
	}
	if err != nil {
		return answer{}, liveFault(err)
	}
	return ok(node), nil
}
