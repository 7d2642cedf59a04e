package token

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// pairwise is the subject type of clients that must not be able to correlate their users with
// those of other clients.
const pairwise = "pairwise"

// Subject returns the "sub" of an account for a client, in every token and response: the
// account's id, or for a pairwise client a pseudonym that is the same for all clients of its
// sector and that only the server can compute (OpenID Connect Core §8.1). It is stable,
// and depends only on the client's id and settings. A client without a sector shares its
// pseudonyms with no other client.
func (s *Service) Subject(c auth.Client, a auth.AccountID) string {
	if a == "" || c.Settings.SubjectType != pairwise {
		return string(a)
	}
	kind, sector := "sector", c.PairwiseSector()
	if sector == "" {
		kind, sector = "client", string(c.ID)
	}
	return secret.Encode(secret.MAC(s.pairwiseKey, []byte(kind), []byte(sector), []byte(a)))
}
