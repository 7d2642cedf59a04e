package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/outbound"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

const (
	// logoutTyp marks logout tokens, so that no other JWT of this server is accepted as one.
	logoutTyp = "logout+jwt"
	// logoutEvent is what has happened (OpenID Connect Back-Channel Logout §2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutLifetime bounds a logout token; each try has its own.
	logoutLifetime = 2 * time.Minute
	// logoutTimeout bounds one try.
	logoutTimeout = 5 * time.Second
	// logoutGiveUp is how old a message may get. With the pauses of the outbox that is
	// eight tries; a client that was away for longer has hardly kept its own sessions.
	logoutGiveUp = 10 * time.Minute
)

// ErrGivenUp marks a failure that no further try can mend.
var ErrGivenUp = errors.New("the client cannot be notified")

// errBusy means that a client has enough requests under way.
var errBusy = errors.New("the client did not answer a moment ago, or is busy with other messages")

// logoutClaims is the body of a logout token (OpenID Connect Back-Channel Logout
// §2.4). It has no nonce, so that it cannot pass for an ID Token.
type logoutClaims struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub"`
	Audience auth.ClientID       `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expiry   int64               `json:"exp"`
	ID       string              `json:"jti"`
	Events   map[string]struct{} `json:"events"`
	Session  auth.SessionID      `json:"sid"`
}

// DeliverLogout notifies a client that one of its sessions has ended (OpenID Connect
// Back-Channel Logout §2.5). It is a handler of the outbox: nil when the client has
// said 200 or 204, or is no longer registered for notifications; an error that wraps
// ErrGivenUp when it has refused, or has not answered often enough; any other error
// to be tried again. It takes no longer than a few seconds.
func (s *Service) DeliverLogout(ctx context.Context, m auth.Message) error {
	c, wanted, err := s.listener(ctx, m)
	if err != nil || !wanted {
		return err
	}
	uri := c.Settings.BackchannelURI
	if err := s.patience.begin(uri, s.cfg.Now()); err != nil {
		return s.tooOld(m, err)
	}
	status, err := s.postLogout(ctx, m, c)
	s.patience.end(uri, s.cfg.Now(), err)
	switch {
	case errors.Is(err, outbound.ErrURL) || errors.Is(err, outbound.ErrAddress) || errors.Is(err, outbound.ErrRedirect):
		return fmt.Errorf("%w: %w", ErrGivenUp, err)
	case err != nil:
		return s.tooOld(m, err)
	case status == 200 || status == 204:
		return nil
	case status == 400: // the client has understood and says no (§2.8)
		return fmt.Errorf("%w: it refused the logout token with status 400", ErrGivenUp)
	}
	return s.tooOld(m, fmt.Errorf("the client answered with status %d", status))
}

func (s *Service) tooOld(m auth.Message, err error) error {
	if s.cfg.Now().Sub(m.CreatedAt) >= logoutGiveUp {
		return fmt.Errorf("%w after %d tries: %w", ErrGivenUp, m.Attempts, err)
	}
	return err
}

// listener reads the client as it is registered now, and whether it still wants to
// hear anything.
func (s *Service) listener(ctx context.Context, m auth.Message) (c auth.Client, wanted bool, err error) {
	err = s.cfg.DB.Read(ctx, m.Tenant, func(tx *store.Tx) (err error) {
		c, err = tx.Client(m.Logout.Client)
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("read client: %w", err)
	}
	return c, c.Settings.BackchannelURI != "", nil
}

// postLogout signs the token and hands it over.
func (s *Service) postLogout(ctx context.Context, m auth.Message, c auth.Client) (int, error) {
	now := s.cfg.Now()
	body, err := json.Marshal(logoutClaims{
		Issuer: m.Tenant.Issuer(s.cfg.Base), Subject: s.cfg.Tokens.Subject(c, m.Logout.Account), Audience: c.ID,
		IssuedAt: now.Unix(), Expiry: now.Add(logoutLifetime).Unix(), ID: secret.NewID(now),
		Events: map[string]struct{}{logoutEvent: {}}, Session: m.Logout.Session,
	})
	if err != nil {
		return 0, fmt.Errorf("encode logout token: %w", err)
	}
	jwt, err := s.cfg.Keys.Sign(ctx, m.Tenant, token.IDTokenAlgorithm(c), logoutTyp, body)
	if err != nil {
		return 0, fmt.Errorf("sign logout token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	form := url.Values{"logout_token": {jwt}}
	a, err := s.cfg.Out.Do(ctx, "POST", c.Settings.BackchannelURI,
		map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	return a.Status, err
}

// patience keeps one client that hangs from taking all who deliver. However many
// messages wait for it, some workers are left for other clients; and once it has failed to
// answer, it is asked one thing at a time, with pauses, until it answers again. What
// is put off here is tried again by the outbox.
type patience struct {
	mu    sync.Mutex
	waits map[string]waiting // owned by mu; by address, only those in use or in doubt
}

type waiting struct {
	now   int       // deliveries under way
	doubt bool      // the last one that ended had no answer
	until time.Time // and no request is sent before this
}

const (
	patienceAtOnce = 12 // of the 16 that the outbox has
	patiencePause  = 10 * time.Second
	patienceKept   = 1000 // addresses
)

func (p *patience) begin(uri string, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.waits[uri]
	if w.now >= patienceAtOnce || w.doubt && (w.now > 0 || now.Before(w.until)) {
		return errBusy
	}
	if p.waits == nil {
		p.waits = map[string]waiting{}
	}
	w.now++
	p.waits[uri] = w
	return nil
}

func (p *patience) end(uri string, now time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.waits[uri]
	w.now--
	if w.doubt = err != nil; w.doubt {
		w.until = now.Add(patiencePause)
	}
	p.waits[uri] = w
	if w.now == 0 && (!w.doubt || len(p.waits) > patienceKept) {
		delete(p.waits, uri)
	}
}
