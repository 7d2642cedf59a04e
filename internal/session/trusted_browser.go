package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// A trusted browser has a cookie with a token for each account that trusts it, at most MaxAccounts.
// Each use of a token replaces it by its successor, as with remember-me. When a cookie is copied,
// only one copy stays valid, and the use of the other one ends the trust.

// TrustedPrefix begins every token of a trusted browser.
const TrustedPrefix = "wwt_"

// maxTrustedBrowsers bounds the trusted browsers of an account. One more ends the oldest.
const maxTrustedBrowsers = 20

// ErrTrustReused is returned for a used token whose time is over: it was copied, or its successor
// was lost. The trust has ended, if the caller commits.
var ErrTrustReused = errors.New("a token of a trusted browser was used twice")

// trustedTokens splits the cookie of a trusted browser, and ignores what it does not produce.
func trustedTokens(cookie string) (tokens []string) {
	if len(cookie) > 1024 {
		return nil
	}
	for token := range strings.SplitSeq(cookie, ".") {
		if _, ok := parseSeries(TrustedPrefix, token); ok && len(tokens) < MaxAccounts {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// Trust makes the browser of an account's sign-in trusted, and returns the new value of its cookie.
func (s *Service) Trust(tx *store.Tx, account auth.AccountID, cookie string, settings auth.FactorSettings, actor auth.Actor) (auth.TrustedBrowser, secret.Text, error) {
	id := secret.Bytes(16)
	token := encodeSeries(TrustedPrefix, id, secret.Bytes(32))
	list := []string{token.Reveal()}
	for _, old := range trustedTokens(cookie) {
		v, err := readTrusted(tx, old)
		if err != nil {
			return auth.TrustedBrowser{}, "", err
		}
		switch {
		case v.ID == "":
		case v.Account == account:
			if err := tx.DeleteTrustedBrowser(account, v.ID); err != nil {
				return auth.TrustedBrowser{}, "", fmt.Errorf("end former trust: %w", err)
			}
		case len(list) < MaxAccounts:
			list = append(list, old)
		}
	}
	all, err := tx.TrustedBrowsers(account)
	if err != nil {
		return auth.TrustedBrowser{}, "", fmt.Errorf("read trusted browsers: %w", err)
	}
	for i := maxTrustedBrowsers - 1; i < len(all); i++ {
		if err := tx.DeleteTrustedBrowser(account, all[i].ID); err != nil {
			return auth.TrustedBrowser{}, "", fmt.Errorf("end the oldest trust: %w", err)
		}
	}
	v := auth.TrustedBrowser{
		ID: auth.TrustedBrowserID(secret.Encode(id)), Account: account, Digest: secret.Digest(token.Reveal()), IP: actor.IP, UserAgent: auth.Clip(actor.UserAgent, 256),
		CreatedAt: tx.Now, UsedAt: tx.Now, ExpiresAt: tx.Now.Add(settings.Trust()),
	}
	if err := tx.InsertTrustedBrowser(v); err != nil {
		return auth.TrustedBrowser{}, "", fmt.Errorf("store trusted browser: %w", err)
	}
	return v, secret.Text(strings.Join(list, ".")), nil
}

// readTrusted reads the row of a token; the zero TrustedBrowser without one.
func readTrusted(tx *store.Tx, token string) (auth.TrustedBrowser, error) {
	id, _ := parseSeries(TrustedPrefix, token)
	v, err := tx.TrustedBrowser(auth.TrustedBrowserID(id))
	if errors.Is(err, auth.ErrNotFound) {
		return auth.TrustedBrowser{}, nil
	}
	if err != nil {
		return v, fmt.Errorf("read trusted browser: %w", err)
	}
	return v, nil
}

// UseTrust finds the token of an account in the cookie of a trusted browser. If enough says that trust is
// enough, it replaces the token and returns the new value of the cookie, empty otherwise. Two requests at
// once get the same token. It returns ErrTrustReused for a used token.
func (s *Service) UseTrust(tx *store.Tx, account auth.AccountID, cookie string, state auth.TrustState, enough func() (bool, error)) (secret.Text, error) {
	tokens := trustedTokens(cookie)
	for i, token := range tokens {
		v, err := readTrusted(tx, token)
		if err != nil {
			return "", err
		}
		if v.Account != account || !state.Live(v, tx.Now) {
			continue
		}
		used := secret.Digest(token)
		newest := secret.Equal(used, v.Digest)
		if race := tx.Now.Sub(v.UsedAt).Abs() <= rememberMeGrace; !newest && !(race && secret.Equal(used, v.Previous)) {
			if err := tx.DeleteTrustedBrowser(account, v.ID); err != nil {
				return "", fmt.Errorf("end trust: %w", err)
			}
			return "", ErrTrustReused
		}
		if ok, err := enough(); err != nil || !ok {
			return "", err
		}
		after, err := s.successor(TrustedPrefix, tx.Tenant(), string(v.ID), token)
		if err != nil {
			return "", err
		}
		if newest {
			if done, err := tx.RotateTrustedBrowser(v.ID, used, secret.Digest(after.Reveal())); err != nil || !done {
				return "", fmt.Errorf("rotate trusted browser: %w", errors.Join(err, auth.ErrConflict))
			}
		}
		tokens[i] = after.Reveal()
		return secret.Text(strings.Join(tokens, ".")), nil
	}
	return "", nil
}

// EndOtherTrust ends the trust of an account in all browsers but the one with the cookie, which may be empty. It
// returns how many.
func (s *Service) EndOtherTrust(tx *store.Tx, account auth.AccountID, cookie string) (n int64, err error) {
	all, err := tx.TrustedBrowsers(account)
	if err != nil {
		return 0, fmt.Errorf("read trusted browsers: %w", err)
	}
	for _, v := range all {
		if HoldsTrust(cookie, v.ID) {
			continue
		}
		if err := tx.DeleteTrustedBrowser(account, v.ID); err != nil {
			return 0, fmt.Errorf("end trust: %w", err)
		}
		n++
	}
	return n, nil
}

// HoldsTrust reports whether the cookie of a trusted browser is that of the given one.
func HoldsTrust(cookie string, id auth.TrustedBrowserID) bool {
	return slices.ContainsFunc(trustedTokens(cookie), func(token string) bool {
		series, _ := parseSeries(TrustedPrefix, token)
		return series == string(id)
	})
}
