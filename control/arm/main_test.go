package arm

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
)

// shown remembers which rows of the routes table answered with success in which test, so that no row names a test that does not show it.
var shown sync.Map // "test method path"

// record makes every row below a branch remember who called it.
func (b *branch) record(test string) {
	for _, row := range b.rows {
		do, key := row.Do, test+" "+row.Method+" "+row.Path
		row.Do = func(f *Front, c *call) (answer, error) {
			a, err := do(f, c)
			if err == nil && a.status < 400 {
				shown.Store(key, true)
			}
			return a, err
		}
	}
	for _, next := range b.static {
		next.record(test)
	}
	if b.param != nil {
		b.param.record(test)
	}
}

// TestMain checks, after all tests ran, that every row was shown by the test it names.
func TestMain(m *testing.M) {
	code := m.Run()
	all := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == "" && flag.Lookup("test.list").Value.String() == ""
	if code == 0 && all {
		for _, r := range routes() {
			if _, ok := shown.Load(r.Test + " " + r.Method + " " + r.Path); !ok && r.Fidelity != Missing {
				fmt.Printf("%s %s was not shown by %s\n", r.Method, r.Path, r.Test)
				code = 1
			}
		}
	}
	os.Exit(code)
}
