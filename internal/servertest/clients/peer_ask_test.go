package clients_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

const formType = "application/x-www-form-urlencoded"

// request is a request of a program.
type request struct {
	method, to  string // POST when empty
	as          string // the client that proves itself by its own method; empty for nobody
	form        url.Values
	body, media string // instead of a form
	header      http.Header
}

// response is a response with its decoded members.
type response struct {
	status    int
	challenge string
	members   map[string]any
	empty     bool
}

// params returns a form; a name may be repeated.
func params(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// send sends a request unchanged.
func (p *testProvider) send(q request) response {
	p.Helper()
	res, err := p.http.Do(p.newHTTPRequest(q))
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	a := response{status: res.StatusCode, challenge: res.Header.Get("WWW-Authenticate"), empty: len(b) == 0}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		_ = json.Unmarshal(b, &a.members) // said in words by String
	}
	return a
}

func (p *testProvider) newHTTPRequest(q request) *http.Request {
	p.Helper()
	form := maps.Clone(q.form)
	h := http.Header{}
	if q.as != "" {
		form = p.authenticate(q.as, form, h)
	}
	body, media := q.body, q.media
	if body == "" && q.method != "GET" {
		body = form.Encode()
	}
	if media == "" && q.method != "GET" {
		media = formType
	}
	method := q.method
	if method == "" {
		method = "POST"
	}
	r, err := http.NewRequest(method, q.to, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	maps.Copy(r.Header, h)
	maps.Copy(r.Header, q.header)
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	return r
}

// authenticate adds client authentication by the registered method.
func (p *testProvider) authenticate(as string, form url.Values, h http.Header) url.Values {
	p.Helper()
	c := p.clients[as]
	if form == nil {
		form = url.Values{}
	}
	switch c.r.Auth {
	case auth.AuthSecretBasic:
		h.Set("Authorization", basic(c.id, c.secret))
	case auth.AuthSecretPost:
		form.Set("client_id", c.id)
		form.Set("client_secret", c.secret)
	case auth.AuthPrivateKeyJWT:
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", p.assertion(as, nil))
	default:
		form.Set("client_id", c.id)
	}
	return form
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// header returns a header with one or more values.
func header(name string, values ...string) http.Header {
	return http.Header{http.CanonicalHeaderKey(name): values}
}

// token sends a request to the token endpoint as the client.
func (p *testProvider) token(as string, pairs ...string) response {
	p.Helper()
	return p.send(request{to: p.at("token_endpoint"), as: as, form: params(pairs...)})
}

// tokens returns the tokens of a successful response.
func (p *testProvider) tokens(as string, pairs ...string) (access, refresh, id string) {
	p.Helper()
	a := p.token(as, pairs...)
	if a.status != 200 {
		p.Fatalf("%s: tokens for %s: %s (%v)", p.base, as, a, a.members)
	}
	return a.text("access_token"), a.text("refresh_token"), a.text("id_token")
}

func (a response) text(member string) string {
	s, _ := a.members[member].(string)
	return s
}

var challenged = regexp.MustCompile(`^(\w+)(?:.*\berror="(\w+)")?`)

// String describes the response: status, error or the names of its members, and the challenge.
func (a response) String() string {
	s := fmt.Sprint(a.status)
	switch active, is := a.members["active"].(bool); {
	case a.text("error") != "":
		s += " " + a.text("error")
	case is && !active && len(a.members) == 1:
		s += " inactive"
	case len(a.members) > 0:
		s += " " + strings.Join(slices.Sorted(maps.Keys(a.members)), " ")
	case a.empty:
		s += " empty"
	}
	if m := challenged.FindStringSubmatch(a.challenge); m != nil {
		s += strings.TrimRight(" · "+m[1]+" "+m[2], " ")
	}
	return s
}

var peerVerifier = strings.Repeat("a-good-verifier.", 4)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// defaultRequest returns a valid authorization request of a client.
func (p *testProvider) defaultRequest(as string) url.Values {
	c := p.clients[as]
	return url.Values{
		"client_id": {c.id}, "redirect_uri": {c.r.RedirectURIs[0]}, "response_type": {"code"}, "scope": {"openid"}, "state": {"the state"}, "nonce": {rand.Text()},
		"code_challenge": {challengeOf(peerVerifier)}, "code_challenge_method": {"S256"},
	}
}

// request returns the default request with changes: an empty value removes a parameter, a value that begins
// with + is added to it.
func (p *testProvider) request(as string, pairs ...string) url.Values {
	form := p.defaultRequest(as)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		switch more, also := strings.CutPrefix(value, "+"); {
		case value == "":
			form.Del(name)
		case also:
			form.Add(name, more)
		default:
			form.Set(name, value)
		}
	}
	return form
}

func (p *testProvider) authorizeURL(as string, pairs ...string) string {
	p.Helper()
	return p.at("authorization_endpoint") + "?" + p.request(as, pairs...).Encode()
}

// authorize sends an authorization request from a browser without a session and describes where
// it leads.
func (p *testProvider) authorize(as string, pairs ...string) string {
	p.Helper()
	return p.browser().open(p.authorizeURL(as, pairs...), nil, false).String()
}

// code returns an authorization code for the signed-in user.
func (p *testProvider) code(as string, pairs ...string) string {
	p.Helper()
	e := p.person.open(p.authorizeURL(as, pairs...), nil, true)
	if e.values().Get("code") == "" {
		p.Fatalf("%s: no code for %s: %s", p.base, as, e)
	}
	return e.values().Get("code")
}

// redeem is the usual redemption of a code, with changes as in request.
func (p *testProvider) redeem(as, code string, pairs ...string) response {
	p.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {peerVerifier}, "redirect_uri": {appReturn}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if form.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return p.send(request{to: p.at("token_endpoint"), as: as, form: form})
}

// redeemNewCode redeems a new code and returns the tokens.
func (p *testProvider) redeemNewCode(as string, pairs ...string) (access, refresh, id string) {
	p.Helper()
	code := p.code(as, pairs...)
	return p.tokens(as, "grant_type", "authorization_code", "code", code, "code_verifier", peerVerifier, "redirect_uri", appReturn)
}

// offline is what a request adds to get a refresh token.
var offline = []string{"scope", "openid offline_access", "prompt", "consent"}
