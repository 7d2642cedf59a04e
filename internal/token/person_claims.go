package token

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// StandardClaims are the standard claims about a person that we know (OpenID Connect Core
// §5.1).
var StandardClaims = []string{"email", "email_verified", "name", "updated_at"}

// appendPersonClaims appends what the scope (§5.4) and the claims asked for by name (§5.5) ask of
// the account, each once. What is not known is left out (§5.3.2).
func appendPersonClaims(b []byte, a auth.Account, scope auth.Scope, names []string) []byte {
	wanted := func(claim string) bool { return scope.Has(auth.ClaimScope(claim)) || slices.Contains(names, claim) }
	if wanted("email") {
		b = appendOptional(b, `,"email":`, a.Email.Address)
	}
	if wanted("email_verified") {
		b = append(b, `,"email_verified":`...)
		if a.Verified() {
			b = append(b, "true"...)
		} else {
			b = append(b, "false"...)
		}
	}
	if wanted("name") {
		b = appendOptional(b, `,"name":`, a.Name)
	}
	if wanted("updated_at") && !a.UpdatedAt.IsZero() {
		b = appendNumber(b, `,"updated_at":`, a.UpdatedAt.Unix())
	}
	return b
}
