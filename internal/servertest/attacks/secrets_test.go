package attacks_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// everyTable is the whole database.
var everyTable = append([]string{"audit", "outbox"}, lastingTables...)

// buffer is a log that a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// secrets are secrets by name that must not appear anywhere.
type secrets map[string]string

// add notes a secret and, for those with parts, the parts by which they could be
// put together again.
func (v secrets) add(name, secret string) {
	if len(secret) < 8 {
		return
	}
	v[secret] = name
	if parts := strings.Split(secret, "."); len(parts) == 3 {
		v[parts[2]] = name + ", signature"
	}
	if _, rest, ok := strings.Cut(secret, "_"); ok && strings.HasPrefix(secret, "ww") {
		v[rest] = name + ", without its prefix"
		if b, err := base64.RawURLEncoding.DecodeString(rest); err == nil {
			v[string(b)] = name + ", decoded"
		}
	}
}

// search fails the test if the text contains any of the secrets.
func (v secrets) search(t testing.TB, where string, in []byte) {
	t.Helper()
	if len(in) == 0 {
		t.Errorf("nothing to search in %s", where)
	}
	for secret, name := range v {
		if bytes.Contains(in, []byte(secret)) {
			t.Errorf("RT-12/OP-04: %s holds a secret: %s", where, name)
		}
	}
}

// exerciseEverything uses every function and records every secret.
func exerciseEverything(t *testing.T, s *servertest.Server, seen secrets) {
	t.Helper()
	tokens := func(name string, v servertest.Tokens) servertest.Tokens {
		seen.add("access token of "+name, v.AccessToken)
		seen.add("refresh token of "+name, v.RefreshToken)
		return v
	}
	seen.add("password", servertest.Password)
	seen.add("other password", otherPassword)
	seen.add("wrong password", wrongPassword)
	s.Register(t, alice, servertest.Password)
	link := servertest.LinkToken(t, s.WaitMail(t, alice))
	seen.add("verification link", link)
	s.Do(t, "GET", "/verify-email?token="+link, nil).Want(t, 200)
	post(t, s, "/verify-email", body{"token": link}).Want(t, 200)
	post(t, s, "/verify-email", body{"token": link}).Want(t, 400)
	login(t, s, alice, wrongPassword).Want(t, 401)
	login(t, s, wrongPassword, servertest.Password).Want(t, 401) // the password in the wrong field
	login(t, s, servertest.Password, alice).Want(t, 401)
	post(t, s, "/login", `{"email":"`+alice+`","password":"`+wrongPassword+`","extra":"`+otherPassword+`"}`, jsonType).Want(t, 400)
	post(t, s, "/login", `{"email":"`+wrongPassword, jsonType).Want(t, 400)
	first := tokens("first sign-in", s.Login(t, alice, servertest.Password))
	c := signInCookie(t, s, alice, servertest.Password)
	seen.add("cookie", c.Value)
	me(t, s, withCookie(c)).Want(t, 200)
	by := servertest.Bearer(first.AccessToken)
	me(t, s, by, servertest.Header("User-Agent", "curl/8")).Want(t, 200)
	s.Do(t, "GET", api("/me")+"?access_token="+first.AccessToken, nil).Want(t, 401)
	s.Do(t, "GET", "/nowhere/"+first.RefreshToken+"?x="+first.AccessToken, nil).Want(t, 404)
	second := tokens("refresh", rotate(t, s, first.RefreshToken))
	me(t, s, servertest.Bearer(second.AccessToken+"x")).Want(t, 401)
	s.Do(t, "PATCH", api("/me"), body{"name": "Alice"}, by).Want(t, 200)
	post(t, s, "/me/email", body{"email": bob, "current_password": servertest.Password}, by).Want(t, 200)
	change := servertest.LinkToken(t, s.WaitMail(t, bob))
	seen.add("link of a new address", change)
	post(t, s, "/verify-email", body{"token": change, "password": servertest.Password}).Want(t, 200)
	s.Do(t, "GET", api("/me/export"), nil, by).Want(t, 200)
	s.Do(t, "GET", api("/me/sessions"), nil, by).Want(t, 200)
	post(t, s, "/password/change", body{"current_password": wrongPassword, "new_password": otherPassword}, by).Want(t, 403)
	post(t, s, "/password/change", body{"current_password": servertest.Password, "new_password": otherPassword}, by).Want(t, 204)
	resetLink := requestReset(t, s, bob)
	seen.add("reset link", resetLink)
	s.Do(t, "GET", "/reset-password?token="+resetLink, nil).Want(t, 200)
	resetPassword(t, s, resetLink, servertest.Password).Want(t, 204)
	unused := requestReset(t, s, bob)
	seen.add("unused reset link", unused)
	third := tokens("third sign-in", s.Login(t, bob, servertest.Password))
	rotated := rotate(t, s, third.RefreshToken)
	tokens("rotation", rotated)
	tokens("second rotation", rotate(t, s, rotated.RefreshToken))
	s.Clock.Advance(time.Minute)
	refresh(t, s, third.RefreshToken).WantCode(t, 401, "refresh_token_reused")
	fifth := tokens("fifth sign-in", s.Login(t, bob, servertest.Password))
	post(t, s, "/logout", body{"refresh_token": fifth.RefreshToken}, servertest.Bearer(fifth.AccessToken)).Want(t, 204)
	if err := s.Keys.Rotate(t.Context(), auth.DefaultTenant, "ES256", auth.System); err != nil {
		t.Fatal(err)
	}
	s.Login(t, bob, servertest.Password)
	seen.add("master key", base64.StdEncoding.EncodeToString(s.Config.MasterKey.Bytes()))
	seen[string(s.Config.MasterKey.Bytes())] = "master key, bytes"
}

