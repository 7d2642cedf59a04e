package web

import (
	"fmt"
	"testing"
)

// The API refuses the link of a change of address without a session of the account or its current
// password.
func TestRepair_S2_ChangeByTheAPI(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	mallory := h.signedIn("mallory@example.com")
	cookie := h.signInBrowser("victim@example.com")
	victim := h.tokens(h.login("victim@example.com", pass))
	ask := func(email string) string {
		h.requireReply(h.post("/api/v1/me/email", fmt.Sprintf(`{"email":%q,"current_password":%q}`, email, pass), bearer(mallory)), 200, "")
		return h.link()
	}
	send := func(link, password string, headers ...string) reply {
		return h.post("/api/v1/verify-email", fmt.Sprintf(`{"token":%q,"password":%q}`, link, password), headers...)
	}
	link := ask("new@example.com")
	h.requireReply(send(link, ""), 409, "password_needed")
	h.requireReply(send(link, "", bearer(victim)), 409, "password_needed")
	h.requireReply(send(link, "", cookie, "Sec-Fetch-Site: same-origin"), 409, "password_needed")
	h.requireReply(send(link, "", "Authorization: Bearer nonsense"), 409, "password_needed")
	h.requireReply(send(link, "wrong-"+pass), 403, "wrong_password")
	h.requireReply(send(link, "", bearer(mallory)), 200, "")
	h.requireReply(send(ask("newer@example.com"), pass), 200, "")
}
