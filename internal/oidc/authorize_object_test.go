package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
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
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/outbound"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// requestObjectClaims returns the claims of a valid request object of the client.
func (h *fixture) requestObjectClaims(c auth.Client) clienttest.Claims {
	return clienttest.Claims{"client_id": c.ID, "redirect_uri": callback, "response_type": "code", "scope": "openid", "state": "inside", "nonce": "inside", "max_age": 3600,
		"code_challenge": challenge, "code_challenge_method": "S256", "claims": clienttest.Claims{"userinfo": clienttest.Claims{"email": nil}},
		"iss": c.ID, "aud": base, "exp": h.clock.Now().Add(time.Minute).Unix(), "iat": h.clock.Now().Unix()}
}

func (h *fixture) newSigningClient(alg jose.SignatureAlgorithm) (auth.Client, string, clienttest.KeyPair) {
	h.t.Helper()
	k := clienttest.NewKeyPair(h.t, alg)
	c, clientSecret := h.newWebClient(withFirstParty)
	return h.changeClient(c, func(c *auth.Client) { c.Settings.JWKS = k.JWKS }), clientSecret, k
}

// Only the parameters inside the object count (RFC 9101 §5).
func TestRequestObject(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, alg := range client.AssertionAlgorithms {
			c, clientSecret, k := h.newSigningClient(alg)
			v := h.newBrowser()
			v.signIn(h.alice)
			raw := clienttest.Sign(t, alg, k.Private, h.requestObjectClaims(c), map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"})
			step, err := v.authorize("client_id", string(c.ID), "request", raw, "state", "outside", "nonce", "outside", "scope", "email", "redirect_uri", "https://evil.test/")
			h.requireOK(err)
			_, g, _ := h.requireCode(step)
			if step.Response.Get("state") != "inside" || g.Nonce != "inside" || g.Scope.String() != "openid" || len(g.Claims.UserInfo) != 1 {
				t.Errorf("%s: the code grants %+v, response %+v", alg, g, step.Response)
			}
			h.requireOK(func() error {
				_, err := h.pushRequest(c, clientSecret, "client_id", string(c.ID), "request", raw)
				return err
			}())
			without := h.requestObjectClaims(c)
			delete(without, "state")
			step, err = v.authorize("client_id", string(c.ID), "request", clienttest.Sign(t, alg, k.Private, without, nil), "state", "outside")
			h.requireOK(err)
			if step.Response.Get("state") != "" {
				t.Error("a state from outside")
			}
		}
	})
}

// AZ-26, AZ-27: objects that another key signed, that are for another issuer, or that are no requests.
func TestAttack_AZ_26_27_Objects(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret, k := h.newSigningClient(jose.ES256)
		other, _, thief := h.newSigningClient(jose.ES256)
		v := h.newBrowser()
		v.signIn(h.alice)
		b64 := base64.RawURLEncoding.EncodeToString
		es := func(o clienttest.Claims) string { return clienttest.Sign(t, jose.ES256, k.Private, o, nil) }
		good := func() clienttest.Claims { return h.requestObjectClaims(c) }
		payload, err := json.Marshal(good())
		h.requireOK(err)
		public, err := json.Marshal(jose.JSONWebKey{Key: k.Private.Public()})
		h.requireOK(err)
		now := h.clock.Now().Unix()
		for name, raw := range map[string]string{
			"AZ-26 none":              b64([]byte(`{"alg":"none"}`)) + "." + b64(payload) + ".",
			"AZ-26 none, signed":      b64([]byte(`{"alg":"none"}`)) + "." + b64(payload) + ".AAAA",
			"AZ-26 HS256":             clienttest.Sign(t, jose.HS256, public, good(), nil),
			"AZ-27 another's key":     clienttest.Sign(t, jose.ES256, thief.Private, good(), nil),
			"AZ-27 key in the header": clienttest.Sign(t, jose.ES256, thief.Private, good(), map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: thief.Private.Public()}}),
			"AZ-27 changed":           clienttest.Flip(es(good())),
			"typ of an assertion":     clienttest.Sign(t, jose.ES256, k.Private, good(), map[jose.HeaderKey]any{"typ": "client-authentication+jwt"}),
			"an assertion":            es(h.assertionClaims(c.ID)),
			"iss of another":          es(clienttest.WithClaim(good(), "iss", other.ID)),
			"client_id of another":    es(clienttest.WithClaim(good(), "client_id", other.ID)),
			"no client_id":            es(clienttest.WithClaim(good(), "client_id", nil)),
			"aud of another":          es(clienttest.WithClaim(good(), "aud", "https://evil.test")),
			"expired":                 es(clienttest.WithClaim(good(), "exp", now)),
			"not yet":                 es(clienttest.WithClaim(good(), "nbf", now+120)),
			"of the future":           es(clienttest.WithClaim(good(), "iat", now+120)),
			"sub is the client":       es(clienttest.WithClaim(good(), "sub", c.ID)),
			"an object inside":        es(clienttest.WithClaim(good(), "request", "x")),
			"an address inside":       es(clienttest.WithClaim(good(), "request_uri", "https://x.test")),
			"scope is a list":         es(clienttest.WithClaim(good(), "scope", []string{"openid"})),
			"no JWT":                  "x",
			"too long":                es(clienttest.WithClaim(good(), "more", strings.Repeat("x", 17<<10))),
		} {
			h.runSubtest(t, name, func(h *fixture) {
				step, err := v.authorize("client_id", string(c.ID), "redirect_uri", callback, "request", raw)
				h.requireErrorRedirect(step, err, "invalid_request_object")
				_, err = h.pushRequest(c, clientSecret, "client_id", string(c.ID), "request", raw)
				h.requireRefused(err, oauth.InvalidRequestObject)
			})
		}
		for name, o := range map[string]clienttest.Claims{"redirect_uri": clienttest.WithClaim(good(), "redirect_uri", "https://evil.test"), "no redirect_uri": clienttest.WithClaim(good(), "redirect_uri", nil)} {
			h.runSubtest(t, name, func(h *fixture) {
				h.requireErrorPage(v.authorize("client_id", string(c.ID), "redirect_uri", callback, "request", es(o))) // what is outside does not count
			})
		}
		step, err := v.authorize("client_id", string(c.ID), "request", es(clienttest.WithClaim(good(), "prompt", "none login")))
		h.requireErrorRedirect(step, err, "invalid_request")
		h.changeClient(c, func(c *auth.Client) { c.Settings.RequestAlgorithm = "PS256" })
		step, err = v.authorize("client_id", string(c.ID), "redirect_uri", callback, "request", es(good()))
		h.requireErrorRedirect(step, err, "invalid_request_object")
	})
}

