package attacks_test

import (
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// auditLine is what an audit line must contain.
type auditLine struct{ event, outcome, actor, tenant, ip string }

// readAuditLines returns the lines after the given id, oldest first, and checks what all of
// them must contain.
func readAuditLines(t testing.TB, s *servertest.Server, db *sql.DB, since *string) (lines []auditLine) {
	t.Helper()
	rows, err := db.Query("SELECT id, at, event, outcome, actor_kind, actor_id, tenant_id, ip, request_id, detail FROM audit WHERE id > $1 ORDER BY id", *since)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, actorID, request, detail string
		var at int64
		var l auditLine
		if err := rows.Scan(&id, &at, &l.event, &l.outcome, &l.actor, &actorID, &l.tenant, &l.ip, &request, &detail); err != nil {
			t.Fatal(err)
		}
		if !time.UnixMilli(at).Equal(s.Clock.Now()) {
			t.Errorf("%s: at %d, it is %d", l.event, at, s.Clock.Now().UnixMilli())
		}
		if l.actor == "account" && actorID == "" || l.ip != "" && request == "" || !json.Valid([]byte(detail)) {
			t.Errorf("%s: actor %q, request %q, detail %q", l.event, actorID, request, detail)
		}
		*since = id
		lines = append(lines, l)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestAttack_OP_05_OneLineEach does everything once and expects one audit line each, with time,
// actor, tenant, address and outcome.
func TestAttack_OP_05_OneLineEach(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		db := openDatabase(t, s.Config.DatabaseURL())
		since := ""
		readAuditLines(t, s, db, &since)
		step := func(name string, do func(), want ...auditLine) {
			t.Helper()
			do()
			for i := range want {
				want[i].tenant = "default"
				if want[i].actor == "anonymous" || want[i].actor == "account" {
					want[i].ip = "127.0.0.1"
				}
			}
			if diff := cmp.Diff(want, readAuditLines(t, s, db, &since), cmp.AllowUnexported(auditLine{})); diff != "" {
				t.Errorf("OP-05 %s:\n%s", name, diff)
			}
		}
		by := func(actor, event, outcome string) auditLine {
			return auditLine{event: event, outcome: outcome, actor: actor}
		}
		ctx, operator := t.Context(), auth.Actor{Kind: auth.ActorOperator, ID: "root"}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		var link string
		var tokens servertest.Tokens
		var id auth.AccountID
		bearer := func() servertest.RequestOption { return servertest.Bearer(tokens.AccessToken) }

		step("register", func() { s.Register(t, alice, servertest.Password) }, by("anonymous", "account.registered", "success"))
		step("ask again", func() { post(t, s, "/verify-email/resend", body{"email": alice}).Want(t, 202) }, by("anonymous", "account.verification_sent", "success"))
		s.WaitMail(t, alice)
		link = servertest.LinkToken(t, s.WaitMail(t, alice))
		step("sign in unproved", func() { login(t, s, alice, servertest.Password).Want(t, 403) }, by("anonymous", "login", "failure"))
		step("verify", func() { post(t, s, "/verify-email", body{"token": link}).Want(t, 200) }, by("anonymous", "account.verified", "success"))
		step("verify twice", func() { post(t, s, "/verify-email", body{"token": link}).Want(t, 400) }, by("anonymous", "account.verified", "failure"))
		step("register known", func() { s.Register(t, alice, otherPassword) }, by("anonymous", "account.register_known", "success"))
		step("wrong password", func() { login(t, s, alice, wrongPassword).Want(t, 401) }, by("anonymous", "login", "failure"))
		step("unknown account", func() { login(t, s, bob, wrongPassword).Want(t, 401) }, by("anonymous", "login", "failure"))
		step("sign in", func() { tokens = s.Login(t, alice, servertest.Password) }, by("anonymous", "login", "success"))
		step("sign in by cookie", func() { signInCookie(t, s, alice, servertest.Password) }, by("anonymous", "login", "success"))
		step("read", func() { me(t, s, bearer()).Want(t, 200) })
		step("export", func() { s.Do(t, "GET", api("/me/export"), nil, bearer()).Want(t, 200) }, by("account", "account.exported", "success"))
		step("rename", func() { s.Do(t, "PATCH", api("/me"), body{"name": "Alice"}, bearer()).Want(t, 200) }, by("account", "account.profile_changed", "success"))
		step("wrong current password", func() {
			post(t, s, "/password/change", body{"current_password": wrongPassword, "new_password": otherPassword}, bearer()).Want(t, 403)
		}, by("account", "password.changed", "failure"))
		step("change password", func() {
			post(t, s, "/password/change", body{"current_password": servertest.Password, "new_password": otherPassword}, bearer()).Want(t, 204)
		}, by("account", "password.changed", "success"))
		step("ask for an address", func() {
			post(t, s, "/me/email", body{"email": bob, "current_password": otherPassword}, bearer()).Want(t, 200)
		}, by("account", "account.email_change_requested", "success"))
		link = servertest.LinkToken(t, s.WaitMail(t, bob))
		step("prove it", func() { post(t, s, "/verify-email", body{"token": link, "password": otherPassword}).Want(t, 200) }, by("anonymous", "account.email_changed", "success"))
		step("forgot", func() { link = requestReset(t, s, bob) }, by("anonymous", "password.reset_requested", "success"))
		step("forgot, nobody", func() { post(t, s, "/password/forgot", body{"email": eve}).Want(t, 202) }, by("anonymous", "password.reset_requested", "failure"))
		step("reset", func() { resetPassword(t, s, link, servertest.Password).Want(t, 204) }, by("anonymous", "password.reset", "success"))
		step("end the others", func() {
			tokens = s.Login(t, bob, servertest.Password)
			s.Do(t, "DELETE", api("/me/sessions"), nil, bearer()).Want(t, 204)
		}, by("anonymous", "login", "success"), by("account", "session.ended", "success"))
		step("end one", func() {
			other := parseClaims(t, s.Login(t, bob, servertest.Password).AccessToken).SessionID
			s.Do(t, "DELETE", api("/me/sessions/"+other), nil, bearer()).Want(t, 204)
		}, by("anonymous", "login", "success"), by("account", "session.ended", "success"))
		stolen := s.Login(t, bob, servertest.Password).RefreshToken
		rotate(t, s, rotate(t, s, stolen).RefreshToken)
		waitForOutbox(t, s)
		readAuditLines(t, s, db, &since)
		s.Clock.Advance(time.Minute)
		step("refresh reuse", func() { refresh(t, s, stolen).WantCode(t, 401, "refresh_token_reused") }, by("anonymous", "token.refresh_reused", "failure"))
		step("and again", func() { refresh(t, s, stolen).WantCode(t, 401, "refresh_token_reused") })
		step("sign out", func() { post(t, s, "/logout", nil, bearer()).Want(t, 204) }, by("account", "logout", "success"))

		step("an operator makes an account", func() { id = create(t, s, eve, operator) }, by("operator", "account.created", "success"))
		step("gives a role", func() { must(s.Access.Assign(ctx, auth.DefaultTenant, id, auth.AdminRole, operator)) }, by("operator", "role.assigned", "success"))
		step("takes it away", func() {
			must(s.Access.Unassign(ctx, auth.DefaultTenant, id, auth.AdminRole, operator, auth.AllowNoAdministrator))
		}, by("operator", "role.unassigned", "success"))
		step("makes a role", func() {
			_, err := s.Access.CreateRole(ctx, auth.DefaultTenant, "reader", "", operator)
			must(err)
		}, by("operator", "role.changed", "success"))
		step("disables", func() { must(s.Accounts.Disable(ctx, auth.DefaultTenant, id, operator)) }, by("operator", "account.disabled", "success"))
		step("the disabled one signs in", func() { login(t, s, eve, servertest.Password).Want(t, 401) }, by("anonymous", "login", "failure"))
		step("enables", func() { must(s.Accounts.Enable(ctx, auth.DefaultTenant, id, operator)) }, by("operator", "account.enabled", "success"))
		step("signs out everywhere", func() {
			_, err := s.Accounts.EndOtherSessions(ctx, auth.DefaultTenant, id, "", operator)
			must(err)
		}, by("operator", "session.ended", "success"))
		step("sets a password", func() { must(s.Accounts.SetPassword(ctx, auth.DefaultTenant, id, otherPassword, operator)) }, by("operator", "password.reset", "success"))
		step("changes the tenant", func() {
			_, err := s.Tenants.Update(ctx, auth.DefaultTenant, func(v *auth.Tenant) error { v.Name = "New name"; return nil }, operator)
			must(err)
		}, by("operator", "tenant.changed", "success"))
		step("rotates the key", func() { must(s.Keys.Rotate(ctx, auth.DefaultTenant, "ES256", operator)) }, by("operator", "key.rotated", "success"))
		step("the owner deletes", func() {
			tokens = s.Login(t, eve, otherPassword)
			s.Do(t, "DELETE", api("/me"), body{"current_password": otherPassword}, bearer()).Want(t, 204)
		}, by("anonymous", "login", "success"), by("account", "account.deleted", "success"))
		if n := queryValue[int](t, db, "SELECT count(*) FROM audit WHERE account_id = $1", string(id)); n < 8 {
			t.Errorf("only %d lines of the deleted account are left", n)
		}
	})
}

func create(t testing.TB, s *servertest.Server, email string, by auth.Actor) auth.AccountID {
	t.Helper()
	return createIn(t, s, auth.DefaultTenant, email, by)
}

func createIn(t testing.TB, s *servertest.Server, tenant auth.TenantID, email string, by auth.Actor) auth.AccountID {
	t.Helper()
	a, err := s.Accounts.Create(t.Context(), tenant, account.Creation{Email: email, Password: servertest.Password, Verified: true}, by)
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// TestAttack_OP_05_NotEdited: no route changes the audit log, and lines of a deleted account
// stay.
func TestAttack_OP_05_NotEdited(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, route := range changingRoutes(t, s) {
		if strings.Contains(route.path, "audit") || strings.Contains(route.path, "event") {
			t.Errorf("%s %s", route.method, route.path)
		}
	}
}
