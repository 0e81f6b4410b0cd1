package arm

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"onramp/control/store"
	"onramp/resource"
)

const (
	authorizationNamespace = "Microsoft.Authorization"
	lockActions            = authorizationNamespace + "/locks/"
)

type lockWire struct {
	ID         string     `json:"id,omitempty"`
	Name       string     `json:"name,omitempty"`
	Type       string     `json:"type,omitempty"`
	Properties *lockProps `json:"properties,omitempty"`
}

type lockProps struct {
	Level resource.LockLevel `json:"level,omitempty"`
	Notes string             `json:"notes,omitempty"`
}

func lockOut(holder resource.ID, l resource.Lock) lockWire {
	return lockWire{ID: holder.String() + "/providers/" + authorizationNamespace + "/locks/" + l.Name, Name: l.Name,
		Type: authorizationNamespace + "/locks", Properties: &lockProps{l.Level, l.Notes}}
}

func lockIndex(h *resource.Head, name string) int {
	return slices.IndexFunc(h.Locks, func(l resource.Lock) bool { return strings.EqualFold(l.Name, name) })
}

func putLock(f *Front, c *call) (answer, error) {
	var in lockWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	if in.Properties == nil {
		in.Properties = &lockProps{}
	}
	l := resource.Lock{Name: c.params["lock"], Level: pick(string(in.Properties.Level), resource.CanNotDelete, resource.ReadOnly), Notes: in.Properties.Notes}
	switch {
	case l.Level != resource.CanNotDelete && l.Level != resource.ReadOnly:
		return answer{}, badField("properties.level", "InvalidLockLevel", "'%s' is no level of a lock; want CanNotDelete or ReadOnly.", l.Level)
	case len(l.Notes) > 512:
		return answer{}, badField("properties.notes", "InvalidLockNotes", "The notes have %d characters; 512 are allowed.", len(l.Notes))
	}
	if err := resource.CheckName("", l.Name, "name"); err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	h, err := f.editHolder(c, c.holder(), func(_ *draft, h *resource.Head) error {
		if status = http.StatusOK; lockIndex(h, l.Name) < 0 {
			if len(h.Locks) >= 20 {
				return refuse(http.StatusBadRequest, "LockLimitExceeded", "'%s' has %d locks; 20 are allowed.", h.ID, len(h.Locks))
			}
			status = http.StatusCreated
			h.Locks = append(h.Locks, resource.Lock{})
			h.Locks[len(h.Locks)-1].Name = l.Name
		}
		h.Locks[lockIndex(h, l.Name)] = l
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: status, body: lockOut(h.ID, l)}, nil
}

func getLock(f *Front, c *call) (answer, error) {
	h, err := f.readHolder(c, c.holder())
	if err != nil {
		return answer{}, err
	}
	i := lockIndex(h, c.params["lock"])
	if i < 0 {
		return answer{}, refuse(http.StatusNotFound, "LockNotFound", "The lock '%s' could not be found at scope '%s'.", c.params["lock"], h.ID)
	}
	return ok(lockOut(h.ID, h.Locks[i])), nil
}

func deleteLock(f *Front, c *call) (answer, error) {
	status := http.StatusOK
	_, err := f.editHolder(c, c.holder(), func(_ *draft, h *resource.Head) error {
		i := lockIndex(h, c.params["lock"])
		if status = http.StatusOK; i < 0 {
			status = http.StatusNoContent
			return nil
		}
		h.Locks = slices.Delete(h.Locks, i, i+1)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: status}, nil
}

// listLocks answers the locks of a scope and of everything in it.
func listLocks(f *Front, c *call) (answer, error) {
	scope := c.holder()
	if _, err := f.readHolder(c, scope); err != nil {
		return answer{}, err
	}
	snap, err := f.cfg.Store.Snapshot(c.ctx)
	if err != nil {
		return answer{}, err
	}
	rows := []lockWire{}
	for _, kind := range resource.Kinds() {
		for _, o := range snap.Objects[kind] {
			h := o.Head()
			if !inside(h.ID, scope) || len(scope.Names) > 0 && !h.ID.Equal(scope) {
				continue
			}
			for _, l := range h.Locks {
				rows = append(rows, lockOut(h.ID, l))
			}
		}
	}
	return ok(listOf(rows)), nil
}

// unlocked refuses a write that a lock forbids: one of the resource, of its group or of its subscription.
func (f *Front) unlocked(c *call) error {
	verb := lockedVerb(c)
	if verb == "" || c.params["subscription"] == "" {
		return nil
	}
	target := c.target()
	scopes := []resource.ID{{Subscription: target.Subscription}}
	if target.Group != "" {
		scopes = append(scopes, target.GroupID())
	}
	if len(target.Names) > 0 {
		scopes = append(scopes, target.Root())
	}
	for _, id := range scopes {
		o, err := f.cfg.Store.Get(c.ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := locked(o, target, verb); err != nil {
			return err
		}
	}
	return nil
}

// lockedVerb is "write" or "delete" when locks may forbid the call; locks themselves can always be changed.
func lockedVerb(c *call) string {
	switch {
	case strings.HasPrefix(c.route.Action, lockActions), strings.HasSuffix(c.route.Action, "/read"):
		return ""
	case c.r.Method == http.MethodDelete:
		return "delete"
	}
	return "write"
}

// locked refuses what a lock on o forbids to be done to target.
func locked(o resource.Object, target resource.ID, verb string) error {
	for _, l := range o.Head().Locks {
		if l.Level == resource.ReadOnly || verb == "delete" {
			return refuse(http.StatusConflict, "ScopeLocked", "The scope '%s' cannot perform %s operation because following scope(s) are locked: '%s'. "+
				"Please remove the lock and try again.", target, verb, o.Head().ID)
		}
	}
	return nil
}

// target is what a call's path names; of an action, what the action is done to.
func (c *call) target() resource.ID {
	path := c.r.URL.Path
	id, err := resource.ParseID(path)
	for err != nil && path != "" { // an action's name makes no pair
		path = path[:max(strings.LastIndex(path, "/"), 0)]
		id, err = resource.ParseID(path)
	}
	for i, t := range id.Types { // an extension such as tags is about what it extends
		if strings.EqualFold(t, "providers") {
			id.Types, id.Names = id.Types[:i], id.Names[:i]
			break
		}
	}
	if strings.EqualFold(id.Namespace, authorizationNamespace) || strings.EqualFold(id.Namespace, resourcesNamespace) && len(id.Types) > 0 && strings.EqualFold(id.Types[0], "tags") {
		id.Namespace, id.Types, id.Names = "", nil, nil
	}
	return id
}
