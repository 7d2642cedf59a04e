package token_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// A strict client keeps its refresh token. It authenticates and proves a key at each use, so a
// second use is no reuse, and a lost response can be requested again.
func TestRefresh_StrictKeepsTheToken(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		const bank = auth.ClientID("bank")
		h.write(func(tx *store.Tx) error {
			return tx.InsertClient(auth.Client{ID: bank, Name: "Bank", Type: auth.ClientWeb, CreatedAt: tx.Now, UpdatedAt: tx.Now, Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{
				Grants: []auth.GrantType{auth.GrantRefreshToken}, DPoP: true, RequirePushed: true}}})
		})
		first := h.issue(auth.Grant{Account: h.alice, Client: bank, Scope: auth.DefaultScope, JKT: "one key"})
		life := first.RefreshExpiresIn
		for range 3 { // longer than the idle limit of the token
			h.clock.Advance(life / 2)
			in := newRefreshRequest(bank, first.RefreshToken, nil)
			in.JKT = "another key"
			got, err := h.tokens.Refresh(t.Context(), in)
			if err != nil || got.RefreshToken != first.RefreshToken || got.Type != token.TypeDPoP {
				t.Fatalf("%v, %v", got, err)
			}
		}
		for _, who := range []auth.ClientID{other, auth.FirstParty} {
			_, err := h.tokens.Refresh(t.Context(), newRefreshRequest(who, first.RefreshToken, nil))
			wantCode(t, err, "invalid_refresh_token")
		}
		h.clock.Advance(life + time.Second)
		_, err := h.tokens.Refresh(t.Context(), newRefreshRequest(bank, first.RefreshToken, nil))
		wantCode(t, err, "invalid_refresh_token")
	})
}
