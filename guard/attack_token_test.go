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
	g := standard(t)
	_, _, sig := cut3(esSigner().good())
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		for _, kid := range []string{"", `,"kid":"es-1"`} {
			input := b64([]byte(`{"alg":"`+alg+`","typ":"at+jwt"`+kid+`}`)) + "." + b64([]byte(good(nil)))
			refuses(t, g, input+".", ErrMalformed)
			refuses(t, g, input+"."+sig, ErrAlgorithm)
			refuses(t, g, input+".AA", ErrAlgorithm)
		}
	}
	refuses(t, g, b64([]byte(`{"typ":"at+jwt"}`))+"."+b64([]byte(good(nil)))+"."+sig, ErrAlgorithm)
}

func TestAttack_JV_02_HMACWithPublicKey(t *testing.T) {
	t.Parallel()
	g := standard(t)
	for _, s := range []signer{esSigner(), rsSigner()} {
		der, err := x509.MarshalPKIXPublicKey(s.private.Public())
		if err != nil {
			t.Fatal(err)
		}
		entry, _ := json.Marshal(s.jwk(nil))
		n, _ := base64.RawURLEncoding.DecodeString(fmt.Sprint(s.jwk(nil)["n"], s.jwk(nil)["x"]))
		for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), entry, n} {
			for _, alg := range []string{"HS256", "HS384", "HS512"} {
				refuses(t, g, hmacToken(`{"alg":"`+alg+`","typ":"at+jwt","kid":"`+s.kid+`"}`, secret), ErrAlgorithm)
			}
			// The header of the real key, so that the fast path meets it.
			refuses(t, g, hmacToken(s.header(), secret), ErrSignature)
		}
	}
}

func TestAttack_JV_03_WeakHMACKeys(t *testing.T) {
	t.Parallel()
	g := standard(t)
	for _, secret := range []string{"", "\x00", "secret"} {
		refuses(t, g, hmacToken(`{"alg":"HS256","typ":"at+jwt"}`, []byte(secret)), ErrAlgorithm)
	}
	for _, alg := range []string{"HS256", "HS384", "HS512", "hs256"} {
		_, err := New(context.Background(), Config{Issuer: issuerURL, Algorithms: []string{"ES256", alg}})
		var ce *ConfigError
		if !errors.As(err, &ce) || ce.Field != "Algorithms" {
			t.Errorf("%s can be configured: %v", alg, err)
		}
	}
}

