package rib

import "net/netip"

// Listed is one path as a looking glass shows it.
type Listed struct {
	Prefix netip.Prefix
	Path   Path // a copy, with Stale set
	Best   bool // in use
}

// Query selects what List shows.
type Query struct {
	Source  *Source    // only its paths; nil: all
	Longest netip.Addr // only the prefixes that cover it, longest first; invalid: all, in order
	Limit   int        // rows; 0: all
}

// List shows paths, ordered by prefix and then by preference.
func (t *Table) List(q Query) []Listed {
	var out []Listed
	for _, p := range t.selected(q) {
		out = t.rows(p, q, out)
		if q.Limit > 0 && len(out) >= q.Limit {
			return out[:q.Limit]
		}
	}
	return out
}

func (t *Table) selected(q Query) []netip.Prefix {
	if q.Longest.IsValid() {
		return t.covering(q.Longest.Unmap())
	}
	return append(t.v4.sortedPrefixes(), t.v6.sortedPrefixes()...)
}

// covering are the prefixes of the table that contain a, longest first: one exact look-up per length.
func (t *Table) covering(a netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for bits := a.BitLen(); bits >= 0; bits-- {
		p, _ := a.WithZone("").Prefix(bits)
		if _, n := t.slots(p); n > 0 {
			out = append(out, p)
		}
	}
	return out
}

// slots loads the slots of a prefix, best first, with the number in use.
func (t *Table) slots(p netip.Prefix) (slots []slot, used int) {
	if p.Addr().Is4() {
		return slotsOf(t.v4, packV4(p))
	}
	return slotsOf(t.v6, packV6(p))
}

func slotsOf[K comparable](f *family[K], k K) (slots []slot, used int) {
	i, ok := f.find(k)
	if !ok {
		return nil, 0
	}
	return f.load(i, nil), int(f.at(i).used)
}

func (t *Table) rows(p netip.Prefix, q Query, out []Listed) []Listed {
	slots, used := t.slots(p)
	for i, s := range slots {
		r := t.in.record(s)
		if q.Source != nil && r.Source != q.Source {
			continue
		}
		l := Listed{Prefix: p, Path: r.Path, Best: i < used}
		l.Path.Stale = s.stale()
		out = append(out, l)
	}
	return out
}

// Best returns the used paths of exactly p, best first; nil when there are none.
func (t *Table) Best(p netip.Prefix) []*Path {
	slots, used := t.slots(p)
	var out []*Path
	for _, s := range slots[:used] {
		out = append(out, &t.in.record(s).Path)
	}
	return out
}
