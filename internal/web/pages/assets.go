package pages

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// writeAsset writes content whose URL changes with it, so caches may store it forever.
func writeAsset(ex *router.Exchange, mediaType string, content []byte) error {
	h := ex.Header()
	h["Content-Type"] = []string{mediaType}
	h["Cache-Control"] = []string{"public, max-age=31536000, immutable"}
	ex.Write(content)
	return nil
}

// Stylesheet serves the style sheet of the pages.
func (s *Handlers) Stylesheet(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "text/css; charset=utf-8", ui.Stylesheet)
}

// Script serves the script that submits a form.
func (s *Handlers) Script(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "text/javascript; charset=utf-8", ui.Script)
}

// ShowScript serves the script that shows a password.
func (s *Handlers) ShowScript(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "text/javascript; charset=utf-8", ui.ShowScript)
}

// PasskeyScript serves the script that uses and creates passkeys.
func (s *Handlers) PasskeyScript(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "text/javascript; charset=utf-8", ui.PasskeyScript)
}

// Icon serves the icon of the pages.
func (s *Handlers) Icon(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "image/svg+xml", ui.Icon)
}

// Favicon serves the icon at the URL that browsers request by default. The URL never changes, so
// caches revalidate it.
func (s *Handlers) Favicon(ex *router.Exchange, r *http.Request) error {
	return writeBranded(ex, r, "", "image/svg+xml", ui.Icon)
}

// BrandSheet serves the style sheet of the tenant's branding. A URL of another version, which another
// node may still link to, gets the current one, which caches then revalidate.
func (s *Handlers) BrandSheet(ex *router.Exchange, r *http.Request) error {
	sheet := ui.BrandSheet(ex.Tenant.Settings.Branding)
	if len(sheet) == 0 {
		return router.NotFound()
	}
	return writeBranded(ex, r, ui.BrandOf(ex.Tenant).Sheet, "text/css; charset=utf-8", sheet)
}

// BrandLogo serves the tenant's logo. Its media type is detected from its content, always an image.
func (s *Handlers) BrandLogo(ex *router.Exchange, r *http.Request) error {
	image, mediaType, err := ex.Tenant.Settings.Branding.LogoImage()
	if err != nil || image == nil {
		return router.NotFound()
	}
	return writeBranded(ex, r, ui.BrandOf(ex.Tenant).Logo, mediaType, image)
}

func writeBranded(ex *router.Exchange, r *http.Request, current, mediaType string, content []byte) error {
	if !strings.HasSuffix(current, "?"+r.URL.RawQuery) {
		h := ex.Header()
		h["Content-Type"] = []string{mediaType}
		h["Cache-Control"] = router.NoCache
		ex.Write(content)
		return nil
	}
	return writeAsset(ex, mediaType, content)
}
