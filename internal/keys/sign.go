package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	cryptoasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// signer is an opened key. It is immutable except for headers.
type signer struct {
	key     auth.SigningKey
	private crypto.Signer
	err     error    // why the private half cannot be opened
	headers sync.Map // typ → encoded header with its dot
}

// open unseals a key. A key that does not open is kept with the error: its public half can still
// verify, unless it is forged.
func open(ring *secret.Keyring, tenant auth.TenantID, k auth.SigningKey) *signer {
	s := &signer{key: k}
	s.private, s.err = unseal(ring, tenant, k)
	if s.err != nil {
		s.err = fmt.Errorf("open signing key %s: %w", k.ID, s.err)
	}
	s.key.Sealed = nil
	return s
}

func unseal(ring *secret.Keyring, tenant auth.TenantID, k auth.SigningKey) (crypto.Signer, error) {
	pkcs8, err := ring.Open(store.KeyContext(tenant, k.ID), k.Sealed)
	if err != nil {
		return nil, err
	}
	defer clear(pkcs8)
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, errors.New("the private half is not a PKCS #8 key") // the cause could quote it
	}
	private, ok := parsed.(crypto.Signer)
	if !ok || !matchesAlgorithm(k.Algorithm, private) {
		return nil, errors.New("the private half does not match the algorithm of its row")
	}
	m, err := describePublic(k.Algorithm, private.Public())
	if err != nil {
		return nil, err
	}
	if m.id != k.ID || !bytes.Equal(m.public, k.Public) {
		return nil, errPublicMismatch
	}
	return private, nil
}

// errPublicMismatch means that the row was changed, perhaps to publish a foreign key.
var errPublicMismatch = errors.New("the published half does not belong to the private half")

// isForged reports whether the public half must not be published or trusted.
func (s *signer) isForged() bool { return errors.Is(s.err, errPublicMismatch) }

func matchesAlgorithm(alg string, private crypto.Signer) bool {
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		return alg == ES256 && p.Params().BitSize == 256
	case *rsa.PrivateKey:
		return alg == RS256 && p.N.BitLen() >= rsaBits
	case ed25519.PrivateKey:
		return alg == EdDSA
	}
	return false
}

// Sign returns the compact JWS of the claims. The protected header has the members
// alg, typ, kid in this order and nothing else. A tenant that has no key of the
// algorithm yet gets one.
func (r *Ring) Sign(ctx context.Context, tenant auth.TenantID, alg, typ string, claims []byte) (string, error) {
	if alg == "" {
		alg = r.alg
	}
	s, err := r.signer(ctx, tenant, alg)
	if err != nil {
		return "", err
	}
	return s.sign(typ, claims)
}

// CheckUsable returns nil when all keys with which the tenant signs, now or next, can be opened.
// It is called before a secret is consumed whose redemption needs a signature. It reads only
// memory.
func (r *Ring) CheckUsable(ctx context.Context, tenant auth.TenantID) error {
	snap, err := r.snapshot(ctx, tenant)
	if err != nil {
		return err
	}
	now := r.now()
	for _, s := range snap.signers {
		if s.err != nil && (s.key.RetiredAt.IsZero() || now.Before(s.key.RetiredAt)) {
			return s.err
		}
	}
	return nil
}

// signer returns the key that signs now.
func (r *Ring) signer(ctx context.Context, tenant auth.TenantID, alg string) (*signer, error) {
	snap, err := r.snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	s := snap.active(alg, r.now())
	if s == nil {
		if err := r.Ensure(ctx, tenant, alg); err != nil {
			return nil, err
		}
		if snap, err = r.snapshot(ctx, tenant); err != nil {
			return nil, err
		}
		if s = snap.active(alg, r.now()); s == nil {
			return nil, fmt.Errorf("tenant %s has no %s key", tenant, alg)
		}
	}
	return s, s.err
}

var b64 = base64.RawURLEncoding

// sign writes header, payload and signature into one buffer.
func (s *signer) sign(typ string, claims []byte) (string, error) {
	header := s.header(typ)
	buf := make([]byte, 0, len(header)+b64.EncodedLen(len(claims))+1+b64.EncodedLen(rsaBits/8))
	buf = append(buf, header...)
	buf = b64.AppendEncode(buf, claims)
	var sig []byte
	var err error
	switch p := s.private.(type) {
	case *ecdsa.PrivateKey:
		var fixed [64]byte
		sum := sha256.Sum256(buf)
		err = signECDSA(p, sum[:], &fixed)
		sig = fixed[:]
	case ed25519.PrivateKey:
		sig = ed25519.Sign(p, buf)
	case *rsa.PrivateKey:
		sum := sha256.Sum256(buf)
		sig, err = rsa.SignPKCS1v15(nil, p, crypto.SHA256, sum[:])
	default:
		err = errors.New("unknown kind of key")
	}
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", s.key.ID, err)
	}
	buf = append(buf, '.')
	return string(b64.AppendEncode(buf, sig)), nil
}

// signECDSA writes r ‖ s, each of full length (RFC 7518 §3.4), where the standard
// library gives DER.
func signECDSA(p *ecdsa.PrivateKey, digest []byte, out *[64]byte) error {
	der, err := ecdsa.SignASN1(secret.Reader(), p, digest)
	if err != nil {
		return err
	}
	var inner cryptobyte.String
	var r, s []byte
	in := cryptobyte.String(der)
	if !in.ReadASN1(&inner, cryptoasn1.SEQUENCE) || !inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) ||
		len(r) > 32 || len(s) > 32 {
		return asn1.StructuralError{Msg: "signature"}
	}
	copy(out[32-len(r):32], r)
	copy(out[64-len(s):], s)
	return nil
}

// header returns the encoded header of a typ. It is encoded once for each of the few typ values.
func (s *signer) header(typ string) string {
	if h, ok := s.headers.Load(typ); ok {
		return h.(string)
	}
	name, err := json.Marshal(typ)
	if err != nil {
		panic("keys: encode typ: " + err.Error())
	}
	// Key ids and algorithms need no escaping.
	h := b64.EncodeToString([]byte(`{"alg":"`+s.key.Algorithm+`","typ":`+string(name)+`,"kid":"`+string(s.key.ID)+`"}`)) + "."
	s.headers.Store(typ, h)
	return h
}
