package loa

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func letter() *Letter {
	return &Letter{
		Customer: "Contoso (Société Générale) \\ Ltd.", Date: time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC), Port: "seattle-direct",
		GUID: "7a42c6a8-0000-4000-8000-000000000001", Location: "Seattle", Address: "2001 Sixth Avenue, Seattle WA 98121", Contact: "crossconnect@building.example",
		Gbps: 100, Optics: "100GBASE-LR4 (QSFP-100G-LR4)", Links: []Link{
			{Name: "link1", Router: "edge1", Interface: "HundredGigE2/2/2", PatchPanel: "PP:0123:1110201 port 17+18", Rack: "A52", Colo: "MMR 19-01", Connector: "LC"},
			{Name: "link2", Router: "edge2", Interface: "HundredGigE2/2/2", PatchPanel: "PP:0123:1110202 port 17+18", Rack: "B07", Colo: "MMR 19-01", Connector: "LC"},
		},
	}
}

// TestObjects: the cross-reference table leads to every object, and the stream has the length it says.
func TestObjects(t *testing.T) {
	pdf := letter().PDF()
	start := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindSubmatch(pdf)
	if start == nil || !bytes.HasPrefix(pdf, []byte("%PDF-1.4\n")) {
		t.Fatalf("no PDF: %q", pdf)
	}
	at, _ := strconv.Atoi(string(start[1]))
	rows := regexp.MustCompile(`(\d{10}) 00000 n \n`).FindAllSubmatch(pdf[at:], -1)
	for i, r := range rows {
		offset, _ := strconv.Atoi(string(r[1]))
		if want := fmt.Sprintf("%d 0 obj\n", i+1); !bytes.HasPrefix(pdf[offset:], []byte(want)) {
			t.Errorf("offset of object %d: %.20q", i+1, pdf[offset:])
		}
	}
	stream := regexp.MustCompile(`(?s)/Length (\d+) >>\nstream\n(.*?)endstream`).FindSubmatch(pdf)
	if n, _ := strconv.Atoi(string(stream[1])); len(rows) != 7 || n != len(stream[2]) {
		t.Errorf("%d objects; a stream of %d bytes says %s", len(rows), len(stream[2]), stream[1])
	}
	if !bytes.Equal(pdf, letter().PDF()) {
		t.Error("the same letter twice gives other bytes")
	}
}

// TestReadable reads the letter with another program.
func TestReadable(t *testing.T) {
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("pdftotext (Debian package poppler-utils) is not installed")
	}
	cmd := exec.Command(tool, "-layout", "-", "-")
	cmd.Stdin = bytes.NewReader(letter().PDF())
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil || problems.Len() > 0 {
		t.Fatalf("pdftotext: %v %s", err, problems.String())
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	l := letter()
	for _, want := range []string{"Letter of Authorization", "5 March 2026", l.Customer + " is authorized", "2 x 100 Gbps", l.Address, l.Contact, l.GUID, "link1 (primary)", "link2 (secondary)",
		"Router edge2", "Interface HundredGigE2/2/2", "Patch panel " + l.Links[1].PatchPanel, "Rack B07", "Room MMR 19-01", "Connector LC", "Page 1 of 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the letter does not say %q:\n%s", want, out)
		}
	}
}

// TestOnePage: whatever names are like, nothing is written below the page or beyond its edge.
func TestOnePage(t *testing.T) {
	l := letter()
	l.Customer, l.Address = strings.Repeat("W", 1000), strings.Repeat("long words ", 100)
	l.Links[0].PatchPanel, l.Links[1].Rack = strings.Repeat("m", 500), strings.Repeat("i ", 500)
	placed := regexp.MustCompile(`/F(\d) ([\d.]+) Tf (-?[\d.]+) (-?[\d.]+) Td \((.*)\) Tj`).FindAllSubmatch(l.PDF(), -1)
	if len(placed) < 30 {
		t.Fatalf("%d lines", len(placed))
	}
	for _, m := range placed {
		size, _ := strconv.ParseFloat(string(m[2]), 64)
		x, _ := strconv.ParseFloat(string(m[3]), 64)
		y, _ := strconv.ParseFloat(string(m[4]), 64)
		if y < 20 || x+width(regular, size, string(m[5])) > pageWidth-margin+2 {
			t.Errorf("%q at %g, %g leaves the page", m[5], x, y)
		}
	}
}

func TestCheck(t *testing.T) {
	if err := letter().Check(); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"株式会社", "a\nb", "Łódź", "\x00"} {
		l := letter()
		l.Links[1].Rack = s
		if err := l.Check(); err == nil {
			t.Errorf("%q is printable", s)
		}
	}
}
