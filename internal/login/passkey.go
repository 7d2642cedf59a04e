package login

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// A ceremony is kept on the server from its options to the first response, which consumes it: in the
// flow of a page or of an mfa_token, and outside of flows as a single-use secret by its challenge.
// Responses are verified between two transactions, since Write may run twice and waits for nothing.

// PasskeyUse is what the response to a ceremony is for. A response is accepted for nothing else.
type PasskeyUse string

// The uses of responses.
const (
	// PasskeySignIn signs in without a password: any discoverable passkey, which verifies its user.
	PasskeySignIn PasskeyUse = "sign_in"
	// PasskeyFactor proves a second factor: a passkey of one account.
	PasskeyFactor PasskeyUse = "factor"
	// PasskeyCreate adds a passkey to an account.
	PasskeyCreate PasskeyUse = "create"
)

// ceremonyLifetime is how long a ceremony outside of flows waits for its response.
const ceremonyLifetime = 5 * time.Minute

// ceremony is a WebAuthn ceremony as it is kept.
type ceremony struct {
	Use     PasskeyUse       `json:"use"`
	Account auth.AccountID   `json:"account,omitempty"` // empty for PasskeySignIn
	Passkey passkey.Ceremony `json:"passkey"`
	Options json.RawMessage  `json:"options,omitempty"` // of a flow's, for a page that is shown again
}

// parseCeremony returns the ceremony of a flow, if one of that use is under way.
func parseCeremony(text string, use PasskeyUse) (c ceremony, ok bool) {
	err := json.Unmarshal([]byte(text), &c)
	return c, err == nil && c.Use == use
}

// encode returns the ceremony as text. It has no values that cannot be encoded.
func (c ceremony) encode() string {
	out, _ := json.Marshal(c)
	return string(out)
}

// HasPasskeys reports whether there are passkeys here.
func (s *Service) HasPasskeys() bool { return s.cfg.Passkeys != nil }

// newCeremony begins a ceremony. The account is empty for PasskeySignIn. conditional lets a passkey be
// created without a gesture of the user.
func (s *Service) newCeremony(tx *store.Tx, use PasskeyUse, account auth.AccountID, conditional bool) (c ceremony, err error) {
	if s.cfg.Passkeys == nil {
		return c, errPasskeysOff()
	}
	c = ceremony{Use: use, Account: account}
	if use == PasskeySignIn {
		c.Options, c.Passkey, err = s.cfg.Passkeys.Request(nil, true)
		return c, err
	}
	u, err := s.passkeyUser(tx, account)
	if err != nil {
		return c, err
	}
	if use == PasskeyFactor {
		if len(u.Passkeys) == 0 {
			return c, errInvalidPasskey(nil)
		}
		c.Options, c.Passkey, err = s.cfg.Passkeys.Request(&u, false)
		return c, err
	}
	if len(u.Passkeys) >= maxFactors {
		return c, errTooManyFactors()
	}
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return c, err
	}
	name := cmp.Or(tenant.Name, s.cfg.Passkeys.ID())
	c.Options, c.Passkey, err = s.cfg.Passkeys.Create(passkey.Creation{User: u, Name: name, Conditional: conditional})
	return c, err
}

// PasskeyOptions returns the options of the flow's ceremony for this use, as JSON for the browser, and
// begins one if none is under way. A page that is shown again, or in a second tab, gets the same
// options until a response consumes them. It returns nil when there are no passkeys here.
func (s *Service) PasskeyOptions(ctx context.Context, tenant auth.TenantID, f auth.Flow, use PasskeyUse, account auth.AccountID) ([]byte, error) {
	if s.cfg.Passkeys == nil {
		return nil, nil
	}
	if c, ok := parseCeremony(f.Ceremony, use); ok && c.Account == account {
		return c.Options, nil
	}
	var c ceremony
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		f, err := tx.Flow(f.ID)
		if err != nil {
			return err
		}
		var ok bool
		if c, ok = parseCeremony(f.Ceremony, use); ok && c.Account == account {
			return nil
		}
		if c, err = s.newCeremony(tx, use, account, f.OfferPasskey); err != nil {
			return err
		}
		f.Ceremony = c.encode()
		return tx.UpdateFlow(f)
	})
	if errors.Is(err, auth.ErrNotFound) { // the flow ended meanwhile
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("begin passkey ceremony: %w", err)
	}
	return c.Options, nil
}