// AZ-28: a registered address is requested, and no other.
func TestAttack_AZ_28_ByReference(t *testing.T) {
	allow := func(c *settings) {
		c.Out = outbound.New(outbound.Config{InsecureAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	}
	each(t, func(t *testing.T, h *fixture) {
		var requested atomic.Int32
		var answer atomic.Pointer[string]
		theirs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requested.Add(1)
			if r.URL.Path == "/moved" {
				http.Redirect(w, r, "/object", http.StatusFound)
				return
			}
			w.Write([]byte(*answer.Load()))
		}))
		t.Cleanup(theirs.Close)
		c, _, k := h.newSigningClient(jose.RS256)
		h.changeClient(c, func(c *auth.Client) {
			c.Settings.RequestURIs = []string{theirs.URL + "/object#hash", theirs.URL + "/moved", "https://127.0.0.1:1/none"}
		})
		v := h.newBrowser()
		v.signIn(h.alice)
		raw := clienttest.Sign(t, jose.RS256, k.Private, h.requestObjectClaims(c), nil)
		answer.Store(&raw)
		request := func(uri string) (flow.Step, error) {
			return v.authorize("client_id", string(c.ID), "redirect_uri", callback, "request_uri", uri)
		}
		for _, uri := range []string{theirs.URL + "/object", theirs.URL + "/object#other"} {
			step, err := request(uri)
			h.requireOK(err)
			h.requireCode(step)
		}
		before := requested.Load()
		for _, uri := range []string{theirs.URL + "/other", theirs.URL + "/object?x", "http://169.254.169.254/latest", "x"} {
			step, err := request(uri)
			h.requireErrorRedirect(step, err, "invalid_request_uri")
		}
		if requested.Load() != before {
			t.Error("an unregistered URL was requested")
		}
		for _, uri := range []string{theirs.URL + "/moved", "https://127.0.0.1:1/none"} {
			step, err := request(uri)
			h.requireErrorRedirect(step, err, "invalid_request_uri")
		}
	}, allow)
}

// FuzzRequestObject: no parameter of a supported type is lost, and none is added.
func FuzzRequestObject(f *testing.F) {
	h := newFixture(f, storetest.SQLiteConfig(f))
	c, _, k := h.newSigningClient(jose.EdDSA)
	v := h.newBrowser()
	v.signIn(h.alice)
	good := h.requestObjectClaims(c)
	for name, value := range map[string]any{"state": 1, "scope": nil, "redirect_uri": []string{callback}, "max_age": "1", "claims": "{}", "resource": []int{1}, "prompt": clienttest.Claims{}} {
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
		var sent struct {
			Client   *string `json:"client_id"`
			Redirect *string `json:"redirect_uri"`
		}
		if step.Kind == auth.StepAnswer && step.Response.Get("code") != "" {
			if err := json.Unmarshal(payload, &sent); err != nil || sent.Client == nil || *sent.Client != string(c.ID) || sent.Redirect == nil || *sent.Redirect != callback {
				t.Fatalf("%q gives a code", payload)
			}
		}
	})
}

func TestRepair_C4_ObjectsOfStrictClientsLiveForAnHour(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		plain, clientSecret, k := h.newSigningClient(jose.ES256)
		strict := h.changeClient(plain, func(c *auth.Client) { c.Settings.DPoP, c.Settings.RequirePushed = true, true })
		now := h.clock.Now().Unix()
		const minute = 60
		for name, test := range map[string]struct {
			change clienttest.Claims
			good   bool
		}{
			"an hour":           {clienttest.Claims{"nbf": now, "exp": now + 60*minute}, true},
			"an hour ago":       {clienttest.Claims{"nbf": now - 59*minute, "exp": now + minute}, true},
			"no exp":            {clienttest.Claims{"nbf": now, "exp": nil}, false},
			"no nbf":            {clienttest.Claims{"exp": now + minute}, false},
			"more than an hour": {clienttest.Claims{"nbf": now, "exp": now + 70*minute}, false},
			"long ago":          {clienttest.Claims{"nbf": now - 70*minute, "exp": now + minute}, false},
			"no aud":            {clienttest.Claims{"nbf": now, "exp": now + minute, "aud": nil}, false},
		} {
			o := h.requestObjectClaims(strict)
			for claim, v := range test.change {
				if o[claim] = v; v == nil {
					delete(o, claim)
				}
			}
			raw := clienttest.Sign(t, jose.ES256, k.Private, o, nil)
			_, err := h.Push(t.Context(), clienttest.Basic(clienttest.Form(t, "request", raw, "client_id", string(strict.ID)), strict.ID, clientSecret))
			var e *oauth.Error
			if errors.As(err, &e); test.good != (err == nil) || !test.good && (e == nil || e.Code != oauth.InvalidRequestObject) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
