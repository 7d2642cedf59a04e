package flow_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

const (
	base   = "https://id.example.test"
	tenant = auth.DefaultTenant
)

// fixture is the package over a real database.
type fixture struct {
	*flow.Service
	t     testing.TB
	clock *storetest.Clock
	db    *store.DB
}

// each runs the test with a new fixture on each database.
func each(t *testing.T, fn func(t *testing.T, h *fixture), with ...func(*store.Config)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		h := &fixture{t: t, clock: storetest.NewClock()}
		cfg.Now = h.clock.Now
		for _, f := range with {
			f(&cfg)
		}
		h.db = storetest.Open(t, cfg)
		root := secret.Bytes(32)
		tokens := token.New(token.Config{Lifetimes: storetest.Lifetimes(), DB: h.db, Keys: keys.New(keys.Config{DB: h.db, Now: h.clock.Now, Algorithm: keys.ES256, RSAKey: storetest.RSAKeys(), RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()}), Base: base, Now: h.clock.Now, Root: root})
		h.Service = flow.New(flow.Config{DB: h.db, Tokens: tokens, Root: root, Base: base})
		fn(t, h)
	})
}

func (h *fixture) requireOK(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) requireRefused(err error, code auth.Code) {
	h.t.Helper()
	if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != code {
		h.t.Errorf("got %v, want %s", err, code)
	}
}

func (h *fixture) requireStep(step flow.Step, err error, kind auth.StepKind) flow.Step {
	h.t.Helper()
	h.requireOK(err)
	if step.Kind != kind {
		h.t.Fatalf("at %s, want %s", step.Kind, kind)
	}
	return step
}

func (h *fixture) write(fn func(tx *store.Tx) error) error {
	return h.db.Write(h.t.Context(), tenant, fn)
}

// signIn starts a session of a new account.
func (h *fixture) signIn(email string) (v session.SignedIn) {
	h.t.Helper()
	h.requireOK(h.write(func(tx *store.Tx) error {
		e, err := auth.ParseEmail(email)
		if err != nil {
			return err
		}
		v.Account = auth.Account{ID: auth.AccountID(secret.NewID(tx.Now)), Email: e, EmailVerifiedAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now}
		if err := tx.InsertAccount(v.Account); err != nil {
			return err
		}
		v.Session, _, err = session.New(session.Config{Lifetimes: storetest.Lifetimes()}).Start(tx, session.Params{Account: v.Account.ID, Client: auth.FirstParty, ACR: "1", AMR: []string{"pwd"}, Cookie: true})
		return err
	}))
	return v
}

// newBrowser returns a browser with a cookie.
func newBrowser(sessions ...session.SignedIn) flow.Browser {
	b := flow.Browser{Sessions: sessions}
	b.EnsureSecret()
	return b
}

func formRef(step flow.Step, b flow.Browser) flow.FormRef {
	return flow.FormRef{Tenant: tenant, Flow: step.Flow.ID, CSRF: step.CSRF, Browser: b}
}

func TestStartGivesTheBrowserItsCookie(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		step, err := h.Start(t.Context(), tenant, auth.FlowAccount, flow.Browser{})
		h.requireStep(step, err, auth.StepLogin)
		if !secret.Valid(flow.BrowserPrefix, step.NewBrowser.Reveal()) || step.Flow.Browser != secret.Digest(step.NewBrowser.Reveal()) {
			t.Errorf("cookie %q of a flow of %q", step.NewBrowser.Reveal(), step.Flow.Browser)
		}
		b := flow.Browser{Secret: step.NewBrowser.Reveal()}
		next, err := h.Continue(t.Context(), tenant, step.Flow.ID, b)
		h.requireStep(next, err, auth.StepLogin)
		if next.NewBrowser != "" || next.CSRF != step.CSRF {
			t.Errorf("continued with cookie %q and CSRF token %q", next.NewBrowser.Reveal(), next.CSRF)
		}
		second, err := h.Start(t.Context(), tenant, auth.FlowDevice, b)
		h.requireStep(second, err, auth.StepDeviceCode)
		if second.NewBrowser != "" {
			t.Error("a browser with a cookie got another")
		}
		if _, err := h.Start(t.Context(), tenant, auth.FlowAuthorize, b); err == nil {
			t.Error("an authorization flow began without its request")
		}
	})
}

func TestFlowBelongsToItsBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		own, other := newBrowser(), newBrowser()
		step, err := h.Start(t.Context(), tenant, auth.FlowAccount, own)
		h.requireStep(step, err, auth.StepLogin)
		for name, b := range map[string]flow.Browser{"another browser": other, "no cookie": {}, "the digest": {Secret: step.Flow.Browser}} {
			_, err = h.Continue(t.Context(), tenant, step.Flow.ID, b)
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != auth.CodeFlowOver {
				t.Errorf("%s: %v", name, err)
			}
		}
		in := formRef(step, other)
		in.CSRF = h.CSRF(tenant, other, "flow", string(step.Flow.ID))
		_, err = h.CheckForm(t.Context(), in)
		h.requireRefused(err, auth.CodeFlowOver)
		_, err = h.Continue(t.Context(), tenant, "unknown", own)
		h.requireRefused(err, auth.CodeFlowOver)
	})
}

