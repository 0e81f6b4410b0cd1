package arm

import (
	"errors"
	"net/http"
	"strings"

	"onramp/control/store"
	"onramp/resource"
)

const (
	networkNamespace = "Microsoft.Network"
	fabricNamespace  = "Onramp.Fabric"
)

// noun is what the handlers of top-level objects need to know of one type. The functions may be nil unless they say otherwise.
type noun[T resource.Object] struct {
	typ   string                  // canonical ARM type
	kind  resource.Kind           //
	blank func(resource.Head) T   // a new object; never nil
	wire  func(v *view, o T) any  // the answer's form; never nil
	apply func(w *write[T]) error // body → w.new, then rules, numbers and further documents; never nil
	drop  func(w *write[T]) error // rules of a delete, further documents; never nil
	retag func(w *write[T]) error // what a change of tags means beside the tags
}

// write is one order of a top-level object.
type write[T resource.Object] struct {
	*draft
	body   []byte
	old    T // read-only; nil when the object is being created
	new    T // the draft's own
	exists bool
}

// view is what rendering needs beside the object.
type view struct {
	fabric  *resource.Fabric
	base    string
	secrets bool // the caller owns what it reads: authorization keys may show
	open    func(resource.Sealed) (string, error)
	fresh   bool // first answer of a create
	live    Live
	// circuits are all circuits, where the call is about ports; nil elsewhere.
	circuits []*resource.Circuit
}

func (f *Front) view(c *call) (*view, error) {
	fabric, err := f.fabricNow(c.ctx)
	if err != nil {
		return nil, err
	}
	v := &view{fabric: fabric, base: c.base, secrets: c.who.Role == resource.PrincipalCustomer, open: f.cfg.Store.Keyring().Open, live: f.cfg.Live}
	if !strings.HasPrefix(c.route.Action, networkNamespace+"/"+portType+"/") {
		return v, nil
	}
	os, err := f.cfg.Store.List(c.ctx, resource.KindCircuit, resource.ID{})
	for _, o := range os {
		v.circuits = append(v.circuits, o.(*resource.Circuit))
	}
	return v, err
}

// load reads a document; the refusal of a missing one says whether its group is missing too.
func load[T resource.Object](f *Front, c *call, id resource.ID) (T, error) {
	var none T
	o, err := f.cfg.Store.Get(c.ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		if _, err := f.cfg.Store.Get(c.ctx, id.GroupID()); errors.Is(err, store.ErrNotFound) {
			return none, groupNotFound(id.Group)
		}
		return none, notFound(id.Root())
	}
	if err != nil {
		return none, err
	}
	return o.(T), nil
}

func (n noun[T]) get(f *Front, c *call) (answer, error) {
	o, err := load[T](f, c, c.id(n.typ, c.params["name"]))
	if err != nil {
		return answer{}, err
	}
	return n.render(f, c, o, http.StatusOK)
}

func (n noun[T]) render(f *Front, c *call, o T, status int) (answer, error) {
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	v.fresh = status == http.StatusCreated
	return answer{status: status, body: n.wire(v, o), header: map[string]string{"ETag": o.Head().Etag}}, nil
}

// list answers the collection of a group or subscription.
func (n noun[T]) list(f *Front, c *call) (answer, error) {
	scope := c.scope()
	if scope.Group != "" {
		if _, err := f.cfg.Store.Get(c.ctx, scope); errors.Is(err, store.ErrNotFound) {
			return answer{}, groupNotFound(scope.Group)
		} else if err != nil {
			return answer{}, err
		}
	}
	os, err := f.cfg.Store.List(c.ctx, n.kind, scope)
	if err != nil {
		return answer{}, err
	}
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	rows := []any{}
	for _, o := range os {
		rows = append(rows, n.wire(v, o.(T)))
	}
	return ok(listOf(rows)), nil
}

// begin reads the object of an order into a write and checks preconditions and locks.
func (n noun[T]) begin(d *draft, c *call, id resource.ID) (*write[T], error) {
	w := &write[T]{draft: d, body: c.body}
	found := d.find(id)
	if err := d.precondition(etagOf(found)); err != nil {
		return nil, err
	}
	if found != nil {
		w.old, w.exists = found.(T), true
		w.new = resource.Clone(w.old)
		return w, d.free(w.old)
	}
	return w, nil
}

func (n noun[T]) put(f *Front, c *call) (answer, error) {
	id := c.id(n.typ, c.params["name"])
	op := c.newOperation("put", id, "")
	var done *write[T]
	err := f.order(c, id.Subscription, op, func(d *draft) error {
		w, err := n.begin(d, c, id)
		if err != nil {
			return err
		}
		group, err := d.needGroup(id)
		if err != nil {
			return err
		}
		if !w.exists {
			own := id
			own.Group = group.Meta.ID.Group
			w.new = n.blank(newHead(own, ""))
		}
		if err := n.apply(w); err != nil {
			return err
		}
		op.Resource, op.Location = w.new.Head().ID, w.new.Head().Location
		done = w
		return d.write(w.new, resource.Updating)
	})
	if err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	if !done.exists {
		status = http.StatusCreated
	}
	a, err := n.render(f, c, done.new, status)
	if err != nil {
		return answer{}, err
	}
	return c.acceptedWith(op, a), nil
}

// delete starts the deletion: the object stays readable until the nodes have let go of it.
func (n noun[T]) delete(f *Front, c *call) (answer, error) {
	id := c.id(n.typ, c.params["name"])
	op := c.newOperation("delete", id, "")
	err := f.order(c, id.Subscription, op, func(d *draft) error {
		w, err := n.begin(d, c, id)
		if err != nil {
			return err
		}
		if !w.exists {
			return errGone
		}
		if err := n.drop(w); err != nil {
			return err
		}
		op.Resource, op.Location = w.new.Head().ID, w.new.Head().Location
		return d.write(w.new, resource.Deleting)
	})
	return c.deleting(op, err)
}

