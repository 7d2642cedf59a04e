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

// connection is an authenticated connection to the mail server. One goroutine uses it at a time.
type connection struct {
	conn   net.Conn
	client *smtp.Client
	opts   *mail.Client // deadlines of sending
}

func (c *connection) quit() error {
	defer c.conn.Close()
	if err := c.client.Quit(); err != nil {
		return fmt.Errorf("quit: %w", err)
	}
	return nil
}

// dial connects, sets up TLS as configured and authenticates.
func (m *Mailer) dial(ctx context.Context) (*connection, error) {
	c := &connection{}
	stop := func() bool { return true }
	dialer, err := mail.NewClient(m.server.host, append(m.options(), mail.WithTimeout(m.cfg.Greet),
		mail.WithDialContextFunc(func(until context.Context, network, _ string) (conn net.Conn, err error) {
			if conn, err = m.connect(until, network); err == nil {
				c.conn = conn
				stop = context.AfterFunc(ctx, func() { conn.Close() }) // go-mail supports deadlines only
			}
			return conn, err
		}))...)
	if err != nil {
		return nil, fmt.Errorf("configure mail client: %w", err)
	}
	if c.opts, err = mail.NewClient(m.server.host, mail.WithTimeout(m.cfg.Send)); err != nil {
		return nil, fmt.Errorf("configure mail client: %w", err)
	}
	c.client, err = dialer.DialToSMTPClientWithContext(ctx)
	stop()
	if err != nil {
		if c.conn != nil {
			c.conn.Close() // go-mail leaves it open
		}
		return nil, fmt.Errorf("connect to mail server %s: %w", m.server.address(), err)
	}
	return c, nil
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
	// A mail server on loopback commonly has a self-signed certificate; the connection does not
	// leave the machine.
	c.InsecureSkipVerify = m.server.tls == tlsLocal
	return c
}

// options returns new options for each connection, since go-mail changes its client while it
// selects an authentication mechanism.
func (m *Mailer) options() []mail.Option {
	o := []mail.Option{mail.WithPort(m.server.port), mail.WithHELO(m.helo), mail.WithTLSConfig(m.tlsConfig()), mail.WithTLSPolicy(m.policy())}
	if m.server.user == "" {
		return o
	}
	mechanisms := []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5}
	if m.server.tls == tlsOff || m.server.tls == tlsLocal {
		mechanisms = []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc, mail.SMTPAuthCramMD5}
	}
	return append(o, mail.WithUsername(m.server.user), mail.WithPassword(m.server.password), mail.WithOpportunisticSMTPAuth(mechanisms...))
}

func (m *Mailer) policy() mail.TLSPolicy {
	switch m.server.tls {
	case tlsRequired:
		return mail.TLSMandatory
	case tlsLocal:
		return mail.TLSOpportunistic
	}
	return mail.NoTLS // off, or implicit TLS
}

const (
	maxIdle = 4
	idleFor = 10 * time.Second
)

// idlePool keeps connections open during a burst of mails.
type idlePool struct {
	timers timer.Source

	mu          sync.Mutex
	connections []*connection // owned by mu
	closed      bool          // owned by mu
}

func (p *idlePool) take() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.connections) == 0 {
		return nil
	}
	c := p.connections[len(p.connections)-1]
	p.connections = p.connections[:len(p.connections)-1]
	return c
}

func (p *idlePool) put(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.connections) >= maxIdle {
		c.conn.Close()
		return
	}
	p.connections = append(p.connections, c)
	p.timers.AfterFunc(idleFor, func() { p.drop(c) })
}

// drop closes the connection if it is still idle.
func (p *idlePool) drop(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.connections {
		if p.connections[i] == c {
			p.connections = append(p.connections[:i], p.connections[i+1:]...)
			go c.quit()
			return
		}
	}
}

func (p *idlePool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.connections {
		c.conn.Close()
	}
	p.connections = nil
}
