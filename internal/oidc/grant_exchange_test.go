package oidc_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

const (
	orders      = "https://orders.test"
	billing     = "https://billing.test"
	archive     = "https://archive.test"
	accessToken = "urn:ietf:params:oauth:token-type:access_token"
)

// exchangeFixture is a shop that users sign in to, and services behind it: orders serves the tokens of
// the shop and calls billing.
type exchangeFixture struct {
	*fixture
	shop, orders             auth.Client
	shopSecret, ordersSecret string
}

func newExchangeFixture(h *fixture, change ...func(*client.Registration)) *exchangeFixture {
	h.t.Helper()
	m := &exchangeFixture{fixture: h}
	m.shop, m.shopSecret = h.newClient(client.Registration{Name: "Shop", Type: auth.ClientWeb, RedirectURIs: []string{"https://shop.test/cb"}, Scopes: []string{"openid", "read", "charge", "write", "offline_access"},
		ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantTokenExchange}, Audiences: []string{orders, archive}}})
	m.orders, m.ordersSecret = h.newClient(client.Registration{Name: "Orders", Type: auth.ClientMachine, Scopes: []string{"read", "charge"},
		ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantClientCredentials, auth.GrantTokenExchange}, Serves: []string{orders},
			Exchange: &auth.ClientExchangePolicy{Audiences: []string{billing}}}}, change...)
	return m
}

// issueToken gives alice a session at the client, and a token for the audience.
func (m *exchangeFixture) issueToken(c auth.ClientID, scope auth.Scope, change func(*auth.Grant), audience ...string) (string, auth.SessionID) {
	m.t.Helper()
	var session auth.SessionID
	m.write(func(tx *store.Tx) error {
		session = auth.SessionID(secret.NewID(tx.Now))
		return tx.InsertSession(auth.Session{ID: session, Account: m.alice, Client: c, AuthAt: tx.Now, ACR: "1", AMR: []string{"pwd"}, CreatedAt: tx.Now, SeenAt: tx.Now,
			IdleAt: tx.Now.Add(time.Hour), ExpiresAt: tx.Now.Add(time.Hour)})
	})
	g := auth.Grant{Account: m.alice, Client: c, Session: session, Scope: scope, Audience: audience, AuthAt: m.clock.Now(), ACR: "1", AMR: []string{"pwd"}}
	if change != nil {
		change(&g)
	}
	var d token.Draft
	m.write(func(tx *store.Tx) (err error) {
		d, err = m.tokens.Start(tx, g)
		return err
	})
	tokens, err := m.tokens.Finish(m.t.Context(), d)
	m.requireOK(err)
	return tokens.AccessToken, session
}

func (m *exchangeFixture) exchangeToken(c auth.Client, sec, subject string, more ...string) (oidc.Issued, error) {
	m.t.Helper()
	return m.Token(m.t.Context(), m.exchangeRequest(c, sec, subject, more...))
}

func (m *exchangeFixture) exchangeRequest(c auth.Client, sec, subject string, more ...string) client.Request {
	m.t.Helper()
	pairs := []string{"grant_type", string(auth.GrantTokenExchange)}
	if subject != "" {
		pairs = append(pairs, "subject_token", subject)
	}
	if !slices.Contains(more, "subject_token_type") {
		pairs = append(pairs, "subject_token_type", accessToken)
	}
	return clienttest.Basic(clienttest.Form(m.t, append(pairs, more...)...), c.ID, sec)
}

// decodeClaims returns all claims of an access token.
func decodeClaims(t testing.TB, access string) (c map[string]any) {
	t.Helper()
	decodePayload(t, access, &c)
	return c
}

