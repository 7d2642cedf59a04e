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

// maxBody caps what is read of an answer of the issuer.
const maxBody = 1 << 20

var errTooLong = errors.New("the answer is longer than 1 MiB")

// remote gets the key set over HTTP. Only one call is under way at a time
// (keys.run), so its fields need no lock.
type remote struct {
	client    *http.Client
	issuer    string
	allowHTTP bool
	fixed     string // Config.JWKSURL
	found     string // what discovery said, until it fails
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
	return &remote{client: &client, issuer: c.Issuer, allowHTTP: c.InsecureAllowHTTP, fixed: c.JWKSURL}
}

// keySet is a source.
func (r *remote) keySet(ctx context.Context) ([]byte, time.Duration, error) {
	address := cmp.Or(r.fixed, r.found)
	if address == "" {
		var err error
		if address, err = r.discover(ctx); err != nil {
			return nil, 0, fmt.Errorf("discover keys: %w", err)
		}
	}
	a, err := r.get(ctx, address)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("status %d", a.status)
	}
	if err != nil {
		r.found = "" // perhaps it has moved: ask again next time
		return nil, 0, fmt.Errorf("get key set: %w", err)
	}
	r.found = address
	return a.body, a.maxAge, nil
}

// discover asks the issuer where its keys are. An issuer without a discovery
// document has them at the well-known place; one whose document names another
// issuer is not the one we were told to believe.
func (r *remote) discover(ctx context.Context) (string, error) {
	base := strings.TrimSuffix(r.issuer, "/")
	a, err := r.get(ctx, base+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	fallback := base + "/.well-known/jwks.json"
	if a.status == http.StatusNotFound {
		return fallback, nil
	}
	if a.status != http.StatusOK {
		return "", fmt.Errorf("status %d", a.status)
	}
	issuer, address, err := parseDiscovery(a.body)
	switch {
	case err != nil:
		return "", fmt.Errorf("read discovery document: %w", err)
	case issuer != r.issuer:
		return "", fmt.Errorf("the document is of issuer %q, not of %q", issuer, r.issuer)
	case address == "":
		return fallback, nil
	}
	if err := checkURL(address, r.allowHTTP); err != nil {
		return "", fmt.Errorf("jwks_uri %w", err)
	}
	if !r.ofIssuer(address) {
		return "", fmt.Errorf("jwks_uri %q is not at the issuer's origin; if the keys are there, set Config.JWKSURL", address)
	}
	return address, nil
}

// ofIssuer tells whether the URL has the issuer's origin. One wrong answer must not make
// somebody else's keys the issuer's.
func (r *remote) ofIssuer(raw string) bool {
	issuer, err := url.Parse(r.issuer)
	if err != nil {
		return false
	}
	u, err := url.Parse(raw)
	return err == nil && sameOrigin(issuer, u)
}

func parseDiscovery(body []byte) (issuer, jwksURL string, err error) {
	p := parser{s: string(body)}
	err = p.object(func(name string) (err error) {
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
	if err == nil && p.next() != len(p.s) {
		err = errSyntax
	}
	return issuer, jwksURL, err
}

type answer struct {
	status int
	body   []byte
	maxAge time.Duration
}

func (r *remote) get(ctx context.Context, address string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	// Asked for by hand, compression is not undone by the transport: a small
	// answer cannot become a large one.
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
	return &answer{status: res.StatusCode, body: body, maxAge: maxAge(res.Header.Get("Cache-Control"))}, nil
}

// maxAge reads the one directive of Cache-Control that matters here.
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