// TestAttack_RT_12_OP_04_NoSecretAnywhere uses every function at debug level and searches the
// database, its files, the log, the metrics and the audit log.
func TestAttack_RT_12_OP_04_NoSecretAnywhere(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		var log buffer
		s := servertest.New(t, servertest.Database(url), servertest.Log(debugLog(&log)))
		seen := secrets{}
		exerciseEverything(t, s, seen)
		waitForOutbox(t, s)
		db := openDatabase(t, s.Config.DatabaseURL())
		seen.search(t, "the tables", []byte(strings.Join(dump(t, db, everyTable...), "\n")))
		if path, ok := strings.CutPrefix(s.Config.DatabaseURL(), "sqlite:"); ok {
			for _, file := range []string{path, path + "-wal"} {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				seen.search(t, file, b)
			}
		}
		seen.search(t, "the metrics", s.Managed(t, "/metrics").Want(t, 200).Body)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		seen.search(t, "the log", []byte(log.String()))
		if n := strings.Count(log.String(), "\n"); n < 40 {
			t.Errorf("only %d lines were logged", n)
		}
		if !strings.Contains(strings.Join(dump(t, db, everyTable...), "\n"), bob) || !strings.Contains(log.String(), "/api/v1/login") {
			t.Error("the search would not even find what is no secret")
		}
	})
}

// TestAttack_OP_04_LogInjection sends line breaks and terminal escapes in everything that is
// logged.
func TestAttack_OP_04_LogInjection(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"json": func(w io.Writer) slog.Handler {
			return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
		"text": func(w io.Writer) slog.Handler {
			return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log buffer
			s := servertest.New(t, servertest.Log(slog.New(handler(&log))), servertest.Configure(trustLocalProxy))
			tokens := s.SignUp(t, alice)
			const evil = "x\r\n{\"level\":\"FORGED\"}\n\x1b[31mred\x1b]0;title\x07\u2028\u0085\x00"
			login(t, s, evil, evil).Want(t, 401)
			post(t, s, "/register", body{"email": evil, "password": evil, "name": evil}).Want(t, 400)
			post(t, s, "/register", body{"email": bob, "password": servertest.Password, "name": evil}).Want(t, 400)
			post(t, s, "/verify-email", body{"token": evil}).Want(t, 400)
			refresh(t, s, evil).Want(t, 401)
			s.Do(t, "PATCH", api("/me"), body{"name": evil}, servertest.Bearer(tokens.AccessToken)).Want(t, 400)
			s.Do(t, "GET", "/a%0d%0aFORGED%1b[31m", nil).Want(t, 404)
			s.Do(t, "DELETE", api("/me/sessions/%0d%0aFORGED%1b[31m"), nil, servertest.Bearer(tokens.AccessToken)).Want(t, 404)
			for _, line := range []string{
				"User-Agent: a\x1b[31mFORGED", "User-Agent: \xc2\x9b31mFORGED\xe2\x80\xa8", "X-Request-Id: a\xc2\x85FORGED", "X-Forwarded-For: 1.2.3.4\x1b[31m", "X-Request-Id: level=FORGED msg=\"x\"",
				"Authorization: Bearer \xe2\x80\xaeFORGED", "Cookie: " + cookieName + "=\xc2\x9bFORGED",
			} {
				sendRaw(t, s, "GET /api/v1/me HTTP/1.1\r\nHost: x\r\n"+line+"\r\nConnection: close\r\n\r\n")
			}
			sendRaw(t, s, "FORGED\x1b[31m /x HTTP/1.1\r\nHost: x\r\n\r\n")
			sendRaw(t, s, "GET /livez HTTP/1.1\r\nHost: x\x1b[31mFORGED\r\n\r\n")
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(log.String()) {
				line = strings.TrimSuffix(line, "\n")
				if strings.ContainsFunc(line, func(r rune) bool {
					return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u202e'
				}) {
					t.Errorf("OP-04: a raw control character in %q", line)
				}
				if strings.HasPrefix(line, `{"level":"FORGED"`) || name == "json" && !json.Valid([]byte(line)) {
					t.Errorf("OP-04: a forged line: %q", line)
				}
			}
		})
	}
}
