package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func newAccount(t *testing.T, tx *store.Tx, email string) auth.Account {
	t.Helper()
	e, err := auth.ParseEmail(email)
	if err != nil {
		t.Fatal(err)
	}
	a := auth.Account{ID: auth.AccountID(secret.NewID(tx.Now)), Email: e, Name: "N", CreatedAt: tx.Now, UpdatedAt: tx.Now}
	if err := tx.InsertAccount(a); err != nil {
		t.Fatal(err)
	}
	return a
}

// checkClients walks through the statements about clients.
func checkClients(t *testing.T, tx *store.Tx) {
	t.Helper()
	c := auth.Client{ID: "cl_1", Name: "C", Type: auth.ClientMachine, Secrets: []auth.ClientSecret{{Digest: "d", CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Hour)}},
		RedirectURIs: []string{"https://app.example.test/cb"}, Scopes: []string{"a"}, CreatedAt: tx.Now, UpdatedAt: tx.Now,
		Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantClientCredentials}, Auth: auth.AuthPrivateKeyJWT, JWKS: []byte(`{"keys":[]}`), Audiences: []string{"https://api.example.test"}}}}
	if err := tx.InsertClient(c); err != nil {
		t.Fatal(err)
	}
	if err := tx.InsertClient(c); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("second client: %v", err)
	}
	c.Name, c.DisabledAt, c.FirstParty = "D", tx.Now, false
	if err := tx.UpdateClient(c); err != nil {
		t.Fatal(err)
	}
	asking, err := tx.ClientAuthState(c.ID)
	want := auth.Client{ID: c.ID, Type: c.Type, Secrets: c.Secrets, Scopes: c.Scopes, Settings: c.Settings, DisabledAt: c.DisabledAt}
	if d := cmp.Diff(want, asking.Client); d != "" || err != nil || asking.Tenant.ID != auth.DefaultTenant {
		t.Errorf("asking: %v, tenant %v, client (-want +got):\n%s", err, asking.Tenant, d)
	}
	if got, err := tx.Client(c.ID); err != nil || cmp.Diff(c, got) != "" {
		t.Errorf("client: %+v, %v", got, err)
	}
	if first, err := tx.Client(auth.FirstParty); err != nil || !first.FirstParty {
		t.Errorf("first party: %+v, %v", first, err)
	}
	revoked := auth.SingleUse{Kind: auth.UseRevokedAccess, Digest: "j1", Client: c.ID, Data: "{}", CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Minute)}
	if err := tx.InsertSingleUse(revoked); err != nil {
		t.Fatal(err)
	}
	for jti, want := range map[string]bool{"j1": true, "j2": false} {
		if v, err := tx.MachineTokenStatus(c.ID, jti); err != nil || v.Revoked != want || !v.Client.Disabled() || v.Client.ID != c.ID {
			t.Errorf("standing of %s: %+v, %v", jti, v, err)
		}
		if v, err := tx.TokenStatus("s1", auth.FirstParty, jti); err != nil || v.Revoked != want {
			t.Errorf("standing of %s with a session: %+v, %v", jti, v, err)
		}
	}
	if err := tx.DeleteClient(c.ID); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"delete": tx.DeleteClient(c.ID), "update": tx.UpdateClient(c)} {
		if !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%s a client that is gone: %v", name, err)
		}
	}
	if _, err := tx.ClientAuthState(c.ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("asking for a client that is gone: %v", err)
	}
}

// TestContract walks through every statement on both databases.
func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Each(t, contract)
}

