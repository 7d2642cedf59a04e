package oidc_test

import (
	"errors"
	"testing"

	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func digestOf(s string) string { return secret.Digest(s) }

func errorsAs(err error, to **oauth.Error) bool { return errors.As(err, to) }

func liteConfig(t testing.TB) store.Config {
	return store.Config{URL: storetest.SQLite(t), Keyring: storetest.Keyring(t)}
}
