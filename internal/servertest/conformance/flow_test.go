package conformance_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// verifier is a code_verifier; RFC 7636 appendix B.
const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// request is the authorization request of most modules; more are names and values that
// replace its own.
func (l *lab) request(c testClient, more ...string) url.Values {
	v := url.Values{"client_id": {c.id}, "redirect_uri": {c.redirect}, "scope": {c.scope}, "response_type": {"code"},
		"state": {rand.Text()}, "nonce": {rand.Text()}}
	if l.mode != "" {
		v.Set("response_mode", l.mode)
	}
	return pairs(v, more...)
}

// open goes to the authorization endpoint and no further.
func (l *lab) open(v url.Values) *servertest.Page {
	l.t.Helper()
	return l.b.Open(oidc.AuthorizePath + "?" + v.Encode())
}

// goOn goes on to a client that is unknown in this browser, where the page asks.
func (l *lab) goOn(p *servertest.Page) *servertest.Page {
	l.t.Helper()
	switch {
	case p.Away || !p.Has("next"):
		return p
	case p.Link("next") == "": // the form of form_post
		return l.b.Press("next")
	}
	return l.b.Open(p.Link("next"))
}

// through does on our pages what they ask for, until the browser is back at the client.
func (l *lab) through(p *servertest.Page) *servertest.Page {
	l.t.Helper()
	for range 5 {
		switch {
		case p.Away:
			return p
		case p.Want(l.t, 200).Has("password"):
			p = l.b.Press("submit", "email", person, "password", servertest.Password)
		case p.Has("approve"):
			p = l.b.Press("approve")
		default:
			p = l.b.Press("submit")
		}
	}
	l.t.Fatalf("still at %s: %s", p.URL, p.Text())
	return nil
}

// answer is what the client got: at its redirect URI, in the right place, with the
// request's own state and our issuer.
func (l *lab) answer(v url.Values, p *servertest.Page) url.Values {
	l.t.Helper()
	got := p.Answer(l.t)
	to, registered := *p.URL, v.Get("redirect_uri")
	base, query, _ := strings.Cut(registered, "?")
	if to.RawQuery, to.Fragment = "", ""; to.String() != base {
		l.t.Errorf("at %s instead of %s", p.URL, registered)
	}
	if p.URL.Fragment != "" || (p.Posted != nil) != (l.mode == "form_post") {
		l.t.Errorf("the answer came in the wrong place: %s", p.URL)
	}
	if l.mode == "form_post" && p.URL.RawQuery != query {
		l.t.Errorf("a posted answer with %q in the address", p.URL.RawQuery)
	}
	if l.mode == "jwt" {
		got = l.signedAnswer(v.Get("client_id"), got)
	}
	kept, err := url.ParseQuery(query)
	if err != nil {
		l.t.Fatal(err)
	}
	for name := range kept {
		if !slices.Equal(p.URL.Query()[name], kept[name]) {
			l.t.Errorf("the redirect URI lost its %s: %s", name, p.URL)
		}
	}
	if got.Get("state") != v.Get("state") || got.Has("state") != v.Has("state") {
		l.t.Errorf("state %q instead of %q", got.Get("state"), v.Get("state"))
	}
	if got.Get("iss") != issuer {
		l.t.Errorf("iss %q", got.Get("iss"))
	}
	return got
}

// code goes the whole way and returns the code.
func (l *lab) code(v url.Values) string {
	l.t.Helper()
	return l.codeAt(v, l.through(l.open(v)))
}

func (l *lab) codeAt(v url.Values, p *servertest.Page) string {
	l.t.Helper()
	got := l.answer(v, p)
	if got.Has("error") {
		l.t.Fatalf("refused: %v", got)
	}
	code := got.Get("code")
	if len(code) < 22 || entropy(code) < 96 {
		l.t.Errorf("the code %q could be guessed", code)
	}
	return code
}

// entropy is the suite's estimate in bits: what each character says, given how often it
// is there.
func entropy(s string) float64 {
	seen := map[rune]float64{}
	for _, c := range s {
		seen[c]++
	}
	bits, n := 0.0, float64(len(s))
	for _, count := range seen {
		bits += count * math.Log2(n/count)
	}
	return bits
}

// errorAt is the refusal that a client got, which has one of the codes.
func (l *lab) errorAt(v url.Values, p *servertest.Page, codes ...string) {
	l.t.Helper()
	got := l.answer(v, p)
	if !slices.Contains(codes, got.Get("error")) || got.Has("code") {
		l.t.Errorf("answer %v, want an error of %v", got, codes)
	}
	for name := range got {
		if !slices.Contains([]string{"error", "error_description", "error_uri", "state", "iss"}, name) {
			l.t.Errorf("an error has no %s", name)
		}
	}
}

// errorPage expects a page of ours that says what is wrong, and no redirect.
func (l *lab) errorPage(p *servertest.Page) {
	l.t.Helper()
	if p.Away || p.Status < 400 || p.Status > 499 || p.Text() == "" {
		l.t.Errorf("no page of an error: %d at %s", p.Status, p.URL)
	}
}

