package clients_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/watchword-auth/watchword/internal/servertest"
)

// browserDriver is a browser at one of the two providers.
type browserDriver interface {
	// open goes to an address, with a form of another site if there is one, until the
	// browser leaves the provider or comes to a page. With enter the person does what
	// pages ask for.
	open(address string, posted url.Values, enter bool) browserState
}

// browserState is where a browser ended: at the client, at a page that needs the user, or at
// another page.
type browserState struct {
	away   *url.URL
	posted url.Values // of response_mode=form_post
	asks   bool
	page   int // status
}

func (e browserState) values() url.Values {
	switch {
	case e.posted != nil:
		return e.posted
	case e.away == nil:
		return nil
	case e.away.Fragment != "":
		v, _ := url.ParseQuery(e.away.EscapedFragment()) // what is no query holds nothing
		return v
	}
	return e.away.Query()
}

// String describes the state: the response mode, the error, and the names of the parameters.
func (e browserState) String() string {
	s := "query"
	switch {
	case e.asks:
		return "asks the user"
	case e.posted != nil:
		s = "form"
	case e.away == nil:
		return fmt.Sprintf("page %d", e.page)
	case e.away.Fragment != "":
		s = "fragment"
	}
	var names []string
	for name, v := range e.values() {
		switch {
		case name == "error":
			s += " " + v[0] + ","
		case name != "error_description":
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.TrimRight(s+" "+strings.Join(names, " "), " ")
}

// watchwordBrowser is a browser at Watchword.
type watchwordBrowser struct {
	t *testing.T
	s *servertest.Server
	*servertest.Browser
}

func (o *watchwordBrowser) open(address string, posted url.Values, enter bool) browserState {
	o.t.Helper()
	var page *servertest.Page
	if posted != nil {
		page = o.Post(address, posted, "https://app.example.test")
	} else {
		page = o.Open(address)
	}
	for range 5 {
		switch {
		case page.Away:
			return browserState{away: page.URL}
		case page.Value("iss") != "":
			return browserState{posted: page.Fields(o.t, "")}
		case page.Value("csrf") == "":
			return browserState{page: page.Status}
		case !enter:
			return browserState{asks: true}
		case page.Has("password"):
			page = o.Press("submit", "email", alice, "password", servertest.Password)
		default:
			page = o.Press("decision=approve")
		}
	}
	o.t.Fatalf("still at %s: %s", page.URL, page.Text())
	return browserState{}
}

// peerBrowser is a browser at oidc-provider.
type peerBrowser struct {
	p *testProvider
	c *http.Client
}

func (o *peerBrowser) open(address string, posted url.Values, enter bool) browserState {
	o.p.Helper()
	for range 10 {
		if !strings.HasPrefix(address, o.p.base+"/") {
			away, err := url.Parse(address)
			if err != nil {
				o.p.Fatal(err)
			}
			return browserState{away: away}
		}
		if strings.HasPrefix(address, o.p.base+"/hook/") && !enter {
			return browserState{asks: true}
		}
		res, body := o.visit(address, posted)
		posted = nil
		next, err := res.Location()
		if err != nil {
			return classifyPage(res.StatusCode, body)
		}
		address = next.String()
	}
	o.p.Fatalf("led in circles, last to %s", address)
	return browserState{}
}

func (o *peerBrowser) visit(address string, posted url.Values) (*http.Response, string) {
	o.p.Helper()
	r, err := http.NewRequest("GET", address, nil)
	if posted != nil {
		if r, err = http.NewRequest("POST", address, strings.NewReader(posted.Encode())); err == nil {
			r.Header.Set("Content-Type", formType)
		}
	}
	if err != nil {
		o.p.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	res, err := o.c.Do(r)
	if err != nil {
		o.p.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		o.p.Fatal(err)
	}
	return res, string(b)
}

// classifyPage classifies a page of oidc-provider by the hidden fields of its form.
func classifyPage(status int, body string) browserState {
	fields := url.Values{}
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		return browserState{page: status}
	}
	for n := range doc.Descendants() {
		var name, value string
		for _, a := range n.Attr {
			switch a.Key {
			case "name":
				name = a.Val
			case "value":
				value = a.Val
			}
		}
		if n.Data == "input" && name != "" {
			fields.Set(name, value)
		}
	}
	switch {
	case fields.Has("iss"):
		return browserState{posted: fields}
	case fields.Has("xsrf"):
		return browserState{asks: true}
	}
	return browserState{page: status}
}
