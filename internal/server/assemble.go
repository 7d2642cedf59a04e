package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/outbound"
	"github.com/watchword-auth/watchword/internal/outbox"
	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/place"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/tenant"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web"
	"github.com/watchword-auth/watchword/internal/web/pages"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// The steps of New, in order. Each opens what later ones need.

func (s *Server) openPasswords(context.Context) (err error) {
	c := s.cfg.Password
	conf := password.Config{
		Params:     password.Params{Memory: uint32(c.Memory >> 10), Time: uint32(c.Time), Parallelism: uint8(c.Parallelism)},
		MaxMemory:  int(min(c.MemoryBudget>>10, math.MaxInt32)),
		QueueLimit: c.Queue,
		MaxWait:    c.MaxWait,
		Now:        s.opts.Timers.Now,
		Timers:     s.opts.Timers,
	}
	if !c.FlaskSecuritySalt.IsZero() {
		conf.FlaskSalts = map[string]string{"": c.FlaskSecuritySalt.Reveal()}
	}
	if s.Hasher, err = password.New(conf); err != nil {
		return err
	}
	s.policy = password.DefaultPolicy()
	if c.BreachedFile == "" {
		return nil
	}
	list, err := password.OpenBreached(c.BreachedFile)
	if err != nil {
		return err
	}
	s.onClose(list)
	s.policy.Blocklist = &password.Blocklist{Breached: list}
	return nil
}

func (s *Server) openPlaces(context.Context) (err error) {
	if s.cfg.Places.Database == "" {
		return nil
	}
	if s.places, err = place.Open(s.cfg.Places.Database); err != nil {
		return fmt.Errorf("places.database: %w", err)
	}
	return nil
}

// rates returns the configured rate limits by their names.
func (s *Server) rates() limit.Rates {
	all := limit.Rates{}
	for name, r := range s.cfg.Limits.Rates.All() {
		all[name] = limit.Rate(r)
	}
	return all
}

func (s *Server) openLimits(context.Context) error {
	c := s.cfg.Limits
	local := limit.NewMemory(c.Keys, s.now)
	if c.Redis.IsZero() {
		s.Limiter = local
		return nil
	}
	shared, err := limit.OpenRedis(c.Redis.Reveal(), c.RedisTimeout)
	if err != nil {
		return err
	}
	s.onClose(shared)
	s.Limiter = limit.NewFallback(limit.FallbackConfig{
		Shared: shared, Local: local, Now: s.now, Timeout: c.RedisTimeout,
		Changed: func(degraded bool, cause error) {
			if degraded {
				s.log.Warn("Redis is unavailable; this node enforces the rate limits by itself", "error", cause)
			} else {
				s.log.Info("Redis is available again; rate limits are shared")
			}
		},
	})
	return nil
}

func (s *Server) lifetimes() auth.Lifetimes {
	return auth.Lifetimes{
		Access: s.cfg.Tokens.AccessLifetime, RefreshIdle: s.cfg.Tokens.RefreshIdle, RefreshAbsolute: s.cfg.Tokens.RefreshLifetime,
		SessionIdle: s.cfg.Sessions.Idle, SessionAbsolute: s.cfg.Sessions.Lifetime, Remember: s.cfg.Sessions.Remember,
	}
}

