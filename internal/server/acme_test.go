package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestAutomaticCertificates(t *testing.T) {
	a := newAuthority(t, 0)
	close(a.released)
	names := []string{"auth.test", "login.test"}
	s := servertest.New(t, servertest.Configure(func(c *config.Config) {
		a.configure(names...)(c)
		a.setNode(c.Listen)
	}))
	shown := map[string]*x509.Certificate{}
	for _, name := range names {
		var res *http.Response
		waitFor(t, "a certificate for "+name, func() (ok bool) {
			var err error
			res, shown[name], err = a.get(s.Config.Listen, name)
			return err == nil
		})
		if res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: status %d, HTTP/%d, %v", name, res.StatusCode, res.ProtoMajor, res.Header)
		}
	}
	if n := a.issued.Load(); n != 2 {
		t.Errorf("%d certificates were issued", n)
	}
	for what, conf := range map[string]*tls.Config{
		"TLS 1.1":              {ServerName: names[0], MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10},
		"another name":         {ServerName: "other.test"},
		"no name":              {},
		"an ended challenge":   {ServerName: names[0], NextProtos: []string{"acme-tls/1"}},
		"an unknown challenge": {ServerName: "other.test", NextProtos: []string{"acme-tls/1"}},
	} {
		if err := tryHandshake(s.Config.Listen, conf); err == nil {
			t.Errorf("%s: handshake completed", what)
		}
	}
	requireSealedKeys(t, s)
	a.Close() // later certificates are from the database
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	again := s.Join(t, servertest.Configure(a.configure(names...)))
	for _, name := range names {
		if _, cert, err := a.get(again.Config.Listen, name); err != nil || !cert.Equal(shown[name]) {
			t.Errorf("%s after a restart: %v", name, err)
		}
	}
}

// requireSealedKeys fails the test unless private keys are only in the database, sealed.
func requireSealedKeys(t *testing.T, s *servertest.Server) {
	t.Helper()
	keys := 0
	err := s.DB.ReadSystem(t.Context(), func(tx *store.SystemTx) error {
		found, err := tx.SealedUnder("acme")
		for _, f := range found {
			plain, err := tx.Sealed(f.Name)
			if err != nil {
				return err
			}
			if bytes.Contains(plain, []byte("PRIVATE KEY")) {
				keys++
			}
		}
		return err
	})
	if err != nil || keys != 3 { // two certificates and the account
		t.Errorf("%d keys, %v", keys, err)
	}
	for _, dir := range []string{s.Config.Data, filepath.Dir(strings.TrimPrefix(s.Config.DatabaseURL(), "sqlite:"))} {
		files := os.DirFS(dir)
		names, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range names {
			if f.IsDir() {
				t.Errorf("the folder %s in %s", f.Name(), dir)
				continue
			}
			r, err := files.Open(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			r.Close()
			if err != nil || bytes.Contains(b, []byte("PRIVATE KEY")) {
				t.Errorf("a plain key in %s (%v)", f.Name(), err)
			}
		}
	}
}

// A certificate that expired while the server was stopped is replaced at once.
func TestACME_RenewsOldCertificates(t *testing.T) {
	a := newAuthority(t, 4)
	close(a.released)
	lead := func(c *config.Config) {
		a.configure("auth.test")(c)
		a.setNode(c.Listen)
	}
	var first, second *x509.Certificate
	shown := func(s *servertest.Server) (cert *x509.Certificate) {
		err := tryHandshake(s.Config.Listen, &tls.Config{ServerName: "auth.test", VerifyConnection: func(c tls.ConnectionState) error {
			cert = c.PeerCertificates[0]
			return nil
		}})
		if err != nil {
			return nil
		}
		return cert
	}
	s := servertest.New(t, servertest.Configure(lead))
	waitFor(t, "a certificate", func() bool { first = shown(s); return first != nil })
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(first.NotAfter) + time.Second)
	again := s.Join(t, servertest.Configure(lead))
	waitFor(t, "another certificate", func() bool { second = shown(again); return second != nil && !second.Equal(first) })
	if n := a.issued.Load(); n != 2 {
		t.Errorf("%d certificates were issued", n)
	}
}

// Stop does not wait for an authority that does not respond, and releases the lock.
func TestStop_EndsACertificateOrder(t *testing.T) {
	a := newAuthority(t, 0)
	s := servertest.New(t, servertest.Configure(a.configure("auth.test", "login.test")), servertest.Configure(func(c *config.Config) { c.Shutdown.Timeout = time.Hour }))
	<-a.requested
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	close(a.released)
	again := s.Join(t, servertest.Configure(a.configure("auth.test", "login.test")))
	a.setNode(again.Config.Listen)
	waitFor(t, "a certificate", func() bool {
		_, _, err := a.get(again.Config.Listen, "auth.test")
		return err == nil
	})
}

// One node orders, another one responds to the challenge, and both have the certificate.
func TestNodesShareCertificates(t *testing.T) {
	a := newAuthority(t, 0)
	s := servertest.New(t, servertest.Database(storetest.Postgres(t)), servertest.Configure(a.configure("auth.test")))
	<-a.requested // this node holds the lock
	other := startNode(t, s)
	a.setNode(other)
	close(a.released)
	var certs [2]*x509.Certificate
	for i, node := range []string{s.Config.Listen, other} {
		waitFor(t, "a certificate at "+node, func() bool {
			var err error
			_, certs[i], err = a.get(node, "auth.test")
			return err == nil
		})
	}
	if !certs[0].Equal(certs[1]) || a.issued.Load() != 1 {
		t.Errorf("%d certificates were issued, serial numbers %v and %v", a.issued.Load(), certs[0].SerialNumber, certs[1].SerialNumber)
	}
}

const nodeEnv = "WATCHWORD_TEST_NODE"

// TestMain runs a node instead of the tests in a process that startNode started.
func TestMain(m *testing.M) {
	if os.Getenv(nodeEnv) == "" {
		os.Exit(m.Run())
	}
	if err := runNode(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// node serves what the environment says until its input ends.
func runNode() error {
	cfg, err := config.Load(config.Options{Env: os.Environ()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := server.New(ctx, cfg, server.Options{Now: time.Now})
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return s.Run(ctx, func(addr, _ string) { fmt.Println(addr) })
}

// startNode starts a node on the same database in a new process and returns its address.
func startNode(t *testing.T, s *servertest.Server) string {
	t.Helper()
	c := s.Config
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nodeEnv+"=1", "WATCHWORD_LISTEN=127.0.0.1:0", "WATCHWORD_MANAGE=127.0.0.1:0", "WATCHWORD_DATA="+t.TempDir(),
		"WATCHWORD_ISSUER="+c.Issuer, "WATCHWORD_DATABASE="+c.DatabaseURL(), "WATCHWORD_MASTER_KEY="+base64.StdEncoding.EncodeToString(c.MasterKey.Bytes()),
		"WATCHWORD_TLS_AUTO="+c.TLS.Auto[0], "WATCHWORD_TLS_DIRECTORY="+c.TLS.Directory, "WATCHWORD_TLS_DIRECTORY_CA_FILE="+c.TLS.DirectoryCAFile)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other node ended with %v", err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the other node is not ready: %v", err)
	}
	return strings.TrimSpace(addr)
}
