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

// authority is a certificate authority as strict as Let's Encrypt (pebble). Every name resolves to
// 127.0.0.1, and port 443 is that of startFront.
type authority struct {
	*httptest.Server
	caFile    string         // the root of the directory's certificate
	roots     *x509.CertPool // the roots of issued certificates
	issued    atomic.Int32
	requested chan struct{} // closed by the first request
	released  chan struct{} // no response before this is closed

	mu   sync.Mutex
	node string // owned by mu: the node behind the front
}

// newAuthority returns an authority whose certificates are valid for that many seconds, zero for
// years. It changes the environment, so its tests do not run in parallel.
func newAuthority(t *testing.T, valid uint64) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	a := &authority{caFile: filepath.Join(t.TempDir(), "ca.pem"), roots: x509.NewCertPool(), requested: make(chan struct{}), released: make(chan struct{})}
	memory := db.NewMemoryStore()
	issuer := ca.New(quiet, memory, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: valid}})
	validation := va.New(quiet, 0, a.startFront(t), true, startResolver(t), memory)
	front := wfe.New(quiet, memory, validation, issuer, []string{"ca.test"}, true, false, 0, 0)
	handler := front.Handler()
	var first sync.Once
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() { close(a.requested) })
		select {
		case <-a.released:
		case <-r.Context().Done():
			return
		}
		handler.ServeHTTP(&issueCounter{w, r, a}, r)
	}))
	t.Cleanup(a.Close)
	writeFile(t, a.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw}))
	if !a.roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM()) {
		t.Fatal("no root")
	}
	return a
}

// issueCounter counts the orders for which a certificate was issued. An order whose challenge fails, or
// that Pebble rejects on purpose, is made again.
type issueCounter struct {
	http.ResponseWriter
	r *http.Request
	a *authority
}

func (c *issueCounter) WriteHeader(status int) {
	if status == http.StatusOK && strings.HasPrefix(c.r.URL.Path, "/finalize-order/") {
		c.a.issued.Add(1)
	}
	c.ResponseWriter.WriteHeader(status)
}

// startResolver starts a DNS server that resolves every name, and returns its address.
func startResolver(t *testing.T) string {
	t.Helper()
	ln := listenLoopback(t)
	srv := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if h := (dns.RR_Header{Name: q.Question[0].Name, Class: dns.ClassINET}); q.Question[0].Qtype == dns.TypeA {
			h.Rrtype = dns.TypeA
			m.Answer = []dns.RR{&dns.A{Hdr: h, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(m) // the client notices a missing response
	})}
	go func() { _ = srv.ActivateAndServe() }() // ends with its listener
	return ln.Addr().String()
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// startFront starts a load balancer that forwards connections to the node, and returns its port.
func (a *authority) startFront(t *testing.T) int {
	t.Helper()
	ln := listenLoopback(t)
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

// setNode sets the node behind the load balancer.
func (a *authority) setNode(node string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.node = node
}

// configure returns a change of the configuration: certificates for the names.
func (a *authority) configure(names ...string) func(*config.Config) {
	return func(c *config.Config) {
		c.Issuer = "https://" + names[0]
		c.TLS.Auto, c.TLS.Directory, c.TLS.DirectoryCAFile = names, a.URL+"/dir", a.caFile
	}
}

// get requests a page of the name from the node and returns the response and the certificate.
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

func tryHandshake(node string, conf *tls.Config) error {
	conf.InsecureSkipVerify = true
	conn, err := tls.Dial("tcp", node, conf)
	if err == nil {
		conn.Close()
	}
	return err
}
