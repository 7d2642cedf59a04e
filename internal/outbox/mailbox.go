package outbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Mail is a mail that was kept instead of sent.
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

// MailboxConfig says what a Mailbox writes and keeps.
type MailboxConfig struct {
	Base       string // of links, as in MailConfig
	TenantName func(context.Context, auth.TenantID) string
	Now        func() time.Time
	Keep       int // how many mails; 200 when zero
}

// Mailbox keeps the last mails in memory, worded as they would have been sent. It
// is for development: everybody who can read it can use the links. It is safe for
// concurrent use.
type Mailbox struct {
	cfg   MailboxConfig
	words writer

	mu    sync.Mutex
	mails []Mail        // owned by mu: oldest first
	more  chan struct{} // owned by mu: closed at the next mail
}

// NewMailbox makes an empty Mailbox.
func NewMailbox(cfg MailboxConfig) *Mailbox {
	setDefault(&cfg.Keep, 200)
	return &Mailbox{cfg: cfg, words: writer{base: cfg.Base, tenant: cfg.TenantName}, more: make(chan struct{})}
}

// Handlers keeps every kind of mail.
func (b *Mailbox) Handlers() map[auth.MessageKind]Handler { return handlers(b.store) }

func (b *Mailbox) store(ctx context.Context, m auth.Message) error {
	l, err := b.words.write(ctx, m)
	if err != nil {
		return err
	}
	to, err := recipient(m)
	if err != nil {
		return err
	}
	kept := Mail{Kind: m.Kind, Tenant: m.Tenant, To: to, Subject: l.Subject, Text: l.text, HTML: l.html, Links: []string{}, SentAt: b.cfg.Now().UTC()}
	if l.Link != "" {
		kept.Links = append(kept.Links, l.Link)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mails) >= b.cfg.Keep {
		b.mails = slices.Delete(b.mails, 0, len(b.mails)-b.cfg.Keep+1)
	}
	b.mails = append(b.mails, kept)
	close(b.more)
	b.more = make(chan struct{})
	return nil
}

// Mails lists what is kept, newest first.
func (b *Mailbox) Mails() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.mails)
	slices.Reverse(out)
	return out
}

// More is closed when the next mail comes in. To wait for a mail, take the channel
// before looking at Mails.
func (b *Mailbox) More() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.more
}
