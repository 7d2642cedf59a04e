package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Creation is a request of an operator to create an account. Without a password it is an
// invitation: the mailed link lets the owner choose one, which also verifies the address.
type Creation struct {
	Email, Password, Name string
	Username              string // where the tenant has user names
	// Verified marks the address as verified; otherwise a link is mailed to it.
	Verified bool
}

// Create creates an account for an operator, even if registration is closed. It
// replaces an unverified, unused registration. Refusals: email_invalid, name_…,
// username_…, password_refused, email_taken.
func (s *Service) Create(ctx context.Context, tenant auth.TenantID, n Creation, actor auth.Actor) (auth.Account, error) {
	email, name, err := parseEmailAndName(n.Email, n.Name)
	if err != nil {
		return auth.Account{}, err
	}
	t, err := s.tenant(ctx, tenant)
	if err != nil {
		return auth.Account{}, err
	}
	username, err := parseUsername(t, n.Username)
	if err != nil {
		return auth.Account{}, err
	}
	hash, err := s.hashInitialPassword(ctx, t, newPassword{"password", n.Password, email, name, username, s.newAccountNeedsFactor(t)})
	if err != nil {
		return auth.Account{}, err
	}
	token := secret.New(linkPrefix)
	var a auth.Account
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		a = auth.Account{ID: auth.AccountID(secret.NewID(tx.Now)), Email: email, Username: username, Name: name, CreatedAt: tx.Now, UpdatedAt: tx.Now, Registrar: operatorRegistrar.String()}
		if n.Verified {
			a.EmailVerifiedAt, a.Registrar = tx.Now, ""
		}
		if _, err := removeUnverified(tx, email.Login, actor); err != nil {
			return err
		}
		if err := requireFreeUsername(tx, username, ""); err != nil {
			return err
		}
		if err := tx.InsertAccount(a); errors.Is(err, auth.ErrConflict) {
			return errEmailTaken()
		} else if err != nil {
			return err
		}
		if hash != "" {
			if err := tx.SetPassword(a.ID, hash); err != nil {
				return err
			}
		}
		if !n.Verified {
			kind := auth.MailVerify
			if hash == "" {
				kind = auth.MailInvite
			}
			if err := s.sendVerification(tx, a, kind, token); err != nil {
				return err
			}
		}
		return tx.Record(auth.Event{Kind: auth.EventAccountCreated, Actor: actor, Account: a.ID})
	})
	if err != nil {
		return auth.Account{}, fmt.Errorf("create account: %w", err)
	}
	return a, nil
}

// hashInitialPassword checks and hashes the password of a new account, if it has one.
func (s *Service) hashInitialPassword(ctx context.Context, t auth.Tenant, p newPassword) (string, error) {
	if p.password == "" {
		return "", nil
	}
	return s.hashPassword(ctx, t, p)
}

func (s *Service) sendVerification(tx *store.Tx, a auth.Account, kind auth.MessageKind, token secret.Text) error {
	l := link{kind: auth.UseVerifyEmail, account: a.ID, data: linkData{Login: a.Email.Login, registrar: operatorRegistrar}, token: token, life: s.cfg.VerifyLifetime}
	expires, err := l.issue(tx)
	if err != nil {
		return err
	}
	return tx.Enqueue(kind, auth.Mail{To: a.Email.Address, Name: a.Name, Token: token.Reveal(), ExpiresAt: expires})
}
