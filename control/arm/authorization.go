package arm

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"onramp/resource"
)

type authorizationWire struct {
	childWire
	Properties *authorizationProps `json:"properties,omitempty"`
}

type authorizationProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
	Key               string                     `json:"authorizationKey,omitempty"`
	Use               string                     `json:"authorizationUseStatus,omitempty"`
	Connection        string                     `json:"connectionResourceUri,omitempty"`
}

// authorizationOut shows the key to the owner of the circuit only.
func authorizationOut(v *view, c *resource.Circuit, a *resource.Authorization) authorizationWire {
	p := &authorizationProps{ProvisioningState: resource.Succeeded, Use: "Available", Connection: a.Usedby.String()}
	if !a.Usedby.IsZero() {
		p.Use = "InUse"
	}
	if v.secrets {
		if key, err := v.open(a.Key); err == nil {
			p.Key = key
		}
	}
	return authorizationWire{childWire: childOut(&c.Meta, c.Meta.ID.Child("authorizations", a.Name)), Properties: p}
}

func (d *draft) newAuthorization(name string) (resource.Authorization, error) {
	key, err := d.f.cfg.Store.Keyring().Seal(uuid.NewString())
	return resource.Authorization{Name: name, Key: key}, err
}

// authorization is where an order of the call's authorization goes.
func (c *call) authorization(verb string) place[*resource.Circuit] {
	root, name := c.id(circuitType, c.params["name"]), c.params["authorization"]
	return place[*resource.Circuit]{verb: verb, root: root, target: root.Child("authorizations", name),
		exists: func(_ *draft, k *resource.Circuit) bool { return k.Authorization(name) != nil }}
}

func putAuthorization(f *Front, c *call) (answer, error) {
	var in authorizationWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	name := c.params["authorization"]
	status := http.StatusOK
	done, op, err := change(f, c, c.authorization("put"), func(d *draft, old, o *resource.Circuit) error {
		status = http.StatusOK
		if o.Authorization(name) == nil {
			status = http.StatusCreated
			a, err := d.newAuthorization(name)
			if err != nil {
				return err
			}
			o.Authorizations = append(o.Authorizations, a)
		}
		return d.world.CheckCircuit(old, o)
	})
	if err != nil {
		return answer{}, err
	}
	return op.child(f, c, status, func(v *view) any { return authorizationOut(v, done, done.Authorization(name)) })
}

func getAuthorization(f *Front, c *call) (answer, error) {
	k, err := f.circuit(c)
	if err != nil {
		return answer{}, err
	}
	a := k.Authorization(c.params["authorization"])
	if a == nil {
		return answer{}, notFound(k.Meta.ID.Child("authorizations", c.params["authorization"]))
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	return child(&k.Meta, authorizationOut(v, k, a)), nil
}

func listAuthorizations(f *Front, c *call) (answer, error) {
	k, err := f.circuit(c)
	if err != nil {
		return answer{}, err
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	rows := []authorizationWire{}
	for i := range k.Authorizations {
		rows = append(rows, authorizationOut(v, k, &k.Authorizations[i]))
	}
	return ok(listOf(rows)), nil
}

func deleteAuthorization(f *Front, c *call) (answer, error) {
	name := c.params["authorization"]
	_, op, err := change(f, c, c.authorization("delete"), func(d *draft, old, o *resource.Circuit) error {
		n := len(o.Authorizations)
		o.Authorizations = slices.DeleteFunc(o.Authorizations, func(a resource.Authorization) bool { return strings.EqualFold(a.Name, name) })
		if len(o.Authorizations) == n {
			return errGone
		}
		return d.world.CheckCircuit(old, o)
	})
	return c.deleting(op.op, err)
}
