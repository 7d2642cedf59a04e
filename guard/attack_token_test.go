package guard

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestAttack_JV_01_AlgNone(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	_, _, sig := splitToken(esSigner().validToken())
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		for _, kid := range []string{"", `,"kid":"es-1"`} {
			input := encodeBase64([]byte(`{"alg":"`+alg+`","typ":"at+jwt"`+kid+`}`)) + "." + encodeBase64([]byte(validPayload(nil)))
			requireRefused(t, g, input+".", ErrMalformed)
			requireRefused(t, g, input+"."+sig, ErrAlgorithm)
			requireRefused(t, g, input+".AA", ErrAlgorithm)
		}
	}
	requireRefused(t, g, encodeBase64([]byte(`{"typ":"at+jwt"}`))+"."+encodeBase64([]byte(validPayload(nil)))+"."+sig, ErrAlgorithm)
}

func TestAttack_JV_02_HMACWithPublicKey(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	for _, s := range []signer{esSigner(), rsSigner()} {
		der, err := x509.MarshalPKIXPublicKey(s.private.Public())
		if err != nil {
			t.Fatal(err)
		}
		entry, _ := json.Marshal(s.jwk(nil))
		n, _ := base64.RawURLEncoding.DecodeString(fmt.Sprint(s.jwk(nil)["n"], s.jwk(nil)["x"]))
		for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), entry, n} {
			for _, alg := range []string{"HS256", "HS384", "HS512"} {
				requireRefused(t, g, signHMACToken(`{"alg":"`+alg+`","typ":"at+jwt","kid":"`+s.kid+`"}`, secret), ErrAlgorithm)
			}
			// The header of the real key selects the fast path.
			requireRefused(t, g, signHMACToken(s.header(), secret), ErrSignature)
		}
	}
}

func TestAttack_JV_03_WeakHMACKeys(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	for _, secret := range []string{"", "\x00", "secret"} {
		requireRefused(t, g, signHMACToken(`{"alg":"HS256","typ":"at+jwt"}`, []byte(secret)), ErrAlgorithm)
	}
	for _, alg := range []string{"HS256", "HS384", "HS512", "hs256"} {
		_, err := New(context.Background(), Config{Issuer: issuerURL, Algorithms: []string{"ES256", alg}})
		var ce *ConfigError
		if !errors.As(err, &ce) || ce.Field != "Algorithms" {
			t.Errorf("%s can be configured: %v", alg, err)
		}
	}
}

func signHMACToken(header string, secret []byte) string {
	input := encodeBase64([]byte(header)) + "." + encodeBase64([]byte(validPayload(nil)))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + encodeBase64(mac.Sum(nil))
}

func splitToken(token string) (h, p, s string) {
	part := strings.Split(token, ".")
	return part[0], part[1], part[2]
}

func TestAttack_JV_04_ChangedSignatures(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	for _, s := range []signer{esSigner(), rsSigner(), edSigner()} {
		one, other := s.token(s.header(), validPayload(nil)), s.token(s.header(), validPayload(map[string]any{"sub": "bob"}))
		requireAccepted(t, g, one)
		h, p, sig1 := splitToken(one)
		_, _, sig2 := splitToken(other)
		requireRefused(t, g, h+"."+p+".", ErrMalformed)
		requireRefused(t, g, h+"."+p, ErrMalformed)
		requireRefused(t, g, h+"."+p+"."+sig2, ErrSignature)
		raw, _ := strictBase64.DecodeString(sig1)
		for _, at := range []int{0, len(raw) / 2, len(raw) - 1} {
			changed := bytes.Clone(raw)
			changed[at] ^= 1
			requireRefused(t, g, h+"."+p+"."+encodeBase64(changed), ErrSignature)
		}
	}
}

func TestAttack_JV_05_KeysInTheHeader(t *testing.T) {
	t.Parallel()
	c := newClock()
	st := newIssuerStub(esSigner().jwk(nil))
	g := newGuard(t, st, c, nil)
	eve := newECDSASigner(elliptic.P256(), "ES256", "eve")
	entry, _ := json.Marshal(eve.jwk(nil))
	for _, member := range []string{
		`"jwk":` + string(entry),
		`"jku":"https://evil.test/jwks.json"`,
		`"x5u":"https://evil.test/cert.pem"`,
		`"x5c":["` + base64.StdEncoding.EncodeToString([]byte("certificate")) + `"]`,
	} {
		for _, kid := range []string{"es-1", "eve"} {
			requireRefused(t, g, eve.token(`{"alg":"ES256","typ":"at+jwt","kid":"`+kid+`",`+member+`}`, validPayload(nil)), nil)
			requireRefused(t, g, eve.token(`{"alg":"ES256","typ":"at+jwt",`+member+`}`, validPayload(nil)), nil)
		}
	}
	if st.countRequests("evil.test") != 0 || st.countRequests("id.test") == 0 {
		t.Error("a URL in the header was fetched")
	}
}

