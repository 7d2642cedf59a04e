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

// MailConfig says how mail leaves.
type MailConfig struct {
	// URL is smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465. With
	// smtp, STARTTLS is required unless the host is this machine or the URL ends in
	// ?tls=off.
	URL string
	// From is the sender: an address or NAME <ADDRESS>.
	From string
	// Base is the server's base URL, without a slash at its end: where links lead.
	Base string
	// TenantName is how a tenant is called in its mails; "Watchword" when nil.
	TenantName func(context.Context, auth.TenantID) string
	// TLS, if set, replaces the system's certificate authorities and the like.
	TLS *tls.Config
	// Timers close connections that are no longer used.
	Timers timer.Source
	// Greet bounds connecting, TLS and signing in; 10 s when zero. Send bounds the
	// delivery of one mail after that; 60 s when zero.
	Greet, Send time.Duration
}

// Mailer delivers mail to an SMTP server (RFC 5321), with a plain and an HTML part.
// It is safe for concurrent use.
type Mailer struct {
	cfg    MailConfig
	server smtpURL
	from   *netmail.Address
	words  writer
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
		return nil, fmt.Errorf("the sender of mail is an address such as Example <no-reply@example.com>: %w", err)
	}
	from.Name = auth.Clip(from.Name, 200)
	return &Mailer{
		cfg: cfg, server: server, from: from, helo: helo(cfg.Base),
		idle:  idlePool{timers: cfg.Timers},
		words: writer{base: cfg.Base, tenant: cfg.TenantName},
	}, nil
}

// helo is how the client greets (RFC 5321 §4.1.4): the host of the base URL, an
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

// Handlers delivers every kind of mail.
func (m *Mailer) Handlers() map[auth.MessageKind]Handler { return handlers(m.deliver) }

func handlers(h Handler) map[auth.MessageKind]Handler {
	all := map[auth.MessageKind]Handler{}
	for _, kind := range kinds {
		all[kind] = h
	}
	return all
}

// Check connects, signs in and leaves again: whether mail could go out now.
func (m *Mailer) Check(ctx context.Context) error {
	l, err := m.dial(ctx)
	if err != nil {
		return err
	}
	return l.quit()
}

// Close ends the connections that are kept for the next mail.
func (m *Mailer) Close() { m.idle.close() }

func (m *Mailer) deliver(ctx context.Context, msg auth.Message) error {
	out, err := m.compose(ctx, msg)
	if err != nil {
		return err
	}
	if l := m.idle.take(); l != nil {
		err := m.send(ctx, l, out)
		if !errors.Is(err, errStale) {
			return err
		}
	}
	l, err := m.dial(ctx)
	if err != nil {
		return Offline(err)
	}
	return m.send(ctx, l, out)
}

// send hands one mail over. Whatever happens, a connection that cannot be used
// again is closed.
func (m *Mailer) send(ctx context.Context, l *link, out *mail.Msg) error {
	// go-mail knows deadlines only, so the end of ctx cuts the connection.
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	err := l.opts.SendWithSMTPClient(l.client, out)
	usable := stop()
	if out.IsDelivered() { // the server has said 250; what came after does not matter
		if usable && err == nil {
			m.idle.put(l)
		} else {
			l.conn.Close()
		}
		return nil
	}
	l.conn.Close()
	if err == nil {
		err = errors.New("the mail server said neither yes nor no")
	}
	return classify(err)
}

var errStale = errors.New("the kept connection is gone")

// classify tells failures of the message from failures of the way. From DATA on
// the server may have taken the mail before the line broke, so the message is
// tried again with pauses of its own instead of at once.
func classify(err error) error {
	e, ok := errors.AsType[*mail.SendError](err)
	if !ok {
		return err
	}
	switch code := e.ErrorCode(); {
	case e.Reason == mail.ErrConnCheck:
		return Offline(fmt.Errorf("%w: %w", errStale, err))
	case e.Reason == mail.ErrWriteContent, e.Reason == mail.ErrSMTPDataClose:
		if code >= 500 {
			return Permanent(err)
		}
		return err
	case code == 421, code == 0, e.Reason == mail.ErrSMTPMailFrom:
		return Offline(err) // it refuses the sender, or everything
	case code >= 500:
		return Permanent(err)
	}
	return err
}

// compose makes the mail. The address is parsed once more: what the parser would
// not have made goes nowhere.
func (m *Mailer) compose(ctx context.Context, msg auth.Message) (*mail.Msg, error) {
	l, err := m.words.write(ctx, msg)
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
	// The same at every try, so that a mailbox can drop the second copy.
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
		return "", Permanent(errors.New("the recipient is not an address that our parser made"))
	}
	return e.Address, nil
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
