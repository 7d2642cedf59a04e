package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/outbox/smtptest"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const base = "https://id.example.test"

func message(kind auth.MessageKind, to string) auth.Message {
	at := storetest.NewClock().Now()
	return auth.Message{ID: "0190-1", Tenant: "acme", Kind: kind, CreatedAt: at,
		Payload: auth.Mail{To: to, Name: "Click http://evil.test now", Token: "wwl_secret", Code: "492039", ExpiresAt: at.Add(24 * time.Hour), IP: "192.0.2.7", At: at, NewEmail: "new@x.test", NotBefore: at, DeleteAt: at.Add(24 * time.Hour)}}
}

func mailer(t *testing.T, s *smtptest.Server, change func(*MailConfig)) *Mailer {
	t.Helper()
	cfg := MailConfig{URL: s.URL(), From: "Acme Sign-in <no-reply@example.test>", Base: base,
		TenantName: func(context.Context, auth.TenantID) string { return "Acme <Orders> & Co" }, Greet: time.Minute, Send: time.Minute}
	if change != nil {
		change(&cfg)
	}
	m, err := NewMailer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// parts reads the plain and the HTML part.
func parts(t *testing.T, m *netmail.Message) (text, html string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q, %v", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	var out []string
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e := p.Header.Get("Content-Transfer-Encoding"); e != "quoted-printable" {
			t.Fatalf("encoding %q", e)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.Header.Get("Content-Type")+"\n"+string(b))
	}
	if len(out) != 2 || !strings.HasPrefix(out[0], "text/plain") || !strings.HasPrefix(out[1], "text/html") {
		t.Fatalf("parts: %q", out)
	}
	return out[0], out[1]
}

func TestEveryKindReadsWell(t *testing.T) {
	t.Parallel()
	links := map[auth.MessageKind]string{
		auth.MailVerify:      base + "/t/acme/verify-email?token=wwl_secret",
		auth.MailInvite:      base + "/t/acme/verify-email?token=wwl_secret",
		auth.MailChangeEmail: base + "/t/acme/verify-email?token=wwl_secret",
		auth.MailReset:       base + "/t/acme/reset-password?token=wwl_secret",
		auth.MailSignIn:      base + "/t/acme/login/email/code?token=wwl_secret",

		auth.MailRecovery:        base + "/t/acme/reset-password?token=wwl_secret",
		auth.MailAccountLocked:   base + "/t/acme/reset-password?token=wwl_secret",
		auth.MailAccountDeletion: base + "/t/acme/keep-account?token=wwl_secret",
	}
	for _, kind := range notices {
		links[kind] = base + "/t/acme/secure-account?token=wwl_secret"
	}
	until := map[string]string{"en": "2 March 2026, 12:00 UTC", "de": "2. März 2026, 12:00 UTC"}
	for lang := range languages {
		for _, kind := range kinds {
			requireGoodLetter(t, lang, kind, links[kind], until[lang])
		}
	}
}

