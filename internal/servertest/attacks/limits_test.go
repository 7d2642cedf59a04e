package attacks_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// requireThrottled checks a response with 429: it has Retry-After, reveals nothing, and no
// password was hashed.
func requireThrottled(t testing.TB, r servertest.Response) time.Duration {
	t.Helper()
	r.WantCode(t, 429, "rate_limited")
	after, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || after < 1 {
		t.Fatalf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	return time.Duration(after) * time.Second
}

// trustLocalProxy trusts X-Forwarded-For from this machine, so that a test can use any address.
func trustLocalProxy(c *config.Config) {
	c.Proxy.Trusted = config.Prefixes{netip.MustParsePrefix("127.0.0.0/8")}
}

func fromIP(ip string) servertest.RequestOption { return servertest.Header("X-Forwarded-For", ip) }

// TestAttack_BF_03_BF_08_BF_13_Account guesses one account's password from many addresses:
// after the limit every attempt, also the right one, is refused without a hash, for at most
// fifteen minutes.
func TestAttack_BF_03_BF_08_BF_13_Account(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		limit := *s.Config.Limits.Rate("login.account")
		for _, email := range []string{alice, "nobody@example.test"} {
			for i := range 3 * limit.Count { // of all strangers
				login(t, s, email, wrongPassword, fromIP(fmt.Sprintf("192.0.2.%d", i))).WantCode(t, 401, "invalid_credentials")
			}
		}
		done := s.Hasher.Stats().Done
		var answers = map[string]servertest.Response{}
		for i := range 50 {
			wrong := login(t, s, alice, wrongPassword, fromIP(fmt.Sprintf("198.51.100.%d", i)))
			right := login(t, s, alice, servertest.Password, fromIP(fmt.Sprintf("198.51.100.%d", i)))
			nobody := login(t, s, "nobody@example.test", wrongPassword, fromIP(fmt.Sprintf("198.51.100.%d", i)))
			answers = map[string]servertest.Response{"wrong": wrong, "right": right, "unknown": nobody}
		}
		for _, r := range answers {
			requireThrottled(t, r)
		}
		requireSameAnswers(t, answers)
		if n := s.Hasher.Stats().Done - done; n != 0 {
			t.Errorf("BF-13: %d passwords were hashed for refusals", n)
		}
		after := requireThrottled(t, login(t, s, alice, servertest.Password))
		if after > 15*time.Minute {
			t.Errorf("BF-08: locked for %s", after)
		}
		s.Clock.Advance(after)
		login(t, s, alice, servertest.Password).Want(t, 200)
	}, servertest.RealLimits(), servertest.Configure(trustLocalProxy), servertest.Configure(allowManyHashes))
}

func allowManyHashes(c *config.Config) { c.Password.Queue = 10_000 }

// TestAttack_BF_04_Spellings: every spelling of an account and every way to sign in share one
// counter.
func TestAttack_BF_04_Spellings(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		spellings := []string{alice, "ALICE@EXAMPLE.TEST", " alice@example.test ", "Alice@Example.Test", "alice@example.test\u200b", "ａlice@example.test", "\ufeffalice@EXAMPLE.test"}
		limit := 3 * s.Config.Limits.Rate("login.account").Count // of all strangers
		for i := range limit {
			b := body{"email": spellings[i%len(spellings)], "password": wrongPassword}
			if i%2 == 0 {
				b["session"] = "cookie"
			}
			post(t, s, "/login", b, fromIP(fmt.Sprintf("192.0.2.%d", i))).WantCode(t, 401, "invalid_credentials")
		}
		for i, spelling := range spellings {
			requireThrottled(t, login(t, s, spelling, wrongPassword, fromIP(fmt.Sprintf("198.51.100.%d", i))))
		}
	}, servertest.RealLimits(), servertest.Configure(trustLocalProxy))
}

// countUntilLimited sends wrong passwords for new accounts until the address is limited, and
// returns the number of attempts that were checked.
func countUntilLimited(t testing.TB, s *servertest.Server, most int, opts func(i int) []servertest.RequestOption) int {
	t.Helper()
	for i := range most {
		r := login(t, s, newEmail(), wrongPassword, opts(i)...)
		if r.Status == 429 {
			requireThrottled(t, r)
			return i
		}
		r.WantCode(t, 401, "invalid_credentials")
	}
	return most
}

