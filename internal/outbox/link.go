package outbox

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/watchword-auth/watchword/internal/timer"
)

// link is a connection to the mail server, signed in. It is used by one goroutine
// at a time.
type link struct {
	conn   net.Conn
	client *smtp.Client
	opts   *mail.Client // how to send: deadlines
}

func (l *link) quit() error {
	defer l.conn.Close()
	if err := l.client.Quit(); err != nil {
		return fmt.Errorf("quit: %w", err)
	}
	return nil
}

// dial connects, protects the connection as configured and signs in.
func (m *Mailer) dial(ctx context.Context) (*link, error) {
	l := &link{}
	stop := func() bool { return true }
	greeter, err := mail.NewClient(m.server.host, append(m.options(), mail.WithTimeout(m.cfg.Greet),
		mail.WithDialContextFunc(func(until context.Context, network, _ string) (conn net.Conn, err error) {
			if conn, err = m.connect(until, network); err == nil {
				l.conn = conn
				stop = context.AfterFunc(ctx, func() { conn.Close() }) // go-mail knows deadlines only
			}
			return conn, err
		}))...)
	if err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	if l.opts, err = mail.NewClient(m.server.host, mail.WithTimeout(m.cfg.Send)); err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	l.client, err = greeter.DialToSMTPClientWithContext(ctx)
	stop()
	if err != nil {
		if l.conn != nil {
			l.conn.Close() // go-mail leaves it open
		}
		return nil, fmt.Errorf("reach mail server %s: %w", m.server.address(), err)
	}
	return l, nil
}

func (m *Mailer) connect(ctx context.Context, network string) (net.Conn, error) {
	d := &net.Dialer{Timeout: m.cfg.Greet}
	if m.server.tls == tlsImplicit {
		t := tls.Dialer{NetDialer: d, Config: m.tlsConfig()}
		return t.DialContext(ctx, network, m.server.address())
	}
	return d.DialContext(ctx, network, m.server.address())
}

func (m *Mailer) tlsConfig() *tls.Config {
	c := &tls.Config{}
	if m.cfg.TLS != nil {
		c = m.cfg.TLS.Clone()
	}
	c.ServerName, c.MinVersion = m.server.host, tls.VersionTLS12
	// A mail server on this machine commonly shows a certificate made up at its
	// installation; the connection does not leave the machine.
	c.InsecureSkipVerify = m.server.tls == tlsLocal
	return c
}

// options returns new options for each connection, since go-mail changes its client while it chooses
// how to sign in.
func (m *Mailer) options() []mail.Option {
	o := []mail.Option{mail.WithPort(m.server.port), mail.WithHELO(m.helo), mail.WithTLSConfig(m.tlsConfig()), mail.WithTLSPolicy(m.policy())}
	if m.server.user == "" {
		return o
	}
	ways := []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5}
	if m.server.tls == tlsOff || m.server.tls == tlsLocal {
		ways = []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc, mail.SMTPAuthCramMD5}
	}
	return append(o, mail.WithUsername(m.server.user), mail.WithPassword(m.server.password), mail.WithOpportunisticSMTPAuth(ways...))
}

func (m *Mailer) policy() mail.TLSPolicy {
	switch m.server.tls {
	case tlsRequired:
		return mail.TLSMandatory
	case tlsLocal:
		return mail.TLSOpportunistic
	}
	return mail.NoTLS // off, or TLS already
}

const (
	idleMost = 4
	idleFor  = 10 * time.Second
)

// idlePool keeps connections open through a burst of mails.
type idlePool struct {
	timers timer.Source

	mu     sync.Mutex
	links  []*link // owned by mu
	closed bool    // owned by mu
}

func (p *idlePool) take() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.links) == 0 {
		return nil
	}
	l := p.links[len(p.links)-1]
	p.links = p.links[:len(p.links)-1]
	return l
}

func (p *idlePool) put(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.links) >= idleMost {
		l.conn.Close()
		return
	}
	p.links = append(p.links, l)
	p.timers.AfterFunc(idleFor, func() { p.drop(l) })
}

// drop closes the connection if nobody has taken it meanwhile.
func (p *idlePool) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.links {
		if p.links[i] == l {
			p.links = append(p.links[:i], p.links[i+1:]...)
			go l.quit()
			return
		}
	}
}

func (p *idlePool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.links {
		l.conn.Close()
	}
	p.links = nil
}
