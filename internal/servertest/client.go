package servertest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

// Response is a response whose body has been read.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Want fails the test when the response has another status.
func (r Response) Want(t testing.TB, status int) Response {
	t.Helper()
	if r.Status != status {
		t.Fatalf("status %d, want %d: %s", r.Status, status, r.Body)
	}
	return r
}

// WantCode fails the test when the response has another status or another problem code (RFC 9457).
func (r Response) WantCode(t testing.TB, status int, code string) Response {
	t.Helper()
	if got := r.Code(); r.Status != status || got != code {
		t.Fatalf("status %d, code %q, want %d, %q: %s", r.Status, got, status, code, r.Body)
	}
	return r
}

// Code returns the code member of a problem, or empty.
func (r Response) Code() string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(r.Body, &p) // no JSON, no code
	return p.Code
}

// Decode reads the body into v.
func (r Response) Decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		t.Fatalf("unexpected response: %v: %s", err, r.Body)
	}
}

// RequestOption changes a request before it is sent.
type RequestOption func(*http.Request)

// Bearer adds an access token.
func Bearer(token string) RequestOption { return Header("Authorization", "Bearer "+token) }

// Header adds a header; "Host" sets the host.
func Header(name, value string) RequestOption {
	return func(r *http.Request) {
		if name == "Host" {
			r.Host = value
			return
		}
		r.Header.Add(name, value)
	}
}

// Do sends a request to the public listener and reads the response. A body that is neither nil, bytes nor text
// is sent as JSON.
func (s *Server) Do(t testing.TB, method, path string, body any, opts ...RequestOption) Response {
	t.Helper()
	r, err := s.Try(method, path, body, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Try is Do for requests that may fail, and for other goroutines than the test's own.
func (s *Server) Try(method, path string, body any, opts ...RequestOption) (Response, error) {
	return s.send(s.Client, method, s.URL+path, body, opts)
}

// Managed requests a path of the management listener.
func (s *Server) Managed(t testing.TB, path string) Response {
	t.Helper()
	r, err := s.send(s.Client, "GET", s.Manage+path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *Server) send(c *http.Client, method, url string, body any, opts []RequestOption) (Response, error) {
	var read io.Reader
	isJSON := false
	switch b := body.(type) {
	case nil:
	case []byte:
		read = bytes.NewReader(b)
	case string:
		read = bytes.NewReader([]byte(b))
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return Response{}, err
		}
		read, isJSON = bytes.NewReader(encoded), true
	}
	req, err := http.NewRequest(method, url, read)
	if err != nil {
		return Response{}, err
	}
	if isJSON {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, opt := range opts {
		opt(req)
	}
	res, err := c.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return Response{Status: res.StatusCode, Header: res.Header, Body: b}, err
}

func newClient(t testing.TB) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
