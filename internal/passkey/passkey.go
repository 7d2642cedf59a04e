// Package passkey makes the options of WebAuthn ceremonies and verifies their responses (Web
// Authentication Level 3). It is the only package that knows go-webauthn.
//
// It stores nothing. The caller keeps a Ceremony on the server from the options to the response,
// and consumes it with the first response.
package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/watchword-auth/watchword/internal/secret"
)

// RelyingParty creates and verifies the passkeys of one relying party. It is safe for concurrent
// use.
type RelyingParty struct {
	id  string
	lib *webauthn.WebAuthn
}

// NewRelyingParty returns the relying party with the given RP ID, which is a domain, and the
// origins whose pages and applications may use its passkeys.
func NewRelyingParty(id string, origins []string) (*RelyingParty, error) {
	lib, err := webauthn.New(&webauthn.Config{
		RPID: id, RPDisplayName: id, RPOrigins: origins, AttestationPreference: protocol.PreferNoAttestation,
		// Password managers add extension outputs that nobody requested. They give no rights.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("relying party %q: %w", id, err)
	}
	return &RelyingParty{id: id, lib: lib}, nil
}

// ID returns the RP ID.
func (r *RelyingParty) ID() string { return r.id }

// Passkey is a credential record (WebAuthn §4).
type Passkey struct {
	ID             []byte   `json:"id"`
	PublicKey      []byte   `json:"public_key"` // COSE_Key
	Counter        uint32   `json:"counter"`
	AAGUID         []byte   `json:"aaguid,omitempty"` // model of the authenticator; 16 bytes
	Transports     []string `json:"transports,omitempty"`
	BackupEligible bool     `json:"backup_eligible,omitempty"` // it may exist on several devices
	BackedUp       bool     `json:"backed_up,omitempty"`
	// UserVerified says that the authenticator verified the user at the creation.
	UserVerified bool `json:"user_verified,omitempty"`
	// UserPresent says that the user made a gesture at the creation, as always but in a conditional one.
	UserPresent bool `json:"-"`
	// Discoverable says that the authenticator finds the passkey without its ID, as the browser
	// reported. A browser that reports nothing leaves it false.
	Discoverable bool `json:"discoverable,omitempty"`
}

// User is the owner of passkeys.
type User struct {
	Handle   []byte // 1–64 bytes that say nothing about the user
	Name     string // as authenticators show it: the email address
	Display  string // the user's name
	Passkeys []Passkey
}

// Ceremony is what the server keeps from the options to the response of a ceremony.
type Ceremony struct {
	Challenge   string   `json:"challenge"`
	Handle      []byte   `json:"handle,omitempty"`  // of the user, when the ceremony is for one
	Allowed     [][]byte `json:"allowed,omitempty"` // the credential IDs that may answer; none for any
	VerifyUser  bool     `json:"verify_user,omitempty"`
	Conditional bool     `json:"conditional,omitempty"` // the user need not be present at the creation
}

// ErrRefused is what responses are refused with. Errors that wrap it say why.
var ErrRefused = errors.New("the response of the authenticator was refused")

func refused(err error) error {
	if e, ok := errors.AsType[*protocol.Error](err); ok && e.DevInfo != "" {
		return fmt.Errorf("%w: %s (%s)", ErrRefused, e.Details, e.DevInfo)
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// algorithms are those that every authenticator supports one of.
var algorithms = webauthn.CredentialParametersRecommendedL3()

// Creation is a passkey that is to be created.
type Creation struct {
	User User
	Name string // of the relying party, as some authenticators show it
	// Conditional lets the browser create the passkey without a gesture of the user, right after a
	// sign-in with a password that its password manager filled in.
	Conditional bool
}

// Create begins the creation of a passkey. It returns PublicKeyCredentialCreationOptionsJSON for
// the browser.
func (r *RelyingParty) Create(n Creation) (options []byte, c Ceremony, err error) {
	mediation := protocol.MediationDefault
	if n.Conditional {
		mediation = protocol.MediationConditional
	}
	u, challenge := n.User, secret.Bytes(32)
	creation, _, err := r.lib.BeginMediatedRegistration(user{u}, mediation,
		webauthn.WithCredentialParameters(algorithms),
		webauthn.WithExclusions(descriptors(u.Passkeys)),
		webauthn.WithExtensions(webauthn.WithExtensionCredProps()),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		}),
		func(o *protocol.PublicKeyCredentialCreationOptions) error {
			o.Challenge, o.RelyingParty.Name = challenge, n.Name
			return nil
		})
	if err != nil {
		return nil, c, fmt.Errorf("options of a creation: %w", err)
	}
	options, err = json.Marshal(creation.Response)
	return options, Ceremony{Challenge: secret.Encode(challenge), Handle: u.Handle, Conditional: n.Conditional}, err
}

// FinishCreate verifies a RegistrationResponseJSON and returns the passkey to store.
func (r *RelyingParty) FinishCreate(c Ceremony, u User, response []byte) (Passkey, error) {
	if err := checkSize(response); err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Passkey{}, refused(err)
	}
	object := &parsed.Response.AttestationObject
	if err := checkKey(object.AuthData.AttData.CredentialPublicKey); err != nil {
		return Passkey{}, refused(err)
	}
	// No attestation was asked for, and none gives rights: verifying one would only cost time.
	object.Format, object.AttStatement, object.SubStatements = string(protocol.AttestationFormatNone), nil, nil
	session := r.session(c)
	session.CredParams = algorithms
	session.Extensions.Requested = []string{protocol.ExtensionCredProps}
	if c.Conditional {
		session.Mediation = protocol.MediationConditional
	}
	v, err := r.lib.CreateCredential(user{u}, session, parsed)
	if err != nil {
		return Passkey{}, refused(err)
	}
	p := Passkey{
		ID: v.ID, PublicKey: v.PublicKey, Counter: v.Authenticator.SignCount, AAGUID: v.Authenticator.AAGUID,
		BackupEligible: v.Flags.BackupEligible, BackedUp: v.Flags.BackupState, UserVerified: v.Flags.UserVerified,
		UserPresent: v.Flags.UserPresent,
	}
	for _, t := range v.Transport {
		if len(p.Transports) < 8 && len(t) <= 32 {
			p.Transports = append(p.Transports, string(t))
		}
	}
	if props := parsed.ClientExtensionResults.CredProps; props != nil && props.RK != nil {
		p.Discoverable = *props.RK
	}
	return p, nil
}

