package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads and checks a lab file. Every error begins with "file:line: " and names the rule that was broken; all broken rules are told,
// joined.
func Load(file string) (*World, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read lab file: %w", err)
	}
	return Parse(file, b)
}

// Parse is Load for bytes at hand; file is only a name for errors.
func Parse(file string, b []byte) (*World, error) {
	w := &World{file: file, source: b}
	if abs, err := filepath.Abs(file); err == nil {
		w.file = abs
	}
	doc, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, yamlError(file, err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict(), yaml.DisallowUnknownField())
	if err := dec.Decode(w); err != nil {
		return nil, yamlError(file, err)
	}
	c := &checker{world: w, file: file, doc: doc}
	c.check()
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return w, nil
}

// yamlError puts file and line in front of a YAML error.
func yamlError(file string, err error) error {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		return fmt.Errorf("%s: %w", file, err)
	}
	line := 1
	if t := ye.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return fmt.Errorf("%s:%d: %s", file, line, ye.GetMessage())
}

// lineOf finds the line of a YAML path; 1 where it is not in the file.
func lineOf(doc *ast.File, path string) int {
	p, err := yaml.PathString(path)
	if err != nil {
		return 1
	}
	n, err := p.FilterFile(doc)
	if err != nil || n == nil {
		return 1
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}
