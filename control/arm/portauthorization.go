package arm

import (
	"net/http"
	"slices"
	"strings"

	"onramp/resource"
)

type portAuthorizationWire struct {
	childWire
	Properties *portAuthorizationProps `json:"properties,omitempty"`
}

type portAuthorizationProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	Key               string                     `json:"authorizationKey,omitempty"`
	Use               string                     `json:"authorizationUseStatus,omitempty"`
	Circuit           string                     `json:"circuitResourceUri"`
}

// portAuthorizationOut shows the key to the owner of the port only.
func portAuthorizationOut(v *view, p *resource.Port, a *resource.PortAuthorization) portAuthorizationWire {
	props := &portAuthorizationProps{ProvisioningState: resource.Succeeded, Use: "Available"}
	if user := resource.PortAuthorizationUser(v.circuits, p.Meta.ID, a.Name); user != nil {
		props.Use, props.Circuit = "InUse", user.Meta.ID.String()
	}
	if v.secrets {
		if key, err := v.open(a.Key); err == nil {
			props.Key = key
		}
	}
	return portAuthorizationWire{childWire: childOut(&p.Meta, p.Meta.ID.Child("authorizations", a.Name)), Properties: props}
}

// portAuthorization is where an order of the call's authorization of a port goes.
func (c *call) portAuthorization(verb string) place[*resource.Port] {
	root, name := c.id(portType, c.params["name"]), c.params["authorization"]
	return place[*resource.Port]{verb: verb, root: root, target: root.Child("authorizations", name),
		exists: func(_ *draft, p *resource.Port) bool { return p.Authorization(name) != nil }}
}

func putPortAuthorization(f *Front, c *call) (answer, error) {
	var in portAuthorizationWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	name := c.params["authorization"]
	status := http.StatusOK
	done, op, err := change(f, c, c.portAuthorization("put"), func(d *draft, old, o *resource.Port) error {
		status = http.StatusOK
		if o.Authorization(name) == nil {
			status = http.StatusCreated
			a, err := d.newAuthorization(name)
			if err != nil {
				return err
			}
			o.Authorizations = append(o.Authorizations, resource.PortAuthorization{Name: a.Name, Key: a.Key})
		}
		return d.world.CheckPort(old, o)
	})
	if err != nil {
		return answer{}, err
	}
	return op.child(f, c, status, func(v *view) any { return portAuthorizationOut(v, done, done.Authorization(name)) })
}

func getPortAuthorization(f *Front, c *call) (answer, error) {
	p, v, err := f.port(c)
	if err != nil {
		return answer{}, err
	}
	a := p.Authorization(c.params["authorization"])
	if a == nil {
		return answer{}, notFound(p.Meta.ID.Child("authorizations", c.params["authorization"]))
	}
	return child(&p.Meta, portAuthorizationOut(v, p, a)), nil
}

func listPortAuthorizations(f *Front, c *call) (answer, error) {
	p, v, err := f.port(c)
	if err != nil {
		return answer{}, err
	}
	rows := []portAuthorizationWire{}
	for i := range p.Authorizations {
		rows = append(rows, portAuthorizationOut(v, p, &p.Authorizations[i]))
	}
	return ok(listOf(rows)), nil
}

func deletePortAuthorization(f *Front, c *call) (answer, error) {
	name := c.params["authorization"]
	_, op, err := change(f, c, c.portAuthorization("delete"), func(d *draft, old, o *resource.Port) error {
		n := len(o.Authorizations)
		o.Authorizations = slices.DeleteFunc(o.Authorizations, func(a resource.PortAuthorization) bool { return strings.EqualFold(a.Name, name) })
		if len(o.Authorizations) == n {
			return errGone
		}
		return d.world.CheckPort(old, o)
	})
	return c.deleting(op.op, err)
}
