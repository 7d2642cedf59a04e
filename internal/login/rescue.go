package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

const (
	rescuePrefix   = "wwl_"
	rescueLifetime = time.Hour
)

// ResetFactors removes every authenticator and recovery code of an account for an operator, and returns how
// many authenticators there were; zero after a reset that no new factor has followed. It ends all sessions and mails a notice. The next sign-in adds a factor,
// also within days of grace. Refusals: not_found, no_factor.
func (s *Service) ResetFactors(ctx context.Context, tenant auth.TenantID, account auth.AccountID, actor auth.Actor) (removed int, err error) {
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		a, err := tx.Account(account)
		if errors.Is(err, auth.ErrNotFound) {
			return auth.AccountNotFound()
		} else if err != nil {
			return err
		}
		list, err := tx.Factors(account)
		if err != nil {
			return err
		}
		switch {
		case slices.ContainsFunc(list, auth.Factor.Authenticates):
		case slices.ContainsFunc(list, func(f auth.Factor) bool { return f.Kind == auth.FactorsReset }):
			removed = 0
			return nil // repeated
		default:
			return errNoFactor()
		}
		if removed, err = s.replaceFactors(tx, a, list, auth.Event{Kind: auth.EventFactorsReset, Actor: actor}); err != nil {
			return err
		}
		if err := tx.DeleteRescues(account); err != nil {
			return err
		}
		return tx.InsertFactor(auth.Factor{ID: auth.FactorID(secret.NewID(tx.Now)), Account: account, Kind: auth.FactorsReset, CreatedAt: tx.Now})
	})
	if err != nil {
		return 0, fmt.Errorf("reset factors: %w", err)
	}
	return removed, nil
}

// replaceFactors deletes factors of an account, ends its sessions, records the event and mails a notice. It
// returns how many of them were usable authenticators.
func (s *Service) replaceFactors(tx *store.Tx, a auth.Account, list []auth.Factor, event auth.Event) (removed int, err error) {
	for _, f := range list {
		if err := tx.DeleteFactor(a.ID, f.ID); err != nil {
			return 0, err
		}
		if f.Authenticates() {
			removed++
		}
	}
	if _, err := tx.DeleteTrustedBrowsers(a.ID); err != nil {
		return 0, err
	}
	if _, err := s.cfg.Sessions.EndAll(tx, a.ID, "", auth.EndFactors); err != nil {
		return 0, err
	}
	if err := tx.Notify(a, auth.MailFactorsReset, auth.Mail{IP: event.Actor.IP}); err != nil {
		return 0, err
	}
	event.Account, event.Detail = a.ID, map[string]string{"removed": strconv.Itoa(removed)}
	return removed, tx.Record(event)
}

// CreateRescue creates the token of a link with which the owner of an account replaces lost factors. It works
// once, for an hour, in place of earlier ones, which end even where they were opened, and only with the password.
// The owner gets a notice without the link. Refusals: not_found, account_disabled, no_factor.
func (s *Service) CreateRescue(ctx context.Context, tenant auth.TenantID, account auth.AccountID, actor auth.Actor) (token secret.Text, expires time.Time, err error) {
	token = secret.New(rescuePrefix)
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		a, err := tx.Account(account)
		switch {
		case errors.Is(err, auth.ErrNotFound):
			return auth.AccountNotFound()
		case err != nil:
			return err
		case a.Disabled():
			return auth.Refuse(auth.KindConflict, auth.CodeAccountDisabled, "the account is disabled; enable it first")
		}
		list, err := tx.Factors(account)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, auth.Factor.Authenticates) {
			return errNoFactor()
		}
		if err := tx.DeleteRescues(account); err != nil {
			return err
		}
		expires = tx.Now.Add(rescueLifetime)
		use := auth.SingleUse{Kind: auth.UseRescue, Digest: secret.Digest(token.Reveal()), Account: account, CreatedAt: tx.Now, ExpiresAt: expires}
		if err := tx.InsertSingleUse(use); err != nil {
			return err
		}
		if err := tx.Notify(a, auth.MailRescue, auth.Mail{ExpiresAt: expires}); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventRescueCreated, Actor: actor, Account: account})
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("create rescue link: %w", err)
	}
	return token, expires, nil
}

