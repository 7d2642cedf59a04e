package web

import (
	"strings"
	"testing"
)

// Password managers find where a password is changed, below every tenant.
func TestRepair_N21_ChangePassword(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.get("/.well-known/change-password")
	if r.StatusCode != 303 || r.Header.Get("Location") != "/forgot-password" {
		t.Errorf("%s, Location %q", r.Status, r.Header.Get("Location"))
	}
}

// A page with a password field has the script that shows it, and its policy lets that
// one in; other pages have none.
func TestRepair_N21_ShowPassword(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for path, want := range map[string]bool{"/reset-password?token=wwl_x": true, "/verify-email?token=wwl_x": false, "/logout/done": false} {
		r := h.get(path, "Accept: text/html")
		script := strings.Contains(string(r.body), `<script src="/assets/show.js`)
		allowed := strings.Contains(r.Header.Get("Content-Security-Policy"), "script-src 'self'")
		if script != want || allowed != want {
			t.Errorf("%s: script %v, allowed %v", path, script, allowed)
		}
	}
}
