package arm

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"

	"onramp/resource"
)

const resourcesNamespace = "Microsoft.Resources"

// tagsResource is Microsoft.Resources/tags: the tags of a subscription, a group or a resource as a resource of their own.
type tagsResource struct {
	ID         string   `json:"id,omitempty"`
	Name       string   `json:"name,omitempty"`
	Type       string   `json:"type,omitempty"`
	Operation  string   `json:"operation,omitempty"` // of a PATCH
	Properties tagsWire `json:"properties"`
}

func tagsOut(h *resource.Head) answer {
	tags := h.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return ok(tagsResource{ID: h.ID.String() + "/providers/" + resourcesNamespace + "/tags/default", Name: "default",
		Type: resourcesNamespace + "/tags", Properties: tagsWire{tags}})
}

func getTags(f *Front, c *call) (answer, error) {
	h, err := f.readHolder(c, c.holder())
	if err != nil {
		return answer{}, err
	}
	return tagsOut(h), nil
}

func putTags(f *Front, c *call) (answer, error) {
	var in tagsResource
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	return f.retag(c, func(map[string]string) (map[string]string, error) { return in.Properties.Tags, nil })
}

func deleteTags(f *Front, c *call) (answer, error) {
	a, err := f.retag(c, func(map[string]string) (map[string]string, error) { return nil, nil })
	a.body = nil
	return a, err
}

// patchTags adds to the tags, takes from them, or replaces them.
func patchTags(f *Front, c *call) (answer, error) {
	var in tagsResource
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	return f.retag(c, func(old map[string]string) (map[string]string, error) {
		switch strings.ToLower(in.Operation) {
		case "replace":
			return in.Properties.Tags, nil
		case "merge":
			return mergeTags(old, in.Properties.Tags), nil
		case "delete":
			return dropTags(old, in.Properties.Tags), nil
		}
		return nil, badField("operation", "InvalidTagPatchOperation", "'%s' is no operation on tags; want Replace, Merge or Delete.", in.Operation)
	})
}

// mergeTags adds tags to others; names are alike without case.
func mergeTags(old, more map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, old)
	for name, v := range more {
		for k := range all {
			if strings.EqualFold(k, name) {
				delete(all, k)
			}
		}
		all[name] = v
	}
	return all
}

// dropTags takes those away that have both the name and the value.
func dropTags(old, gone map[string]string) map[string]string {
	all := map[string]string{}
	for k, v := range old {
		keep := true
		for name, value := range gone {
			keep = keep && (!strings.EqualFold(k, name) || v != value)
		}
		if keep {
			all[k] = v
		}
	}
	return all
}

// retag replaces the tags of a holder. A resource gets them as by a PATCH of itself, because there tags may mean something.
func (f *Front) retag(c *call, edit func(map[string]string) (map[string]string, error)) (answer, error) {
	id := c.holder()
	if len(id.Names) == 0 {
		h, err := f.editHolder(c, id, func(_ *draft, h *resource.Head) error {
			tags, err := edit(h.Tags)
			if err != nil {
				return err
			}
			return setTags(h, tags)
		})
		if err != nil {
			return answer{}, err
		}
		return tagsOut(h), nil
	}
	var err error
	for range draftTries {
		var a answer
		a, err = f.retagResource(c, id, edit)
		var e *fault
		if !errors.As(err, &e) || e.Status != http.StatusPreconditionFailed {
			return a, err
		}
	}
	return answer{}, err
}

func (f *Front) retagResource(c *call, id resource.ID, edit func(map[string]string) (map[string]string, error)) (answer, error) {
	h, err := f.readHolder(c, id)
	if err != nil {
		return answer{}, err
	}
	tags, err := edit(h.Tags)
	if err != nil {
		return answer{}, err
	}
	if tags == nil {
		tags = map[string]string{}
	}
	body, err := json.Marshal(tagsWire{tags})
	if err != nil {
		return answer{}, err
	}
	if _, err := f.inner(c.ctx, c, http.MethodPatch, pathOf(h.ID), c.version, h.Etag, body); err != nil {
		return answer{}, err
	}
	if h, err = f.readHolder(c, id); err != nil {
		return answer{}, err
	}
	return tagsOut(h), nil
}
