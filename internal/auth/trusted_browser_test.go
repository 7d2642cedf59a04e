package auth_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// TestAttack_MF_13_TrustAndPolicies: for every pair of policies, of the tenant, a role and a client, what becomes of a
// browser that was trusted under the first one. The first policy that requires a factor ends it. A stricter one that
// comes later counts it, as far as trust reaches: never where a passkey is required.
func TestAttack_MF_13_TrustAndPolicies(t *testing.T) {
	t.Parallel()
	app := auth.Factor{Account: "alice", Kind: auth.ProofTOTP, ProvedAt: proofTime}
	b := auth.TrustedBrowser{Account: "alice", CreatedAt: proofTime.Add(time.Hour), ExpiresAt: proofTime.AddDate(0, 0, 30)}
	requires := func(p auth.FactorPolicy) bool { return p.Stricter(auth.FactorsRequired) == p }
	settings := map[string]func(auth.FactorPolicy) (auth.FactorSettings, auth.Client){
		"tenant": func(p auth.FactorPolicy) (auth.FactorSettings, auth.Client) {
			return auth.FactorSettings{Policy: p}, auth.Client{}
		},
		"role": func(p auth.FactorPolicy) (auth.FactorSettings, auth.Client) {
			return auth.FactorSettings{Roles: map[string]auth.FactorPolicy{"staff": p}}, auth.Client{}
		},
		"client": func(p auth.FactorPolicy) (f auth.FactorSettings, c auth.Client) {
			c.Settings.SecondFactor = p
			return f, c
		},
	}
	for of, set := range settings {
		for _, first := range auth.FactorPolicies {
			for _, then := range auth.FactorPolicies {
				before, _ := set(first)
				before = before.After(auth.FactorSettings{}, proofTime)
				after, client := set(then)
				after.Since = before.Since
				after = after.After(before, proofTime.Add(2*time.Hour))
				now := proofTime.Add(3 * time.Hour)

				live := auth.TrustState{Settings: after, Factors: []auth.Factor{app}}.Live(b, now)
				// What a client requires is no setting of the tenant, and ends nothing.
				if want := of == "client" || requires(first) || !requires(then); live != want {
					t.Errorf("%s, %s then %s: live %t", of, first, then, live)
				}
				in := auth.SignIn{Account: "alice", Factors: []auth.Factor{app}, Now: now, Proofs: []auth.Proof{{Method: auth.ProofPassword, Account: "alice", At: now}}}
				in.Policy, in.Due = after.For(auth.Account{ID: "alice"}, []string{"staff"}, client)
				if live {
					in.Proofs = append(in.Proofs, auth.Proof{Method: auth.ProofTrustedBrowser, Account: "alice"})
				}
				_, need := in.Decide()
				if enough := need == auth.NeedNothing; enough != (in.Policy == auth.FactorsOff || live && then != auth.FactorsResistant) {
					t.Errorf("%s, %s then %s: lacks %q", of, first, then, need)
				}
			}
		}
	}
}
