package auth_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/watchword-auth/watchword/internal/auth"
)

var proofTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// proof returns a proof of alice. A method may have the marks +uv and +bound.
func proof(method string) auth.Proof {
	name, marks, _ := strings.Cut(method, "+")
	return auth.Proof{Method: auth.ProofMethod(name), Account: "alice", At: proofTime, UserVerified: strings.Contains(marks, "uv"), DeviceBound: strings.Contains(marks, "bound")}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	for methods, want := range map[string]string{ // the ACR and the AMR
		"":                              "",
		"password":                      "1 pwd",
		"password password":             "1 pwd",
		"email_link":                    "1 email",
		"password email_link":           "1 email pwd",
		"password totp":                 "2 mfa otp pwd",
		"password recovery_code":        "2 mfa otp pwd",
		"password email_code":           "2 mfa otp pwd",
		"email_link totp":               "2 email mfa otp",
		"email_link email_code":         "1 email",
		"totp":                          "",
		"recovery_code":                 "",
		"email_code":                    "",
		"totp recovery_code":            "",
		"passkey":                       "",
		"passkey totp":                  "",
		"passkey+uv":                    "phr mfa swk user",
		"passkey+uv+bound":              "phrh hwk mfa user",
		"password passkey":              "phr mfa pwd swk user",
		"password passkey+bound":        "phrh hwk mfa pwd user",
		"email_link passkey":            "phr email mfa swk user",
		"password totp passkey+uv":      "phr mfa otp pwd swk user",
		"password trusted_browser":      "1 pwd rba",
		"email_link trusted_browser":    "1 email rba",
		"password totp trusted_browser": "2 mfa otp pwd",
		"trusted_browser":               "",
		"totp trusted_browser":          "",
		"magic":                         "",
		"password magic":                "1 pwd",
	} {
		var proofs []auth.Proof
		for _, m := range strings.Fields(methods) {
			proofs = append(proofs, proof(m))
		}
		got := auth.Authenticate("alice", proofs)
		if text := strings.TrimSpace(got.Assurance.ACR() + " " + strings.Join(got.AMR, " ")); text != want {
			t.Errorf("%s: %q, want %q", methods, text, want)
		}
		if (got.Assurance != auth.AssuranceNone) != got.At.Equal(proofTime) {
			t.Errorf("%s: at %v", methods, got.At)
		}
	}
}

// TestAttack_MF_06_OldProofs: a user authenticated when the older of the proofs was given on which the assurance
// rests. Proofs within ten minutes are one sign-in.
func TestAttack_MF_06_OldProofs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before, now string
		age         time.Duration
		old         bool
	}{
		{"password", "totp", 10 * time.Minute, true},
		{"password", "totp", 10*time.Minute - time.Millisecond, false},
		{"password", "passkey", time.Hour, true},
		{"password", "passkey+uv", time.Hour, false},
		{"password totp", "password", time.Hour, true},
		{"password totp", "totp", time.Hour, true},
		{"password totp", "password totp", time.Hour, false},
		{"password passkey+uv", "totp", time.Hour, true},
		{"password", "rescue_link trusted_browser magic", time.Hour, true},
		{"password trusted_browser", "password", time.Hour, false},
		{"email_link", "email_code", time.Hour, true},
		{"totp", "password", time.Hour, true},
	} {
		var proofs []auth.Proof
		for _, m := range strings.Fields(c.now) {
			proofs = append(proofs, proof(m))
		}
		for _, m := range strings.Fields(c.before) {
			p := proof(m)
			p.At = p.At.Add(-c.age)
			proofs = append(proofs, p)
		}
		want := proofTime
		if c.old {
			want = want.Add(-c.age)
		}
		if got := auth.Authenticate("alice", proofs); !got.At.Equal(want) {
			t.Errorf("%+v: at %v", c, got.At)
		}
	}
}

func TestAuthenticateIgnoresProofsOfOthers(t *testing.T) {
	t.Parallel()
	for _, account := range []auth.AccountID{"eve", ""} {
		p := proof("passkey+uv")
		p.Account = account
		for _, of := range []auth.AccountID{"alice", ""} {
			if got := auth.Authenticate(of, []auth.Proof{p}); got.Assurance != auth.AssuranceNone {
				t.Errorf("a proof of %q for %q: %+v", account, of, got)
			}
		}
	}
}

// TestStoredProofs: an authentication that was stored amounts to the same when it is read, and
// grows by further proofs as if they had come together.
func TestStoredProofs(t *testing.T) {
	t.Parallel()
	methods := []string{"password", "email_link", "totp", "recovery_code", "email_code", "passkey", "passkey+uv", "passkey+bound", "passkey+uv+bound", "trusted_browser"}
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SliceOfN(rapid.Map(rapid.SampledFrom(methods), proof), 1, 4).Draw(t, "first")
		before := auth.Authenticate("alice", first)
		if before.Assurance == auth.AssuranceNone {
			return // nothing is stored
		}
		stored := auth.Session{Account: "alice", AuthAt: before.At, ACR: before.Assurance.ACR(), AMR: before.AMR}
		after := auth.Authenticate("alice", stored.Proofs())
		if after.Assurance != before.Assurance || !slices.Equal(after.AMR, before.AMR) || !after.At.Equal(before.At) {
			t.Fatalf("%+v was read as %+v", before, after)
		}
		more := rapid.SliceOfN(rapid.Map(rapid.SampledFrom(methods), proof), 0, 3).Draw(t, "more")
		if got := auth.Authenticate("alice", append(stored.Proofs(), more...)); got.Assurance < before.Assurance {
			t.Fatalf("more proofs made %+v of %+v", got, before)
		}
	})
}

func TestACRs(t *testing.T) {
	t.Parallel()
	for _, acr := range auth.ACRs {
		if got := auth.ParseACR(acr); got == auth.AssuranceNone || got.ACR() != acr {
			t.Errorf("%q: %d", acr, got)
		}
	}
	for _, acr := range []string{"", "0", "3", "PHR", "phr "} {
		if got := auth.ParseACR(acr); got != auth.AssuranceNone {
			t.Errorf("%q: %d", acr, got)
		}
	}
}
