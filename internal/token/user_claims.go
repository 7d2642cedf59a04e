package token

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// StandardClaims are the supported standard claims about a user (OpenID Connect Core §5.1).
var StandardClaims = []string{"email", "email_verified", "locale", "name", "picture", "preferred_username", "updated_at"}

// userClaims are the claims of an account that are requested by scope (§5.4) or by name (§5.5).
type userClaims struct {
	issuer  string
	account auth.Account
	scope   auth.Scope
	names   []string
}

// append appends the claims, each once. Unknown claims are omitted (§5.3.2).
func (c userClaims) append(b []byte) []byte {
	a := c.account
	requested := func(claim string) bool { return c.scope.Has(auth.ClaimScope(claim)) || slices.Contains(c.names, claim) }
	if requested("email") {
		b = appendOptional(b, `,"email":`, a.Email.Address)
	}
	if requested("email_verified") {
		b = append(b, `,"email_verified":`...)
		if a.Verified() {
			b = append(b, "true"...)
		} else {
			b = append(b, "false"...)
		}
	}
	if requested("locale") {
		b = appendOptional(b, `,"locale":`, a.Locale)
	}
	if requested("name") {
		b = appendOptional(b, `,"name":`, a.Name)
	}
	if requested("picture") {
		b = appendOptional(b, `,"picture":`, a.PictureURL(c.issuer))
	}
	if requested("preferred_username") && a.Verified() {
		b = appendOptional(b, `,"preferred_username":`, a.Username)
	}
	if requested("updated_at") && !a.UpdatedAt.IsZero() {
		b = appendNumber(b, `,"updated_at":`, a.UpdatedAt.Unix())
	}
	return b
}
