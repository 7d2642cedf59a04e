package auth

import "time"

// Session is one sign-in of one account on one device: what "sid" names, what a
// cookie stands for, and what refresh families hang on.
type Session struct {
	ID        SessionID
	Account   AccountID
	Client    ClientID
	Digest    string    // of the cookie; empty for sessions that have none
	AuthAt    time.Time // when the person last proved who they are
	ACR       string    // OpenID Connect Core §2
	AMR       []string  // RFC 8176
	IP        string
	UserAgent string
	CreatedAt time.Time
	SeenAt    time.Time
	IdleAt    time.Time // dead from here unless used before
	ExpiresAt time.Time // dead from here however often used
	EndedAt   time.Time
	EndReason string

	// Parent is the browser's session under which a client was signed in; empty for
	// the browser's own sessions and for sessions without a parent. A client's session is
	// what the "sid" of its tokens names.
	Parent SessionID
	// Offline keeps a client's session when its parent is logged out: the person has
	// allowed access while they are away. It then has no parent.
	Offline bool
	// RememberMe is the remember-me series from which the session came or to which it led.
	RememberMe RememberMeID
	// Claims are what the client asked for by name, for userinfo and later ID Tokens.
	Claims ClaimsRequest
}

// Live reports whether the session may be used at the given time.
func (s Session) Live(at time.Time) bool {
	return s.EndedAt.IsZero() && at.Before(s.IdleAt) && at.Before(s.ExpiresAt)
}

// The reasons for which a session or a refresh family ends.
const (
	EndLogout   = "logout"
	EndByOwner  = "ended_by_owner"
	EndByAdmin  = "ended_by_admin"
	EndPassword = "password_changed"
	EndReset    = "password_reset"
	EndDisabled = "account_disabled"
	EndReuse    = "refresh_token_reused"
	EndRenewed  = "renewed"
	EndEmail    = "email_changed"
	EndProved   = "address_proved"
	EndCrowded  = "too_many_sessions"
	EndExpired  = "expired"
	EndCode     = "code_reused"
	EndConsent  = "consent_revoked"
	EndClient   = "client_removed"
	EndTheft    = "remember_me_reused"
)
