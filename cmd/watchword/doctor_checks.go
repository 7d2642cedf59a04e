package main

import (
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
	// Looking must not make: a database that is not there yet is only reported.
	if path, ok := strings.CutPrefix(cfg.DatabaseURL(), "sqlite:"); ok && !exists(path) && !exists(path+".mark") {
		return path + " does not exist yet; the first start makes it", nil
	}
	ring, err := keyring(cfg)
	if err != nil {
		return "", err
	}
	db, err := store.Open(ctx, store.Config{URL: cfg.DatabaseURL(), Keyring: ring, SkipMigrations: true, Now: fault.Now, Log: slog.New(slog.DiscardHandler)})
	if e, ok := errors.AsType[*store.SchemaError](err); ok {
		return fmt.Sprintf("answers; %v, the next start or watchword migrate brings it up to date%s", e, pooled(e.Pooled)), nil
	}
	if err != nil {
		return "", err
	}
	defer db.Close()
	begun := time.Now()
	if err := db.Ping(ctx); err != nil {
		return "", err
	}
	took := time.Since(begun).Round(10 * time.Microsecond)
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
		return "", fmt.Errorf("the clock of this machine is %s ahead of the database's; tokens and sessions depend on the time", skew.Round(time.Second))
	}
	return fmt.Sprintf("%s answers in %s%s", db.Dialect(), took, pooled(db.UsesPooler())), nil
}

func pooled(yes bool) string {
	if yes {
		return ", through a connection pooler: statements are not prepared, and time limits are set for each transaction"
	}
	return ""
}

// keyring holds the configured master keys, or one that opens nothing.
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

// describeManage is no verdict: whether a network is private, only the operator knows.
func describeManage(cfg *config.Config) string {
	if onlyHere(cfg.Manage) {
		return cfg.Manage + ", for this machine alone"
	}
	return cfg.Manage + " is open to other machines and asks for no credentials: see that none of them is a stranger's"
}

// onlyHere reports whether a listener can be reached from this machine alone.
func onlyHere(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// checkRedis gives the first answer time for the connection, which a running server has
// long since made, and holds the second to limits.redis_timeout.
func checkRedis(ctx context.Context, cfg *config.Config) (string, error) {
	r, err := limit.OpenRedis(cfg.Limits.Redis.Reveal(), max(cfg.Limits.RedisTimeout, 5*time.Second))
	if err != nil {
		return "", err
	}
	defer r.Close()
	var took time.Duration
	for range 2 {
		begun := time.Now()
		if _, err := r.Peek(ctx, "doctor", limit.Rate{Count: 1, Per: time.Minute}); err != nil {
			return "", fmt.Errorf("does not answer: %w", err)
		}
		took = time.Since(begun).Round(10 * time.Microsecond)
	}
	if took > cfg.Limits.RedisTimeout {
		return "", fmt.Errorf("answers in %s, more than limits.redis_timeout (%s)", took, cfg.Limits.RedisTimeout)
	}
	return fmt.Sprintf("counts for all nodes together, answers in %s", took), nil
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
	left := time.Until(pair.Leaf.NotAfter)
	if left < 7*24*time.Hour {
		return "", fmt.Errorf("expires %s", pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return "valid until " + pair.Leaf.NotAfter.Format(time.DateOnly), nil
}

// checkAuthority asks for the directory alone: ordering would use up the
// authority's limits. That it reaches us, only it can tell.
func checkAuthority(ctx context.Context, cfg *config.Config) (string, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := cfg.TLS.DirectoryCAFile; name != "" {
		pem, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return "", fmt.Errorf("%s holds no certificate in PEM", name)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.TLS.Directory, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf}}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("the authority does not answer: %w", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the authority answers %s to %s", resp.Status, cfg.TLS.Directory)
	}
	return fmt.Sprintf("the authority answers; it must reach %s on port 443 of %s", cfg.Listen, strings.Join(cfg.TLS.Auto, ", ")), nil
}

func checkHashing(cfg *config.Config) (string, error) {
	p := password.Params{Memory: uint32(cfg.Password.Memory >> 10), Time: uint32(cfg.Password.Time), Parallelism: uint8(cfg.Password.Parallelism), SaltLength: 16, KeyLength: 32}
	if err := p.Validate(); err != nil {
		return "", err
	}
	if p.Weak() {
		return "", fmt.Errorf("Argon2id with %d KiB and t=%d is weaker than advised; run: watchword calibrate", p.Memory, p.Time)
	}
	return fmt.Sprintf("Argon2id %d KiB, t=%d, p=%d", p.Memory, p.Time, p.Parallelism), nil
}

func (c doctorCmd) clientAddress(cfg *config.Config) (string, error) {
	if _, err := netip.ParseAddr(c.Peer); err != nil {
		return "", fmt.Errorf("--peer: %w", err)
	}
	var values []string
	if c.XFF != "" {
		values = []string{c.XFF}
	}
	addr := limit.ClientIP(net.JoinHostPort(c.Peer, "0"), values, cfg.Proxy.Trusted)
	return fmt.Sprintf("%s, counted as %s", addr, limit.AddressKey(addr)), nil
}
