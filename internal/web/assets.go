package web

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/ui"
)

// asset answers with content whose URL changes with it, so caches store it for ever.
func (ex *exchange) asset(mediaType string, content []byte) error {
	h := ex.Header()
	h["Content-Type"] = []string{mediaType}
	h["Cache-Control"] = []string{"public, max-age=31536000, immutable"}
	ex.Write(content)
	return nil
}

func (s *Server) stylesheet(ex *exchange, _ *http.Request) error {
	return ex.asset("text/css; charset=utf-8", ui.Stylesheet)
}

func (s *Server) script(ex *exchange, _ *http.Request) error {
	return ex.asset("text/javascript; charset=utf-8", ui.Script)
}

func (s *Server) showScript(ex *exchange, _ *http.Request) error {
	return ex.asset("text/javascript; charset=utf-8", ui.ShowScript)
}

func (s *Server) icon(ex *exchange, _ *http.Request) error {
	return ex.asset("image/svg+xml", ui.Icon)
}

// favicon is what browsers request on their own. Its URL never changes, so caches revalidate
// it.
func (s *Server) favicon(ex *exchange, r *http.Request) error {
	return ex.branded(r, "", "image/svg+xml", ui.Icon)
}

// brandSheet is the style sheet of the tenant. A page of another version, which another node
// may still serve, gets this one, and caches do not store it for ever.
func (s *Server) brandSheet(ex *exchange, r *http.Request) error {
	sheet := ui.BrandSheet(ex.tenant.Settings.Branding)
	if len(sheet) == 0 {
		return notFound()
	}
	return ex.branded(r, ui.BrandOf(ex.tenant).Sheet, "text/css; charset=utf-8", sheet)
}

// brandLogo is the tenant's logo. Its media type is that of its bytes, always an image.
func (s *Server) brandLogo(ex *exchange, r *http.Request) error {
	image, mediaType, err := ex.tenant.Settings.Branding.LogoImage()
	if err != nil || image == nil {
		return notFound()
	}
	return ex.branded(r, ui.BrandOf(ex.tenant).Logo, mediaType, image)
}

func (ex *exchange) branded(r *http.Request, current, mediaType string, content []byte) error {
	if !strings.HasSuffix(current, "?"+r.URL.RawQuery) {
		h := ex.Header()
		h["Content-Type"] = []string{mediaType}
		h["Cache-Control"] = noCache
		ex.Write(content)
		return nil
	}
	return ex.asset(mediaType, content)
}
