package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/outbound"
)

// requestObjectClaims returns the claims of a valid request object of the client.
func (h *fixture) requestObjectClaims(c auth.Client) claims {
	return claims{"client_id": c.ID, "redirect_uri": callback, "response_type": "code", "scope": "openid", "state": "inside", "nonce": "inside", "max_age": 3600,
		"code_challenge": challenge, "code_challenge_method": "S256", "claims": claims{"userinfo": claims{"email": nil}},
		"iss": c.ID, "aud": base, "exp": h.clock.Now().Add(time.Minute).Unix(), "iat": h.clock.Now().Unix()}
}

func (h *fixture) newSigningClient(alg jose.SignatureAlgorithm) (auth.Client, string, keyPair) {
	h.t.Helper()
	k := newPair(h.t, alg)
	c, secret := h.newWebClient(withFirstParty)
	return h.changeClient(c, func(c *auth.Client) { c.Settings.JWKS = k.JWKS }), secret, k
}

// What is inside the object counts, and nothing else (RFC 9101 §5).
func TestRequestObject(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, alg := range client.AssertionAlgorithms {
			c, secret, k := h.newSigningClient(alg)
			v := h.newBrowser()
			v.signIn(h.alice)
			raw := sign(t, alg, k.Private, h.requestObjectClaims(c), map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"})
			step, err := v.authorize("client_id", string(c.ID), "request", raw, "state", "outside", "nonce", "outside", "scope", "email", "redirect_uri", "https://evil.test/")
			h.requireOK(err)
			_, g, _ := h.requireCode(step)
			if step.Response.Get("state") != "inside" || g.Nonce != "inside" || g.Scope.String() != "openid" || len(g.Claims.UserInfo) != 1 {
				t.Errorf("%s: the code stands for %+v, answered %+v", alg, g, step.Response)
			}
			h.requireOK(func() error {
				_, err := h.pushRequest(c, secret, "client_id", string(c.ID), "request", raw)
				return err
			}())
			without := h.requestObjectClaims(c)
			delete(without, "state")
			step, err = v.authorize("client_id", string(c.ID), "request", sign(t, alg, k.Private, without, nil), "state", "outside")
			h.requireOK(err)
			if step.Response.Get("state") != "" {
				t.Error("a state from outside")
			}
		}
	})
}

// AZ-26, AZ-27 and the like: objects that are not the client's, or not for us, or not
// requests.
func TestAttack_AZ_26_27_Objects(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, secret, k := h.newSigningClient(jose.ES256)
		other, _, thief := h.newSigningClient(jose.ES256)
		v := h.newBrowser()
		v.signIn(h.alice)
		b64 := base64.RawURLEncoding.EncodeToString
		es := func(o claims) string { return sign(t, jose.ES256, k.Private, o, nil) }
		good := func() claims { return h.requestObjectClaims(c) }
		payload, err := json.Marshal(good())
		h.requireOK(err)
		public, err := json.Marshal(jose.JSONWebKey{Key: k.Private.Public()})
		h.requireOK(err)
		now := h.clock.Now().Unix()
		for name, raw := range map[string]string{
			"AZ-26 none":              b64([]byte(`{"alg":"none"}`)) + "." + b64(payload) + ".",
			"AZ-26 none, signed":      b64([]byte(`{"alg":"none"}`)) + "." + b64(payload) + ".AAAA",
			"AZ-26 HS256":             sign(t, jose.HS256, public, good(), nil),
			"AZ-27 another's key":     sign(t, jose.ES256, thief.Private, good(), nil),
			"AZ-27 key in the header": sign(t, jose.ES256, thief.Private, good(), map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: thief.Private.Public()}}),
			"AZ-27 changed":           flip(es(good())),
			"typ of an assertion":     sign(t, jose.ES256, k.Private, good(), map[jose.HeaderKey]any{"typ": "client-authentication+jwt"}),
			"an assertion":            es(h.assertionClaims(c.ID)),
			"iss of another":          es(withClaim(good(), "iss", other.ID)),
			"client_id of another":    es(withClaim(good(), "client_id", other.ID)),
			"no client_id":            es(withClaim(good(), "client_id", nil)),
			"aud of another":          es(withClaim(good(), "aud", "https://evil.test")),
			"expired":                 es(withClaim(good(), "exp", now)),
			"not yet":                 es(withClaim(good(), "nbf", now+120)),
			"of the future":           es(withClaim(good(), "iat", now+120)),
			"sub is the client":       es(withClaim(good(), "sub", c.ID)),
			"an object inside":        es(withClaim(good(), "request", "x")),
			"an address inside":       es(withClaim(good(), "request_uri", "https://x.test")),
			"scope is a list":         es(withClaim(good(), "scope", []string{"openid"})),
			"no JWT":                  "x",
			"too long":                es(withClaim(good(), "more", strings.Repeat("x", 17<<10))),
		} {
			h.runSubtest(t, name, func(h *fixture) {
				step, err := v.authorize("client_id", string(c.ID), "redirect_uri", callback, "request", raw)
				h.requireErrorRedirect(step, err, "invalid_request_object")
				_, err = h.pushRequest(c, secret, "client_id", string(c.ID), "request", raw)
				h.requireRefused(err, oauth.InvalidRequestObject)
			})
		}
		for name, o := range map[string]claims{"redirect_uri": withClaim(good(), "redirect_uri", "https://evil.test"), "no redirect_uri": withClaim(good(), "redirect_uri", nil)} {
			h.runSubtest(t, name, func(h *fixture) {
				h.requireErrorPage(v.authorize("client_id", string(c.ID), "redirect_uri", callback, "request", es(o))) // what is outside does not count
			})
		}
		step, err := v.authorize("client_id", string(c.ID), "request", es(withClaim(good(), "prompt", "none login")))
		h.requireErrorRedirect(step, err, "invalid_request")
		h.changeClient(c, func(c *auth.Client) { c.Settings.RequestAlgorithm = "PS256" })
		step, err = v.authorize("client_id", string(c.ID), "redirect_uri", callback, "request", es(good()))
		h.requireErrorRedirect(step, err, "invalid_request_object")
	})
}

