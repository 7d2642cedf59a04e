package token

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// verdict is the result of judging a presented refresh token.
type verdict string

const (
	rotated verdict = "rotated" // the newest: it is replaced by its successor
	race    verdict = "race"    // used within the grace period: returns the same successor
	retry   verdict = "retry"   // its successor was never used, so the response was lost: returns the same successor
	late    verdict = "late"    // a retry after too long: ends the session, without indicating a copy
	reuse   verdict = "reuse"   // its successor was used, so it was copied: ends the session
	expired verdict = "expired" // too old: revoked from now on
	invalid verdict = "invalid"
	refused verdict = "refused" // a mistake in the request; the token is unchanged
)

// verdictOf maps the repetitions of a used token whose successor has never been used.
var verdictOf = map[auth.Repetition]verdict{auth.Race: race, auth.Retry: retry, auth.Late: late, auth.Reuse: reuse}

// ErrKeyMismatch is the cause of a refusal of Refresh without a DPoP proof of the bound key. The
// caller may not be the client, so the refusal must not count against the client.
var ErrKeyMismatch = errors.New("it is bound to another key")

// RefreshRequest is a refresh token that a client presents, and what it requests.
type RefreshRequest struct {
	Tenant   auth.TenantID
	Client   auth.ClientID // authenticated
	Token    string
	Scope    auth.Scope // nil: the granted scope
	Audience []string   // nil: the granted audience (RFC 8707 §2.2)
	JKT      string     // thumbprint of the key of the DPoP proof; empty for none
	Actor    auth.Actor
}

// presentedToken is a refresh token with its parsed parts and its successor.
type presentedToken struct {
	RefreshRequest
	token      refreshToken
	digest     string      // of the token
	next       secret.Text // its successor
	nextDigest string      // digest of the successor
}

// Refresh consumes a refresh token and returns its successor with a new access token, and an ID
// Token if the sign-in returned one (OpenID Connect Core §12.2). A client that is
// auth.Client.Strict gets the same refresh token back. A narrower scope or audience narrows only
// this access token. A wider one is refused as Invalid invalid_scope or invalid_target and
// consumes nothing.
//
// Refusals of the token are Unauthenticated. invalid_refresh_token: it is unknown, expired,
// revoked, issued to another client, bound to another key, or nothing may be issued to its
// account. refresh_token_reused: a used token was presented after its successor was used or after
// Config.Retry. Its session and the whole family have then ended.
func (s *Service) Refresh(ctx context.Context, request RefreshRequest) (auth.Tokens, error) {
	d, err := s.Rotate(ctx, request)
	if err != nil {
		return auth.Tokens{}, err
	}
	return s.Finish(ctx, d)
}

// Rotate is Refresh without the signing: Finish signs the Draft.
func (s *Service) Rotate(ctx context.Context, request RefreshRequest) (Draft, error) {
	tenant := request.Tenant
	t, ok := s.form.decode(tenant, request.Token)
	if !ok {
		s.countVerdict(invalid)
		return Draft{}, invalidRefreshToken(nil)
	}
	// A node that cannot sign, because it lacks the newest master key, must not consume tokens:
	// clients would present them again later, which looks like reuse.
	if err := s.keys.CheckUsable(ctx, tenant); err != nil {
		return Draft{}, wrapInternal("refresh", err)
	}
	p := presentedToken{RefreshRequest: request, token: t, digest: secret.Digest(request.Token)}
	p.next = s.form.encode(tenant, s.form.successor(tenant, t))
	p.nextDigest = secret.Digest(p.next.Reveal())

	var v verdict
	var d Draft
	err := s.db.Rotate(ctx, tenant, t.familyID(), func(now time.Time, r store.RefreshState) (rotation store.Rotation, err error) {
		if v, err = s.judge(p, now, r); err != nil {
			return store.Rotation{}, err
		}
		if d, rotation, err = s.rotate(p, v, now, r); err != nil {
			v = refused
		}
		return rotation, err
	})
	switch {
	case errors.Is(err, auth.ErrNotFound):
		v, err = invalid, invalidRefreshToken(err)
	case v == reuse || v == late || v == expired:
		v, err = s.revokeFamily(ctx, p)
	}
	if err != nil && auth.KindOf(err) != auth.KindUnauthenticated {
		return Draft{}, wrapInternal("refresh", err) // the token is not at fault
	}
	s.countVerdict(v)
	return d, err
}

