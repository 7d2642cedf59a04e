package session

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Remember-me is a chain of tokens in a cookie that outlives the browser. Each token starts one
// session and is replaced by its successor. Of a copied cookie only one copy stays valid, and
// the use of the other one revokes both (docs/sessions.md).
//
// The successor is a MAC over its predecessor, as with refresh tokens: a browser that lost the
// response gets the same successor again, as long as that has not been used.

// RememberMePrefix begins every remember-me cookie. The ID of the series and a secret follow,
// of 16 and 32 bytes.
const RememberMePrefix = "wwm_"

// rememberMeGrace is how long a second use of a token counts as a race: two tabs that a browser
// restores at once.
const rememberMeGrace = 10 * time.Second

// The series and all its sessions have ended, if the caller's transaction is kept.
var (
	// ErrRememberMeReused says that a spent remember-me token came back, so a copy of it exists.
	ErrRememberMeReused = errors.New("a remember-me token was used twice")
	// ErrRememberMeLate says that it came back too late. Its successor was never used, so nothing
	// speaks of a copy.
	ErrRememberMeLate = errors.New("a remember-me token was repeated too late")
)

// ParseRememberMe reads the value of a remember-me cookie and returns the ID of its series.
func ParseRememberMe(cookie string) (auth.RememberMeID, bool) {
	rest, ok := strings.CutPrefix(cookie, RememberMePrefix)
	if !ok || len(rest) != 64 {
		return "", false
	}
	b, err := secret.Decode(rest)
	if err != nil {
		return "", false
	}
	return auth.RememberMeID(secret.Encode(b[:16])), true
}

func encodeRememberMe(series, random []byte) secret.Text {
	return secret.Text(RememberMePrefix + secret.Encode(append(series[:16:16], random...)))
}

// successor is the one token that can follow keep, which ParseRememberMe took.
func (s *Service) successor(tenant auth.TenantID, id auth.RememberMeID, keep string) (secret.Text, error) {
	series, err := secret.Decode(string(id))
	if err != nil {
		return "", fmt.Errorf("read the id of a series: %w", err)
	}
	return encodeRememberMe(series, secret.MAC(s.next, []byte(tenant), []byte(keep))), nil
}

// StartRememberMe begins a series for a user who has just authenticated.
func (s *Service) StartRememberMe(tx *store.Tx, account auth.AccountID, p Proof) (auth.RememberMe, secret.Text, error) {
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return auth.RememberMe{}, "", fmt.Errorf("read tenant: %w", err)
	}
	id := secret.Bytes(16)
	keep := encodeRememberMe(id, secret.Bytes(32))
	v := auth.RememberMe{
		ID: auth.RememberMeID(secret.Encode(id)), Account: account, Digest: secret.Digest(keep.Reveal()), AuthAt: tx.Now, ACR: p.ACR, AMR: p.AMR,
		CreatedAt: tx.Now, RotatedAt: tx.Now, ExpiresAt: tx.Now.Add(tenant.Settings.Lifetimes.Or(s.lifetimes).Remember),
	}
	if err := tx.InsertRememberMe(v); err != nil {
		return auth.RememberMe{}, "", fmt.Errorf("store series: %w", err)
	}
	return v, keep, nil
}

// VerifyRememberMe judges a remember-me cookie. It returns the series when a session may be
// resumed. It refuses an unknown, expired or revoked one as Unauthenticated session_invalid. For
// a spent token it ends the series and its sessions, and returns ErrRememberMeReused or
// ErrRememberMeLate with the series. It consumes nothing: see RotateRememberMe.
func (s *Service) VerifyRememberMe(tx *store.Tx, keep string) (auth.RememberMe, error) {
	id, ok := ParseRememberMe(keep)
	if !ok {
		return auth.RememberMe{}, auth.SessionInvalid()
	}
	v, err := tx.RememberMe(id)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.RememberMe{}, auth.SessionInvalid()
	}
	if err != nil {
		return auth.RememberMe{}, fmt.Errorf("read series: %w", err)
	}
	digest := secret.Digest(keep)
	spent := ErrRememberMeReused
	switch {
	case !v.RevokedAt.IsZero() || !tx.Now.Before(v.ExpiresAt):
		return auth.RememberMe{}, auth.SessionInvalid()
	case secret.Equal(digest, v.Digest):
		return v, nil
	case secret.Equal(digest, v.Previous):
		switch v.Retries.Judge(tx.Now.Sub(v.RotatedAt), rememberMeGrace, s.retry) {
		case auth.Race, auth.Retry:
			return v, nil
		case auth.Late:
			spent = ErrRememberMeLate
		}
	}
	if err := tx.RevokeRememberMe(v.Account, v.ID, auth.EndTheft); err != nil {
		return auth.RememberMe{}, fmt.Errorf("revoke series: %w", err)
	}
	if _, err := tx.EndRememberMeSessions(v.Account, v.ID, auth.EndTheft); err != nil {
		return auth.RememberMe{}, fmt.Errorf("end the sessions of a series: %w", err)
	}
	return v, spent
}

// RotateRememberMe replaces a verified token by its successor, and returns the same successor
// again for a spent one. It returns nothing for a successor that an older version of the program
// made, which cannot be made again.
func (s *Service) RotateRememberMe(tx *store.Tx, v auth.RememberMe, keep string) (secret.Text, error) {
	next, err := s.successor(tx.Tenant(), v.ID, keep)
	if err != nil {
		return "", err
	}
	digest, after := secret.Digest(keep), secret.Digest(next.Reveal())
	if !secret.Equal(digest, v.Digest) {
		if n := v.Retries.Next(); tx.Now.Sub(v.RotatedAt).Abs() > rememberMeGrace && n != v.Retries {
			if err := tx.RetryRememberMe(v.ID, v.Digest, n); err != nil {
				return "", fmt.Errorf("count the retry of a series: %w", err)
			}
		}
		if !secret.Equal(after, v.Digest) {
			return "", nil
		}
		return next, nil
	}
	done, err := tx.RotateRememberMe(v.ID, digest, after)
	if err != nil || !done {
		return "", fmt.Errorf("rotate series: %w", errors.Join(err, auth.ErrConflict))
	}
	return next, nil
}

// OwnedRememberMe returns the series of a remember-me cookie, and reports whether it is valid
// and belongs to the account. It changes nothing.
func (s *Service) OwnedRememberMe(tx *store.Tx, keep string, account auth.AccountID) (auth.RememberMe, bool, error) {
	id, ok := ParseRememberMe(keep)
	if !ok {
		return auth.RememberMe{}, false, nil
	}
	v, err := tx.RememberMe(id)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.RememberMe{}, false, nil
	}
	if err != nil {
		return auth.RememberMe{}, false, fmt.Errorf("read series: %w", err)
	}
	good := v.RevokedAt.IsZero() && tx.Now.Before(v.ExpiresAt) && v.Account == account && secret.Equal(secret.Digest(keep), v.Digest)
	return v, good, nil
}