func TestTokenExchange(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		m := newExchangeFixture(h)
		subject, session := m.issueToken(m.shop.ID, auth.Scope{"openid", "read", "charge", "write"}, nil, orders)
		h.clock.Advance(10 * time.Minute) // of 15

		// A service acts on behalf of the user, and the token names it as the actor.
		ts, err := m.exchangeToken(m.orders, m.ordersSecret, subject, "resource", billing)
		h.requireOK(err)
		got := decodeClaims(t, ts.AccessToken)
		for name, want := range map[string]any{
			"sub": string(h.alice), "client_id": string(m.orders.ID), "aud": billing, "scope": "read charge", "sid": string(session), "acr": "1",
			"exp": decodeClaims(t, subject)["exp"], "auth_time": decodeClaims(t, subject)["auth_time"],
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if act, _ := got["act"].(map[string]any); len(act) != 1 || act["sub"] != string(m.orders.ID) {
			t.Errorf("act is %v", got["act"])
		}
		if ts.IssuedType != accessToken || ts.RefreshToken != "" || ts.IDToken != "" || ts.ExpiresIn != 5*time.Minute || ts.Scope.String() != "read charge" {
			t.Errorf("the response: %+v", ts.Tokens)
		}
		line := h.events(auth.EventTokenIssued)[0]
		if line.Outcome != auth.Success || line.Account != h.alice || line.Actor.ID != string(m.orders.ID) || line.Detail["subject_client"] != string(m.shop.ID) || line.Detail["audience"] != billing {
			t.Errorf("audit line %+v", line)
		}

		// A client narrows its own token, which gets no actor.
		own, err := m.exchangeToken(m.shop, m.shopSecret, subject, "scope", "read", "requested_token_type", accessToken)
		h.requireOK(err)
		if got := decodeClaims(t, own.AccessToken); got["aud"] != orders || got["scope"] != "read" || got["act"] != nil || got["client_id"] != string(m.shop.ID) {
			t.Errorf("narrowed: %v", got)
		}
		// So does a machine.
		mine, err := h.requestClientCredentials(m.orders, m.ordersSecret)
		h.requireOK(err)
		less, err := m.exchangeToken(m.orders, m.ordersSecret, mine.AccessToken, "scope", "read")
		h.requireOK(err)
		if got := decodeClaims(t, less.AccessToken); got["sub"] != string(m.orders.ID) || got["scope"] != "read" || got["sid"] != nil {
			t.Errorf("narrowed: %v", got)
		}
	})
}

// The chain of actors grows up to a limit.
func TestTokenExchange_Actors(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		m := newExchangeFixture(h)
		bill, billSecret := h.newClient(client.Registration{Name: "Billing", Type: auth.ClientMachine, Scopes: []string{"read"}, ClientSettings: auth.ClientSettings{
			Grants: []auth.GrantType{auth.GrantClientCredentials, auth.GrantTokenExchange}, Serves: []string{billing}, Exchange: &auth.ClientExchangePolicy{Audiences: []string{billing, archive}}}})
		subject, _ := m.issueToken(m.shop.ID, auth.Scope{"read"}, nil, orders)
		first, err := m.exchangeToken(m.orders, m.ordersSecret, subject, "audience", billing)
		h.requireOK(err)
		second, err := m.exchangeToken(bill, billSecret, first.AccessToken, "audience", archive, "resource", billing)
		h.requireOK(err)
		act, _ := json.Marshal(decodeClaims(t, second.AccessToken)["act"])
		if want := `{"act":{"sub":"` + string(m.orders.ID) + `"},"sub":"` + string(bill.ID) + `"}`; string(act) != want {
			t.Errorf("act is %s, want %s", act, want)
		}
		// Narrowing keeps the chain.
		narrow, err := m.exchangeToken(bill, billSecret, second.AccessToken, "audience", archive)
		h.requireOK(err)
		if kept, _ := json.Marshal(decodeClaims(t, narrow.AccessToken)["act"]); string(kept) != string(act) {
			t.Errorf("act is %s after narrowing", kept)
		}
		// An actor token names the actor; it must have been issued to the client itself.
		mine, err := h.requestClientCredentials(m.orders, m.ordersSecret)
		h.requireOK(err)
		by, err := m.exchangeToken(m.orders, m.ordersSecret, subject, "resource", billing, "actor_token", mine.AccessToken, "actor_token_type", accessToken)
		h.requireOK(err)
		if act, _ := decodeClaims(t, by.AccessToken)["act"].(map[string]any); act["sub"] != string(m.orders.ID) {
			t.Errorf("act is %v", act)
		}
		theirs, err := h.requestClientCredentials(bill, billSecret)
		h.requireOK(err)
		for _, pairs := range [][]string{
			{"actor_token", theirs.AccessToken, "actor_token_type", accessToken}, {"actor_token", "x", "actor_token_type", accessToken},
			{"actor_token", mine.AccessToken}, {"actor_token_type", accessToken}, {"actor_token", mine.AccessToken, "actor_token_type", "urn:x"},
		} {
			_, err = m.exchangeToken(m.orders, m.ordersSecret, subject, append(pairs, "resource", billing)...)
			h.requireRefused(err, oauth.InvalidRequest)
		}
		deep := json.RawMessage(`{"sub":"a","act":{"sub":"b","act":{"sub":"c","act":{"sub":"d","act":{"sub":"e"}}}}}`)
		long, _ := m.issueToken(m.shop.ID, auth.Scope{"read"}, func(g *auth.Grant) { g.Actor = deep }, orders)
		_, err = m.exchangeToken(m.orders, m.ordersSecret, long, "resource", billing)
		h.requireRefused(err, oauth.InvalidRequest)
	})
}

