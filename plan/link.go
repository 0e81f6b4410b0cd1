package plan

import (
	"context"
	"net/netip"
)

// Link is the node's end of the line to control. The node always calls; control never dials a node, so that nodes may sit behind
// firewalls and in namespaces. Twins: Client (HTTP, Unix socket or TLS) and a memory one beside Hub.
type Link interface {
	// Next waits for work: a plan newer than have, or queries. It returns an empty Work when the wait is over (tens of seconds). After
	// a restart of control a plan may come once more with the generation the node has; it must be applied, the content may differ.
	Next(ctx context.Context, have int64) (Work, error)
	// Report posts the newest observation; control keeps only the last.
	Report(ctx context.Context, r Report) error
	// Answer posts the answer to a query of a Work.
	Answer(ctx context.Context, a Answer) error
}

// Work is what control wants of a node now.
type Work struct {
	Plan    *Node   // nil: no newer plan
	Queries []Query // to be answered each, once
}

// Query asks for tables too large or too seldom read for the report.
type Query struct {
	ID      string
	Kind    string // "routes" (a domain's table), "advertised" (what was announced to Session), "received" (Adj-RIB-In of Session)
	Domain  string
	Session string
	Limit   int        // rows; 0: all
	Longest netip.Addr // only the routes that cover this address; invalid: all
}

// Answer answers one Query.
type Answer struct {
	ID     string
	Routes []Route
	Error  string // "" when answered
}