func hmacToken(header string, secret []byte) string {
	input := b64([]byte(header)) + "." + b64([]byte(good(nil)))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

func cut3(token string) (h, p, s string) {
	part := strings.Split(token, ".")
	return part[0], part[1], part[2]
}

func TestAttack_JV_04_ChangedSignatures(t *testing.T) {
	t.Parallel()
	g := standard(t)
	for _, s := range []signer{esSigner(), rsSigner(), edSigner()} {
		one, other := s.token(s.header(), good(nil)), s.token(s.header(), good(map[string]any{"sub": "bob"}))
		accepts(t, g, one)
		h, p, sig1 := cut3(one)
		_, _, sig2 := cut3(other)
		refuses(t, g, h+"."+p+".", ErrMalformed)
		refuses(t, g, h+"."+p, ErrMalformed)
		refuses(t, g, h+"."+p+"."+sig2, ErrSignature)
		raw, _ := strict.DecodeString(sig1)
		for _, at := range []int{0, len(raw) / 2, len(raw) - 1} {
			changed := bytes.Clone(raw)
			changed[at] ^= 1
			refuses(t, g, h+"."+p+"."+b64(changed), ErrSignature)
		}
	}
}

func TestAttack_JV_05_KeysInTheHeader(t *testing.T) {
	t.Parallel()
	c := newClock()
	st := newStation(esSigner().jwk(nil))
	g := newGuard(t, st, c, nil)
	eve := newES(elliptic.P256(), "ES256", "eve")
	entry, _ := json.Marshal(eve.jwk(nil))
	for _, member := range []string{
		`"jwk":` + string(entry),
		`"jku":"https://evil.test/jwks.json"`,
		`"x5u":"https://evil.test/cert.pem"`,
		`"x5c":["` + base64.StdEncoding.EncodeToString([]byte("certificate")) + `"]`,
	} {
		for _, kid := range []string{"es-1", "eve"} {
			refuses(t, g, eve.token(`{"alg":"ES256","typ":"at+jwt","kid":"`+kid+`",`+member+`}`, good(nil)), nil)
			refuses(t, g, eve.token(`{"alg":"ES256","typ":"at+jwt",`+member+`}`, good(nil)), nil)
		}
	}
	if st.asked("evil.test") != 0 || st.asked("id.test") == 0 {
		t.Error("the header's addresses were asked")
	}
}

func TestAttack_JV_06_HostileKeyIDs(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	g := newGuard(t, newStation(esSigner().jwk(nil)), newClock(), func(c *Config) {
		c.MaxTokenBytes = 1 << 20
		c.MinRefetch = time.Nanosecond
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	for _, kid := range []string{
		"../../dev/null", "' OR 1=1--", "key|id", strings.Repeat("k", 64<<10), "unknown", "",
		"a\nlevel=ERROR msg=forged", "\x1b[31mred",
	} {
		name, _ := json.Marshal(kid)
		refuses(t, g, esSigner().token(`{"alg":"ES256","typ":"at+jwt","kid":`+string(name)+`}`, good(nil)), ErrSignature)
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
	g := standard(t)
	for _, iss := range []any{
		"https://id.test/t/other", issuerURL + "/", "https://ID.test/t/acme", "https://id.test/t/Acme",
		strings.Replace(issuerURL, "https", "http", 1), "https://id.test:443/t/acme", " " + issuerURL,
	} {
		refuses(t, g, esSigner().token(esSigner().header(), good(map[string]any{"iss": iss})), ErrIssuer)
	}
	for _, iss := range []any{nil, "", []string{issuerURL}, 7} {
		refuses(t, g, esSigner().token(esSigner().header(), good(map[string]any{"iss": iss})), ErrMalformed)
	}
}

func TestAttack_JV_08_Audiences(t *testing.T) {
	t.Parallel()
	g := standard(t)
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
		refuses(t, g, s.token(s.header(), good(map[string]any{"aud": tt.aud})), tt.want)
	}
	for _, aud := range []any{issuerURL, []string{issuerURL}, []string{"https://other.test", issuerURL}} {
		accepts(t, g, s.token(s.header(), good(map[string]any{"aud": aud})))
	}
}

func TestAttack_JV_09_Times(t *testing.T) {
	t.Parallel()
	g := standard(t)
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
				token := s.token(header, good(tt.change))
				if tt.want == nil {
					accepts(t, g, token)
				} else if e := refuses(t, g, token, tt.want); e.Code == "token_expired" != (tt.want == ErrExpired) {
					t.Errorf("%s: code %q", tt.name, e.Code)
				}
			}
		}
	}
}

func TestAttack_JV_10_OtherKindsOfTokens(t *testing.T) {
	t.Parallel()
	g := standard(t)
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
		t.Run("JV-10 "+name, func(t *testing.T) { refuses(t, g, s.token(header, good(nil)), ErrType) })
	}
	// Even with the right typ, an ID Token lacks what an access token must have.
	for _, claim := range []string{"client_id", "jti", "sub", "iat"} {
		refuses(t, g, s.token(s.header(), good(map[string]any{claim: nil})), ErrMalformed)
	}
	refuses(t, g, "wwr_Zm9vYmFyYmF6", ErrMalformed) // an opaque refresh token
	refuses(t, g, s.token(s.header(), good(map[string]any{"cnf": map[string]any{"jkt": "x"}})), ErrProofRequired)
	for _, typ := range []string{"at+JWT", "application/at+jwt"} {
		accepts(t, g, s.token(`{"alg":"ES256","typ":"`+typ+`","kid":"es-1"}`, good(nil)))
	}
}

func TestAttack_JV_11_Critical(t *testing.T) {
	t.Parallel()
	g := standard(t)
	for _, more := range []string{
		`"crit":["exp"],"exp":1`, `"crit":["unknown"]`, `"crit":[]`, `"crit":["b64"],"b64":false`, `"b64":false`, `"b64":true`,
		`"crit":["b64"],"b64":true`,
	} {
		refuses(t, g, esSigner().token(`{"alg":"ES256","typ":"at+jwt","kid":"es-1",`+more+`}`, good(nil)), ErrMalformed)
	}
}

func TestAttack_JV_12_OtherShapes(t *testing.T) {
	t.Parallel()
	g := standard(t)
	token := esSigner().good()
	h, p, s := cut3(token)
	for _, shape := range []string{
		"", ".", "..", "...", h + "." + p, token + ".", token + "." + s, token + "." + s + "." + s, "." + token,
		`{"protected":"` + h + `","payload":"` + p + `","signature":"` + s + `"}`,
		`{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"` + s + `"}]}`,
		" " + token, token + " ", token + "\n", "\n" + token, token + "\r\n", token + "\x00",
		h + ". " + p + "." + s, h + "." + p + "\n." + s,
	} {
		refuses(t, g, shape, ErrMalformed)
	}
	refuses(t, g, h+".."+s, ErrSignature)
	accepts(t, g, token)
}

