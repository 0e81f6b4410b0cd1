package arm

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"onramp/resource"
)

var parameter = regexp.MustCompile(`\{[a-zA-Z]+\}`)

// example makes a path of a route that leads to nothing, in a subscription.
func (r route) example(sub string) string {
	p := strings.Replace(r.Path, "{subscription}", sub, 1)
	p = strings.Replace(p, "{namespace}", "Microsoft.Network", 1)
	return parameter.ReplaceAllString(p, "none")
}

// may is what the roles allow, said again in other words than the front's patterns.
func may(role string, r route) bool {
	typ := strings.ToLower(strings.Split(r.Action+"/", "/")[1])
	ours := strings.HasPrefix(r.Action, "Onramp.Fabric/")
	providers := typ == "expressroutecrossconnections" || typ == "expressrouteproviderports"
	read := r.Method == "GET" || r.Method == "HEAD"
	switch role {
	case resource.PrincipalCustomer:
		return !ours && !providers
	case resource.PrincipalProvider:
		return !ours && (read || typ == "expressroutecrossconnections" || strings.HasSuffix(r.Path, "/register")) || strings.HasSuffix(r.Path, "}/diagnose")
	}
	tables := regexp.MustCompile(`(arpTables|routeTables|routeTablesSummary)/\{path\}$|/get[A-Z][A-Za-z]+$|/effectiveRouteTable$`)
	return ours || read || tables.MatchString(r.Path) || strings.HasSuffix(r.Path, "}/diagnose")
}

// TestRoles walks every route of the table with nobody and with every role, in its own subscription and a foreign one.
func TestRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nobody := client{w: w}
	people := map[string]client{}
	for name := range who() {
		people[name] = w.as(name)
	}
	calls := 0
	for _, r := range routes() {
		if r.Action == anonymous {
			continue
		}
		calls++
		if got := nobody.do(r.Method, r.example(subCustomer), "x"); got.status != 401 {
			t.Errorf("%s %s: nobody gets %d, want 401", r.Method, r.Path, got.status)
		}
		for name, p := range who() {
			for _, sub := range []string{subCustomer, subOther, subProvider} {
				if !strings.Contains(r.Path, "{subscription}") && sub != subCustomer {
					continue
				}
				calls++
				own := p.Role == resource.PrincipalOperator || sub == p.Subscription || !strings.Contains(r.Path, "{subscription}")
				got := people[name].do(r.Method, r.example(sub), "x")
				if allowed := own && may(p.Role, r); allowed == (got.status == 403) || got.status == 401 || got.status == 500 {
					t.Errorf("%s %s: %s in %s gets %d, allowed is %v", r.Method, r.Path, name, sub, got.status, allowed)
				}
			}
		}
	}
	t.Logf("%d routes, %d calls", len(routes()), calls)
}

// TestMissing calls every operation of the contract that is not there.
func TestMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer, provider := w.as("contoso"), w.as("xchg")
	for _, r := range routes() {
		if r.Fidelity != Missing {
			continue
		}
		c, sub := customer, subCustomer
		if !may(resource.PrincipalCustomer, r) {
			c, sub = provider, subProvider
		}
		got := c.do(r.Method, r.example(sub), "{}")
		if got.status != 501 || r.Method != "HEAD" && (got.code() != "NotImplemented" || !strings.Contains(got.body, "is not implemented")) {
			t.Errorf("%s %s: %d %s, want 501 NotImplemented", r.Method, r.Path, got.status, got.body)
		}
	}
}

// TestTable holds the table itself: complete rows, and tests that exist.
func TestTable(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{}
	pkgs, err := parser.ParseDir(token.NewFileSet(), ".", func(i fs.FileInfo) bool { return strings.HasSuffix(i.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pkgs {
		for _, f := range p.Files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Test") {
					tests[fn.Name.Name] = true
				}
			}
		}
	}
	count := map[Fidelity]int{}
	for _, r := range routes() {
		count[r.Fidelity]++
		switch {
		case r.Do == nil, r.Style != direct && r.Style != lro, r.Fidelity != Same && r.Fidelity != Simplified && r.Fidelity != Missing:
			t.Errorf("%s %s: incomplete row", r.Method, r.Path)
		case !tests[r.Test]:
			t.Errorf("%s %s: there is no test %s", r.Method, r.Path, r.Test)
		case strings.Contains(r.Path, "{subscription}") && r.Action == anonymous:
			t.Errorf("%s %s: open to everybody", r.Method, r.Path)
		}
	}
	t.Logf("%d routes: %v", len(routes()), count)
}
