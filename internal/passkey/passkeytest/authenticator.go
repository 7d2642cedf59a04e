// Package passkeytest is an authenticator in software, for tests: it answers the options of
// WebAuthn ceremonies as a browser with a security key or a phone does.
//
// It signs with ES256 and knows no attestation. Its fields make it answer as an attacker would.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/watchword-auth/watchword/internal/secret"
)

// Authenticator holds the passkeys of one user. Its fields may be changed between ceremonies.
type Authenticator struct {
	Origin    string
	RPID      string // whose hash goes into the responses
	NoUser    bool   // the user is not present
	Verifies  bool   // it verifies the user
	Synced    bool   // its passkeys are backed up
	FindsByID bool   // its browser reports no discoverable passkey
	Counter   uint32 // of the next response; 0 for an authenticator that does not count
	AAGUID    [16]byte
	Challenge string // overrides the challenge of the options
	Type      string // overrides the type of the client data
	Handle    []byte // overrides the user handle of assertions
	NoHandle  bool   // assertions have no user handle
	PublicKey []byte // overrides the COSE_Key of new passkeys
	// Tamper changes the client data and the authenticator data before they are signed.
	Tamper func(clientData, authData []byte) (newClientData, newAuthData []byte)

	keys []key
}

type key struct {
	id, handle []byte
	private    *ecdsa.PrivateKey
}

// New returns an authenticator of a page with the given origin, that verifies its user.
func New(origin, rpID string) *Authenticator {
	return &Authenticator{Origin: origin, RPID: rpID, Verifies: true, Counter: 1}
}

// encoding is that of the JSON forms of WebAuthn §5.1.
var encoding = base64.RawURLEncoding

// creationOptions are the parts of PublicKeyCredentialCreationOptionsJSON that the authenticator reads.
type creationOptions struct {
	Challenge string `json:"challenge"`
	User      struct {
		ID string `json:"id"`
	} `json:"user"`
	ExcludeCredentials []struct {
		ID string `json:"id"`
	} `json:"excludeCredentials"`
}

// Create answers options of a creation with a RegistrationResponseJSON, for a new passkey.
func (a *Authenticator) Create(t testing.TB, options []byte) []byte {
	t.Helper()
	var o creationOptions
	decode(t, options, &o)
	handle, err := encoding.DecodeString(o.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), secret.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return a.create(t, o.Challenge, key{id: secret.Bytes(32), handle: handle, private: private})
}

// CreateAgain answers options of a creation with the newest passkey, as an attacker would.
func (a *Authenticator) CreateAgain(t testing.TB, options []byte) []byte {
	t.Helper()
	var o creationOptions
	decode(t, options, &o)
	return a.create(t, o.Challenge, a.keys[len(a.keys)-1])
}

// HandleOf returns the user handle of the newest passkey.
func (a *Authenticator) HandleOf() []byte { return a.keys[len(a.keys)-1].handle }

func (a *Authenticator) create(t testing.TB, challenge string, k key) []byte {
	t.Helper()
	a.keys = append(a.keys, k)
	clientData, authData := a.signedParts(t, "webauthn.create", challenge, a.attested(t, k))
	attestation := []byte{0xa3, 0x63, 'f', 'm', 't', 0x64, 'n', 'o', 'n', 'e', 0x67, 'a', 't', 't', 'S', 't', 'm', 't', 0xa0, 0x68, 'a', 'u', 't', 'h', 'D', 'a', 't', 'a', 0x59}
	attestation = binary.BigEndian.AppendUint16(attestation, uint16(len(authData)))
	attestation = append(attestation, authData...)
	return encode(t, map[string]any{
		"id": encoding.EncodeToString(k.id), "rawId": encoding.EncodeToString(k.id), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": !a.FindsByID}},
		"response": map[string]any{
			"clientDataJSON": encoding.EncodeToString(clientData), "attestationObject": encoding.EncodeToString(attestation),
			"transports": []string{"internal", "hybrid"},
		},
	})
}

// Get answers options of an authentication with an AuthenticationResponseJSON, with the newest
// passkey.
func (a *Authenticator) Get(t testing.TB, options []byte) []byte {
	t.Helper()
	var o struct {
		Challenge string `json:"challenge"`
	}
	decode(t, options, &o)
	k := a.keys[len(a.keys)-1]
	if a.Handle != nil {
		k.handle = a.Handle
	}
	clientData, authData := a.signedParts(t, "webauthn.get", o.Challenge, nil)
	clientHash := sha256.Sum256(clientData)
	hash := sha256.Sum256(append(append([]byte{}, authData...), clientHash[:]...))
	signature, err := ecdsa.SignASN1(secret.Reader(), k.private, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	response := map[string]any{
		"clientDataJSON": encoding.EncodeToString(clientData), "authenticatorData": encoding.EncodeToString(authData),
		"signature": encoding.EncodeToString(signature), "userHandle": encoding.EncodeToString(k.handle),
	}
	if a.NoHandle {
		delete(response, "userHandle")
	}
	return encode(t, map[string]any{
		"id": encoding.EncodeToString(k.id), "rawId": encoding.EncodeToString(k.id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response,
	})
}

// signedParts returns the client data and the authenticator data of a response (WebAuthn §5.8.1,
// §6.1).
func (a *Authenticator) signedParts(t testing.TB, kind, challenge string, attested []byte) (clientData, authData []byte) {
	t.Helper()
	if a.Type != "" {
		kind = a.Type
	}
	if a.Challenge != "" {
		challenge = a.Challenge
	}
	clientData = encode(t, map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	rp := sha256.Sum256([]byte(a.RPID))
	var flags byte
	for bit, set := range map[byte]bool{1: !a.NoUser, 4: a.Verifies, 8: a.Synced, 16: a.Synced, 64: attested != nil} {
		if set {
			flags |= bit
		}
	}
	authData = append(rp[:], flags)
	authData = binary.BigEndian.AppendUint32(authData, a.Counter)
	if a.Counter > 0 {
		a.Counter++
	}
	authData = append(authData, attested...)
	if a.Tamper != nil {
		clientData, authData = a.Tamper(clientData, authData)
	}
	return clientData, authData
}

// attested returns the attested credential data of a new passkey (WebAuthn §6.5.1).
func (a *Authenticator) attested(t testing.TB, k key) []byte {
	t.Helper()
	point, err := k.private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	out := append([]byte{}, a.AAGUID[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(k.id)))
	out = append(out, k.id...)
	if a.PublicKey != nil {
		return append(out, a.PublicKey...)
	}
	out = append(out, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20) // kty EC2, alg ES256, crv P-256, x
	out = append(out, point[1:33]...)
	out = append(out, 0x22, 0x58, 0x20) // y
	return append(out, point[33:]...)
}

func decode(t testing.TB, in []byte, out any) {
	t.Helper()
	if err := json.Unmarshal(in, out); err != nil {
		t.Fatalf("options %s: %v", in, err)
	}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