func TestAttack_JV_13_Base64(t *testing.T) {
	t.Parallel()
	g := standard(t)
	s := esSigner()
	for _, header := range []string{s.header(), `{"kid":"es-1","alg":"ES256","typ":"at+jwt"}`} {
		// A payload whose length leaves bits over, and with bytes that differ
		// between the two alphabets.
		payload := good(map[string]any{"x": "???>>>~~~ÿÿ"})
		for len(payload)%3 != 1 {
			payload += " "
		}
		token := s.token(header, payload)
		accepts(t, g, token)
		h, p, sig := cut3(token)
		if !strings.ContainsAny(p, "-_") {
			t.Fatal("the payload does not tell the alphabets apart")
		}
		standardAlphabet := strings.NewReplacer("-", "+", "_", "/")
		for _, forged := range []string{
			h + "." + p + "==." + sig, h + "." + p + "." + sig + "==", h + "=." + p + "." + sig,
			h + "." + standardAlphabet.Replace(p) + "." + sig,
			h + "." + p[:8] + "\n" + p[8:] + "." + sig, h + "." + p + "." + sig[:8] + "\r\n" + sig[8:],
			h[:4] + "\n" + h[4:] + "." + p + "." + sig,
		} {
			refuses(t, g, forged, ErrMalformed)
		}
		refuses(t, g, h+"."+p+"."+nextChar(sig), nil) // 64 bytes leave bits over
		refuses(t, g, h+"."+nextChar(p)+"."+sig, nil)
	}
	// The payload's own trailing bits, signed as they are: the bytes are the
	// same, the text is not the canonical one.
	payload := good(nil)
	for len(payload)%3 != 1 {
		payload += " "
	}
	input := b64([]byte(s.header())) + "." + nextChar(b64([]byte(payload)))
	refuses(t, g, input+"."+b64(s.sign(input)), ErrMalformed)
}

// nextChar replaces the last character by the one after it in the alphabet,
// which sets a bit that belongs to no byte.
func nextChar(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last|1])
}

func TestAttack_JV_14_Oversize(t *testing.T) {
	g := standard(t) // not parallel: it measures
	many := make(map[string]int, 100_000)
	for i := range 100_000 {
		many[fmt.Sprint("claim", i)] = i
	}
	claims, _ := json.Marshal(many)
	for name, token := range map[string]string{
		"10 MiB":             strings.Repeat("A", 10<<20),
		"10 MiB well-formed": esSigner().token(esSigner().header(), strings.Repeat(" ", 7<<20)+good(nil)),
		"a million dots":     strings.Repeat(".", 1_000_000),
		"dots in the limit":  strings.Repeat(".", 16<<10),
		"100k claims":        esSigner().token(esSigner().header(), string(claims)),
		"deep nesting":       esSigner().token(esSigner().header(), strings.Repeat(`{"a":`, 2000)),
		"deep header":        b64([]byte(strings.Repeat("[", 11000))) + ".e30.AA",
	} {
		took, allocated := time.Hour, ^uint64(0)
		for range 5 { // the best of five: others share this machine
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			refuses(t, g, token, nil)
			took = min(took, time.Since(began))
			runtime.ReadMemStats(&after)
			allocated = min(allocated, after.TotalAlloc-before.TotalAlloc)
		}
		if took > 2*time.Second { // what is not linear takes minutes
			t.Errorf("%s took %v", name, took)
		}
		if allocated > 64<<10 {
			t.Errorf("%s allocated %d bytes", name, allocated)
		}
	}
}

func TestAttack_JV_15_ECDSASignatures(t *testing.T) {
	t.Parallel()
	p384 := newES(elliptic.P384(), "ES384", "es-384")
	g := newGuard(t, newStation(esSigner().jwk(nil), p384.jwk(nil)), newClock(), func(c *Config) {
		c.Algorithms = []string{"ES256", "ES384"}
	})
	key := esSigner().private.(*ecdsa.PrivateKey)
	for _, header := range []string{esSigner().header(), `{"kid":"es-1","alg":"ES256","typ":"at+jwt"}`} {
		input := b64([]byte(header)) + "." + b64([]byte(good(nil)))
		sig := esSigner().sign(input)
		accepts(t, g, input+"."+b64(sig))
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
			if e := refuses(t, g, input+"."+b64(forged), ErrSignature); e == nil {
				t.Error(name)
			}
		}
	}
	// ES256 in the header, a P-384 key behind the id.
	accepts(t, g, p384.good())
	refuses(t, g, esSigner().token(`{"alg":"ES256","typ":"at+jwt","kid":"es-384"}`, good(nil)), ErrSignature)
	refuses(t, g, p384.token(`{"alg":"ES256","typ":"at+jwt","kid":"es-384"}`, good(nil)), ErrSignature)
}

