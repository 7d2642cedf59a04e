package token

import (
	"context"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Portrait is what a client may be told about the person behind an access token.
type Portrait struct {
	Verified
	Client  auth.Client // ID, Type, Settings
	account auth.Account
	asked   []string // claims by name
}

// Portray checks an access token as Check does, for the issuer's own audience, and
// reads in the same statement what may be told. A client that acts for itself is
// nobody to be told about: Forbidden not_an_account.
func (s *Service) Portray(ctx context.Context, tenant auth.TenantID, raw string) (Portrait, error) {
	v, err := s.read(ctx, tenant, raw, tenant.Issuer(s.base))
	switch {
	case err != nil:
		return Portrait{}, err
	case v.SessionID == "":
		return Portrait{}, auth.Refuse(auth.KindForbidden, "not_an_account", "this token is a client's own, there is no person behind it")
	}
	p := Portrait{Verified: v}
	err = s.db.Look(ctx, tenant, func(tx *store.Tx) error {
		seen, err := tx.Portrait(auth.SessionID(v.SessionID), auth.ClientID(v.ClientID), v.JTI)
		if err != nil {
			return err
		}
		p.Account, p.Client, p.account, p.asked = seen.Account.ID, seen.Client, seen.Account, seen.Session.Claims.UserInfo
		if s.Subject(seen.Client, p.Account) != v.Subject {
			return ended("the session is another account's")
		}
		return stands(tx.Now, v.Claims, store.Standing(seen))
	})
	if err != nil {
		return Portrait{}, gone(err)
	}
	return p, nil
}

// JSON is the answer of userinfo (OpenID Connect Core §5.3.2): the subject, and what
// the token's scope and the client's request ask for.
func (p Portrait) JSON() []byte {
	b := member(make([]byte, 0, 320), `{"sub":`, p.Subject)
	return append(person(b, p.account, p.Scopes, p.asked), '}')
}

// SignPortrait is the answer as a JWT, for a client that is set to get it signed. It
// has no expiry: it says what was true when it was asked (§5.3.2).
func (s *Service) SignPortrait(ctx context.Context, tenant auth.TenantID, p Portrait) (string, error) {
	b := member(make([]byte, 0, 640), `{"iss":`, tenant.Issuer(s.base))
	b = member(b, `,"aud":`, string(p.Client.ID))
	b = number(b, `,"iat":`, s.now().Unix())
	b = member(b, `,"sub":`, p.Subject)
	b = append(person(b, p.account, p.Scopes, p.asked), '}')
	out, err := s.keys.Sign(ctx, tenant, p.Client.Settings.UserInfoAlgorithm, idTyp, b)
	if err != nil {
		return "", fmt.Errorf("sign userinfo: %w", err)
	}
	return out, nil
}
