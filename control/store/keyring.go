package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"onramp/resource"
)

const (
	sealVersion = 1
	keyIDBytes  = 4
	keyBytes    = 32
)

// Keyring seals secrets with AES-256-GCM under keys that lie beside, not in, the store. A sealed secret is
//
//	version (1) | key id (4) | nonce (12) | ciphertext and tag
//
// so that old secrets stay readable after Rotate. It is safe for concurrent use.
type Keyring struct {
	path string // "": in memory only

	mu   sync.RWMutex
	keys []ringKey // newest last; the newest seals
}

type ringKey struct {
	id   [keyIDBytes]byte
	aead cipher.AEAD
	raw  []byte
}

// NewKeyring makes a keyring with one random key that is nowhere but in memory.
func NewKeyring() *Keyring {
	k := &Keyring{}
	k.keys = append(k.keys, newRingKey())
	return k
}

// OpenKeyring reads the key file, and makes it (mode 0600) when there is none. A file that others than its owner can read is refused. Each
// line is "id key" in hex; the last one seals.
func OpenKeyring(path string) (*Keyring, error) {
	k := &Keyring{path: path}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		k.keys = append(k.keys, newRingKey())
		return k, k.saveLocked()
	}
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("open keyring %s: mode is %#o, want 0600: others could read the key", path, st.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		key, err := parseRingKey(line)
		if err != nil {
			return nil, fmt.Errorf("open keyring %s: line %d: %w", path, i+1, err)
		}
		k.keys = append(k.keys, key)
	}
	return k, nil
}

// Rotate adds a new key that seals from now on; what was sealed before stays readable.
func (k *Keyring) Rotate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = append(k.keys, newRingKey())
	if err := k.saveLocked(); err != nil {
		k.keys = k.keys[:len(k.keys)-1]
		return err
	}
	return nil
}

// Seal encrypts a secret; "" is nil.
func (k *Keyring) Seal(secret string) (resource.Sealed, error) { return k.SealFor(secret, "") }

// Open decrypts what Seal made; nil is "".
func (k *Keyring) Open(s resource.Sealed) (string, error) { return k.OpenFor(s, "") }

// SealFor encrypts a secret so that only OpenFor with the same owner opens it: it cannot be moved to another object.
func (k *Keyring) SealFor(secret, owner string) (resource.Sealed, error) {
	if secret == "" {
		return nil, nil
	}
	k.mu.RLock()
	key := k.keys[len(k.keys)-1]
	k.mu.RUnlock()
	out := append([]byte{sealVersion}, key.id[:]...)
	nonce := make([]byte, key.aead.NonceSize())
	rand.Read(nonce) // never returns an error (crypto/rand)
	out = append(out, nonce...)
	return key.aead.Seal(out, nonce, []byte(secret), []byte(owner)), nil
}

// OpenFor decrypts what SealFor made for the same owner.
func (k *Keyring) OpenFor(s resource.Sealed, owner string) (string, error) {
	if len(s) == 0 {
		return "", nil
	}
	if s[0] != sealVersion || len(s) < 1+keyIDBytes {
		return "", errors.New("open secret: not sealed by this keyring's format")
	}
	key, ok := k.find([keyIDBytes]byte(s[1 : 1+keyIDBytes]))
	if !ok {
		return "", fmt.Errorf("open secret: key %x is not in the keyring", s[1:1+keyIDBytes])
	}
	rest := s[1+keyIDBytes:]
	n := key.aead.NonceSize()
	if len(rest) < n {
		return "", errors.New("open secret: cut short")
	}
	plain, err := key.aead.Open(nil, rest[:n], rest[n:], []byte(owner))
	if err != nil {
		return "", fmt.Errorf("open secret: %w", err)
	}
	return string(plain), nil
}

func (k *Keyring) find(id [keyIDBytes]byte) (ringKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, key := range k.keys {
		if key.id == id {
			return key, true
		}
	}
	return ringKey{}, false
}

// saveLocked writes the whole file beside the old one and renames it over, so that a crash leaves one of them.
func (k *Keyring) saveLocked() error {
	if k.path == "" {
		return nil
	}
	var b strings.Builder
	for _, key := range k.keys {
		fmt.Fprintf(&b, "%x %x\n", key.id, key.raw)
	}
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return fmt.Errorf("save keyring: %w", err)
	}
	if err := writeFileSync(k.path+".new", []byte(b.String())); err != nil {
		return fmt.Errorf("save keyring: %w", err)
	}
	if err := os.Rename(k.path+".new", k.path); err != nil {
		return fmt.Errorf("save keyring: %w", err)
	}
	return nil
}

func writeFileSync(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func newRingKey() ringKey {
	b := make([]byte, keyIDBytes+keyBytes)
	rand.Read(b) // never returns an error (crypto/rand)
	key, err := makeRingKey(b[:keyIDBytes], b[keyIDBytes:])
	if err != nil {
		panic(err) // the sizes are constants
	}
	return key
}

func parseRingKey(line string) (ringKey, error) {
	id, raw, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		return ringKey{}, errors.New("want: id key, both in hex")
	}
	i, err := hex.DecodeString(id)
	if err != nil {
		return ringKey{}, errors.New("the id is not hex") // the line itself never prints
	}
	r, err := hex.DecodeString(raw)
	if err != nil {
		return ringKey{}, errors.New("the key is not hex")
	}
	return makeRingKey(i, r)
}

func makeRingKey(id, raw []byte) (ringKey, error) {
	if len(id) != keyIDBytes || len(raw) != keyBytes {
		return ringKey{}, fmt.Errorf("want an id of %d bytes and a key of %d", keyIDBytes, keyBytes)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return ringKey{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return ringKey{}, err
	}
	return ringKey{id: [keyIDBytes]byte(id), aead: aead, raw: raw}, nil
}

// Derive makes a key for another purpose from the oldest key of the ring: equal on every process that has the ring, and unchanged by
// Rotate.
func (k *Keyring) Derive(purpose string) []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	h := hmac.New(sha256.New, k.keys[0].raw)
	h.Write([]byte(purpose))
	return h.Sum(nil)
}
