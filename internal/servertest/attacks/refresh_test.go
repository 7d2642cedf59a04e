package attacks_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// rotate refreshes and returns the tokens.
func rotate(t testing.TB, s *servertest.Server, token string) servertest.Tokens {
	t.Helper()
	return decode[servertest.Tokens](t, refresh(t, s, token).Want(t, 200))
}

// TestAttack_RT_01_Reuse: a spent token comes back after its successor was used.
func TestAttack_RT_01_Reuse(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		first := s.SignUp(t, alice)
		other := s.Login(t, alice, servertest.Password)
		second := rotate(t, s, first.RefreshToken)
		third := rotate(t, s, second.RefreshToken)
		waitForOutbox(t, s)
		refresh(t, s, first.RefreshToken).WantCode(t, 401, "refresh_token_reused")
		for _, tokens := range []servertest.Tokens{first, second, third} {
			me(t, s, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
			refresh(t, s, tokens.RefreshToken).Want(t, 401)
		}
		db := openDatabase(t, s.Config.DatabaseURL())
		if n := countEvents(t, db, string(auth.EventRefreshReused)); n != 1 {
			t.Errorf("%d audit lines", n)
		}
		if m := s.WaitMail(t, alice); m.Kind != auth.MailSessionsEnded {
			t.Errorf("mail %s", m.Kind)
		}
		metrics := string(s.Managed(t, "/metrics").Want(t, 200).Body)
		if !strings.Contains(metrics, `watchword_refresh_reuse_total{verdict="reuse"} 1`) {
			t.Error("the metric does not count the reuse")
		}
		rotate(t, s, other.RefreshToken) // somewhere else she is still signed in
	})
}

// parallelRefresh uses one token on all nodes at once and returns the distinct successors.
func parallelRefresh(t *testing.T, nodes []*servertest.Server, token string, workers int) []string {
	t.Helper()
	var mu sync.Mutex
	var got []string
	runAtOnce(workers, func(i int) {
		r, err := nodes[i%len(nodes)].Try("POST", api("/refresh"), body{"refresh_token": token})
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch r.Status {
		case 200:
			got = append(got, decode[servertest.Tokens](t, r).RefreshToken)
		case 401, 503: // the only other allowed statuses
		default:
			t.Errorf("status %d: %s", r.Status, r.Body)
		}
	})
	slices.Sort(got)
	return slices.Compact(got)
}

// raceRefreshes uses the newest token of a family many times at once, in rounds: there is one
// successor each time, and one live token at the end.
func raceRefreshes(t *testing.T, nodes []*servertest.Server, rounds int) {
	t.Helper()
	email := newEmail()
	createAccount(t, nodes[0], email)
	token := nodes[0].Login(t, email, servertest.Password).RefreshToken
	for range rounds {
		next := parallelRefresh(t, nodes, token, 64)
		if len(next) != 1 || next[0] == token {
			t.Fatalf("%d successors of one token", len(next))
		}
		token = next[0]
	}
	db := openDatabase(t, nodes[0].Config.DatabaseURL())
	if n := queryValue[int](t, db, "SELECT count(*) FROM refresh_families WHERE revoked_at IS NULL"); n != 1 {
		t.Errorf("%d families", n)
	}
	if n := queryValue[int](t, db, "SELECT generation FROM refresh_families WHERE revoked_at IS NULL"); n != rounds {
		t.Errorf("%d rotations, want %d", n, rounds)
	}
	rotate(t, nodes[0], token)
}

// TestAttack_RT_02_Parallel: 64 at once on one node.
func TestAttack_RT_02_Parallel(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		raceRefreshes(t, []*servertest.Server{s}, scaled(4, 50))
	})
}

// TestAttack_FL_10_TwoNodes: 64 at once on two nodes.
func TestAttack_FL_10_TwoNodes(t *testing.T) {
	t.Parallel()
	raceRefreshes(t, servertest.Nodes(t, 2), scaled(4, 50))
}

