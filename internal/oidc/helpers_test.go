package oidc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/secret"
)

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
	_, err := h.clients.Authenticate(h.t.Context(), clienttest.Form(h.t, "client_id", id))
	return err
}

func withOpenRegistration(c *settings) { c.client.Registration = client.RegistrationOpen }

func (h *fixture) assertionClaims(id auth.ClientID) clienttest.Claims {
	return clienttest.AssertionClaims(id, base, h.clock.Now())
}

// decodePayload decodes the payload of a JWT without verifying it.
func decodePayload(t testing.TB, jwt string, out any) {
	t.Helper()
	b, err := secret.Decode(strings.Split(jwt, ".")[1])
	if err == nil {
		err = json.Unmarshal(b, out)
	}
	if err != nil {
		t.Fatal(err)
	}
}
