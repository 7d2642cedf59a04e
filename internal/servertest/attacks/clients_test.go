package attacks_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

func setRegistrationMode(mode string) servertest.Option {
	return servertest.Configure(func(c *config.Config) { c.OAuth.Registration = mode })
}

// EP-12, EP-14 over HTTP: statuses, challenges and headers of registration.
func TestAttack_EP_12_14_Door(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		rp := body{"client_name": "RP", "redirect_uris": []string{"https://rp.example.test/cb"}}
		r := s.Do(t, "POST", "/oauth2/register", rp)
		made := decode[body](t, r.Want(t, 201))
		requireNoStore(t, r)
		id, token := made["client_id"].(string), made["registration_access_token"].(string)
		path, ok := strings.CutPrefix(made["registration_client_uri"].(string), s.Issuer)
		if !ok || path != "/oauth2/register/"+id || made["client_secret_expires_at"] != float64(0) {
			t.Errorf("%v", made)
		}
		mine := servertest.Bearer(token)
		requireNoStore(t, s.Do(t, "GET", path, nil, mine).Want(t, 200))
		rp["client_id"], rp["client_name"] = id, "New"
		if got := decode[body](t, s.Do(t, "PUT", path, rp, mine).Want(t, 200)); got["client_name"] != "New" || got["registration_access_token"] != token {
			t.Errorf("%v", got)
		}
		for name, r := range map[string]servertest.Response{
			"no token":        s.Do(t, "GET", path, nil),
			"another client":  s.Do(t, "GET", "/oauth2/register/cl_x", nil, mine),
			"Basic":           s.Do(t, "GET", path, nil, servertest.Header("Authorization", "Basic "+token)),
			"token as a form": s.Do(t, "DELETE", path+"?access_token="+token, nil),
		} {
			wantError(t, r, 401, "invalid_token")
			if !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: no challenge", name)
			}
		}
		s.Do(t, "DELETE", path, nil, mine).Want(t, 204)
		wantError(t, s.Do(t, "GET", path, nil, mine), 401, "invalid_token")
		wantError(t, s.Do(t, "POST", "/oauth2/register", body{"redirect_uris": []string{"javascript:alert(1)"}}), 400, "invalid_redirect_uri")
		wantError(t, s.Do(t, "POST", "/oauth2/register", body{"redirect_uris": []string{"https://rp.example.test/cb"}, "logo_uri": "javascript:alert(1)"}), 400, "invalid_client_metadata")
	}, setRegistrationMode("open"))
}

func TestAttack_EP_12_Token(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		rp := body{"redirect_uris": []string{"https://rp.example.test/cb"}}
		r := s.Do(t, "POST", "/oauth2/register", rp)
		wantError(t, r, 401, "invalid_token")
		if r.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("challenge %q", r.Header.Get("WWW-Authenticate"))
		}
		token, _, err := s.Clients.NewInitialToken(t.Context(), auth.DefaultTenant, 1, time.Hour, auth.System)
		if err != nil {
			t.Fatal(err)
		}
		statuses := countStatuses(10, func() int {
			return s.Do(t, "POST", "/oauth2/register", rp, servertest.Bearer(token.Reveal())).Status
		})
		if statuses[201] != 1 || statuses[401] != 9 {
			t.Errorf("one use, ten at once: %v", statuses)
		}
		if _, err := s.Tenants.Create(t.Context(), "acme", "Acme", auth.Settings{ClientRegistration: "closed"}, auth.System); err != nil {
			t.Fatal(err)
		}
		wantError(t, s.Do(t, "POST", "/t/acme/oauth2/register", rp, servertest.Bearer(token.Reveal())), 403, "access_denied")
	}, setRegistrationMode("token"))
}

// countStatuses counts the statuses of n concurrent requests.
func countStatuses(n int, ask func() int) map[int]int {
	got := make(chan int, n)
	runAtOnce(n, func(int) { got <- ask() })
	close(got)
	count := map[int]int{}
	for status := range got {
		count[status]++
	}
	return count
}

