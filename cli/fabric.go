package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"onramp/resource"
)

// fabricNoun is the operator's inventory.
func fabricNoun() noun {
	return noun{name: "fabric", short: "The operator's inventory: regions, locations, providers, nodes, principals", role: "operator", verbs: []verb{
		fabricApply(), fabricShow(),
	}}
}

// ReadFabric reads an inventory file. A lab file serves too: its fabric section is taken.
func ReadFabric(path string) (*resource.Fabric, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read fabric: %w", err)
	}
	var lab struct {
		Fabric *resource.Fabric `yaml:"fabric"`
	}
	if err := yaml.Unmarshal(b, &lab); err == nil && lab.Fabric != nil {
		return lab.Fabric, nil
	}
	var f resource.Fabric
	if err := yaml.UnmarshalWithOptions(b, &f, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("fabric %s: %w", path, err)
	}
	return &f, nil
}

// fabricApply replaces the inventory.
func fabricApply() verb {
	return verb{
		use: "apply FILE", short: "Replace the inventory by a file, whole; it is checked before anything changes", args: [2]int{1, 1},
		example: "  onramp fabric apply fabric.yaml\n  onramp fabric apply labs/first-circuit.yaml",
		run: func(ctx context.Context, s *session, args []string) error {
			f, err := ReadFabric(args[0])
			if err != nil {
				return err
			}
			body, err := yaml.MarshalWithOptions(f, yaml.JSON())
			if err != nil {
				return fmt.Errorf("encode fabric: %w", err)
			}
			if err := s.call(ctx, http.MethodPut, fabricPath, body, "application/json", nil); err != nil {
				return err
			}
			fmt.Fprintf(s.out, "fabric applied: %d nodes, %d locations, %d providers\n", len(f.Nodes), len(f.Locations), len(f.Providers))
			return nil
		},
	}
}

// fabricShow prints the inventory.
func fabricShow() verb {
	return verb{
		use: "show", short: "Show the inventory", example: "  onramp fabric show\n  onramp fabric show -o json",
		run: func(ctx context.Context, s *session, _ []string) error {
			var raw json.RawMessage
			if err := s.call(ctx, http.MethodGet, fabricPath, nil, "", &raw); err != nil {
				return err
			}
			var f resource.Fabric
			if err := json.Unmarshal(raw, &f); err != nil {
				return fmt.Errorf("read fabric: %w", err)
			}
			return describeFields(s, raw, fabricFields(&f))
		},
	}
}

// fabricFields describes an inventory.
func fabricFields(f *resource.Fabric) []field {
	var fields []field
	for _, r := range f.Regions {
		fields = append(fields, field{"region " + r.Name, fmt.Sprintf("gateways %s  hosts %s", strings.Join(r.Gateways, ","), strings.Join(r.Hosts, ","))})
	}
	for _, l := range f.Locations {
		fields = append(fields, field{"location " + l.Name, fmt.Sprintf("edges %s %s", l.Primary, l.Secondary)})
	}
	for _, p := range f.Providers {
		for _, pp := range p.PortPairs {
			fields = append(fields, field{"provider " + p.Name, fmt.Sprintf("%s at %s: %s %s, %s", pp.Name, pp.Location, pp.Primary, pp.Secondary, mbps(int32(pp.BandwidthMbps)))})
		}
	}
	for _, n := range f.Nodes {
		fields = append(fields, field{"node " + n.Name, fmt.Sprintf("%s, %d ports", n.Role, len(n.Ports))})
	}
	for _, p := range f.Principals {
		fields = append(fields, field{"principal " + p.Name, p.Role})
	}
	return fields
}
