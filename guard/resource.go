package guard

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// resource is the state of an API with Config.Resource: its metadata and DPoP.
type resource struct {
	origin       string // scheme and host
	metadataURL  string
	metadataPath string
	document     []byte
	requestURL   func(*http.Request) string // of Config, may be nil
	now          func() time.Time
	nonces       *Nonces // nil if not required
	replays      *replayCache
}

// newResource returns the resource of a valid configuration, nil without Config.Resource.
func newResource(c Config) *resource {
	if c.Resource == "" {
		return nil
	}
	u, err := url.Parse(c.Resource)
	if err != nil {
		panic(err)
	}
	r := &resource{
		origin: u.Scheme + "://" + u.Host, metadataPath: wellKnown + strings.TrimSuffix(u.EscapedPath(), "/"),
		requestURL: c.RequestURL, now: c.Now, replays: newReplayCache(c.ReplaySize, DefaultProofWindow+time.Second),
	}
	r.metadataURL = r.origin + r.metadataPath
	if r.document, err = json.Marshal(metadataOf(c)); err != nil {
		panic(err)
	}
	if c.DPoPNonces {
		key := c.DPoPNonceKey
		if len(key) == 0 {
			key = make([]byte, 32)
			rand.Read(key)
		}
		n := NewNonces(key)
		r.nonces = &n
	}
	return r
}

// verifyProof verifies the proof for a sender-constrained token (RFC 9449 section 7.1).
func (s *resource) verifyProof(w http.ResponseWriter, r *http.Request, en *entry, token string) *Error {
	if en.claims.JKT == "" {
		return refuse(ErrNotSenderConstrained, nil)
	}
	now := s.now()
	rules := ProofRules{Method: r.Method, URL: s.proofURL(r), AccessToken: token, Now: now}
	if s.nonces != nil {
		rules.Nonce = func(nonce string) bool { return s.nonces.Valid(nonce, now) }
	}
	proof, err := CheckProof(r.Header["Dpop"], rules)
	var refusal *ProofError
	if errors.As(err, &refusal) && refusal.Code == UseNonce {
		e := refuse(ErrNonce, err)
		e.nonce = s.nonces.At(now)
		return e
	}
	switch {
	case err != nil:
		return refuse(ErrProof, err)
	case proof.JKT != en.claims.JKT:
		return refuse(ErrProofRequired, errors.New("the proof is by another key"))
	case !s.replays.insert(holderOf(en.claims), proof, now):
		return refuse(ErrProof, errors.New("the proof is a replay"))
	}
	if s.nonces != nil {
		if newest := s.nonces.At(now); proof.Nonce != newest {
			w.Header().Set("DPoP-Nonce", newest)
		}
	}
	return nil
}

// proofURL returns the URL that the client used. It ignores the Host header, which the
// sender of a stolen proof for another API could set.
func (s *resource) proofURL(r *http.Request) string {
	if s.requestURL != nil {
		return s.requestURL(r)
	}
	// http.StripPrefix and similar handlers do not change RequestURI.
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return s.origin + u.EscapedPath()
	}
	return s.origin + r.URL.EscapedPath()
}
