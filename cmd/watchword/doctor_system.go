package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
)

// checkFolder reports whether this user may write the SQLite database: the file, its
// companions, and new files. It creates a temporary file and removes it.
func checkFolder(path string) (string, error) {
	folder := filepath.Dir(path)
	existing := folder
	for !exists(existing) && existing != filepath.Dir(existing) {
		existing = filepath.Dir(existing)
	}
	probe, err := os.CreateTemp(existing, ".watchword-doctor-*")
	if err != nil {
		return "", fmt.Errorf("this user (%d) may not write to %s: %w", os.Getuid(), existing, withoutPath(err))
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return "", err
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		f, err := os.OpenFile(path+suffix, os.O_RDWR, 0)
		if err == nil {
			f.Close()
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("this user (%d) may not write to %s: %w", os.Getuid(), path+suffix, withoutPath(err))
		}
	}
	return folder + " is writable by this user", nil
}

// withoutPath returns a file error without its path.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// checkListener opens the address briefly. An address in use is assumed to be the running
// server; the issuer check verifies it.
func checkListener(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return addr + ", in use, probably by the running server", nil
	case errors.Is(err, syscall.EACCES):
		return "", fmt.Errorf("this user (%d) may not listen on %s; ports below 1024 need CAP_NET_BIND_SERVICE", os.Getuid(), addr)
	case err != nil:
		return "", err
	}
	return addr, l.Close()
}

// checkProxy checks that client addresses are known. Otherwise all users behind the proxy
// share the rate limits of one address.
func checkProxy(cfg *config.Config) (string, error) {
	switch {
	case len(cfg.Proxy.Trusted) > 0:
		return "X-Forwarded-For is trusted from " + cfg.Proxy.Trusted.String() + "; make sure the proxy sets it", nil
	case cfg.BehindProxy():
		return "", errors.New("the issuer is https and this server speaks http, so a proxy terminates TLS: set proxy.trusted to its network (127.0.0.1 on this machine) and make it set X-Forwarded-For; otherwise all users share the rate limits of one address")
	}
	return "none: the client address is that of the connection", nil
}

// issuerResponse is the response of the issuer to a request for its metadata.
type issuerResponse struct {
	err      error
	status   int
	location string
	date     string
	issuer   string // of its metadata; empty without metadata
}

// queryIssuer fetches the provider metadata of the issuer.
func queryIssuer(ctx context.Context, cfg *config.Config) issuerResponse {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.BaseURL()+"/.well-known/openid-configuration", nil)
	if err != nil {
		return issuerResponse{err: err}
	}
	client := http.Client{Timeout: 3 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return issuerResponse{err: err}
	}
	defer resp.Body.Close()
	r := issuerResponse{status: resp.StatusCode, location: resp.Header.Get("Location"), date: resp.Header.Get("Date")}
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&metadata) == nil {
		r.issuer = metadata.Issuer
	}
	return r
}

// checkIdentity reports whether a server of this issuer responds at the issuer. No
// response is inconclusive: doctor also runs before the first start.
func (r issuerResponse) checkIdentity(cfg *config.Config) (string, error) {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](r.err)
	failed, _ := errors.AsType[*net.OpError](r.err)
	switch {
	case untrusted:
		return "", fmt.Errorf("this machine does not trust the certificate, and services that verify tokens may not either: %w", r.err)
	case failed != nil && failed.Op == "dial" || os.IsTimeout(r.err):
		return "", inconclusiveError(fmt.Sprintf("not checked; is the server running? %v", r.err))
	case r.err != nil:
		return "", fmt.Errorf("another server responds there: %w", r.err)
	case r.status == http.StatusBadGateway || r.status == http.StatusServiceUnavailable || r.status == http.StatusGatewayTimeout:
		return "", inconclusiveError(fmt.Sprintf("not checked; is the server running? %s responds %d", cfg.BaseURL(), r.status))
	case r.location != "":
		return "", fmt.Errorf("%s redirects to %s; the issuer must respond without a redirect", cfg.BaseURL(), r.location)
	case r.status != http.StatusOK || r.issuer == "":
		return "", fmt.Errorf("another server responds at %s: status %d without provider metadata", cfg.BaseURL(), r.status)
	case r.issuer != cfg.BaseURL():
		return "", fmt.Errorf("the server at %s has the issuer %s", cfg.BaseURL(), r.issuer)
	}
	return "responds at " + cfg.BaseURL(), nil
}

// checkClock compares the clock with that of the issuer.
func (r issuerResponse) checkClock(cfg *config.Config) (string, error) {
	if r.err != nil {
		return "", inconclusiveError("not checked: the issuer does not respond")
	}
	date, err := http.ParseTime(r.date)
	if err != nil {
		return "", inconclusiveError("not checked: the issuer sends no Date header")
	}
	if off := time.Since(date); off > 5*time.Second || off < -5*time.Second {
		return "", fmt.Errorf("the clocks of this machine and %s differ by %s; tokens depend on the time", cfg.BaseURL(), off.Round(time.Second))
	}
	return "matches " + cfg.BaseURL(), nil
}