func TestAttack_TK_31_BadSubjects(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		m := newExchangeFixture(h)
		request := func(subject string, more ...string) error {
			out, err := m.exchangeToken(m.orders, m.ordersSecret, subject, append(more, "resource", billing)...)
			if err != nil && out.AccessToken != "" {
				t.Error("TK-31: a refusal came with a token")
			}
			return err
		}
		fresh := func(change func(*auth.Grant), audience ...string) string {
			raw, _ := m.issueToken(m.shop.ID, auth.Scope{"read"}, change, audience...)
			return raw
		}
		good := fresh(nil, orders)
		h.requireOK(request(good))

		h.requireOK(h.db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			return tx.InsertTenant(auth.Tenant{ID: "acme", Name: "Acme", CreatedAt: tx.Now})
		}))
		h.requireOK(h.keys.Ensure(t.Context(), "acme", keys.ES256))
		there, thereSecret, err := h.clients.Create(t.Context(), "acme", client.Registration{Name: "There", Type: auth.ClientMachine, Scopes: []string{"read"}, ClientSettings: auth.ClientSettings{Audiences: []string{orders}}}, operator)
		h.requireOK(err)
		r := clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials", "resource", orders), there.ID, thereSecret.Reveal())
		r.Tenant = "acme"
		foreign, err := h.Token(t.Context(), r)
		h.requireOK(err)

		rival, rivalSecret := h.newMachineClient(func(r *client.Registration) { r.Audiences = []string{orders} })
		machine, err := h.requestClientCredentials(rival, rivalSecret, "resource", orders)
		h.requireOK(err)
		refresh := h.signIn(m.shop.ID, auth.Scope{"read", "offline_access"}).RefreshToken
		var payload json.RawMessage
		decodePayload(t, good, &payload)
		withNonce := []byte(strings.Replace(string(payload), "{", `{"nonce":"n",`, 1))
		idToken, err := h.keys.Sign(t.Context(), tenant, keys.ES256, "JWT", withNonce)
		h.requireOK(err)
		for name, subject := range map[string]string{
			"missing": "", "garbage": "x", "tampered": clienttest.Flip(good), "of another tenant": foreign.AccessToken, "an ID Token": idToken, "a refresh token": refresh,
			"for nobody's audience": fresh(nil, archive), "of another machine": machine.AccessToken,
		} {
			if err := request(subject); err == nil {
				t.Errorf("TK-31 %s: a token", name)
			} else {
				h.requireRefused(err, oauth.InvalidRequest)
			}
		}
		for _, typ := range []string{"", "urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:refresh_token", "urn:ietf:params:oauth:token-type:jwt", "access_token"} {
			h.requireRefused(request(good, "subject_token_type", typ), oauth.InvalidRequest)
		}
		h.requireRefused(request(good, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), oauth.InvalidRequest)

		revoked := fresh(nil, orders)
		v, err := h.tokens.Introspect(t.Context(), tenant, revoked, orders)
		h.requireOK(err)
		h.requireOK(h.tokens.RevokeAccess(t.Context(), tenant, v, operator))
		h.requireRefused(request(revoked), oauth.InvalidRequest)

		// A token from an exchange ends with the session of the subject token.
		subject, session := m.issueToken(m.shop.ID, auth.Scope{"read"}, nil, orders)
		out, err := m.exchangeToken(m.orders, m.ordersSecret, subject, "resource", billing)
		h.requireOK(err)
		_, err = h.tokens.VerifyAudience(t.Context(), tenant, out.AccessToken, billing)
		h.requireOK(err)
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, session, auth.EndLogout) })
		if _, err := h.tokens.VerifyAudience(t.Context(), tenant, out.AccessToken, billing); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("TK-31: the exchanged token outlives its session: %v", err)
		}
		h.requireRefused(request(subject), oauth.InvalidRequest)

		// There is no leeway: an expired token is not exchanged.
		h.clock.Advance(15 * time.Minute)
		h.requireRefused(request(good), oauth.InvalidRequest)
		for _, e := range h.events(auth.EventTokenIssued) {
			if e.Outcome == auth.Failure && e.Detail["reason"] == "" {
				t.Errorf("a refusal without a reason: %+v", e)
			}
		}
	})
}

