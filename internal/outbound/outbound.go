// Package outbound is the only HTTP client for URLs that clients, administrators or
// upstream providers have configured.
//
// Such a URL can be used for server-side request forgery, so these rules hold for every
// request: HTTPS only; public addresses only, checked when the connection is made, after
// the name was resolved; no redirects, no proxy from the environment, no cookies, no
// compression; a timeout for the whole request and a bound on the response. The package
// does not know the purpose of a request.
package outbound

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Errors of this package. Other errors are network errors.
var (
	ErrAddress  = errors.New("the address is not on the public network; its network can be allowed in outbound.allow")
	ErrURL      = errors.New("the URL must be https:// with a host and without credentials; plain http needs an address in outbound.allow")
	ErrTooLarge = errors.New("the response is too large")
	ErrRedirect = errors.New("the response is a redirect, which is not followed")
)

// Config configures a Client. The zero value is the safe choice.
type Config struct {
	// Timeout bounds a whole request; 5 s when zero.
	Timeout time.Duration
	// MaxBody bounds the body of a response; 1 MiB when zero.
	MaxBody int64
	// Resolver resolves names; the system's when nil.
	Resolver *net.Resolver
	// InsecureAllow are networks that are allowed although they are not public, and over plain
	// HTTP too, as an administrator may choose for a closed network.
	InsecureAllow []netip.Prefix
	// Transport, if set, changes the transport, such as the roots it trusts.
	Transport func(*http.Transport)
}

// Client requests addresses of other servers. It is safe for concurrent use.
type Client struct {
	http    http.Client
	maxBody int64
	allow   []netip.Prefix
}

// Response is a response that was read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// New returns a client.
func New(cfg Config) *Client {
	cfg.Timeout, cfg.MaxBody = cmp.Or(cfg.Timeout, 5*time.Second), cmp.Or(cfg.MaxBody, 1<<20)
	c := &Client{maxBody: cfg.MaxBody, allow: cfg.InsecureAllow}
	dialer := &net.Dialer{Timeout: min(5*time.Second, cfg.Timeout), Resolver: cfg.Resolver, ControlContext: c.control}
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    min(5*time.Second, cfg.Timeout),
		DisableCompression:     true, // so that MaxBody bounds the decoded size
		MaxResponseHeaderBytes: 64 << 10,
		MaxConnsPerHost:        16,
		MaxIdleConns:           64,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
	}
	if cfg.Transport != nil {
		cfg.Transport(transport)
	}
	c.http = http.Client{
		Transport:     transport,
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return ErrRedirect },
	}
	return c
}

// Do sends a request and reads the whole response. The errors of this package name the violated
// rule. No status of a response is an error.
func (c *Client) Do(ctx context.Context, method, url string, header http.Header, body []byte) (Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil || !c.validURL(req) {
		return Response{}, ErrURL
	}
	if header != nil {
		req.Header = header.Clone()
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Response{}, fmt.Errorf("request to %s: %w", req.URL.Host, cause(err))
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, c.maxBody+1))
	if err != nil {
		return Response{}, fmt.Errorf("read the response of %s: %w", req.URL.Host, cause(err))
	}
	if int64(len(got)) > c.maxBody {
		return Response{}, fmt.Errorf("read the response of %s: %w", req.URL.Host, ErrTooLarge)
	}
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: got}, nil
}

// Get sends a GET request.
func (c *Client) Get(ctx context.Context, url string) (Response, error) {
	return c.Do(ctx, http.MethodGet, url, nil, nil)
}

// Check checks a URL without resolving its host, so that an unusable URL is refused when
// it is configured. A name that resolves to a private address passes here and is refused
// by Do.
func (c *Client) Check(url string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil || !c.validURL(req) {
		return ErrURL
	}
	host := strings.ToLower(strings.TrimSuffix(req.URL.Hostname(), "."))
	switch addr, isIP := parseHost(host); {
	case isIP && !c.allowed(addr) && !isPublic(addr):
		return ErrAddress
	case !isIP && looksNumeric(host):
		return ErrAddress
	}
	return nil
}

// parseHost returns the IP address of a host that is one, or is localhost.
func parseHost(host string) (addr netip.Addr, isIP bool) {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	addr, err := netip.ParseAddr(host)
	return addr.WithZone("").Unmap(), err == nil
}

// looksNumeric reports whether some parsers read the host as an address in an unusual form
// (2130706433, 0x7f.1, 127.1): its last label begins with a digit.
func looksNumeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && last[0] >= '0' && last[0] <= '9'
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// validURL checks the URL without resolving its host. Plain HTTP is allowed only for addresses of
// InsecureAllow; control checks the address again.
func (c *Client) validURL(r *http.Request) bool {
	u := r.URL
	if u.Host == "" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	addr, isIP := parseHost(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")))
	return u.Scheme == "http" && isIP && c.allowed(addr)
}

// cause unwraps the error of net/http that repeats the URL, whose query may contain a
// secret.
func cause(err error) error {
	type wrapped interface{ Unwrap() error }
	if w, ok := err.(wrapped); ok && w.Unwrap() != nil {
		return w.Unwrap()
	}
	return err
}

// control checks the address of each connection, after the name was resolved and before a
// byte is sent.
func (c *Client) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return ErrAddress
	}
	if addr := ap.Addr().WithZone("").Unmap(); !c.allowed(addr) && !isPublic(addr) {
		return ErrAddress
	}
	return nil
}

func (c *Client) allowed(addr netip.Addr) bool {
	for _, p := range c.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
