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
	Time     time.Time
	Applied  int64
	Problem  string
	DataPath string
	Ports    []struct {
		Name, Mode, MAC string
		Up              bool
	}
	Sessions []struct {
		Name, State, LocalAddr, PeerAddr, LastError string
		Since                                       time.Time
		PeerAS                                      uint32
		Received, Advertised                        int
	}
	Attachments []struct {
		Name                                     string
		InPackets, InBytes, OutPackets, OutBytes uint64
	}
	Policers []struct {
		Name                      string
		PassedBytes, DroppedBytes uint64
		DroppedPackets            uint64
	}
	Drops []struct {
		Reason  string
		Packets uint64
	}
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
			return describeFields(s, raw, v.fields())
		},
	}
}

// fields describes a node.
func (v nodeView) fields() []field {
	fields := []field{{"name", v.Name}, {"role", v.Role}, {"connected", map[bool]string{true: "yes", false: "NO"}[v.Connected]}, {"plan", fmt.Sprint(v.Generation)}}
	r := v.Report
	if r == nil {
		return append(fields, field{"report", "none yet"})
	}
	fields = append(fields, field{"applied", fmt.Sprint(r.Applied)}, field{"problem", r.Problem}, field{"data path", r.DataPath},
		field{"reported", r.Time.UTC().Format(time.RFC3339)})
	for _, p := range r.Ports {
		fields = append(fields, field{"port " + p.Name, fmt.Sprintf("%s  %s  %s", map[bool]string{true: "up", false: "DOWN"}[p.Up], p.Mode, p.MAC)})
	}
	for _, x := range r.Sessions {
		fields = append(fields, field{"session " + x.Name, fmt.Sprintf("%s AS%d  %s  in %d out %d  %s", x.PeerAddr, x.PeerAS, x.State, x.Received, x.Advertised, x.LastError)})
	}
	for _, a := range r.Attachments {
		fields = append(fields, field{"attachment " + a.Name, fmt.Sprintf("in %d packets %d bytes  out %d packets %d bytes", a.InPackets, a.InBytes, a.OutPackets, a.OutBytes)})
	}
	for _, p := range r.Policers {
		fields = append(fields, field{"policer " + p.Name, fmt.Sprintf("passed %d bytes  dropped %d bytes %d packets", p.PassedBytes, p.DroppedBytes, p.DroppedPackets)})
	}
	for _, d := range r.Drops {
		fields = append(fields, field{"drops " + d.Reason, fmt.Sprint(d.Packets)})
	}
	return fields
}
