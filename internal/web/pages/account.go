package pages

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The pages of the account, below the tenant's base. The path of a form begins with that of its page.
const (
	PathAccount     = "/account"
	PathProfile     = "/account/profile"
	PathEmail       = "/account/email"
	PathPassword    = "/account/password"
	PathFactors     = "/account/two-factor"
	PathFactorAdd   = "/account/two-factor/add"
	PathFactorEdit  = "/account/two-factor/edit"
	PathCodes       = "/account/two-factor/codes"
	PathPasskeys    = "/account/passkeys"
	PathPasskeyEdit = "/account/passkeys/edit"
	PathSessions    = "/account/sessions"
	PathApps        = "/account/apps"
	PathData        = "/account/data"
	PathDelete      = "/account/data/delete"
	PathDeleted     = "/account/deleted"
	pathPicture     = PathProfile + "/picture"
	pathNewPassword = PathPassword + "/link"
	pathEndOthers   = PathSessions + "/end-others"
	pathSecureThis  = PathSessions + "/secure"
)

// accountPages are the pages that have a link on all pages of the account, in this order.
var accountPages = []struct {
	path  string
	title ui.Key
}{
	{PathAccount, ui.AccountTitle}, {PathProfile, ui.ProfileTitle}, {PathEmail, ui.AddressTitle}, {PathPassword, ui.PasswordTitle},
	{PathFactors, ui.FactorsTitle}, {PathPasskeys, ui.PasskeysTitle}, {PathSessions, ui.SessionsTitle}, {PathApps, ui.AppsTitle}, {PathData, ui.DataTitle},
}

// innerPages are the pages below one of accountPages.
var innerPages = []string{PathFactorAdd, PathFactorEdit, PathPasskeyEdit, PathCodes, PathDelete}

// accountPage returns the page of the account to which a path belongs: the longest that begins it. No
// path from outside leads anywhere else.
func accountPage(path string) string {
	page := PathAccount
	longer := func(p string) {
		if (path == p || strings.HasPrefix(path, p+"/")) && len(p) > len(page) {
			page = p
		}
	}
	for _, p := range accountPages {
		longer(p.path)
	}
	for _, p := range innerPages {
		longer(p)
	}
	return page
}

// AccountForm checks the CSRF token, which is bound to the browser and to the session of the page.
func (s *Handlers) AccountForm(h router.Handler) router.Handler {
	return func(ex *router.Exchange, r *http.Request) error {
		csrf, of, _ := strings.Cut(r.PostForm.Get("csrf"), ".")
		if !s.flows.CSRFValid(ex.Tenant.ID, flow.Browser{Secret: ex.BrowserCookie()}, csrf, "account", of) {
			return router.CrossSite()
		}
		if auth.SessionID(of) != ex.Actor.Session { // that session has ended
			return seeOther(ex, accountPage(ex.Route.Path))
		}
		if done, err := s.repeatForm(ex); done || err != nil {
			return err
		}
		if replacingForms[ex.Route.Path] != nil {
			ex.Actor.Form = formDigest(ex)
		}
		return h(ex, r)
	}
}

// AccountOwner returns the principal of a user who is signed in in the browser. Other users are
// redirected to the sign-in page, which leads back to the page.
func (s *Handlers) AccountOwner() router.Principal {
	return router.Principal{Name: "accountOwner", Admit: func(ex *router.Exchange) error {
		_, err := s.findOwner(ex)
		return err
	}}
}

// Fresh returns the principal of AccountOwner whose sign-in is at most age old and as strong as the
// account's factors allow, up to two factors (auth.SignIn.Fresh). Other users sign in again and return to
// the page; a form has to be sent again.
func (s *Handlers) Fresh(age time.Duration) router.Principal {
	return router.Principal{Name: "freshOwner", Admit: func(ex *router.Exchange) error {
		b, err := s.findOwner(ex)
		if err != nil {
			return err
		}
		err = s.logins.RequireFresh(ex.Request.Context(), ex.Tenant.ID, ex.Actor, age)
		if up, ok := errors.AsType[auth.StepUp](err); ok {
			seconds := int64(up.MaxAge.Seconds())
			return cmp.Or(s.leadTo(ex, b, auth.AuthorizationRequest{MaxAge: &seconds}), router.ErrWritten)
		}
		return err
	}}
}

