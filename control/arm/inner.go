package arm

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"onramp/resource"
)

// inner runs an operation of the table on behalf of another call: the same rights, locks and handler as over HTTP, without the headers of
// the outer request; etag is an If-Match, "" none.
func (f *Front) inner(ctx context.Context, c *call, method, path, version, etag string, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, path+"?api-version="+url.QueryEscape(version), nil)
	if err != nil {
		return answer{}, badFormat("", "InvalidResourceId", "'%s' is not the path of a resource.", path)
	}
	if etag != "" {
		r.Header.Set("If-Match", etag)
	}
	segs, err := splitPath(r.URL.EscapedPath())
	if err != nil {
		return answer{}, badFormat("", "InvalidResourceId", "%v", err)
	}
	n := &call{ctx: ctx, r: r, version: version, base: c.base, who: c.who, body: body, ids: c.ids}
	found, params := f.router.match(segs)
	if found != nil {
		n.route, n.params = found.rows[method], params
	}
	if n.route == nil || n.route.Action == anonymous {
		return answer{}, f.unrouted(n, found, segs)
	}
	if err := errors.Join(f.admit(n), f.unlocked(n)); err != nil {
		return answer{}, err
	}
	return n.route.Do(f, n)
}

// pathOf is the escaped path of a resource.
func pathOf(id resource.ID) string {
	var b strings.Builder
	for seg := range strings.SplitSeq(strings.TrimPrefix(id.String(), "/"), "/") {
		b.WriteString("/" + url.PathEscape(seg))
	}
	return b.String()
}

// holder is the document that a call of ARM's extensions, such as tags and locks, is about: a subscription, a group or a resource.
func (c *call) holder() resource.ID {
	id := c.scope()
	if c.params["type"] == "" {
		return id
	}
	typ := knownType(c.params["type"])
	if typ == "" {
		typ = c.params["type"]
	}
	return c.id(typ, c.params["name"])
}

// needHolder is the document of a holder as the draft has it. That of a subscription is made when it is first written.
func (d *draft) needHolder(id resource.ID) (resource.Object, error) {
	if o := d.find(id); o != nil {
		return o, nil
	}
	return d.f.emptyHolder(id, d.find(id.GroupID()) != nil)
}

// emptyHolder is a holder that has no document.
func (f *Front) emptyHolder(id resource.ID, group bool) (resource.Object, error) {
	switch {
	case id.Group == "":
		return &resource.Subscription{Meta: newHead(id, ""), TenantID: f.cfg.TenantID}, nil
	case !group:
		return nil, groupNotFound(id.Group)
	}
	return nil, notFound(id)
}

// editHolder changes the head of a holder at once, whatever operation it waits for: ARM keeps tags and locks beside the resource.
func (f *Front) editHolder(c *call, id resource.ID, edit func(d *draft, h *resource.Head) error) (*resource.Head, error) {
	var done *resource.Head
	err := f.order(c, id.Subscription, nil, func(d *draft) error {
		found, err := d.needHolder(id)
		if err != nil {
			return err
		}
		if found.Head().State == resource.Deleting {
			return refuse(http.StatusConflict, "ResourceBeingDeleted", "'%s' is being deleted.", found.Head().ID)
		}
		o := resource.Clone(found)
		if err := edit(d, o.Head()); err != nil {
			return err
		}
		done = o.Head()
		d.put(o)
		return nil
	})
	return done, err
}

// readHolder reads the head of a holder.
func (f *Front) readHolder(c *call, id resource.ID) (*resource.Head, error) {
	if id.Group == "" {
		os, err := f.cfg.Store.List(c.ctx, resource.KindSubscription, id)
		if err != nil {
			return nil, err
		}
		if len(os) > 0 {
			return os[0].Head(), nil
		}
		o, err := f.emptyHolder(id, false)
		return o.Head(), err
	}
	o, err := load[resource.Object](f, c, id)
	if err != nil {
		return nil, err
	}
	return o.Head(), nil
}
