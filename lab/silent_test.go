package lab

import (
	"os"
	"strings"
	"testing"
)

// TestSilentRules: only a cable between two nodes has a middle, and somebody must be there to notice.
func TestSilentRules(t *testing.T) {
	text, err := os.ReadFile("../labs/failover.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse("failover.yaml", text); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, from, to, says string }{
		{"a router's cable", "link: edge1/pe0\n    silent", "link: xchg1/ce1\n    silent", "only those break in their middle"},
		{"nobody to notice", "    back: [{router: ce1, peer: 192.168.100.130}]\n", "", "the session that runs over the cable"},
	} {
		_, err := Parse("failover.yaml", []byte(strings.Replace(string(text), c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

func TestSpread(t *testing.T) {
	for want, v := range map[string][]float64{"none": nil, "7/7/7": {7}, "1/2/3": {3, 1, 2}, "1/5/12": {12, 4, 6, 1}} {
		if got := spreadOf(v); got != want {
			t.Errorf("spread of %v is %s, want %s", v, got, want)
		}
	}
}
