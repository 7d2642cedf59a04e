package oidc

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// FuzzAuthorizeForm: for every request, the response goes to a registered redirect URI or nowhere,
// with an unchanged state; and every accepted parameter is valid.
func FuzzAuthorizeForm(f *testing.F) {
	s := New(Config{Base: "https://id.example.test", Now: func() time.Time { return time.Unix(1_700_000_000, 0) }})
	c := auth.Client{ID: "app", Type: auth.ClientNative, Scopes: []string{"openid", "email"},
		RedirectURIs: []string{"https://app.test/cb", "https://app.test/q?a=b", "http://127.0.0.1/cb"},
		Settings:     auth.StoredSettings{ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode}, Audiences: []string{"https://api.test"}}}}
	good := "client_id=app&redirect_uri=https%3A%2F%2Fapp.test%2Fcb&response_type=code&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	for _, more := range []string{"", "&scope=openid+x&state=%0d%0a", "&prompt=none&max_age=0&response_mode=form_post", "&claims=%7B%22id_token%22%3A%7B%22sub%22%3A%7B%22value%22%3A%22x%22%7D%7D%7D",
		"&resource=https://api.test&resource=x", "&state=a&state=b", "&request=x", "&request_uri=http://x", "&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb"} {
		f.Add(good + more)
	}
	f.Add("redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&response_type=code+id_token&response_mode=query")
	f.Fuzz(func(t *testing.T, text string) {
		form, err := oauth.ParseAuthorizeForm(text)
		if err != nil || form.Get("id_token_hint") != "" || strings.HasPrefix(form.Get("request_uri"), pushedPrefix) { // these read the database
			return
		}
		req := &authorizeRequest{tenant: auth.Tenant{ID: auth.DefaultTenant}, client: c, form: form}
		err = s.readRequest(t.Context(), req)
		if uri := req.params.RedirectURI; uri != "" && !c.MatchRedirectURI(uri) {
			t.Fatalf("%q has a response at %q", text, uri)
		}
		if err != nil {
			e, ok := errors.AsType[*oauth.Error](err)
			if !ok {
				t.Fatalf("%q: %v", text, err)
			}
			if req.params.RedirectURI == "" {
				return
			}
			if strings.HasSuffix(req.params.ResponseMode, signedSuffix) {
				return // what is in the answer is signed, and there are no keys here
			}
			a, err := s.errorResponse(t.Context(), auth.DefaultTenant, c, req.params, string(e.Code), e.Desc)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := url.Parse(a.Location()); err != nil || strings.ContainsAny(a.Location(), "\r\n\"<> ") {
				t.Fatalf("%q: %q, %v", text, a.Location(), err)
			}
			if state := form.Get("state"); a.Get("state") != state && len(state) <= maxState && !form.Repeated("state") {
				t.Fatalf("%q: state %q", text, a.Get("state"))
			}
			return
		}
		r := req.params
		if r.RedirectURI == "" || !isSHA256(r.Challenge) || !r.Scope.Within(c.Scopes) || !slices.Contains(ResponseModes, r.ResponseMode) || r.State != form.Get("state") ||
			!auth.Scope(r.Resources).Within(auth.Scope{"https://api.test", "https://id.example.test"}) {
			t.Fatalf("%q passes as %+v", text, r)
		}
	})
}
