package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds a response of the issuer.
const maxBody = 1 << 20

var errTooLong = errors.New("the response is longer than 1 MiB")

// remote fetches the key set over HTTP. keys.run makes one call at a time, so its fields
// need no lock.
type remote struct {
	client     *http.Client
	issuer     string
	allowHTTP  bool
	configured string // Config.JWKSURL
	discovered string // from discovery, until a fetch fails
}

func newRemote(c Config) *remote {
	client := http.Client{}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		if !sameOrigin(req.URL, via[0].URL) {
			return errors.New("redirect to another origin")
		}
		return nil
	}
	return &remote{client: &client, issuer: c.Issuer, allowHTTP: c.InsecureAllowHTTP, configured: c.JWKSURL}
}

// keySet fetches the key set; it is a source.
func (r *remote) keySet(ctx context.Context) ([]byte, time.Duration, error) {
	address := cmp.Or(r.configured, r.discovered)
	if address == "" {
		var err error
		if address, err = r.discover(ctx); err != nil {
			return nil, 0, fmt.Errorf("discover keys: %w", err)
		}
	}
	res, err := r.get(ctx, address)
	if err == nil && res.status != http.StatusOK {
		err = fmt.Errorf("status %d", res.status)
	}
	if err != nil {
		r.discovered = "" // it may have moved: discover again next time
		return nil, 0, fmt.Errorf("get key set: %w", err)
	}
	r.discovered = address
	return res.body, res.maxAge, nil
}

// discover returns the jwks_uri of the issuer's discovery document, or the well-known
// path if there is no document. A document of another issuer is an error.
func (r *remote) discover(ctx context.Context) (string, error) {
	base := strings.TrimSuffix(r.issuer, "/")
	res, err := r.get(ctx, base+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	fallback := base + "/.well-known/jwks.json"
	if res.status == http.StatusNotFound {
		return fallback, nil
	}
	if res.status != http.StatusOK {
		return "", fmt.Errorf("status %d", res.status)
	}
	issuer, address, err := parseDiscovery(res.body)
	switch {
	case err != nil:
		return "", fmt.Errorf("parse discovery document: %w", err)
	case issuer != r.issuer:
		return "", fmt.Errorf("the discovery document has issuer %q, want %q", issuer, r.issuer)
	case address == "":
		return fallback, nil
	}
	if err := checkURL(address, r.allowHTTP); err != nil {
		return "", fmt.Errorf("jwks_uri %w", err)
	}
	if !r.atIssuerOrigin(address) {
		return "", fmt.Errorf("jwks_uri %q is not at the issuer's origin; if the keys are there, set Config.JWKSURL", address)
	}
	return address, nil
}

// atIssuerOrigin reports whether the URL has the issuer's origin. Otherwise a wrong
// document could make the keys of another origin valid.
func (r *remote) atIssuerOrigin(raw string) bool {
	issuer, err := url.Parse(r.issuer)
	if err != nil {
		return false
	}
	u, err := url.Parse(raw)
	return err == nil && sameOrigin(issuer, u)
}

func parseDiscovery(body []byte) (issuer, jwksURL string, err error) {
	p := parser{s: string(body)}
	err = p.document(func(name string) (err error) {
		switch name {
		case "issuer":
			issuer, err = p.str()
		case "jwks_uri":
			jwksURL, err = p.str()
		default:
			err = p.skip()
		}
		return err
	})
	return issuer, jwksURL, err
}

type response struct {
	status int
	body   []byte
	maxAge time.Duration
}

func (r *remote) get(ctx context.Context, address string) (*response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	// An explicit Accept-Encoding turns off transparent decompression, so that a small
	// response cannot expand to a large one.
	req.Header.Set("Accept-Encoding", "identity")
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.ContentLength > maxBody {
		return nil, errTooLong
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, errTooLong
	}
	return &response{status: res.StatusCode, body: body, maxAge: maxAge(res.Header.Get("Cache-Control"))}, nil
}

// maxAge returns max-age of a Cache-Control header, 0 without it.
func maxAge(header string) time.Duration {
	for directive := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
			return time.Duration(n) * time.Second
		}
	}
	return 0
}
