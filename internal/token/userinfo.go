package token

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// UserInfoClaims are the claims that a client may receive about the user of an access token.
type UserInfoClaims struct {
	Verified
	Client    auth.Client // that of store.UserInfoState
	account   auth.Account
	requested []string // claims by name that the client may still request
}

// UserInfo checks an access token as Introspect does, for the issuer or its userinfo endpoint, and reads the
// claims in the same statement. A machine has none: Forbidden not_an_account.
func (s *Service) UserInfo(ctx context.Context, tenant auth.TenantID, raw string) (UserInfoClaims, error) {
	v, err := s.verifyForUserInfo(ctx, tenant, raw)
	switch {
	case err != nil:
		return UserInfoClaims{}, err
	case v.SessionID == "":
		return UserInfoClaims{}, auth.Refuse(auth.KindForbidden, auth.CodeNotAnAccount, "the token belongs to a machine, not to a user")
	}
	claims := UserInfoClaims{Verified: v}
	err = s.db.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		state, err := tx.UserInfoState(auth.SessionID(v.SessionID), auth.ClientID(v.ClientID), v.JTI)
		if err != nil {
			return err
		}
		claims.Account, claims.Client, claims.account, claims.requested = state.Account.ID, state.Client, state.Account, state.Client.AllowedClaims(state.Session.Claims.UserInfo)
		if s.Subject(state.Client, claims.Account) != v.Subject {
			return invalidToken("the session is another account's")
		}
		return checkStatus(tx.Now, v.Claims, store.TokenStatus(state))
	})
	if err != nil {
		return UserInfoClaims{}, mapNotFound(err)
	}
	return claims, nil
}

// verifyForUserInfo verifies a token for the userinfo endpoint, which has two audiences. It verifies the more
// likely one first.
func (s *Service) verifyForUserInfo(ctx context.Context, tenant auth.TenantID, raw string) (Verified, error) {
	first, second := tenant.Issuer(s.base), s.UserInfoURL(tenant)
	if looksLikeUserInfoToken(raw) {
		first, second = second, first
	}
	v, err := s.verifyClaims(ctx, tenant, raw, first)
	if errors.Is(err, guard.ErrAudience) {
		v, err = s.verifyClaims(ctx, tenant, raw, second)
	}
	return v, err
}

// looksLikeUserInfoToken searches the first claims of a JWT for the path of the endpoint.
func looksLikeUserInfoToken(raw string) bool {
	_, body, _ := strings.Cut(raw, ".")
	var src [1024]byte
	var dst [768]byte
	n := copy(src[:], body) &^ 3
	n, _ = base64.RawURLEncoding.Decode(dst[:], src[:n]) // invalid base64 ends the claims
	return bytes.Contains(dst[:n], []byte(UserInfoPath+`"`))
}

func (p UserInfoClaims) user() userClaims {
	return userClaims{issuer: p.Issuer, account: p.account, scope: p.Scopes, names: p.requested}
}

// JSON returns the userinfo response (OpenID Connect Core §5.3.2): the subject and the requested claims.
func (p UserInfoClaims) JSON() []byte {
	b := appendMember(make([]byte, 0, 320), `{"sub":`, p.Subject)
	return append(p.user().append(b), '}')
}

// SignUserInfo returns the response as a JWT, for a client that is registered for signed responses. It has
// no expiry, since it states what was true at the time of the request (§5.3.2).
func (s *Service) SignUserInfo(ctx context.Context, tenant auth.TenantID, p UserInfoClaims) (string, error) {
	b := appendMember(make([]byte, 0, 640), `{"iss":`, tenant.Issuer(s.base))
	b = appendMember(b, `,"aud":`, string(p.Client.ID))
	b = appendNumber(b, `,"iat":`, s.now().Unix())
	b = appendMember(b, `,"sub":`, p.Subject)
	b = append(p.user().append(b), '}')
	out, err := s.keys.Sign(ctx, tenant, p.Client.Settings.UserInfoAlgorithm, idTokenType, b)
	if err != nil {
		return "", fmt.Errorf("sign userinfo: %w", err)
	}
	return out, nil
}
