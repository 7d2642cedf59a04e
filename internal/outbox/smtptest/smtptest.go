// Package smtptest is a mail server for tests. It listens on loopback, uses an independent
// implementation of SMTP and stores the mails it receives.
//
// It can offer STARTTLS or implicit TLS with a self-signed certificate, require a password, and
// misbehave on request: refuse temporarily or permanently, hang, or close the connection after it
// has accepted a mail.
package smtptest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Stage is a command of a session at which the server can misbehave.
type Stage string

// The stages.
const (
	Greet Stage = "greet" // EHLO
	From  Stage = "mail"  // MAIL FROM
	Rcpt  Stage = "rcpt"  // RCPT TO; given is the recipient
	Data  Stage = "data"  // the mail has been read
)

// Behaviour is what the server does at a stage.
type Behaviour int

// The behaviours.
const (
	OK     Behaviour = iota
	Later            // 451
	Never            // 550
	Hang             // no reply until the server ends or Release is called
	Drop             // close the connection without a reply; at Data the mail is stored
	Ending           // 421
)

// Options configure a Server. The zero value accepts mail from anyone without TLS.
type Options struct {
	StartTLS bool
	TLS      bool   // from the first byte
	User     string // required if set
	Password string
	// Misbehave, if set, is called at every stage; given is the sender or recipient.
	Misbehave func(stage Stage, given string) Behaviour
}

// Received is a received mail.
type Received struct {
	From   string   // of the envelope
	To     []string // of the envelope
	Raw    []byte
	Secure bool   // received over TLS
	User   string // authenticated user
}

// Message parses the mail.
func (r Received) Message(t testing.TB) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(r.Raw))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Server is a running mail server.
type Server struct {
	opts   Options
	addr   string
	srv    *smtp.Server
	roots  *x509.CertPool
	ended  chan struct{}
	closed sync.Once

	mu        sync.Mutex
	mails     []Received                    // owned by mu
	more      chan struct{}                 // owned by mu: closed at the next mail
	release   chan struct{}                 // owned by mu: closed to release hanging sessions
	misbehave func(Stage, string) Behaviour // owned by mu
	conns     int                           // owned by mu: sessions begun
}

// New starts a server that ends with the test.
func New(t testing.TB, opts Options) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, ln, opts)
	t.Cleanup(s.Close)
	return s
}

var errDropped = errors.New("dropped")

// At starts a server at an address that was used before, like a server that is restarted.
func At(t testing.TB, addr string, opts Options) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, ln, opts)
	t.Cleanup(s.Close)
	return s
}

func start(t testing.TB, ln net.Listener, opts Options) *Server {
	t.Helper()
	s := &Server{opts: opts, addr: ln.Addr().String(), more: make(chan struct{}), release: make(chan struct{}),
		ended: make(chan struct{}), misbehave: opts.Misbehave}
	s.srv = smtp.NewServer(smtp.BackendFunc(s.session))
	s.srv.Domain = "mail.test"
	s.srv.AllowInsecureAuth = true
	s.srv.ErrorLog = log.New(io.Discard, "", 0)
	if opts.StartTLS || opts.TLS {
		cert, roots := certificate(t)
		s.roots = roots
		conf := &tls.Config{Certificates: []tls.Certificate{cert}}
		if opts.TLS {
			ln = tls.NewListener(ln, conf)
		} else {
			s.srv.TLSConfig = conf
		}
	}
	go s.srv.Serve(ln)
	return s
}

// Close ends the server and all sessions.
func (s *Server) Close() {
	s.closed.Do(func() {
		close(s.ended)
		s.srv.Close()
	})
}

// Addr returns HOST:PORT.
func (s *Server) Addr() string { return s.addr }

// URL returns the URL with which a mailer is configured.
func (s *Server) URL() string {
	u := url.URL{Scheme: "smtp", Host: s.addr}
	if s.opts.TLS {
		u.Scheme = "smtps"
	}
	if s.opts.User != "" {
		u.User = url.UserPassword(s.opts.User, s.opts.Password)
	}
	return u.String()
}

// TLS returns a configuration that trusts the server's certificate, which is for 127.0.0.1 and
// localhost.
func (s *Server) TLS() *tls.Config { return &tls.Config{RootCAs: s.roots} }

// Misbehave changes the behaviour of the server; nil means OK.
func (s *Server) Misbehave(f func(Stage, string) Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.misbehave = f
}

// Release closes the connections of hanging sessions.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.release)
	s.release = make(chan struct{})
}

// Received returns the received mails, oldest first.
func (s *Server) Received() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Connections returns how many sessions were begun.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// Wait returns when at least n mails were received, and fails the test after a minute.
func (s *Server) Wait(t testing.TB, n int) []Received {
	t.Helper()
	late := time.After(time.Minute)
	for {
		s.mu.Lock()
		got, more := slices.Clone(s.mails), s.more
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("%d mails received, want %d", len(got), n)
		}
	}
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	if err := s.at(Greet, "", c); err != nil {
		return nil, err
	}
	return &session{s: s, c: c}, nil
}

// at behaves as Misbehave returns.
func (s *Server) at(stage Stage, given string, c *smtp.Conn) error {
	s.mu.Lock()
	f, release := s.misbehave, s.release
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	switch f(stage, given) {
	case Later:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	case Never:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	case Ending:
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "going down"}
	case Hang:
		select {
		case <-s.ended:
		case <-release:
		}
		c.Conn().Close()
		return errors.New("hung")
	case Drop:
		c.Conn().Close()
		return errDropped
	}
	return nil
}

type session struct {
	s    *Server
	c    *smtp.Conn
	user string
	from string
	to   []string
}

func (x *session) AuthMechanisms() []string {
	if x.s.opts.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != x.s.opts.User || password != x.s.opts.Password {
			return smtp.ErrAuthFailed
		}
		x.user = user
		return nil
	}), nil
}

func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	if x.s.opts.User != "" && x.user == "" {
		return smtp.ErrAuthRequired
	}
	x.from = from
	return x.s.at(From, from, x.c)
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.to = append(x.to, to)
	return x.s.at(Rcpt, to, x.c)
}

func (x *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read mail: %w", err)
	}
	_, secure := x.c.TLSConnectionState()
	refusal := x.s.at(Data, x.from, x.c)
	if refusal != nil && !errors.Is(refusal, errDropped) {
		return refusal
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.mails = append(x.s.mails, Received{From: x.from, To: x.to, Raw: raw, Secure: secure, User: x.user})
	close(x.s.more)
	x.s.more = make(chan struct{})
	return refusal
}

func (x *session) Reset()        { x.from, x.to = "", nil }
func (x *session) Logout() error { return nil }
