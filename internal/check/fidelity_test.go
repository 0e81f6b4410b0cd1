package check

import (
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the generated part of docs/fidelity.md")

// operation is a row of the front's routes table, as its source has it.
type operation struct{ method, path, style, fidelity, test string }

// Where the generated table stands in the document.
const (
	fidelityFile  = "docs/fidelity.md"
	fidelityBegin = "<!-- The table is made from control/arm's routes: go test ./internal/check -update -->\n"
	fidelityEnd   = "<!-- end of the table -->\n"
)

// TestFidelityCurrent: the document lists every operation of the routes table with its fidelity and the test that shows it.
func TestFidelityCurrent(t *testing.T) {
	file := filepath.Join(root, fidelityFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), fidelityBegin)
	_, tail, ok2 := strings.Cut(rest, fidelityEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", fidelityFile)
	}
	want := head + fidelityBegin + missingTypes(t) + fidelityTable(operations(t)) + fidelityEnd + tail
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s is not current: go test ./internal/check -update", fidelityFile)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestFidelityTestsExist: a test that a row names is a function of the front's tests.
func TestFidelityTestsExist(t *testing.T) {
	var tests strings.Builder
	all, _ := sources(t)
	for _, s := range all {
		if s.test && s.dir == "control/arm" {
			tests.Write(s.text)
		}
	}
	seen := map[string]bool{}
	for _, o := range operations(t) {
		if !seen[o.test] && !strings.Contains(tests.String(), "func "+o.test+"(") {
			t.Errorf("%s %s names the test %s, which does not exist", o.method, o.path, o.test)
		}
		seen[o.test] = true
	}
}

// fidelityTable prints the rows.
func fidelityTable(ops []operation) string {
	var b strings.Builder
	b.WriteString("| operation | answered | fidelity | test in control/arm |\n|---|---|---|---|\n")
	short := strings.NewReplacer("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network", "{N}",
		"/subscriptions/{subscription}/providers/Microsoft.Network", "{SN}", "/subscriptions/{subscription}/resourceGroups/{group}", "{G}",
		"/subscriptions/{subscription}", "{S}")
	for _, o := range ops {
		fidelity := o.fidelity
		if fidelity == "missing" {
			fidelity = "501"
		}
		fmt.Fprintf(&b, "| %s `%s` | %s | %s | %s |\n", o.method, short.Replace(o.path), o.style, fidelity, o.test)
	}
	return b.String()
}

// operations reads the routes tables of control/arm.
func operations(t *testing.T) []operation {
	t.Helper()
	all, fset := sources(t)
	consts := map[string]string{"Same": "same", "Simplified": "simplified", "Missing": "missing"}
	for _, s := range all {
		if s.dir == "control/arm" && !s.test {
			for _, d := range s.file.Decls {
				readConsts(d, consts)
			}
		}
	}
	var ops []operation
	for _, s := range all {
		if s.dir != "control/arm" || s.test {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil || !returnsRoutes(f) {
				continue
			}
			rows, err := routeRows(f, consts)
			if err != nil {
				t.Fatalf("%s: %v", fset.Position(f.Pos()), err)
			}
			ops = append(ops, rows...)
		}
	}
	if len(ops) < 50 {
		t.Fatalf("found %d operations", len(ops))
	}
	return ops
}

// missingTypes is the sentence about types that are not there at all: the rows that missingRoutes makes in a loop.
func missingTypes(t *testing.T) string {
	t.Helper()
	all, _ := sources(t)
	var names []string
	for _, s := range all {
		if s.path != "control/arm/missing.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			a, ok := lit.Type.(*ast.ArrayType)
			if _, anonymous := arrayOf(a, ok).(*ast.StructType); !anonymous {
				return true
			}
			for _, e := range lit.Elts {
				row, ok := e.(*ast.CompositeLit)
				if !ok || len(row.Elts) == 0 {
					continue
				}
				if name, err := evaluate(row.Elts[0], nil); err == nil {
					names = append(names, name)
				}
			}
			return false
		})
	}
	if len(names) == 0 {
		return ""
	}
	return "These types answer 501 as a whole, with their children: " + strings.Join(names, ", ") + ".\n\n"
}

// arrayOf is the element type of an array type; nil for none.
func arrayOf(a *ast.ArrayType, ok bool) ast.Expr {
	if !ok {
		return nil
	}
	return a.Elt
}

// returnsRoutes reports whether a function's result is []route.
func returnsRoutes(f *ast.FuncDecl) bool {
	if f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return false
	}
	return isRoutes(f.Type.Results.List[0].Type)
}

// isRoutes reports whether an expression is the type []route.
func isRoutes(e ast.Expr) bool {
	a, ok := e.(*ast.ArrayType)
	if !ok {
		return false
	}
	id, ok := a.Elt.(*ast.Ident)
	return ok && id.Name == "route"
}

// routeRows reads the rows a function returns as a literal; rows made in a loop are described in the document's text.
func routeRows(f *ast.FuncDecl, outer map[string]string) ([]operation, error) {
	consts := map[string]string{}
	for k, v := range outer {
		consts[k] = v
	}
	var rows []operation
	var failed error
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			readConsts(n, consts)
		case *ast.CompositeLit:
			if n.Type == nil || !isRoutes(n.Type) {
				return true
			}
			for _, e := range n.Elts {
				o, err := routeRow(e, consts)
				if err != nil {
					failed = err
					return false
				}
				rows = append(rows, o)
			}
			return false
		}
		return true
	})
	return rows, failed
}

// routeRow reads one row: method, path, action, handler, style, fidelity, test.
func routeRow(e ast.Expr, consts map[string]string) (operation, error) {
	lit, ok := e.(*ast.CompositeLit)
	if !ok || len(lit.Elts) != 7 {
		return operation{}, fmt.Errorf("a row has not seven fields")
	}
	var o operation
	for i, p := range map[int]*string{0: &o.method, 1: &o.path, 4: &o.style, 5: &o.fidelity, 6: &o.test} {
		v, err := evaluate(lit.Elts[i], consts)
		if err != nil {
			return o, err
		}
		*p = v
	}
	return o, nil
}

// readConsts adds the string constants of a declaration.
func readConsts(d ast.Decl, into map[string]string) {
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok != token.CONST {
		return
	}
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if i < len(v.Values) {
				if s, err := evaluate(v.Values[i], into); err == nil {
					into[name.Name] = s
				}
			}
		}
	}
}

// evaluate computes a constant string expression.
func evaluate(e ast.Expr, consts map[string]string) (string, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.Unquote(e.Value)
	case *ast.Ident:
		if v, ok := consts[e.Name]; ok {
			return v, nil
		}
	case *ast.SelectorExpr: // http.MethodGet
		if m, ok := strings.CutPrefix(e.Sel.Name, "Method"); ok {
			return strings.ToUpper(m), nil
		}
	case *ast.BinaryExpr:
		a, err := evaluate(e.X, consts)
		if err != nil {
			return "", err
		}
		b, err := evaluate(e.Y, consts)
		return a + b, err
	}
	return "", fmt.Errorf("no constant: %v", e)
}
