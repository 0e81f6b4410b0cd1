// Package loa writes letters of authorization: the document a customer takes to the operator of a building, who then lays the fibres
// between the customer's router and the ports named in it.
//
// In:  what the letter says, as values. Out: a PDF of one page. Pure: no clock, no I/O; the same letter gives the same bytes.
package loa

import (
	"fmt"
	"time"
)

// Letter is what one letter says.
type Letter struct {
	Customer string // whom it authorizes
	Date     time.Time
	Port     string // the port pair's name
	GUID     string // and its unique id
	Location string // peering location
	Address  string // of the building; "" unknown
	Contact  string // of the building's operator; "" unknown
	Gbps     int
	Optics   string // "10GBASE-LR"
	Links    []Link
}

// Link is one of the ports to be cabled.
type Link struct {
	Name, Router, Interface, PatchPanel, Rack, Colo, Connector string
}

// Check refuses what the letter's fonts cannot print: anything beyond Latin-1.
func (l *Letter) Check() error {
	all := []string{l.Customer, l.Port, l.GUID, l.Location, l.Address, l.Contact, l.Optics}
	for _, k := range l.Links {
		all = append(all, k.Name, k.Router, k.Interface, k.PatchPanel, k.Rack, k.Colo, k.Connector)
	}
	for _, s := range all {
		if !printable(s) {
			return fmt.Errorf("%q has characters that a letter cannot print; it is written in Latin letters (ISO 8859-1)", s)
		}
	}
	return nil
}

const (
	margin   = 56.0
	textSize = 10.0
	leading  = 14.0
	inner    = pageWidth - 2*margin
	// most is how many characters of one value a letter prints: as many as leave it one page.
	most = 80
)

// writer is a page being filled from the top.
type writer struct {
	page
	y float64
}

// PDF is the letter.
func (l *Letter) PDF() []byte {
	w := &writer{y: pageHeight - margin - 14}
	w.text(bold, 20, margin, w.y, "Letter of Authorization")
	w.y -= 18
	w.text(regular, 11, margin, w.y, "and Connecting Facility Assignment (LOA-CFA)")
	w.y -= 12
	w.line(margin, w.y, pageWidth-margin, w.y, 1.2)
	w.y -= 24
	w.facts(l)
	w.paragraph("To the operator of the facility:")
	w.paragraph(fmt.Sprintf("%s is authorized to order the two cross-connects below, from its own cage or meet-me room to the ports of the edge routers "+
		"assigned to it. Please lay each as one pair of single-mode fibre (OS2) for %s and leave it connected until %s orders it taken down.",
		clip(l.Customer), l.Optics, clip(l.Customer)))
	w.y -= 4
	for i := range l.Links {
		w.link(i, &l.Links[i])
	}
	w.paragraph("Both links are needed: they end on two routers, and the service is redundant with both only. A port sends no light until its " +
		"administrative state is set to Enabled, which its owner does after the cross-connect is made; light levels and line protocol are tested then.")
	w.paragraph("This letter assigns no other port, space or power in the facility, and ends when the port pair is deleted.")
	w.text(regular, 8, margin, margin-16, "Made by onramp for port pair "+clip(l.Port)+" on "+l.Date.UTC().Format("2006-01-02")+". Page 1 of 1.")
	return w.write("Letter of Authorization, "+clip(l.Port), "onramp", "D:"+l.Date.UTC().Format("20060102150405")+"Z")
}

// clip keeps a value from running off the page.
func clip(s string) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return s
}

// facts are the letter's head: label and value, line by line.
func (w *writer) facts(l *Letter) {
	w.table(margin, 110, [][2]string{
		{"Date", l.Date.UTC().Format("2 January 2006")}, {"Customer", l.Customer}, {"Facility", l.Location}, {"Address", l.Address},
		{"Facility contact", l.Contact}, {"Port pair", l.Port}, {"Port pair id", l.GUID}, {"Speed", fmt.Sprintf("2 x %d Gbps, %s", l.Gbps, l.Optics)},
	})
	w.y -= 10
}

// table writes labels in bold with their values beside them; empty values are left out.
func (w *writer) table(x, label float64, rows [][2]string) {
	for _, r := range rows {
		if r[1] == "" {
			continue
		}
		w.text(bold, textSize, x, w.y, r[0])
		for _, line := range wrap(regular, textSize, pageWidth-margin-x-label, clip(r[1])) {
			w.text(regular, textSize, x+label, w.y, line)
			w.y -= leading
		}
	}
}

func (w *writer) paragraph(s string) {
	for _, line := range wrap(regular, textSize, inner, s) {
		w.text(regular, textSize, margin, w.y, line)
		w.y -= leading
	}
	w.y -= 8
}

// link is the box of one port.
func (w *writer) link(i int, k *Link) {
	w.shade(margin, w.y-5, inner, 18, 0.88)
	w.text(bold, 11, margin+8, w.y, fmt.Sprintf("%s (%s)", k.Name, []string{"primary", "secondary"}[i%2]))
	w.y -= 22
	w.table(margin+8, 102, [][2]string{
		{"Router", k.Router}, {"Interface", k.Interface}, {"Patch panel", k.PatchPanel}, {"Rack", k.Rack}, {"Room", k.Colo}, {"Connector", k.Connector},
	})
	w.y -= 10
}