// TestAttack_BF_05_Forwarding: headers of an untrusted peer about the client address have no
// effect.
func TestAttack_BF_05_Forwarding(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.RealLimits())
	n := countUntilLimited(t, s, 200, func(i int) []servertest.RequestOption {
		var opts []servertest.RequestOption
		for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "X-Originating-IP"} {
			opts = append(opts, servertest.Header(name, fmt.Sprintf("192.0.2.%d", i)))
		}
		return append(opts, servertest.Header("Forwarded", fmt.Sprintf("for=192.0.2.%d", i)))
	})
	if burst := s.Config.Limits.Rate("login.ip").Burst; n != burst {
		t.Errorf("%d attempts were looked at, want %d", n, burst)
	}
	db := openDatabase(t, s.Config.DatabaseURL())
	if n := queryValue[int](t, db, "SELECT count(*) FROM audit WHERE ip <> '127.0.0.1' AND actor_kind = 'anonymous'"); n != 0 {
		t.Errorf("%d audit lines believe the header", n)
	}
}

// TestAttack_BF_06_Nonsense: invalid X-Forwarded-For values through a trusted proxy cause no
// error and skip no limit.
func TestAttack_BF_06_Nonsense(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.RealLimits(), servertest.Configure(trustLocalProxy))
	nonsense := []string{"a", "", ",", strings.Repeat("9", 10<<10), "fe80::1%eth0", "192.0.2.1, nonsense", "[::1", "1.2.3.4:99999", "-1", "\"192.0.2.1\"", "0x7f.1", "unknown", "::ffff:127.0.0.1",
		strings.Repeat("127.0.0.1,", 500), "192.0.2.300", "\xff\xfe", "' OR 1=1 --"}
	n := countUntilLimited(t, s, 200, func(i int) []servertest.RequestOption {
		return []servertest.RequestOption{fromIP(nonsense[i%len(nonsense)])}
	})
	// A zone is no address of its own, and two of the values hold a good address at
	// the trusted end: those have counters of their own.
	if burst := s.Config.Limits.Rate("login.ip").Burst; n < burst || n > 2*burst {
		t.Errorf("%d attempts were looked at, want about %d", n, burst)
	}
}

// TestAttack_BF_07_Prefix: the addresses of one IPv6 customer share one counter.
func TestAttack_BF_07_Prefix(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.RealLimits(), servertest.Configure(trustLocalProxy))
	n := countUntilLimited(t, s, 200, func(i int) []servertest.RequestOption {
		return []servertest.RequestOption{fromIP(fmt.Sprintf("2001:db8:0:1:%x::%x", i, i*7))}
	})
	if burst := s.Config.Limits.Rate("login.ip").Burst; n != burst {
		t.Errorf("%d attempts were looked at, want %d", n, burst)
	}
	login(t, s, newEmail(), wrongPassword, fromIP("2001:db8:0:2::1")).WantCode(t, 401, "invalid_credentials")
}

// TestAttack_BF_09_Spraying tries one password on a thousand accounts.
func TestAttack_BF_09_Spraying(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		looked := 0
		for i := range 1000 {
			r := login(t, s, fmt.Sprintf("user%d@example.test", i), "Sommer2026!")
			if r.Status != 429 {
				r.WantCode(t, 401, "invalid_credentials")
				looked++
			}
		}
		if looked >= 100 {
			t.Errorf("%d accounts were tried", looked)
		}
		requireThrottled(t, login(t, s, alice, servertest.Password))
		login(t, s, alice, servertest.Password, fromIP("192.0.2.9")).Want(t, 200) // her own address is none of the attacker's
	}, servertest.RealLimits(), servertest.Configure(trustLocalProxy))
}

// TestAttack_BF_10_Burst sends 200 wrong passwords at once.
func TestAttack_BF_10_Burst(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		done := s.Hasher.Stats().Done
		var mu sync.Mutex
		statuses := map[int]int{}
		runAtOnce(200, func(i int) {
			r, err := s.Try("POST", api("/login"), body{"email": alice, "password": wrongPassword + strconv.Itoa(i)}, fromIP(fmt.Sprintf("192.0.2.%d", i)))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[r.Status]++
		})
		limit := 3 * s.Config.Limits.Rate("login.account").Count // of all strangers
		if n := int(s.Hasher.Stats().Done - done); n != limit || statuses[401] != limit || statuses[429] != 200-limit {
			t.Errorf("%d passwords were compared, want %d; answers %v", n, limit, statuses)
		}
	}, servertest.RealLimits(), servertest.Configure(trustLocalProxy), servertest.Configure(allowManyHashes))
}

