package auth

import "time"

// EventKind is the kind of an audit event. The names are a contract. The comment of each kind
// says when the event is written and what its details hold; docs/events.md is generated from
// these comments.
//
//go:generate go test -run ^TestEventsPage$ -update .
type EventKind string

// Accounts.
const (
	// A user registered. `failure`: a limit of mails kept the link back. Details: reason.
	EventRegistered EventKind = "account.registered"
	// A user registered with an address that has an account; the address gets a mail.
	EventRegisterKnown EventKind = "account.register_known"
	// A verification link was requested again. `failure`: a limit kept it back. Details: reason.
	EventVerificationSent EventKind = "account.verification_sent"
	// An address was confirmed by a link. `failure`: the link did not work. Details: reason.
	EventVerified EventKind = "account.verified"
	// A name, user name, language or picture was changed. `failure`: the current password was wrong. Details: field, reason.
	EventProfileChanged EventKind = "account.profile_changed"
	// A change of address was requested. `failure`: the current password was wrong. Details: reason.
	EventEmailChangeRequested EventKind = "account.email_change_requested"
	// A change of address was confirmed. `failure`: the address was taken, or the password was wrong. Details:
	// reason.
	EventEmailChanged EventKind = "account.email_changed"
	// The owner locked an account, on the account page or by the link of a notice; its sessions ended. `failure`:
	// the link did not work. Details: by, restored, reason.
	EventAccountLocked EventKind = "account.locked"
	// A new password, or an operator, unlocked an account.
	EventAccountUnlocked EventKind = "account.unlocked"
	// An operator created an account.
	EventAccountCreated EventKind = "account.created"
	// An operator disabled an account, or its owner locked one that only an operator can give back; its
	// sessions ended.
	EventAccountDisabled EventKind = "account.disabled"
	// An operator enabled an account again.
	EventAccountEnabled EventKind = "account.enabled"
	// An account was deleted by its owner, by an operator, or as a registration that was not
	// confirmed. `failure`: the current password was wrong. Details: reason.
	EventAccountDeleted EventKind = "account.deleted"
	// The owner of an account asked for its deletion, which the tenant delays. Details: at.
	EventDeletionRequested EventKind = "account.deletion_requested"
	// The owner kept an account that was to be deleted. `failure`: the link did not work. Details: reason.
	EventAccountKept EventKind = "account.kept"
	// The data of an account was exported.
	EventAccountExported EventKind = "account.exported"
)

// Sign-in and sessions.
const (
	// A sign-in. `failure`: it was refused, with the reason of `watchword_login_total`. Details: method, session,
	// reason, limit.
	EventLogin EventKind = "login"
	// The first factor of a sign-in was right, and more is needed. Details: method, need.
	EventFirstFactor EventKind = "login.first_factor"
	// A code or a link was requested for a sign-in. `failure`: the address cannot sign in by mail, or a limit kept
	// it back. Details: method, reason.
	EventCodeMailed EventKind = "login.code_mailed"
	// A user signed out. Details: session, client.
	EventLogout EventKind = "logout"
	// A session was ended by its owner, an operator or a revoked refresh token. Details: session, reason, client; of
	// several ended, kept, untrusted.
	EventSessionEnded EventKind = "session.ended"
	// A used remember-me cookie was presented; its series ended unless `verdict` is `late`.
	// Details: series, verdict.
	EventRememberMeReused EventKind = "session.remember_me_reused"
	// A logout token could not be delivered to a client (Back-Channel Logout). Details: client, session, message,
	// kind, attempts, reason.
	EventLogoutNotDelivered EventKind = "logout.not_delivered"
)

// Passwords.
const (
	// A password was changed with the current one. `failure`: the current one was wrong. Details: reason.
	EventPasswordChanged EventKind = "password.changed"
	// A password was set by a link or by an operator. `failure`: the link did not work. Details: reason.
	EventPasswordReset EventKind = "password.reset"
	// A link to reset a password was requested. `failure`: a limit kept it back. Details: reason.
	EventPasswordResetRequested EventKind = "password.reset_requested"
	// The owner of an account without a password cancelled its recovery, by its link or by a sign-in. Details: by.
	EventRecoveryCancelled EventKind = "password.recovery_cancelled"
	// A stored hash was replaced by one with the current parameters.
	EventPasswordRehashed EventKind = "password.rehashed"
)

