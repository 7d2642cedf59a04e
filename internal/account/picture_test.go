package account_test

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
)

// dot returns a PNG of one pixel.
func dot(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A picture is exported, replaced and removed, each with one audit line, and goes with the account.
func TestPictures(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		var names []string
		for range 2 {
			h.requireOK(h.SetPicture(t.Context(), tenant, a.ID, dot(t), actorOf(a)))
			names = append(names, h.find("alice@example.test").Picture)
		}
		_, err := h.Picture(t.Context(), tenant, names[0])
		h.requireRefused(err, "not_found")
		p, err := h.Picture(t.Context(), tenant, names[1])
		h.requireOK(err)
		e, err := h.Export(t.Context(), tenant, a.ID, actorOf(a))
		h.requireOK(err)
		if got := e.Account.Picture; p.Account != a.ID || got == nil || got.Type != "image/png" || !bytes.Equal(got.Bytes, p.Bytes) {
			t.Errorf("%+v is exported as %+v", p, got)
		}
		for range 2 {
			h.requireOK(h.RemovePicture(t.Context(), tenant, a.ID, actorOf(a)))
		}
		if name := h.find("alice@example.test").Picture; name != "" {
			t.Errorf("removed, and the account has %q", name)
		}
		h.requireOK(h.SetPicture(t.Context(), tenant, a.ID, dot(t), actorOf(a)))
		if lines := h.events(auth.EventProfileChanged); len(lines) != 4 || lines[0].Detail["field"] != "picture" {
			t.Errorf("audit lines %+v", lines)
		}
		last := h.find("alice@example.test").Picture
		h.requireOK(h.Delete(t.Context(), tenant, a.ID, good, actorOf(a)))
		_, err = h.Picture(t.Context(), tenant, last)
		h.requireRefused(err, "not_found")
		h.requireRefused(h.SetPicture(t.Context(), tenant, a.ID, dot(t), actorOf(a)), "not_found")
	})
}