// findOwner sets the actor to the current account, or redirects to the sign-in page.
func (s *Handlers) findOwner(ex *router.Exchange) (flow.Browser, error) {
	b, err := s.resumeBrowser(ex)
	if err != nil {
		return b, err
	}
	if sent := session.ParseCookie(ex.SessionCookie()); len(b.Sessions) < len(sent) { // one has ended, perhaps by this form
		if done, err := s.repeatForm(ex); done || err != nil {
			return b, cmp.Or(err, router.ErrWritten)
		}
	}
	switch {
	case len(b.Sessions) > 0:
		ex.Actor = ex.Actor.AsSession(b.Sessions[0].Session)
		return b, nil
	case ex.Route.Path == PathAccount+"/logout": // a form that was posted twice
		err = seeOther(ex, PathLogout+"/done")
	case accountPage(ex.Route.Path) == PathAccount:
		err = seeOther(ex, PathLogin)
	default:
		err = s.leadTo(ex, b, auth.AuthorizationRequest{})
	}
	return b, cmp.Or(err, router.ErrWritten)
}

// leadTo begins a flow that leads to the page of the route. After a form it redirects to that page, which
// begins the flow.
func (s *Handlers) leadTo(ex *router.Exchange, b flow.Browser, r auth.AuthorizationRequest) error {
	r.Page = accountPage(ex.Route.Path)
	if ex.Request.Method == http.MethodPost {
		return seeOther(ex, r.Page)
	}
	st, err := s.flows.StartAccount(ex.Request.Context(), ex.Tenant.ID, ex.Actor.Session, r, b)
	if err != nil {
		return err
	}
	ex.SetBrowser(st.NewBrowser)
	return dispatch(ex, st)
}

// accountCSRF returns the CSRF token of the forms of the account's pages, with the session that it is
// bound to.
func (s *Handlers) accountCSRF(ex *router.Exchange, b flow.Browser) string {
	of := string(ex.Actor.Session)
	return s.flows.CSRF(ex.Tenant.ID, b, "account", of) + "." + of
}

// accountNotices are the notices of the account's pages after a change, by the parameter done.
var accountNotices = map[string]ui.Key{
	"profile": ui.ProfileSaved, "picture": ui.PictureSaved, "picture-removed": ui.PictureRemoved, "email": ui.AddressMailed, "email-kept": ui.AddressKept, "password": ui.PasswordChanged, "link": ui.PasswordMailed,
	"added": ui.FactorAdded, "renamed": ui.FactorRenamed, "removed": ui.FactorRemoved, "codes": ui.CodesSaved, "passkey": ui.PasskeyAdded, "session": ui.SessionEnded, "others": ui.OthersEnded, "trust": ui.TrustEnded, "app": ui.AppRemoved, "kept": ui.Kept, "username": ui.UsernameSaved,
}

// factorChanges are those of accountNotices after which the pages offer to end all other sessions, which
// may be of somebody who signed in without the factor.
var factorChanges = []string{"added", "removed", "codes", "passkey"}

// accountFrame returns what the pages of the account share. The action of the form is the path.
func (s *Handlers) accountFrame(ex *router.Exchange, action string) ui.Frame {
	me, b := ex.SignedIn[0].Account, flow.Browser{Secret: ex.BrowserCookie()}
	ex.SetBrowser(b.EnsureSecret())
	f := ui.Frame{Page: newPage(ex), Form: ui.Form{CSRF: s.accountCSRF(ex, b), Action: tenantPath(ex, action)},
		Account: me.Email.Address, Name: me.Name, Picture: me.PictureURL(ex.Tenant.ID.Path()), Logout: tenantPath(ex, PathAccount+"/logout")}
	here := accountPage(ex.Route.Path)
	for _, p := range accountPages {
		if p.path == PathPasskeys && !s.logins.HasPasskeys() {
			continue
		}
		below := strings.HasPrefix(here, p.path+"/")
		f.Links = append(f.Links, ui.Link{URL: tenantPath(ex, p.path), Text: f.Say(p.title), Current: p.path == here || below && p.path != PathAccount})
		if below {
			f.Up = tenantPath(ex, p.path) // the last is the nearest
		}
	}
	done := ex.Request.URL.Query().Get("done")
	if k, ok := accountNotices[done]; ok {
		f.Notice = f.Say(k)
	}
	if here != PathSessions && slices.Contains(factorChanges, done) {
		f.OfferEnd = tenantPath(ex, pathEndOthers)
	}
	return f
}

