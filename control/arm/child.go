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
