package servertest

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Browser imitates a user's browser: it keeps cookies, follows redirects, sends forms with Origin and Sec-Fetch
// headers, and applies SameSite and form-action of the Content-Security-Policy. A request to another server is
// only recorded.
//
//	b := s.Browser(t)
//	b.Open("/oauth2/authorize?"+request.Encode()).Want(t, 200)
//	code := b.Press("submit", "email", alice, "password", servertest.Password).Answer(t).Get("code")
//
// Unlike a real browser it keeps Secure cookies although tests speak plain HTTP. It belongs to one goroutine.
type Browser struct {
	// Page is the current page.
	Page *Page
	// Header is sent with every request, such as Accept-Language.
	Header http.Header

	t       testing.TB
	s       *Server
	cookies map[string]*http.Cookie
}

// Browser returns a new browser.
func (s *Server) Browser(t testing.TB) *Browser {
	t.Helper()
	return &Browser{t: t, s: s, cookies: map[string]*http.Cookie{}, Header: http.Header{"User-Agent": {"Mozilla/5.0 (test)"}}}
}

// Cookie returns the value of a cookie, or empty.
func (b *Browser) Cookie(name string) string {
	if c := b.cookies[name]; c != nil {
		return c.Value
	}
	return ""
}

// SetCookie sets a cookie; an empty value deletes it.
func (b *Browser) SetCookie(name, value string) {
	if delete(b.cookies, name); value != "" {
		b.cookies[name] = &http.Cookie{Name: name, Value: value, SameSite: http.SameSiteLaxMode}
	}
}

// Cookies returns the names of all cookies, sorted.
func (b *Browser) Cookies() []string { return slices.Sorted(maps.Keys(b.cookies)) }

// Restart closes the browser and opens it again: session cookies are deleted.
func (b *Browser) Restart() {
	maps.DeleteFunc(b.cookies, func(_ string, c *http.Cookie) bool { return c.Expires.IsZero() })
	b.Page = nil
}

// Open opens a URL of this server, as a link of another site does.
func (b *Browser) Open(path string) *Page {
	b.t.Helper()
	return b.follow(visit{method: "GET", to: b.url(path), site: "cross-site"})
}

// Post sends a form to a URL of this server from a page of another site.
func (b *Browser) Post(path string, form url.Values, origin string) *Page {
	b.t.Helper()
	return b.follow(visit{method: "POST", to: b.url(path), form: form, site: "cross-site", origin: origin})
}

// Press presses the button with the given id (or name and value as "name=value") and sends its form, with
// changed fields: name, value, name, value.
func (b *Browser) Press(button string, fields ...string) *Page {
	b.t.Helper()
	if b.Page == nil {
		b.t.Fatal("the browser shows no page")
	}
	f := b.Page.form(b.t, button)
	for i := 0; i+1 < len(fields); i += 2 {
		f.values.Set(fields[i], fields[i+1])
	}
	return b.send(f)
}

func (b *Browser) send(f form) *Page {
	b.t.Helper()
	to, err := b.Page.URL.Parse(f.action)
	if err != nil {
		b.t.Fatal(err)
	}
	v := visit{method: f.method, to: to, form: f.values, site: "same-origin", origin: b.Page.URL.Scheme + "://" + b.Page.URL.Host, actions: formActions(b.Page.Header)}
	if f.method == "GET" {
		v.to.RawQuery, v.form, v.origin = f.values.Encode(), nil, ""
	}
	if b.Page.Header.Get("Referrer-Policy") == "no-referrer" && v.origin != "" {
		v.origin = "null" // no-referrer (Fetch §3.2)
	}
	return b.follow(v)
}

// visit is a request and its origin.
type visit struct {
	method, site, origin string
	to                   *url.URL
	form                 url.Values
	actions              []string // form-action of the page whose form it was; nil for none
}

// follow sends a request and follows its redirects on this server.
func (b *Browser) follow(v visit) *Page {
	b.t.Helper()
	var hops []*url.URL
	for range 10 {
		if !isAllowed(v.actions, v.to, b.url("/")) {
			b.t.Fatalf("a browser would not go to %s: form-action %q", v.to, v.actions)
		}
		if !b.isLocal(v.to) {
			b.Page = &Page{URL: v.to, Hops: hops, Away: true, Posted: v.form}
			return b.Page
		}
		res, body := b.request(v)
		hops = append(hops, v.to)
		next := res.Header.Get("Location")
		if n := headSize(res); n > maxHead {
			b.t.Errorf("%s: the head of the response has %d bytes, too many for usual proxies", v.to.Path, n)
		}
		if res.StatusCode < 300 || res.StatusCode > 399 || next == "" {
			b.Page = newPage(res, body, v.to, hops)
			if next = b.Page.refresh(); next == "" {
				return b.Page
			}
			v.actions = nil // form-action applies no longer
		}
		if res.StatusCode == 307 || res.StatusCode == 308 {
			b.t.Fatalf("%s: %d would send the form on to %s", v.to, res.StatusCode, next)
		}
		to, err := v.to.Parse(next)
		if err != nil {
			b.t.Fatal(err)
		}
		v.method, v.form, v.origin, v.to = "GET", nil, "", b.toThisNode(to)
	}
	b.t.Fatalf("redirect loop: %v", hops)
	return nil
}

