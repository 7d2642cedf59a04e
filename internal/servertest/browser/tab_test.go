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

// windowSettings are the settings of a browser window.
type windowSettings struct {
	noScript bool
	dark     bool
	language string // Accept-Language
	width    int64
}

// tab is a browser with its own cookies, or a second tab of it.
type tab struct {
	t    *testing.T
	ctx  context.Context
	look windowSettings

	mu       sync.Mutex
	messages []string // errors of the browser: policy violations, errors of scripts
}

// newTab opens a new browser without cookies.
func newTab(t *testing.T, l windowSettings) *tab {
	t.Helper()
	parent := chromium(t)
	if l.width == 0 {
		l.width = 1000
	}
	b := &tab{t: t, look: l}
	ctx, closed := chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.collectErrors))
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

// newTab opens another tab of the same browser.
func (b *tab) newTab() *tab {
	b.t.Helper()
	other := &tab{t: b.t, look: b.look}
	ctx, closed := chromedp.NewContext(b.ctx, chromedp.WithListener(other.collectErrors))
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

// collectErrors records errors of scripts and violations of the policy.
func (b *tab) collectErrors(ev any) {
	var message string
	switch e := ev.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" && e.Entry.Source != "network" {
			message = e.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		message = e.ExceptionDetails.Text
	}
	if message != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.messages = append(b.messages, message)
	}
}

// errors returns the errors in all pages so far.
func (b *tab) errors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.messages)
}

func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("at %s: %v", b.currentURL(), err)
	}
}

// open opens a URL, as from the address bar.
func (b *tab) open(address string) *tab {
	b.t.Helper()
	b.run(chromedp.Navigate(address))
	return b
}

// fill replaces the text of fields: id, text, id, text.
func (b *tab) fill(pairs ...string) *tab {
	b.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		field := chromedp.ID(pairs[i])
		// chromedp.SendKeys reads the attributes of the field while an event of the browser may write them.
		b.run(chromedp.Clear(field), chromedp.Focus(field), chromedp.KeyEvent(pairs[i+1]))
	}
	return b
}

// signIn fills in the login page and sends it. A page that knows the user asks only for the password.
func (b *tab) signIn(email string) *tab {
	b.t.Helper()
	known, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.getElementById("email").hidden`))
	if err != nil {
		b.t.Fatal(err)
	}
	if known {
		return b.fill("password", servertest.Password).press("submit")
	}
	return b.fill("email", email, "password", servertest.Password).press("submit")
}

// click clicks an element that leads to no other page.
func (b *tab) click(id string) *tab {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.ID(id)))
	return b
}

// press clicks a button or a link and waits for the next page.
func (b *tab) press(id string) *tab {
	b.t.Helper()
	return b.waitForPage(chromedp.Click(chromedp.ID(id)))
}

// waitForPage runs a step that leads to another page, and waits for it.
func (b *tab) waitForPage(step chromedp.Action[chromedp.Void]) *tab {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, step); err != nil {
		b.screenshot(failed)
		b.t.Fatalf("at %s: %v; the browser says %q; the page %q", b.currentURL(), err, b.errors(), b.text())
	}
	return b
}

// requirePath waits until the page has the path, which a redirect may change, and fails the
// test after a minute.
func (b *tab) requirePath(path string) *tab {
	b.t.Helper()
	late := time.Now().Add(time.Minute)
	for {
		u, err := url.Parse(b.currentURL())
		if err == nil && u.Path == path {
			b.run(chromedp.WaitReady(chromedp.CSS("h1")))
			return b
		}
		if time.Now().After(late) {
			b.screenshot(failed)
			b.t.Fatalf("at %s, want %s; the browser says %q; the page %q", b.currentURL(), path, b.errors(), b.text())
		}
		b.run(chromedp.WaitReady(chromedp.CSS("body")))
	}
}

// currentURL returns the URL of the page.
func (b *tab) currentURL() string {
	at, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		return "nowhere: " + err.Error()
	}
	return at
}

// text returns the visible text of the page.
func (b *tab) text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		return "nothing: " + err.Error()
	}
	return text
}

// requireText fails the test unless the page shows the texts.
func (b *tab) requireText(words ...string) *tab {
	b.t.Helper()
	text := b.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Fatalf("at %s: no %q in %q", b.currentURL(), w, text)
		}
	}
	return b
}

// failed is the name of the picture of a page at which a test fails.
const failed = "failed"

// screenshot takes a picture of the whole page. Where all tests run nobody looks at most of them, so they
// have to be asked for.
func (b *tab) screenshot(name string) *tab {
	b.t.Helper()
	if name != failed && os.Getenv("WATCHWORD_TEST_ALL") != "" && os.Getenv("WATCHWORD_SCREENSHOTS") == "" {
		return b
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
		return b
	}
	folder := filepath.Join(screenshotDir(), strings.ReplaceAll(b.t.Name(), "/", "-"))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return b
}

// requireNoErrors fails the test if there were errors in any page so far.
func (b *tab) requireNoErrors() {
	b.t.Helper()
	if message := b.errors(); len(message) > 0 {
		b.t.Errorf("errors in the browser: %q", message)
	}
}