// Request begins an authentication. It returns PublicKeyCredentialRequestOptionsJSON for the
// browser. Without a user, any discoverable passkey may answer. verifyUser makes the authenticator
// verify the user, by a PIN or a fingerprint, so that the passkey counts as two factors.
func (r *RelyingParty) Request(u *User, verifyUser bool) (options []byte, c Ceremony, err error) {
	challenge := secret.Bytes(32)
	c = Ceremony{Challenge: secret.Encode(challenge), VerifyUser: verifyUser}
	wanted := protocol.VerificationPreferred
	if verifyUser {
		wanted = protocol.VerificationRequired
	}
	with := []webauthn.LoginOption{webauthn.WithChallenge(challenge), webauthn.WithUserVerification(wanted)}
	var assertion *protocol.CredentialAssertion
	if u == nil {
		assertion, _, err = r.lib.BeginDiscoverableLogin(with...)
	} else {
		c.Handle = u.Handle
		for _, p := range u.Passkeys {
			c.Allowed = append(c.Allowed, p.ID)
		}
		assertion, _, err = r.lib.BeginLogin(user{*u}, with...)
	}
	if err != nil {
		return nil, c, fmt.Errorf("options of an authentication: %w", err)
	}
	options, err = json.Marshal(assertion.Response)
	return options, c, err
}

// Assertion is a verified response of an authenticator.
type Assertion struct {
	User User
	// Passkey has the counter and the backup flags to store. It stays backup eligible once it was.
	Passkey Passkey
	// UserVerified says that the authenticator verified the user for this response.
	UserVerified bool
	// Regressed says that the counter did not rise: the passkey may have been copied, or its
	// authenticator counts wrongly (WebAuthn §6.1.1). The stored counter stays.
	Regressed bool
}

