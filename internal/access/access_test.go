package access_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const tenant = auth.DefaultTenant

var admin = auth.Actor{Kind: auth.ActorOperator, ID: "root", IP: "192.0.2.1"}

type fixture struct {
	*access.Service
	t  *testing.T
	db *store.DB
}

func each(t *testing.T, fn func(t *testing.T, h *fixture)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		fn(t, &fixture{access.New(db), t, db})
	})
}

func (h *fixture) requireOK(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) requireRefused(err error, code string) {
	h.t.Helper()
	if e, ok := errors.AsType[*auth.Error](err); !ok || string(e.Code) != code {
		h.t.Fatalf("got %v, want %s", err, code)
	}
}

func (h *fixture) insertAccount(tenant auth.TenantID, email string) auth.AccountID {
	h.t.Helper()
	return storetest.InsertAccount(h.t, h.db, tenant, email, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} }).ID
}

func (h *fixture) events() []auth.Event {
	h.t.Helper()
	out := storetest.Events(h.t, h.db, tenant, "")
	slices.Reverse(out)
	return out
}

func TestRolesAndRights(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		_, err := h.CreateRole(ctx, tenant, "editor", "Edits orders", admin)
		h.requireOK(err)
		_, err = h.CreateRole(ctx, tenant, "editor", "", admin)
		h.requireRefused(err, "role_taken")
		_, err = h.CreateRole(ctx, tenant, "Not a name", "", admin)
		h.requireRefused(err, "role_invalid")
		_, err = h.PutPermission(ctx, tenant, "orders:write", "Change orders", admin)
		h.requireOK(err)
		for range 2 { // the second time changes nothing
			h.requireOK(h.Allow(ctx, tenant, "editor", "orders:write", admin))
			h.requireOK(h.Allow(ctx, tenant, "editor", "orders:read", admin))
		}
		h.requireRefused(h.Allow(ctx, tenant, "nobody", "orders:read", admin), "role_unknown")
		h.requireRefused(h.Allow(ctx, tenant, "editor", "Orders Read", admin), "permission_invalid")
		list, err := h.Permissions(ctx, tenant)
		h.requireOK(err)
		if len(list) != 2 || list[1].Description != "Change orders" {
			t.Errorf("permissions %+v", list)
		}

		id := h.insertAccount(tenant, "alice@example.test")
		for range 2 {
			h.requireOK(h.Assign(ctx, tenant, id, "editor", admin))
		}
		roles, permissions, err := h.RightsOf(ctx, tenant, id)
		h.requireOK(err)
		if !cmp.Equal(roles, []string{"editor"}) || !cmp.Equal(permissions, []string{"orders:read", "orders:write"}) {
			t.Errorf("rights %v %v", roles, permissions)
		}
		h.requireOK(h.Disallow(ctx, tenant, "editor", "orders:read", admin))
		h.requireOK(h.Disallow(ctx, tenant, "editor", "orders:read", admin))
		if _, permissions, _ = h.RightsOf(ctx, tenant, id); !cmp.Equal(permissions, []string{"orders:write"}) {
			t.Errorf("permissions %v", permissions)
		}
		all, err := h.Roles(ctx, tenant)
		if h.requireOK(err); len(all) != 1 || !cmp.Equal(all[0].Permissions, []string{"orders:write"}) {
			t.Errorf("roles %+v", all)
		}
		h.requireOK(h.Unassign(ctx, tenant, id, "editor", admin))
		h.requireOK(h.Unassign(ctx, tenant, id, "editor", admin))
		h.requireOK(h.Assign(ctx, tenant, id, "editor", admin))
		h.requireOK(h.DeleteRole(ctx, tenant, "editor", admin))
		h.requireRefused(h.DeleteRole(ctx, tenant, "editor", admin), "role_unknown")
		h.requireRefused(h.DeleteRole(ctx, tenant, auth.AdminRole, admin), "role_built_in")
		if roles, permissions, _ = h.RightsOf(ctx, tenant, id); len(roles)+len(permissions) != 0 {
			t.Errorf("rights after the role is gone: %v %v", roles, permissions)
		}

		var got []string
		for _, e := range h.events() {
			if e.Actor.ID != "root" || e.Outcome != auth.Success {
				t.Errorf("audit %+v", e)
			}
			got = append(got, string(e.Kind)+" "+e.Detail["change"]+e.Detail["role"])
		}
		want := []string{
			"role.changed creatededitor", "role.changed permission_put", "role.changed allowededitor", "role.changed allowededitor",
			"role.assigned editor", "role.changed disallowededitor", "role.unassigned editor", "role.assigned editor", "role.changed deletededitor",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("OP-05: audit (-want +got):\n%s", d)
		}
	})
}

