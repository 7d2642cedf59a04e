package token

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// pairwise is the subject type of clients that must not be able to compare the
// people they know with those that others know.
const pairwise = "pairwise"

// Subject is the "sub" by which a client knows an account, in every token and answer:
// the account's id, or for a pairwise client a name that all clients of its sector
// share and nobody else can make or take back to the account (OpenID Connect Core
// §8.1). The same client and account always give the same one. Of the client it looks
// at the id and the settings; without a sector of its own it shares with nobody.
func (s *Service) Subject(c auth.Client, a auth.AccountID) string {
	if a == "" || c.Settings.SubjectType != pairwise {
		return string(a)
	}
	kind, sector := "sector", c.PairwiseSector()
	if sector == "" {
		kind, sector = "client", string(c.ID)
	}
	return secret.Encode(secret.MAC(s.pairwise, []byte(kind), []byte(sector), []byte(a)))
}
