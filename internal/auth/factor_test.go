package auth_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/watchword-auth/watchword/internal/auth"
)

// factors returns factors of alice by kind; one with a question mark is not proved.
func factors(kinds string) []auth.Factor {
	var out []auth.Factor
	for _, kind := range strings.Fields(kinds) {
		name, marks, _ := strings.Cut(kind, "+")
		f := auth.Factor{Kind: auth.FactorKind(strings.TrimSuffix(name, "?")), ProvedAt: proofTime}
		f.Data.BackupEligible, f.Data.Offered = marks != "bound", marks == "offered"
		if strings.HasSuffix(name, "?") {
			f.ProvedAt = time.Time{}
		}
		out = append(out, f)
	}
	return out
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proofs, factors string
		policy          auth.FactorPolicy
		requested       string
		grace           bool
		mail            bool // a code can be mailed
		need            auth.Need
	}{
		{proofs: "", need: auth.NeedFirstFactor},
		{proofs: "totp", factors: "totp", need: auth.NeedFirstFactor},
		{proofs: "password", need: auth.NeedNothing},
		{proofs: "password", factors: "totp", need: auth.NeedFactor},
		{proofs: "password", factors: "totp", policy: auth.FactorsOptional, need: auth.NeedFactor},
		{proofs: "password", factors: "totp?", need: auth.NeedNothing},
		{proofs: "password", factors: "recovery_code", need: auth.NeedNothing},
		{proofs: "password", factors: "totp passkey", policy: auth.FactorsOff, need: auth.NeedNothing},
		{proofs: "password totp", factors: "totp", need: auth.NeedNothing},
		{proofs: "passkey+uv", factors: "totp passkey", need: auth.NeedNothing},
		{proofs: "password", factors: "passkey+offered", need: auth.NeedNothing},
		{proofs: "passkey+uv", factors: "passkey+offered", need: auth.NeedNothing},
		{proofs: "password", factors: "passkey+offered totp", need: auth.NeedFactor},
		{proofs: "password", factors: "passkey+offered", policy: auth.FactorsRequired, need: auth.NeedFactor},
		{proofs: "password", factors: "passkey+offered", policy: auth.FactorsRequired, grace: true, need: auth.NeedFactor},
		{proofs: "password", factors: "passkey+offered", policy: auth.FactorsResistant, need: auth.NeedFactor},
		{proofs: "password", factors: "passkey+offered", requested: "2", need: auth.NeedFactor},
		{proofs: "password", factors: "passkey+offered", requested: "phrh", need: auth.NeedFactor},
		{proofs: "password email_code", factors: "passkey+offered", policy: auth.FactorsRequired, mail: true, need: auth.NeedNothing},
		{proofs: "password email_code", factors: "passkey+offered", policy: auth.FactorsResistant, mail: true, need: auth.NeedFactor},
		{proofs: "passkey", factors: "passkey", need: auth.NeedFirstFactor},

		{proofs: "password", policy: auth.FactorsRequired, need: auth.NeedEnrolment},
		{proofs: "password", policy: auth.FactorsRequired, grace: true, need: auth.NeedNothing},
		{proofs: "password", factors: "totp", policy: auth.FactorsRequired, grace: true, need: auth.NeedFactor},
		{proofs: "password totp", factors: "totp", policy: auth.FactorsRequired, need: auth.NeedNothing},

		{proofs: "password", factors: "totp", policy: auth.FactorsResistant, need: auth.NeedFactor},
		{proofs: "password totp", factors: "totp", policy: auth.FactorsResistant, need: auth.NeedEnrolment},
		{proofs: "password totp", factors: "totp", policy: auth.FactorsResistant, grace: true, need: auth.NeedNothing},
		{proofs: "password totp", factors: "totp passkey", policy: auth.FactorsResistant, grace: true, need: auth.NeedFactor},
		{proofs: "password passkey", factors: "totp passkey", policy: auth.FactorsResistant, need: auth.NeedNothing},

		{proofs: "rescue_link", factors: "totp", need: auth.NeedFirstFactor},
		{proofs: "password rescue_link", factors: "totp recovery_code", need: auth.NeedEnrolment},
		{proofs: "password rescue_link", factors: "totp", policy: auth.FactorsRequired, grace: true, need: auth.NeedEnrolment},
		{proofs: "password rescue_link", factors: "totp", policy: auth.FactorsOff, need: auth.NeedNothing},
		{proofs: "password rescue_link totp", factors: "totp", need: auth.NeedNothing},
		{proofs: "password rescue_link totp", factors: "totp", policy: auth.FactorsResistant, need: auth.NeedEnrolment},
		{proofs: "password", factors: "reset?", need: auth.NeedEnrolment},
		{proofs: "password", factors: "reset?", policy: auth.FactorsRequired, grace: true, need: auth.NeedEnrolment},
		{proofs: "password", factors: "reset?", policy: auth.FactorsOff, need: auth.NeedNothing},
		{proofs: "password totp", factors: "reset?", need: auth.NeedNothing},

		{proofs: "password", requested: "2", grace: true, need: auth.NeedEnrolment},
		{proofs: "password", requested: "2", policy: auth.FactorsOff, factors: "totp", need: auth.NeedFactor},
		{proofs: "password totp", requested: "2", factors: "totp", need: auth.NeedNothing},
		{proofs: "password totp", requested: "phr", factors: "totp passkey", need: auth.NeedFactor},
		{proofs: "password passkey", requested: "phrh", factors: "passkey", need: auth.NeedEnrolment},
		{proofs: "password passkey", requested: "phrh", factors: "passkey passkey+bound", need: auth.NeedFactor},
		{proofs: "password", mail: true, need: auth.NeedNothing},
		{proofs: "password", mail: true, policy: auth.FactorsRequired, need: auth.NeedFactor},
		{proofs: "password", mail: true, policy: auth.FactorsRequired, grace: true, need: auth.NeedFactor},
		{proofs: "password", mail: true, requested: "2", need: auth.NeedFactor},
		{proofs: "password", mail: true, requested: "phr", need: auth.NeedFactor},
		{proofs: "password", mail: true, policy: auth.FactorsResistant, need: auth.NeedFactor},
		{proofs: "password email_code", mail: true, policy: auth.FactorsRequired, need: auth.NeedNothing},
		{proofs: "email_link", mail: true, policy: auth.FactorsRequired, need: auth.NeedEnrolment},
		{proofs: "email_link email_code", mail: true, policy: auth.FactorsRequired, need: auth.NeedEnrolment},
		{proofs: "password trusted_browser", factors: "totp", need: auth.NeedNothing},
		{proofs: "password trusted_browser", factors: "totp", policy: auth.FactorsRequired, need: auth.NeedNothing},
		{proofs: "password trusted_browser", factors: "totp", requested: "2", need: auth.NeedFactor},
		{proofs: "password trusted_browser", factors: "totp", policy: auth.FactorsResistant, need: auth.NeedFactor},
		{proofs: "password trusted_browser", factors: "totp passkey", policy: auth.FactorsResistant, need: auth.NeedFactor},
		{proofs: "trusted_browser", factors: "totp", need: auth.NeedFirstFactor},
		{proofs: "totp trusted_browser", factors: "totp", need: auth.NeedFirstFactor},
		{proofs: "passkey+uv+bound", requested: "phrh", factors: "passkey+bound", need: auth.NeedNothing},
	} {
		in := auth.SignIn{Account: "alice", Factors: factors(c.factors), Policy: c.policy, Requested: auth.ParseACR(c.requested), EmailCode: c.mail, Now: proofTime, Due: proofTime}
		for _, m := range strings.Fields(c.proofs) {
			in.Proofs = append(in.Proofs, proof(m))
		}
		if c.grace {
			in.Due = proofTime.Add(time.Second)
		}
		if _, need := in.Decide(); need != c.need {
			t.Errorf("%+v: %q", c, need)
		}
	}
}

