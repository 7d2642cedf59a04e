package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// trusting returns a client that may send requests to loopback, where the servers of the tests
// are, and trusts their certificate.
func trusting(s *httptest.Server, change func(*Config)) *Client {
	cfg := Config{InsecureAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Transport: func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	}}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

func TestAsksAndReads(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("headers sent: %v", r.Header)
		}
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusTeapot)
		w.Write(append([]byte(r.Method+" "), body...))
	}))
	defer s.Close()
	c := trusting(s, nil)
	for range 2 { // the second time no cookie comes back
		a, err := c.Do(t.Context(), http.MethodPost, s.URL, http.Header{"X-A": {"b"}}, []byte("hello"))
		if err != nil || a.Status != http.StatusTeapot || string(a.Body) != "POST hello" {
			t.Fatalf("%+v, %v", a, err)
		}
	}
}

// No connection is made to an address that is not public, in any notation: EP-13, AZ-28.
func TestAttack_EP_13_PrivateAddresses(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Timeout: time.Minute, Resolver: resolvingTo(t, [4]byte{127, 0, 0, 1})})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1",
		"169.254.169.254", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "198.18.0.1", "rebind.example.com",
	} {
		_, err := c.Get(t.Context(), "https://"+host+":"+u.Port()+"/latest")
		if !errors.Is(err, ErrAddress) && !strings.Contains(errorText(err), "no such host") {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, bad := range []string{
		s.URL, "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https://", "https://user:pass@example.com/", "//example.com",
		"javascript:alert(1)", "https://exa mple.com", "gopher://example.com:70/",
	} {
		if _, err := c.Get(t.Context(), bad); !errors.Is(err, ErrURL) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("requested %d times", n)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// resolvingTo is a resolver for which every name has one address.
func resolvingTo(t *testing.T, ip [4]byte) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo(dnsAnswer(buf[:n], ip), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// dnsAnswer returns the response to a query (RFC 1035 §4.1): one A record, or none for any other
// type.
func dnsAnswer(q []byte, ip [4]byte) []byte {
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5
	a := append([]byte{}, q[:end]...)
	a[2], a[3] = 0x81, 0x80
	a[8], a[9], a[10], a[11] = 0, 0, 0, 0 // no authority, no additional records
	if q[end-3] != 1 {                    // not type A
		a[6], a[7] = 0, 0
		return a
	}
	a[6], a[7] = 0, 1
	return append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ip[0], ip[1], ip[2], ip[3])
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var second atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/second" {
			second.Add(1)
		}
		http.Redirect(w, r, "/second?token=hidden", http.StatusFound)
	}))
	defer s.Close()
	_, err := trusting(s, nil).Get(t.Context(), s.URL+"/?token=hidden")
	if !errors.Is(err, ErrRedirect) || second.Load() != 0 {
		t.Errorf("%v, followed %d times", err, second.Load())
	}
	if strings.Contains(err.Error(), "hidden") {
		t.Errorf("the error repeats the query: %v", err)
	}
}

// Responses are bounded in bytes and in time: FE-10, JV-21.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 8<<20))
	z.Close()
	release := make(chan struct{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			for range 64 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		case "/headers":
			for i := range 3000 {
				w.Header().Add("X-"+strings.Repeat("a", i%40+1), strings.Repeat("b", 64))
			}
		case "/hang":
			<-release
		}
	}))
	defer s.Close()
	defer close(release)
	c := trusting(s, func(cfg *Config) { cfg.Timeout = time.Minute })
	if _, err := c.Get(t.Context(), s.URL+"/large"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large: %v", err)
	}
	a, err := c.Get(t.Context(), s.URL+"/bomb")
	if err != nil || len(a.Body) != bomb.Len() || a.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("bomb: %d bytes, %v", len(a.Body), err)
	}
	if _, err := c.Get(t.Context(), s.URL+"/headers"); err == nil {
		t.Error("endless headers were read")
	}
	hurried := trusting(s, func(cfg *Config) { cfg.Timeout = time.Second })
	if _, err := hurried.Get(t.Context(), s.URL+"/hang"); err == nil {
		t.Error("the client waited for a server that hangs")
	}
}

func FuzzPublic(f *testing.F) {
	f.Add("127.0.0.1")
	f.Add("::ffff:10.0.0.1")
	f.Add("2606:4700::1")
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return
		}
		if isPublic(addr) && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified()) {
			t.Errorf("%s counts as public", s)
		}
		if addr.Is4() && isPublic(addr) != isPublic(netip.AddrFrom16(addr.As16())) {
			t.Errorf("%s is judged differently inside IPv6", s)
		}
	})
}
