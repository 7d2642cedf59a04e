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
	encode := func() []byte { return router.EncodeJSON(s.oidc.Metadata(ex.Tenant)) }
	return s.publish(ex, r, published{name: "metadata",
		read: func() ([]byte, error) { return encode(), nil },
		cached: func() []byte {
			if ex.Tenant.ID != auth.DefaultTenant { // only the default tenant is certain to exist
				return nil
			}
			return encode()
		}})
}

// JWKS publishes the public keys of the tenant (RFC 7517).
func (s *Handlers) JWKS(ex *router.Exchange, r *http.Request) error {
	return s.publish(ex, r, published{name: "jwks",
		read: func() ([]byte, error) {
			set, err := s.keys.JWKS(r.Context(), ex.Tenant.ID)
			if err != nil {
				return nil, fmt.Errorf("get published keys: %w", err)
			}
			return set, nil
		},
		cached: func() []byte { return s.keys.CachedJWKS(ex.Tenant.ID) }})
}

// published returns the text of a public document: read while the database is available, cached
// otherwise. cached returns nil if memory does not have the document.
type published struct {
	name   string
	read   func() ([]byte, error)
	cached func() []byte
}

// publish writes a public document of the tenant. While the database is unavailable it serves only
// cached documents. It caches nothing for an unverified tenant, whose ID anyone can invent.
func (s *Handlers) publish(ex *router.Exchange, r *http.Request, from published) error {
	key := documentKey{from.name, ex.Tenant.ID}
	if ex.Unverified {
		d := s.documents.find(key, nil)
		if d == nil {
			text := from.cached()
			if text == nil {
				return router.Unavailable()
			}
			d = newDocument(text)
		}
		return d.write(ex, r, s.maxAge)
	}
	text, err := from.read()
	if err != nil {
		return err
	}
	d := s.documents.find(key, text)
	if d == nil {
		d = newDocument(text)
		s.documents.add(key, d)
	}
	return d.write(ex, r, s.maxAge)
}

// cachedDocument is a public document with its ETag and Content-Length.
type cachedDocument struct {
	body   []byte
	tag    []string
	length []string
}

// documents caches the published documents, one of each kind for every tenant.
type documents struct {
	mu    sync.RWMutex // guards known
	known map[documentKey]*cachedDocument
}

type documentKey struct {
	name   string
	tenant auth.TenantID
}

// of returns the cached document with the given body, or with any body when body is nil.
func (ds *documents) find(key documentKey, body []byte) *cachedDocument {
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

// add caches a document of a tenant that exists.
func (ds *documents) add(key documentKey, d *cachedDocument) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.known == nil {
		ds.known = map[documentKey]*cachedDocument{}
	}
	ds.known[key] = d
}

func (d *cachedDocument) write(ex *router.Exchange, r *http.Request, cacheControl []string) error {
	h := ex.Header()
	h["Cache-Control"] = cacheControl
	h["Etag"] = d.tag
	for _, tags := range r.Header["If-None-Match"] {
		if strings.Contains(tags, d.tag[0]) {
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
