package guard

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

type wycheproof struct {
	NumberOfTests int
	TestGroups    []struct {
		Comment         string
		Private, Public json.RawMessage
		PublicKey       struct{ Uncompressed, PK string }
		Tests           []struct {
			TcID                      int
			Comment, JWS, JWE, Result string
			Msg, Sig                  string
		}
	}
}

func readWycheproof(t *testing.T, name string) (w wycheproof) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "wycheproof", name))
	if err == nil {
		err = json.Unmarshal(b, &w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// refusalReason returns why a valid vector is refused by design, "" if it must pass.
func refusalReason(token, keyAlg string) string {
	p, ok := splitJWS(token, []byte(token))
	if !ok {
		return ""
	}
	raw, _ := decodeParts(token, p)
	h, _ := parseHeader(raw)
	switch {
	case strings.HasPrefix(h.alg, "HS"):
		return "shared secrets are never accepted"
	case keyAlg != "" && keyAlg != h.alg:
		return "the key is declared for another algorithm (JV-16)"
	}
	return ""
}

// TestAttack_JV_28_Wycheproof runs the JSON Web Signature and Key files. Their payloads
// are no claims, so it tests only header, key and signature. Both paths must agree.
func TestAttack_JV_28_Wycheproof(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"json_web_signature_test.json", "json_web_key_test.json"} {
		w := readWycheproof(t, file)
		ran, passed := 0, 0
		for _, group := range w.TestGroups {
			published := group.Public
			if published == nil {
				published = group.Private // symmetric
			}
			body := published
			if !strings.Contains(string(published), `"keys"`) {
				body = []byte(`{"keys":[` + string(published) + `]}`)
			}
			var alg struct {
				Alg  string
				Keys []struct{ Alg string }
			}
			if err := json.Unmarshal(published, &alg); err != nil {
				t.Fatal(err)
			}
			if len(alg.Keys) > 0 {
				alg.Alg = alg.Keys[0].Alg
			}
			keys, _, _ := parseKeySet(body, supported)
			set := newKeySet(keys, start)
			for _, tt := range group.Tests {
				ran++
				accepted := verifyBoth(t, set, tt.JWS)
				why := refusalReason(tt.JWS, alg.Alg)
				switch {
				case accepted && tt.Result == "invalid":
					t.Errorf("%s %d %s %s: accepted", file, tt.TcID, group.Comment, tt.Comment)
				case !accepted && tt.Result == "valid" && why == "":
					t.Errorf("%s %d %s %s: refused", file, tt.TcID, group.Comment, tt.Comment)
				case accepted:
					passed++
				}
			}
		}
		if ran != w.NumberOfTests || passed == 0 && file == "json_web_signature_test.json" {
			t.Errorf("%s: %d of %d vectors ran, %d accepted", file, ran, w.NumberOfTests, passed)
		}
		t.Logf("%s: %d vectors, %d accepted", file, ran, passed)
	}
}

// verifyBoth verifies with go-jose and with the standard library, which must agree.
func verifyBoth(t *testing.T, set *keySet, token string) bool {
	t.Helper()
	p, ok := splitJWS(token, []byte(token))
	if !ok {
		return false
	}
	raw, ok := decodeParts(token, p)
	if !ok {
		return false
	}
	h, err := parseHeader(raw)
	if err != nil {
		return false
	}
	_, _, e := verifyGeneral(token, p, h, set)
	fast := false
	for _, k := range set.candidates(jose.SignatureAlgorithm(h.alg), h.kid, h.hasKid) {
		_, e := verifyKnown(p, verifier{k, jose.SignatureAlgorithm(h.alg)})
		fast = fast || e == nil
	}
	if general := e == nil; general != fast {
		t.Errorf("general path says %v, fast path says %v: %s", general, fast, token)
	}
	return e == nil
}

// Encrypted tokens are never accepted, the valid ones included.
func TestAttack_JV_28_WycheproofEncryption(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	w := readWycheproof(t, "json_web_encryption_test.json")
	ran := 0
	for _, group := range w.TestGroups {
		for _, tt := range group.Tests {
			requireRefused(t, g, tt.JWE, ErrMalformed)
			ran++
		}
	}
	if ran != w.NumberOfTests {
		t.Errorf("%d of %d", ran, w.NumberOfTests)
	}
}

func TestAttack_JV_28_WycheproofRawSignatures(t *testing.T) {
	t.Parallel()
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for file, read := range map[string]func(uncompressed, pk string) verifier{
		"ecdsa_secp256r1_webcrypto_test.json": func(uncompressed, _ string) verifier {
			pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), unhex(uncompressed))
			if err != nil {
				t.Fatal(err)
			}
			return verifier{&key{public: pub}, jose.ES256}
		},
		"ed25519_test.json": func(_, pk string) verifier {
			return verifier{&key{public: ed25519.PublicKey(unhex(pk))}, jose.EdDSA}
		},
	} {
		w := readWycheproof(t, file)
		ran, valid := 0, 0
		for _, group := range w.TestGroups {
			v := read(group.PublicKey.Uncompressed, group.PublicKey.PK)
			for _, tt := range group.Tests {
				ran++
				got := checkSignature(v, unhex(tt.Msg), unhex(tt.Sig))
				if got != (tt.Result == "valid") {
					t.Errorf("%s %d %s: %v, want %s", file, tt.TcID, tt.Comment, got, tt.Result)
				}
				if got {
					valid++
				}
			}
		}
		if ran != w.NumberOfTests || valid == 0 {
			t.Errorf("%s: %d of %d vectors ran, %d valid", file, ran, w.NumberOfTests, valid)
		}
	}
}