// redirectDone redirects to a page of the account after a change. It ignores that the changed object was
// not found, since it is gone as requested.
func redirectDone(ex *router.Exchange, err error, page, done string) error {
	if err != nil && auth.KindOf(err) != auth.KindNotFound {
		return err
	}
	return seeOther(ex, page+"?done="+done)
}

// explainRefusal returns the status and the sentence of a refusal that a form shows. It returns the error
// if it is not about the form.
func explainRefusal(ex *router.Exchange, p ui.Page, err error) (status int, sentence string, _ error) {
	e, ok := errors.AsType[*auth.Error](err)
	switch {
	case !ok:
		return 0, "", err
	case e.Kind == auth.KindThrottled:
		ex.Explain(e).SetHeaders(ex.Header())
		return http.StatusTooManyRequests, p.Say(ui.AccountWait, p.Wait(e.RetryAfter)), nil
	case e.Kind == auth.KindInvalid || e.Kind == auth.KindForbidden || e.Kind == auth.KindConflict:
		return http.StatusBadRequest, strings.Join(p.Refusal(e), " "), nil
	}
	return 0, "", err
}

// AccountPage shows what the account has, with links to its pages.
func (s *Handlers) AccountPage(ex *router.Exchange, r *http.Request) error {
	ctx, id := r.Context(), ex.Actor.Account()
	devices, err := s.accounts.Sessions(ctx, ex.Tenant.ID, id)
	if err != nil {
		return err
	}
	apps, err := s.oidc.Consents(ctx, ex.Tenant.ID, id)
	if err != nil {
		return err
	}
	factors, codes, err := s.logins.Factors(ctx, ex.Tenant.ID, id)
	if err != nil {
		return err
	}
	p := ui.Overview{Frame: s.accountFrame(ex, PathAccount+"/keep"), DeleteAt: ex.SignedIn[0].Account.DeleteAt, Add: tenantPath(ex, PathFactors)}
	if p.DueAt, err = s.logins.GraceEnds(ctx, ex.Tenant.ID, id); err != nil {
		return err
	}
	status := map[string]string{
		PathProfile: cmp.Or(p.Name, p.Say(ui.ProfileStatus)), PathEmail: p.Account, PathPassword: p.Say(ui.PasswordStatus), PathFactors: p.Say(ui.FactorsOff), PathPasskeys: p.Say(ui.PasskeyNone),
		PathSessions: p.Count(len(devices), ui.SessionOne, ui.SessionMany), PathApps: p.Say(ui.AppNone), PathData: p.Say(ui.DataStatus),
	}
	on := slices.ContainsFunc(factors, auth.Factor.Binds)
	few, all := on && codes <= ui.FewCodes, len(factors)
	if on {
		status[PathFactors] = p.Count(all, ui.FactorOne, ui.FactorMany)
	}
	if n := len(slices.DeleteFunc(factors, func(f auth.Factor) bool { return f.Kind != auth.ProofPasskey })); n > 0 {
		status[PathPasskeys] = p.Count(n, ui.PasskeyOne, ui.PasskeyMany)
	}
	if few {
		status[PathFactors] += " · " + p.Count(codes, ui.CodeOne, ui.CodeMany)
	}
	if len(apps) > 0 {
		status[PathApps] = p.Count(len(apps), ui.AppOne, ui.AppMany)
	}
	for _, link := range p.Links[1:] {
		path := strings.TrimPrefix(link.URL, tenantPath(ex, ""))
		p.Rows = append(p.Rows, ui.OverviewRow{Link: link, Status: status[path], Warn: path == PathFactors && few})
	}
	return render(ex, http.StatusOK, p)
}

// AccountLogout signs the current account out of this browser.
func (s *Handlers) AccountLogout(ex *router.Exchange, r *http.Request) error {
	b, err := s.browser(ex)
	if err != nil {
		return err
	}
	cookie, err := s.logins.SignOutBrowser(r.Context(), ex.Tenant.ID, b.Sessions, ex.Actor.Session, ex.RequestActor())
	if err != nil {
		return err
	}
	ex.SetSessions(cookie)
	if cookie != "" {
		return seeOther(ex, PathAccount)
	}
	ex.DropRemember()
	return seeOther(ex, PathLogout+"/done")
}
