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

// checkFolder reports whether this user may write what SQLite writes: the file, the
// files beside it, and new ones. It makes a file of its own and removes it.
func checkFolder(path string) (string, error) {
	folder := filepath.Dir(path)
	made := folder
	for !exists(made) && made != filepath.Dir(made) {
		made = filepath.Dir(made)
	}
	probe, err := os.CreateTemp(made, ".watchword-doctor-*")
	if err != nil {
		return "", fmt.Errorf("this user (%d) may not write to %s: %w", os.Getuid(), made, cause(err))
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
			return "", fmt.Errorf("this user (%d) may not write to %s: %w", os.Getuid(), path+suffix, cause(err))
		}
	}
	return folder + " can be written to by this user", nil
}

// cause is the error of a file without its path.
func cause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// checkListener opens the address for a moment. One that is in use is taken to be the
// running server's: the check of the issuer says whose it is.
func checkListener(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return addr + ", in use now: by the running server?", nil
	case errors.Is(err, syscall.EACCES):
		return "", fmt.Errorf("this user (%d) may not listen on %s; ports below 1024 need CAP_NET_BIND_SERVICE", os.Getuid(), addr)
	case err != nil:
		return "", err
	}
	return addr, l.Close()
}

// checkProxy looks for the client's address: without it, everybody who comes through
// the proxy shares the limits of one address.
func checkProxy(cfg *config.Config) (string, error) {
	switch {
	case len(cfg.Proxy.Trusted) > 0:
		return "X-Forwarded-For is believed from " + cfg.Proxy.Trusted.String() + "; see that the proxy sets it", nil
	case cfg.BehindProxy():
		return "", errors.New("the issuer is https and this server speaks http, so a proxy ends TLS: name its network in proxy.trusted (127.0.0.1 on this machine) and have it set X-Forwarded-For, or all users share the rate limits of one address")
	}
	return "none in front: clients are counted by the address they connect from", nil
}

// answer is what came back from the issuer, as users reach it.
type answer struct {
	err      error
	status   int
	location string
	date     string
	issuer   string // of its metadata; empty when it sent none
}

// askIssuer asks for the provider's metadata at the issuer.
func askIssuer(ctx context.Context, cfg *config.Config) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.BaseURL()+"/.well-known/openid-configuration", nil)
	if err != nil {
		return answer{err: err}
	}
	client := http.Client{Timeout: 3 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, location: resp.Header.Get("Location"), date: resp.Header.Get("Date")}
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&metadata) == nil {
		a.issuer = metadata.Issuer
	}
	return a
}

// identity reports whether a server of this issuer answers at the issuer. That none
// answers is no fault: the doctor is asked before the first start too.
func (a answer) identity(cfg *config.Config) (string, error) {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](a.err)
	failed, _ := errors.AsType[*net.OpError](a.err)
	switch {
	case untrusted:
		return "", fmt.Errorf("this machine does not trust the certificate, nor may services that check tokens: %w", a.err)
	case failed != nil && failed.Op == "dial" || os.IsTimeout(a.err):
		return "", unknownError(fmt.Sprintf("not compared, the server is not running? %v", a.err))
	case a.err != nil:
		return "", fmt.Errorf("what answers there is not this server: %w", a.err)
	case a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout:
		return "", unknownError(fmt.Sprintf("not compared, the server is not running? %s answers %d", cfg.BaseURL(), a.status))
	case a.location != "":
		return "", fmt.Errorf("%s redirects to %s; issuer must be the address that answers by itself", cfg.BaseURL(), a.location)
	case a.status != http.StatusOK || a.issuer == "":
		return "", fmt.Errorf("another server answers at %s: status %d without the metadata of a provider", cfg.BaseURL(), a.status)
	case a.issuer != cfg.BaseURL():
		return "", fmt.Errorf("the server at %s calls itself %s", cfg.BaseURL(), a.issuer)
	}
	return "answers at " + cfg.BaseURL(), nil
}

// clock compares with the clock of the server that answered.
func (a answer) clock(cfg *config.Config) (string, error) {
	if a.err != nil {
		return "", unknownError("not compared: the issuer does not answer")
	}
	theirs, err := http.ParseTime(a.date)
	if err != nil {
		return "", unknownError("not compared: the issuer sends no date")
	}
	if off := time.Since(theirs); off > 5*time.Second || off < -5*time.Second {
		return "", fmt.Errorf("this machine and %s differ by %s; tokens depend on the time", cfg.BaseURL(), off.Round(time.Second))
	}
	return "agrees with " + cfg.BaseURL(), nil
}