func TestAttack_JV_18_NoKeyID(t *testing.T) {
	t.Parallel()
	a, b := newES(elliptic.P256(), "ES256", "a"), newES(elliptic.P256(), "ES256", "b")
	eve := newES(elliptic.P256(), "ES256", "eve")
	const header = `{"alg":"ES256","typ":"at+jwt"}`

	one := newGuard(t, newStation(a.jwk(nil), rsSigner().jwk(nil)), newClock(), nil)
	accepts(t, one, a.token(header, good(nil)))
	refuses(t, one, b.token(header, good(nil)), ErrSignature)

	several := newGuard(t, newStation(a.jwk(nil), b.jwk(nil)), newClock(), nil)
	accepts(t, several, a.token(header, good(nil)))
	accepts(t, several, b.token(header, good(nil)))
	refuses(t, several, eve.token(header, good(nil)), ErrSignature)

	// One key under two names: two keys verify, so which one was meant?
	twice := newGuard(t, newStation(a.jwk(nil), a.jwk(map[string]any{"kid": "again"})), newClock(), nil)
	refuses(t, twice, a.token(header, good(nil)), ErrSignature)

	// So many that trying them all would be an attack in itself.
	var crowd []any
	for i := range maxCandidates + 1 {
		crowd = append(crowd, newES(elliptic.P256(), "ES256", fmt.Sprint("k", i)).jwk(nil))
	}
	crowd[0] = a.jwk(nil)
	refuses(t, newGuard(t, newStation(crowd...), newClock(), nil), a.token(header, good(nil)), ErrSignature)
}

func TestAttack_JV_27_EncryptedTokens(t *testing.T) {
	t.Parallel()
	g := standard(t)
	for name, header := range map[string]string{
		"PBES2 with 2^31 rounds": `{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"AAAAAAAAAAA","p2c":2147483648,"typ":"at+jwt"}`,
		"zip bomb":               `{"alg":"dir","enc":"A128GCM","zip":"DEF","typ":"at+jwt"}`,
		"dir":                    `{"alg":"dir","enc":"A256GCM","typ":"at+jwt"}`,
		"RSA1_5":                 `{"alg":"RSA1_5","enc":"A256GCM","kid":"rs-1","typ":"at+jwt"}`,
	} {
		began := time.Now()
		for _, shape := range []string{
			b64([]byte(header)) + "." + strings.Repeat("A", 340) + ".AAAA." + strings.Repeat("A", 10_000) + ".AAAA",
			b64([]byte(header)) + ".." + "AAAA.AAAA.AAAA",
			b64([]byte(header)) + ".AAAA.AAAA", // as if it were a JWS
		} {
			refuses(t, g, shape, nil)
		}
		if took := time.Since(began); took > 30*time.Second { // the rounds that they ask for take hours
			t.Errorf("%s: three refusals took %v", name, took)
		}
	}
}

// The forger's tools would be worthless if no honest token passed.
func TestGoodTokensPass(t *testing.T) {
	t.Parallel()
	g := standard(t)
	for _, s := range []signer{esSigner(), rsSigner(), edSigner()} {
		for _, header := range []string{
			s.header(),
			`{"alg":"` + s.alg + `","kid":"` + s.kid + `","typ":"at+jwt"}`,
			` { "typ" : "application/at+jwt" , "alg":"` + s.alg + `", "kid":"` + s.kid + `", "extra": [1, {"a": null}] } `,
		} {
			c := accepts(t, g, s.token(header, good(nil)))
			if c.Subject != "alice" || !c.HasScope("orders:read") || !c.HasRole("clerk") || !c.HasPermission("orders.cancel") ||
				c.ClientID != "first-party" || c.SessionID != "sid-1" || c.JTI != "jti-1" || c.Issuer != issuerURL ||
				c.ACR != "1" || len(c.AMR) != 1 || !c.AuthTime.Equal(start) || !c.ExpiresAt.Equal(start.Add(15*time.Minute)) {
				t.Errorf("%+v", c)
			}
		}
	}
	if refuses(t, g, "x", ErrMalformed).Status != http.StatusUnauthorized {
		t.Error("status")
	}
}
