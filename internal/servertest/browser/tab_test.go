package browser

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/watchword-auth/watchword/internal/servertest"
)

// look is how a person's browser is set up.
type look struct {
	noScript bool
	dark     bool
	language string // Accept-Language
	width    int64
}

// tab is one person's browser, with cookies of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	look look

	mu   sync.Mutex
	said []string // complaints of the browser: policy violations, errors of scripts
}

// newTab opens a browser in which nothing has happened yet.
func newTab(t *testing.T, l look) *tab {
	t.Helper()
	parent := chromium(t)
	if l.width == 0 {
		l.width = 1000
	}
	b := &tab{t: t, look: l}
	ctx, closed := chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	ctx, late := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(func() { late(); closed() })
	b.ctx = ctx
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: 900, DeviceScaleFactor: 1})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.noScript})
	if l.language != "" {
		call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": l.language}})
	}
	return b
}

// second opens another tab of the same browser.
func (b *tab) second() *tab {
	b.t.Helper()
	other := &tab{t: b.t, look: b.look}
	ctx, closed := chromedp.NewContext(b.ctx, chromedp.WithListener(other.hear))
	b.t.Cleanup(closed)
	other.ctx = ctx
	return other
}

func call[P, R any](b *tab, c cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, c, params); err != nil {
		b.t.Fatal(err)
	}
}

// hear collects what the browser complains about.
func (b *tab) hear(ev any) {
	var said string
	switch e := ev.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" && e.Entry.Source != "network" {
			said = e.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		said = e.ExceptionDetails.Text
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.said = append(b.said, said)
	}
}

// complaints are what the browser said against any page so far.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.said)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("at %s: %v", b.where(), err)
	}
}

// open goes to an address, as by typing it.
func (b *tab) open(address string) *tab {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
	return b
}

// fill types into fields: id, text, id, text. What was there is replaced.
func (b *tab) fill(pairs ...string) *tab {
	b.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		field := chromedp.ID(pairs[i])
		// chromedp.SendKeys reads the attributes of the field while an event of the browser may write them.
		b.do(chromedp.Clear(field), chromedp.Focus(field), chromedp.KeyEvent(pairs[i+1]))
	}
	return b
}

// signIn fills in the page that asks who somebody is, and sends it.
func (b *tab) signIn(email string) *tab {
	b.t.Helper()
	return b.fill("email", email, "password", servertest.Password).press("submit")
}

// tick clicks what leads nowhere by itself.
func (b *tab) tick(id string) *tab {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.ID(id)))
	return b
}

// press clicks a button or a link and waits for the page to which it leads.
func (b *tab) press(id string) *tab {
	b.t.Helper()
	return b.await(chromedp.Click(chromedp.ID(id)))
}

// await does what leads to another page, and waits for it.
func (b *tab) await(step chromedp.Action[chromedp.Void]) *tab {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, step); err != nil {
		b.shot("failed")
		b.t.Fatalf("at %s: %v; the browser says %q; the page %q", b.where(), err, b.complaints(), b.text())
	}
	return b
}

// at fails the test unless the page has the path, and waits a while for it, since a
// page may send itself on.
func (b *tab) at(path string) *tab {
	b.t.Helper()
	late := time.Now().Add(time.Minute)
	for {
		u, err := url.Parse(b.where())
		if err == nil && u.Path == path {
			b.do(chromedp.WaitReady(chromedp.CSS("h1")))
			return b
		}
		if time.Now().After(late) {
			b.shot("failed")
			b.t.Fatalf("at %s, want %s; the browser says %q; the page %q", b.where(), path, b.complaints(), b.text())
		}
		b.do(chromedp.WaitReady(chromedp.CSS("body")))
	}
}

// where is the address of the page.
func (b *tab) where() string {
	at, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		return "nowhere: " + err.Error()
	}
	return at
}

// text is what a person reads.
func (b *tab) text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		return "nothing: " + err.Error()
	}
	return text
}

// says fails the test unless the page shows the words.
func (b *tab) says(words ...string) *tab {
	b.t.Helper()
	text := b.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Fatalf("at %s: no %q in %q", b.where(), w, text)
		}
	}
	return b
}

// shot takes a picture of the whole page.
func (b *tab) shot(name string) *tab {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
		return b
	}
	folder := filepath.Join(shots(), strings.ReplaceAll(b.t.Name(), "/", "-"))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return b
}

// quiet fails the test when the browser has complained about any page so far.
func (b *tab) quiet() {
	b.t.Helper()
	if said := b.complaints(); len(said) > 0 {
		b.t.Errorf("the browser complains: %q", said)
	}
}
