package web

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/ui"
)

// asset answers with something whose address changes whenever it does.
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

// favicon is where browsers look that have shown no page of ours, only an answer of the
// API. The address never changes, so it is not kept for ever.
func (s *Server) favicon(ex *exchange, r *http.Request) error {
	return ex.branded(r, "", "image/svg+xml", ui.Icon)
}

// brandSheet is the look of the tenant. A page of another version of it, which some
// node still serves for a moment, is given this one, but not for ever.
func (s *Server) brandSheet(ex *exchange, r *http.Request) error {
	sheet := ui.BrandSheet(ex.tenant.Settings.Branding)
	if len(sheet) == 0 {
		return notFound()
	}
	return ex.branded(r, ui.BrandOf(ex.tenant).Sheet, "text/css; charset=utf-8", sheet)
}

// brandLogo is the tenant's logo: an image by its bytes, whatever anybody says, and
// never a document.
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
