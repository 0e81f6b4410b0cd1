package arm

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"onramp/resource"
)

type groupWire struct {
	ID         string            `json:"id,omitempty"`
	Name       string            `json:"name,omitempty"`
	Type       string            `json:"type,omitempty"`
	Location   *string           `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties *groupProps       `json:"properties,omitempty"`
}

type groupProps struct {
	ProvisioningState resource.ProvisioningState `json:"provisioningState,omitempty"`
}

func groupOut(g *resource.Group) groupWire {
	return groupWire{ID: g.Meta.ID.String(), Name: g.Meta.ID.Group, Type: "Microsoft.Resources/resourceGroups", Location: &g.Meta.Location,
		Tags: g.Meta.Tags, Properties: &groupProps{g.Meta.State}}
}

// putGroup is synchronous, as ARM's is.
func putGroup(f *Front, c *call) (answer, error) {
	var in groupWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	id := c.scope()
	if err := resource.CheckName(resource.KindGroup, id.Group, "name"); err != nil {
		return answer{}, err
	}
	var done *resource.Group
	status := http.StatusOK
	err := f.order(c, id.Subscription, nil, func(d *draft) error {
		old, _ := d.find(id).(*resource.Group)
		status, done = http.StatusOK, &resource.Group{Meta: newHead(id, "")}
		if old == nil {
			status = http.StatusCreated
		} else {
			if _, err := d.needGroup(id); err != nil {
				return err
			}
			done = resource.Clone(old)
		}
		if err := (headWire{Location: in.Location, Tags: in.Tags}).apply(&done.Meta, old != nil); err != nil {
			return err
		}
		if d.world.Fabric.Region(done.Meta.Location) == nil && old == nil {
			return badField("location", "LocationNotAvailableForResourceGroup", "The provided location '%s' is not available for resource group.", done.Meta.Location)
		}
		d.put(done)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: status, body: groupOut(done)}, nil
}

// patchGroup replaces the tags.
func patchGroup(f *Front, c *call) (answer, error) {
	var in groupWire
	if err := decode(c.body, &in); err != nil {
		return answer{}, err
	}
	id := c.scope()
	var done *resource.Group
	err := f.order(c, id.Subscription, nil, func(d *draft) error {
		g, err := d.needGroup(id)
		if err != nil {
			return err
		}
		done = resource.Clone(g)
		if in.Tags != nil {
			if err := setTags(&done.Meta, in.Tags); err != nil {
				return err
			}
		}
		d.put(done)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return ok(groupOut(done)), nil
}

func getGroup(f *Front, c *call) (answer, error) {
	g, err := load[*resource.Group](f, c, c.scope())
	if err != nil {
		return answer{}, err
	}
	return ok(groupOut(g)), nil
}

func headGroup(f *Front, c *call) (answer, error) {
	_, err := load[*resource.Group](f, c, c.scope())
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func listGroups(f *Front, c *call) (answer, error) {
	os, err := f.cfg.Store.List(c.ctx, resource.KindGroup, c.scope())
	if err != nil {
		return answer{}, err
	}
	want, err := parseFilter(c.query("$filter"))
	if err != nil {
		return answer{}, err
	}
	rows := []groupWire{}
	for _, o := range os {
		if want.matches(o.Head(), "Microsoft.Resources/resourceGroups") {
			rows = append(rows, groupOut(o.(*resource.Group)))
		}
	}
	return ok(listOf(rows)), nil
}

// members are the objects in a group, those first that must go first.
func (d *draft) members(group resource.ID) []resource.Object {
	var all []resource.Object
	for _, o := range d.all {
		if id := o.Head().ID; len(id.Names) > 0 && inside(id, group) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b resource.Object) int {
		if n := cmp.Compare(resource.DeletionRank(a.Kind()), resource.DeletionRank(b.Kind())); n != 0 {
			return n
		}
		return cmp.Compare(a.Head().ID.Key(), b.Head().ID.Key())
	})
	return all
}

// deleteGroup starts the deletion of the group with everything in it, or refuses: each member must be one that could be deleted once those
// before it are. Only the group is marked here; whoever completes operations empties it first (a group may be larger than a transaction).
func deleteGroup(f *Front, c *call) (answer, error) {
	id := c.scope()
	op := c.newOperation("delete", id, "")
	err := f.order(c, id.Subscription, op, func(d *draft) error {
		g, _ := d.find(id).(*resource.Group)
		if g == nil {
			return groupNotFound(id.Group)
		}
		op.Resource, op.Location = g.Meta.ID, g.Meta.Location
		for _, o := range d.members(id) {
			if err := errors.Join(d.free(o), locked(o, id, "delete"), d.canDrop(o)); err != nil {
				return err
			}
			d.remove(o)
		}
		return d.write(resource.Clone(g), resource.Deleting)
	})
	if err != nil {
		return answer{}, err
	}
	a := c.accepted(op, http.StatusAccepted, nil)
	delete(a.header, "Azure-AsyncOperation") // ARM gives a group's deletion a Location only
	return a, nil
}

// canDrop checks that one member of a group may go.
func (d *draft) canDrop(o resource.Object) error {
	switch v := o.(type) {
	case *resource.Gateway:
		return d.world.CheckGatewayDelete(v)
	case *resource.Circuit:
		return d.world.CheckCircuitDelete(v)
	case *resource.Network:
		return d.world.CheckNetworkDelete(v)
	case *resource.PublicAddress:
		return d.world.CheckPublicAddressDelete(v)
	case *resource.CrossConnection:
		return refuse(http.StatusConflict, "OperationNotAllowed", "The cross connection '%s' goes with its circuit; it cannot be deleted.", v.Meta.ID.Name())
	}
	return nil
}

// remove takes an object out of the draft's world, for the checks of those that are dropped after it.
func (d *draft) remove(o resource.Object) {
	rest := map[resource.Kind][]resource.Object{}
	for _, other := range d.all {
		if other != o && !d.removed[other] {
			rest[other.Kind()] = append(rest[other.Kind()], other)
		}
	}
	if d.removed == nil {
		d.removed = map[resource.Object]bool{}
	}
	d.removed[o] = true
	d.world = resource.NewWorld(rest, d.world.Open)
}
