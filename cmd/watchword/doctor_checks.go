package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/store"
)

func checkDatabase(ctx context.Context, cfg *config.Config) (string, error) {
	// A check must not create the database.
	if path, ok := strings.CutPrefix(cfg.DatabaseURL(), "sqlite:"); ok && !exists(path) && !exists(path+".mark") {
		return path + " does not exist yet; the first start creates it", nil
	}
	db, err := openUnmigrated(ctx, cfg)
	if e, ok := errors.AsType[*store.SchemaError](err); ok {
		return fmt.Sprintf("reachable; %v: the next start or watchword migrate migrates it%s", e, poolerNote(e.Pooled)), nil
	}
	if err != nil {
		return "", err
	}
	defer db.Close()
	began := time.Now()
	if err := db.Ping(ctx); err != nil {
		return "", err
	}
	latency := time.Since(began).Round(10 * time.Microsecond)
	if !cfg.MasterKey.IsZero() {
		err := db.ReadSystem(ctx, func(tx *store.SystemTx) error {
			_, err := tx.Sealed("root")
			return err
		})
		if errors.Is(err, secret.ErrSealed) {
			return "", errors.New(server.OtherMasterKey(cfg))
		}
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return "", err
		}
	}
	if skew, err := db.ClockSkew(ctx); err != nil {
		return "", err
	} else if skew.Abs() > store.ClockTolerance {
		return "", fmt.Errorf("the clock of this machine is %s ahead of the database; tokens and sessions depend on the time", skew.Round(time.Second))
	}
	return fmt.Sprintf("%s responds in %s%s", db.Dialect(), latency, poolerNote(db.UsesPooler())), nil
}

// openUnmigrated opens the database without migrating it.
func openUnmigrated(ctx context.Context, cfg *config.Config) (*store.DB, error) {
	ring, err := keyring(cfg)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{URL: cfg.DatabaseURL(), Keyring: ring, SkipMigrations: true, Now: fault.Now, Log: slog.New(slog.DiscardHandler)})
}

// checkPasswordLengths names the tenants whose passwords may be shorter than NIST SP 800-63B-4
// requires. It is not a finding: a tenant may choose its line of the standard.
func checkPasswordLengths(ctx context.Context, cfg *config.Config) (string, error) {
	tenants, err := readTenants(ctx, cfg)
	if err != nil {
		return "", err
	}
	return describePasswordLengths(tenants, fault.Now()), nil
}

// checkPasskeyPolicies names the tenants that require a passkey where browsers accept none: nobody can sign in.
func checkPasskeyPolicies(ctx context.Context, cfg *config.Config) (string, error) {
	tenants, err := readTenants(ctx, cfg)
	if err != nil {
		return "", err
	}
	var closed []string
	for _, t := range tenants {
		if t.Settings.Factors.RequiresPasskey() && !auth.SupportsPasskeys(cfg.BaseURL()) {
			closed = append(closed, string(t.ID))
		}
	}
	if len(closed) > 0 {
		return "", fmt.Errorf("tenant %s: %s, or set --second-factor required", strings.Join(closed, ", "), auth.PasskeysNeedDomain)
	}
	return "every policy can be met", nil
}

// readTenants reads the tenants. Errors are inconclusiveError where the database cannot be read.
func readTenants(ctx context.Context, cfg *config.Config) (tenants []auth.Tenant, err error) {
	if path, ok := cfg.SQLite(); ok && !exists(path) {
		return nil, inconclusiveError("the database does not exist yet")
	}
	db, err := openUnmigrated(ctx, cfg)
	if err != nil {
		return nil, inconclusiveError("the database cannot be read, see above")
	}
	defer db.Close()
	err = db.ReadSystem(ctx, func(tx *store.SystemTx) (err error) {
		tenants, err = tx.Tenants()
		return err
	})
	return tenants, err
}

func describePasswordLengths(tenants []auth.Tenant, now time.Time) string {
	var shorter []string
	for _, t := range tenants {
		n := t.Settings.Password.MinLength
		if n > 0 && n < password.LengthAlone && !t.NeedsFactor(auth.Account{CreatedAt: now}, nil, nil, now) {
			shorter = append(shorter, fmt.Sprintf("%s %d", t.ID, n))
		}
	}
	if len(shorter) == 0 {
		return fmt.Sprintf("at least %d characters where a password is the only factor (NIST SP 800-63B-4 §3.1.1.2)", password.LengthAlone)
	}
	return fmt.Sprintf("shorter than the %d characters that NIST SP 800-63B-4 §3.1.1.2 requires of an only factor; minimum of tenant: %s",
		password.LengthAlone, strings.Join(shorter, ", "))
}

// maxLabels is how many labels of related origins most browsers accept (WebAuthn §5.11.1 requires five).
const maxLabels = 5

// describePasskeys says which domain passkeys belong to, or why there are none. Neither is a finding: a server
// may do without passkeys.
func describePasskeys(cfg *config.Config) string {
	issuer, err := url.Parse(cfg.BaseURL())
	if err != nil {
		return "none: the issuer is no URL"
	}
	host := issuer.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return "none: " + host + " is an IP address, and browsers accept only domains; name the issuer by a domain"
	}
	if issuer.Scheme != "https" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return "none: browsers accept no passkey over http, except at localhost; use https"
	}
	id := cmp.Or(cfg.Passkeys.RPID, host)
	var labels, notes []string
	for _, origin := range cfg.Passkeys.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" || u.Hostname() == id || strings.HasSuffix(u.Hostname(), "."+id) {
			continue
		}
		if l := relatedLabel(u.Hostname()); !slices.Contains(labels, l) {
			labels = append(labels, l)
		}
	}
	if len(labels) > maxLabels {
		notes = append(notes, fmt.Sprintf("passkeys.origins has up to %d labels (%s), and most browsers accept %d", len(labels), strings.Join(labels, ", "), maxLabels))
	}
	if len(labels) > 0 && id != host {
		notes = append(notes, "https://"+id+"/.well-known/webauthn has to list passkeys.origins, and this server does not serve it")
	}
	return strings.Join(append([]string{"of " + id}, notes...), "; ")
}

