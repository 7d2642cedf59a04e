package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// Passkeys are those of an account, with what an application needs to tell authenticators about them.
type Passkeys struct {
	List []auth.Factor
	RPID string
	User passkey.User
}

// Passkeys lists the passkeys of an account. Refusals: passkeys_unavailable.
func (s *Service) Passkeys(ctx context.Context, tenant auth.TenantID, account auth.AccountID) (Passkeys, error) {
	if s.cfg.Passkeys == nil {
		return Passkeys{}, errPasskeysOff()
	}
	out := Passkeys{RPID: s.cfg.Passkeys.ID()}
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		if out.User, err = s.passkeyUser(tx, account); err != nil {
			return err
		}
		out.List, err = tx.Factors(account)
		return err
	})
	if err != nil {
		return Passkeys{}, fmt.Errorf("list passkeys: %w", err)
	}
	out.List = slices.DeleteFunc(out.List, func(f auth.Factor) bool { return f.Kind != auth.ProofPasskey || !f.Usable() })
	return out, nil
}

// PasskeySignals returns what a page passes to the methods of PublicKeyCredential of the same names
// (WebAuthn §5.1.10), so that authenticators show neither removed passkeys nor former names.
func (s *Service) PasskeySignals(p Passkeys) map[string][]byte {
	return map[string][]byte{
		"signalAllAcceptedCredentials": s.cfg.Passkeys.SignalAccepted(p.User), "signalCurrentUserDetails": s.cfg.Passkeys.SignalDetails(p.User),
	}
}

// newSignals returns the signals of the account of a passkey, if its passkeys or names have changed since the
// browser of this one was told. A new passkey knows them from its creation.
func (s *Service) newSignals(tx *store.Tx, f auth.Factor) (map[string][]byte, error) {
	f, err := tx.FactorByLookup(auth.ProofPasskey, f.Lookup)
	if err != nil {
		return nil, err
	}
	u, err := s.passkeyUser(tx, f.Account)
	if err != nil {
		return nil, err
	}
	list := s.PasskeySignals(Passkeys{User: u})
	before := f.Data.Signalled
	f.Data.Signalled = secret.Digest(string(list["signalAllAcceptedCredentials"]) + string(list["signalCurrentUserDetails"]))
	if f.Data.Signalled == before {
		return nil, nil
	}
	if err := tx.UpdateFactor(f); err != nil || before == "" {
		return nil, err
	}
	return list, nil
}

// UnknownPasskeySignal returns what a page passes to signalUnknownCredential after a refusal with
// passkey_unknown, or nil.
func (s *Service) UnknownPasskeySignal(response string) []byte {
	r, err := passkey.ParseResponse([]byte(response))
	if err != nil || s.cfg.Passkeys == nil {
		return nil
	}
	return s.cfg.Passkeys.SignalUnknown(r.ID)
}

// BeginPasskey begins to add a passkey to the account of the actor's session. It returns the options for
// navigator.credentials.create as JSON. Refusals: passkeys_unavailable, too_many_factors.
func (s *Service) BeginPasskey(ctx context.Context, tenant auth.TenantID, actor auth.Actor) (options []byte, err error) {
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		options, err = s.insertCeremony(tx, PasskeyCreate, actor.Account(), actor.Session)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("begin to add a passkey: %w", err)
	}
	return options, nil
}

// AddPasskey adds the passkey that the response to BeginPasskey creates, and mails a notice. Without a
// name it gets that of its authenticator. The same passkey again changes nothing. The session of the actor
// counts as signed in with the passkey: its cookie, if it has one, is replaced by the returned one.
// Refusals: passkey_refused, passkey_taken, too_many_factors, name_invalid, name_too_long.
func (s *Service) AddPasskey(ctx context.Context, tenant auth.TenantID, response []byte, name string, actor auth.Actor) (f auth.Factor, cookie secret.Text, err error) {
	if s.cfg.Passkeys == nil {
		return f, "", errPasskeysOff()
	}
	if name, err = auth.ParseName(name); err != nil {
		return f, "", err
	}
	if f, err = s.repeatedPasskey(ctx, tenant, response, actor.Account()); err != nil || f.ID != "" {
		return f, "", err
	}
	c, digest, err := s.readCeremony(ctx, tenant, PasskeyCreate, response, actor)
	if err != nil {
		return f, "", mapCreationRefused(err)
	}
	p, refusal := s.finishCreate(ctx, tenant, c, response)
	err = session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) (err error) {
		if _, err := tx.Consume(auth.UsePasskey, digest); errors.Is(err, auth.ErrNotFound) {
			return mapCreationRefused(passkey.ErrRefused)
		} else if err != nil {
			return err
		}
		if refusal != nil {
			return store.CommitWith(refusal)
		}
		if f, err = s.insertPasskey(tx, newPasskey(tx, c, p, name), actor); err != nil {
			return err
		}
		cookie, err = s.strengthen(tx, createdProof(tx, f), actor)
		return err
	})
	if err != nil {
		return auth.Factor{}, "", fmt.Errorf("add passkey: %w", err)
	}
	return f, cookie, nil
}

// repeatedPasskey returns the passkey of the account that a response has created already: a form that was
// sent twice. It returns an empty factor for a new one.
func (s *Service) repeatedPasskey(ctx context.Context, tenant auth.TenantID, response []byte, account auth.AccountID) (f auth.Factor, err error) {
	r, err := passkey.ParseResponse(response)
	if err != nil {
		return f, mapCreationRefused(err)
	}
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		f, err = tx.FactorByLookup(auth.ProofPasskey, secret.Encode(r.ID))
		return err
	})
	if errors.Is(err, auth.ErrNotFound) || err == nil && f.Account != account {
		return auth.Factor{}, nil
	}
	if err != nil {
		return f, fmt.Errorf("read passkey: %w", err)
	}
	return f, nil
}

