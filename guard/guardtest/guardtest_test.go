package guardtest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/guard/guardtest"
)

func verify(g *guard.Guard, token string) error {
	_, err := g.Verify(context.Background(), token)
	return err
}

func TestMint_SetsClaims(t *testing.T) {
	t.Parallel()
	i := guardtest.New(t)
	g := i.Guard()
	c, err := g.Verify(context.Background(), i.Mint(guardtest.Token{
		Subject: "alice", ClientID: "app", SessionID: "s1", Scopes: []string{"a", "b"}, Roles: []string{"admin"},
		Permissions: []string{"p"}, Claims: map[string]any{"tenant": "t1", "acr": nil},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != "alice" || c.ClientID != "app" || c.SessionID != "s1" || len(c.Scopes) != 2 || !c.HasRole("admin") ||
		!c.HasPermission("p") || c.ACR != "" || c.Issuer != guardtest.URL {
		t.Errorf("%+v", c)
	}
	for want, token := range map[error]guardtest.Token{
		guard.ErrExpired:   {TTL: -time.Hour},
		guard.ErrAudience:  {Audience: []string{"https://other.test"}},
		guard.ErrIssuer:    {Claims: map[string]any{"iss": "https://other.test"}},
		guard.ErrMalformed: {Claims: map[string]any{"exp": nil}},
	} {
		if err := verify(g, i.Mint(token)); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if err := verify(g, guardtest.New(t).Mint(guardtest.Token{})); !errors.Is(err, guard.ErrSignature) {
		t.Errorf("a token of another issuer: %v", err)
	}
}

func TestClock_ExpiresTokens(t *testing.T) {
	t.Parallel()
	i := guardtest.New(t)
	g := i.Guard()
	short, long := i.Mint(guardtest.Token{}), i.Mint(guardtest.Token{TTL: 2 * time.Hour})
	i.Advance(time.Hour)
	if err := verify(g, short); !errors.Is(err, guard.ErrExpired) {
		t.Error(err)
	}
	if err := verify(g, long); err != nil {
		t.Error(err)
	}
	i.Expire()
	if err := verify(g, long); !errors.Is(err, guard.ErrExpired) {
		t.Error(err)
	}
	if err := verify(g, i.Mint(guardtest.Token{})); err != nil {
		t.Error(err)
	}
}

func TestWithdraw_RefusesOldKeys(t *testing.T) {
	t.Parallel()
	i := guardtest.New(t)
	g := i.Guard()
	old := i.Mint(guardtest.Token{TTL: 24 * time.Hour})
	i.Rotate()
	if err := errors.Join(verify(g, i.Mint(guardtest.Token{})), verify(g, old)); err != nil {
		t.Error(err)
	}
	if i.Fetches() != 2 {
		t.Errorf("%d fetches", i.Fetches())
	}
	i.Withdraw()
	i.Advance(guard.DefaultRefreshInterval)
	for range 1000 { // the fetch runs concurrently with the requests
		if err := verify(g, old); errors.Is(err, guard.ErrSignature) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("a withdrawn key still verifies")
}

func TestFail_MakesKeysUnavailable(t *testing.T) {
	t.Parallel()
	i := guardtest.New(t)
	i.Fail()
	g := i.Guard()
	token := i.Mint(guardtest.Token{})
	if err := verify(g, token); !errors.Is(err, guard.ErrKeysUnavailable) {
		t.Error(err)
	}
	i.Recover()
	i.Advance(time.Minute)
	if err := verify(g, token); err != nil {
		t.Error(err)
	}
}

func TestServeHTTP_ServesKeysAndMetadata(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(guardtest.New(t))
	defer s.Close()
	for path, want := range map[string]int{"/.well-known/jwks.json": 200, "/.well-known/openid-configuration": 200, "/x": 404} {
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

// New, a Guard and the first verified token take ten milliseconds, as no RSA key is
// generated. The bound leaves room for the race detector and a busy machine.
func TestNew_IsQuick(t *testing.T) {
	best := time.Hour
	for range 5 {
		began := time.Now()
		i := guardtest.New(t)
		if err := verify(i.Guard(), i.Mint(guardtest.Token{})); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(began))
	}
	if best > 5*time.Second {
		t.Errorf("took %v", best)
	}
	t.Logf("took %v", best)
}
