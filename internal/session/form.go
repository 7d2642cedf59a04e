package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// A browser whose user clicks twice sends a form twice and shows the second response. If the form replaced
// the cookie of its own session, the browser never stores the new one. So such a form leaves a row for some
// seconds, by which the same form from the same browser has the same outcome
// (docs/decisions/098-forms-that-replace-their-session.md).

// formWindow is short, since a user may ask for another mail a little later.
const formWindow = 10 * time.Second

// FormDigest returns the digest of a form with these parts that a browser has sent; empty without the secret
// of the browser. That is not stored, so guesses of a password cannot be tested against the digest.
func FormDigest(browser string, parts ...string) string {
	if browser == "" {
		return ""
	}
	list := make([][]byte, len(parts))
	for i, p := range parts {
		list[i] = []byte(p)
	}
	return secret.Encode(secret.MAC(secret.Derive([]byte(browser), "form"), list...))
}

// formData is what the row of a form says.
type formData struct {
	Session auth.SessionID `json:"session,omitempty"`
}

// RecordForm records a form by its digest, with the session that it replaces or ends, which may be empty. It
// does nothing without a digest. It returns auth.ErrConflict if the form was recorded within the last seconds.
func RecordForm(tx *store.Tx, digest string, id auth.SessionID) error {
	if digest == "" {
		return nil
	}
	data, err := json.Marshal(formData{id})
	if err != nil {
		return fmt.Errorf("encode form: %w", err)
	}
	return tx.ReplaceExpired(auth.SingleUse{Kind: auth.UseForm, Digest: digest, Data: string(data), CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(formWindow)})
}

// RepeatForm returns the session of a form that was recorded within the last seconds, with a new cookie; the
// cookie is empty if the session has ended. It returns auth.ErrNotFound for every other form.
func (s *Service) RepeatForm(ctx context.Context, tenant auth.TenantID, digest string) (v auth.Session, cookie secret.Text, err error) {
	var data formData
	err = s.db.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		use, err := tx.SingleUse(auth.UseForm, digest)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(use.Data), &data); err != nil {
			return fmt.Errorf("decode form: %w", err)
		}
		if data.Session == "" || !tx.Now.Before(use.ExpiresAt) {
			return auth.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return v, "", err
	}
	err = s.db.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		v, cookie = auth.Session{ID: data.Session}, ""
		found, err := tx.Session(data.Session)
		if errors.Is(err, auth.ErrNotFound) || err == nil && (!found.Live(tx.Now) || found.Digest == "") {
			return nil // the form has ended it
		}
		if err != nil {
			return err
		}
		v, cookie, err = s.renew(tx, found)
		return err
	})
	return v, cookie, err
}
