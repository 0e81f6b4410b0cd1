package arm

import (
	"context"
	"errors"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"onramp/control/store"
	"onramp/resource"
)

// draft is a write while it is prepared: what the world looks like, and the documents that shall replace those in it. Everything that is
// edited or added is written in one transaction with the operation, if nothing of it changed since the world was read.
type draft struct {
	f     *Front
	c     *call
	ctx   context.Context // the write's: it does not end with the client's patience
	world *resource.World
	all   map[string]resource.Object // the world's documents by key; read-only
	op    *store.Operation           // nil: the write is synchronous

	seen    map[string]int64 // revision per document of the transaction; 0: must not exist
	ids     []resource.ID
	puts    []resource.Object
	removed map[resource.Object]bool // of the world, while a group is emptied
}

var errStale = errors.New("world changed")

const draftTries = 16

// order prepares and commits a write: prepare gets a fresh draft, and again when somebody else was faster.
func (f *Front) order(c *call, sub string, op *store.Operation, prepare func(*draft) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), WriteTimeout/2)
	defer cancel()
	lock := f.orderLock(sub)
	select {
	case lock <- struct{}{}:
		defer func() { <-lock }()
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	for range draftTries {
		d, err := f.newDraft(ctx, c, op)
		if err != nil {
			return err
		}
		if err := prepare(d); err != nil {
			return err
		}
		if err := d.commit(ctx); !errors.Is(err, errStale) {
			return err
		}
	}
	return store.ErrConflict
}

// orderLock is the lock of a subscription's orders: who can put something in has it.
func (f *Front) orderLock(sub string) chan struct{} {
	h := fnv.New32a()
	h.Write([]byte(strings.ToLower(sub)))
	return f.orders[h.Sum32()%uint32(len(f.orders))]
}

func (f *Front) newDraft(ctx context.Context, c *call, op *store.Operation) (*draft, error) {
	snap, err := f.cfg.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	d := &draft{f: f, c: c, ctx: ctx, op: op, world: resource.NewWorld(snap.Objects, f.cfg.Store.Keyring().Open),
		all: map[string]resource.Object{}, seen: map[string]int64{}}
	for _, os := range snap.Objects {
		for _, o := range os {
			d.all[o.Head().ID.Key()] = o
		}
	}
	return d, nil
}

// find is the document of an id as the world has it, read-only; nil when it does not exist.
func (d *draft) find(id resource.ID) resource.Object { return d.all[id.Root().Key()] }

// watch makes a document, or its absence, a condition of the commit.
func (d *draft) watch(id resource.ID) {
	key := id.Root().Key()
	if _, known := d.seen[key]; known {
		return
	}
	d.seen[key] = 0
	if o := d.all[key]; o != nil {
		d.seen[key] = o.Head().Revision
	}
	d.ids = append(d.ids, id.Root())
}

// put makes a document part of the write; it must be the draft's own.
func (d *draft) put(o resource.Object) {
	d.watch(o.Head().ID)
	d.puts = append(d.puts, o)
}

// needGroup refuses a write into a resource group that does not exist or is being deleted.
func (d *draft) needGroup(id resource.ID) (*resource.Group, error) {
	g, _ := d.find(id.GroupID()).(*resource.Group)
	if g == nil {
		return nil, groupNotFound(id.Group)
	}
	if g.Meta.State == resource.Deleting {
		return nil, refuse(http.StatusConflict, "ResourceGroupBeingDeleted", "The resource group '%s' is in deprovisioning state and cannot perform this operation.", id.Group)
	}
	d.watch(id.GroupID())
	return g, nil
}

// write puts a document under the draft's operation, with a new state, and makes it part of the write. A document that another operation
// holds is refused.
func (d *draft) write(o resource.Object, state resource.ProvisioningState) error {
	if err := d.free(o); err != nil {
		return err
	}
	h := o.Head()
	h.State, h.Failure = state, nil
	if d.op != nil {
		h.Operation = d.op.ID
	}
	d.put(o)
	return nil
}

// free refuses a document that an operation holds.
func (d *draft) free(o resource.Object) error {
	h := o.Head()
	if h.Operation == "" {
		return nil
	}
	location := h.Location
	if location == "" {
		location = "global"
	}
	return refuse(http.StatusConflict, "AnotherOperationInProgress",
		"Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: %s",
		d.c.operationURL("operations", location, h.Operation))
}

// precondition checks If-Match and If-None-Match against what a call addresses; etag "": it does not exist. Etags in bodies are never
// conditions.
func (d *draft) precondition(etag string) error {
	want, not := d.c.r.Header.Get("If-Match"), d.c.r.Header.Get("If-None-Match")
	id := d.c.r.URL.Path
	if not != "" && etag != "" && (not == "*" || etagListed(not, etag)) {
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed", "The resource '%s' exists; If-None-Match is '%s'.", id, not)
	}
	if want == "" {
		return nil
	}
	if etag == "" {
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed", "The resource '%s' does not exist; If-Match is '%s'.", id, want)
	}
	if want != "*" && !etagListed(want, etag) {
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed", "The etag '%s' of If-Match is not the resource's, '%s'.", want, etag)
	}
	return nil
}

// etagOf is a document's etag; "" of none.
func etagOf(o resource.Object) string {
	if o == nil {
		return ""
	}
	return o.Head().Etag
}

// etagListed compares as Azure does: weak and strong alike.
func etagListed(header, etag string) bool {
	bare := func(s string) string { return strings.Trim(strings.TrimPrefix(strings.TrimSpace(s), "W/"), `"`) }
	for one := range strings.SplitSeq(header, ",") {
		if bare(one) == bare(etag) {
			return true
		}
	}
	return false
}

// claim takes a number for an owner. It is not given back when the write fails, because a write whose answer was lost may have happened:
// the same order gets the same number again.
func (d *draft) claim(space string, low, high int, owner resource.ID) (int, error) {
	n, err := d.f.cfg.Store.Claim(d.ctx, space, low, high, owner.Key())
	if err != nil {
		d.f.log.Warn("claim a number", "space", space, "owner", owner, "error", err)
	}
	return n, err
}

func (d *draft) commit(ctx context.Context) error {
	op := ""
	if d.op != nil {
		op = d.op.ID
	}
	return d.f.cfg.Store.Change(ctx, d.ids, op, func(tx *store.Tx) error {
		for _, id := range d.ids {
			o, err := tx.Get(id)
			switch {
			case errors.Is(err, store.ErrNotFound):
				if d.seen[id.Key()] != 0 {
					return errStale
				}
			case err != nil:
				return err
			case o.Head().Revision != d.seen[id.Key()]:
				return errStale
			}
		}
		for _, o := range d.puts {
			tx.Put(o)
		}
		if d.op != nil {
			tx.PutOperation(d.op)
		}
		return nil
	})
}

// newHead begins a document.
func newHead(id resource.ID, location string) resource.Head {
	return resource.Head{ID: id, Location: location, GUID: uuid.NewString(), Created: time.Now().UTC(), State: resource.Succeeded}
}
