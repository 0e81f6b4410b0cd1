package plan

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"
)

// Errors of queries to handle.
var (
	ErrUnknownNode = errors.New("no such node")
	ErrNodeAway    = errors.New("the node is not connected")
)

const (
	nextWait    = 25 * time.Second // how long Next waits for work
	awayAfter   = 60 * time.Second // a node silent for so long is taken for gone
	aheadLimit  = 60 * time.Second // a node ahead for so long has its plan from a store that is no more
	historySize = 1024             // changes of plans remembered for Waiting
)

// Hub is control's end of the lines to the nodes: it keeps the newest plan and the newest report of each node, and carries queries.
//
// A node's plan gets a new Generation, the store revision it was compiled from, only when its content changed. After a restart of control
// the first SetPlans has nothing to compare with and gives every plan the revision at hand; nodes apply the same content again, which
// changes nothing. Each plan is handed out once per Hub even to a node that says it has the generation, because a newer compiler may have
// made something else of the same revision.
//
// A node that has a generation beyond the Hub's is left alone for a minute: another replica of control may be ahead. After that the store
// must have been restored or made anew, and the node's plan is renumbered beyond what the node has.
//
// Safe for concurrent use. A Hub has no goroutines and needs no closing.
type Hub struct {
	mu      sync.Mutex
	nodes   map[string]*hubNode
	changes []change // ascending by rev, bounded
	rev     int64    // of the newest SetPlans
	subs    map[chan struct{}]bool
}

type hubNode struct {
	plan     *Node  // nil: not in the fabric (yet)
	report   Report // zero Time: none yet
	sent     int64  // generation handed out last by this Hub
	seen     time.Time
	ahead    time.Time     // since when the node has had a generation beyond its plan; zero: it has not
	waiting  int           // calls of Next that wait now
	wake     chan struct{} // closed and renewed when there is work
	queries  []Query       // to be handed out
	answered map[string]chan Answer
}

// change is one SetPlans that changed something.
type change struct {
	rev   int64
	nodes map[string]int64 // node → the generation it got
}

// NewHub makes a Hub without plans.
func NewHub() *Hub { return &Hub{nodes: map[string]*hubNode{}, subs: map[chan struct{}]bool{}} }

// node finds or makes a node's entry; nodes may call before their plan is there.
func (h *Hub) nodeLocked(name string) *hubNode {
	n := h.nodes[name]
	if n == nil {
		n = &hubNode{wake: make(chan struct{}), answered: map[string]chan Answer{}}
		h.nodes[name] = n
	}
	return n
}

func (n *hubNode) wakeUp() {
	close(n.wake)
	n.wake = make(chan struct{})
}

// SetPlans replaces all plans by those compiled at store revision rev. The nodes' Generations are the Hub's: it overwrites what is in
// them. Nodes that are not in plans are forgotten, and keep their last plan. Revisions older than the newest are ignored.
func (h *Hub) SetPlans(plans map[string]Node, rev int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if rev < h.rev {
		return
	}
	h.rev = rev
	changed := map[string]int64{}
	for name, p := range plans {
		if g, new := h.setPlanLocked(name, p, rev); new {
			changed[name] = g
		}
	}
	for name, n := range h.nodes {
		if _, there := plans[name]; !there && n.plan != nil {
			n.plan, n.sent = nil, 0
		}
	}
	h.rememberLocked(rev, changed)
	h.signalLocked()
}

func (h *Hub) rememberLocked(rev int64, changed map[string]int64) {
	if last := len(h.changes) - 1; last >= 0 && h.changes[last].rev == rev {
		maps.Copy(h.changes[last].nodes, changed)
		return
	}
	if len(changed) > 0 {
		h.changes = append(h.changes, change{rev, changed})
		h.changes = h.changes[max(0, len(h.changes)-historySize):]
	}
}

