package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// jwk is a public key as it is published (RFC 7517 §4). The members are in alphabetical order, in
// which RFC 7638 hashes them.
type jwk struct {
	Alg string     `json:"alg,omitempty"`
	Crv string     `json:"crv,omitempty"`
	E   string     `json:"e,omitempty"`
	Kid auth.KeyID `json:"kid,omitempty"`
	Kty string     `json:"kty"`
	N   string     `json:"n,omitempty"`
	Use string     `json:"use,omitempty"`
	X   string     `json:"x,omitempty"`
	Y   string     `json:"y,omitempty"`
}

// material is a key pair that is not stored yet. pkcs8 is the private half.
type material struct {
	id     auth.KeyID
	alg    string
	public []byte // JWK
	pkcs8  []byte
}

// seal returns the row of a tenant's key.
func (m material) seal(ring *secret.Keyring, tenant auth.TenantID) auth.SigningKey {
	return auth.SigningKey{ID: m.id, Algorithm: m.alg, Public: m.public, Sealed: ring.Seal(store.KeyContext(tenant, m.id), m.pkcs8)}
}

// newMaterial generates a key pair. For RSA that takes a large part of a second, so it happens
// outside of transactions, and the process keeps one pair in reserve.
func (r *Ring) newMaterial(alg string) (material, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), secret.Reader())
	case EdDSA:
		_, private, err = ed25519.GenerateKey(secret.Reader())
	case RS256:
		private, err = r.rsaKey()
	default:
		return material{}, auth.Invalid(auth.CodeAlgorithmUnknown, "algorithm", "algorithm: want RS256, ES256 or EdDSA")
	}
	if err != nil {
		return material{}, fmt.Errorf("generate %s key: %w", alg, err)
	}
	return describePair(alg, private)
}

// describePair names the pair and encodes both halves.
func describePair(alg string, private crypto.Signer) (material, error) {
	m, err := describePublic(alg, private.Public())
	if err != nil {
		return material{}, err
	}
	if m.pkcs8, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return material{}, fmt.Errorf("encode private key: %w", err)
	}
	return m, nil
}

// describePublic is describePair without the private half. The kid is the beginning of the RFC
// 7638 thumbprint, so a key never has two names.
func describePublic(alg string, public crypto.PublicKey) (material, error) {
	j, err := publicJWK(public)
	if err != nil {
		return material{}, err
	}
	bare, err := json.Marshal(j)
	if err != nil {
		return material{}, fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(bare)
	j.Kid, j.Alg, j.Use = auth.KeyID(secret.Encode(sum[:12])), alg, "sig"
	m := material{id: j.Kid, alg: alg}
	if m.public, err = json.Marshal(j); err != nil {
		return material{}, fmt.Errorf("encode public key: %w", err)
	}
	return m, nil
}

func publicJWK(public crypto.PublicKey) (jwk, error) {
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes() // 4 ‖ x ‖ y
		if err != nil || len(point) != 65 {
			return jwk{}, fmt.Errorf("encode point of %d bytes: %w", len(point), err)
		}
		return jwk{Kty: "EC", Crv: "P-256", X: secret.Encode(point[1:33]), Y: secret.Encode(point[33:])}, nil
	case ed25519.PublicKey:
		return jwk{Kty: "OKP", Crv: "Ed25519", X: secret.Encode(p)}, nil
	case *rsa.PublicKey:
		e := binary.BigEndian.AppendUint32(nil, uint32(p.E))
		for len(e) > 1 && e[0] == 0 {
			e = e[1:]
		}
		return jwk{Kty: "RSA", N: secret.Encode(p.N.Bytes()), E: secret.Encode(e)}, nil
	}
	return jwk{}, errors.New("unknown kind of key")
}

// rsaBits is the size of RSA keys. RS256 is for verifiers that support nothing else; NIST SP
// 800-57 allows ES256 beyond 2030.
const rsaBits = 2048

// rsaReserve is shared by all rings of the process, so that a ring that needs a single key does
// not generate a second one in vain.
var rsaReserve reserve

// reserve keeps one RSA key ready after the first was taken.
type reserve struct {
	turn   sync.Mutex      // one caller at a time: generating RSA keys in parallel is no faster
	mu     sync.Mutex      // key, making
	key    *rsa.PrivateKey // generated and not taken yet
	making bool            // a goroutine generates it
}

func (s *reserve) take() (*rsa.PrivateKey, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	key := s.key
	s.key = nil
	s.mu.Unlock()
	var err error
	if key == nil {
		key, err = rsa.GenerateKey(secret.Reader(), rsaBits)
	}
	s.refill()
	return key, err
}

// refill generates the next key in the background. The goroutine ends with it.
func (s *reserve) refill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil || s.making {
		return
	}
	s.making = true
	go func() {
		key, err := rsa.GenerateKey(secret.Reader(), rsaBits)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.making = false
		if err == nil {
			s.key = key
		}
	}()
}
