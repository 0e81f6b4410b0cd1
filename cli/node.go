package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// nodeNoun is the operator's forwarding machines.
func nodeNoun() noun {
	return noun{name: "node", short: "Forwarding nodes: plan, report, sessions, counters by reason", role: "operator", verbs: []verb{nodeList(), nodeShow()}}
}

// nodeView is a node as control tells it. Fields that this command does not print are left to -o json.
type nodeView struct {
	Name       string
	Role       string
	Generation int64
	Connected  bool
	Report     *nodeReport
}

// nodeReport is the part of a node's report that is printed.
type nodeReport struct {
	Time        time.Time
	Applied     int64
	Problem     string
	DataPath    string
	Ports       []nodePort
	Sessions    []nodeSession
	Attachments []nodeAttachment
	Policers    []nodePolicer
	Drops       []nodeDrop
}

// nodePort is a port of a report.
type nodePort struct {
	Name, Mode, MAC string
	Up              bool
}

// nodeSession is a BGP session of a report.
type nodeSession struct {
	Name, State, PeerAddr, LastError string
	BFD                              string
	PeerAS                           uint32
	Received, Advertised             int
}

// nodeAttachment is the traffic of an attachment.
type nodeAttachment struct {
	Name                                     string
	InPackets, InBytes, OutPackets, OutBytes uint64
}

// nodePolicer is what a policer let through and dropped.
type nodePolicer struct {
	Name                                      string
	PassedBytes, DroppedBytes, DroppedPackets uint64
}

// nodeDrop is a drop counter.
type nodeDrop struct {
	Reason  string
	Packets uint64
}

// nodeList lists the nodes.
func nodeList() verb {
	return verb{
		use: "list", short: "List nodes with the plan they shall have and the one they have", example: "  onramp node list",
		run: func(ctx context.Context, s *session, _ []string) error {
			var raw struct {
				Value []json.RawMessage `json:"value"`
			}
			if err := s.call(ctx, http.MethodGet, nodesPath, nil, "", &raw); err != nil {
				return err
			}
			var views []nodeView
			for _, r := range raw.Value {
				var v nodeView
				if err := json.Unmarshal(r, &v); err != nil {
					return fmt.Errorf("read nodes: %w", err)
				}
				views = append(views, v)
			}
			return emit(s, raw.Value, columns[nodeView]{
				{"NAME", func(v nodeView) string { return v.Name }},
				{"ROLE", func(v nodeView) string { return v.Role }},
				{"CONNECTED", func(v nodeView) string { return map[bool]string{true: "yes", false: "NO"}[v.Connected] }},
				{"PLAN", func(v nodeView) string { return fmt.Sprint(v.Generation) }},
				{"APPLIED", func(v nodeView) string { return v.report(func(r *nodeReport) string { return fmt.Sprint(r.Applied) }) }},
				{"DATA PATH", func(v nodeView) string { return v.report(func(r *nodeReport) string { return r.DataPath }) }},
				{"SESSIONS", nodeView.sessions},
				{"PROBLEM", func(v nodeView) string { return v.report(func(r *nodeReport) string { return r.Problem }) }},
			}, views)
		},
	}
}

// report is a cell of the report; "" for a node that never reported.
func (v nodeView) report(cell func(*nodeReport) string) string {
	if v.Report == nil {
		return ""
	}
	return cell(v.Report)
}

// sessions is how many of the node's sessions are established.
func (v nodeView) sessions() string {
	return v.report(func(r *nodeReport) string {
		up := 0
		for _, s := range r.Sessions {
			if s.State == "Established" {
				up++
			}
		}
		return fmt.Sprintf("%d/%d up", up, len(r.Sessions))
	})
}