func TestAttack_JV_06_HostileKeyIDs(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), newClock(), func(c *Config) {
		c.MaxTokenBytes = 1 << 20
		c.MinRefetch = time.Nanosecond
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	for _, kid := range []string{
		"../../dev/null", "' OR 1=1--", "key|id", strings.Repeat("k", 64<<10), "unknown", "",
		"a\nlevel=ERROR msg=forged", "\x1b[31mred",
	} {
		name, _ := json.Marshal(kid)
		requireRefused(t, g, esSigner().token(`{"alg":"ES256","typ":"at+jwt","kid":`+string(name)+`}`, validPayload(nil)), ErrSignature)
	}
	for line := range strings.Lines(log.String()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsRune(line, '\x1b') || len(line) > 400 {
			t.Errorf("log line %.200q", line)
		}
	}
	if log.Len() == 0 {
		t.Error("nothing was logged: the test proves nothing")
	}
}

func TestAttack_JV_07_OtherIssuers(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	for _, iss := range []any{
		"https://id.test/t/other", issuerURL + "/", "https://ID.test/t/acme", "https://id.test/t/Acme",
		strings.Replace(issuerURL, "https", "http", 1), "https://id.test:443/t/acme", " " + issuerURL,
	} {
		requireRefused(t, g, esSigner().token(esSigner().header(), validPayload(map[string]any{"iss": iss})), ErrIssuer)
	}
	for _, iss := range []any{nil, "", []string{issuerURL}, 7} {
		requireRefused(t, g, esSigner().token(esSigner().header(), validPayload(map[string]any{"iss": iss})), ErrMalformed)
	}
}

func TestAttack_JV_08_Audiences(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	s := esSigner()
	for _, tt := range []struct {
		aud  any
		want error
	}{
		{nil, ErrMalformed}, {[]string{}, ErrMalformed}, {map[string]any{issuerURL: 1}, ErrMalformed},
		{[]any{issuerURL, 7}, ErrMalformed}, {"", ErrAudience},
		{"https://other.test", ErrAudience}, {issuerURL[:len(issuerURL)-1], ErrAudience}, {issuerURL + "/", ErrAudience},
		{[]string{"a", "b"}, ErrAudience},
	} {
		requireRefused(t, g, s.token(s.header(), validPayload(map[string]any{"aud": tt.aud})), tt.want)
	}
	for _, aud := range []any{issuerURL, []string{issuerURL}, []string{"https://other.test", issuerURL}} {
		requireAccepted(t, g, s.token(s.header(), validPayload(map[string]any{"aud": aud})))
	}
}

func TestAttack_JV_09_Times(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	for _, tt := range []struct {
		name   string
		change map[string]any
		want   error
	}{
		{"exp just inside the leeway", map[string]any{"exp": at(-29 * time.Second)}, nil},
		{"exp at the end of the leeway", map[string]any{"exp": at(-30 * time.Second)}, ErrExpired},
		{"exp long passed", map[string]any{"exp": at(-time.Hour)}, ErrExpired},
		{"exp missing", map[string]any{"exp": nil}, ErrMalformed},
		{"exp as text", map[string]any{"exp": "4102444800"}, ErrMalformed},
		{"exp beyond any year", map[string]any{"exp": 1e300}, ErrMalformed},
		{"exp negative", map[string]any{"exp": -5}, ErrMalformed},
		{"exp in milliseconds", map[string]any{"exp": start.Add(time.Hour).UnixMilli()}, ErrMalformed},
		{"exp with a fraction", map[string]any{"exp": float64(at(60*time.Second)) + 0.5}, nil},
		{"nbf in the leeway", map[string]any{"nbf": at(30 * time.Second)}, nil},
		{"nbf in the future", map[string]any{"nbf": at(31 * time.Second)}, ErrNotYetValid},
		{"iat far in the future", map[string]any{"iat": at(time.Hour), "exp": at(2 * time.Hour)}, ErrNotYetValid},
		{"iat missing", map[string]any{"iat": nil}, ErrMalformed},
	} {
		for _, s := range []signer{esSigner(), rsSigner()} {
			for _, header := range []string{s.header(), `{"kid":"` + s.kid + `","alg":"` + s.alg + `","typ":"at+jwt"}`} {
				token := s.token(header, validPayload(tt.change))
				if tt.want == nil {
					requireAccepted(t, g, token)
				} else if e := requireRefused(t, g, token, tt.want); e.Code == "token_expired" != (tt.want == ErrExpired) {
					t.Errorf("%s: code %q", tt.name, e.Code)
				}
			}
		}
	}
}

