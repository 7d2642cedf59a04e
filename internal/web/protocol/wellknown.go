package protocol

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// Metadata publishes the metadata of the tenant (RFC 8414, OpenID Connect Discovery).
func (s *Handlers) Metadata(ex *router.Exchange, r *http.Request) error {
	said := func() []byte { return router.EncodeJSON(s.oidc.Metadata(ex.Tenant)) }
	return s.publish(ex, r, published{name: "metadata",
		now: func() ([]byte, error) { return said(), nil },
		away: func() []byte {
			if ex.Tenant.ID != auth.DefaultTenant { // which there always is
				return nil
			}
			return said()
		}})
}

// JWKS publishes the public keys of the tenant (RFC 7517).
func (s *Handlers) JWKS(ex *router.Exchange, r *http.Request) error {
	return s.publish(ex, r, published{name: "jwks",
		now: func() ([]byte, error) {
			set, err := s.keys.JWKS(r.Context(), ex.Tenant.ID)
			if err != nil {
				return nil, fmt.Errorf("published keys: %w", err)
			}
			return set, nil
		},
		away: func() []byte { return s.keys.CachedJWKS(ex.Tenant.ID) }})
}

// published makes the text of a public document: now from the database, away from memory
// while the database is unavailable, nil when memory has none.
type published struct {
	name string
	now  func() ([]byte, error)
	away func() []byte
}

// publish answers with a public document of the tenant. While the database is unavailable it
// answers from memory, and only for a tenant that memory knows: anyone can invent the name
// of a tenant, so nothing is cached for one that is not confirmed.
func (s *Handlers) publish(ex *router.Exchange, r *http.Request, from published) error {
	key := documentKey{from.name, ex.Tenant.ID}
	if ex.Unverified {
		d := s.documents.of(key, nil)
		if d == nil {
			text := from.away()
			if text == nil {
				return router.Unavailable()
			}
			d = newDocument(text)
		}
		return d.write(ex, r, s.maxAge)
	}
	text, err := from.now()
	if err != nil {
		return err
	}
	d := s.documents.of(key, text)
	if d == nil {
		d = newDocument(text)
		s.documents.learn(key, d)
	}
	return d.write(ex, r, s.maxAge)
}

// cachedDocument is a public text with the headers that go with it.
type cachedDocument struct {
	body   []byte
	tag    []string
	length []string
}

// documents caches the published documents with their headers, one of each for every tenant.
type documents struct {
	mu    sync.RWMutex // guards known
	known map[documentKey]*cachedDocument
}

type documentKey struct {
	name   string
	tenant auth.TenantID
}

// of returns the cached document with the given body, or with any body when body is nil.
func (ds *documents) of(key documentKey, body []byte) *cachedDocument {
	ds.mu.RLock()
	defer ds.mu.RUnlock()
	if d := ds.known[key]; d != nil && (body == nil || bytes.Equal(d.body, body)) {
		return d
	}
	return nil
}

// newDocument computes the headers of a document.
func newDocument(body []byte) *cachedDocument {
	return &cachedDocument{body: body, tag: []string{`"` + secret.Digest(string(body))[:22] + `"`}, length: []string{strconv.Itoa(len(body))}}
}

// learn caches a document of a tenant that exists.
func (ds *documents) learn(key documentKey, d *cachedDocument) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.known == nil {
		ds.known = map[documentKey]*cachedDocument{}
	}
	ds.known[key] = d
}

func (d *cachedDocument) write(ex *router.Exchange, r *http.Request, cache []string) error {
	h := ex.Header()
	h["Cache-Control"] = cache
	h["Etag"] = d.tag
	for _, seen := range r.Header["If-None-Match"] {
		if strings.Contains(seen, d.tag[0]) {
			ex.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h["Content-Type"] = router.TypeJSON
	h["Content-Length"] = d.length
	ex.Write(d.body)
	return nil
}

func cacheFor(d time.Duration) []string {
	return []string{"public, max-age=" + strconv.Itoa(int(d/time.Second))}
}