// contract walks through every statement.
func contract(t *testing.T, cfg store.Config) {
	t.Helper()
	db := storetest.Open(t, cfg)
	var acc auth.Account
	check := func(name string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		acc = newAccount(t, tx, "Alice@Example.test")
		check("touch", tx.TouchLogin(acc.ID))
		acc.EmailVerifiedAt, acc.LastLoginAt = tx.Now, tx.Now
		check("update", tx.UpdateAccount(acc))
		got, err := tx.AccountByLogin("alice@example.test")
		check("by login", err)
		if d := cmp.Diff(acc, got); d != "" {
			t.Errorf("account (-want +got):\n%s", d)
		}
		if err := tx.InsertAccount(auth.Account{ID: "x", Email: acc.Email, CreatedAt: tx.Now, UpdatedAt: tx.Now}); !errors.Is(err, auth.ErrConflict) {
			t.Errorf("second account: %v", err)
		}
		list, err := tx.Accounts(store.AccountFilter{Prefix: "ali", Limit: 10})
		check("accounts", err)
		if len(list) != 1 {
			t.Errorf("accounts: %v", list)
		}
		check("password", tx.SetPassword(acc.ID, "h1"))
		check("password", tx.SetPassword(acc.ID, "h2"))
		if ok, err := tx.CompareAndSwapPassword(acc.ID, "h1", "h3"); ok || err != nil {
			t.Errorf("swapped an old hash: %v", err)
		}
		if ok, err := tx.CompareAndSwapPassword(acc.ID, "h2", "h3"); !ok || err != nil {
			t.Errorf("did not swap: %v", err)
		}
		if h, err := tx.PasswordHash(acc.ID); h != "h3" || err != nil {
			t.Errorf("hash %q, %v", h, err)
		}
		s := auth.Session{ID: "s1", Account: acc.ID, Client: auth.FirstParty, Digest: "d", AuthAt: tx.Now, ACR: "1", AMR: []string{"pwd"}, IP: "::1", UserAgent: "ua", CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: tx.Now.Add(time.Hour), ExpiresAt: tx.Now.Add(time.Hour)}
		check("session", tx.InsertSession(s))
		gotS, err := tx.SessionByDigest("d")
		check("session", err)
		if d := cmp.Diff(s, gotS); d != "" {
			t.Errorf("session (-want +got):\n%s", d)
		}
		check("touch", tx.TouchSession("s1", tx.Now))
		f := auth.Family{ID: "f1", Account: acc.ID, Client: auth.FirstParty, Session: "s1", Scope: auth.DefaultScope, Digest: "a", CreatedAt: tx.Now, RotatedAt: tx.Now, IdleAt: tx.Now, ExpiresAt: tx.Now}
		check("family", tx.InsertFamily(f))
		gotF, err := tx.Family("f1")
		check("family", err)
		if d := cmp.Diff(f, gotF); d != "" {
			t.Errorf("family (-want +got):\n%s", d)
		}
		if ok, err := tx.RotateFamily("f1", "a", "b", tx.Now); !ok || err != nil {
			t.Errorf("rotate: %v", err)
		}
		if ok, err := tx.RotateFamily("f1", "a", "c", tx.Now); ok || err != nil {
			t.Errorf("rotated twice: %v", err)
		}
		check("revoke", tx.RevokeFamily("f1", "x"))
		if ok, _ := tx.RotateFamily("f1", "b", "c", tx.Now); ok {
			t.Error("rotated a revoked family")
		}
		renewed := s
		renewed.Digest, renewed.RememberMe = "d2", "series"
		check("renew", tx.RenewSession(renewed))
		signed, owner, err := tx.SignedIn("d2")
		check("signed in", err)
		if d := cmp.Diff(acc, owner); d != "" || signed.ID != "s1" {
			t.Errorf("signed in: %v, account (-want +got):\n%s", signed, d)
		}
		standing, err := tx.TokenStatus("s1", auth.FirstParty, "jti")
		check("standing", err)
		if standing.Session.Account != acc.ID || standing.Client.ID != auth.FirstParty || standing.Session.ExpiresAt != s.ExpiresAt {
			t.Errorf("standing: %+v", standing)
		}
		if _, err := tx.TokenStatus("s1", "nobody", "jti"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("standing of an unknown client: %v", err)
		}
		check("drop cookie", tx.ClearSessionDigest("s1", "other"))
		check("drop cookie", tx.ClearSessionDigest("s1", "d2"))
		if _, err := tx.SessionByDigest("d2"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("dropped cookie: %v", err)
		}
		check("renew", tx.RenewSession(renewed))
		check("end", tx.EndSession(acc.ID, "s1", "x"))
		if _, err := tx.EndSessions(acc.ID, "", "x"); err != nil {
			t.Error(err)
		}
		for _, id := range []auth.SessionID{"s2", "s3", "s4"} {
			more := s
			more.ID, more.Digest = id, ""
			check("session", tx.InsertSession(more))
		}
		if n, err := tx.EndOldestSessions(acc.ID, 2, "x"); n != 1 || err != nil {
			t.Errorf("ended %d of the oldest, %v", n, err)
		}
		if n, err := tx.EndOldestSessions(acc.ID, 2, "x"); n != 0 || err != nil {
			t.Errorf("ended %d more of the oldest, %v", n, err)
		}
		if left, err := tx.Sessions(acc.ID); len(left) != 2 || left[0].ID != "s4" || err != nil {
			t.Errorf("left: %v, %v", left, err)
		}
		one := auth.SingleUse{Kind: "k", Digest: "d", Account: acc.ID, Data: "{}", CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Minute)}
		check("single", tx.InsertSingleUse(one))
		if err := tx.InsertSingleUse(one); !errors.Is(err, auth.ErrConflict) {
			t.Errorf("single use twice: %v", err)
		}
		if _, err := tx.Consume("k", "d"); err != nil {
			t.Error(err)
		}
		if _, err := tx.Consume("k", "d"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("taken twice: %v", err)
		}
		_, err = tx.SingleUse("k", "d")
		check("look", err)
		check("drop", tx.DeleteSingleUses(acc.ID, "k"))
		r := auth.Role{ID: "r1", Name: "editor", CreatedAt: tx.Now}
		check("role", tx.InsertRole(r))
		check("permission", tx.PutPermission(auth.Permission{Name: "a:b", CreatedAt: tx.Now}))
		check("permission", tx.PutPermission(auth.Permission{Name: "a:b", Description: "more", CreatedAt: tx.Now}))
		if ok, err := tx.AddRolePermission("r1", "a:b"); !ok || err != nil {
			t.Error(err)
		}
		if ok, err := tx.AssignRole(acc.ID, "r1"); !ok || err != nil {
			t.Error(err)
		}
		roles, perms, err := tx.Rights(acc.ID)
		check("rights", err)
		profile, err := tx.Profile(acc.ID)
		check("profile", err)
		if d := cmp.Diff(store.Profile{Account: acc, Roles: roles, Permissions: perms}, profile); d != "" {
			t.Errorf("profile (-want +got):\n%s", d)
		}
		if !cmp.Equal(roles, []string{"editor"}) || !cmp.Equal(perms, []string{"a:b"}) {
			t.Errorf("rights: %v %v", roles, perms)
		}
		ref, err := tx.RefreshState("f1")
		check("refreshing", err)
		famNow, err := tx.Family("f1")
		check("family", err)
		self0, err := tx.CurrentTenant()
		check("self", err)
		if d := cmp.Diff(store.RefreshState{
			Family:      famNow,
			Session:     auth.Session{ID: "s1", Account: acc.ID, AuthAt: s.AuthAt, ACR: s.ACR, AMR: s.AMR, SeenAt: s.SeenAt, IdleAt: ref.Session.IdleAt, ExpiresAt: s.ExpiresAt, EndedAt: tx.Now},
			Account:     auth.Account{ID: acc.ID, Email: acc.Email, Name: acc.Name, EmailVerifiedAt: acc.EmailVerifiedAt, CreatedAt: acc.CreatedAt, UpdatedAt: acc.UpdatedAt},
			Client:      auth.Client{ID: auth.FirstParty, Type: auth.ClientNative, FirstParty: true},
			Tenant:      auth.Tenant{ID: self0.ID, Settings: self0.Settings},
			Entitlement: auth.Entitlement{Rights: auth.Rights{Roles: roles, Permissions: perms}},
		}, ref); d != "" {
			t.Errorf("refreshing (-want +got):\n%s", d)
		}
		_, err = tx.Roles()
		check("roles", err)
		_, err = tx.Role("editor")
		check("role", err)
		_, err = tx.Permissions()
		check("permissions", err)
		checkClients(t, tx)
		_, err = tx.Clients()
		check("clients", err)
		k := auth.SigningKey{ID: "k1", Algorithm: "ES256", Public: []byte("{}"), Sealed: cfg.Keyring.Seal(store.KeyContext("default", "k1"), []byte("p")), CreatedAt: tx.Now, ActiveAt: tx.Now}
		check("key", tx.InsertSigningKey(k))
		check("key", tx.UpdateSigningKey(k))
		ks, err := tx.SigningKeys()
		check("keys", err)
		if d := cmp.Diff([]auth.SigningKey{k}, ks); d != "" {
			t.Errorf("keys (-want +got):\n%s", d)
		}
		check("record", tx.Record(auth.Event{Kind: auth.EventLogin, Account: acc.ID, Detail: map[string]string{"a": "b"}}))
		ev, err := tx.Events(store.EventFilter{Limit: 5, Account: acc.ID})
		check("events", err)
		if len(ev) != 1 || ev[0].Detail["a"] != "b" {
			t.Errorf("events: %+v", ev)
		}
		self, err := tx.CurrentTenant()
		check("self", err)
		check("self", tx.UpdateCurrentTenant(self))
		check("enqueue", tx.Enqueue(auth.MailVerify, auth.Mail{To: "a@b.test", Token: "t"}))
		check("enqueue", tx.Enqueue(auth.MailReset, auth.Mail{To: "a@b.test", Token: "u"}))
		return nil
	})
	check("write", err)
	err = db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
		n, _, err := tx.OutboxBacklog()
		if n != 2 || err != nil {
			t.Errorf("waiting: %d, %v", n, err)
		}
		c, err := tx.ClaimMessages("w1", tx.Now.Add(time.Minute), "", 10)
		check("claim", err)
		if len(c) != 1 || c[0].Payload.Token != "t" || c[0].Attempts != 1 || c[0].DecodeErr != nil {
			t.Fatalf("claimed: %+v", c)
		}
		again, err := tx.ClaimMessages("w2", tx.Now.Add(time.Minute), "", 10)
		if len(again) != 0 || err != nil {
			t.Errorf("claimed again: %+v %v", again, err)
		}
		check("extend", tx.ExtendMessage(c[0], tx.Now.Add(time.Hour)))
		check("delay", tx.DelayMessage(c[0], tx.Now, "no"))
		if err := tx.ExtendMessage(c[0], tx.Now.Add(time.Hour)); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("extend a released message: %v", err)
		}
		c, err = tx.ClaimMessages("w1", tx.Now.Add(time.Minute), "", 10)
		check("claim", err)
		check("finish", tx.FinishMessage(c[0]))
		v, err := tx.EnsureSecret("root", []byte("r"))
		if string(v) != "r" || err != nil {
			t.Errorf("secret: %q %v", v, err)
		}
		v, err = tx.EnsureSecret("root", []byte("other"))
		if string(v) != "r" || err != nil {
			t.Errorf("secret: %q %v", v, err)
		}
		if n, err := tx.Reseal(); n != 0 || err != nil {
			t.Errorf("reseal: %d %v", n, err)
		}
		_, err = tx.Tenants()
		check("tenants", err)
		n, err = tx.Sweep(store.Retention{Flows: tx.Now.Add(2 * time.Hour), ShortLived: tx.Now.Add(2 * time.Hour), Expired: tx.Now.Add(2 * time.Hour)}, 100)
		if n != 7 || err != nil { // the spent secret, the revoked token, the sessions, the family
			t.Errorf("swept %d, %v", n, err)
		}
		return nil
	})
	check("write", err)
	check("delete", db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error { return tx.DeleteAccount(acc.ID) }))
	check("ping", db.Ping(t.Context()))
}
