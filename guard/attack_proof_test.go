package guard

import (
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	apiURL    = "https://api.test"
	ordersURL = apiURL + "/orders"
)

// prover is a client with a key.
type prover struct{ signer }

func newProver() prover { return prover{newECDSASigner(elliptic.P256(), "ES256", "")} }

// jkt returns the thumbprint of the key as parsed from its JWK.
func (p prover) jkt(t testing.TB) string {
	t.Helper()
	k, err := parseKey(p.publicJWK(nil), supported)
	if err != nil {
		t.Fatal(err)
	}
	return k.thumb
}

func (p prover) publicJWK(change map[string]any) string {
	m := p.jwk(map[string]any{"kid": nil, "use": nil, "alg": nil})
	maps.Copy(m, change)
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (p prover) proofHeader() string {
	return `{"typ":"dpop+jwt","alg":"` + p.alg + `","jwk":` + p.publicJWK(nil) + `}`
}

var proofCount atomic.Int64

// proofPayload returns the payload of a valid proof for GET ordersURL with changes; nil removes a claim.
func proofPayload(access string, change map[string]any) string {
	m := map[string]any{"jti": "proof-" + strconv.FormatInt(proofCount.Add(1), 10), "htm": "GET", "htu": ordersURL, "iat": start.Unix()}
	if access != "" {
		m["ath"] = tokenHash(access)
	}
	maps.Copy(m, change)
	for k, v := range m {
		if v == nil {
			delete(m, k)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (p prover) proof(access string, change map[string]any) string {
	return p.token(p.proofHeader(), proofPayload(access, change))
}

// boundToken returns a token that is bound to the prover's key.
func (p prover) boundToken(t testing.TB) string {
	return esSigner().token(esSigner().header(), validPayload(map[string]any{"cnf": map[string]any{"jkt": p.jkt(t)}}))
}

// newProofAPI returns an API that accepts proofs of possession.
func newProofAPI(t testing.TB, change func(*Config)) (http.Handler, *clock) {
	t.Helper()
	c := newClock()
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), c, func(c *Config) {
		c.Resource, c.Audience = apiURL, issuerURL
		if change != nil {
			change(c)
		}
	})
	return g.Require()(teapot), c
}

func setProofs(access string, proofs ...string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header["Authorization"] = []string{"DPoP " + access}
		r.Header["Dpop"] = proofs
	}
}

var proofRules = ProofRules{Method: "GET", URL: ordersURL, Now: start}

// DP-01: CheckProof and the middleware refuse the same proofs.
func TestAttack_DP_01_BadProofs(t *testing.T) {
	t.Parallel()
	p, api := newProver(), newStandardProofAPI(t)
	access := p.boundToken(t)
	payload := func() string { return proofPayload(access, nil) }
	head := func(members string) string { return p.token("{"+members+"}", payload()) }
	public := p.publicJWK(nil)
	private := p.publicJWK(map[string]any{"d": "AAAA"})
	symmetric := `{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`
	other := newProver()
	fine := p.proof(access, nil)
	parts := strings.Split(fine, ".")
	rs := prover{rsSigner()}
	rs.alg = "PS256"
	short := `{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("u", 171) + `"}`
	for name, proofs := range map[string][]string{
		"none":                   {},
		"two":                    {p.proof(access, nil), p.proof(access, nil)},
		"two in one header":      {p.proof(access, nil) + ", " + p.proof(access, nil)},
		"empty":                  {""},
		"garbage":                {"garbage"},
		"two parts":              {parts[0] + "." + parts[1]},
		"no signature":           {parts[0] + "." + parts[1] + "."},
		"too long":               {p.proof(access, map[string]any{"x": strings.Repeat("x", maxProof)})},
		"not canonical":          {fine + "="},
		"typ missing":            {head(`"alg":"ES256","jwk":` + public)},
		"typ JWT":                {head(`"typ":"JWT","alg":"ES256","jwk":` + public)},
		"typ of an access token": {head(`"typ":"at+jwt","alg":"ES256","jwk":` + public)},
		"typ longer":             {head(`"typ":"dpop+jwt+wrongyousee","alg":"ES256","jwk":` + public)},
		"alg missing":            {head(`"typ":"dpop+jwt","jwk":` + public)},
		"alg none":               {head(`"typ":"dpop+jwt","alg":"none","jwk":` + public)},
		"alg none, unsigned":     {encodeBase64([]byte(`{"typ":"dpop+jwt","alg":"none","jwk":`+public+`}`)) + "." + encodeBase64([]byte(payload())) + "."},
		"alg HS256":              {head(`"typ":"dpop+jwt","alg":"HS256","jwk":` + public)},
		"alg HS256, oct":         {head(`"typ":"dpop+jwt","alg":"HS256","jwk":` + symmetric)},
		"alg of another key":     {head(`"typ":"dpop+jwt","alg":"ES384","jwk":` + public)},
		"alg against jwk.alg":    {rs.token(`{"typ":"dpop+jwt","alg":"PS256","jwk":`+rs.publicJWK(map[string]any{"alg": "RS256"})+`}`, payload())},
		"alg RS256":              {prover{rsSigner()}.proof(access, nil)},
		"alg repeated":           {head(`"typ":"dpop+jwt","alg":"ES256","alg":"ES256","jwk":` + public)},
		"jwk missing":            {head(`"typ":"dpop+jwt","alg":"ES256"`)},
		"jwk null":               {head(`"typ":"dpop+jwt","alg":"ES256","jwk":null`)},
		"jwk a string":           {head(`"typ":"dpop+jwt","alg":"ES256","jwk":"x"`)},
		"jwk private":            {head(`"typ":"dpop+jwt","alg":"ES256","jwk":` + private)},
		"jwk symmetric":          {head(`"typ":"dpop+jwt","alg":"ES256","jwk":` + symmetric)},
		"jwk weak":               {rs.token(`{"typ":"dpop+jwt","alg":"PS256","jwk":`+short+`}`, payload())},
		"jwk for encryption":     {head(`"typ":"dpop+jwt","alg":"ES256","jwk":` + p.publicJWK(map[string]any{"use": "enc"}))},
		"jwk elsewhere":          {head(`"typ":"dpop+jwt","alg":"ES256","jku":"https://evil.test","jwk":` + public)},
		"crit":                   {head(`"typ":"dpop+jwt","alg":"ES256","crit":["x"],"x":1,"jwk":` + public)},
		"signature of another":   {other.token(p.proofHeader(), payload())},
		"payload changed":        {parts[0] + "." + encodeBase64([]byte(payload())) + "." + parts[2]},
		"claims not JSON":        {p.token(p.proofHeader(), "x")},
		"jti missing":            {p.proof(access, map[string]any{"jti": nil})},
		"jti empty":              {p.proof(access, map[string]any{"jti": ""})},
		"jti long":               {p.proof(access, map[string]any{"jti": strings.Repeat("x", maxProofID+1)})},
		"jti a number":           {p.proof(access, map[string]any{"jti": 1})},
		"htm missing":            {p.proof(access, map[string]any{"htm": nil})},
		"htu missing":            {p.proof(access, map[string]any{"htu": nil})},
		"iat missing":            {p.proof(access, map[string]any{"iat": nil})},
		"iat a string":           {p.proof(access, map[string]any{"iat": "1"})},
		"expired":                {p.proof(access, map[string]any{"exp": start.Unix() - 61})},
		"not yet":                {p.proof(access, map[string]any{"nbf": start.Unix() + 61})},
	} {
		t.Run("DP-01 "+name, func(t *testing.T) {
			_, err := CheckProof(proofs, proofRules)
			var e *ProofError
			if !errors.As(err, &e) || e.Code != InvalidProof {
				t.Errorf("CheckProof: %v", err)
			}
			res := sendRequest(api, setProofs(access, proofs...))
			if c := res.Header.Get("WWW-Authenticate"); res.StatusCode != 401 || !strings.HasPrefix(c, `DPoP error="invalid_dpop_proof"`) || !strings.Contains(c, ` algs="ES256 `) {
				t.Errorf("API: %s %q", res.Status, c)
			}
		})
	}
}

func newStandardProofAPI(t testing.TB) http.Handler {
	api, _ := newProofAPI(t, nil)
	return api
}

// Valid proofs are accepted, so the refusals above have the intended reasons.
func TestVerifyProof_AcceptsValidProofs(t *testing.T) {
	t.Parallel()
	api := newStandardProofAPI(t)
	es := newProver()
	ps := prover{rsSigner()}
	ps.alg = "PS256"
	for name, p := range map[string]prover{
		"ES256": es, "ES384": {newECDSASigner(elliptic.P384(), "ES384", "")}, "ES512": {newECDSASigner(elliptic.P521(), "ES512", "")},
		"PS256": ps, "EdDSA": {edSigner()},
	} {
		t.Run(name, func(t *testing.T) {
			access := p.boundToken(t)
			if res := sendRequest(api, setProofs(access, p.proof(access, nil))); res.StatusCode != 418 {
				t.Error(res.Status, res.Header.Get("WWW-Authenticate"))
			}
			got, err := CheckProof([]string{p.proof("", map[string]any{"jti": "x", "nonce": "n"})}, proofRules)
			want := Proof{JKT: p.jkt(t), JTI: "x", IssuedAt: start, Nonce: "n", ExpiresAt: start.Add(DefaultProofWindow + time.Second)}
			if err != nil || got != want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	access := es.boundToken(t)
	for name, proof := range map[string]string{
		"typ in full":     es.token(strings.Replace(es.proofHeader(), "dpop+jwt", "application/DPoP+JWT", 1), proofPayload(access, nil)),
		"unknown members": es.token(strings.Replace(es.proofHeader(), "{", `{"tx_id":1,`, 1), proofPayload(access, map[string]any{"more": []int{1}})),
		"jwk says more":   es.token(`{"typ":"dpop+jwt","alg":"ES256","jwk":`+es.publicJWK(map[string]any{"use": "sig", "alg": "ES256", "kid": "k", "key_ops": []string{"verify"}, "ext": true})+`}`, proofPayload(access, nil)),
		"nbf and exp":     es.proof(access, map[string]any{"nbf": start.Unix(), "exp": start.Unix() + 300}),
		"fraction":        es.proof(access, map[string]any{"iat": float64(start.Unix()) + 0.5}),
	} {
		if res := sendRequest(api, setProofs(access, proof)); res.StatusCode != 418 {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	r := httptest.NewRequest("GET", "/orders?q=1", nil)
	r.Header.Set("Authorization", "dpop "+access)
	r.Header.Set("DPOP", es.proof(access, nil))
	w := httptest.NewRecorder()
	if api.ServeHTTP(w, r); w.Code != 418 {
		t.Errorf("names in another case: %d", w.Code)
	}
}

func TestAttack_DP_02_OtherRequest(t *testing.T) {
	t.Parallel()
	p, api := newProver(), newStandardProofAPI(t)
	access := p.boundToken(t)
	for name, tt := range map[string]struct {
		change map[string]any
		status int
	}{
		"DP-02 method":            {map[string]any{"htm": "POST"}, 401},
		"DP-02 method in lower":   {map[string]any{"htm": "get"}, 401},
		"DP-02 path":              {map[string]any{"htu": apiURL + "/refunds"}, 401},
		"DP-02 longer path":       {map[string]any{"htu": ordersURL + "/1"}, 401},
		"DP-02 slash":             {map[string]any{"htu": ordersURL + "/"}, 401},
		"DP-02 path in upper":     {map[string]any{"htu": apiURL + "/ORDERS"}, 401},
		"DP-02 host":              {map[string]any{"htu": "https://evil.test/orders"}, 401},
		"DP-02 host, user":        {map[string]any{"htu": "https://api.test@evil.test/orders"}, 401},
		"DP-02 user":              {map[string]any{"htu": "https://a:b@api.test/orders"}, 401},
		"DP-02 port":              {map[string]any{"htu": "https://api.test:8443/orders"}, 401},
		"DP-02 scheme":            {map[string]any{"htu": "http://api.test/orders"}, 401},
		"DP-02 relative":          {map[string]any{"htu": "/orders"}, 401},
		"DP-02 escaped slash":     {map[string]any{"htu": apiURL + "/x%2F..%2Forders"}, 401},
		"DP-02 not a URL":         {map[string]any{"htu": "%zz"}, 401},
		"DP-02 query":             {map[string]any{"htu": ordersURL + "?a=b"}, 418},
		"DP-02 fragment":          {map[string]any{"htu": ordersURL + "?a#b"}, 418},
		"DP-02 host in upper":     {map[string]any{"htu": "HTTPS://API.TEST/orders"}, 418},
		"DP-02 default port":      {map[string]any{"htu": "https://api.test:443/orders"}, 418},
		"DP-02 needless escape":   {map[string]any{"htu": apiURL + "/%6frders"}, 418},
		"DP-02 dot segments":      {map[string]any{"htu": apiURL + "/x/../orders"}, 418},
		"DP-02 escaped dot":       {map[string]any{"htu": apiURL + "/x/%2e%2e/orders"}, 418},
		"DP-02 issuer as address": {map[string]any{"htu": issuerURL}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			if res := sendRequest(api, setProofs(access, p.proof(access, tt.change))); res.StatusCode != tt.status {
				t.Error(res.Status)
			}
		})
	}
	// The host that the request claims is ignored.
	res := sendRequest(api, func(r *http.Request) {
		setProofs(access, p.proof(access, map[string]any{"htu": "https://evil.test/orders"}))(r)
		r.Host = "evil.test"
		r.Header.Set("X-Forwarded-Host", "evil.test")
		r.Header.Set("Forwarded", "host=evil.test")
	})
	if res.StatusCode != 401 {
		t.Errorf("DP-02 Host: %s", res.Status)
	}
}

func TestAttack_DP_03_Time(t *testing.T) {
	t.Parallel()
	p, api := newProver(), newStandardProofAPI(t)
	access := p.boundToken(t)
	for off, status := range map[time.Duration]int{
		10 * time.Second: 418, -10 * time.Second: 418, 60 * time.Second: 418, -120 * time.Second: 418,
		61 * time.Second: 401, -121 * time.Second: 401, time.Hour: 401, -time.Hour: 401,
	} {
		if res := sendRequest(api, setProofs(access, p.proof(access, map[string]any{"iat": start.Add(off).Unix()}))); res.StatusCode != status {
			t.Errorf("DP-03 %v: %s", off, res.Status)
		}
	}
}

func TestAttack_DP_04_Replay(t *testing.T) {
	t.Parallel()
	p := newProver()
	api, clock := newProofAPI(t, nil)
	access, again := p.boundToken(t), p.boundToken(t)
	try := func(want int, access, proof string) {
		t.Helper()
		if res := sendRequest(api, setProofs(access, proof)); res.StatusCode != want {
			t.Errorf("DP-04: %s, want %d", res.Status, want)
		}
	}
	early := p.proof(access, map[string]any{"iat": start.Add(time.Minute).Unix(), "jti": "fixed"})
	try(418, access, early)
	try(401, access, early)
	try(401, access, p.proof(access, map[string]any{"jti": "fixed"})) // a new proof
	try(401, again, p.proof(again, map[string]any{"jti": "fixed"}))   // for another token
	other := newProver()
	theirs := other.boundToken(t)
	try(418, theirs, other.proof(theirs, map[string]any{"jti": "fixed"})) // another key's
	for range 18 {                                                        // until it is too old by itself
		clock.Advance(10 * time.Second)
		try(401, access, early)
		try(418, access, p.proof(access, map[string]any{"iat": clock.Now().Unix()}))
	}
}

// A flood evicts proofs from the cache. An evicted proof is still refused.
func TestAttack_DP_04_Flood(t *testing.T) {
	t.Parallel()
	s, by := newReplayCache(8, DefaultProofWindow+time.Second), holderOf(&Claims{Subject: "alice", ClientID: "app"})
	proof := func(i int, at time.Duration) Proof {
		return Proof{JKT: "k", JTI: strconv.Itoa(i), IssuedAt: start.Add(at)}
	}
	now := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second) }
	for i := range 1000 {
		if !s.insert(by, proof(i, time.Duration(i)*time.Second), now(i)) {
			t.Fatalf("a fresh proof is refused at %d", i)
		}
		if len(s.proofs) > 8 {
			t.Fatalf("%d proofs cached", len(s.proofs))
		}
		for j := max(0, i-120); j <= i; j++ { // older ones are refused by their age
			if s.insert(by, proof(j, time.Duration(j)*time.Second), now(i)) {
				t.Fatalf("proof %d is accepted again at %d", j, i)
			}
		}
	}
}

func TestAttack_DP_05_OtherToken(t *testing.T) {
	t.Parallel()
	p, api := newProver(), newStandardProofAPI(t)
	access := p.boundToken(t)
	for name, ath := range map[string]any{
		"missing": nil, "empty": "", "of another token": tokenHash(p.boundToken(t)), "padded": tokenHash(access) + "=", "a number": 1,
	} {
		if res := sendRequest(api, setProofs(access, p.proof(access, map[string]any{"ath": ath}))); res.StatusCode != 401 {
			t.Errorf("DP-05 ath %s: %s", name, res.Status)
		}
	}
}

func TestAttack_DP_06_Schemes(t *testing.T) {
	t.Parallel()
	p, api := newProver(), newStandardProofAPI(t)
	access, plain := p.boundToken(t), esSigner().validToken()
	const where = `resource_metadata="https://api.test/.well-known/oauth-protected-resource"`
	const invalid = `error="invalid_token", error_description="The access token is not valid for this API.", `
	algs := `algs="` + strings.Join(ProofAlgorithms(), " ") + `", `
	for name, tt := range map[string]struct {
		prepare    func(*http.Request)
		status     int
		challenges []string
	}{
		"DP-06 bound as Bearer": {setAuthorization("Bearer " + access), 401, []string{`Bearer ` + invalid + where, `DPoP ` + algs + where}},
		"DP-06 bound as Bearer, with proof": {func(r *http.Request) {
			setAuthorization("Bearer " + access)(r)
			r.Header.Set("DPoP", p.proof(access, nil))
		}, 401, []string{`Bearer ` + invalid + where, `DPoP ` + algs + where}},
		"DP-06 unbound with DPoP": {setProofs(plain, p.proof(plain, nil)), 401, []string{`DPoP ` + invalid + algs + where}},
		"DP-06 key of another":    {setProofs(access, newProver().proof(access, nil)), 401, []string{`DPoP ` + invalid + algs + where}},
		"two headers":             {setAuthorization("Bearer "+plain, "DPoP "+access), 400, nil},
		"no token":                {func(*http.Request) {}, 401, []string{`Bearer ` + where, `DPoP ` + algs + where}},
		"plain Bearer":            {setAuthorization("Bearer " + plain), 418, nil},
	} {
		t.Run(name, func(t *testing.T) {
			res := sendRequest(api, tt.prepare)
			if got := res.Header["Www-Authenticate"]; res.StatusCode != tt.status || tt.challenges != nil && strings.Join(got, "\n") != strings.Join(tt.challenges, "\n") {
				t.Errorf("%s\n%s\nwant\n%s", res.Status, strings.Join(got, "\n"), strings.Join(tt.challenges, "\n"))
			}
		})
	}
	t.Run("DP-06 without a Resource", func(t *testing.T) {
		h := newStandardGuard(t).Require()(teapot)
		wantProblem(t, sendRequest(h, setProofs(access, p.proof(access, nil))), 401, "missing_token", "Bearer")
		wantProblem(t, sendRequest(h, setAuthorization("Bearer "+access)), 401, "invalid_token", invalidToken)
	})
	t.Run("DP-06 other confirmations", func(t *testing.T) {
		for _, cnf := range []any{map[string]any{}, map[string]any{"x5t#S256": "x"}, map[string]any{"jkt": p.jkt(t), "x5t#S256": "x"}, map[string]any{"jkt": ""}} {
			odd := esSigner().token(esSigner().header(), validPayload(map[string]any{"cnf": cnf}))
			for _, prepare := range []func(*http.Request){setAuthorization("Bearer " + odd), setProofs(odd, p.proof(odd, nil))} {
				if res := sendRequest(api, prepare); res.StatusCode != 401 {
					t.Errorf("%v: %s", cnf, res.Status)
				}
			}
		}
	})
	t.Run("DPoPRequired", func(t *testing.T) {
		strict, _ := newProofAPI(t, func(c *Config) { c.DPoPRequired = true })
		res := sendRequest(strict, setAuthorization("Bearer "+plain))
		if got := res.Header["Www-Authenticate"]; res.StatusCode != 401 || len(got) != 1 || !strings.HasPrefix(got[0], "DPoP ") {
			t.Errorf("%s %q", res.Status, got)
		}
		if res := sendRequest(strict, setProofs(access, p.proof(access, nil))); res.StatusCode != 418 {
			t.Error(res.Status)
		}
	})
	t.Run("Verify", func(t *testing.T) {
		g := newStandardGuard(t)
		requireRefused(t, g, access, ErrProofRequired)
		if c, err := g.InsecureVerifyWithoutProof(t.Context(), access); err != nil || c.JKT != p.jkt(t) {
			t.Errorf("%+v, %v", c, err)
		}
		requireRefused(t, g, access, ErrProofRequired) // now from the cache
	})
}

func TestAttack_DP_08_Nonces(t *testing.T) {
	t.Parallel()
	p, key := newProver(), []byte(strings.Repeat("k", 32))
	api, clock := newProofAPI(t, func(c *Config) { c.DPoPNonces, c.DPoPNonceKey = true, key })
	access := p.boundToken(t)
	try := func(nonce any) *http.Response {
		return sendRequest(api, setProofs(access, p.proof(access, map[string]any{"nonce": nonce, "iat": clock.Now().Unix()})))
	}
	res := try(nil)
	nonce := res.Header.Get("DPoP-Nonce")
	if c := res.Header.Get("WWW-Authenticate"); res.StatusCode != 401 || nonce == "" || !strings.HasPrefix(c, `DPoP error="use_dpop_nonce"`) {
		t.Fatalf("DP-08 first try: %s %q %q", res.Status, nonce, c)
	}
	for _, bad := range []any{"", "x", nonce[1:], NewNonces([]byte(strings.Repeat("x", 32))).At(clock.Now())} {
		if res := try(bad); res.StatusCode != 401 || res.Header.Get("DPoP-Nonce") != nonce {
			t.Errorf("DP-08 nonce %q: %s", bad, res.Status)
		}
	}
	if res := try(nonce); res.StatusCode != 418 || res.Header.Get("DPoP-Nonce") != "" {
		t.Errorf("DP-08 good nonce: %s", res.Status)
	}
	clock.Advance(NoncePeriod)
	if res := try(nonce); res.StatusCode != 418 || res.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("DP-08 nonce of the period before: %s", res.Status)
	}
	clock.Advance(NoncePeriod)
	if res := try(nonce); res.StatusCode != 401 {
		t.Errorf("DP-08 expired nonce: %s", res.Status)
	}
	// Another instance with the same key accepts the same nonces; one without it does not.
	second, _ := newProofAPI(t, func(c *Config) { c.DPoPNonces, c.DPoPNonceKey, c.Now = true, key, clock.Now })
	otherKey, _ := newProofAPI(t, func(c *Config) { c.DPoPNonces, c.Now = true, clock.Now })
	fresh := try(nil).Header.Get("DPoP-Nonce")
	access = esSigner().token(esSigner().header(), validPayload(map[string]any{"cnf": map[string]any{"jkt": p.jkt(t)}, "exp": clock.Now().Add(time.Hour).Unix()}))
	for want, h := range map[int]http.Handler{418: second, 401: otherKey} {
		if res := sendRequest(h, setProofs(access, p.proof(access, map[string]any{"nonce": fresh, "iat": clock.Now().Unix()}))); res.StatusCode != want {
			t.Errorf("DP-08 at another instance: %s, want %d", res.Status, want)
		}
	}
}

// FuzzProof verifies that any changed proof is refused.
func FuzzProof(f *testing.F) {
	p := prover{edSigner()}
	head := p.proofHeader()
	for _, header := range []string{head, `{}`, strings.Replace(head, "{", `{"crit":[],`, 1), strings.Replace(head, `"x"`, `"d":"AA","x"`, 1)} {
		f.Add(header, proofPayload("", nil), uint16(0), byte(0), uint8(0))
		f.Add(header, proofPayload("", nil), uint16(40), byte('A'), uint8(1))
	}
	f.Add(head, strings.Replace(proofPayload("", nil), `"htm"`, `"htm":"PUT","htm"`, 1), uint16(0), byte(0), uint8(0))
	f.Fuzz(func(t *testing.T, header, payload string, at uint16, b byte, how uint8) {
		original := p.token(header, payload)
		raw := mutateToken(original, int(at), b, how)
		got, err := CheckProof([]string{raw}, proofRules)
		if err != nil {
			var e *ProofError
			if !errors.As(err, &e) || e.Code != InvalidProof {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		var claims struct {
			HTM, HTU, JTI string
			IAT           float64
		}
		switch {
		case raw != original:
			t.Fatalf("accepted although changed:\n%s\n%s", original, raw)
		case got.JKT != p.jkt(t):
			t.Fatalf("signed by %s, accepted as %s", p.jkt(t), got.JKT)
		case json.Unmarshal([]byte(payload), &claims) != nil || claims.HTM != "GET" || claims.JTI != got.JTI:
			t.Fatalf("accepted %s as %+v", payload, got)
		}
	})
}

// BenchmarkProof measures the check of one proof.
func BenchmarkProof(b *testing.B) {
	p := newProver()
	proofs := []string{p.proof("", nil)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CheckProof(proofs, proofRules); err != nil {
			b.Fatal(err)
		}
	}
}
