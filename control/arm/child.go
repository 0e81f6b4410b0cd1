package arm

import (
	"net/http"

	"onramp/control/store"
	"onramp/resource"
)

// answerOp renders the answers of orders of children.
type answerOp struct{ op *store.Operation }

// child is a PUT's answer.
func (a *answerOp) child(f *Front, c *call, status int, wire func(*view) any) (answer, error) {
	v, err := f.view(c)
	if err != nil {
		return answer{}, err
	}
	v.fresh = status == http.StatusCreated
	return c.accepted(a.op, status, wire(v)), nil
}

// child is a GET's answer; a child has its parent's etag.
func child(h *resource.Head, body any) answer {
	a := ok(body)
	a.header = map[string]string{"ETag": h.Etag}
	return a
}

// parentNotFound refuses the order of a child whose parent does not exist.
func parentNotFound(id resource.ID) *fault {
	return refuse(http.StatusNotFound, "ParentResourceNotFound",
		"Failed to perform 'write' on resource(s) of type '%s/%s', because the parent resource '%s' could not be found.", networkNamespace, id.Types[0], id)
}

// place says what an order of a child is about.
type place[T resource.Object] struct {
	verb   string      // "put" or "delete"
	root   resource.ID // the document that the child is in
	target resource.ID // the child
	// exists tells whether the child does, for If-Match and If-None-Match; nil: the order is about the document itself.
	exists func(*draft, T) bool
}

// change orders a change inside an existing document: children are written with it. edit gets the draft's own copy.
func change[T resource.Object](f *Front, c *call, at place[T], edit func(d *draft, old, o T) error) (T, *answerOp, error) {
	root, verb := at.root, at.verb
	op := c.newOperation(verb, at.target, "")
	var done T
	err := f.order(c, root.Subscription, op, func(d *draft) error {
		found := d.find(root)
		if found == nil {
			if verb == "delete" {
				return errGone
			}
			if d.find(root.GroupID()) == nil {
				return groupNotFound(root.Group)
			}
			return parentNotFound(root)
		}
		old := found.(T)
		etag := found.Head().Etag
		if at.exists != nil && !at.exists(d, old) {
			etag = ""
		}
		if err := d.precondition(etag); err != nil {
			return err
		}
		if err := d.free(found); err != nil {
			return err
		}
		o := resource.Clone(old)
		if err := edit(d, old, o); err != nil {
			return err
		}
		op.Location, done = o.Head().Location, o
		return d.write(o, resource.Updating)
	})
	return done, &answerOp{op}, err
}