// An address that the client has registered is asked, and no other (AZ-28).
func TestAttack_AZ_28_ByReference(t *testing.T) {
	var asked atomic.Int32
	var answer atomic.Pointer[string]
	theirs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/object", http.StatusFound)
			return
		}
		w.Write([]byte(*answer.Load()))
	}))
	t.Cleanup(theirs.Close)
	allow := func(c *settings) {
		c.Out = outbound.New(outbound.Config{InsecureAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	}
	each(t, func(t *testing.T, h *fixture) {
		c, _, k := h.newSigningClient(jose.RS256)
		h.changeClient(c, func(c *auth.Client) {
			c.Settings.RequestURIs = []string{theirs.URL + "/object#hash", theirs.URL + "/moved", "https://127.0.0.1:1/none"}
		})
		v := h.newBrowser()
		v.signIn(h.alice)
		raw := sign(t, jose.RS256, k.Private, h.requestObjectClaims(c), nil)
		answer.Store(&raw)
		ask := func(uri string) (flow.Step, error) {
			return v.authorize("client_id", string(c.ID), "redirect_uri", callback, "request_uri", uri)
		}
		for _, uri := range []string{theirs.URL + "/object", theirs.URL + "/object#other"} {
			step, err := ask(uri)
			h.requireOK(err)
			h.requireCode(step)
		}
		before := asked.Load()
		for _, uri := range []string{theirs.URL + "/other", theirs.URL + "/object?x", "http://169.254.169.254/latest", "x"} {
			step, err := ask(uri)
			h.requireErrorRedirect(step, err, "invalid_request_uri")
		}
		if asked.Load() != before {
			t.Error("an address that nobody registered was asked")
		}
		for _, uri := range []string{theirs.URL + "/moved", "https://127.0.0.1:1/none"} {
			step, err := ask(uri)
			h.requireErrorRedirect(step, err, "invalid_request_uri")
		}
	}, allow)
}

// FuzzRequestObject: of whatever members, no parameter is lost for its type, and none
// appears that was not there.
func FuzzRequestObject(f *testing.F) {
	h := newFixture(f, sqliteConfig(f))
	c, _, k := h.newSigningClient(jose.EdDSA)
	v := h.newBrowser()
	v.signIn(h.alice)
	good := h.requestObjectClaims(c)
	for name, value := range map[string]any{"state": 1, "scope": nil, "redirect_uri": []string{callback}, "max_age": "1", "claims": "{}", "resource": []int{1}, "prompt": claims{}} {
		o := maps.Clone(good)
		o[name] = value
		b, err := json.Marshal(o)
		h.requireOK(err)
		f.Add(b)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Alg, Key: k.Private}, nil)
	h.requireOK(err)
	f.Fuzz(func(t *testing.T, payload []byte) {
		jws, err := s.Sign(payload)
		if err != nil {
			return
		}
		raw, err := jws.CompactSerialize()
		if err != nil {
			return
		}
		form, err := oauth.ParseAuthorizeForm("client_id=" + string(c.ID) + "&request=" + raw)
		if err != nil {
			return
		}
		step, err := h.Authorize(t.Context(), oidc.AuthorizeInput{Tenant: auth.Tenant{ID: tenant}, Form: form, Browser: v.b})
		if err != nil {
			if _, ok := err.(*auth.DisplayError); !ok {
				t.Fatalf("%q: %v", payload, err)
			}
			return
		}
		var said struct {
			Client   *string `json:"client_id"`
			Redirect *string `json:"redirect_uri"`
		}
		if step.Kind == auth.StepAnswer && step.Response.Get("code") != "" {
			if err := json.Unmarshal(payload, &said); err != nil || said.Client == nil || *said.Client != string(c.ID) || said.Redirect == nil || *said.Redirect != callback {
				t.Fatalf("%q gives a code", payload)
			}
		}
	})
}

func TestRepair_C4_ObjectsOfStrictClientsLiveForAnHour(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		plain, secret, k := h.newSigningClient(jose.ES256)
		strict := h.changeClient(plain, func(c *auth.Client) { c.Settings.DPoP, c.Settings.RequirePushed = true, true })
		now := h.clock.Now().Unix()
		const minute = 60
		for name, test := range map[string]struct {
			change claims
			good   bool
		}{
			"an hour":           {claims{"nbf": now, "exp": now + 60*minute}, true},
			"an hour ago":       {claims{"nbf": now - 59*minute, "exp": now + minute}, true},
			"no exp":            {claims{"nbf": now, "exp": nil}, false},
			"no nbf":            {claims{"exp": now + minute}, false},
			"more than an hour": {claims{"nbf": now, "exp": now + 70*minute}, false},
			"long ago":          {claims{"nbf": now - 70*minute, "exp": now + minute}, false},
			"no aud":            {claims{"nbf": now, "exp": now + minute, "aud": nil}, false},
		} {
			o := h.requestObjectClaims(strict)
			for claim, v := range test.change {
				if o[claim] = v; v == nil {
					delete(o, claim)
				}
			}
			raw := sign(t, jose.ES256, k.Private, o, nil)
			_, err := h.Push(t.Context(), basic(form(t, "request", raw, "client_id", string(strict.ID)), strict.ID, secret))
			var e *oauth.Error
			if errorsAs(err, &e); test.good != (err == nil) || !test.good && (e == nil || e.Code != oauth.InvalidRequestObject) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
