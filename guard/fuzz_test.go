package guard

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
)

// FuzzVerify compares the fast path with the general one and both with go-jose. The
// token is signed, then one byte of it is changed.
func FuzzVerify(f *testing.F) {
	s := edSigner()
	keys, _, err := parseKeySet(encodeJWKS(s.jwk(nil), esSigner().jwk(nil)), supported)
	if err != nil {
		f.Fatal(err)
	}
	set := newKeySet(keys, start)
	claims := validPayload(nil)
	for _, header := range []string{s.header(), `{"kid":"ed-1","alg":"EdDSA","typ":"at+jwt"}`, `{"alg":"EdDSA","typ":"at+jwt"}`,
		`{"alg":"EdDSA","alg":"none","typ":"at+jwt"}`, `{"alg":"EdDSA","typ":"at+jwt","crit":[]}`, `{}`, ""} {
		f.Add(header, claims, uint16(0), byte(0), uint8(0))
		f.Add(header, claims, uint16(1000), byte('\n'), uint8(1))
		f.Add(header, claims+" ", uint16(65535), byte('B'), uint8(2))
	}
	f.Add(s.header(), strings.Replace(claims, `"sub"`, `"sub":"root","sub"`, 1), uint16(0), byte(0), uint8(0))
	f.Fuzz(func(t *testing.T, header, payload string, at uint16, b byte, how uint8) {
		original := s.token(header, payload)
		token := mutateToken(original, int(at), b, how)
		p, ok := splitJWS(token, []byte(token))
		if !ok {
			return
		}
		general, accepted := verifyGeneralPath(set, token, p)
		if v, known := set.byHeader[p.header]; known {
			fast, e := verifyKnown(p, v)
			if (e == nil) != accepted || fast != general {
				t.Fatalf("fast path: %v %q, general path: %v %q\n%s", e == nil, fast, accepted, general, token)
			}
		}
		if !accepted {
			return
		}
		if token != original {
			t.Fatalf("accepted although changed:\n%s\n%s", original, token)
		}
		jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			t.Fatal("accepted, but not by go-jose:", err)
		}
		if got, err := jws.Verify(s.private.Public()); err != nil || string(got) != general {
			t.Fatal("accepted, but not by go-jose:", err)
		}
		requireSameClaims(t, general)
	})
}

func mutateToken(token string, at int, b byte, how uint8) string {
	i := at % len(token)
	switch how % 4 {
	case 1:
		return token[:i] + string([]byte{b}) + token[i:]
	case 2:
		return token[:i] + string([]byte{b}) + token[i+1:]
	case 3:
		return token[:i] + token[i+1:]
	}
	return token
}

func verifyGeneralPath(set *keySet, token string, p parts) (string, bool) {
	raw, ok := decodeParts(token, p)
	if !ok {
		return "", false
	}
	h, err := parseHeader(raw)
	if err != nil || !isAccessTokenType(h.typ) {
		return "", false
	}
	payload, _, e := verifyGeneral(token, p, h, set)
	return payload, e == nil
}

// requireSameClaims fails the test unless parseClaims and encoding/json agree.
func requireSameClaims(t *testing.T, payload string) {
	t.Helper()
	c, err := parseClaims(payload)
	if err != nil {
		return
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(payload), &m); err != nil {
		t.Fatalf("read %q, but encoding/json: %v", payload, err)
	}
	if err := josejson.Unmarshal([]byte(payload), &m); err != nil {
		t.Fatalf("read %q, but go-jose: %v", payload, err)
	}
	if m["iss"] != c.Issuer || m["sub"] != c.Subject || m["jti"] != c.JTI || m["client_id"] != c.ClientID {
		t.Fatalf("read %+v from %q", c, payload)
	}
	if exp, _ := m["exp"].(float64); int64(exp) != c.ExpiresAt.Unix() {
		t.Fatalf("read exp %v from %q", c.ExpiresAt, payload)
	}
	var again any
	if ok, err := c.Claim("iss", &again); !ok || err != nil || again != c.Issuer {
		t.Fatalf("Claim: %v %v %v", ok, err, again)
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{validPayload(nil), `{"a":1,"a":2}`, `{"a":[{"b":"\u00e9\ud83d"}]}`, "{\"a\":\"\xff\"}", `{"a":1e999}`, `{"a":-}`, `{} `} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		accepted := validObject(text)
		var v any
		stdErr := json.Unmarshal([]byte(text), &v)
		joseErr := josejson.Unmarshal([]byte(text), &v)
		if accepted && (!json.Valid([]byte(text)) || !utf8.ValidString(text)) {
			t.Fatalf("accepted %q, encoding/json does not: %v", text, stdErr)
		}
		if accepted && joseErr != nil && !strings.Contains(joseErr.Error(), "number") && !strings.Contains(joseErr.Error(), "range") {
			t.Fatalf("accepted %q, go-jose does not: %v", text, joseErr)
		}
		// The parser refuses valid JSON only for these reasons.
		isObject := strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{")
		strictness := !isObject || !utf8.ValidString(text) || strings.Contains(text, `\u`) ||
			strings.Count(text, "{")+strings.Count(text, "[") > maxDepth
		if !accepted && !strictness && stdErr == nil && joseErr == nil {
			t.Fatalf("refused %q, which encoding/json and go-jose accept", text)
		}
	})
}

func FuzzJWKS(f *testing.F) {
	f.Add(encodeJWKS(esSigner().jwk(nil), rsSigner().jwk(nil), edSigner().jwk(nil)))
	f.Add(encodeJWKS(esSigner().jwk(map[string]any{"alg": nil, "kid": nil}), map[string]any{"kty": "oct", "k": "AA"}))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQ"},{"kty":"OKP","crv":"Ed25519","x":""},null,7,[]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, _, err := parseKeySet(body, supported)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, error %v", len(keys), err)
		}
		for i, k := range keys {
			if len(k.algs) == 0 || k.thumb == "" {
				t.Fatalf("%+v", k)
			}
			for _, alg := range k.algs {
				if !slices.Contains(supported, alg) {
					t.Fatalf("algorithm %q", alg)
				}
			}
			switch pub := k.public.(type) {
			case *ecdsa.PublicKey, ed25519.PublicKey:
			case *rsa.PublicKey:
				if pub.N.BitLen() < 2048 || pub.E < 3 {
					t.Fatalf("weak RSA key: %d bits, e = %d", pub.N.BitLen(), pub.E)
				}
			default:
				t.Fatalf("key of type %T", k.public)
			}
			for _, other := range keys[:i] {
				if k.id != "" && k.id == other.id && slices.ContainsFunc(k.algs, other.allows) {
					t.Fatalf("two keys share the id %q", k.id)
				}
			}
		}
		newKeySet(keys, start)
	})
}

func FuzzParseBearer(f *testing.F) {
	for _, s := range []string{"Bearer abc", "bearer abc", "Bearer", "Bearer ", "Bearer  a", "Bearer\ta", "Basic a", "Bearer a,b", "Bearerabc", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, err := ParseBearer(&http.Request{Header: http.Header{"Authorization": {value}}})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || token != "" || e.Status != 400 && e.Status != 401 {
				t.Fatalf("%q %v", token, err)
			}
			return
		}
		if token == "" || strings.ContainsAny(token, " \t,") || !strings.EqualFold(value, "bearer "+token) {
			t.Fatalf("%q from %q", token, value)
		}
	})
}
