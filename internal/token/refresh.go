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

// verdict is what a presented refresh token deserves.
type verdict string

const (
	rotated verdict = "rotated" // the newest: it is spent for its successor
	race    verdict = "race"    // spent a moment ago: the same successor again
	retry   verdict = "retry"   // its successor was never used, so the answer was lost: the same successor again
	late    verdict = "late"    // the same, too long ago: end everything, but nothing speaks of theft
	reuse   verdict = "reuse"   // its successor was used: theft, end everything
	expired verdict = "expired" // too old: dead for good from now on
	invalid verdict = "invalid"
	refused verdict = "refused" // a mistake of the request; the token stays as it is
)

// verdictOf are the verdicts about a spent token whose successor has never been used.
var verdictOf = map[auth.Repetition]verdict{auth.Race: race, auth.Retry: retry, auth.Late: late, auth.Reuse: reuse}

// ErrKeyMismatch is the cause of a refusal of Refresh for want of the key to which the refresh
// token is bound. Whoever was refused for that is not the client, so that it must not count
// against the client.
var ErrKeyMismatch = errors.New("it is bound to another key")

// RefreshRequest is a refresh token that a client presents, and what it asks for it.
type RefreshRequest struct {
	Tenant   auth.TenantID
	Client   auth.ClientID // that has proved itself
	Token    string
	Scope    auth.Scope // nil: the one granted
	Audience []string   // nil: the one granted (RFC 8707 §2.2)
	JKT      string     // thumbprint of the key that was proved; empty for none
	Actor    auth.Actor
}

// presentedToken is a refresh token with the circumstances of its use.
type presentedToken struct {
	RefreshRequest
	token      refreshToken
	digest     string      // of the token
	next       secret.Text // its successor
	nextDigest string      // digest of the successor
}

// Refresh spends a refresh token and returns its successor with a fresh access token,
// and an ID Token where the sign-in led to one (OpenID Connect Core §12.2). A client that
// is auth.Client.Strict gets the same refresh token back. A narrower
// scope or audience narrows this access token alone; a wider one is refused as Invalid
// invalid_scope or invalid_target and spends nothing.
//
// Refusals of the token are Unauthenticated: invalid_refresh_token for what is
// unknown, expired, revoked, another client's, bound to another key, or whose account
// may get nothing any more; refresh_token_reused when a spent token came back after its
// successor was used or Config.Retry was over. Its session and the whole family have
// then ended.
func (s *Service) Refresh(ctx context.Context, in RefreshRequest) (auth.Tokens, error) {
	d, err := s.Rotate(ctx, in)
	if err != nil {
		return auth.Tokens{}, err
	}
	return s.Finish(ctx, d)
}

// Rotate is Refresh without the signing: Finish signs the Draft.
func (s *Service) Rotate(ctx context.Context, in RefreshRequest) (Draft, error) {
	tenant := in.Tenant
	t, ok := s.form.decode(tenant, in.Token)
	if !ok {
		s.countVerdict(invalid)
		return Draft{}, invalidRefreshToken(nil)
	}
	// A node that cannot sign, because it lacks the newest master key, must not spend
	// tokens: their owners would come back with them later and be taken for thieves.
	if err := s.keys.CheckUsable(ctx, tenant); err != nil {
		return Draft{}, wrapInternal("refresh", err)
	}
	p := presentedToken{RefreshRequest: in, token: t, digest: secret.Digest(in.Token)}
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
		return Draft{}, wrapInternal("refresh", err) // not the token's fault
	}
	s.countVerdict(v)
	return d, err
}

// judge is the one decision about a refresh token. It changes nothing.
//
// The order matters: another client's token, and one that comes without the key to
// which it is bound, is refused before anything that has consequences, so nobody can
// end a family with a token that they could not have used; reuse is found before the
// scope is looked at.
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
		// Tagged by us, but not in the database: this is an older copy of it.
		return invalid, invalidRefreshToken(errors.New("the database does not know this generation"))
	case generation == f.Generation-1 && secret.Equal(p.nextDigest, f.Digest):
		v = verdictOf[f.Retries.Judge(now.Sub(f.RotatedAt), s.grace, s.retry)]
		if v == late || v == reuse {
			return v, reusedRefreshToken()
		}
	default:
		return reuse, reusedRefreshToken()
	}
	if err := decideRefresh(r); err != nil {
		return invalid, invalidRefreshToken(err)
	}
	if p.Scope != nil && !p.Scope.Within(grantedScope(f)) {
		return refused, auth.Invalid(auth.CodeInvalidScope, "scope", "this is more than was granted")
	}
	return v, nil
}

