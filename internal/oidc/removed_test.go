package oidc_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/store"
)

// signedInClient is a client to which an account is signed in, with its tokens.
type signedInClient struct {
	*fixture
	n            int
	client       auth.Client
	clientSecret string // the client's secret
	user         *browser
	tokens       auth.Tokens
}

func (h *fixture) newSignedInClient(n int) *signedInClient {
	inner := *h
	s := &signedInClient{fixture: &inner, n: n, user: inner.newBrowser()}
	s.alice = h.newAccount(fmt.Sprint("scene", n))
	s.client, s.clientSecret = h.newWebClient(func(r *client.Registration) {
		r.Scopes = []string{"openid", "profile", "email", "offline_access"}
		r.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode}
	})
	s.user.h = s.fixture
	s.user.signIn(s.alice)
	s.write(func(tx *store.Tx) error {
		return tx.PutConsent(auth.Consent{Account: s.alice, Client: s.client.ID, Scope: auth.Scope{"openid", "email", "offline_access"}})
	})
	var err error
	s.tokens, err = s.redeemCode(s.client, s.clientSecret, s.newCodeIn(s.user, s.client, "scope", "openid offline_access"))
	s.requireOK(err)
	return s
}

// newRequest returns an authenticated request of the client.
func (s *signedInClient) newRequest(pairs ...string) client.Request {
	return clienttest.Basic(clienttest.Form(s.t, pairs...), s.client.ID, s.clientSecret)
}

func (s *signedInClient) requestToken(pairs ...string) error {
	_, err := s.Token(s.t.Context(), s.newRequest(pairs...))
	return err
}

// uses prepare an action of a client or user, and return a function that performs it.
var uses = map[string]func(s *signedInClient) func() error{
	"redeem": func(s *signedInClient) func() error {
		r := s.redeemRequest(s.client, s.clientSecret, s.newCodeIn(s.user, s.client, "scope", "openid offline_access"))
		return func() error { _, err := s.Token(s.t.Context(), r); return err }
	},
	"redeem again": func(s *signedInClient) func() error {
		r := s.redeemRequest(s.client, s.clientSecret, s.newCodeIn(s.user, s.client))
		_, err := s.Token(s.t.Context(), r)
		s.requireOK(err)
		return func() error { _, err := s.Token(s.t.Context(), r); return err }
	},
	"refresh": func(s *signedInClient) func() error {
		return func() error {
			return s.requestToken("grant_type", "refresh_token", "refresh_token", s.tokens.RefreshToken)
		}
	},
	"authorize": func(s *signedInClient) func() error {
		return func() error { _, err := s.user.authorize(authorizationPairs(s.client)...); return err }
	},
	"consent": func(s *signedInClient) func() error {
		step, err := s.user.authorize(authorizationPairs(s.client, "prompt", "consent")...)
		s.requireOK(err)
		return func() error {
			_, err := s.Consent(s.t.Context(), newFormRef(step.Flow.ID, s.user.b, step.CSRF), true)
			return err
		}
	},
	"push": func(s *signedInClient) func() error {
		return func() error {
			_, err := s.Push(s.t.Context(), s.newRequest(authorizationPairs(s.client)...))
			return err
		}
	},
	"introspect": func(s *signedInClient) func() error {
		return func() error {
			_, err := s.Introspect(s.t.Context(), s.newRequest("token", s.tokens.RefreshToken))
			return err
		}
	},
	"revoke": func(s *signedInClient) func() error {
		return func() error { return s.Revoke(s.t.Context(), s.newRequest("token", s.tokens.RefreshToken)) }
	},
	"userinfo": func(s *signedInClient) func() error {
		return func() error {
			_, err := s.UserInfo(s.t.Context(), oidc.UserInfoInput{Tenant: tenant, Authorization: []string{"Bearer " + s.tokens.AccessToken}, Method: "GET"})
			return err
		}
	},
	"device requests a code": func(s *signedInClient) func() error {
		return func() error { _, err := s.AuthorizeDevice(s.t.Context(), s.newRequest("scope", "openid")); return err }
	},
	"device polls": func(s *signedInClient) func() error {
		a, err := s.AuthorizeDevice(s.t.Context(), s.newRequest("scope", "openid offline_access"))
		s.requireOK(err)
		s.answerDevice(a, auth.DeviceApproved)
		return func() error {
			return s.requestToken("grant_type", string(auth.GrantDeviceCode), "device_code", a.DeviceCode.Reveal())
		}
	},
	"take consent back": func(s *signedInClient) func() error {
		return func() error { return s.RevokeConsent(s.t.Context(), tenant, s.alice, s.client.ID, operator) }
	},
}

