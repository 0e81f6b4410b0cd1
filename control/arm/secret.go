package arm

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

const (
	hashRounds   = 100_000
	hashSaltSize = 16
)

// HashSecret makes the stored form of a principal's secret: "pbkdf2-sha256$rounds$salt$hash".
func HashSecret(secret string) (string, error) {
	salt := make([]byte, hashSaltSize)
	rand.Read(salt) // never returns an error (crypto/rand)
	sum, err := pbkdf2.Key(sha256.New, secret, salt, hashRounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("hash secret: %w", err)
	}
	enc := base64.RawStdEncoding
	return fmt.Sprintf("pbkdf2-sha256$%d$%s$%s", hashRounds, enc.EncodeToString(salt), enc.EncodeToString(sum)), nil
}

// CheckSecret reports whether secret is the one that hash was made of.
func CheckSecret(hash, secret string) bool {
	part := strings.Split(hash, "$")
	if len(part) != 4 || part[0] != "pbkdf2-sha256" {
		return false
	}
	rounds, err := strconv.Atoi(part[1])
	if err != nil || rounds < 1 || rounds > 10*hashRounds {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(part[2])
	want, err2 := base64.RawStdEncoding.DecodeString(part[3])
	if err1 != nil || err2 != nil || len(want) != sha256.Size {
		return false
	}
	got, err := pbkdf2.Key(sha256.New, secret, salt, rounds, sha256.Size)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}
