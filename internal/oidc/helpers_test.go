package oidc_test

import (
	"errors"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// The kit of clienttest, under the names that these tests use.
type (
	keyPair  = clienttest.KeyPair
	claims   = clienttest.Claims
	metadata = clienttest.Metadata
)

var (
	newPair         = clienttest.NewKeyPair
	sign            = clienttest.Sign
	withClaim       = clienttest.WithClaim
	flip            = clienttest.Flip
	form            = clienttest.Form
	basic           = clienttest.Basic
	newDocument     = clienttest.NewDocument
	registerRequest = clienttest.RegisterRequest
	rp              = clienttest.RelyingParty
)

const AssertionType = clienttest.AssertionType

// startPublisher starts a web server of clients, and returns the setting with which a provider fetches
// from it.
func startPublisher(t testing.TB) (*clienttest.Publisher, func(*settings)) {
	p, out := clienttest.Publish(t)
	return p, func(c *settings) { c.Out = out }
}

func withDocuments(c *settings) { c.client.Documents = true }

// authenticatePublic authenticates a client by its id only.
func (h *fixture) authenticatePublic(id string) error {
	h.t.Helper()
	_, err := h.clients.Authenticate(h.t.Context(), form(h.t, "client_id", id))
	return err
}

func withOpenRegistration(c *settings) { c.client.Registration = client.RegistrationOpen }

func (h *fixture) assertionClaims(id auth.ClientID) claims {
	return clienttest.AssertionClaims(id, base, h.clock.Now())
}

func digestOf(s string) string { return secret.Digest(s) }

func errorsAs(err error, to **oauth.Error) bool { return errors.As(err, to) }

func sqliteConfig(t testing.TB) store.Config {
	return store.Config{URL: storetest.SQLite(t), Keyring: storetest.Keyring(t)}
}
