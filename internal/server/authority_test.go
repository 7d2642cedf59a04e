package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/watchword-auth/watchword/internal/config"
)

// authority is a certificate authority as strict as Let's Encrypt (pebble), whose
// world is this machine: every name is at 127.0.0.1, and port 443 is the front.
type authority struct {
	*httptest.Server
	caFile string         // whom to trust about the directory
	roots  *x509.CertPool // whom to trust about what it issues
	orders atomic.Int32
	asked  chan struct{} // closed by the first request
	open   chan struct{} // it answers nothing before this is closed

	mu   sync.Mutex
	node string // owned by mu: where the front leads
}

// newAuthority changes the environment, so its tests do not run beside others. What
// it issues is valid for so many seconds; zero is for years.
func newAuthority(t *testing.T, valid uint64) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	a := &authority{caFile: filepath.Join(t.TempDir(), "ca.pem"), roots: x509.NewCertPool(), asked: make(chan struct{}), open: make(chan struct{})}
	memory := db.NewMemoryStore()
	issuer := ca.New(quiet, memory, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: valid}})
	validation := va.New(quiet, 0, a.front(t), true, resolver(t), memory)
	front := wfe.New(quiet, memory, validation, issuer, []string{"ca.test"}, true, false, 0, 0)
	handler := front.Handler()
	var first sync.Once
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() { close(a.asked) })
		select {
		case <-a.open:
		case <-r.Context().Done():
			return
		}
		handler.ServeHTTP(&counter{w, a}, r)
	}))
	t.Cleanup(a.Close)
	write(t, a.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw}))
	if !a.roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM()) {
		t.Fatal("no root")
	}
	return a
}

// counter counts orders that were taken; some are refused to try us.
type counter struct {
	http.ResponseWriter
	a *authority
}

func (c *counter) WriteHeader(status int) {
	if status == http.StatusCreated && strings.Contains(c.Header().Get("Location"), "/my-order/") {
		c.a.orders.Add(1)
	}
	c.ResponseWriter.WriteHeader(status)
}

// resolver knows every name.
func resolver(t *testing.T) string {
	t.Helper()
	ln := loopback(t)
	srv := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if h := (dns.RR_Header{Name: q.Question[0].Name, Class: dns.ClassINET}); q.Question[0].Qtype == dns.TypeA {
			h.Rrtype = dns.TypeA
			m.Answer = []dns.RR{&dns.A{Hdr: h, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(m) // whoever asked sees that nothing came
	})}
	go func() { _ = srv.ActivateAndServe() }() // ends with its listener
	return ln.Addr().String()
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// front passes connections on to the node, as a load balancer does, and returns its
// port.
func (a *authority) front(t *testing.T) int {
	t.Helper()
	ln := loopback(t)
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				a.mu.Lock()
				node := a.node
				a.mu.Unlock()
				out, err := net.Dial("tcp", node)
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in) }()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

// leadTo says which node the authority sees.
func (a *authority) leadTo(node string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.node = node
}

// configure has the server obtain certificates for the names.
func (a *authority) configure(names ...string) func(*config.Config) {
	return func(c *config.Config) {
		c.Issuer = "https://" + names[0]
		c.TLS.Auto, c.TLS.Directory, c.TLS.DirectoryCAFile = names, a.URL+"/dir", a.caFile
	}
}

// get asks the node for a page under the name and returns the answer, without its
// body, and the certificate that came with it.
func (a *authority) get(node, name string) (*http.Response, *x509.Certificate, error) {
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: a.roots}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, node)
		},
	}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Get("https://" + name + "/livez")
	if err != nil {
		return nil, nil, err
	}
	res.Body.Close()
	return res, res.TLS.PeerCertificates[0], nil
}

// tryHandshake tries a handshake.
func tryHandshake(node string, conf *tls.Config) error {
	conf.InsecureSkipVerify = true
	conn, err := tls.Dial("tcp", node, conf)
	if err == nil {
		conn.Close()
	}
	return err
}
