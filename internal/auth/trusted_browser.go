package auth

import "time"

// TrustedBrowserID identifies a trusted browser of an account.
type TrustedBrowserID string

// TrustedBrowser is a browser in which an account signs in without a second factor, since one was
// proved there. Its cookie has a token that each use replaces. A used token that is presented again
// was copied.
type TrustedBrowser struct {
	ID        TrustedBrowserID
	Account   AccountID
	Digest    string // of the newest token
	Previous  string // digest of the one before
	IP        string // of the sign-in with which it began
	UserAgent string
	CreatedAt time.Time
	UsedAt    time.Time
	ExpiresAt time.Time
}

// maxTrustDays bounds FactorSettings.TrustDays.
const maxTrustDays = 90

// defaultTrustDays is the value of FactorSettings.TrustDays where a tenant has none.
const defaultTrustDays = 30

// Trust returns for how long a browser can be trusted; zero for not at all.
func (f FactorSettings) Trust() time.Duration {
	days := defaultTrustDays
	if f.TrustDays != nil {
		days = *f.TrustDays
	}
	return time.Duration(days) * day
}

// TrustState is what decides about the trusted browsers of an account.
type TrustState struct {
	Settings    FactorSettings
	Factors     []Factor
	PasswordSet time.Time // zero without a password
}

// Live reports whether a trusted browser counts at the given time. It ends with a new password, a new
// authenticator, a shorter setting, and the first policy that requires a factor. What it counts for under a
// stricter policy, SignIn.Decide says.
func (s TrustState) Live(b TrustedBrowser, at time.Time) bool {
	since := s.Settings.Since
	if s.PasswordSet.After(since) {
		since = s.PasswordSet
	}
	for _, f := range s.Factors {
		if f.Authenticates() && f.ProvedAt.After(since) {
			since = f.ProvedAt
		}
	}
	return at.Before(b.ExpiresAt) && at.Before(b.CreatedAt.Add(s.Settings.Trust())) && !b.CreatedAt.Before(since)
}