func requireGoodLetter(t *testing.T, lang string, kind auth.MessageKind, link, until string) {
	t.Helper()
	w := writer{
		base: base, tenant: func(context.Context, auth.TenantID) string { return "Acme <Orders> & Co" },
		locale: func(context.Context, auth.TenantID) string { return lang },
	}
	m := message(kind, "a@x.test")
	m.Payload.Factor = auth.ProofTOTP
	m.Payload.Removed = []auth.MailFactor{{Kind: auth.ProofPasskey, Added: m.CreatedAt}, {Kind: auth.ProofTOTP, Added: m.CreatedAt}}
	l, err := w.write(t.Context(), m)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	if l.Link != link {
		t.Errorf("%s: link %q, want %q", kind, l.Link, link)
	}
	for what, s := range map[string]string{"subject": l.Subject, "heading": l.Heading, "why": l.Why, "text": l.text} {
		if strings.TrimSpace(s) == "" || strings.Contains(s, "<no value>") || strings.Contains(s, "&amp;") {
			t.Errorf("%s: %s reads %q", kind, what, s)
		}
	}
	if removed := languages[lang].formatFactors(m.Payload.Removed); kind == auth.MailAccountLocked && !strings.Contains(l.text, removed) {
		t.Errorf("%s: the text lacks %q:\n%s", kind, removed, l.text)
	}
	if codes[kind] && (strings.Count(l.text, "492039") != 1 || strings.Count(l.html, ">492039<") != 1 || strings.Contains(l.Subject, "492039")) {
		t.Errorf("%s: the code belongs in the text, not in the subject:\n%s", kind, l.text)
	}
	if l.Link != "" {
		for _, must := range []string{"\n" + l.Link + "\n", until, l.Button} {
			if !strings.Contains(l.text, must) {
				t.Errorf("%s: the text lacks %q:\n%s", kind, must, l.text)
			}
		}
		if strings.Count(l.html, `href="`+l.Link+`"`) != 2 {
			t.Errorf("%s: the HTML lacks the link:\n%s", kind, l.html)
		}
	}
	if !strings.Contains(l.html, "Acme &lt;Orders&gt; &amp; Co") || strings.Contains(l.html, "<Orders>") {
		t.Errorf("%s: the tenant's name is not escaped:\n%s", kind, l.html)
	}
	// A user who registers the address of another must not be able to send them text.
	if strings.Contains(l.text+l.html+l.Subject, "evil") {
		t.Errorf("%s: contains text that a stranger chose", kind)
	}
	if strings.Contains(l.html, "<script") || strings.Contains(l.html, "<img") || strings.Contains(l.html, "url(") {
		t.Errorf("%s: loads a resource", kind)
	}
}

// The owner's language comes before the tenant's, and English is the last resort.
func TestLanguagesOfMails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ owner, tenant, want string }{
		{"", "", "en"}, {"", "de", "de"}, {"en", "de", "en"}, {"de", "", "de"}, {"", "fr", "en"}, {"fr", "de", "en"},
	} {
		w := writer{base: base, locale: func(context.Context, auth.TenantID) string { return c.tenant }}
		m := message(auth.MailReset, "a@x.test")
		m.Payload.Locale = c.owner
		if l, err := w.write(t.Context(), m); err != nil || l.Lang != c.want || !strings.Contains(l.html, `<html lang="`+c.want+`">`) {
			t.Errorf("%+v: %q, %v", c, l.Lang, err)
		}
	}
}

// TestNoticeOfANewDevice: the notice names program, system, address and time with its zone, and no text that a
// caller chooses freely.
func TestNoticeOfANewDevice(t *testing.T) {
	t.Parallel()
	const at = " 1 March 2026, 12:00 UTC from the network address 192.0.2.7, with "
	const am = " 1. März 2026, 12:00 UTC von der Netzwerkadresse 192.0.2.7 bei Ihrem Konto bei Watchword angemeldet, mit "
	for _, c := range []struct{ agent, en, de string }{
		{"Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0", "Firefox on Linux.", "Firefox auf Linux."},
		{"Orders/3 CFNetwork/3826.500.131 Darwin/25.0.0", "Orders.", "Orders."},
		{"Dalvik/2.1.0 (Linux; U; Android 16; Pixel 10)", "Dalvik on Android.", "Dalvik auf Android."},
		{"call-us-at.evil.test/1", "an unknown program.", "einem unbekannten Programm."},
		{"", "an unknown program.", "einem unbekannten Programm."},
	} {
		for lang, want := range map[string]string{"en": at + c.en, "de": am + c.de} {
			m := message(auth.MailNewDevice, "a@x.test")
			m.Payload.UserAgent, m.Payload.Locale = c.agent, lang
			l, err := writer{base: base}.write(t.Context(), m)
			if err != nil || !strings.Contains(l.Why, want) {
				t.Errorf("%s, %q: %q, %v", lang, c.agent, l.Why, err)
			}
		}
	}
}