// Second factors and passkeys.
const (
	// An authenticator was added to an account, or recovery codes were replaced. Details: kind, factor.
	EventFactorAdded EventKind = "factor.added"
	// An authenticator was removed from an account. Details: kind, factor.
	EventFactorRemoved EventKind = "factor.removed"
	// An authenticator got another name. Details: factor.
	EventFactorRenamed EventKind = "factor.renamed"
	// An operator removed all authenticators of an account. Details: removed.
	EventFactorsReset EventKind = "factor.reset"
	// An operator created a link that replaces the authenticators of an account.
	EventRescueCreated EventKind = "factor.rescue_created"
	// A link that replaces the authenticators of an account was opened. `failure`: it did not work. Details:
	// reason.
	EventRescueOpened EventKind = "factor.rescue_opened"
	// A user who opened such a link added an authenticator, which replaced all earlier ones. Details: removed.
	EventRescued EventKind = "factor.rescued"
	// A user exempted a browser from second factors. Details: browser.
	EventBrowserTrusted EventKind = "browser.trusted"
	// A browser needs second factors again: its owner said so, or its cookie was copied. Details: browser, reason.
	EventTrustEnded EventKind = "browser.trust_ended"
	// The counter of a passkey did not rise, so there may be a copy of the passkey. The sign-in went on.
	// Details: factor.
	EventCounterRegressed EventKind = "factor.counter_regressed"
)

// Clients and consent.
const (
	// A client was registered, changed, disabled, enabled or deleted, or a registration token was created. Details:
	// client, change, uses.
	EventClientChanged EventKind = "client.changed"
	// A client could not authenticate. Details: reason, client_id.
	EventClientRefused EventKind = "client.refused"
	// A user allowed a client a scope. Details: client, scope.
	EventConsentGiven EventKind = "consent.given"
	// A user denied a client a scope. Details: client, scope.
	EventConsentRefused EventKind = "consent.refused"
	// A user revoked the consent for a client. Details: client.
	EventConsentRevoked EventKind = "consent.revoked"
	// A client started device authorization. Details: scope.
	EventDeviceRequested EventKind = "device.requested"
	// A user approved a device. Details: client, scope.
	EventDeviceApproved EventKind = "device.approved"
	// A user denied a device. Details: client, scope.
	EventDeviceDenied EventKind = "device.denied"
)

// Tokens.
const (
	// An authorization code was issued. Details: client, scope.
	EventCodeIssued EventKind = "code.issued"
	// A used authorization code was presented; the session of the client ended. Details: session,
	// client.
	EventCodeReused EventKind = "token.code_reused"
	// A grant issued tokens; refreshes leave no event. `failure`: a token exchange was refused. Details: grant,
	// scope, session; of an exchange audience, subject_client, actor, reason.
	EventTokenIssued EventKind = "token.issued"
	// A client revoked an access token. Details: client, jti.
	EventTokenRevoked EventKind = "token.revoked"
	// A used refresh token was presented again. Details: family, session, client, generation,
	// newest, verdict.
	EventRefreshReused EventKind = "token.refresh_reused"
)

// Administration.
const (
	// A tenant was created or its settings changed. Details: change and each changed setting.
	EventTenantChanged EventKind = "tenant.changed"
	// A role was created, changed or deleted. Details: change, role, permission.
	EventRoleChanged EventKind = "role.changed"
	// A role was assigned to an account. Details: role.
	EventRoleAssigned EventKind = "role.assigned"
	// A role was removed from an account. Details: role.
	EventRoleUnassigned EventKind = "role.unassigned"
	// The first signing key of an algorithm was created. Details: kid, alg.
	EventKeyCreated EventKind = "key.created"
	// The next signing key was created and published. Details: kid, alg, active_at.
	EventKeyRotated EventKind = "key.rotated"
	// A retired signing key was removed. Details: kid, alg.
	EventKeyRemoved EventKind = "key.removed"
	// Sealed values were encrypted under the newest master key. Details: values.
	EventKeysResealed EventKind = "key.resealed"
	// A mail could not be delivered. Details: message, kind, attempts, reason.
	EventMailGivenUp EventKind = "mail.given_up"
)

// Outcome is the outcome of an event.
type Outcome string

// The outcomes of an event.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
)

// Event is an entry of the audit log: actor, kind, account and outcome. Detail never holds a
// secret.
type Event struct {
	ID      string
	At      time.Time
	Kind    EventKind
	Outcome Outcome
	Actor   Actor
	Account AccountID // the account concerned
	Detail  map[string]string
}
