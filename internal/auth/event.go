package auth

import "time"

// EventKind names what happened in the audit log. The names are a contract.
type EventKind string

// Everything that leaves an audit line.
const (
	EventRegistered       EventKind = "account.registered"
	EventRegisterKnown    EventKind = "account.register_known"
	EventVerifySent       EventKind = "account.verification_sent"
	EventVerified         EventKind = "account.verified"
	EventProfileChanged   EventKind = "account.profile_changed"
	EventEmailAsked       EventKind = "account.email_change_requested"
	EventEmailChanged     EventKind = "account.email_changed"
	EventAccountCreated   EventKind = "account.created"
	EventAccountDisabled  EventKind = "account.disabled"
	EventAccountEnabled   EventKind = "account.enabled"
	EventAccountDeleted   EventKind = "account.deleted"
	EventAccountExported  EventKind = "account.exported"
	EventLogin            EventKind = "login"
	EventLogout           EventKind = "logout"
	EventRefreshReuse     EventKind = "token.refresh_reused"
	EventSessionEnded     EventKind = "session.ended"
	EventPasswordChanged  EventKind = "password.changed"
	EventPasswordReset    EventKind = "password.reset"
	EventResetAsked       EventKind = "password.reset_requested"
	EventPasswordRehashed EventKind = "password.rehashed"
	EventRoleChanged      EventKind = "role.changed"
	EventRoleAssigned     EventKind = "role.assigned"
	EventRoleUnassigned   EventKind = "role.unassigned"
	EventClientChanged    EventKind = "client.changed"
	EventClientRefused    EventKind = "client.refused" // it did not prove itself
	EventDeviceAsked      EventKind = "device.requested"
	EventDeviceApproved   EventKind = "device.approved"
	EventDeviceDenied     EventKind = "device.denied"
	EventConsentGiven     EventKind = "consent.given"
	EventConsentRefused   EventKind = "consent.refused"
	EventConsentRevoked   EventKind = "consent.revoked"
	EventCodeIssued       EventKind = "code.issued"
	EventCodeReuse        EventKind = "token.code_reused"
	EventTokenIssued      EventKind = "token.issued"
	EventTokenRevoked     EventKind = "token.revoked"
	EventTenantChanged    EventKind = "tenant.changed"
	EventKeyCreated       EventKind = "key.created"
	EventKeyRotated       EventKind = "key.rotated"
	EventKeyRemoved       EventKind = "key.removed"
	EventKeysResealed     EventKind = "key.resealed"
	EventRememberReuse    EventKind = "session.remember_me_reused"
	EventLogoutGivenUp    EventKind = "logout.not_delivered" // to a client, by the back channel
	EventMailGivenUp      EventKind = "mail.given_up"
)

// Outcome is how it ended.
type Outcome string

// The outcomes of an event.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
)

// Event is one line of the audit log: who did what to whom, from where, how it
// ended. Detail never holds a secret.
type Event struct {
	ID      string
	At      time.Time
	Kind    EventKind
	Outcome Outcome
	Actor   Actor
	Account AccountID // the account concerned
	Detail  map[string]string
}