// removals remove something on which a use depends.
var removals = map[string]func(s *signedInClient) error{
	"client deleted": func(s *signedInClient) error { return s.clients.Delete(s.t.Context(), tenant, s.client.ID, operator) },
	"client disabled": func(s *signedInClient) error {
		_, err := s.clients.Disable(s.t.Context(), tenant, s.client.ID, operator)
		return err
	},
	"account deleted": func(s *signedInClient) error {
		return s.db.Write(s.t.Context(), tenant, func(tx *store.Tx) error { return tx.DeleteAccount(s.alice) })
	},
	"account disabled": func(s *signedInClient) error {
		return s.db.Write(s.t.Context(), tenant, func(tx *store.Tx) error {
			a, err := tx.Account(s.alice)
			if err != nil {
				return err
			}
			a.DisabledAt = tx.Now
			_, end := tx.EndSessions(a.ID, "", auth.EndDisabled)
			return errors.Join(tx.UpdateAccount(a), end)
		})
	},
	"sessions ended": func(s *signedInClient) error {
		return s.db.Write(s.t.Context(), tenant, func(tx *store.Tx) error {
			_, err := tx.EndSessions(s.alice, "", auth.EndByOwner)
			return err
		})
	},
	"ended and swept": func(s *signedInClient) error {
		return s.db.WriteSystem(s.t.Context(), func(tx *store.SystemTx) error {
			if _, err := tx.In(tenant).EndSessions(s.alice, "", auth.EndByOwner); err != nil {
				return err
			}
			_, err := tx.Sweep(store.Retention{Ended: tx.Now.Add(time.Millisecond)}, 1000)
			return err
		})
	},
	"consent revoked": func(s *signedInClient) error {
		err := s.RevokeConsent(s.t.Context(), tenant, s.alice, s.client.ID, operator)
		if auth.KindOf(err) == auth.KindNotFound {
			return nil
		}
		return err
	},
}

// isDefiniteAnswer reports whether the error is a refusal that a client or user can act on, neither a
// fault of the server nor a temporary one.
func isDefiniteAnswer(err error) bool {
	if err == nil || errors.Is(err, auth.ErrNotFound) { // which the web answers as what never was
		return true
	}
	if _, ok := errors.AsType[*oauth.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*auth.DisplayError](err); ok {
		return true
	}
	e, ok := errors.AsType[*auth.Error](err)
	return ok && e.Kind != auth.KindInternal && e.Kind != auth.KindUnavailable
}

// TestRepair_H5_UseBesideRemoval: an object that is removed concurrently, before or between two steps,
// is refused like one that never existed; and no session that began meanwhile outlives it.
func TestRepair_H5_UseBesideRemoval(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	each(t, func(t *testing.T, h *fixture) {
		n := 0
		for use, prepare := range uses {
			for removal, remove := range removals {
				for range rounds {
					n++
					s := h.newSignedInClient(n)
					do := prepare(s)
					removed := make(chan error)
					go func() {
						time.Sleep(rand.N(3 * time.Millisecond)) // anywhere between the steps of the use
						removed <- remove(s)
					}()
					if err := do(); !isDefiniteAnswer(err) {
						t.Errorf("%s beside %s: %v", use, removal, err)
					}
					if err := <-removed; err != nil {
						t.Errorf("%s beside %s: the removal: %v", use, removal, err)
					}
					s.requireNoSession(use + " beside " + removal)
				}
			}
		}
	})
}

// requireNoSession fails when the client has a live session.
func (s *signedInClient) requireNoSession(what string) {
	s.t.Helper()
	s.requireOK(s.db.Read(s.t.Context(), tenant, func(tx *store.Tx) error {
		for _, v := range s.user.b.Sessions {
			left, err := tx.ClientSession(v.Session.ID, s.client.ID)
			if err == nil {
				s.t.Errorf("%s: the session %s is live", what, left.ID)
			} else if !errors.Is(err, auth.ErrNotFound) {
				return err
			}
		}
		return nil
	}))
}
