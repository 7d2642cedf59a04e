package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// tls is how the public listener speaks HTTPS; nil when a proxy does. The second
// result looks after the certificates until its context is done.
func (s *Server) tls(ctx context.Context) (*tls.Config, func(context.Context), error) {
	switch {
	case s.cfg.TLS.CertFile != "":
		f, err := openCertFiles(s.cfg.TLS.CertFile, s.cfg.TLS.KeyFile, s.log)
		if err != nil {
			return nil, nil, err
		}
		conf := baseTLS()
		conf.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.pair.Load(), nil }
		return conf, f.keep, nil
	case len(s.cfg.TLS.Auto) > 0:
		return s.autoTLS(ctx)
	}
	return nil, nil, nil
}

func baseTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

// certFiles is a certificate and key in two files. Whoever renews them replaces
// the files; the server notices.
type certFiles struct {
	cert, key string
	log       *slog.Logger
	pair      atomic.Pointer[tls.Certificate]
	seen      string // owned by keep: what the files looked like at the last look
}

func openCertFiles(cert, key string, log *slog.Logger) (*certFiles, error) {
	f := &certFiles{cert: cert, key: key, log: log}
	f.seen = f.look()
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("load the certificate: %w", err)
	}
	return f, nil
}

func (f *certFiles) load() error {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return err
	}
	f.pair.Store(&pair)
	return nil
}

func (f *certFiles) look() string {
	var s string
	for _, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			s += fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano(), "\n")
		}
	}
	return s
}

// check loads the files when they have changed. While they do not fit together,
// as in the middle of a renewal, the old certificate stays.
func (f *certFiles) check() {
	now := f.look()
	if now == f.seen {
		return
	}
	f.seen = now
	if err := f.load(); err != nil {
		f.log.Error("the changed certificate cannot be used; the old one stays", "file", f.cert, "error", err)
		return
	}
	f.log.Info("certificate loaded again", "file", f.cert, "expires", f.pair.Load().Leaf.NotAfter)
}

func (f *certFiles) keep(ctx context.Context) {
	t := time.NewTicker(2 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f.check()
		}
	}
}

// autoTLS obtains certificates by ACME (RFC 8555) through the public listener
// itself (TLS-ALPN-01, RFC 8737) and keeps them in the data folder. A certificate
// authority that does not answer keeps nobody from starting.
func (s *Server) autoTLS(ctx context.Context) (*tls.Config, func(context.Context), error) {
	quiet := zap.NewNop() // what matters comes through OnEvent
	var magic *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return magic, nil },
		Logger:           quiet,
	})
	magic = certmagic.New(cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: filepath.Join(s.cfg.Data, "certificates")},
		Logger:  quiet,
		OnEvent: s.certEvent,
	})
	magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(magic, certmagic.ACMEIssuer{
		CA: s.cfg.TLS.Directory, Email: s.cfg.TLS.Email, Agreed: true,
		DisableHTTPChallenge: true, Logger: quiet,
	})}
	if err := magic.ManageAsync(ctx, s.cfg.TLS.Auto); err != nil {
		cache.Stop()
		return nil, nil, fmt.Errorf("set up automatic certificates: %w", err)
	}
	conf := baseTLS()
	auto := magic.TLSConfig()
	conf.GetCertificate = auto.GetCertificate
	conf.NextProtos = append(conf.NextProtos, auto.NextProtos...)
	return conf, func(ctx context.Context) { <-ctx.Done(); cache.Stop() }, nil
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
