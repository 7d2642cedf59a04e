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

// resource is the API as clients know it (Config.Resource), and what that makes
// possible.
type resource struct {
	origin       string // scheme and host
	metadataURL  string
	metadataPath string
	document     []byte
	requestURL   func(*http.Request) string // of Config, may be nil
	now          func() time.Time
	nonces       *Nonces // nil when none are asked for
	spent        *replays
}

// newResource is given a valid configuration.
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
		requestURL: c.RequestURL, now: c.Now, spent: newReplays(c.ReplaySize, DefaultProofWindow+time.Second),
	}
	r.metadataURL = r.origin + r.metadataPath
	if r.document, err = json.Marshal(describe(c)); err != nil {
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

// possession checks that the client has the key to which its token is bound (RFC 9449
// section 7.1).
func (s *resource) possession(w http.ResponseWriter, r *http.Request, en *entry, token string) *Error {
	if en.claims.JKT == "" {
		return refuse(ErrUnbound, nil)
	}
	now := s.now()
	rules := ProofRules{Method: r.Method, URL: s.urlOf(r), AccessToken: token, Now: now}
	if s.nonces != nil {
		rules.Nonce = func(nonce string) bool { return s.nonces.Good(nonce, now) }
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
		return refuse(ErrBound, errors.New("the proof is of another key"))
	case !s.spent.first(holderOf(en.claims), proof, now):
		return refuse(ErrProof, errors.New("the proof was used before"))
	}
	if s.nonces != nil {
		if newest := s.nonces.At(now); proof.Nonce != newest {
			w.Header().Set("DPoP-Nonce", newest)
		}
	}
	return nil
}

// urlOf is the URL of the request as its sender knows it. What the request says of the
// host is not asked: a proof that was made for another API would come with a Host
// header that fits.
func (s *resource) urlOf(r *http.Request) string {
	if s.requestURL != nil {
		return s.requestURL(r)
	}
	// RequestURI is untouched by http.StripPrefix and its like.
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return s.origin + u.EscapedPath()
	}
	return s.origin + r.URL.EscapedPath()
}
