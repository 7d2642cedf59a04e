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

// verifier is the code_verifier of RFC 7636 appendix B.
const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// authorizationRequest returns the authorization request of most modules. more are names and
// values that replace its own.
func (mt *moduleTest) authorizationRequest(c testClient, more ...string) url.Values {
	v := url.Values{"client_id": {c.id}, "redirect_uri": {c.redirect}, "scope": {c.scope}, "response_type": {"code"},
		"state": {rand.Text()}, "nonce": {rand.Text()}}
	if mt.responseMode != "" {
		v.Set("response_mode", mt.responseMode)
	}
	return setParams(v, more...)
}

// openAuthorization opens the authorization endpoint.
func (mt *moduleTest) openAuthorization(v url.Values) *servertest.Page {
	mt.t.Helper()
	return mt.b.Open(oidc.AuthorizePath + "?" + v.Encode())
}

// continueToClient presses the button that leads to a client that is new in this browser, if
// there is one.
func (mt *moduleTest) continueToClient(p *servertest.Page) *servertest.Page {
	mt.t.Helper()
	switch {
	case p.Away || !p.Has("next"):
		return p
	case p.Link("next") == "": // the form of form_post
		return mt.b.Press("next")
	}
	return mt.b.Open(p.Link("next"))
}

// completePages completes the sign-in and consent pages until the browser is at the client.
func (mt *moduleTest) completePages(p *servertest.Page) *servertest.Page {
	mt.t.Helper()
	for range 5 {
		switch {
		case p.Away:
			return p
		case p.Want(mt.t, 200).Has("password"):
			p = mt.b.Press("submit", "email", person, "password", servertest.Password)
		case p.Has("approve"):
			p = mt.b.Press("approve")
		default:
			p = mt.b.Press("submit")
		}
	}
	mt.t.Fatalf("still at %s: %s", p.URL, p.Text())
	return nil
}

// requireResponse returns the authorization response. It must be at the redirect URI, in the
// right place, with the state of the request and iss.
func (mt *moduleTest) requireResponse(v url.Values, p *servertest.Page) url.Values {
	mt.t.Helper()
	got := p.Answer(mt.t)
	to, registered := *p.URL, v.Get("redirect_uri")
	base, query, _ := strings.Cut(registered, "?")
	if to.RawQuery, to.Fragment = "", ""; to.String() != base {
		mt.t.Errorf("at %s instead of %s", p.URL, registered)
	}
	if p.URL.Fragment != "" || (p.Posted != nil) != (mt.responseMode == "form_post") {
		mt.t.Errorf("the response is in the wrong place: %s", p.URL)
	}
	if mt.responseMode == "form_post" && p.URL.RawQuery != query {
		mt.t.Errorf("a posted response with the query %q", p.URL.RawQuery)
	}
	if mt.responseMode == "jwt" {
		got = mt.verifyResponseJWT(v.Get("client_id"), got)
	}
	kept, err := url.ParseQuery(query)
	if err != nil {
		mt.t.Fatal(err)
	}
	for name := range kept {
		if !slices.Equal(p.URL.Query()[name], kept[name]) {
			mt.t.Errorf("the redirect URI lost its %s: %s", name, p.URL)
		}
	}
	if got.Get("state") != v.Get("state") || got.Has("state") != v.Has("state") {
		mt.t.Errorf("state %q instead of %q", got.Get("state"), v.Get("state"))
	}
	if got.Get("iss") != issuer {
		mt.t.Errorf("iss %q", got.Get("iss"))
	}
	return got
}

// obtainCode completes an authorization request and returns the code.
func (mt *moduleTest) obtainCode(v url.Values) string {
	mt.t.Helper()
	return mt.requireCode(v, mt.completePages(mt.openAuthorization(v)))
}

func (mt *moduleTest) requireCode(v url.Values, p *servertest.Page) string {
	mt.t.Helper()
	got := mt.requireResponse(v, p)
	if got.Has("error") {
		mt.t.Fatalf("refused: %v", got)
	}
	code := got.Get("code")
	if len(code) < 22 || entropy(code) < 96 {
		mt.t.Errorf("the code %q could be guessed", code)
	}
	return code
}

// entropy returns the suite's estimate in bits, from the frequency of each character.
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

// requireErrorResponse fails the test unless the client gets an error with one of the codes.
func (mt *moduleTest) requireErrorResponse(v url.Values, p *servertest.Page, codes ...string) {
	mt.t.Helper()
	got := mt.requireResponse(v, p)
	if !slices.Contains(codes, got.Get("error")) || got.Has("code") {
		mt.t.Errorf("response %v, want an error of %v", got, codes)
	}
	for name := range got {
		if !slices.Contains([]string{"error", "error_description", "error_uri", "state", "iss"}, name) {
			mt.t.Errorf("an error has no %s", name)
		}
	}
}

// requireErrorPage fails the test unless the browser shows an error page of the server.
func (mt *moduleTest) requireErrorPage(p *servertest.Page) {
	mt.t.Helper()
	if p.Away || p.Status < 400 || p.Status > 499 || p.Text() == "" {
		mt.t.Errorf("no page of an error: %d at %s", p.Status, p.URL)
	}
}

// tokens is a token response.
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	id           object // the claims of the ID Token
	header       object
}