// RescueUsable reports whether a rescue link can be used in the browser: it is new, or this browser has used it.
func (s *Service) RescueUsable(ctx context.Context, tenant auth.TenantID, token string, b flow.Browser) (usable bool, err error) {
	if !secret.Valid(rescuePrefix, token) {
		return false, nil
	}
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		use, err := tx.SingleUse(auth.UseRescue, secret.Digest(token))
		usable = err == nil && use.Live(tx.Now)
		if err == nil && !usable {
			usable, err = hasOpenedRescue(tx, token, b)
		}
		if errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read rescue link: %w", err)
	}
	return usable, nil
}

// hasOpenedRescue reports whether the browser has used a rescue link that no other one has replaced.
func hasOpenedRescue(tx *store.Tx, token string, b flow.Browser) (bool, error) {
	if _, err := tx.SingleUse(auth.UseRescue, secret.Digest(token)); errors.Is(err, auth.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	f, err := tx.Flow(rescueFlow(token))
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	return err == nil && f.Browser == secret.Digest(b.Secret), err
}

// Rescue uses a rescue link and begins the flow in which its owner enters the password and adds a factor. In
// the browser that has used it, it returns the step of that flow. Refusal: invalid_link.
func (s *Service) Rescue(ctx context.Context, tenant auth.TenantID, token string, b flow.Browser) (flow.Step, error) {
	if !secret.Valid(rescuePrefix, token) {
		return flow.Step{}, errInvalidLink()
	}
	fresh, id := b.EnsureSecret(), rescueFlow(token)
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		use, err := tx.Consume(auth.UseRescue, secret.Digest(token))
		if errors.Is(err, auth.ErrNotFound) {
			if opened, err := hasOpenedRescue(tx, token, b); err != nil || opened {
				return err
			}
			return refuseRescue(tx, "", "link_unknown_spent_or_expired", b.Actor)
		} else if err != nil {
			return err
		}
		a, err := tx.Account(use.Account)
		if err != nil {
			return err
		}
		if a.Disabled() {
			return refuseRescue(tx, a.ID, "account_disabled", b.Actor)
		}
		err = tx.InsertFlow(auth.Flow{
			ID: id, Kind: auth.FlowAccount, Browser: secret.Digest(b.Secret), CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(flow.Lifetime),
			Proofs: []auth.Proof{{Method: auth.ProofRescueLink, Account: a.ID, At: tx.Now, Link: use.Digest}},
		})
		if err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventRescueOpened, Actor: b.Actor, Account: a.ID})
	})
	if err != nil {
		return flow.Step{}, fmt.Errorf("use rescue link: %w", err)
	}
	step, err := s.cfg.Flows.Continue(ctx, tenant, id, b)
	step.NewBrowser = fresh
	return step, err
}

// rescueFlow returns the ID of the flow of a rescue link, so that a form that is sent twice finds it.
func rescueFlow(token string) auth.FlowID { return auth.FlowID(secret.Digest("flow of " + token)) }

func refuseRescue(tx *store.Tx, account auth.AccountID, reason string, actor auth.Actor) error {
	detail := map[string]string{"reason": reason}
	if err := tx.Record(auth.Event{Kind: auth.EventRescueOpened, Outcome: auth.Failure, Actor: actor, Account: account, Detail: detail}); err != nil {
		return err
	}
	return store.CommitWith(errInvalidLink())
}

// finishRescue removes the factors that a rescue link replaces, once the sign-in has added one.
func (s *Service) finishRescue(tx *store.Tx, a auth.Account, in auth.SignIn, actor auth.Actor) error {
	rescued := auth.Rescued(a.ID, in.Proofs)
	if rescued.IsZero() {
		return nil
	}
	added := false
	var old []auth.Factor
	for _, f := range in.Factors {
		if f.ProvedAt.Before(rescued) {
			old = append(old, f)
		} else if f.Kind != auth.ProofRecoveryCode {
			added = true
		}
	}
	if !added { // the user has found an old factor after all
		return nil
	}
	_, err := s.replaceFactors(tx, a, old, auth.Event{Kind: auth.EventRescued, Actor: actor})
	return err
}

func errInvalidLink() error {
	return auth.Invalid(auth.CodeInvalidLink, "token", "the link is invalid, expired or used; ask for a new one")
}

func errNoFactor() error {
	return auth.Refuse(auth.KindConflict, auth.CodeNoFactor, "the account has no second factor")
}
