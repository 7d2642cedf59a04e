package clienttest

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"github.com/watchword-auth/watchword/internal/outbound"
)

// Publisher is a web server of clients: their keys and documents.
type Publisher struct {
	*httptest.Server
	mu       sync.Mutex
	pages    map[string]string // by path; missing paths are 404
	requests map[string]int
	hangs    map[string]func() // what to wait for before the response
}

// Publish starts a Publisher, and returns an HTTP client that fetches from it although it is not
// on the public network.
func Publish(t testing.TB) (*Publisher, *outbound.Client) {
	p := &Publisher{pages: map[string]string{}, requests: map[string]int{}, hangs: map[string]func(){}}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		wait := p.hangs[r.URL.Path]
		p.mu.Unlock()
		if wait != nil {
			wait()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests[r.URL.Path]++
		page, ok := p.pages[r.URL.Path]
		switch {
		case !ok:
			http.NotFound(w, r)
		case page == "redirect":
			http.Redirect(w, r, "/secret", http.StatusFound)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(page))
		}
	}))
	t.Cleanup(p.Close)
	roots := p.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return p, outbound.New(outbound.Config{
		InsecureAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Transport:     func(t *http.Transport) { t.TLSClientConfig = &tls.Config{RootCAs: roots} },
	})
}

// Put publishes a page, or removes it when it is empty.
func (p *Publisher) Put(path, page string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pages[path] = page; page == "" {
		delete(p.pages, path)
	}
}

// Hang lets a page hang until it is released; the channel receives for every request.
func (p *Publisher) Hang(path string) (requested <-chan struct{}, release func()) {
	began, done := make(chan struct{}, 100), make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangs[path] = func() {
		began <- struct{}{}
		<-done
	}
	return began, sync.OnceFunc(func() { close(done) })
}

// Times is how often a page was requested.
func (p *Publisher) Times(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[path]
}