// TestAttack_FL_11_LinksOnTwoNodes: one link, on two nodes at once, works once.
func TestAttack_FL_11_LinksOnTwoNodes(t *testing.T) {
	t.Parallel()
	nodes := servertest.Nodes(t, 2)
	mail := func(email string) string {
		for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
			for _, s := range nodes { // either may have sent it
				for _, m := range s.MailsTo(email) {
					if len(m.Links) == 1 {
						return servertest.LinkToken(t, m)
					}
				}
			}
		}
		t.Fatalf("no mail to %s", email)
		return ""
	}
	spend := func(t *testing.T, path string, b func(i int) body, good int) {
		t.Helper()
		var mu sync.Mutex
		statuses := map[int]int{}
		runAtOnce(32, func(i int) {
			r, err := nodes[i%2].Try("POST", api(path), b(i))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[r.Status]++
		})
		if statuses[good] != 1 || statuses[good]+statuses[400]+statuses[503] != 32 {
			t.Errorf("FL-11 %s: %v", path, statuses)
		}
	}
	for range scaled(3, 30) {
		email := newEmail()
		nodes[0].Register(t, email, servertest.Password)
		token := mail(email)
		spend(t, "/verify-email", func(int) body { return body{"token": token} }, 200)
		known := newEmail()
		createAccount(t, nodes[0], known)
		post(t, nodes[1], "/password/forgot", body{"email": known}).Want(t, 202)
		token = mail(known)
		spend(t, "/password/reset", func(i int) body {
			return body{"token": token, "password": fmt.Sprintf("brave-walnut-number-%d", i)}
		}, 204)
		worked := 0
		for i := range 32 {
			if login(t, nodes[0], known, fmt.Sprintf("brave-walnut-number-%d", i)).Status == 200 {
				worked++
			}
		}
		if worked != 1 {
			t.Errorf("FL-11: %d of the passwords work", worked)
		}
	}
}

// TestAttack_RT_03_ForeignTenant: a token of one tenant is refused by another and stays valid
// in its own.
func TestAttack_RT_03_ForeignTenant(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		spent := tokens.RefreshToken
		tokens = rotate(t, s, spent)
		t2 := secondTenant(t, s)
		theirs := t2.signUp(t, "carol@example.test")
		s.Clock.Advance(time.Minute)
		requireUnchanged(t, s, func() {
			t2.post(t, "/refresh", body{"refresh_token": tokens.RefreshToken}).WantCode(t, 401, "invalid_refresh_token")
			t2.post(t, "/refresh", body{"refresh_token": spent}).WantCode(t, 401, "invalid_refresh_token")
			t2.post(t, "/logout", body{"refresh_token": tokens.RefreshToken}, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
			s.Do(t, "GET", "/t/t2"+api("/me"), nil, servertest.Bearer(tokens.AccessToken)).WantCode(t, 401, "invalid_token")
			me(t, s, servertest.Bearer(theirs.AccessToken)).WantCode(t, 401, "invalid_token")
		})
		rotate(t, s, tokens.RefreshToken)
	})
}

// TestAttack_RT_04_RT_05_NoScopeHere: the first-party refresh accepts no scope, so none can be
// widened.
func TestAttack_RT_04_RT_05_NoScopeHere(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		requireUnchanged(t, s, func() {
			for _, member := range []string{"scope", "client_id", "audience", "roles"} {
				post(t, s, "/refresh", body{"refresh_token": tokens.RefreshToken, member: "watchword:admin"}).WantCode(t, 400, "member_unknown")
			}
		})
		if next := rotate(t, s, tokens.RefreshToken); next.Scope != tokens.Scope {
			t.Errorf("scope %q became %q", tokens.Scope, next.Scope)
		}
	})
}

// TestAttack_RT_06_Lifetimes: daily use ends at the absolute limit, disuse at the idle limit.
func TestAttack_RT_06_Lifetimes(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		idle, absolute := s.Config.Tokens.RefreshIdle, s.Config.Tokens.RefreshLifetime
		token := s.SignUp(t, alice).RefreshToken
		waitForOutbox(t, s)
		for range int(absolute/(24*time.Hour)) - 1 {
			s.Clock.Advance(24 * time.Hour)
			token = rotate(t, s, token).RefreshToken
		}
		s.Clock.Advance(24*time.Hour - time.Second)
		token = rotate(t, s, token).RefreshToken
		s.Clock.Advance(2 * time.Second)
		refresh(t, s, token).WantCode(t, 401, "invalid_refresh_token")

		token = s.Login(t, alice, servertest.Password).RefreshToken
		s.Clock.Advance(idle + time.Second)
		refresh(t, s, token).WantCode(t, 401, "invalid_refresh_token")
		s.Clock.Advance(-time.Hour) // FL-09
		refresh(t, s, token).WantCode(t, 401, "invalid_refresh_token")
	})
}