// TestAttack_BF_11_EveryLimit: each public route has the documented limits per address and
// account.
func TestAttack_BF_11_EveryLimit(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		l := s.Config.Limits
		link := "wwl_" + strings.Repeat("A", 43)
		for i, c := range []struct {
			name, path string
			rate       config.Rate
			body       func() body
		}{
			{"register", "/register", *l.Rate("register.ip"), func() body { return body{"email": newEmail(), "password": servertest.Password} }},
			{"verify", "/verify-email", *l.Rate("verify.ip"), func() body { return body{"token": link} }},
			{"resend", "/verify-email/resend", *l.Rate("resend.ip"), func() body { return body{"email": newEmail()} }},
			{"forgot", "/password/forgot", *l.Rate("forgot.ip"), func() body { return body{"email": newEmail()} }},
			{"mail", "/login/email", *l.Rate("email_code.ip"), func() body { return body{"email": newEmail()} }},
			{"reset", "/password/reset", *l.Rate("reset.ip"), func() body { return body{"token": link, "password": servertest.Password} }},
			{"refresh", "/refresh", *l.Rate("refresh.ip"), func() body { return body{"refresh_token": "wwr_x"} }},
			{"login", "/login", *l.Rate("login.ip"), func() body { return body{"email": newEmail(), "password": wrongPassword} }},
			{"second factor", "/login/mfa", *l.Rate("login.ip"), func() body { return body{"mfa_token": newEmail(), "factor": "totp", "code": "000000"} }},
			{"mailed code", "/login/mfa/email-code", *l.Rate("login.ip"), func() body { return body{"mfa_token": newEmail()} }},
			{"passkey", "/passkeys/finish", *l.Rate("login.ip"), func() body { return body{"credential": body{}} }},
		} {
			t.Run("BF-11 "+c.name+" from one address", func(t *testing.T) {
				ip := fromIP(fmt.Sprintf("203.0.113.%d", i))
				most := max(c.rate.Burst, c.rate.Count)
				for n := range most {
					if r := post(t, s, c.path, c.body(), ip); r.Status == 429 || r.Status >= 500 {
						t.Fatalf("%d after %d of %d: %s", r.Status, n, most, r.Body)
					}
				}
				done := s.Hasher.Stats().Done
				requireThrottled(t, post(t, s, c.path, c.body(), ip))
				if s.Hasher.Stats().Done != done {
					t.Error("a password was hashed")
				}
			})
		}
		s.Clock.Advance(2 * time.Hour)
		s.SignUp(t, alice)
		for _, c := range []struct {
			name, path string
			most       int
			body       body
		}{
			// These say nothing of the limit, or it would tell who has an account: the
			// answer stays, the mail does not come.
			{"forgot", "/password/forgot", l.Rate("forgot.account").Count, body{"email": alice}},
			{"register", "/register", l.Rate("register.account").Count - 1, body{"email": alice, "password": otherPassword}},
		} {
			t.Run("BF-11 "+c.name+" for one address of mail", func(t *testing.T) {
				before := len(s.MailsTo(alice))
				for i := range c.most + 5 {
					post(t, s, c.path, c.body, fromIP(fmt.Sprintf("198.51.100.%d", i))).Want(t, 202)
				}
				waitForOutbox(t, s)
				if n := len(s.MailsTo(alice)) - before; n != c.most {
					t.Errorf("%d mails, want %d", n, c.most)
				}
			})
		}
		t.Run("BF-11 one refresh family", func(t *testing.T) {
			token := s.Login(t, alice, servertest.Password).RefreshToken
			for i := range l.Rate("refresh.credential").Count {
				token = decode[servertest.Tokens](t, refresh(t, s, token, fromIP(fmt.Sprintf("192.0.2.%d", i))).Want(t, 200)).RefreshToken
			}
			after := requireThrottled(t, refresh(t, s, token))
			s.Clock.Advance(after)
			refresh(t, s, token).Want(t, 200)
		})
		t.Run("BF-11 mails to sign in, from one address", func(t *testing.T) {
			changeSettings(t, s, func(v *auth.Settings) { v.EmailSignIn = true })
			b := s.Browser(t)
			for i := range l.Rate("email_code.ip").Count + 1 {
				b.Open("/login")
				b.Open(b.Page.Link("by-mail"))
				if b.Press("submit", "email", newEmail()); (b.Page.Status == 429) != (i == l.Rate("email_code.ip").Count) {
					t.Fatalf("%d after %d: %s", b.Page.Status, i, b.Page.Text())
				}
			}
		})
		t.Run("BF-11 second factor of one account", func(t *testing.T) {
			account := createAccount(t, s, bob)
			app, codes := addApp(t, s, account), addRecoveryCodes(t, s, account)
			guess := func(ip int, factor, code string) servertest.Response {
				return post(t, s, "/login/mfa", body{"mfa_token": beginLogin(t, s, bob), "factor": factor, "code": code}, fromIP(fmt.Sprintf("192.0.2.%d", ip)))
			}
			for i := range 3 * l.Rate("factor.account").Count { // of all strangers
				guess(i, []string{"totp", "recovery_code"}[i%2], "000000").WantCode(t, 400, "invalid_code")
			}
			requireThrottled(t, guess(100, "recovery_code", codes[1]))
			s.Clock.Advance(requireThrottled(t, guess(101, "totp", app.code(t))))
			guess(102, "totp", app.code(t)).Want(t, 200)
		})
		t.Run("BF-11 current password", func(t *testing.T) {
			tokens := s.Login(t, alice, servertest.Password)
			for range l.Rate("change.account").Count {
				post(t, s, "/password/change", body{"current_password": wrongPassword, "new_password": otherPassword}, servertest.Bearer(tokens.AccessToken)).WantCode(t, 403, "wrong_password")
			}
			done := s.Hasher.Stats().Done
			requireThrottled(t, post(t, s, "/password/change", body{"current_password": servertest.Password, "new_password": otherPassword}, servertest.Bearer(tokens.AccessToken)))
			requireThrottled(t, s.Do(t, "DELETE", api("/me"), body{"current_password": servertest.Password}, servertest.Bearer(tokens.AccessToken)))
			requireThrottled(t, post(t, s, "/me/email", body{"email": eve, "current_password": servertest.Password}, servertest.Bearer(tokens.AccessToken)))
			if s.Hasher.Stats().Done != done {
				t.Error("a password was hashed")
			}
		})
	}, servertest.RealLimits(), servertest.Configure(trustLocalProxy))
}

