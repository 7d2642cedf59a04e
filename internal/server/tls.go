package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/watchword-auth/watchword/internal/timer"
)

// tls returns the TLS configuration of the public listener; nil when a proxy terminates TLS. The
// second result renews or reloads the certificates until its context is done. at is the address
// of the open listener.
func (s *Server) tls(ctx context.Context, at net.Addr) (*tls.Config, func(context.Context), error) {
	switch {
	case s.cfg.TLS.CertFile != "":
		f, err := openCertFiles(s.cfg.TLS.CertFile, s.cfg.TLS.KeyFile, s.opts.Timers, s.log)
		if err != nil {
			return nil, nil, err
		}
		s.measureCertificate(func() time.Time { return f.pair.Load().Leaf.NotAfter })
		conf := baseTLS()
		conf.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.pair.Load(), nil }
		return conf, f.watch, nil
	case len(s.cfg.TLS.Auto) > 0:
		return s.autoTLS(ctx, at)
	}
	return nil, nil, nil
}

// baseTLS allows TLS 1.3, and TLS 1.2 only with the cipher suites of RFC 9325 §4.2, as the FAPI
// 2.0 Security Profile requires (§5.2.2).
func baseTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, CipherSuites: []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}}
}

// certFiles is a certificate and key in two files. They are loaded again when they change.
type certFiles struct {
	cert, key string
	timers    timer.Source
	log       *slog.Logger
	pair      atomic.Pointer[tls.Certificate]
	lastRead  string // owned by watch: the fingerprint of the loaded files
}

func openCertFiles(cert, key string, timers timer.Source, log *slog.Logger) (*certFiles, error) {
	f := &certFiles{cert: cert, key: key, timers: timers, log: log}
	f.lastRead = f.fingerprint()
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

func (f *certFiles) fingerprint() string {
	var s string
	for _, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			s += fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano(), "\n")
		}
	}
	return s
}

// reloadChanged loads the files when they have changed. While they do not match, as during a
// renewal, the old certificate stays in use.
func (f *certFiles) reloadChanged() {
	now := f.fingerprint()
	if now == f.lastRead {
		return
	}
	f.lastRead = now
	if err := f.load(); err != nil {
		f.log.Error("the changed certificate cannot be used; the old one stays", "file", f.cert, "error", err)
		return
	}
	f.log.Info("certificate loaded again", "file", f.cert, "expires", f.pair.Load().Leaf.NotAfter)
}

func (f *certFiles) watch(ctx context.Context) {
	for f.timers.Sleep(ctx, 2*time.Second) == nil {
		f.reloadChanged()
	}
}
