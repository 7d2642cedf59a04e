package clients_test

import (
	"testing"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store"
)

// TestGo signs a user in with golang.org/x/oauth2 and coreos/go-oidc.
func TestGo(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		ctx := t.Context()
		const redirect = "https://shop.example.test/callback"
		id, secret := register(t, s, application(redirect))
		provider, err := gooidc.NewProvider(ctx, s.Issuer)
		if err != nil {
			t.Fatal(err)
		}
		conf := oauth2.Config{ClientID: id, ClientSecret: secret, RedirectURL: redirect, Endpoint: provider.Endpoint(), Scopes: []string{"openid", "email", "offline_access"}}
		verifier := oauth2.GenerateVerifier()
		p := newPerson(t, s)
		back := p.visit(conf.AuthCodeURL("the state", oauth2.S256ChallengeOption(verifier), gooidc.Nonce("the nonce"), oauth2.SetAuthURLParam("prompt", "consent")))
		q := back.Query()
		if q.Get("state") != "the state" || q.Get("iss") != s.Issuer {
			t.Fatalf("came back to %s", back)
		}
		token, err := conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := token.Extra("id_token").(string)
		checked, err := provider.Verifier(&gooidc.Config{ClientID: id}).Verify(ctx, raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := checked.VerifyAccessToken(token.AccessToken); err != nil {
			t.Errorf("at_hash: %v", err)
		}
		if checked.Nonce != "the nonce" {
			t.Errorf("nonce %q", checked.Nonce)
		}
		user, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			t.Fatal(err)
		}
		if user.Subject != checked.Subject || user.Email != alice || !user.EmailVerified {
			t.Errorf("userinfo: %+v", user)
		}
		old := *token
		old.Expiry = s.Clock.Now()
		fresh, err := conf.TokenSource(ctx, &old).Token() // refreshes what has expired
		if err != nil {
			t.Fatal(err)
		}
		if fresh.AccessToken == token.AccessToken || fresh.RefreshToken == token.RefreshToken {
			t.Error("nothing was refreshed")
		}
		if _, err := conf.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier)); err == nil {
			t.Error("the code worked twice")
		}
	})
}

// TestGoDevice signs in on a device with golang.org/x/oauth2.
func TestGoDevice(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := register(t, s, deviceRegistration())
	provider, err := gooidc.NewProvider(t.Context(), s.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	conf := oauth2.Config{ClientID: id, Endpoint: provider.Endpoint(), Scopes: []string{"openid", "email", "offline_access"}}
	asked, err := conf.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	newPerson(t, s).enter(asked.VerificationURI, asked.UserCode)
	asked.Interval = 1
	token, err := conf.DeviceAccessToken(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if _, err := provider.Verifier(&gooidc.Config{ClientID: id}).Verify(t.Context(), raw); err != nil {
		t.Error(err)
	}
}

// signInWithOAuth2 signs in with the defaults of golang.org/x/oauth2, as a public client.
func signInWithOAuth2(t *testing.T, s *servertest.Server, id, redirect string) {
	t.Helper()
	conf := oauth2.Config{ClientID: id, RedirectURL: redirect, Scopes: []string{"openid", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: s.Issuer + "/oauth2/authorize", TokenURL: s.Issuer + "/oauth2/token"}}
	verifier := oauth2.GenerateVerifier()
	back := newPerson(t, s).visit(conf.AuthCodeURL("the state", oauth2.S256ChallengeOption(verifier)))
	token, err := conf.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	old := *token
	old.Expiry = s.Clock.Now()
	if _, err := conf.TokenSource(t.Context(), &old).Token(); err != nil {
		t.Fatal(err)
	}
	if err := s.DB.FlushAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.DB.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		lines, err := tx.Events(store.EventFilter{Kind: auth.EventClientRefused, Limit: 10})
		if len(lines) != 0 {
			t.Errorf("refused attempts: %+v", lines)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
