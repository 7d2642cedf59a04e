package oidc_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// newDeviceClient registers a client with the device grant.
func (h *fixture) newDeviceClient(change ...func(*client.Registration)) auth.Client {
	h.t.Helper()
	c, _ := h.newClient(client.Registration{
		Name: "Television", Type: auth.ClientNative, RedirectURIs: []string{"http://127.0.0.1/callback"}, Scopes: []string{"openid", "email", "offline_access"},
		ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantDeviceCode, auth.GrantRefreshToken}},
	}, change...)
	return c
}

func (h *fixture) startDevice(c auth.Client, pairs ...string) oidc.DeviceAuthorization {
	h.t.Helper()
	a, err := h.AuthorizeDevice(h.t.Context(), clienttest.Form(h.t, append([]string{"client_id", string(c.ID)}, pairs...)...))
	h.requireOK(err)
	return a
}

func (h *fixture) pollDevice(c auth.Client, code string) (oidc.Issued, error) {
	return h.Token(h.t.Context(), clienttest.Form(h.t, "grant_type", string(auth.GrantDeviceCode), "client_id", string(c.ID), "device_code", code))
}

// answerDevice stores a user's decision, and returns the browser session in which it was made.
func (h *fixture) answerDevice(a oidc.DeviceAuthorization, status auth.DeviceStatus) auth.SessionID {
	h.t.Helper()
	var id auth.SessionID
	h.write(func(tx *store.Tx) error {
		id = auth.SessionID(secret.NewID(tx.Now))
		err := tx.InsertSession(auth.Session{ID: id, Account: h.alice, Client: auth.FirstParty, Digest: string(id), AuthAt: tx.Now, ACR: "1", AMR: []string{"pwd"},
			CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: tx.Now.Add(time.Hour), ExpiresAt: tx.Now.Add(2 * time.Hour)})
		if err != nil {
			return err
		}
		d, err := tx.Device(secret.Digest(a.DeviceCode.Reveal()))
		if err != nil {
			return err
		}
		if err := tx.PutConsent(auth.Consent{Account: h.alice, Client: d.Client, Scope: d.Scope}); err != nil {
			return err
		}
		return tx.DecideDevice(d.Digest, status, h.alice, id, d.Scope)
	})
	return id
}

func TestDeviceAuthorization(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c, "scope", "openid email telephone")
		if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(a.UserCode) {
			t.Errorf("user code %q", a.UserCode)
		}
		want := oidc.DeviceAuthorization{
			DeviceCode: a.DeviceCode, UserCode: a.UserCode, VerificationURI: base + "/device",
			VerificationURIComplete: base + "/device?user_code=" + a.UserCode, ExpiresIn: 600, Interval: 5,
		}
		if d := cmp.Diff(want, a); d != "" {
			t.Errorf("the response (-want +got):\n%s", d)
		}
		h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
			d, err := tx.Device(secret.Digest(a.DeviceCode.Reveal()))
			if err != nil {
				return err
			}
			if d.Scope.String() != "openid email" || d.Status != auth.DevicePending {
				t.Errorf("kept: %+v", d)
			}
			plain := strings.ReplaceAll(a.UserCode, "-", "")
			if d.UserDigest == plain || d.UserDigest == secret.Digest(plain) {
				t.Error("the user's code can be read, or tried out, in the database")
			}
			return nil
		}))
		if ev := h.events(auth.EventDeviceRequested); len(ev) != 1 || ev[0].Actor.Client != c.ID {
			t.Errorf("audit events: %+v", ev)
		}
		other := h.newDeviceClient(func(r *client.Registration) { r.Grants = []auth.GrantType{auth.GrantAuthorizationCode} })
		request := func(pairs ...string) error {
			_, err := h.AuthorizeDevice(t.Context(), clienttest.Form(t, pairs...))
			return err
		}
		h.requireRefused(request("client_id", string(other.ID)), oauth.UnauthorizedClient)
		h.requireRefused(request("client_id", "nobody"), oauth.InvalidClient)
		h.requireRefused(request("client_id", string(c.ID), "scope", "telephone"), oauth.InvalidScope)
		h.requireRefused(request("client_id", string(c.ID), "scope", "a\"b"), oauth.InvalidScope)
		h.requireRefused(request("client_id", string(c.ID), "resource", "https://elsewhere.example.test"), oauth.InvalidTarget)
	})
}

// Every user code is equally likely, and none repeats soon.
func TestUserCodesAreSpread(t *testing.T) {
	t.Parallel()
	h := newFixture(t, storetest.SQLiteConfig(t))
	c := h.newDeviceClient()
	seen, letters := map[string]bool{}, map[rune]int{}
	for range 200 {
		a := h.startDevice(c)
		if seen[a.UserCode] {
			t.Fatalf("%s twice", a.UserCode)
		}
		seen[a.UserCode] = true
		for _, r := range strings.ReplaceAll(a.UserCode, "-", "") {
			letters[r]++
		}
	}
	// 1600 letters, 80 of each expected; 30 is more than five standard deviations off.
	for _, r := range "BCDFGHJKLMNPQRSTVWXZ" {
		if letters[r] < 30 || letters[r] > 150 {
			t.Errorf("%c came %d times of 1600", r, letters[r])
		}
	}
}