// maxHead is the maximum size of a response's head. The default of nginx is 4 KiB.
const maxHead = 3584

// headSize returns the size of a response's head on the wire.
func headSize(res *http.Response) int {
	n := len("HTTP/1.1 200 OK\r\n\r\n")
	for name, values := range res.Header {
		for _, value := range values {
			n += len(name) + len(value) + len(": \r\n")
		}
	}
	return n
}

func (b *Browser) request(v visit) (*http.Response, []byte) {
	b.t.Helper()
	var body io.Reader
	if v.form != nil {
		body = strings.NewReader(v.form.Encode())
	}
	r, err := http.NewRequest(v.method, v.to.String(), body)
	if err != nil {
		b.t.Fatal(err)
	}
	maps.Copy(r.Header, b.Header.Clone())
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Site", v.site)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	if v.origin != "" {
		r.Header.Set("Origin", v.origin)
	}
	if v.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	b.addCookies(r, v)
	res, err := b.s.Client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.storeCookies(res)
	return res, read
}

func (b *Browser) addCookies(r *http.Request, v visit) {
	for _, name := range b.Cookies() {
		c := b.cookies[name]
		if !c.Expires.IsZero() && !b.s.Clock.Now().Before(c.Expires) {
			continue
		}
		if v.site == "cross-site" && (c.SameSite == http.SameSiteStrictMode || v.method != "GET" && c.SameSite != http.SameSiteNoneMode) {
			continue
		}
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
}

// storeCookies stores the cookies of a response as their attributes say (RFC 6265bis §5.7). A cookie that a
// browser would reject fails the test.
func (b *Browser) storeCookies(res *http.Response) {
	b.t.Helper()
	for _, c := range res.Cookies() {
		if !c.Secure || strings.HasPrefix(c.Name, "__Host-") && (c.Path != "/" || c.Domain != "") || len(c.Raw) > 4096 {
			b.t.Errorf("a browser would not keep the cookie %q", c.Raw)
		}
		switch {
		case c.MaxAge < 0:
			delete(b.cookies, c.Name)
			continue
		case c.MaxAge > 0:
			c.Expires = b.s.Clock.Now().Add(time.Duration(c.MaxAge) * time.Second)
		default:
			c.Expires = time.Time{}
		}
		b.cookies[c.Name] = c
	}
}

// url returns a URL of this node.
func (b *Browser) url(path string) *url.URL {
	b.t.Helper()
	if !strings.HasPrefix(path, "http://") && !strings.HasPrefix(path, "https://") {
		path = b.s.URL + path
	}
	u, err := url.Parse(path)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.toThisNode(u)
}

// toThisNode maps a URL of the issuer, which may be another node, to this node.
func (b *Browser) toThisNode(u *url.URL) *url.URL {
	if rest, ok := strings.CutPrefix(u.String(), b.s.Issuer); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		if own, err := url.Parse(b.s.URL + rest); err == nil {
			return own
		}
	}
	return u
}

func (b *Browser) isLocal(u *url.URL) bool { return u.Scheme+"://"+u.Host == b.s.URL }

// formActions returns the form-action of a page; nil without one.
func formActions(h http.Header) []string {
	for part := range strings.SplitSeq(h.Get("Content-Security-Policy"), ";") {
		if f := strings.Fields(part); len(f) > 0 && f[0] == "form-action" {
			return append([]string{}, f[1:]...)
		}
	}
	return nil
}

// isAllowed reports whether a form may be sent or redirected to u, as Chromium does (Content Security Policy
// Level 3 §6.4.1).
func isAllowed(actions []string, u, own *url.URL) bool {
	if actions == nil {
		return true
	}
	return slices.ContainsFunc(actions, func(a string) bool {
		if host, ok := strings.CutSuffix(a, ":*"); ok {
			return host == u.Scheme+"://"+u.Hostname()
		}
		return a == "'self'" && u.Scheme == own.Scheme && u.Host == own.Host || a == u.Scheme+":" || a == u.Scheme+"://"+u.Host
	})
}
