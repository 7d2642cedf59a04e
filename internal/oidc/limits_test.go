package oidc_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// requireRateLimited reports whether the error is rate_limited.
func (h *fixture) requireRateLimited(err error) {
	h.t.Helper()
	if auth.KindOf(err) != auth.KindThrottled {
		h.t.Errorf("got %v, want rate_limited", err)
	}
}

// S14: a known client_id of a public client writes no more rows than limits.public_client.ip allows,
// and requests with a valid grant are not counted.
func TestRepair_S14_ProofsOfPublicClientsAreCounted(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.ES256)
		refresh := func(token string) (oidc.Issued, error) {
			return h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", "refresh_token", "client_id", "first-party", "refresh_token", token), h.newProof(k, tokenURL)))
		}
		good := h.signIn(auth.FirstParty, auth.DefaultScope).RefreshToken
		for range 2 * publicRate.Count {
			out, err := refresh(good)
			h.requireOK(err)
			good = out.RefreshToken
		}

		for range publicRate.Count {
			_, err := refresh("wwr_garbage")
			h.requireRefused(err, oauth.InvalidGrant)
		}
		p := h.newProof(k, tokenURL)
		_, err := h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", "refresh_token", "client_id", "first-party", "refresh_token", "wwr_garbage"), p))

		h.requireRateLimited(err)
		h.clock.Advance(publicRate.Per)
		_, err = h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", "refresh_token", "client_id", "first-party", "refresh_token", good), p))
		h.requireOK(err) // the refused request has used nothing
	}, func(c *settings) { c.client.Rates["public_client.ip"] = publicRate })
}

var publicRate = limit.Rate{Count: 5, Per: time.Minute}

// A proof by another key than that of the access token is not stored, so it still works where it
// belongs.
func TestRepair_S14_ProofByAnotherKeyIsNotSpent(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		own, other := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.ES256)
		c, s := h.newMachineClient()
		out, err := h.Token(t.Context(), withProofs(clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, s), h.newProof(own, tokenURL)))
		h.requireOK(err)
		p := h.newProof(other, base+"/api/v1/me", clienttest.Claims{"htm": "GET", "ath": secret.Digest(out.AccessToken)})
		call := func() error {
			r := client.Request{Tenant: tenant, Proof: []string{p}, Method: "GET", URL: base + "/api/v1/me"}
			_, err := h.clients.VerifyBound(t.Context(), r, out.AccessToken)
			return err
		}

		h.requireRefused(call(), oauth.InvalidToken)
		h.requireRefused(call(), oauth.InvalidToken) // and not "used before"
	})
}

// S15: polls that come too early are answered without a write.
func TestRepair_S15_EarlyPollsWriteNothing(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c)
		poll := func() error {
			_, err := h.pollDevice(c, a.DeviceCode.Reveal())
			return err
		}
		device := func() (d auth.Device) {
			h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) (err error) {
				d, err = tx.Device(secret.Digest(a.DeviceCode.Reveal()))
				return err
			}))
			return d
		}
		h.requireRefused(poll(), oauth.AuthorizationPending)
		h.requireRefused(poll(), oauth.SlowDown)
		noted := device()
		for range 50 {
			h.clock.Advance(50 * time.Millisecond)
			h.requireRefused(poll(), oauth.SlowDown)
		}

		if got := device(); got.PolledAt != noted.PolledAt || got.Interval != noted.Interval || noted.Interval != 10*time.Second {
			t.Errorf("fifty early polls wrote: %v %v, before %v %v", got.PolledAt, got.Interval, noted.PolledAt, noted.Interval)
		}
		h.answerDevice(a, auth.DeviceApproved)
		h.requireOK(poll())
	})
}

// A refresh token that was stolen without its key does not use up the owner's limit.
func TestRepair_RefreshCredential_StolenWithoutItsKey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		own, other := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.ES256)
		c := h.newDeviceClient()
		a := h.startDevice(c, "scope", "openid offline_access")
		h.answerDevice(a, auth.DeviceApproved)
		out, err := h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", string(auth.GrantDeviceCode), "client_id", string(c.ID),
			"device_code", a.DeviceCode.Reveal()), h.newProof(own, tokenURL)))
		h.requireOK(err)
		refresh := func(k clienttest.KeyPair) error {
			_, err := h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", "refresh_token", "client_id", string(c.ID), "refresh_token", out.RefreshToken), h.newProof(k, tokenURL)))
			return err
		}
		for range 10 {
			h.requireRefused(refresh(other), oauth.InvalidGrant)
		}

		h.requireOK(refresh(own))
	}, func(c *settings) { c.Rates["refresh.credential"] = limit.Rate{Count: 2, Per: time.Hour} })
}

