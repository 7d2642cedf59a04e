package web

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The table has its paths as literals. Links, metadata and pages name the same paths.
func TestNamedPathsAreInTheTable(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	paths := map[string]bool{}
	for _, rt := range h.router.Table() {
		paths[rt.path] = true
	}
	for _, path := range []string{
		oauth.TokenPath, oidc.IntrospectPath, oidc.RevokePath, oidc.PushedPath, oidc.DeviceAuthorizationPath, client.RegisterPath,
		client.RegisterPath + "/{client_id}", oidc.UserInfoPath, oidc.AuthorizePath, oidc.LogoutPath, oidc.JWKSPath, oidc.DevicePath,
		ui.StylesheetPath, ui.ScriptPath, ui.ShowScriptPath, ui.IconPath, ui.BrandPath, ui.LogoPath,
		pathContinue, pathLogin, pathRegister, pathForgot, pathChoose, pathConsent, pathUnverified, pathDevice, pathConfirm, pathAccount, pathLogout, pathResend,
	} {
		if !paths[path] {
			t.Errorf("%s is not in the table", path)
		}
	}
}

// A route without a dialect, a principal, a limit or a handler does not start.
func TestUnclassifiedRoutesPanic(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for name, add := range map[string]func(){
		"dialect":   func() { h.router.route("GET /x", dialect{}, anyone, unlimited, h.livez) },
		"principal": func() { h.router.route("GET /x", h.dialects.page, principal{}, unlimited, h.livez) },
		"limit":     func() { h.router.route("GET /x", h.dialects.page, anyone, rateLimit{}, h.livez) },
		"handler":   func() { h.router.route("GET /x", h.dialects.page, anyone, unlimited, nil) },
		"method":    func() { h.router.route("/x", h.dialects.page, anyone, unlimited, h.livez) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a route without a %s was added", name)
				}
			}()
			add()
		}()
	}
}
