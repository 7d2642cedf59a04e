package pages

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// writeAsset answers with content whose URL changes with it, so caches store it for ever.
func writeAsset(ex *router.Exchange, mediaType string, content []byte) error {
	h := ex.Header()
	h["Content-Type"] = []string{mediaType}
	h["Cache-Control"] = []string{"public, max-age=31536000, immutable"}
	ex.Write(content)
	return nil
}

// Stylesheet answers with the style sheet of the pages.
func (s *Handlers) Stylesheet(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "text/css; charset=utf-8", ui.Stylesheet)
}

// Script answers with the script that sends a form on.
func (s *Handlers) Script(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "text/javascript; charset=utf-8", ui.Script)
}

// ShowScript answers with the script that shows a password.
func (s *Handlers) ShowScript(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "text/javascript; charset=utf-8", ui.ShowScript)
}

// Icon answers with the icon of the pages.
func (s *Handlers) Icon(ex *router.Exchange, _ *http.Request) error {
	return writeAsset(ex, "image/svg+xml", ui.Icon)
}

// Favicon is what browsers request on their own. Its URL never changes, so caches revalidate
// it.
func (s *Handlers) Favicon(ex *router.Exchange, r *http.Request) error {
	return writeBranded(ex, r, "", "image/svg+xml", ui.Icon)
}

// BrandSheet is the style sheet of the tenant. A page of another version, which another node
// may still serve, gets this one, and caches do not store it for ever.
func (s *Handlers) BrandSheet(ex *router.Exchange, r *http.Request) error {
	sheet := ui.BrandSheet(ex.Tenant.Settings.Branding)
	if len(sheet) == 0 {
		return router.NotFound()
	}
	return writeBranded(ex, r, ui.BrandOf(ex.Tenant).Sheet, "text/css; charset=utf-8", sheet)
}

// BrandLogo is the tenant's logo. Its media type is that of its bytes, always an image.
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
