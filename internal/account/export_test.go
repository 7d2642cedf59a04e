package account_test

import (
	"context"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// An export contains all data, including client sessions below a browser session.
func TestRepair_S24_ExportIsWhole(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, _, _ := h.signIn(a)
		below := v
		below.ID, below.Parent, below.Digest, below.Client = auth.SessionID(secret.NewID(h.clock.Now())), v.ID, "", "app"
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			if err := tx.InsertClient(auth.Client{ID: "app", Name: "App", Type: auth.ClientWeb, CreatedAt: tx.Now, UpdatedAt: tx.Now}); err != nil {
				return err
			}
			if err := tx.InsertSession(below); err != nil {
				return err
			}
			if err := tx.PutConsent(auth.Consent{Account: a.ID, Client: "app", Scope: auth.Scope{"openid", "email"}}); err != nil {
				return err
			}
			return tx.InsertRememberMe(auth.RememberMe{ID: "s", Account: a.ID, Digest: "d", AuthAt: tx.Now, CreatedAt: tx.Now, RotatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Hour)})
		}))
		h.insertFactor(a, auth.ProofPasskey)

		out, err := h.Export(t.Context(), tenant, a.ID, actorOf(a))

		h.requireOK(err)
		if len(out.Factors) != 1 || out.Factors[0].Kind != auth.ProofPasskey || len(out.Sessions) != 2 || len(out.Remembered) != 1 || len(out.Consents) != 1 || out.Consents[0].Client != "app" || out.Consents[0].Scope != "openid email" {
			t.Errorf("sessions %+v, browsers %+v, consents %+v", out.Sessions, out.Remembered, out.Consents)
		}
	})
}

// Concurrent exports leave readers for other requests. An export that waits too long is
// unavailable.
func TestRepair_S7_ExportsLeaveReaders(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		free := h.FillExports()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Export(ctx, tenant, a.ID, actorOf(a)); auth.KindOf(err) != auth.KindUnavailable {
			t.Errorf("an export beyond the concurrent ones: %v", err)
		}
		if _, err := h.Get(t.Context(), tenant, a.ID); err != nil {
			t.Errorf("another request waits for exports: %v", err)
		}
		free()
		_, err := h.Export(t.Context(), tenant, a.ID, actorOf(a))
		h.requireOK(err)
	})
}
