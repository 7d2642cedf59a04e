package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Keyring encrypts values at rest under the master key. It seals with the newest key and opens
// with any of its keys, so that a master key can be replaced while old values exist. It is
// immutable and safe for concurrent use.
type Keyring struct {
	keys []masterKey // the first one seals
}

type masterKey struct {
	id   [4]byte
	aead cipher.AEAD
}

// ErrSealed is returned for values that no key of the keyring opens.
var ErrSealed = errors.New("the value was altered, or sealed under a master key that is not configured")

const sealVersion = 1

// NewKeyring returns a keyring of the current master key and, during a key change, the previous
// ones. A key has 32 bytes.
func NewKeyring(current []byte, previous ...[]byte) (*Keyring, error) {
	r := &Keyring{}
	for _, k := range append([][]byte{current}, previous...) {
		if len(k) != 32 {
			return nil, fmt.Errorf("master key: %d bytes, want 32", len(k))
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

// Seal encrypts plain with AES-256-GCM under the newest key. The context (the kind of value and
// its owner) is authenticated, so a sealed value that is moved to another row does not open.
func (r *Keyring) Seal(context string, plain []byte) []byte {
	k := r.keys[0]
	out := append([]byte{sealVersion}, k.id[:]...)
	return k.aead.Seal(out, nil, plain, []byte(context))
}

// Open decrypts a value that Seal returned for the same context. It returns ErrSealed when no key
// fits or the value or its context was altered.
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

// Derive returns a key of 32 bytes for one purpose, derived from a root secret.
func Derive(root []byte, purpose string) []byte {
	k, err := hkdf.Key(sha256.New, root, nil, "watchword "+purpose, 32)
	if err != nil {
		panic("secret: hkdf: " + err.Error()) // only for lengths beyond 8,160 bytes
	}
	return k
}
