package outbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Mail is a mail that was stored instead of sent.
type Mail struct {
	Kind    auth.MessageKind
	Tenant  auth.TenantID
	To      string
	Subject string
	Text    string
	HTML    string
	Links   []string // never nil, so that JSON has a list
	SentAt  time.Time
}

// MailboxConfig configures a Mailbox.
type MailboxConfig struct {
	Base       string // base URL of links, as in MailConfig
	TenantName func(context.Context, auth.TenantID) string
	Locale     func(context.Context, auth.TenantID) string
	Place      func(ip, language string) string
	Now        func() time.Time
	Keep       int // largest number of mails; 200 when zero
}

// Mailbox keeps the last mails in memory, as they would have been sent. It is for development:
// anyone who can read it can use the links. It is safe for concurrent use.
type Mailbox struct {
	cfg    MailboxConfig
	writer writer

	mu    sync.Mutex
	mails []Mail        // owned by mu: oldest first
	more  chan struct{} // owned by mu: closed at the next mail
}

// NewMailbox returns an empty Mailbox.
func NewMailbox(cfg MailboxConfig) *Mailbox {
	setDefault(&cfg.Keep, 200)
	return &Mailbox{cfg: cfg, writer: writer{base: cfg.Base, tenant: cfg.TenantName, locale: cfg.Locale, place: cfg.Place}, more: make(chan struct{})}
}

// Handlers returns handlers that store every kind of mail.
func (b *Mailbox) Handlers() map[auth.MessageKind]Handler { return handlers(b.store) }

func (b *Mailbox) store(ctx context.Context, m auth.Message) error {
	l, err := b.writer.write(ctx, m)
	if err != nil {
		return err
	}
	to, err := recipient(m)
	if err != nil {
		return err
	}
	stored := Mail{Kind: m.Kind, Tenant: m.Tenant, To: to, Subject: l.Subject, Text: l.text, HTML: l.html, Links: []string{}, SentAt: b.cfg.Now().UTC()}
	if l.Link != "" {
		stored.Links = append(stored.Links, l.Link)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mails) >= b.cfg.Keep {
		b.mails = slices.Delete(b.mails, 0, len(b.mails)-b.cfg.Keep+1)
	}
	b.mails = append(b.mails, stored)
	close(b.more)
	b.more = make(chan struct{})
	return nil
}

// Mails lists what is stored, newest first.
func (b *Mailbox) Mails() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.mails)
	slices.Reverse(out)
	return out
}

// More returns a channel that is closed when the next mail is stored. To wait for a mail, call
// More before Mails.
func (b *Mailbox) More() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.more
}
