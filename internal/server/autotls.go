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
	certLoadTime    = 3 * time.Second  // for what is kept, before we serve without it
	certRetry       = 10 * time.Second // after a fault of ours; after one of the authority certmagic waits by itself
	certRetryNoHope = time.Hour        // when certmagic sees no sense in waiting
)

// autoTLS obtains certificates by ACME (RFC 8555) through the public listener
// itself (TLS-ALPN-01, RFC 8737) and keeps them in the database. A certificate
// authority that does not answer keeps nobody from starting.
func (s *Server) autoTLS(ctx context.Context, at net.Addr) (*tls.Config, func(context.Context), error) {
	quiet := zap.NewNop() // what matters comes through OnEvent
	issuer, err := s.certIssuer(at)
	if err != nil {
		return nil, nil, fmt.Errorf("set up automatic certificates: %w", err)
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
		// For a challenge certmagic would look into the database, whatever the name.
		if slices.Equal(h.SupportedProtos, auto.NextProtos) && !s.cfg.TLS.Covers(h.ServerName) {
			return nil, errors.New("a challenge for a name that is not ours")
		}
		return auto.GetCertificate(h)
	}
	return conf, func(ctx context.Context) { s.manageCerts(ctx, magic); cache.Stop() }, nil
}

// loadCerts has what is in the database ready when the first connection comes.
func (s *Server) loadCerts(ctx context.Context, magic *certmagic.Config) {
	ctx, cancel := context.WithTimeout(ctx, certLoadTime)
	defer cancel()
	for _, name := range s.cfg.TLS.Auto {
		_, _ = magic.CacheManagedCertificate(ctx, name) // manageCerts does what this could not
	}
}

// manageCerts sees to it that there is a certificate for every name. From then on
// certmagic renews it. It returns when ctx is done.
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
					wait = certRetryNoHope
				}
				s.log.Error("certificate not ready; trying again", "host", name, "in", wait.String(), "error", err)
				s.opts.Timers.Sleep(ctx, wait)
			}
		})
	}
	<-ctx.Done()
	wg.Wait()
}

// ensureCert gets the certificate for a name from the database, or from the authority
// if there is none or only an old one, however often that has to be asked.
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

// certIssuer is the certificate authority, and how it reaches us.
func (s *Server) certIssuer(at net.Addr) (certmagic.ACMEIssuer, error) {
	c := s.cfg.TLS
	ca := certmagic.ACMEIssuer{CA: c.Directory, Email: c.Email, Agreed: true, DisableHTTPChallenge: true}
	// Where nobody listens on the port of the challenge, certmagic opens it. It must
	// know that we do, even if port 443 is another that is forwarded to ours.
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
		return ca, fmt.Errorf("%s holds no certificates in PEM", c.DirectoryCAFile)
	}
	return ca, nil
}

func (s *Server) certEvent(_ context.Context, event string, data map[string]any) error {
	switch event {
	case "cert_obtained":
		s.log.Info("certificate obtained", "host", data["identifier"], "renewal", data["renewal"])
	case "cert_failed":
		s.log.Error("certificate not obtained; trying again later", "host", data["identifier"], "error", data["error"])
	}
	return nil
}