// tokens is the answer of the token endpoint.
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	id           object // the claims of the ID Token
	header       object
}

// redemption is the form with which a code is redeemed.
func redemption(c testClient, code string, more ...string) url.Values {
	return pairs(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirect}}, more...)
}

// redeem redeems a code and checks what comes of it against its request.
func (l *lab) redeem(c testClient, v url.Values, code string, more ...string) tokens {
	l.t.Helper()
	got := l.issued(c, l.ask(c, redemption(c, code, more...)))
	if got.IDToken == "" {
		l.t.Fatal("no ID Token")
	}
	if nonce, _ := got.id["nonce"].(string); nonce != v.Get("nonce") {
		l.t.Errorf("nonce %q instead of %q", nonce, v.Get("nonce"))
	}
	return got
}

// issued checks an answer of the token endpoint and all that is in it.
func (l *lab) issued(c testClient, r servertest.Response) (got tokens) {
	l.t.Helper()
	r.Want(l.t, 200).Decode(l.t, &got)
	if !isJSON(r) || r.Header.Get("Cache-Control") != "no-store" {
		l.t.Errorf("headers %v", r.Header)
	}
	want := "bearer"
	if c.dpop.private != nil {
		want = "dpop"
	}
	if got.AccessToken == "" || !strings.EqualFold(got.TokenType, want) || got.ExpiresIn <= 0 {
		l.t.Errorf("answer %s", r.Body)
	}
	for _, secret := range []string{got.AccessToken, got.RefreshToken} {
		if secret != "" && (len(secret) < 22 || entropy(secret) < 96 || strings.ContainsFunc(secret, func(c rune) bool { return c < 0x20 || c > 0x7e })) {
			l.t.Errorf("a token could be guessed: %q", secret)
		}
	}
	if got.IDToken != "" {
		l.readIDToken(c, &got)
	}
	return got
}

// readIDToken verifies an ID Token as OpenID Connect Core §3.1.3.7 says.
func (l *lab) readIDToken(c testClient, got *tokens) {
	l.t.Helper()
	got.header, got.id = l.verified(got.IDToken)
	now := float64(l.Clock.Now().Unix())
	sub, _ := got.id["sub"].(string)
	exp, _ := got.id["exp"].(float64)
	iat, _ := got.id["iat"].(float64)
	if got.id["iss"] != issuer || got.id["aud"] != c.id || sub == "" || len(sub) > 255 || exp <= now || iat != now {
		l.t.Errorf("ID Token %v", got.id)
	}
	if azp, ok := got.id["azp"]; ok && azp != c.id {
		l.t.Errorf("azp %v", azp)
	}
	if h, ok := got.id["at_hash"]; ok {
		sum := sha256.Sum256([]byte(got.AccessToken))
		if h != base64.RawURLEncoding.EncodeToString(sum[:16]) {
			l.t.Errorf("at_hash %v", h)
		}
	}
	if at, ok := got.id["auth_time"].(float64); ok && at > now {
		l.t.Errorf("auth_time %v", at)
	}
	if _, ok := got.id["name"]; ok {
		l.t.Error("a name that nobody asked for")
	}
}

// verified checks a JWT of the provider with the key that it names.
func (l *lab) verified(raw string) (header, claims object) {
	l.t.Helper()
	var set jose.JSONWebKeySet
	l.Do(l.t, "GET", oidc.JWKSPath, nil).Want(l.t, 200).Decode(l.t, &set)
	parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		l.t.Fatal(err)
	}
	h := parsed.Signatures[0].Protected
	keys := set.Key(h.KeyID)
	if h.KeyID == "" || len(keys) != 1 || keys[0].Algorithm != h.Algorithm {
		l.t.Fatalf("kid %q, alg %s: %d keys", h.KeyID, h.Algorithm, len(keys))
	}
	body, err := parsed.Verify(keys[0].Key)
	if err == nil {
		err = json.Unmarshal(body, &claims)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	header = object{"kid": h.KeyID, "alg": h.Algorithm}
	if typ, ok := h.ExtraHeaders[jose.HeaderType]; ok {
		header["typ"] = typ
	}
	return header, claims
}

// info asks userinfo with the access token.
func (l *lab) info(access string) object {
	l.t.Helper()
	r := l.Do(l.t, "GET", oidc.UserInfoPath, nil, servertest.Bearer(access)).Want(l.t, 200)
	if !isJSON(r) {
		l.t.Error("userinfo is not JSON")
	}
	var o object
	r.Decode(l.t, &o)
	return o
}

// signIn is the flow that most modules consist of: to the provider and back, tokens, and
// userinfo of the same person.
func (l *lab) signIn(c testClient, more ...string) tokens {
	l.t.Helper()
	v := l.request(c, more...)
	got := l.redeem(c, v, l.code(v))
	if info := l.info(got.AccessToken); info["sub"] != got.id["sub"] {
		l.t.Errorf("userinfo of %v, ID Token of %v", info["sub"], got.id["sub"])
	}
	return got
}