// grantedScope is the scope of a family. One of the first-party API that is older than
// auth.ScopeAccount opens that API all the same. Those have the names in the order of
// auth.DefaultScope; a later sign-in for the same names alone has them sorted.
func grantedScope(f auth.Family) auth.Scope {
	if auth.PredatesAccount(f.Client, f.Scope) {
		return auth.LoginScope
	}
	return f.Scope
}

// decideRefresh is CheckIssuance for a refresh token, which is of use only while the client
// may have such tokens.
func decideRefresh(r store.RefreshState) error {
	if !r.Client.PersonScope().Has(auth.ScopeOffline) {
		return errors.New("the client may not refresh any more")
	}
	return CheckIssuance(r.Tenant, r.Account, r.Client)
}

// rotate is what comes of a good token: the draft of the answer, and the rotation. A race
// changes nothing, and a retry is counted once for each token. What was taken from the
// client or the account since is not in it.
func (s *Service) rotate(p presentedToken, v verdict, now time.Time, r store.RefreshState) (Draft, store.Rotation, error) {
	d, err := s.draftRefreshed(p, r)
	if err != nil {
		return Draft{}, store.Rotation{}, err
	}
	f := r.Family
	if f.Client != auth.FirstParty { // our own API has its own ways to say who signed in
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
	idle := earlier(now.Add(r.Tenant.Settings.Lifetimes.Or(s.lifetimes).RefreshIdle), f.ExpiresAt)
	d.idle = idle.Sub(now)
	rotation := store.Rotation{From: p.digest, To: p.nextDigest, IdleAt: idle}
	if r.Client.Strict() { // it proves itself and a key each time, and may have lost our last answer (FAPI 2.0 §5.3.2.1)
		d.refresh, rotation.To = secret.Text(p.Token), p.digest
	}
	if now.Sub(r.Session.SeenAt) >= touchEvery {
		// Without a cookie the session lives by its refresh tokens; a cookie has to be
		// used itself to stay alive.
		rotation.SessionIdleAt = idle
		if r.Session.Digest != "" {
			rotation.SessionIdleAt = r.Session.IdleAt
		}
	}
	return d, rotation, nil
}

// draftRefreshed is the next access token of a family, as far as it says what was granted.
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

// touchEvery is how often at most a refresh is written down as use of the session.
const touchEvery = time.Minute

// revokeFamily carries out what reuse and expiry deserve. It judges again, because
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
			v = invalid // only a clock that jumps between the two looks leads here
			return invalidRefreshToken(errors.New("judged differently at a second look"))
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

// endReusedSession ends the session and all its families and leaves a line in the audit log. It
// tells the owner, unless the successor was never used: nobody else has it then.
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
	return NotifySessionsEnded(tx, f.Account, actor)
}

// NotifySessionsEnded tells the owner of an account that something of theirs was copied and that what
// it opened has ended. A full outbox is no error: it must keep nothing stolen alive.
func NotifySessionsEnded(tx *store.Tx, id auth.AccountID, actor auth.Actor) error {
	a, err := tx.Account(id)
	if err != nil {
		return err
	}
	err = tx.Notify(a, auth.MailSessionsEnded, auth.Mail{IP: actor.IP})
	if auth.KindOf(err) == auth.KindUnavailable {
		return nil
	}
	return err
}

// countVerdict counts what became of a token.
func (s *Service) countVerdict(v verdict) {
	switch v {
	case expired:
		s.observeRefresh(string(invalid))
	case rotated, race, retry, late, reuse, invalid:
		s.observeRefresh(string(v))
	}
}

func invalidRefreshToken(cause error) error {
	e := auth.Refuse(auth.KindUnauthenticated, auth.CodeInvalidRefreshToken, "this refresh token is not valid; sign in again")
	e.Err = cause
	return e
}

func reusedRefreshToken() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeRefreshTokenReused, "this refresh token was used before; its session has ended, sign in again")
}
