package control

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"onramp/plan"
	"onramp/resource"
)

// tokens are what nodes show to control: one per node of the fabric, derived from a secret, so that every replica knows them all and none
// is stored. Each is also written to a file of its own, for the operator to carry to the machine.
type tokens struct {
	dir    string // node-tokens; one file per node, mode 0600
	secret []byte

	mu    sync.RWMutex
	nodes map[string]bool // nodes of the fabric: only they get in
}

func newTokens(dir string, secret []byte) *tokens {
	return &tokens{dir: dir, secret: secret, nodes: map[string]bool{}}
}

func (t *tokens) token(node string) string {
	h := hmac.New(sha256.New, t.secret)
	h.Write([]byte(node))
	return hex.EncodeToString(h.Sum(nil))
}

// check reports whether a token is that of a node of the fabric, in constant time.
func (t *tokens) check(node, token string) bool {
	good := hmac.Equal([]byte(t.token(node)), []byte(token))
	t.mu.RLock()
	defer t.mu.RUnlock()
	return good && t.nodes[node]
}

// allow is the check of a request to speak for a node.
func (t *tokens) allow(node string, r *http.Request) error {
	if !t.check(node, plan.Bearer(r)) {
		return errors.New("the bearer token is not this node's, or the fabric has no such node")
	}
	return nil
}

// setNodes makes the files of the fabric's nodes and takes the others away.
func (t *tokens) setNodes(f *resource.Fabric) error {
	nodes := map[string]bool{}
	if f != nil {
		for _, n := range f.Nodes {
			if n.Name != filepath.Base(n.Name) || strings.HasPrefix(n.Name, ".") {
				return fmt.Errorf("node tokens: %q is no name for a file", n.Name)
			}
			nodes[n.Name] = true
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if sameKeys(nodes, t.nodes) {
		return nil
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return fmt.Errorf("node tokens: %w", err)
	}
	for n := range nodes {
		if err := writeFile(filepath.Join(t.dir, n), []byte(t.token(n)+"\n"), 0o600); err != nil {
			return fmt.Errorf("node tokens: %w", err)
		}
	}
	for n := range t.nodes {
		if !nodes[n] {
			os.Remove(filepath.Join(t.dir, n)) // the token is refused from now on, file or not
		}
	}
	t.nodes = nodes
	return nil
}

func sameKeys(a, b map[string]bool) bool {
	if len(a) != len(b) {
		return false
	}
	return !slices.ContainsFunc(keys(a), func(k string) bool { return !b[k] })
}

func keys[K comparable, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}