func TestAttack_TK_33_PollingTooFast(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c)
		poll := func() error {
			_, err := h.pollDevice(c, a.DeviceCode.Reveal())
			return err
		}
		h.requireRefused(poll(), oauth.AuthorizationPending) // the first may come at once
		h.clock.Advance(5 * time.Second)
		h.requireRefused(poll(), oauth.AuthorizationPending)
		h.clock.Advance(5*time.Second - time.Millisecond)
		h.requireRefused(poll(), oauth.SlowDown) // ten seconds from here
		h.clock.Advance(10*time.Second - time.Millisecond)
		h.requireRefused(poll(), oauth.SlowDown) // fifteen
		h.clock.Advance(15 * time.Second)
		h.requireRefused(poll(), oauth.AuthorizationPending)
		h.clock.Advance(15*time.Second - time.Millisecond)
		h.requireRefused(poll(), oauth.SlowDown) // it grew for good
		for range 200 {
			h.requireRefused(poll(), oauth.SlowDown)
		}
		h.answerDevice(a, auth.DeviceApproved)
		_, err := h.pollDevice(c, a.DeviceCode.Reveal())
		h.requireOK(err)
	})
}

func TestAttack_TK_34_DeviceCodes(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, thief := h.newDeviceClient(), h.newDeviceClient()
		t.Run("once", func(t *testing.T) {
			a := h.startDevice(c, "scope", "openid email offline_access")
			browser := h.answerDevice(a, auth.DeviceApproved)
			_, err := h.pollDevice(thief, a.DeviceCode.Reveal())
			h.requireRefused(err, oauth.InvalidGrant)
			got, err := h.pollDevice(c, a.DeviceCode.Reveal())
			h.requireOK(err)
			if got.Account != h.alice || got.Session == browser || got.RefreshToken == "" || got.Scope.String() != "openid email offline_access" {
				t.Errorf("tokens: %+v", got.Tokens)
			}
			h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
				v, err := tx.Session(got.Session)
				if v.Parent != browser || !v.Offline || v.Client != c.ID || v.Digest != "" {
					t.Errorf("the device's session: %+v", v)
				}
				return err
			}))
			_, err = h.pollDevice(c, a.DeviceCode.Reveal())
			h.requireRefused(err, oauth.InvalidGrant)
			if _, err := h.tokens.VerifyAudience(t.Context(), tenant, got.AccessToken, h.tokens.UserInfoURL(tenant)); err != nil {
				t.Errorf("the second use ended the tokens of the first: %v", err)
			}
			if ev := h.events(auth.EventTokenIssued); len(ev) != 1 || ev[0].Account != h.alice {
				t.Errorf("audit events: %+v", ev)
			}
		})
		t.Run("expired", func(t *testing.T) {
			a, approved := h.startDevice(c), h.startDevice(c)
			h.answerDevice(approved, auth.DeviceApproved)
			h.clock.Advance(10 * time.Minute)
			for _, v := range []oidc.DeviceAuthorization{a, approved} {
				_, err := h.pollDevice(c, v.DeviceCode.Reveal())
				h.requireRefused(err, oauth.ExpiredToken)
			}
		})
		t.Run("denied", func(t *testing.T) {
			a := h.startDevice(c)
			h.answerDevice(a, auth.DeviceDenied)
			for range 2 {
				_, err := h.pollDevice(c, a.DeviceCode.Reveal())
				h.requireRefused(err, oauth.AccessDenied)
			}
		})
		t.Run("nonsense", func(t *testing.T) {
			_, err := h.pollDevice(c, "")
			h.requireRefused(err, oauth.InvalidRequest)
			for _, code := range []string{"wwd_", secret.New("wwd_").Reveal(), h.startDevice(c).UserCode} {
				_, err := h.pollDevice(c, code)
				h.requireRefused(err, oauth.InvalidGrant)
			}
		})
	})
}

// The user logs out, or is disabled, between the approval and the next poll.
func TestDeviceAfterTheSessionHasEnded(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c)
		browser := h.answerDevice(a, auth.DeviceApproved)
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, browser, auth.EndLogout) })
		_, err := h.pollDevice(c, a.DeviceCode.Reveal())
		h.requireRefused(err, oauth.InvalidGrant)

		b := h.startDevice(c)
		h.answerDevice(b, auth.DeviceApproved)
		h.write(func(tx *store.Tx) error {
			v, err := tx.Account(h.alice)
			if err != nil {
				return err
			}
			v.DisabledAt = tx.Now
			return tx.UpdateAccount(v)
		})
		_, err = h.pollDevice(c, b.DeviceCode.Reveal())
		h.requireRefused(err, oauth.InvalidGrant)
	})
}

func TestAttack_TK_29_DisabledClientAndDevices(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c)
		h.answerDevice(a, auth.DeviceApproved)
		_, err := h.clients.Disable(t.Context(), tenant, c.ID, operator)
		h.requireOK(err)
		_, err = h.AuthorizeDevice(t.Context(), clienttest.Form(t, "client_id", string(c.ID)))
		h.requireRefused(err, oauth.InvalidClient)
		_, err = h.pollDevice(c, a.DeviceCode.Reveal())
		h.requireRefused(err, oauth.InvalidClient)
	})
}

// Of any number of concurrent polls, one gets the tokens.
func TestDeviceCodeIsTakenOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c)
		h.answerDevice(a, auth.DeviceApproved)
		results := make(chan error, 8)
		for range cap(results) {
			go func() {
				_, err := h.Token(t.Context(), clienttest.Form(t, "grant_type", string(auth.GrantDeviceCode), "client_id", string(c.ID), "device_code", a.DeviceCode.Reveal()))
				results <- err
			}()
		}
		issued := 0
		for range cap(results) {
			if err := <-results; err == nil {
				issued++
			} else {
				h.requireRefused(err, oauth.InvalidGrant)
			}
		}
		if issued != 1 {
			t.Errorf("issued %d times", issued)
		}
	})
}