// Only administrators of a tenant manage its clients.
func TestAttack_AdminClients(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/admin/clients"
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		plain := s.SignUp(t, alice)
		s.Do(t, "GET", path, nil).Want(t, 401)
		s.Do(t, "GET", path, nil, servertest.Bearer(plain.AccessToken)).WantCode(t, 403, "not_an_admin")
		id := auth.AccountID(decode[body](t, me(t, s, servertest.Bearer(plain.AccessToken)).Want(t, 200))["id"].(string))
		if err := s.Access.Assign(t.Context(), auth.DefaultTenant, id, auth.AdminRole, auth.System); err != nil {
			t.Fatal(err)
		}
		s.Do(t, "GET", path, nil, servertest.Bearer(s.Login(t, alice, servertest.Password).AccessToken)).WantCode(t, 403, "insufficient_scope")
		admin := servertest.Bearer(newAdministratorToken(t, s))
		s.Do(t, "GET", path, nil, admin).Want(t, 200)
		if _, err := s.Tenants.Create(t.Context(), "acme", "Acme", auth.Settings{}, auth.System); err != nil {
			t.Fatal(err)
		}
		s.Do(t, "GET", "/t/acme"+path, nil, admin).Want(t, 401)

		job := newMachine(t, s)
		s.Do(t, "GET", path, nil, servertest.Bearer(machineToken(t, s, job))).WantCode(t, 403, "not_an_admin")
		robot := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Robot", Type: auth.ClientMachine, Scopes: []string{"watchword:admin"}})
		s.Do(t, "GET", path, nil, servertest.Bearer(machineToken(t, s, robot))).Want(t, 200)

		exerciseAdminAPI(t, s, path, admin)
		for _, field := range []string{"logo_uri", "client_uri", "tos_uri", "policy_uri", "initiate_login_uri", "backchannel_logout_uri"} { // AZ-13
			s.Do(t, "POST", path, body{"type": "web", "client_name": "X", field: "javascript:alert(1)"}, admin).Want(t, 400)
		}
		s.Do(t, "POST", path, body{"type": "web", "client_name": "X", "redirect_uris": []string{"http://app.example/cb"}}, admin).WantCode(t, 400, "invalid_redirect_uri") // AZ-12
		s.Do(t, "POST", path, body{"type": "web", "client_name": "X", "redirect_uris": []string{"https://app.example/cb#x"}}, admin).WantCode(t, 400, "invalid_redirect_uri")
		s.Do(t, "PATCH", path+"/first-party", body{"client_name": "X"}, admin).Want(t, 409)
	})
}