func (s *Server) openServices(ctx context.Context) error {
	root, err := s.readRoot(ctx)
	if err != nil {
		return err
	}
	s.openMetrics()
	s.Keys = keys.New(keys.Config{
		DB: s.DB, Now: s.now, Algorithm: s.cfg.Tokens.Algorithm, RSAKey: s.opts.RSAKey, Log: s.log,
		RotateEvery: s.cfg.Keys.RotateEvery, PublishAhead: s.cfg.Keys.PublishAhead, Lifetimes: s.lifetimes(),
	})
	s.Tokens = token.New(token.Config{
		DB: s.DB, Keys: s.Keys, Base: s.cfg.BaseURL(), Now: s.now, Lifetimes: s.lifetimes(),
		Grace: s.cfg.Tokens.RefreshGrace, Retry: s.cfg.Tokens.RefreshRetry,
		Resources: s.cfg.OAuth.Resources.URLs(), ResourceScopes: s.cfg.OAuth.Resources.Scopes(),
		Algorithm: s.cfg.Tokens.Algorithm, Root: root,
		ObserveRefresh: s.Metrics.Refresh, Log: s.log,
	})
	s.Sessions = session.New(session.Config{DB: s.DB, Lifetimes: s.lifetimes(), Root: root, Retry: s.cfg.Tokens.RefreshRetry})
	s.Access = access.New(s.DB)
	s.Tenants = tenant.New(tenant.Config{DB: s.DB, Keys: s.Keys, Base: s.cfg.BaseURL(), Now: s.now})
	s.Accounts = account.New(account.Config{
		DB: s.DB, Hasher: s.Hasher, Policy: s.policy, Sessions: s.Sessions, Limiter: s.Limiter,
		Rates: s.rates(),
		Now:   s.now, RegistrationOpen: s.cfg.Accounts.Registration == "open",
		VerifyLifetime: s.cfg.Links.Verify, ResetLifetime: s.cfg.Links.Reset, Log: s.log,
	})
	s.Flows = flow.New(flow.Config{DB: s.DB, Tokens: s.Tokens, Root: root, Base: s.cfg.BaseURL()})
	passkeys, err := s.newRelyingParty()
	if err != nil {
		return err
	}
	s.Logins = login.New(login.Config{
		Root: root, Passkeys: passkeys, OfferPasskeys: s.cfg.Passkeys.Offer,
		DB: s.DB, Hasher: s.Hasher, Tokens: s.Tokens, Sessions: s.Sessions, Flows: s.Flows, Limiter: s.Limiter,
		Rates: s.rates(), Now: s.now, Observe: s.Metrics.Login, Log: s.log,
	})
	out, err := s.newOutbound()
	if err != nil {
		return err
	}
	o := s.cfg.OAuth
	s.Clients = client.New(client.Config{
		DB: s.DB, Tokens: s.Tokens, Out: out, Root: root, Limiter: s.Limiter, Base: s.cfg.BaseURL(), Now: s.now, Log: s.log,
		Rates:            s.rates(),
		EndpointAudience: o.AssertionAudience == "endpoint", Registration: o.Registration, RedirectSchemes: o.RedirectSchemes,
		Documents: o.ClientMetadata, Grants: oidc.Grants(), ResourceScopes: o.Resources.Scopes(), DPoPNonce: o.DPoPNonce,
	})
	s.OIDC = oidc.New(oidc.Config{
		DB: s.DB, Clients: s.Clients, Tokens: s.Tokens, Keys: s.Keys, Sessions: s.Sessions, Flows: s.Flows, Out: out, Root: root, Limiter: s.Limiter,
		Base: s.cfg.BaseURL(), Now: s.now, Observe: s.Metrics.Grant, Log: s.log,
		Rates:        s.rates(),
		PKCEOptional: o.PKCE == "optional", Resources: o.Resources.URLs(),
		CodeLifetime: o.CodeLifetime, PushedLifetime: o.PushedLifetime, DeviceLifetime: o.DeviceLifetime,
	})
	return s.Tenants.EnsureDefault(ctx)
}

// newRelyingParty returns the relying party of passkeys; nil when the base URL has an IP address, which
// browsers accept for no passkey (WebAuthn §5.1.2).
func (s *Server) newRelyingParty() (*passkey.RelyingParty, error) {
	u, err := url.Parse(s.cfg.BaseURL())
	if err != nil {
		return nil, fmt.Errorf("base URL: %w", err)
	}
	if !auth.SupportsPasskeys(s.cfg.BaseURL()) {
		return nil, nil
	}
	return passkey.NewRelyingParty(cmp.Or(s.cfg.Passkeys.RPID, u.Hostname()), append([]string{s.cfg.BaseURL()}, s.cfg.Passkeys.Origins...))
}

// newOutbound returns the HTTP client for URLs that OAuth clients name.
func (s *Server) newOutbound() (*outbound.Client, error) {
	conf := outbound.Config{InsecureAllow: s.cfg.Outbound.Allow}
	if file := s.cfg.Outbound.CAFile; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("outbound.ca_file: %w", err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("outbound.ca_file: %s contains no PEM certificates", file)
		}
		conf.Transport = func(t *http.Transport) { t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12} }
	}
	c := outbound.New(conf)
	s.closers = append(s.closers, func() error { c.Close(); return nil })
	return c, nil
}

