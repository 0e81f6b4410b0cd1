package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// errAccepted ends a command whose operation goes on without it (--no-wait).
var errAccepted = errors.New("accepted")

// columns are the heads and cells of one kind of row.
type columns[T any] []column[T]

// column is a head and how its cell is made.
type column[T any] struct {
	head string
	cell func(T) string
}

// emit prints rows as a table, or value as JSON.
func emit[T any](s *session, value any, cols columns[T], rows []T) error {
	if s.output == "json" {
		return s.json(value)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for i, c := range cols {
		fmt.Fprint(w, c.head, tabOr(i, len(cols)))
	}
	for _, r := range rows {
		for i, c := range cols {
			cell := c.cell(r)
			if cell == "" {
				cell = "-"
			}
			fmt.Fprint(w, cell, tabOr(i, len(cols)))
		}
	}
	return w.Flush()
}

// tabOr ends a cell: with a tab, or with a new line after the last one.
func tabOr(i, n int) string {
	if i == n-1 {
		return "\n"
	}
	return "\t"
}

// field is one line of a description.
type field struct{ name, value string }

// describeFields prints the fields that have a value, aligned; or value as JSON.
func describeFields(s *session, value any, fields []field) error {
	if s.output == "json" {
		return s.json(value)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(w, "%s\t%s\n", f.name, f.value)
		}
	}
	return w.Flush()
}

// json prints value indented.
func (s *session) json(value any) error {
	b, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s\n", b)
	return err
}

// done turns the end of a --no-wait command into success.
func done(err error) error {
	if errors.Is(err, errAccepted) {
		return nil
	}
	return err
}

// collect reads all pages.
func collect[P, T any](ctx context.Context, pager *runtime.Pager[P], items func(P) []*T) ([]*T, error) {
	all := []*T{}
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, items(page)...)
	}
	return all, nil
}

// val is what p points to, or the zero value.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// ptr is a pointer to v; nil for the zero value.
func ptr[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// to is a pointer to v.
func to[T any](v T) *T { return &v }

// number prints an integer behind a pointer; "" for nil.
func number[T int32 | int64](p *T) string {
	if p == nil {
		return ""
	}
	return fmt.Sprint(*p)
}

// last is the last segment of an ARM id.
func last(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// strs joins a list of string pointers.
func strs(ps []*string) string {
	var ss []string
	for _, p := range ps {
		ss = append(ss, val(p))
	}
	return strings.Join(ss, " ")
}

// progress is one line on a terminal that is rewritten while something is waited for. On anything else it prints nothing.
type progress struct {
	w     io.Writer
	what  string
	start time.Time
	shown bool
}

// newProgress makes the line; it shows with the first tick.
func newProgress(w io.Writer, what string) *progress {
	if f, ok := w.(*os.File); !ok || !terminal(f) {
		w = nil
	}
	return &progress{w: w, what: what, start: time.Now()}
}

// tick rewrites the line.
func (p *progress) tick() {
	if p.w == nil {
		return
	}
	p.shown = true
	fmt.Fprintf(p.w, "\r\033[K%s … %.1f s", p.what, time.Since(p.start).Seconds())
}

// end wipes the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\033[K")
	}
}

// terminal reports whether f is a character device.
func terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
