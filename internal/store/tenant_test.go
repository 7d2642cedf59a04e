package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// The victim's ids are all "x", so that a statement that forgets the tenant finds
// them under the attacker's.
func seedVictim(tx *store.Tx, ring *secret.Keyring) error {
	email, err := auth.ParseEmail("x@example.test")
	if err != nil {
		return err
	}
	now := tx.Now
	steps := []func() error{
		func() error {
			return tx.InsertAccount(auth.Account{ID: "x", Email: email, EmailVerifiedAt: now, Username: "victim", Name: "victim", CreatedAt: now, UpdatedAt: now})
		},
		func() error { return tx.SetPassword("x", "hash") },
		func() error {
			return tx.InsertClient(auth.Client{ID: "x", Name: "victim", Type: auth.ClientNative, CreatedAt: now, UpdatedAt: now})
		},
		func() error {
			return tx.InsertSession(auth.Session{ID: "x", Account: "x", Client: "x", Digest: "x", AuthAt: now, CreatedAt: now, SeenAt: now, IdleAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)})
		},
		func() error { f := newFamily("x", "x", now); f.Client, f.Digest = "x", "x"; return tx.InsertFamily(f) },
		func() error { v := newLink("x", now); v.Account = "x"; return tx.InsertSingleUse(v) },
		func() error { return tx.InsertRole(auth.Role{ID: "x", Name: "x", CreatedAt: now}) },
		func() error { return tx.PutPermission(auth.Permission{Name: "x", CreatedAt: now}) },
		func() error { _, err := tx.AddRolePermission("x", "x"); return err },
		func() error { _, err := tx.AssignRole("x", "x"); return err },
		func() error {
			return tx.InsertSigningKey(auth.SigningKey{ID: "x", Algorithm: "ES256", Public: []byte("{}"), Sealed: ring.Seal("x", nil), CreatedAt: now, ActiveAt: now})
		},
		func() error { return tx.InsertFlow(newFlow("x", now)) },
		func() error { return tx.PutConsent(auth.Consent{Account: "x", Client: "x"}) },
		func() error { return tx.InsertDevice(newDevice("x", now)) },
		func() error { return tx.InsertRememberMe(newRememberMe("x", now)) },
		func() error {
			return tx.SetPicture(auth.Picture{Name: "x", Account: "x", Type: "image/png", Bytes: []byte("x"), CreatedAt: now})
		},
		func() error { return tx.InsertTrustedBrowser(newTrustedBrowser("x", now)) },
		func() error {
			return tx.InsertFactor(auth.Factor{ID: "x", Account: "x", Kind: auth.ProofRecoveryCode, Lookup: "x", CreatedAt: now, ProvedAt: now})
		},
		func() error { return tx.Record(auth.Event{Kind: auth.EventLogin, Account: "x"}) },
		func() error { return tx.Enqueue(auth.MailVerify, auth.Mail{To: "x@example.test", Token: "x"}) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

func newFlow(id string, now time.Time) auth.Flow {
	return auth.Flow{ID: auth.FlowID(id), Browser: "x", Kind: auth.FlowAccount, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
}

func newDevice(id string, now time.Time) auth.Device {
	return auth.Device{Digest: id, UserDigest: id, Client: "x", Status: auth.DevicePending, Interval: 5 * time.Second, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
}

func newRememberMe(id string, now time.Time) auth.RememberMe {
	return auth.RememberMe{ID: auth.RememberMeID(id), Account: "x", Digest: "x", AuthAt: now, CreatedAt: now, RotatedAt: now, ExpiresAt: now.Add(time.Hour)}
}

func newTrustedBrowser(id string, now time.Time) auth.TrustedBrowser {
	return auth.TrustedBrowser{ID: auth.TrustedBrowserID(id), Account: "x", Digest: "x", CreatedAt: now, UsedAt: now, ExpiresAt: now.Add(time.Hour)}
}

// intrusions call each method of Tx with the victim's ids. Each must return the zero
// value, false, an empty list or an error.
var intrusions = map[string]func(tx *store.Tx) (any, error){
	"Account":           func(tx *store.Tx) (any, error) { return tx.Account("x") },
	"AccountByLogin":    func(tx *store.Tx) (any, error) { return tx.AccountByLogin("x@example.test") },
	"AccountByUsername": func(tx *store.Tx) (any, error) { return tx.AccountByUsername("victim") },
	"AccountByName":     func(tx *store.Tx) (any, error) { return tx.AccountByName("victim") },
	"Accounts":          func(tx *store.Tx) (any, error) { return tx.Accounts(store.AccountFilter{Limit: 100}) },
	"InsertAccount": func(tx *store.Tx) (any, error) { // the same id and login are free here, and are another account
		return nil, tx.InsertAccount(auth.Account{ID: "x", Email: auth.Email{Address: "x@example.test", Login: "x@example.test"}, CreatedAt: tx.Now, UpdatedAt: tx.Now})
	},
	"UpdateAccount": func(tx *store.Tx) (any, error) { return nil, tx.UpdateAccount(auth.Account{ID: "x", Name: "evil"}) },
	"TouchLogin":    func(tx *store.Tx) (any, error) { return nil, tx.TouchLogin("x") },
	"DeleteAccount": func(tx *store.Tx) (any, error) { return nil, tx.DeleteAccount("x") },
	"Record": func(tx *store.Tx) (any, error) {
		return nil, tx.Record(auth.Event{Kind: auth.EventLogin, Account: "x"})
	},
	"Events":          func(tx *store.Tx) (any, error) { return tx.Events(store.EventFilter{Limit: 100}) },
	"Client":          func(tx *store.Tx) (any, error) { return tx.Client("x") },
	"Clients":         func(tx *store.Tx) (any, error) { return tx.Clients() },
	"ClientsAfter":    func(tx *store.Tx) (any, error) { return tx.ClientsAfter("", 100) },
	"RedemptionState": func(tx *store.Tx) (any, error) { return tx.RedemptionState("x") },
	"CompareAndSwapSingleUse": func(tx *store.Tx) (any, error) {
		return tx.CompareAndSwapSingleUse(auth.UseVerifyEmail, "x", "{}", "evil")
	},
	"PutSingleUse": func(tx *store.Tx) (any, error) {
		return nil, tx.PutSingleUse(auth.SingleUse{Kind: auth.UseVerifyEmail, Digest: "x", Data: "evil", CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Hour)})
	},
	"InsertClient": func(tx *store.Tx) (any, error) {
		return nil, tx.InsertClient(auth.Client{ID: "x", CreatedAt: tx.Now, UpdatedAt: tx.Now})
	},
	"SetPassword":            func(tx *store.Tx) (any, error) { return nil, tx.SetPassword("x", "evil") },
	"CompareAndSwapPassword": func(tx *store.Tx) (any, error) { return tx.CompareAndSwapPassword("x", "hash", "evil") },
	"PasswordHash":           func(tx *store.Tx) (any, error) { return tx.PasswordHash("x") },
	"PasswordSince":          func(tx *store.Tx) (any, error) { return tx.PasswordSince("x") },
	"PasswordSetAt":          func(tx *store.Tx) (any, error) { return tx.PasswordSetAt("x@example.test") },
	"DeletePassword":         func(tx *store.Tx) (any, error) { return nil, tx.DeletePassword("x") },
	"InsertFamily":           func(tx *store.Tx) (any, error) { return nil, tx.InsertFamily(newFamily("x", "x", tx.Now)) },
	"Family":                 func(tx *store.Tx) (any, error) { return tx.Family("x") },
	"RotateFamily":           func(tx *store.Tx) (any, error) { return tx.RotateFamily("x", "x", "evil", tx.Now) },
	"RetryFamily":            func(tx *store.Tx) (any, error) { return tx.RetryFamily("x", "x", 9) },
	"RevokeFamily":           func(tx *store.Tx) (any, error) { return nil, tx.RevokeFamily("x", "evil") },
	"SigningKeys":            func(tx *store.Tx) (any, error) { return tx.SigningKeys() },
	"InsertSigningKey": func(tx *store.Tx) (any, error) {
		return nil, tx.InsertSigningKey(auth.SigningKey{ID: "x", Public: []byte{1}, Sealed: []byte{1}, CreatedAt: tx.Now, ActiveAt: tx.Now})
	},
	"InsertRetiredKey": func(tx *store.Tx) (any, error) {
		return nil, tx.InsertRetiredKey(auth.SigningKey{ID: "x", Algorithm: "ES256", Public: []byte("{}")}, tx.Now.Add(time.Hour))
	},
	"RetiredKey": func(tx *store.Tx) (any, error) { return tx.RetiredKey("x") },
	"UpdateSigningKey": func(tx *store.Tx) (any, error) {
		return nil, tx.UpdateSigningKey(auth.SigningKey{ID: "x", Sealed: []byte{1}, ActiveAt: tx.Now})
	},
	"DeleteSigningKey": func(tx *store.Tx) (any, error) { return nil, tx.DeleteSigningKey("x") },
	"Notify": func(tx *store.Tx) (any, error) {
		return nil, tx.Notify(auth.Account{EmailVerifiedAt: tx.Now}, auth.MailPasswordChanged, auth.Mail{})
	},
	"NotifySessionsEnded": func(tx *store.Tx) (any, error) { return nil, tx.NotifySessionsEnded("x", auth.Actor{}) },
	"AllSessions":         func(tx *store.Tx) (any, error) { return tx.AllSessions("x") },
	"AccountRememberMe":   func(tx *store.Tx) (any, error) { return tx.AccountRememberMe("x") },
	"LiveSingleUses":      func(tx *store.Tx) (any, error) { return tx.LiveSingleUses("x", auth.UseVerifyEmail) },
	"Enqueue": func(tx *store.Tx) (any, error) {
		return nil, tx.Enqueue(auth.MailVerify, auth.Mail{To: "x@example.test"})
	},
	"Role":  func(tx *store.Tx) (any, error) { return tx.Role("x") },
	"Roles": func(tx *store.Tx) (any, error) { return tx.Roles() },
	"InsertRole": func(tx *store.Tx) (any, error) {
		return nil, tx.InsertRole(auth.Role{ID: "x", Name: "x", CreatedAt: tx.Now})
	},
	"DeleteRole": func(tx *store.Tx) (any, error) { return nil, tx.DeleteRole("x") },
	"PutPermission": func(tx *store.Tx) (any, error) {
		return nil, tx.PutPermission(auth.Permission{Name: "x", Description: "evil", CreatedAt: tx.Now})
	},
	"Permissions":          func(tx *store.Tx) (any, error) { return tx.Permissions() },
	"AddRolePermission":    func(tx *store.Tx) (any, error) { return tx.AddRolePermission("x", "x") },
	"RemoveRolePermission": func(tx *store.Tx) (any, error) { return tx.RemoveRolePermission("x", "x") },
	"AssignRole":           func(tx *store.Tx) (any, error) { return tx.AssignRole("x", "x") },
	"UnassignRole":         func(tx *store.Tx) (any, error) { return tx.UnassignRole("x", "x") },
	"Rights": func(tx *store.Tx) (any, error) {
		roles, permissions, err := tx.Rights("x")
		return append(roles, permissions...), err
	},
	"Entitlement": func(tx *store.Tx) (any, error) {
		e, err := tx.Entitlement("x", auth.Scope{"p:x"})
		return append(e.Known, append(e.Roles, e.Permissions...)...), err
	},
	"PermissionsIn":       func(tx *store.Tx) (any, error) { return tx.PermissionsIn(auth.Scope{"p:x"}) },
	"CountAdministrators": func(tx *store.Tx) (any, error) { return tx.CountAdministrators() },
	"RequireAdministrator": func(tx *store.Tx) (any, error) {
		return nil, tx.RequireAdministrator(nil, func() error { return nil })
	},
	"LargestRights": func(tx *store.Tx) (any, error) { return tx.LargestRights("x") },
	"InsertSession": func(tx *store.Tx) (any, error) {
		return nil, tx.InsertSession(auth.Session{ID: "x", Account: "x", Client: "x", Digest: "x", AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: tx.Now, ExpiresAt: tx.Now})
	},
	"Session":           func(tx *store.Tx) (any, error) { return tx.Session("x") },
	"SessionByDigest":   func(tx *store.Tx) (any, error) { return tx.SessionByDigest("x") },
	"Sessions":          func(tx *store.Tx) (any, error) { return tx.Sessions("x") },
	"TouchSession":      func(tx *store.Tx) (any, error) { return nil, tx.TouchSession("x", tx.Now) },
	"EndSession":        func(tx *store.Tx) (any, error) { return nil, store.CommitWith(tx.EndSession("x", "x", "evil")) },
	"EndSessions":       func(tx *store.Tx) (any, error) { return tx.EndSessions("x", "", "evil") },
	"EndOldestSessions": func(tx *store.Tx) (any, error) { return tx.EndOldestSessions("x", 0, "r") },
	"RenewSession": func(tx *store.Tx) (any, error) {
		return nil, tx.RenewSession(auth.Session{ID: "x", Digest: "evil", AuthAt: tx.Now, IdleAt: tx.Now, ExpiresAt: tx.Now})
	},
	"EndRememberMeSessions":    func(tx *store.Tx) (any, error) { return tx.EndRememberMeSessions("x", "x", "evil") },
	"EndOldestGrantedSessions": func(tx *store.Tx) (any, error) { return tx.EndOldestGrantedSessions("x", "x", 0, "evil") },
	"EndGrantedSessions":       func(tx *store.Tx) (any, error) { return tx.EndGrantedSessions("x", "x", "evil") },
	"EndClientSessions":        func(tx *store.Tx) (any, error) { return tx.EndClientSessions("x", 10, "evil") },
	"EnqueueLogout": func(tx *store.Tx) (any, error) {
		return nil, tx.EnqueueLogout(auth.LogoutNotice{Client: "x", Account: "x", Session: "x", URI: "https://x.example.test"})
	},
	"ClearSessionDigest": func(tx *store.Tx) (any, error) { return nil, tx.ClearSessionDigest("x", "x") },
	"ClientSession":      func(tx *store.Tx) (any, error) { return tx.ClientSession("x", "x") },
	"UpdateClientSession": func(tx *store.Tx) (any, error) {
		return nil, tx.UpdateClientSession(auth.Session{ID: "x", AuthAt: tx.Now, IdleAt: tx.Now, ExpiresAt: tx.Now})
	},
	"InsertFlow":            func(tx *store.Tx) (any, error) { return nil, tx.InsertFlow(newFlow("x", tx.Now)) },
	"Flow":                  func(tx *store.Tx) (any, error) { return tx.Flow("x") },
	"UpdateFlow":            func(tx *store.Tx) (any, error) { return nil, tx.UpdateFlow(newFlow("x", tx.Now)) },
	"BindFlow":              func(tx *store.Tx) (any, error) { return nil, tx.BindFlow("x", "evil", tx.Now) },
	"PasswordState":         func(tx *store.Tx) (any, error) { return tx.PasswordState("x@example.test") },
	"PasswordState by name": func(tx *store.Tx) (any, error) { return tx.PasswordState("victim") },
	"FindSignIn":            func(tx *store.Tx) (any, error) { return tx.FindSignIn("x", 9, func(auth.Actor) bool { return true }) },
	"SwitchFlow":            func(tx *store.Tx) (any, error) { return nil, tx.SwitchFlow("x", "", "y") },
	"DeleteSingleUse":       func(tx *store.Tx) (any, error) { return nil, tx.DeleteSingleUse("x", auth.UseVerifyEmail, "x") },
	"DeleteRescues":         func(tx *store.Tx) (any, error) { return nil, tx.DeleteRescues("x") },
	"ConsumeCeremony":       func(tx *store.Tx) (any, error) { return nil, tx.ConsumeCeremony("x", "x") },
	"FinishFlow":            func(tx *store.Tx) (any, error) { return nil, tx.FinishFlow("x") },
	"Consent":               func(tx *store.Tx) (any, error) { return tx.Consent("x", "x") },
	"Consents":              func(tx *store.Tx) (any, error) { return tx.Consents("x") },
	"PutConsent":            func(tx *store.Tx) (any, error) { return nil, tx.PutConsent(auth.Consent{Account: "x", Client: "x"}) },
	"DeleteConsents":        func(tx *store.Tx) (any, error) { return nil, tx.DeleteConsents("x") },
	"DeleteConsent":         func(tx *store.Tx) (any, error) { return nil, tx.DeleteConsent("x", "x") },
	"InsertDevice":          func(tx *store.Tx) (any, error) { return nil, tx.InsertDevice(newDevice("x", tx.Now)) },
	"Device":                func(tx *store.Tx) (any, error) { return tx.Device("x") },
	"DeviceByUserCode":      func(tx *store.Tx) (any, error) { return tx.DeviceByUserCode("x") },
	"PollDevice":            func(tx *store.Tx) (any, error) { return nil, tx.PollDevice("x", time.Second) },
	"DecideDevice":          func(tx *store.Tx) (any, error) { return nil, tx.DecideDevice("x", auth.DeviceDenied, "", "", nil) },
	"ConsumeDevice":         func(tx *store.Tx) (any, error) { return tx.ConsumeDevice("x") },
	"InsertRememberMe":      func(tx *store.Tx) (any, error) { return nil, tx.InsertRememberMe(newRememberMe("x", tx.Now)) },
	"RememberMe":            func(tx *store.Tx) (any, error) { return tx.RememberMe("x") },
	"RotateRememberMe":      func(tx *store.Tx) (any, error) { return tx.RotateRememberMe("x", "x", "evil") },
	"RetryRememberMe":       func(tx *store.Tx) (any, error) { return nil, tx.RetryRememberMe("x", "x", 9) },
	"RenewRememberMe":       func(tx *store.Tx) (any, error) { return nil, tx.RenewRememberMe("x", tx.Now, "", nil) },
	"RevokeRememberMe":      func(tx *store.Tx) (any, error) { return nil, tx.RevokeRememberMe("x", "x", "evil") },
	"RevokeAllRememberMe":   func(tx *store.Tx) (any, error) { return nil, tx.RevokeAllRememberMe("x", "", "evil") },
	"Picture":               func(tx *store.Tx) (any, error) { return tx.Picture("x") },
	"SetPicture":            func(tx *store.Tx) (any, error) { return nil, tx.SetPicture(auth.Picture{Account: "x", Name: "evil"}) },
	"InsertTrustedBrowser":  func(tx *store.Tx) (any, error) { return nil, tx.InsertTrustedBrowser(newTrustedBrowser("x", tx.Now)) },
	"TrustedBrowser":        func(tx *store.Tx) (any, error) { return tx.TrustedBrowser("x") },
	"TrustedBrowsers":       func(tx *store.Tx) (any, error) { return tx.TrustedBrowsers("x") },
	"RotateTrustedBrowser":  func(tx *store.Tx) (any, error) { return tx.RotateTrustedBrowser("x", "x", "evil") },
	"DeleteTrustedBrowser":  func(tx *store.Tx) (any, error) { return nil, tx.DeleteTrustedBrowser("x", "x") },
	"DeleteTrustedBrowsers": func(tx *store.Tx) (any, error) { return tx.DeleteTrustedBrowsers("x") },
	"InsertSingleUse": func(tx *store.Tx) (any, error) {
		v := newLink("x", tx.Now)
		v.Account = "x"
		return nil, tx.InsertSingleUse(v)
	},
	"Consume":   func(tx *store.Tx) (any, error) { return tx.Consume(auth.UseVerifyEmail, "x") },
	"SingleUse": func(tx *store.Tx) (any, error) { return tx.SingleUse(auth.UseVerifyEmail, "x") },
	"ReplaceExpired": func(tx *store.Tx) (any, error) {
		return nil, tx.ReplaceExpired(auth.SingleUse{Kind: auth.UseVerifyEmail, Digest: "x", Data: "evil", CreatedAt: tx.Now, ExpiresAt: tx.Now})
	},
	"AnnotateSingleUse": func(tx *store.Tx) (any, error) { return nil, tx.AnnotateSingleUse(auth.UseVerifyEmail, "x", "evil") },
	"DeleteSingleUsesSince": func(tx *store.Tx) (any, error) {
		return nil, tx.DeleteSingleUsesSince("x", auth.UseVerifyEmail, time.Time{})
	},
	"DeleteSingleUses":   func(tx *store.Tx) (any, error) { return nil, tx.DeleteSingleUses("x", auth.UseVerifyEmail) },
	"RefreshState":       func(tx *store.Tx) (any, error) { return tx.RefreshState("x") },
	"TokenStatus":        func(tx *store.Tx) (any, error) { return tx.TokenStatus("x", "x", "x") },
	"UserInfoState":      func(tx *store.Tx) (any, error) { return tx.UserInfoState("x", "x", "x") },
	"MachineTokenStatus": func(tx *store.Tx) (any, error) { return tx.MachineTokenStatus("x", "x") },
	"ClientAuthState":    func(tx *store.Tx) (any, error) { return tx.ClientAuthState("x") },
	"UpdateClient":       func(tx *store.Tx) (any, error) { return nil, tx.UpdateClient(auth.Client{ID: "x", Name: "evil"}) },
	"DeleteClientCodes":  func(tx *store.Tx) (any, error) { return nil, tx.DeleteClientCodes("x") },
	"DeleteClient":       func(tx *store.Tx) (any, error) { return nil, tx.DeleteClient("x") },
	"Exec":               func(*store.Tx) (any, error) { return nil, nil }, // only of the tests
	"Profile":            func(tx *store.Tx) (any, error) { return tx.Profile("x") },
	"SignedIn": func(tx *store.Tx) (any, error) {
		s, a, err := tx.SignedIn("x")
		return string(s.ID) + string(a.ID), err
	},
	"CurrentTenant": func(tx *store.Tx) (any, error) {
		t, err := tx.CurrentTenant()
		if t.ID != "a" {
			return t, err
		}
		return nil, err
	},
	"UpdateCurrentTenant": func(tx *store.Tx) (any, error) {
		return nil, tx.UpdateCurrentTenant(auth.Tenant{ID: "b", Name: "evil"})
	},
	"AdvanceFactor":  func(tx *store.Tx) (any, error) { return tx.AdvanceFactor("x", "x", 1<<40) },
	"ConsumeFactor":  func(tx *store.Tx) (any, error) { return nil, tx.ConsumeFactor("x", auth.ProofRecoveryCode, "x") },
	"DeleteFactor":   func(tx *store.Tx) (any, error) { return nil, tx.DeleteFactor("x", "x") },
	"DeleteFactors":  func(tx *store.Tx) (any, error) { return tx.DeleteFactors("x", auth.ProofTOTP, auth.ProofRecoveryCode) },
	"FactorByLookup": func(tx *store.Tx) (any, error) { return tx.FactorByLookup(auth.ProofRecoveryCode, "x") },
	"BindFactors":    func(tx *store.Tx) (any, error) { return nil, tx.BindFactors("x") },
	"Factors":        func(tx *store.Tx) (any, error) { return tx.Factors("x") },
	"FactorRoles": func(tx *store.Tx) (any, error) {
		return tx.FactorRoles(auth.Tenant{Settings: auth.Settings{Factors: auth.FactorSettings{Roles: map[string]auth.FactorPolicy{"x": auth.FactorsRequired}}}}, "x")
	},
	"InsertFactor": func(tx *store.Tx) (any, error) { // of an account that tenant a does not have
		return nil, tx.InsertFactor(auth.Factor{ID: "x", Account: "x", Kind: auth.ProofTOTP, CreatedAt: tx.Now})
	},
	"OpenFactor":   func(tx *store.Tx) (any, error) { return tx.OpenFactor(auth.Factor{ID: "x"}) },
	"ProveFactors": func(tx *store.Tx) (any, error) { return nil, tx.ProveFactors("x", auth.ProofTOTP) },
	"RenameFactor": func(tx *store.Tx) (any, error) { return nil, tx.RenameFactor("x", "x", "evil") },
	"SealFactor":   func(*store.Tx) (any, error) { return nil, nil }, // it reads and writes no row
	"UpdateFactor": func(tx *store.Tx) (any, error) { return nil, tx.UpdateFactor(auth.Factor{ID: "x", Account: "x"}) },
	"Tenant":       func(tx *store.Tx) (any, error) { return nil, nil },
}

// TestTenantsAreApart checks that no method of a transaction of tenant a sees or changes a row
// of tenant b.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	typ := reflect.TypeFor[*store.Tx]()
	for i := range typ.NumMethod() {
		if name := typ.Method(i).Name; intrusions[name] == nil {
			t.Errorf("Tx.%s is not tried: add it to intrusions", name)
		}
	}
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		storetest.Tenant(t, db, "a")
		storetest.Tenant(t, db, "b")
		if err := db.Write(t.Context(), "b", func(tx *store.Tx) error { return seedVictim(tx, cfg.Keyring) }); err != nil {
			t.Fatal(err)
		}
		behind, tables := raw(t, cfg.URL), tables(t, cfg.URL)
		before := rowsOf(t, behind, tables, "b")
		if len(before) < 15 {
			t.Fatalf("the victim has only %d rows", len(before))
		}
		if err := db.Rotate(t.Context(), "a", "x", func(time.Time, store.RefreshState) (store.Rotation, error) {
			t.Error("Rotate shows the other tenant's family")
			return store.Rotation{From: "x", To: "evil"}, nil
		}); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("Rotate: %v", err)
		}
		names := make([]string, 0, len(intrusions))
		for name := range intrusions {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			var got any
			tried := errors.New("tried") // leaves no row of tenant a for the next one to find
			err := db.Write(t.Context(), "a", func(tx *store.Tx) error {
				var err error
				if got, err = intrusions[name](tx); err == nil {
					err = store.CommitWith(tried)
				}
				return err
			})
			if err == nil || unavailable(err) {
				t.Errorf("%s: %v", name, err)
			}
			if v := reflect.ValueOf(got); v.IsValid() && !v.IsZero() && (v.Kind() != reflect.Slice || hasVictim(v)) {
				t.Errorf("%s shows %+v", name, got)
			}
			if d := cmp.Diff(before, rowsOf(t, behind, tables, "b")); d != "" {
				t.Fatalf("%s changes the other tenant:\n%s", name, d)
			}
			deleteRows(t, behind, tables, "a")
		}
	})
}