// openMail creates the outbox, which delivers mail to the configured server or to the development
// mailbox, or to neither.
func (s *Server) openMail(context.Context) (err error) {
	conf := outbox.Config{
		DB: s.DB, Timers: s.opts.Timers, Log: s.log, Observe: s.delivered, Drain: min(3*time.Second, s.cfg.Shutdown.Timeout/2),
		Jobs: []outbox.Job{
			outbox.Sweep(outbox.SweepConfig{DB: s.DB, Timers: s.opts.Timers, Flows: flow.Retention, Audit: s.cfg.Audit.Retention}),
			outbox.SweepClients(s.DB, s.opts.Timers),
			{Name: "due deletions", Every: 5 * time.Minute, Run: s.Accounts.RemoveDue},
			{Name: "keys", Every: time.Hour, Run: s.Keys.Maintain},
			{Name: "clocks", Every: time.Minute, Run: s.compareClocks},
			{Name: "password kinds", Every: time.Hour, Run: s.measurePasswordKinds},
		},
	}
	if s.places != nil {
		conf.Jobs = append(conf.Jobs, outbox.Job{Name: "places.database", Every: time.Minute, Run: s.places.Reload})
	}
	conf.Handlers = map[auth.MessageKind]outbox.Handler{auth.LogoutBackchannel: s.deliverLogout}
	switch {
	case !s.cfg.SMTP.URL.IsZero():
		s.Mailer, err = outbox.NewMailer(outbox.MailConfig{
			URL: s.cfg.SMTP.URL.Reveal(), From: s.cfg.SMTP.From, Base: s.cfg.BaseURL(), TenantName: s.tenantName, Locale: s.tenantLocale, Place: s.places.Place,
			Timers: s.opts.Timers,
		})
		if err != nil {
			return err
		}
		s.closers = append(s.closers, func() error { s.Mailer.Close(); return nil })
		maps.Copy(conf.Handlers, s.Mailer.Handlers())
	case s.opts.Dev:
		s.Mailbox = outbox.NewMailbox(outbox.MailboxConfig{Base: s.cfg.BaseURL(), TenantName: s.tenantName, Locale: s.tenantLocale, Place: s.places.Place, Now: s.now})
		maps.Copy(conf.Handlers, s.Mailbox.Handlers())
	}
	s.Outbox = outbox.New(conf)
	s.Metrics.Outbox(s.outboxDepth)
	return nil
}

// deliverLogout delivers a back-channel logout notice.
func (s *Server) deliverLogout(ctx context.Context, m auth.Message) error {
	err := s.OIDC.DeliverLogout(ctx, m)
	if errors.Is(err, oidc.ErrGivenUp) {
		return outbox.Permanent(err)
	}
	return err
}

// CheckMail reports whether the configured mail server can be reached, with its
// encryption and credentials. It sends nothing.
func CheckMail(ctx context.Context, cfg *config.Config) error {
	m, err := outbox.NewMailer(outbox.MailConfig{URL: cfg.SMTP.URL.Reveal(), From: cfg.SMTP.From, Base: cfg.BaseURL()})
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Check(ctx)
}

func (s *Server) tenantName(ctx context.Context, id auth.TenantID) string {
	t, err := s.Tenants.Get(ctx, id)
	if err != nil {
		return "" // the mail is sent without the name
	}
	return t.Name
}

func (s *Server) tenantLocale(ctx context.Context, id auth.TenantID) string {
	t, err := s.Tenants.Get(ctx, id)
	if err != nil {
		return ""
	}
	return t.Settings.Locale
}

func (s *Server) outboxDepth() (depth int64, oldest time.Duration) {
	st := s.Outbox.Stats()
	if !st.Oldest.IsZero() {
		oldest = max(0, s.now().Sub(st.Oldest))
	}
	return st.Waiting, oldest
}

func (s *Server) openWeb(context.Context) (err error) {
	conf := web.Config{
		DB: s.DB, Accounts: s.Accounts, Logins: s.Logins, Access: s.Access, Clients: s.Clients, Flows: s.Flows, OIDC: s.OIDC, Tokens: s.Tokens, Sessions: s.Sessions, Keys: s.Keys,
		Places: s.places, JWKSMaxAge: s.cfg.Keys.JWKSMaxAge, PasskeyOrigins: s.cfg.Passkeys.Origins, Pprof: s.cfg.Metrics.Pprof,
		Config: router.Config{
			Tenants: s.Tenants, Limiter: s.Limiter, Metrics: s.Metrics, Now: s.now, Log: s.log, AccessLog: s.cfg.AccessLog,
			Base: s.cfg.BaseURL(), Trusted: s.cfg.Proxy.Trusted, Origins: s.cfg.CORS.Origins,
			BodyJSON: int64(s.cfg.HTTP.BodyJSON), BodyForm: int64(s.cfg.HTTP.BodyForm),
			Rates: s.rates(),
		},
	}
	if s.Mailbox != nil {
		conf.Mailbox = s.mailboxMails
	}
	conf.InsecureCookies = s.opts.InsecureCookies && strings.HasPrefix(conf.Base, "http://")
	s.Web, err = web.New(conf)
	return err
}

// mailboxMails returns the mails of the mailbox for the pages of development.
func (s *Server) mailboxMails() []pages.Mail {
	mails := s.Mailbox.Mails()
	out := make([]pages.Mail, len(mails))
	for i, m := range mails {
		out[i] = pages.Mail{To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, Links: m.Links, SentAt: m.SentAt}
	}
	return out
}