// FinishRequest verifies an AuthenticationResponseJSON. find returns the user with the given
// handle, if the passkey with the given ID belongs to that user, and is called for a ceremony
// without a user; with a user, it gets the handle of the ceremony. An error of find is returned
// as it is.
func (r *RelyingParty) FinishRequest(c Ceremony, response []byte, find func(id, handle []byte) (User, error)) (Assertion, error) {
	if err := checkSize(response); err != nil {
		return Assertion{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return Assertion{}, refused(err)
	}
	handle := parsed.Response.UserHandle
	if c.Handle != nil {
		handle = c.Handle
	}
	if len(handle) == 0 {
		return Assertion{}, fmt.Errorf("%w: it names no user", ErrRefused)
	}
	u, err := find(parsed.RawID, handle)
	if err != nil {
		return Assertion{}, err
	}
	session := r.session(c)
	i := slices.IndexFunc(u.Passkeys, func(p Passkey) bool { return string(p.ID) == string(parsed.RawID) })
	if i < 0 {
		return Assertion{}, fmt.Errorf("%w: the user has no such passkey", ErrRefused)
	}
	if err := checkKey(u.Passkeys[i].PublicKey); err != nil { // stored before keys were bounded
		return Assertion{}, refused(err)
	}
	// Password managers change the flag for passkeys that exist, when they begin to sync them. Nothing
	// attests it, so a refusal would protect nobody.
	eligible := parsed.Response.AuthenticatorData.Flags.HasBackupEligible()
	u.Passkeys = slices.Clone(u.Passkeys)
	ever := u.Passkeys[i].BackupEligible || eligible
	u.Passkeys[i].BackupEligible = eligible
	var v *webauthn.Credential
	if c.Handle != nil {
		v, err = r.lib.ValidateLogin(user{u}, session, parsed)
	} else {
		_, v, err = r.lib.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return user{u}, nil }, session, parsed)
	}
	if err != nil {
		return Assertion{}, refused(err)
	}
	out := Assertion{User: u, Passkey: u.Passkeys[i], UserVerified: parsed.Response.AuthenticatorData.Flags.UserVerified(), Regressed: v.Authenticator.CloneWarning}
	out.Passkey.BackupEligible, out.Passkey.BackedUp, out.Passkey.Counter = ever, v.Flags.BackupState, v.Authenticator.SignCount
	return out, nil
}

func (r *RelyingParty) session(c Ceremony) webauthn.SessionData {
	s := webauthn.SessionData{Challenge: c.Challenge, RelyingPartyID: r.id, UserID: c.Handle, AllowedCredentialIDs: c.Allowed, UserVerification: protocol.VerificationPreferred}
	if c.VerifyUser {
		s.UserVerification = protocol.VerificationRequired
	}
	return s
}

// user is a User in the form of the library.
type user struct{ u User }

func (v user) WebAuthnID() []byte          { return v.u.Handle }
func (v user) WebAuthnName() string        { return v.u.Name }
func (v user) WebAuthnDisplayName() string { return v.u.Display }

func (v user) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, len(v.u.Passkeys))
	for i, p := range v.u.Passkeys {
		out[i] = webauthn.Credential{
			ID: p.ID, PublicKey: p.PublicKey, Transport: transports(p),
			Flags:         webauthn.CredentialFlags{UserVerified: p.UserVerified, BackupEligible: p.BackupEligible, BackupState: p.BackedUp},
			Authenticator: webauthn.Authenticator{AAGUID: p.AAGUID, SignCount: p.Counter},
		}
	}
	return out
}

func descriptors(list []Passkey) []protocol.CredentialDescriptor {
	out := make([]protocol.CredentialDescriptor, len(list))
	for i, p := range list {
		out[i] = protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: p.ID, Transport: transports(p)}
	}
	return out
}

func transports(p Passkey) []protocol.AuthenticatorTransport {
	out := make([]protocol.AuthenticatorTransport, len(p.Transports))
	for i, t := range p.Transports {
		out[i] = protocol.AuthenticatorTransport(t)
	}
	return out
}