// TestAttack_MF_13_Decision: whatever an account has proved, a session begins only with what policy,
// client and account require, and a stricter policy never lets more through.
func TestAttack_MF_13_Decision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := auth.SignIn{
			Account:   "alice",
			Proofs:    rapid.SliceOfN(rapid.Map(rapid.SampledFrom([]string{"password", "email_link", "totp", "recovery_code", "email_code", "passkey", "passkey+uv", "passkey+bound", "rescue_link", "trusted_browser"}), proof), 0, 4).Draw(t, "proofs"),
			Factors:   factors(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"totp", "totp?", "passkey", "passkey+bound", "passkey?", "recovery_code", "email_code", "reset?"}), 0, 4).Draw(t, "factors"), " ")),
			Policy:    rapid.SampledFrom(auth.FactorPolicies).Draw(t, "policy"),
			Requested: auth.ParseACR(rapid.SampledFrom(append(slices.Clone(auth.ACRs), "")).Draw(t, "requested")),
			EmailCode: rapid.Bool().Draw(t, "mail"),
			Now:       proofTime, Due: proofTime,
		}
		got, need := in.Decide()
		if need == auth.NeedNothing {
			least := map[auth.FactorPolicy]auth.Assurance{auth.FactorsRequired: auth.AssuranceTwoFactors, auth.FactorsResistant: auth.AssurancePhishingResistant}[in.Policy]
			counted := got.Assurance
			if got.Trusted {
				counted = max(counted, auth.AssuranceTwoFactors)
			}
			if counted < least || got.Assurance < max(in.Requested, auth.AssuranceOneFactor) {
				t.Fatalf("%+v passes with %+v", in, got)
			}
		}
		for _, stricter := range auth.FactorPolicies[max(0, slices.Index(auth.FactorPolicies, in.Policy)):] {
			other := in
			other.Policy = in.Policy.Stricter(stricter)
			if _, then := other.Decide(); need != auth.NeedNothing && then == auth.NeedNothing {
				t.Fatalf("%+v: passes under %q, but not under %q", in, stricter, in.Policy)
			}
		}
	})
}

