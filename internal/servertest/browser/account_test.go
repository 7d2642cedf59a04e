package browser

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/servertest"
)

// textOf returns the text of an element.
func (b *tab) textOf(id string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.getElementById("`+id+`").textContent`))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// choose chooses the file of a field.
func (b *tab) choose(id, file string) *tab {
	b.t.Helper()
	b.run(chromedp.SetUploadFiles(chromedp.ID(id), []string{file}))
	return b
}

// writePicture writes a PNG, followed by n bytes, and returns its path.
func writePicture(t *testing.T, n int) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 640, 400))
	for i := range m.Pix {
		m.Pix[i] = byte(i/2560*255/400) | byte(3-i%4)/3*90
	}
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "me.png")
	if err := os.WriteFile(path, append(file.Bytes(), make([]byte, n)...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A user goes through the pages of the account, adds an authenticator app, saves recovery codes and
// changes the password.
func TestAccountPages(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(s.URL + "/account/profile").requirePath("/login").signIn(alice).requirePath("/account/profile")
		b.fill("name", "Alice Liddell").press("submit").requirePath("/account/profile").requireAccessible("profile").screenshot("1-profile")
		b.choose("picture", writePicture(t, 4<<20)).press("upload").requireAccessible("too large").screenshot("1-too-large")
		if refusal := b.textOf("badpicture"); !strings.Contains(refusal, "4096") {
			t.Errorf("%q", refusal)
		}
		b.choose("picture", writePicture(t, 0)).press("upload").requirePath("/account/profile").requireAccessible("picture").screenshot("1-picture")
		if shown, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelector("img.picture").naturalWidth`)); err != nil || shown != 256 {
			t.Errorf("the picture is shown with a width of %d, %v", shown, err)
		}

		b.open(s.URL + "/account/two-factor").requireAccessible("off").screenshot("2-off").press("add").requirePath("/account/two-factor/add").requireAccessible("add")
		code, err := totp.GenerateCode(strings.ReplaceAll(b.textOf("secret"), " ", ""), s.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		b.screenshot("3-add").fill("code", code).press("submit").requirePath("/account/two-factor/codes").requireAccessible("codes").screenshot("4-codes")
		b.press("create").requireAccessible("new codes").screenshot("5-new-codes")
		b.fill("code", strings.Fields(b.textOf("list"))[4]).press("submit").requirePath("/account/two-factor").requireAccessible("on").screenshot("6-on")

		b.open(s.URL + "/account/password").requireAccessible("password").screenshot("7-password")
		b.fill("current", servertest.Password, "password", newPassword).press("submit").requirePath("/account/password").requireAccessible("changed").screenshot("8-changed")
		b.open(s.URL + "/account").requirePath("/account").requireText("Alice Liddell").requireAccessible("overview").screenshot("9-overview")
		b.requireNoErrors()
	})
}