func TestFlowExpires(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		b := newBrowser()
		step, err := h.Start(t.Context(), tenant, auth.FlowAccount, b)
		h.requireStep(step, err, auth.StepLogin)
		h.clock.Advance(flow.Lifetime - time.Second)
		_, err = h.CheckForm(t.Context(), formRef(step, b))
		h.requireOK(err)
		h.clock.Advance(time.Second)
		next, err := h.CheckForm(t.Context(), formRef(step, b))
		h.requireOK(err)
		if next.ID == step.Flow.ID {
			t.Error("the flow continues after its end")
		}
	})
}

func TestCSRFIsForOneSubject(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		b := newBrowser()
		step, err := h.Start(t.Context(), tenant, auth.FlowAccount, b)
		h.requireStep(step, err, auth.StepLogin)
		second, err := h.Start(t.Context(), tenant, auth.FlowAccount, b)
		h.requireStep(second, err, auth.StepLogin)

		_, err = h.CheckForm(t.Context(), formRef(step, b))
		h.requireOK(err)
		id := string(step.Flow.ID)
		for name, csrf := range map[string]string{
			"none":               "",
			"of another flow":    second.CSRF,
			"of another form":    h.CSRF(tenant, b, "logout", id),
			"joined":             h.CSRF(tenant, b, "flow"+id),
			"split elsewhere":    h.CSRF(tenant, b, "flo", "w"+id),
			"of another tenant":  h.CSRF("other", b, "flow", id),
			"of another browser": h.CSRF(tenant, newBrowser(), "flow", id),
		} {
			in := formRef(step, b)
			in.CSRF = csrf
			_, err := h.CheckForm(t.Context(), in)
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != auth.CodeCrossSite {
				t.Errorf("%s: %v", name, err)
			}
		}
		if none := (flow.Browser{}); h.CSRFValid(tenant, none, h.CSRF(tenant, none, "flow", id), "flow", id) {
			t.Error("a browser without a cookie has a valid token")
		}
	})
}

func TestChoose(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		alice, bob, carol := h.signIn("alice@example.test"), h.signIn("bob@example.test"), h.signIn("carol@example.test")
		b := newBrowser(alice, bob)
		step, err := h.Start(t.Context(), tenant, auth.FlowAccount, b)
		h.requireStep(step, err, auth.StepDone)
		in := formRef(step, b)
		in.CSRF = h.CSRF(tenant, b, "flow", string(step.Flow.ID))

		chosen, err := h.Choose(t.Context(), in, bob.Session.ID)
		h.requireStep(chosen, err, auth.StepDone)
		if chosen.Flow.Session != bob.Session.ID || len(chosen.Accounts) != 1 || chosen.Accounts[0].Account.ID != bob.Account.ID {
			t.Errorf("chose %+v", chosen)
		}
		added, err := h.Choose(t.Context(), in, "")
		h.requireStep(added, err, auth.StepLogin)

		_, err = h.Choose(t.Context(), in, carol.Session.ID) // not in this browser
		h.requireRefused(err, auth.CodeSessionInvalid)
		in.CSRF = ""
		_, err = h.Choose(t.Context(), in, alice.Session.ID)
		h.requireRefused(err, auth.CodeCrossSite)
	})
}

func TestSuspendedFlowGoesToOneBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		suspend := func() auth.FlowID {
			step, err := h.Suspend(t.Context(), tenant, auth.Client{}, auth.Flow{Kind: auth.FlowAccount})
			return h.requireStep(step, err, auth.StepContinue).Flow.ID
		}
		id := suspend()
		var bound atomic.Int64
		var together sync.WaitGroup
		for range 8 {
			together.Go(func() {
				step, err := h.Continue(t.Context(), tenant, id, flow.Browser{})
				if err != nil {
					h.requireRefused(err, auth.CodeFlowOver)
					return
				}
				bound.Add(1)
				next, err := h.Continue(t.Context(), tenant, id, flow.Browser{Secret: step.NewBrowser.Reveal()})
				if err != nil || next.Kind != auth.StepLogin {
					t.Errorf("the first browser is at %s, %v", next.Kind, err)
				}
			})
		}
		together.Wait()
		if n := bound.Load(); n != 1 {
			t.Errorf("%d browsers continue one flow", n)
		}
		id = suspend()
		h.clock.Advance(5 * time.Minute)
		_, err := h.Continue(t.Context(), tenant, id, flow.Browser{})
		h.requireRefused(err, auth.CodeFlowOver)
	})
}

