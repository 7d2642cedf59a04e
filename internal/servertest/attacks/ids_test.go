package attacks_test

import (
	"net/url"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store"
)

// createAddressedClient creates a client whose ID is the URL of its document, with a consent of
// the account.
func createAddressedClient(t testing.TB, s *servertest.Server, id auth.ClientID, person auth.AccountID) {
	t.Helper()
	err := s.DB.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		err := tx.InsertClient(auth.Client{ID: id, Name: "Addressed", Type: auth.ClientSPA, RedirectURIs: []string{"https://app.example.org/cb"}, Scopes: auth.DefaultScope,
			Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode}}, DocumentAt: tx.Now}, CreatedAt: tx.Now, UpdatedAt: tx.Now})
		if err != nil {
			return err
		}
		return tx.PutConsent(auth.Consent{Account: person, Client: id, Scope: auth.DefaultScope, CreatedAt: tx.Now, UpdatedAt: tx.Now})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Routes with a client in the path work for a client whose ID is a URL.
func TestRepair_S9_ClientsNamedByAddress(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		id := auth.AccountID(decode[body](t, me(t, s, servertest.Bearer(s.Login(t, alice, servertest.Password).AccessToken)).Want(t, 200))["id"].(string))
		if err := s.Access.Assign(t.Context(), auth.DefaultTenant, id, auth.AdminRole, auth.System); err != nil {
			t.Fatal(err)
		}
		admin := servertest.Bearer(newAdministratorToken(t, s))
		const client = "https://app.example.org/a/client.json"
		for _, written := range []string{url.PathEscape(client), "https:%2f%2fapp.example.org%2fa%2fclient.json"} {
			createAddressedClient(t, s, client, id)
			s.Do(t, "DELETE", "/api/v1/me/consents/"+written, nil, admin).Want(t, 204)
			s.Do(t, "DELETE", "/api/v1/me/consents/"+written, nil, admin).Want(t, 404)
			one := "/api/v1/admin/clients/" + written
			if got := decode[body](t, s.Do(t, "GET", one, nil, admin).Want(t, 200)); got["client_id"] != client {
				t.Errorf("%v", got)
			}
			s.Do(t, "PATCH", one, body{"client_name": "Seen"}, admin).Want(t, 200)
			s.Do(t, "POST", one+"/disable", nil, admin).Want(t, 200)
			s.Do(t, "POST", one+"/enable", nil, admin).Want(t, 200)
			wantError(t, s.Do(t, "GET", "/oauth2/register/"+written, nil), 401, "invalid_token")
			s.Do(t, "DELETE", one, nil, admin).Want(t, 204)
		}
	}, setRegistrationMode("open"))
}
