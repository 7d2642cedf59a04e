package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// metadata is what services need to find the keys (RFC 8414 §2, OpenID Connect
// Discovery §3). It lists what works and nothing else; a list that would be empty
// is left out, as RFC 8414 §3.2 demands.
type metadata struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri"`
}

func (s *Server) metadata(ex *exchange, r *http.Request) error {
	issuer := ex.tenant.ID.Issuer(s.cfg.Base)
	d := s.documents.of("metadata", ex.tenant.ID, nil, func() []byte {
		return encodeJSON(metadata{Issuer: issuer, JWKSURI: issuer + "/.well-known/jwks.json"})
	})
	return d.write(ex, r, s.maxAge)
}

func (s *Server) jwks(ex *exchange, r *http.Request) error {
	set, err := s.cfg.Keys.JWKS(r.Context(), ex.tenant.ID)
	if err != nil {
		return fmt.Errorf("published keys: %w", err)
	}
	return s.documents.of("jwks", ex.tenant.ID, set, nil).write(ex, r, s.maxAge)
}

// document is a public text with the headers that go with it.
type document struct {
	body   []byte
	tag    []string
	length []string
}

// documents remembers what was worked out about the published documents, so that a
// request for one costs a look-up and a write.
type documents struct {
	known sync.Map // documentKey → *document
}

type documentKey struct {
	name   string
	tenant auth.TenantID
}

// of returns the document, made from body, or by make when body is nil. A body that
// is still the same slice is still the same document: the ring hands out one
// slice for as long as the keys do not change.
func (ds *documents) of(name string, tenant auth.TenantID, body []byte, make func() []byte) *document {
	key := documentKey{name, tenant}
	if v, ok := ds.known.Load(key); ok {
		if d := v.(*document); body == nil || same(d.body, body) {
			return d
		}
	}
	if body == nil {
		body = make()
	}
	d := &document{body: body, tag: []string{`"` + secret.Digest(string(body))[:22] + `"`}, length: []string{strconv.Itoa(len(body))}}
	ds.known.Store(key, d)
	return d
}

func same(a, b []byte) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

func (d *document) write(ex *exchange, r *http.Request, cache []string) error {
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
