package web

import (
	"net/url"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
)

// The well-known URL for changing a password redirects.
func TestRepair_N21_ChangePassword(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	r := h.get("/.well-known/change-password")
	if r.StatusCode != 303 || r.Header.Get("Location") != "/account/password" {
		t.Errorf("%s, Location %q", r.Status, r.Header.Get("Location"))
	}
}

// A page with a password field has the script that shows it, and its policy allows scripts. Other
// pages have none.
func TestRepair_N21_ShowPassword(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.newAccount("alice@example.com")
	h.requireReply(h.post("/api/v1/password/forgot", `{"email":"alice@example.com"}`), 202, "")
	link := h.link()
	for path, want := range map[string]bool{"/reset-password?token=" + link: true, "/reset-password?token=wwl_x": false, "/verify-email?token=wwl_x": false, "/logout/done": false} {
		r := h.get(path, "Accept: text/html")
		script := strings.Contains(string(r.body), `<script src="/assets/show.js`)
		allowed := strings.Contains(r.Header.Get("Content-Security-Policy"), "script-src 'self'")
		if script != want || allowed != want {
			t.Errorf("%s: script %v, allowed %v", path, script, allowed)
		}
	}
}

// The pages of an invitation do not mention registration, and the last one says that the password is
// set.
func TestRepair_U3_InvitationPages(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	_, err := h.cfg.Accounts.Create(t.Context(), "default", account.Creation{Email: "bob@example.com"}, auth.System)
	h.requireOK(err)
	link := h.link()
	for accept, wants := range map[string][]string{
		"en": {"<h1>Choose a password</h1>", "has invited you", `value="bob@example.com"`, ">Set password</button>"},
		"de": {"<h1>Passwort wählen</h1>", "hat Sie eingeladen", `value="bob@example.com"`, ">Passwort festlegen</button>"},
	} {
		page := string(h.requireReply(h.get("/verify-email?token="+link, "Accept-Language: "+accept), 200, "").body)
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s lacks %s: %s", accept, want, page)
			}
		}
		if strings.Contains(page, "regist") || strings.Contains(page, "Regist") {
			t.Errorf("%s speaks of a registration: %s", accept, page)
		}
	}

	short := string(h.requireReply(form(h, "/verify-email", "token="+link+"&chosen=1&password=short"), 400, "").body)
	if !strings.Contains(short, "has invited you") || !strings.Contains(short, `id="refused"`) {
		t.Errorf("refused: %s", short)
	}
	r := h.requireReply(form(h, "/verify-email", "token="+link+"&chosen=1&password="+url.QueryEscape(pass)), 303, "")

	done := string(h.requireReply(h.get(r.Header.Get("Location")), 200, "").body)
	if !strings.Contains(done, "Password set") || !strings.Contains(done, `href="/login"`) {
		t.Errorf("done: %s", done)
	}
	used := string(h.requireReply(h.get("/verify-email?token="+link), 400, "").body)
	if !strings.Contains(used, "reset your password on the sign-in page") {
		t.Errorf("used: %s", used)
	}
}

// The page of an invalid reset link says so before the user enters a password.
func TestRepair_U6_DeadResetLink(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.newAccount("alice@example.com")
	h.requireReply(h.post("/api/v1/password/forgot", `{"email":"alice@example.com"}`), 202, "")
	link := h.link()
	page := string(h.requireReply(h.get("/reset-password?token="+link), 200, "").body)
	if !strings.Contains(page, `value="alice@example.com" autocomplete="username"`) {
		t.Errorf("the page does not name the account: %s", page)
	}
	h.requireReply(form(h, "/reset-password", "token="+link+"&password=a+long+enough+password"), 303, "")

	for _, token := range []string{link, "bogus", "wwl_bogus"} {
		page := string(h.requireReply(h.get("/reset-password?token="+token), 400, "").body)
		if strings.Contains(page, "<form") || !strings.Contains(page, `<a href="/forgot-password" id="forgot">Request a new link</a>`) {
			t.Errorf("%s: %s", token, page)
		}
	}
}
