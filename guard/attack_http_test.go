package guard

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var teapot = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })

// sendRequest sends a request through the middleware; mutate prepares it.
func sendRequest(h http.Handler, mutate func(*http.Request)) *http.Response {
	r := httptest.NewRequest("GET", "https://api.test/orders", nil)
	if mutate != nil {
		mutate(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func setAuthorization(values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Authorization"] = values }
}

// wantProblem checks everything that an error response shows to the client.
func wantProblem(t *testing.T, res *http.Response, status int, code, challenge string) {
	t.Helper()
	var body map[string]any
	raw, _ := io.ReadAll(res.Body)
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatalf("body %q: %v", raw, err)
	}
	got := map[string]any{
		"status": res.StatusCode, "challenge": res.Header.Get("WWW-Authenticate"), "code": body["code"],
		"body status": body["status"], "content type": res.Header.Get("Content-Type"), "cache": res.Header.Get("Cache-Control"),
		"title": body["title"], "members": len(body),
	}
	want := map[string]any{
		"status": status, "challenge": challenge, "code": code, "body status": float64(status),
		"content type": "application/problem+json", "cache": "no-store", "title": http.StatusText(status), "members": 5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refusal (-want +got):\n%s", diff)
	}
}

const invalidToken = `Bearer error="invalid_token", error_description="The access token is not valid for this API."`

func TestAttack_JV_23_Challenges(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	h := g.Require(Scope("orders:read", "orders:refund"))(teapot)
	token := esSigner().validToken()

	t.Run("JV-23 missing scope", func(t *testing.T) {
		wantProblem(t, sendRequest(h, setAuthorization("Bearer "+token)), 403, "insufficient_scope",
			`Bearer error="insufficient_scope", error_description="The access token lacks a required scope.", scope="orders:read orders:refund"`)
	})
	t.Run("JV-23 no token", func(t *testing.T) {
		wantProblem(t, sendRequest(h, nil), 401, "missing_token", "Bearer")
		wantProblem(t, sendRequest(h, setAuthorization("Basic YTpi")), 401, "missing_token", "Bearer")
		wantProblem(t, sendRequest(h, setAuthorization("Bearertoken")), 401, "missing_token", "Bearer")
	})
	t.Run("JV-23 token in query", func(t *testing.T) {
		wantProblem(t, sendRequest(h, func(r *http.Request) { r.URL.RawQuery = "access_token=" + token }), 401, "missing_token", "Bearer")
	})
	t.Run("JV-23 bad token", func(t *testing.T) {
		wantProblem(t, sendRequest(h, setAuthorization("Bearer x.y.z")), 401, "invalid_token", invalidToken)
		expired := esSigner().token(esSigner().header(), validPayload(map[string]any{"exp": start.Unix() - 60}))
		wantProblem(t, sendRequest(h, setAuthorization("Bearer "+expired)), 401, "token_expired",
			`Bearer error="invalid_token", error_description="The access token has expired."`)
	})
	t.Run("has the scope", func(t *testing.T) {
		if res := sendRequest(g.Require(Scope("orders:read"))(teapot), setAuthorization("Bearer "+token)); res.StatusCode != 418 {
			t.Error(res.Status)
		}
	})
	t.Run("realm", func(t *testing.T) {
		g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), newClock(), func(c *Config) { c.Realm = "orders" })
		if got := sendRequest(g.Require()(teapot), nil).Header.Get("WWW-Authenticate"); got != `Bearer realm="orders"` {
			t.Error(got)
		}
	})
	t.Run("no keys", func(t *testing.T) {
		st := newIssuerStub()
		st.setAnswer(func(*http.Request) (*http.Response, error) { return nil, errors.New("down: 10.1.2.3") })
		res := sendRequest(newGuard(t, st, newClock(), nil).Require()(teapot), setAuthorization("Bearer "+token))
		if after := res.Header.Get("Retry-After"); after != "1" {
			t.Errorf("Retry-After %q", after)
		}
		wantProblem(t, res, 503, "keys_unavailable", "")
	})
}