// TestAttack_RT_11_WrongKind sends each secret where another kind is expected.
func TestAttack_RT_11_WrongKind(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		c := signInCookie(t, s, alice, servertest.Password)
		link := requestReset(t, s, alice)
		requireUnchanged(t, s, func() {
			for _, secret := range []string{tokens.RefreshToken, c.Value, link, "wwk_x"} {
				me(t, s, servertest.Bearer(secret)).Want(t, 401)
			}
			for _, secret := range []string{tokens.AccessToken, c.Value, link, strings.Replace(tokens.RefreshToken, "wwr_", "wwa_", 1), tokens.RefreshToken[4:], tokens.RefreshToken + "=", tokens.RefreshToken[:len(tokens.RefreshToken)-1]} {
				refresh(t, s, secret).WantCode(t, 401, "invalid_refresh_token")
			}
			for _, secret := range []string{tokens.AccessToken, tokens.RefreshToken, c.Value} {
				post(t, s, "/verify-email", body{"token": secret}).WantCode(t, 400, "invalid_link")
				resetPassword(t, s, secret, otherPassword).WantCode(t, 400, "invalid_link")
			}
			me(t, s, withCookie(&http.Cookie{Name: cookieName, Value: tokens.RefreshToken})).Want(t, 401)
			me(t, s, withCookie(&http.Cookie{Name: cookieName, Value: tokens.AccessToken})).Want(t, 401)
		})
	})
}

// parseClaims returns claims of an access token without verification.
func parseClaims(t testing.TB, token string) (v struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
	SessionID   string   `json:"sid"`
	AuthTime    int64    `json:"auth_time"`
}) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAttack_RT_15_Roles: removed roles are missing from the next refreshed token.
func TestAttack_RT_15_Roles(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		id := createAccount(t, s, alice)
		ctx, by := t.Context(), auth.System
		if err := s.Access.Assign(ctx, auth.DefaultTenant, id, auth.AdminRole, by); err != nil {
			t.Fatal(err)
		}
		tokens := s.Login(t, alice, servertest.Password)
		if c := parseClaims(t, tokens.AccessToken); !slices.Equal(c.Roles, []string{auth.AdminRole}) || len(c.Permissions) == 0 {
			t.Fatalf("claims %+v", c)
		}
		if err := s.Access.Unassign(ctx, auth.DefaultTenant, id, auth.AdminRole, by, auth.AllowNoAdministrator); err != nil {
			t.Fatal(err)
		}
		if c := parseClaims(t, rotate(t, s, tokens.RefreshToken).AccessToken); len(c.Roles)+len(c.Permissions) != 0 {
			t.Errorf("claims %+v", c)
		}
	})
}

// TestAttack_RT_16_Restart: rotations before a restart are known after it.
func TestAttack_RT_16_Restart(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		spent := s.SignUp(t, alice).RefreshToken
		tokens := rotate(t, s, rotate(t, s, spent).RefreshToken)
		s.Clock.Advance(time.Minute)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		again := s.Join(t)
		me(t, again, servertest.Bearer(tokens.AccessToken)).Want(t, 200)
		refresh(t, again, spent).WantCode(t, 401, "refresh_token_reused")
		refresh(t, again, tokens.RefreshToken).Want(t, 401)
		me(t, again, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
	})
}

// TestAttack_RT_17_LostAnswer hangs up before the response and retries: the successor is the
// same until it is used; after that the retry is reuse.
func TestAttack_RT_17_LostAnswer(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		waitForOutbox(t, s)
		db := openDatabase(t, s.Config.DatabaseURL())
		c := dial(t, s.URL)
		b := `{"refresh_token":"` + tokens.RefreshToken + `"}`
		if _, err := fmt.Fprintf(c, "POST /api/v1/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(b), b); err != nil {
			t.Fatal(err)
		}
		one := make([]byte, 1)
		if _, err := io.ReadFull(c, one); err != nil { // the rotation is done; the answer is lost
			t.Fatal(err)
		}
		c.Close()
		s.Clock.Advance(s.Config.Tokens.RefreshGrace)
		next := rotate(t, s, tokens.RefreshToken)
		if again := rotate(t, s, tokens.RefreshToken); again.RefreshToken != next.RefreshToken {
			t.Error("a second branch")
		}
		if n := queryValue[int](t, db, "SELECT generation FROM refresh_families"); n != 1 {
			t.Errorf("%d rotations", n)
		}
		s.Clock.Advance(time.Hour)
		if again := rotate(t, s, tokens.RefreshToken); again.RefreshToken != next.RefreshToken {
			t.Error("a second branch an hour later")
		}
		last := rotate(t, s, next.RefreshToken)
		refresh(t, s, tokens.RefreshToken).WantCode(t, 401, "refresh_token_reused")
		refresh(t, s, last.RefreshToken).Want(t, 401)
	})
}
