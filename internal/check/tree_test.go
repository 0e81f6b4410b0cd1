package check

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// source is one Go file of the repository.
type source struct {
	path string // slash-separated, from the root
	dir  string
	test bool
	text []byte
	file *ast.File
}

// root is the repository's top directory, seen from here.
const root = "../.."

// sources parses every Go file of the repository.
func sources(t *testing.T) ([]source, *token.FileSet) {
	t.Helper()
	fset := token.NewFileSet()
	var all []source
	for _, p := range files(t, ".go") {
		text, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		if err != nil {
			t.Fatalf("parse: %v", err)
		}
		all = append(all, source{path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go"), text: text, file: f})
	}
	if len(all) == 0 {
		t.Fatal("no Go files found")
	}
	return all, fset
}

// files lists the repository's files that end in suffix, without hidden directories, test data and build output.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != root && (name == "testdata" || name == "bin" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, suffix) {
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// generated reports whether a file says that a program wrote it.
func (s source) generated() bool { return ast.IsGenerated(s.file) }

// TestFormatted: every file is as gofmt writes it.
func TestFormatted(t *testing.T) {
	all, _ := sources(t)
	for _, s := range all {
		want, err := format.Source(s.text)
		if err != nil {
			t.Errorf("%s: %v", s.path, err)
			continue
		}
		if !bytes.Equal(want, s.text) {
			t.Errorf("%s: not formatted: run gofmt -w %s", s.path, s.path)
		}
	}
}

// TestPackageComments: every package has one package comment, in one file, that begins as Go's tools expect.
func TestPackageComments(t *testing.T) {
	all, _ := sources(t)
	has := map[string][]string{}
	name := map[string]string{}
	for _, s := range all {
		if s.test && strings.HasSuffix(s.file.Name.Name, "_test") {
			continue
		}
		if _, ok := has[s.dir]; !ok {
			has[s.dir] = nil
		}
		if !s.test {
			name[s.dir] = s.file.Name.Name
		}
		if s.file.Doc == nil {
			continue
		}
		has[s.dir] = append(has[s.dir], s.path)
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: the package comment begins with %q, not with %q", s.path, firstLine(s.file.Doc.Text()), want)
		}
	}
	for dir, in := range has {
		if len(in) != 1 && name[dir] != "" {
			t.Errorf("package %s: want one package comment, have %d: %v", dir, len(in), in)
		}
	}
}

// firstLine is the first line of a text.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// TestExportedDocumented: every exported function, type, constant and variable has a comment.
func TestExportedDocumented(t *testing.T) {
	all, fset := sources(t)
	for _, s := range all {
		if s.test || s.generated() {
			continue
		}
		for _, d := range s.file.Decls {
			for _, n := range undocumented(d) {
				t.Errorf("%s: exported %s has no comment", fset.Position(d.Pos()), n)
			}
		}
	}
}

// undocumented lists the exported names of a declaration that have no comment.
func undocumented(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if d.Doc == nil && spec.Doc == nil && spec.Name.IsExported() {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				if d.Doc == nil && spec.Doc == nil && spec.Comment == nil && spec.Names[0].IsExported() {
					names = append(names, spec.Names[0].Name)
				}
			}
		}
		return names
	}
	return nil
}

// exportedReceiver reports whether a function is a plain one, or a method of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if g, ok := t.(*ast.IndexExpr); ok {
		t = g.X
	}
	id, ok := t.(*ast.Ident)
	return ok && id.IsExported()
}