func TestAttack_JV_24_DoubledCredentials(t *testing.T) {
	t.Parallel()
	h := newStandardGuard(t).Require()(teapot)
	token := esSigner().validToken()
	for name, values := range map[string][]string{
		"two headers":         {"Bearer " + token, "Bearer " + token},
		"two headers, other":  {"Bearer " + token, "Basic YTpi"},
		"two spaces":          {"Bearer  " + token},
		"tab":                 {"Bearer\t" + token},
		"space and tab":       {"Bearer \t" + token},
		"list":                {"Bearer " + token + ", Bearer " + token},
		"list without spaces": {"Bearer " + token + ",x"},
		"trailing space":      {"Bearer " + token + " "},
		"no token":            {"Bearer "},
		"scheme alone":        {"Bearer"},
	} {
		t.Run("JV-24 "+name, func(t *testing.T) {
			wantProblem(t, sendRequest(h, setAuthorization(values...)), 400, "invalid_request",
				`Bearer error="invalid_request", error_description="Send exactly one access token, as: Authorization: Bearer <token>."`)
		})
	}
	for _, scheme := range []string{"Bearer", "bearer", "BEARER", "bEaReR"} {
		if res := sendRequest(h, setAuthorization(scheme+" "+token)); res.StatusCode != 418 {
			t.Errorf("%s: %s", scheme, res.Status)
		}
	}
	t.Run("JV-24 header and body", func(t *testing.T) {
		for _, parsed := range []bool{false, true} {
			res := sendRequest(h, func(r *http.Request) {
				setForm(r, "a=b&access_token="+token)
				if parsed {
					_ = r.ParseForm()
				}
				setAuthorization("Bearer " + token)(r)
			})
			if res.StatusCode != 400 {
				t.Error(res.Status)
			}
		}
	})
	t.Run("the handler reads the whole form", func(t *testing.T) {
		sent := "a=b&text=" + strings.Repeat("x", 3*maxForm)
		read := ""
		h := newStandardGuard(t).Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			read = string(b)
		}))
		sendRequest(h, func(r *http.Request) {
			setForm(r, sent)
			setAuthorization("Bearer " + token)(r)
		})
		if read != sent {
			t.Errorf("the handler read %d of %d bytes", len(read), len(sent))
		}
	})
	t.Run("the body is not read without a valid token", func(t *testing.T) {
		sendRequest(h, func(r *http.Request) {
			setForm(r, "")
			r.Body = io.NopCloser(forbiddenBody{t})
			setAuthorization("Bearer x.y.z")(r)
		})
	})
}

type forbiddenBody struct{ t *testing.T }

func (u forbiddenBody) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func setForm(r *http.Request, content string) {
	r.Method = "POST"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Body = io.NopCloser(strings.NewReader(content))
}

// No refusal shows the token, the issuer, the key or the reason to the client.
func TestRequire_RefusalsRevealNothing(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	h := g.Require(Role("admin-only-role"), Permission("secret.permission"))(teapot)
	s := esSigner()
	for _, token := range []string{
		s.validToken(),
		s.token(s.header(), validPayload(map[string]any{"iss": "https://secret-issuer.test"})),
		s.token(s.header(), validPayload(map[string]any{"aud": "https://secret-audience.test"})),
		s.token(`{"alg":"ES256","typ":"at+jwt","kid":"secret-kid"}`, validPayload(nil)),
		s.token(`{"alg":"secret-alg","typ":"at+jwt","kid":"es-1"}`, validPayload(nil)),
	} {
		res := sendRequest(h, setAuthorization("Bearer "+token))
		raw, _ := io.ReadAll(res.Body)
		var dump strings.Builder
		_ = res.Header.Write(&dump)
		all := dump.String() + string(raw)
		for _, word := range []string{"secret", "admin-only", token, issuerURL, "es-1", "jose"} {
			if strings.Contains(all, word) {
				t.Errorf("%q is shown in %s", word, all)
			}
		}
		if res.StatusCode != 401 && res.StatusCode != 403 {
			t.Error(res.Status)
		}
	}
}
