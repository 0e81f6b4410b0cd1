package lab

import (
	"fmt"
	"strings"
)

// Draw is the world in text: hosts, routers, exchanges, edge routers, the fabric with gateways and hosts, machines, from left to right, with
// every cable.
func Draw(w *World) string {
	d := &drawing{columns: columnsOf(w), at: map[string]box{}}
	d.place()
	for _, c := range linksOf(w) {
		d.join(c[0], c[1])
	}
	return d.String()
}

// column is one vertical row of boxes.
type column struct {
	title string
	boxes []box
}

// box is one device. y and x are where its text begins.
type box struct {
	name string
	note string
	x, y int
	w    int
	col  int
}

// fabricBox is the drawing's name of the fabric.
const fabricBox = " fabric"

// columnsOf sorts the world's devices into columns; a column with nothing in it is left out.
func columnsOf(w *World) []column {
	hosts, routers := column{title: "hosts"}, column{title: "customer routers"}
	for _, h := range w.Hosts {
		hosts.boxes = append(hosts.boxes, box{name: h.Name, note: h.Address.Addr().String()})
	}
	for _, r := range w.Routers {
		routers.boxes = append(routers.boxes, box{name: r.Name, note: fmt.Sprintf("%s AS%d", strings.ToUpper(r.Kind), r.ASN)})
	}
	byRole := map[string]*column{
		"exchange": {title: "exchange"}, "edge": {title: "edge routers"}, "gateway": {title: "cloud"}, "compute": {title: "cloud"},
	}
	byRole["compute"], byRole["router"] = byRole["gateway"], byRole["exchange"]
	for _, n := range w.Fabric.Nodes {
		if c := byRole[n.Role]; c != nil {
			note := n.Role
			if n.Role == "router" {
				c.title = "provider"
			}
			if n.Owner != "" {
				note = n.Owner
			}
			if n.Role == "edge" {
				note = placeOf(w, n.Name)
			}
			c.boxes = append(c.boxes, box{name: n.Name, note: note})
		}
	}
	var fabric column
	if len(byRole["gateway"].boxes)+len(byRole["edge"].boxes) > 1 {
		fabric = column{title: "fabric", boxes: []box{{name: fabricBox, note: "VXLAN"}}}
	}
	machines := column{title: "machines"}
	for _, m := range w.Machines {
		machines.boxes = append(machines.boxes, box{name: m.Name, note: "VM"})
	}
	var cols []column
	for _, c := range []column{hosts, routers, *byRole["exchange"], *byRole["edge"], fabric, *byRole["gateway"], machines} {
		if len(c.boxes) > 0 {
			cols = append(cols, c)
		}
	}
	return cols
}

// placeOf is an edge router's location and side.
func placeOf(w *World, node string) string {
	for _, p := range w.Fabric.Locations {
		switch node {
		case p.Primary:
			return p.Name + " primary"
		case p.Secondary:
			return p.Name + " secondary"
		}
	}
	return "edge"
}

// linksOf lists what is joined: cables, LANs (host to each router), underlay ports, machines.
func linksOf(w *World) [][2]string {
	var ls [][2]string
	for _, h := range w.Hosts {
		for _, r := range w.Routers {
			if r.LAN == h.LAN {
				ls = append(ls, [2]string{h.Name, r.Name})
			}
		}
	}
	for _, c := range w.Cables {
		ls = append(ls, [2]string{device(c.A), device(c.B)})
	}
	for _, n := range w.Fabric.Nodes {
		for _, p := range n.Ports {
			if p.Underlay {
				ls = append(ls, [2]string{n.Name, fabricBox})
			}
		}
	}
	for _, m := range w.Machines {
		ls = append(ls, [2]string{device(m.Port), m.Name})
	}
	return ls
}

// drawing is a canvas of text and lines. A line cell is the sum of the directions that leave it.
type drawing struct {
	columns []column
	at      map[string]box
	text    map[[2]int]rune
	lines   map[[2]int]int
	w, h    int
	lane    map[int]int
}

const (
	north = 1 << iota
	east
	south
	west
)

// lineRunes are the box characters by directions.
var lineRunes = [16]rune{
	' ', '╵', '╶', '└', '╷', '│', '┌', '├', '╴', '┘', '─', '┴', '┐', '┤', '┬', '┼',
}

const gutter = 7

// place puts the columns side by side, each centred.
func (d *drawing) place() {
	d.text, d.lines, d.lane = map[[2]int]rune{}, map[[2]int]int{}, map[int]int{}
	tallest := 0
	for _, c := range d.columns {
		tallest = max(tallest, len(c.boxes))
	}
	d.h = tallest*3 + 1
	x := 2
	for ci, c := range d.columns {
		width := len(c.title)
		for _, b := range c.boxes {
			width = max(width, len([]rune(b.name))+2, len([]rune(b.note)))
		}
		d.write(x, 0, c.title)
		top := 1 + (tallest-len(c.boxes))*3/2
		for i, b := range c.boxes {
			b.x, b.y, b.w, b.col = x, top+i*3+1, width, ci
			d.write(x, b.y, strings.TrimSpace(b.name))
			d.write(x, b.y+1, b.note)
			d.at[b.name] = b
		}
		x += width + gutter
	}
	d.w = x
}

func (d *drawing) write(x, y int, s string) {
	for i, r := range []rune(s) {
		d.text[[2]int{x + i, y}] = r
	}
}

// join draws the line between two devices; the one further left is where it begins.
func (d *drawing) join(a, b string) {
	l, ok1 := d.at[a]
	r, ok2 := d.at[b]
	if !ok1 || !ok2 {
		return
	}
	if l.col > r.col {
		l, r = r, l
	}
	from, to := l.x+len([]rune(strings.TrimSpace(l.name)))+1, r.x-2
	turn := r.x - gutter/2 - 1
	d.horizontal(from, turn, l.y)
	d.vertical(turn, l.y, r.y)
	d.horizontal(turn, to, r.y)
}

func (d *drawing) horizontal(x1, x2, y int) {
	for x := x1; x < x2; x++ {
		d.lines[[2]int{x, y}] |= east
		d.lines[[2]int{x + 1, y}] |= west
	}
}

func (d *drawing) vertical(x, y1, y2 int) {
	if y1 > y2 {
		y1, y2 = y2, y1
	}
	for y := y1; y < y2; y++ {
		d.lines[[2]int{x, y}] |= south
		d.lines[[2]int{x, y + 1}] |= north
	}
}

// String is the canvas, without blanks at the ends of lines.
func (d *drawing) String() string {
	var b strings.Builder
	for y := range d.h + 1 {
		line := make([]rune, d.w)
		for x := range line {
			line[x] = lineRunes[d.lines[[2]int{x, y}]]
			if r, ok := d.text[[2]int{x, y}]; ok {
				line[x] = r
			}
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
