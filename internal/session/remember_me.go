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
// session and is replaced by its successor. When a cookie is copied, only one copy stays valid,
// and the use of the other one revokes both (docs/sessions.md).
//
// The successor is a MAC over its predecessor, as with refresh tokens: a browser that lost the
// response gets the same successor again, until that has been used.

// RememberMePrefix begins every remember-me cookie. The ID of the series (16 bytes) and a secret
// (32 bytes) follow.
const RememberMePrefix = "wwm_"

// rememberMeGrace is how long a second use of a token counts as a race: two tabs that a browser
// restores at once.
const rememberMeGrace = 10 * time.Second

// Errors of VerifyRememberMe. The series and all its sessions have ended, if the caller commits.
var (
	// ErrRememberMeReused is returned for a used token whose successor was used: it was copied.
	ErrRememberMeReused = errors.New("a remember-me token was used twice")
	// ErrRememberMeLate is returned for a used token that is presented too late. Its successor
	// was never used, so nothing indicates a copy.
	ErrRememberMeLate = errors.New("a remember-me token was repeated too late")
)

// ParseRememberMe reads the value of a remember-me cookie and returns the ID of its series.
func ParseRememberMe(cookie string) (auth.RememberMeID, bool) {
	id, ok := parseSeries(RememberMePrefix, cookie)
	return auth.RememberMeID(id), ok
}

// parseSeries returns the ID of the series to which a token belongs.
func parseSeries(prefix, token string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(token, prefix)
	if !ok || len(rest) != 64 {
		return "", false
	}
	b, err := secret.Decode(rest)
	if err != nil {
		return "", false
	}
	return secret.Encode(b[:16]), true
}

func encodeSeries(prefix string, series, random []byte) secret.Text {
	return secret.Text(prefix + secret.Encode(append(series[:16:16], random...)))
}

// successor returns the only token that can follow the given one.
func (s *Service) successor(prefix string, tenant auth.TenantID, id, token string) (secret.Text, error) {
	series, err := secret.Decode(id)
	if err != nil {
		return "", fmt.Errorf("decode the id of a series: %w", err)
	}
	return encodeSeries(prefix, series, secret.MAC(s.successorKey, []byte(tenant), []byte(token))), nil
}

// StartRememberMe starts a series for a user who has just authenticated.
func (s *Service) StartRememberMe(tx *store.Tx, account auth.AccountID, a AuthContext) (auth.RememberMe, secret.Text, error) {
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return auth.RememberMe{}, "", fmt.Errorf("read tenant: %w", err)
	}
	id := secret.Bytes(16)
	token := encodeSeries(RememberMePrefix, id, secret.Bytes(32))
	v := auth.RememberMe{
		ID: auth.RememberMeID(secret.Encode(id)), Account: account, Digest: secret.Digest(token.Reveal()), AuthAt: a.AuthAt, ACR: a.ACR, AMR: a.AMR,
		CreatedAt: tx.Now, RotatedAt: tx.Now, ExpiresAt: tx.Now.Add(tenant.Settings.Lifetimes.Or(s.lifetimes).Remember),
	}
	if err := tx.InsertRememberMe(v); err != nil {
		return auth.RememberMe{}, "", fmt.Errorf("store series: %w", err)
	}
	return v, token, nil
}

// VerifyRememberMe verifies a remember-me cookie and returns its series when a session may be
// resumed. It refuses an unknown, expired or revoked one as Unauthenticated session_invalid. For
// a used token it ends the series and its sessions, and returns ErrRememberMeReused or
// ErrRememberMeLate with the series. RotateRememberMe consumes the token.
func (s *Service) VerifyRememberMe(tx *store.Tx, token string) (auth.RememberMe, error) {
	id, ok := ParseRememberMe(token)
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
	digest := secret.Digest(token)
	reuse := ErrRememberMeReused
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
			reuse = ErrRememberMeLate
		}
	}
	if err := tx.RevokeRememberMe(v.Account, v.ID, auth.EndRememberMeReused); err != nil {
		return auth.RememberMe{}, fmt.Errorf("revoke series: %w", err)
	}
	if _, err := tx.EndRememberMeSessions(v.Account, v.ID, auth.EndRememberMeReused); err != nil {
		return auth.RememberMe{}, fmt.Errorf("end the sessions of a series: %w", err)
	}
	return v, reuse
}

// RotateRememberMe replaces a verified token by its successor, and returns the same successor
// again for a used one. It returns an empty successor when that was issued by an older version of
// the server and cannot be derived.
func (s *Service) RotateRememberMe(tx *store.Tx, v auth.RememberMe, token string) (secret.Text, error) {
	next, err := s.successor(RememberMePrefix, tx.Tenant(), string(v.ID), token)
	if err != nil {
		return "", err
	}
	digest, after := secret.Digest(token), secret.Digest(next.Reveal())
	if !secret.Equal(digest, v.Digest) {
		if n := v.Retries.Next(); tx.Now.Sub(v.RotatedAt).Abs() > rememberMeGrace && n != v.Retries {
			if err := tx.RetryRememberMe(v.ID, v.Digest, n); err != nil {
				return "", fmt.Errorf("record the retry of a series: %w", err)
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
func (s *Service) OwnedRememberMe(tx *store.Tx, token string, account auth.AccountID) (auth.RememberMe, bool, error) {
	id, ok := ParseRememberMe(token)
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
	good := v.RevokedAt.IsZero() && tx.Now.Before(v.ExpiresAt) && v.Account == account && secret.Equal(secret.Digest(token), v.Digest)
	return v, good, nil
}