// errGone says that what shall be deleted does not exist.
var errGone = errors.New("gone already")

// deleting answers a DELETE.
func (c *call) deleting(op *store.Operation, err error) (answer, error) {
	if errors.Is(err, errGone) {
		return answer{status: http.StatusNoContent}, nil
	}
	if err != nil {
		return answer{}, err
	}
	return c.accepted(op, http.StatusAccepted, nil), nil
}

type tagsWire struct {
	Tags map[string]string `json:"tags"`
}

// patch replaces the tags, synchronously.
func (n noun[T]) patch(f *Front, c *call) (answer, error) {
	var body tagsWire
	if err := decode(c.body, &body); err != nil {
		return answer{}, err
	}
	id := c.id(n.typ, c.params["name"])
	var done T
	err := f.order(c, id.Subscription, nil, func(d *draft) error {
		w, err := n.begin(d, c, id)
		if err != nil {
			return err
		}
		if !w.exists {
			if d.find(id.GroupID()) == nil {
				return groupNotFound(id.Group)
			}
			return notFound(id)
		}
		if body.Tags != nil {
			if err := setTags(w.new.Head(), body.Tags); err != nil {
				return err
			}
		}
		if n.retag != nil {
			if err := n.retag(w); err != nil {
				return err
			}
		}
		done = w.new
		d.put(w.new)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return n.render(f, c, done, http.StatusOK)
}

// headWire is the common part of every top-level object on the wire.
type headWire struct {
	Name     string            `json:"name,omitempty"`
	ID       string            `json:"id,omitempty"`
	Etag     string            `json:"etag,omitempty"`
	Type     string            `json:"type,omitempty"`
	Location *string           `json:"location,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// refWire is a reference to another object.
type refWire struct {
	ID string `json:"id,omitempty"`
}

// childWire is the common part of children.
type childWire struct {
	Name string `json:"name,omitempty"`
	ID   string `json:"id,omitempty"`
	Etag string `json:"etag,omitempty"`
	Type string `json:"type,omitempty"`
}

func headOut(h *resource.Head, typ string) headWire {
	return headWire{Name: h.ID.Name(), ID: h.ID.String(), Etag: h.Etag, Type: networkNamespace + "/" + typ, Location: &h.Location, Tags: h.Tags}
}

// childOut is the common part of a child, whose etag is its parent's.
func childOut(h *resource.Head, id resource.ID) childWire {
	return childWire{Name: id.Name(), ID: id.String(), Etag: h.Etag, Type: networkNamespace + "/" + strings.Join(id.Types, "/")}
}

// apply takes over location and tags of a PUT: absent tags stay, and an object never moves.
func (w headWire) apply(h *resource.Head, exists bool) error {
	switch {
	case w.Location == nil || *w.Location == "":
		if !exists {
			return badField("location", "LocationRequired", "The location property is required for this definition.")
		}
	case exists && resource.NormalLocation(*w.Location) != h.Location:
		e := refuse(http.StatusConflict, "InvalidResourceLocation", "The resource '%s' already exists in location '%s'. A resource with the same name cannot be created in location '%s'.",
			h.ID.Name(), h.Location, *w.Location)
		e.Target = "location"
		return e
	default:
		h.Location = resource.NormalLocation(*w.Location)
	}
	if w.Tags == nil {
		return nil
	}
	return setTags(h, w.Tags)
}

// setTags replaces the tags within ARM's limits.
func setTags(h *resource.Head, tags map[string]string) error {
	if len(tags) > 50 {
		return badField("tags", "TooManyTags", "There are %d tags; 50 are allowed.", len(tags))
	}
	for k, v := range tags {
		if k == "" || len(k) > 512 || strings.ContainsAny(k, `<>%&\?/`) {
			return badField("tags", "InvalidTagName", "The tag name %.40q is empty, longer than 512 characters or holds one of <>%%&\\?/.", k)
		}
		if len(v) > 256 {
			return badField("tags."+k, "InvalidTagValue", "The tag value has %d characters; 256 are allowed.", len(v))
		}
	}
	h.Tags = tags
	if len(tags) == 0 {
		h.Tags = nil
	}
	return nil
}

// tag reads a tag by name, without case; "" when it is not there.
func tag(tags map[string]string, name string) string {
	for k, v := range tags {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// parseRef reads a reference of the body; target is its field.
func parseRef(r *refWire, target string, kinds ...resource.Kind) (resource.ID, error) {
	if r == nil || r.ID == "" {
		return resource.ID{}, badFormat(target, "MissingJsonReferenceId", "Value for reference id is missing. Path %s.", target)
	}
	id, err := resource.ParseID(r.ID)
	if err != nil {
		return id, badFormat(target+".id", "InvalidReferenceId", "%v", err)
	}
	for _, k := range kinds {
		if id.Kind() == k && strings.EqualFold(id.Namespace, networkNamespace) {
			return id, nil
		}
	}
	return id, badField(target+".id", resource.CodeBadReference, "'%s' is not the id of a resource of type %s.", r.ID, kinds[0])
}

func ptr[T any](v T) *T { return &v }

// or is *p, or what to take when p is nil.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// pick finds the canonical spelling of an enum value; an unknown one is returned as it came, for the rules to refuse.
func pick[T ~string](s string, all ...T) T {
	for _, v := range all {
		if strings.EqualFold(s, string(v)) {
			return v
		}
	}
	return T(s)
}