// judge makes the only decision about a refresh token. It changes nothing.
//
// The order matters. A token of another client, or without the proof of its bound key, is
// refused before anything that has consequences: only a client that could use a token can end its
// family with it. Reuse is detected before the scope is checked.
func (s *Service) judge(p presentedToken, now time.Time, r store.RefreshState) (verdict, error) {
	f := r.Family
	switch {
	case f.Client != p.Client:
		return invalid, invalidRefreshToken(errors.New("it belongs to another client"))
	case f.JKT != "" && f.JKT != p.JKT:
		return refused, invalidRefreshToken(ErrKeyMismatch)
	case f.EndReason == auth.EndReuse:
		return invalid, reusedRefreshToken()
	case !f.RevokedAt.IsZero() || !r.Session.EndedAt.IsZero():
		return invalid, invalidRefreshToken(errors.New("it was revoked"))
	case !f.Live(now) || !now.Before(r.Session.ExpiresAt):
		return expired, invalidRefreshToken(errors.New("it has expired"))
	}
	v := rotated
	switch generation := int64(p.token.generation); {
	case generation == f.Generation && secret.Equal(p.digest, f.Digest):
	case generation >= f.Generation:
		// A valid tag, but unknown to the database, which must be an older copy.
		return invalid, invalidRefreshToken(errors.New("its generation is unknown to the database"))
	case generation == f.Generation-1 && secret.Equal(p.nextDigest, f.Digest):
		v = verdictOf[f.Retries.Judge(now.Sub(f.RotatedAt), s.grace, s.retry)]
		if v == late || v == reuse {
			return v, reusedRefreshToken()
		}
	default:
		return reuse, reusedRefreshToken()
	}
	if err := checkRefresh(r, now); err != nil {
		return invalid, invalidRefreshToken(err)
	}
	if p.Scope != nil && !p.Scope.Within(grantedScope(f)) {
		return refused, auth.Invalid(auth.CodeInvalidScope, "scope", "scope: at most what was granted")
	}
	return v, nil
}

// grantedScope returns the scope of a family. A first-party family older than auth.ScopeAccount also gives
// access to the server's own API. Its names are in the order of auth.DefaultScope; a later sign-in for only
// these names has them sorted.
func grantedScope(f auth.Family) auth.Scope {
	if auth.PredatesAccountScope(f.Client, f.Scope) {
		return auth.LoginScope
	}
	return f.Scope
}

// checkRefresh is the issuing decision for a refresh token, which requires that the client may still
// have one. A token whose sign-in is too weak stays: it is good again when its session is stronger.
func checkRefresh(r store.RefreshState, now time.Time) error {
	if !r.Client.UserScope().Has(auth.ScopeOffline) {
		return errors.New("the client may no longer refresh")
	}
	if err := CheckIssuance(r.Tenant, r.Account, r.Client); err != nil {
		return err
	}
	return checkAuthentication(r.Tenant, r.Session, r.Account, r.Entitlement.Roles, r.Client, now)
}

// rotate returns the draft of the response to a valid token, and the rotation. A race changes
// nothing, and a retry is counted once for each token. The draft has no rights that the client or
// the account no longer has.
func (s *Service) rotate(p presentedToken, v verdict, now time.Time, r store.RefreshState) (Draft, store.Rotation, error) {
	d, err := s.draftRefreshed(p, r)
	if err != nil {
		return Draft{}, store.Rotation{}, err
	}
	f := r.Family
	if f.Client != auth.FirstParty { // the first-party API has other ways to identify the user
		d.requestIDToken(r.Client, r.Account, &auth.IDTokenRequest{Claims: r.Session.Claims.IDToken})
	}
	d.refresh = p.next
	if v == race || v == retry {
		d.idle = f.IdleAt.Sub(now)
		var rotation store.Rotation
		if n := f.Retries.Next(); v == retry && n != f.Retries {
			rotation.Retried = n
		}
		return d, rotation, nil
	}
	idle := auth.Earlier(now.Add(r.Tenant.Settings.Lifetimes.Or(s.lifetimes).RefreshIdle), f.ExpiresAt)
	d.idle = idle.Sub(now)
	rotation := store.Rotation{From: p.digest, To: p.nextDigest, IdleAt: idle}
	if r.Client.Strict() { // it authenticates with a key each time, and may have lost the last response (FAPI 2.0 §5.3.2.1)
		d.refresh, rotation.To = secret.Text(p.Token), p.digest
	}
	if now.Sub(r.Session.SeenAt) >= touchEvery {
		// The use of refresh tokens extends a session without a cookie. A session with one is
		// extended by the use of the cookie.
		rotation.SessionIdleAt = idle
		if r.Session.Digest != "" {
			rotation.SessionIdleAt = r.Session.IdleAt
		}
	}
	return d, rotation, nil
}

