package loa

import (
	"bytes"
	"fmt"
	"strings"
)

// A page of A4 in points; the origin is its lower left corner.
const (
	pageWidth  = 595.0
	pageHeight = 842.0
)

// font is one of the fonts that every reader of PDF has (ISO 32000-1 section 9.6.2.2), by its name in the page's resources.
type font string

const (
	regular font = "F1" // Helvetica
	bold    font = "F2" // Helvetica-Bold
)

// page collects the drawing of one page.
type page struct {
	content bytes.Buffer
}

// text writes one line with its baseline at y.
func (p *page) text(f font, size, x, y float64, s string) {
	fmt.Fprintf(&p.content, "BT /%s %g Tf %.2f %.2f Td (%s) Tj ET\n", f, size, x, y, escape(s))
}

// line draws a straight line.
func (p *page) line(x1, y1, x2, y2, width float64) {
	fmt.Fprintf(&p.content, "%g w %.2f %.2f m %.2f %.2f l S\n", width, x1, y1, x2, y2)
}

// shade fills a box with a grey, 0 black to 1 white.
func (p *page) shade(x, y, w, h, grey float64) {
	fmt.Fprintf(&p.content, "q %g g %.2f %.2f %.2f %.2f re f Q\n", grey, x, y, w, h)
}

// escape encodes a string of Latin-1 characters for a literal string (ISO 32000-1 section 7.3.4.2) in WinAnsiEncoding.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '(' || r == ')' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "\\%03o", byte(r))
		}
	}
	return b.String()
}

// printable reports whether the fonts have every character of s.
func printable(s string) bool {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r > 0xff {
			return false
		}
	}
	return true
}

// width is how wide a line is, in points. Characters beyond ASCII count as an average letter.
func width(f font, size float64, s string) float64 {
	sum := 0
	for _, r := range s {
		w := 556
		if i := int(r) - ' '; i >= 0 && i < len(advance()) {
			w = advance()[i]
		}
		sum += w
	}
	if f == bold {
		sum += sum / 14 // bold letters are a little wider
	}
	return float64(sum) * size / 1000
}

// advance is the table of Helvetica's widths for ' ' to '~', in thousandths of the size (Adobe Core 14 AFM).
func advance() [95]int {
	return [95]int{
		278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278,
		584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944,
		667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
		278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
	}
}

// wrap breaks words into lines that are not wider than limit; a word that alone is wider is broken.
func wrap(f font, size, limit float64, s string) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for width(f, size, word) > limit {
			cut := fitting(f, size, limit, word)
			if line != "" {
				lines = append(lines, line)
				line = ""
			}
			lines, word = append(lines, word[:cut]), word[cut:]
		}
		switch joined := strings.TrimSpace(line + " " + word); {
		case width(f, size, joined) <= limit:
			line = joined
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// fitting is how many bytes of a word fit, at least one character.
func fitting(f font, size, limit float64, word string) int {
	cut := len(word)
	for i := range word {
		if i > 0 && width(f, size, word[:i]) > limit {
			break
		}
		if i > 0 {
			cut = i
		}
	}
	return cut
}

// write makes a document of one page (ISO 32000-1 section 7.5): header, objects, cross-reference table, trailer.
func (p *page) write(title, author, created string) []byte {
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %g %g] /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>", pageWidth, pageHeight),
		fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", p.content.Len(), p.content.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
		fmt.Sprintf("<< /Title (%s) /Author (%s) /CreationDate (%s) >>", escape(title), escape(author), escape(created)),
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, len(objects), table)
	return b.Bytes()
}
