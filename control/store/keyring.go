package store

// Keyring seals secrets with AES-256-GCM under a key that lies beside, not in, the store.
type Keyring struct {
	key [32]byte
}
