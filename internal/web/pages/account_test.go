package pages

import "testing"

// SE-13: a flow leads to one of the account's pages, whatever its request names.
func TestAttack_SE_13_AccountPage(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/account":                          PathAccount,
		"/account/email":                    PathEmail,
		"/account/sessions/end-others":      PathSessions,
		"/account/two-factor/edit/remove":   PathFactorEdit,
		"/account/two-factor/codes/confirm": PathCodes,
		"/account/data/delete":              PathDelete,
		"/account/data/deleted":             PathData,
		"/account/emails":                   PathAccount,
		"/account/../login":                 PathAccount,
		"":                                  PathAccount,
		"https://evil.test/account/email":   PathAccount,
		"//evil.test":                       PathAccount,
		`/account/email\evil`:               PathAccount,
	} {
		if got := accountPage(path); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}