func TestAttack_TK_32_BeyondPolicy(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		m := newExchangeFixture(h)
		subject, _ := m.issueToken(m.shop.ID, auth.Scope{"openid", "read", "write", "offline_access"}, nil, orders)
		service := func(more ...string) (oidc.Issued, error) {
			return m.exchangeToken(m.orders, m.ordersSecret, subject, more...)
		}
		for name, request := range map[string]struct {
			more []string
			code oauth.Code
		}{
			"TK-32 scope beyond the token":     {[]string{"resource", billing, "scope", "read charge"}, oauth.InvalidScope},
			"TK-32 scope beyond the client":    {[]string{"resource", billing, "scope", "read write"}, oauth.InvalidScope},
			"TK-32 refresh":                    {[]string{"resource", billing, "scope", "read offline_access"}, oauth.InvalidScope},
			"TK-32 scope nobody has":           {[]string{"resource", billing, "scope", "admin"}, oauth.InvalidScope},
			"TK-32 audience beyond the policy": {[]string{"resource", archive}, oauth.InvalidTarget},
			"TK-32 one of two":                 {[]string{"resource", billing, "resource", archive}, oauth.InvalidTarget},
			"TK-32 one of each":                {[]string{"resource", billing, "audience", archive}, oauth.InvalidTarget},
			"TK-32 the issuer":                 {[]string{"resource", base}, oauth.InvalidTarget},
			"TK-32 the issuer by audience":     {[]string{"audience", base}, oauth.InvalidTarget},
			"TK-32 its own, back":              {[]string{"resource", orders}, oauth.InvalidTarget},
			"TK-32 no audience":                {nil, oauth.InvalidTarget},
			"TK-32 not a resource":             {[]string{"resource", "billing"}, oauth.InvalidTarget},
		} {
			t.Run(name, func(t *testing.T) {
				if out, err := service(request.more...); err == nil {
					t.Errorf("got %v", decodeClaims(t, out.AccessToken))
				} else {
					h.requireRefused(err, request.code)
				}
			})
		}
		// A client's own token can be narrowed, and never widened.
		_, err := m.exchangeToken(m.shop, m.shopSecret, subject, "scope", "charge")
		h.requireRefused(err, oauth.InvalidScope)
		_, err = m.exchangeToken(m.shop, m.shopSecret, subject, "resource", base)
		h.requireRefused(err, oauth.InvalidTarget)
		// A client without the grant, or a public one, exchanges nothing.
		rival, rivalSecret := h.newMachineClient(func(r *client.Registration) { r.Serves = []string{orders} })
		_, err = m.exchangeToken(rival, rivalSecret, subject, "resource", billing)
		h.requireRefused(err, oauth.UnauthorizedClient)
		// A client that does not serve the audience needs a policy.
		stranger, strangerSecret := h.newMachineClient(func(r *client.Registration) {
			r.Grants, r.Exchange = []auth.GrantType{auth.GrantTokenExchange}, &auth.ClientExchangePolicy{Audiences: []string{orders, billing}}
		})
		_, err = m.exchangeToken(stranger, strangerSecret, subject, "resource", billing)
		h.requireRefused(err, oauth.InvalidRequest)
		h.write(func(tx *store.Tx) error {
			stranger.Settings.Exchange.Subjects = []auth.ClientID{m.shop.ID}
			return tx.UpdateClient(stranger)
		})
		_, err = m.exchangeToken(stranger, strangerSecret, subject, "resource", billing)
		h.requireOK(err)
	})
}

