package guard

import (
	"net/http"
	"strings"
	"testing"
)

func TestRepair_N19_AnyOf(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	token := esSigner().validToken() // scope orders:read, role clerk, permission orders.cancel
	for name, tt := range map[string]struct {
		req  Requirement
		want int
	}{
		"the scope":            {AnyOf(Scope("orders:read"), Permission("orders:read")), 418},
		"the permission":       {AnyOf(Scope("orders:cancel"), Permission("orders.cancel")), 418},
		"neither":              {AnyOf(Scope("orders:cancel"), Permission("orders:cancel")), 403},
		"one of one":           {AnyOf(Role("admin")), 403},
		"all names of each":    {AnyOf(Scope("orders:read", "orders:cancel"), Role("clerk", "admin")), 403},
		"an alternative in it": {AnyOf(Role("admin"), AnyOf(Role("owner"), Role("clerk"))), 418},
	} {
		res := sendRequest(g.Require(tt.req)(teapot), setAuthorization("Bearer "+token))
		if res.StatusCode != tt.want {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	res := sendRequest(g.Require(AnyOf(Scope("orders:cancel"), Permission("orders:cancel")))(teapot), setAuthorization("Bearer "+token))
	if c := res.Header.Get("WWW-Authenticate"); !strings.Contains(c, `scope="orders:cancel"`) {
		t.Errorf("challenge %q does not name the scope", c)
	}
	for name, r := range map[string]Requirement{"nothing": AnyOf(), "an empty one": AnyOf(Scope("a"), Role())} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			g.Require(r)
		}()
	}
}

// Code that is not an HTTP handler puts the claims into the context with NewContext.
func TestRepair_N19_NewContext(t *testing.T) {
	t.Parallel()
	c := requireAccepted(t, newStandardGuard(t), esSigner().validToken())
	ctx := NewContext(t.Context(), c)
	c.Roles[0] = "admin"
	if got, ok := FromContext(ctx); !ok || got.Subject != "alice" || !got.HasRole("clerk") || got.HasRole("admin") {
		t.Errorf("%+v", got)
	}
	if none := NewContext(t.Context(), nil); none != t.Context() {
		t.Errorf("no claims: %v", none)
	}
}

// A request that overwrites or extends the lists of its claims changes those of no other
// request, whichever function returned them.
func TestRepair_H6_ClaimsAreOnesOwn(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	token := esSigner().validToken()
	change := func(c *Claims) {
		for _, list := range []*[]string{&c.Audience, &c.Scopes, &c.Roles, &c.Permissions, &c.AMR} {
			for i := range *list {
				(*list)[i] = "changed"
			}
			_ = append(*list, "changed")
		}
	}
	untouched := func(c *Claims) {
		t.Helper()
		for _, list := range [][]string{c.Audience, c.Scopes, c.Roles, c.Permissions, c.AMR} {
			if len(list) == 0 || strings.Contains(strings.Join(list, " "), "changed") {
				t.Errorf("%+v", c)
			}
		}
	}
	for range 2 { // verified, then from the cache
		change(requireAccepted(t, g, token))
		untouched(requireAccepted(t, g, token))
		c, err := g.InsecureVerifyWithoutProof(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		h := g.Require()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c, _ := FromContext(r.Context())
			untouched(c)
			change(c)
		}))
		sendRequest(h, setAuthorization("Bearer "+token))
	}
	many := make([]any, 40) // more than claimsCopy has room for
	for i := range many {
		many[i] = "role"
	}
	long := requireAccepted(t, g, esSigner().token(esSigner().header(), validPayload(map[string]any{"roles": many})))
	if len(long.Roles) != 40 || !long.HasPermission("orders.cancel") || !long.HasScope("orders:read") {
		t.Errorf("%+v", long)
	}
}
