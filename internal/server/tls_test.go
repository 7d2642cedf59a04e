package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// writeCertificate writes a certificate for 127.0.0.1 with the given serial number, and its key.
func writeCertificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return certFile, keyFile
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// servedSerial returns the serial number of the served certificate.
func servedSerial(s *servertest.Server, max uint16) (int64, error) {
	conn, err := tls.Dial("tcp", s.Config.Listen, &tls.Config{InsecureSkipVerify: true, MaxVersion: max})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestCertificateFilesAreLoadedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	s := servertest.New(t, servertest.Configure(func(c *config.Config) { c.TLS.CertFile, c.TLS.KeyFile = cert, key }))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	res, err := client.Get("https://" + s.Config.Listen + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	client.CloseIdleConnections()
	if res.StatusCode != 200 || res.ProtoMajor != 2 {
		t.Errorf("status %d, HTTP/%d", res.StatusCode, res.ProtoMajor)
	}
	if _, err := servedSerial(s, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	res, err = http.Get("http://" + s.Config.Manage + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if !strings.Contains(string(metrics), "\nwatchword_tls_certificate_expires_timestamp_seconds 1.") {
		t.Error("no metric for the expiry of the certificate")
	}
	// During a renewal the old certificate stays in use.
	writeFile(t, cert, []byte("half a file"))
	time.Sleep(2500 * time.Millisecond)
	if n, err := servedSerial(s, 0); err != nil || n != 1 {
		t.Errorf("with a broken file: certificate %d, %v", n, err)
	}
	writeCertificate(t, dir, 2)
	waitFor(t, "the new certificate is shown", func() bool {
		n, err := servedSerial(s, 0)
		return err == nil && n == 2
	})
}

// The server starts without the certificate authority, and does not serve plain HTTP instead.
func TestStart_WorksWithoutCertificateAuthority(t *testing.T) {
	t.Parallel()
	ca := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "away", http.StatusServiceUnavailable)
	}))
	t.Cleanup(ca.Close)
	s := servertest.New(t, servertest.Configure(func(c *config.Config) {
		c.TLS.Auto, c.TLS.Directory = config.List{"auth.example.test"}, ca.URL+"/directory"
	}))
	if _, err := servedSerial(s, 0); err == nil {
		t.Error("a certificate without an authority")
	}
	res, err := http.Get(s.URL + "/livez")
	if err == nil {
		res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("plain HTTP is answered with %d", res.StatusCode)
		}
	}
	if r := s.Managed(t, "/readyz"); r.Status != 200 {
		t.Errorf("readyz %d", r.Status)
	}
}

// TestTLS_RefusesOldCipherSuites: TLS 1.2 is accepted only with the recommended cipher suites.
func TestTLS_RefusesOldCipherSuites(t *testing.T) {
	t.Parallel()
	cert, key := writeCertificate(t, t.TempDir(), 1)
	s := servertest.New(t, servertest.Configure(func(c *config.Config) { c.TLS.CertFile, c.TLS.KeyFile = cert, key }))
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if slices.Equal(suite.SupportedVersions, []uint16{tls.VersionTLS13}) {
			continue
		}
		conn, err := tls.Dial("tcp", s.Config.Listen, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		if want := strings.HasPrefix(suite.Name, "TLS_ECDHE_ECDSA_WITH_AES_") && strings.Contains(suite.Name, "_GCM_"); (err == nil) != want {
			t.Errorf("%s: %v", suite.Name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func TestRun_RefusesMissingCertificate(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	cfg := *s.Config
	cfg.TLS.CertFile, cfg.TLS.KeyFile = filepath.Join(t.TempDir(), "none.pem"), "none.key"
	cfg.Listen, cfg.Manage = "127.0.0.1:0", "127.0.0.1:0"
	again := assemble(t, &cfg)
	if err := again.Run(t.Context(), nil); err == nil {
		t.Error("no certificate and no error")
	} else if want := "certificate"; !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
}
