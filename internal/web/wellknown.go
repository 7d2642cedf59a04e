package web

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
)

func (s *protocol) metadata(ex *exchange, r *http.Request) error {
	said := func() []byte { return encodeJSON(s.oidc.Metadata(ex.tenant)) }
	return s.publish(ex, r, published{name: "metadata",
		now: func() ([]byte, error) { return said(), nil },
		away: func() []byte {
			if ex.tenant.ID != auth.DefaultTenant { // which there always is
				return nil
			}
			return said()
		}})
}

func (s *protocol) jwks(ex *exchange, r *http.Request) error {
	return s.publish(ex, r, published{name: "jwks",
		now: func() ([]byte, error) {
			set, err := s.keys.JWKS(r.Context(), ex.tenant.ID)
			if err != nil {
				return nil, fmt.Errorf("published keys: %w", err)
			}
			return set, nil
		},
		away: func() []byte { return s.keys.CachedJWKS(ex.tenant.ID) }})
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
func (s *protocol) publish(ex *exchange, r *http.Request, from published) error {
	key := documentKey{from.name, ex.tenant.ID}
	if ex.unverified {
		d := s.documents.of(key, nil)
		if d == nil {
			text := from.away()
			if text == nil {
				return unavailable()
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

func (d *cachedDocument) write(ex *exchange, r *http.Request, cache []string) error {
	h := ex.Header()
	h["Cache-Control"] = cache
	h["Etag"] = d.tag
	for _, seen := range r.Header["If-None-Match"] {
		if strings.Contains(seen, d.tag[0]) {
			ex.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h["Content-Type"] = typeJSON
	h["Content-Length"] = d.length
	ex.Write(d.body)
	return nil
}

func cacheFor(d time.Duration) []string {
	return []string{"public, max-age=" + strconv.Itoa(int(d/time.Second))}
}