// draftRefreshed returns the draft of the next access token of a family.
func (s *Service) draftRefreshed(p presentedToken, r store.RefreshState) (Draft, error) {
	f := r.Family
	g := auth.Grant{
		Account: f.Account, Client: f.Client, Session: f.Session, Scope: grantedScope(f),
		Audience: f.Audience, Narrow: p.Audience, AuthAt: r.Session.AuthAt, ACR: r.Session.ACR, AMR: r.Session.AMR, JKT: p.JKT,
	}
	if p.Scope != nil {
		g.Scope = p.Scope
	}
	if err := s.resolveAudience(p.Tenant, r.Client, &g); err != nil {
		return Draft{}, err
	}
	return s.draft(r.Tenant, r.Client, g, r.Entitlement)
}

// touchEvery is the shortest interval at which refreshes are recorded as use of the session.
const touchEvery = time.Minute

// revokeFamily carries out the consequences of reuse and expiry. It judges again, because
// another node may have done so meanwhile.
func (s *Service) revokeFamily(ctx context.Context, p presentedToken) (v verdict, err error) {
	err = s.db.Write(ctx, p.Tenant, func(tx *store.Tx) error {
		r, err := tx.RefreshState(p.token.familyID())
		if errors.Is(err, auth.ErrNotFound) {
			v = invalid
			return invalidRefreshToken(err)
		} else if err != nil {
			return err
		}
		var refusal error
		if v, refusal = s.judge(p, tx.Now, r); refusal == nil {
			v = invalid // only a clock that jumps between the two reads leads here
			return invalidRefreshToken(errors.New("verdict changed between reads"))
		}
		switch v {
		case reuse, late:
			err = endReusedSession(tx, r.Family, p, v)
		case expired:
			err = tx.RevokeFamily(r.Family.ID, auth.EndExpired)
		}
		if err != nil {
			return err
		}
		return store.CommitWith(refusal)
	})
	return v, err
}

// endReusedSession ends the session and all its families and records an audit event. It notifies
// the owner unless the successor was never used, as there is no copy then.
func endReusedSession(tx *store.Tx, f auth.Family, p presentedToken, v verdict) error {
	actor := p.Actor
	if err := tx.RevokeFamily(f.ID, auth.EndReuse); err != nil {
		return err
	}
	if err := tx.EndSession(f.Account, f.Session, auth.EndReuse); err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	if actor.Client == "" {
		actor.Client = f.Client
	}
	err := tx.Record(auth.Event{Kind: auth.EventRefreshReused, Outcome: auth.Failure, Actor: actor, Account: f.Account, Detail: map[string]string{
		"family": string(f.ID), "session": string(f.Session), "client": string(f.Client),
		"generation": strconv.FormatUint(uint64(p.token.generation), 10), "newest": strconv.FormatInt(f.Generation, 10),
		"verdict": string(v),
	}})
	if err != nil || v == late {
		return err
	}
	return tx.NotifySessionsEnded(f.Account, actor)
}

// countVerdict reports the verdict about a token.
func (s *Service) countVerdict(v verdict) {
	switch v {
	case expired:
		s.observeRefresh(string(invalid))
	case rotated, race, retry, late, reuse, invalid:
		s.observeRefresh(string(v))
	}
}

func invalidRefreshToken(cause error) error {
	e := auth.Refuse(auth.KindUnauthenticated, auth.CodeInvalidRefreshToken, "the refresh token is not valid; sign in again")
	e.Err = cause
	return e
}

func reusedRefreshToken() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeRefreshTokenReused, "the refresh token was used before; its session has ended, sign in again")
}
