package token

import (
	"crypto/aes"
	"crypto/cipher"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// AccessPrefix is what every opaque access token begins with.
const AccessPrefix = "wwt_"

// The form of an opaque access token:
//
//	wwt_ base64url( nonce 12 ‖ AES-256-GCM( claims ) ‖ tag 16 )
//
// It says what a JWT would say, and only the server can read it. The tenant is sealed
// along with it, so one tenant's token is garbage to another. Nothing is stored.

func newOpaque(root []byte) cipher.AEAD {
	block, err := aes.NewCipher(secret.Derive(root, "opaque access token"))
	if err != nil {
		panic("token: AES refuses 32 bytes: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("token: GCM refuses AES: " + err.Error())
	}
	return aead
}

// seal makes an opaque access token of the claims.
func (s *Service) seal(tenant auth.TenantID, claims []byte) string {
	return AccessPrefix + secret.Encode(s.opaque.Seal(nil, nil, claims, []byte(tenant)))
}

// unseal gives back the claims of a token that was sealed for the tenant.
func (s *Service) unseal(tenant auth.TenantID, raw string) ([]byte, bool) {
	rest, ok := strings.CutPrefix(raw, AccessPrefix)
	if !ok {
		return nil, false
	}
	b, err := secret.Decode(rest)
	if err != nil {
		return nil, false
	}
	claims, err := s.opaque.Open(nil, nil, b, []byte(tenant))
	return claims, err == nil
}
