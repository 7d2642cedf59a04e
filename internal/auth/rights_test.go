package auth_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
)

// The decision depends on the client, the audience, the scope, and the token that is
// exchanged.
func TestRepair_S1_Carry(t *testing.T) {
	t.Parallel()
	person := auth.Entitlement{
		Rights: auth.Rights{Roles: []string{"admin", "clerk"}, Permissions: []string{"email", "orders:write", auth.AdminPermission}},
		Known:  []string{"email", "orders:read", "orders:write", auth.AdminPermission},
	}
	asked := auth.Scope{"openid", "email", "files", "orders:read", "orders:write", auth.ScopeAccount, auth.AdminPermission, "watchword:more"}
	third := auth.Client{ID: "c", Scopes: asked}
	first := third
	first.FirstParty = true
	builtIn := auth.Client{ID: auth.FirstParty, FirstParty: true}
	plain := auth.Scope{"openid", "email", "files", "orders:write"}
	for name, tt := range map[string]struct {
		client             auth.Client
		own                bool
		within             *auth.Rights
		scope              auth.Scope
		roles, permissions []string
	}{
		"third":                       {third, false, nil, plain, nil, []string{"email", "orders:write"}},
		"third for the issuer":        {third, true, nil, plain, nil, []string{"email", "orders:write"}},
		"first":                       {first, false, nil, plain, person.Roles, []string{"email", "orders:write"}},
		"first for the issuer":        {first, true, nil, append(plain[:4:4], auth.ScopeAccount, auth.AdminPermission), person.Roles, person.Permissions},
		"built-in for the issuer":     {builtIn, true, nil, auth.Scope{"openid", "email", "orders:write", auth.ScopeAccount, auth.AdminPermission}, person.Roles, person.Permissions},
		"first, of a bare token":      {first, true, &auth.Rights{}, append(plain[:4:4], auth.ScopeAccount, auth.AdminPermission), nil, nil},
		"first, of a token of others": {first, false, &auth.Rights{Permissions: []string{"orders:write", "gone"}}, plain, nil, []string{"orders:write"}},
	} {
		g := auth.Grant{Scope: asked, Within: tt.within}.WithRights(auth.Recipient{Client: tt.client, Allowed: tt.client.UserScope(), IssuerOnly: tt.own}, person)
		if d := cmp.Diff([]any{tt.scope, len(tt.roles), len(tt.permissions)}, []any{g.Scope, len(g.Roles), len(g.Permissions)}); d != "" || len(tt.permissions) > 0 && !cmp.Equal(tt.permissions, g.Permissions) {
			t.Errorf("%s: permissions %q (-want +got):\n%s", name, g.Permissions, d)
		}
	}
	if none := (auth.Grant{Scope: asked}).WithRights(auth.Recipient{Client: third, Allowed: third.UserScope()}, auth.Entitlement{Known: person.Known}); !cmp.Equal(none.Scope, auth.Scope{"openid", "email", "files"}) {
		t.Errorf("without any right the scope is %q", none.Scope)
	}
}
