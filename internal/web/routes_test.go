package web

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/pages"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The route table has literal paths. Links, metadata and pages use the same paths.
func TestRoutes_HaveEveryNamedPath(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	paths := map[string]bool{}
	for _, rt := range h.router.Table() {
		paths[rt.Path] = true
	}
	for _, path := range []string{
		oauth.TokenPath, oidc.IntrospectPath, oidc.RevokePath, oidc.PushedPath, oidc.DeviceAuthorizationPath, client.RegisterPath,
		client.RegisterPath + "/{client_id}", oidc.UserInfoPath, oidc.AuthorizePath, oidc.LogoutPath, oidc.JWKSPath, oidc.DevicePath,
		ui.StylesheetPath, ui.ScriptPath, ui.ShowScriptPath, ui.PasskeyScriptPath, ui.IconPath, ui.BrandPath, ui.LogoPath,
		pages.PathContinue, pages.PathLogin, pages.PathFactor, pages.PathEnrol, pages.PathPasskey, pages.PathAddPasskey, pages.PathRegister, pages.PathForgot, pages.PathChoose, pages.PathConsent, pages.PathUnverified, pages.PathDevice, pages.PathConfirm, pages.PathAccount, pages.PathProfile, pages.PathEmail, pages.PathPassword, pages.PathFactors,
		pages.PathFactorAdd, pages.PathFactorEdit, pages.PathCodes, pages.PathPasskeys, pages.PathPasskeyEdit, pages.PathSessions, pages.PathApps, pages.PathData, pages.PathDelete, pages.PathDeleted, pages.PathLogout, pages.PathResend,
	} {
		if !paths[path] {
			t.Errorf("%s is not in the table", path)
		}
	}
}

// A route without a method, a dialect, a principal, a limit or a handler panics.
func TestUnclassifiedRoutesPanic(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for name, add := range map[string]func(){
		"dialect":   func() { h.router.Route("GET /x", router.Dialect{}, anyone, unlimited, h.livez) },
		"principal": func() { h.router.Route("GET /x", h.dialects.page, router.Principal{}, unlimited, h.livez) },
		"limit":     func() { h.router.Route("GET /x", h.dialects.page, anyone, router.Limit{}, h.livez) },
		"handler":   func() { h.router.Route("GET /x", h.dialects.page, anyone, unlimited, nil) },
		"method":    func() { h.router.Route("/x", h.dialects.page, anyone, unlimited, h.livez) },
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
