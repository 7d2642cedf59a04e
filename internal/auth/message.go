package auth

import "time"

// MessageKind says what has to be done later, and by which handler of the outbox.
type MessageKind string

// What the outbox carries.
const (
	MailVerify          MessageKind = "mail.verify"           // prove your address: Link
	MailInvite          MessageKind = "mail.invite"           // an operator made an account for you: Link
	MailKnownAddress    MessageKind = "mail.known_address"    // someone registered your address
	MailReset           MessageKind = "mail.reset"            // set a new password: Link
	MailPasswordChanged MessageKind = "mail.password_changed" // notice
	MailChangeEmail     MessageKind = "mail.change_email"     // prove the new address: Link
	MailEmailChanged    MessageKind = "mail.email_changed"    // notice to the old address
	MailAccountDeleted  MessageKind = "mail.account_deleted"  // notice
	MailSessionsEnded   MessageKind = "mail.sessions_ended"   // refresh token stolen
	// LogoutBackchannel tells a client that a session of its has ended (OpenID Connect
	// Back-Channel Logout §2.5): a LogoutNotice.
	LogoutBackchannel MessageKind = "logout.backchannel"
	// MailNone is written where a known address would get mail and this one gets
	// none, so that both cost the caller the same. Its handler does nothing.
	MailNone MessageKind = "mail.none"
)

// Message is something to be done later, written in the transaction of the
// change that asks for it. Its payload is sealed at rest.
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
	To        string    `json:"to"`
	Name      string    `json:"name,omitempty"`
	Token     string    `json:"token,omitempty"` // the secret of the link
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	IP        string    `json:"ip,omitempty"` // from where it was asked
	At        time.Time `json:"at,omitzero"`
	NewEmail  string    `json:"new_email,omitempty"`
}

// LogoutNotice is the payload of LogoutBackchannel: whose session at which client has
// ended, and where the client is notified of it.
type LogoutNotice struct {
	Client  ClientID  `json:"client"`
	Account AccountID `json:"account"`
	Session SessionID `json:"session"` // the client's session: the sid of its tokens
	URI     string    `json:"uri"`
}