// insertCeremony begins a ceremony outside of flows and returns its options.
func (s *Service) insertCeremony(tx *store.Tx, use PasskeyUse, account auth.AccountID, by auth.SessionID) ([]byte, error) {
	c, err := s.newCeremony(tx, use, account, false)
	if err != nil {
		return nil, err
	}
	options := c.Options
	c.Options = nil
	return options, tx.InsertSingleUse(auth.SingleUse{
		Kind: auth.UsePasskey, Digest: secret.Digest(c.Passkey.Challenge), Account: account, Browser: by, Data: c.encode(),
		CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(ceremonyLifetime),
	})
}

// readCeremony returns the ceremony outside of flows to which a response belongs, and the digest that
// consumes it.
func (s *Service) readCeremony(ctx context.Context, tenant auth.TenantID, use PasskeyUse, response []byte, by auth.Actor) (c ceremony, digest string, err error) {
	r, err := passkey.ParseResponse(response)
	if err != nil {
		return c, "", err
	}
	digest = secret.Digest(r.Challenge)
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		v, err := tx.SingleUse(auth.UsePasskey, digest)
		if err != nil {
			return err
		}
		var ok bool
		if c, ok = parseCeremony(v.Data, use); !ok || !v.Live(tx.Now) || v.Account != by.Account() || v.Browser != by.Session {
			return auth.ErrNotFound
		}
		return nil
	})
	if errors.Is(err, auth.ErrNotFound) {
		return c, "", fmt.Errorf("%w: no ceremony waits for it", passkey.ErrRefused)
	}
	return c, digest, err
}

// passkeyUser returns an account as the user of its passkeys.
func (s *Service) passkeyUser(tx *store.Tx, account auth.AccountID) (passkey.User, error) {
	a, err := tx.Account(account)
	if err != nil {
		return passkey.User{}, err
	}
	list, err := tx.Factors(account)
	if err != nil {
		return passkey.User{}, err
	}
	u := passkey.User{Handle: s.userHandle(tx.Tenant(), account), Name: a.Email.Address, Display: cmp.Or(a.Name, a.Email.Address)}
	for _, f := range list {
		if f.Kind != auth.ProofPasskey || !f.Usable() {
			continue
		}
		p, err := passkeyOf(f)
		if err != nil {
			return u, err
		}
		if len(u.Passkeys) == 0 {
			u.Handle = f.Data.Handle // one that was imported stays that of the account
		}
		u.Passkeys = append(u.Passkeys, p)
	}
	return u, nil
}

// handleTag is the length of the part of a user handle that says whose tenant it is of.
const handleTag = 8

// userHandle returns the user handle of an account (WebAuthn §5.4.3). It says nothing about the user.
// Its first bytes are those of the tenant, since all tenants share one relying party.
func (s *Service) userHandle(tenant auth.TenantID, account auth.AccountID) []byte {
	key := secret.Derive(s.cfg.Root, "user handles")
	tag := secret.MAC(key, []byte(tenant))[:handleTag]
	return append(slices.Clone(tag), secret.MAC(key, []byte(tenant), []byte(account))[:24]...)
}

// ofTenant reports whether a user handle is of an account of the tenant, which may be deleted.
func (s *Service) ofTenant(tenant auth.TenantID, handle []byte) bool {
	return len(handle) > handleTag && slices.Equal(handle[:handleTag], s.userHandle(tenant, "")[:handleTag])
}

// passkeyOf returns a factor as a passkey.
func passkeyOf(f auth.Factor) (passkey.Passkey, error) {
	id, err := secret.Decode(f.Lookup)
	if err != nil {
		return passkey.Passkey{}, fmt.Errorf("credential ID of passkey %s: %w", f.ID, err)
	}
	return passkey.Passkey{
		ID: id, PublicKey: f.Data.PublicKey, Counter: uint32(f.Counter), AAGUID: f.Data.AAGUID, Transports: f.Data.Transports,
		BackupEligible: f.Data.BackupEligible, BackedUp: f.Data.BackedUp, UserVerified: f.Data.UserVerified, Discoverable: f.Data.Discoverable,
	}, nil
}

