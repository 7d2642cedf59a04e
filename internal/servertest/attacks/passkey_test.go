package attacks_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/passkey/passkeytest"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store"
)

// publicKey is the response that begins a passkey ceremony.
type publicKey struct {
	PublicKey json.RawMessage `json:"publicKey"`
}

// offerPasskey signs in on the pages in a browser that can create passkeys, and creates the one offered.
func offerPasskey(t *testing.T, s *servertest.Server, email string, k *passkeytest.Authenticator) *servertest.Browser {
	t.Helper()
	b := s.Browser(t)
	b.Open("/login").Want(t, 200)
	b.Press("submit", "email", email, "password", servertest.Password, "passkeys", "yes").Want(t, 200).At(t, "/login/add-passkey")
	b.Press("use-passkey", "credential", string(k.Create(t, []byte(b.Page.Attribute("passkey", "data-options"))))).Want(t, 200).At(t, "/account")
	return b
}

// TestPasskeyPages: a passkey that is offered after a sign-in signs in on the pages, and by the API of an
// application; only pages that use passkeys allow scripts to ask for them.
func TestPasskeyPages(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, "alice@example.test")
		k := passkeytest.New(s.URL, "localhost")
		offerPasskey(t, s, "alice@example.test", k)

		b := s.Browser(t)
		page := b.Open("/login").Want(t, 200)
		csp, permissions := page.Header.Get("Content-Security-Policy"), page.Header.Get("Permissions-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.HasSuffix(csp, "script-src 'self'") || strings.Contains(csp, "connect-src") || !strings.Contains(permissions, "publickey-credentials-get=(self)") {
			t.Errorf("%s; %s", csp, permissions)
		}
		b.Press("use-passkey", "credential", string(k.Get(t, []byte(page.Attribute("passkey", "data-options"))))).Want(t, 200).At(t, "/account")
		if got := b.Page.Header.Get("Permissions-Policy"); strings.Contains(got, "self") {
			t.Errorf("the account page allows passkeys: %s", got)
		}

		b = s.Browser(t) // the offer has made it no second factor
		b.Open("/login").Want(t, 200)
		b.Press("submit", "email", "alice@example.test", "password", servertest.Password).Want(t, 200).At(t, "/account")
		changeSettings(t, s, func(v *auth.Settings) { v.Factors.Policy = auth.FactorsRequired })
		b = s.Browser(t)
		b.Open("/login").Want(t, 200)
		b.Press("submit", "email", "alice@example.test", "password", servertest.Password).Want(t, 200).At(t, "/login/factor")
		b.Press("use-passkey", "trust", "on", "credential", string(k.Get(t, []byte(b.Page.Attribute("passkey", "data-options"))))).Want(t, 200).At(t, "/account")
		b.Press("logout").Want(t, 200)
		b.Open("/login").Want(t, 200)
		b.Press("submit", "email", "alice@example.test", "password", servertest.Password).Want(t, 200).At(t, "/account")

		var begun publicKey
		s.Do(t, "POST", "/api/v1/passkeys/begin", map[string]any{}).Want(t, 200).Decode(t, &begun)
		body := map[string]any{"credential": json.RawMessage(k.Get(t, begun.PublicKey))}
		var tokens servertest.Tokens
		s.Do(t, "POST", "/api/v1/passkeys/finish", body).Want(t, 200).Decode(t, &tokens)
		s.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(tokens.AccessToken)).Want(t, 200)
		s.Do(t, "POST", "/api/v1/passkeys/finish", body).Want(t, 401)
		for _, bad := range []any{nil, "x", 1, map[string]any{}, []any{}, map[string]any{"id": "AA", "response": map[string]any{}}} {
			s.Do(t, "POST", "/api/v1/passkeys/finish", map[string]any{"credential": bad}).Want(t, 401)
		}
	}, servertest.Domain())
}

