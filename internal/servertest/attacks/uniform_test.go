package attacks_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// randomText matches the random parts of a response. Response times are compared by bench, which shows their
// distribution.
var randomText = regexp.MustCompile(`ww[a-z]_[\w-]+|"reference":"[^"]*"|eyJ[\w.-]+`)

// describeResponse returns status, headers and body without the random parts.
func describeResponse(r servertest.Response) string {
	names := slices.Sorted(maps.Keys(r.Header))
	var cookies []string
	for _, c := range (&http.Response{Header: r.Header}).Cookies() {
		cookies = append(cookies, c.Name)
	}
	return fmt.Sprintf("%d\n%s\n%s\n%s", r.Status, strings.Join(names, " "), cookies, randomText.ReplaceAllString(string(r.Body), "*"))
}

// requireSameAnswers fails the test unless all responses look the same.
func requireSameAnswers(t *testing.T, answers map[string]servertest.Response) {
	t.Helper()
	var first string
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		if first == "" {
			first = name
			continue
		}
		if diff := cmp.Diff(describeResponse(answers[first]), describeResponse(answers[name])); diff != "" {
			t.Errorf("%s differs from %s:\n%s", name, first, diff)
		}
		if a, b := len(answers[first].Body), len(answers[name].Body); a != b {
			t.Errorf("%s has %d bytes, %s %d", first, a, name, b)
		}
	}
}

// createEveryKind creates one account of each kind and returns their addresses, with one that
// has no account.
func createEveryKind(t *testing.T, s *servertest.Server) map[string]string {
	t.Helper()
	ctx, by := t.Context(), auth.System
	make := func(email, password string, verified bool) auth.AccountID {
		a, err := s.Accounts.Create(ctx, auth.DefaultTenant, account.Creation{Email: email, Password: password, Verified: verified}, by)
		if err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	kinds := map[string]string{
		"known": newEmail(), "unknown": newEmail(), "disabled": newEmail(), "without a password": newEmail(), "unverified": newEmail(), "signed in": newEmail(),
	}
	make(kinds["known"], servertest.Password, true)
	make(kinds["without a password"], "", true)
	make(kinds["unverified"], servertest.Password, false)
	make(kinds["signed in"], servertest.Password, true)
	s.Login(t, kinds["signed in"], servertest.Password)
	if err := s.Accounts.Disable(ctx, auth.DefaultTenant, make(kinds["disabled"], servertest.Password, true), by); err != nil {
		t.Fatal(err)
	}
	return kinds
}

// TestAttack_BF_01_BF_02_OneAnswer signs in to accounts of every kind with passwords of every
// kind: responses do not reveal which accounts exist.
func TestAttack_BF_01_BF_02_OneAnswer(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		kinds := createEveryKind(t, s)
		db := openDatabase(t, s.Config.DatabaseURL())
		for name, password := range map[string]string{
			"BF-01 wrong": wrongPassword, "BF-02 empty": "", "BF-02 one character": "x", "BF-02 NUL": "\x00", "BF-02 128 characters": strings.Repeat("ä", 128),
			"BF-02 129 characters": strings.Repeat("a", 129), "BF-02 a thousand": strings.Repeat("a", 1000), "BF-02 100 kB": strings.Repeat("a", 100_000),
		} {
			for _, session := range []string{"", "cookie"} {
				answers := map[string]servertest.Response{}
				var hashes []uint64
				for kind, email := range kinds {
					done, lines := s.Hasher.Stats().Done, countEvents(t, db, string(auth.EventLogin))
					b := body{"email": email, "password": password}
					if session != "" {
						b["session"] = session
					}
					answers[kind] = post(t, s, "/login", b)
					hashes = append(hashes, s.Hasher.Stats().Done-done, uint64(countEvents(t, db, string(auth.EventLogin))-lines))
				}
				t.Run(name+" "+session, func(t *testing.T) { requireSameAnswers(t, answers) })
				for i := 2; i < len(hashes); i += 2 {
					if hashes[i] != hashes[0] || hashes[i+1] != hashes[1] {
						t.Errorf("%s: hashes and audit lines, in turn: %v", name, hashes)
					}
				}
			}
		}
		// The right password of a disabled account is no better than a wrong one.
		requireSameAnswers(t, map[string]servertest.Response{
			"disabled": login(t, s, kinds["disabled"], servertest.Password),
			"unknown":  login(t, s, kinds["unknown"], servertest.Password),
		})
		login(t, s, kinds["known"], servertest.Password).Want(t, 200)
	})
}

// TestAttack_PW_06_Register: registering an existing address gets the same response as a new
// one, and its owner gets a notice.
func TestAttack_PW_06_Register(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		kinds := createEveryKind(t, s)
		answers := map[string]servertest.Response{}
		for kind, email := range kinds {
			answers[kind] = post(t, s, "/register", body{"email": email, "password": otherPassword, "name": "Eve"})
		}
		requireSameAnswers(t, answers)
		if answers["known"].Status != 202 {
			t.Fatalf("status %d", answers["known"].Status)
		}
		if m := s.WaitMail(t, kinds["known"]); m.Kind != auth.MailKnownAddress || len(m.Links) != 0 || strings.Contains(m.Text+m.HTML, "Eve") {
			t.Errorf("the owner got %s: %s", m.Kind, m.Text)
		}
		if m := s.WaitMail(t, kinds["unknown"]); m.Kind != auth.MailVerify {
			t.Errorf("the newcomer got %s", m.Kind)
		}
		login(t, s, kinds["known"], otherPassword).WantCode(t, 401, "invalid_credentials")
		login(t, s, kinds["known"], servertest.Password).Want(t, 200)
	})
}

// TestAttack_PW_07_Forgot: the response is the same for every address, and the outbox sends the
// mail.
func TestAttack_PW_07_Forgot(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		kinds := createEveryKind(t, s)
		for _, path := range []string{"/password/forgot", "/verify-email/resend"} {
			answers := map[string]servertest.Response{}
			for kind, email := range kinds {
				answers[kind] = post(t, s, path, body{"email": email}).Want(t, 202)
			}
			requireSameAnswers(t, answers)
		}
		for _, kind := range []string{"known", "without a password"} {
			if m := s.WaitMail(t, kinds[kind]); m.Kind != auth.MailReset {
				t.Errorf("%s: mail %s", kind, m.Kind)
			}
		}
		eventually(t, "the outbox is empty", func() bool {
			s.Outbox.Wake()
			return queryValue[int](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT count(*) FROM outbox") == 0
		})
		for _, kind := range []string{"unknown", "disabled"} {
			if n := len(s.MailsTo(kinds[kind])); n != 0 {
				t.Errorf("%s: %d mails", kind, n)
			}
		}
	})
}
