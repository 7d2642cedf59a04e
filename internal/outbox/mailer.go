package outbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/timer"
)

// MailConfig configures a Mailer.
type MailConfig struct {
	// URL is smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465. With
	// smtp, STARTTLS is required unless the host is loopback or the URL ends in
	// ?tls=off.
	URL string
	// From is the sender: an address or NAME <ADDRESS>.
	From string
	// Base is the server's base URL, without a trailing slash; links begin with it.
	Base string
	// TenantName returns the name of a tenant in its mails; "Watchword" when nil.
	TenantName func(context.Context, auth.TenantID) string
	// Locale returns the language of a tenant's mails: "en" or "de"; English when nil.
	Locale func(context.Context, auth.TenantID) string
	// Place returns the place of an IP address in a language, empty if unknown; no mail has one when nil.
	Place func(ip, language string) string
	// TLS, if set, is the TLS configuration, such as other certificate authorities than the
	// system's.
	TLS *tls.Config
	// Timers close connections that are no longer used.
	Timers timer.Source
	// Greet bounds connecting, TLS and authentication; 10 s when zero. Send bounds the
	// delivery of one mail after that; 60 s when zero.
	Greet, Send time.Duration
}

// Mailer delivers mail to an SMTP server (RFC 5321), with a plain and an HTML part.
// It is safe for concurrent use.
type Mailer struct {
	cfg    MailConfig
	server smtpURL
	from   *netmail.Address
	writer writer
	helo   string
	idle   idlePool
}

// NewMailer checks the configuration. It does not connect.
func NewMailer(cfg MailConfig) (*Mailer, error) {
	setDefault(&cfg.Greet, 10*time.Second)
	setDefault(&cfg.Send, 60*time.Second)
	server, err := parseSMTP(cfg.URL)
	if err != nil {
		return nil, err
	}
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("sender of mail: want an address such as Example <no-reply@example.com>: %w", err)
	}
	from.Name = auth.Clip(from.Name, 200)
	return &Mailer{
		cfg: cfg, server: server, from: from, helo: helo(cfg.Base),
		idle:   idlePool{timers: cfg.Timers},
		writer: writer{base: cfg.Base, tenant: cfg.TenantName, locale: cfg.Locale, place: cfg.Place},
	}, nil
}

// helo returns the argument of EHLO (RFC 5321 §4.1.4): the host of the base URL, with an IP
// address in brackets.
func helo(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return "localhost"
	}
	switch ip := net.ParseIP(u.Hostname()); {
	case ip == nil:
		return u.Hostname()
	case ip.To4() == nil:
		return "[IPv6:" + ip.String() + "]"
	default:
		return "[" + ip.String() + "]"
	}
}

// Handlers returns handlers that deliver every kind of mail.
func (m *Mailer) Handlers() map[auth.MessageKind]Handler { return handlers(m.deliver) }

func handlers(h Handler) map[auth.MessageKind]Handler {
	all := map[auth.MessageKind]Handler{}
	for _, kind := range kinds {
		all[kind] = h
	}
	return all
}

// Check connects, authenticates and disconnects. It returns nil when mail can be sent now.
func (m *Mailer) Check(ctx context.Context) error {
	c, err := m.dial(ctx)
	if err != nil {
		return err
	}
	return c.quit()
}

// Close closes the idle connections.
func (m *Mailer) Close() { m.idle.close() }

func (m *Mailer) deliver(ctx context.Context, msg auth.Message) error {
	out, err := m.compose(ctx, msg)
	if err != nil {
		return err
	}
	if c := m.idle.take(); c != nil {
		err := m.send(ctx, c, out)
		if !errors.Is(err, errStale) {
			return err
		}
	}
	c, err := m.dial(ctx)
	if err != nil {
		return markOffline(err)
	}
	return m.send(ctx, c, out)
}

// send sends one mail. It closes a connection that cannot be used again.
func (m *Mailer) send(ctx context.Context, c *connection, out *mail.Msg) error {
	// go-mail supports only deadlines, so the end of ctx closes the connection.
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	err := c.opts.SendWithSMTPClient(c.client, out)
	usable := stop()
	if out.IsDelivered() { // the server has replied 250; later errors do not matter
		if usable && err == nil {
			m.idle.put(c)
		} else {
			c.conn.Close()
		}
		return nil
	}
	c.conn.Close()
	if err == nil {
		err = errors.New("the mail server neither accepted nor refused the mail")
	}
	return classify(err)
}

var errStale = errors.New("the idle connection was closed by the server")

// classify distinguishes failures of the message from failures of the server. From DATA on the
// server may have accepted the mail before the connection broke, so the message is retried with
// its own pauses instead of at once.
func classify(err error) error {
	e, ok := errors.AsType[*mail.SendError](err)
	if !ok {
		return err
	}
	switch code := e.ErrorCode(); {
	case e.Reason == mail.ErrConnCheck:
		return markOffline(fmt.Errorf("%w: %w", errStale, err))
	case e.Reason == mail.ErrWriteContent, e.Reason == mail.ErrSMTPDataClose:
		if code >= 500 {
			return Permanent(err)
		}
		return err
	case code == 421, code == 0, e.Reason == mail.ErrSMTPMailFrom:
		return markOffline(err) // it refuses the sender, or all mail
	case code >= 500:
		return Permanent(err)
	}
	return err
}

// compose returns the mail. The address is parsed again: nothing is sent to an address that is
// not canonical.
func (m *Mailer) compose(ctx context.Context, msg auth.Message) (*mail.Msg, error) {
	l, err := m.writer.write(ctx, msg)
	if err != nil {
		return nil, err
	}
	to, err := recipient(msg)
	if err != nil {
		return nil, err
	}
	out := mail.NewMsg(mail.WithNoDefaultUserAgent())
	out.FromMailAddress(m.from)
	out.ToMailAddress(&netmail.Address{Address: to})
	out.Subject(l.Subject)
	// The same at every attempt, so that a mailbox can drop the second copy.
	out.SetMessageIDWithValue(string(msg.ID) + "@" + domain(m.from.Address))
	out.SetDateWithValue(msg.CreatedAt)
	out.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5.1
	out.SetGenHeader("X-Auto-Response-Suppress", "All")
	out.SetBodyString(mail.TypeTextPlain, l.text)
	out.AddAlternativeString(mail.TypeTextHTML, l.html)
	return out, nil
}

func recipient(msg auth.Message) (string, error) {
	e, err := auth.ParseEmail(msg.Payload.To)
	if err != nil || e.Address != msg.Payload.To {
		return "", Permanent(errors.New("recipient: want a canonical address"))
	}
	return e.Address, nil
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
