package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// TokenPrefix is the prefix of the tokens with which a sign-in by the JSON API continues.
const TokenPrefix = "wwf_"

// pendingLifetime is how long a caller of the JSON API has for the second factor.
const pendingLifetime = 10 * time.Minute

// cookieResponse marks the flow of a sign-in that requested a session cookie.
const cookieResponse = "cookie"

// Pending is a sign-in by the JSON API whose first factor was right.
type Pending struct {
	Token   secret.Text        // continues it, for ten minutes
	Browser secret.Text        // the new secret of the browser's cookie, with which alone it continues; empty if that does not change
	Need    auth.Need          // NeedFactor or NeedEnrolment
	Methods []auth.ProofMethod // that can be proved
}

// keep stores the first proof in a flow that only the returned token continues.
func (api *apiSignIn) keep(tx *store.Tx, p auth.Proof) error {
	api.result = Result{Pending: newPending(api.request)}
	f := newPendingFlow(tx, api.result.Pending, api.request)
	f.Proofs = []auth.Proof{p}
	list, err := tx.Factors(p.Account)
	if err != nil {
		return err
	}
	for _, method := range []auth.ProofMethod{auth.ProofPasskey, auth.ProofTOTP, auth.ProofRecoveryCode} {
		for _, v := range list {
			if v.Kind == method && v.Usable() {
				api.result.Pending.Methods = append(api.result.Pending.Methods, method)
				break
			}
		}
	}
	a, err := tx.Account(p.Account)
	if err != nil {
		return err
	}
	if ok, err := mailsCodes(tx, a); err != nil {
		return err
	} else if ok && p.Method == auth.ProofPassword { // beside a mailed code it would be the same factor twice
		api.result.Pending.Methods = append(api.result.Pending.Methods, auth.ProofEmailCode)
	}
	return tx.InsertFlow(f)
}

// newPending returns a new token. A request for a cookie comes from a browser that keeps cookies: it gets one that
// identifies it.
func newPending(r Request) Pending {
	p := Pending{Token: secret.New(TokenPrefix)}
	if r.Cookie {
		b := flow.Browser{Secret: r.Actor.Browser}
		p.Browser = b.EnsureSecret()
	}
	return p
}

// newPendingFlow returns the flow that a token continues, which holds what the sign-in results in. Only the holder of
// the browser's cookie and of the key that the request has proved continues it.
func newPendingFlow(tx *store.Tx, p Pending, r Request) auth.Flow {
	f := auth.Flow{
		ID: pendingID(p.Token.Reveal()), Browser: pendingBrowser(cmp.Or(p.Browser.Reveal(), r.Actor.Browser)), Kind: auth.FlowAPI,
		CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(pendingLifetime),
	}
	f.Request.JKT = r.Actor.JKT
	f.Request.Scope, f.Request.ACR = r.Scope, r.ACR
	if r.Resource != "" {
		f.Request.Resources = []string{r.Resource}
	}
	if r.Cookie {
		f.Request.ResponseMode = cookieResponse
	}
	return f
}

// requestOf returns what the sign-in of a pending flow results in.
func requestOf(f auth.Flow, actor auth.Actor) Request {
	r := Request{Cookie: f.Request.ResponseMode == cookieResponse, Scope: f.Request.Scope, ACR: f.Request.ACR, Actor: actor}
	if len(f.Request.Resources) > 0 {
		r.Resource = f.Request.Resources[0]
	}
	return r
}

// pendingBrowser is the browser of the flow that a token continues. It is none that a page accepts, also with the
// cookie.
func pendingBrowser(cookie string) string {
	if cookie == "" {
		return string(auth.FlowAPI)
	}
	return secret.Digest("browser of the API " + cookie)
}

// holds reports whether the actor of a request may continue the flow: it has what the first request had.
func holds(actor auth.Actor, f auth.Flow) bool {
	return (f.Browser == pendingBrowser("") || secret.Equal(f.Browser, pendingBrowser(actor.Browser))) &&
		(f.Request.JKT == "" || f.Request.JKT == actor.JKT)
}

// pendingID is the ID of the flow that a token continues. No page continues it, since it belongs to no
// browser's cookie.
func pendingID(token string) auth.FlowID { return auth.FlowID(secret.Digest(token)) }

// FactorRequest continues a sign-in by the JSON API with a second factor.
type FactorRequest struct {
	Token  string
	Method auth.ProofMethod // ProofTOTP, ProofRecoveryCode or ProofEmailCode
	Code   string
	Actor  auth.Actor
}

// Factor proves the second factor of a sign-in by the JSON API, and returns what Password would have
// returned. The token is for one success. Refusals: invalid_mfa_token, invalid_code, rate_limited.
func (s *Service) Factor(ctx context.Context, tenant auth.TenantID, r FactorRequest) (Result, error) {
	a, err := s.readPendingAccount(ctx, tenant, r.Token, r.Actor)
	if err != nil {
		return Result{}, err
	}
	refund, err := s.countGuess(ctx, tenant, a, r.Actor)
	if err != nil {
		return Result{}, err
	}
	newDevice, err := s.isNewDevice(ctx, tenant, a, r.Actor)
	if err != nil {
		return Result{}, err
	}
	api := apiSignIn{s: s}
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := api.prove(tx, r); err != nil || api.result.Session.ID == "" || !newDevice {
			return err
		}
		return notifyNewDevice(tx, a, r.Actor)
	})
	if err != nil {
		return Result{}, fmt.Errorf("prove second factor: %w", err)
	}
	refund()
	return api.conclude(ctx, tenant, a, r.Actor)
}

