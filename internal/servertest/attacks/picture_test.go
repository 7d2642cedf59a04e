package attacks_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// multipartForm encodes the fields of a form and its files, as browsers do.
func multipartForm(t *testing.T, fields url.Values, files ...string) (body string, contentType servertest.RequestOption) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name := range fields {
		if name != "picture" { // the field of the file
			_ = w.WriteField(name, fields.Get(name))
		}
	}
	for _, content := range files {
		part, err := w.CreateFormFile("picture", "me.png")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(content))
	}
	_ = w.Close()
	return b.String(), servertest.Header("Content-Type", w.FormDataContentType())
}

// TestAttack_HT_13_AccountPictures: a user uploads files that are no pictures, too large or more than pictures.
func TestAttack_HT_13_AccountPictures(t *testing.T) {
	t.Parallel()
	var asPNG, asJPEG bytes.Buffer
	if err := png.Encode(&asPNG, image.NewNRGBA(image.Rect(0, 0, 40, 20))); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, image.NewNRGBA(image.Rect(0, 0, 40, 20)), nil); err != nil {
		t.Fatal(err)
	}
	const page = "<script>alert(1)</script>"
	polyglot := asPNG.String() + page
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := signInAccount(t, s, alice)
		b.Open("/account/profile")
		cookies := servertest.Header("Cookie", cookieName+"="+b.Cookie(cookieName)+"; "+browserCookie+"="+b.Cookie(browserCookie))
		upload := func(fields url.Values, files ...string) servertest.Response {
			body, contentType := multipartForm(t, fields, files...)
			return s.Do(t, "POST", "/account/profile/picture", body, contentType, withOwnOrigin(s), cookies)
		}
		form := b.Page.Fields(t, "upload")
		for name, tt := range map[string]struct {
			status int
			reply  servertest.Response
		}{
			"svg":           {400, upload(form, `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`)},
			"html":          {400, upload(form, page)},
			"no file":       {400, upload(form)},
			"two files":     {400, upload(form, polyglot, polyglot)},
			"too large":     {413, upload(form, strings.Repeat("x", 5<<20))},
			"without token": {403, upload(url.Values{}, polyglot)},
			"urlencoded":    {415, s.Do(t, "POST", "/account/profile/picture", form.Encode(), servertest.Header("Content-Type", formType), withOwnOrigin(s), cookies)},
			"no boundary":   {400, s.Do(t, "POST", "/account/profile/picture", "x", servertest.Header("Content-Type", "multipart/form-data"), withOwnOrigin(s), cookies)},
		} {
			if tt.reply.Status != tt.status {
				t.Errorf("%s: %d: %s", name, tt.reply.Status, tt.reply.Body)
			}
			if shown := bytes.Contains(tt.reply.Body, []byte(`id="badpicture"`)); shown != (name == "svg" || name == "html" || name == "no file" || name == "too large") {
				t.Errorf("%s: the form says what is expected: %t", name, shown)
			}
		}
		if b.Open("/account/profile"); b.Page.Has("remove") {
			t.Error("a refused file is the picture")
		}

		own := servertest.Bearer(s.Login(t, alice, servertest.Password).AccessToken)
		picture := func() (path string) {
			t.Helper()
			var account struct{ Picture string }
			me(t, s, own).Want(t, 200).Decode(t, &account)
			return strings.TrimPrefix(account.Picture, s.Issuer)
		}
		upload(form, polyglot).Want(t, 303)
		first := picture()
		if b.Open("/account/profile"); !strings.Contains(string(b.Page.Body), `src="`+first+`"`) || !b.Page.Has("remove") {
			t.Errorf("the page does not show %s: %s", first, b.Page.Body)
		}
		r := s.Do(t, "GET", first, nil).Want(t, 200)
		for name, want := range map[string]string{
			"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'",
			"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "cross-origin", "Set-Cookie": "",
		} {
			if r.Header.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, r.Header.Get(name), want)
			}
		}
		if bytes.Contains(r.Body, []byte("script")) {
			t.Error("what was appended to the image is served")
		}
		if _, err := s.Tenants.Create(t.Context(), "acme", "Acme", auth.Settings{}, auth.System); err != nil {
			t.Fatal(err)
		}
		s.Do(t, "GET", "/t/acme"+first, nil).Want(t, 404)

		put := func(content, contentType string) servertest.Response {
			return s.Do(t, "PUT", api("/me/picture"), content, servertest.Header("Content-Type", contentType), own)
		}
		put(polyglot, "text/html").WantCode(t, 415, "unsupported_media_type")
		put(page, "image/png").WantCode(t, 400, "picture_invalid")
		put(strings.Repeat("x", 5<<20), "image/png").WantCode(t, 413, "body_too_large")
		put(asJPEG.String(), "image/jpeg").Want(t, 200)
		second := picture()
		s.Do(t, "GET", first, nil).Want(t, 404)
		if got := s.Do(t, "GET", second, nil).Want(t, 200); second == first || got.Header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("%s: %s", second, got.Header.Get("Content-Type"))
		}
		b.Open("/account/profile")
		b.Press("remove").Want(t, 200).At(t, "/account/profile")
		s.Do(t, "DELETE", api("/me/picture"), nil, own).Want(t, 204)
		if s.Do(t, "GET", second, nil).Want(t, 404); picture() != "" || b.Page.Has("remove") {
			t.Error("the picture is not removed")
		}
	})
}
