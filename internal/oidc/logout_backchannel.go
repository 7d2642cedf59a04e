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
	// logoutEvent names the event (OpenID Connect Back-Channel Logout §2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutLifetime is the lifetime of a logout token; each try has its own.
	logoutLifetime = 2 * time.Minute
	// logoutTimeout limits one try.
	logoutTimeout = 5 * time.Second
	// logoutDeadline is the age at which delivery of a message is given up. With the pauses of the outbox
	// that is eight tries. A client that is unreachable for longer has probably lost its own sessions.
	logoutDeadline = 10 * time.Minute
)

// ErrGivenUp means that another try cannot succeed.
var ErrGivenUp = errors.New("the client cannot be notified")

// errClientBusy means that a client has too many running requests, or is paused after a failure.
var errClientBusy = errors.New("the client did not answer the last request, or has too many running requests")

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

// DeliverLogout notifies a client that one of its sessions has ended (OpenID Connect Back-Channel
// Logout §2.5). It is a handler of the outbox and takes at most a few seconds. It returns nil when the
// client has answered 200 or 204, or is no longer registered for notifications. An error that wraps
// ErrGivenUp means that the client has refused the token or has not answered for too long. After any
// other error the outbox tries again.
func (s *Service) DeliverLogout(ctx context.Context, m auth.Message) error {
	c, wanted, err := s.logoutReceiver(ctx, m)
	if err != nil || !wanted {
		return err
	}
	uri := c.Settings.BackchannelURI
	if err := s.deliveries.begin(uri, s.cfg.Now()); err != nil {
		return s.giveUpIfOld(m, err)
	}
	status, err := s.postLogout(ctx, m, c)
	s.deliveries.end(uri, s.cfg.Now(), err)
	switch {
	case errors.Is(err, outbound.ErrURL) || errors.Is(err, outbound.ErrAddress) || errors.Is(err, outbound.ErrRedirect):
		return fmt.Errorf("%w: %w", ErrGivenUp, err)
	case err != nil:
		return s.giveUpIfOld(m, err)
	case status == 200 || status == 204:
		return nil
	case status == 400: // the client refuses the token (§2.8)
		return fmt.Errorf("%w: the client refused the logout token with status 400", ErrGivenUp)
	}
	return s.giveUpIfOld(m, fmt.Errorf("the client answered with status %d", status))
}

func (s *Service) giveUpIfOld(m auth.Message, err error) error {
	if s.cfg.Now().Sub(m.CreatedAt) >= logoutDeadline {
		return fmt.Errorf("%w after %d tries: %w", ErrGivenUp, m.Attempts, err)
	}
	return err
}

// logoutReceiver reads the client as it is registered now, and reports whether it is still registered
// for notifications.
func (s *Service) logoutReceiver(ctx context.Context, m auth.Message) (c auth.Client, wanted bool, err error) {
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

// postLogout signs a logout token and sends it.
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
	response, err := s.cfg.Out.Do(ctx, "POST", c.Settings.BackchannelURI,
		map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	return response.Status, err
}

// deliveryLimiter keeps a client that hangs from occupying all workers of the outbox. Each client has at
// most maxDeliveries running requests. A client that has failed to answer gets one request at a time,
// with pauses, until it answers again. The outbox retries a refused delivery.
type deliveryLimiter struct {
	mu      sync.Mutex
	clients map[string]clientDeliveries // guarded by mu; by address, only running and suspect ones
}

type clientDeliveries struct {
	running     int       // running deliveries
	suspect     bool      // the last delivery had no response
	pausedUntil time.Time // no request before this time
}

const (
	maxDeliveries = 12 // of the 16 workers of the outbox
	deliveryPause = 10 * time.Second
	maxSuspects   = 1000 // addresses
)

func (l *deliveryLimiter) begin(uri string, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	deliveries := l.clients[uri]
	if deliveries.running >= maxDeliveries || deliveries.suspect && (deliveries.running > 0 || now.Before(deliveries.pausedUntil)) {
		return errClientBusy
	}
	if l.clients == nil {
		l.clients = map[string]clientDeliveries{}
	}
	deliveries.running++
	l.clients[uri] = deliveries
	return nil
}

func (l *deliveryLimiter) end(uri string, now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	deliveries := l.clients[uri]
	deliveries.running--
	if deliveries.suspect = err != nil; deliveries.suspect {
		deliveries.pausedUntil = now.Add(deliveryPause)
	}
	l.clients[uri] = deliveries
	if deliveries.running == 0 && (!deliveries.suspect || len(l.clients) > maxSuspects) {
		delete(l.clients, uri)
	}
}