// relatedLabel returns the label of a host that browsers count: the one before its public suffix, such as
// "com" or "co.uk". A suffix of two labels is guessed by its length, which may count too many.
func relatedLabel(host string) string {
	labels := strings.Split(host, ".")
	n := len(labels)
	switch {
	case n < 2:
		return host
	case n > 2 && len(labels[n-1]) == 2 && len(labels[n-2]) <= 3:
		return labels[n-3]
	}
	return labels[n-2]
}

func poolerNote(yes bool) string {
	if yes {
		return ", through a connection pooler: no prepared statements, timeouts set per transaction"
	}
	return ""
}

// keyring returns the configured master keys, or a random one that opens nothing.
func keyring(cfg *config.Config) (*secret.Keyring, error) {
	if cfg.MasterKey.IsZero() {
		return secret.NewKeyring(secret.Bytes(32))
	}
	var previous [][]byte
	if !cfg.MasterKeyPrevious.IsZero() {
		previous = append(previous, cfg.MasterKeyPrevious.Bytes())
	}
	return secret.NewKeyring(cfg.MasterKey.Bytes(), previous...)
}

// describeManage describes the reach of the management listener. It is not a finding:
// only the operator knows whether a network is private.
func describeManage(cfg *config.Config) string {
	if isLoopback(cfg.Manage) {
		return cfg.Manage + ", reachable from this machine only"
	}
	return cfg.Manage + " is reachable from other machines without credentials: make sure the network is private"
}

// isLoopback reports whether a listener can be reached only from this machine.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// checkRedis compares the second response with limits.redis_timeout. The first includes
// connecting, which a running server has already done.
func checkRedis(ctx context.Context, cfg *config.Config) (string, error) {
	r, err := limit.OpenRedis(cfg.Limits.Redis.Reveal(), max(cfg.Limits.RedisTimeout, 5*time.Second))
	if err != nil {
		return "", err
	}
	defer r.Close()
	var latency time.Duration
	for range 2 {
		began := time.Now()
		if _, err := r.Peek(ctx, "doctor", limit.Rate{Count: 1, Per: time.Minute}); err != nil {
			return "", fmt.Errorf("unreachable: %w", err)
		}
		latency = time.Since(began).Round(10 * time.Microsecond)
	}
	if latency > cfg.Limits.RedisTimeout {
		return "", fmt.Errorf("responds in %s, slower than limits.redis_timeout (%s)", latency, cfg.Limits.RedisTimeout)
	}
	return fmt.Sprintf("shared by all nodes, responds in %s", latency), nil
}

func checkCertificate(cfg *config.Config) (string, error) {
	pair, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(cfg.BaseURL()); err == nil && u.Hostname() != "" {
		if err := pair.Leaf.VerifyHostname(u.Hostname()); err != nil {
			return "", err
		}
	}
	if time.Until(pair.Leaf.NotAfter) < 7*24*time.Hour {
		return "", fmt.Errorf("expires %s", pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return "valid until " + pair.Leaf.NotAfter.Format(time.DateOnly), nil
}

// checkAuthority fetches only the directory of the ACME server: an order would count
// against its rate limits. It cannot check whether the ACME server reaches this server.
func checkAuthority(ctx context.Context, cfg *config.Config) (string, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := cfg.TLS.DirectoryCAFile; name != "" {
		pem, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return "", fmt.Errorf("%s contains no PEM certificate", name)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.TLS.Directory, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf}}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ACME server unreachable: %w", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ACME server responds %s at %s", resp.Status, cfg.TLS.Directory)
	}
	return fmt.Sprintf("ACME server reachable; it must reach %s on port 443 of %s", cfg.Listen, strings.Join(cfg.TLS.Auto, ", ")), nil
}

func checkHashing(cfg *config.Config) (string, error) {
	p := password.Params{Memory: uint32(cfg.Password.Memory >> 10), Time: uint32(cfg.Password.Time), Parallelism: uint8(cfg.Password.Parallelism), SaltLength: 16, KeyLength: 32}
	if err := p.Validate(); err != nil {
		return "", err
	}
	if p.Weak() {
		return "", fmt.Errorf("Argon2id with %d KiB and t=%d is weaker than recommended; run: watchword calibrate", p.Memory, p.Time)
	}
	return fmt.Sprintf("Argon2id %d KiB, t=%d, p=%d", p.Memory, p.Time, p.Parallelism), nil
}

func (c doctorCmd) clientAddress(cfg *config.Config) (string, error) {
	if _, err := netip.ParseAddr(c.Peer); err != nil {
		return "", fmt.Errorf("--peer %s: an IP address is expected", c.Peer)
	}
	var values []string
	if c.XFF != "" {
		values = []string{c.XFF}
	}
	addr := limit.ClientIP(net.JoinHostPort(c.Peer, "0"), values, cfg.Proxy.Trusted)
	return fmt.Sprintf("%s, rate-limited as %s", addr, limit.AddressKey(addr)), nil
}