// finishCreate verifies the response to a creation. Refusals: passkey_refused.
func (s *Service) finishCreate(ctx context.Context, tenant auth.TenantID, c ceremony, response []byte) (passkey.Passkey, error) {
	var u passkey.User
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		u, err = s.passkeyUser(tx, c.Account)
		return err
	})
	if err != nil {
		return passkey.Passkey{}, fmt.Errorf("read passkeys: %w", err)
	}
	u.Handle = c.Passkey.Handle
	p, err := s.cfg.Passkeys.FinishCreate(c.Passkey, u, response)
	return p, mapCreationRefused(err)
}

// newPasskey returns the factor of a passkey that was created. Without a name it gets that of its authenticator.
func newPasskey(tx *store.Tx, c ceremony, p passkey.Passkey, name string) auth.Factor {
	if name == "" {
		name = passkey.Name(p.AAGUID)
	}
	return auth.Factor{
		ID: auth.FactorID(secret.NewID(tx.Now)), Account: c.Account, Kind: auth.ProofPasskey, Name: name, Lookup: secret.Encode(p.ID), Counter: int64(p.Counter),
		CreatedAt: tx.Now, ProvedAt: tx.Now,
		Data: auth.FactorData{
			PublicKey: p.PublicKey, Handle: c.Passkey.Handle, AAGUID: p.AAGUID, Transports: p.Transports,
			BackupEligible: p.BackupEligible, BackedUp: p.BackedUp, UserVerified: p.UserVerified, Discoverable: p.Discoverable,
		},
	}
}

// insertPasskey stores a new passkey, and mails a notice. One of an offer binds where another factor does.
func (s *Service) insertPasskey(tx *store.Tx, f auth.Factor, actor auth.Actor) (auth.Factor, error) {
	list, err := tx.Factors(f.Account)
	if err != nil {
		return auth.Factor{}, err
	}
	n := 0
	for _, v := range list {
		if v.Kind == auth.ProofPasskey {
			n++
		}
	}
	if n >= maxFactors {
		return auth.Factor{}, errTooManyFactors()
	}
	f.Data.Offered = f.Data.Offered && !slices.ContainsFunc(list, auth.Factor.Binds)
	if err := tx.InsertFactor(f); errors.Is(err, auth.ErrConflict) {
		return auth.Factor{}, auth.Refuse(auth.KindConflict, auth.CodePasskeyTaken, "credential: a passkey that no account has")
	} else if err != nil {
		return auth.Factor{}, err
	}
	return f, s.recordFactor(tx, auth.EventFactorAdded, auth.MailFactorAdded, f, actor)
}

// createdProof is the proof of a user who has just created a passkey. It is that of its use: the authenticator
// was there, and reports whether it has verified the user.
func createdProof(tx *store.Tx, f auth.Factor) auth.Proof {
	return auth.Proof{Method: auth.ProofPasskey, Account: f.Account, At: tx.Now, UserVerified: f.Data.UserVerified, DeviceBound: f.DeviceBound()}
}

// mapCreationRefused turns the refusal of a response into one that callers see.
func mapCreationRefused(err error) error {
	if errors.Is(err, passkey.ErrRefused) {
		e := auth.Invalid(auth.CodePasskeyRefused, "credential", "credential: the response of navigator.credentials.create to the newest options; each response counts once")
		e.Err = err
		return e
	}
	return err
}

// offerInterval is how often an account is offered a passkey.
const offerInterval = 30 * 24 * time.Hour

// never is the interval of an account that wants no further offers.
const never = 100 * 365 * 24 * time.Hour

// offersPasskey reports whether an account without a passkey is offered one after the sign-in of a session, in a
// browser that can create it. The session has to be fresh: the offer adds a factor. It is true once in
// offerInterval for an account, on all nodes together.
func (s *Service) offersPasskey(tx *store.Tx, v auth.Session, a auth.Account, form PasswordForm) (bool, error) {
	if s.cfg.Passkeys == nil || !s.cfg.OfferPasskeys || !form.CanCreate {
		return false, nil
	}
	list, err := tx.Factors(a.ID)
	if err != nil || slices.ContainsFunc(list, func(f auth.Factor) bool { return f.Kind == auth.ProofPasskey }) {
		return false, err
	}
	if err := requireFresh(tx, v, a, auth.FreshAge); auth.KindOf(err) == auth.KindUnauthenticated {
		return false, nil
	} else if err != nil {
		return false, err
	}
	err = tx.ReplaceExpired(offerPause(tx, a.ID, offerInterval))
	if errors.Is(err, auth.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// offerPause is the single-use secret while which an account is offered no passkey.
func offerPause(tx *store.Tx, account auth.AccountID, pause time.Duration) auth.SingleUse {
	return auth.SingleUse{Kind: auth.UsePasskeyOffer, Digest: secret.Digest(string(account)), Account: account, Data: "{}", CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(pause)}
}

// stopOffers makes the account get no further offers.
func stopOffers(tx *store.Tx, account auth.AccountID) error {
	if err := tx.DeleteSingleUses(account, auth.UsePasskeyOffer); err != nil {
		return err
	}
	return tx.ReplaceExpired(offerPause(tx, account, never))
}