// TestAttack_MF_06_PasskeysOfAccount: passkeys are created and removed on the page of the account and by the
// API, soon after a sign-in only.
func TestAttack_MF_06_PasskeysOfAccount(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, "alice@example.test")
		first, second := passkeytest.New(s.URL, "localhost"), passkeytest.New(s.URL, "localhost")
		b := offerPasskey(t, s, "alice@example.test", first)

		b.Open("/account/passkeys").Want(t, 200).At(t, "/account/passkeys") // its creation has proved the new factor
		form := b.Page
		b.Press("use-passkey", "credential", string(second.Create(t, []byte(form.Attribute("passkey", "data-options"))))).Want(t, 200).At(t, "/account/two-factor/codes")
		b.Open("/account/passkeys").Want(t, 200)
		if !b.Page.Has("edit-1") || b.Page.Has("edit-2") {
			t.Error(b.Page.Text())
		}
		b.Open(b.Page.Link("edit-1")).Want(t, 200)
		b.Press("submit", "name", "Work").Want(t, 200).At(t, "/account/passkeys")
		if !strings.Contains(b.Page.Text(), "Work") {
			t.Error(b.Page.Text())
		}
		b.Open(b.Page.Link("edit-1")).Want(t, 200)
		b.Press("remove").Want(t, 200).At(t, "/account/passkeys")
		if b.Page.Has("edit-1") {
			t.Error(b.Page.Text())
		}
		if !b.Page.Has("others") {
			t.Errorf("the page does not offer to end other sessions: %s", b.Page.Text())
		}
		changeSettings(t, s, func(v *auth.Settings) { v.Factors.Policy = auth.FactorsRequired })
		b.Open(b.Page.Link("edit-0")).Want(t, 200)
		b.Press("remove").Want(t, 409) // the page of passkeys, with the reason
		if !b.Page.Has("edit-0") || !b.Page.Has("use-passkey") || !strings.Contains(b.Page.Text(), "A second step is required") {
			t.Error(b.Page.Text())
		}
		dropPassword(t, s, "alice@example.test")
		b.Open(b.Page.Link("edit-0")).Want(t, 200)
		b.Press("remove").Want(t, 409)
		if !strings.Contains(b.Page.Text(), "no password") {
			t.Error(b.Page.Text())
		}
		s.Clock.Advance(6 * time.Minute)
		b.Open("/account/passkeys").Want(t, 200).At(t, "/login")

		var begun publicKey
		s.Do(t, "POST", "/api/v1/passkeys/begin", map[string]any{}).Want(t, 200).Decode(t, &begun)
		var tokens servertest.Tokens
		s.Do(t, "POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(first.Get(t, begun.PublicKey))}).Want(t, 200).Decode(t, &tokens)
		bearer := servertest.Bearer(tokens.AccessToken)
		s.Do(t, "POST", "/api/v1/me/passkeys/begin", nil, bearer).Want(t, 200).Decode(t, &begun)
		var list struct {
			Passkeys []struct{ ID, Name string }
		}
		s.Do(t, "GET", "/api/v1/me/passkeys", nil, bearer).Want(t, 200).Decode(t, &list)
		s.Do(t, "DELETE", "/api/v1/me/factors/"+list.Passkeys[0].ID, nil, bearer).WantCode(t, 409, "last_passkey")
		s.Do(t, "POST", "/api/v1/me/passkeys", map[string]any{"credential": json.RawMessage(second.Create(t, begun.PublicKey)), "name": "Phone"}, bearer).Want(t, 201)
		s.Do(t, "GET", "/api/v1/me/passkeys", nil, bearer).Want(t, 200).Decode(t, &list)
		if len(list.Passkeys) != 2 || list.Passkeys[1].Name != "Phone" {
			t.Errorf("%+v", list)
		}
		s.Clock.Advance(6 * time.Minute)
		s.Do(t, "POST", "/api/v1/me/passkeys/begin", nil, bearer).Want(t, 401)
		if got := string(s.Do(t, "GET", "/.well-known/passkey-endpoints", nil).Want(t, 200).Body); !strings.Contains(got, s.URL+"/account/passkeys") {
			t.Error(got)
		}
	}, servertest.Domain())
}