func TestAttack_JV_10_OtherKindsOfTokens(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	s := esSigner()
	kinds := map[string]string{
		"ID Token":         `{"alg":"ES256","typ":"JWT","kid":"es-1"}`,
		"ID Token, no typ": `{"alg":"ES256","kid":"es-1"}`,
		"logout token":     `{"alg":"ES256","typ":"logout+jwt","kid":"es-1"}`,
		"refresh token":    `{"alg":"ES256","typ":"rt+jwt","kid":"es-1"}`,
		"client assertion": `{"alg":"ES256","typ":"client-authentication+jwt","kid":"es-1"}`,
		"request object":   `{"alg":"ES256","typ":"oauth-authz-req+jwt","kid":"es-1"}`,
		"DPoP proof":       `{"alg":"ES256","typ":"dpop+jwt","kid":"es-1"}`,
		"near miss":        `{"alg":"ES256","typ":"at+jwt ","kid":"es-1"}`,
	}
	for name, header := range kinds {
		t.Run("JV-10 "+name, func(t *testing.T) { requireRefused(t, g, s.token(header, validPayload(nil)), ErrType) })
	}
	// Even with the right typ, an ID Token lacks required claims of an access token.
	for _, claim := range []string{"client_id", "jti", "sub", "iat"} {
		requireRefused(t, g, s.token(s.header(), validPayload(map[string]any{claim: nil})), ErrMalformed)
	}
	requireRefused(t, g, "wwr_Zm9vYmFyYmF6", ErrMalformed) // an opaque refresh token
	requireRefused(t, g, s.token(s.header(), validPayload(map[string]any{"cnf": map[string]any{"jkt": "x"}})), ErrProofRequired)
	for _, typ := range []string{"at+JWT", "application/at+jwt"} {
		requireAccepted(t, g, s.token(`{"alg":"ES256","typ":"`+typ+`","kid":"es-1"}`, validPayload(nil)))
	}
}

func TestAttack_JV_11_Critical(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	for _, more := range []string{
		`"crit":["exp"],"exp":1`, `"crit":["unknown"]`, `"crit":[]`, `"crit":["b64"],"b64":false`, `"b64":false`, `"b64":true`,
		`"crit":["b64"],"b64":true`,
	} {
		requireRefused(t, g, esSigner().token(`{"alg":"ES256","typ":"at+jwt","kid":"es-1",`+more+`}`, validPayload(nil)), ErrMalformed)
	}
}

func TestAttack_JV_12_OtherShapes(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	token := esSigner().validToken()
	h, p, s := splitToken(token)
	for _, shape := range []string{
		"", ".", "..", "...", h + "." + p, token + ".", token + "." + s, token + "." + s + "." + s, "." + token,
		`{"protected":"` + h + `","payload":"` + p + `","signature":"` + s + `"}`,
		`{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"` + s + `"}]}`,
		" " + token, token + " ", token + "\n", "\n" + token, token + "\r\n", token + "\x00",
		h + ". " + p + "." + s, h + "." + p + "\n." + s,
	} {
		requireRefused(t, g, shape, ErrMalformed)
	}
	requireRefused(t, g, h+".."+s, ErrSignature)
	requireAccepted(t, g, token)
}

func TestAttack_JV_13_Base64(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	s := esSigner()
	for _, header := range []string{s.header(), `{"kid":"es-1","alg":"ES256","typ":"at+jwt"}`} {
		// A payload whose length leaves spare bits, with bytes that differ between the two
		// alphabets.
		payload := validPayload(map[string]any{"x": "???>>>~~~ÿÿ"})
		for len(payload)%3 != 1 {
			payload += " "
		}
		token := s.token(header, payload)
		requireAccepted(t, g, token)
		h, p, sig := splitToken(token)
		if !strings.ContainsAny(p, "-_") {
			t.Fatal("the payload is the same in both alphabets")
		}
		standardAlphabet := strings.NewReplacer("-", "+", "_", "/")
		for _, forged := range []string{
			h + "." + p + "==." + sig, h + "." + p + "." + sig + "==", h + "=." + p + "." + sig,
			h + "." + standardAlphabet.Replace(p) + "." + sig,
			h + "." + p[:8] + "\n" + p[8:] + "." + sig, h + "." + p + "." + sig[:8] + "\r\n" + sig[8:],
			h[:4] + "\n" + h[4:] + "." + p + "." + sig,
		} {
			requireRefused(t, g, forged, ErrMalformed)
		}
		requireRefused(t, g, h+"."+p+"."+setSpareBit(sig), nil) // 64 bytes leave spare bits
		requireRefused(t, g, h+"."+setSpareBit(p)+"."+sig, nil)
	}
	// Spare bits of the payload, signed: the decoded bytes are the same, but the encoding
	// is not canonical.
	payload := validPayload(nil)
	for len(payload)%3 != 1 {
		payload += " "
	}
	input := encodeBase64([]byte(s.header())) + "." + setSpareBit(encodeBase64([]byte(payload)))
	requireRefused(t, g, input+"."+encodeBase64(s.sign(input)), ErrMalformed)
}

