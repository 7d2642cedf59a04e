package oidc

import (
	"context"

	"github.com/watchword-auth/watchword/internal/auth"
)

// UserInfoPath is where userinfo is, below the tenant's issuer.
const UserInfoPath = "/oauth2/userinfo"

// UserInfoInput is a request to the UserInfo endpoint. The access token comes in the
// header or in the form (RFC 6750 §2.1, §2.2), never in the address.
type UserInfoInput struct {
	Tenant        auth.TenantID
	Authorization []string // the values of the header of that name
	Proof         []string // the values of the header DPoP
	FormToken     string   // access_token of a POST form; empty for none
	Method        string   // of the request
}

// UserInfo is the answer: a JSON object, or a signed JWT when the client is set to
// get one (OpenID Connect Core §5.3.2).
type UserInfo struct {
	JSON []byte // empty when there is a JWT
	JWT  string
}

// UserInfo tells who signed in (OpenID Connect Core §5.3).
func (s *Service) UserInfo(_ context.Context, _ UserInfoInput) (UserInfo, error) {
	return UserInfo{}, refuseToken(InvalidToken, "Bearer", "the access token is not valid here")
}
