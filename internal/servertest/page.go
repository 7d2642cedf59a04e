package servertest

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Page is the page that a browser shows, or the request with which it left this server.
type Page struct {
	URL  *url.URL
	Hops []*url.URL // the URLs of this server up to this page
	// Away is set when the browser has left this server. Then only URL is set and, for a posted form, Posted.
	Away   bool
	Posted url.Values

	Response
	doc *html.Node
}

func newPage(res *http.Response, body []byte, at *url.URL, hops []*url.URL) *Page {
	p := &Page{URL: at, Hops: hops, Response: Response{Status: res.StatusCode, Header: res.Header, Body: body}}
	p.doc, _ = html.Parse(bytes.NewReader(body)) // parses any input
	return p
}

// Want fails the test when the browser has left or the page has another status.
func (p *Page) Want(t testing.TB, status int) *Page {
	t.Helper()
	if p.Away || p.Status != status {
		t.Fatalf("at %s: status %d, want %d: %s", p.URL, p.Status, status, p.Text())
	}
	return p
}

// At fails the test unless the page is at the path, below its tenant's base.
func (p *Page) At(t testing.TB, path string) *Page {
	t.Helper()
	got := p.URL.Path
	if rest, ok := strings.CutPrefix(got, "/t/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		got = "/" + rest
	}
	if p.Away || got != path {
		t.Fatalf("at %s (%d), want %s: %s", p.URL, p.Status, path, p.Text())
	}
	return p
}

// Answer returns the authorization response at the client's redirect URI: in the query, in the fragment or in a
// form, which a browser would have posted by the page's script.
func (p *Page) Answer(t testing.TB) url.Values {
	t.Helper()
	if !p.Away {
		t.Fatalf("still at %s (%d): %s", p.URL, p.Status, p.Text())
	}
	switch {
	case p.Posted != nil:
		return p.Posted
	case p.URL.Fragment != "":
		v, err := url.ParseQuery(p.URL.EscapedFragment())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return p.URL.Query()
}

// refresh returns the target of the page's refresh (HTML §4.2.5.3), or empty.
func (p *Page) refresh() (to string) {
	p.each(func(n *html.Node) {
		if n.Data == "meta" && strings.EqualFold(attribute(n, "http-equiv"), "refresh") {
			_, to, _ = strings.Cut(attribute(n, "content"), "url=")
		}
	})
	return to
}

// Text returns the visible text, with single spaces.
func (p *Page) Text() string {
	var b strings.Builder
	p.each(func(n *html.Node) {
		if n.Type == html.TextNode && n.Parent != nil && n.Parent.Data != "script" && n.Parent.Data != "style" {
			b.WriteString(n.Data + " ")
		}
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// Has reports whether the page has an element with the id.
func (p *Page) Has(id string) bool { return p.byID(id) != nil }

// Value returns the value of the first field with the name, or empty.
func (p *Page) Value(name string) (value string) {
	p.each(func(n *html.Node) {
		if n.Data == "input" && attribute(n, "name") == name && value == "" {
			value = attribute(n, "value")
		}
	})
	return value
}

// Link returns the target of the link with the id, or empty.
func (p *Page) Link(id string) string {
	if n := p.byID(id); n != nil {
		return attribute(n, "href")
	}
	return ""
}

// Attribute returns an attribute of the element with the id, or empty.
func (p *Page) Attribute(id, name string) string {
	if n := p.byID(id); n != nil {
		return attribute(n, name)
	}
	return ""
}

// Fields returns the names and values that the form of a button sends.
func (p *Page) Fields(t testing.TB, button string) url.Values {
	t.Helper()
	return p.form(t, button).values
}

func (p *Page) each(fn func(*html.Node)) {
	if p.doc == nil {
		return
	}
	for n := range p.doc.Descendants() {
		fn(n)
	}
}

func (p *Page) byID(id string) (found *html.Node) {
	p.each(func(n *html.Node) {
		if n.Type == html.ElementNode && attribute(n, "id") == id && found == nil {
			found = n
		}
	})
	return found
}

// form is a form as it would be sent.
type form struct {
	method, action string
	values         url.Values
}

// form finds the form of a button by its id, by "name=value", or with "" the first form.
func (p *Page) form(t testing.TB, button string) form {
	t.Helper()
	var pressed, of *html.Node
	p.each(func(n *html.Node) {
		switch {
		case n.Type != html.ElementNode:
		case button == "" && n.Data == "form" && of == nil:
			of = n
		case n.Data == "button" && pressed == nil && button != "" && (attribute(n, "id") == button || attribute(n, "name")+"="+attribute(n, "value") == button):
			pressed = n
		}
	})
	for n := pressed; n != nil; n = n.Parent {
		if n.Type == html.ElementNode && n.Data == "form" {
			of = n
		}
	}
	if of == nil {
		t.Fatalf("at %s (%d) there is no form with a button %q: %s", p.URL, p.Status, button, p.Text())
	}
	f := form{method: strings.ToUpper(attribute(of, "method")), action: attribute(of, "action"), values: fields(of)}
	if f.method == "" {
		f.method = "GET"
	}
	if pressed != nil && attribute(pressed, "name") != "" {
		f.values.Set(attribute(pressed, "name"), attribute(pressed, "value"))
	}
	return f
}

// fields returns the successful controls of a form (HTML §4.10.21.4) without its buttons.
func fields(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		if n.Type != html.ElementNode || n.Data != "input" || attribute(n, "name") == "" {
			continue
		}
		value := attribute(n, "value")
		switch attribute(n, "type") {
		case "submit", "button", "image":
			continue
		case "checkbox", "radio":
			if !hasAttribute(n, "checked") {
				continue
			}
			if value == "" {
				value = "on"
			}
		}
		values.Add(attribute(n, "name"), value)
	}
	return values
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttribute(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
