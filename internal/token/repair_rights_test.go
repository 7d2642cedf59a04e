package token_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// The server's own API and guard accept the longest possible token, as JWT and opaque. It says
// how many rights it omits.
func TestRepair_R2_LongestToken(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.write(func(tx *store.Tx) error {
			err := tx.InsertRole(auth.Role{ID: "r", Name: "big", CreatedAt: tx.Now})
			for i := range 400 {
				name := fmt.Sprintf("%040d", i)
				if err == nil {
					err = tx.PutPermission(auth.Permission{Name: name, CreatedAt: tx.Now})
				}
				if err == nil {
					_, err = tx.AddRolePermission("r", name)
				}
			}
			if err == nil {
				_, err = tx.AssignRole(h.alice, "r")
			}
			return err
		})
		scope := auth.Scope{"openid", "offline_access", auth.ScopeAccount}
		for i := range 90 {
			scope = append(scope, fmt.Sprintf("%040d", i))
		}
		g, err := guard.New(t.Context(), guard.Config{Issuer: base, FetchKeys: func(ctx context.Context) ([]byte, error) { return h.keys.JWKS(ctx, auth.DefaultTenant) }, Now: h.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		for _, opaque := range []bool{false, true} {
			first := h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, Scope: scope, Opaque: opaque})
			for _, ts := range []auth.Tokens{first, h.requireRefresh(first.RefreshToken)} {
				c, err := h.tokens.Verify(t.Context(), auth.DefaultTenant, ts.AccessToken)
				if err != nil {
					t.Fatalf("%d characters: %v", len(ts.AccessToken), err)
				}
				if size := auth.RightsSize(c.Roles, c.Permissions); size > auth.MaxRights || size < auth.MaxRights-50 || !slices.Equal(c.Roles, []string{"big"}) {
					t.Errorf("%d bytes of rights, roles %v", size, c.Roles)
				}
				if strings.HasPrefix(ts.AccessToken, "wwt_") {
					continue
				}
				if omitted := payload(t, ts.AccessToken)["rights_omitted"]; omitted != float64(400-len(c.Permissions)) {
					t.Errorf("%v omitted, with %d permissions", omitted, len(c.Permissions))
				}
				if _, err := g.Verify(t.Context(), ts.AccessToken); err != nil {
					t.Errorf("guard: %v", err)
				}
			}
		}
	})
}

// A token that would be too long for a header is refused when it is requested.
func TestRepair_R2_ScopeAndAudienceFit(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		var scope auth.Scope
		for i := range 48 {
			scope = append(scope, fmt.Sprintf("%099d", i))
		}
		c := auth.Client{ID: "job", Type: auth.ClientMachine, Scopes: scope}
		_, err := h.tokens.StartMachine(auth.Tenant{ID: auth.DefaultTenant}, c, auth.Grant{Scope: scope})
		wantCode(t, err, "token_too_long")
		if _, err := h.tokens.StartMachine(auth.Tenant{ID: auth.DefaultTenant}, c, auth.Grant{Scope: scope[1:]}); err != nil {
			t.Error(err)
		}
	})
}

// A refresh token that is older than the scope of the server's own API still gives access to it.
func TestRepair_R3_FamiliesOlderThanTheScope(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		old := h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, Scope: auth.DefaultScope})
		if got := h.requireRefresh(old.RefreshToken).Scope; !slices.Equal(got, auth.LoginScope) {
			t.Errorf("scope %q", got)
		}
	})
}