func (h *Hub) setPlanLocked(name string, p Node, rev int64) (generation int64, changed bool) {
	n := h.nodeLocked(name)
	p.Generation = rev
	if n.plan != nil {
		if p.Generation = n.plan.Generation; reflect.DeepEqual(p, *n.plan) {
			return 0, false
		}
		p.Generation = max(rev, n.plan.Generation+1)
	}
	n.plan = &p
	n.wakeUp()
	return p.Generation, true
}

// Plan is a node's newest plan.
func (h *Hub) Plan(name string) (Node, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.nodes[name]
	if n == nil || n.plan == nil {
		return Node{}, false
	}
	return *n.plan, true
}

// Live reports whether everything stored at revision rev is true on the nodes.
func (h *Hub) Live(rev int64) bool {
	waiting, known := h.waiting(rev)
	return known && len(waiting) == 0
}

// Waiting lists the nodes that have not applied yet what the store's revision rev asks of them, sorted. Only nodes whose plan changed by
// the first compilation at rev or later count, so that a dead node holds up nothing that is not its business. It is empty, too, when
// nothing was compiled at rev yet: ask Live.
func (h *Hub) Waiting(rev int64) []string {
	w, _ := h.waiting(rev)
	return w
}

func (h *Hub) waiting(rev int64) (nodes []string, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rev < rev {
		return nil, false
	}
	for name, generation := range h.concernedLocked(rev) {
		n := h.nodes[name]
		if n == nil || n.plan == nil {
			continue
		}
		if a := n.report.Applied; a < generation || a > n.plan.Generation {
			nodes = append(nodes, name)
		}
	}
	slices.Sort(nodes)
	return nodes, true
}

// concernedLocked is who must have applied which generation for rev to be live. The first compilation at rev or later has seen all that
// rev wrote. Where history is too short to tell, every node counts.
func (h *Hub) concernedLocked(rev int64) map[string]int64 {
	if len(h.changes) == historySize && rev < h.changes[0].rev {
		all := map[string]int64{}
		for name, n := range h.nodes {
			if n.plan != nil && n.plan.Generation >= rev {
				all[name] = rev
			}
		}
		return all
	}
	i := slices.IndexFunc(h.changes, func(c change) bool { return c.rev >= rev })
	if i < 0 {
		return nil
	}
	return h.changes[i].nodes
}

// Reports are the newest reports of all nodes that have sent one, by node.
func (h *Hub) Reports() map[string]Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]Report{}
	for name, n := range h.nodes {
		if !n.report.Time.IsZero() {
			all[name] = n.report
		}
	}
	return all
}

// Report is the newest report of one node.
func (h *Hub) Report(name string) (Report, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.nodes[name]
	if n == nil || n.report.Time.IsZero() {
		return Report{}, false
	}
	return n.report, true
}

// Nodes lists the nodes with plans, sorted.
func (h *Hub) Nodes() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := slices.Collect(maps.Keys(h.nodes))
	names = slices.DeleteFunc(names, func(n string) bool { return h.nodes[n].plan == nil })
	slices.Sort(names)
	return names
}

// Changed signals, coalesced, after a report came in or plans changed; it carries nothing: readers read everything. The channel closes
// with ctx.
func (h *Hub) Changed(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[ch] = true
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, ch)
		close(ch)
	})
	return ch
}

