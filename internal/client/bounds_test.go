package client_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

const lostURI = "https://rp.example.test/lost"

// restrictClient updates a client so that it may do less than its own metadata requests.
func (h *fixture) restrictClient(id auth.ClientID) {
	h.t.Helper()
	c, _, err := h.clients.Update(h.t.Context(), tenant, id, "", operator, func(r *client.Registration) error {
		r.Name, r.Bounds.Name = "Renamed by the operator", "Renamed by the operator"
		r.Scopes, r.Bounds.Scopes = []string{"openid"}, []string{"openid"}
		r.Grants = []auth.GrantType{auth.GrantAuthorizationCode}
		r.Bounds.Grants = r.Grants
		r.DPoP, r.Bounds.DPoP, r.RequirePushed, r.Bounds.RequirePushed = true, true, true, true
		r.RedirectURIs = slices.DeleteFunc(r.RedirectURIs, func(uri string) bool { return uri == lostURI })
		r.Audiences = []string{"https://api.example.test"}
		return nil
	})
	h.requireOK(err)
	h.requireRestricted(c)
}

func (h *fixture) requireRestricted(c auth.Client) {
	h.t.Helper()
	set := c.Settings
	if c.Name != "Renamed by the operator" || !slices.Equal(c.Scopes, []string{"openid"}) || !slices.Equal(set.Grants, []auth.GrantType{auth.GrantAuthorizationCode}) ||
		!set.DPoP || !set.RequirePushed || slices.Contains(c.RedirectURIs, lostURI) || len(c.RedirectURIs) == 0 || len(set.Audiences) != 1 {
		h.t.Errorf("the operator's restrictions are gone: %+v", c)
	}
}

// fullMetadata returns the metadata of a client that requests everything it may have.
func fullMetadata(more clienttest.Metadata) clienttest.Metadata {
	m := clienttest.RelyingParty(clienttest.Metadata{"scope": "openid profile email offline_access", "redirect_uris": []string{"https://rp.example.test/cb", lostURI},
		"grant_types": []string{"authorization_code", "refresh_token", string(auth.GrantDeviceCode)}})
	for k, v := range more {
		m[k] = v
	}
	return m
}

// What an operator removes from a self-registered client stays removed, however often the client
// registers more, and the response shows it.
func TestRepair_S8_RegisteredClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, fullMetadata(nil), ""))
		h.requireOK(err)
		h.restrictClient(v.ID)
		for range 2 {
			got, err := h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, fullMetadata(clienttest.Metadata{"client_id": v.ID}), v.Token), v.ID))
			h.requireOK(err)
			if got.Scope != "openid" || len(got.Grants) != 1 || !got.DPoP || !got.RequirePushed || len(got.RedirectURIs) != 1 || got.Name != "Renamed by the operator" {
				t.Errorf("the response says %+v", got)
			}
			c, err := h.clients.Get(t.Context(), tenant, v.ID)
			h.requireOK(err)
			h.requireRestricted(c)
		}
		// A client that requests none of the remaining scopes gets the remaining ones, never more.
		got, err := h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, fullMetadata(clienttest.Metadata{"client_id": v.ID, "scope": ""}), v.Token), v.ID))
		h.requireOK(err)
		if got.Scope != "openid" {
			t.Errorf("without a scope it has %q", got.Scope)
		}

		// The operator can allow it again.
		_, _, err = h.clients.Update(t.Context(), tenant, v.ID, "", operator, func(r *client.Registration) error {
			r.Scopes, r.Bounds.Scopes = auth.DefaultScope, auth.DefaultScope
			r.DPoP, r.Bounds.DPoP = false, false
			r.RedirectURIs = append(r.RedirectURIs, lostURI)
			return nil
		})
		h.requireOK(err)
		got, err = h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, fullMetadata(clienttest.Metadata{"client_id": v.ID}), v.Token), v.ID))
		h.requireOK(err)
		if got.Scope != auth.DefaultScope.String() || len(got.Grants) != 1 || got.DPoP || !got.RequirePushed || len(got.RedirectURIs) != 2 {
			t.Errorf("after the operator gave it back: %+v", got)
		}
	}, withOpenRegistration)
}

