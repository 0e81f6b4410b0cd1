package arm

import (
	"context"
	"net/http"
	"strings"

	"onramp/resource"
)

type arpWire struct {
	Age       int32  `json:"age"`
	Interface string `json:"interface"`
	IP        string `json:"ipAddress"`
	MAC       string `json:"macAddress"`
}

type routeWire struct {
	Network string `json:"network"`
	NextHop string `json:"nextHop"`
	LocPrf  string `json:"locPrf"`
	Weight  int32  `json:"weight"`
	Path    string `json:"path"`
}

type summaryWire struct {
	Neighbor string `json:"neighbor"`
	Version  int32  `json:"v"`
	AS       int64  `json:"as"`
	UpDown   string `json:"upDown"`
	State    string `json:"statePfxRcd"`
}

// crossSummaryWire is the provider's row: other names for the same.
type crossSummaryWire struct {
	Neighbor string `json:"neighbor"`
	ASN      int64  `json:"asn"`
	UpDown   string `json:"upDown"`
	State    string `json:"stateOrPrefixesReceived"`
}

type statsWire struct {
	PrimaryIn    int64 `json:"primarybytesIn"`
	PrimaryOut   int64 `json:"primarybytesOut"`
	SecondaryIn  int64 `json:"secondarybytesIn"`
	SecondaryOut int64 `json:"secondarybytesOut"`
}

// tableOf finds the circuit whose table a call asks for; a route of a cross connection names it by its service key.
type tableOf func(*Front, *call) (resource.ID, *resource.Circuit, error)

func ofCircuit(f *Front, c *call) (resource.ID, *resource.Circuit, error) {
	k, err := f.circuit(c)
	if err != nil {
		return resource.ID{}, nil, err
	}
	return k.Meta.ID, k, nil
}

func ofCross(f *Front, c *call) (resource.ID, *resource.Circuit, error) {
	x, k, err := f.crossed(c)
	if err != nil {
		return resource.ID{}, nil, err
	}
	return x.Meta.ID, k, nil
}

// table makes the handler of one kind of table of a peering on one path.
func table[T, W any](of tableOf, read func(Live) func(context.Context, *resource.Circuit, resource.PeeringType, string) ([]T, error), row func(T) W) handler {
	return func(f *Front, c *call) (answer, error) {
		id, k, err := of(f, c)
		if err != nil {
			return answer{}, err
		}
		path := strings.ToLower(c.params["path"])
		if path != "primary" && path != "secondary" {
			return answer{}, badField("devicePath", resource.CodeInvalidValue, "'%s' is no device path; want primary or secondary.", c.params["path"])
		}
		typ := peeringType(c.params["peering"])
		if k.Peering(typ) == nil {
			return answer{}, refuse(http.StatusBadRequest, "BgpPeeringNotFound", "The BGP Peering %s with Service Key %s is not found.", typ, k.Status.ServiceKey)
		}
		return f.action(c, id.Child("peerings", string(typ)), k.Meta.Location, func(ctx context.Context) (any, error) {
			rows, err := read(f.cfg.Live)(ctx, k, typ, path)
			if err != nil {
				return nil, err
			}
			out := []W{}
			for _, r := range rows {
				out = append(out, row(r))
			}
			return listOf(out), nil
		})
	}
}

func arpTable(of tableOf) handler {
	return table(of, func(l Live) func(context.Context, *resource.Circuit, resource.PeeringType, string) ([]ARPRow, error) {
		return l.ARP
	},
		func(r ARPRow) arpWire { return arpWire{int32(r.Age), r.Interface, r.IP, r.MAC} })
}

func routesTable(of tableOf) handler {
	return table(of, func(l Live) func(context.Context, *resource.Circuit, resource.PeeringType, string) ([]RouteRow, error) {
		return l.Routes
	},
		func(r RouteRow) routeWire { return routeWire{r.Network, r.NextHop, r.LocPrf, int32(r.Weight), r.Path} })
}

func summaryTable(of tableOf) handler {
	return table(of, func(l Live) func(context.Context, *resource.Circuit, resource.PeeringType, string) ([]SummaryRow, error) {
		return l.RoutesSummary
	}, func(r SummaryRow) summaryWire {
		return summaryWire{r.Neighbor, int32(r.Version), int64(r.AS), r.UpDown, r.StateOrPrefixes}
	})
}

func crossSummaryTable(of tableOf) handler {
	return table(of, func(l Live) func(context.Context, *resource.Circuit, resource.PeeringType, string) ([]SummaryRow, error) {
		return l.RoutesSummary
	}, func(r SummaryRow) crossSummaryWire {
		return crossSummaryWire{r.Neighbor, int64(r.AS), r.UpDown, r.StateOrPrefixes}
	})
}

// getStats answers the bytes of a circuit, or of one of its peerings.
func getStats(f *Front, c *call) (answer, error) {
	k, err := f.circuit(c)
	if err != nil {
		return answer{}, err
	}
	var typ resource.PeeringType
	if name := c.params["peering"]; name != "" {
		typ = peeringType(name)
		if k.Peering(typ) == nil {
			return answer{}, notFound(k.Meta.ID.Child("peerings", name))
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, f.cfg.OperationTimeout)
	defer cancel()
	s, err := f.cfg.Live.Stats(ctx, k, typ)
	if err != nil {
		return answer{}, liveFault(err)
	}
	return ok(statsWire{int64(s.PrimaryIn), int64(s.PrimaryOut), int64(s.SecondaryIn), int64(s.SecondaryOut)}), nil
}

// liveFault passes an error of Live on: it is for people.
func liveFault(err error) error {
	e := toFault(err)
	if e.Status == http.StatusInternalServerError {
		return refuse(http.StatusConflict, "QueryFailed", "%v", err)
	}
	return e
}

type findingWire struct {
	Layer    string `json:"layer"`
	Path     string `json:"path"`
	OK       bool   `json:"ok"`
	Expected string `json:"expected"`
	Seen     string `json:"seen"`
	Fix      string `json:"fix"`
}

// diagnose answers the layers of a circuit in order, expected against seen.
func diagnose(f *Front, c *call) (answer, error) {
	k, err := f.circuit(c)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, f.cfg.OperationTimeout)
	defer cancel()
	rows, err := f.cfg.Live.Diagnose(ctx, k)
	if err != nil {
		return answer{}, liveFault(err)
	}
	out := []findingWire{}
	for _, r := range rows {
		out = append(out, findingWire(r))
	}
	return ok(listOf(out)), nil
}
