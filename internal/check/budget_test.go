package check

import (
	"bytes"
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Budgets in lines.
const (
	functionLines     = 60
	testFunctionLines = 100
	fileLines         = 500
	testFileLines     = 800
)

// longer lists what may be longer than its budget, with the reason: "file.go" or "file.go:function".
func longer() map[string]string {
	return map[string]string{
		"node/fib/netns_test.go:TestKernelPath": "one world and every packet that crosses it; parts of it would each build the world again",
	}
}

// TestSizes: functions and files stay small enough to read at once.
func TestSizes(t *testing.T) {
	all, fset := sources(t)
	allowed := longer()
	used := map[string]bool{}
	check := func(key string, have, budget int) {
		if have <= budget {
			return
		}
		if allowed[key] == "" {
			t.Errorf("%s: %d lines, the budget is %d", key, have, budget)
		}
		used[key] = true
	}
	for _, s := range all {
		if s.generated() {
			continue
		}
		lines := fileLines
		if s.test {
			lines = testFileLines
		}
		check(s.path, bytes.Count(s.text, []byte("\n")), lines)
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			budget := functionLines
			if s.test {
				budget = testFunctionLines
			}
			check(s.path+":"+f.Name.Name, fset.Position(f.End()).Line-fset.Position(f.Pos()).Line+1, budget)
		}
	}
	for _, p := range append(files(t, ".c"), files(t, ".h")...) {
		text, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		check(p, bytes.Count(text, []byte("\n")), fileLines)
	}
	for key := range allowed {
		if !used[key] {
			t.Logf("%s is within its budget again: take it off the list", key)
		}
	}
}

// TestNoInit: nothing happens by importing a package.
func TestNoInit(t *testing.T) {
	all, fset := sources(t)
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init(): construct it in New", fset.Position(f.Pos()))
			}
		}
	}
}

// TestNoSleepInTests: tests wait for what they wait for, or run in testing/synctest's time (files that use it may sleep in it).
func TestNoSleepInTests(t *testing.T) {
	all, fset := sources(t)
	for _, s := range all {
		if !s.test || bytes.Contains(s.text, []byte(`"testing/synctest"`)) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" {
					t.Errorf("%s: time.Sleep in a test", fset.Position(sel.Pos()))
				}
			}
			return true
		})
	}
}

// TestNoMutablePackageState: package-level variables are never assigned to.
func TestNoMutablePackageState(t *testing.T) {
	all, fset := sources(t)
	vars := map[string]map[string]bool{}
	for _, s := range all {
		if vars[s.dir] == nil {
			vars[s.dir] = map[string]bool{}
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok.String() != "var" {
				continue
			}
			for _, spec := range g.Specs {
				for _, n := range spec.(*ast.ValueSpec).Names {
					vars[s.dir][n.Name] = n.Name != "_"
				}
			}
		}
	}
	for _, s := range all {
		local := declaredInside(s.file)
		ast.Inspect(s.file, func(n ast.Node) bool {
			for _, id := range assigned(n) {
				if vars[s.dir][id.Name] && !local[id.Name] {
					t.Errorf("%s: assigns to the package-level variable %s", fset.Position(id.Pos()), id.Name)
				}
			}
			return true
		})
	}
}

// assigned lists the plain names that a statement assigns to.
func assigned(n ast.Node) []*ast.Ident {
	var out []*ast.Ident
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok.String() == ":=" {
			return nil
		}
		for _, l := range n.Lhs {
			if id, ok := l.(*ast.Ident); ok {
				out = append(out, id)
			}
		}
	case *ast.IncDecStmt:
		if id, ok := n.X.(*ast.Ident); ok {
			out = append(out, id)
		}
	}
	return out
}

// declaredInside collects the names that a file declares inside functions: those shadow package-level ones.
func declaredInside(f *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok.String() == ":=" {
					for _, l := range n.Lhs {
						if id, ok := l.(*ast.Ident); ok {
							names[id.Name] = true
						}
					}
				}
			case *ast.ValueSpec:
				for _, id := range n.Names {
					names[id.Name] = true
				}
			case *ast.Field:
				for _, id := range n.Names {
					names[id.Name] = true
				}
			case *ast.RangeStmt:
				for _, e := range []ast.Expr{n.Key, n.Value} {
					if id, ok := e.(*ast.Ident); ok {
						names[id.Name] = true
					}
				}
			}
			return true
		})
	}
	return names
}

// TestNoPostponedWork: a comment that promises work names an issue nobody can see from here; there is none.
func TestNoPostponedWork(t *testing.T) {
	all, fset := sources(t)
	for _, s := range all {
		for _, g := range s.file.Comments {
			for _, word := range []string{"TODO", "FIXME", "XXX"} {
				if strings.Contains(g.Text(), word+":") || strings.Contains(g.Text(), word+"(") {
					t.Errorf("%s: %s in a comment", fset.Position(g.Pos()), word)
				}
			}
		}
	}
}