// A list that an operator empties allows nothing; it never lifts a bound.
func TestRepair_S8_EmptyListAllowsNothing(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, fullMetadata(nil), ""))
		h.requireOK(err)
		h.restrictClient(v.ID)
		change := func(fn func(*client.Registration)) error {
			_, _, err := h.clients.Update(t.Context(), tenant, v.ID, "", operator, func(r *client.Registration) error { fn(r); return nil })
			return err
		}
		err = change(func(r *client.Registration) { r.Scopes, r.Bounds.Scopes = []string{}, []string{} })
		if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != "scope_missing" || e.Field != "scopes" {
			t.Errorf("no scopes: %v", err)
		}
		h.requireOK(change(func(r *client.Registration) { r.Grants = []auth.GrantType{}; r.Bounds.Grants = r.Grants }))
		for range 2 {
			c, err := h.clients.Get(t.Context(), tenant, v.ID)
			h.requireOK(err)
			if len(c.Settings.Grants) != 0 || c.Bounds.Grants == nil || !slices.Equal(c.Scopes, []string{"openid"}) {
				t.Errorf("the client has %v and %v within %+v", c.Settings.Grants, c.Scopes, c.Bounds)
			}
			got, err := h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, fullMetadata(clienttest.Metadata{"client_id": v.ID}), v.Token), v.ID))
			h.requireOK(err)
			if len(got.Grants) != 0 || got.Scope != "openid" {
				t.Errorf("it gave itself %v and %q", got.Grants, got.Scope)
			}
			h.requireOK(change(func(r *client.Registration) { r.Contacts = []string{"ops@example.test"} }))
		}
	}, withOpenRegistration)
}

// The same for an operator's own client: another change does not restore the defaults.
func TestRepair_S8_OwnClientWithoutGrants(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newClient(client.Registration{Name: "Own", Type: auth.ClientWeb, RedirectURIs: []string{"https://rp.example.test/cb"}})
		for _, fn := range []func(*client.Registration){func(r *client.Registration) { r.Grants = []auth.GrantType{} }, func(r *client.Registration) { r.Name = "Other" }} {
			c, _, err := h.clients.Update(t.Context(), tenant, c.ID, "", operator, func(r *client.Registration) error { fn(r); return nil })
			h.requireOK(err)
			if len(c.Settings.Grants) != 0 {
				t.Errorf("it has %v", c.Settings.Grants)
			}
		}
	})
}

// respelledURIs returns other spellings of a URI that an operator removed, and a new one.
func respelledURIs() []string {
	return []string{lostURI, lostURI + "?", "https://RP.example.test/lost", "https://rp.example.test:443/lost", "https://rp.example.test//lost",
		"https://rp.example.test/%6cost", "https://rp.example.test/new"}
}

// A redirect URI that an operator removed does not return in another spelling, and the client cannot
// add any other.
func TestRepair_S8_RemovedURIInOtherSpellings(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		const kept = "https://rp.example.test/cb"
		sent := clienttest.Metadata{"redirect_uris": append(respelledURIs(), kept), "post_logout_redirect_uris": respelledURIs()}
		path := "/" + t.Name() + "/client.json"
		id := p.URL + path
		p.Put(path, clienttest.NewDocument(t, id, fullMetadata(clienttest.Metadata{"client_id": id, "post_logout_redirect_uris": []string{lostURI}})))
		h.requireOK(h.authenticatePublic(id))
		v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, fullMetadata(clienttest.Metadata{"post_logout_redirect_uris": []string{lostURI}}), ""))
		h.requireOK(err)
		for _, id := range []auth.ClientID{v.ID, auth.ClientID(id)} {
			_, _, err := h.clients.Update(t.Context(), tenant, id, "", operator, func(r *client.Registration) error {
				r.RedirectURIs, r.PostLogoutURIs = []string{kept}, nil
				return nil
			})
			h.requireOK(err)
		}

		sent["client_id"] = id
		p.Put(path, clienttest.NewDocument(t, id, fullMetadata(sent)))
		h.clock.Advance(time.Hour)
		h.requireOK(h.authenticatePublic(id))
		sent["client_id"] = v.ID
		got, err := h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, fullMetadata(sent), v.Token), v.ID))
		h.requireOK(err)
		if !slices.Equal(got.RedirectURIs, []string{kept}) || len(got.PostLogoutURIs) != 0 {
			t.Errorf("the response says %v and %v", got.RedirectURIs, got.PostLogoutURIs)
		}
		_, err = h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, fullMetadata(clienttest.Metadata{"client_id": v.ID, "redirect_uris": respelledURIs()}), v.Token), v.ID))
		if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidRedirectURI {
			t.Errorf("a client without any URI that it may have: %v", err)
		}
		for _, id := range []auth.ClientID{v.ID, auth.ClientID(id)} {
			c, err := h.clients.Get(t.Context(), tenant, id)
			h.requireOK(err)
			if !slices.Equal(c.RedirectURIs, []string{kept}) || len(c.Settings.PostLogoutURIs) != 0 {
				t.Errorf("%s has %v and %v", id, c.RedirectURIs, c.Settings.PostLogoutURIs)
			}
			// The operator can add URIs; another change leaves the bounds as they are.
			_, _, err = h.clients.Update(t.Context(), tenant, id, "", operator, func(r *client.Registration) error {
				r.PostLogoutURIs = []string{kept}
				return nil
			})
			h.requireOK(err)
			c, _, err = h.clients.Update(t.Context(), tenant, id, "", operator, func(r *client.Registration) error { r.DPoP, r.Bounds.DPoP = true, true; return nil })
			h.requireOK(err)
			if !slices.Equal(c.Bounds.RedirectURIs, []string{kept}) || !slices.Equal(c.Settings.PostLogoutURIs, []string{kept}) {
				t.Errorf("%s has %v within %+v", id, c.Settings.PostLogoutURIs, c.Bounds)
			}
		}
	}, withDocuments, withOpenRegistration, out)
}