// TestPageKeepsConcurrentForm: a page that is shown writes the account that it asks, and nothing over what a form
// has written since the page's state was read.
func TestPageKeepsConcurrentForm(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		alice, bob := h.signIn("alice@example.test"), h.signIn("bob@example.test")
		b := newBrowser(alice)
		begin := func() auth.FlowID {
			step, err := h.Start(t.Context(), tenant, auth.FlowDevice, b)
			h.requireStep(step, err, auth.StepDeviceCode)
			h.update(step.Flow.ID, func(f *auth.Flow) { f.Device = "device" })
			return step.Flow.ID
		}
		show := func(id auth.FlowID, form func(*auth.Flow)) (flow.Step, error) {
			var state auth.FlowState
			h.requireOK(h.write(func(tx *store.Tx) (err error) {
				state, err = h.State(tx, auth.Flow{ID: id}, b)
				return err
			}))
			h.update(id, form)
			return flow.Show(h.Service, t.Context(), state, auth.Next(state), b)
		}

		id := begin()
		proof := auth.Proof{Method: auth.ProofPassword, Account: bob.Account.ID, At: h.clock.Now()}
		step, err := show(id, func(f *auth.Flow) { f.Failures, f.Remember, f.Proofs = 3, true, []auth.Proof{proof} })
		h.requireStep(step, err, auth.StepDeviceConfirm)
		if f := h.update(id, func(*auth.Flow) {}); f.Session != alice.Session.ID || f.Failures != 3 || !f.Remember || len(f.Proofs) != 1 {
			t.Errorf("after the page: %+v", f)
		}

		id = begin()
		if _, err := show(id, func(f *auth.Flow) { f.Session = bob.Session.ID }); !errors.Is(err, flow.ErrStateChanged) {
			t.Errorf("another account was chosen: %v", err)
		}
		if f := h.update(id, func(*auth.Flow) {}); f.Session != bob.Session.ID {
			t.Errorf("the page undid the choice: %+v", f)
		}

		id = begin()
		var together sync.WaitGroup
		for range 16 {
			together.Go(func() {
				if _, err := h.Continue(t.Context(), tenant, id, b); err != nil {
					t.Error(err)
				}
			})
			together.Go(func() { h.update(id, func(f *auth.Flow) { f.Failures++ }) })
		}
		together.Wait()
		if f := h.update(id, func(*auth.Flow) {}); f.Failures != 16 || f.Session != alice.Session.ID {
			t.Errorf("%d of 16 failures counted, session %q", f.Failures, f.Session)
		}
	})
}

// update changes a stored flow as a form does, and returns it.
func (h *fixture) update(id auth.FlowID, change func(*auth.Flow)) (f auth.Flow) {
	h.t.Helper()
	err := h.write(func(tx *store.Tx) (err error) {
		if f, err = tx.Flow(id); err != nil {
			return err
		}
		change(&f)
		return flow.Update(tx, f)
	})
	if err != nil {
		h.t.Error(err)
	}
	return f
}

func TestFinishSucceedsOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		b := newBrowser()
		step, err := h.Start(t.Context(), tenant, auth.FlowAccount, b)
		h.requireStep(step, err, auth.StepLogin)
		var finished atomic.Int64
		var together sync.WaitGroup
		for range 8 {
			together.Go(func() {
				err := h.write(func(tx *store.Tx) error { return flow.Finish(tx, step.Flow.ID) })
				if err == nil {
					finished.Add(1)
				} else {
					h.requireRefused(err, auth.CodeFlowOver)
				}
			})
		}
		together.Wait()
		if n := finished.Load(); n != 1 {
			t.Errorf("finished %d times", n)
		}
		h.requireRefused(h.write(func(tx *store.Tx) error { return flow.Update(tx, step.Flow) }), auth.CodeFlowOver)
	})
}

// An unavailable database is no refusal of a flow.
func TestDatabaseErrorIsNotFlowOver(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		b := newBrowser()
		step, err := h.Start(t.Context(), tenant, auth.FlowAccount, b)
		h.requireStep(step, err, auth.StepLogin)
		h.requireOK(h.db.Close())
		ctx := t.Context()
		in := formRef(step, b)
		for name, call := range map[string]func() error{
			"Continue":  func() error { _, err := h.Continue(ctx, tenant, step.Flow.ID, b); return err },
			"CheckForm": func() error { _, err := h.CheckForm(ctx, in); return err },
			"Choose":    func() error { _, err := h.Choose(ctx, in, ""); return err },
			"Start":     func() error { _, err := h.Start(ctx, tenant, auth.FlowAccount, b); return err },
		} {
			if err := call(); err == nil || auth.KindOf(err) == auth.KindNotFound {
				t.Errorf("%s: %v", name, err)
			}
		}
	}, func(cfg *store.Config) { cfg.MaxWait = time.Hour }) // a closed database refuses at once
}
