package web

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/ui"
)

// writeAsset answers with content whose URL changes with it, so caches store it for ever.
func writeAsset(ex *exchange, mediaType string, content []byte) error {
	h := ex.Header()
	h["Content-Type"] = []string{mediaType}
	h["Cache-Control"] = []string{"public, max-age=31536000, immutable"}
	ex.Write(content)
	return nil
}

func (s *pages) stylesheet(ex *exchange, _ *http.Request) error {
	return writeAsset(ex, "text/css; charset=utf-8", ui.Stylesheet)
}

func (s *pages) script(ex *exchange, _ *http.Request) error {
	return writeAsset(ex, "text/javascript; charset=utf-8", ui.Script)
}

func (s *pages) showScript(ex *exchange, _ *http.Request) error {
	return writeAsset(ex, "text/javascript; charset=utf-8", ui.ShowScript)
}

func (s *pages) icon(ex *exchange, _ *http.Request) error {
	return writeAsset(ex, "image/svg+xml", ui.Icon)
}

// favicon is what browsers request on their own. Its URL never changes, so caches revalidate
// it.
func (s *pages) favicon(ex *exchange, r *http.Request) error {
	return writeBranded(ex, r, "", "image/svg+xml", ui.Icon)
}

// brandSheet is the style sheet of the tenant. A page of another version, which another node
// may still serve, gets this one, and caches do not store it for ever.
func (s *pages) brandSheet(ex *exchange, r *http.Request) error {
	sheet := ui.BrandSheet(ex.tenant.Settings.Branding)
	if len(sheet) == 0 {
		return notFound()
	}
	return writeBranded(ex, r, ui.BrandOf(ex.tenant).Sheet, "text/css; charset=utf-8", sheet)
}

// brandLogo is the tenant's logo. Its media type is that of its bytes, always an image.
func (s *pages) brandLogo(ex *exchange, r *http.Request) error {
	image, mediaType, err := ex.tenant.Settings.Branding.LogoImage()
	if err != nil || image == nil {
		return notFound()
	}
	return writeBranded(ex, r, ui.BrandOf(ex.tenant).Logo, mediaType, image)
}

func writeBranded(ex *exchange, r *http.Request, current, mediaType string, content []byte) error {
	if !strings.HasSuffix(current, "?"+r.URL.RawQuery) {
		h := ex.Header()
		h["Content-Type"] = []string{mediaType}
		h["Cache-Control"] = noCache
		ex.Write(content)
		return nil
	}
	return writeAsset(ex, mediaType, content)
}