// The same for a self-described client, however often its document is read again.
func TestRepair_S8_Document(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name() + "/client.json"
		id := p.URL + path
		p.Put(path, clienttest.NewDocument(t, id, fullMetadata(clienttest.Metadata{"client_id": id})))
		h.requireOK(h.authenticatePublic(id))
		h.restrictClient(auth.ClientID(id))
		for range 3 {
			h.clock.Advance(time.Hour)
			before := p.Times(path)
			h.requireOK(h.authenticatePublic(id))
			if p.Times(path) == before {
				t.Fatal("the document was not read again")
			}
			c, err := h.clients.Get(t.Context(), tenant, auth.ClientID(id))
			h.requireOK(err)
			h.requireRestricted(c)
		}
	}, withDocuments, out)
}

// An operator's change of an operator's client needs no bounds.
func TestRepair_S8_OperatorsClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newClient(client.Registration{Name: "Own", Type: auth.ClientWeb, RedirectURIs: []string{"https://rp.example.test/cb", lostURI}})
		h.restrictClient(c.ID)
		if c, err := h.clients.Get(t.Context(), tenant, c.ID); err != nil || c.Bounds != nil {
			t.Errorf("%+v, %v", c.Bounds, err)
		}
	})
}

// When a document turns its client into another one, all sessions of the former client end.
func TestRepair_S20_AllSessionsEnd(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		const n = 1100 // more than one transaction ends, and than were ended before
		path := "/" + t.Name() + "/client.json"
		id := auth.ClientID(p.URL + path)
		p.Put(path, clienttest.NewDocument(t, string(id), nil))
		h.requireOK(h.authenticatePublic(string(id)))
		var ids []auth.SessionID
		for i := range n {
			ids = append(ids, auth.SessionID(fmt.Sprintf("%s-%d", secret.NewID(h.clock.Now()), i)))
		}
		for part := range slices.Chunk(ids, 100) {
			h.write(func(tx *store.Tx) error {
				for _, id := range part {
					err := tx.InsertSession(auth.Session{ID: id, Account: h.alice, Client: auth.ClientID(p.URL + path), AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now,
						IdleAt: tx.Now.Add(1000 * time.Hour), ExpiresAt: tx.Now.Add(1000 * time.Hour)})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		p.Put(path, clienttest.NewDocument(t, string(id), clienttest.Metadata{"redirect_uris": []string{"http://127.0.0.1/cb"}}))
		h.clock.Advance(time.Hour)
		h.requireOK(h.authenticatePublic(string(id)))
		c, err := h.clients.Get(t.Context(), tenant, id)
		h.requireOK(err)
		if c.Type != auth.ClientNative {
			t.Fatalf("it is still %s", c.Type)
		}
		alive := 0
		h.write(func(tx *store.Tx) error {
			alive = 0
			for _, id := range ids {
				s, err := tx.Session(id)
				if err != nil {
					return err
				}
				if s.EndedAt.IsZero() {
					alive++
				}
			}
			return nil
		})
		if alive != 0 {
			t.Errorf("%d of %d sessions are live", alive, n)
		}
	}, withDocuments, out)
}
