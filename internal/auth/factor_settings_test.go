package auth_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// TestAttack_MF_13_Suffices: a session is good for tokens as long as the policy of its account and client is
// met, and not a moment longer.
func TestAttack_MF_13_Suffices(t *testing.T) {
	t.Parallel()
	a := auth.Account{ID: "alice", CreatedAt: proofTime.AddDate(-1, 0, 0)}
	for name, c := range map[string]struct {
		auth.FactorSettings
		client auth.FactorPolicy
		amr    []string // password only when nil
		young  bool     // the account was created now
		want   bool
	}{
		"no policy":                    {want: true},
		"off":                          {FactorSettings: auth.FactorSettings{Policy: auth.FactorsOff}, want: true},
		"required":                     {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired}},
		"required, two factors":        {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired}, amr: []string{"mfa", "otp", "pwd"}, want: true},
		"required, passkey":            {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired}, amr: []string{"mfa", "swk", "user"}, want: true},
		"resistant, two factors":       {FactorSettings: auth.FactorSettings{Policy: auth.FactorsResistant}, amr: []string{"mfa", "otp", "pwd"}},
		"resistant, passkey":           {FactorSettings: auth.FactorSettings{Policy: auth.FactorsResistant}, amr: []string{"mfa", "swk", "user"}, want: true},
		"of a role":                    {FactorSettings: auth.FactorSettings{Roles: map[string]auth.FactorPolicy{"staff": auth.FactorsRequired}}},
		"of another role":              {FactorSettings: auth.FactorSettings{Roles: map[string]auth.FactorPolicy{"admin": auth.FactorsRequired}}, want: true},
		"of the client":                {client: auth.FactorsRequired},
		"last moment of grace":         {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired, GraceDays: 1, Since: proofTime.AddDate(0, 0, -1).Add(time.Millisecond)}, want: true},
		"end of grace":                 {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired, GraceDays: 1, Since: proofTime.AddDate(0, 0, -1)}},
		"grace of a young account":     {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired, GraceDays: 1, Since: proofTime.AddDate(0, 0, -9)}, young: true, want: true},
		"no grace for a young account": {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired, Since: proofTime.AddDate(0, 0, -9)}, young: true},
	} {
		a := a
		if c.young {
			a.CreatedAt = proofTime
		}
		v := auth.Session{Account: a.ID, AuthAt: proofTime, ACR: "1", AMR: []string{"pwd"}}
		if c.amr != nil {
			v.ACR, v.AMR = "2", c.amr
		}
		client := auth.Client{Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{SecondFactor: c.client}}}
		if got := c.Suffices(v, a, []string{"staff"}, client, proofTime); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestFactorSettings: values are checked, and days of grace begin once.
func TestFactorSettings(t *testing.T) {
	t.Parallel()
	for _, bad := range []auth.FactorSettings{{Policy: "always"}, {Roles: map[string]auth.FactorPolicy{"a": "on"}}, {GraceDays: -1}, {GraceDays: 366}} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
	good := auth.FactorSettings{Policy: auth.FactorsResistant, Roles: map[string]auth.FactorPolicy{"a": auth.FactorsOff, "b": ""}, GraceDays: 365}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	begun := good.After(auth.FactorSettings{}, noon)
	if begun.Since != noon || len(begun.Roles) != 1 || len(good.Roles) != 2 {
		t.Errorf("%+v", begun)
	}
	for name, change := range map[string]func(*auth.FactorSettings){
		"same":         func(*auth.FactorSettings) {},
		"weaker":       func(f *auth.FactorSettings) { f.Policy = auth.FactorsOptional },
		"more grace":   func(f *auth.FactorSettings) { f.GraceDays = 3 },
		"role dropped": func(f *auth.FactorSettings) { f.Roles = nil },
		"one more":     func(f *auth.FactorSettings) { f.Roles = map[string]auth.FactorPolicy{"a": auth.FactorsResistant} },
	} {
		f := begun
		change(&f)
		if got := f.After(begun, noon.Add(time.Hour)); got.Since != noon {
			t.Errorf("%s: since %v", name, got.Since)
		}
	}
	f := auth.FactorSettings{Policy: auth.FactorsOptional, Since: noon, Roles: map[string]auth.FactorPolicy{"a": auth.FactorsRequired}}
	if got := f.After(auth.FactorSettings{Since: noon}, noon.Add(time.Hour)); got.Since != noon.Add(time.Hour) {
		t.Errorf("required of a role for the first time: since %v", got.Since)
	}
}
