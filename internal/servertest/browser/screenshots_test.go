package browser

import (
	"bytes"
	"flag"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

var screenshots = flag.Bool("screenshots", false, "take the pictures of the README again (make screenshots)")

// TestScreenshots takes the screenshots of the README: sign-in and consent side by side, light
// and dark.
func TestScreenshots(t *testing.T) {
	if !*screenshots {
		return
	}
	for name, dark := range map[string]bool{"pages-light.png": false, "pages-dark.png": true} {
		t.Run(name, func(t *testing.T) {
			s := servertest.New(t, servertest.Production())
			c := newClient(t, s, ledger)
			_, err := s.Accounts.Create(t.Context(), auth.DefaultTenant, account.Creation{Email: alice, Password: servertest.Password, Verified: true}, auth.System)
			if err != nil {
				t.Fatal(err)
			}
			b := newTab(t, windowSettings{dark: dark, width: pictureWidth})
			b.open(c.authorizationURL("scope", "openid email orders:read")).requirePath("/login")
			signIn := b.picture()
			b.signIn(alice).requirePath("/consent")
			writePNG(t, filepath.Join(root, "docs", "images", name), sideBySide(signIn, b.picture()))
		})
	}
}

const pictureWidth, pictureHeight = 560, 720

// picture returns the visible part of the page at one and a half times its size.
func (b *tab) picture() image.Image {
	b.t.Helper()
	resize := func(height int64, scale float64) {
		call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: pictureWidth, Height: height, DeviceScaleFactor: scale})
	}
	resize(pictureHeight, 1.5)
	defer resize(900, 1) // clicks need the plain scale
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	return img
}

func sideBySide(left, right image.Image) image.Image {
	width := left.Bounds().Dx()
	out := image.NewRGBA(image.Rect(0, 0, width+right.Bounds().Dx(), max(left.Bounds().Dy(), right.Bounds().Dy())))
	draw.Draw(out, left.Bounds(), left, image.Point{}, draw.Src)
	draw.Draw(out, right.Bounds().Add(image.Pt(width, 0)), right, image.Point{}, draw.Src)
	return out
}

func writePNG(t *testing.T, name string, img image.Image) {
	t.Helper()
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	const most = 150 << 10
	if b.Len() > most {
		t.Errorf("%s has %d bytes, at most %d", name, b.Len(), most)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