// conclude returns what the committed sign-in of an account results in. Unless a proof is pending, it signs
// the tokens and makes the browser known to the account.
func (api *apiSignIn) conclude(ctx context.Context, tenant auth.TenantID, a auth.Account, actor auth.Actor) (Result, error) {
	if api.result.Pending.Token != "" {
		return api.result, nil
	}
	if err := api.finish(ctx); err != nil {
		return Result{}, err
	}
	api.result.Known = api.s.cfg.Sessions.IssueKnownBrowser(tenant, a.Email.Login, actor.Known, api.s.cfg.Now())
	return api.result, nil
}

// readPendingAccount reads the account whose sign-in a token continues.
func (s *Service) readPendingAccount(ctx context.Context, tenant auth.TenantID, token string, actor auth.Actor) (a auth.Account, err error) {
	if !secret.Valid(TokenPrefix, token) {
		return a, errMFAToken()
	}
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		f, err := readPendingFlow(tx, token, actor)
		if err != nil {
			return err
		}
		a, err = tx.Account(f.Proofs[0].Account)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("read pending sign-in: %w", err)
	}
	return a, nil
}

// readPendingFlow reads the flow that a token continues for an actor, with the proofs that count.
func readPendingFlow(tx *store.Tx, token string, actor auth.Actor) (auth.Flow, error) {
	f, err := tx.Flow(pendingID(token))
	if errors.Is(err, auth.ErrNotFound) {
		return f, errMFAToken()
	}
	if err != nil {
		return f, err
	}
	if f.Proofs, err = flow.LiveProofs(tx, f); err != nil {
		return f, err
	}
	if f.Kind != auth.FlowAPI || !f.Live(tx.Now) || len(f.Proofs) == 0 || !holds(actor, f) {
		return f, errMFAToken()
	}
	return f, nil
}

// prove compares the code, and begins the session if that is enough.
func (api *apiSignIn) prove(tx *store.Tx, r FactorRequest) error {
	api.result = Result{}
	f, err := readPendingFlow(tx, r.Token, r.Actor)
	if err != nil {
		return err
	}
	a, err := tx.Account(f.Proofs[0].Account)
	if err != nil {
		return err
	}
	p, err := api.s.useCode(tx, a.ID, f.Proofs, codeAttempt{Flow: f.ID, Method: r.Method, Code: r.Code, Actor: r.Actor})
	if auth.CodeOf(err) == auth.CodeInvalidCode {
		return api.s.refuseCode(tx, f, r.Method, r.Actor, a.ID, err)
	}
	if err != nil {
		return err
	}
	return api.complete(tx, f, a, p, r.Token, r.Actor)
}

// complete begins the session of a pending sign-in if its proofs are enough with p. Otherwise it keeps p.
func (api *apiSignIn) complete(tx *store.Tx, f auth.Flow, a auth.Account, p auth.Proof, token string, actor auth.Actor) error {
	params, need, err := api.s.checkProofs(tx, a, append(f.Proofs, p), actor, f.Request.ACR...)
	if err != nil {
		return err
	}
	if need != auth.NeedNothing {
		f.Proofs = append(f.Proofs, p)
		api.result.Pending = Pending{Token: secret.Text(token), Need: need}
		return tx.UpdateFlow(f)
	}
	api.request = requestOf(f, actor)
	if err := tx.FinishFlow(f.ID); errors.Is(err, auth.ErrNotFound) {
		return errMFAToken()
	} else if err != nil {
		return err
	}
	v, err := api.begin(tx, a, params)
	if err != nil {
		return err
	}
	return recordFactorSignIn(tx, v, p, actor)
}

// proveFirst begins a session if the first proof of an account is enough. Otherwise it keeps the proof.
func (api *apiSignIn) proveFirst(tx *store.Tx, a auth.Account, p auth.Proof) error {
	params, need, err := api.s.checkProofs(tx, a, []auth.Proof{p}, api.request.Actor, api.request.ACR...)
	if err != nil {
		return err
	}
	if need == auth.NeedNothing {
		v, err := api.begin(tx, a, params)
		if err != nil {
			return err
		}
		return recordFactorSignIn(tx, v, p, api.request.Actor)
	}
	if err := api.keep(tx, p); err != nil {
		return err
	}
	api.result.Pending.Need = need
	return recordFirstFactor(tx, p, need, api.request.Actor)
}

// refused reports whether err refuses the proofs of the sign-in. Other refusals, such as that of a resource,
// leave no trace: the session that has begun is rolled back.
func (api *apiSignIn) refused(err error) bool { return isRefusal(err) && api.result.Session.ID == "" }

func errMFAToken() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeInvalidMFAToken, "mfa_token: one of a sign-in of the last ten minutes that is not complete; sign in again from the beginning")
}