// TestRepair_S3_RefreshTokenOfAnotherClient: a stolen refresh token without the client's secret
// uses up nothing of the client's limit, at any endpoint.
func TestRepair_S3_RefreshTokenOfAnotherClient(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := createClient(t, s, auth.DefaultTenant, client.Registration{
			Name: "Ledger", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{ledgerCallback}, Scopes: []string{"openid", "offline_access"},
		})
		createAccount(t, s, alice)
		form := redemption(authorizeAs(t, s.Browser(t), c))
		token := decode[servertest.Tokens](t, postForm(t, s, "/oauth2/token", form.Encode(), c.basic()).Want(t, 200)).RefreshToken
		own := "grant_type=refresh_token&refresh_token=" + token

		for range s.Config.Limits.Rate("refresh.credential").Count/2 + 5 {
			refresh(t, s, token)
			postForm(t, s, "/oauth2/token", own+"&client_id=first-party")
		}
		requireThrottled(t, refresh(t, s, token)) // without the secret there is a limit as well
		postForm(t, s, "/oauth2/token", own, c.basic()).Want(t, 200)
	}, servertest.RealLimits())
}

// waitForOutbox waits until every mail is sent.
func waitForOutbox(t testing.TB, s *servertest.Server) {
	t.Helper()
	db := openDatabase(t, s.Config.DatabaseURL())
	defer db.Close()
	eventually(t, "the outbox is empty", func() bool {
		s.Outbox.Wake()
		return queryValue[int](t, db, "SELECT count(*) FROM outbox") == 0
	})
}

// TestAttack_PW_20_ResetMails requests a hundred reset links within a minute.
func TestAttack_PW_20_ResetMails(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		answers := map[string]servertest.Response{}
		for i := range 100 {
			answers[fmt.Sprint(i)] = post(t, s, "/password/forgot", body{"email": alice}, fromIP(fmt.Sprintf("192.0.2.%d", i))).Want(t, 202)
		}
		requireSameAnswers(t, answers)
		waitForOutbox(t, s)
		if n := len(s.MailsTo(alice)) - 1; n != s.Config.Limits.Rate("forgot.account").Count {
			t.Errorf("%d mails, want %d", n, s.Config.Limits.Rate("forgot.account").Count)
		}
	}, servertest.RealLimits(), servertest.Configure(trustLocalProxy))
}

// TestAttack_BF_12_RedisGone: limits stay when Redis does not respond.
func TestAttack_BF_12_RedisGone(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		for i := range 3 * s.Config.Limits.Rate("login.account").Count { // of all strangers
			login(t, s, alice, wrongPassword, fromIP(fmt.Sprintf("192.0.2.%d", i))).WantCode(t, 401, "invalid_credentials")
		}
		requireThrottled(t, login(t, s, alice, servertest.Password, fromIP("198.51.100.1")))
		s.Clock.Advance(15 * time.Minute)
		login(t, s, alice, servertest.Password).Want(t, 200)
	}, servertest.RealLimits(), servertest.Configure(trustLocalProxy), servertest.Configure(func(c *config.Config) {
		if err := c.Limits.Redis.UnmarshalText([]byte("redis://127.0.0.1:1/0")); err != nil {
			panic(err)
		}
	}))
}