func TestAttack_TN_03_OtherTenants(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		storetest.Tenant(t, h.db, "t2")
		_, err := h.CreateRole(ctx, tenant, "editor", "", admin)
		h.requireOK(err)
		carol := h.insertAccount("t2", "carol@example.test")
		h.requireRefused(h.Assign(ctx, tenant, carol, "editor", admin), "not_found")
		h.requireRefused(h.Assign(ctx, "t2", carol, "editor", admin), "role_unknown")
		h.requireRefused(h.Unassign(ctx, tenant, carol, "editor", admin), "not_found")
		_, _, err = h.RightsOf(ctx, tenant, carol)
		h.requireRefused(err, "not_found")
		if list, err := h.Roles(ctx, "t2"); err != nil || len(list) != 0 {
			t.Errorf("roles of t2: %v, %v", list, err)
		}
	})
}

// Another user registers dave's address. A role that an operator assigns to dave would be theirs
// until dave proves the address.
func TestRepair_S2_NoRoleForAnUnprovedAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		_, err := h.CreateRole(ctx, tenant, "editor", "", admin)
		h.requireOK(err)
		dave := h.insertAccount(tenant, "dave@example.test")
		h.requireOK(h.db.Write(ctx, tenant, func(tx *store.Tx) error { return tx.SetPassword(dave, "hash") }))
		h.requireRefused(h.Assign(ctx, tenant, dave, "editor", admin), "email_not_verified")
		h.requireOK(h.db.Write(ctx, tenant, func(tx *store.Tx) error {
			a, err := tx.Account(dave)
			if err != nil {
				return err
			}
			a.EmailVerifiedAt = tx.Now
			return tx.UpdateAccount(a)
		}))
		h.requireOK(h.Assign(ctx, tenant, dave, "editor", admin))
	})
}

// insertAdministrator makes an account an administrator by a role of that name.
func (h *fixture) insertAdministrator(role string) auth.AccountID {
	h.t.Helper()
	id := h.insertAccount(tenant, role+"@example.test")
	_, err := h.CreateRole(h.t.Context(), tenant, role, "", admin)
	h.requireOK(err)
	h.requireOK(h.Allow(h.t.Context(), tenant, role, auth.AdminPermission, admin))
	h.requireOK(h.Assign(h.t.Context(), tenant, id, role, admin))
	return id
}

// Every change that removes the last administrator is refused, unless an override allows it.
func TestRepair_R5_LastAdministrator(t *testing.T) {
	for name, take := range map[string]func(h *fixture, id auth.AccountID, allowed ...auth.Override) error{
		"unassign": func(h *fixture, id auth.AccountID, allowed ...auth.Override) error {
			return h.Unassign(h.t.Context(), tenant, id, "boss", admin, allowed...)
		},
		"disallow": func(h *fixture, _ auth.AccountID, allowed ...auth.Override) error {
			return h.Disallow(h.t.Context(), tenant, "boss", auth.AdminPermission, admin, allowed...)
		},
		"delete role": func(h *fixture, _ auth.AccountID, allowed ...auth.Override) error {
			return h.DeleteRole(h.t.Context(), tenant, "boss", admin, allowed...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				id, second := h.insertAdministrator("boss"), h.insertAdministrator("deputy")
				h.requireOK(h.Unassign(t.Context(), tenant, second, "deputy", admin))
				h.requireRefused(take(h, id), "last_administrator")
				if _, permissions, err := h.RightsOf(t.Context(), tenant, id); err != nil || len(permissions) != 1 {
					t.Errorf("after the refusal: %v, %v", permissions, err)
				}
				h.requireOK(take(h, id, auth.AllowNoAdministrator))
				// Without an administrator, no change is refused.
				h.requireOK(h.Assign(t.Context(), tenant, id, "deputy", admin))
				h.requireOK(h.Assign(t.Context(), tenant, second, "deputy", admin))
				h.requireOK(h.Unassign(t.Context(), tenant, id, "deputy", admin))
			})
		})
	}
}

// Rights that do not fit into a token are refused with their size.
func TestRepair_R2_RightsThatDoNotFit(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ctx, id := t.Context(), h.insertAccount(tenant, "alice@example.test")
		_, err := h.CreateRole(ctx, tenant, "big", "", admin)
		h.requireOK(err)
		h.requireOK(h.Assign(ctx, tenant, id, "big", admin))
		n := 0
		for ; err == nil && n < 200; n++ {
			err = h.Allow(ctx, tenant, "big", fmt.Sprintf("%040d", n), admin)
		}
		h.requireRefused(err, "rights_too_long")
		if want := "4134 bytes"; !strings.Contains(err.Error(), want) || n != 96 { // 6 for the role, 43 for each permission
			t.Errorf("after %d permissions: %v, want %s", n, err, want)
		}
		if size, err := h.RightsSize(ctx, tenant, "big"); err != nil || size != 6+95*43 {
			t.Errorf("size %d, %v", size, err)
		}
		_, err = h.CreateRole(ctx, tenant, "more", "", admin)
		h.requireOK(err)
		h.requireOK(h.Allow(ctx, tenant, "more", "another-permission", admin))
		h.requireRefused(h.Assign(ctx, tenant, id, "more", admin), "rights_too_long")
		h.requireRefused(h.Allow(ctx, tenant, "more", "watchword:anything", admin), "permission_reserved")
		_, err = h.PutPermission(ctx, tenant, "watchword:anything", "", admin)
		h.requireRefused(err, "permission_reserved")
	})
}
