package auth_test

import (
	"slices"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

func TestEnoughProof(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	password := auth.Proof{Method: auth.ProofPassword, Account: "alice", At: at}
	for name, test := range map[string]struct {
		proofs []auth.Proof
		enough bool
		at     time.Time
	}{
		"nothing":                        {},
		"a password":                     {[]auth.Proof{password}, true, at},
		"the same password, later again": {[]auth.Proof{password, {Method: auth.ProofPassword, Account: "alice", At: at.Add(time.Hour)}}, true, at.Add(time.Hour)},
		"a password of another account":  {[]auth.Proof{{Method: auth.ProofPassword, Account: "eve", At: at}}, false, time.Time{}},
		"a password of no account":       {[]auth.Proof{{Method: auth.ProofPassword, At: at}}, false, time.Time{}},
		"an unknown method":              {[]auth.Proof{{Method: "x", Account: "alice", At: at}}, false, time.Time{}},
		"an unknown method beside it":    {[]auth.Proof{{Method: "x", Account: "alice", At: at.Add(time.Hour)}, password}, true, at},
	} {
		got, enough := auth.EnoughProof("alice", test.proofs)

		if enough != test.enough || !got.At.Equal(test.at) {
			t.Errorf("%s: %+v, %v", name, got, enough)
		}
		if enough && (got.ACR != auth.ACRPassword || !slices.Equal(got.AMR, []string{"pwd"})) {
			t.Errorf("%s: acr %q, amr %q", name, got.ACR, got.AMR)
		}
		if !enough && (got.ACR != "" || got.AMR != nil) {
			t.Errorf("%s: %+v without enough proof", name, got)
		}
	}
}
