package protocol

import (
	"net/http"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/router"
)

// RelatedOrigins publishes the further origins whose pages may use the passkeys of this server (WebAuthn
// §5.11). Without any, browsers allow only the server's own domain.
func (s *Handlers) RelatedOrigins(ex *router.Exchange, _ *http.Request) error {
	origins := slices.DeleteFunc(slices.Clone(s.origins), func(o string) bool { return !strings.HasPrefix(o, "https://") })
	if len(origins) == 0 {
		return router.NotFound()
	}
	h := ex.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Cache-Control"] = s.maxAge
	ex.Write(router.EncodeJSON(map[string][]string{"origins": origins}))
	return nil
}
