package auth

import "time"

// Session is a browser session or a client session. A browser session is one account signed in in
// one browser; the digest of its cookie finds it. A client session is named by the "sid" claim,
// and refresh token families belong to it.
type Session struct {
	ID        SessionID
	Account   AccountID
	Client    ClientID
	Digest    string    // of the cookie; empty for sessions that have none
	AuthAt    time.Time // when the user last authenticated
	ACR       string    // OpenID Connect Core §2
	AMR       []string  // RFC 8176
	IP        string
	UserAgent string
	CreatedAt time.Time
	SeenAt    time.Time
	IdleAt    time.Time // idle timeout; moved by use
	ExpiresAt time.Time // absolute timeout
	EndedAt   time.Time
	EndReason string

	// Parent is the browser session of a client session; empty for browser sessions and for
	// sessions without a parent.
	Parent SessionID
	// Offline keeps a client session when its parent ends: the user has allowed offline access.
	// It has no parent then.
	Offline bool
	// RememberMe is the remember-me series of the session, if it has one.
	RememberMe RememberMeID
	// Claims are the claims that the client requested by name, for userinfo and later ID Tokens.
	Claims ClaimsRequest
}

// Live reports whether the session may be used at the given time.
func (s Session) Live(at time.Time) bool {
	return s.EndedAt.IsZero() && at.Before(s.IdleAt) && at.Before(s.ExpiresAt)
}

// The reasons for which a session or a refresh family ends.
const (
	EndLogout           = "logout"
	EndByOwner          = "ended_by_owner"
	EndByAdmin          = "ended_by_admin"
	EndPassword         = "password_changed"
	EndReset            = "password_reset"
	EndDisabled         = "account_disabled"
	EndLocked           = "account_locked"
	EndReuse            = "refresh_token_reused"
	EndRenewed          = "renewed"
	EndEmail            = "email_changed"
	EndProved           = "address_proved"
	EndTooManySessions  = "too_many_sessions"
	EndExpired          = "expired"
	EndCode             = "code_reused"
	EndConsent          = "consent_revoked"
	EndClient           = "client_removed"
	EndRememberMeReused = "remember_me_reused"
	EndFactors          = "factors_reset"
)
