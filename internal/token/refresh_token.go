package token

import (
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// A refresh token has this form:
//
//	wwr_ base64url( family 16 ‖ generation 4 ‖ secret 32 ‖ tag 16 )
//
// The tag is a MAC over the tenant and everything before it. A token without a valid tag is
// refused without reading the database. A token with a valid tag was issued by this server, so
// one of an old generation is a used token and never a guess.
//
// The secret of generation 0 is random. The secret of a successor is a MAC over its predecessor,
// so the same predecessor yields the same successor again, although only digests are stored. The
// server holds both keys: neither the database nor any number of tokens reveals the next token.

// RefreshPrefix begins every refresh token.
const RefreshPrefix = "wwr_"

const (
	tagSize   = 16
	bodySize  = 16 + 4 + 32
	tokenSize = len(RefreshPrefix) + ((bodySize+tagSize)*8+5)/6
)

// refreshToken is a decoded refresh token.
type refreshToken struct {
	family     [16]byte
	generation uint32
	secret     [32]byte
}

// refreshForm encodes and decodes refresh tokens.
type refreshForm struct{ tagKey, successorKey []byte }

func newRefreshForm(root []byte) refreshForm {
	return refreshForm{tagKey: secret.Derive(root, "refresh token tag"), successorKey: secret.Derive(root, "refresh token successor")}
}

func (t refreshToken) body() []byte {
	b := make([]byte, 0, bodySize+tagSize)
	b = append(b, t.family[:]...)
	b = binary.BigEndian.AppendUint32(b, t.generation)
	return append(b, t.secret[:]...)
}

// encode returns the token as text.
func (f refreshForm) encode(tenant auth.TenantID, t refreshToken) secret.Text {
	b := t.body()
	tag := secret.MAC(f.tagKey, []byte(tenant), b)
	return secret.Text(RefreshPrefix + secret.Encode(append(b, tag[:tagSize]...)))
}

// decode accepts only a token that was issued for the tenant.
func (f refreshForm) decode(tenant auth.TenantID, raw string) (refreshToken, bool) {
	rest, ok := strings.CutPrefix(raw, RefreshPrefix)
	if !ok || len(raw) != tokenSize {
		return refreshToken{}, false
	}
	b, err := secret.Decode(rest)
	if err != nil || len(b) != bodySize+tagSize {
		return refreshToken{}, false
	}
	tag := secret.MAC(f.tagKey, []byte(tenant), b[:bodySize])
	if !secret.Equal(string(tag[:tagSize]), string(b[bodySize:])) {
		return refreshToken{}, false
	}
	return refreshToken{
		family:     [16]byte(b),
		generation: binary.BigEndian.Uint32(b[16:]),
		secret:     [32]byte(b[20:]),
	}, true
}

// successor returns the only token that can follow t.
func (f refreshForm) successor(tenant auth.TenantID, t refreshToken) refreshToken {
	next := secret.MAC(f.successorKey, []byte(tenant), t.body())
	return refreshToken{family: t.family, generation: t.generation + 1, secret: [32]byte(next)}
}

// familyID returns the ID of the family in the database, a UUID.
func (t refreshToken) familyID() auth.FamilyID {
	var b [36]byte
	src := t.family[:]
	for i, at := range [5]int{0, 9, 14, 19, 24} {
		n := [5]int{4, 2, 2, 2, 6}[i]
		hex.Encode(b[at:], src[:n])
		src = src[n:]
		if i > 0 {
			b[at-1] = '-'
		}
	}
	return auth.FamilyID(b[:])
}

// newRefreshToken returns the first token of a family with an ID of secret.NewID.
func newRefreshToken(id string) (t refreshToken, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 {
		return t, false
	}
	t.family = [16]byte(b)
	t.secret = [32]byte(secret.Bytes(32))
	return t, true
}

// RefreshFamily returns the family of a refresh token that was issued for the tenant; false for
// everything else. It reads only the token, so that attempts can be counted for each family
// without the database.
func (s *Service) RefreshFamily(tenant auth.TenantID, raw string) (auth.FamilyID, bool) {
	t, ok := s.form.decode(tenant, raw)
	if !ok {
		return "", false
	}
	return t.familyID(), true
}
