package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Keyring seals values at rest under the master key. It seals with the newest key
// and opens with any it holds, so a master key can be changed while old values
// are still there. It is safe for concurrent use and never changes.
type Keyring struct {
	keys []masterKey // the first one seals
}

type masterKey struct {
	id   [4]byte
	aead cipher.AEAD
}

// ErrSealed is returned for values that no key of the ring opens.
var ErrSealed = errors.New("sealed under a master key that is not configured, or altered")

const sealVersion = 1

// ParseMasterKey reads a master key: base64 (standard or URL alphabet, padding
// optional) of exactly 32 bytes that are not all alike.
func ParseMasterKey(s string) ([]byte, error) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(s)), "=")
	key, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(key) != 32 {
		return nil, errors.New("a master key is base64 of exactly 32 random bytes (make one with: openssl rand -base64 32)")
	}
	for _, b := range key {
		if b != key[0] {
			return key, nil
		}
	}
	return nil, errors.New("this master key is not random")
}

// NewKeyring takes the current master key of 32 bytes and, while changing over,
// the previous ones.
func NewKeyring(current []byte, previous ...[]byte) (*Keyring, error) {
	r := &Keyring{}
	for _, k := range append([][]byte{current}, previous...) {
		if len(k) != 32 {
			return nil, fmt.Errorf("a master key has 32 bytes, this one %d", len(k))
		}
		sealing, err := hkdf.Key(sha256.New, k, nil, "watchword seal", 32)
		if err != nil {
			return nil, fmt.Errorf("derive sealing key: %w", err)
		}
		name, err := hkdf.Key(sha256.New, k, nil, "watchword key id", 4)
		if err != nil {
			return nil, fmt.Errorf("derive key id: %w", err)
		}
		block, err := aes.NewCipher(sealing)
		if err != nil {
			return nil, fmt.Errorf("sealing cipher: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("sealing mode: %w", err)
		}
		r.keys = append(r.keys, masterKey{id: [4]byte(name), aead: aead})
	}
	return r, nil
}

// Seal encrypts plain with AES-256-GCM under the newest key. The context (what
// the value is and whose) is authenticated: a sealed value moved to another row
// does not open.
func (r *Keyring) Seal(context string, plain []byte) []byte {
	k := r.keys[0]
	out := append([]byte{sealVersion}, k.id[:]...)
	return k.aead.Seal(out, nil, plain, []byte(context))
}

// Open decrypts what Seal made with the same context. It returns ErrSealed when no
// key fits or the value or its context was altered.
func (r *Keyring) Open(context string, sealed []byte) ([]byte, error) {
	if len(sealed) < 5 || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	for _, k := range r.keys {
		if k.id != [4]byte(sealed[1:5]) {
			continue
		}
		if plain, err := k.aead.Open(nil, nil, sealed[5:], []byte(context)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}

// Current reports whether the value is sealed under the newest key.
func (r *Keyring) Current(sealed []byte) bool {
	return len(sealed) >= 5 && sealed[0] == sealVersion && [4]byte(sealed[1:5]) == r.keys[0].id
}

// Derive makes a key of 32 bytes for one purpose out of a root secret.
func Derive(root []byte, purpose string) []byte {
	k, err := hkdf.Key(sha256.New, root, nil, "watchword "+purpose, 32)
	if err != nil {
		panic("secret: hkdf refuses 32 bytes: " + err.Error()) // only for lengths beyond 8,160 bytes
	}
	return k
}