// A refresh token of one client that another client presents does not use up the first one's limit.
func TestRepair_S3_RefreshTokenOfAnotherClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		conf, clientSecret := h.newClient(client.Registration{Name: "A", Type: auth.ClientWeb})
		page, _ := h.newClient(client.Registration{Name: "B", Type: auth.ClientSPA})
		token := h.signIn(conf.ID, auth.DefaultScope).RefreshToken
		for range 2 {
			for _, c := range []auth.Client{page, {ID: auth.FirstParty}} {
				_, err := h.refreshTokens(c, "", token)
				h.requireRefused(err, oauth.InvalidGrant)
			}
		}
		_, err := h.refreshTokens(page, "", token)
		h.requireRateLimited(err)

		_, err = h.refreshTokens(conf, clientSecret, token)
		h.requireOK(err)
	}, func(c *settings) { c.Rates["refresh.credential"] = limit.Rate{Count: 2, Per: time.Hour} })
}

// Polls of a device with a key store no proof and are not counted while the user decides.
func TestRepair_S14_WaitingDevicesAreNotCounted(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.ES256)
		c := h.newDeviceClient()
		a := h.startDevice(c)
		poll := func(proof string) error {
			_, err := h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", string(auth.GrantDeviceCode), "client_id", string(c.ID),
				"device_code", a.DeviceCode.Reveal()), proof))
			return err
		}
		h.requireRefused(poll(h.newProof(k, tokenURL)), oauth.AuthorizationPending)
		for range 2 * publicRate.Count {
			h.requireRefused(poll(h.newProof(k, tokenURL)), oauth.SlowDown)
		}
		h.answerDevice(a, auth.DeviceApproved)

		p := h.newProof(k, tokenURL)
		h.requireOK(poll(p))
		_, err := h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", "refresh_token", "client_id", string(c.ID), "refresh_token", "x"), p))
		h.requireRefused(err, oauth.InvalidProof) // that of the tokens is used
	}, func(c *settings) { c.client.Rates["public_client.ip"] = publicRate })
}

// S12: invented URLs of documents do not keep out new clients, neither of the same host nor of
// another.
func TestRepair_S12_MadeUpDocumentsKeepNobodyOut(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		request := func(ip, path string) error {
			r := clienttest.Form(t, "client_id", p.URL+path)
			r.Actor.IP = ip
			_, err := h.clients.Authenticate(t.Context(), r)
			return err
		}
		path := "/" + t.Name() + "/client.json"
		p.Put(path, clienttest.NewDocument(t, p.URL+path, nil))
		for _, ip := range []string{"198.51.100.1", "198.51.100.2", "198.51.100.3"} {
			for i := range 30 {
				h.requireRefused(request(ip, fmt.Sprintf("/made-up/%s/%d", ip, i)), oauth.InvalidClient)
			}
			h.requireRateLimited(request(ip, "/made-up/one-more"))
		}

		h.requireOK(request("192.0.2.1", path))
		h.requireOK(request("198.51.100.1", path)) // known documents are not counted
	}, withDocuments, out)
}

// Approving devices in a loop starts at most a hundred sessions at a client, and so causes no more
// notices when they end.
func TestRepair_Backchannel_SessionsOfDevicesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		for range session.MaxSessions + 3 {
			a := h.startDevice(c, "scope", "openid")
			h.answerDevice(a, auth.DeviceApproved)
			_, err := h.pollDevice(c, a.DeviceCode.Reveal())
			h.requireOK(err)
		}
		var live int64
		h.write(func(tx *store.Tx) (err error) {
			live, err = tx.EndGrantedSessions(h.alice, c.ID, auth.EndClient)
			return err
		})
		if live != session.MaxSessions {
			t.Errorf("%d sessions live", live)
		}
	}, func(c *settings) { c.client.Rates["public_client.ip"] = limit.Rate{Count: 1000, Per: time.Second} })
}

// S15: a posted request that no browser follows ends after a few minutes; one that a browser has
// followed lives as long as any other.
func TestRepair_S15_PostedRequestsThatNobodyTakesUpEndSoon(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v := h.newBrowser()
		left, err := v.authorizeByMethod(true, authorizationPairs(c)...)
		h.requireOK(err)
		taken, err := v.authorizeByMethod(true, authorizationPairs(c)...)
		h.requireOK(err)
		taken = v.continueFlow(taken)
		h.clock.Advance(5 * time.Minute)

		_, err = h.flows.Continue(t.Context(), tenant, left.Flow.ID, v.b)
		h.requireFlowOver(err)
		h.clock.Advance(54 * time.Minute)
		_, err = h.flows.Continue(t.Context(), tenant, taken.Flow.ID, v.b)
		h.requireOK(err)
	})
}