// TestAttack_MF_06_Fresh: a session may change how its account signs in for five minutes, and only when
// it is as strong as the account's factors allow, up to two factors.
func TestAttack_MF_06_Fresh(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Minute
	for _, c := range []struct {
		proofs, factors string
		age             time.Duration
		policy          auth.FactorPolicy
		need            auth.Need
		mail            bool   // a code can be mailed
		acr             string // that the refusal requires
	}{
		{proofs: "password", need: auth.NeedNothing},
		{proofs: "password", age: limit, need: auth.NeedNothing},
		{proofs: "password", age: limit + time.Millisecond, need: auth.NeedFirstFactor, acr: "1"},
		{proofs: "password", factors: "totp", need: auth.NeedFactor, acr: "2"},
		{proofs: "password", factors: "totp", age: limit + time.Second, need: auth.NeedFirstFactor, acr: "2"},
		{proofs: "password trusted_browser", factors: "totp", need: auth.NeedFactor, acr: "2"},
		{proofs: "password totp", factors: "totp", need: auth.NeedNothing},
		{proofs: "password recovery_code", factors: "totp recovery_code", need: auth.NeedNothing},
		{proofs: "password totp", factors: "totp", age: time.Hour, need: auth.NeedFirstFactor, acr: "2"},
		{proofs: "password totp", factors: "totp passkey", need: auth.NeedNothing},
		{proofs: "email_link", factors: "passkey", need: auth.NeedFactor, acr: "2"},
		{proofs: "password", factors: "totp?", need: auth.NeedNothing},
		{proofs: "password", factors: "totp", policy: auth.FactorsOff, need: auth.NeedNothing},
		{proofs: "password", policy: auth.FactorsRequired, need: auth.NeedNothing}, // else nobody could add the first one
		{proofs: "password totp", factors: "totp passkey", policy: auth.FactorsResistant, need: auth.NeedFactor, acr: "2"},
		{proofs: "", need: auth.NeedFirstFactor, acr: "1"},
		{proofs: "password", factors: "passkey+offered", need: auth.NeedNothing}, // as if there were none
		{proofs: "password", factors: "passkey+offered", policy: auth.FactorsRequired, need: auth.NeedFactor, acr: "2"},
		{proofs: "password", mail: true, need: auth.NeedFactor, acr: "2"}, // else the password alone adds the first one
		{proofs: "password", mail: true, age: limit + time.Second, need: auth.NeedFirstFactor, acr: "2"},
		{proofs: "password email_code", mail: true, need: auth.NeedNothing},
		{proofs: "email_link", mail: true, need: auth.NeedNothing}, // the mailbox is what was proved
		{proofs: "password", mail: true, factors: "reset?", need: auth.NeedNothing},
		{proofs: "password", mail: true, policy: auth.FactorsOff, need: auth.NeedNothing},
		{proofs: "password email_code", mail: true, policy: auth.FactorsResistant, need: auth.NeedNothing},
	} {
		in := auth.SignIn{Account: "alice", Factors: factors(c.factors), EmailCode: c.mail, Policy: c.policy, Now: proofTime.Add(c.age), Established: true, Requested: auth.AssuranceHardware}
		for _, m := range strings.Fields(c.proofs) {
			in.Proofs = append(in.Proofs, proof(m))
		}
		if need := in.Fresh(limit); need != c.need {
			t.Errorf("%+v: %q", c, need)
		}
		err := in.RequireFresh(limit)
		up, refused := errors.AsType[auth.StepUp](err)
		if refused != (c.need != auth.NeedNothing) || refused && (up.MaxAge != limit || up.Assurance.ACR() != c.acr || auth.KindOf(err) != auth.KindUnauthenticated) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