// TestPlacesInMails: a mail names the place of the address where one is known, in its own language.
func TestPlacesInMails(t *testing.T) {
	t.Parallel()
	place := func(ip, language string) string {
		return map[string]string{"192.0.2.7 en": "Berlin, Germany", "192.0.2.7 de": "Berlin, <Deutschland>"}[ip+" "+language]
	}
	for _, c := range []struct{ ip, lang, want string }{
		{"192.0.2.7", "en", " from the network address 192.0.2.7 (Berlin, Germany), with "},
		{"192.0.2.7", "de", " von der Netzwerkadresse 192.0.2.7 (Berlin, <Deutschland>) bei Ihrem Konto "},
		{"192.0.2.8", "en", " from the network address 192.0.2.8, with "},
		{"", "en", " 1 March 2026, 12:00 UTC, with "},
	} {
		m := message(auth.MailNewDevice, "a@x.test")
		m.Payload.IP, m.Payload.Locale = c.ip, c.lang
		l, err := writer{base: base, place: place}.write(t.Context(), m)
		if err != nil || !strings.Contains(l.Why, c.want) || strings.Contains(l.html, "<Deutschland>") {
			t.Errorf("%s, %s: %q, %v", c.ip, c.lang, l.Why, err)
		}
	}
}

func TestEveryLetterHasAKind(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("letters/*.tmpl")
	if err != nil || len(files) != len(kinds)+2 {
		t.Errorf("%d files for %d kinds and two layouts (%v)", len(files), len(kinds), err)
	}
	german, err := filepath.Glob("letters/de/*.tmpl")
	if err != nil || len(german) != len(kinds) {
		t.Errorf("%d German files for %d kinds (%v)", len(german), len(kinds), err)
	}
	files = append(files, german...)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || strings.Contains(string(b), ".Name") {
			t.Errorf("%s uses a name that a stranger chose (%v)", f, err)
		}
	}
}

func TestMailOverSMTP(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts   smtptest.Options
		change func(*smtptest.Server, *MailConfig)
		secure bool
	}{
		"plain on this machine": {},
		"starttls":              {opts: smtptest.Options{StartTLS: true}, secure: true},
		"starttls, password": {opts: smtptest.Options{StartTLS: true, User: "us er", Password: "p@ss/w:rd"}, secure: true,
			change: func(s *smtptest.Server, c *MailConfig) { c.URL += "?tls=required"; c.TLS = s.TLS() }},
		"tls from the start, password": {opts: smtptest.Options{TLS: true, User: "u", Password: "p"}, secure: true,
			change: func(s *smtptest.Server, c *MailConfig) { c.TLS = s.TLS() }},
		"tls=off": {opts: smtptest.Options{StartTLS: true, User: "u", Password: "p"},
			change: func(_ *smtptest.Server, c *MailConfig) { c.URL += "?tls=off" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smtptest.New(t, tc.opts)
			m := mailer(t, s, func(c *MailConfig) {
				if tc.change != nil {
					tc.change(s, c)
				}
			})
			if err := m.deliver(t.Context(), message(auth.MailVerify, "alice+x@example.test")); err != nil {
				t.Fatal(err)
			}
			got := s.Wait(t, 1)[0]
			if got.From != "no-reply@example.test" || len(got.To) != 1 || got.To[0] != "alice+x@example.test" || got.Secure != tc.secure || got.User != tc.opts.User {
				t.Errorf("from %q to %q secure %v user %q", got.From, got.To, got.Secure, got.User)
			}
			msg := got.Message(t)
			for h, want := range map[string]string{
				"To": "<alice+x@example.test>", "From": `"Acme Sign-in" <no-reply@example.test>`, "Message-Id": "<0190-1@example.test>",
				"Auto-Submitted": "auto-generated", "Subject": "Confirm your email address for Acme <Orders> & Co", "Date": "Sun, 01 Mar 2026 12:00:00 +0000",
			} {
				if g := msg.Header.Get(h); g != want {
					t.Errorf("%s: %q, want %q", h, g, want)
				}
			}
			text, html := parts(t, msg)
			link := base + "/t/acme/verify-email?token=wwl_secret"
			if !strings.Contains(text, link) || !strings.Contains(html, link) {
				t.Errorf("no link in\n%s\n%s", text, html)
			}
			if err := m.Check(t.Context()); err != nil {
				t.Errorf("check: %v", err)
			}
		})
	}
}