// setSpareBit replaces the last character by the one after it in the alphabet,
// which sets a bit that belongs to no byte.
func setSpareBit(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last|1])
}

func TestAttack_JV_14_Oversize(t *testing.T) {
	g := newStandardGuard(t) // not parallel: it measures
	many := make(map[string]int, 100_000)
	for i := range 100_000 {
		many[fmt.Sprint("claim", i)] = i
	}
	claims, _ := json.Marshal(many)
	for name, token := range map[string]string{
		"10 MiB":             strings.Repeat("A", 10<<20),
		"10 MiB well-formed": esSigner().token(esSigner().header(), strings.Repeat(" ", 7<<20)+validPayload(nil)),
		"a million dots":     strings.Repeat(".", 1_000_000),
		"dots in the limit":  strings.Repeat(".", 16<<10),
		"100k claims":        esSigner().token(esSigner().header(), string(claims)),
		"deep nesting":       esSigner().token(esSigner().header(), strings.Repeat(`{"a":`, 2000)),
		"deep header":        encodeBase64([]byte(strings.Repeat("[", 11000))) + ".e30.AA",
	} {
		took, allocated := time.Hour, ^uint64(0)
		for range 5 { // the best of five: other processes disturb the measurement
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			requireRefused(t, g, token, nil)
			took = min(took, time.Since(began))
			runtime.ReadMemStats(&after)
			allocated = min(allocated, after.TotalAlloc-before.TotalAlloc)
		}
		if took > 2*time.Second { // superlinear parsing takes minutes
			t.Errorf("%s took %v", name, took)
		}
		if allocated > 64<<10 {
			t.Errorf("%s allocated %d bytes", name, allocated)
		}
	}
}

func TestAttack_JV_15_ECDSASignatures(t *testing.T) {
	t.Parallel()
	p384 := newECDSASigner(elliptic.P384(), "ES384", "es-384")
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil), p384.jwk(nil)), newClock(), func(c *Config) {
		c.Algorithms = []string{"ES256", "ES384"}
	})
	key := esSigner().private.(*ecdsa.PrivateKey)
	for _, header := range []string{esSigner().header(), `{"kid":"es-1","alg":"ES256","typ":"at+jwt"}`} {
		input := encodeBase64([]byte(header)) + "." + encodeBase64([]byte(validPayload(nil)))
		sig := esSigner().sign(input)
		requireAccepted(t, g, input+"."+encodeBase64(sig))
		digest := sha256.Sum256([]byte(input))
		der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		n := key.Params().N
		rs := func(r, s *big.Int) []byte {
			out := make([]byte, 64)
			r.FillBytes(out[:32])
			s.FillBytes(out[32:])
			return out
		}
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		zero, top := new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
		for name, forged := range map[string][]byte{
			"DER": der, "r = 0": rs(zero, s), "s = 0": rs(r, zero), "both 0": make([]byte, 64),
			"r = n": rs(n, s), "s = n": rs(r, n), "r = 2^256-1": rs(top, s), "s = 2^256-1": rs(r, top),
			"63 bytes": sig[:63], "65 bytes": append(bytes.Clone(sig), 0), "65 in front": append([]byte{0}, sig...),
			"128 bytes":           append(bytes.Clone(sig), sig...),
			"half-length padding": append(append(make([]byte, 32), sig[:32]...), append(make([]byte, 32), sig[32:]...)...),
		} {
			if e := requireRefused(t, g, input+"."+encodeBase64(forged), ErrSignature); e == nil {
				t.Error(name)
			}
		}
	}
	// ES256 in the header, a P-384 key with the ID.
	requireAccepted(t, g, p384.validToken())
	requireRefused(t, g, esSigner().token(`{"alg":"ES256","typ":"at+jwt","kid":"es-384"}`, validPayload(nil)), ErrSignature)
	requireRefused(t, g, p384.token(`{"alg":"ES256","typ":"at+jwt","kid":"es-384"}`, validPayload(nil)), ErrSignature)
}