// nodeShow describes a node.
func nodeShow() verb {
	return verb{
		use: "show NAME", short: "Show a node's ports, sessions, counters and drops by reason (-o json: the plan too)", args: [2]int{1, 1},
		example: "  onramp node show edge1\n  onramp node show edge1 -o json",
		run: func(ctx context.Context, s *session, args []string) error {
			var raw json.RawMessage
			if err := s.call(ctx, http.MethodGet, nodesPath+"/"+url.PathEscape(args[0]), nil, "", &raw); err != nil {
				return err
			}
			var v nodeView
			if err := json.Unmarshal(raw, &v); err != nil {
				return fmt.Errorf("read node %s: %w", args[0], err)
			}
			if s.output == "json" {
				return s.json(raw)
			}
			return v.print(s)
		},
	}
}

// print prints a node: what it is, then a table for each kind of thing on it.
func (v nodeView) print(s *session) error {
	r := v.Report
	if r == nil {
		return describeFields(s, nil, append(v.fields(), field{"report", "none yet"}))
	}
	for _, err := range []error{
		describeFields(s, nil, v.fields()),
		section(s, columns[nodePort]{
			{"PORT", func(p nodePort) string { return p.Name }},
			{"STATE", func(p nodePort) string { return map[bool]string{true: "up", false: "DOWN"}[p.Up] }},
			{"XDP", func(p nodePort) string { return p.Mode }},
			{"MAC", func(p nodePort) string { return p.MAC }},
		}, r.Ports),
		section(s, columns[nodeSession]{
			{"SESSION", func(x nodeSession) string { return x.Name }},
			{"PEER", func(x nodeSession) string { return x.PeerAddr }},
			{"AS", func(x nodeSession) string { return fmt.Sprint(x.PeerAS) }},
			{"STATE", func(x nodeSession) string { return x.State }},
			{"BFD", func(x nodeSession) string { return x.BFD }},
			{"IN", func(x nodeSession) string { return fmt.Sprint(x.Received) }},
			{"OUT", func(x nodeSession) string { return fmt.Sprint(x.Advertised) }},
			{"LAST ERROR", func(x nodeSession) string { return x.LastError }},
		}, r.Sessions),
		section(s, columns[nodeAttachment]{
			{"ATTACHMENT", func(a nodeAttachment) string { return a.Name }},
			{"PACKETS IN", func(a nodeAttachment) string { return fmt.Sprint(a.InPackets) }},
			{"BYTES IN", func(a nodeAttachment) string { return fmt.Sprint(a.InBytes) }},
			{"PACKETS OUT", func(a nodeAttachment) string { return fmt.Sprint(a.OutPackets) }},
			{"BYTES OUT", func(a nodeAttachment) string { return fmt.Sprint(a.OutBytes) }},
		}, r.Attachments),
		section(s, columns[nodePolicer]{
			{"POLICER", func(p nodePolicer) string { return p.Name }},
			{"PASSED BYTES", func(p nodePolicer) string { return fmt.Sprint(p.PassedBytes) }},
			{"DROPPED BYTES", func(p nodePolicer) string { return fmt.Sprint(p.DroppedBytes) }},
			{"DROPPED PACKETS", func(p nodePolicer) string { return fmt.Sprint(p.DroppedPackets) }},
		}, r.Policers),
		section(s, columns[nodeDrop]{
			{"DROPPED FOR", func(d nodeDrop) string { return d.Reason }},
			{"PACKETS", func(d nodeDrop) string { return fmt.Sprint(d.Packets) }},
		}, r.Drops),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// section prints a table after an empty line; nothing when it has no rows.
func section[T any](s *session, cols columns[T], rows []T) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(s.out); err != nil {
		return err
	}
	return emit(s, nil, cols, rows)
}

// fields describes a node.
func (v nodeView) fields() []field {
	fields := []field{
		{"name", v.Name}, {"role", v.Role}, {"connected", map[bool]string{true: "yes", false: "NO"}[v.Connected]},
		{"plan", fmt.Sprint(v.Generation)},
	}
	if r := v.Report; r != nil {
		fields = append(fields, field{"applied", fmt.Sprint(r.Applied)}, field{"problem", r.Problem}, field{"data path", r.DataPath},
			field{"reported", r.Time.UTC().Format(time.RFC3339)})
	}
	return fields
}