// No mail and no password is sent to a server that is not verified.
func TestMailRefusesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts   smtptest.Options
		change func(*MailConfig)
	}{
		"no starttls though required": {opts: smtptest.Options{User: "u", Password: "p"}, change: func(c *MailConfig) { c.URL += "?tls=required" }},
		"unknown certificate":         {opts: smtptest.Options{StartTLS: true, User: "u", Password: "p"}, change: func(c *MailConfig) { c.URL += "?tls=required" }},
		"unknown certificate, smtps":  {opts: smtptest.Options{TLS: true, User: "u", Password: "p"}},
		"wrong password":              {opts: smtptest.Options{User: "u", Password: "p"}, change: func(c *MailConfig) { c.URL = strings.Replace(c.URL, "u:p@", "u:q@", 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smtptest.New(t, tc.opts)
			m := mailer(t, s, tc.change)
			err := m.deliver(t.Context(), message(auth.MailVerify, "a@example.test"))
			if _, ok := errors.AsType[offlineError](err); !ok {
				t.Errorf("error %v, want an offlineError", err)
			}
			if n := len(s.Received()); n != 0 {
				t.Errorf("%d mails went out", n)
			}
			if err != nil && strings.Contains(err.Error(), "wwl_secret") {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

func TestMailFailuresAreToldApart(t *testing.T) {
	t.Parallel()
	type kind string
	const temporary, hopeless, closed kind = "temporary", "hopeless", "closed"
	of := func(err error) kind {
		if _, ok := errors.AsType[permanentError](err); ok {
			return hopeless
		}
		if _, ok := errors.AsType[offlineError](err); ok {
			return closed
		}
		return temporary
	}
	for name, tc := range map[string]struct {
		stage smtptest.Stage
		does  smtptest.Behaviour
		want  kind
	}{
		"greylisted":              {smtptest.Rcpt, smtptest.Later, temporary},
		"no such mailbox":         {smtptest.Rcpt, smtptest.Never, hopeless},
		"mail refused":            {smtptest.Data, smtptest.Never, hopeless},
		"mail refused for now":    {smtptest.Data, smtptest.Later, temporary},
		"sender refused":          {smtptest.From, smtptest.Never, closed},
		"sender refused for now":  {smtptest.From, smtptest.Later, closed},
		"going down":              {smtptest.Rcpt, smtptest.Ending, closed},
		"refused at the greeting": {smtptest.Greet, smtptest.Later, closed},
		"cut before the mail":     {smtptest.Rcpt, smtptest.Drop, closed},
		"cut after the mail":      {smtptest.Data, smtptest.Drop, temporary},
		"hangs at the greeting":   {smtptest.Greet, smtptest.Hang, closed},
		"hangs at the recipient":  {smtptest.Rcpt, smtptest.Hang, closed},
		"hangs after the mail":    {smtptest.Data, smtptest.Hang, temporary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smtptest.New(t, smtptest.Options{Misbehave: func(at smtptest.Stage, _ string) smtptest.Behaviour {
				if at == tc.stage {
					return tc.does
				}
				return smtptest.OK
			}})
			m := mailer(t, s, func(c *MailConfig) {
				if tc.does == smtptest.Hang {
					c.Greet, c.Send = 5*time.Second, 5*time.Second
				}
			})
			err := m.deliver(t.Context(), message(auth.MailVerify, "a@example.test"))
			if err == nil || of(err) != tc.want {
				t.Errorf("%s: %v, want %s", of(err), err, tc.want)
			}
			// It works again at once when the server does.
			s.Misbehave(nil)
			if err := m.deliver(t.Context(), message(auth.MailVerify, "a@example.test")); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestHangingServerLetsGoWithTheContext(t *testing.T) {
	t.Parallel()
	for _, stage := range []smtptest.Stage{smtptest.Greet, smtptest.From, smtptest.Data} {
		s := smtptest.New(t, smtptest.Options{Misbehave: func(at smtptest.Stage, _ string) smtptest.Behaviour {
			if at == stage {
				return smtptest.Hang
			}
			return smtptest.OK
		}})
		m := mailer(t, s, func(c *MailConfig) { c.Greet, c.Send = time.Hour, time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := m.deliver(ctx, message(auth.MailVerify, "a@example.test")); err == nil {
			t.Errorf("%s: delivered", stage)
		}
		cancel()
	}
}

func TestBurstSharesAConnection(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Options{StartTLS: true})
	m := mailer(t, s, nil)
	for range 5 {
		if err := m.deliver(t.Context(), message(auth.MailVerify, "a@example.test")); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Connections(); n > 2 { // the greeting is counted again after STARTTLS
		t.Errorf("%d conversations for 5 mails in a row", n)
	}
	// A connection that the server has closed meanwhile is replaced.
	addr := s.Addr()
	s.Close()
	again := smtptest.At(t, addr, smtptest.Options{StartTLS: true})
	if err := m.deliver(t.Context(), message(auth.MailVerify, "a@example.test")); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if n := len(again.Received()); n != 1 {
		t.Errorf("%d mails at the new server", n)
	}
}

func TestAttack_PW_13_HeaderInjection(t *testing.T) {
	t.Parallel()
	s := smtptest.New(t, smtptest.Options{})
	m := mailer(t, s, nil)
	for _, to := range []string{
		`"a@evil"@good.test`, "a@good.test%0d%0aBcc: b@evil.test", "a@good.test\r\nBcc: b@evil.test", "a@good.test\nBcc: b@evil.test",
		"a@good.test,b@evil.test", "a@good.test, b@evil.test", "<a@evil.test>a@good.test", "a@good.test>\r\nRCPT TO:<b@evil.test",
		"A <a@good.test>", "a@good.test;b@evil.test", "a b@good.test", "a@good.test\x00", "a@[127.0.0.1]", "", "a@ｇood.test",
	} {
		if err := m.deliver(t.Context(), message(auth.MailReset, to)); err == nil {
			t.Errorf("%q was mailed", to)
		} else if _, ok := errors.AsType[permanentError](err); !ok {
			t.Errorf("%q: %v, want it given up", to, err)
		}
	}
	if got := s.Received(); len(got) != 0 {
		t.Fatalf("%d mails reached the server", len(got))
	}
	// Unusual but valid addresses are delivered to, and no text of a tenant or a message becomes a
	// header.
	odd := "a!#$%&'*+/=?^_`{|}~-b@xn--mnchen-3ya.test"
	evil := mailer(t, s, func(c *MailConfig) {
		c.TenantName = func(context.Context, auth.TenantID) string { return "X\r\nBcc: b@evil.test\r\n\r\nhello" }
	})
	msg := message(auth.MailEmailChanged, odd)
	msg.Payload.NewEmail, msg.Payload.IP = "n@x.test\r\nBcc: b@evil.test", "1\r\nX: y"
	if err := evil.deliver(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	got := s.Wait(t, 1)[0]
	if len(got.To) != 1 || got.To[0] != odd {
		t.Errorf("envelope: %q", got.To)
	}
	h := got.Message(t).Header
	if h.Get("Bcc") != "" || h.Get("X") != "" || len(h["To"]) != 1 {
		t.Errorf("headers: %v", h)
	}
}

func TestMailboxKeepsTheNewest(t *testing.T) {
	t.Parallel()
	b := NewMailbox(MailboxConfig{Base: base, Now: storetest.NewClock().Now, Keep: 3})
	h := b.Handlers()
	more := b.More()
	for _, to := range []string{"a@x.test", "b@x.test", "c@x.test", "d@x.test"} {
		if err := h[auth.MailReset](t.Context(), message(auth.MailReset, to)); err != nil {
			t.Fatal(err)
		}
	}
	<-more
	got := b.Mails()
	if len(got) != 3 || got[0].To != "d@x.test" || got[2].To != "b@x.test" {
		t.Fatalf("kept: %v", got)
	}
	if len(got[0].Links) != 1 || got[0].Links[0] != base+"/t/acme/reset-password?token=wwl_secret" || !got[0].SentAt.Equal(storetest.NewClock().Now()) {
		t.Errorf("mail: %+v", got[0])
	}
}

// The links of a mail are a list, also when there are none.
func TestRepair_H12_LinksAreAList(t *testing.T) {
	t.Parallel()
	b := NewMailbox(MailboxConfig{Base: base, Now: storetest.NewClock().Now})
	if err := b.Handlers()[auth.MailAccountDeleted](t.Context(), message(auth.MailAccountDeleted, "a@x.test")); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(b.Mails()[0].Links); err != nil || string(got) != "[]" {
		t.Errorf("links %s, %v", got, err)
	}
}

func TestCrashAfterDeliverySendsTheSameMessageID(t *testing.T) {
	t.Parallel()
	var first atomic.Bool
	s := smtptest.New(t, smtptest.Options{Misbehave: func(at smtptest.Stage, _ string) smtptest.Behaviour {
		if at == smtptest.Data && first.CompareAndSwap(false, true) {
			return smtptest.Drop
		}
		return smtptest.OK
	}})
	m := mailer(t, s, nil)
	if err := m.deliver(t.Context(), message(auth.MailVerify, "a@example.test")); err == nil {
		t.Fatal("a lost connection counts as delivered")
	}
	if err := m.deliver(t.Context(), message(auth.MailVerify, "a@example.test")); err != nil {
		t.Fatal(err)
	}
	got := s.Wait(t, 2)
	if a, b := got[0].Message(t).Header.Get("Message-Id"), got[1].Message(t).Header.Get("Message-Id"); a != b || a == "" {
		t.Errorf("message ids %q and %q", a, b)
	}
}

func TestParseSMTP(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]smtpURL{
		"smtp://mail.example.test":             {host: "mail.example.test", port: 587, tls: tlsRequired},
		"smtp://u:p%40ss@mail.example.test:25": {host: "mail.example.test", port: 25, user: "u", password: "p@ss", tls: tlsRequired},
		"smtps://u:p@mail.example.test/":       {host: "mail.example.test", port: 465, user: "u", password: "p"},
		"smtp://mail.example.test:25?tls=off":  {host: "mail.example.test", port: 25, tls: tlsOff},
		"smtp://127.0.0.1:1025":                {host: "127.0.0.1", port: 1025, tls: tlsLocal},
		"smtp://[::1]:1025":                    {host: "::1", port: 1025, tls: tlsLocal},
		"smtp://localhost?tls=required":        {host: "localhost", port: 587, tls: tlsRequired},
		"smtp://localhost.example.test":        {host: "localhost.example.test", port: 587, tls: tlsRequired},
	} {
		if got, err := parseSMTP(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "mail.example.test:25", "http://x.test", "smtp://", "smtp://x.test/path", "smtp://x.test:0",
		"smtp://x.test:99999", "smtp://x.test?tls=maybe", "smtps://x.test?tls=off", "smtp://x.test?verify=no", "smtp://x.test?tls=off&tls=off", "smtp://u:p@ss/w@x.test"} {
		if got, err := parseSMTP(text); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// With an unescaped / ? or # in the password, a part of it is parsed as another component of the URL.
func TestAttack_OP_04_NoPartOfTheMailPasswordInAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"smtp://u:12?hunter2@x.test", "smtp://u:12/hunter2@x.test", "smtp://u:12#hunter2@x.test",
		"smtp://u:12?hunter2@x.test=1", "smtp://u:hunter2%zz@x.test", "smtp://u:hunter2@x.test:0"} {
		if _, err := parseSMTP(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseSMTP(f *testing.F) {
	f.Add("smtp://user:hunter2@mail.example.test:587?tls=off")
	f.Add("smtps://[::1]:465")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSMTP(text)
		if err != nil {
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
			return
		}
		if s.host == "" || s.port < 1 || s.port > 65535 {
			t.Errorf("%q: %+v", text, s)
		}
		if (s.tls == tlsLocal) && !loopback(s.host) {
			t.Errorf("%q: unverified beyond this machine", text)
		}
	})
}

func TestSenderMustBeAnAddress(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"", "nobody", "a@x.test, b@x.test", "a@x.test\r\nBcc: b@x.test"} {
		if _, err := NewMailer(MailConfig{URL: "smtp://localhost", From: from}); err == nil {
			t.Errorf("%q is accepted as a sender", from)
		}
	}
}