// verified is a verified response of an authenticator, with the factor that gave it.
type verified struct {
	passkey.Assertion
	factor auth.Factor
	found  bool // without its ID, by the authenticator
}

// verifyAssertion verifies the response of an authenticator to a ceremony. Refusals are
// invalid_passkey and passkey_unknown; the latter only for a passkey that was one of the tenant.
func (s *Service) verifyAssertion(ctx context.Context, tenant auth.TenantID, c ceremony, response []byte) (verified, error) {
	v := verified{found: c.Use == PasskeySignIn}
	find := func(id, handle []byte) (u passkey.User, err error) {
		err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
			v.factor, err = tx.FactorByLookup(auth.ProofPasskey, secret.Encode(id))
			switch {
			case errors.Is(err, auth.ErrNotFound) && s.ofTenant(tenant, handle):
				return errPasskeyUnknown()
			case errors.Is(err, auth.ErrNotFound):
				return errInvalidPasskey(err)
			case err != nil:
				return err
			case c.Account != "" && v.factor.Account != c.Account || c.Account == "" && !slices.Equal(handle, v.factor.Data.Handle):
				return errInvalidPasskey(errors.New("the passkey belongs to another account"))
			}
			u, err = s.passkeyUser(tx, v.factor.Account)
			u.Handle = v.factor.Data.Handle
			return err
		})
		return u, err
	}
	a, err := s.cfg.Passkeys.FinishRequest(c.Passkey, response, find)
	v.Assertion = a
	return v, mapAssertionRefused(err)
}

// mapAssertionRefused turns the refusal of a response into one that callers see.
func mapAssertionRefused(err error) error {
	if errors.Is(err, passkey.ErrRefused) {
		return errInvalidPasskey(err)
	}
	return err
}

// usePasskey records the use of a passkey and returns the proof that it is.
func (s *Service) usePasskey(tx *store.Tx, v verified, actor auth.Actor) (auth.Proof, error) {
	f, err := tx.FactorByLookup(auth.ProofPasskey, v.factor.Lookup)
	if errors.Is(err, auth.ErrNotFound) || err == nil && f.ID != v.factor.ID {
		return auth.Proof{}, errPasskeyUnknown() // removed meanwhile
	}
	if err != nil {
		return auth.Proof{}, err
	}
	f.Counter = max(f.Counter, int64(v.Passkey.Counter))
	f.Data.BackupEligible, f.Data.BackedUp = f.Data.BackupEligible || v.Passkey.BackupEligible, v.Passkey.BackedUp
	f.Data.Discoverable = f.Data.Discoverable || v.found
	if err := tx.UpdateFactor(f); err != nil {
		return auth.Proof{}, err
	}
	if v.Regressed {
		s.cfg.Log.Warn("the counter of a passkey did not rise; there may be a copy of it", "tenant", tx.Tenant(), "account", f.Account, "factor", f.ID)
		err := tx.Record(auth.Event{Kind: auth.EventCounterRegressed, Outcome: auth.Failure, Actor: actor, Account: f.Account, Detail: map[string]string{"factor": string(f.ID)}})
		if err != nil {
			return auth.Proof{}, err
		}
	}
	return auth.Proof{Method: auth.ProofPasskey, Account: f.Account, At: tx.Now, UserVerified: v.UserVerified, DeviceBound: f.DeviceBound()}, nil
}

// errInvalidPasskey returns the same refusal for every response that does not sign in.
func errInvalidPasskey(cause error) error {
	e := auth.Refuse(auth.KindUnauthenticated, auth.CodeInvalidPasskey, "credential: the response of a passkey of the account to the newest options; each response counts once")
	e.Err = cause
	return e
}

func errPasskeyUnknown() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodePasskeyUnknown, "credential: the account has no such passkey any more; signalUnknownCredential removes it from the device")
}

func errPasskeysOff() error {
	return auth.Refuse(auth.KindConflict, auth.CodePasskeysOff, "passkeys need a domain name in the server's base URL")
}
