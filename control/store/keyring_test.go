package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"onramp/resource"
)

func TestKeyringRoundTrip(t *testing.T) {
	k := NewKeyring()
	rapid.Check(t, func(t *rapid.T) {
		secret, owner := rapid.String().Draw(t, "secret"), rapid.String().Draw(t, "owner")
		s, err := k.SealFor(secret, owner)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.OpenFor(s, owner); err != nil || got != secret {
			t.Fatalf("%q comes back as %q, %v", secret, got, err)
		}
		if secret == "" {
			return
		}
		if _, err := k.OpenFor(s, owner+"x"); err == nil {
			t.Fatal("another owner opened it")
		}
		i := rapid.IntRange(0, len(s)-1).Draw(t, "byte")
		s[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := k.OpenFor(s, owner); err == nil {
			t.Fatalf("opened with a bit of byte %d flipped", i)
		}
		if _, err := k.OpenFor(s[:i], owner); i > 0 && err == nil {
			t.Fatalf("opened when cut to %d bytes", i)
		}
	})
}

func TestKeyringFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	k := must[*Keyring](t)(OpenKeyring(path))
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v, %v", st.Mode(), err)
	}
	old := must[resource.Sealed](t)(k.Seal("before"))
	derived := k.Derive("x")
	check(t, k.Rotate())
	fresh := must[resource.Sealed](t)(k.Seal("after"))
	if bytes.Equal(old[:5], fresh[:5]) {
		t.Error("rotation did not change the key id")
	}
	k = must[*Keyring](t)(OpenKeyring(path))
	for s, want := range map[string]string{string(old): "before", string(fresh): "after"} {
		if got, err := k.Open(resource.Sealed(s)); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if !bytes.Equal(k.Derive("x"), derived) || bytes.Equal(k.Derive("y"), derived) {
		t.Error("derived keys do not depend on the purpose alone")
	}
	_, err := NewKeyring().Open(old)
	if err == nil || !strings.Contains(err.Error(), "not in the keyring") {
		t.Errorf("another ring says %v", err)
	}
	for _, v := range []any{old, resource.Circuit{Authorizations: []resource.Authorization{{Key: old}}}} {
		if out := fmt.Sprintf("%v %+v %#v", v, v, v); strings.Contains(out, string(old)) {
			t.Errorf("a sealed secret prints as %q", out)
		}
	}
}

func TestKeyringRefusesFiles(t *testing.T) {
	dir := t.TempDir()
	good := "00010203 " + strings.Repeat("ab", 32)
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"open to others", good, 0o644, "0600"},
		{"empty", "", 0o600, "line 1"},
		{"short key", "00010203 abcd", 0o600, "line 1"},
		{"not hex", "00010203 secretsecret", 0o600, "not hex"},
		{"second line", good + "\nrubbish", 0o600, "line 2"},
	} {
		path := filepath.Join(dir, c.name)
		check(t, os.WriteFile(path, []byte(c.text), c.mode))
		_, err := OpenKeyring(path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("%s: the error shows the key: %v", c.name, err)
		}
	}
}

// No secret is in the data directory in the clear.
func TestCanary(t *testing.T) {
	const canary = "canary0123456789"
	dir := t.TempDir()
	ring := NewKeyring()
	s := openEmbedded(t, dir, ring)
	for i := range 20 {
		c := circuit(fmt.Sprint("c", i))
		c.Peerings = []resource.Peering{{Type: resource.PrivatePeering, Key: must[resource.Sealed](t)(ring.Seal(canary))}}
		c.Provider = "visible-provider"
		check(t, s.Create(t.Context(), c))
	}
	check(t, s.Close())
	var found, visible bool
	check(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(canary))
		visible = visible || bytes.Contains(b, []byte("visible-provider"))
		return err
	}))
	if found || !visible {
		t.Errorf("secret in the clear: %v; the search finds what is not secret: %v", found, visible)
	}
}
