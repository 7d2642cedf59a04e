package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

const (
	certLoadTime   = 3 * time.Second  // for stored certificates, before the server starts without them
	certRetry      = 10 * time.Second // after a failure of this server; certmagic waits after one of the authority
	certRetryLater = time.Hour        // after an error that certmagic does not retry
)

// autoTLS obtains certificates by ACME (RFC 8555) through the public listener (TLS-ALPN-01, RFC
// 8737) and stores them in the database. The server starts even when the certificate authority is
// unavailable.
func (s *Server) autoTLS(ctx context.Context, at net.Addr) (*tls.Config, func(context.Context), error) {
	quiet := zap.NewNop() // certEvent logs the results
	issuer, err := s.certIssuer(at)
	if err != nil {
		return nil, nil, fmt.Errorf("configure automatic certificates: %w", err)
	}
	issuer.Logger = quiet
	var magic *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return magic, nil },
		Logger:           quiet,
	})
	magic = certmagic.New(cache, certmagic.Config{Storage: newCertStore(ctx, s.DB, s.opts.Timers), Logger: quiet, OnEvent: s.certEvent})
	magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(magic, issuer)}
	s.loadCerts(ctx, magic)
	conf := baseTLS()
	auto := magic.TLSConfig()
	conf.NextProtos = append(conf.NextProtos, auto.NextProtos...)
	conf.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		// For a challenge of any name certmagic would query the database.
		if slices.Equal(h.SupportedProtos, auto.NextProtos) && !s.cfg.TLS.Covers(h.ServerName) {
			return nil, errors.New("ACME challenge: the name is not in tls.auto")
		}
		return auto.GetCertificate(h)
	}
	return conf, func(ctx context.Context) { s.manageCerts(ctx, magic); cache.Stop() }, nil
}

// loadCerts loads stored certificates before the first connection.
func (s *Server) loadCerts(ctx context.Context, magic *certmagic.Config) {
	ctx, cancel := context.WithTimeout(ctx, certLoadTime)
	defer cancel()
	for _, name := range s.cfg.TLS.Auto {
		_, _ = magic.CacheManagedCertificate(ctx, name) // manageCerts retries
	}
}

// manageCerts ensures that there is a certificate for every name; certmagic renews it. It returns
// when ctx is done.
func (s *Server) manageCerts(ctx context.Context, magic *certmagic.Config) {
	var wg sync.WaitGroup
	for _, name := range s.cfg.TLS.Auto {
		wg.Go(func() {
			for {
				err := ensureCert(ctx, magic, name)
				if err == nil || ctx.Err() != nil {
					return
				}
				wait := certRetry
				if errors.As(err, new(certmagic.ErrNoRetry)) {
					wait = certRetryLater
				}
				s.log.Error("certificate not available; retrying", "host", name, "in", wait.String(), "error", err)
				s.opts.Timers.Sleep(ctx, wait)
			}
		})
	}
	<-ctx.Done()
	wg.Wait()
}

// ensureCert loads the certificate for a name from the database. It obtains or renews it at the
// authority, with retries, when there is none or it is too old.
func ensureCert(ctx context.Context, magic *certmagic.Config, name string) error {
	cert, err := magic.CacheManagedCertificate(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = magic.ObtainCertAsync(ctx, name)
	case err == nil && cert.NeedsRenewal(magic):
		err = magic.RenewCertAsync(ctx, name, false)
	default:
		return err
	}
	if err == nil {
		_, err = magic.CacheManagedCertificate(ctx, name)
	}
	return err
}

// certIssuer returns the configuration of the certificate authority and of the listener for its
// challenges.
func (s *Server) certIssuer(at net.Addr) (certmagic.ACMEIssuer, error) {
	c := s.cfg.TLS
	ca := certmagic.ACMEIssuer{CA: c.Directory, Email: c.Email, Agreed: true, DisableHTTPChallenge: true}
	// certmagic opens the port of the challenge when nothing listens on it. It must know the port
	// of the public listener, to which port 443 may be forwarded.
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return ca, err
	}
	ca.ListenHost = host
	if ca.AltTLSALPNPort, err = strconv.Atoi(port); err != nil || c.DirectoryCAFile == "" {
		return ca, err
	}
	roots, err := os.ReadFile(c.DirectoryCAFile)
	if err != nil {
		return ca, err
	}
	ca.TrustedRoots = x509.NewCertPool()
	if !ca.TrustedRoots.AppendCertsFromPEM(roots) {
		return ca, fmt.Errorf("%s contains no PEM certificates", c.DirectoryCAFile)
	}
	return ca, nil
}

func (s *Server) certEvent(_ context.Context, event string, data map[string]any) error {
	switch event {
	case "cert_obtained":
		s.log.Info("certificate obtained", "host", data["identifier"], "renewal", data["renewal"])
	case "cert_failed":
		s.log.Error("certificate not obtained; retrying later", "host", data["identifier"], "error", data["error"])
	}
	return nil
}
