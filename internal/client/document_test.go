package client_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/store"
)

func withDocuments(c *client.Config) { c.Documents = true }

// authenticatePublic authenticates a client by its id only.
func (h *fixture) authenticatePublic(id string) error {
	h.t.Helper()
	_, err := h.clients.Authenticate(h.t.Context(), clienttest.Form(h.t, "client_id", id))
	return err
}

func TestClientDocument(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name() + "/client.json"
		id := p.URL + path
		p.Put(path, clienttest.NewDocument(t, id, nil))
		h.requireOK(h.authenticatePublic(id))
		h.requireOK(h.authenticatePublic(id))
		c, err := h.clients.Get(t.Context(), tenant, auth.ClientID(id))
		h.requireOK(err)
		if c.FirstParty || c.Type != auth.ClientSPA || c.Settings.DocumentAt.IsZero() || p.Times(path) != 1 {
			t.Errorf("%+v, %d requests", c, p.Times(path))
		}
		// A disabled client stays disabled, whatever its document says.
		_, err = h.clients.Disable(t.Context(), tenant, c.ID, operator)
		h.requireOK(err)
		h.clock.Advance(time.Hour)
		h.requireRefused(h.authenticatePublic(id), oauth.InvalidClient)
		_, err = h.clients.Enable(t.Context(), tenant, c.ID, operator)
		h.requireOK(err)

		p.Put(path, clienttest.NewDocument(t, id, clienttest.Metadata{"client_name": "New"}))
		h.requireOK(h.authenticatePublic(id))
		if c, err = h.clients.Get(t.Context(), tenant, c.ID); err != nil || c.Name != "New" {
			t.Errorf("%+v, %v", c, err)
		}
		p.Put(path, "")
		h.clock.Advance(23 * time.Hour)
		h.requireOK(h.authenticatePublic(id))
		h.clock.Advance(2 * time.Hour)
		h.requireRefused(h.authenticatePublic(id), oauth.InvalidClient)

		// A client whose document has keys authenticates by them.
		k := clienttest.NewKeyPair(t, jose.ES256)
		signs := p.URL + path + "2"
		p.Put(path+"2", clienttest.NewDocument(t, signs, clienttest.Metadata{"token_endpoint_auth_method": "private_key_jwt", "jwks": json.RawMessage(k.JWKS)}))
		h.requireRefused(h.authenticatePublic(signs), oauth.InvalidClient)
		raw := clienttest.Sign(t, jose.ES256, k.Private, h.assertionClaims(auth.ClientID(signs)), nil)
		_, err = h.clients.Authenticate(t.Context(), clienttest.Form(t, "client_assertion_type", clienttest.AssertionType, "client_assertion", raw))
		h.requireOK(err)
	}, withDocuments, out)
}

// An invalid document, or one at a URL that may not be requested, means an unknown client, and nothing
// is stored.
func TestAttack_EP_13_Documents(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		for name, page := range map[string]string{
			"another id": clienttest.NewDocument(t, p.URL+"/another", nil), "no id": clienttest.NewDocument(t, "", nil), "secret": clienttest.NewDocument(t, p.URL+path+"/secret", clienttest.Metadata{"client_secret": "x"}),
			"method": clienttest.NewDocument(t, p.URL+path+"/method", clienttest.Metadata{"token_endpoint_auth_method": "client_secret_post"}), "text": "hello", "redirect": "redirect",
			"uri": clienttest.NewDocument(t, p.URL+path+"/uri", clienttest.Metadata{"redirect_uris": []string{"http://a.test/"}}), "list": "[]", "null": "null",
			"long": clienttest.NewDocument(t, p.URL+path+"/long", clienttest.Metadata{"x": strings.Repeat("x", 70<<10)}),
		} {
			at := path + "/" + strings.ReplaceAll(name, " ", "")
			p.Put(at, page)
			for range 3 {
				h.requireRefused(h.authenticatePublic(p.URL+at), oauth.InvalidClient)
			}
			if n := p.Times(at); n != 1 {
				t.Errorf("%s: %d requests", name, n)
			}
		}
		for _, id := range []string{"https://rp.example.test", "https://rp.example.test/", "https://rp.example.test/a/../b", "https://rp.example.test/./a", "https://rp.example.test/a#b", "https://rp.example.test/a?b",
			"https://u@rp.example.test/a", "https://RP.example.test/a", "https://rp.example.test/%2e%2e/a", "http://rp.example.test/a"} {
			if _, err := client.ParseDocumentID(id); err == nil {
				t.Errorf("%s is accepted as the URL of a document", id)
			}
			h.requireRefused(h.authenticatePublic(id), oauth.InvalidClient)
		}
		if n := h.countClients(); n != 0 || p.Times("/secret") != 0 {
			t.Errorf("%d clients are stored", n)
		}
	}, withDocuments, out)
}

// The document of an unknown client is requested once, however many requests arrive at the same
// moment.
func TestDocumentIsReadOnce(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		p.Put(path, clienttest.NewDocument(t, p.URL+path, nil))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := h.authenticatePublic(p.URL + path); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := p.Times(path); n != 1 {
			t.Errorf("%d requests", n)
		}
	}, withDocuments, out)
}

// Without the setting, a URL is no client and no document is requested.
func TestDocumentsAreOff(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		p.Put("/client", clienttest.NewDocument(t, p.URL+"/client", nil))
		h.requireRefused(h.authenticatePublic(p.URL+"/client"), oauth.InvalidClient)
		if p.Times("/client") != 0 {
			t.Error("the document was requested")
		}
		// A document that was stored while the setting was on is no client either.
		h.write(func(tx *store.Tx) error {
			return tx.InsertClient(auth.Client{ID: auth.ClientID(p.URL + "/client"), Name: "x", Type: auth.ClientSPA, RedirectURIs: []string{callback},
				Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode}}, DocumentAt: tx.Now}, CreatedAt: tx.Now, UpdatedAt: tx.Now})
		})
		h.requireRefused(h.authenticatePublic(p.URL+"/client"), oauth.InvalidClient)
		if _, _, err := h.clients.Resolve(t.Context(), tenant, auth.ClientID(p.URL+"/client"), auth.Actor{}); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("resolved: %v", err)
		}
	}, out)
}

func FuzzClientDocument(f *testing.F) {
	const id = "https://rp.example.test/client.json"
	f.Add(id, clienttest.NewDocument(f, id, nil))
	f.Add("https://rp.example.test/..", `{"client_id":"https://rp.example.test/.."}`)
	f.Fuzz(func(t *testing.T, id, text string) {
		parsed, err := client.ParseDocumentID(id)
		if err != nil {
			return
		}
		if !strings.HasPrefix(id, "https://") || strings.ContainsAny(id, "#?@ ") || string(parsed) != id {
			t.Errorf("%q is accepted as the URL of a document", id)
		}
		m, err := client.ParseDocument(parsed, []byte(text))
		if err == nil && m.Auth != auth.AuthNone && m.Auth != auth.AuthPrivateKeyJWT {
			t.Errorf("%q proves itself by %s", text, m.Auth)
		}
	})
}