func TestAttack_JV_18_NoKeyID(t *testing.T) {
	t.Parallel()
	a, b := newECDSASigner(elliptic.P256(), "ES256", "a"), newECDSASigner(elliptic.P256(), "ES256", "b")
	eve := newECDSASigner(elliptic.P256(), "ES256", "eve")
	const header = `{"alg":"ES256","typ":"at+jwt"}`

	one := newGuard(t, newIssuerStub(a.jwk(nil), rsSigner().jwk(nil)), newClock(), nil)
	requireAccepted(t, one, a.token(header, validPayload(nil)))
	requireRefused(t, one, b.token(header, validPayload(nil)), ErrSignature)

	several := newGuard(t, newIssuerStub(a.jwk(nil), b.jwk(nil)), newClock(), nil)
	requireAccepted(t, several, a.token(header, validPayload(nil)))
	requireAccepted(t, several, b.token(header, validPayload(nil)))
	requireRefused(t, several, eve.token(header, validPayload(nil)), ErrSignature)

	// One key with two IDs: which of them signed is ambiguous.
	twice := newGuard(t, newIssuerStub(a.jwk(nil), a.jwk(map[string]any{"kid": "again"})), newClock(), nil)
	requireRefused(t, twice, a.token(header, validPayload(nil)), ErrSignature)

	// Too many keys to try them all.
	var entries []any
	for i := range maxCandidates + 1 {
		entries = append(entries, newECDSASigner(elliptic.P256(), "ES256", fmt.Sprint("k", i)).jwk(nil))
	}
	entries[0] = a.jwk(nil)
	requireRefused(t, newGuard(t, newIssuerStub(entries...), newClock(), nil), a.token(header, validPayload(nil)), ErrSignature)
}

func TestAttack_JV_27_EncryptedTokens(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	for name, header := range map[string]string{
		"PBES2 with 2^31 rounds": `{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"AAAAAAAAAAA","p2c":2147483648,"typ":"at+jwt"}`,
		"zip bomb":               `{"alg":"dir","enc":"A128GCM","zip":"DEF","typ":"at+jwt"}`,
		"dir":                    `{"alg":"dir","enc":"A256GCM","typ":"at+jwt"}`,
		"RSA1_5":                 `{"alg":"RSA1_5","enc":"A256GCM","kid":"rs-1","typ":"at+jwt"}`,
	} {
		began := time.Now()
		for _, shape := range []string{
			encodeBase64([]byte(header)) + "." + strings.Repeat("A", 340) + ".AAAA." + strings.Repeat("A", 10_000) + ".AAAA",
			encodeBase64([]byte(header)) + ".." + "AAAA.AAAA.AAAA",
			encodeBase64([]byte(header)) + ".AAAA.AAAA", // as if it were a JWS
		} {
			requireRefused(t, g, shape, nil)
		}
		if took := time.Since(began); took > 30*time.Second { // 2^31 rounds take hours
			t.Errorf("%s: three refusals took %v", name, took)
		}
	}
}

// Valid tokens are accepted, so the refusals above have the intended reasons.
func TestVerify_AcceptsValidTokens(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	for _, s := range []signer{esSigner(), rsSigner(), edSigner()} {
		for _, header := range []string{
			s.header(),
			`{"alg":"` + s.alg + `","kid":"` + s.kid + `","typ":"at+jwt"}`,
			` { "typ" : "application/at+jwt" , "alg":"` + s.alg + `", "kid":"` + s.kid + `", "extra": [1, {"a": null}] } `,
		} {
			c := requireAccepted(t, g, s.token(header, validPayload(nil)))
			if c.Subject != "alice" || !c.HasScope("orders:read") || !c.HasRole("clerk") || !c.HasPermission("orders.cancel") ||
				c.ClientID != "first-party" || c.SessionID != "sid-1" || c.JTI != "jti-1" || c.Issuer != issuerURL ||
				c.ACR != "1" || len(c.AMR) != 1 || !c.AuthTime.Equal(start) || !c.ExpiresAt.Equal(start.Add(15*time.Minute)) {
				t.Errorf("%+v", c)
			}
		}
	}
	if requireRefused(t, g, "x", ErrMalformed).Status != http.StatusUnauthorized {
		t.Error("status")
	}
}
