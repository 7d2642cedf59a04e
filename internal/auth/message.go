package auth

import "time"

// MessageKind is the kind of a message of the outbox, which selects its handler.
type MessageKind string

// The kinds of messages.
const (
	MailVerify            MessageKind = "mail.verify"             // verify your address; has a link
	MailInvite            MessageKind = "mail.invite"             // an operator created an account for you; has a link
	MailKnownAddress      MessageKind = "mail.known_address"      // someone registered your address
	MailReset             MessageKind = "mail.reset"              // set a new password; has a link
	MailRecovery          MessageKind = "mail.recovery"           // set a first password, a day later, or cancel that; has a link
	MailRecoveryCancelled MessageKind = "mail.recovery_cancelled" // notice: the owner signed in
	MailPasswordChanged   MessageKind = "mail.password_changed"   // notice
	MailChangeEmail       MessageKind = "mail.change_email"       // verify the new address; has a link
	MailEmailChanged      MessageKind = "mail.email_changed"      // notice to the old address
	MailUsernameChanged   MessageKind = "mail.username_changed"   // notice
	MailAccountDeleted    MessageKind = "mail.account_deleted"    // notice
	MailAccountDeletion   MessageKind = "mail.account_deletion"   // the account will be deleted; has a link that keeps it
	MailSessionsEnded     MessageKind = "mail.sessions_ended"     // a refresh token was reused
	MailAccountLocked     MessageKind = "mail.account_locked"     // the owner locked the account; has a link
	MailNewDevice         MessageKind = "mail.new_device"         // notice of a sign-in from another browser than before
	MailFactorAdded       MessageKind = "mail.factor_added"       // notice
	MailFactorRemoved     MessageKind = "mail.factor_removed"     // notice
	MailCodesGuessed      MessageKind = "mail.codes_guessed"      // notice: the right password, then too many wrong codes
	MailFactorsReset      MessageKind = "mail.factors_reset"      // notice: all factors were removed
	MailRescue            MessageKind = "mail.rescue"             // notice: an operator created a link that replaces them
	MailCode              MessageKind = "mail.code"               // a code as the second factor of a sign-in
	MailSignIn            MessageKind = "mail.sign_in"            // sign in without a password; has a link and a code
	MailRecoveryUsed      MessageKind = "mail.recovery_used"      // a recovery code was used; notice
	// LogoutBackchannel sends a logout token to a client (OpenID Connect Back-Channel Logout
	// §2.5). Its payload is a LogoutNotice.
	LogoutBackchannel MessageKind = "logout.backchannel"
	// MailNone is written where an existing address would get a mail and an unknown one gets
	// none, so that both take the same time. Its handler does nothing.
	MailNone MessageKind = "mail.none"
)

// Message is work of the outbox, written in the transaction of the change that causes it. Its
// payload is sealed at rest.
type Message struct {
	ID        MessageID
	Tenant    TenantID
	Kind      MessageKind
	Payload   Mail         // of the mail.* kinds
	Logout    LogoutNotice // of LogoutBackchannel
	CreatedAt time.Time
	Attempts  int
}

// Mail is the payload of the mail.* kinds. Messages to one address leave in the
// order in which they were written.
type Mail struct {
	To        string     `json:"to"`
	Name      string     `json:"name,omitempty"`
	Locale    string     `json:"locale,omitempty"`    // that its owner chose; empty for the tenant's
	Token     string     `json:"token,omitempty"`     // the secret of the link
	NotBefore time.Time  `json:"not_before,omitzero"` // when the link begins to work
	Code      string     `json:"code,omitempty"`      // that the user types; secret
	ExpiresAt time.Time  `json:"expires_at,omitzero"`
	IP        string     `json:"ip,omitempty"`         // of the request
	UserAgent string     `json:"user_agent,omitempty"` // of the request
	At        time.Time  `json:"at,omitzero"`
	NewEmail  string     `json:"new_email,omitempty"`
	DeleteAt  time.Time  `json:"delete_at,omitzero"` // of the account
	Factor    FactorKind `json:"factor,omitempty"`   // that the notice is about
	Left      int        `json:"left,omitempty"`     // recovery codes
	// Removed are the factors that were removed as someone else may have added them.
	Removed []MailFactor `json:"removed,omitempty"`
}

// MailFactor is a factor in a mail.
type MailFactor struct {
	Kind  FactorKind `json:"kind"`
	Added time.Time  `json:"added"`
}

// MailFactors returns the factors that counted, the recovery codes as one.
func MailFactors(list []Factor) []MailFactor {
	var out []MailFactor
	codes := false
	for _, f := range list {
		if f.ProvedAt.IsZero() || f.Kind == ProofRecoveryCode && codes {
			continue
		}
		codes = codes || f.Kind == ProofRecoveryCode
		out = append(out, MailFactor{Kind: f.Kind, Added: f.ProvedAt})
	}
	return out
}

// LogoutNotice is the payload of LogoutBackchannel: the ended client session and the client's
// back-channel logout URI.
type LogoutNotice struct {
	Client  ClientID  `json:"client"`
	Account AccountID `json:"account"`
	Session SessionID `json:"session"` // the client's session: the sid of its tokens
	URI     string    `json:"uri"`
}