// TestAttack_MF_09_TwoNodes: an assertion signs in on one of two nodes, once.
func TestAttack_MF_09_TwoNodes(t *testing.T) {
	t.Parallel()
	nodes := servertest.Nodes(t, 2, servertest.Domain())
	createAccount(t, nodes[0], "alice@example.test") // no mail, which either node may send
	k := passkeytest.New(nodes[0].Issuer, "localhost")
	offerPasskey(t, nodes[0], "alice@example.test", k)
	var begun publicKey
	nodes[0].Do(t, "POST", "/api/v1/passkeys/begin", map[string]any{}).Want(t, 200).Decode(t, &begun)
	body := map[string]any{"credential": json.RawMessage(k.Get(t, begun.PublicKey))}
	results := make(chan int)
	for i := range 64 {
		go func() { results <- nodes[i%2].Do(t, "POST", "/api/v1/passkeys/finish", body).Status }()
	}
	signedIn := 0
	for range 64 {
		if status := <-results; status == 200 {
			signedIn++
		} else if status != 401 && status != 503 {
			t.Errorf("status %d", status)
		}
	}
	if signedIn != 1 {
		t.Errorf("%d sign-ins by one assertion", signedIn)
	}
}

// TestRelatedOrigins: only configured origins are published, and an assertion of no other one counts.
func TestRelatedOrigins(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Domain())
	s.Do(t, "GET", "/.well-known/webauthn", nil).Want(t, 404)
	s.Enrol(t, "alice@example.test")
	k := passkeytest.New(s.URL, "localhost")
	offerPasskey(t, s, "alice@example.test", k)
	k.Origin = "https://app.example.org"
	var begun publicKey
	s.Do(t, "POST", "/api/v1/passkeys/begin", map[string]any{}).Want(t, 200).Decode(t, &begun)
	s.Do(t, "POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(k.Get(t, begun.PublicKey))}).Want(t, 401)

	s = servertest.New(t, servertest.Domain(), servertest.Configure(func(c *config.Config) {
		c.Passkeys.Origins = config.List{"https://app.example.org", "android:apk-key-hash:7d1R-iZFsa3f8QCmm8C4M0p6T_oQkLh3f8QCmm8C4Mw"}
	}))
	if got := strings.TrimSpace(string(s.Do(t, "GET", "/.well-known/webauthn", nil).Want(t, 200).Body)); got != `{"origins":["https://app.example.org"]}` {
		t.Error(got)
	}
	s.Enrol(t, "alice@example.test")
	k = passkeytest.New(s.URL, "localhost")
	offerPasskey(t, s, "alice@example.test", k)
	for _, origin := range []string{"https://app.example.org", "android:apk-key-hash:7d1R-iZFsa3f8QCmm8C4M0p6T_oQkLh3f8QCmm8C4Mw"} {
		k.Origin = origin
		s.Do(t, "POST", "/api/v1/passkeys/begin", map[string]any{}).Want(t, 200).Decode(t, &begun)
		s.Do(t, "POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(k.Get(t, begun.PublicKey))}).Want(t, 200)
	}
}

// TestNoPasskeys: a server without a domain name offers none.
func TestNoPasskeys(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Enrol(t, "alice@example.test")
	b := s.Browser(t)
	if page := b.Open("/login").Want(t, 200); page.Has("passkey") || strings.Contains(page.Header.Get("Permissions-Policy"), "self") {
		t.Error("the page offers passkeys")
	}
	b.Press("submit", "email", "alice@example.test", "password", servertest.Password, "passkeys", "yes").Want(t, 200).At(t, "/account")
	s.Do(t, "POST", "/api/v1/passkeys/begin", map[string]any{}).Want(t, 409)
}

// dropPassword takes the password of an account away, as of one that was imported without one.
func dropPassword(t *testing.T, s *servertest.Server, email string) {
	t.Helper()
	err := s.DB.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		a, err := tx.AccountByLogin(email)
		if err != nil {
			return err
		}
		return tx.DeletePassword(a.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
}