// hasVictim reports whether a list holds anything that is not tenant a's own
// first-party client.
func hasVictim(v reflect.Value) bool {
	for i := range v.Len() {
		if c, ok := v.Index(i).Interface().(auth.Client); !ok || c.ID != auth.FirstParty {
			return true
		}
	}
	return false
}

// rowsOf returns every row of a tenant, as text.
func rowsOf(t *testing.T, db *sql.DB, tables []string, tenant string) []string {
	t.Helper()
	var out []string
	for _, table := range tables {
		column := "tenant_id"
		if table == "tenants" {
			column = "id"
		}
		rows, err := db.Query(fmt.Sprintf("SELECT * FROM %s WHERE %s = $1 ORDER BY 1, 2, 3", table, column), tenant)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			line := table
			for i, v := range values {
				line += fmt.Sprintf(" %s=%v", columns[i], *v.(*any))
			}
			out = append(out, line)
		}
		rows.Close()
	}
	return out
}

// deleteRows deletes all rows of tenant a except its client.
func deleteRows(t *testing.T, db *sql.DB, tables []string, tenant string) {
	t.Helper()
	for _, table := range tables {
		if table == "tenants" {
			continue
		}
		query := "DELETE FROM " + table + " WHERE tenant_id = $1"
		if table == "clients" {
			query += " AND first_party = 0"
		}
		if _, err := db.Exec(query, tenant); err != nil && !strings.Contains(err.Error(), "foreign") {
			t.Fatal(err)
		}
	}
}

func TestNoTransactionWithoutATenant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		for _, run := range []func() error{
			func() error { return db.Write(t.Context(), "", func(*store.Tx) error { return nil }) },
			func() error { return db.Read(t.Context(), "", func(*store.Tx) error { return nil }) },
		} {
			if run() == nil {
				t.Error("a transaction without a tenant was accepted")
			}
		}
	})
}
