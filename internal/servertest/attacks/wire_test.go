package attacks_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/servertest"
)

// sendRaw sends raw bytes and returns all responses, and whether the server closed the
// connection.
func sendRaw(t testing.TB, s *servertest.Server, raw string) (answers []*http.Response, closed bool) {
	t.Helper()
	c := dial(t, s.URL)
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	r := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			n, ok := errors.AsType[net.Error](err)
			return answers, !ok || !n.Timeout()
		}
		b, _ := io.ReadAll(res.Body)
		res.Body = io.NopCloser(strings.NewReader(string(b)))
		answers = append(answers, res)
	}
}

func dial(t testing.TB, url string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestAttack_HT_04_Smuggling sends requests that proxies and servers parse differently: 400,
// and nothing more is read from the connection.
func TestAttack_HT_04_Smuggling(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const smuggled = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	head := func(lines ...string) string {
		return "POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	}
	for name, raw := range map[string]string{
		"CL and TE":             head("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n",
		"TE and CL":             head("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n",
		"CL and hidden TE":      head("Content-Length: 5", "Transfer-Encoding : chunked") + "0\r\n\r\n",
		"CL and strange TE":     head("Content-Length: 5", "Transfer-Encoding: xchunked") + "0\r\n\r\n",
		"two different lengths": head("Content-Length: 2", "Content-Length: 7") + "{}",
		"two same lengths":      head("Content-Length: 2", "Content-Length: 2") + "{}",
		"list of lengths":       head("Content-Length: 2, 7") + "{}",
		"signed length":         head("Content-Length: +2") + "{}",
		"hexadecimal length":    head("Content-Length: 0x2") + "{}",
		"folded line":           head("Content-Length: 2", "X-A: b", " c") + "{}",
		"folded length":         head("Content-Length:", " 2") + "{}",
		"bare LF after a field": head("Content-Length: 2", "X-A: b\nX-B: c") + "{}",
		"bare LF, request line": "GET /livez HTTP/1.1\nHost: x\r\n\r\n",
		"bare LF at the end":    "GET /livez HTTP/1.1\r\nHost: x\n\n",
		"bare CR in a field":    head("Content-Length: 2", "X-A: b\rX-B: c") + "{}",
		"space before colon":    head("Content-Length : 2") + "{}",
		"NUL in a field":        head("Content-Length: 2", "X-A: b\x00c") + "{}",
		"two hosts":             "GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":               "GET /livez HTTP/1.1\r\n\r\n",
		"field without a name":  head("Content-Length: 2", ": x") + "{}",
		"line without a colon":  head("Content-Length: 2", "nonsense") + "{}",
	} {
		t.Run("HT-04 "+name, func(t *testing.T) {
			t.Parallel()
			answers, closed := sendRaw(t, s, raw+smuggled)
			if len(answers) != 1 || !closed {
				t.Fatalf("%d answers, closed: %v; want one and closed", len(answers), closed)
			}
			if code := answers[0].StatusCode; code != 400 && code != 501 {
				t.Errorf("status %d", code)
			}
		})
	}
	t.Run("HT-04 a chunked body is the last", func(t *testing.T) {
		t.Parallel()
		answers, closed := sendRaw(t, s, head("Transfer-Encoding: chunked")+"2\r\n{}\r\n0\r\n\r\n"+smuggled)
		if len(answers) != 1 || !closed || answers[0].StatusCode != 400 || answers[0].Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%d answers, closed: %v", len(answers), closed)
		}
	})
	t.Run("HT-04 good ones are served", func(t *testing.T) {
		t.Parallel()
		answers, _ := sendRaw(t, s, smuggled+head("Content-Length: 2")+"{}"+"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if len(answers) != 3 || answers[0].StatusCode != 200 || answers[1].StatusCode != 400 || answers[2].StatusCode != 200 {
			t.Fatalf("answers: %d", len(answers))
		}
	})
}

// TestAttack_HT_05_Heads sends heads that are too large in every way.
func TestAttack_HT_05_Heads(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "X-%d: a\r\n", i)
	}
	var some strings.Builder
	for i := range 500 {
		fmt.Fprintf(&some, "X-%d: a\r\n", i)
	}
	for name, large := range map[string]struct {
		raw  string
		want int
	}{
		"header of 1 MiB": {"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", 431},
		"10,000 headers":  {"GET /livez HTTP/1.1\r\nHost: x\r\n" + many.String() + "\r\n", 431},
		"500 headers":     {"GET /livez HTTP/1.1\r\nHost: x\r\n" + some.String() + "\r\n", 431},
		"URL of 64 KiB":   {"GET /" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
		"URL of 16 KiB":   {"GET /" + strings.Repeat("a", 16<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
	} {
		t.Run("HT-05 "+name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, s.URL)
			c.SetDeadline(time.Now().Add(patience))
			go io.WriteString(c, large.raw) // the server may stop reading
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != large.want {
				t.Errorf("status %d, want %d", res.StatusCode, large.want)
			}
		})
	}
	s.Do(t, "GET", "/livez", nil).Want(t, 200)
}

// TestAttack_HT_06_Methods: every route responds only to its own methods.
func TestAttack_HT_06_Methods(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		requireUnchanged(t, s, func() {
			for _, method := range []string{"TRACE", "CONNECT", "PROPFIND", "PUT", "post", "Post", "get", "delete", "patch", "MOVE", "PURGE", "A-B"} {
				for _, path := range []string{"/livez", "/.well-known/jwks.json", api("/me"), api("/login"), "/verify-email", "/t/t2/api/v1/me", "/nowhere", "*"} {
					answers, _ := sendRaw(t, s, method+" "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+tokens.AccessToken+"\r\nX-Method-Override: DELETE\r\nConnection: close\r\n\r\n")
					if len(answers) != 1 {
						t.Fatalf("%s %s: %d answers", method, path, len(answers))
					}
					switch code := answers[0].StatusCode; {
					case code == 405 && answers[0].Header.Get("Allow") == "":
						t.Errorf("%s %s: no Allow", method, path)
					case code != 405 && code != 501 && code != 404 && code != 400:
						t.Errorf("%s %s: %d", method, path, code)
					case code == 404 && path == "/livez":
						t.Errorf("%s %s: %d, want 405", method, path, code)
					}
					if b, _ := io.ReadAll(answers[0].Body); strings.Contains(string(b), tokens.AccessToken) {
						t.Errorf("%s %s gives the request back", method, path)
					}
				}
			}
		})
	})
}