// exerciseAdminAPI creates, changes and deletes a client.
func exerciseAdminAPI(t *testing.T, s *servertest.Server, path string, admin servertest.RequestOption) {
	t.Helper()
	r := s.Do(t, "POST", path, body{"type": "web", "client_name": "Shop", "redirect_uris": []string{"https://shop.example.test/cb"}}, admin)
	made := decode[body](t, r.Want(t, 201))
	one := path + "/" + made["client_id"].(string)
	if !strings.HasPrefix(made["client_secret"].(string), "wws_") || r.Header.Get("ETag") == "" || made["first_party"] != false {
		t.Errorf("%v", made)
	}
	read := s.Do(t, "GET", one, nil, admin).Want(t, 200)
	if strings.Contains(string(read.Body), "digest") || decode[body](t, read)["client_secret"] != nil {
		t.Errorf("%s", read.Body)
	}
	tag := servertest.Header("If-Match", read.Header.Get("ETag"))
	s.Do(t, "PATCH", one, body{"client_name": "Store", "pkce_optional": true}, admin, tag).Want(t, 200)
	s.Do(t, "PATCH", one, body{"client_name": "Lost"}, admin, tag).WantCode(t, http.StatusPreconditionFailed, "client_changed")
	if got := decode[body](t, s.Do(t, "GET", one, nil, admin)); got["client_name"] != "Store" || got["pkce_optional"] != true || len(stringList(got["redirect_uris"])) != 1 {
		t.Errorf("%v", got)
	}
	for _, name := range []string{"registration", "sector", "document_at", "resource_scopes", "scopes_bounded", "type", "first_party", "bounds", "Popup"} {
		r := s.Do(t, "PATCH", one, body{name: true}, admin)
		if r.WantCode(t, 400, "member_unknown"); decode[body](t, r)["field"] != name {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
	const keys = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}` // RFC 7515 A.3.1
	s.Do(t, "PATCH", one, body{"jwks": json.RawMessage(keys), "contacts": []string{"one", "two"}}, admin).Want(t, 200)
	got := decode[body](t, s.Do(t, "PATCH", one, body{"jwks": nil, "contacts": []string{}}, admin).Want(t, 200))
	if got["jwks"] != nil || got["contacts"] == nil || got["popup"] != false || len(stringList(got["contacts"])) != 0 {
		t.Errorf("%v", got)
	}
	s.Do(t, "POST", one+"/secret", body{"overlap_seconds": 0}, admin).Want(t, 200)
	s.Do(t, "POST", one+"/disable", nil, admin).Want(t, 200)
	s.Do(t, "POST", one+"/enable", nil, admin).Want(t, 200)
	seen, after := 0, ""
	for range 20 {
		page := decode[body](t, s.Do(t, "GET", path+"?limit=1&after="+after, nil, admin).Want(t, 200))
		seen += len(page["clients"].([]any))
		if page["next"] == nil {
			break
		}
		after = page["next"].(string)
	}
	if seen != 4 { // the built-in one, two machines, this one
		t.Errorf("%d clients, page by page", seen)
	}
	s.Do(t, "DELETE", one, nil, admin).Want(t, 204)
	s.Do(t, "GET", one, nil, admin).Want(t, 404)
}

// requireRegistrable fails the test unless registration accepts every value that the metadata
// offers, and refuses or omits any other (RFC 7591 §3.2.1).
func requireRegistrable(t *testing.T, s *servertest.Server, tenant auth.TenantID, m body) {
	t.Helper()
	if m["registration_endpoint"] == nil {
		return
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: newSigners(t)[jose.RS256].Public(), KeyID: "r"}, {Key: newSigners(t)[jose.ES256].Public(), KeyID: "e"}, {Key: newSigners(t)[jose.EdDSA].Public(), KeyID: "d"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	algorithms := []string{"RS256", "RS384", "PS256", "ES256", "ES384", "ES256K", "EdDSA", "HS256", "none"}
	for _, c := range []struct {
		member, offered string
		values          []string
	}{
		{"id_token_signed_response_alg", "id_token_signing_alg_values_supported", algorithms},
		{"userinfo_signed_response_alg", "userinfo_signing_alg_values_supported", algorithms},
		{"introspection_signed_response_alg", "introspection_signing_alg_values_supported", algorithms},
		{"request_object_signing_alg", "request_object_signing_alg_values_supported", algorithms},
		{"token_endpoint_auth_signing_alg", "token_endpoint_auth_signing_alg_values_supported", algorithms},
		{"token_endpoint_auth_method", "token_endpoint_auth_methods_supported", []string{"none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth"}},
		{"subject_type", "subject_types_supported", []string{"public", "pairwise", "ephemeral"}},
		{"response_types", "response_types_supported", []string{"code", "token", "id_token", "code id_token", "none"}},
	} {
		for _, v := range c.values {
			rp := body{"redirect_uris": []string{"https://rp.example.test/cb"}, "jwks": json.RawMessage(keys), "token_endpoint_auth_method": "private_key_jwt", c.member: v}
			if c.member == "response_types" {
				rp[c.member] = []string{v}
			}
			r := s.Do(t, "POST", tenant.Path()+"/oauth2/register", rp)
			offered := slices.Contains(stringList(m[c.offered]), v)
			switch {
			case r.Status == 400 && !offered:
			case r.Status != 201:
				t.Errorf("%s %s: registering answers %d, is offered: %v", c.member, v, r.Status, offered)
			case answerHasValue(t, r, c.member, v) != offered:
				t.Errorf("%s %s: is offered: %v, but the answer is %s", c.member, v, offered, r.Body)
			}
		}
	}
}

// answerHasValue reports whether a registration response has the value.
func answerHasValue(t *testing.T, r servertest.Response, member, value string) bool {
	t.Helper()
	switch got := decode[body](t, r)[member].(type) {
	case string:
		return got == value
	case []any:
		return len(got) == 1 && got[0] == value
	}
	return false
}
