package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGallery opens every golden page: axe-core finds nothing serious, and nothing is wider
// than 320 pixels, left to right and right to left.
func TestGallery(t *testing.T) {
	t.Parallel()
	chromium(t)
	folder := filepath.Join(root, "internal", "web", "ui")
	files, err := filepath.Glob(filepath.Join(folder, "testdata", "*.html"))
	if err != nil || len(files) < 60 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", http.StripPrefix("/assets", http.FileServer(http.Dir(folder))))
	mux.HandleFunc("GET /{page}", func(w http.ResponseWriter, r *http.Request) { serveGolden(w, r, folder) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)

	for lang, l := range map[string]windowSettings{"en": {width: 1000}, "de": {dark: true, width: 320}} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			b := newTab(t, l)
			for _, file := range files {
				name, ok := strings.CutSuffix(filepath.Base(file), "."+lang+".html")
				if !ok || strings.HasPrefix(name, "problem_") && name != "problem_request" { // the same page in other words
					continue
				}
				b.open(srv.URL + "/" + filepath.Base(file)).requireAccessible(name).screenshot(name)
			}
			b.requireNoErrors()
		})
	}
	t.Run("rtl", func(t *testing.T) {
		t.Parallel()
		b := newTab(t, windowSettings{width: 320})
		for _, name := range []string{"login", "consent", "choose", "account", "account_factors", "device_confirm"} {
			b.open(srv.URL + "/" + name + ".en.html?dir=rtl").requireAccessible(name).screenshot(name)
		}
	})
}

// serveGolden serves a golden page with the Content-Security-Policy of the pages.
func serveGolden(w http.ResponseWriter, r *http.Request, folder string) {
	b, err := os.ReadFile(filepath.Join(folder, "testdata", filepath.Base(r.PathValue("page"))))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	page := strings.ReplaceAll(string(b), `<script src="/assets/post.js?v=0" defer></script>`, "") // it would go on
	page = regexp.MustCompile(`<meta http-equiv="refresh"[^>]*>`).ReplaceAllString(page, "")       // and so would this
	if r.URL.Query().Get("dir") == "rtl" {
		page = strings.Replace(page, `dir="ltr"`, `dir="rtl"`, 1)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'")
	_, _ = w.Write([]byte(page))
}
