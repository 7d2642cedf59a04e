package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// TestOAuthErrors_ShowNoCause: each kind of error has a status and an error code of the protocol, and
// none shows its cause.
func TestOAuthErrors_ShowNoCause(t *testing.T) {
	t.Parallel()
	rt, err := router.New(router.Config{Base: "https://auth.example.test", Now: time.Now, Metrics: router.NewMetrics(), Log: slog.New(slog.DiscardHandler)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var reference string
	var failure error
	public := router.Principal{Name: "anyone", Admit: func(*router.Exchange) error { return nil }}
	rt.Route("POST /oauth2/token", router.Dialect{ServerWide: true, CrossSite: true, Fail: WriteError}, public, router.Unlimited,
		func(ex *router.Exchange, _ *http.Request) error {
			reference = ex.ID
			return failure
		})
	cause := errors.New(`secret "cause"`)
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{&oauth.Error{Code: oauth.InvalidClient, Desc: `a "quoted" \ déscription`, Err: cause}, 401, "invalid_client"},
		{&oauth.Error{Code: oauth.InvalidGrant, Err: cause}, 400, "invalid_grant"},
		{fmt.Errorf("token: %w", &oauth.Error{Code: oauth.InvalidTarget}), 400, "invalid_target"},
		{auth.Throttled(90 * time.Second), 429, "temporarily_unavailable"},
		{auth.Unavailable(cause, time.Second), 503, "temporarily_unavailable"},
		{auth.Invalid("text_invalid", "", "not text"), 400, "invalid_request"},
		{router.NewProblem(413, auth.CodeBodyTooLarge, "too large"), 413, "invalid_request"},
		{router.NewProblem(415, auth.CodeUnsupportedMediaType, "no"), 415, "invalid_request"},
		{router.NotFound(), 404, "invalid_request"},
		{cause, 500, "server_error"},
		{fmt.Errorf("sign: %w", cause), 500, "server_error"},
	} {
		w := httptest.NewRecorder()
		failure = c.err
		rt.ServeHTTP(w, httptest.NewRequest("POST", "/oauth2/token", nil))
		var got oauthError
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.status || got.Error != c.code {
			t.Errorf("%v: %d %s (%v)", c.err, w.Code, w.Body, err)
		}
		if strings.Contains(w.Body.String(), "cause") || strings.ContainsAny(got.Description, `"\é`) {
			t.Errorf("%v: shows %s", c.err, w.Body)
		}
		if (c.status == 500) != strings.Contains(got.Description, reference) {
			t.Errorf("%v: reference in %q", c.err, got.Description)
		}
		if later := c.status == 429 || c.status == 503; later != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%v: Retry-After %q", c.err, w.Header().Get("Retry-After"))
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != typeOAuth[0] {
			t.Errorf("%v: headers %v", c.err, w.Header())
		}
	}
}