// redemptionForm returns the form that redeems a code.
func redemptionForm(c testClient, code string, more ...string) url.Values {
	return setParams(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirect}}, more...)
}

// redeem redeems a code and checks the tokens against the request.
func (mt *moduleTest) redeem(c testClient, v url.Values, code string, more ...string) tokens {
	mt.t.Helper()
	got := mt.requireTokens(c, mt.requestToken(c, redemptionForm(c, code, more...)))
	if got.IDToken == "" {
		mt.t.Fatal("no ID Token")
	}
	if nonce, _ := got.id["nonce"].(string); nonce != v.Get("nonce") {
		mt.t.Errorf("nonce %q instead of %q", nonce, v.Get("nonce"))
	}
	return got
}

// requireTokens checks a token response and its tokens.
func (mt *moduleTest) requireTokens(c testClient, r servertest.Response) (got tokens) {
	mt.t.Helper()
	r.Want(mt.t, 200).Decode(mt.t, &got)
	if !isJSON(r) || r.Header.Get("Cache-Control") != "no-store" {
		mt.t.Errorf("headers %v", r.Header)
	}
	want := "bearer"
	if c.dpop.private != nil {
		want = "dpop"
	}
	if got.AccessToken == "" || !strings.EqualFold(got.TokenType, want) || got.ExpiresIn <= 0 {
		mt.t.Errorf("token response %s", r.Body)
	}
	for _, secret := range []string{got.AccessToken, got.RefreshToken} {
		if secret != "" && (len(secret) < 22 || entropy(secret) < 96 || strings.ContainsFunc(secret, func(c rune) bool { return c < 0x20 || c > 0x7e })) {
			mt.t.Errorf("a token could be guessed: %q", secret)
		}
	}
	if got.IDToken != "" {
		mt.verifyIDToken(c, &got)
	}
	return got
}

// verifyIDToken verifies an ID Token as OpenID Connect Core §3.1.3.7 requires.
func (mt *moduleTest) verifyIDToken(c testClient, got *tokens) {
	mt.t.Helper()
	got.header, got.id = mt.verifyJWT(got.IDToken)
	now := float64(mt.Clock.Now().Unix())
	sub, _ := got.id["sub"].(string)
	exp, _ := got.id["exp"].(float64)
	iat, _ := got.id["iat"].(float64)
	if got.id["iss"] != issuer || got.id["aud"] != c.id || sub == "" || len(sub) > 255 || exp <= now || iat != now {
		mt.t.Errorf("ID Token %v", got.id)
	}
	if azp, ok := got.id["azp"]; ok && azp != c.id {
		mt.t.Errorf("azp %v", azp)
	}
	if h, ok := got.id["at_hash"]; ok {
		sum := sha256.Sum256([]byte(got.AccessToken))
		if h != base64.RawURLEncoding.EncodeToString(sum[:16]) {
			mt.t.Errorf("at_hash %v", h)
		}
	}
	if at, ok := got.id["auth_time"].(float64); ok && at > now {
		mt.t.Errorf("auth_time %v", at)
	}
	if _, ok := got.id["name"]; ok {
		mt.t.Error("a name without the scope profile")
	}
}

// verifyJWT verifies a JWT of the provider with the published key of its kid.
func (mt *moduleTest) verifyJWT(raw string) (header, claims object) {
	mt.t.Helper()
	var set jose.JSONWebKeySet
	mt.Do(mt.t, "GET", oidc.JWKSPath, nil).Want(mt.t, 200).Decode(mt.t, &set)
	parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		mt.t.Fatal(err)
	}
	h := parsed.Signatures[0].Protected
	keys := set.Key(h.KeyID)
	if h.KeyID == "" || len(keys) != 1 || keys[0].Algorithm != h.Algorithm {
		mt.t.Fatalf("kid %q, alg %s: %d keys", h.KeyID, h.Algorithm, len(keys))
	}
	body, err := parsed.Verify(keys[0].Key)
	if err == nil {
		err = json.Unmarshal(body, &claims)
	}
	if err != nil {
		mt.t.Fatal(err)
	}
	header = object{"kid": h.KeyID, "alg": h.Algorithm}
	if typ, ok := h.ExtraHeaders[jose.HeaderType]; ok {
		header["typ"] = typ
	}
	return header, claims
}

// requestUserInfo requests userinfo with the access token.
func (mt *moduleTest) requestUserInfo(access string) object {
	mt.t.Helper()
	r := mt.Do(mt.t, "GET", oidc.UserInfoPath, nil, servertest.Bearer(access)).Want(mt.t, 200)
	if !isJSON(r) {
		mt.t.Error("userinfo is not JSON")
	}
	var o object
	r.Decode(mt.t, &o)
	return o
}

// signIn completes the flow of most modules: authorization, tokens, and userinfo of the same
// subject.
func (mt *moduleTest) signIn(c testClient, more ...string) tokens {
	mt.t.Helper()
	v := mt.authorizationRequest(c, more...)
	got := mt.redeem(c, v, mt.obtainCode(v))
	if info := mt.requestUserInfo(got.AccessToken); info["sub"] != got.id["sub"] {
		mt.t.Errorf("userinfo of %v, ID Token of %v", info["sub"], got.id["sub"])
	}
	return got
}