func (h *Hub) signalLocked() {
	for ch := range h.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// Query asks a node and waits for its answer until ctx ends. The query's ID is the Hub's to choose. Errors: ErrUnknownNode, ErrNodeAway,
// those of ctx, and what the node says.
func (h *Hub) Query(ctx context.Context, node string, q Query) (Answer, error) {
	q.ID = rand.Text()
	reply, err := h.ask(node, q)
	if err != nil {
		return Answer{}, err
	}
	defer h.forget(node, q.ID)
	select {
	case a := <-reply:
		if a.Error != "" {
			return a, fmt.Errorf("query %s of node %s: %s", q.Kind, node, a.Error)
		}
		return a, nil
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("query %s of node %s: %w", q.Kind, node, ctx.Err())
	}
}

func (h *Hub) ask(node string, q Query) (<-chan Answer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.nodes[node]
	if n == nil {
		return nil, fmt.Errorf("query node %q: %w", node, ErrUnknownNode)
	}
	if n.waiting == 0 && time.Since(n.seen) > awayAfter {
		return nil, fmt.Errorf("query node %q: %w", node, ErrNodeAway)
	}
	reply := make(chan Answer, 1)
	n.answered[q.ID] = reply
	n.queries = append(n.queries, q)
	n.wakeUp()
	return reply, nil
}

// forget drops a query that nobody waits for any more.
func (h *Hub) forget(node, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.nodes[node]; n != nil {
		delete(n.answered, id)
		n.queries = slices.DeleteFunc(n.queries, func(q Query) bool { return q.ID == id })
	}
}

// Link is the node's end of the line without a wire between: the memory twin of Client.
func (h *Hub) Link(node string) Link { return hubLink{h, node} }

type hubLink struct {
	hub  *Hub
	node string
}

// Next waits for work, at most 25 s.
func (l hubLink) Next(ctx context.Context, have int64) (Work, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, nextWait, errWaited)
	defer cancel()
	for {
		w, wake := l.hub.take(l.node, have)
		if w.Plan != nil || len(w.Queries) > 0 {
			l.hub.left(l.node)
			return w, nil
		}
		select {
		case <-wake:
			l.hub.left(l.node)
		case <-ctx.Done():
			l.hub.left(l.node)
			if context.Cause(ctx) == errWaited {
				return Work{}, nil
			}
			return Work{}, fmt.Errorf("wait for work of node %s: %w", l.node, ctx.Err())
		}
	}
}

var errWaited = errors.New("waited long enough")

// take takes what there is to do for a node; where there is nothing, wake closes when there is. The caller must call left afterwards.
func (h *Hub) take(node string, have int64) (w Work, wake <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.nodeLocked(node)
	n.waiting++
	h.catchUpLocked(node, n, have)
	if p := n.plan; p != nil && have <= p.Generation && (have < p.Generation || n.sent < p.Generation) {
		w.Plan, n.sent = p, p.Generation
	}
	w.Queries, n.queries = n.queries, nil
	return w, n.wake
}

// catchUpLocked renumbers the plan of a node that has been ahead for too long.
func (h *Hub) catchUpLocked(name string, n *hubNode, have int64) {
	switch {
	case n.plan == nil || have <= n.plan.Generation:
		n.ahead = time.Time{}
		return
	case n.ahead.IsZero():
		n.ahead = time.Now()
		return
	case time.Since(n.ahead) < aheadLimit:
		return
	}
	p := *n.plan
	p.Generation = have + 1
	n.plan, n.ahead = &p, time.Time{}
	for _, c := range h.changes {
		if _, concerned := c.nodes[name]; concerned {
			c.nodes[name] = p.Generation
		}
	}
}

func (h *Hub) left(node string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.nodeLocked(node)
	n.waiting--
	n.seen = time.Now()
}

// Report takes the node's newest report.
func (l hubLink) Report(_ context.Context, r Report) error {
	if r.Node != l.node {
		return fmt.Errorf("report of node %q came from node %q", r.Node, l.node)
	}
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	n := l.hub.nodeLocked(l.node)
	n.report, n.seen = r, time.Now()
	l.hub.signalLocked()
	return nil
}

// Answer takes the answer to a query; one that nobody waits for any more is dropped.
func (l hubLink) Answer(_ context.Context, a Answer) error {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	n := l.hub.nodeLocked(l.node)
	n.seen = time.Now()
	if reply := n.answered[a.ID]; reply != nil {
		delete(n.answered, a.ID)
		reply <- a
	}
	return nil
}