// Tokens of a third-party client are not valid for the issuer's own API. An exchange by a first-party
// client must not change that.
func TestAttack_TK_32_OwnAPI(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		m := newExchangeFixture(h, func(r *client.Registration) {
			r.FirstParty, r.Exchange = true, &auth.ClientExchangePolicy{Audiences: []string{base, billing}, Subjects: []auth.ClientID{"*"}}
		})
		ours, _ := h.newClient(client.Registration{Name: "Ours", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{"https://ours.test/cb"}, Scopes: []string{"read"},
			ClientSettings: auth.ClientSettings{Audiences: []string{orders}}})
		theirs, _ := m.issueToken(m.shop.ID, auth.Scope{"read"}, nil)
		_, err := m.exchangeToken(m.orders, m.ordersSecret, theirs, "resource", base)
		h.requireRefused(err, oauth.InvalidTarget)
		_, err = m.exchangeToken(m.orders, m.ordersSecret, theirs, "resource", billing)
		h.requireOK(err)
		first, _ := m.issueToken(ours.ID, auth.Scope{"read"}, nil)
		_, err = m.exchangeToken(m.orders, m.ordersSecret, first, "resource", base)
		h.requireOK(err)
		narrow, _ := m.issueToken(ours.ID, auth.Scope{"read"}, nil, orders) // was never for the issuer
		_, err = m.exchangeToken(m.orders, m.ordersSecret, narrow, "resource", base)
		h.requireRefused(err, oauth.InvalidTarget)
	})
}

// Impersonation depends on the policy; a token that is bound to a key stays bound.
func TestTokenExchange_ImpersonationAndKeys(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		m := newExchangeFixture(h, func(r *client.Registration) { r.Exchange.Impersonate = true })
		k, other := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.ES256)
		plain, _ := m.issueToken(m.shop.ID, auth.Scope{"read"}, nil, orders)
		out, err := m.exchangeToken(m.orders, m.ordersSecret, plain, "resource", billing)
		h.requireOK(err)
		if got := decodeClaims(t, out.AccessToken); got["act"] != nil || got["cnf"] != nil {
			t.Errorf("%v", got)
		}
		with := func(subject string, proofs ...string) (oidc.Issued, error) {
			return h.Token(t.Context(), withProofs(m.exchangeRequest(m.orders, m.ordersSecret, subject, "resource", billing), proofs...))
		}
		stronger, err := with(plain, h.newProof(k, tokenURL))
		h.requireOK(err)
		if decodeThumbprint(t, stronger.AccessToken) != k.Thumbprint(t) {
			t.Error("the proof did not bind the new token")
		}
		tied, _ := m.issueToken(m.shop.ID, auth.Scope{"read"}, func(g *auth.Grant) { g.JKT = k.Thumbprint(t) }, orders)
		_, err = with(tied)
		h.requireRefused(err, oauth.InvalidRequest)
		_, err = with(tied, h.newProof(other, tokenURL))
		h.requireRefused(err, oauth.InvalidRequest)
		out, err = with(tied, h.newProof(k, tokenURL))
		h.requireOK(err)
		if decodeThumbprint(t, out.AccessToken) != k.Thumbprint(t) || out.Type != "DPoP" {
			t.Error("the binding was lost")
		}
	})
}
